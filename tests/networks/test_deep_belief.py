"""Deep Belief Network: its bound and its layers against all states; one layer is the restricted machine."""

from itertools import product

import numpy as np
import pytest
import torch

from nnzoo import DeepBeliefNetwork, RestrictedBoltzmannMachine
from nnzoo.networks.boltzmann_layers import log_partition
from nnzoo.networks.deep_belief import DeepBeliefBody, entropy

PATTERNS = np.repeat([[1.0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1], [1, 0, 1, 0, 1, 0]], 20, axis=0)


def states(n):
    return torch.tensor(list(product((0.0, 1.0), repeat=n)), dtype=torch.float64)


def stack(*sizes, scale=0.8, seed=0):
    """Return a stack of machines in float64 with weights and biases drawn, and log Z of its top."""
    draw = torch.Generator().manual_seed(seed)
    body = DeepBeliefBody((sizes[0],), sizes[1:], gaussian=False).double()
    for parameter in body.parameters():
        parameter.copy_(scale * torch.randn(parameter.shape, generator=draw, dtype=torch.float64))
    body.layers[-1].log_z.fill_(log_partition(body.layers[-1])[0])
    return body


def exact_log_p(body):
    """Return log p(v) of all visible states, with all hidden states of two layers added up: Σ p(v|h) p(h)."""
    first, top = body.layers
    hidden, visible = states(first.n_out), states(len(first.visible_bias))
    log_hidden = -top.free_energy(hidden) - top.log_z
    parts = [
        first.log_conditional(visible, h.expand(len(visible), -1)) + p for h, p in zip(hidden, log_hidden, strict=True)
    ]
    return torch.stack(parts).logsumexp(dim=0)


def copied_top(body):
    """Let the second machine begin as the first one turned round."""
    first, top = body.layers
    top.weight.copy_(first.weight.t())
    top.visible_bias.copy_(first.hidden_bias)
    top.hidden_bias.copy_(first.visible_bias)
    top.log_z.fill_(log_partition(top)[0])
    return body


def exact_bound(body, v):
    """Return the bound with the mean over all hidden states in place of draws."""
    first, top = body.layers
    hidden, q = states(first.n_out), first(v)
    log_q = (torch.xlogy(hidden[:, None], q) + torch.xlogy(1 - hidden[:, None], 1 - q)).sum(dim=2)
    inside = torch.stack([first.log_conditional(v, h.expand(len(v), -1)) for h in hidden])
    inside = inside + (-top.free_energy(hidden) - top.log_z)[:, None]
    return (log_q.exp() * inside).sum(dim=0) + entropy(q)


