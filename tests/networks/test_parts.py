"""Tests for what several networks share."""

import pytest
import torch

from nnzoo.networks.parts import Dropout


@pytest.mark.parametrize("p", [0.05, 0.2, 0.5, 0.99])
def test_dropout_drops_its_share_and_keeps_the_mean(p):
    torch.manual_seed(0)
    n = 400_000
    out = Dropout(p)(torch.ones(n))
    dropped = (out == 0).float()
    deviation = (p * (1 - p) / n) ** 0.5
    assert abs(float(dropped.mean()) - p) < 5 * deviation
    assert abs(float(out.mean()) - 1) < 5 * deviation / (1 - p)


def test_dropout_decides_on_neighbours_independently():
    torch.manual_seed(0)
    dropped = (Dropout(0.3)(torch.ones(100_000, 8)) == 0).double()
    correlations = torch.corrcoef(dropped.T) - torch.eye(8)
    assert float(correlations.abs().max()) < 5 / 100_000**0.5


def test_dropout_is_the_identity_outside_training_and_at_zero():
    x = torch.randn(7, 3)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dropout_keeps_shape_and_type_and_passes_the_gradient_where_the_value_passed(dtype):
    torch.manual_seed(0)
    x = torch.ones(5, 3, 2, dtype=dtype, requires_grad=True)
    out = Dropout(0.25)(x)
    out.sum().backward()
    assert out.shape == x.shape
    assert out.dtype == dtype
    assert torch.equal(x.grad, out.detach())


def test_dropout_repeats_with_the_seed():
    torch.manual_seed(3)
    first = Dropout(0.5)(torch.ones(101))
    torch.manual_seed(3)
    assert torch.equal(first, Dropout(0.5)(torch.ones(101)))
