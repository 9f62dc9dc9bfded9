"""The numbers of the Capsule Network: digits that stand elsewhere than in training, or that are bent."""

from functools import cache

import numpy as np
from figures import Figure

from nnzoo import CapsuleNetwork, DeepConvolutionalNetwork

N_SEEDS, LARGEST_SHIFT, SIDE = 3, 2, 16
N_PLACES, LARGEST_TURN, LARGEST_SHEAR, LARGEST_GROWTH = 4, 20.0, 0.2, 0.2
"""Places at which each digit is shown; then degrees, and shares, by which it is turned, sheared and stretched at most."""


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


def placed(images: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Return each image of 8 x 8 at a place drawn by lot, on a ground of 16 x 16 with an empty rim."""
    found = np.zeros((len(images), SIDE, SIDE))
    for ground, image, (i, j) in zip(found, images, draw.integers(1, SIDE - 8, (len(images), 2)), strict=True):
        ground[i : i + 8, j : j + 8] = image
    return found


def bent(images: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Return images turned, sheared and stretched about the middle of what they show."""
    from scipy.ndimage import affine_transform

    found = []
    for image in images:
        turn = np.deg2rad(draw.uniform(-LARGEST_TURN, LARGEST_TURN))
        shear = draw.uniform(-LARGEST_SHEAR, LARGEST_SHEAR)
        turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        back = turned @ [[1, shear], [0, 1]] @ np.diag(1 / draw.uniform(1 - LARGEST_GROWTH, 1 + LARGEST_GROWTH, 2))
        middle = np.argwhere(image > 0).mean(axis=0)
        found.append(affine_transform(image, back, offset=middle - back @ middle, order=1))
    return np.stack(found)


def gain_on_bent(seed: int) -> float:
    """Return by how much the accuracy on bent digits is above a convolutional network's; both learn plain ones anywhere.

    The paper's experiment on affNIST, smaller.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    found, draw = load_digits(), np.random.default_rng(seed)
    X, X_test, y, y_test = train_test_split(found.images, found.target, test_size=0.5, random_state=seed)
    X, y = placed(np.repeat(X, N_PLACES, axis=0), draw).astype(np.uint8), np.repeat(y, N_PLACES)
    X_test = bent(placed(X_test, draw), draw).round().clip(0, 16).astype(np.uint8)
    how = {"n_epochs": 30, "batch_size": 64, "schedule": "one_cycle", "random_state": seed}
    capsules = CapsuleNetwork(primary_dim=8, class_dim=16, learning_rate=5e-3, **how).fit(X, y)
    # 215,668 weights; the capsules have 216,046 without the decoder.
    plain = DeepConvolutionalNetwork(n_filters=(32, 64), hidden_layer_sizes=(190,), dropout=0.0, **how).fit(X, y)
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
    Figure(
        "accuracy on digits turned, sheared and stretched, trained on plain ones anywhere, above a convolutional network",
        0.0,
        "own target",
        "",
        "up",
        gain_on_bent,
        n_seeds=N_SEEDS,
        by="all",
    ),
)
