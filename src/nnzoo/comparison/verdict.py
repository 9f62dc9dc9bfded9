"""Which network to use, in sentences: what was told apart, what was not, and whether a baseline does as well."""

from collections.abc import Sequence
from dataclasses import dataclass

from nnzoo.comparison.statistics import BEATS, LEAST_EVEN_FOLDS, TIED, WORSE, Gap, find, tied
from nnzoo.errors import counted
from nnzoo.evaluation.metrics import ABOUT, figure
from nnzoo.evaluation.verdict import TITLES

CONSTANT = "constant"


@dataclass(frozen=True)
class Standing:
    """Where one candidate or baseline stands.

    Parameters
    ----------
    name : str
    is_network : bool
    mean, low, high : float or None
        Mean score over its folds and the interval around it.
    n_folds : int
    seconds : float or None
        Of one training.
    failure : str or None
        Why there is no score.
    """

    name: str
    is_network: bool
    mean: float | None
    low: float | None
    high: float | None
    n_folds: int
    seconds: float | None
    failure: str | None


LEAST_TOLD_FOLDS = 4
"""With fewer folds an interval is so wide that its ends say nothing."""


def words(table: Sequence[Standing], judged: Sequence[Gap], metric: str) -> tuple[str, str | None]:
    """Return the verdict as sentences, and the name of what to use.

    Only those with a pair that was judged are spoken of, all with a score where none was. A network is to be used
    where it beats the best baseline; where it does not, or cannot be told apart from it, the baseline is, because it
    is simpler.

    Parameters
    ----------
    table : sequence of Standing
    judged : sequence of Gap
        With the pairs of each network with each other network and each baseline.
    metric : str
        "accuracy", "f1_micro" or "rmse".

    Returns
    -------
    str, str or None
        No name where nothing has a score.

    Examples
    --------
    >>> gru = Standing("gru", True, 0.93, 0.90, 0.96, 10, 2.0, None)
    >>> linear = Standing("linear", False, 0.90, 0.87, 0.93, 10, 0.1, None)
    >>> gap = Gap("gru", "linear", 0.03, 0.012, 0.048, p=0.001, probability=0.999, n_folds=10, outcome="beats")
    >>> words([gru, linear], [gap], "accuracy")
    ('gru beats the best baseline, linear, by 1.2 to 4.8 points.', 'gru')
    """
    most = max((each.n_folds for each in table), default=0)
    names = {name for gap in judged for name in (gap.first, gap.second)}
    sign = 1 if ABOUT[metric][0] == "higher" else -1
    last = [each for each in table if each.mean is not None and (each.name in names or not names)]
    last.sort(key=lambda each: -sign * (each.mean or 0.0))
    networks = [each.name for each in last if each.is_network]
    baselines = [each.name for each in last if not each.is_network]
    said, winner = _choice(networks, baselines, judged, metric)
    if winner is not None and winner != CONSTANT and _is_unproved(winner, judged):
        said.append(f"{winner} is not shown to be better than always giving the same answer.")
    if winner is not None:
        said += _about_folds(most)
    failed = [each.name for each in table if each.failure is not None]
    if failed:
        said.append(f"Without a score: {_listed(failed)}; the table says why.")
    return " ".join(said), winner


def _choice(
    networks: Sequence[str], baselines: Sequence[str], judged: Sequence[Gap], metric: str
) -> tuple[list[str], str | None]:
    if not networks and not baselines:
        return ["Nothing has a score yet, so there is nothing to say."], None
    if not networks:
        return [f"No network has a score on all folds: use {baselines[0]}."], baselines[0]
    if not baselines:
        return _among(networks, networks[0], judged, metric), networks[0]
    base = baselines[0]
    beating = [name for name in networks if _outcome(name, base, judged) == BEATS]
    if beating:
        return _beaten(networks, beating, base, judged, metric), beating[0]
    best, gap = networks[0], find(networks[0], base, judged)
    if gap is not None and gap.outcome == WORSE:
        ahead = f"which is ahead of the best network, {best}, by {_amount([gap.turned()], metric)}"
        return [f"No network beats {base} here, {ahead}: use {base}."], base
    is_told = gap is not None and gap.low is not None and gap.n_folds >= LEAST_TOLD_FOLDS
    doubt = f" ({_range(gap, metric)})" if gap is not None and is_told else ""
    return [
        f"No network is shown to beat {base} here, and {base} is simpler: use {base}.",
        f"{best}, the best network, {TIED} it{doubt}.",
    ], base


