"""What Boltzmann machines share: units drawn by chance, all states of a few units, and log Z.

    p(s) = exp(-E(s)) / Z,  log Z = log Σ_s exp(-E(s))

Few units have few states, which are added up. Else log Z comes from chains that begin in a machine whose log Z is
known and go through many machines between that one and the one in question (annealed importance sampling):

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
    return torch.sub(probability, chance, out=chance).ceil_()


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


def log_sum(log_weight: Callable[[Tensor], Tensor], n_units: int, like: Tensor) -> float:
    """Return log Σ_s exp(log_weight(s)) over all states of some units, of states (n_states, n_units) some at a time."""
    parts = [log_weight(states).double().logsumexp(dim=0) for states in all_states(n_units, like)]
    return float(torch.stack(parts).logsumexp(dim=0))


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
