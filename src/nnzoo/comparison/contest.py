"""The course of a comparison: which units are done in which order, and what their results add up to."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nnzoo.comparison.candidates import Candidate
from nnzoo.comparison.executor import Executor, Failure, Unit
from nnzoo.comparison.folds import Folds
from nnzoo.comparison.ledger import Ledger
from nnzoo.comparison.plan import FEWEST_FOLDS, LAST_SHARE, SHORT, Plan, longest_fit, make_plan, second_rung
from nnzoo.errors import counted

HARD_LIMIT = 30.0
"""Seconds beyond twice the limit of training after which a unit counts as hanging."""
CURVE_SHARES = (0.125, 0.25, 0.5)
CURVE_FOLDS = 3
CURVE_NETWORKS = 2
SLACK = 0.03
"""Of the time, that a unit may take longer than was expected."""
FIRST_GUESS = 2.0
"""Seconds that a unit is taken to need before any of its kind was measured."""


@dataclass
class Progress:
    """Where a comparison stands.

    Attributes
    ----------
    stage : str
        What is being done, in words.
    done, planned : int
        Units of this stage.
    seconds : float
        Since the start, earlier runs included.
    left : float
        Seconds that the units planned so far will still take, as far as is known.
    scores : dict of str to list of float
        Candidate or baseline to its scores so far.
    better : "higher" or "lower"
        Which way the scores point.
    failed : dict of str to str
        Candidate to the reason why it has no score.
    """

    stage: str
    done: int
    planned: int
    seconds: float
    left: float
    scores: dict[str, list[float]]
    better: str
    failed: dict[str, str]


@dataclass
class Contest:
    """Candidates on the same folds, with the same limits.

    Parameters
    ----------
    candidates : sequence of Candidate
    folds : Folds
    better : "higher" or "lower"
        Which way the metric points.
    executor : Executor
    ledger : Ledger
    time_limit : float or None
        Seconds for everything, those of earlier runs on the same ledger included.
    one_factor : bool, default False
        Whether all candidates stay to the end as they are, without baselines: no search, none is dropped.
    show : callable
        Gets a ``Progress`` after every unit.
    """

    candidates: Sequence[Candidate]
    folds: Folds
    better: str
    executor: Executor
    ledger: Ledger
    time_limit: float | None
    one_factor: bool = False
    show: Callable[[Progress], None] = lambda progress: None
    started: float = field(default_factory=time.monotonic)
    plan: Plan | None = None

    def __post_init__(self) -> None:
        self.by_name = {each.name: each for each in self.candidates}
        self.limit = longest_fit(self.time_limit, self.executor.n_workers, len(self.candidates))
        self.took: dict[str, list[float]] = {}
        for name, result in self.ledger.results.items():
            self._note_time(name, result)

    # --- the course -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Do all units that the time allows; what is in the ledger already is not done again."""
        names = [each.name for each in self.candidates]
        self._do("all networks, fold 1", [*self._baselines(1), *(self._fit(name, 1, costs=True) for name in names)])
        ranked = self.ranking(names, (1,))
        if not ranked:
            return
        second, last = ranked, 1
        if not self.one_factor:
            second, last = self.ledger.decide("second rung", lambda: second_rung(ranked, *self._costs(ranked)))
        self._do_folds(f"{counted(len(second), 'network')}, {counted(last, 'fold')}", second, range(2, last + 1))
        ranked = self.ranking(second, range(1, last + 1)) or ranked
        value = self.ledger.decide("plan", lambda: self._make_plan(ranked).to_json())
        self.plan = Plan.from_json(value)
        folds = range(1, self.plan.n_folds + 1)
        self._do_folds("finalists", self.plan.finalists, folds)
        if self.plan.n_settings > 1:
            self._search(folds)
        self._learning_curves()

    def _do_folds(self, stage: str, names: Iterable[str], folds: Iterable[int]) -> None:
        """Do candidates and baselines, fold after fold: where the time ends, all have been seen on the same ones."""
        self._do(stage, [unit for f in folds for unit in (*self._baselines(f), *(self._fit(n, f) for n in names))])

    def _search(self, folds: Iterable[int]) -> None:
        """Try settings briefly in every fold, and train the best of them to its end; validation rows choose."""
        folds = list(folds)
        finalists = self.plan.finalists if self.plan else ()
        n_settings = self.plan.n_settings if self.plan else 1
        tries = [
            self._fit(name, f, setting, epochs=SHORT)
            for f in folds
            for name in finalists
            for setting in range(len(self.by_name[name].settings[:n_settings]))
        ]
        self._do("settings", tries)
        full = [self._fit(name, f, best) for f in folds for name in finalists if (best := self._best_try(name, f))]
        self._do("best settings", full)

    def _learning_curves(self) -> None:
        """Train the best on fewer rows: whether more of them would help."""
        if self.one_factor or self.folds.data.thing == "piece":
            return
        best = self.finalists()[:CURVE_NETWORKS]
        units = [
            self._fit(name, f, rows=share) for share in CURVE_SHARES for f in range(1, CURVE_FOLDS + 1) for name in best
        ]
        self._do("learning curves", units, self._end_of_curves())

    def room_for_final(self, name: str) -> float:
        """Return the seconds that the final training may take, beside the evaluation; 0 where too few are left."""
        if self.time_limit is None:
            return math.inf
        left = self.time_limit - self.seconds() - FIRST_GUESS / 2
        return min(self.limit, left) if left > min(FIRST_GUESS, self._expected(self._fit(name, 1)) / 2) else 0.0

    def choose(self, name: str) -> dict[str, Any]:
        """Return the settings to train a network with for good, chosen on the validation rows of the data."""
        candidate = self.by_name[name]
        n_settings = 1 if self.plan is None else self.plan.n_settings
        if n_settings == 1 or len(candidate.settings) == 1:
            return candidate.settings[0]
        tries = [self._fit(name, 0, s, epochs=SHORT) for s in range(len(candidate.settings[:n_settings]))]
        self._do("settings of the final model", tries)
        rivals = sorted({0, self._best_try(name, 0) or 0})
        self._do("settings of the final model", [self._fit(name, 0, s) for s in rivals])
        return candidate.settings[max(rivals, key=lambda s: self._valid(self._fit(name, 0, s)))]

    def sealed(self, name: str) -> dict[str, Any] | None:
        """Return what a baseline says of the sealed test rows: "prediction" and "seconds"; None where time ran out."""
        unit = Unit(f"{name} · sealed rows", {"kind": "sealed", "name": name}, 2 * self.limit + 10 * HARD_LIMIT)
        self._do("sealed rows", [unit], math.inf if self.time_limit is None else self.time_limit)
        return self._found(unit)

    # --- results ----------------------------------------------------------------------------------------------------

    def fold_result(self, name: str, fold: int) -> dict[str, Any] | None:
        """Return what a candidate reached on a fold: with the setting that was best on validation rows, if searched."""
        default = self._found(self._fit(name, fold))
        if default is None or not self._is_searched(name):
            return default
        best = self._best_try(name, fold)
        other = self._found(self._fit(name, fold, best)) if best else None
        if other is None or self._sign(other.get("valid")) <= self._sign(default.get("valid")):
            return default
        return other

    def setting_of(self, name: str, fold: int) -> dict[str, Any]:
        """Return the settings behind ``fold_result``."""
        found, best = self.fold_result(name, fold), self._best_try(name, fold)
        candidate = self.by_name[name]
        is_other = found is not None and best is not None and found is self._found(self._fit(name, fold, best))
        return candidate.settings[best if is_other and best else 0]

    def scores(self, name: str) -> dict[int, float]:
        """Return fold to score of a candidate or a baseline."""
        if name in self.by_name:
            found = {f: self.fold_result(name, f) for f in self._folds_seen()}
            return {f: each["score"] for f, each in found.items() if each is not None and _is_finite(each.get("score"))}
        told = {f: self._found(self._baseline(f)) for f in self._folds_seen()}
        return {f: each["baselines"][name]["score"] for f, each in told.items() if each and name in each["baselines"]}

    def baseline_names(self) -> list[str]:
        """Return the baselines that were run."""
        told = (self._found(self._baseline(f)) for f in self._folds_seen())
        return list(dict.fromkeys(name for each in told if each for name in each["baselines"]))

    def baseline(self, name: str, fold: int = 1) -> dict[str, Any]:
        """Return seconds, note and code of a baseline."""
        found = self._found(self._baseline(fold)) or {"baselines": {}}
        return found["baselines"].get(name, {})

    def cost(self, name: str, what: str) -> Any:
        """Return what was measured of a candidate on the first fold: "latency" or "bytes"."""
        return (self._found(self._fit(name, 1)) or {}).get(what)

    def curve(self, name: str) -> dict[float, list[float]]:
        """Return share of the training rows to scores on the first folds; empty where no curve was made."""
        found: dict[float, list[float]] = {}
        for share in CURVE_SHARES:
            results = [self._found(self._fit(name, f, rows=share)) for f in range(1, CURVE_FOLDS + 1)]
            scores = [each["score"] for each in results if each is not None and _is_finite(each.get("score"))]
            if len(scores) == CURVE_FOLDS:
                found[share] = scores
        default = [self._found(self._fit(name, f)) for f in range(1, CURVE_FOLDS + 1)]
        whole = [each["score"] for each in default if each is not None and _is_finite(each.get("score"))]
        return found | {1.0: whole} if found and len(whole) == CURVE_FOLDS else {}

    def failure(self, name: str) -> str | None:
        """Return why a candidate has no score, or None."""
        unit = self._fit(name, 1)
        result = self.ledger.results.get(unit.id)
        if result is None:
            return "the time was over before its turn"
        if "failure" in result:
            return str(result["failure"]["reason"])
        return None if _is_finite(result.get("score")) else "its predictions are not finite"

    def ranking(self, names: Iterable[str], folds: Sequence[int] | None) -> list[str]:
        """Return those that have a score on all these folds, best first; of equal ones the faster."""
        found = {}
        for name in names:
            scores = self.scores(name)
            if scores and all(f in scores for f in folds or ()):
                found[name] = float(np.mean([scores[f] for f in folds or scores]))
        return sorted(found, key=lambda name: (-self._sign(found[name]), self._expected(self._fit(name, 1))))

    def finalists(self) -> list[str]:
        """Return those that were seen on all folds that count, best first."""
        folds = self.folds_that_count()
        return self.ranking(self.by_name, folds) if folds else []

    def folds_that_count(self) -> range:
        """Return the folds, from the first one on, that the baselines and all finalists without a failure have."""
        going = [name for name in (self.plan.finalists if self.plan else self.by_name) if not self._has_failed(name)]
        ends = [_unbroken(self.scores(name)) for name in (*going, *self.baseline_names())]
        return range(1, min((end for end in ends if end), default=0) + 1)

    def seconds(self) -> float:
        """Return the time since the start, that of earlier runs included."""
        return self.ledger.seconds + time.monotonic() - self.started

    # --- units ------------------------------------------------------------------------------------------------------

    def _fit(
        self, name: str, fold: int, setting: int = 0, *, epochs: float = 1.0, rows: float = 1.0, costs: bool = False
    ) -> Unit:
        candidate = self.by_name[name]
        words = [name, f"fold {fold}"]
        words += [f"setting {setting}"] if setting else []
        words += [f"{epochs:.0%} of the epochs"] if epochs < 1 else []
        words += [f"{rows:.1%} of the rows"] if rows < 1 else []
        work = {
            "kind": "network",
            "network": candidate.network,
            "params": candidate.settings[setting],
            "fold": fold,
            "seconds": None if math.isinf(self.limit) else self.limit,
            "epochs": epochs,
            "rows": rows,
            "costs": costs,
        }
        return Unit(" · ".join(words), work, 2 * self.limit + HARD_LIMIT)

    def _baselines(self, fold: int) -> list[Unit]:
        return [] if self.one_factor else [self._baseline(fold)]

    def _baseline(self, fold: int) -> Unit:
        return Unit(f"baselines · fold {fold}", {"kind": "baselines", "fold": fold}, 2 * self.limit + 10 * HARD_LIMIT)

    def _do(self, stage: str, units: Sequence[Unit], end: float | None = None) -> None:
        """Do the units that are not in the ledger, those first that come first, as long as they end in time."""
        units = [unit for unit in units if unit.id not in self.ledger.results]
        end = self._end_of_folds() if end is None else end

        def in_time() -> Iterator[Unit]:
            for unit in units:
                if self.seconds() + self._expected(unit) > end:
                    return
                yield unit

        if units:
            left = sum(map(self._expected, units)) / self.executor.n_workers
            self.show(self._progress(stage, 0, len(units), left))
        for done, (unit, found) in enumerate(self.executor.run(in_time(), self._until(end)), start=1):
            failed = isinstance(found, Failure)
            result = {"failure": {"kind": found.kind, "reason": found.reason}} if failed else found
            self.ledger.add(unit.id, result)
            self._note_time(unit.id, result)
            left = sum(self._expected(each) for each in units if each.id not in self.ledger.results)
            self.show(self._progress(stage, done, len(units), left / self.executor.n_workers))

    def _progress(self, stage: str, done: int, planned: int, left: float) -> Progress:
        names = [*self.by_name, *self.baseline_names()]
        scores = {name: list(self.scores(name).values()) for name in names}
        failed = {name: str(why) for name in self.by_name if self._tried(name) and (why := self.failure(name))}
        return Progress(stage, done, planned, self.seconds(), left, scores, self.better, failed)

    def _has_failed(self, name: str) -> bool:
        """Return whether a candidate has failed on some fold: then it is compared on none beyond."""
        results = (self.ledger.results.get(self._fit(name, fold).id, {}) for fold in self._folds_seen())
        return any("failure" in result for result in results)

    def _tried(self, name: str) -> bool:
        return self._fit(name, 1).id in self.ledger.results

    def _found(self, unit: Unit) -> dict[str, Any] | None:
        result = self.ledger.results.get(unit.id)
        return None if result is None or "failure" in result else result

    def _folds_seen(self) -> range:
        return range(1, max(FEWEST_FOLDS, 0 if self.plan is None else self.plan.n_folds) + 1)

    def _is_searched(self, name: str) -> bool:
        """Return whether the search of a candidate was done in every fold: else its default settings count in all."""
        if self.plan is None or self.plan.n_settings == 1 or name not in self.plan.finalists:
            return False
        folds = range(1, self.plan.n_folds + 1)
        best = {f: self._best_try(name, f) for f in folds}
        return all(best[f] is not None and self._fit(name, f, best[f] or 0).id in self.ledger.results for f in folds)

    def _best_try(self, name: str, fold: int) -> int | None:
        """Return the setting other than the default that was best on validation rows after few epochs."""
        n_settings = 1 if self.plan is None else self.plan.n_settings
        numbers = range(1, len(self.by_name[name].settings[:n_settings]))
        valid = {s: self._valid(self._fit(name, fold, s, epochs=SHORT)) for s in numbers}
        known = {s: value for s, value in valid.items() if value > -math.inf}
        return max(known, key=lambda s: (known[s], -s)) if known else None

    def _valid(self, unit: Unit) -> float:
        return self._sign((self._found(unit) or {}).get("valid"))

    def _sign(self, value: float | None) -> float:
        """Return a score so that more is better; minus infinity for none."""
        if not _is_finite(value):
            return -math.inf
        return float(value) if self.better == "higher" else -float(value)  # pyright: ignore[reportArgumentType]

    # --- time -------------------------------------------------------------------------------------------------------

    def _make_plan(self, ranked: Sequence[str]) -> Plan:
        return make_plan(
            ranked,
            *self._costs(ranked),
            most_folds=self.folds.most,
            one_factor=self.one_factor,
        )

    def _costs(self, names: Iterable[str]) -> tuple[dict[str, float], float, float]:
        """Return seconds of a fit of each, those of the baselines, and what all workers together have left."""
        left = self._end_of_folds() - self.seconds()
        seconds = {name: self._expected(self._fit(name, 1)) for name in names}
        return seconds, self._expected(self._baseline(1)), max(0.0, left) * self.executor.n_workers

    def _until(self, end: float) -> float:
        """Return when units at work are given up, on the clock of ``time.monotonic``: a little after none is begun."""
        last = end if self.time_limit is None else min(end + SLACK * self.time_limit, self.time_limit)
        return last + self.started - self.ledger.seconds

    def _end_of_folds(self) -> float:
        return math.inf if self.time_limit is None else (1 - LAST_SHARE) * self.time_limit

    def _end_of_curves(self) -> float:
        """Return when the last curve has to be done, so that the final model still fits in."""
        if self.time_limit is None or self.plan is None:
            return math.inf
        final = max(self._expected(self._fit(name, 1)) for name in self.plan.finalists)
        return self.time_limit - 1.5 * final - 1.5 * self._expected(self._baseline(1)) - FIRST_GUESS

    def _expected(self, unit: Unit) -> float:
        """Return the seconds that a unit will take, from those of its kind that are done."""
        work = unit.work
        known = self.took.get(unit.id.split(" · ")[0])
        if known is None:
            return min(FIRST_GUESS, self.limit)
        return float(np.median(known)) * work.get("epochs", 1.0) * work.get("rows", 1.0)

    def _note_time(self, name: str, result: Mapping[str, Any]) -> None:
        """Remember what a whole fit of a candidate, or the baselines of a fold, took."""
        whole = name.count(" · ") == 1
        if whole and "baselines" in result:
            seconds = sum(each["seconds"] for each in result["baselines"].values())
            self.took.setdefault("baselines", []).append(seconds)
        elif whole and "seconds" in result:
            self.took.setdefault(name.split(" · ")[0], []).append(result["seconds"])


def _unbroken(scores: Mapping[int, float]) -> int:
    """Return the last of the folds from 1 on of which none is missing."""
    end = 0
    while end + 1 in scores:
        end += 1
    return end


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
