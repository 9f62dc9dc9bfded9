"""NTM: copies that are longer than any it was trained on, and an LSTM of as many weights beside it."""

from functools import cache
from typing import Any

from figures import Figure

from nnzoo.data.tasks import Task, copying

N_BITS, TRAINED, LONGER = 4, (1, 8), (16, 24)
N_TRAINED, N_TESTED = 16_000, 500
STEPS: dict[str, Any] = {"output": "step", "batch_size": 16, "schedule": "cosine", "early_stopping": False}


@cache
def learned(seed: int) -> tuple[Any, Any]:
    """Return an NTM and an LSTM of about as many weights that have learned to copy 1 to 8 vectors."""
    from nnzoo import LSTM, NeuralTuringMachine

    task = copying(N_TRAINED, n_bits=N_BITS, lengths=TRAINED, random_state=seed)
    machine = NeuralTuringMachine(
        n_hidden=20, n_slots=32, slot_size=8, learning_rate=1e-2, n_epochs=5, random_state=seed, **STEPS
    )
    # 4 (5 + 20 + 8 + 1) 20 + (2 (8 + 6) + 16) 21 + (28 + 1) 4 = 3,760 weights; 4 (5 + 25 + 2) 25 + (25 + 1) 4 = 3,304
    twin = LSTM(n_hidden=25, learning_rate=1e-2, n_epochs=7, clip_norm=10.0, random_state=seed, **STEPS)
    return machine.fit(task.X, task.y), twin.fit(task.X, task.y)


def fresh(lengths: tuple[int, int], seed: int) -> Task:
    """Return sequences that nothing was trained on."""
    return copying(N_TESTED, n_bits=N_BITS, lengths=lengths, random_state=10_000 + seed)


def exact_short(seed: int) -> float:
    """Return the share of new sequences of the lengths trained on that are copied without a wrong bit."""
    task = fresh(TRAINED, seed)
    return task.exact(learned(seed)[0].predict(task.X))


def bits_longer(seed: int) -> float:
    """Return the share of the bits that are right in copies of twice and three times the length."""
    task = fresh(LONGER, seed)
    return task.bits_right(learned(seed)[0].predict(task.X))


def bits_longer_lstm(seed: int) -> float:
    """Return the same of the LSTM."""
    task = fresh(LONGER, seed)
    return task.bits_right(learned(seed)[1].predict(task.X))


SHOWN = "4 bits, trained on copies of 1 to 8 vectors"
FIGURES = (
    Figure(f"exact copies, {SHOWN}: of 1 to 8 vectors", 1.0, "own target", "", "up", exact_short),
    Figure(f"bits right, {SHOWN}: of 16 to 24 vectors", 0.95, "own target", "", "up", bits_longer),
    Figure(
        f"bits right, {SHOWN}: of 16 to 24 vectors, an LSTM of as many weights",
        0.95,
        "own target",
        "",
        "down",
        bits_longer_lstm,
    ),
)
