"""The numbers of the autoencoder: principal components where it is linear, less lost where it is not."""

import numpy as np
from figures import Figure, public_images, told_apart
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest

from nnzoo import Autoencoder


def as_components(seed: int) -> float:
    """Return the error of a linear autoencoder of 5 numbers on digits, in that of 5 principal components."""
    X, _ = load_digits(return_X_y=True)
    network = Autoencoder(
        n_components=5,
        hidden_layer_sizes=(),
        activation="identity",
        optimizer="lbfgs",
        precision="float64",
        random_state=seed,
    ).fit(X)
    Z = network._standardized(network._check_inputs(X))
    left_over = PCA().fit(Z).explained_variance_[5:].sum() * (len(Z) - 1) / len(Z)
    return float(-network.score(X) / left_over)


def beyond_components(seed: int) -> float:
    """Return the test error of 32 numbers on 10,000 images of Fashion-MNIST, in that of 32 principal components."""
    X, _, X_test, _ = public_images("fashion-mnist")
    network = Autoencoder(n_components=32, kind="image", n_epochs=20, schedule="one_cycle", random_state=seed)
    network.fit(X[:10_000])
    known, rows = (network._standardized(network._check_inputs(each)) for each in (X[:10_000], X_test))
    pca = PCA(32, random_state=0).fit(known)
    lost = np.square(rows - pca.inverse_transform(pca.transform(rows))).sum(axis=1).mean()
    return float(-network.score(X_test) / lost)


def anomalies(seed: int) -> float:
    """Return the area under the curve of digits not seen beside one that was, less that of scikit-learn's forest."""
    return told_apart(lambda: Autoencoder(n_components=8, loss="bernoulli", random_state=seed)) - told_apart(
        lambda: IsolationForest(random_state=seed)
    )


FIGURES = (
    Figure(
        "error of a linear code of 5 numbers on digits, in that of 5 principal components",
        1.0,
        "theorem",
        "Bourlard & Kamp 1988; Baldi & Hornik 1989",
        "equal",
        as_components,
        tolerance=1e-4,
        by="all",
    ),
    Figure(
        "test error, 32 numbers, Fashion-MNIST, in that of 32 principal components",
        1.0,
        "own target",
        "",
        "down",
        beyond_components,
        n_seeds=3,
    ),
    Figure(
        "anomalies: area under the ROC curve of the other digits beside one that is known, less IsolationForest's",
        0.0,
        "own target",
        "",
        "up",
        anomalies,
        n_seeds=3,
        by="all",
    ),
)
