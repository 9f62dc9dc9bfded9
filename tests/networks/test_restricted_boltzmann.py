"""Restricted Boltzmann Machine: energies and log Z against all states, its rule by hand, and against scikit-learn's."""

from itertools import product

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_iris
from sklearn.neural_network import BernoulliRBM

from nnzoo import RestrictedBoltzmannMachine
from nnzoo.data.patterns import bars_and_stripes
from nnzoo.errors import DataError, TrainingDiverged, UsageError
from nnzoo.networks.boltzmann_layers import BoltzmannLayer, anneal_layer, log_partition
from nnzoo.networks.contrastive import ContrastiveDivergence, ContrastiveSettings

BARS = bars_and_stripes(3)


def states(n):
    return torch.tensor(list(product((0.0, 1.0), repeat=n)), dtype=torch.float64)


def machine(n_in, n_out, *, gaussian=False, scale=0.7, seed=0):
    """Return a machine in float64 with weights and biases drawn."""
    draw = torch.Generator().manual_seed(seed)
    layer = BoltzmannLayer(n_in, n_out, gaussian=gaussian).double()
    for parameter in layer.parameters():
        parameter.copy_(scale * torch.randn(parameter.shape, generator=draw, dtype=torch.float64))
    return layer


def energy(layer, v, h):
    """Return E(v, h) as the file prints it."""
    if layer.log_variance is None:
        return -(v @ layer.visible_bias) - h @ layer.hidden_bias - v @ layer.weight @ h
    variance = layer.log_variance.exp()
    pull = (v - layer.visible_bias).square() / (2 * variance)
    return pull.sum() - h @ layer.hidden_bias - (v / variance) @ layer.weight @ h


def moved(layer, v, share=None, **settings):
    """Return how far one step moves W, b and c at a rate of 1."""
    rule = ContrastiveDivergence(layer, ContrastiveSettings(**settings))
    before, mean = [p.clone() for p in (layer.weight, layer.visible_bias, layer.hidden_bias)], layer.hidden_mean.clone()
    rule.move(v, share, 1.0, torch.Generator().manual_seed(0))
    after = (layer.weight, layer.visible_bias, layer.hidden_bias)
    found = [p - q for p, q in zip(after, before, strict=True)]
    for p, q in zip(after, before, strict=True):
        p.copy_(q)
    layer.hidden_mean.copy_(mean)
    return found


def exact_gradient(layer, v):
    """Return ⟨v hᵀ⟩_data - ⟨v hᵀ⟩_machine with all states of the visible units added up."""
    every = states(v.shape[1])
    share = torch.softmax(-layer.free_energy(every), dim=0)
    return v.t() @ layer(v) / len(v) - (every * share[:, None]).t() @ layer(every)


@pytest.mark.parametrize("gaussian", [False, True])
def test_minus_the_free_energy_is_the_logarithm_of_the_sum_over_hidden_states(gaussian):
    layer = machine(4, 5, gaussian=gaussian)
    v = torch.randn(3, 4, dtype=torch.float64) if gaussian else states(4)[[0, 6, 13]]
    for row, free in zip(v, layer.free_energy(v), strict=True):
        summed = torch.stack([-energy(layer, row, h) for h in states(5)]).logsumexp(0)
        assert float(-free) == pytest.approx(float(summed), abs=1e-10)


@pytest.mark.parametrize(("n_in", "n_out"), [(6, 4), (4, 6)])
def test_log_z_adds_up_all_states_by_either_side(n_in, n_out):
    layer = machine(n_in, n_out)
    summed = torch.stack([-energy(layer, v, h) for v in states(n_in) for h in states(n_out)]).logsumexp(0)
    assert log_partition(layer) == (pytest.approx(float(summed), abs=1e-10), 0.0)


def test_a_gaussian_density_adds_up_to_one():
    layer = machine(1, 4, gaussian=True)
    grid = torch.linspace(-15, 15, 20_001, dtype=torch.float64)[:, None]
    density = (-layer.free_energy(grid) - log_partition(layer)[0]).exp()
    assert float(torch.trapezoid(density, grid[:, 0])) == pytest.approx(1, abs=1e-8)


