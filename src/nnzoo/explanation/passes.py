"""The forward pass of a trained model on one row, from what was written to what is predicted."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from nnzoo.data.dataset import Part
from nnzoo.data.images import ImageTable
from nnzoo.data.rawtable import Table
from nnzoo.data.sequencerecipe import SequenceRecipe
from nnzoo.data.textrecipe import TextRecipe
from nnzoo.errors import DataError, UsageError, quote
from nnzoo.explanation.traces import Trace
from nnzoo.model import Model
from nnzoo.prediction.stream import Decodes
from nnzoo.ragged import Ragged
from nnzoo.steps import make_decoder, rows_of
from nnzoo.trace import Step, Working, written

PREDICTION = "prediction"
MAX_PARTS, MAX_INFLUENCE_STEPS = 200, 20_000


def explain(model: Model, rows: Any, *, row: int | None = None, id: str | None = None) -> Trace:
    """Return the forward pass of a model on one row, step by step, from the tensors that are computed.

    Parameters
    ----------
    model : Model
        Trained by ``train``, or loaded.
    rows : path, frame, array, dict of column to value, or Data
        As for ``predict``.
    row : int, optional
        Its number in the source, counted from 1; the first row by default.
    id : str, optional
        Its name instead: of an entity of a log, of an image file, or in the column that names rows.

    Returns
    -------
    Trace
        Its last step gives what ``predict`` gives for this row.

    Raises
    ------
    DataError
        There is no such row.
    UsageError
        ``row`` and ``id`` are given together.
    """
    if row is not None and id is not None:
        raise UsageError("explain needs a row or an id; got both.", "Leave one of them out.")
    decoder = make_decoder(model)
    chunk, name = _find(decoder, rows_of(rows), row, id)
    traced = decoder.trace(chunk)
    network: Any = model.network
    labels = _labels(model)
    steps = [*traced.steps, *network.trace(traced.X, traced.inputs, labels)]
    if isinstance(traced.X, Ragged) and 1 < len(traced.X.values) <= MAX_INFLUENCE_STEPS:
        steps.append(_influence(network, traced.X))
    predicted = _predicted(decoder.decode(chunk))
    if isinstance(model.recipe, SequenceRecipe) and model.recipe.output == "next" and not model.recipe.symbols:
        steps.append(_to_unit(model.recipe, steps, traced.X.width))
    steps.append(_prediction(steps, model, predicted, labels))
    title = f"{type(network).__name__} reads {name}, and says {_said(predicted)}"
    words = (
        "Every step on the way from what was given to the prediction, in the numbers that were computed. Large arrays "
        "are pictures with the cell that is worked out, and often another one to work out by hand."
    )
    return Trace(title, words, tuple(steps))


def _predicted(frame: Any) -> Any:
    """Return the prediction of the last row; of a network without a target the first thing it says of a row."""
    return frame[PREDICTION if PREDICTION in frame.columns else frame.columns[1]][-1]


def _find(decoder: Decodes, rows: Any, row: int | None, name: str | None) -> tuple[Any, str]:
    """Return the chunk of the one row that is asked for, and what it is called."""
    n_seen = 0
    for chunk in decoder.read(rows):
        n_seen += len(chunk.rows)
        wanted = chunk.rows == row if row is not None else np.arange(len(chunk.rows)) == 0
        if name is not None:
            wanted = (_names(decoder, chunk).cast(str) == name).fill_null(False).to_numpy()
        places = np.flatnonzero(wanted)
        if len(places):
            place = int(places[0])
            return _only(chunk, place), f"row {int(chunk.rows[place])}" if name is None else quote(name)
    which = f"a row {row:,}" if row is not None else f"a row with the name {quote(name)}" if name else "a row"
    raise DataError(
        f"explain needs {which}; the source has {n_seen:,} rows.", "Give the number of one of them, from 1."
    )


def _names(decoder: Any, chunk: Any) -> Any:
    """Return the column of a chunk that names its rows."""
    candidates = [getattr(decoder, "id_column", None), getattr(decoder.recipe, "name", None), "file", "path"]
    found = [name for name in candidates if name is not None and name in chunk.frame.columns]
    if not found:
        raise UsageError("explain: the rows of this source have no names.", "Pass row=, their number.")
    return chunk.frame[found[0]]


def _only(chunk: Any, place: int) -> Any:
    """Return a chunk of one row."""
    parts: dict[str, Any] = {"frame": chunk.frame[place : place + 1], "rows": chunk.rows[place : place + 1]}
    if isinstance(chunk, Table):
        parts["rejects"] = []
    if isinstance(chunk, ImageTable):
        parts["images"] = chunk.images.take(np.array([place]))
    if isinstance(chunk, Part):
        parts["images"] = None if chunk.images is None else chunk.images[place : place + 1]
        mask = np.arange(len(chunk)) == place
        parts["sequences"] = None if chunk.sequences is None else chunk.sequences.take(mask)
    return replace(chunk, **parts)


def _labels(model: Model) -> tuple[str, ...]:
    if isinstance(model.recipe, SequenceRecipe | TextRecipe) and model.recipe.output == "next" and model.recipe.symbols:
        return tuple(repr(model.recipe.symbols[code])[1:-1] for code in model.network.classes_)
    return tuple(str(label) for label in model.class_names())


def _influence(network: Any, X: Ragged) -> Step:
    """Return what the result would lose without each step: the step is put in the place of the usual one."""
    n_steps = len(X.values)
    edges = np.unique(np.linspace(0, n_steps, min(n_steps, MAX_PARTS) + 1).astype(int))
    usual = np.where(np.isin(np.arange(X.width), list(network.inputs_.n_codes)), 0.0, network.inputs_.standard.mean)
    copies = [X.values]
    for start, end in pairwise(edges.tolist()):
        changed = X.values.copy()
        changed[start:end] = usual
        copies.append(changed)
    predicted, shares = network.predict_rows(Ragged.of(copies))
    per_row = len(predicted) // len(copies)
    values = np.asarray(predicted if shares is None else shares).reshape(len(copies), per_row, -1)[:, -1]
    column = 0 if shares is None else int(values[0].argmax())
    what = "the prediction" if shares is None else "the share of the predicted label"
    lost = values[0, column] - values[1:, column]
    strongest = int(np.abs(lost).argmax())
    without = values[1 + strongest, column]
    seen = zip(lost.tolist(), values[1:, column].tolist(), strict=True)
    spans = tuple(f"t = {a + 1}" if b == a + 1 else f"t = {a + 1} ... {b}" for a, b in pairwise(edges.tolist()))
    return Step(
        "influence",
        "How much each step of the sequence matters",
        "influence(t) = result - result with the usual values in the place of step t",
        f"{spans[strongest]}: {written(values[0, column])} - {written(without)} = {written(lost[strongest])}",
        "influence",
        lost,
        f"The network reads the sequence {len(lost):,} times more, each time with "
        f"{'one step' if len(lost) == n_steps else 'a stretch of steps'} replaced by the usual values (means of the "
        f"training rows; the unknown category); the number is by how much {what} falls. Steps work together, so these "
        "numbers do not add up to the result.",
        {"usual values": usual},
        (strongest,),
        Working(
            ("replaced", "result without", "result - result without"),
            tuple((span, without, fall) for span, (fall, without) in zip(spans, seen, strict=True)),
        ),
        spans,
    )


def _to_unit(recipe: SequenceRecipe, steps: Sequence[Step], width: int) -> Step:
    """Return the forecast of the first column of numbers in its own unit."""
    before = steps[-2] if steps[-1].op == "influence" else steps[-1]
    name, value = next(iter(recipe.to_units(before.result.reshape(1, width)).items()))
    scale = next(coder.scale for coder in recipe.steps.coders if coder.column == name)  # pyright: ignore[reportAttributeAccessIssue]
    z = float(before.result[recipe.numbers[name]])
    inner = f"sinh({written(z)})" if scale.heavy else written(z)
    return Step(
        "unit",
        f"Back to the unit of {name}",
        f"ŷ = {before.name} · spread + median, as the recipe learned them{', after sinh' * scale.heavy}",
        f"{inner} · {written(scale.spread)} + {written(scale.center)} = {written(value[0])}",
        "ŷ",
        value,
        "What the recipe did at the beginning is undone.",
        {before.name: before.result},
    )


def _prediction(steps: Sequence[Step], model: Model, predicted: Any, labels: Sequence[str]) -> Step:
    """Return the last step: what ``predict`` gives."""
    before = next(step for step in reversed(steps) if step.op not in ("influence",))
    if before.op == "softmax":
        formula = "ŷ = the label with the largest share"
        numbers = f"{before.labels[int(before.result.argmax())]} has {written(before.result.max())}"
    elif before.op == "sigmoid" and len(labels) == 2:
        share = float(before.result[0])
        formula = f"ŷ = {labels[1]} where p > 0.5, else {labels[0]}"
        numbers = f"p = {written(share)} {'>' if share > 0.5 else '≤'} 0.5"
    elif before.op == "dense" and model.network.task == "classification":
        formula = f"ŷ = {labels[1]} where {before.name} > 0, else {labels[0]}" if len(labels) == 2 else ""
        formula = formula or f"ŷ = the label with the largest {before.name}"
        numbers = ", ".join(written(score) for score in before.result[:12])
    elif before.op == "sigmoid":
        formula = "ŷ = all labels with p > 0.5"
        numbers = ", ".join(f"{name} {written(share)}" for name, share in zip(labels, before.result, strict=True))
    elif model.network.task is None:
        formula, numbers = "ŷ as predict gives it", f"ŷ = {_said(predicted)}"
    else:
        formula, numbers = f"ŷ = {before.name}", f"ŷ = {_said(predicted)}"
    lines: list[tuple[Any, ...]] = []
    if before.op in ("softmax", "sigmoid"):
        shares = (
            [1 - before.result[0], before.result[0]] if len(labels) == 2 == 1 + len(before.result) else before.result
        )
        lines = sorted(((name, float(share)) for name, share in zip(labels, shares, strict=True)), key=lambda x: -x[1])
    return Step(
        PREDICTION,
        "The prediction",
        formula,
        numbers,
        "ŷ",
        np.array([predicted]),
        "This is what predict says of this row.",
        {before.name: before.result},
        working=Working(("label", "share"), tuple(lines)) if lines else None,
    )


def _said(value: Any) -> str:
    return written(value) if isinstance(value, float) else str(value)
