"""What Boltzmann machines share: units drawn by chance, all states of a few units, and log Z.

    p(s) = exp(-E(s)) / Z,  log Z = log Σ_s exp(-E(s))

Few units have few states, which are added up: those of some units and those of the others, each pair a cell of one
table. Else log Z comes from chains that begin in a machine whose log Z is known and go through many machines between
that one and the one in question (annealed importance sampling):

    log w ← log w + log p*_k(s) - log p*_{k-1}(s), then s moves by a step that leaves p_k as it is;  Z / Z₀ = ⟨w⟩

Sources: Neal 2001; Salakhutdinov & Murray 2008.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor

from nnzoo.checks import Range, Truth, Whole

CHAIN_RANGES: dict[str, Range] = {
    "n_gibbs_steps": Whole(1, 10_000),
    "n_chains": Whole(1, 100_000),
    "centering": Truth(),
}
"""Ranges of what machines take that learn from chains."""
STATES_AT_ONCE = 4096


def drawn(probability: Tensor, generator: torch.Generator) -> Tensor:
    """Return units that are 1 with their probability, else 0; in a third of the time that torch.bernoulli takes."""
    chance = torch.rand(probability.shape, dtype=probability.dtype, device=probability.device, generator=generator)
    return chance.lt_(probability)


def generator_of(random_state: int | np.random.RandomState | None, device: torch.device) -> torch.Generator:
    """Return a generator on the device that begins where ``random_state`` says."""
    return torch.Generator(device).manual_seed(int(check_random_state(random_state).randint(2**31 - 1)))


def all_states(n_units: int, like: Tensor, at_once: int = STATES_AT_ONCE) -> Iterator[Tensor]:
    """Yield all 2ⁿ states of n units of 0 and 1, some at a time: (n_states, n_units); the last unit changes first.

    Parameters
    ----------
    n_units : int
    like : Tensor
        Whose type and device the states have.
    at_once : int
    """
    places = torch.arange(n_units - 1, -1, -1, device=like.device)
    for part in torch.arange(2**n_units, device=like.device).split(at_once):
        yield (part[:, None] >> places & 1).to(like)


def states_at_once(n_units: int, like: Tensor) -> Tensor:
    """Return all 2ⁿ states of a few units: (n_states, n_units)."""
    return next(all_states(n_units, like, at_once=2**n_units))


def log_sum(log_weight: Callable[[Tensor], Tensor], n_units: int, like: Tensor) -> float:
    """Return log Σ_s exp(log_weight(s)) over all states of some units, of states (n_states, n_units) some at a time."""
    parts = [log_weight(states).double().logsumexp(dim=0) for states in all_states(n_units, like)]
    return float(torch.stack(parts).logsumexp(dim=0))


def log_table(left: Tensor, right: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return -E of the first units in each state of ``left`` with the others in each of ``right``.

    All pairs are one product, so 2²⁰ states take as long as some hundred rows in a layer.

    Parameters
    ----------
    left, right : Tensor of shape (n_left, n_first) and (n_right, n_units - n_first)
    weight, bias : Tensor of shape (..., n_units, n_units) and (..., n_units)
        Of one machine or of many.

    Returns
    -------
    Tensor of shape (..., n_left, n_right)
    """
    n = left.shape[1]

    def within(s: Tensor, part: slice) -> Tensor:
        return 0.5 * ((s @ weight[..., part, part]) * s).sum(dim=-1) + (s @ bias[..., part, None])[..., 0]

    first, last = slice(0, n), slice(n, None)
    across = left @ weight[..., first, last] @ right.t()
    return within(left, first)[..., :, None] + within(right, last)[..., None, :] + across


def second_moments(left: Tensor, right: Tensor, p: Tensor) -> Tensor:
    """Return ⟨s sᵀ⟩ from the probabilities of the pairs of :func:`log_table`: (..., n_units, n_units).

    As units are 0 or 1, its diagonal is their means.
    """
    across = left.t() @ p @ right
    first = left.t() @ (p.sum(dim=-1)[..., None] * left)
    last = right.t() @ (p.sum(dim=-2)[..., None] * right)
    return torch.cat([torch.cat([first, across], dim=-1), torch.cat([across.mT, last], dim=-1)], dim=-2)


def free_moments(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Return ⟨s sᵀ⟩ and log Z of one machine, or of many, over all states: (..., n_units, n_units) and (...)."""
    n_units = bias.shape[-1]
    left, right = (states_at_once(n, weight) for n in (n_units // 2, n_units - n_units // 2))
    table = log_table(left, right, weight, bias)
    log_z = table.flatten(-2).logsumexp(dim=-1)
    return second_moments(left, right, (table - log_z[..., None, None]).exp_()), log_z


def clamped_moments(v: Tensor, share: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the mean of ⟨s sᵀ⟩ with visible units held at each row, and of each ⟨h⟩ and log Σ_h exp(-E(v, h)).

    Parameters
    ----------
    v, share : Tensor of shape (n, n_visible) and (n,)
        Rows, and the share of each in the mean.
    weight, bias : as for :func:`log_table`

    Returns
    -------
    moments, hidden, log_weight : Tensor of shape (..., n_units, n_units), (..., n, n_hidden) and (..., n)
    """
    states = states_at_once(bias.shape[-1] - v.shape[1], weight)
    table = log_table(v, states, weight, bias)
    log_weight = table.logsumexp(dim=-1)
    p = (table - log_weight[..., None]).exp_()
    return second_moments(v, states, p * share[:, None]), p @ states, log_weight


def anneal(
    states: Tensor,
    gain: Callable[[Tensor, float, float], Tensor],
    move: Callable[[Tensor, float], Tensor],
    n_temperatures: int,
) -> tuple[Tensor, Tensor]:
    """Take states from a machine that is known to one in question; returns them and what log p* gained on the way.

    Parameters
    ----------
    states : Tensor of shape (n_chains, ...)
        Drawn from the machine that is known, the one at β = 0.
    gain : callable
        States, β before and β after to log p*_after(s) - log p*_before(s): (n_chains,).
    move : callable
        States and β to states, by a step that leaves p_β as it is.
    n_temperatures : int
        Machines on the way, that in question, at β = 1, the last.

    Returns
    -------
    states, log_weight : Tensor
        (n_chains, ...) and (n_chains,), float64.
    """
    log_weight = torch.zeros(len(states), dtype=torch.float64, device=states.device)
    for before, beta in pairwise(np.linspace(0.0, 1.0, n_temperatures + 1).tolist()):
        log_weight += gain(states, before, beta)
        states = move(states, beta)
    return states, log_weight


def log_mean(log_weight: Tensor) -> tuple[float, float]:
    """Return the logarithm of the mean weight of chains, and its standard error."""
    mean = log_weight.logsumexp(dim=0) - np.log(len(log_weight))
    return float(mean), float((log_weight - mean).exp().std() / np.sqrt(len(log_weight)))
