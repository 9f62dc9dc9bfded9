"""A body of the user's own: any torch.nn.Module between nnzoo's standardisation and its head.

    s = W body(x) + b

The module takes standardised rows (n, n_features) and gives features (n, n_out). It is no network of the chart; it is
here so that a user's own architecture gets the loop, the recipe, the honest evaluation and the model file.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import field
from typing import ClassVar

import torch
from torch import nn

from nnzoo.checks import Range
from nnzoo.errors import ParameterError
from nnzoo.estimator import Encoder, Network
from nnzoo.inputs import Inputs
from nnzoo.networks.parameters import TableParameters, with_parameters
from nnzoo.networks.parts import ChannelsFirst


class IsModule:
    """A torch.nn.Module."""

    def holds(self, value: object) -> bool:
        """Say whether the value lies in the range."""
        return isinstance(value, nn.Module)

    def __str__(self) -> str:
        return "a torch.nn.Module"


@with_parameters
class OwnBody(TableParameters, Encoder, Network):
    """Network whose body is a module of the user's own.

    Parameters
    ----------
    body : torch.nn.Module
        (n, n_features) to (n, n_out); for images (n, channels, height, width), for sequences (n, steps, values) to
        (n, n_out). Its present weights are where training starts; it is copied, never changed.
    optimizer, learning_rate, schedule, batch_size, n_epochs, early_stopping, patience, validation_fraction
        As in :class:`nnzoo.FeedForward`.
    weight_decay, clip_norm, class_weight, kind, input_shape, device, precision, random_state, verbose
        As in :class:`nnzoo.FeedForward`.
    Others: those of TableParameters.

    Attributes
    ----------
    Others: those of TableParameters.

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

    body: nn.Module = field(kw_only=False)

    kinds: ClassVar[tuple[str, ...]] = ("table", "image", "sequence")
    ranges: ClassVar[Mapping[str, Range]] = {
        **TableParameters.ranges,
        "body": IsModule(),
    }

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