@pytest.mark.parametrize("gaussian", [False, True])
def test_annealing_finds_log_z_within_three_standard_errors(gaussian):
    layer = machine(12, 9, gaussian=gaussian)
    weights = anneal_layer(layer, 400, torch.Generator().manual_seed(1), n_temperatures=200)[1]
    ratio = (weights - log_partition(layer)[0]).exp().numpy()
    error = ratio.std() / 20
    assert abs(ratio.mean() - 1) < 3 * error
    assert error < 0.1


def test_annealed_chains_end_in_the_distribution_of_the_machine():
    """Total variation of 4,000 draws over 16 states is about ½ Σ √(2 p / (4,000 π)) ≤ 0.026 by chance alone."""
    layer = machine(4, 3)
    v, _ = anneal_layer(layer, 4000, torch.Generator().manual_seed(0), n_temperatures=100)
    share = torch.softmax(-layer.free_energy(states(4)), dim=0).numpy()
    counted = np.bincount((v @ torch.tensor([8.0, 4, 2, 1]).double()).numpy().astype(int), minlength=16) / 4000
    assert np.abs(counted - share).sum() / 2 < 0.06


def test_one_step_by_hand():
    """W = 0, c = 0, b = (50, -50): each h is ½, and the chain is at (1, 0) whatever was drawn. The row is (0, 1).

    Plain: ΔW = (0, 1)·½ - (1, 0)·½ = (-½, ½), Δb = (-1, 1), Δc = 0. Centred with μ = (½, ¼) and λ = ¼: ΔW = ((-½, ¾) -
    (½, -¼))·¼ = (-¼, ¼), Δb = (-1, 1) - ΔW·¼ = (-15/16, 15/16), Δc = 0 - (-¼·½ + ¼·¼) = 1/16.
    """
    layer = BoltzmannLayer(2, 1).double()
    layer.weight.zero_()
    layer.visible_bias.copy_(torch.tensor([50.0, -50]))
    row = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    for method in ("cd", "pcd"):
        layer.visible_mean.copy_(torch.tensor([0.5, 0.25]))
        layer.hidden_mean.fill_(0.25)
        plain = [p.flatten().tolist() for p in moved(layer, row, method=method, centering=False)]
        np.testing.assert_allclose(np.concatenate(plain), [-0.5, 0.5, -1, 1, 0], atol=1e-12)
        centred = [p.flatten().tolist() for p in moved(layer, row, method=method)]
        np.testing.assert_allclose(np.concatenate(centred), [-0.25, 0.25, -0.9375, 0.9375, 0.0625], atol=1e-12)


