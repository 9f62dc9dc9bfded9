"""Nested state as named tensors and JSON values, and back: what a checkpoint can hold without pickling."""

from typing import Any

import torch
from torch import Tensor

_TENSOR, _NUMBERED = "tensor:", "numbered"


def flatten_state(state: object, name: str = "") -> tuple[Any, dict[str, Tensor]]:
    """Split a nested state (dicts, lists, numbers, strings, None, tensors) into JSON values and named tensors.

    A tensor leaves the text ``"tensor:<name>"`` behind. The keys of an optimiser's state are whole numbers, which JSON
    does not have as keys: such a dict is marked as ``{"numbered": {...}}``.

    Examples
    --------
    >>> values, tensors = flatten_state({"step": torch.tensor(3.0), "lr": 0.1})
    >>> values, list(tensors)
    ({'step': 'tensor:.step', 'lr': 0.1}, ['.step'])
    """
    if isinstance(state, Tensor):
        return _TENSOR + name, {name: state}
    parts: dict[str, Tensor] = {}
    if isinstance(state, dict):
        entries = {}
        for key, value in state.items():
            entries[str(key)], found = flatten_state(value, f"{name}.{key}")
            parts |= found
        return ({_NUMBERED: entries} if any(isinstance(key, int) for key in state) else entries), parts
    if isinstance(state, list | tuple):
        items = []
        for number, value in enumerate(state):
            json_value, found = flatten_state(value, f"{name}.{number}")
            items.append(json_value)
            parts |= found
        return items, parts
    if state is None or isinstance(state, bool | int | float | str):
        return state, parts
    raise TypeError(
        f"a checkpoint holds tensors, numbers, texts, lists and dicts; got {type(state).__name__} in {name}"
    )


def restore_state(values: Any, tensors: dict[str, Tensor]) -> Any:
    """Put the nested state of :func:`flatten_state` together again."""
    if isinstance(values, dict):
        if list(values) == [_NUMBERED]:
            return {int(key): restore_state(value, tensors) for key, value in values[_NUMBERED].items()}
        return {key: restore_state(value, tensors) for key, value in values.items()}
    if isinstance(values, list):
        return [restore_state(value, tensors) for value in values]
    if isinstance(values, str) and values.startswith(_TENSOR):
        return torch.clone(tensors[values.removeprefix(_TENSOR)])
    return values
