"""The numbers of the recurrent network."""

import numpy as np
from figures import Figure
from sequences import adding_problem

from nnzoo import RNN

N_STEPS, N_ROWS, N_TEST_ROWS = 100, 10_000, 2_560
N_BITS = 3_000


def error_of_the_mean(seed: int) -> float:
    """Return the mean squared error of always predicting the mean of the adding problem, over 100,000 sequences."""
    return float(adding_problem(100_000, 10, seed)[1].var())


def error_at_100_steps(seed: int) -> float:
    """Return the network's mean squared error on the adding problem of 100 steps, after 10 epochs."""
    X, y = adding_problem(N_ROWS, N_STEPS, seed)
    X_test, y_test = adding_problem(N_TEST_ROWS, N_STEPS, seed + 1_000)
    net = RNN(task="regression", n_hidden=64, n_epochs=10, early_stopping=False, random_state=seed)
    return float(np.square(net.fit(X, y).predict(X_test) - y_test).mean())


def temporal_xor(n_bits: int, seed: int) -> np.ndarray:
    """Return bits of which every third is the exclusive or of the two before it, the others random (Elman 1990)."""
    pairs = np.random.default_rng(seed).integers(0, 2, size=(n_bits // 3, 2))
    return np.column_stack([pairs, pairs[:, 0] ^ pairs[:, 1]]).ravel().astype(np.float64)


def error_at_third_bits(seed: int) -> float:
    """Return the mean squared error at the bits that can be predicted, as a share of that at the random ones.

    Trained on one series of 3,000 bits to predict the next one, measured on another such series.
    """
    train, test = (temporal_xor(N_BITS, number).reshape(1, -1, 1) for number in (seed, seed + 1_000))
    net = RNN(
        task="regression",
        output="next",
        n_hidden=16,
        bptt_steps=30,
        n_epochs=100,
        early_stopping=False,
        random_state=seed,
    )
    came, said, _ = net.fit(train).predict_next(test)
    errors = np.square(came - said).ravel()
    third = np.arange(1, N_BITS) % 3 == 2
    return float(errors[third].mean() / errors[~third].mean())


FIGURES = (
    Figure(
        "mean squared error of always predicting the mean, adding problem, numbers from 0 to 1",
        1 / 6,
        "theorem",
        "variance of the sum of two uniform numbers",
        "equal",
        error_of_the_mean,
        tolerance=0.002,
        by="all",
    ),
    Figure(
        "mean squared error, adding problem, 100 steps: beyond its memory, no better than the mean",
        0.15,
        "own target",
        "",
        "up",
        error_at_100_steps,
    ),
    Figure(
        "error at every third bit as a share of that at the others, exclusive or in time, 3,000 bits",
        0.2,
        "own target",
        "",
        "down",
        error_at_third_bits,
    ),
)
