"""The forward pass in blocks: no chunking of the rows changes a bit."""

import numpy as np
import pytest
import torch
from torch import nn

from nnzoo.engine.forward import forward_in_blocks


def network(dtype: torch.dtype) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(7, 33), nn.BatchNorm1d(33), nn.ReLU(), nn.Dropout(0.5), nn.Linear(33, 3)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_chunks_of_a_multiple_of_256_rows_give_the_same_bits(dtype):
    net, X = network(dtype), torch.randn(1300, 7, dtype=dtype)
    whole = forward_in_blocks(net, X)
    for n_rows in (256, 512, 1024):
        parts = np.concatenate([forward_in_blocks(net, chunk) for chunk in X.split(n_rows)])
        assert parts.tobytes() == whole.tobytes()


def test_blocks_are_of_256_rows():
    sizes = []
    net = network(torch.float32)
    net[0].register_forward_hook(lambda module, inputs, output: sizes.append(len(inputs[0])))
    forward_in_blocks(net, torch.randn(600, 7))
    assert sizes == [256, 256, 88]


def test_row_alone_agrees_within_a_millionth():
    net, X = network(torch.float32), torch.randn(40, 7)
    alone = np.concatenate([forward_in_blocks(net, row[None]) for row in X])
    np.testing.assert_allclose(alone, forward_in_blocks(net, X), rtol=1e-6, atol=1e-6)


def test_forward_is_in_evaluation_mode_and_gives_float64():
    net, X = network(torch.float32).train(), torch.randn(10, 7)
    one, two = forward_in_blocks(net, X), forward_in_blocks(net, X)
    assert one.dtype == np.float64
    assert one.tobytes() == two.tobytes()
    assert not net.training
