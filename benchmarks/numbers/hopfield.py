"""The numbers of the Hopfield network: how much it holds, and that its energy never rises."""

from collections.abc import Callable

import numpy as np
from figures import Figure

from nnzoo import HopfieldNetwork

N = 1000


def overlap_at(load: float) -> Callable[[int], float]:
    """Return how like itself a stored pattern of 1,000 units still is where recall from it ends, on average."""

    def measure(seed: int) -> float:
        X = _signs(np.random.default_rng(seed), round(load * N), N)
        network = HopfieldNetwork().fit(X)
        probes = X[:20]
        return float((np.sign(network.predict(probes)) * probes).mean())

    return measure


def exact(n_patterns: int, rule: str = "hebb") -> Callable[[int], float]:
    """Return the share of patterns of 100 units that come back exactly after 15 % of the units were turned round."""

    def measure(seed: int) -> float:
        draw = np.random.default_rng(seed)
        shares = []
        for _ in range(20):
            X = _signs(draw, n_patterns, 100)
            turned = np.where(draw.random(X.shape).argsort(axis=1) < 15, -X, X)
            shares.append(HopfieldNetwork(rule=rule).fit(X).recall_rate(turned, X))
        return float(np.mean(shares))

    return measure


def rise_of_energy(seed: int) -> float:
    """Return the largest rise of the energy in a sweep, over 200 recalls of 100 units at a load of 0.3."""
    draw = np.random.default_rng(seed)
    network = HopfieldNetwork().fit(_signs(draw, 30, 100))
    body = network.network_.body
    states = body.memory.state_of(network._to_inputs(_signs(draw, 200, 100)))
    energies = [body.memory.energy(s).numpy() for s in (states, *body.recall.sweeps(states))]
    return float(np.diff(energies, axis=0).max())


def kept(seed: int) -> float:
    """Return the share of 90 patterns of 100 units that the pseudo-inverse keeps."""
    X = _signs(np.random.default_rng(seed), 90, 100)
    return HopfieldNetwork(rule="pseudo_inverse").fit(X).score(X)


def _signs(draw: np.random.Generator, n_patterns: int, n_units: int) -> np.ndarray:
    return np.where(draw.random((n_patterns, n_units)) < 0.5, -1.0, 1.0)


KIT = "hopfieldkit 0.1.0, table of its README, 20 trials"
FIGURES = (
    Figure(
        "overlap with a stored pattern, N = 1,000, load 0.13 (capacity 0.138)", 0.97, "own target", "", "up",
        overlap_at(0.13),
    ),
    Figure(
        "overlap with a stored pattern, N = 1,000, load 0.16 (capacity 0.138)", 0.9, "own target", "", "down",
        overlap_at(0.16),
    ),
    # 20 trials leave two standard errors of 0.1 and 0.21; none of 20 is likely up to a rate of 0.14.
    Figure("exact recall, N = 100, 15 % turned, 7 patterns", 0.95, "paper", KIT, "equal", exact(7), tolerance=0.1),
    Figure("exact recall, N = 100, 15 % turned, 13 patterns", 0.65, "paper", KIT, "equal", exact(13), tolerance=0.21),
    Figure("exact recall, N = 100, 15 % turned, 25 patterns", 0.0, "paper", KIT, "equal", exact(25), tolerance=0.14),
    Figure("largest rise of the energy in a sweep", 1e-12, "theorem", "Hopfield 1982", "down", rise_of_energy, by="all"),
    Figure(
        "90 patterns of 100 units kept by the pseudo-inverse", 1.0, "theorem", "Personnaz, Guyon & Dreyfus 1985", "up",
        kept, by="all",
    ),
)  # fmt: skip
