"""Drawings of real models: their layers, read off the network itself, in the language of the chart."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from nnzoo.catalog import CATALOG
from nnzoo.chart import drawing_of
from nnzoo.errors import UsageError
from nnzoo.files import Pathish, write_output
from nnzoo.model import Model
from nnzoo.networks.memory import RecurrentBody
from nnzoo.networks.parts import TableInput
from nnzoo.pictures.drawings import DrawnLayer, draw_chart, draw_layers, draw_one
from nnzoo.pictures.scene import Scene, check_form, render, suffix_of

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)


def draw(model: Any = None, path: Pathish | None = None, *, theme: str = "auto", links: str = "networks/") -> Scene:
    """Draw a model, a network of the chart, or the whole chart.

    Parameters
    ----------
    model : Model, str or None
        A trained model; the name of a network in any usual form; None for the chart.
    path : str or PathLike, optional
        File to write: .svg, .pdf or .png.
    theme : "auto", "light" or "dark"
        "auto" follows the page in SVG and is light elsewhere.
    links : str
        Of the chart: what stands before the names of its pages.

    Returns
    -------
    Scene
        Its ``words`` are the text alternative.

    Raises
    ------
    UsageError
        There is no such network, or the file or the theme is of another kind.
    """
    if path is not None:
        check_form(path, theme)
    if model is None:
        scene = draw_chart(links, [row.abbreviation for row in CATALOG])
    elif isinstance(model, str):
        scene = draw_one(drawing_of(_abbreviation(model)))
    elif isinstance(model, Model):
        scene = _scene(model)
    else:
        raise UsageError(f"draw needs a model or the name of a network; got {type(model).__name__}.", "Pass a Model.")
    if path is not None:
        write_output(path, render(scene, suffix_of(path), theme), "The drawing")
    return scene


def _abbreviation(name: str) -> str:
    """Return the abbreviation of a network of the chart, also of one whose class is still to come."""
    from nnzoo.chart import CHART
    from nnzoo.errors import nearest

    def fold(text: str) -> str:
        return "".join(c for c in text.casefold() if c.isalnum())

    forms = {fold(form): d.abbreviation for d in CHART for form in (d.abbreviation, d.name)}
    forms |= {fold(form): row.abbreviation for row in CATALOG for form in (row.class_name, *row.other_names)}
    if fold(name) not in forms:
        hint = nearest(name, [d.name for d in CHART])
        raise UsageError(f"draw needs the name of a network of the chart; got {name!r}.", hint)
    return forms[fold(name)]


def _scene(model: Model) -> Scene:
    network: Any = model.network
    if not hasattr(network, "network_"):
        raise UsageError("draw needs a model whose sizes are known; this one was not built on data.", "Train it first.")
    row = next((row for row in CATALOG if row.class_name == type(network).__name__), None)
    title = f"{row.name} ({row.abbreviation})" if row else "A body of the user's own"
    target = None if model.recipe is None or model.recipe.target is None else model.recipe.target.name
    note = f" · {network.task}{f' of {target}' if target else ''}" if network.task else ""
    first, *between, last = layers_of(network)
    names = tuple(getattr(model.recipe, "feature_names", ()) or getattr(network, "feature_names_in_", ()))
    classes = tuple(map(str, model.class_names()))
    first = replace(first, labels=names if first.letter == "I" and len(names) == first.n_cells else ())
    last = replace(last, labels=classes if len(classes) == last.n_cells else ())
    return draw_layers([first, *between, last], title, note)


def layers_of(network: Any) -> Iterator[DrawnLayer]:
    """Yield the layers of a fitted or sized network from its input to its output; their weights add up to all.

    A module that is no ordinary layer says itself what it is: ``drawn`` is its letter in the legend of the chart, its
    title and a note, ``n_out`` the number of its cells. A body that no row goes into first says in ``drawn_first`` what
    does: letter, number of cells, title and note.

    Parameters
    ----------
    network : Network
    """
    row = next((row for row in CATALOG if row.class_name == type(network).__name__), None)
    memory = "R"
    if row is not None:
        memory = next((letter for letter in drawing_of(row.abbreviation).cells if letter in "RYGS"), "R")
    shapes = _shapes(network)
    inputs, module = network.inputs_, network.network_
    rows = DrawnLayer("I", inputs.n_features, "input", _times(inputs.shape), link="")
    first = getattr(module.body, "drawn_first", None)
    layers = [DrawnLayer(*first, link="") if first else rows]
    layers += _add_layers(nn.Sequential(module.body), shapes, memory, [])
    head = getattr(module, "head", None)
    n_rest = _count(module) - sum(layer.n_weights for layer in layers) - (_count(head) if head else 0)
    if n_rest:
        name = type(getattr(module.body, "body", module.body)).__name__
        layers.append(DrawnLayer("H", module.body.n_out, name, "code of its own", n_rest))
    if head is not None:
        layers.append(DrawnLayer("O", head.out_features, "output", _head_words(network), _count(head)))
    elif hasattr(module.body, "decode") and (row is None or set("MO") & set(drawing_of(row.abbreviation).cells)):
        letter = "O" if row is not None and "M" not in drawing_of(row.abbreviation).cells else "M"
        layers.append(replace(rows, letter=letter, title="drawn" if first else "given back"))
    for n, layer in enumerate(layers):
        seen = any(before.letter == "K" for before in layers[:n])
        yield replace(layer, letter="V") if layer.letter == "K" and seen else layer


def _add_layers(
    body: nn.Module, shapes: dict[nn.Module, tuple[int, ...]], memory: str, found: list[DrawnLayer]
) -> list[DrawnLayer]:
    """Return the layers found so far and those of a body; a normalisation belongs to the layer before it."""
    for module in body.children():
        if getattr(module, "drawn", None):
            letter, title, note = module.drawn  # pyright: ignore[reportGeneralTypeIssues]
            found.append(DrawnLayer(letter, int(module.n_out), title, note, _count(module)))  # pyright: ignore[reportArgumentType]
        elif isinstance(module, nn.Linear):
            found.append(DrawnLayer("H", module.out_features, f"dense {len(found) + 1}", "", _count(module)))
        elif isinstance(module, CONVOLUTIONS):
            maps = f"maps {_times(shapes[module][1:])}" if module in shapes else "maps"
            title = f"convolution {len(found) + 1}"
            found.append(DrawnLayer("K", module.out_channels, title, maps, _count(module), "l"))
        elif isinstance(module, TableInput) and module.code_columns:
            found.append(DrawnLayer("H", module.n_out, "vectors of categories", "", _count(module)))
        elif isinstance(module, NORMS) and found:
            found[-1] = replace(found[-1], n_weights=found[-1].n_weights + _count(module))
        elif any(True for _ in module.children()) and not hasattr(module, "n_hidden"):
            _add_layers(module, shapes, memory, found)
    if isinstance(body, RecurrentBody):
        found += _recurrent_layers(body, memory)
    return found


def _recurrent_layers(body: RecurrentBody, memory: str) -> list[DrawnLayer]:
    layers = []
    for n, forwards in enumerate(body.forward_layers):
        if hasattr(forwards, "drawn_parts"):
            for letter, n_cells, title, words, n_weights, loops in forwards.drawn_parts():  # pyright: ignore[reportCallIssue]
                layers.append(DrawnLayer(letter, n_cells, title, words, n_weights, loops=loops))
            continue
        parts = [forwards, *([body.backward_layers[n]] if body.bidirectional else [])]
        n_cells = sum(int(part.n_hidden) for part in parts)  # pyright: ignore[reportArgumentType]
        both = "read in both directions" if body.bidirectional else "a step after the other"
        title, note = getattr(forwards, "caption", (f"layer {n + 1}", both))
        layers.append(DrawnLayer(memory, n_cells, title, note, sum(map(_count, parts)), loops=True))
    return layers


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _shapes(network: Any) -> dict[nn.Module, tuple[int, ...]]:
    """Return the shape of what each convolution gives for a row, by a pass over a blank one."""
    module, shapes = network.network_, {}

    def keep(layer: nn.Module, _: Any, output: Any) -> None:
        shapes[layer] = tuple(output.shape[1:])

    layers = [each for each in module.modules() if isinstance(each, CONVOLUTIONS)]
    handles = [each.register_forward_hook(keep) for each in layers]
    was_training = module.training
    module.eval()
    try:
        if layers:
            weight = network._weight
            with torch.inference_mode():
                module(network.inputs_.blank(weight.dtype, str(weight.device)))
    finally:
        module.train(was_training)
        for handle in handles:
            handle.remove()
    return shapes


def _head_words(network: Any) -> str:
    return {
        "regression": "identity", "binary": "sigmoid", "multiclass": "softmax", "labels": "sigmoid each",
    }[network.target_.head.kind]  # fmt: skip


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) if len(shape) > 1 else ""
