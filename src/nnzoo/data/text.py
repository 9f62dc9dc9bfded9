"""Text as data: one running text cut into rows, or a table in which a column holds one text a row."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nnzoo.data import stored
from nnzoo.data.arrays import TARGET_NAME, with_target
from nnzoo.data.frames import fingerprint_of
from nnzoo.data.kinds import Column, infer_columns
from nnzoo.data.rawtable import Table
from nnzoo.data.roles import Roles, Wishes, check_wishes, target_column
from nnzoo.data.splits import TEST, TRAIN, VALID, Split
from nnzoo.data.tables import read_table
from nnzoo.data.textfile import TEXT_SUFFIX, cut_text, has_cells, read_characters
from nnzoo.data.values import is_words
from nnzoo.data.vocabulary import REPLACEMENT, UNITS, cleaned
from nnzoo.errors import DataError, SchemaError, UsageError, listing, nearest, quote

TEXT = "text"
MAX_LENGTH = 1_000
WORDS_OF_WORD_UNIT = 20
HELD_OUT = 0.1


@dataclass(frozen=True)
class TextRule:
    """How texts are read.

    Attributes
    ----------
    name : str
        Column of the texts.
    unit : str
        "character" or "word": what a token is.
    why : str
        The reason for the unit in words.
    in_order : bool
        The rows are the pieces of one text, one behind the other.
    max_length : int
        Tokens of a row; the rest is cut off.
    """

    name: str
    unit: str
    why: str
    in_order: bool
    max_length: int = MAX_LENGTH

    def to_json(self) -> dict[str, Any]:
        """Return the rule as plain JSON."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, value: object) -> "TextRule":
        """Return the rule that ``to_json`` wrote; raise ModelFileError on anything else."""
        checks = dict.fromkeys(("name", "why"), stored.is_text) | {"unit": stored.one_of(UNITS)}
        return cls(
            **stored.record(value, "text rule", checks | {"in_order": stored.is_truth, "max_length": stored.whole(1)})
        )


@dataclass(kw_only=True)
class TextTable(Table):
    """Texts as read, one a row; ``rule`` says how they are understood."""

    rule: TextRule


def read_text(
    source: Any,
    kind: str | None,
    *,
    with_target: bool = False,
    target: str | None = None,
    text: str | None = None,
    unit: str | None = None,
    on_bad_row: str = "error",
) -> TextTable | None:
    """Read texts; None if the source is something else and the caller has not said that it is text.

    Parameters
    ----------
    source : path, list or array of str, (list of str, y), or anything that ``read_table`` reads
        A .txt file and a list of strings are running text, cut into rows of at most 256 characters. A table, or a list
        of strings with a target, has a text a row.
    kind : "text" or None
        With None only a .txt file without a target whose lines are not those of a table is text.
    with_target : bool
        Whether there is something to predict, so that the rows must not be cut.
    target : str, optional
        Column that is not the text.
    text : str, optional
        Column of the texts, where the table has several.
    unit : "character" or "word", optional
        What a token is. By default a word in a table whose texts have more than 20 words on average.
    on_bad_row : "error" or "skip"
        As for ``read_table``.

    Raises
    ------
    DataError
        The file is not text, or empty.
    SchemaError
        The table has not exactly one column of free text.
    UsageError
        The unit is unknown.
    """
    if unit is not None and unit not in UNITS:
        raise UsageError(f"unit needs to be character or word; got {quote(unit)}.", nearest(unit, UNITS))
    apart = with_target or text is not None
    if kind == TEXT:
        return _read_said(source, apart, target, text, unit, on_bad_row)
    path = Path(source) if isinstance(source, str | os.PathLike) else None
    if kind is not None or apart or path is None or path.suffix.lower() != TEXT_SUFFIX or not path.is_file():
        return None
    return None if has_cells(path) else _of_file(path, unit)


def read_text_like(source: Any, rule: TextRule, *, on_bad_row: str = "error") -> TextTable:
    """Read other texts as an earlier source was read; their column gets the name that it had there.

    Parameters
    ----------
    source, on_bad_row
        As for ``read_text``; running text if that was running text.
    rule : TextRule
        That of the earlier source.

    Raises
    ------
    DataError, SchemaError
        As for ``read_text``.
    """
    named = None if rule.in_order or isinstance(_listed(source), list | tuple) else rule.name
    table = _read_said(source, not rule.in_order, None, named, rule.unit, on_bad_row)
    frame = table.frame.rename({table.rule.name: rule.name})
    return replace(table, frame=frame, rule=replace(rule, in_order=table.rule.in_order))


def text_roles(frame: pl.DataFrame, wishes: Wishes, origin: str, rule: TextRule) -> Roles:
    """Give the columns beside the texts their parts: target, group, time, row name; all others are left out.

    Raises
    ------
    SchemaError, UsageError
        A column that was named is not there, or does not fit.
    """
    check_wishes(frame.columns, wishes, origin)
    if rule.name in (wishes.target, wishes.group, wishes.time):
        raise UsageError(f"Column {quote(rule.name)} holds the texts; it needs no other part.", "Name another column.")
    target = None if wishes.target is None else target_column(frame[wishes.target], wishes, origin)
    columns = [Column(rule.name, TEXT, f"split into {rule.unit}s: {rule.why}")]
    columns += [Column(wishes.group, "category", "keeps texts together")] if wishes.group else []
    columns += [Column(wishes.time, wishes.kinds.get(wishes.time, "time"), "orders the texts")] if wishes.time else []
    taken = {column.name for column in columns} | {wishes.target}
    others = infer_columns(frame, skip={name for name in taken if name is not None})
    id_column = next((column for column in others if column.kind == "id"), None)
    columns += [] if id_column is None else [id_column]
    taken |= {column.name for column in columns}
    ignored = tuple(name for name in frame.columns if name not in taken)
    name = None if id_column is None else id_column.name
    return Roles(tuple(columns), target, wishes.group, wishes.time, name, ignored)


