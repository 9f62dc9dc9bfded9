"""Settings that suit the data, for a network that was named and not set up by hand; every one can be set otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nnzoo.data.augmentation import advise
from nnzoo.data.loaded import Data
from nnzoo.estimator import Network

SMALL_ROWS = 1_000
SMALL_TABLE = {"learning_rate": 3e-4, "n_epochs": 1000, "patience": 50}
"""Below so many training rows a network takes many small steps, so that the validation rows see where it is best."""
IMAGES_SHOWN = 486_000
"""How many images training looks at in all: 9 epochs of 54,000, more epochs of fewer."""
MIN_EPOCHS, MAX_EPOCHS = 9, 20
SMALLEST_BATCH, LARGEST_BATCH, STEPS_PER_EPOCH = 32, 256, 30
IMAGES = {"schedule": "one_cycle", "optimizer": "adam"}
DENSE_ON_IMAGES = {"hidden_layer_sizes": (512, 256), "dropout": 0.2, "learning_rate": 3e-3}
CONVOLUTIONAL = {"learning_rate": 1e-2}


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
    if "optimizer" not in known:
        return Suit()
    if data.kind == "table":
        return Suit(dict(SMALL_TABLE)) if len(data.train) < SMALL_ROWS else Suit()
    n_epochs = min(max(IMAGES_SHOWN // max(len(data.train), 1), MIN_EPOCHS), MAX_EPOCHS)
    batch_size = LARGEST_BATCH
    while batch_size > SMALLEST_BATCH and len(data.train) // batch_size < STEPS_PER_EPOCH:
        batch_size //= 2
    # A schedule that ends at zero is run to its end; the validation images still choose the best epoch.
    settings: dict[str, Any] = IMAGES | {"n_epochs": n_epochs, "patience": n_epochs, "batch_size": batch_size}
    if "hidden_layer_sizes" in known:
        settings |= CONVOLUTIONAL if "n_filters" in known else DENSE_ON_IMAGES
    if "augment" not in known or "augment" in given or data.rule is None:
        return Suit(settings)
    advice = advise(data.train.images, data.rule, mirror_safe=data.mirror_safe, task=str(data.task))  # pyright: ignore[reportArgumentType]
    return Suit(settings | {"augment": advice.augment}, (advice.why,))
