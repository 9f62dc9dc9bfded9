"""Echo state network: the equation, echoes that fade, memory, the readout in closed form, forecasts, and learning."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, Ridge

from nnzoo import DataError, EchoStateNetwork, ParameterError, UsageError
from nnzoo.data.timeseries import mackey_glass, narma10, nrmse
from nnzoo.networks import reservoirs
from nnzoo.networks.echo_state import EchoPool, draw_links, spectral_radius

REGRESSION = {"task": "regression", "random_state": 0}
NARMA = {"input_scaling": 0.05, "bias_scaling": 0.2, "spectral_radius": 0.95}
FORECAST = {"output": "next", **REGRESSION}
POOL = {
    "topology": "random",
    "connectivity": 0.3,
    "spectral_radius": 0.9,
    "leak_rate": 1.0,
    "input_scaling": 1.0,
    "bias_scaling": 0.5,
    "state_noise": 0.0,
}


def pool(n_in=2, n_hidden=12, seed=0, **given):
    torch.manual_seed(seed)
    return EchoPool(n_in, n_hidden, **(POOL | given)).double().requires_grad_(False).eval()


def noise(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def ragged(n=40, width=2, seed=0):
    draw = np.random.default_rng(seed)
    rows = [draw.normal(size=(draw.integers(3, 12), width)) for _ in range(n)]
    return rows, np.array([row[:, 0].mean() > 0 for row in rows])


def test_two_steps_by_hand():
    """W_in = 1, b = 0, W = 2, a = ½; u = 1, 0 give x = ½ tanh 1, then ½ (½ tanh 1) + ½ tanh(tanh 1)."""
    one = pool(1, 1, leak_rate=0.5)
    for weight, value in ((one.inputs.weight, 1.0), (one.inputs.bias, 0.0), (one.links.weight, 2.0)):
        weight.fill_(value)
    t = np.tanh(1.0)
    states, (last,) = one(torch.tensor([[[1.0], [0.0]]], dtype=torch.float64))
    np.testing.assert_allclose(states.ravel(), [t / 2, t / 4 + np.tanh(t) / 2], rtol=1e-12)
    assert last.item() == states[0, -1, 0].item()


def test_leak_one_equals_torchs_rnn_with_the_same_weights():
    ours, theirs = pool(3, 12), torch.nn.RNN(3, 12, batch_first=True).double()
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(ours.inputs.weight)
        theirs.weight_hh_l0.copy_(ours.links.weight)
        theirs.bias_ih_l0.copy_(ours.inputs.bias)
        theirs.bias_hh_l0.zero_()
    x = noise(4, 9, 3)
    states, (last,) = ours(x)
    wanted, end = theirs(x)
    torch.testing.assert_close(states, wanted.detach(), atol=1e-12, rtol=0)
    torch.testing.assert_close(last, end[0].detach(), atol=1e-12, rtol=0)


@pytest.mark.parametrize("leak_rate", [1.0, 0.3])
def test_the_loop_over_arrays_equals_the_equation_step_by_step(leak_rate):
    ours, x = pool(leak_rate=leak_rate), noise(5, 8, 2)
    state = (noise(5, 12, seed=1),)
    states, _ = ours(x, state)
    for t in range(8):
        state = ours.advance(ours.project(x[:, t]), state)
        torch.testing.assert_close(states[:, t], state[0], atol=1e-12, rtol=0)


def test_sparse_and_dense_products_agree(monkeypatch):
    ours, x = pool(connectivity=0.1, n_hidden=40), noise(3, 20, 2)
    sparse = ours(x)[0]
    assert ours.links.matrix.nnz == 40 * 4
    monkeypatch.setattr(reservoirs, "FEW_LINKS", 0.0)
    ours.links._kept = (None, 0, None)
    assert isinstance(ours.links.matrix, np.ndarray)
    torch.testing.assert_close(ours(x)[0], sparse, atol=1e-13, rtol=0)


def test_weights_that_were_changed_are_multiplied_with():
    ours, x = pool(), noise(1, 5, 2)
    before = ours(x)[0]
    ours.links.weight.mul_(0.5)
    assert not torch.equal(ours(x)[0], before)


@settings(max_examples=25)
@given(st.integers(0, 1000), st.floats(0.1, 1.0), st.floats(0.1, 0.95))
def test_two_start_states_converge_at_the_rate_of_the_theorem(seed, leak_rate, norm):
    """(1 - a) + a ‖W‖₂ < 1 (Jaeger 2001, leaky units): tanh does not stretch, so the distance falls at that rate."""
    ours = pool(seed=seed, leak_rate=leak_rate)
    ours.links.weight.mul_(norm / torch.linalg.matrix_norm(ours.links.weight, 2))
    rate = 1 - leak_rate + leak_rate * norm
    x = noise(1, 30, 2, seed=seed)
    first, second = (ours(x, (noise(1, 12, seed=seed + k),))[0][0] for k in (1, 2))
    start = (noise(1, 12, seed=seed + 1) - noise(1, 12, seed=seed + 2)).norm()
    distance = (first - second).norm(dim=1)
    assert (distance <= start * rate ** torch.arange(1, 31) * (1 + 1e-9) + 1e-13).all()


@pytest.mark.parametrize("topology", ["random", "orthogonal", "cycle"])
@pytest.mark.parametrize("n_hidden", [1, 7, 300])
def test_spectral_radius_is_the_one_asked_for(topology, n_hidden):
    torch.manual_seed(1)
    W = 0.8 * draw_links(topology, n_hidden, 0.1).numpy()
    assert np.abs(np.linalg.eigvals(W)).max() == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize(("connectivity", "n_hidden"), [(0.001, 300), (0.01, 300), (1.0, 250)])
def test_spectral_radius_by_iteration_is_that_of_all_eigenvalues(connectivity, n_hidden):
    torch.manual_seed(2)
    W = draw_links("random", n_hidden, connectivity).numpy()
    assert np.abs(np.linalg.eigvals(W)).max() == pytest.approx(1.0, abs=1e-6)
    assert spectral_radius(3 * W) == pytest.approx(3.0, abs=1e-6)


def test_each_unit_hears_its_share_of_the_others():
    torch.manual_seed(0)
    assert (np.count_nonzero(draw_links("random", 50, 0.1).numpy(), axis=1) == 5).all()
    assert (np.count_nonzero(draw_links("random", 5, 0.01).numpy(), axis=1) == 1).all()
    assert (np.count_nonzero(draw_links("cycle", 5, 0.1).numpy(), axis=1) == 1).all()
    W = draw_links("orthogonal", 20, 0.1).numpy()
    np.testing.assert_allclose(W @ W.T, np.eye(20), atol=1e-12)


def capacity(net, seed=0, n_steps=6_000):
    """Return Σ over lags of the squared correlation of u(t - lag) with what the readout says (Jaeger 2002)."""
    u = np.random.default_rng(seed).uniform(-1, 1, n_steps)
    late = np.stack([np.roll(u, lag) for lag in range(1, 41)], axis=1)
    said = net.fit(u[None, :, None], late[None]).predict(u[None, :, None])[0]
    return sum(np.corrcoef(said[200:, k], late[200:, k])[0, 1] ** 2 for k in range(40))


def test_memory_capacity_is_below_the_number_of_units_and_nearly_that_of_a_linear_orthogonal_pool():
    """Small inputs keep tanh linear; the input itself, which the readout sees, is no lag of 1 or more."""
    linear = {"input_scaling": 1e-3, "bias_scaling": 0.0, "ridge": 0.0, "washout": 200}
    known = {"output": "step", "n_hidden": 20, **REGRESSION}
    ours = capacity(EchoStateNetwork(topology="orthogonal", spectral_radius=0.95, **linear, **known))
    assert 18 <= ours <= 20.5  # 40 chance correlations of 5,800 steps add less than 0.5
    assert capacity(EchoStateNetwork(ridge=1e-8, washout=200, **known)) < ours


def test_readout_is_ridge_regression_on_states_and_inputs():
    rows, _ = ragged()
    y = np.array([row[-1, 0] for row in rows])
    net = EchoStateNetwork(n_hidden=15, ridge=1e-2, **REGRESSION).fit(rows, y)
    H = net.transform(rows)
    assert H.shape == (40, 17)
    scaled = (y - y.mean()) / y.std()
    wanted = Ridge(alpha=1e-2).fit(H, scaled).predict(H) * y.std() + y.mean()
    np.testing.assert_allclose(net.predict(rows), wanted, atol=1e-8)
    assert net.ridge_ == 1e-2


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_pooled_states_are_those_of_the_pool(pooling):
    rows, y = ragged()
    net = EchoStateNetwork(n_hidden=9, pooling=pooling, random_state=0).fit(rows, y)
    u = (rows[3] - net.inputs_.standard.mean) / net.inputs_.standard.scale
    h = np.hstack([net.network_.body.pool(torch.from_numpy(u[None]))[0][0].numpy(), u])
    wanted = {"last": h[-1], "mean": h.mean(axis=0), "max": h.max(axis=0)}[pooling]
    np.testing.assert_allclose(net.transform(rows)[3], wanted, atol=1e-12)


def test_partial_fit_over_chunks_is_ridge_regression_on_all_of_them():
    rows, _ = ragged(60)
    y = np.array([row[-1, 0] for row in rows])
    net = EchoStateNetwork(n_hidden=15, ridge=1e-2, **REGRESSION)
    for chunk in (slice(0, 25), slice(25, 33), slice(33, 60)):
        net.partial_fit(rows[chunk], y[chunk])
    scaled = (y - y[:25].mean()) / y[:25].std()
    H = net.transform(rows)
    wanted = Ridge(alpha=1e-2).fit(H, scaled).predict(H) * y[:25].std() + y[:25].mean()
    np.testing.assert_allclose(net.predict(rows), wanted, atol=1e-8)


def test_windows_of_time_and_padding_change_nothing(monkeypatch):
    rows, y = ragged()
    known = {"n_hidden": 9, "ridge": 1e-3, "random_state": 0}
    nets = [EchoStateNetwork(**known).fit(rows, y)]
    monkeypatch.setattr(reservoirs, "WINDOW_VALUES", 9 * 40 * 3)
    monkeypatch.setattr(reservoirs, "GROUP_STEPS", 60)
    nets.append(EchoStateNetwork(**known).fit(rows, y))
    np.testing.assert_allclose(nets[1].transform(rows), nets[0].transform(rows), atol=1e-12)
    np.testing.assert_allclose(nets[1].predict_proba(rows), nets[0].predict_proba(rows), atol=1e-8)
    padded = np.full((40, 15, 2), 1e9)
    for place, row in enumerate(rows):
        padded[place, : len(row)] = row
    lengths = np.array([len(row) for row in rows])
    np.testing.assert_allclose(nets[0].predict_proba(padded, lengths=lengths), nets[0].predict_proba(rows), atol=1e-12)


def test_steps_of_the_washout_are_not_learned_from():
    u, y = narma10(300)
    turned = np.concatenate([y[:, 49::-1], y[:, 50:]], axis=1)  # the same mean and deviation
    known = {"output": "step", "n_hidden": 30, "ridge": 1e-6, **REGRESSION}
    for washout, alike in ((50, True), (20, False)):
        nets = [EchoStateNetwork(washout=washout, **known).fit(u[:, :, None], each) for each in (y, turned)]
        said = [net.predict(u[:, :, None]) for net in nets]
        assert np.allclose(*said, atol=1e-9) == alike


def test_steps_of_a_sequence_that_every_step_is_learned_from_are_ridge_regression():
    rows, _ = ragged(30)
    y = [row[:, 0] + row[:, 1] ** 2 for row in rows]
    net = EchoStateNetwork(output="step", n_hidden=15, ridge=1e-2, **REGRESSION).fit(rows, y)
    body, standard = net.network_.body, net.inputs_.standard
    steps = [torch.from_numpy((row - standard.mean) / standard.scale)[None] for row in rows]
    H = np.concatenate([torch.cat([body.pool(u)[0], u], dim=2)[0].numpy() for u in steps])
    flat = np.concatenate(y)
    wanted = Ridge(alpha=1e-2).fit(H, (flat - flat.mean()) / flat.std()).predict(H) * flat.std() + flat.mean()
    np.testing.assert_allclose(np.concatenate(net.predict(rows)), wanted, atol=1e-8)


def test_forecast_feeds_each_prediction_back():
    series = mackey_glass(600)[:, :, None]
    net = EchoStateNetwork(n_hidden=60, **FORECAST).fit(series)
    one = series
    for _ in range(5):
        one = np.concatenate([one, net.predict(one).reshape(1, 1, 1)], axis=1)
    np.testing.assert_allclose(net.forecast(series, 5), one[:, 600:], atol=1e-9)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_chaotic_series_is_foreseen_for_a_while(seed):
    series = np.tanh(mackey_glass(1700, n_series=12, random_state=seed) - 1)[:, :, None]
    net = EchoStateNetwork(
        n_hidden=200, leak_rate=0.4, input_scaling=0.1, bias_scaling=0.02, ridge=1e-12, **FORECAST
    ).set_params(random_state=seed)
    ahead = net.fit(series[:1, :1600]).forecast(series[1:, :600], 20)
    assert nrmse(ahead[:, -1], series[1:, 619], series.var()) < 0.05


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_narma_is_learned_beyond_twenty_linear_lags(seed):
    u, y = narma10(3_000, random_state=seed)
    lags = np.stack([np.roll(u[0], lag) for lag in range(20)], axis=1)[20:]
    linear = LinearRegression().fit(lags[:1980], y[0, 20:2000]).predict(lags[1980:])
    net = EchoStateNetwork(output="step", n_hidden=200, **REGRESSION, **NARMA).set_params(random_state=seed)
    said = net.fit(u[:, :2000, None], y[:, :2000]).predict(u[:, :, None])[0, 2000:]
    errors = [nrmse(each, y[0, 2000:], y.var()) for each in (said, linear)]
    assert errors[0] < 0.8 * errors[1]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_classes_of_sequences_are_learned(seed):
    rows, y = ragged(200, seed=seed)
    net = EchoStateNetwork(n_hidden=50, random_state=seed).fit(rows[:150], y[:150])
    assert net.score(rows[150:], y[150:]) > 0.9
    np.testing.assert_allclose(net.predict_proba(rows).sum(axis=1), 1.0)


def test_codes_become_random_vectors_and_the_unknown_one_zeros():
    X = np.random.default_rng(0).integers(1, 5, size=(60, 7, 1)).astype(float)
    net = EchoStateNetwork(n_hidden=40, categorical_features=[0], random_state=0).fit(X, X[:, -1, 0] == 2)
    vectors = net.network_.body.table.embeddings[0].weight
    assert (vectors[0] == 0).all()
    assert (vectors[1:] != 0).all()
    assert not vectors.requires_grad
    assert net.set_params(pooling="last").fit(X, X[:, -1, 0] == 2).score(X, X[:, -1, 0] == 2) == 1.0


def test_noise_of_the_states_belongs_to_learning_alone():
    series = mackey_glass(400)[:, :, None]
    plain, noisy, again = (
        EchoStateNetwork(n_hidden=30, state_noise=level, **FORECAST).fit(series) for level in (0.0, 1e-2, 1e-2)
    )
    np.testing.assert_array_equal(noisy.forecast(series, 9), again.forecast(series, 9))
    np.testing.assert_array_equal(noisy.transform(series), plain.transform(series))
    assert not np.array_equal(noisy.network_.head.weight.detach(), plain.network_.head.weight.detach())


def test_bad_input_is_refused():
    series = np.ones((1, 30, 1))
    with pytest.raises(DataError, match="washout=30 leaves out all 30 steps to learn from"):
        EchoStateNetwork(output="step", washout=30, **REGRESSION).fit(series, series[:, :, 0])
    with pytest.raises(UsageError, match="differences=True learns how a series of numbers changes"):
        EchoStateNetwork(differences=True).fit(series, [1])
    with pytest.raises(ParameterError, match="leak_rate needs a number above 0 to 1"):
        EchoStateNetwork(leak_rate=0.0).fit(series, [1])
