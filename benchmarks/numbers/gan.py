"""The numbers of the generative adversarial network: modes of two mixtures of normal distributions."""

from collections.abc import Callable
from functools import cache

import numpy as np
from figures import Figure

from nnzoo import GAN
from nnzoo.evaluation.samples import modes_reached

DEVIATION = 0.05
N_ROWS, N_SAMPLES = 10_000, 2_500
ANGLES = 2 * np.pi * np.arange(8) / 8
CENTERS = {
    "ring": 2 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1),
    "grid": np.stack(np.meshgrid(np.arange(-4.0, 5.0, 2.0), np.arange(-4.0, 5.0, 2.0)), axis=-1).reshape(-1, 2),
}
N_EPOCHS = {"ring": 100, "grid": 600}


def mixture(centers: np.ndarray, seed: int) -> np.ndarray:
    """Return rows of normal distributions around the centres, each as often as any other."""
    draw = np.random.default_rng(seed)
    return centers[draw.integers(len(centers), size=N_ROWS)] + DEVIATION * draw.normal(size=(N_ROWS, 2))


@cache
def play(place: str, seed: int) -> tuple[int, float]:
    """Return modes that samples reach, and the share of samples within three deviations of one."""
    centers = CENTERS[place]
    network = GAN(
        n_components=2, hidden_layer_sizes=(64,) * 5, activation="relu", r1_weight=0.005, schedule="cosine",
        batch_size=256, n_epochs=N_EPOCHS[place], random_state=seed,
    ).fit(mixture(centers, seed))  # fmt: skip
    return modes_reached(network.sample(N_SAMPLES, random_state=seed), centers, DEVIATION)


def modes(place: str) -> Callable[[int], float]:
    """Return the measure of how many modes are reached."""
    return lambda seed: float(play(place, seed)[0])


def good_share(place: str) -> Callable[[int], float]:
    """Return the measure of the share of good samples."""
    return lambda seed: play(place, seed)[1]


FIGURES = (
    Figure("modes of a ring of 8, deviation 0.05", 8, "own target", "", "up", modes("ring"), by="all"),
    Figure("good samples, ring of 8", 0.9, "own target", "", "up", good_share("ring"), by="all"),
    Figure("modes of a grid of 25, deviation 0.05", 24, "own target", "", "up", modes("grid"), by="all"),
    Figure("good samples, grid of 25", 0.9, "own target", "", "up", good_share("grid"), by="all"),
)
