"""Which rows train the network, which choose its best weights, and which are kept for the test.

The parts are disjoint and cover all rows. The split is a pure function of the rows in their order and of the seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from nnzoo.errors import SchemaError, UsageError, quote

TRAIN, VALID, TEST = 0, 1, 2
PART_NAMES = ("train", "valid", "test")
SHARES = (0.7, 0.15, 0.15)
SPLIT_IN_TIME = "by time: the first steps are train, the last steps are the test"
FEWEST_TO_CUT = 100
"""From fewer training rows of a source with a test part none are taken for validation: a handful chooses at random."""

Values = pl.Series | np.ndarray | Sequence


@dataclass(frozen=True, eq=False)
class Split:
    """A split of the rows into parts.

    Attributes
    ----------
    part : ndarray of int8, shape (n_rows,)
        TRAIN, VALID or TEST for every row.
    how : str
        The rule in words.
    """

    part: np.ndarray
    how: str


def split(
    n_rows: int,
    *,
    strata: Values | None = None,
    groups: Values | None = None,
    times: Values | None = None,
    seed: int = 0,
    shares: tuple[float, float, float] = SHARES,
) -> Split:
    """Split rows into train, valid and test.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    strata : Series or array of shape (n_rows,), optional
        Class of every row. Each class is cut in the same shares; a class of at least 3 rows is in all parts, a class of
        2 rows in train and test, a class of 1 row in train.
    groups : Series or array of shape (n_rows,), optional
        Rows of equal value stay in one part; at least 3 different values. ``strata`` is then not used.
    times : Series or array of shape (n_rows,), optional
        The first rows in time are train, the last are test; rows of equal time stay in one part; at least 3 different
        values. ``strata`` is then not used, nor is the seed. The name of a Series appears in the words.
    seed : int, default 0
        Seed of the draw.
    shares : three numbers above 0 that sum to 1
        Shares of train, valid and test.

    Returns
    -------
    Split

    Raises
    ------
    UsageError
        ``groups`` and ``times`` together, or shares out of range.
    SchemaError
        Fewer than 3 groups or times, or one of them missing.

    Examples
    --------
    >>> split(10, strata=list("aaaaabbbbb")).part.tolist().count(TEST)
    2
    """
    if groups is not None and times is not None:
        raise UsageError("The split needs a group column or a time column; got both.", "Pass one of group and time.")
    if min(shares) <= 0 or abs(sum(shares) - 1) > 1e-9:
        raise UsageError(
            f"shares needs three numbers above 0 that sum to 1; got {quote(shares)}.", "Pass shares=(0.7, 0.15, 0.15)."
        )
    rng = np.random.default_rng(seed)
    if times is not None:
        series = _complete(times, "time")
        part = _by_time(series, shares)
        return Split(part, f"by time{_named(series)}: the first rows are train, the last rows are the test")
    if groups is not None:
        series = _complete(groups, "group")
        part = _by_group(first_seen_codes(series), shares, rng, series.name)
        return Split(part, f"by group{_named(series)}, seed {seed}: no group is in two parts")
    if strata is None:
        return Split(_by_stratum(np.zeros(n_rows, dtype=np.int64), shares, rng), f"at random, seed {seed}")
    series = pl.Series(strata)
    part = _by_stratum(first_seen_codes(series), shares, rng)
    of_name = f" of{_named(series)}" if series.name else ""
    return Split(part, f"at random, every class{of_name} in the same shares, seed {seed}")


def complete_split(part: np.ndarray, *, strata: Values | None, seed: int, share: float = 0.1) -> Split:
    """Keep the parts that a source gives, and cut those that it leaves out from its training rows.

    Parameters
    ----------
    part : ndarray of int8, shape (n_rows,)
        TRAIN, VALID or TEST for every row.
    strata : Series or array of shape (n_rows,), optional
        As for ``split``.
    seed : int
    share : float
        Of the training rows, for each part that is missing.
    """
    made = part.astype(np.int8, copy=True)
    missing = [number for number in (VALID, TEST) if not (part == number).any()]
    train = np.flatnonzero(part == TRAIN)
    if missing == [VALID] and len(train) < FEWEST_TO_CUT:
        return Split(made, f"as the source has it; {len(train)} training rows are too few to set some aside for valid")
    if not missing:
        return Split(made, "as the source has it")
    classes = None if strata is None else pl.Series(strata)[train]
    # a share too small to be seen fills the part that is there already
    to_valid, to_test = (share if number in missing else 1e-9 for number in (VALID, TEST))
    shares = (1 - to_valid - to_test, to_valid, to_test)
    found = split(len(train), strata=classes, seed=seed, shares=shares).part
    for number in missing:
        made[train[found == number]] = number
    names = " and ".join(PART_NAMES[number] for number in missing)
    return Split(made, f"as the source has it; {names} cut from its training rows at random, seed {seed}")


def lengths_in_time(n_steps: np.ndarray) -> np.ndarray:
    """Return the lengths of the pieces that sequences of so many steps are cut into: train, valid, test of each.

    Examples
    --------
    >>> lengths_in_time(np.array([100, 10])).tolist()
    [70, 15, 15, 7, 1, 2]
    """
    ends = np.round(np.cumsum(SHARES) * n_steps[:, None]).astype(np.int64)
    return np.diff(ends, prepend=0, axis=1).ravel()


def first_seen_codes(series: pl.Series) -> np.ndarray:
    """Return for every row the number of its value, counted from 0 in the order in which values are first seen.

    A missing value counts as a value.
    """
    values = series.alias("value").to_frame()
    seen = values.unique(maintain_order=True).with_row_index("code")
    codes = values.join(seen, on="value", how="left", nulls_equal=True, maintain_order="left")["code"]
    return codes.to_numpy().astype(np.int64)


def _named(series: pl.Series) -> str:
    return f" {quote(series.name)}" if series.name else ""


def _complete(values: Values, what: str) -> pl.Series:
    series = pl.Series(values)
    n_missing = series.null_count()
    if n_missing:
        raise SchemaError(
            f"The split needs the {what} of every row; {n_missing} of {len(series)} have none.",
            f"Fill in the {what}, or leave these rows out.",
        )
    return series


def _by_stratum(codes: np.ndarray, shares: tuple[float, float, float], rng: np.random.Generator) -> np.ndarray:
    """Cut each class in the given shares, at random."""
    sizes = np.bincount(codes, minlength=1)
    n_test = _rounded(sizes, shares[TEST], least=sizes >= 2, most=np.maximum(sizes - 2, sizes >= 2))
    n_valid = _rounded(sizes, shares[VALID], least=sizes >= 3, most=sizes - n_test - 1)
    shuffled = rng.permutation(len(codes))
    order = shuffled[np.argsort(codes[shuffled], kind="stable")]
    starts = np.cumsum(sizes) - sizes
    place = np.arange(len(codes)) - np.repeat(starts, sizes)
    by_class = np.full(len(codes), TRAIN, dtype=np.int8)
    by_class[place < np.repeat(n_test + n_valid, sizes)] = VALID
    by_class[place < np.repeat(n_test, sizes)] = TEST
    part = np.empty(len(codes), dtype=np.int8)
    part[order] = by_class
    return part


def _rounded(sizes: np.ndarray, share: float, least: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Round ``share * sizes`` to whole numbers whose sum is as near as possible to the share of all rows."""
    exact = sizes * share
    counts = np.floor(exact + 1e-9).astype(np.int64)
    n_more = round(share * sizes.sum()) - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[: max(n_more, 0)]] += 1
    return np.clip(counts, least.astype(np.int64), most)


