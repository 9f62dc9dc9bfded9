"""Nested state as tensors and JSON values, and back."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from nnzoo.training.state import flatten_state, restore_state

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(["", "adam", "x.y"])
KEYS = st.sampled_from(["a", "b", "network", "0"])
STATES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner) | st.dictionaries(KEYS, inner) | st.dictionaries(st.integers(0, 9), inner, min_size=1)
    ),
)


@given(STATES)
def test_values_come_back_through_json(state):
    values, tensors = flatten_state(state)
    assert tensors == {}
    assert restore_state(json.loads(json.dumps(values)), {}) == state


def test_tensors_are_named_by_their_place_and_come_back_as_copies():
    state = {"moments": [torch.ones(2), {3: torch.zeros(1)}]}
    values, tensors = flatten_state(state)
    assert list(tensors) == [".moments.0", ".moments.1.3"]
    back = restore_state(json.loads(json.dumps(values)), tensors)
    assert torch.equal(back["moments"][0], torch.ones(2))
    assert list(back["moments"][1]) == [3]
    back["moments"][0][0] = 5.0
    assert float(state["moments"][0][0]) == 1.0


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD, torch.optim.LBFGS])
def test_optimiser_goes_on_as_if_it_had_not_stopped(kind):
    def train(parameter: nn.Parameter, optimizer: torch.optim.Optimizer, n_steps: int) -> None:
        def closure() -> float:
            optimizer.zero_grad()
            loss = (parameter - torch.tensor([1.0, 20.0])).pow(4).sum()
            loss.backward()
            return loss.item()

        for _ in range(n_steps):
            optimizer.step(closure)

    whole = nn.Parameter(torch.zeros(2))
    train(whole, kind([whole], lr=1e-5), 6)
    first = nn.Parameter(torch.zeros(2))
    optimizer = kind([first], lr=1e-5)
    train(first, optimizer, 3)
    values, tensors = flatten_state(optimizer.state_dict())
    second = nn.Parameter(first.detach().clone())
    resumed = kind([second], lr=1e-5)
    resumed.load_state_dict(restore_state(json.loads(json.dumps(values)), tensors))
    train(second, resumed, 3)
    assert torch.equal(second, whole)


def test_what_a_checkpoint_cannot_hold_is_refused_by_type_and_place():
    with pytest.raises(TypeError, match=r"got set in \.a\.0"):
        flatten_state({"a": [{1, 2}]})
