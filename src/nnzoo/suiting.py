"""Settings that suit the data, for a network that was named and not set up by hand; every one can be set otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nnzoo.data.augmentation import advise
from nnzoo.data.loaded import Data
from nnzoo.data.sequences import IN_TIME
from nnzoo.estimator import Network

SMALL_ROWS = 1_000
SMALL_TABLE = {"learning_rate": 3e-4, "n_epochs": 1000, "patience": 50}
"""Below so many training rows a network takes many small steps, so that the validation rows see where it is best."""
MAX_EPOCHS = 20
SMALLEST_BATCH, LARGEST_BATCH, STEPS_PER_EPOCH = 32, 256, 30
IMAGES = {"schedule": "one_cycle", "optimizer": "adam"}
DENSE_ON_IMAGES = {"hidden_layer_sizes": (512, 256), "dropout": 0.2, "learning_rate": 3e-3}
CONVOLUTIONAL = {"learning_rate": 1e-2}
DENSE_EPOCHS, CONVOLUTIONAL_EPOCHS = 18, 9
"""How often training goes through 54,000 images, the training part of MNIST; more often through fewer."""
EPOCHS_OF = 54_000
CODED_IMAGES, CODED_RATE = 5_000, 0.015
"""So many images in all, or each once, teach a few filters, for which every step searches the maps of its images."""
WHOLE_SERIES = {"schedule": "constant", "learning_rate": 3e-3, "n_epochs": 1000, "patience": 100}
LANGUAGE = {"n_hidden": 256, "dropout": 0.0, "learning_rate": 5e-3}
TEXTS_SHOWN, LEAST_TEXT_EPOCHS, MOST_TEXT_EPOCHS, FEW_TEXTS = 18_000, 8, 15, 4_000
FEW_SEQUENCES = 500
MANY_SEQUENCES = {"learning_rate": 2e-3, "dropout": 0.2}
LARGEST_BATCH_RATE = 3e-3
SEQUENCES_SHOWN = 12_000
LEAST_SEQUENCE_EPOCHS, MOST_SEQUENCE_EPOCHS = 5, 240
SMALLEST_SEQUENCE_BATCH, LARGEST_SEQUENCE_BATCH = 8, 128
LONG_SEQUENCE, BPTT_STEPS = 1_000, 200
WANDERING = 0.1
ORDER_OF = {"character": 5, "word": 2}
"""Symbols that the next one of a text depends on, by what a symbol is."""


@dataclass(frozen=True)
class Suit:
    """Settings, and what to say about them."""

    settings: dict[str, Any] = field(default_factory=dict)
    words: tuple[str, ...] = ()


def suit(network: Network, data: Data, given: Mapping[str, Any]) -> Suit:
    """Return the settings that suit the data.

    Parameters
    ----------
    network : Network
        Unfitted.
    data : Data
    given : mapping
        What the caller has set, which stands.
    """
    known = network.get_params(deep=False)
    if network.reads_symbols:
        return _suit_symbols(data)
    if data.output is not None:
        return _suit_sequences(network, data)
    if "optimizer" not in known:
        return Suit()
    if (known | dict(given)).get("mode") == "code":
        n_epochs = min(max(CODED_IMAGES // max(len(data.train), 1), 1), MAX_EPOCHS)
        return Suit({"n_epochs": n_epochs, "learning_rate": CODED_RATE})
    if data.kind == "table":
        return Suit(dict(SMALL_TABLE)) if len(data.train) < SMALL_ROWS else Suit()
    is_dense = "hidden_layer_sizes" in known and "n_filters" not in known
    at_least = DENSE_EPOCHS if is_dense else CONVOLUTIONAL_EPOCHS
    n_epochs = min(max(at_least * EPOCHS_OF // max(len(data.train), 1), at_least), MAX_EPOCHS)
    batch_size = LARGEST_BATCH
    while batch_size > SMALLEST_BATCH and len(data.train) // batch_size < STEPS_PER_EPOCH:
        batch_size //= 2
    # A schedule that ends at zero is run to its end; the validation images still choose the best epoch.
    settings: dict[str, Any] = IMAGES | {"n_epochs": n_epochs, "patience": n_epochs, "batch_size": batch_size}
    if is_dense:
        settings |= DENSE_ON_IMAGES
    elif "n_filters" in known and "normalization" in known:
        settings |= CONVOLUTIONAL
    if "augment" not in known or "augment" in given or data.rule is None:
        return Suit(settings)
    advice = advise(data.train.images, data.rule, mirror_safe=data.mirror_safe, task=str(data.task))  # pyright: ignore[reportArgumentType]
    return Suit(settings | {"augment": advice.augment}, (advice.why,))


def _suit_sequences(network: Any, data: Data) -> Suit:
    """Return settings for sequences and texts: a schedule that ends at zero, and enough steps also where rows are few.

    A few long series are seen whole in every step, and trained until their validation parts get worse.
    """
    known, n_rows, words = network.get_params(deep=False), len(data.train), []
    settings: dict[str, Any] = {"optimizer": "adam"}
    if n_rows == 1 or (data.schema is not None and data.schema.layout in IN_TIME):
        settings |= WHOLE_SERIES
    else:
        batch_size = LARGEST_SEQUENCE_BATCH
        while batch_size > SMALLEST_SEQUENCE_BATCH and n_rows // batch_size < STEPS_PER_EPOCH:
            batch_size //= 2
        n_epochs = min(max(SEQUENCES_SHOWN // n_rows, LEAST_SEQUENCE_EPOCHS), MOST_SEQUENCE_EPOCHS)
        settings |= {"schedule": "one_cycle", "learning_rate": 5e-3, "batch_size": batch_size}
        settings |= {"n_epochs": n_epochs, "patience": n_epochs}
        settings |= {} if n_rows < FEW_SEQUENCES else MANY_SEQUENCES
        settings |= {"learning_rate": LARGEST_BATCH_RATE} if batch_size == LARGEST_SEQUENCE_BATCH else {}
        if data.kind == "text" and data.output == "next":
            settings |= _language(n_rows)
    if data.train.sequences is not None and "bptt_steps" in known and not network.looks_ahead(data.output):
        longest = int(data.train.sequences.lengths.max())
        if longest > LONG_SEQUENCE:
            settings["bptt_steps"] = BPTT_STEPS
            words.append(
                f"The longest sequence has {longest:,} steps: gradients go back {BPTT_STEPS} steps "
                "(truncated backpropagation), the state is carried on."
            )
    if "differences" in known and data.kind == "sequence" and data.output == "next" and _wanders(data):
        settings["differences"] = True
        words.append("The values wander or grow far more than they change from step to step: changes are learned.")
    return Suit({name: value for name, value in settings.items() if name in known}, tuple(words))


def _suit_symbols(data: Data) -> Suit:
    """Return settings for chains of symbols: what never came in training is not impossible, and texts have a memory."""
    if data.text is None:
        return Suit({"order": 1, "backoff": "witten_bell"})
    return Suit({"order": ORDER_OF[data.text.unit], "backoff": "kneser_ney"})


def _wanders(data: Data) -> bool:
    """Return whether the training series spread over more than ten times what they change by from step to step."""
    sequences = data.train.sequences
    if sequences is None or data.schema is None:
        return False
    inner = np.setdiff1d(np.arange(1, sequences.frame.height), sequences.starts)
    columns = [sequences.frame[each.name].to_numpy() for each in data.schema.inputs if each.kind == "number"]
    return bool(columns) and all(
        np.nanstd(np.diff(values)[inner - 1]) < WANDERING * np.nanstd(values) for values in columns
    )


def _language(n_rows: int) -> dict[str, Any]:
    """Return settings for the next character of a running text: some 2,000 steps at least, also of a short one."""
    n_epochs = min(max(TEXTS_SHOWN // n_rows, LEAST_TEXT_EPOCHS), MOST_TEXT_EPOCHS)
    few = {"batch_size": 8, "dropout": 0.2} if n_rows < FEW_TEXTS else {"batch_size": 32}
    return LANGUAGE | few | {"n_epochs": n_epochs, "patience": n_epochs}
