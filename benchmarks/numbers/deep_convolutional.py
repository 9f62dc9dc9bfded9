"""The numbers of the Deep Convolutional Network."""

import time
from functools import cache

from figures import Figure, public_images

from nnzoo import DeepConvolutionalNetwork


@cache
def first_minute(seed: int) -> tuple[float, float]:
    """Return the test accuracy on Fashion-MNIST after 14 epochs of the default network, and the seconds they took."""
    X, y, X_test, y_test = public_images("fashion-mnist")
    net = DeepConvolutionalNetwork(
        kind="image", schedule="one_cycle", n_epochs=14, early_stopping=False, random_state=seed
    )
    start = time.perf_counter()
    net.fit(X, y)
    return float(net.score(X_test, y_test)), time.perf_counter() - start


def longer(seed: int) -> float:
    """Return the test accuracy on Fashion-MNIST after 30 epochs with images moved and mirrored."""
    X, y, X_test, y_test = public_images("fashion-mnist")
    net = DeepConvolutionalNetwork(
        kind="image",
        augment="shift_flip",
        dropout=0.1,
        schedule="one_cycle",
        n_epochs=30,
        early_stopping=False,
        random_state=seed,
    )
    return float(net.fit(X, y).score(X_test, y_test))


def lenet(seed: int) -> float:
    """Return the test accuracy of LeNet-5 on MNIST after 15 epochs with images moved."""
    X, y, X_test, y_test = public_images("mnist")
    net = DeepConvolutionalNetwork.lenet5(
        kind="image", augment="shift", schedule="one_cycle", n_epochs=15, early_stopping=False, random_state=seed
    )
    return float(net.fit(X, y).score(X_test, y_test))


TABLE = "benchmark table of github.com/zalandoresearch/fashion-mnist"
FIGURES = (
    Figure(
        "test accuracy, Fashion-MNIST, default network (94,410 weights), 14 epochs",
        0.92,
        "own target",
        "",
        "up",
        lambda seed: first_minute(seed)[0],
    ),
    Figure(
        "seconds that these 14 epochs take, on two cores",
        60.0,
        "own target",
        "",
        "down",
        lambda seed: first_minute(seed)[1],
    ),
    Figure(
        "test accuracy, Fashion-MNIST, fewer than 100,000 weights",
        0.925,
        "paper",
        f"{TABLE}, two convolutions, fewer than 100,000 weights",
        "up",
        longer,
    ),
    Figure("test accuracy, MNIST, LeNet-5, images moved", 0.99, "own target", "", "up", lenet),
)