def split_by_place(n_rows: int) -> Split:
    """Return the first 80 % of the rows of one text for training, then 10 % for validation and 10 % for the test."""
    n_held = max(round(HELD_OUT * n_rows), 1) if n_rows >= 3 else 0
    part = np.full(n_rows, TRAIN, dtype=np.int8)
    part[n_rows - 2 * n_held :] = VALID
    part[n_rows - n_held :] = TEST
    return Split(part, "by place: the first 80 % of the text are train, the last 10 % are the test")


def _read_said(
    source: Any, apart: bool, target: str | None, text: str | None, unit: str | None, on_bad_row: str
) -> TextTable:
    """Return what the caller says is text; ``apart`` says that a row of the source is a text of its own."""
    if not apart and isinstance(source, str | os.PathLike) and Path(source).suffix.lower() == TEXT_SUFFIX:
        return _of_file(Path(source), unit)
    listed = _of_list(source, apart, unit)
    return listed or _from_table(read_table(source, on_bad_row=on_bad_row), target, text, unit)


def _of_file(path: Path, unit: str | None) -> TextTable:
    text, origin, fingerprint = read_characters(path)
    return _pieces_table([text], origin, fingerprint, unit)


def _pieces_table(texts: Sequence[str], origin: str, fingerprint: str, unit: str | None) -> TextTable:
    """Return the pieces of texts as rows."""
    pieces = [piece for text in texts for piece in cut_text(cleaned(text))]
    if not any(piece.strip() for piece in pieces):
        raise DataError(f"{origin} needs text; got {sum(map(len, texts)):,} characters, all spaces.", "Give a text.")
    frame = pl.DataFrame({TEXT: pl.Series(pieces, dtype=pl.String)})
    rule = TextRule(TEXT, unit or "character", "as you said" if unit else "running text", in_order=True)
    return TextTable(frame, np.arange(1, len(pieces) + 1), origin, fingerprint, rule=rule)


def _listed(texts: Any) -> Any:
    """Return an array or a series of one dimension as a list, all else as it came."""
    if getattr(texts, "ndim", 0) == 1 and hasattr(texts, "tolist"):
        return texts.tolist()
    return texts.to_list() if isinstance(texts, pl.Series) else texts


def _of_list(source: Any, cells: bool, unit: str | None) -> TextTable | None:
    """Return a list of strings, or of strings and targets; None for anything else."""
    texts, y = source if isinstance(source, tuple) and len(source) == 2 else (source, None)
    texts = _listed(texts)
    if not isinstance(texts, list) or not all(text is None or isinstance(text, str) for text in texts):
        return None
    column = pl.Series(TEXT, [None if text is None else cleaned(text) for text in texts], dtype=pl.String)
    fingerprint = fingerprint_of(column.to_frame())
    if y is None and not cells:
        return _pieces_table([text or "" for text in texts], "the texts", fingerprint, unit)
    named = with_target(column.to_frame(), y, "the texts") if y is not None else None
    frame = column.to_frame() if named is None else named.frame
    table = Table(frame, np.arange(1, len(texts) + 1), "the texts", fingerprint_of(frame))
    return _from_table(replace(table, target=None if y is None else TARGET_NAME), None, TEXT, unit)


def _from_table(table: Table, target: str | None, text: str | None, unit: str | None) -> TextTable:
    name = _text_column(table, target, text)
    texts = table.frame[name].cast(pl.String)
    if texts.str.contains("\0", literal=True).any():
        texts = texts.str.replace_all("\0", REPLACEMENT, literal=True)
    frame = table.frame.with_columns(texts.alias(name))
    rule = TextRule(name, *_unit(texts, unit), in_order=False)
    return TextTable(frame, table.rows, table.origin, table.fingerprint, table.rejects, table.target, rule=rule)


def _text_column(table: Table, target: str | None, text: str | None) -> str:
    if text is not None:
        if text not in table.frame.columns:
            hint = nearest(text, table.frame.columns)
            raise SchemaError(f"{table.origin} has no column {quote(text)} for the text.", hint)
        if not is_words(table.frame[text].dtype):
            raise SchemaError(
                f"{table.origin}, column {quote(text)} needs texts; got {table.frame[text].dtype}.", "Name another."
            )
        return text
    skipped = {name for name in (target, table.target) if name in table.frame.columns and name is not None}
    found = [column.name for column in infer_columns(table.frame, skip=skipped) if column.kind == TEXT]
    if len(found) != 1:
        words = [name for name in table.frame.columns if is_words(table.frame[name].dtype) and name not in skipped]
        example = (found or words or ["review"])[0]
        raise SchemaError(
            f"{table.origin} needs exactly one column of free text; got {listing(found) if found else 'none'}.",
            f"Say which one it is: text={example!r} (--text {example}).",
        )
    return found[0]


def _unit(texts: pl.Series, unit: str | None) -> tuple[str, str]:
    """Return what a token is, and why."""
    if unit is not None:
        return unit, "as you said"
    n_words = texts.str.count_matches(r"\S+").mean()
    mean = float(n_words) if isinstance(n_words, int | float) else 0.0
    return "word" if mean > WORDS_OF_WORD_UNIT else "character", f"about {mean:.0f} words a text"
