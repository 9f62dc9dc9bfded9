"""Does the network beat the best baseline? The paired difference on the same rows, and the answer in words."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nnzoo.evaluation.baselines import Baseline
from nnzoo.evaluation.intervals import paired_interval
from nnzoo.evaluation.metrics import Metric, figure, micro_f1, primary_metric, several_parts

MIN_ROWS = 20
OUTCOMES = ("beats", "cannot be told apart from", "is worse than")
TITLES = {"accuracy": "accuracy", "f1_micro": "micro F1", "rmse": "RMSE"}


@dataclass(frozen=True)
class Difference:
    """How much better the network is than a baseline, in the primary metric, on the same rows.

    Parameters
    ----------
    baseline : str
    metric : str
    gain : float
        Above 0 where the network is better, whichever way the metric points.
    low, high : float
        95 % interval of the gain from the paired bootstrap.
    outcome : str
        "beats", "cannot be told apart from" or "is worse than".
    """

    baseline: str
    metric: str
    gain: float
    low: float
    high: float
    outcome: str

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return asdict(self)


def compare(
    task: str,
    truth: np.ndarray,
    prediction: np.ndarray,
    baseline: Baseline,
    *,
    several_labels: bool = False,
    seed: int = 0,
) -> Difference:
    """Return the gain of the network over a baseline by a paired bootstrap: both are drawn on the same rows.

    For labels two made-up rows are added to the draws, one in favour of each side: without them a handful of rows that
    happen to fall to one side would pass for proof. Below 20 rows nothing is ever told apart.

    Parameters
    ----------
    task : str
    truth, prediction : array (n,) or (n, k)
        Of the network.
    baseline : Baseline
        Its prediction is of the same rows in the same order.
    several_labels : bool, default False
    seed : int, default 0

    Returns
    -------
    Difference
    """
    metric = primary_metric(task, several_labels)
    if task == "regression":
        scale = float(max(np.abs(each).max() for each in (truth, prediction, baseline.prediction))) or 1.0
        errors = (baseline.prediction / scale - truth / scale, prediction / scale - truth / scale)
        parts = np.stack([errors[0] ** 2, errors[1] ** 2, np.ones(len(truth))], axis=1)
        value, low, high = (scale * end for end in paired_interval(parts, _rmse_gain, seed))
    elif several_labels:
        parts = np.column_stack([several_parts(truth, prediction), several_parts(truth, baseline.prediction)])
        made_up = np.array([[1.0, 0, 0, 0, 0, 1], [0, 0, 1, 1, 0, 0]])
        value, low, high = _with_made_up(parts, made_up, _f1_gain, seed)
    else:
        gain = (prediction == truth).astype(float) - (baseline.prediction == truth)
        parts = np.stack([gain, np.ones(len(gain))], axis=1)
        value, low, high = _with_made_up(parts, np.array([[1.0, 1], [-1, 1]]), mean_of_sums, seed)
    told_apart = len(truth) >= MIN_ROWS and (low > 0 or high < 0)
    outcome = OUTCOMES[1] if not told_apart else OUTCOMES[0] if low > 0 else OUTCOMES[2]
    return Difference(baseline.name, metric, value, low, high, outcome)


def best_baseline(baselines: Sequence[Baseline], metric: str) -> Baseline:
    """Return the baseline with the best value of the metric; the simpler one where two are equal."""
    sign = 1 if baselines[0].metrics[metric].better == "higher" else -1
    return max(baselines, key=lambda baseline: sign * baseline.metrics[metric].value)


def verdict_words(
    own: Metric, best: Baseline | None, difference: Difference | None, constant: Difference | None, n_rows: int
) -> str:
    """Return the verdict as sentences.

    Parameters
    ----------
    own : Metric
        Primary metric of the network.
    best : Baseline or None
    difference : Difference or None
        To the best baseline.
    constant : Difference or None
        To the constant.
    n_rows : int
    """
    rows = f"{n_rows:,} row{'s' * (n_rows != 1)}"
    title = TITLES.get(own.name, own.name.replace("_", " "))
    if best is None or difference is None:
        return f"The network reaches {title} {own} on {rows}. There is no baseline beside it."
    words = [
        f"The network {difference.outcome} the best baseline, {best.name}, on {rows}: {title} {own} "
        f"against {best.metrics[own.name]}; {_gain_words(difference)}."
    ]
    if n_rows < MIN_ROWS:
        words.append(f"Fewer than {MIN_ROWS} rows tell nothing apart: test on more rows.")
    if difference.outcome == OUTCOMES[1] and n_rows >= MIN_ROWS:
        words.append(f"The {best.name} baseline is simpler and trains in {_seconds(best.seconds)}: consider it.")
    if difference.outcome == OUTCOMES[2]:
        words.append(f"Use the baseline: {best.name}{_lines_follow(best)}.")
    if constant is not None and constant.outcome != OUTCOMES[0]:
        words.append("It is not shown to be better than always giving the same answer.")
    return " ".join(words)


def _gain_words(difference: Difference) -> str:
    low, high, side = difference.low, difference.high, "better"
    if difference.gain < 0:
        low, high, side = -high, -low, "worse"
    amount = f"{figure(abs(difference.gain))} {side}" if difference.gain else "no difference"
    return f"{amount}, 95 % interval {figure(low)} to {figure(high)}"


def _lines_follow(best: Baseline) -> str:
    return "; the scikit-learn lines that build it follow" if best.code else ""


def _seconds(seconds: float) -> str:
    return "under a second" if seconds < 1 else f"{seconds:.0f} s"


def _with_made_up(parts: np.ndarray, made_up: np.ndarray, statistic: Any, seed: int) -> tuple[float, float, float]:
    value = float(statistic(parts.sum(axis=0, keepdims=True))[0])
    _, low, high = paired_interval(np.concatenate([parts, made_up]), statistic, seed)
    return value, min(low, value), max(high, value)


def mean_of_sums(sums: np.ndarray) -> np.ndarray:
    """Return means from sums of values and of ones, shape (n_draws, 2)."""
    return sums[:, 0] / sums[:, 1]


def _rmse_gain(sums: np.ndarray) -> np.ndarray:
    return np.sqrt(sums[:, 0] / sums[:, 2]) - np.sqrt(sums[:, 1] / sums[:, 2])


def _f1_gain(sums: np.ndarray) -> np.ndarray:
    return micro_f1(sums[:, :3]) - micro_f1(sums[:, 3:])
