"""Who takes part in a comparison: networks that fit the data, each with a few settings drawn for the search."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnzoo import catalog
from nnzoo.checks import check_names, check_ranges
from nnzoo.data.dataset import Data
from nnzoo.errors import ParameterError, UsageError, listing, quote

Draw = Callable[[np.random.Generator, Any], Any]
"""From the value that suits the data to another one."""


@dataclass(frozen=True)
class Candidate:
    """A network with its settings, first those that suit the data.

    Attributes
    ----------
    name : str
        As it stands in the table: "long-short-term-memory", or "activation=elu" where one parameter is varied.
    network : str
        Its id in the catalog.
    settings : tuple of dict
        What is set beyond what suits the data; the first is what was asked for, most often nothing.
    """

    name: str
    network: str
    settings: tuple[dict[str, Any], ...] = ({},)


def fitting(data: Data) -> list[catalog.Row]:
    """Return the networks that read such data and can be asked their task."""
    task = data.task or ("classification" if data.kind == "text" else "regression")
    return [row for row in catalog.CATALOG if task in row.tasks and data.kind in row.kinds]


def chosen(names: str | Sequence[str] | None, data: Data) -> list[catalog.Row]:
    """Return the networks of some names, in the order of the chart.

    Parameters
    ----------
    names : str, sequence of str or None
        In any usual form; "all" or None for all that fit.
    data : Data

    Raises
    ------
    UsageError
        A name is unknown, comes twice, or its network does not fit the data.
    """
    able = fitting(data)
    if not able:
        raise UsageError(f"No network of the chart learns a target of {data.kind} data.", "See nnzoo list.")
    if names is None or names == "all" or list(names) == ["all"]:
        return able
    rows = [catalog.find(name) for name in ([names] if isinstance(names, str) else names)]
    for row in rows:
        if row not in able:
            raise UsageError(
                f"{row.id} does not fit these data: a {data.task or 'forecast'} of {data.kind} data.",
                f"Use some of {listing([each.id for each in able])}.",
            )
        if rows.count(row) > 1:
            raise UsageError(f"{row.id} is named twice.", "Name each network once.")
    return [row for row in able if row in rows]


def searched(row: catalog.Row, n_settings: int, seed: int, base: Mapping[str, Any]) -> Candidate:
    """Return a network with settings for the search: none, and others drawn from what its parameters mean.

    Parameters
    ----------
    row : catalog.Row
    n_settings : int
        At least 1, the first one included.
    seed : int
        Of the draw; each network has a draw of its own, whoever else takes part.
    base : mapping of str to value
        Parameters as they suit the data.
    """
    rng = np.random.default_rng([seed, zlib.crc32(row.id.encode())])
    ranges = row.load_class().ranges
    known = {name: draw for name, draw in SEARCH.items() if name in base and base[name] is not None}
    settings: list[dict[str, Any]] = [{}]
    while known and len(settings) < n_settings:
        drawn = {name: draw(rng, base[name]) for name, draw in known.items()}
        changed = {name: value for name, value in drawn.items() if value != base[name] and ranges[name].holds(value)}
        settings.append(changed)
    return Candidate(row.id, row.id, tuple(settings))


def varied(row: catalog.Row, factor: str, values: Sequence[Any]) -> list[Candidate]:
    """Return one network with each of some values of one parameter.

    Raises
    ------
    ParameterError
        It has no such parameter, or a value lies outside its range.
    UsageError
        Fewer than two different values.
    """
    ranges = row.load_class().ranges
    name = row.class_name
    check_names(name, {factor: None}, ranges)
    if factor == "random_state":
        raise ParameterError(f"{name}: random_state is no factor.", "The folds differ in their seeds as it is.")
    names = [f"{factor}={_said(value)}" for value in values]
    if len(set(names)) < 2 or len(set(names)) < len(names):
        raise UsageError(f"vary needs two different values or more; got {quote(', '.join(names))}.", "Give others.")
    for value in values:
        check_ranges(name, {factor: value}, ranges)
    return [Candidate(each, row.id, ({factor: value},)) for each, value in zip(names, values, strict=True)]


def _said(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _times(low: float, high: float) -> Draw:
    """Return a draw of a positive number between these multiples of its usual value, evenly in the logarithm."""

    def draw(rng: np.random.Generator, usual: Any) -> Any:
        value = float(usual) * float(np.exp(rng.uniform(np.log(low), np.log(high))))
        return max(1, round(value)) if isinstance(usual, int) else float(f"{value:.3g}")

    return draw


def _one_of(*values: Any) -> Draw:
    def draw(rng: np.random.Generator, usual: Any) -> Any:
        del usual
        return values[int(rng.integers(len(values)))]

    return draw


def _wider(rng: np.random.Generator, usual: Any) -> Any:
    """Draw layers of half or double the units, and one more of the last kind or one less."""
    factor = (0.5, 1, 2)[int(rng.integers(3))]
    sizes = [max(1, round(each * factor)) for each in usual] or [64]
    more = int(rng.integers(-1, 2))
    return tuple(sizes + sizes[-1:]) if more == 1 else tuple(sizes[:-1] if more == -1 and len(sizes) > 1 else sizes)


SEARCH: dict[str, Draw] = {
    "C": _times(0.1, 100),
    "dropout": _one_of(0.0, 0.1, 0.2, 0.4),
    "hidden_layer_sizes": _wider,
    "input_scaling": _times(0.3, 3),
    "leak_rate": _one_of(0.1, 0.3, 0.6, 1.0),
    "learning_rate": _times(0.25, 4),
    "n_centers": _times(0.25, 4),
    "n_hidden": _times(0.5, 2),
    "spectral_radius": _one_of(0.5, 0.8, 0.95, 1.1),
    "weight_decay": _one_of(0.0, 1e-4, 1e-3, 1e-2),
}
"""Main parameters of the networks, and how another value is drawn. All else stays as it suits the data."""
