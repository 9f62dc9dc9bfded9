"""Liquid state machine: voltages, spikes and rest by the equations, states that fade and tell inputs apart, learning."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.exceptions import ConvergenceWarning

from nnzoo import LiquidStateMachine, ParameterError
from nnzoo.data.timeseries import spike_templates
from nnzoo.networks.liquid_state import DEPTH, LiquidPool, draw_synapses

POOL = {
    "link_length": 2.0,
    "link_scaling": 0.2,
    "input_scaling": 1.0,
    "background": 0.5,
    "tau": 30.0,
    "refractory": 3,
    "filter_tau": 30.0,
    "hold": 1,
}


def pool(n_in=2, n_hidden=135, seed=0, **given):
    torch.manual_seed(seed)
    return LiquidPool(n_in, n_hidden, **(POOL | given)).double().requires_grad_(False).eval()


def noise(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def spikes_of(states, keep):
    """Return the spikes (T, n_hidden) that filtered ones came from: r(t) - e^(-1/τ_f) r(t-1)."""
    r = states.numpy()
    return np.rint(r - keep * np.vstack([np.zeros(r.shape[1]), r[:-1]]))


def by_loops(ours, x, n_ms):
    """Return the filtered spikes of one sequence, unit by unit and ms by ms, from the equations."""
    W_in, b, W = (each.numpy() for each in (ours.inputs.weight, ours.inputs.bias, ours.links.weight))
    n = len(W)
    keep, filter_keep = math.exp(-1 / 30), math.exp(-1 / 30)
    v, r, rest, spikes, states = [0.0] * n, [0.0] * n, [0] * n, [0] * n, []
    for value in x:
        for _ in range(n_ms):
            arrived = [sum(W[a, b] for b in range(n) if spikes[b]) for a in range(n)]
            spikes = [0] * n
            for a in range(n):
                r[a] *= filter_keep
                if rest[a] > 0:
                    rest[a] -= 1
                    continue
                v[a] = keep * v[a] + (1 - keep) * (W_in[a] @ value + b[a]) + arrived[a]
                if v[a] >= 1:
                    spikes[a], v[a], rest[a] = 1, 0.0, 3
                    r[a] += 1
        states.append(list(r))
    return np.array(states)


@pytest.mark.parametrize("hold", [1, 4])
def test_the_pool_equals_the_equations_unit_by_unit(hold):
    ours, x = pool(2, 18, hold=hold, input_scaling=16.0, link_scaling=0.5), noise(1, 60, 2)
    states = ours(x)[0][0].numpy()
    assert states.max() > 1
    np.testing.assert_allclose(states, by_loops(ours, x[0].numpy(), hold), atol=1e-10)


@pytest.mark.parametrize("current", [1.05, 1.5, 3.0, 10.0])
@pytest.mark.parametrize("refractory", [0, 3])
def test_a_constant_current_gives_the_rate_of_theory(current, refractory):
    """From 0, v reaches 1 after τ ln(I / (I - 1)) ms, then it rests: each interval is that, rounded up to a whole ms."""
    ours = pool(1, 1, background=current, refractory=refractory, link_scaling=0.0)
    spikes = spikes_of(ours(torch.zeros(1, 2000, 1, dtype=torch.float64))[0][0], ours.filter_keep)[:, 0]
    intervals = np.diff(np.flatnonzero(spikes))
    wanted = refractory + 30 * math.log(current / (current - 1))
    assert len(set(intervals)) == 1
    assert 0 <= intervals[0] - wanted <= 1


def test_without_a_current_above_the_threshold_no_unit_fires():
    x = torch.zeros(1, 500, 2, dtype=torch.float64)
    for background in (0.0, 0.99):
        ours = pool(background=background)
        assert ours(x)[0].abs().max() == 0
        assert ours.n_spikes == 0


def test_what_arrives_in_the_time_of_rest_is_lost():
    """Unit 2 fires at ms 1 and rests for 3 ms; a spike of unit 1 at ms 2 reaches it at ms 3 and changes nothing."""
    ours = pool(2, 2, background=0.0, link_scaling=0.0)
    ours.inputs.weight.copy_(100 * torch.eye(2))
    x = torch.zeros(1, 30, 2, dtype=torch.float64)
    x[0, 0, 1] = 1.0
    alone = ours(x)[1][1]
    x[0, 1, 0] = 1.0
    ours.links.weight[1, 0] = 0.7
    assert ours(x)[0][0, 1, 0] == 1
    assert ours(x)[1][1][0, 1] == alone[0, 1]
    x[0, 1, 0], x[0, 10, 0] = 0.0, 1.0
    assert ours(x)[1][1][0, 1] > alone[0, 1]


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_two_start_states_converge_without_input(seed):
    ours = pool(seed=seed)
    quiet = torch.zeros(1, 1500, 2, dtype=torch.float64)
    ends = [ours(quiet, ours(noise(1, 100, 2, seed=seed + k))[1])[1] for k in (1, 2)]
    for first, second in zip(*ends, strict=True):
        torch.testing.assert_close(first, second, atol=1e-9, rtol=0)


def test_the_distance_of_states_grows_with_that_of_inputs():
    """Maass et al. 2002, figure 2: the mean over pools of the distance of liquid states, against that of the inputs."""
    distances, found = np.linspace(0.05, 1.0, 10), np.zeros(10)
    for seed in range(4):
        ours, base = pool(seed=seed, input_scaling=4.0, hold=5), noise(1, 60, 2, seed=seed)
        other = noise(1, 60, 2, seed=seed + 50)
        states = ours(torch.cat([base, *(base + each * other for each in distances)]))[0]
        found += (states[1:] - states[:1]).norm(dim=2).mean(dim=1).numpy()
    assert spearmanr(distances, found).statistic > 0.9


def test_synapses_keep_the_sign_of_the_sender_and_reach_as_far_as_the_law_says():
    """135 units on a grid of 15 x 3 x 3; the expected number of links is the sum of C exp(-(D / λ)²)."""
    counts, wanted, place = [], 0.0, np.arange(135)
    grid = np.stack([place // DEPTH**2, place // DEPTH % DEPTH, place % DEPTH], axis=1)
    near = np.exp(-np.square(grid[:, None] - grid[None]).sum(axis=2) / 4.0)
    np.fill_diagonal(near, 0)
    for seed in range(20):
        torch.manual_seed(seed)
        W = draw_synapses(135, 2.0).numpy()
        signs = np.sign(W)
        assert (np.abs(signs.sum(axis=0)) == np.abs(signs).sum(axis=0)).all()
        assert (np.diag(W) == 0).all()
        counts.append(np.count_nonzero(W))
        sends = np.where(signs.sum(axis=0) < 0, 0.4, 0.3)
        wanted += (near * sends[None]).sum() / 20
    assert (signs.sum(axis=0) < 0).sum() <= 27
    assert 0.7 * wanted < np.mean(counts) < wanted
    assert np.abs(W[W != 0]).mean() == pytest.approx(1.0, abs=0.1)


def test_same_seed_same_spikes_and_another_seed_others():
    X, y = spike_templates(30, duration=100, rate=50.0)
    known = {"hold": 1, "input_scaling": 3.0}
    states = [LiquidStateMachine(random_state=seed, **known).fit(X, y).transform(X) for seed in (0, 0, 1)]
    assert np.array_equal(states[0], states[1])
    assert not np.array_equal(states[0], states[2])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_jittered_templates_are_told_apart(seed):
    X, y = spike_templates(200, duration=200, rate=50.0, random_state=seed)
    net = LiquidStateMachine(hold=1, input_scaling=3.0, random_state=seed).fit(X[:120], y[:120])
    assert net.score(X[120:], y[120:]) > max(y[120:].mean(), 1 - y[120:].mean()) + 0.3
    assert 1 < net.mean_rate_ < 100


def test_a_value_for_every_step_is_learned():
    x = np.sin(np.arange(400) / 5)[None, :, None]
    y = x[:, :, 0] ** 2
    net = LiquidStateMachine(task="regression", output="step", random_state=0).fit(x[:, :300], y[:, :300])
    assert net.score(x, y) > 0.5


@pytest.mark.parametrize(
    ("params", "hint"), [({"background": 0.0, "input_scaling": 1e-3}, "larger"), ({"background": 900.0}, "smaller")]
)
def test_a_pool_that_is_silent_or_saturated_is_warned_of(params, hint):
    X, y = noise(20, 10, 1).numpy(), np.arange(20) % 2
    with pytest.warns(ConvergenceWarning, match=f"times a second, .* use {hint} input_scaling or background"):
        LiquidStateMachine(random_state=0, **params).fit(X, y)


def test_bad_parameters_are_refused():
    with pytest.raises(ParameterError, match="hold needs a whole number from 1 to 10000"):
        LiquidStateMachine(hold=0).fit(np.ones((2, 3, 1)), [0, 1])
