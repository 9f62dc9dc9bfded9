"""The numbers of the Capsule Network: digits that stand elsewhere than in training."""

from functools import cache

import numpy as np
from figures import Figure

from nnzoo import CapsuleNetwork, DeepConvolutionalNetwork

N_SEEDS, LARGEST_SHIFT, SIDE = 3, 2, 16


@cache
def digits(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return centred training digits and test digits moved by up to two pixels, on a ground of 16 x 16, with labels."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    found = load_digits()
    images = np.pad(found.images, ((0, 0), *[((SIDE - 8) // 2,) * 2] * 2))
    X, X_test, y, y_test = train_test_split(images, found.target, test_size=0.5, random_state=seed)
    shifts = np.random.default_rng(seed).integers(-LARGEST_SHIFT, LARGEST_SHIFT + 1, (len(X_test), 2))
    moved = np.stack([np.roll(image, shift, axis=(0, 1)) for image, shift in zip(X_test, shifts, strict=True)])
    return X.astype(np.uint8), y, moved.astype(np.uint8), y_test


def gain(seed: int) -> float:
    """Return by how much the accuracy on moved digits is above that of a convolutional network of as many weights."""
    X, y, X_test, y_test = digits(seed)
    how = {"n_epochs": 30, "batch_size": 64, "schedule": "one_cycle", "random_state": seed}
    capsules = CapsuleNetwork(**how).fit(X, y)
    # 67,683 weights; the capsules have 67,424 without the decoder.
    plain = DeepConvolutionalNetwork(n_filters=(32, 64), hidden_layer_sizes=(47,), dropout=0.0, **how).fit(X, y)
    return float(capsules.score(X_test, y_test) - plain.score(X_test, y_test))


FIGURES = (
    Figure(
        "accuracy on digits moved by up to 2 pixels, trained on centred ones, above a convolutional network",
        0.0,
        "own target",
        "",
        "up",
        gain,
        n_seeds=N_SEEDS,
        by="all",
    ),
)
