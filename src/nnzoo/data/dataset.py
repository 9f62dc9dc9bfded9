"""Step 1, load: what the data is, which task it sets, and which rows train, choose and test."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nnzoo.data.checkup import check_table
from nnzoo.data.complete import complete_rows
from nnzoo.data.given import attach_target
from nnzoo.data.imagecheck import check_images
from nnzoo.data.imagedata import (
    FILE,
    decoded,
    digests,
    from_rows,
    image_roles,
    learn_rule,
    name_column,
    read_source,
)
from nnzoo.data.images import ImageTable
from nnzoo.data.kinds import parse
from nnzoo.data.large import sample_table
from nnzoo.data.loaded import KINDS, MAX_SEED, Data, Part, from_settings
from nnzoo.data.pixelrule import PixelRule
from nnzoo.data.public import PUBLIC, read_public
from nnzoo.data.rawtable import Table
from nnzoo.data.roles import TASKS, Roles, Wishes, decide_task, find_roles
from nnzoo.data.samples import SAMPLES, sample_path, with_defaults
from nnzoo.data.sequencedata import How, read_sequences, sequence_data, sequence_data_like
from nnzoo.data.sequences import SequenceTable
from nnzoo.data.splits import TEST, TRAIN, Split, complete_split, split
from nnzoo.data.target import SEPARATOR
from nnzoo.data.text import TextTable, read_text, read_text_like, split_by_place, text_roles
from nnzoo.data.textcheck import check_texts
from nnzoo.errors import DataError, UsageError, listing, nearest, quote

__all__ = ["Data", "Part", "load", "load_like"]

MODEL_SUFFIX = ".nnzoo"
OF_SAMPLE = {"fashion-sample": "fashion-mnist"}
"""Bundled sample to the public set that it was taken from."""


def load(
    source: Any,
    *,
    target: Any = None,
    kind: str | None = None,
    task: str | None = None,
    labels: bool = False,
    group: str | None = None,
    entity: str | None = None,
    time: str | None = None,
    lengths: Any = None,
    text: str | None = None,
    unit: str | None = None,
    columns: Mapping[str, str] | None = None,
    coerce: bool = False,
    on_bad_row: str = "error",
    image_size: int | tuple[int, int] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    sample_rows: int | None = None,
    seed: int = 0,
) -> Data:
    """Load a table, images or sequences: find what they hold and which task they set, split the rows, look for traps.

    Parameters
    ----------
    source : path, frame, array, (X, y), dict or list of dicts
        A table: what ``read_table`` reads. Images: a folder with one sub-folder a class (below train, valid and test
        folders, if there are such), a table with one column of image files, an array of 3 or 4 dimensions, an .npz
        file, an IDX file or a folder of them. Or the name of a set: "penguins" and "fashion-sample" are bundled;
        "mnist", "fashion-mnist" and "cifar-10" are looked for on this machine, then downloaded. Sequences: a table of
        events with ``entity``; a .ts file of the UCR archive, which brings NAME_TEST.ts beside NAME_TRAIN.ts; a list
        of arrays (T_i, d); an array (n, T, d) or (n, T) with ``kind="sequence"``; a table with ``kind="sequence"``: a
        series in each row if its columns are named t1, t2, ... (at least eight), else the whole table is one series.
        Texts: a .txt file, or a list of strings with ``kind="text"``: running text, of which every next character is
        predicted; a table with a column of free text and ``kind="text"``: a text a row. "sunspots", "flights-log" and
        "genesis" are bundled, too: a series, a log of events and a text.
    target : str, or array of shape (n_rows,) or (n_rows, n_labels), optional
        The column to predict, or its values for every row of the source.
    kind : "table", "image", "sequence" or "text", optional
        Kind of the data, where it could be either.
    task : {"classification", "regression"}, optional
        Inferred from the target by default.
    labels : bool, default False
        A row has any number of labels, joined by ``|``.
    group : str, optional
        Column whose equal values stay in one part of the split. It is no input.
    entity : str, optional
        Column whose equal values make a sequence: a row of the table is an event of this entity. No entity is in two
        parts. A target that is the same in all events of every entity is predicted for each entity, any other for
        each event; without a target, what comes next.
    time : str, optional
        Of sequences: the column that orders the steps, by default the only one of times. Of all else:
        Column by which the rows are split: the last ones are the test. It is no input, because rows to come have
        times that training has not seen. A time column without this option is an input.
    lengths : array of shape (n_rows,), optional
        Steps of each row of an array of sequences; what stands behind is never looked at.
    text : str, optional
        Of texts: the column that holds them, where several do.
    unit : "character" or "word", optional
        Of texts: what a token is. By default a word in a table whose texts have more than 20 words on average.
    columns : mapping, optional
        Column to kind, where the inferred one is wrong: number, category, boolean, time, text, id, constant; or
        "ignore" to leave it out.
    coerce : bool, default False
        Take cells that do not fit the kind of their column as missing, and count them.
    on_bad_row : {"error", "skip"}, default "error"
        "skip": rows that cannot be read, or that have no target, group or time, are left out and listed in
        ``rejects``.
    image_size : int or (int, int), optional
        Side, or height and width, that images are brought to. By default the size that most training images have, or
        their median, the longer side at most 64 pixels.
    data_dir : path, optional
        Folder that holds public sets.
    sample_rows : int, optional
        Of a table larger than the memory: how many rows, drawn at random, are looked at and split. The recipe is
        learned from them, validation and test rows are among them; training takes all other rows of the file, too,
        from the disk.
    seed : int, default 0
        Seed of the split.

    Returns
    -------
    Data

    Raises
    ------
    DataError
        The source cannot be read, or no row is left.
    SchemaError
        Columns or cells do not fit.
    UsageError
        An argument does not fit.

    Examples
    --------
    >>> data = load("penguins", target="species")
    >>> data.task, len(data.train), len(data.valid), len(data.test)
    ('classification', 240, 52, 52)
    """
    _check_arguments(source, kind, task, seed)
    said = with_defaults(source, {"kind": kind, "target": target, "entity": entity, "time": time})
    target, entity, time = said["target"], said["entity"], said["time"]
    kind = _kind_of(said["kind"], {"entity": entity, "lengths": lengths}, {"text": text, "unit": unit})
    as_text = partial(
        read_text,
        kind=kind,
        with_target=any(each is not None for each in (target, group, time, columns or None)),
        target=target if isinstance(target, str) else None,
        text=text,
        unit=unit,
        on_bad_row=on_bad_row,
    )
    if sample_rows is None:
        table, large = _read(source, on_bad_row, kind, data_dir, lengths=lengths, as_text=as_text), None
    else:
        _check_large(kind, target)
        table, large = sample_table(source, sample_rows, seed, on_bad_row=on_bad_row)
        table.need_rows()
    if target is not None and not isinstance(target, str):
        table = attach_target(table, target)
    name = target if isinstance(target, str) else table.target
    wishes = Wishes(name, task, labels, group, time, dict(columns or {}))
    if kind == "sequence" or isinstance(table, SequenceTable):
        return sequence_data(table, wishes, entity, How(coerce, on_bad_row == "skip", labels, int(seed)))
    roles = _roles(table, wishes)
    data = _understood(table, roles, coerce=coerce, several_labels=labels, skip=on_bad_row == "skip")
    why = ""
    if roles.target is not None:
        task, why = decide_task(data.frame[roles.target.name], roles.target, wishes, table.origin)
    data = replace(data, task=task, why_task=why, seed=int(seed), large=large)
    if isinstance(table, ImageTable):
        data = replace(data, mirror_safe=_mirror_safe(source))
        return _with_images(data, table, _split_images(data, table), image_size)
    if isinstance(table, TextTable):
        return _with_texts(data, table, _split_texts(data, table))
    return _checked(data, _split(data))


def load_like(
    source: Any,
    settings: Mapping[str, Any],
    *,
    target: Any = None,
    on_bad_row: str = "error",
    data_dir: str | os.PathLike[str] | None = None,
) -> Data:
    """Load another source, or the same one again, as ``settings`` say: nothing is inferred anew.

    The content that the settings were made from is split as it was then. Any other content is not split: all its rows
    are in the test part.

    Parameters
    ----------
    source : as for ``load``
    settings : mapping
        ``Data.settings`` of the data that was loaded before.
    target : array, optional
        Values of the target for every row, if the source has no such column.
    on_bad_row, data_dir
        As for ``load``.

    Raises
    ------
    ModelFileError
        The settings are not what ``Data.settings`` gives.
    DataError, SchemaError, UsageError
        As for ``load``.
    """
    state, roles = from_settings(settings)
    as_text = partial(read_text_like, rule=state["text"], on_bad_row=on_bad_row) if state["text"] else _no_text
    need_labels, large = state["target"] is not None, None
    if state["sample_rows"] is None:
        table = _read(source, on_bad_row, state["kind"], data_dir, need_labels=need_labels, as_text=as_text)
    else:
        table, large = sample_table(source, state["sample_rows"], state["seed"], on_bad_row=on_bad_row)
        table.need_rows()
    if target is not None:
        table = attach_target(table, target)
    if isinstance(table, ImageTable):
        table = from_rows(state, table)
    same = table.fingerprint == state["fingerprint"]
    if state["kind"] == "sequence":
        how = How(state["coerce"], on_bad_row == "skip", state["several_labels"], state["seed"])
        return sequence_data_like(table, state, roles, how, same)
    data = _understood(
        table,
        roles if same else roles.without_split(),
        coerce=state["coerce"],
        several_labels=state["several_labels"],
        skip=on_bad_row == "skip",
    )
    data = replace(data, task=state["task"], why_task=state["why_task"], seed=state["seed"], large=large)
    if isinstance(table, ImageTable):
        parts = _split_images(data, table) if same else _unsplit(data)
        return _with_images(replace(data, image_column=state["image_column"]), table, parts, None, rule=state["rule"])
    if isinstance(table, TextTable):
        return _with_texts(data, table, _split_texts(data, table) if same else _unsplit(data))
    return _checked(data, _split(data) if same else _unsplit(data))


def training_parts(data: Data) -> Iterator[Part]:
    """Yield all rows of a table larger than the memory but those of its valid and test parts, in chunks.

    Raises
    ------
    DataError, SchemaError
        As for ``load``; and if the content is no longer that which was loaded.
    """
    large: Any = data.large
    apart = data.rows[data.part != TRAIN]
    for table in large.chunks(data.fingerprint):
        found = _understood(
            table,
            data.roles,
            coerce=data.coerce,
            several_labels=data.several_labels,
            skip=large.on_bad_row == "skip",
        )
        kept = ~np.isin(found.rows, apart)
        yield Part("train", found.frame.filter(pl.Series(kept)), found.rows[kept])


def _check_large(kind: str | None, target: Any) -> None:
    if kind not in (None, "table") or not (target is None or isinstance(target, str)):
        raise UsageError(
            "sample_rows needs a table with its target among the columns.", "Leave sample_rows out, or name the column."
        )


def _unsplit(data: Data) -> Split:
    everything = np.full(len(data), TEST, dtype=np.int8)
    return Split(everything, "not split: other content than was loaded first, all rows are in the test")


def _roles(table: Table, wishes: Wishes) -> Roles:
    if isinstance(table, TextTable):
        return text_roles(table.frame, wishes, table.origin, table.rule)
    return (image_roles if isinstance(table, ImageTable) else find_roles)(table.frame, wishes, table.origin)


def _split_texts(data: Data, table: TextTable) -> Split:
    return split_by_place(len(data)) if table.rule.in_order else _split(data)


def _with_texts(data: Data, table: TextTable, parts: Split) -> Data:
    """Return the data with the rule of their texts, and the findings of the check-up."""
    columns = [column for column in data.roles.columns if column.name not in (data.group, data.time)]
    findings = check_texts(
        data.frame,
        columns,
        data.target,
        data.task,
        parts.part,
        table.rule,
        data.rejects,
        several_labels=data.several_labels,
        time=data.time,
    )
    return replace(data, text=table.rule, part=parts.part, how_split=parts.how, findings=findings)


def _split_images(data: Data, table: ImageTable) -> Split:
    """Return the parts that the source gives, what is missing cut from its training rows; else those of any data."""
    if table.part is None:
        return _split(data)
    if data.group is not None or data.time is not None:
        raise UsageError(f"{table.origin} says itself which rows are train and test.", "Leave group and time out.")
    part = table.part[np.searchsorted(table.rows, data.rows)]
    return complete_split(part, strata=strata_of(data), seed=data.seed)


def _with_images(
    data: Data, table: ImageTable, parts: Split, size: int | tuple[int, int] | None, rule: PixelRule | None = None
) -> Data:
    """Return the data with their images of one size, decoded once, and the findings of the check-up."""
    places = np.searchsorted(table.rows, data.rows)
    table = replace(table, frame=table.frame[places], rows=data.rows, images=table.images.take(places), part=parts.part)
    rule = rule or learn_rule(table, parts.part, size)
    images, good, rejects = decoded(table, rule)
    data = replace(
        data,
        frame=data.frame.filter(pl.Series(good)),
        rows=data.rows[good],
        part=parts.part[good],
        how_split=parts.how,
        rejects=[*data.rejects, *rejects],
        images=images,
        rule=rule,
        image_column=name_column(table.frame),
    )
    kept = table.images.take(np.flatnonzero(good))
    findings = check_images(
        images,
        kept.heights,
        kept.widths,
        kept.modes,
        digests(images),
        None if data.target is None else data.frame[data.target],
        data.part,
        data.rejects,
        rule,
        task=data.task,
        several_labels=data.several_labels,
        names=data.frame[FILE].to_list() if FILE in data.frame.columns else None,
    )
    return replace(data, findings=sorted([*table.findings, *findings], key=lambda one: one.level != "warning"))


def _check_arguments(source: Any, kind: str | None, task: str | None, seed: int) -> None:
    if kind is not None and kind not in KINDS:
        raise UsageError(
            f"nnzoo loads data of the kinds {listing(KINDS)}; got kind={quote(kind)}.", nearest(kind, KINDS)
        )
    if task is not None and task not in TASKS:
        raise UsageError(f"The task needs to be classification or regression; got {quote(task)}.", nearest(task, TASKS))
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed <= MAX_SEED:
        raise UsageError(f"seed needs a whole number from 0 to {MAX_SEED}; got {quote(seed)}.", "Pass seed=0.")


def _kind_of(kind: str | None, *options: Mapping[str, Any]) -> str | None:
    """Return the kind that the options of sequences or of texts say, where it is not said."""
    for own, known in zip(("sequence", "text"), options, strict=True):
        given = [name for name, value in known.items() if value is not None]
        if given and kind not in (None, own):
            raise UsageError(f"{' and '.join(known)} are for {own}s; got kind={quote(kind)}.", f'Pass kind="{own}".')
        kind = own if given else kind
    return kind


def _no_text(source: Any) -> None:
    """Take no source as text."""


def _read(
    source: Any,
    on_bad_row: str,
    kind: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    *,
    need_labels: bool = True,
    lengths: Any = None,
    as_text: Callable[[Any], TextTable | None] = _no_text,
) -> Table:
    sequences = read_sequences(source, kind, lengths)
    if sequences is not None:
        return sequences
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if path.suffix.lower() == MODEL_SUFFIX:
            hint = f"Open it with nnzoo.load_model({os.fspath(source)!r})."
            raise UsageError(f"{quote(os.fspath(source))} is a model; load needs data.", hint)
        if isinstance(source, str) and not path.suffix and path.name == source and not path.exists():
            return _read_named(source, data_dir, as_text)
    texts = as_text(source)
    if texts is not None:
        return texts.need_rows()
    as_kind = "table" if kind == "sequence" else kind
    return read_source(source, as_kind, on_bad_row=on_bad_row, need_labels=need_labels).need_rows()


def _read_named(
    name: str, data_dir: str | os.PathLike[str] | None, as_text: Callable[[Any], TextTable | None]
) -> Table:
    """Return a bundled or a public set."""
    if name in PUBLIC:
        return read_public(name, data_dir=data_dir)
    if name not in SAMPLES:
        message = f"There is neither a file nor a set {quote(name)}."
        raise DataError(message, nearest(name, [*SAMPLES, *PUBLIC, *_tables_here()]))
    path = sample_path(name)
    table = as_text(path) or read_source(path, None)
    return replace(table, origin=name if isinstance(table, ImageTable) else path.name)


def _understood(table: Table, roles: Roles, *, coerce: bool, several_labels: bool, skip: bool) -> Data:
    """Return the parsed rows that have a target, group and time; task and split are still open."""
    columns = roles.columns if roles.target is None else (*roles.columns, roles.target)
    known = [name for name in table.frame.columns if name not in roles.ignored]
    parsed = parse(table.frame.select(known), columns, origin=table.origin, rows=table.rows, coerce=coerce)
    complete, rejects = complete_rows(
        parsed.frame, roles.needed, table.rows, table.origin, several_labels=several_labels, skip=skip
    )
    return Data(
        frame=parsed.frame.filter(pl.Series(complete)),
        rows=table.rows[complete],
        roles=roles,
        task=None,
        why_task="",
        several_labels=several_labels,
        part=np.zeros(int(complete.sum()), dtype=np.int8),
        how_split="",
        origin=table.origin,
        fingerprint=table.fingerprint,
        findings=[],
        rejects=[*table.rejects, *rejects],
        n_coerced=parsed.n_coerced,
        extra=parsed.extra,
        coerce=coerce,
    )


def _split(data: Data) -> Split:
    groups = None if data.group is None else data.frame[data.group]
    times = None if data.time is None else data.frame[data.time]
    return split(len(data), strata=strata_of(data), groups=groups, times=times, seed=data.seed)


def _mirror_safe(source: Any) -> bool | None:
    """Return whether mirror images keep their class, where the set is known."""
    known = OF_SAMPLE.get(source, source) if isinstance(source, str) else None
    return PUBLIC[known].flips if known in PUBLIC else None


def strata_of(data: Data) -> pl.Series | None:
    """Return the classes that every part is to have in equal shares."""
    if data.task != "classification" or data.target not in data.frame.columns:
        return None
    labels = data.frame[data.target]
    return _rarest_label(labels) if data.several_labels else labels


def _rarest_label(values: pl.Series) -> pl.Series:
    """Return for every row the one of its labels that the fewest rows have."""
    table = pl.DataFrame({"row": np.arange(len(values)), "label": values.str.split(SEPARATOR)})
    table = table.explode("label").with_columns(pl.col("label").str.strip_chars())
    table = table.with_columns(n_rows=pl.len().over("label"))
    return (
        table.sort("row", "n_rows", "label")
        .unique("row", keep="first", maintain_order=True)["label"]
        .alias(values.name)
    )


def _checked(data: Data, parts: Split) -> Data:
    """Return the data with its split and the findings of the check-up."""
    roles = data.roles
    looked_at = [column for column in roles.columns if column.name not in (roles.group, roles.time)]
    findings = check_table(
        data.frame,
        looked_at,
        data.target,
        data.task,
        parts.part,
        data.rejects,
        several_labels=data.several_labels,
        time=data.time,
    )
    return replace(data, part=parts.part, how_split=parts.how, findings=findings)


def _tables_here() -> list[str]:
    return [path.name for path in sorted(Path().glob("*.csv"))[:1000]]
