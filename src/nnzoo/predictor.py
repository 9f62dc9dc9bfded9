"""A ready predictor: one row after the other, with nothing between the row and the network that need not be there."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import nn

from nnzoo.engine.steps import Steps
from nnzoo.errors import DataError
from nnzoo.networks.backpropagation import plain_layers
from nnzoo.networks.memory import Fused, RecurrentBody

if TYPE_CHECKING:
    from nnzoo.model import Model

Forward = Callable[[np.ndarray], np.ndarray]

FORMULAS: dict[type[nn.Module], Forward] = {
    nn.Identity: lambda z: z,
    nn.Sigmoid: lambda z: 1 / (1 + np.exp(-z)),
    nn.Tanh: np.tanh,
    nn.ReLU: lambda z: np.maximum(z, 0),
    nn.LeakyReLU: lambda z: np.where(z > 0, z, 0.01 * z),
    nn.ELU: lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
}
"""Activations on plain arrays, by the class of torch's."""


class Answer(NamedTuple):
    """What is predicted for one row.

    Attributes
    ----------
    prediction : label, value, or array of them
        As ``predict`` of the network gives it for the row.
    probabilities : ndarray of shape (n_classes,) or None
        In the order of ``classes_``; None where the network gives none.
    """

    prediction: Any
    probabilities: np.ndarray | None


class Predictor:
    """Callable that predicts one row; made by :meth:`nnzoo.Model.predictor`.

    A row that comes as an array has the shape of the training rows, as the network reads them: (n_features,), (height,
    width[, channels]) or (n_steps, n_values). Everything else goes through the recipe, as with :func:`nnzoo.predict`.
    The arithmetic is that of ``predict`` on a single row; plain dense layers are multiplied by NumPy, whose sums may
    differ in the last bits, by at most 1e-6 of the largest score.

    Parameters
    ----------
    model : Model
        Trained; later training does not reach a predictor that was made before.
    """

    def __init__(self, model: "Model") -> None:
        network: Any = model.network
        check_is_fitted(network)
        self.model, self.network, self.inputs = model, network, network.inputs_
        module = network.network_.eval()
        self._dtype = torch.empty(0, dtype=module.head.weight.dtype).numpy().dtype
        self._forward: Forward = (
            _dense(module) or _recurrent(module) or _through(module, of_any_length=self.inputs.of_any_length)
        )
        self._is_direct = getattr(network, "output", "sequence") == "sequence"
        self._with_shares = network.task == "classification" and network.gives_probabilities

    def __call__(self, row: Any) -> Answer:
        """Return label or value, and probabilities, of one row.

        Raises
        ------
        DataError
            The array has another shape than the training rows, or holds NaN or infinity.
        """
        if not isinstance(row, np.ndarray) or not self._is_direct:
            return self._as_predicted(row)
        scores = self._forward(self._standardized(row))[None].astype(np.float64)
        shares = self.network._probabilities(scores)[0] if self._with_shares else None
        return Answer(self.network.target_.labels_or_values(scores)[0], shares)

    def _standardized(self, row: np.ndarray) -> np.ndarray:
        """Return the row as the network's module takes it."""
        inputs, owner = self.inputs, type(self.network).__name__
        if row.shape != inputs.shape:
            row = self._shaped(row)
        if inputs.pixels:
            row = row if row.dtype == np.uint8 else inputs.of_row(row[None], owner)[0]
            return np.ascontiguousarray(row) if row.flags.writeable else row.copy()
        if not np.isfinite(row).all():
            raise DataError(f"{owner} needs finite numbers; the row holds NaN or inf.", "Fill or leave out such rows.")
        return ((row - inputs.standard.mean) / inputs.standard.scale).astype(self._dtype)

    def _shaped(self, row: np.ndarray) -> np.ndarray:
        """Return a row of another shape in that of the training rows: without a channel axis, or of other length."""
        shape = self.inputs.shape
        if row.shape == shape[:-1] and shape[-1] == 1:
            return row[..., None]
        if self.inputs.of_any_length and row.ndim == 2 and row.shape[1:] == shape and len(row):
            return row
        raise DataError(
            f"{type(self.network).__name__} was trained on rows of shape {shape}; the row has shape {row.shape}.",
            "Bring it to the shape of the training rows.",
        )

    def _as_predicted(self, row: Any) -> Answer:
        if isinstance(row, np.ndarray):
            shares = self.network.predict_proba(row[None])[0] if self._with_shares else None
            return Answer(self.network.predict(row[None])[0], shares)
        from nnzoo.steps import predict

        frame = predict(self.model, row)
        if frame.height != 1:
            raise DataError(f"A predictor takes one row; got {frame.height}.", "Use nnzoo.predict for many.")
        values = [frame[name][0] for name in frame.columns if name.startswith("probability_")]
        return Answer(frame["prediction"][0], np.array(values) if values else None)


def _through(module: Any, *, of_any_length: bool) -> Forward:
    """Return the pass of one row through a module."""
    start = torch.tensor([0])

    def forward(row: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            values = torch.from_numpy(row)
            given = Steps(values, start, torch.tensor([len(row)]), len(row)) if of_any_length else values[None]
            return module(given)[0].numpy()

    return forward


def _recurrent(module: Any) -> Forward | None:
    """Return the pass of one sequence through torch's recurrent kernels and the last layer; None for other modules."""
    body = module.body
    if not isinstance(body, RecurrentBody) or not body.reads_straight or body.table.code_columns:
        return None
    if not all(isinstance(layer, Fused) for layer in body.forward_layers):
        return None
    kernels: list[Any] = [layer.kernel for layer in body.forward_layers]

    def forward(row: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            h = torch.from_numpy(row)[None]
            for kernel in kernels:
                h, _ = kernel(h)
            return module.head(h[:, -1])[0].numpy()

    return forward


def _dense(module: Any) -> Forward | None:
    """Return the pass of one row through plain dense layers on arrays; None for other modules."""
    layers = plain_layers(module)
    if layers is None:
        return None
    pairs = [(e.weighted_sum.weight, e.weighted_sum.bias, FORMULAS[type(e.activation)]) for e in layers]
    pairs.append((module.head.weight, module.head.bias, FORMULAS[nn.Identity]))
    steps = [(w.detach().numpy().copy(), b.detach().numpy().copy(), f) for w, b, f in pairs]
    scaling = module.scaling
    scale = [each.numpy().copy() for each in (scaling.factor, scaling.shift)] if hasattr(scaling, "factor") else None

    def forward(row: np.ndarray) -> np.ndarray:
        if scale is not None:
            row = row.astype(scale[0].dtype) * scale[0] + scale[1]
        h = row.reshape(-1)
        for weight, bias, activation in steps:
            h = activation(weight @ h + bias)
        return h

    return forward
