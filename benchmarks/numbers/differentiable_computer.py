"""DNC: repeat copy and associative recall, exact to the last bit, beside an LSTM of as many weights."""

from functools import cache
from typing import Any

from figures import Figure

from nnzoo.data.tasks import Task, associative_recall, repeat_copying

N_TRAINED, N_TESTED = 8_000, 500
ABOVE = 1 / N_TESTED
"""The smallest lead that is one: a sequence more."""
STEPS: dict[str, Any] = {"output": "step", "batch_size": 16, "schedule": "cosine", "early_stopping": False}
STEPS |= {"learning_rate": 1e-2, "n_epochs": 8, "clip_norm": 10.0}


def drawn(name: str, n_sequences: int, random_state: int) -> Task:
    """Return sequences of a task, small enough for minutes."""
    if name == "repeat copy":
        return repeat_copying(n_sequences, n_bits=4, lengths=(1, 5), repeats=(1, 3), random_state=random_state)
    return associative_recall(n_sequences, n_bits=3, item_length=1, n_items=(2, 4), random_state=random_state)


@cache
def lead(name: str, seed: int) -> float:
    """Return by how much the DNC's share of exact sequences lies above that of an LSTM, both on new ones."""
    from nnzoo import LSTM, DifferentiableNeuralComputer

    task, fresh = drawn(name, N_TRAINED, seed), drawn(name, N_TESTED, 10_000 + seed)
    computer = DifferentiableNeuralComputer(n_hidden=20, n_slots=16, slot_size=8, random_state=seed, **STEPS)
    # DNC: 4 (6 + 20 + 8 + 1) 20 + 46 · 21 weights before the last layer; LSTM: 4 (6 + 28 + 2) 28
    twin = LSTM(n_hidden=28, random_state=seed, **STEPS)
    shares = [fresh.exact(net.fit(task.X, task.y).predict(fresh.X)) for net in (computer, twin)]
    return shares[0] - shares[1]


def lead_in_repeat_copy(seed: int) -> float:
    """Return the lead in repeat copy: 4 bits, 1 to 5 vectors, 1 to 3 times."""
    return lead("repeat copy", seed)


def lead_in_recall(seed: int) -> float:
    """Return the lead in associative recall: 2 to 4 items of 3 bits."""
    return lead("associative recall", seed)


FIGURES = (
    Figure(
        "exact sequences more than an LSTM of as many weights, repeat copy",
        ABOVE, "own target", "", "up", lead_in_repeat_copy, n_seeds=3, by="all",
    ),
    Figure(
        "exact sequences more than an LSTM of as many weights, associative recall",
        ABOVE, "own target", "", "up", lead_in_recall, n_seeds=3, by="all",
    ),
)  # fmt: skip
