"""The numbers of the liquid state machine."""

import math

import torch
from figures import Figure

from nnzoo import LiquidStateMachine
from nnzoo.data.timeseries import spike_templates
from nnzoo.networks.liquid_state import LiquidPool

CURRENTS = (1.02, 1.1, 1.3, 1.6, 2.0, 3.0, 5.0, 10.0)


def templates(seed: int) -> float:
    """Return the test accuracy on two Poisson templates of 500 ms at 20 Hz, spikes shifted by 4 ms: 500 to learn."""
    X, y = spike_templates(1_000, random_state=seed)
    net = LiquidStateMachine(hold=1, pooling="mean", random_state=seed).fit(X[:500], y[:500])
    return float(net.score(X[500:], y[500:]))


def rates(seed: int) -> float:
    """Return the largest difference, in ms, of the mean interval of spikes from t_ref + τ ln(I / (I - 1))."""
    found = []
    for current in CURRENTS:
        pool = LiquidPool(
            1, 1, link_length=2.0, link_scaling=0.0, input_scaling=1.0, background=current, tau=30.0, refractory=3,
            filter_tau=30.0, hold=1,
        ).double()  # fmt: skip
        n_ms = 20_000
        with torch.no_grad():
            pool(torch.zeros(1, n_ms, 1, dtype=torch.float64))
        found.append(abs(n_ms / pool.n_spikes - (3 + 30 * math.log(current / (current - 1)))))
    return max(found)


FIGURES = (
    Figure("test accuracy, two jittered spike templates", 0.95, "own target", "", "up", templates),
    Figure(
        "largest difference of an interval of spikes from the formula, in steps of 1 ms", 1.1, "theorem",
        "solution of the leaky integrate-and-fire equation", "down", rates, n_seeds=1,
    ),
)  # fmt: skip
