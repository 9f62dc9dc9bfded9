"""A body of the user's own: any torch.nn.Module between nnzoo's standardisation and its head.

    s = W body(x) + b

The module takes standardised rows (n, n_features) and gives features (n, n_out). It is no network of the chart; it is
here so that a user's own architecture gets the loop, the recipe, the honest evaluation and the model file.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from nnzoo.checks import Range
from nnzoo.errors import ParameterError
from nnzoo.estimator import GRADIENT_RANGES, LEARNER_RANGES, Encoder, Network
from nnzoo.inputs import Inputs
from nnzoo.networks.parts import ChannelsFirst


class IsModule:
    """A torch.nn.Module."""

    def holds(self, value: object) -> bool:
        """Say whether the value lies in the range."""
        return isinstance(value, nn.Module)

    def __str__(self) -> str:
        return "a torch.nn.Module"


class OwnBody(Encoder, Network):
    """Network whose body is a module of the user's own.

    Parameters
    ----------
    body : torch.nn.Module
        (n, n_features) to (n, n_out); for images (n, channels, height, width), for sequences (n, steps, values) to
        (n, n_out). Its present weights are where training starts; it is copied, never changed.
    task : "classification" or "regression", default "classification"
    optimizer, learning_rate, schedule, batch_size, n_epochs, early_stopping, patience, validation_fraction
        As in :class:`nnzoo.FeedForward`.
    weight_decay, clip_norm, class_weight, kind, input_shape, device, precision, random_state, verbose
        As in :class:`nnzoo.FeedForward`.

    Attributes
    ----------
    network_ : torch.nn.Module
        Standardised inputs (n, n_features) to scores (n, n_scores).
    classes_ : ndarray of shape (n_classes,)
    n_features_in_, n_iter_ : int

    Raises
    ------
    ParameterError
        The body does not take rows of this width, or does not give rows of features.

    Examples
    --------
    >>> import torch
    >>> from sklearn.datasets import load_iris
    >>> from nnzoo import OwnBody
    >>> X, y = load_iris(return_X_y=True)
    >>> body = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.Tanh())
    >>> OwnBody(body, n_epochs=500, random_state=0).fit(X, y).score(X, y) > 0.9
    True
    """

    kinds = ("table", "image", "sequence")
    ranges: ClassVar[Mapping[str, Range]] = {
        **LEARNER_RANGES,
        **GRADIENT_RANGES,
        "body": IsModule(),
    }

    def __init__(
        self,
        body: nn.Module,
        *,
        task: str = "classification",
        optimizer: str = "adam",
        learning_rate: float = 1e-3,
        schedule: str = "constant",
        batch_size: int = 256,
        n_epochs: int = 200,
        early_stopping: bool | str = "auto",
        patience: int = 20,
        validation_fraction: float = 0.1,
        weight_decay: float = 1e-4,
        clip_norm: float | None = None,
        class_weight: str | Mapping[object, float] | None = None,
        kind: str | None = None,
        input_shape: Sequence[int] | None = None,
        device: str = "auto",
        precision: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.body = body
        self.task = task
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.batch_size = batch_size
        self.n_epochs = n_epochs
        self.early_stopping = early_stopping
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.class_weight = class_weight
        self.kind = kind
        self.input_shape = input_shape
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def make_body(self, inputs: Inputs) -> nn.Module:
        """Return a copy of the user's module that says how many features it gives."""
        body = deepcopy(self.body)
        if inputs.kind == "image":
            body = nn.Sequential(ChannelsFirst(), body)
        body.n_out = _width(body, inputs.shape)  # pyright: ignore[reportArgumentType]
        return body.to(torch.get_default_device())


def _width(body: nn.Module, shape: tuple[int, ...]) -> int:
    """Return how many features the module gives, by giving it two rows of zeros."""
    weight = next(body.parameters(), torch.zeros(()))
    body.eval()
    try:
        with torch.no_grad():
            features = body(torch.zeros(2, *shape, dtype=weight.dtype, device=weight.device))
    except (RuntimeError, TypeError, ValueError) as error:
        raise ParameterError(
            f"OwnBody: body needs to take rows of shape {shape}; it said {str(error)[:200]!r}.",
            "Build the module for such rows; images come as (n, channels, height, width).",
        ) from error
    if not isinstance(features, torch.Tensor) or features.ndim != 2 or len(features) != 2:
        came = tuple(features.shape) if isinstance(features, torch.Tensor) else type(features).__name__
        raise ParameterError(
            f"OwnBody: body needs to give features of shape (n, n_out); for 2 rows it gave {came}.",
            "Flatten what it returns.",
        )
    return features.shape[1]
