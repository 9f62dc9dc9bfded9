"""Sequences of symbols as codes: whatever can be hashed is a symbol; the alphabet gives each a number from 0 on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np

from nnzoo.data import stored
from nnzoo.errors import DataError, ModelFileError, UsageError
from nnzoo.plainjson import json_bytes, parse_json
from nnzoo.ragged import Ragged

PLAIN = (str, int, float, bool, type(None))
"""Types of symbols that a model file can hold."""


@dataclass(frozen=True)
class Symbols:
    """Sequences of symbols.

    Attributes
    ----------
    flat : array (n_steps_in_all,) or list
        Sequence behind sequence; of texts an array of characters.
    lengths : int64 array (n_sequences,)
        From 1.
    coded : bool
        The symbols are codes of a recipe, whole numbers from 0.
    """

    flat: Any
    lengths: np.ndarray
    coded: bool = False


def read_symbols(owner: str, X: Any, lengths: Any = None) -> Symbols:
    """Return sequences in any usual form.

    A text is the sequence of its characters, a list of texts or of lists one sequence each, an array (n, T) one in each
    row, with ``lengths`` its first steps; any other list or array is one sequence, with ``lengths`` several, one behind
    the other.

    Raises
    ------
    DataError
        There is no symbol, an empty sequence, or lengths that do not fit.

    Examples
    --------
    >>> read_symbols("MarkovChain", ["ab", "c"]).lengths.tolist()
    [2, 1]
    """
    if isinstance(X, Symbols):
        return X
    if isinstance(X, Ragged):
        return Symbols(_codes_of(owner, X), X.lengths, coded=True)
    if hasattr(X, "to_numpy"):
        X = X.to_numpy()
    flat, counts = _of_array(owner, X, lengths) if isinstance(X, np.ndarray) else _of_list(owner, X, lengths)
    counts = np.asarray(counts)
    if counts.ndim != 1 or counts.dtype.kind not in "iu" or counts.sum() != len(flat):
        raise DataError(
            f"{owner} needs lengths that add up to its {len(flat):,} symbols; got {np.asarray(lengths).sum():,}.",
            "Pass the number of symbols of each sequence.",
        )
    if not len(counts) or counts.min() < 1:
        raise DataError(f"{owner} needs sequences of at least one symbol each.", "Leave empty sequences out.")
    return Symbols(flat, counts.astype(np.int64))


def _codes_of(owner: str, X: Ragged) -> np.ndarray:
    if X.width != 1 or not len(X) or X.values.min() < 0 or (X.values != np.floor(X.values)).any():
        raise DataError(
            f"{owner} needs one symbol a step, as a code 0, 1, 2, ...; got {X.width} numbers a step.",
            "Give one column of categories.",
        )
    return X.values[:, 0].astype(np.int64)


def _of_array(owner: str, X: np.ndarray, lengths: Any) -> tuple[Any, Any]:
    if X.ndim == 3 and X.shape[2] == 1:
        X = X[:, :, 0]
    if X.dtype.kind == "f" and not np.isfinite(X).all():
        raise DataError(f"{owner} needs symbols; X holds NaN or infinity.", "Leave out what is missing.")
    if X.ndim == 1:
        return X, [len(X)] if lengths is None else lengths
    if X.ndim != 2:
        raise DataError(f"{owner} needs one symbol a step; got shape {X.shape}.", "Pass an array (sequences, steps).")
    rows = Ragged.of_padded(X[:, :, None], lengths)
    return rows.values[:, 0], rows.lengths


def _of_list(owner: str, X: Any, lengths: Any) -> tuple[Any, Any]:
    rows = [X] if isinstance(X, str) else list(X) if isinstance(X, Iterable) else None
    if rows is None:
        raise DataError(f"{owner} needs sequences of symbols; got {type(X).__name__}.", "Pass a list of lists.")
    if rows and all(isinstance(row, str) for row in rows):
        text = "".join(rows)
        return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<U1"), _lengths(owner, rows, lengths)
    if rows and all(isinstance(row, np.ndarray) for row in rows):
        arrays = [np.ravel(row) for row in rows]
        return np.concatenate(arrays), _lengths(owner, arrays, lengths)
    if rows and all(isinstance(row, list | tuple | np.ndarray) for row in rows):
        return list(chain.from_iterable(rows)), _lengths(owner, rows, lengths)
    return rows, [len(rows)] if lengths is None else lengths


def _lengths(owner: str, rows: Sequence[Any], lengths: Any) -> list[int]:
    if lengths is not None:
        raise UsageError(f"{owner}: a list of sequences has lengths of its own.", "Leave lengths out.")
    return [len(row) for row in rows]


@dataclass(frozen=True)
class Alphabet:
    """The symbols that are known, in their order.

    Attributes
    ----------
    symbols : tuple or range
        Sorted where they can be compared; a range where they are codes.

    Examples
    --------
    >>> letters = Alphabet.learn(read_symbols("MarkovChain", "banana"))
    >>> letters.symbols, letters.encode(read_symbols("MarkovChain", "nab!").flat).tolist()
    (('a', 'b', 'n'), [2, 0, 1, 4])
    """

    symbols: tuple[Any, ...] | range

    @classmethod
    def learn(cls, found: Symbols, known: "Alphabet | None" = None) -> "Alphabet":
        """Return the alphabet of sequences, what was known before among it.

        Raises
        ------
        DataError
            A symbol cannot be hashed, or is not equal to itself.
        """
        before = () if known is None else known.symbols
        if found.coded:
            return cls(range(max(int(found.flat.max()) + 1, len(before))))
        flat = found.flat
        if _is_text(flat):
            here: Iterable[Any] = map(chr, np.flatnonzero(np.bincount(flat.view(np.uint32))).tolist())
        elif isinstance(flat, np.ndarray) and flat.dtype.kind in "iufb":
            here = np.unique(flat).tolist()
        else:
            here = flat.tolist() if isinstance(flat, np.ndarray) else flat
        try:
            symbols = {*here, *before}
        except TypeError as error:
            raise DataError(f"A symbol needs to be hashable: {error}.", "Give texts, numbers or tuples.") from error
        if any(symbol != symbol for symbol in symbols):
            raise DataError("A symbol needs to be equal to itself; got NaN.", "Leave out what is missing.")
        return cls(_in_order(symbols))

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def coded(self) -> bool:
        """Whether the symbols are codes of a recipe."""
        return isinstance(self.symbols, range)

    @cached_property
    def values(self) -> np.ndarray:
        """The symbols as an array."""
        if self.coded or all(type(symbol) in (int, float) for symbol in self.symbols):
            return np.array(self.symbols)
        out = np.empty(len(self), dtype=object)
        out[:] = self.symbols
        return out

    def encode(self, flat: Any) -> np.ndarray:
        """Return symbols as codes; those that are unknown as the number of symbols plus 1."""
        unknown = len(self) + 1
        if self.coded:
            codes = np.asarray(flat, dtype=np.int64)
            return np.where(codes < len(self), codes, unknown)
        if _is_text(flat):
            points, letters = flat.view(np.uint32), {s: k for s, k in self._code_of.items() if _is_letter(s)}
            table = np.full(max(map(ord, letters), default=0) + 2, unknown)
            table[[ord(letter) for letter in letters]] = list(letters.values())
            return table[np.minimum(points, len(table) - 1)]
        if isinstance(flat, np.ndarray) and flat.dtype.kind in "iuf" and self.values.dtype.kind in "iuf":
            at = np.minimum(np.searchsorted(self.values, flat), len(self) - 1)
            return np.where(self.values[at] == flat, at, unknown)
        symbols = flat.tolist() if isinstance(flat, np.ndarray) else flat
        return np.fromiter((self._code_of.get(symbol, unknown) for symbol in symbols), np.int64, len(symbols))

    @cached_property
    def _code_of(self) -> dict[Any, int]:
        return {symbol: code for code, symbol in enumerate(self.symbols)}

    def to_bytes(self) -> np.ndarray:
        """Return the alphabet as the bytes of a JSON value, uint8.

        Raises
        ------
        ModelFileError
            A symbol is of a type that no file holds.
        """
        odd = next((symbol for symbol in self.symbols if type(symbol) not in PLAIN), None)
        if odd is not None:
            raise ModelFileError(
                f"A model file needs symbols that are texts, numbers or truth values; got {type(odd).__name__}.",
                "Code the symbols.",
            )
        value = len(self) if self.coded else list(self.symbols)
        return np.frombuffer(json_bytes(value), dtype=np.uint8)

    @classmethod
    def from_bytes(cls, data: np.ndarray) -> "Alphabet":
        """Return the alphabet that :meth:`to_bytes` wrote; raise ModelFileError at anything else."""
        value = parse_json(data.tobytes(), ModelFileError)
        if type(value) is int and 0 < value < 2**31:
            return cls(range(value))
        symbols = stored.items(value, "symbols")
        if not symbols or not all(type(symbol) in PLAIN for symbol in symbols) or len({*symbols}) < len(symbols):
            raise stored.refuse("symbols", "different texts, numbers or truth values", "others")
        return cls(tuple(symbols))


def _is_text(flat: Any) -> bool:
    return isinstance(flat, np.ndarray) and flat.dtype == "<U1" and flat.flags.c_contiguous


def _is_letter(symbol: Any) -> bool:
    return isinstance(symbol, str) and len(symbol) == 1


def _in_order(symbols: set[Any]) -> tuple[Any, ...]:
    try:
        return tuple(sorted(symbols))
    except TypeError:
        return tuple(sorted(symbols, key=lambda symbol: (type(symbol).__name__, repr(symbol))))
