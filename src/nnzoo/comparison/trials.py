"""One unit of a comparison: a network, or the baselines, trained on a fold's training rows and scored on its test rows.

What a unit gives is plain JSON and follows from the data, the unit and the number of threads alone, unless the limit of
its time cut the training short; then it says so.
"""

import contextlib
import io
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nnzoo import steps
from nnzoo.comparison.executor import Unit
from nnzoo.comparison.folds import Folds
from nnzoo.data.dataset import Data, Part
from nnzoo.data.splits import PART_NAMES, TEST, TRAIN, VALID
from nnzoo.evaluation import details
from nnzoo.evaluation.baselines import ALL_NAMES, Baseline
from nnzoo.evaluation.metrics import Metric, primary_metric, score
from nnzoo.measuring import Answers, answer, beside
from nnzoo.model import Model, n_weights, surroundings
from nnzoo.recipes import learn_recipe
from nnzoo.training.loop import Run

MAX_LABELS = 50
"""With more labels no confusion matrix is kept."""
N_WORST = 5
N_TIMED = 30
ALL_ROWS = 1.0
SEASON = re.compile(r"\d+ steps ago")
"""In the name of a baseline of forecasts: each fold finds a season of its own."""


def without_words() -> contextlib.AbstractContextManager[Any]:
    """Keep what a single training says about its settings from standard error: here it would come again and again."""
    return contextlib.redirect_stderr(io.StringIO())


class Trials:
    """Does the units of one comparison in one process.

    Parameters
    ----------
    data : Data
    seed : int
        Of the folds and of the networks.
    """

    def __init__(self, data: Data, seed: int) -> None:
        self.folds = Folds(data, seed)
        self.seed = seed
        self.made: dict[int, Data] = {}

    def __call__(self, unit: Unit) -> dict[str, Any]:
        """Return what the unit asks for."""
        work = dict(unit.work)
        kind = work.pop("kind")
        with without_words():
            ways = {"network": self._network, "baselines": self._baselines, "sealed": self._sealed}
            return ways[kind](**work)

    def _fold(self, number: int) -> Data:
        if number not in self.made:
            self.made = {number: self.folds.make(number)}
        return self.made[number]

    def _network(
        self,
        network: str,
        params: Mapping[str, Any],
        fold: int,
        seconds: float,
        epochs: float = 1.0,
        rows: float = ALL_ROWS,
        costs: bool = False,
    ) -> dict[str, Any]:
        """Train a network and score it on the validation and the test rows of a fold.

        Parameters
        ----------
        network : str
        params : mapping
            Beyond those that suit the data.
        fold : int
        seconds : float
            Limit of the training.
        epochs, rows : float
            Shares of the usual epochs and of the training rows.
        costs : bool
            Whether latency and size are measured as well.
        """
        data = self._fold(fold)
        if rows < ALL_ROWS:
            data = thinned(data, rows, self.seed)
        started = time.perf_counter()
        model = steps.build(network, data, params, seed=self.seed + fold)
        if epochs < 1 and "n_epochs" in model.network.get_params(deep=False):
            few = max(1, round(model.network.get_params(deep=False)["n_epochs"] * epochs))
            model.network.set_params(n_epochs=few)
        steps.fit(model, data, Run(time_limit=seconds, surroundings=surroundings()))
        took = time.perf_counter() - started
        found: dict[str, Any] = {"seconds": took, "cut": model.network.stopped_ == "time"}
        found |= {"weights": n_weights(model.network), "epochs": int(model.network.n_iter_)}
        if len(data.valid):
            found["valid"] = scored(answer(model, data, data.valid))
        if len(data.test):
            said = answer(model, data, data.test)
            found |= {"score": scored(said), "details": detailed(said)}
        return found | (costs_of(model, data) if costs else {})

    def _baselines(self, fold: int) -> dict[str, Any]:
        """Train the baselines on a fold's training rows and score them."""
        told = {}
        for name, each in plain_competitors(self._fold(fold), self.seed).items():
            metric = primary_of(each.metrics)
            told[name] = {"score": metric.value, "seconds": each.seconds, "note": each.note, "code": each.code}
        return {"baselines": told}

    def _sealed(self, name: str) -> dict[str, Any]:
        """Return what a baseline says of the sealed test rows, trained on all others."""
        each = plain_competitors(self.folds.data, self.seed, [name])[name]
        return {"prediction": each.prediction.tolist(), "seconds": each.seconds}


