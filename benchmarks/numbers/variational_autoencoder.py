"""The numbers of the variational autoencoder."""

import numpy as np
import torch
from figures import Figure, public_images
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from nnzoo import VariationalAutoencoder

N_COMPONENTS = 8
BOUND_DRAWS = 200


def linear(seed: int) -> float:
    """Return by how many nats the bound of a linear one on the digits lies above probabilistic principal components."""
    X = load_digits(return_X_y=True)[0]
    net = VariationalAutoencoder(
        n_components=N_COMPONENTS, hidden_layer_sizes=(), learning_rate=1e-2, schedule="cosine", n_epochs=300,
        precision="float64", random_state=seed,
    ).fit(X)  # fmt: skip
    rows = (X - net.inputs_.standard.mean) / net.inputs_.standard.scale
    noise = torch.randn(BOUND_DRAWS, len(rows), N_COMPONENTS, generator=torch.Generator().manual_seed(seed)).double()
    with torch.no_grad():
        bounds = [net.network_.body.bound(torch.from_numpy(rows), part).mean() for part in noise.split(10)]
    return float(torch.stack(bounds).mean()) - float(PCA(N_COMPONENTS).fit(rows).score(rows))


def binarized_mnist(seed: int) -> float:
    """Return minus the bound from 100 codes on MNIST's test images, every pixel on or off, drawn once by its grey."""
    X, _, X_test, _ = public_images("mnist")
    X, X_test = ((np.random.default_rng(0).random(each.shape) < each / 255).astype(np.float32) for each in (X, X_test))
    net = VariationalAutoencoder(
        n_components=32, hidden_layer_sizes=(512,), learning_rate=2e-3, schedule="cosine", batch_size=128, n_epochs=30,
        early_stopping=False, kind="image", random_state=seed,
    )  # fmt: skip
    return -float(net.fit(X).score(X_test))


LUCAS = "probabilistic PCA; Lucas et al. 2019"
FIGURES = (
    Figure(
        "bound less the likelihood of PCA(8), nats, linear, digits",
        0.0,
        "theorem",
        LUCAS,
        "equal",
        linear,
        tolerance=0.1,
    ),
    Figure(
        "negative log-likelihood, binarised MNIST, nats", 100.0, "own target", "", "down", binarized_mnist, n_seeds=3
    ),
)
