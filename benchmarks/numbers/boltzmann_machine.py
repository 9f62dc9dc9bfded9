"""The numbers of the Boltzmann machine: encoder problems by the rule of their paper, many machines at once."""

from collections.abc import Callable

import numpy as np
import torch
from figures import Figure
from torch import Tensor

from nnzoo import BoltzmannMachine
from nnzoo.networks.boltzmann import log_table, second_moments, states_at_once

N_MACHINES, N_CYCLES, LOOK = 250, 2000, 10
STEP, DECAY, N_DRAWN = 0.5, 0.02, 100
"""As in the paper a weight moves by the same step whatever the difference is. Without decay some machines walk so far
away, step by step, that they do not come back."""
OFF, ON = 0.15, 0.05
"""How often a unit that is on is held off, and one that is off on: without this noise weights grow without end."""


def encoders_solved(n_codes: int, n_hidden: int) -> Callable[[int], float]:
    """Return the measure: how many of 250 machines come to tell, from one group of units, the other one.

    Two groups of ``n_codes`` units with one on in each, the same; they are joined within, not with each other, and both
    with the hidden units. A machine is done when, given either group, the other is right as its likeliest state.
    """

    def measure(seed: int) -> float:
        return float(np.isfinite(cycles_to_solution(n_codes, n_hidden, seed)).sum())

    return measure


def cycles_to_solution(n_codes: int, n_hidden: int, seed: int) -> np.ndarray:
    """Return after how many cycles each of 250 machines was done, infinity where it was not: (250,).

    The paper has 250 of 250, a median of 110 and at most 1,810 for four codes in two hidden units.

    A cycle draws 100 states with the visible units held, with noise, and 100 with none held, from their exact
    distributions, which the paper's annealing approximates; each weight moves by the sign of the difference.
    """
    generator = torch.Generator().manual_seed(seed)
    n = 2 * n_codes + n_hidden
    links = torch.ones(n, n, dtype=torch.float64).fill_diagonal_(0)
    links[:n_codes, n_codes : 2 * n_codes] = links[n_codes : 2 * n_codes, :n_codes] = 0
    weight, bias = torch.zeros(N_MACHINES, n, n, dtype=torch.float64), torch.zeros(N_MACHINES, n, dtype=torch.float64)
    visible, hidden = (states_at_once(size, links) for size in (2 * n_codes, n_hidden))
    held = _noisy_shares(n_codes, visible)
    done, running = np.full(N_MACHINES, np.inf), torch.arange(N_MACHINES)
    for cycle in range(1, N_CYCLES + 1):
        table = log_table(visible, hidden, weight[running], bias[running])
        clamped = table.softmax(dim=-1) * held[:, None]
        free = table.flatten(1).softmax(dim=1).unflatten(1, table.shape[1:])
        slope = _drawn_moments(clamped, visible, hidden, generator) - _drawn_moments(free, visible, hidden, generator)
        move = STEP * slope.sign()
        weight[running] = (1 - DECAY) * weight[running] + move * links
        bias[running] = (1 - DECAY) * bias[running] + move.diagonal(dim1=1, dim2=2)
        if cycle % LOOK == 0:
            solved = _is_solved(table.logsumexp(dim=-1), n_codes)
            done[running[solved].numpy()] = cycle
            running = running[~solved]
            if not len(running):
                break
    return done


def _noisy_shares(n_codes: int, visible: Tensor) -> Tensor:
    """Return how often each state of the visible units is held."""
    patterns = torch.eye(n_codes, dtype=torch.float64).repeat(1, 2)
    agree = torch.where(patterns > 0, 1 - OFF, 1 - ON)[:, None]
    each = torch.where(visible == patterns[:, None], agree, 1 - agree)
    return each.prod(dim=2).mean(dim=0)


def _drawn_moments(p: Tensor, visible: Tensor, hidden: Tensor, generator: torch.Generator) -> Tensor:
    """Return ⟨s sᵀ⟩ over states drawn from their probabilities (n_machines, n_visible_states, n_hidden_states)."""
    places = torch.multinomial(p.flatten(1), N_DRAWN, replacement=True, generator=generator)
    counts = torch.zeros_like(p.flatten(1)).scatter_add_(1, places, torch.ones_like(places, dtype=p.dtype))
    return second_moments(visible, hidden, counts.view_as(p) / N_DRAWN)


def _is_solved(log_weight: Tensor, n_codes: int) -> Tensor:
    """Return which machines complete either group rightly, from log Σ_h exp(-E) of the visible states."""
    pairs = log_weight.unflatten(1, (2**n_codes, 2**n_codes))
    ones = 2 ** torch.arange(n_codes)
    forwards = pairs[:, ones].argmax(dim=2) == ones
    backwards = pairs[:, :, ones].argmax(dim=1) == ones
    return (forwards & backwards).all(dim=1)


def gap_of_digits(seed: int) -> float:
    """Return by how much a test row of scikit-learn's digits is likelier than under independent units, in nats."""
    from sklearn.datasets import load_digits

    X = load_digits(return_X_y=True)[0]
    found = BoltzmannMachine(random_state=seed).fit(X[::2]).measures(X[1::2], X[::2])
    return float((found.values - found.competitors[0].values).mean())


FIGURES = (
    Figure(
        "4-2-4 encoders solved within 2,000 cycles, of 250", 245, "own target", "", "up", encoders_solved(4, 2), by="all"
    ),
    Figure(
        "log-likelihood of test rows, digits as units, above independent units, in nats", 7, "own target", "", "up",
        gap_of_digits,
    ),
)  # fmt: skip
