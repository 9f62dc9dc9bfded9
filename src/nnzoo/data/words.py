"""Coders of words: categories as one-hot columns or as codes for an embedding, free text as counts of words.

What training never showed is coded so that it meets trained weights only: an unknown category is the average training
row, or the code 0 that rare categories share.
"""

import math
import zlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from nnzoo.data import stored
from nnzoo.data.coders import flag_name
from nnzoo.data.tally import Tally

ONE_HOT_WITH_CODES = 16
ONE_HOT_WITHOUT_CODES = HASH_COLUMNS = 64
TEXT_COLUMNS = 256
MIN_ROWS_OF_CODE = 2


@dataclass(frozen=True)
class CategoryCoder:
    """A category as one-hot columns, or, where ``hashed``, 64 columns that the categories share by their crc32.

    Missing is a category of its own if it occurred in training. Anything that training did not show, or too rarely to
    be kept, is coded as the average training row, so it meets trained weights only.
    """

    column: str
    categories: tuple[str, ...]
    counts: tuple[int, ...]
    n_missing: int
    hashed: bool
    n_codes = 0

    @classmethod
    def learn(cls, values: pl.Series, max_one_hot: int, max_categories: int) -> "CategoryCoder | None":
        """Learn from training values (String); None where nothing varies or nothing repeats."""
        counted = _counted(values)
        hashed = len(counted) > max_one_hot
        if hashed:
            counted = _kept(counted, max_categories)
        n_missing = values.null_count()
        if len(counted) == 0 or len(counted) + (n_missing > 0) < 2:
            return None
        categories = sorted(counted)
        return cls(values.name, tuple(categories), tuple(counted[c] for c in categories), n_missing, hashed)

    @property
    def names(self) -> list[str]:
        """Names of the encoded columns."""
        if self.hashed:
            own = [f"{self.column} hash {i}" for i in range(HASH_COLUMNS)]
        else:
            own = [f"{self.column}={category}" for category in self.categories]
        return own + flag_name(self.column, self.n_missing > 0)

    @cached_property
    def _slots(self) -> np.ndarray:
        """Encoded column of each category, then of missing."""
        n_own = HASH_COLUMNS if self.hashed else len(self.categories)
        own = [zlib.crc32(c.encode()) % HASH_COLUMNS for c in self.categories] if self.hashed else range(n_own)
        return np.array([*own, n_own], dtype=np.int64)

    @cached_property
    def _average(self) -> np.ndarray:
        weights = np.array([*self.counts, self.n_missing], dtype=np.float64)
        shares = np.bincount(self._slots, weights / weights.sum(), minlength=len(self.names))
        return shares[: len(self.names)]

    def encode(self, values: pl.Series, out: np.ndarray, tally: Tally) -> None:
        """Write the encoded columns into ``out``."""
        missing, known, places = _places(values, self.categories)
        tally.missing(missing, expected=self.n_missing > 0)
        tally.unknown(~known & ~missing, values)
        if self.n_missing:
            places[missing] = len(self.categories)
            known |= missing
        out[:] = 0.0
        out[np.flatnonzero(known), self._slots[places[known]]] = 1.0
        out[~known] = self._average

    def decode(self, X: np.ndarray) -> pl.Series | None:
        """Return the categories with the largest columns; shared columns tell none."""
        if self.hashed:
            return None
        words = [*self.categories, None]
        return pl.Series(self.column, [words[place] for place in X.argmax(axis=1).tolist()], dtype=pl.String)

    @classmethod
    def from_json(cls, value: object) -> "CategoryCoder":
        """Return the coder that was stored."""
        checks = {"column": stored.is_text, "categories": stored.is_texts, "counts": stored.wholes(1)}
        checks |= {"n_missing": stored.whole(0), "hashed": stored.is_truth}
        state = stored.record(value, "category coder", checks)
        n_categories = len(state["categories"])
        if n_categories != len(state["counts"]) or not 1 <= n_categories <= (
            2**53 if state["hashed"] else HASH_COLUMNS
        ):
            raise stored.refuse("category coder", "one count for each category", f"{n_categories} categories")
        state["categories"], state["counts"] = tuple(state["categories"]), tuple(state["counts"])
        return cls(**state)


@dataclass(frozen=True)
class CodeCoder:
    """A category as a whole number for an embedding: 1 for the most frequent and so on, 0 for unknown and rare ones.

    Categories that occur once in training are rare. Missing has the last code if it is not rare itself.
    """

    column: str
    categories: tuple[str, ...]
    with_missing: bool

    @classmethod
    def learn(cls, values: pl.Series, max_categories: int) -> "CodeCoder | None":
        """Learn from training values (String); None where nothing repeats."""
        kept = _kept(_counted(values), max_categories)
        if not kept:
            return None
        return cls(values.name, tuple(kept), values.null_count() >= MIN_ROWS_OF_CODE)

    @property
    def names(self) -> list[str]:
        """Names of the encoded columns."""
        return [f"{self.column} code"]

    @property
    def n_codes(self) -> int:
        """Number of codes, 0 included."""
        return 1 + len(self.categories) + self.with_missing

    def encode(self, values: pl.Series, out: np.ndarray, tally: Tally) -> None:
        """Write the encoded column into ``out``."""
        missing, known, places = _places(values, self.categories)
        tally.missing(missing, expected=self.with_missing)
        tally.unknown(~known & ~missing, values)
        codes = np.where(known, places + 1, 0)
        if self.with_missing:
            codes[missing] = len(self.categories) + 1
        out[:, 0] = codes

    def decode(self, X: np.ndarray) -> pl.Series:
        """Return the categories of the nearest codes; what is unknown is missing."""
        words = [None, *self.categories, None]
        places = np.clip(np.rint(X[:, 0]), 0, len(words) - 1).astype(int).tolist()
        return pl.Series(self.column, [words[place] for place in places], dtype=pl.String)

    @classmethod
    def from_json(cls, value: object) -> "CodeCoder":
        """Return the coder that was stored."""
        checks = {"column": stored.is_text, "categories": stored.is_texts, "with_missing": stored.is_truth}
        state = stored.record(value, "code coder", checks)
        if not state["categories"]:
            raise stored.refuse("code coder", "at least one category", "none")
        state["categories"] = tuple(state["categories"])
        return cls(**state)


