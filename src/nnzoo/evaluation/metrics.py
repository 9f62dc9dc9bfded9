"""How good a prediction is: the metrics of each task, each with its 95 % interval."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nnzoo.evaluation.inputs import chance_of, check_pair, check_probability, label_codes, label_index
from nnzoo.evaluation.intervals import Bootstrap, divide, mean_f1_draws, wilson

N_BINS = 10
# name: (which way is better, unit, one sentence)
ABOUT = {
    "accuracy": ("higher", "share", "Share of the rows whose label is right."),
    "balanced_accuracy": ("higher", "share", "Mean over the classes of the share of their rows that is right."),
    "f1_macro": ("higher", "share", "Mean over the classes of F1, which joins precision and recall."),
    "log_loss": ("lower", "nats", "Mean of minus the log of the probability given to the right label."),
    "auc": ("higher", "share", "How often a row of the second class gets a higher probability than one of the first."),
    "calibration_error": (
        "lower",
        "share",
        "Mean gap between the probability of the predicted label and how often it is right; tends high on few rows.",
    ),
    "rmse": ("lower", "target", "Typical error in the unit of the target (root of the mean squared error)."),
    "mae": ("lower", "target", "Mean absolute error in the unit of the target."),
    "r2": ("higher", "share", "Share of the target's variance that is explained; 0 is as good as the mean."),
    "subset_accuracy": ("higher", "share", "Share of the rows whose labels are all right."),
    "f1_micro": ("higher", "share", "F1 over all labels of all rows together."),
    "hamming_loss": ("lower", "share", "Share of all label marks that are wrong."),
}


@dataclass(frozen=True)
class Metric:
    """One number with its 95 % interval.

    Parameters
    ----------
    name : str
        A key of ``ABOUT``, e.g. "accuracy".
    value : float
    low, high : float or None
        Ends of the interval; None with fewer than two rows.
    better : str
        "higher" or "lower".
    unit : str
        "share" (of 1), "nats", or "target" (the unit of the target).
    what : str
        One sentence that says what it measures.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    better: str
    unit: str
    what: str

    def __str__(self) -> str:
        return figure(self.value) + self.interval

    @property
    def interval(self) -> str:
        """The interval as text with a blank before it, or nothing."""
        return "" if self.low is None or self.high is None else f" [{figure(self.low)}, {figure(self.high)}]"

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return asdict(self)


def figure(value: float) -> str:
    """Return a number for people: three decimals up to 10, four significant digits above and below.

    Examples
    --------
    >>> [figure(x) for x in (0.94231, 0, 12345.6, 0.00001234)]
    ['0.942', '0', '1.235e+04', '1.234e-05']
    """
    if value == 0:
        return "0"
    return f"{value:.3f}" if 0.001 <= abs(value) < 10 else f"{value:.4g}"


def primary_metric(task: str, several_labels: bool = False) -> str:
    """Return the name of the metric that comparisons use: "accuracy", "f1_micro" or "rmse"."""
    if task == "regression":
        return "rmse"
    return "f1_micro" if several_labels else "accuracy"


def score(
    task: str,
    truth: ArrayLike,
    prediction: ArrayLike,
    probability: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    *,
    several_labels: bool = False,
    seed: int = 0,
) -> dict[str, Metric]:
    """Return the metrics of the task, each with a 95 % interval.

    Accuracy has Wilson's interval; balanced accuracy joins those of its classes; the area under the curve (auc) has
    DeLong's variance in Wilson's form; all else has a bootstrap over rows. A metric that is not defined on these rows
    (auc with one class, r2 of a constant target) is left out. Where no row is wrong the low end of F1 and the high end
    of the Hamming loss are those of the share of faultless rows, because a bootstrap of faultless rows knows no doubt.

    Parameters
    ----------
    task : str
        "classification" or "regression".
    truth, prediction : array (n,)
        Labels of any type, or finite numbers. With several labels: indicators of 0 and 1, shape (n, k).
    probability : array (n, k), optional
        One column per class, in the order of ``classes``; gives log_loss, auc (2 classes) and calibration_error.
    classes : array (k,), optional
        Labels of the columns of ``probability``.
    several_labels : bool, default False
        A row may have several labels or none.
    seed : int, default 0
        Of the bootstrap.

    Returns
    -------
    dict of str to Metric

    Raises
    ------
    DataError
        No rows, arrays of different lengths, numbers that are not finite, a probability of the wrong shape.

    Examples
    --------
    >>> str(score("classification", ["a", "b", "b", "a"], ["a", "b", "b", "b"])["accuracy"])
    '0.750 [0.301, 0.954]'
    """
    truth, prediction = check_pair(task, truth, prediction, several_labels)
    bootstrap = Bootstrap(len(truth), seed)
    if task == "regression":
        return _regression(truth, prediction, bootstrap)
    if several_labels:
        return _several(truth, prediction, bootstrap)
    labels = np.asarray([] if classes is None else classes)
    known = label_index(labels, truth, prediction)
    codes, guesses = label_codes(truth, known), label_codes(prediction, known)
    metrics = _labels(codes, guesses, len(known), bootstrap)
    if probability is not None:
        metrics |= _probabilities(codes, guesses, check_probability(probability, len(truth), len(labels)), bootstrap)
    return metrics


