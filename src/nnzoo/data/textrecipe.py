"""The recipe of texts: a vocabulary, a longest length and the target; it travels with the model as that of a table."""

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from nnzoo.data import stored
from nnzoo.data.kinds import Column
from nnzoo.data.loaded import Part
from nnzoo.data.target import Target, encode_column
from nnzoo.data.text import TEXT, TextRule
from nnzoo.data.vocabulary import REPLACEMENT, Tokens, Vocabulary
from nnzoo.errors import SchemaError, listing, quote
from nnzoo.ragged import Ragged

OUTPUTS = ("sequence", "next")
MOSTLY_UNKNOWN = 0.5


@dataclass(frozen=True)
class EncodedText:
    """Texts as codes.

    Attributes
    ----------
    X : Ragged
        Values (n_tokens_in_all, 1) of float64: a code a token.
    counts : dict
        Column of the texts to "tokens" and, where there are any, "unknown_tokens" (without a code of their own),
        "examples" of these, "empty", "cut" and "replaced": numbers of texts without a token, without their end, and
        with U+FFFD.
    notes : list of str, length n_rows
        What was unusual in each text, "" where nothing was.
    """

    X: Ragged
    counts: dict[str, dict[str, Any]]
    notes: list[str]


@dataclass(frozen=True)
class TextRecipe:
    """How texts become codes.

    Parameters
    ----------
    vocabulary : Vocabulary
    max_length : int
        Tokens of a text; the end of a longer one is cut off.
    name : str
        Column of the texts.
    output : "sequence" or "next"
        One prediction a text, or the next token at every place.
    target : Target or None

    Examples
    --------
    >>> recipe = TextRecipe.learn(pl.Series("text", ["aaabbb", "ab"]), TextRule("text", "character", "", True))
    >>> recipe.categorical_features
    {0: 4}
    >>> part = Part("all", pl.DataFrame({"text": ["abc"]}), np.array([1]))
    >>> recipe.encode_part(part, "the texts").values.ravel().tolist()
    [1.0, 2.0, 0.0]
    """

    vocabulary: Vocabulary
    max_length: int
    name: str
    output: str
    target: Target | None = None

    @classmethod
    def learn(cls, texts: pl.Series, rule: TextRule, *, target: Target | None = None) -> "TextRecipe":
        """Learn the vocabulary from training texts.

        Raises
        ------
        SchemaError
            No token repeats often enough.
        """
        vocabulary = Vocabulary.learn(texts.to_list(), rule.unit, rule.max_length)
        return cls(vocabulary, rule.max_length, rule.name, "next" if target is None else "sequence", target)

    @property
    def unit(self) -> str:
        """What a token is: "character" or "word"."""
        return self.vocabulary.unit

    @property
    def symbols(self) -> tuple[str, ...]:
        """What each code stands for."""
        return tuple(self.decode(np.array([code])) for code in range(self.vocabulary.n_codes))

    @property
    def columns(self) -> tuple[Column, ...]:
        """The column of the texts, as the only input."""
        return (Column(self.name, TEXT, f"{len(self.vocabulary.tokens):,} known {self.unit}s"),)

    @property
    def categorical_features(self) -> dict[int, int]:
        """Place of the only value of a step to its number of codes, those of unknown and empty included."""
        return {0: self.vocabulary.n_codes}

    def encode(self, frame: pl.DataFrame, *, origin: str, rows: np.ndarray, strict: bool = False) -> EncodedText:
        """Return texts as codes; each text's codes depend on that text alone.

        Parameters
        ----------
        frame : polars.DataFrame
            With the column of the texts; a missing one is an empty text.
        origin : str
            Name of the source for messages.
        rows : ndarray of int64, shape (n_rows,)
            Number of each row in the source, counted from 1.
        strict : bool
            Refuse tokens without a code of their own instead of counting them.

        Raises
        ------
        SchemaError
            The column is missing; or, if strict, at the first text with an unknown token.

        Warns
        -----
        UserWarning
            More than half of the tokens have no code of their own.
        """
        if self.name not in frame.columns:
            message = f"{origin} needs the column {quote(self.name)} of texts; got {listing(frame.columns)}."
            raise SchemaError(message, "Add it, or rename yours.")
        texts = frame[self.name].cast(pl.String)
        tokens = self.vocabulary.encode(texts.to_list(), self.max_length)
        if strict and tokens.n_unknown.any():
            self._refuse(tokens, origin, rows)
        self._warn(tokens, origin)
        replaced = texts.str.contains(REPLACEMENT, literal=True).fill_null(value=False).to_numpy()
        X = Ragged(tokens.codes.astype(np.float64)[:, None], tokens.lengths)
        return EncodedText(X, {self.name: self._counts(tokens, replaced)}, self._notes(tokens, replaced))

    def encode_part(self, part: Part, origin: str) -> Ragged:
        """Return the texts of a part of loaded data as float64 codes (n_tokens_in_all, 1) with their lengths."""
        return self.encode(part.frame, origin=origin, rows=part.rows).X

    def encode_target(self, frame: pl.DataFrame, *, origin: str, rows: np.ndarray) -> np.ndarray:
        """Return the targets as ``Target.encode`` does."""
        return encode_column(self.target, frame, origin=origin, rows=rows)

    def codes_of(self, text: str) -> np.ndarray:
        """Return one text as codes, (n_tokens,) of int64."""
        return self.vocabulary.encode([text], self.max_length).codes

    def decode(self, codes: np.ndarray) -> str:
        """Return codes of any shape as text."""
        return self.vocabulary.decode(np.ravel(codes).astype(np.int64).tolist())

    def with_target(self, target: Target | None) -> "TextRecipe":
        """Return the recipe with another target."""
        return replace(self, target=target, output="next" if target is None else "sequence")

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as plain JSON."""
        target = None if self.target is None else self.target.to_json()
        own = {"vocabulary": self.vocabulary.to_json(), "max_length": self.max_length, "name": self.name}
        return {TEXT: own, "target": target}

    @classmethod
    def from_json(cls, value: object) -> "TextRecipe":
        """Return the recipe that ``to_json`` wrote; raise ModelFileError at anything else."""
        parts = stored.record(value, "recipe", {TEXT: stored.anything, "target": stored.anything})
        checks = {"vocabulary": stored.anything, "max_length": stored.whole(1), "name": stored.is_text}
        own = stored.record(parts[TEXT], "recipe of texts", checks)
        target = None if parts["target"] is None else Target.from_json(parts["target"])
        vocabulary = Vocabulary.from_json(own["vocabulary"])
        return cls(vocabulary, own["max_length"], own["name"], "next" if target is None else "sequence", target)

    def _counts(self, tokens: Tokens, replaced: np.ndarray) -> dict[str, Any]:
        found = {
            "unknown_tokens": int(tokens.n_unknown.sum()),
            "empty": int(tokens.empty.sum()),
            "cut": int(tokens.cut.sum()),
            "replaced": int(replaced.sum()),
        }
        counts: dict[str, Any] = {name: number for name, number in found.items() if number}
        if tokens.examples:
            counts["examples"] = tokens.examples
        return {"tokens": len(tokens.codes)} | counts

    def _notes(self, tokens: Tokens, replaced: np.ndarray) -> list[str]:
        notes = [""] * len(tokens.lengths)

        def add(where: np.ndarray, words: str) -> None:
            for row in np.flatnonzero(where).tolist():
                filled = words.format(n_unknown=tokens.n_unknown[row], length=tokens.lengths[row])
                notes[row] = f"{notes[row]}; {filled}" if notes[row] else filled

        add(tokens.empty, "empty text")
        add(tokens.n_unknown > 0, f"{{n_unknown:,}} of {{length:,}} {self.unit}s unknown")
        add(tokens.cut, f"cut to its first {self.max_length:,} {self.unit}s")
        add(replaced, "characters that no file can hold were replaced")
        return notes

    def _refuse(self, tokens: Tokens, origin: str, rows: np.ndarray) -> None:
        row = rows[int(np.argmax(tokens.n_unknown > 0))]
        raise SchemaError(
            f"{origin}, row {row}, column {quote(self.name)} needs {self.unit}s known from training; "
            f"got {quote(tokens.examples[0])}.",
            "Correct the text, or leave out strict to have unknown ones counted.",
        )

    def _warn(self, tokens: Tokens, origin: str) -> None:
        n_unknown, n_tokens = int(tokens.n_unknown.sum()), int(tokens.lengths[~tokens.empty].sum())
        if n_unknown > MOSTLY_UNKNOWN * n_tokens:
            warnings.warn(
                f"{origin}: {n_unknown:,} of {n_tokens:,} {self.unit}s are not known from training, such as "
                f"{listing(tokens.examples)}; is it another language or another kind of text?",
                stacklevel=4,
            )
