"""The numbers of the Kohonen network: what theory says of its two ends, and its errors on images."""

import numpy as np
from figures import Figure, public_images
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from nnzoo import KohonenNetwork


def as_k_means(seed: int) -> float:
    """Return the largest difference of a map without neighbourhoods from k-means with the same start, on digits."""
    X, _ = load_digits(return_X_y=True)
    first = KohonenNetwork(n_rows=6, n_columns=6, n_epochs=1, sigma=0.05, decay=None, init="random", random_state=seed)
    units = _codebook(first.fit(X))
    means = KMeans(36, init=units, n_init=1, max_iter=20, tol=0, algorithm="lloyd").fit(_standardized(first, X))
    network = first.set_params(n_epochs=1 + means.n_iter_).fit(X)
    return float(np.abs(_codebook(network) - means.cluster_centers_).max())


def rise_of_energy(seed: int) -> float:
    """Return the largest rise of the energy in 30 passes with a fixed neighbourhood, as a share of it, on digits."""
    X, _ = load_digits(return_X_y=True)
    network = KohonenNetwork(
        n_rows=8, n_columns=8, sigma=1.0, decay=None, winner="averaged", init="random", n_epochs=1, random_state=seed,
        precision="float64",
    ).fit(X)  # fmt: skip
    h, Z, energies = network.network_.body.grid.neighborhood(1.0, "gaussian"), _standardized(network, X), []
    for _ in range(30):
        units = _codebook(network)
        squared = np.square(Z).sum(axis=1)[:, None] - 2 * Z @ units.T + np.square(units).sum(axis=1)
        energies.append((squared @ h).min(axis=1).sum())
        network.partial_fit(X)
    return float(np.diff(energies).max() / energies[-1])


def topographic(seed: int) -> float:
    """Return the topographic error of a map of hexagons on the 10,000 test images of Fashion-MNIST."""
    X, _, X_test, _ = public_images("fashion-mnist")
    chosen = np.random.default_rng(seed).permutation(len(X))[:10_000]
    return KohonenNetwork(grid="hexagonal", kind="image").fit(X[chosen]).topographic_error(X_test)


def quantization(seed: int) -> float:
    """Return its distance from the nearest unit there, in that of as many means by k-means."""
    X, _, X_test, _ = public_images("fashion-mnist")
    chosen = np.random.default_rng(seed).permutation(len(X))[:10_000]
    network = KohonenNetwork(kind="image").fit(X[chosen])
    rows, known = _standardized(network, X_test), _standardized(network, X[chosen])
    means = KMeans(100, n_init=1, random_state=seed).fit(known)
    return float(-network.score(X_test) / means.transform(rows).min(axis=1).mean())


def _codebook(network: KohonenNetwork) -> np.ndarray:
    return network.network_.body.units.codebook.double().numpy()


def _standardized(network: KohonenNetwork, X: np.ndarray) -> np.ndarray:
    return network._standardized(network._check_inputs(X))


FIGURES = (
    Figure(
        "largest difference from k-means with the same start, σ near 0, digits",
        1e-4,
        "theorem",
        "Lloyd's step is the limit of the batch rule",
        "down",
        as_k_means,
        by="all",
    ),
    Figure(
        "largest rise of the energy as a share of it, fixed σ, digits",
        1e-12,
        "theorem",
        "Heskes 1999",
        "down",
        rise_of_energy,
        by="all",
    ),
    Figure("topographic error, hexagons, Fashion-MNIST, test", 0.25, "own target", "", "down", topographic),
    Figure(
        "distance from the nearest of 100 units, in that from 100 means, Fashion-MNIST, test",
        1.1,
        "own target",
        "",
        "down",
        quantization,
    ),
)