def _beaten(
    networks: Sequence[str], beating: Sequence[str], base: str, judged: Sequence[Gap], metric: str
) -> list[str]:
    """Return the sentences for networks that beat the best baseline."""
    best = beating[0]
    leading = [name for name in networks if name == best or name in tied(best, judged)]
    ahead = [name for name in leading if name in beating]
    by = _amount([gap for name in ahead if (gap := find(name, base, judged))], metric)
    what = f"the best baseline, {base}, by {by}"
    if len(leading) == 1:
        return [f"{best} beats {what}.", *_among(networks, best, judged, metric)]
    if len(ahead) == len(leading):
        told = f"{'both' if len(ahead) == 2 else f'all {len(ahead)}'} beat {what}"
    else:
        told = f"of them {_listed(ahead)} {'beats' if len(ahead) == 1 else 'beat'} {what}"
    return [f"{_listed(leading)} cannot be told apart here; {told}."]


def _among(networks: Sequence[str], best: str, judged: Sequence[Gap], metric: str) -> list[str]:
    """Return a sentence on how the best network stands to the others."""
    others = [name for name in networks if name != best]
    same = [name for name in others if name in tied(best, judged)]
    if same:
        return [f"{_listed([best, *same])} cannot be told apart here."]
    behind = [gap for name in others if (gap := find(best, name, judged)) and gap.outcome == BEATS]
    if not behind:
        return []
    by = _amount(behind[:1], metric)
    return [f"{best} beats the other networks that came as far, the next, {behind[0].second}, by {by}."]


def _about_folds(n_folds: int) -> list[str]:
    if n_folds >= LEAST_EVEN_FOLDS:
        return []
    if n_folds == 1:
        return ["One fold tells nothing apart: give more time, for at least five folds."]
    return [f"{counted(n_folds, 'fold').capitalize()} tell little apart: give more time, for at least five."]


def _is_unproved(winner: str, judged: Sequence[Gap]) -> bool:
    gap = find(winner, CONSTANT, judged)
    return gap is not None and gap.outcome != BEATS


def _outcome(first: str, second: str, judged: Sequence[Gap]) -> str:
    gap = find(first, second, judged)
    return TIED if gap is None else gap.outcome


def _amount(found: Sequence[Gap], metric: str) -> str:
    """Return from where to where some differences lie that are above 0, by their intervals."""
    low = min(gap.mean if gap.low is None else gap.low for gap in found)
    high = max(gap.mean if gap.high is None else gap.high for gap in found)
    return _between(low, high, metric)


def _range(gap: Gap, metric: str) -> str:
    """Return an interval around 0 in words: by how much the first may be worse and better."""
    worse, better = -(gap.low or 0.0), gap.high or 0.0
    return f"from {_between(worse, worse, metric)} worse to {_between(better, better, metric)} better"


def _between(low: float, high: float, metric: str) -> str:
    if ABOUT[metric][1] == "share":
        ends, unit = [_points(100 * end) for end in (low, high)], " points"
    else:
        ends, unit = [figure(end) for end in (low, high)], f" in {TITLES.get(metric, metric)}"
    return (ends[0] if ends[0] == ends[1] else " to ".join(ends)) + unit


def _points(value: float) -> str:
    return f"{value:.1f}" if value >= 0.1 else f"{value:.2f}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