def confidence_bins(confidence: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bin of each row (0 to 9, of equal width) and its gap, confidence - right."""
    return np.clip((confidence * N_BINS).astype(np.int64), 0, N_BINS - 1), confidence - right


def metric(name: str, value: float, ends: tuple[float | None, float | None]) -> Metric:
    """Return the metric of that name with its description."""
    better, unit, what = ABOUT[name]
    return Metric(name, float(value), *ends, better, unit, what)


def _regression(truth: np.ndarray, prediction: np.ndarray, bootstrap: Bootstrap) -> dict[str, Metric]:
    # A power of two as unit changes no digit and keeps the squares of very large numbers finite.
    exponent = int(np.frexp(max(np.abs(truth).max(), np.abs(prediction).max()))[1])
    truth, prediction = np.ldexp(truth, -exponent), np.ldexp(prediction, -exponent)
    error, centred = truth - prediction, truth - truth.mean()
    parts = np.stack([error**2, np.abs(error), centred, centred**2, np.ones(len(error))], axis=1)

    def statistics(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        squared, absolute, first, second, n_rows = sums.T
        spread = second - first**2 / n_rows
        r2 = np.where(spread > 0, 1 - squared / np.where(spread > 0, spread, 1), np.nan)
        return np.ldexp(np.sqrt(squared / n_rows), exponent), np.ldexp(absolute / n_rows, exponent), r2

    values, draws = statistics(parts.sum(axis=0, keepdims=True)), statistics(bootstrap.sums(parts))
    found = zip(("rmse", "mae", "r2"), values, draws, strict=True)
    varies = centred.any()
    return {
        name: metric(name, value[0], bootstrap.interval(draw, float(value[0])))
        for name, value, draw in found
        if name != "r2" or varies
    }


def _labels(truth: np.ndarray, prediction: np.ndarray, n_classes: int, bootstrap: Bootstrap) -> dict[str, Metric]:
    right = truth == prediction
    n_truth, n_prediction = (np.bincount(codes, minlength=n_classes) for codes in (truth, prediction))
    n_right = np.bincount(truth[right], minlength=n_classes)
    below = n_truth + n_prediction
    f1 = float(divide(2 * n_right, below)[below > 0].mean())
    ends = bootstrap.interval(mean_f1_draws(bootstrap, truth, prediction, n_classes), f1)
    if right.all():
        ends = wilson(len(right), len(right))
    present = n_truth > 0
    return {
        "accuracy": metric("accuracy", right.mean(), wilson(right.sum(), len(right))),
        "balanced_accuracy": _balanced(n_right[present], n_truth[present]),
        "f1_macro": metric("f1_macro", f1, ends),
    }


def _balanced(n_right: np.ndarray, n_rows: np.ndarray) -> Metric:
    shares = n_right / n_rows
    ends = np.array([wilson(right, rows) for right, rows in zip(n_right, n_rows, strict=True)])
    below = float(np.sqrt(((shares - ends[:, 0]) ** 2).sum())) / len(shares)
    above = float(np.sqrt(((ends[:, 1] - shares) ** 2).sum())) / len(shares)
    value = float(shares.mean())
    return metric("balanced_accuracy", value, (max(0.0, value - below), min(1.0, value + above)))


def _probabilities(
    truth: np.ndarray, prediction: np.ndarray, probability: np.ndarray, bootstrap: Bootstrap
) -> dict[str, Metric]:
    loss = -np.log(np.maximum(chance_of(truth, probability), np.finfo(np.float64).eps))
    sums = bootstrap.sums(np.stack([loss, np.ones(len(loss))], axis=1))
    value = float(loss.mean())
    metrics = {"log_loss": metric("log_loss", value, bootstrap.interval(sums[:, 0] / sums[:, 1], value))}
    if probability.shape[1] == 2 and set(np.unique(truth)) == {0, 1}:
        metrics["auc"] = _auc(truth == 1, probability[:, 1])
    bins, gap = confidence_bins(probability.max(axis=1), truth == prediction)
    parts = np.zeros((len(gap), N_BINS))
    parts[np.arange(len(gap)), bins] = gap
    value = float(np.abs(parts.sum(axis=0)).sum() / len(gap))
    drawn = np.abs(bootstrap.sums(parts)).sum(axis=1) / sums[:, 1]
    metrics["calibration_error"] = metric("calibration_error", value, bootstrap.interval(drawn, value))
    return metrics


def _auc(second: np.ndarray, chance: np.ndarray) -> Metric:
    """Mann-Whitney's share, with the variance of DeLong et al. (1988) turned into an effective number of rows."""
    high, low = chance[second], chance[~second]
    above = _share_below(low, high)
    below = _share_below(high, low)
    value = float(above.mean())
    n_effective = float(min(len(high), len(low)))
    if n_effective > 1 and 0 < value < 1:
        variance = above.var(ddof=1) / len(high) + below.var(ddof=1) / len(low)
        n_effective = min(value * (1 - value) / variance, len(chance)) if variance > 0 else n_effective
    return metric("auc", value, wilson(value * n_effective, n_effective))


def _share_below(others: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return for each value the share of the others that lie below it, ties counting half."""
    ordered = np.sort(others)
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / (2 * len(ordered))


def several_parts(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return each row's right, surplus and missed labels, shape (n, 3)."""
    truth, prediction = truth.astype(bool), prediction.astype(bool)
    hits, surplus, missed = truth & prediction, prediction & ~truth, truth & ~prediction
    return np.stack([hits.sum(axis=1), surplus.sum(axis=1), missed.sum(axis=1)], axis=1).astype(np.float64)


def micro_f1(sums: np.ndarray) -> np.ndarray:
    """Return F1 from sums of right, surplus and missed labels, shape (..., 3); 0 where there are none at all."""
    hits, surplus, missed = np.moveaxis(sums, -1, 0)
    return divide(2 * hits, 2 * hits + surplus + missed)


def _several(truth: np.ndarray, prediction: np.ndarray, bootstrap: Bootstrap) -> dict[str, Metric]:
    n_rows, n_labels = truth.shape
    marks, guesses = truth.astype(np.float64), prediction.astype(np.float64)
    hits, totals = marks * guesses, marks + guesses
    parts = several_parts(truth, prediction)

    def hamming(sums: np.ndarray, n_drawn: np.ndarray) -> np.ndarray:
        return sums[:, 1:].sum(axis=1) / (n_drawn * n_labels)

    drawn, n_drawn = bootstrap.sums(parts), bootstrap.sums(np.ones((n_rows, 1)))[:, 0]
    whole = parts.sum(axis=0, keepdims=True)
    draws = {
        "f1_micro": (micro_f1(whole), micro_f1(drawn)),
        "f1_macro": (
            divide(2 * hits.sum(axis=0), totals.sum(axis=0)).mean(keepdims=True),
            divide(2 * bootstrap.sums(hits), bootstrap.sums(totals)).mean(axis=1),
        ),
        "hamming_loss": (hamming(whole, np.array([n_rows])), hamming(drawn, n_drawn)),
    }
    right = (truth == prediction).all(axis=1)
    subset = wilson(right.sum(), n_rows)
    metrics = {"subset_accuracy": metric("subset_accuracy", right.mean(), subset)}
    for name, (value, draw) in draws.items():
        low, high = bootstrap.interval(draw, float(value[0]))
        if right.all():
            low, high = (0.0, 1 - subset[0]) if name == "hamming_loss" else (min(subset[0], value[0]), float(value[0]))
        metrics[name] = metric(name, value[0], (low, high))
    return metrics
