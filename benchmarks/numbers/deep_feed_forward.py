"""The numbers of the Deep Feed Forward network."""

import numpy as np
import torch
from figures import Figure, public_images

from nnzoo import DeepFeedForward
from nnzoo.networks.deep_feed_forward import DeepFeedForwardBody
from nnzoo.networks.parts import TableInput

WIDTH, N_LAYERS = 1024, 30


def accuracy(name: str, seed: int, **params: object) -> float:
    """Return the test accuracy on a public set of images, trained on all training images."""
    X, y, X_test, y_test = public_images(name)
    cycle = {"schedule": "one_cycle", "early_stopping": False, "kind": "image", "random_state": seed}
    return float(DeepFeedForward(**(cycle | params)).fit(X, y).score(X_test, y_test))


def fashion(seed: int) -> float:
    """Return the accuracy of the network of the table, after 12 epochs."""
    return accuracy("fashion-mnist", seed, hidden_layer_sizes=(256, 128, 100), n_epochs=12)


def fashion_wider(seed: int) -> float:
    """Return the accuracy of the widths that minutes allow."""
    return accuracy("fashion-mnist", seed, hidden_layer_sizes=(512, 256), dropout=0.2, n_epochs=20)


def mnist(seed: int) -> float:
    """Return the accuracy on MNIST after 20 epochs."""
    return accuracy("mnist", seed, hidden_layer_sizes=(512, 256), dropout=0.3, n_epochs=20)


def change_of_second_moment(seed: int) -> float:
    """Return by what factor the mean square of 30 ReLU layers differs between the first and the last one, at least 1."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        body = DeepFeedForwardBody(TableInput(WIDTH, {}), (WIDTH,) * N_LAYERS, init="he")
        moments = []
        with torch.inference_mode():
            h = torch.randn(256, WIDTH)
            for layer in body.layers():
                h = layer(h)
                moments.append(float(h.square().mean()))
    return float(np.exp(abs(np.log(moments[-1] / moments[0]))))


TABLE = "benchmark table of github.com/zalandoresearch/fashion-mnist"
FIGURES = (
    Figure("test accuracy, Fashion-MNIST, 256-128-100", 0.8833, "paper", TABLE, "up", fashion),
    Figure("test accuracy, Fashion-MNIST, 512-256, dropout", 0.89, "own target", "", "up", fashion_wider),
    Figure("test accuracy, MNIST, 512-256, dropout", 0.985, "own target", "", "up", mnist),
    Figure(
        "factor between the mean squares of the first and the last of 30 ReLU layers, He's weights",
        2.0,
        "theorem",
        "He et al. 2015, equation 10: variance 2/n keeps it",
        "down",
        change_of_second_moment,
        n_seeds=10,
    ),
)
