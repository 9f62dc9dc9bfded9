"""The numbers of the inverse graphics network: the factors of drawn shapes, each from the numbers of the code it owns."""

from functools import cache

import numpy as np
from figures import Figure

from nnzoo import InverseGraphicsNetwork
from nnzoo.data.shapes import random_shapes, shape_batches
from nnzoo.evaluation.disentanglement import explained_shares, information_gap

N_SEEDS, SIDE = 3, 16
N_BATCHES, N_FRESH = 2_500, 3_000
SIZES, ANGLE = (1, 1, 2, 1, 1), 2
"""Numbers of the code of each factor, two for the angle, which goes round the whole circle."""


@cache
def trained(seed: int) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Return the codes of fresh shapes, their factors, and which numbers of the code belong together."""
    X, _, factors = shape_batches(N_BATCHES, side=SIDE, random_state=seed)
    fresh, values = random_shapes(N_FRESH, side=SIDE, random_state=10_000 + seed)
    net = InverseGraphicsNetwork(
        n_components=sum(SIZES), factor_sizes=SIZES, n_filters=(16, 32), hidden_layer_sizes=(128,),
        likelihood="gaussian", clamp_scale=30.0, n_epochs=20, batch_size=60, random_state=seed,
    ).fit(X, factors=factors)  # fmt: skip
    return net.transform(fresh), values, net.groups_


def shares(seed: int) -> np.ndarray:
    """Return R² of each factor (lines) from the numbers of each (columns), by a line."""
    codes, values, groups = trained(seed)
    return explained_shares(codes, values, groups=groups, circles=[ANGLE])


def own(seed: int) -> float:
    """Return the smallest R² of a factor from its own numbers."""
    return float(np.diag(shares(seed)).min())


def other(seed: int) -> float:
    """Return the largest R² of a factor from the numbers of another."""
    found = shares(seed)
    return float((found - np.diag(np.diag(found))).max())


def gap(seed: int) -> float:
    """Return the mutual information gap."""
    codes, values, groups = trained(seed)
    return information_gap(codes, values, groups=groups)


WHAT = "of place, angle, size and light of drawn shapes"
FIGURES = (
    Figure(f"R² {WHAT} from their own numbers, the smallest", 0.9, "own target", "", "up", own, N_SEEDS, by="all"),
    Figure(f"R² {WHAT} from other numbers, the largest", 0.1, "own target", "", "down", other, N_SEEDS, by="all"),
)
