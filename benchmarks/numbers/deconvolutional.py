"""The numbers of the deconvolutional network: what theory says of its steps, and the mean image of each label."""

import numpy as np
import torch
from figures import Figure, public_images
from sklearn.datasets import load_digits

from nnzoo import DeconvolutionalNetwork
from nnzoo.networks.sparse_coding import correlate, infer_maps, largest_slope, objective, synthesize


def adjoint_gap(seed: int) -> float:
    """Return |<D z, y> - <z, Dᵀ y>| as a share, with maps, images and filters drawn by lot."""
    draw = np.random.default_rng(seed)
    images, maps, filters = (
        torch.from_numpy(draw.normal(size=shape)) for shape in ((4, 3, 28, 28), (4, 16, 34, 34), (16, 3, 7, 7))
    )
    left, right = (synthesize(maps, filters) * images).sum(), (maps * correlate(images, filters)).sum()
    return float(abs(left - right) / abs(left))


def share_of_bound(seed: int) -> float:
    """Return the largest gap of FISTA to the best objective, in 2 L ‖z*‖² / (k + 1)², over 50 steps on a digit."""
    draw = np.random.default_rng(seed)
    image = load_digits().images[seed] / 16
    images, filters = (
        torch.from_numpy(image - image.mean())[None, None],
        torch.from_numpy(draw.normal(size=(4, 1, 3, 3))),
    )
    filters = filters / filters.flatten(1).norm(dim=1)[:, None, None, None]
    best = infer_maps(images, filters, 0.05, 20_000)
    least = objective(images, best, filters, 0.05).item()
    bound = 2 * largest_slope(filters, (8, 8)) * best.square().sum().item()
    gaps = [objective(images, infer_maps(images, filters, 0.05, k), filters, 0.05).item() - least for k in range(1, 51)]
    return float(max(gap * (k + 1) ** 2 / bound for k, gap in enumerate(gaps, start=1)))


def from_class_means(seed: int) -> float:
    """Return the mean squared difference of the images drawn from ten labels and the means of their images."""
    X, y, _, _ = public_images("fashion-mnist")
    network = DeconvolutionalNetwork(
        mode="generate", n_epochs=5, batch_size=256, early_stopping=False, random_state=seed
    ).fit(X, y)
    means = np.stack([X[y == label].mean(axis=0) for label in range(10)])
    body, standard = network.network_.body, network.inputs_.standard
    drawn = network._pass(body.decode, torch.eye(10))[..., 0] * standard.scale[0] + standard.mean[0]
    return float(np.square(drawn - means / 255).mean())


FIGURES = (
    Figure(
        "adjoint: difference of the two inner products as a share, 16 filters of 7 x 7, three channels",
        1e-10,
        "theorem",
        "correlation is the adjoint of convolution",
        "down",
        adjoint_gap,
        by="all",
    ),
    Figure(
        "largest gap of FISTA in its bound, 50 steps, digits",
        1.0,
        "theorem",
        "Beck & Teboulle 2009",
        "down",
        share_of_bound,
        by="all",
    ),
    Figure(
        "mean squared difference of images drawn from labels and class means, Fashion-MNIST, pixels from 0 to 1",
        1e-3,
        "own target",
        "",
        "down",
        from_class_means,
        n_seeds=3,
        by="all",
    ),
)
