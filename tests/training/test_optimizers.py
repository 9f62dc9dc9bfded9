"""The fused kernels called directly move weights to the bits of torch's own optimisers."""

import pytest
import torch

from nnzoo.training.optimizers import ADAM_EPSILON, FusedOptimizer
from nnzoo.training.state import flatten_state, restore_state

TORCHS = {
    "adam": lambda ps, decay: torch.optim.Adam(ps, lr=0.01, eps=ADAM_EPSILON, weight_decay=decay, fused=True),
    "adamw": lambda ps, decay: torch.optim.AdamW(ps, lr=0.01, eps=ADAM_EPSILON, weight_decay=decay, fused=True),
    "sgd": lambda ps, decay: torch.optim.SGD(ps, lr=0.01, momentum=0.9, nesterov=True, weight_decay=decay, fused=True),
}


def parameters(dtype):
    random = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(size, generator=random).to(dtype)) for size in ((5, 3), (5,), (2, 5))]


def give_gradients(found, step):
    random = torch.Generator().manual_seed(step)
    for parameter in found:
        parameter.grad = torch.randn(parameter.shape, generator=random).to(parameter.dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("name", TORCHS)
def test_moves_equal_those_of_torch(name, decay, dtype):
    ours, theirs = parameters(dtype), parameters(dtype)
    one, other = FusedOptimizer(name, ours, decay), TORCHS[name](theirs, decay)
    for step in range(5):
        give_gradients(ours, step)
        give_gradients(theirs, step)
        one.step(0.01)
        other.step()
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("name", TORCHS)
def test_parameters_without_gradient_stay(name):
    found = parameters(torch.float32)
    give_gradients(found, 0)
    found[1].grad = None
    before = [parameter.detach().clone() for parameter in found]
    FusedOptimizer(name, found, 0.1).step(0.01)
    assert [torch.equal(a, b) for a, b in zip(found, before, strict=True)] == [False, True, False]


@pytest.mark.parametrize("name", TORCHS)
def test_a_stored_state_goes_on_to_the_same_bits(name):
    found = parameters(torch.float32)
    one = FusedOptimizer(name, found, 0.1)
    give_gradients(found, 0)
    one.step(0.01)
    again = [torch.nn.Parameter(parameter.detach().clone()) for parameter in found]
    other = FusedOptimizer(name, again, 0.1)
    other.load_state_dict(restore_state(*flatten_state(one.state_dict())))
    for optimizer, weights in ((one, found), (other, again)):
        give_gradients(weights, 1)
        optimizer.step(0.01)
    assert all(torch.equal(a, b) for a, b in zip(found, again, strict=True))
