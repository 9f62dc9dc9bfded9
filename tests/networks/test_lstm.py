"""LSTM: the memory, its gates, and what torch's kernel does not have; test_recurrent.py tests what all three share."""

import numpy as np
import pytest
import torch
from torch import nn

from nnzoo import LSTM, UsageError
from nnzoo.networks.lstm import LSTMCell
from nnzoo.networks.memory import Unrolled


def ragged_rows(n=150, seed=0):
    draw = np.random.default_rng(seed)
    rows = [draw.normal(size=(draw.integers(1, 10), 1)) for _ in range(n)]
    return rows, np.array([row.sum() > 0 for row in rows])


def test_peepholes_of_weight_zero_change_nothing_and_others_do():
    torch.manual_seed(0)
    plain, peeping = LSTMCell(3, 5), LSTMCell(3, 5, peepholes=True)
    peeping.load_state_dict(plain.state_dict(), strict=False)
    x = torch.randn(2, 6, 3)
    assert torch.allclose(Unrolled(plain)(x)[0], Unrolled(peeping)(x)[0], atol=1e-6)
    nn.init.normal_(peeping.peephole)
    assert not torch.allclose(Unrolled(plain)(x)[0], Unrolled(peeping)(x)[0], atol=1e-3)


def test_an_open_forget_gate_and_a_closed_input_gate_hold_the_memory_and_its_gradient():
    cell = LSTMCell(1, 4, forget_gate=False).double()
    nn.init.zeros_(cell.weight_hh)
    with torch.no_grad():
        cell.bias_ih[:4] = -1e9
    c = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    state = (torch.zeros(2, 4, dtype=torch.float64), c)
    for sums in cell.project(torch.randn(2, 50, 1, dtype=torch.float64)).unbind(1):
        state = cell.advance(sums, state)
    assert torch.equal(state[1], c)
    (gradient,) = torch.autograd.grad(state[1].sum(), c)
    assert torch.equal(gradient, torch.ones_like(c))


def test_a_projection_makes_fewer_numbers_of_as_much_memory():
    rows, y = ragged_rows(20)
    net = LSTM(n_hidden=6, proj_size=2, n_layers=2, bidirectional=True, n_epochs=2, random_state=0).fit(rows, y)
    assert net.transform(rows).shape == (20, 2 * 2)
    for layer, n_in in zip(net.network_.body.forward_layers, (1, 4), strict=True):
        n_of_gates = 4 * 6 * (n_in + 2 + 2)
        assert sum(p.numel() for p in layer.parameters()) == n_of_gates + 2 * 6
    last = [step for step in net.trace(rows[:1]) if step.op == "projection"][-1]
    W_r, m = last.operands.values()
    np.testing.assert_allclose(last.result, W_r @ m)


def test_a_projection_to_more_numbers_than_units_is_refused():
    with pytest.raises(UsageError, match="LSTM needs proj_size below n_hidden=4; got 4"):
        LSTM(n_hidden=4, proj_size=4).fit(*ragged_rows(5))


def test_the_short_state_of_an_lstm_stays_below_one():
    torch.manual_seed(0)
    out, _ = Unrolled(LSTMCell(1, 8))(100 * torch.randn(3, 40, 1))
    assert float(out.detach().abs().max()) < 1


def test_one_bias_alone_holds_the_bias_of_the_forget_gate():
    layer = LSTM(n_hidden=3, forget_bias=2.5).make_layer(2).kernel
    assert layer.bias_ih_l0.tolist() == [0, 0, 0, 2.5, 2.5, 2.5, 0, 0, 0, 0, 0, 0]
    assert layer.bias_hh_l0.abs().max() == 0


@pytest.mark.parametrize(
    "options",
    [{"peepholes": True}, {"normalization": "layer"}, {"forget_gate": False}, {"proj_size": 3}],
    ids=["peepholes", "normalization", "1997", "projection"],
)
def test_what_differs_from_the_usual_cell_learns_too(options):
    rows, y = ragged_rows()
    assert (
        LSTM(n_hidden=8, n_epochs=40, learning_rate=0.01, random_state=0, **options).fit(rows, y).score(rows, y) > 0.85
    )
