"""The numbers of the Feed Forward network."""

import numpy as np
from figures import Figure, public_images
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

from nnzoo import FeedForward


def mnist(seed: int) -> float:
    """Return the test accuracy of 512 hidden units on MNIST after 12 epochs."""
    X, y, X_test, y_test = public_images("mnist")
    net = FeedForward(
        n_hidden=512,
        dropout=0.2,
        schedule="one_cycle",
        n_epochs=12,
        early_stopping=False,
        kind="image",
        random_state=seed,
    )
    return float(net.fit(X, y).score(X_test, y_test))


def excess_over_least_squares(seed: int) -> float:
    """Return by what share the training loss of a network with identity activation exceeds that of least squares."""
    X, y = load_diabetes(return_X_y=True)
    net = FeedForward(
        task="regression", n_hidden=3, activation="identity", optimizer="lbfgs", weight_decay=0.0, random_state=seed
    )
    ours, least = (np.square(y - each.fit(X, y).predict(X)).mean() for each in (net, LinearRegression()))
    return float(ours / least - 1)


FIGURES = (
    Figure("test accuracy, MNIST, 784-512-10", 0.98, "own target", "", "up", mnist),
    Figure(
        "training loss above that of least squares, as a share of it, identity activation, diabetes",
        1e-4,
        "theorem",
        "W₂W₁ has full rank where n_hidden ≥ n_outputs",
        "down",
        excess_over_least_squares,
        by="all",
    ),
)
