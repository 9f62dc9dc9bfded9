"""The numbers of the extreme learning machine."""

import numpy as np
from figures import Figure, public_images

from nnzoo import ExtremeLearningMachine


def noisy_sinc(seed: int) -> float:
    """Return the test error of 20 sigmoid units on sin(x) / x: 5,000 rows with noise of ±0.2, 5,000 without."""
    draw = np.random.default_rng(seed)
    x, x_test = draw.uniform(-10, 10, size=(2, 5_000, 1))
    y = np.sinc(x[:, 0] / np.pi) + draw.uniform(-0.2, 0.2, 5_000)
    net = ExtremeLearningMachine(task="regression", n_hidden=20, input_scaling=5.0, ridge=1e-6, random_state=seed)
    return float(np.sqrt(np.mean((net.fit(x, y).predict(x_test) - np.sinc(x_test[:, 0] / np.pi)) ** 2)))


def interpolation(seed: int) -> float:
    """Return the largest error at 200 rows of 200 units, ridge 0; the targets are noise."""
    draw = np.random.default_rng(seed)
    X, y = draw.normal(size=(200, 8)), draw.normal(size=200)
    net = ExtremeLearningMachine(task="regression", n_hidden=200, activation="sin", ridge=0.0, random_state=seed)
    return float(np.abs(net.fit(X, y).predict(X) - y).max())


def fashion(seed: int) -> float:
    """Return the test accuracy of 2,000 units on Fashion-MNIST."""
    X, y, X_test, y_test = public_images("fashion-mnist")
    net = ExtremeLearningMachine(n_hidden=2_000, ridge=1.0, kind="image", random_state=seed).fit(X, y)
    return float(net.score(X_test, y_test))


HUANG = "Huang, Zhu & Siew 2006, theorem 2.1"
FIGURES = (
    Figure("test RMSE, noisy sinc, 20 units, 5,000 rows", 0.01, "own target", "", "down", noisy_sinc, n_seeds=20),
    Figure("largest error, 200 units at 200 rows", 1e-6, "theorem", HUANG, "down", interpolation, by="all"),
    Figure("test accuracy, Fashion-MNIST, 2,000 units", 0.85, "own target", "", "up", fashion),
)
