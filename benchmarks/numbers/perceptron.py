"""The numbers of the Perceptron."""

import numpy as np
from figures import Figure, public_images

from nnzoo import Perceptron


def fashion(seed: int) -> float:
    """Return the test accuracy of the averaged rule on Fashion-MNIST, pixels from 0 to 1."""
    X, y, X_test, y_test = public_images("fashion-mnist")
    net = Perceptron(average=True, random_state=seed).fit(_flat(X), y)
    return float(net.score(_flat(X_test), y_test))


def _flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1) / 255


def share_of_bound(seed: int) -> float:
    """Return the mistakes on separable rows as a share of (R/γ)², the most that Novikoff's theorem allows.

    The bias counts as a constant feature; γ is the margin of the line that the rows were labelled by, and any line's
    margin gives a bound.
    """
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(2_000, 10))
    line = draw.normal(size=11)
    line /= np.linalg.norm(line)
    with_bias = np.hstack([X, np.ones((len(X), 1))])
    distance = with_bias @ line
    kept = np.abs(distance) > 0.1
    net = Perceptron(tol=None, random_state=seed).fit(X[kept], distance[kept] > 0)
    largest = np.linalg.norm(with_bias[kept], axis=1).max()
    return net.n_mistakes_ / (largest / np.abs(distance[kept]).min()) ** 2


FIGURES = (
    Figure("test accuracy, Fashion-MNIST, average=True", 0.80, "own target", "", "up", fashion),
    Figure(
        "mistakes as a share of (R/γ)², 10 columns, margin 0.1",
        1.0,
        "theorem",
        "Novikoff 1962",
        "down",
        share_of_bound,
        by="all",
    ),
)
