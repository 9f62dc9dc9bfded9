"""Multiply-adds of a row, against counts by hand."""

import pytest
import torch
from torch import nn

from nnzoo import GRU, LSTM, DeepConvolutionalNetwork, DeepFeedForward
from nnzoo.engine import products
from nnzoo.engine.batches import Batch
from nnzoo.engine.device import Arithmetic
from nnzoo.engine.products import multiply_adds, seconds_alone
from nnzoo.engine.steps import Steps


def sized(network, *shape):
    X = torch.rand(20, *shape).numpy()
    network.fit(X, [0, 1] * 10)
    return network.network_, network.inputs_.blank(network.network_.head.weight.dtype, "cpu")


def test_dense_layers_count_each_weight_once():
    network, row = sized(DeepFeedForward(hidden_layer_sizes=(5, 3), n_epochs=1), 7)
    assert multiply_adds(network, row) == 7 * 5 + 5 * 3 + 3


def test_filters_count_once_for_each_place_of_their_map():
    network, row = sized(DeepConvolutionalNetwork(n_filters=(4,), pool_size=1, n_epochs=1), 6, 5)
    assert multiply_adds(network, row) == 6 * 5 * 4 * 9 + 4


@pytest.mark.parametrize(
    ("network", "of_a_step"),
    [
        (LSTM(n_hidden=4, n_epochs=1), 4 * 4 * (3 + 4)),
        (LSTM(n_hidden=4, n_epochs=1, peepholes=True), 4 * 4 * (3 + 4) + 3 * 4),
        (GRU(n_hidden=4, n_epochs=1), 3 * 4 * (3 + 4)),
        (GRU(n_hidden=4, n_epochs=1, reset_after=False), 3 * 4 * (3 + 4)),
    ],
)
def test_gates_count_once_for_each_step_fused_or_written_out(network, of_a_step):
    fitted, row = sized(network, 9, 3)
    steps = Steps(row.values.expand(9, 3), torch.tensor([0]), torch.tensor([9]))
    assert multiply_adds(fitted, steps) == 9 * of_a_step + 4


def test_lookups_are_no_products_and_the_mode_stays():
    network = nn.Sequential(nn.Embedding(50, 4), nn.Flatten(), nn.Dropout(0.5), nn.Linear(4, 2)).train()
    assert multiply_adds(network, torch.tensor([[3]])) == 8
    assert network.training
    assert not network[3]._forward_hooks


@pytest.fixture
def multiplied(monkeypatch):
    """What torch.mm is asked for while products are timed, as (rows, inner, columns)."""
    found, mm = [], torch.mm

    def counted(a, b, **given):
        found.append((*a.shape, b.shape[1]))
        return mm(a, b, **given)

    monkeypatch.setattr(products, "REPEATS", 1)
    monkeypatch.setattr(torch, "mm", counted)
    return found


def test_products_of_dense_layers_are_timed_forward_and_backward(multiplied):
    network, _ = sized(DeepFeedForward(hidden_layer_sizes=(5,), n_epochs=1), 7)
    multiplied.clear()
    rows = Batch(torch.rand(20, 7, dtype=torch.float64))
    assert seconds_alone(network, rows, 4, Arithmetic(torch.float64)) > 0
    first, last = [(4, 7, 5), (5, 4, 7)], [(4, 5, 1), (1, 4, 5), (4, 1, 5)]
    assert multiplied == first + last


@pytest.mark.parametrize("layer_norm", [None, "layer"])
def test_a_recurrence_is_timed_step_by_step_and_its_weights_gradient_at_once(multiplied, layer_norm):
    network, row = sized(LSTM(n_hidden=4, n_epochs=1, normalization=layer_norm), 9, 3)
    multiplied.clear()
    rows = Batch(Steps(row.values.expand(18, 3), torch.tensor([0, 9]), torch.tensor([9, 9])))
    assert seconds_alone(network, rows, 2, Arithmetic(torch.float64)) > 0
    inputs, head = [(18, 3, 16), (16, 18, 3)], [(2, 4, 1), (1, 2, 4), (2, 1, 4)]
    hidden = [(2, 4, 16)] * 9 + [(16, 18, 4)] + [(2, 16, 4)] * 9
    assert multiplied == inputs + hidden + head


def test_filters_are_timed_by_convolutions():
    network, _ = sized(DeepConvolutionalNetwork(n_filters=(4, 8), n_epochs=1), 8, 8)
    rows = Batch(torch.zeros(20, 8, 8, 1, dtype=torch.float64))
    assert 0 < seconds_alone(network, rows, 4, Arithmetic(torch.float64)) < 1
