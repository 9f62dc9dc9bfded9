"""RNN, LSTM and GRU: written-out equations equal torch's kernels, padding changes nothing, memory, outputs, verbs."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from nnzoo import GRU, LSTM, RNN, DataError, Ragged, UsageError
from nnzoo.engine.steps import Steps
from nnzoo.networks.gated_cell import GRUCell
from nnzoo.networks.lstm import LSTMCell
from nnzoo.networks.memory import Unrolled
from nnzoo.networks.recurrent import RecurrentCell

ALL = [RNN, LSTM, GRU]
QUICK = {"n_hidden": 6, "n_epochs": 3, "random_state": 0, "batch_size": 16}


def ragged_rows(n=40, width=2, longest=9, seed=0):
    draw = np.random.default_rng(seed)
    rows = [draw.normal(size=(draw.integers(1, longest + 1), width)) for _ in range(n)]
    return rows, np.array([row[:, 0].sum() > 0 for row in rows])


def take_weights(cell, kernel):
    for name in dict(cell.named_parameters()):
        nn.init.normal_(getattr(kernel, f"{name}_l0"), std=0.4)
        with torch.no_grad():
            getattr(cell, name).copy_(getattr(kernel, f"{name}_l0"))


KERNELS = [
    (RecurrentCell(3, 5), nn.RNN(3, 5, batch_first=True)),
    (RecurrentCell(3, 5, "relu"), nn.RNN(3, 5, nonlinearity="relu", batch_first=True)),
    (LSTMCell(3, 5), nn.LSTM(3, 5, batch_first=True)),
    pytest.param(
        LSTMCell(3, 5, proj_size=2),
        nn.LSTM(3, 5, batch_first=True, proj_size=2),
        marks=pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN"),
    ),
    (GRUCell(3, 5), nn.GRU(3, 5, batch_first=True)),
]


@pytest.mark.parametrize(("cell", "kernel"), KERNELS, ids=["tanh", "relu", "lstm", "projected", "gru"])
def test_the_written_out_cell_equals_torchs_kernel_in_value_and_gradient(cell, kernel):
    torch.manual_seed(0)
    take_weights(cell, kernel)
    x = torch.randn(4, 7, 3)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    a, b = Unrolled(cell)(ours)[0], kernel(theirs)[0]
    weight = torch.randn_like(a)
    (a * weight).sum().backward()
    (b * weight).sum().backward()
    assert torch.allclose(a, b, atol=1e-6)
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-5)
    assert torch.allclose(cell.weight_hh.grad, kernel.weight_hh_l0.grad, atol=1e-5)


def test_the_gradient_of_a_linear_cell_is_a_power_of_its_weights():
    torch.manual_seed(0)
    cell = RecurrentCell(1, 4).double()
    cell.activation = lambda sums: sums
    nn.init.normal_(cell.weight_hh, std=0.5)

    def after_nine(h):
        for sums in cell.project(torch.zeros(1, 9, 1, dtype=torch.float64)).unbind(1):
            h = cell.advance(sums, (h,))[0]
        return h[0]

    found = torch.autograd.functional.jacobian(after_nine, torch.zeros(1, 4, dtype=torch.float64))[:, 0]
    assert torch.allclose(found, torch.linalg.matrix_power(cell.weight_hh.detach(), 9), atol=1e-10)


def test_the_gradient_of_a_tanh_cell_is_bounded_by_the_norm_of_its_weights():
    torch.manual_seed(0)
    cell = RecurrentCell(1, 6).double()
    nn.init.normal_(cell.weight_hh, std=0.3)
    norm = float(torch.linalg.matrix_norm(cell.weight_hh.detach(), 2))
    for n_steps in (1, 5, 20):
        sums = cell.project(torch.randn(1, n_steps, 1, dtype=torch.float64)).unbind(1)

        def run(h, sums=sums):
            for one in sums:
                h = cell.advance(one, (h,))[0]
            return h[0]

        start = torch.randn(1, 6, dtype=torch.float64)
        found = torch.autograd.functional.jacobian(run, start)[:, 0]
        assert float(torch.linalg.matrix_norm(found, 2)) <= norm**n_steps * (1 + 1e-12)


@pytest.mark.parametrize("network", ALL)
@pytest.mark.parametrize(
    "options", [{}, {"bidirectional": True, "n_layers": 2}, {"pooling": "mean"}, {"pooling": "max"}]
)
def test_content_and_amount_of_padding_change_no_bit(network, options):
    rows, y = ragged_rows()
    lengths = np.array([len(row) for row in rows])
    net = network(**QUICK, **options).fit(rows, y)
    expected = net.decision_function(rows)
    for extra, fill in ((0, 0.0), (5, 1e6), (3, np.nan)):
        padded = np.full((len(rows), lengths.max() + extra, 2), fill)
        for place, row in enumerate(rows):
            padded[place, : len(row)] = row
        assert np.array_equal(net.decision_function(padded, lengths=lengths), expected)
        again = network(**QUICK, **options).fit(padded, y, lengths=lengths)
        assert np.array_equal(again.decision_function(rows), expected)


@pytest.mark.parametrize("network", ALL)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_longer_rows_beside_a_row_change_it_by_less_than_a_millionth(network, bidirectional):
    rows, y = ragged_rows()
    net = network(**QUICK, bidirectional=bidirectional).fit(rows, y)
    alone = np.concatenate([net.decision_function([row]) for row in rows])
    assert np.abs(alone - net.decision_function(rows)).max() < 1e-6


def test_reversed_input_with_swapped_directions_gives_the_same_summary_with_swapped_halves():
    rows, y = ragged_rows()
    net = LSTM(**QUICK, bidirectional=True).fit(rows, y)
    before = net.transform(rows)
    body = net.network_.body
    body.forward_layers, body.backward_layers = body.backward_layers, body.forward_layers
    after = net.transform([row[::-1] for row in rows])
    assert np.allclose(before, np.hstack([after[:, 6:], after[:, :6]]), atol=1e-6)


@pytest.mark.parametrize("network", ALL)
@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_windows_of_time_give_what_the_whole_gives(network, pooling):
    rows, y = ragged_rows(longest=30)
    net = network(**QUICK, pooling=pooling).fit(rows, y)
    steps = net._to_inputs(Ragged.of(rows))
    body = net.network_.body
    with torch.inference_mode():
        whole = body.summary(body.advance(steps)[1])
        carried = None
        for window in steps.windows(7):
            _, carried = body.advance(window, carried)
    assert torch.allclose(whole, body.summary(carried), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("network", ALL)
def test_the_lag_of_a_first_value_is_learned(network):
    draw = np.random.default_rng(0)
    X = draw.normal(size=(300, 6, 1))
    net = network(n_hidden=16, n_epochs=60, learning_rate=0.01, random_state=0).fit(X, X[:, 0, 0] > 0)
    fresh = draw.normal(size=(200, 6, 1))
    assert net.score(fresh, fresh[:, 0, 0] > 0) > 0.9


@pytest.mark.parametrize("network", ALL)
@pytest.mark.parametrize("bptt_steps", [None, 4])
def test_a_target_for_each_step_is_learned(network, bptt_steps):
    rows, _ = ragged_rows(n=150, width=1)
    y = [np.cumsum(row[:, 0]) > 0 for row in rows]
    net = network(output="step", n_hidden=12, n_epochs=40, learning_rate=0.01, bptt_steps=bptt_steps, random_state=0)
    net.fit(rows, y)
    assert net.score(rows, y) > 0.9
    predicted = net.predict(rows)
    assert [len(each) for each in predicted] == [len(row) for row in rows]
    assert net.predict_proba(rows[:1]).shape == (1, len(rows[0]), 2)


def test_targets_of_steps_may_be_padded_listed_or_flat():
    rows, _ = ragged_rows()
    lengths = np.array([len(row) for row in rows])
    y = [np.cumsum(row[:, 0]) for row in rows]
    padded, padded_y = Ragged.of(rows).padded(), Ragged.of(y).padded(np.nan)[..., 0]
    forms = [(rows, y, None), (padded, padded_y, lengths), (rows, np.concatenate(y), None)]
    nets = [LSTM(task="regression", output="step", **QUICK).fit(X, t, lengths=n) for X, t, n in forms]
    assert all(np.array_equal(net.predict(rows)[3], nets[0].predict(rows)[3]) for net in nets[1:])


def test_a_step_weighs_the_same_in_long_and_short_rows():
    X = np.random.default_rng(0).normal(size=(20, 6, 1))
    as_one = [*X[:10].reshape(5, 12, 1), *X[10:]]
    y_one = [np.full(12, 3.0)] * 5 + [np.full(6, 5.0)] * 10
    net = RNN(task="regression", output="step", n_hidden=2, n_epochs=1, random_state=0).fit(as_one, y_one)
    assert net.history_["train_loss"][0] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("network", ALL)
def test_a_sine_is_forecast(network):
    series = np.sin(np.arange(300) / 4)[None, :, None] * 50 + 7
    net = network(task="regression", output="next", n_hidden=24, n_epochs=200, learning_rate=0.01, random_state=0)
    net.fit(series)
    following = np.sin(np.arange(300, 308) / 4) * 50 + 7
    assert np.abs(net.forecast(series, 8)[0, :, 0] - following).max() < 10
    assert net.predict(series).shape == (1, 1) or net.predict(series).shape == (1,)
    assert net.score(series) > 0.98


@pytest.mark.slow
def test_codes_are_sampled_as_they_were_learned():
    cycle = np.tile([1, 2, 3, 4], 60)[None]
    net = GRU(output="next", categorical_features=[0], n_hidden=16, n_epochs=80, bptt_steps=40, random_state=0)
    net.fit(cycle)
    drawn = net.sample(2, n_steps=8, prompt=[1, 2], temperature=0.1, random_state=0)
    assert drawn.tolist() == [[3, 4, 1, 2, 3, 4, 1, 2]] * 2
    assert net.score(cycle) == 1.0
    assert net.sample(1, n_steps=3, random_state=1).shape == (1, 3)


def test_the_unknown_code_is_never_sampled():
    codes = np.random.default_rng(0).integers(0, 3, (1, 400))
    net = RNN(output="next", categorical_features=[0], n_hidden=4, n_epochs=3, random_state=0).fit(codes)
    assert 0 not in net.sample(4, n_steps=50, random_state=0)


def test_relu_starts_from_the_identity_and_tanh_from_an_orthogonal_matrix():
    torch.manual_seed(0)
    assert torch.equal(RNN(n_hidden=5, activation="relu").make_layer(2).kernel.weight_hh_l0, torch.eye(5))
    weight = RNN(n_hidden=5).make_layer(2).kernel.weight_hh_l0
    assert torch.allclose(weight @ weight.T, torch.eye(5), atol=1e-6)


def test_memory_of_truncated_backpropagation_does_not_grow_with_the_length():
    def largest(n_steps):
        net = RNN(task="regression", output="next", n_hidden=4, n_epochs=1, bptt_steps=64, random_state=0)
        seen = []
        net_forward = Steps.padded

        def watched(self, flat):
            out = net_forward(self, flat)
            seen.append(out.numel())
            return out

        Steps.padded = watched
        try:
            net.fit(np.sin(np.arange(n_steps) / 9)[None, :, None])
            net.predict(np.sin(np.arange(n_steps) / 9)[None, :, None])
        finally:
            Steps.padded = net_forward
        return max(seen)

    assert largest(5_000) == largest(2_500) == 1_024


@pytest.mark.parametrize("network", ALL)
def test_B7_a_sequence_of_length_0_is_refused(network):
    with pytest.raises(DataError, match="sequence 2 has length 0"):
        network().fit([np.ones((3, 1)), np.ones((0, 1))], [0, 1])
    with pytest.raises(DataError, match="lengths needs numbers from 1 to 4.*got 0 in row 1"):
        network().fit(np.ones((2, 4, 1)), [0, 1], lengths=[4, 0])


def test_values_that_are_not_finite_are_refused_and_named():
    with pytest.raises(ValueError, match="Input X contains NaN"):
        RNN().fit([np.array([[1.0], [np.nan]]), np.ones((2, 1))], [0, 1])


def test_steps_of_another_width_are_refused():
    rows, y = ragged_rows()
    net = GRU(**QUICK).fit(rows, y)
    with pytest.raises(ValueError, match="X has 1 features, but GRU is expecting 2 features as input, at each step"):
        net.predict([row[:, :1] for row in rows])
    with pytest.raises(DataError, match="equally many values a step"):
        net.predict([rows[0], rows[1][:, :1]])


@pytest.mark.parametrize(
    ("options", "call", "message"),
    [
        (
            {"output": "next", "bidirectional": True, "task": "regression"},
            lambda n, X: n.fit(X),
            "reading from the end",
        ),
        ({"bptt_steps": 3, "bidirectional": True}, lambda n, X: n.fit(X, [0, 1]), "backward direction needs all"),
        ({}, lambda n, X: n.fit(X, [0, 1]).forecast(X, 3), "forecast needs output='next'"),
        ({}, lambda n, X: n.fit(X, [0, 1]).sample(), "sample needs output='next'"),
        ({"output": "step"}, lambda n, X: n.fit(X, [0, 1, 0]), r"a target for each of the 10 steps; got 3"),
        ({"output": "next"}, lambda n, X: n.fit(X[:, :1]), "sequences of at least 2 steps"),
    ],
)
def test_what_cannot_be_is_refused_in_words(options, call, message):
    with pytest.raises((UsageError, DataError), match=message):
        call(RNN(**QUICK, **options), np.ones((2, 5, 1)))


def test_a_dead_uniform_guess_has_the_entropy_of_the_alphabet():
    codes = np.random.default_rng(0).integers(1, 5, (20, 30))
    net = RNN(output="next", categorical_features=[0], n_hidden=4, n_epochs=1, learning_rate=1e-9, random_state=0)
    assert net.fit(codes).history_["train_loss"][0] == pytest.approx(math.log(5), rel=1e-3)
