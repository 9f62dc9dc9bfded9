"""Evaluation without a target: one number a row that tells how well a network does, beside that of competitors.

Reconstruction errors, likelihoods, distances to the nearest unit: whatever is a number for each row is averaged, gets
its interval from the bootstrap over rows, and is compared with the competitors row by row, as predictions are.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge

from nnzoo.errors import DataError
from nnzoo.evaluation.baselines import Baseline
from nnzoo.evaluation.intervals import Bootstrap, paired_interval
from nnzoo.evaluation.metrics import Metric
from nnzoo.evaluation.report import Report
from nnzoo.evaluation.verdict import MIN_ROWS, OUTCOMES, Difference, best_baseline, mean_of_sums, verdict_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_ROWS = 20_000
LEAST_VARIANCE = 1e-4
"""Of standardised numbers; without a floor, rows that are told exactly have a density without bound."""


@dataclass(frozen=True)
class Competitor:
    """Another way to do the same: its name, its number for each row (n,), and how long it took."""

    name: str
    values: np.ndarray
    seconds: float
    note: str = ""


@dataclass(frozen=True)
class Shown:
    """A picture in the report.

    Attributes
    ----------
    title, sentence : str
    content : Figure, or dict of str to uint8 array (n, height, width[, channels])
        A drawing; or rows of images, each with its name.
    """

    title: str
    sentence: str
    content: "Figure | Mapping[str, np.ndarray]"


@dataclass(frozen=True)
class RowValues:
    """What a network without a target is measured by.

    Attributes
    ----------
    name : str
        Of the metric, with underscores.
    better : "higher" or "lower"
    what : str
        One sentence.
    values : ndarray of shape (n,)
        One number a row.
    competitors : tuple of Competitor
    more : dict of str to (value, better, what)
        Further numbers that are no means over rows.
    shows : tuple of Shown
    """

    name: str
    better: str
    what: str
    values: np.ndarray
    competitors: tuple[Competitor, ...] = ()
    more: Mapping[str, tuple[float, str, str]] = field(default_factory=dict)
    shows: tuple[Shown, ...] = ()


def evaluate_row_values(
    found: RowValues,
    *,
    how: str | Sequence[str] = (),
    history: Mapping[str, Sequence[Any]] | None = None,
    seed: int = 0,
) -> Report:
    """Return the report on the numbers of rows that the network has not seen.

    Raises
    ------
    DataError
        There is no row, or a number is not finite.
    """
    if not len(found.values) or not np.isfinite(found.values).all():
        raise DataError("Evaluation needs a finite number for each row.", "Look for extreme values in the rows.")
    own = _mean(found, found.values, seed)
    further = {
        name: Metric(name, float(value), None, None, better, "share", what)
        for name, (value, better, what) in found.more.items()
    }
    baselines = [
        Baseline(each.name, {found.name: _mean(found, each.values, seed)}, each.values, each.seconds, note=each.note)
        for each in found.competitors
    ]
    differences = {each.name: _difference(found, each.values, each.name, seed) for each in found.competitors}
    best = best_baseline(baselines, found.name) if baselines else None
    difference = differences[best.name] if best else None
    return Report(
        task=None,
        primary=found.name,
        n_rows=len(found.values),
        metrics={found.name: own, **further},
        baselines=baselines,
        verdict=verdict_words(own, best, difference, differences.get("constant"), len(found.values)),
        difference=difference,
        confusion=None,
        confusions=[],
        labels=[],
        calibration=[],
        residuals=None,
        worst=[],
        how=(how,) if isinstance(how, str) else tuple(how),
        history=None if history is None else {name: list(values) for name, values in history.items()},
        shows=found.shows,
    )


def timed_competitor(name: str, measure: Callable[[], np.ndarray], note: str) -> Competitor:
    """Return a competitor by the function that gives its number for each row."""
    start = time.monotonic()
    values = measure()
    return Competitor(name, values, time.monotonic() - start, note)


def reconstruct_by_components(known: np.ndarray, rows: np.ndarray, n_components: int) -> list[Competitor]:
    """Return the squared error of each row that is left by the mean row, and by principal components.

    Parameters
    ----------
    known, rows : array (n, d)
        Training rows, of which at most 20,000 are looked at, and the rows that are measured.
    n_components : int
    """
    start = time.monotonic()
    mean = known.mean(axis=0)
    constant = Competitor("constant", np.square(rows - mean).sum(axis=1), time.monotonic() - start, "the mean row")
    n_able = min(n_components, *known.shape)
    start = time.monotonic()
    chosen = known[:: -(-len(known) // MAX_ROWS)]
    pca = PCA(n_able, random_state=0).fit(chosen)
    rebuilt: Any = pca.inverse_transform(pca.transform(rows))
    seconds = time.monotonic() - start
    note = f"{n_able} components" + f", of {len(chosen):,} rows" * (len(chosen) < len(known))
    return [constant, Competitor("PCA", np.square(rows - rebuilt).sum(axis=1), seconds, note)]


def denoise_linearly(
    known: np.ndarray, known_noisy: np.ndarray, rows: np.ndarray, noisy: np.ndarray
) -> list[Competitor]:
    """Return the squared error of each row that is left by the mean row, by its noise, and by least squares.

    Parameters
    ----------
    known, known_noisy : array (n, d)
        Training rows, of which at most 20,000 are looked at, and the same with noise.
    rows, noisy : array (n, d)
        The rows that are measured, and the same with noise.
    """
    start = time.monotonic()
    step = -(-len(known) // MAX_ROWS)
    given, wanted = known_noisy[::step], known[::step]
    mean, shift = wanted.mean(axis=0), given.mean(axis=0)
    constant = Competitor("constant", np.square(rows - mean).sum(axis=1), time.monotonic() - start, "the mean row")
    as_given = Competitor("as given", np.square(rows - noisy).sum(axis=1), 0.0, "the row with its noise")
    start = time.monotonic()
    ridge = Ridge(alpha=1.0, fit_intercept=False).fit(given - shift, wanted - mean)
    cleaned = mean + ridge.predict(noisy - shift)
    linear = Competitor("linear", np.square(rows - cleaned).sum(axis=1), time.monotonic() - start, "least squares")
    return [constant, as_given, linear]


def draw_linearly(known: np.ndarray, known_codes: np.ndarray, rows: np.ndarray, codes: np.ndarray) -> list[Competitor]:
    """Return the squared error of each row that is left by the mean row, and by least squares from its code.

    Where a code has one number for each label, 1 for its own and 0 for the others, the latter is the mean row of the
    label.

    Parameters
    ----------
    known, known_codes : array (n, d) and (n, k)
        Training rows, of which at most 20,000 are looked at, and their codes.
    rows, codes : array (m, d) and (m, k)
        The rows that are measured, and their codes.
    """
    start = time.monotonic()
    step = -(-len(known) // MAX_ROWS)
    known, known_codes = known[::step], known_codes[::step]
    mean = known.mean(axis=0)
    constant = Competitor("constant", np.square(rows - mean).sum(axis=1), time.monotonic() - start, "the mean row")
    start = time.monotonic()
    weights = np.linalg.lstsq(np.column_stack([known_codes, np.ones(len(known))]), known - mean)[0]
    drawn = mean + np.column_stack([codes, np.ones(len(codes))]) @ weights
    note = "least squares; of labels the mean row of each"
    return [constant, Competitor("linear", np.square(rows - drawn).sum(axis=1), time.monotonic() - start, note)]


def density_by_components(known: np.ndarray, rows: np.ndarray, n_components: int) -> list[Competitor]:
    """Return the log-density of each row under a normal distribution, and under probabilistic principal components.

    The first is that of no component: one variance for all columns. No variance is below the least one. Parameters as
    in :func:`reconstruct_by_components`.
    """
    start = time.monotonic()
    chosen = known[:: -(-len(known) // MAX_ROWS)]
    mean, d = chosen.mean(axis=0), known.shape[1]
    variance = max(float(np.square(chosen - mean).mean()), LEAST_VARIANCE)
    values = -0.5 * (np.square(rows - mean).sum(axis=1) / variance + d * np.log(2 * np.pi * variance))
    constant = Competitor("constant", values, time.monotonic() - start, "a normal distribution around the mean row")
    n_able = min(n_components, len(chosen) - 1, d - 1)
    if n_able < 1:
        return [constant]
    start = time.monotonic()
    pca = PCA(n_able, random_state=0).fit(chosen)
    codes: Any = pca.transform(rows)
    noise = max(float(pca.noise_variance_), LEAST_VARIANCE)
    spread = np.maximum(pca.explained_variance_, noise)
    left_over = np.square(rows - pca.inverse_transform(codes)).sum(axis=1) / noise
    squares = (np.square(codes) / spread).sum(axis=1) + left_over
    volume = np.log(spread).sum() + (d - n_able) * np.log(noise) + d * np.log(2 * np.pi)
    seconds = time.monotonic() - start
    return [constant, Competitor("probabilistic PCA", -0.5 * (squares + volume), seconds, f"{n_able} components")]


def density_by_shares(known: np.ndarray, rows: np.ndarray) -> list[Competitor]:
    """Return the log-likelihood of each row, numbers from 0 to 1, where each number has the share of its column."""
    start = time.monotonic()
    share = (known.sum(axis=0) + 0.5) / (len(known) + 1)
    values = (rows * np.log(share) + (1 - rows) * np.log1p(-share)).sum(axis=1)
    return [Competitor("constant", values, time.monotonic() - start, "the mean of each number")]


def as_bytes(images: np.ndarray) -> np.ndarray:
    """Return images as bytes; numbers are stretched from their 1st to their 99th percentile."""
    if images.dtype == np.uint8:
        return images
    low, high = np.percentile(images, [1, 99])
    return np.rint(255 * np.clip((images - low) / max(high - low, 1e-12), 0, 1)).astype(np.uint8)


def _mean(found: RowValues, values: np.ndarray, seed: int) -> Metric:
    bootstrap = Bootstrap(len(values), seed)
    sums = bootstrap.sums(np.stack([values, np.ones(len(values))], axis=1))
    value = float(values.mean())
    low, high = bootstrap.interval(mean_of_sums(sums), value)
    return Metric(found.name, value, low, high, found.better, "mean", found.what)


def _difference(found: RowValues, values: np.ndarray, name: str, seed: int) -> Difference:
    sign = 1.0 if found.better == "higher" else -1.0
    parts = np.stack([sign * (found.values - values), np.ones(len(values))], axis=1)
    value, low, high = paired_interval(parts, mean_of_sums, seed)
    told_apart = len(values) >= MIN_ROWS and (low > 0 or high < 0)
    outcome = OUTCOMES[1] if not told_apart else OUTCOMES[0] if low > 0 else OUTCOMES[2]
    return Difference(name, found.name, value, low, high, outcome)
