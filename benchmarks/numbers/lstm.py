"""The numbers of the LSTM: the adding problem of its paper, and as it is posed since then."""

import numpy as np
from figures import Figure
from sequences import adding_problem

from nnzoo import LSTM

N_STEPS, N_SEQUENCES, N_TEST = 100, 74_000, 2_560
NEAR = 0.04


def adding_of_1997(n_rows: int, seed: int, n_steps: int = N_STEPS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return padded sequences of (number, mark), their lengths, and 0.5 + (X₁ + X₂) / 4, as section 5.4 draws them.

    Numbers lie in [-1, 1], lengths in [T, 1.1 T]. X₁ is one of the first ten numbers, X₂ one of the first T/2 - 1
    others; their marks are 1, the first and the last mark of a sequence is -1. Where the first number of a sequence is
    X₁, it is 0.
    """
    draw, row = np.random.default_rng(seed), np.arange(n_rows)
    lengths = draw.integers(n_steps, n_steps + n_steps // 10 + 1, n_rows)
    X = np.zeros((n_rows, n_steps + n_steps // 10, 2))
    X[:, :, 0] = draw.uniform(-1, 1, X.shape[:2])
    first = draw.integers(0, 10, n_rows)
    second = draw.integers(0, n_steps // 2 - 1, n_rows)
    second += second >= first
    X[row, lengths - 1, 1] = X[:, 0, 1] = -1
    X[first == 0, 0, 0] = 0
    X[row, first, 1] = X[row, second, 1] = 1
    return X, lengths, 0.5 + (X[row, first, 0] + X[row, second, 0]) / 4


def wrong_of_2560(seed: int) -> float:
    """Return how many test sequences are off by 0.04 or more after 74,000 sequences, each seen once.

    The forget gates start at σ(4) = 0.98: what is 50 steps away is there from the beginning, as in the cell of 1997.
    """
    X, lengths, y = adding_of_1997(N_SEQUENCES, 2 * seed)
    X_test, lengths_test, y_test = adding_of_1997(N_TEST, 2 * seed + 1)
    net = LSTM(
        task="regression",
        n_hidden=16,
        forget_bias=4.0,
        n_epochs=1,
        batch_size=16,
        learning_rate=0.01,
        schedule="one_cycle",
        early_stopping=False,
        random_state=seed,
    ).fit(X, y, lengths=lengths)
    return float((np.abs(net.predict(X_test, lengths=lengths_test) - y_test) >= NEAR).sum())


def error_at_100_steps(seed: int) -> float:
    """Return the mean squared error on the adding problem of 100 steps, where the mean alone has 1/6."""
    X, y = adding_problem(10_000, N_STEPS, seed)
    X_test, y_test = adding_problem(N_TEST, N_STEPS, seed + 1_000)
    net = LSTM(
        task="regression",
        n_hidden=64,
        n_epochs=10,
        learning_rate=0.01,
        schedule="one_cycle",
        early_stopping=False,
        random_state=seed,
    )
    return float(np.square(net.fit(X, y).predict(X_test) - y_test).mean())


FIGURES = (
    Figure(
        "sequences wrong of 2,560, adding problem of 1997, T = 100, after 74,000 sequences",
        1.0,
        "paper",
        "Hochreiter & Schmidhuber 1997, table 7",
        "down",
        wrong_of_2560,
    ),
    Figure(
        "mean squared error, adding problem, 100 steps, where the recurrent network stays at 1/6",
        0.01,
        "own target",
        "",
        "down",
        error_at_100_steps,
    ),
)
