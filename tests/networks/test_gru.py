"""GRU: both forms of the reset gate and the update gate; test_recurrent.py tests what all three share."""

import numpy as np
import torch
from torch import nn

from nnzoo import GRU
from nnzoo.networks.gated_cell import GRUCell
from nnzoo.networks.lstm import LSTMCell
from nnzoo.networks.memory import Unrolled


def ragged_rows(n=150, seed=0):
    draw = np.random.default_rng(seed)
    rows = [draw.normal(size=(draw.integers(1, 10), 1)) for _ in range(n)]
    return rows, np.array([row.sum() > 0 for row in rows])


def test_both_forms_of_the_gru_agree_where_u_is_diagonal_and_differ_elsewhere():
    torch.manual_seed(0)
    after, before = GRUCell(3, 5).double(), GRUCell(3, 5, reset_after=False).double()
    before.load_state_dict(after.state_dict())
    x = torch.randn(2, 9, 3, dtype=torch.float64)
    assert not torch.allclose(Unrolled(after)(x)[0], Unrolled(before)(x)[0], atol=1e-4)
    for cell in (after, before):
        with torch.no_grad():
            cell.weight_hh[10:] = torch.diag(torch.arange(1.0, 6.0, dtype=torch.float64) / 3)
    assert torch.allclose(Unrolled(after)(x)[0], Unrolled(before)(x)[0], atol=1e-12)


def test_both_forms_of_the_gru_agree_where_the_reset_gate_is_open():
    """With r = 1 both candidates are tanh(W x + b + U h + b')."""
    torch.manual_seed(0)
    after, before = GRUCell(3, 5).double(), GRUCell(3, 5, reset_after=False).double()
    nn.init.normal_(after.bias_hh)
    with torch.no_grad():
        after.bias_ih[:5] = 1e9
    before.load_state_dict(after.state_dict())
    x = torch.randn(2, 9, 3, dtype=torch.float64)
    assert torch.allclose(Unrolled(after)(x)[0], Unrolled(before)(x)[0], atol=1e-12)
    with torch.no_grad():
        before.bias_ih[:5] = 0
    assert not torch.allclose(Unrolled(after)(x)[0], Unrolled(before)(x)[0], atol=1e-4)


def test_an_update_gate_at_one_copies_the_state():
    cell = GRUCell(2, 3).double()
    with torch.no_grad():
        cell.bias_ih[3:6] = 1e9
    h = torch.randn(4, 3, dtype=torch.float64)
    assert torch.equal(cell.advance(cell.project(torch.randn(4, 2, dtype=torch.float64)), (h,))[0], h)


def test_a_gru_has_three_quarters_of_the_weights_of_an_lstm():
    counts = [sum(p.numel() for p in cell.parameters()) for cell in (GRUCell(7, 11), LSTMCell(7, 11))]
    assert 4 * counts[0] == 3 * counts[1]


def test_the_grus_form_of_the_paper_learns_too():
    rows, y = ragged_rows()
    net = GRU(n_hidden=8, n_epochs=40, learning_rate=0.01, reset_after=False, random_state=0).fit(rows, y)
    assert net.score(rows, y) > 0.9
