"""The numbers of the deep belief network: what rows without labels are worth where there are few labels."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from figures import Figure, public_images

from nnzoo import DeepBeliefNetwork, DeepFeedForward

SIZES = (256, 256)
UNLABELLED = 20_000


@cache
def stack(name: str, seed: int) -> Any:
    """Return a stack that has seen images without their labels."""
    X = public_images(name)[0][:UNLABELLED]
    return DeepBeliefNetwork(hidden_layer_sizes=SIZES, n_epochs=10, kind="image", random_state=seed).fit(X)


def gain(name: str, n_labels: int) -> Callable[[int], float]:
    """Return by how much more of the test images are told right from a stack than from random weights."""

    def measure(seed: int) -> float:
        X, y, X_test, y_test = public_images(name)
        chosen = np.random.default_rng(seed).permutation(UNLABELLED)[:n_labels]
        shares = []
        for start in (stack(name, seed), None):
            net = DeepFeedForward(
                hidden_layer_sizes=SIZES, activation="sigmoid", start_from=start, learning_rate=2e-3, batch_size=50,
                n_epochs=200, kind="image", random_state=seed,
            )  # fmt: skip
            shares.append(net.fit(X[chosen], y[chosen]).score(X_test, y_test))
        return shares[0] - shares[1]

    return measure


FIGURES = tuple(
    Figure(f"gain over a random start, {name}, {n:,} labels", 0.0, "own target", "", "up", gain(name, n), by="all")
    for name in ("mnist", "fashion-mnist")
    for n in (100, 1_000)
)
