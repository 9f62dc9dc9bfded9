"""The numbers of the Attention Network: strings turned round and sorted, and the next character of the King James Bible.

The count model that it is measured against is Witten & Bell's (1991): the shares of what followed the last five
characters, mixed with those of what followed the last four, and so on down to no character at all.
"""

import shutil
import subprocess
from collections.abc import Callable
from functools import cache

import numpy as np
from figures import Figure, NotRun

from nnzoo import AttentionNetwork

LONGEST, N_SYMBOLS = 12, 8
ORDER = 5
ROW = 256
"""Characters of a row; the network begins each of them anew, the count model does not."""


def strings(n: int, seed: int) -> list[np.ndarray]:
    """Return strings of 1 to 12 of 8 symbols, all lengths alike often."""
    draw = np.random.default_rng(seed)
    return [draw.integers(1, N_SYMBOLS + 1, draw.integers(1, LONGEST + 1)) for _ in range(n)]


def exact(answer: Callable[[np.ndarray], np.ndarray], seed: int) -> float:
    """Return the share of 1,000 fresh strings that are answered without a mistake, after 20,000 strings, ten times."""
    questions, seen = strings(20_000, seed), set()
    for question in questions:
        seen.add(question.tobytes())
    net = AttentionNetwork(
        output="generated",
        categorical_features=[0],
        n_hidden=64,
        learning_rate=0.01,
        schedule="one_cycle",
        n_epochs=10,
        early_stopping=False,
        random_state=seed,
    ).fit(questions, [answer(question) for question in questions])
    fresh = [question for question in strings(2_000, seed + 1_000) if question.tobytes() not in seen][:1_000]
    return net.score(fresh, [answer(question) for question in fresh])


@cache
def king_james() -> tuple[np.ndarray, np.ndarray]:
    """Return the characters of the King James Bible as codes from 1, nine tenths to train and the last one to test."""
    if shutil.which("bible") is None:
        raise NotRun("the program bible is not there: apt-get install bible-kjv")
    command = ["bible", "-f", "gen1:1-rev22:21"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    verses = [line.partition(" ")[2].strip() for line in said.splitlines() if line.strip()]
    text = np.frombuffer("\n".join(verses).encode("latin-1", "replace"), dtype=np.uint8)
    codes = np.unique(text, return_inverse=True)[1] + 1
    n_train = len(codes) * 9 // 10
    return codes[:n_train], codes[n_train:]


def count_bits(train: np.ndarray, test: np.ndarray, order: int = ORDER) -> float:
    """Return the bits a character of the test text by the count model.

    With n the times that a context came, n(c) those that c followed it, and t how many different ones did:
    p(c) = (n(c) + t · p_shorter(c)) / (n + t), and p = 1/K of K characters where there is no context left.
    """
    K = int(max(train.max(), test.max())) + 1
    share = np.full(len(test) - order, 1 / (K - 1))
    for length in range(order + 1):
        pairs, n_pairs = np.unique(windows(train, length + 1, K), return_counts=True)
        contexts, place = np.unique(pairs // K, return_inverse=True)
        n, t = np.bincount(place, n_pairs), np.bincount(place)
        asked = windows(test, length + 1, K)[order - length :]
        found_n, found_t = looked_up(contexts, n, asked // K), looked_up(contexts, t, asked // K)
        seen = found_n > 0
        mixed = (looked_up(pairs, n_pairs, asked) + found_t * share) / np.maximum(found_n + found_t, 1)
        share = np.where(seen, mixed, share)
    return float(-np.log2(share).mean())


def windows(codes: np.ndarray, length: int, K: int) -> np.ndarray:
    """Return every ``length`` characters that follow one another as one number."""
    numbers = np.zeros(len(codes) - length + 1, dtype=np.int64)
    for place in range(length):
        numbers = numbers * K + codes[place : place + len(numbers)]
    return numbers


def looked_up(keys: np.ndarray, values: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return the value of each number that is asked for, 0 where it is no key."""
    place = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    return np.where(keys[place] == asked, values[place], 0)


def network_bits(train: np.ndarray, test: np.ndarray, seed: int, n_epochs: int = 6) -> float:
    """Return the bits a character of the test text by the network, its first character in every row left out."""
    net = AttentionNetwork(
        output="next",
        body="transformer",
        categorical_features=[0],
        n_hidden=128,
        n_layers=2,
        learning_rate=3e-3,
        schedule="one_cycle",
        batch_size=16,
        n_epochs=n_epochs,
        early_stopping=False,
        random_state=seed,
    ).fit(in_rows(train))
    came, _, shares = net.predict_next(in_rows(test))
    return float(-np.log2(shares[np.arange(len(came)), np.searchsorted(net.classes_, came)]).mean())


def in_rows(codes: np.ndarray) -> np.ndarray:
    """Return the text in rows of equal length; each begins with the last character of the one before."""
    n = (len(codes) - 1) // ROW
    return np.stack([codes[row * ROW : (row + 1) * ROW + 1] for row in range(n)]).astype(np.float64)


def gain(seed: int) -> float:
    """Return how many bits a character the network needs more than the count model; below 0 it needs fewer."""
    train, test = king_james()
    return network_bits(train, test, seed) - count_bits(train, test)


FIGURES = (
    Figure(
        "strings of up to 12 symbols turned round, share without a mistake",
        1.0, "own target", "", "up", lambda seed: exact(lambda string: string[::-1], seed), by="all",
    ),
    Figure("the same strings sorted", 1.0, "own target", "", "up", lambda seed: exact(np.sort, seed), by="all"),
    Figure(
        "King James Bible, bits a character, those of order-5 counts subtracted",
        0.0, "own target", "", "down", gain, n_seeds=3, by="all",
    ),
)  # fmt: skip
