"""What one unit looks for: its weights or its filter, and the real inputs that excite it most."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor, nn

from nnzoo.engine.batches import BLOCK_ROWS
from nnzoo.errors import DataError, UsageError, counted, quote
from nnzoo.explanation.traces import Trace
from nnzoo.model import Model
from nnzoo.networks.memory import RecurrentBody
from nnzoo.ragged import Ragged
from nnzoo.steps import make_decoder, rows_of
from nnzoo.trace import Step, Working, written

N_INPUTS = 9
MAX_ROWS = 20_000
MAX_COLUMNS = 8
WEIGHTS = (nn.Linear, nn.Conv1d, nn.Conv2d)
NAMED = re.compile(r"([0-9]+|output):([0-9]+)", re.IGNORECASE)


class Layer(NamedTuple):
    """A layer of weights: the module whose output is watched, and its weights, a row a unit."""

    module: nn.Module
    weight: Tensor
    is_recurrent: bool


class Excitement(NamedTuple):
    """How much each row excites the unit, where in the row, and the rows as they were read."""

    values: np.ndarray
    places: list[tuple[int, ...]]
    rows: np.ndarray
    kept: dict[int, Any]


def look_for(model: Model, rows: Any, unit: str, *, data_dir: str | None = None) -> Trace:
    """Return what a unit of a trained model looks for.

    Parameters
    ----------
    model : Model
    rows : as for ``predict``
        Where the inputs are looked for; the first 20,000.
    unit : str
        "LAYER:UNIT", both counted from 1: "1:7" is unit 7 of the first layer of weights, "output:2" the score of the
        second class. Units of a convolution are its maps, those of a recurrent layer its states.
    data_dir : str, optional
        Folder of public sets, where ``rows`` names one.

    Returns
    -------
    Trace
        Two steps: the weights, and the nine inputs.

    Raises
    ------
    UsageError
        The unit is not written so, or there is none of that number.
    """
    layers = list(_layers(model.network.network_))
    number, place = _parse(unit, layers)
    layer = layers[number - 1]
    excitement = _excite(model, _source(rows, data_dir), layer, place)
    order = np.argsort(-excitement.values, kind="stable")[:N_INPUTS]
    what = f"unit {place + 1} of layer {number}"
    steps = (_weights(model, layer, number, place), _inputs(excitement, order, what))
    words = f"Looked for in {counted(len(excitement.values), 'row')}."
    return Trace(f"What {what} of {type(model.network).__name__} looks for", words, steps)


def _source(rows: Any, data_dir: str | None) -> Any:
    if data_dir is None or not isinstance(rows, str):
        return rows
    from nnzoo.steps import load

    return load(rows, data_dir=data_dir)


def _layers(network: nn.Module) -> Iterator[Layer]:
    """Yield the layers of weights in the order of the forward pass."""
    for module in network.children():
        if isinstance(module, RecurrentBody):
            for layer in module.forward_layers:
                weights = layer.cell.named_parameters()  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
                yield Layer(layer, next(weight for name, weight in weights if name.endswith("weight_ih")), True)
        elif isinstance(module, WEIGHTS):
            yield Layer(module, module.weight, False)
        else:
            yield from _layers(module)


def _parse(unit: str, layers: Sequence[Layer]) -> tuple[int, int]:
    """Return the number of the layer, from 1, and the place of the unit, from 0."""
    found = NAMED.fullmatch(unit.strip())
    sizes = ", ".join(f"{n} ({_size(layer):,} units)" for n, layer in enumerate(layers, start=1))
    if found is None:
        raise UsageError(f"--unit needs LAYER:UNIT, such as 1:7; got {quote(unit)}.", f"The layers: {sizes}.")
    number = len(layers) if found[1].lower() == "output" else int(found[1])
    place = int(found[2])
    if not 1 <= number <= len(layers) or not 1 <= place <= _size(layers[number - 1]):
        raise UsageError(f"--unit needs a unit that the model has; got {quote(unit)}.", f"The layers: {sizes}.")
    return number, place - 1


def _size(layer: Layer) -> int:
    return int(layer.module.n_hidden) if layer.is_recurrent else len(layer.weight)  # pyright: ignore[reportArgumentType]


def _excite(model: Model, source: Any, layer: Layer, unit: int) -> Excitement:
    """Return the largest answer of the unit to every row."""
    network: Any = model.network
    decoder = make_decoder(model)
    values: list[float] = []
    places: list[tuple[int, ...]] = []
    rows: list[int] = []
    kept: dict[int, Any] = {}
    for chunk in decoder.read(rows_of(source)):
        X = decoder.trace(chunk).X
        for start in range(0, len(X), 1 if isinstance(X, Ragged) else BLOCK_ROWS):
            if len(values) >= MAX_ROWS:
                break
            index = np.arange(start, min(len(X), start + (1 if isinstance(X, Ragged) else BLOCK_ROWS)))
            answers = _answers(network, X[index], layer, unit)
            flat = answers.reshape(len(answers), -1)
            best = flat.argmax(axis=1)
            for k, place in enumerate(best.tolist()):
                kept[len(values)] = (X[int(index[k])], chunk.frame[int(index[k])])
                places.append(tuple(int(i) for i in np.unravel_index(place, answers.shape[1:])))
                values.append(float(flat[k, place]))
                _forget(kept, values)
            rows += chunk.rows[index].tolist()
    if not values:
        raise DataError("explain needs rows to look through; the source has none.", "Give other data.")
    return Excitement(np.array(values), places, np.array(rows), kept)


def _forget(kept: dict[int, Any], values: Sequence[float]) -> None:
    """Keep only the rows that may still be shown."""
    if len(kept) > N_INPUTS:
        del kept[min(kept, key=lambda n: (values[n], -n))]


def _answers(network: Any, X: Any, layer: Layer, unit: int) -> np.ndarray:
    """Return what the unit answers: (n, places of a map or steps ...)."""
    seen: list[np.ndarray] = []

    def keep(_: nn.Module, __: Any, output: Any) -> None:
        out = output[0][..., unit] if layer.is_recurrent else output[:, unit]
        seen.append(out.detach().double().cpu().numpy())

    handle = layer.module.register_forward_hook(keep)
    try:
        network.predict_rows(X)
    finally:
        handle.remove()
    return np.concatenate(seen, axis=1 if layer.is_recurrent else 0)


def _weights(model: Model, layer: Layer, number: int, unit: int) -> Step:
    w = layer.weight[unit].detach().double().cpu().numpy()
    inputs = model.network.inputs_
    view = "numbers"
    if number == 1 and inputs.kind == "image":
        is_filter = w.ndim == 3
        picture = np.moveaxis(w, 0, -1) if is_filter else w.reshape(inputs.shape)
        w, view = (picture[..., 0] if picture.shape[-1] == 1 else np.moveaxis(picture, -1, 0)), "numbers"
    strongest = int(np.abs(w).argmax())
    recurrent = ", of the input gate where there are gates" if layer.is_recurrent else ""
    return Step(
        "weights",
        "Its weights",
        f"w = weights of unit {unit + 1} of layer {number}{recurrent}",
        f"the strongest of {w.size:,} is {written(w.ravel()[strongest])}",
        "w",
        w,
        "Where a weight is large and positive, a large input excites the unit; where it is negative, it calms it.",
        view=view,
        labels=_input_names(model, w) if number == 1 else (),
    )


def _input_names(model: Model, w: np.ndarray) -> tuple[str, ...]:
    names = tuple(getattr(model.recipe, "feature_names", ()))
    return names if w.ndim == 1 and len(names) == len(w) else ()


def _inputs(found: Excitement, order: np.ndarray, what: str) -> Step:
    images = [np.asarray(found.kept[int(n)][0]) for n in order]
    is_image = all(image.dtype == np.uint8 for image in images)
    lines = []
    for n in order.tolist():
        row: tuple[Any, ...] = (int(found.rows[n]), float(found.values[n]))
        at = ", ".join(str(i + 1) for i in found.places[n])
        cells = found.kept[n][1].row(0)[:MAX_COLUMNS]
        lines.append((*row, at, *(cell if isinstance(cell, float) else str(cell) for cell in cells)))
    names = found.kept[int(order[0])][1].columns[:MAX_COLUMNS]
    values = found.values[order]
    return Step(
        "inputs",
        f"The {len(order)} inputs that excite it most",
        "the rows with the largest answer of the unit, of a map or a sequence at its best place",
        f"row {int(found.rows[order[0]])}: {written(values[0])}, the median row: {written(np.median(found.values))}",
        "answers",
        np.stack(images).astype(np.float64) if is_image else values,
        f"Real rows, not made-up ones: what they have in common is what {what} answers to.",
        working=Working(("row", "answer", "at", *names), tuple(lines)),
        labels=tuple(f"row {int(found.rows[n])}" for n in order),
        view="images" if is_image else "numbers",
    )
