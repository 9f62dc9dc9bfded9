"""The numbers of the support vector machine."""

import numpy as np
from figures import Figure, public_images
from sklearn.datasets import load_digits

from nnzoo import SupportVectorMachine

GAMMA = 0.001
"""Of pixels from 0 to 16, as scikit-learn's example has it."""


def digits(seed: int) -> float:
    """Return the test accuracy on digits, the first half to train, with the kernel of scikit-learn's example.

    One scaling of all pixels leaves the kernel as it is, once γ is divided by the square of it.
    """
    X, y = load_digits(return_X_y=True)
    images, half = X.reshape(-1, 8, 8).astype(np.uint8), len(X) // 2
    net = SupportVectorMachine(gamma=GAMMA * images[:half].std() ** 2, kind="image").fit(images[:half], y[:half])
    return float(net.score(images[half:], y[half:]))


def gap(seed: int) -> float:
    """Return primal less dual, as a share of the primal, on two classes that overlap."""
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(500, 5))
    y = (X[:, 0] * X[:, 1] + X[:, 2] + 0.5 * draw.normal(size=500) > 0).astype(int)
    net = SupportVectorMachine(tol=1e-5).fit(X, y)
    weight = net.network_.head.weight.detach().numpy()[0]
    a = np.abs(weight)
    width = weight @ net.transform(X)[net.support_] @ weight
    primal = width / 2 + np.maximum(0, 1 - (2 * y - 1) * net.decision_function(X)).sum()
    return float((primal - (a.sum() - width / 2)) / primal)


def fashion(seed: int) -> float:
    """Return the test accuracy on Fashion-MNIST of 10,000 training images, C = 10."""
    X, y, X_test, y_test = public_images("fashion-mnist")
    chosen = np.random.default_rng(seed).permutation(len(X))[:10_000]
    net = SupportVectorMachine(C=10.0, kind="image").fit(X[chosen], y[chosen])
    return float(net.score(X_test, y_test))


EXAMPLE = "scikit-learn, example Recognizing hand-written digits"
STRONG = "strong duality of the quadratic programme, Cortes & Vapnik 1995"
FIGURES = (
    Figure(
        "test accuracy, digits, first half to train, γ 0.001", 0.97, "paper", EXAMPLE, "equal", digits, n_seeds=1,
        tolerance=0.005,
    ),
    Figure("duality gap as a share of the primal", 1e-3, "theorem", STRONG, "down", gap, by="all"),
    Figure("test accuracy, Fashion-MNIST, 10,000 images to train", 0.86, "own target", "", "up", fashion, n_seeds=3),
)  # fmt: skip
