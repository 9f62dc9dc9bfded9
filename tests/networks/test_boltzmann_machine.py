"""Boltzmann Machine: its rule by hand and by differences, chains, conditionals and likelihoods against enumeration."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy.special import expit, logsumexp

from nnzoo import BoltzmannMachine
from nnzoo.data.patterns import bars_and_stripes
from nnzoo.engine.batches import Batch
from nnzoo.errors import DataError, UsageError
from nnzoo.networks.boltzmann import clamped_moments, free_moments, log_mean
from nnzoo.networks.boltzmann_learning import BoltzmannTrainer
from nnzoo.networks.boltzmann_units import BoltzmannUnits, sweep
from nnzoo.training.gradient import GradientSettings

NAN = float("nan")


def states(n):
    return np.array(list(product([0.0, 1.0], repeat=n)))


def random_machine(n_visible, n_hidden, size=1.0, seed=0):
    n = n_visible + n_hidden
    draw = np.random.default_rng(seed)
    machine = BoltzmannUnits(n_visible, n_hidden, 1 - np.eye(n)).double()
    w = np.triu(size * draw.normal(size=(n, n)), 1)
    machine.weight[:] = torch.from_numpy(w + w.T)
    machine.bias[:] = torch.from_numpy(size * draw.normal(size=n))
    return machine


def log_weights(machine, s):
    """Return -E(s) of each state, pair by pair."""
    w, b, s = machine.weight.numpy(), machine.bias.numpy(), np.asarray(s)
    n = len(b)
    return s @ b + sum(w[i, j] * s[:, i] * s[:, j] for i in range(n) for j in range(i))


def trained(network, machine):
    """Put a machine into a fitted network."""
    network.network_.body.machine.load_state_dict(machine.state_dict())
    network.settle(None, None)
    return network


def test_a_step_by_hand():
    """Two units that are on together or not at all: from W = 0, b = 0 each state has ¼.

    ⟨s₁s₂⟩ is ½ in the rows and ¼ in the machine, the means are ½ in both: Δw = η/4, Δb = 0. -log p of a row was log 4.
    """
    network = BoltzmannMachine(n_components=0, centering=False, n_epochs=1, learning_rate=0.4, schedule="constant")
    network.fit([[1, 1], [0, 0]])
    np.testing.assert_allclose(network.coef_, [[0, 0.1], [0.1, 0]], atol=1e-15)
    np.testing.assert_allclose(network.intercept_, 0, atol=1e-15)
    assert network.history_["train_loss"] == [pytest.approx(2 * np.log(2))]
    # p(1, 1) = e^0.1 / (3 + e^0.1)
    assert network.score_samples([[1, 1]])[0] == pytest.approx(0.1 - np.log(3 + np.exp(0.1)), abs=1e-12)


@pytest.mark.parametrize(("n_visible", "n_hidden"), [(4, 3), (3, 0), (1, 2)])
def test_the_exact_slope_is_that_of_differences(n_visible, n_hidden):
    machine = random_machine(n_visible, n_hidden)
    v = torch.from_numpy(states(n_visible)[[0, -1, 1]])
    share = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    n = n_visible + n_hidden

    def likelihood():
        every = log_weights(machine, states(n))
        held = [logsumexp(log_weights(machine, [np.append(row, h) for h in states(n_hidden)])) for row in v.numpy()]
        return share.numpy() @ held - logsumexp(every)

    clamped, _, log_weight = clamped_moments(v, share, machine.weight, machine.bias)
    free, log_z = free_moments(machine.weight, machine.bias)
    assert float(share @ log_weight - log_z) == pytest.approx(likelihood(), abs=1e-10)
    slope, step = (clamped - free).numpy(), 1e-5
    for i in range(n):
        for j in range(i + 1):
            ends = []
            for sign in (1, -1):
                moved = [(machine.weight, (i, j)), (machine.weight, (j, i))] if i != j else [(machine.bias, (i,))]
                for tensor, place in moved:
                    tensor[place] += sign * step
                ends.append(likelihood())
                for tensor, place in moved:
                    tensor[place] -= sign * step
            assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(slope[i, j], abs=1e-6)


def test_many_machines_at_once_are_each_as_alone():
    machines = [random_machine(3, 2, seed=seed) for seed in range(4)]
    weight, bias = (torch.stack([getattr(m, name).data for m in machines]) for name in ("weight", "bias"))
    v, share = torch.eye(3, dtype=torch.float64), torch.full((3,), 1 / 3, dtype=torch.float64)
    together = [*free_moments(weight, bias), *clamped_moments(v, share, weight, bias)]
    for number, machine in enumerate(machines):
        alone = [
            *free_moments(machine.weight, machine.bias),
            *clamped_moments(v, share, machine.weight, machine.bias),
        ]
        for all_of_them, one in zip(together, alone, strict=True):
            np.testing.assert_allclose(all_of_them[number], one, atol=1e-12)


def test_a_sweep_by_blocks_gives_each_unit_its_turn():
    draw = np.random.default_rng(0)
    n, n_chains = 70, 5
    weight = np.triu(draw.normal(size=(n, n)), 1)
    weight += weight.T
    bias, limits = draw.normal(size=n), draw.logistic(size=(n, n_chains))
    start = (draw.random((n, n_chains)) < 0.5).astype(float)
    for free in (None, (draw.random((n, n_chains)) < 0.5).astype(float)):
        found, wanted = start.copy(), start.copy()
        sweep(found, weight, bias, limits, free)
        for chain in range(n_chains):
            for i in range(n):
                if free is None or free[i, chain]:
                    wanted[i, chain] = weight[i] @ wanted[:, chain] + bias[i] > limits[i, chain]
        np.testing.assert_array_equal(found, wanted)


def test_a_long_run_of_chains_has_the_boltzmann_distribution():
    """Half the distance of the shares of 256 states from p; 800,000 independent draws would leave 0.005 to 0.009."""
    machine = random_machine(8, 0, size=0.5)
    generator = torch.Generator().manual_seed(0)
    chains = torch.zeros(2000, 8, dtype=torch.float64)
    places, counts = 2.0 ** np.arange(7, -1, -1), np.zeros(256)
    for number, s in enumerate(machine.run(chains, [1.0] * 450, generator)):
        if number >= 50:
            counts += np.bincount((s.numpy() @ places).astype(int), minlength=256)
    logs = log_weights(machine, states(8))
    assert 0.5 * np.abs(counts / counts.sum() - np.exp(logs - logsumexp(logs))).sum() < 0.02


@pytest.mark.parametrize("centering", [False, True])
def test_exact_learning_in_small_steps_never_moves_away_from_the_rows(centering):
    """-log p of the rows is the Kullback-Leibler distance and their entropy, which is constant."""
    X = (np.random.default_rng(1).random((30, 5)) < [0.2, 0.5, 0.5, 0.7, 0.9]).astype(float)
    X[:, 1] = X[:, 0]
    network = BoltzmannMachine(
        n_components=3, centering=centering, n_epochs=150, learning_rate=0.1, schedule="constant", random_state=0
    )
    losses = network.fit(X).history_["train_loss"]
    assert np.all(np.diff(losses) <= 1e-12)
    assert losses[-1] < losses[0] - 0.2


def test_without_links_and_hidden_units_they_are_independent_logits():
    X = (np.random.default_rng(2).random((50, 4)) < [0.2, 0.4, 0.6, 0.8]).astype(float)
    network = BoltzmannMachine(n_components=0, visible_links=False, n_epochs=1).fit(X)
    machine = network.network_.body.machine
    machine.bias.zero_()
    settings = GradientSettings(n_steps=1, learning_rate=1.0, schedule="constant")
    trainer = BoltzmannTrainer(
        network.network_, method="exact", temperatures=[1.0], n_chains=1, centering=True, settings=settings
    )
    for _ in range(300):
        trainer.step(Batch(torch.from_numpy(X), None, None), torch.Generator())
    network.settle(None, None)
    mean = X.mean(axis=0)
    np.testing.assert_allclose(network.intercept_, np.log(mean / (1 - mean)), atol=1e-6)
    assert not network.coef_.any()
    wanted = (X * np.log(mean) + (1 - X) * np.log(1 - mean)).sum(axis=1)
    np.testing.assert_allclose(network.score_samples(X), wanted, atol=1e-6)


@pytest.fixture(scope="module")
def small():
    """Give a network of five visible and three hidden units whose weights are drawn."""
    network = BoltzmannMachine(n_components=3, n_epochs=1, random_state=0).fit(states(5))
    return trained(network, random_machine(5, 3))


def test_likelihoods_are_those_of_enumeration_and_add_up_to_1(small):
    machine = small.network_.body.machine
    every = states(5)
    held = np.array([logsumexp(log_weights(machine, [np.append(row, h) for h in states(3)])) for row in every])
    assert small.log_partition_ == pytest.approx(logsumexp(held), abs=1e-10)
    np.testing.assert_allclose(small.score_samples(every), held - logsumexp(held), atol=1e-10)
    assert np.exp(small.score_samples(every)).sum() == pytest.approx(1, abs=1e-10)
    means = []
    for row in every:
        logs = log_weights(machine, [np.append(row, h) for h in states(3)])
        means.append(np.exp(logs - logsumexp(logs)) @ states(3))
    np.testing.assert_allclose(small.transform(every), means, atol=1e-10)


def conditional(machine, row):
    """Return the means of visible units given the known ones, over all states of all units."""
    every = states(len(machine.bias))
    known = ~np.isnan(row)
    fits = every[(every[:, : len(row)][:, known] == row[known]).all(axis=1)]
    logs = log_weights(machine, fits)
    return (np.exp(logs - logsumexp(logs)) @ fits)[: len(row)]


def test_what_is_missing_is_filled_in_as_enumeration_says(small):
    rows = np.array([[1, NAN, 0, NAN, NAN], [NAN] * 5, [0, 1, 1, 0, NAN], [1, 0, 1, 0, 1], [0, NAN, 1, NAN, NAN]])
    wanted = [conditional(small.network_.body.machine, row) for row in rows]
    np.testing.assert_allclose(small.conditional_means(rows), wanted, atol=1e-10)
    filled = small.predict(rows)
    np.testing.assert_array_equal(filled, np.where(np.isnan(rows), np.array(wanted) > 0.5, rows))


def test_what_is_missing_in_many_columns_is_read_off_chains():
    """12 visible and 4 hidden units, 13 of them free or more: 400 sweeps of one chain leave a few hundredths."""
    network = BoltzmannMachine(n_components=4, n_epochs=1, random_state=0).fit(states(12)[::97])
    machine = random_machine(12, 4, size=0.4)
    trained(network, machine)
    rows = np.full((3, 12), NAN)
    rows[:, 0] = [0, 1, 1]
    rows[2, 1] = 1
    found = network.conditional_means(rows)
    wanted = [conditional(machine, row) for row in rows]
    assert np.abs(found - wanted).max() < 0.15
    np.testing.assert_array_equal(network.conditional_means(rows[1:2]), found[1:2])


def test_columns_with_two_values_and_others_come_back_in_their_unit():
    X = np.array([[5.0, -1, 0.1], [5.0, 1, 0.2], [7.0, 1, 0.9], [7.0, -1, 1.0]] * 5)
    network = BoltzmannMachine(n_components=1, n_epochs=3, random_state=0).fit(X)
    np.testing.assert_array_equal(network.predict(X), X)
    drawn = network.sample(50, random_state=0)
    assert set(drawn[:, 0]) == {5.0, 7.0}
    assert set(drawn[:, 1]) == {-1.0, 1.0}
    np.testing.assert_allclose(sorted(set(drawn[:, 2])), [0.15, 0.95])
    filled = network.predict([[NAN, 1, 0.3]])
    assert filled[0, 1:].tolist() == [1, 0.3]
    assert filled[0, 0] in (5.0, 7.0)


def test_annealing_comes_close_to_the_exact_log_z():
    """Four standard errors: once in 16,000 chains of seeds."""
    machine = random_machine(8, 4, size=0.6)
    found, error = log_mean(machine.annealed(200, torch.Generator().manual_seed(0))[1])
    assert 0 < error < 0.2
    assert abs(found - machine.log_partition()[0]) < 4 * error


def test_mean_field_is_a_bound_and_exact_without_hidden_links():
    machine = random_machine(5, 4)
    v = torch.from_numpy(states(5))
    exact = machine.hidden(v)[1]
    assert bool((machine.mean_field_of(v)[1] <= exact + 1e-12).all())
    machine.weight[5:, 5:] = 0
    for found, wanted in zip(machine.mean_field_of(v), machine.hidden(v), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-9)


def test_many_hidden_units_are_known_by_mean_field_and_log_z_by_annealing():
    X = bars_and_stripes(3)
    network = BoltzmannMachine(n_components=14, n_epochs=2, random_state=0).fit(X)
    assert network.log_partition_error_ > 0
    assert network.transform(X).shape == (14, 14)
    assert np.isfinite(network.score_samples(X)).all()
    assert network.sample(4, random_state=0).shape == (4, 9)


def test_samples_come_as_often_as_they_are_likely(small):
    """20,000 draws of 32 states: half the distance has a mean of 0.4 √(32 / 20,000) = 0.016 at most."""
    drawn = small.sample(20_000, random_state=0)
    shares = np.bincount((drawn @ 2.0 ** np.arange(4, -1, -1)).astype(int), minlength=32) / 20_000
    assert 0.5 * np.abs(shares - np.exp(small.score_samples(states(5)))).sum() < 0.03
    np.testing.assert_array_equal(drawn[:100], small.sample(20_000, random_state=0)[:100])


def test_the_pseudo_likelihood_is_that_of_each_unit_given_the_others():
    network = BoltzmannMachine(n_components=0, n_epochs=1).fit(states(4))
    machine = random_machine(4, 0)
    trained(network, machine)
    X = states(4)
    wanted = []
    for row in X:
        both = [log_weights(machine, [row, np.abs(row - np.eye(4)[i])]) for i in range(4)]
        wanted.append(sum(own - np.logaddexp(own, turned) for own, turned in both))
    np.testing.assert_allclose(network.pseudo_likelihood(X), wanted, atol=1e-10)
    told = X @ machine.weight.numpy() + machine.bias.numpy()
    np.testing.assert_allclose(network.transform(X), expit(told), atol=1e-12)


@pytest.mark.slow
def test_couplings_are_found_again_by_the_pseudo_likelihood():
    """All states with their probabilities as weights: the machine that they are of has the largest pseudo-likelihood."""
    machine = random_machine(4, 0, size=0.7)
    X = states(4)
    logs = log_weights(machine, X)
    network = BoltzmannMachine(
        n_components=0, method="pseudo_likelihood", n_epochs=2000, learning_rate=1.0, schedule="constant"
    )
    network.fit(X, sample_weight=np.exp(logs - logsumexp(logs)))
    np.testing.assert_allclose(network.coef_, machine.weight, atol=1e-3)
    np.testing.assert_allclose(network.intercept_, machine.bias, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("method", ["exact", "pcd", "mean_field"])
def test_it_learns_more_than_independent_units(method, seed):
    X = np.tile(bars_and_stripes(3), (20, 1))
    network = BoltzmannMachine(method=method, n_gibbs_steps=3, n_epochs=200, random_state=seed).fit(X)
    found = network.measures(X, X)
    assert found.values.mean() > found.competitors[0].values.mean() + 0.3


def test_groups_of_columns_are_not_joined_and_speak_through_hidden_units():
    """Two groups of two units that are alike: with one hidden unit what one group tells decides the other."""
    X = np.tile(np.eye(2), (1, 2))
    network = BoltzmannMachine(n_components=1, visible_links=(0, 0, 1, 1), n_epochs=300, random_state=0).fit(X)
    assert not network.coef_[:2, 2:4].any()
    assert network.coef_[0, 1] != 0
    assert network.coef_[2, 3] != 0
    half = X.copy()
    half[:, 2:] = NAN
    np.testing.assert_array_equal(network.predict(half), X)


@pytest.mark.parametrize("n_components", [0, 3])
def test_rows_come_back_from_their_codes_as_expected_values(n_components):
    """Without visible links a unit's mean is σ(b + Wh); columns 5 and 7 come back as 5 + 2 of it."""
    X = 5 + 2 * states(4)
    network = BoltzmannMachine(n_components=n_components, visible_links=False, n_epochs=20, random_state=0).fit(X)
    codes = network.transform(X)
    means = codes
    if n_components:
        means = expit(codes @ network.coef_[4:, :4] + network.intercept_[:4])
    np.testing.assert_allclose(network.inverse_transform(codes), 5 + 2 * means, rtol=1e-6)
    np.testing.assert_allclose(network.reconstruct(X), 5 + 2 * means, rtol=1e-6)