@dataclass(frozen=True)
class TextCoder:
    r"""Free text as counts of its words, simple on purpose: no order of words, no meaning, no language.

    Words are runs of letters, digits and underscores in lower case; each falls by its crc32 into one of 256 groups,
    where different words may meet. A group's value is log(1 + count), and the row is divided by its Euclidean norm.
    Groups that no training row has used are left out: their words are ignored. Missing text is a row of zeros, with a
    flag column if training had missing values.
    """

    column: str
    groups: tuple[int, ...]
    flag: bool
    n_codes = 0

    @classmethod
    def learn(cls, values: pl.Series) -> "TextCoder | None":
        """Learn from training values (String); None where there is no word."""
        groups = np.unique(_words(values)[1])
        if len(groups) == 0:
            return None
        return cls(values.name, tuple(int(group) for group in groups), values.null_count() > 0)

    @property
    def names(self) -> list[str]:
        """Names of the encoded columns."""
        return [f"{self.column}: words {group}" for group in self.groups] + flag_name(self.column, self.flag)

    def encode(self, values: pl.Series, out: np.ndarray, tally: Tally) -> None:
        """Write the encoded columns into ``out``."""
        missing = values.is_null().to_numpy()
        tally.missing(missing, expected=self.flag)
        out[:] = 0.0
        if self.flag:
            out[:, -1] = missing
        place_of_group = np.full(TEXT_COLUMNS, -1)
        place_of_group[list(self.groups)] = np.arange(len(self.groups))
        rows, groups = _words(values)
        places = place_of_group[groups]
        cells, counts = np.unique(rows[places >= 0] * TEXT_COLUMNS + places[places >= 0], return_counts=True)
        rows, places = np.divmod(cells, TEXT_COLUMNS)
        different, which = np.unique(counts, return_inverse=True)
        weights = np.array([math.log1p(count) for count in different], dtype=np.float64)[which]
        norms = np.sqrt(np.bincount(rows, weights * weights, minlength=len(values)))
        out[rows, places] = weights / norms[rows]

    def decode(self, X: np.ndarray) -> None:
        """Return nothing: counts of groups of words make no text."""

    @classmethod
    def from_json(cls, value: object) -> "TextCoder":
        """Return the coder that was stored."""
        checks = {"column": stored.is_text, "groups": stored.wholes(0, TEXT_COLUMNS - 1), "flag": stored.is_truth}
        state = stored.record(value, "text coder", checks)
        if not state["groups"] or state["groups"] != sorted(set(state["groups"])):
            raise stored.refuse("text coder", "groups in rising order", "another order, or none")
        return cls(state["column"], tuple(state["groups"]), state["flag"])


def _counted(values: pl.Series) -> dict[str, int]:
    words, counts = values.drop_nulls().value_counts().get_columns()
    return dict(zip(words.to_list(), counts.to_list(), strict=True))


def _kept(counted: dict[str, int], max_categories: int) -> dict[str, int]:
    """Return the categories that are not rare, at most ``max_categories``, the most frequent first."""
    frequent = [category for category, count in counted.items() if count >= MIN_ROWS_OF_CODE]
    frequent.sort(key=lambda category: (-counted[category], category))
    return {category: counted[category] for category in frequent[:max_categories]}


def _places(values: pl.Series, categories: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what is missing, what is known, and the place of each known value among the categories."""
    places = values.replace_strict(
        pl.Series(categories, dtype=pl.String), np.arange(len(categories)), default=-1, return_dtype=pl.Int64
    )
    found = places.to_numpy().copy()
    return values.is_null().to_numpy(), found >= 0, found


def _words(values: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return row and group of every word."""
    lists = values.str.normalize("NFC").str.to_lowercase().str.extract_all(r"\w+")
    table = pl.DataFrame({"row": np.arange(len(values)), "word": lists}).explode("word").drop_nulls()
    different = table["word"].unique()
    groups = np.array([zlib.crc32(word.encode()) % TEXT_COLUMNS for word in different], dtype=np.int64)
    if len(different) == 0:
        return np.zeros(0, dtype=np.int64), groups
    return table["row"].to_numpy(), table["word"].replace_strict(different, groups, return_dtype=pl.Int64).to_numpy()
