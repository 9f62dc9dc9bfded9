"""Truncated backpropagation: what one window costs, what is carried, where a sequence counts, and how much is kept."""

import numpy as np
import pytest
import torch

from nnzoo import GRU, LSTM, RNN
from nnzoo.engine.batches import Batch
from nnzoo.engine.device import Arithmetic
from nnzoo.engine.steps import Steps
from nnzoo.heads import HEADS
from nnzoo.ragged import Ragged
from nnzoo.training.gradient import GradientSettings
from nnzoo.training.truncated import TruncatedTrainer

LENGTHS = np.array([7, 4, 12, 1])
ROW_LOSS = HEADS["regression"].row_loss


def series(seed=0):
    return Ragged(np.random.default_rng(seed).normal(size=(LENGTHS.sum(), 2)), LENGTHS)


def net(cls=RNN, **settings):
    """Return a trained network of one layer that computes in float64."""
    y = np.random.default_rng(1).normal(size=len(LENGTHS))
    chosen = {"task": "regression", "n_hidden": 3, "n_epochs": 1, "random_state": 0, "precision": "float64"}
    found = cls(**chosen, early_stopping=False, **settings)
    return found.fit(series()) if settings.get("output") == "next" else found.fit(series(), y)


def batch_of(network, rows, target):
    return Batch(network._to_inputs(rows), target, None)


def trainer(network, n_steps, **settings):
    chosen = GradientSettings(**({"learning_rate": 0.0, "optimizer": "sgd"} | settings))
    return TruncatedTrainer(network, ROW_LOSS, chosen, Arithmetic(torch.float64), n_steps=n_steps)


@pytest.mark.parametrize("cls", [RNN, LSTM, GRU])
@pytest.mark.parametrize("n_steps", [1, 3, 5, 100])
def test_the_loss_is_that_of_the_whole_sequences_because_the_state_is_carried(cls, n_steps):
    found = net(cls)
    y = torch.randn(len(LENGTHS), 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    batch = batch_of(found, series(), y)
    scores = torch.from_numpy(found._scores_of(series()))
    whole = float(ROW_LOSS(scores, y).mean())
    assert trainer(found.network_, n_steps).measure(batch) == pytest.approx(whole, rel=1e-9)


@pytest.mark.parametrize("n_steps", [1, 3, 100])
def test_the_loss_of_steps_is_the_mean_over_all_steps(n_steps):
    found = net(GRU, output="next")
    rows = series()
    target = torch.randn(LENGTHS.sum(), 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    batch = batch_of(found, rows, Steps.of(rows, target))
    with torch.inference_mode():
        inputs = found.network_.scaling(batch.inputs)
        outputs, _ = found.network_.body.advance(inputs, None)
        scores = found.network_.head(found.network_.body.flat(outputs, inputs))
    whole = float(ROW_LOSS(scores, target).mean())
    assert trainer(found.network_, n_steps).measure(batch) == pytest.approx(whole, rel=1e-9)


def test_no_gradient_goes_back_beyond_the_window():
    """The gradient of the last window, by hand: the state that comes in is a number."""
    found = net(RNN)
    network = found.network_
    rows = Ragged(series().values[:8], np.array([8]))
    y = torch.tensor([[0.3]], dtype=torch.float64)
    one = trainer(network, 5)
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    one.step(batch_of(found, rows, y), torch.Generator())
    learned = {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}

    steps = found._to_inputs(rows)
    first, last = steps.windows(5)
    network.zero_grad(set_to_none=True)
    network.train()
    _, carried = network.body.advance(network.scaling(first), None)
    _, end = network.body.advance(network.scaling(last), carried.detached())
    ROW_LOSS(network.head(network.body.summary(end)), y).mean().backward()
    by_hand = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    factor = one.settings.clip_norm
    norm = torch.sqrt(sum((g**2).sum() for g in by_hand.values()))
    scale = 1.0 if factor is None or norm <= factor else factor / float(norm)
    assert by_hand.keys() == learned.keys()
    for name, gradient in by_hand.items():
        torch.testing.assert_close(learned[name], gradient * scale, rtol=1e-5, atol=1e-9)


def test_every_window_moves_the_weights_that_has_a_target():
    found = net(GRU, output="next")
    rows = series()
    target = torch.zeros(LENGTHS.sum(), 2, dtype=torch.float64)
    one = trainer(found.network_, 5, learning_rate=0.1)
    moved = []
    step = one.optimizer.step
    one.optimizer.step = lambda *a, **k: (moved.append(1), step(*a, **k))[1]
    one.step(batch_of(found, rows, Steps.of(rows, target)), torch.Generator())
    assert len(moved) == 3


@pytest.mark.parametrize("output", ["sequence", "next"])
def test_a_window_longer_than_all_sequences_learns_what_whole_sequences_teach(output):
    whole = net(GRU, output=output, clip_norm=None)
    windowed = net(GRU, output=output, clip_norm=None, bptt_steps=50)
    for (name, a), b in zip(whole.network_.named_parameters(), windowed.network_.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3, msg=name)