def _by_group(codes: np.ndarray, shares: tuple[float, float, float], rng: np.random.Generator, name: str) -> np.ndarray:
    """Lay the groups in random order on a line and give each to the part in which its middle lies."""
    sizes = np.bincount(codes)
    if len(sizes) < 3:
        raise SchemaError(
            f"The split by group {quote(name)} needs at least 3 groups; got {len(sizes)}.",
            "Give another group column, or load without group.",
        )
    order = rng.permutation(len(sizes))
    middle = (np.cumsum(sizes[order]) - sizes[order] / 2) / sizes.sum()
    of_group = np.empty(len(sizes), dtype=np.int8)
    of_group[order] = np.where(
        middle < shares[TEST], TEST, np.where(middle < shares[TEST] + shares[VALID], VALID, TRAIN)
    )
    for empty in sorted(set(range(3)) - set(of_group.tolist())):
        spare = np.flatnonzero(np.bincount(of_group, minlength=3)[of_group] > 1)
        of_group[spare[np.argmin(sizes[spare])]] = empty
    return of_group[codes]


def _by_time(times: pl.Series, shares: tuple[float, float, float]) -> np.ndarray:
    """Cut the rows in the order of their time, where the time changes."""
    order = times.arg_sort().to_numpy()
    ordered = times.gather(order)
    changes = np.flatnonzero((ordered != ordered.shift(1)).fill_null(value=False).to_numpy())
    if len(changes) < 2:
        raise SchemaError(
            f"The split by time {quote(times.name)} needs at least 3 different times; got {len(changes) + 1}.",
            "Give another time column, or load without time.",
        )
    n_rows = len(times)
    first = _nearest_to(changes[:-1], shares[TRAIN] * n_rows)
    second = _nearest_to(changes[changes > first], (1 - shares[TEST]) * n_rows)
    part = np.full(n_rows, TRAIN, dtype=np.int8)
    part[order[first:]] = VALID
    part[order[second:]] = TEST
    return part


def _nearest_to(places: np.ndarray, wanted: float) -> int:
    return int(places[np.argmin(np.abs(places - wanted))])
