"""The report of an evaluation: numbers, baselines beside them, a verdict in words."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from nnzoo.errors import DataError, counted
from nnzoo.evaluation import details
from nnzoo.evaluation.baselines import Baseline
from nnzoo.evaluation.gallery import Evaluated, Gallery, make_gallery
from nnzoo.evaluation.inputs import check_pair, check_probability
from nnzoo.evaluation.metrics import Metric, primary_metric, score
from nnzoo.evaluation.verdict import Difference, best_baseline, compare, verdict_words
from nnzoo.files import write_output

if TYPE_CHECKING:
    from nnzoo.evaluation.rowvalues import Shown


@dataclass(frozen=True, repr=False)
class Report:
    """What ``nnzoo.evaluate`` returns: it prints as text and shows as a page.

    Parameters
    ----------
    task : str or None
        "classification" or "regression"; None where the network learned without a target.
    primary : str
        Metric that the comparison uses: "accuracy", "f1_micro" or "rmse"; without a target the network's own.
    n_rows : int
    metrics : dict of str to Metric
    baselines : list of Baseline
    verdict : str
        Sentences.
    difference : Difference or None
        To the best baseline; None without baselines.
    confusion : Confusion or None
        Of one label a row, up to 200 labels.
    confusions : list of (true label, predicted label, count)
        The 20 most frequent.
    labels : list of LabelScore
    calibration : list of CalibrationBin
    residuals : Residuals or None
        Of a regression.
    worst : list of Worst
    how : tuple of str
        What was evaluated, and what was left out.
    history : dict of str to list, or None
        Of the training.
    gallery : Gallery or None
        Of images and filters.
    shows : tuple of Shown
        Pictures of the network's own.
    """

    task: str | None
    primary: str
    n_rows: int
    metrics: dict[str, Metric]
    baselines: list[Baseline]
    verdict: str
    difference: Difference | None
    confusion: details.Confusion | None
    confusions: list[tuple[Any, Any, int]]
    labels: list[details.LabelScore]
    calibration: list[details.CalibrationBin]
    residuals: details.Residuals | None
    worst: list[details.Worst]
    how: tuple[str, ...]
    history: dict[str, list[Any]] | None
    gallery: Gallery | None = None
    shows: tuple["Shown", ...] = ()

    @property
    def best_baseline(self) -> Baseline | None:
        """The baseline with the best primary metric."""
        return best_baseline(self.baselines, self.primary) if self.baselines else None

    @property
    def baseline_wins(self) -> bool:
        """Whether the best baseline is better than the network beyond doubt."""
        return self.difference is not None and self.difference.outcome == "is worse than"

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values; what is not a finite number becomes None."""
        return _plain(
            {
                "task": self.task,
                "rows": self.n_rows,
                "primary": self.primary,
                "metrics": {name: metric.to_json() for name, metric in self.metrics.items()},
                "baselines": [baseline.to_json() for baseline in self.baselines],
                "verdict": self.verdict,
                "difference": self.difference.to_json() if self.difference else None,
                "confusion": self.confusion.to_json() if self.confusion else None,
                "confusions": [{"truth": true, "prediction": said, "rows": n} for true, said, n in self.confusions],
                "labels": [asdict(label) for label in self.labels],
                "calibration": [asdict(each) for each in self.calibration],
                "residuals": self.residuals.to_json() if self.residuals else None,
                "worst": [each.to_json() for each in self.worst],
                "how": list(self.how),
                "history": self.history,
            }
            | ({"gallery": self.gallery.to_json()} if self.gallery else {})
        )

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the report as one page that needs no other file and no network.

        Raises
        ------
        ResourceError
            The page cannot be written.
        """
        from nnzoo.evaluation.report_html import page

        write_output(path, page(self).encode(), "The report")

    def __repr__(self) -> str:
        return f"<Report: {self.primary} {self.metrics[self.primary]} on {counted(self.n_rows, 'row')}>"

    def _repr_html_(self) -> str:
        from nnzoo.evaluation.report_html import fragment

        return fragment(self)

    def __str__(self) -> str:
        from nnzoo.evaluation.report_text import text

        return text(self)


def evaluate_predictions(
    task: str,
    truth: ArrayLike,
    prediction: ArrayLike,
    probability: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    *,
    rows: ArrayLike | None = None,
    baselines: Sequence[Baseline] = (),
    several_labels: bool = False,
    how: str | Sequence[str] = (),
    history: Mapping[str, Sequence[Any]] | None = None,
    images: np.ndarray | None = None,
    filters: Mapping[str, np.ndarray] | None = None,
    names: Sequence[str] | None = None,
    seed: int = 0,
) -> Report:
    """Return the report on predictions of a network.

    Parameters
    ----------
    task : str
        "classification" or "regression".
    truth, prediction : array (n,), or (n, k) with several labels
        As ``score`` takes them.
    probability : array (n, k), optional
        One column per class.
    classes : array (k,), optional
        Labels of the columns of ``probability``, and of the indicators with several labels.
    rows : array (n,) of int, optional
        Row numbers in the file, from 1; default 1, 2, 3, ...
    baselines : sequence of Baseline, optional
        From ``run_baselines`` on the same test rows in the same order.
    several_labels : bool, default False
    how : str or sequence of str
        Sentences: which rows were evaluated, which were left out and why.
    history : mapping of str to sequence, optional
        "epoch", "train_loss", "valid_loss", ...
    images : array (n, height, width), (n, height, width, 1) or (n, height, width, 3), optional
        One per row, in the same order. Other values than uint8 are stretched to the range of the images shown.
    filters : mapping of str to array (filters, height, width) or (filters, height, width, channels), optional
        Learned weights by layer.
    names : sequence of str of length n, optional
        What each row is called, for example its file.
    seed : int, default 0
        Of the bootstrap, and of the sample of images.

    Returns
    -------
    Report

    Raises
    ------
    DataError
        Arrays do not fit each other.
    """
    metrics = score(task, truth, prediction, probability, classes, several_labels=several_labels, seed=seed)
    true, said = check_pair(task, truth, prediction, several_labels)
    labels = _labels(classes, true)
    numbers = np.arange(1, len(true) + 1) if rows is None else np.asarray(rows)
    _check_lengths(true, numbers, baselines, names)
    chances = None if probability is None else check_probability(probability, len(true), len(labels))
    primary = primary_metric(task, several_labels)
    best = best_baseline(baselines, primary) if baselines else None
    differences = {
        each.name: compare(task, true, said, each, several_labels=several_labels, seed=seed) for each in baselines
    }
    difference = differences[best.name] if best else None
    found = Evaluated(task, true, said, chances, labels, numbers, names)
    words = verdict_words(metrics[primary], best, difference, differences.get("constant"), len(true))
    return Report(
        task=task,
        primary=primary,
        n_rows=len(true),
        metrics=metrics,
        baselines=list(baselines),
        verdict=words,
        difference=difference,
        how=(how,) if isinstance(how, str) else tuple(how),
        history=None if history is None else {name: list(values) for name, values in history.items()},
        gallery=make_gallery(found, images, filters, seed),
        **_details(found),
    )


def _details(rows: Evaluated) -> dict[str, Any]:
    """Return the fields of the report that stand behind the numbers."""
    truth, prediction, probability, classes = rows.truth, rows.prediction, rows.probability, rows.classes
    if rows.task == "regression":
        return {
            "confusion": None,
            "confusions": [],
            "labels": [],
            "calibration": [],
            "residuals": details.residuals(truth, prediction),
            "worst": details.worst_numbers(truth, prediction, rows.rows, rows.names),
        }
    return {
        "confusion": details.confusion(truth, prediction, classes) if rows.has_labels else None,
        "confusions": details.frequent_confusions(truth, prediction) if rows.has_labels else [],
        "labels": details.label_scores(truth, prediction, classes),
        "calibration": [] if probability is None else details.calibration(truth, prediction, probability),
        "residuals": None,
        "worst": details.worst_labels(truth, prediction, probability, classes, rows.rows, rows.names),
    }


def _labels(classes: ArrayLike | None, truth: np.ndarray) -> np.ndarray:
    """Return the class labels; without any, the numbers of the columns of several labels, or none."""
    if classes is not None:
        return np.asarray(classes)
    return np.arange(1, truth.shape[1] + 1) if truth.ndim == 2 else np.asarray([])


def _check_lengths(
    truth: np.ndarray, rows: np.ndarray, baselines: Sequence[Baseline], names: Sequence[str] | None
) -> None:
    lengths = {"row numbers": len(rows)} | {f"predictions of {each.name}": len(each.prediction) for each in baselines}
    lengths |= {} if names is None else {"names": len(names)}
    for name, length in lengths.items():
        if length != len(truth):
            raise DataError(
                f"Evaluation needs one of the {name} for each of {len(truth)} rows; got {length}.",
                "Pass the row numbers, the names and the baselines of the same test rows.",
            )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
