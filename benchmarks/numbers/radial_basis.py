"""The numbers of the radial basis network."""

import numpy as np
from figures import Figure
from sklearn.datasets import load_digits
from sklearn.linear_model import LinearRegression

from nnzoo import RadialBasisNetwork

DELAY, AHEAD, LAGS = 17, 85, (0, 6, 12, 18)


def against_scipy(seed: int) -> float:
    """Return the largest difference from scipy's interpolation, at 500 new points of a smooth surface of 200."""
    from scipy.interpolate import RBFInterpolator

    draw = np.random.default_rng(seed)
    X = draw.uniform(-1, 1, size=(200, 2))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    y = np.sin(2 * X[:, 0]) * np.cos(X[:, 1])
    y = (y - y.mean()) / y.std()
    net = RadialBasisNetwork(task="regression", centers="all", kernel="multiquadric", width=0.5, ridge=0.0).fit(X, y)
    other = RBFInterpolator(X, y, kernel="multiquadric", epsilon=2**0.5, degree=-1)
    new = draw.uniform(-1, 1, size=(500, 2))
    return float(np.abs(net.predict(new) - other(new)).max())


def digits(seed: int) -> float:
    """Return the test accuracy on digits, the first half to train, of 500 centres by k-means."""
    X, y = load_digits(return_X_y=True)
    images = X.reshape(-1, 8, 8).astype(np.uint8)
    net = RadialBasisNetwork(n_centers=500, kind="image", random_state=seed).fit(images[:898], y[:898])
    return float(net.score(images[898:], y[898:]))


def mackey_glass(n: int, seed: int) -> np.ndarray:
    """Return dx/dt = 0.2 x(t-17) / (1 + x(t-17)¹⁰) - 0.1 x, a value a unit of time, by steps of 0.1 of Heun's method."""
    draw, per_unit = np.random.default_rng(seed), 10
    delay = DELAY * per_unit
    x = np.empty((n + 500) * per_unit + delay)
    x[: delay + 1] = 1.2 + 0.1 * draw.normal()

    def slope(now: float, past: float) -> float:
        return 0.2 * past / (1 + past**10) - 0.1 * now

    for t in range(delay, len(x) - 1):
        first = slope(x[t], x[t - delay])
        second = slope(x[t] + first / per_unit, x[t + 1 - delay])
        x[t + 1] = x[t] + (first + second) / (2 * per_unit)
    return x[delay + 500 * per_unit :: per_unit]


def forecast(seed: int) -> float:
    """Return the error 85 steps ahead of 500 centres as a share of that of a linear model on the same four lags."""
    x = mackey_glass(4_000, seed)
    start, end = max(LAGS), len(x) - AHEAD
    X = np.stack([x[start - lag : end - lag] for lag in LAGS], axis=1)
    y = x[start + AHEAD : end + AHEAD]
    X_train, y_train, X_test, y_test = X[:3_000], y[:3_000], X[3_100:], y[3_100:]
    net = RadialBasisNetwork(task="regression", n_centers=500, random_state=seed).fit(X_train, y_train)
    errors = [
        np.sqrt(np.mean((each.predict(X_test) - y_test) ** 2))
        for each in (net, LinearRegression().fit(X_train, y_train))
    ]
    return float(errors[0] / errors[1])


FIGURES = (
    Figure(
        "largest difference from scipy's RBFInterpolator, all rows as centres", 1e-8, "theorem",
        "Broomhead & Lowe 1988: the interpolant is unique", "down", against_scipy, by="all",
    ),
    Figure("test accuracy, digits, first half to train, 500 centres", 0.97, "own target", "", "up", digits),
    Figure(
        "error of Mackey-Glass 85 steps ahead as a share of a linear model's on the same lags", 0.5, "own target", "",
        "down", forecast,
    ),
)  # fmt: skip
