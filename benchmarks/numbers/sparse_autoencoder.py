"""The numbers of the sparse autoencoder, on patches of clothes, beside those of scikit-learn's dictionary learning."""

from functools import cache

import numpy as np
from figures import Figure, public_images
from sklearn.decomposition import MiniBatchDictionaryLearning

from nnzoo import SparseAutoencoder

SIDE, N_UNITS, N_ACTIVE = 8, 128, 16


def patches(images: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Return n patches of 8 x 8 from 0 to 1, from anywhere in the images but where all pixels are the same."""
    draw, found = np.random.default_rng(seed), []
    while len(found) < n:
        image, row, column = draw.integers(len(images)), *draw.integers(images.shape[1] - SIDE + 1, size=2)
        patch = images[image, row : row + SIDE, column : column + SIDE]
        if patch.min() < patch.max():
            found.append(patch.ravel() / 255)
    return np.array(found)


@cache
def standard_patches() -> tuple[np.ndarray, np.ndarray]:
    """Return 20,000 training and 5,000 test patches, less the mean patch and over the deviation of all pixels."""
    X, _, X_test, _ = public_images("fashion-mnist")
    known, fresh = patches(X, 20_000, 0), patches(X_test, 5_000, 1)
    return tuple((each - known.mean(axis=0)) / known.std() for each in (known, fresh))  # pyright: ignore[reportReturnType]


def explained(rows: np.ndarray, rebuilt: np.ndarray) -> float:
    """Return the share of the variance of rows that comes back."""
    return 1 - float(np.square(rows - rebuilt).sum() / np.square(rows - rows.mean(axis=0)).sum())


@cache
def trained(seed: int) -> SparseAutoencoder:
    """Return 128 units of which 16 answer to a patch."""
    return SparseAutoencoder(
        n_components=N_UNITS, k=N_ACTIVE, schedule="cosine", batch_size=128, n_epochs=40, early_stopping=False,
        random_state=seed,
    ).fit(standard_patches()[0])  # fmt: skip


def beyond_dictionary(seed: int) -> float:
    """Return the variance explained by 16 numbers, less that of scikit-learn's dictionary with matching pursuit."""
    known, fresh = standard_patches()
    peer = MiniBatchDictionaryLearning(
        N_UNITS, batch_size=256, max_iter=10, transform_algorithm="omp", transform_n_nonzero_coefs=N_ACTIVE,
        random_state=seed,
    ).fit(known)  # fmt: skip
    return explained(fresh, trained(seed).reconstruct(fresh)) - explained(
        fresh, peer.transform(fresh) @ peer.components_
    )


def dead(seed: int) -> float:
    """Return the share of the units that answer to no training patch."""
    return trained(seed).dead_fraction_


FIGURES = (
    Figure(
        "explained variance of 8 x 8 patches of Fashion-MNIST by 16 of 128 units, less MiniBatchDictionaryLearning's",
        0.0,
        "own target",
        "",
        "up",
        beyond_dictionary,
        n_seeds=3,
        by="all",
    ),
    Figure("dead units of these, as a share", 0.01, "own target", "", "down", dead, n_seeds=3, by="all"),
)
