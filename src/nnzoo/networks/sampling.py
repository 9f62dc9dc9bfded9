"""What networks that draw rows are judged by: their samples beside real rows, on features that are learned for that.

Of images the features are codes of a small convolutional autoencoder, trained on the real ones in seconds, always with
the same seed, so that networks which are judged by the same rows are judged by the same features. Rows of a table are
their own features.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nnzoo.engine.batches import Batch
from nnzoo.engine.device import Arithmetic, isolated_random_state
from nnzoo.engine.forward import forward_in_blocks
from nnzoo.evaluation.rowvalues import Competitor, RowValues, Shown, as_bytes, timed_competitor
from nnzoo.evaluation.samples import (
    MAX_COMPARED,
    groups_reached,
    kernel_values,
    nearest_rows,
    precision_and_recall,
    thinned,
)
from nnzoo.heads import NO_HEAD
from nnzoo.networks.coding import make_coders
from nnzoo.networks.unlabelled import MAX_BESIDE
from nnzoo.training.gradient import GradientSettings, GradientTrainer
from nnzoo.training.loop import Loop, LoopSettings, Run

Features = Callable[[np.ndarray], np.ndarray]

LEARNING_ROWS, LEARNING_STEPS, LEARNING_BATCH = 5_000, 600, 64
N_FEATURES = 32


class _Reconstruction(nn.Module):
    """An autoencoder: standardised images (n, *shape) to the squared error of each (n,)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        sizes = {"hidden_layer_sizes": (64,), "n_filters": (16, 32), "activation": "relu"}
        self.encoder, self.decoder = make_coders(shape, N_FEATURES, N_FEATURES, **sizes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the errors."""
        return (x - self.decoder(self.encoder(x))).square().flatten(1).mean(dim=1)


def learn_features(images: np.ndarray) -> Features:
    """Return a function from standardised images (n, height, width, channels) to features (n, 32).

    Parameters
    ----------
    images : array (n, height, width, channels)
        Real ones, as standardised; of more than 5,000 so many are looked at.
    """
    rows = torch.from_numpy(np.ascontiguousarray(thinned(images, LEARNING_ROWS), dtype=np.float32))
    n_epochs = max(LEARNING_STEPS * LEARNING_BATCH // len(rows), 1)
    with isolated_random_state(0, torch.device("cpu")):
        network = _Reconstruction(images.shape[1:])
        trainer = GradientTrainer(
            network,
            NO_HEAD.row_loss,
            GradientSettings(learning_rate=2e-3, n_steps=LEARNING_STEPS),
            Arithmetic(torch.float32),
            losses=lambda network, batch: network(batch.inputs),
        )
        settings = LoopSettings(n_epochs, LEARNING_BATCH, 0, keep="last", falls=False)
        Loop(trainer, Batch(rows), None, settings, Run())()

    def features(images: np.ndarray) -> np.ndarray:
        return forward_in_blocks(network.encoder, torch.from_numpy(np.asarray(images, dtype=np.float32)))

    return features


def features_for(network: Any, rows: np.ndarray) -> Features:
    """Return what samples of a network are compared by: features of images, learned from these; else the rows.

    Parameters
    ----------
    network : Unlabelled
    rows : array (n, n_features)
        Real rows as the body gets them, flat.
    """
    if network.inputs_.kind != "image":
        return lambda rows: rows
    shape = network.inputs_.shape
    features = learn_features(rows.reshape(-1, *shape))
    return lambda rows: features(rows.reshape(-1, *shape))


def drawn_rows(network: Any, n_samples: int) -> np.ndarray:
    """Return samples of a network with a fixed seed, as the body would get them, flat."""
    return network._standardized(network._to_inputs(network.sample(n_samples, random_state=0)))


def sample_distance(network: Any, rows: np.ndarray) -> np.ndarray:
    """Return what each row (n, n_features), as the body gets it, adds to the kernel distance from samples: (n,)."""
    features = features_for(network, rows)
    return kernel_values(features(rows), features(drawn_rows(network, min(max(len(rows), 2), MAX_COMPARED))))


def sample_values(network: Any, X: Any, X_train: Any | None) -> RowValues:
    """Return how like real rows the samples of a network are, beside those of simpler distributions.

    Parameters
    ----------
    network : Unlabelled with ``sample``
    X, X_train : rows, as for ``transform``
        Those that are measured; those of training, or None where they are not at hand.
    """
    rows = network._standardized(network._check_inputs(X))
    known = rows if X_train is None else network._standardized(network._check_inputs(X_train))
    features = features_for(network, known)
    drawn = drawn_rows(network, MAX_COMPARED)
    real, made = features(rows), features(drawn)
    precision, recall = precision_and_recall(real, made)
    n_reached, n_groups = groups_reached(thinned(features(known), MAX_COMPARED), made)
    more = {
        "precision": (precision, "higher", "Share of samples that lie among real rows."),
        "recall": (recall, "higher", "Share of real rows that lie among samples."),
        "groups_reached": (n_reached, "higher", f"Of {n_groups} groups of real rows, those that samples fall to."),
    }
    competitors: tuple[Competitor, ...] = ()
    if X_train is not None:
        competitors = _competitors(known, features, real)
        copied = float(kernel_values(real, features(thinned(known, MAX_COMPARED))).mean())
        more["kernel_distance_of_training_rows"] = (copied, "lower", "What copies of training rows would get.")
    return RowValues(
        "kernel_distance",
        "lower",
        "How far the samples are from real rows as distributions: 0 if they are one, by Gaussian kernels"
        + " on features that an autoencoder has learned." * (network.inputs_.kind == "image")
        + "." * (network.inputs_.kind != "image"),
        kernel_values(real, made),
        competitors,
        more=more,
        shows=_sheets(network, drawn, None if X_train is None else known),
    )


def _competitors(known: np.ndarray, features: Features, real: np.ndarray) -> tuple[Competitor, ...]:
    """Return the kernel distance of samples of two normal distributions."""
    draw = np.random.default_rng(0)
    chosen = thinned(known, MAX_COMPARED)
    mean = chosen.mean(axis=0)
    noise = draw.standard_normal((MAX_COMPARED, len(chosen)))

    def alike() -> np.ndarray:
        samples = mean + np.sqrt(np.square(chosen - mean).mean()) * draw.standard_normal((MAX_COMPARED, len(mean)))
        return kernel_values(real, features(samples))

    def correlated() -> np.ndarray:
        # Sums of the deviations of all rows with normal weights have their covariance.
        return kernel_values(real, features(mean + noise @ (chosen - mean) / np.sqrt(len(chosen))))

    return (
        timed_competitor("constant", alike, "samples of a normal distribution around the mean row"),
        timed_competitor("normal distribution", correlated, "samples with the mean and the covariances of the rows"),
    )


def _sheets(network: Any, drawn: np.ndarray, known: np.ndarray | None) -> tuple[Shown, ...]:
    """Return the picture of some samples and of the training rows nearest to them, if the rows are images."""
    if network.inputs_.kind != "image":
        return ()
    some = drawn[:MAX_BESIDE]
    sheet = {"drawn": as_bytes(network._in_units(some))}
    if known is not None:
        sheet["nearest in training"] = as_bytes(network._in_units(known[nearest_rows(some, known)]))
    sentence = "Images from noise, and the training images that differ least from them: it should draw, not copy."
    return (Shown("What it draws", sentence, sheet),)