def test_centring_turns_the_plain_gradient_and_keeps_its_zeros():
    """ΔW' = ΔW - μ Δcᵀ - Δb λᵀ, Δb' = Δb - ΔW' λ, Δc' = Δc - ΔW'ᵀ μ: no side is 0 unless the other is."""
    layer, v = machine(5, 4), states(5)[::3]
    mu, lam = torch.rand(5, dtype=torch.float64), torch.rand(4, dtype=torch.float64)
    layer.visible_mean.copy_(mu)
    layer.hidden_mean.copy_(lam)
    w, b, c = moved(layer, v, method="cd", centering=False)
    centred = moved(layer, v, method="cd")
    turned = w - torch.outer(mu, c) - torch.outer(b, lam)
    for found, wanted in zip(centred, (turned, b - turned @ lam, c - turned.t() @ mu), strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


def test_more_gibbs_steps_bring_the_gradient_to_the_exact_one():
    layer, rows = machine(6, 5, scale=1.0), states(6)[[3, 17, 40, 41]]
    exact, many, cosines = exact_gradient(layer, rows).flatten(), rows.repeat(4000, 1), []
    for k in (1, 5, 50):
        found = moved(layer, many, method="cd", n_gibbs_steps=k, centering=False)[0].flatten()
        cosines.append(float(torch.cosine_similarity(found, exact, dim=0)))
    assert cosines[0] < min(cosines[1:])
    assert min(cosines[1:]) > 0.999


def test_the_variance_is_moved_along_the_slope_of_the_likelihood():
    """At the machine's own distribution nothing pulls; ⟨·⟩_data is compared with differences of -F."""
    layer = machine(3, 2, gaussian=True, scale=0.4)
    v, step = torch.randn(5, 3, dtype=torch.float64), 1e-6
    rule, before = ContrastiveDivergence(layer, ContrastiveSettings()), layer.log_variance.clone()
    rule._move_variance(v, layer(v), torch.full((5,), 0.2, dtype=torch.float64), 1e-3)
    found = (layer.log_variance - before) / 1e-3
    for unit in range(3):
        ends = []
        for sign in (1, -1):
            layer.log_variance.copy_(before)
            layer.log_variance[unit] += sign * step
            ends.append(-layer.free_energy(v).mean())
        assert float(found[unit]) == pytest.approx(float(ends[0] - ends[1]) / (2 * step), abs=1e-8)


def test_weights_of_rows_count_as_many_rows():
    layer, v = machine(5, 3), states(5)[[1, 9, 22]]
    chains, share = layer.chains.clone(), torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)
    doubled = moved(layer, v[[0, 0, 1, 2]], method="pcd", centering=False)
    layer.chains.copy_(chains)
    weighted = moved(layer, v, share, method="pcd", centering=False)
    for one, other in zip(weighted, doubled, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def of_scikit_learn(network):
    """Return scikit-learn's machine with the same weights."""
    peer = BernoulliRBM(network.n_components, random_state=np.random.RandomState(0))
    peer.components_ = network.components_
    peer.intercept_hidden_, peer.intercept_visible_ = network.intercept_hidden_, network.intercept_visible_
    peer._n_features_out, peer.n_features_in_ = network.n_components, network.n_features_in_
    return peer


def test_scikit_learns_machine_with_the_same_weights_agrees():
    X = (load_digits(return_X_y=True)[0][:200] > 7).astype(np.float64)
    network = RestrictedBoltzmannMachine(n_components=12, n_epochs=3, random_state=0).fit(X)
    peer = of_scikit_learn(network)
    np.testing.assert_allclose(network.transform(X), peer.transform(X), atol=1e-12)
    free = peer._free_energy(X)
    np.testing.assert_allclose(network.score_samples(X), -free - network.log_partition_, atol=1e-9)
    # it draws one of 64 units by chance for each row: 300 times over 200 rows
    drawn = np.array([peer.score_samples(X).mean() for _ in range(300)])
    assert abs(network.pseudo_likelihood(X).mean() - drawn.mean()) < 4 * drawn.std() / np.sqrt(300)


def test_the_pseudo_likelihood_is_that_of_each_unit_given_all_others():
    network = RestrictedBoltzmannMachine(n_components=3, n_epochs=2, random_state=0).fit(BARS)
    log_p = {
        tuple(row): value
        for row, value in zip(states(9).tolist(), network.score_samples(states(9).numpy()), strict=True)
    }
    for row, found in zip(BARS[:4], network.pseudo_likelihood(BARS[:4]), strict=True):
        wanted = 0.0
        for unit in range(9):
            other = row.copy()
            other[unit] = 1 - other[unit]
            wanted += log_p[tuple(row)] - np.logaddexp(log_p[tuple(row)], log_p[tuple(other)])
        assert found == pytest.approx(wanted, abs=1e-9)


def test_probabilities_of_all_rows_add_up_to_one():
    network = RestrictedBoltzmannMachine(n_components=20, n_epochs=5, random_state=0).fit(BARS)
    assert np.exp(network.score_samples(states(9).numpy())).sum() == pytest.approx(1, abs=1e-9)
    assert network.log_partition_error_ == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_bars_and_stripes_become_more_likely_than_independent_pixels(seed):
    network = RestrictedBoltzmannMachine(
        n_components=16, learning_rate=0.1, batch_size=14, n_epochs=4000, random_state=seed
    ).fit(BARS)
    assert network.score(BARS) > -3.5 > -9 * np.log(2)  # at best -ln 14 = -2.64


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_missing_numbers_are_filled_in_from_the_others(visible):
    X = np.repeat([[1.0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]], 30, axis=0)
    X = X if visible == "bernoulli" else 4 * X + 0.1 * np.random.default_rng(0).normal(size=X.shape)
    network = RestrictedBoltzmannMachine(n_components=8, n_epochs=300, visible=visible, random_state=0).fit(X)
    holes = X[[0, 40]].copy()
    holes[:, 1] = np.nan
    np.testing.assert_array_equal(network.impute(holes) > X.max() / 2, X[[0, 40]] > X.max() / 2)


def test_rows_of_any_number_have_gaussian_units_and_keep_their_unit():
    X = load_iris(return_X_y=True)[0]
    network = RestrictedBoltzmannMachine(n_components=6, random_state=0).fit(X)
    assert network.visible_ == "gaussian"
    for rows in (network.sample(40, random_state=0), network.gibbs(X[:40], 3, random_state=0)):
        assert rows.shape == (40, 4)
        assert np.abs(rows.mean(axis=0) - X.mean(axis=0)).max() < 2
    with pytest.raises(UsageError, match="pseudo-likelihood for units of 0 and 1; these are Gaussian"):
        network.pseudo_likelihood(X)


def test_samples_and_steps_of_a_machine_are_drawn_by_their_seed():
    network = RestrictedBoltzmannMachine(n_components=5, n_epochs=5, random_state=0).fit(BARS)
    for drawn in (lambda seed: network.sample(6, random_state=seed), lambda seed: network.gibbs(BARS, 2, seed)):
        assert drawn(1).tolist() == drawn(1).tolist() != drawn(2).tolist()
    assert set(np.unique(network.gibbs(BARS, random_state=0))) <= {0.0, 1.0}


def test_bytes_are_shares_of_255_and_come_back_as_bytes():
    X = (np.random.default_rng(0).random((40, 5, 4)) * 255).astype(np.uint8)
    network = RestrictedBoltzmannMachine(n_components=4, n_epochs=2, kind="image", random_state=0).fit(X)
    assert network.visible_ == "bernoulli"
    assert network.sample(3, random_state=0).dtype == np.uint8
    assert network.sample(3, random_state=0).shape == (3, 5, 4, 1)
    flat = RestrictedBoltzmannMachine(n_components=4, n_epochs=2, random_state=0).fit(X.reshape(40, 20) / 255)
    np.testing.assert_allclose(network.transform(X), flat.transform(X.reshape(40, 20) / 255), atol=1e-12)


def test_numbers_beyond_0_and_1_are_refused_where_units_are_to_be_0_and_1():
    with pytest.raises(DataError, match="needs numbers from 0 to 1 here"):
        RestrictedBoltzmannMachine(visible="bernoulli").fit([[0.0, 2.0], [1.0, 0.0]])


def test_of_few_rows_as_many_passes_are_made_as_are_enough_steps():
    network = RestrictedBoltzmannMachine()
    assert [network.n_passes(n) for n in (40, 100, 5_000, 60_000)] == [1000, 500, 20, 20]
    assert RestrictedBoltzmannMachine(n_epochs=3).n_passes(40) == 3
    assert RestrictedBoltzmannMachine(n_components=2, random_state=0).fit(BARS).n_iter_ == 1000


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_rows_of_a_small_table_become_likely_at_defaults(seed):
    X = load_iris(return_X_y=True)[0]
    found = RestrictedBoltzmannMachine(random_state=seed).fit(X[::2]).measures(X[1::2], X[::2])
    assert found.competitors[0].name == "constant"
    assert found.values.mean() > found.competitors[0].values.mean() + 1.5


def test_persistent_chains_go_on_and_short_ones_leave_them():
    layer = machine(4, 3)
    moved(layer, states(4), method="cd")
    assert bool((layer.chains == 0.5).all())
    moved(layer, states(4))
    first = layer.chains.clone()
    assert first.shape == (100, 3)
    assert set(first.unique().tolist()) == {0, 1}
    moved(layer, states(4))
    assert not torch.equal(layer.chains, first)


@pytest.mark.filterwarnings("ignore:epoch")  # of the two retries before
def test_training_that_runs_away_is_stopped():
    X = load_iris(return_X_y=True)[0]
    with pytest.raises(TrainingDiverged, match="Training needs finite losses"):
        RestrictedBoltzmannMachine(learning_rate=1000.0, weight_decay=1000.0, n_epochs=400, random_state=0).fit(X)
