"""Which network fits these data? All that can take part, beside plain baselines, on the same folds within a time."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nnzoo import steps
from nnzoo.comparison import statistics
from nnzoo.comparison.candidates import Candidate, chosen, searched, varied
from nnzoo.comparison.contest import Contest, Progress
from nnzoo.comparison.executor import Executor, Inline, Processes, n_processors
from nnzoo.comparison.folds import Folds
from nnzoo.comparison.ledger import Ledger
from nnzoo.comparison.plan import N_SETTINGS
from nnzoo.comparison.result import Comparison, Entry
from nnzoo.comparison.trials import Trials, primary_of, without_words
from nnzoo.comparison.verdict import Standing, words
from nnzoo.data.dataset import Data, load
from nnzoo.errors import UsageError, counted
from nnzoo.evaluation.baselines import Baseline
from nnzoo.evaluation.metrics import ABOUT, primary_metric, score
from nnzoo.evaluation.report import Report
from nnzoo.files import Pathish
from nnzoo.measuring import Answers, answer, report_beside
from nnzoo.model import surroundings

TIME_LIMIT = 300.0
WORTH_A_START = 30.0
"""Seconds from which on processes of their own are worth their start."""
LEDGER = "ledger.jsonl"
INTERRUPT = "interrupt"


def compare(
    data: Any,
    *,
    networks: str | Sequence[str] | None = None,
    network: str | None = None,
    vary: Mapping[str, Sequence[Any]] | None = None,
    time_limit: float | None = TIME_LIMIT,
    n_workers: int | None = None,
    out: Pathish | None = None,
    resume: bool = False,
    seed: int = 0,
    show: Callable[[Progress], None] | None = None,
    **load_options: Any,
) -> Comparison:
    """Compare all networks that fit the data with each other and with baselines, and say which to use.

    The test part of the data stays sealed until one is chosen. All else is cut into folds, the same for all; the worse
    networks are dropped on the way, the best ones are seen on up to ten folds and, where time is left, with settings
    that validation rows inside of each fold have chosen. Differences are judged by intervals that know that folds share
    their training rows and that many pairs are looked at. The winner is then trained anew and scored on the test part.

    Parameters
    ----------
    data : Data, or a source as for ``load``
    networks : sequence of str, optional
        Names; all that fit by default.
    network : str, optional
        With ``vary``: the network of which one parameter is varied.
    vary : mapping of one str to values, optional
        One factor at a time: a parameter and its values, on the same folds with the same seeds.
    time_limit : float or None, default 300
        Seconds for everything; None takes as long as it takes.
    n_workers : int, optional
        Processes; by default one for each processor, at most eight, or 0 where the time is below half a minute: their
        start takes some seconds. 0 works in this process.
    out : path, optional
        Folder for the ledger of all that was measured, made if it is not there.
    resume : bool, default False
        Go on with the ledger in ``out``; without, an older one there is replaced and kept beside it.
    seed : int, default 0
        Of the folds, the search and the networks.
    show : callable, optional
        Gets a ``Progress`` after every fit.
    **load_options
        As for ``load``, where ``data`` is a source.

    Returns
    -------
    Comparison
        After Ctrl-C of what was done until then.

    Raises
    ------
    UsageError
        No network fits, a name is unknown, the ledger is of another comparison, or an option does not fit.
    DataError, SchemaError
        The data cannot be read, or are too few to be cut into folds.

    Examples
    --------
    >>> import nnzoo
    >>> found = nnzoo.compare("penguins", target="species", networks=["ff", "svm"], n_workers=0)  # doctest: +SKIP
    >>> found.winner  # doctest: +SKIP
    'linear'
    """
    started = time.monotonic()
    if not isinstance(data, Data):
        data = load(data, **{"seed": seed, **load_options})  # pyright: ignore[reportArgumentType]
    elif load_options:
        raise UsageError(f"compare got data and {sorted(load_options)[0]}=.", "Pass that to load.")
    _check(data, time_limit, networks, network, vary)
    candidates = _candidates(data, networks, network, vary, seed)
    folds = Folds(data, seed)
    folds.make(1)
    metric = primary_metric(str(steps.learned_task(data)), data.several_labels)
    if n_workers is None:
        n_workers = 0 if time_limit is not None and time_limit < WORTH_A_START else n_processors()
    threads = max(1, n_processors() // max(n_workers, 1))
    identity = _identity(data, candidates, time_limit, seed, threads)
    path = None if out is None else Path(out) / LEDGER
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    make = partial(Trials, data, seed)
    executor = Processes(make, n_workers=n_workers, threads=threads) if n_workers else Inline(make)
    with Ledger(path, identity, resume=resume) as ledger, executor:
        contest = Contest(
            candidates,
            folds,
            ABOUT[metric][0],
            executor,
            ledger,
            time_limit,
            one_factor=vary is not None,
            show=show or (lambda progress: None),
            started=started,
        )
        stopped, params, sealed = None, None, None
        try:
            contest.run()
        except KeyboardInterrupt:
            stopped = INTERRUPT
        judged = _judged(contest, metric)
        if stopped is None and vary is None and judged.trained is not None:
            try:
                params = contest.choose(judged.trained)
                sealed = None if judged.baseline is None else contest.sealed(judged.baseline)
            except KeyboardInterrupt:
                stopped = INTERRUPT
        return _result(contest, data, metric, judged, params, sealed, stopped, executor)


def _check(
    data: Data,
    time_limit: float | None,
    networks: str | Sequence[str] | None,
    network: str | None,
    vary: Mapping[str, Sequence[Any]] | None,
) -> None:
    if data.target is None and data.output != "next":
        raise UsageError("A comparison needs to know which column to predict.", "Say target= (--target COLUMN).")
    if time_limit is not None and not time_limit > 0:
        raise UsageError(f"time_limit needs seconds above 0; got {time_limit}.", "Pass seconds, e.g. 300.")
    if (vary is None) != (network is None):
        raise UsageError("network and vary go together.", "Say --network dff --vary activation=relu,elu.")
    if vary is not None and (len(vary) != 1 or networks is not None):
        raise UsageError("vary needs one parameter of one network.", "Leave networks out, and vary one at a time.")


def _candidates(
    data: Data,
    networks: str | Sequence[str] | None,
    network: str | None,
    vary: Mapping[str, Sequence[Any]] | None,
    seed: int,
) -> list[Candidate]:
    if vary is not None and network is not None:
        (factor, values), *_ = vary.items()
        return varied(chosen(network, data)[0], factor, list(values))
    found = []
    for row in chosen(networks, data):
        with without_words():
            base = steps.build(row.id, data, seed=seed).network.get_params(deep=False)
        found.append(searched(row, max(N_SETTINGS), seed, base))
    return found


def _identity(
    data: Data, candidates: Sequence[Candidate], time_limit: float | None, seed: int, threads: int
) -> dict[str, Any]:
    """Return what a ledger must agree with to be gone on with."""
    return {
        "data": data.fingerprint,
        "settings": data.settings,
        "candidates": [[each.name, each.network, list(map(dict, each.settings))] for each in candidates],
        "time_limit": time_limit,
        "seed": seed,
        "threads": threads,
        "versions": surroundings()["versions"],
    }


@dataclass(frozen=True)
class Judged:
    """What the folds say: table, differences, verdict, whom to use, the network to train for good, its best rival."""

    entries: list[Entry]
    gaps: list[statistics.Gap]
    verdict: str
    winner: str | None
    trained: str | None
    baseline: str | None


def _judged(contest: Contest, metric: str) -> Judged:
    share, folds = contest.folds.share, contest.folds_that_count()
    entries = [_network_entry(contest, name, folds, share) for name in contest.by_name]
    entries += [_baseline_entry(contest, name, folds, share) for name in contest.baseline_names()]
    sign = {"higher": -1, "lower": 1}[contest.better]
    entries.sort(key=lambda each: (each.mean is None, len(each.scores) < len(folds), sign * (each.mean or 0.0)))
    final = [each for each in entries if folds and len(each.scores) == len(folds)]
    family = [(a.name, b.name) for i, a in enumerate(final) for b in final[i + 1 :] if a.is_network or b.is_network]
    n_scored, n_plain = sum(each.mean is not None for each in entries), sum(not each.is_network for each in final)
    n_pairs = (n_scored * (n_scored - 1) - n_plain * (n_plain - 1)) // 2
    scores = {each.name: each.scores for each in final}
    gaps = statistics.gaps(scores, share, better=contest.better, family=family, n_pairs=max(n_pairs, 1))
    verdict, winner = words([_standing(each) for each in entries], gaps, metric)
    networks = [each.name for each in final if each.is_network]
    trained = winner if winner in networks else next(iter(networks), None)
    baseline = next((each.name for each in final if not each.is_network), None)
    return Judged(entries, gaps, verdict, winner, trained, baseline)


def _result(
    contest: Contest,
    data: Data,
    metric: str,
    judged: Judged,
    params: Mapping[str, Any] | None,
    sealed: Mapping[str, Any] | None,
    stopped: str | None,
    executor: Executor,
) -> Comparison:
    report = model = None
    room = contest.room_for_final(judged.trained) if params is not None and judged.trained is not None else 0.0
    if room > 0:
        with without_words():
            model = steps.build(contest.by_name[str(judged.trained)].network, data, params, seed=contest.folds.seed)
        steps.train(model, data, time_limit=room if math.isfinite(room) else None, verbose=0)
        how = f"{counted(len(data.test), f'test {data.thing}')} of {data.origin}, which nothing has seen."
        said = answer(model, data, data.test)
        report = report_beside(model, data, data.test, how, _rivals(said, judged.baseline, sealed))
    about = {
        "data": data.origin,
        "target": data.target,
        "rows": len(data),
        "sealed": int((data.part == 2).sum()),
        "how_split": data.how_split,
        "folds": len(contest.folds_that_count()),
        "share": contest.folds.share,
        "time_limit": contest.time_limit,
        "longest_fit": None if contest.time_limit is None else contest.limit,
        "seconds": contest.seconds(),
        "seed": contest.folds.seed,
        "n_workers": executor.n_workers,
        "stopped": stopped,
        "versions": surroundings()["versions"],
        "settings": dict(params or {}),
    }
    return Comparison(
        tuple(judged.entries),
        tuple(judged.gaps),
        metric,
        contest.better,
        judged.verdict,
        judged.winner,
        _tested(report, judged),
        report,
        model,
        about,
    )


def _rivals(said: Answers, name: str | None, sealed: Mapping[str, Any] | None) -> list[Baseline]:
    """Return the best baseline as it answered for the sealed test rows, if there was time for it."""
    if name is None or sealed is None:
        return []
    prediction = np.asarray(sealed["prediction"], dtype=np.asarray(said.truth).dtype)
    metrics = score(said.task, said.truth, prediction, several_labels=said.several_labels)
    return [Baseline(name, metrics, prediction, sealed["seconds"])]


def _tested(report: Report | None, judged: Judged) -> dict[str, float | None]:
    """Return what the winner reaches on the sealed test rows."""
    if report is None or judged.winner is None:
        return {}
    if judged.winner != judged.trained and not report.baselines:
        return {}
    found = primary_of(report.metrics if judged.winner == judged.trained else report.baselines[0].metrics)
    low, high = (None if each is None else float(each) for each in (found.low, found.high))
    return {"score": float(found.value), "low": low, "high": high}


def _standing(entry: Entry) -> Standing:
    return Standing(
        entry.name,
        entry.is_network,
        entry.mean,
        entry.low,
        entry.high,
        len(entry.scores),
        entry.seconds,
        entry.failure,
    )


def _network_entry(contest: Contest, name: str, folds: range, share: float) -> Entry:
    scores = _on(folds, contest.scores(name))
    found = {fold: contest.fold_result(name, fold) or {} for fold in scores}
    mean, low, high = _interval(scores, share)
    first = contest.fold_result(name, 1) or {}
    labels, counts = _confusion([found[f] for f in scores if f <= contest.folds.n_parts])
    return Entry(
        name,
        is_network=True,
        scores=scores,
        mean=mean,
        low=low,
        high=high,
        seconds=float(np.median([each["seconds"] for each in found.values()])) if found else None,
        weights=first.get("weights"),
        bytes=contest.cost(name, "bytes"),
        latency=contest.cost(name, "latency"),
        settings=tuple(contest.setting_of(name, fold) for fold in scores),
        is_cut=any(each.get("cut", False) for each in found.values()),
        status=_status(contest, name, len(scores)),
        failure=None if scores else contest.failure(name),
        curve=contest.curve(name),
        labels=labels,
        counts=counts,
        worst=first.get("details", {}).get("worst", []),
        network=contest.by_name[name].network,
    )


def _on(folds: range, scores: Mapping[int, float]) -> dict[int, float]:
    """Return the scores on the folds that count; all where none does."""
    return {fold: score for fold, score in scores.items() if fold in folds or not folds}


def _status(contest: Contest, name: str, n_folds: int) -> str:
    if not n_folds:
        return "failed"
    if contest.plan is not None and name in contest.plan.finalists:
        return "finalist"
    return f"given up after {counted(n_folds, 'fold')}"


def _baseline_entry(contest: Contest, name: str, folds: range, share: float) -> Entry:
    scores = _on(folds, contest.scores(name))
    mean, low, high = _interval(scores, share)
    told = contest.baseline(name)
    return Entry(
        name,
        is_network=False,
        scores=scores,
        mean=mean,
        low=low,
        high=high,
        seconds=told.get("seconds"),
        status="baseline",
        code=told.get("code", ""),
        note=told.get("note", ""),
    )


def _interval(scores: Mapping[int, float], share: float) -> tuple[float | None, float | None, float | None]:
    return statistics.interval(list(scores.values()), share) if scores else (None, None, None)


def _confusion(results: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[int]]]:
    """Return the labels and the summed counts of folds that know the same labels."""
    told = [each["details"] for each in results if each.get("details", {}).get("labels")]
    if not told or any(each["labels"] != told[0]["labels"] for each in told):
        return [], []
    return list(told[0]["labels"]), np.sum([each["counts"] for each in told], axis=0).tolist()
