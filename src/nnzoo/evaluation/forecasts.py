"""What anyone can say about the next value or symbol without a network: the baselines of forecasts and of texts."""

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from nnzoo.evaluation.baselines import Baseline
from nnzoo.evaluation.metrics import score

LEAST_CORRELATION = 0.2
TREND_DEGREE = 2
MAX_PERIOD = 400
MAX_SCORED = 50_000
"""Symbols of a text that are scored at the most: intervals over more take minutes and say the same."""


def season(series: Sequence[np.ndarray]) -> int | None:
    """Return the period of series of numbers, in steps, or None where they have none.

    The lag from 2 on, at most a third of the longest series, at which that series, less its quadratic trend, is most
    like itself; the correlation must be at least 0.2 and higher than at the lags beside it.
    """
    longest = np.asarray(max(series, key=len), dtype=np.float64)
    limit = min(len(longest) // 3, MAX_PERIOD)
    if limit < 3:
        return None
    steps = np.linspace(-1, 1, len(longest))
    away = longest - np.polynomial.Polynomial.fit(steps, longest, TREND_DEGREE)(steps)
    if np.square(away).sum() <= np.finfo(np.float64).eps * np.square(longest).sum():
        return None
    n_fast = 1 << (2 * len(away) - 1).bit_length()
    spectrum = np.fft.rfft(away, n_fast)
    correlation = np.fft.irfft(np.square(np.abs(spectrum)), n_fast)[: limit + 2] / np.square(away).sum()
    peaks = [k for k in range(2, limit + 1) if correlation[k] > max(correlation[k - 1], correlation[k + 1])]
    best = max(peaks, key=lambda k: correlation[k], default=None)
    return best if best is not None and correlation[best] >= LEAST_CORRELATION else None


def forecast_baselines(
    series: Sequence[np.ndarray], n_scored: Sequence[int], training: Sequence[np.ndarray], seed: int = 0
) -> list[Baseline]:
    """Return the mean, the last value, the value a season ago, and the last value with the change of a season ago.

    Each forecasts one step.

    Parameters
    ----------
    series : sequence of arrays (T_i,)
        What came.
    n_scored : sequence of int
        How many of the last steps of each series are to be forecast, less than T_i.
    training : sequence of arrays
        Series from which the mean and the season are learned.
    seed : int
        Of the bootstrap.
    """
    start = time.monotonic()
    truth = np.concatenate([each[-n:] for each, n in zip(series, n_scored, strict=True)])
    found = {"mean of the training rows": np.full(len(truth), float(np.concatenate(list(training)).mean()))}
    found["last value"] = np.concatenate([each[-n - 1 : -1] for each, n in zip(series, n_scored, strict=True)])
    period = season(training)
    if period is not None:
        found[f"value {period} steps ago"] = np.concatenate(
            [_ago(each, n, period) for each, n in zip(series, n_scored, strict=True)]
        )
        found[f"last value, and the change {period} steps ago"] = np.concatenate(
            [_with_change(each, n, period) for each, n in zip(series, n_scored, strict=True)]
        )
    seconds = (time.monotonic() - start) / len(found)
    return [Baseline(name, score("regression", truth, said, seed=seed), said, seconds) for name, said in found.items()]


def symbol_baselines(
    codes: Sequence[np.ndarray], scored: np.ndarray, training: Sequence[np.ndarray], names: np.ndarray, seed: int = 0
) -> list[Baseline]:
    """Return how often each symbol comes at all, and how often after the symbol before it, as predictions.

    Parameters
    ----------
    codes : sequence of int arrays (T_i,)
        What came.
    scored : int array
        Places of the scored symbols among all but the first of each sequence, one sequence behind the other.
    training : sequence of int arrays
    names : array (n_codes,)
        What each code stands for.
    seed : int
    """
    n_codes = len(names)
    start = time.monotonic()
    before, after = (_pairs(codes, cut)[scored] for cut in (slice(None, -1), slice(1, None)))
    learned_before, learned_after = (_pairs(training, cut) for cut in (slice(None, -1), slice(1, None)))
    counts = np.bincount(learned_before * n_codes + learned_after, minlength=n_codes**2).reshape(n_codes, n_codes)
    alone = (counts.sum(axis=0) + 1) / (counts.sum() + n_codes)
    pairs = (counts + n_codes * alone) / (counts.sum(axis=1, keepdims=True) + n_codes)
    found = {"how often it comes": np.tile(alone, (len(after), 1)), "after the one before": pairs[before]}
    seconds = (time.monotonic() - start) / len(found)
    baselines = []
    for name, chances in found.items():
        said = names[chances.argmax(axis=1)]
        metrics = score("classification", names[after], said, chances, names, seed=seed)
        baselines.append(Baseline(name, metrics, said, seconds, note=f"{bits(chances, after):.3f} bits a symbol"))
    return baselines


def bits(probability: np.ndarray, codes: np.ndarray) -> float:
    """Return the mean of minus the logarithm to base 2 of the probability given to what came."""
    chance = probability[np.arange(len(codes)), codes]
    return float(-np.log(np.maximum(chance, np.finfo(np.float64).tiny)).mean() / math.log(2))


def choose_scored(n_symbols: int, seed: int) -> np.ndarray:
    """Return the places that are scored: all, or 50,000 of them drawn at random, in order."""
    if n_symbols <= MAX_SCORED:
        return np.arange(n_symbols)
    return np.sort(np.random.default_rng(seed).choice(n_symbols, MAX_SCORED, replace=False))


def _ago(values: np.ndarray, n: int, period: int) -> np.ndarray:
    """Return for each of the last n values the one a period before; where there is none, the last value."""
    place = np.arange(len(values) - n, len(values))
    return values[np.where(place >= period, place - period, np.maximum(place - 1, 0))]


def _with_change(values: np.ndarray, n: int, period: int) -> np.ndarray:
    """Return for each of the last n values the one before it, changed as a period ago; early ones as they are."""
    place = np.arange(len(values) - n, len(values))
    earlier = np.maximum(place - period, 1)
    change = np.where(place > period, values[earlier] - values[earlier - 1], 0.0)
    return values[place - 1] + change


def _pairs(rows: Sequence[Any], cut: slice) -> np.ndarray:
    return np.concatenate([row[cut] for row in rows]).astype(np.int64)