def test_rows_can_come_one_part_after_the_other():
    X = bars_and_stripes(3)
    network = BoltzmannMachine(random_state=0)
    for part in (X[::2], X[1::2], X):
        network.partial_fit(part)
    assert network.n_iter_ == 3
    assert np.isfinite(network.score_samples(X)).all()


def test_bad_input_says_what_to_do():
    X = states(4)
    with pytest.raises(DataError, match="a group for each of 4 columns; visible_links has 3. Pass True, False"):
        BoltzmannMachine(visible_links=[0, 0, 1]).fit(X)
    with pytest.raises(UsageError, match="method='exact' needs at most 20 units; got 24, 4 of them visible"):
        BoltzmannMachine(n_components=20, method="exact").fit(X)
    with pytest.raises(UsageError, match="needs a machine without hidden units; got n_components=8"):
        BoltzmannMachine(method="pseudo_likelihood").fit(X)
    fitted = BoltzmannMachine(n_epochs=1).fit(X)
    for bad in (NAN, np.inf):
        with pytest.raises(ValueError, match="contains NaN|contains infinity"):
            BoltzmannMachine().fit(np.where(X > 0, bad, X))
        with pytest.raises(ValueError, match="contains NaN|contains infinity"):
            fitted.transform(np.where(X > 0, bad, X))
    with pytest.raises(ValueError, match="contains infinity"):
        fitted.predict(np.where(X > 0, np.inf, X))
    with pytest.raises(ValueError, match="X has 3 features, but BoltzmannMachine is expecting 4"):
        fitted.predict(X[:, :3])
    with pytest.raises(UsageError, match="pseudo-likelihood without hidden units; got n_components=8"):
        fitted.pseudo_likelihood(X)