def plain_competitors(data: Data, seed: int, names: Sequence[str] = ALL_NAMES) -> dict[str, Baseline]:
    """Return the baselines by name, trained on training and validation rows alike, of which they need no apart."""
    train = data.train if data.thing == "piece" else data.chosen(data.part != TEST, PART_NAMES[TRAIN])
    recipe = learn_recipe(data, with_codes=data.kind == "table")
    found, _ = beside(recipe, data, train, data.test, seed=seed, names=names)
    known = {SEASON.sub("a season ago", each.name): each for each in found}
    if data.output != "next":  # where all training rows have one label, every baseline says it
        known |= {name: known["constant"] for name in names if name not in known and "constant" in known}
    return known


def primary_of(metrics: Mapping[str, Metric]) -> Metric:
    """Return the metric that comparisons use."""
    return next(metrics[name] for name in ("accuracy", "f1_micro", "rmse") if name in metrics)


def scored(said: Answers) -> float:
    """Return the primary metric of some answers."""
    truth, prediction = np.asarray(said.truth), np.asarray(said.prediction)
    if said.task == "regression":
        return float(np.sqrt(np.mean(np.square(prediction.astype(np.float64) - truth))))
    if said.several_labels:
        metrics = score(said.task, truth, prediction, classes=said.classes, several_labels=True)
        return metrics[primary_metric(said.task, several_labels=True)].value
    return float((prediction == truth).mean())


def detailed(said: Answers) -> dict[str, Any]:
    """Return where the answers are wrong: counts of each true label by predicted label, and the worst rows."""
    truth, prediction = np.asarray(said.truth), np.asarray(said.prediction)
    if said.task == "regression":
        rows = details.worst_numbers(truth, prediction, said.rows, None)
        return {"worst": [each.to_json() for each in rows[:N_WORST]]}
    if said.several_labels or said.classes is None or len(said.classes) > MAX_LABELS:
        return {}
    classes = np.asarray(said.classes)
    place = {label: number for number, label in enumerate(classes.tolist())}
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    known = [(place[t], place[p]) for t, p in zip(truth.tolist(), prediction.tolist(), strict=True) if t in place]
    np.add.at(counts, tuple(np.array(known).reshape(-1, 2).T), 1)
    worst = details.worst_labels(truth, prediction, said.probability, classes, said.rows, None)
    return {
        "labels": [str(label) for label in classes.tolist()],
        "counts": counts.tolist(),
        "worst": [each.to_json() for each in worst[:N_WORST]],
    }


def costs_of(model: Model, data: Data) -> dict[str, Any]:
    """Return what the model takes: seconds for one row, median of some, and bytes of its file."""
    part = data.test if len(data.test) else data.valid
    X, _ = steps.encode_part(model, first_rows(part), data.origin)
    times = []
    with contextlib.suppress(Exception):  # a network that cannot be asked for one row alone has no latency
        for _ in range(N_TIMED):
            started = time.perf_counter()
            model.network.predict(X[:1])
            times.append(time.perf_counter() - started)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.nnzoo"
        model.save(path)
        return {"latency": float(np.median(times)) if times else None, "bytes": path.stat().st_size}


def first_rows(part: Part, n_rows: int = 1) -> Part:
    """Return the first rows of a part."""
    sequences = None if part.sequences is None else part.sequences.take(slice(0, n_rows))
    images = None if part.images is None else part.images[:n_rows]
    return Part(part.name, part.frame[:n_rows], part.rows[:n_rows], images, sequences)


def thinned(data: Data, share: float, seed: int) -> Data:
    """Return the data with a share of the training rows and of the validation rows, drawn at random."""
    rng = np.random.default_rng(seed)
    kept = data.part == TEST
    for part in (TRAIN, VALID):
        rows = np.flatnonzero(data.part == part)
        kept[rng.choice(rows, max(1, round(share * len(rows))), replace=False)] = True
    return data.split_again(kept, data.part[kept], f"{share:.0%} of the training rows")
