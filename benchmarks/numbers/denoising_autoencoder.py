"""The numbers of the denoising autoencoder."""

from collections.abc import Callable
from functools import cache

import numpy as np
from figures import Figure, public_images
from scipy.ndimage import median_filter
from sklearn.decomposition import PCA

from nnzoo import DeepFeedForward, DenoisingAutoencoder

DEVIATION = 0.3
N_UNLABELLED, N_HIDDEN = 20_000, 500


def decibels(clean: np.ndarray, cleaned: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio of images with pixels from 0 to 1."""
    return float(-10 * np.log10(np.mean(np.square(clean - cleaned, dtype=np.float64))))


def gain(seed: int) -> float:
    """Return by how many decibels clothes are cleaner than by the best of PCA and a median filter; noise of 0.3.

    Both peers are tried at several sizes, and the best by the test images counts.
    """
    X, _, X_test, _ = public_images("fashion-mnist")
    X, X_test = (each.astype(np.float32) / 255 for each in (X, X_test))
    noisy = X_test + DEVIATION * np.random.default_rng(seed).normal(size=X_test.shape).astype(np.float32)
    flat, flat_noisy = X.reshape(len(X), -1)[::3], noisy.reshape(len(noisy), -1)
    codes = PCA(256, random_state=0).fit(flat)
    centered = flat_noisy - codes.mean_
    peers = [decibels(X_test, median_filter(noisy, (1, size, size))) for size in (3, 5)]
    for k in (16, 32, 64, 128, 256):
        axes = codes.components_[:k]
        peers.append(decibels(X_test, (centered @ axes.T @ axes + codes.mean_).reshape(X_test.shape)))
    net = DenoisingAutoencoder(
        n_components=256, hidden_layer_sizes=(512,), noise="gaussian", corruption_level=DEVIATION / float(X.std()),
        learning_rate=2e-3, schedule="one_cycle", n_epochs=15, early_stopping=False, kind="image", random_state=seed,
    ).fit(X)  # fmt: skip
    return decibels(X_test, net.predict(noisy).reshape(X_test.shape)) - max(peers)


@cache
def pre_trained(seed: int) -> DenoisingAutoencoder:
    """Return one hidden layer of 500, trained on 20,000 images of MNIST without their labels."""
    return DenoisingAutoencoder(
        hidden_layer_sizes=(N_HIDDEN,), corruption_level=0.5, schedule="one_cycle", n_epochs=10, early_stopping=False,
        kind="image", random_state=seed,
    ).fit(public_images("mnist")[0][:N_UNLABELLED])  # fmt: skip


def few_labels(n_labels: int) -> Callable[[int], float]:
    """Return the measure: test accuracy from so many labels, begun with the layer above, less that of a random start."""

    def measure(seed: int) -> float:
        X, y, X_test, y_test = public_images("mnist")
        rows = np.random.default_rng(seed).permutation(N_UNLABELLED)[:n_labels]
        begun, drawn = (
            DeepFeedForward(
                hidden_layer_sizes=(N_HIDDEN,), start_from=start, n_epochs=50, kind="image", random_state=seed
            )
            .fit(X[rows], y[rows])
            .score(X_test, y_test)
            for start in (pre_trained(seed), None)
        )
        return begun - drawn

    return measure


FIGURES = (
    Figure(
        "decibels above the best of PCA and median filter, Fashion-MNIST", 2.0, "own target", "", "up", gain, n_seeds=3
    ),
    *(
        Figure(
            f"test accuracy on MNIST from {n:,} labels, begun with its layer, less that of a random start",
            0.01,
            "own target",
            "",
            "up",
            few_labels(n),
            n_seeds=3,
            by="all",
        )
        for n in (100, 1_000)
    ),
)