def test_a_second_machine_that_is_the_first_turned_round_leaves_all_likelihoods():
    body = copied_top(stack(6, 5, 6))
    first = body.layers[0]
    alone = -first.free_energy(states(6)) - log_partition(first)[0]
    torch.testing.assert_close(exact_log_p(body), alone, rtol=0, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_bound_lies_below_the_likelihood_and_its_draws_around_the_bound(seed):
    body = stack(6, 5, 4, seed=seed)
    rows = states(6)
    exact = exact_bound(body, rows)
    assert bool((exact <= exact_log_p(body) + 1e-12).all())
    chance = torch.rand(4000, 1, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    drawn = body.bound(rows, [chance])
    spread = torch.stack([body.bound(rows, [part]) for part in chance.split(1)]).std(dim=0)
    assert bool(((drawn - exact).abs() < 5 * spread / np.sqrt(4000)).all())


def test_a_better_machine_on_top_never_lowers_the_bound():
    """From the first machine turned round, ascent of E_q[log p(h₁)] with the exact gradient raises bound and likelihood.

    There q is exact for the top layer turned round, so that the bound begins at the likelihood itself.
    """
    body = copied_top(stack(6, 5, 6))
    first, top = body.layers
    rows = states(6)[[3, 12, 48, 51]]
    hidden, q = states(5), first(rows)
    share = (hidden[:, None] * q + (1 - hidden[:, None]) * (1 - q)).prod(dim=2).mean(dim=1)
    bounds = [float(exact_bound(body, rows).mean())]
    assert bounds[0] == pytest.approx(float(exact_log_p(body)[[3, 12, 48, 51]].mean()), abs=1e-10)
    for _ in range(20):
        pull = share - torch.softmax(-top.free_energy(hidden), dim=0)
        top.weight.add_((hidden * pull[:, None]).t() @ top(hidden), alpha=0.1)
        top.log_z.fill_(log_partition(top)[0])
        bounds.append(float(exact_bound(body, rows).mean()))
    assert np.all(np.diff(bounds) > 0)
    assert float(exact_log_p(body)[[3, 12, 48, 51]].mean()) >= bounds[-1] > bounds[0]


def test_one_layer_is_the_restricted_machine():
    one = DeepBeliefNetwork(hidden_layer_sizes=(4,), n_epochs=5, random_state=3).fit(PATTERNS)
    machine = RestrictedBoltzmannMachine(n_components=4, n_epochs=5, random_state=3).fit(PATTERNS)
    for verb in ("transform", "score_samples", "reconstruct"):
        assert getattr(one, verb)(PATTERNS[::9]).tolist() == getattr(machine, verb)(PATTERNS[::9]).tolist()
    assert one.sample(4, random_state=1).tolist() == machine.sample(4, random_state=1).tolist()


def test_layers_learn_one_after_the_other():
    network = DeepBeliefNetwork(hidden_layer_sizes=(4, 3), n_epochs=4, random_state=0)
    network.partial_fit(PATTERNS)
    seen = []
    for _ in range(9):
        before = [layer.weight.clone() for layer in network.network_.body.layers]
        network.partial_fit(PATTERNS)
        after = [layer.weight for layer in network.network_.body.layers]
        seen.append([not torch.equal(a, b) for a, b in zip(before, after, strict=True)])
    assert seen == [[True, False]] * 3 + [[False, True]] * 6
    assert network.n_iter_ == 10
    assert len(DeepBeliefNetwork(hidden_layer_sizes=(4, 3), n_epochs=4).fit(PATTERNS).history_["train_loss"]) == 8


def test_of_few_rows_each_layer_makes_as_many_passes_as_are_enough_steps():
    assert [DeepBeliefNetwork().n_passes(n) for n in (50, 100, 60_000)] == [300, 150, 20]
    network = DeepBeliefNetwork(hidden_layer_sizes=(3, 2), random_state=0).fit(PATTERNS)
    assert network.n_iter_ == 2 * 150


def test_the_second_layer_begins_at_the_means_of_the_first():
    network = DeepBeliefNetwork(hidden_layer_sizes=(4, 3), n_epochs=1, random_state=0).partial_fit(PATTERNS)
    first, second = network.network_.body.layers
    torch.testing.assert_close(second.visible_mean, first.hidden_mean)
    torch.testing.assert_close(torch.sigmoid(second.visible_bias), first.hidden_mean)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_patterns_become_likely_and_are_drawn(seed):
    network = DeepBeliefNetwork(hidden_layer_sizes=(12, 8), n_epochs=800, random_state=seed).fit(PATTERNS)
    constant = -6 * np.log(2)
    assert network.score(PATTERNS) > -3.6 > constant
    drawn = network.sample(100, random_state=0).round()
    assert (drawn[:, None] == PATTERNS[::20]).all(axis=2).any(axis=1).mean() > 0.4  # 3 of 64 rows drawn evenly


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_the_layers_are_those_of_a_feed_forward_network(visible):
    network = DeepBeliefNetwork(hidden_layer_sizes=(5, 3), visible=visible, n_epochs=3, random_state=0).fit(PATTERNS)
    given = network.hidden_layers()
    h = given.inputs.standard.apply(PATTERNS, np.float64)
    for weight, bias in given.layers:
        h = 1 / (1 + np.exp(-(h @ weight.numpy().T + bias.numpy())))
    np.testing.assert_allclose(h, network.transform(PATTERNS), atol=1e-12)
    assert (given.sizes, given.activation) == ((5, 3), "sigmoid")


def test_a_layer_at_least_is_asked_for():
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        DeepBeliefNetwork(hidden_layer_sizes=()).fit(PATTERNS)
