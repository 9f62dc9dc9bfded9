"""What networks that learn without a target do alike: their rows are all they have.

The body turns standardised rows into codes, like every body. A body that can also go back has ``decode``; its
``row_loss`` is what training brings down. ``y`` is taken and left aside, because a scikit-learn Pipeline hands it to
every step; unless a network ``reads_target``, and draws its rows from y. Then ``row_loss`` is given codes beside the
rows: of a label a number for each label, 1 for its own and 0 for the others; of numbers these, standardised.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)
from torch import Tensor, nn

from nnzoo.checks import Range
from nnzoo.engine.batches import Batch
from nnzoo.engine.device import Arithmetic
from nnzoo.engine.forward import forward_in_blocks
from nnzoo.engine.scaling import Standardizer
from nnzoo.errors import DataError
from nnzoo.estimator import GRADIENT_RANGES, LEARNER_RANGES, Rows, only_if
from nnzoo.evaluation.rowvalues import RowValues, Shown, as_bytes, reconstruct_by_components
from nnzoo.heads import NO_HEAD
from nnzoo.inputs import PIXEL_MAX, Inputs, Reading
from nnzoo.targets import NO_TARGET, Target, read_target
from nnzoo.trace import Step
from nnzoo.tracing import Names, array, trace_layers, trace_losses, trace_scaling
from nnzoo.training.gradient import GradientSettings, GradientTrainer
from nnzoo.training.loop import LoopSettings, Run, Trainer

UNLABELLED_RANGES: dict[str, Range] = {
    name: allowed for name, allowed in LEARNER_RANGES.items() if name not in ("task", "class_weight")
}
"""Ranges of what every network without a target has."""
UNLABELLED_GRADIENT_RANGES: dict[str, Range] = UNLABELLED_RANGES | GRADIENT_RANGES


MAX_BESIDE = 12
"""Images that a report shows beside what comes back of them."""
MAX_ROUNDS, ROUND_TOLERANCE = 200, 1e-6
"""When what is filled in has settled."""


class CodeNetwork(nn.Module):
    """Scaling and body: rows (n, *shape) to codes body(scaling(x)), shape (n, n_out)."""

    def __init__(self, scaling: nn.Module, body: nn.Module) -> None:
        super().__init__()
        self.scaling = scaling
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        """Return the codes."""
        return self.body(self.scaling(x))


class RowLosses(nn.Module):
    """All of a network that training goes through, as one module: rows to the loss of each (n,)."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Return the losses."""
        return self.network.body.row_loss(self.network.scaling(x))


class RoundTrip(nn.Module):
    """Rows to their codes and back: (n, *shape) to standardised rows of the same shape."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Return the rows that came back."""
        return self.network.body.decode(self.network(x))


def _goes_back(network: Any) -> bool:
    return network.goes_back


class Unlabelled(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """A network without a target, as a transformer: rows to codes, and back where the body has ``decode``."""

    task: Any = None
    shows_inputs: ClassVar[bool] = False
    """Whether ``measures`` takes the names of the inputs, which its pictures show."""
    goes_back: ClassVar[bool] = True
    """Whether the body has ``decode``."""

    @property
    def reads_target(self) -> bool:
        """Whether rows are drawn from y, which is left aside otherwise."""
        return False

    @property
    def draws_in_training(self) -> bool:
        """Whether a step draws noise, so that the lowest training loss is that of the luckiest draws."""
        return False

    @property
    def in_unit_range(self) -> bool:
        """Whether the network takes its rows as numbers from 0 to 1 in place of standardised ones."""
        return False

    def transform(self: Any, X: Any) -> np.ndarray:
        """Return the code of each row, (n, n_out)."""
        inputs = self._check_inputs(X)
        return forward_in_blocks(self.network_, inputs)

    @only_if(_goes_back)
    def inverse_transform(self: Any, Z: Any) -> np.ndarray:
        """Return rows in their own unit from codes (n, n_out): (n, n_features), or images and signals in their shape.

        Raises
        ------
        DataError
            Codes of another width.
        """
        check_is_fitted(self)
        codes = np.asarray(Z, dtype=np.float64)
        if codes.ndim != 2 or codes.shape[1] != self.network_.body.n_out:
            raise DataError(
                f"{type(self).__name__} needs codes of shape (rows, {self.network_.body.n_out}); got {codes.shape}.",
                "Pass what transform gives.",
            )
        weight = self._weight
        return self._in_units(self._pass(self.network_.body.decode, torch.from_numpy(codes).to(weight)))

    @only_if(_goes_back)
    def reconstruct(self: Any, X: Any) -> np.ndarray:
        """Return what is left of each row once it has gone through its code and back, in the unit of the rows."""
        return self._in_units(self._decoded(self._check_inputs(X)))

    def score_samples(self: Any, X: Any) -> np.ndarray:
        """Return minus the loss of each row, as training measures it, without noise: (n,)."""
        inputs = self._check_inputs(X)
        return -self._pass(RowLosses(self.network_), inputs)

    def score(self: Any, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the mean of ``score_samples``; y is left aside."""
        return float(np.average(self.score_samples(X), weights=sample_weight))

    def predict_rows(self: Any, X: Any) -> tuple[np.ndarray, None]:
        """Return the first of the :meth:`answers`; there are no probabilities."""
        return next(iter(self.answers(X).values())), None

    def answers(self: Any, X: Any) -> Mapping[str, np.ndarray]:
        """Return what ``nnzoo predict`` writes of each row: name of a column to its values (n,)."""
        return {"score": self.score_samples(X)}

    def trace(self: Any, X: Any, inputs: Sequence[str] = (), labels: Sequence[str] = ()) -> Iterator[Step]:
        """Yield how one row becomes a code and comes back, step by step, from the tensors that are computed."""
        del labels
        names = Names("x", tuple(inputs))
        yield from self._trace_pass(RoundTrip(self.network_), X, names)
        tensors = self._check_inputs(X)
        yield trace_losses(self._standardized(tensors)[0], self._decoded(tensors)[0], names)

    def learn(self: Any, network: nn.Module, n_rows: int, n_steps: int) -> Trainer:
        """Return gradient descent on the losses of the body."""
        settings = GradientSettings(n_steps=n_steps, **self.gradient_settings())
        arithmetic = Arithmetic.named(self.arithmetic_)
        return GradientTrainer(network, NO_HEAD.row_loss, settings, arithmetic, losses=_losses)

    def loop_settings(self: Any, n_rows: int, seed: int, *, with_validation: bool) -> LoopSettings:
        """Return what the parameters say; where steps draw noise and no validation rows tell, the last weights stay."""
        settings = super().loop_settings(n_rows, seed, with_validation=with_validation)  # pyright: ignore[reportAttributeAccessIssue]
        return replace(settings, keep="last") if self.draws_in_training and not with_validation else settings

    def fit_run(
        self: Any, run: Run, X: Any, y: Any, sample_weight: Any = None, validation: Any = None, parts: Any = None
    ) -> Any:
        """Train within a run, then :meth:`settle` what follows from the training rows."""
        super().fit_run(run, X, y, sample_weight, validation, parts)  # pyright: ignore[reportAttributeAccessIssue]
        self.settle(X, sample_weight)
        return self

    def partial_fit(self: Any, X: Any, y: Any = None, classes: Any = None, sample_weight: Any = None) -> Any:
        """Pass once through some rows, going on from where the last call ended; y is left aside unless it is read."""
        y, classes = (y, classes) if self.reads_target else (None, None)
        super().partial_fit(X, y, classes, sample_weight)  # pyright: ignore[reportAttributeAccessIssue]
        self.settle(X, sample_weight)
        return self

    def settle(self, X: Any, sample_weight: Any) -> None:
        """Learn what depends on the trained network and its rows; nothing, unless a network has something."""

    # Inside

    def _whole(self: Any) -> nn.Module:
        return RowLosses(self.network_)

    def _trace_pass(self: Any, module: nn.Module, X: Any, names: Names) -> Iterator[Step]:
        """Yield the scaling of one row, and the layers of a module that it goes through."""
        rows = self._read(X, reset=False)[1]
        tensors = self._to_inputs(rows)
        if not self.inputs_.pixels:
            yield from trace_scaling(
                self.inputs_.standard, np.asarray(rows[0], dtype=np.float64), array(tensors), names
            )
        yield from trace_layers(module, tensors, names)

    def _check_inputs(self: Any, X: Any) -> Tensor:
        check_is_fitted(self)
        rows = self._read(X, reset=False)[1]
        if self.in_unit_range and rows.dtype != np.uint8:
            self._check_unit_range(rows)
        return self._to_inputs(rows)

    def _pass(self: Any, function: Callable[[Tensor], Tensor], inputs: Tensor) -> np.ndarray:
        """Return what a part of the network makes of rows, in blocks, as float64."""
        self.network_.eval()
        return forward_in_blocks(_AsModule(function), inputs)

    def _decoded(self: Any, inputs: Tensor) -> np.ndarray:
        """Return the standardised rows that the codes of some rows give."""
        return self._pass(RoundTrip(self.network_), inputs)

    def _standardized(self: Any, inputs: Tensor) -> np.ndarray:
        """Return rows as the body gets them, flat: (n, n_features)."""
        return self._pass(lambda x: self.network_.scaling(x).flatten(1), inputs)

    def _in_units(self: Any, values: np.ndarray) -> np.ndarray:
        """Return standardised rows, flat or in shape, in the unit that they came in; pixels as bytes."""
        inputs: Inputs = self.inputs_
        rows = values.reshape(-1, inputs.n_scaled)
        if inputs.pixels:
            rows = np.rint(np.clip(inputs.standard.invert(rows) * PIXEL_MAX, 0, PIXEL_MAX)).astype(np.uint8)
        else:
            rows = inputs.standard.invert(rows)
        return rows.reshape(len(values), *inputs.shape)

    def standardize(self: Any, X: np.ndarray, weight: np.ndarray | None, codes: Any) -> Standardizer:
        """Return the scaling of a table: mean 0 and deviation 1 of every column, or none for numbers from 0 to 1."""
        if self.in_unit_range:
            self._check_unit_range(X)
            return Standardizer.identity(X.shape[1])
        return super().standardize(X, weight, codes)  # pyright: ignore[reportAttributeAccessIssue]

    def standardize_channels(self: Any, X: np.ndarray, weight: np.ndarray | None, *, pixels: bool) -> Standardizer:
        """Return the scaling of images and signals, by channel; none for numbers from 0 to 1, and shares of 255."""
        if self.in_unit_range:
            if not pixels:
                self._check_unit_range(X)
            return Standardizer.identity(X.shape[-1])
        return super().standardize_channels(X, weight, pixels=pixels)  # pyright: ignore[reportAttributeAccessIssue]

    def _check_unit_range(self: Any, X: np.ndarray) -> None:
        if X.min() < 0 or X.max() > 1:
            raise DataError(
                f"{type(self).__name__} needs numbers from 0 to 1 here; X goes from {X.min():.4g} to {X.max():.4g}.",
                "Scale X with scikit-learn's MinMaxScaler, or choose a loss for numbers of any size.",
            )

    def _check_rows(self: Any, X: Any, y: Any, sample_weight: Any, *, reset: bool) -> Rows:
        """Check rows, drop those of weight 0, and scale the weights to mean 1; y is left aside unless it is read."""
        kind, X, _ = self._read(X, reset=reset)
        y = self._check_labels(X, y) if self.reads_target else None
        if sample_weight is None:
            return Rows(kind, X, y, None)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        kept = weight > 0
        return Rows(kind, X[kept], None if y is None else y[kept], weight[kept] / weight[kept].mean())

    def _check_labels(self, X: Any, y: Any) -> np.ndarray:
        """Return y as an array: labels (n,) or codes (n, n_codes)."""
        if y is None:
            raise DataError(
                f"{type(self).__name__} needs y here, a label or a code for each row; got none.", "Pass fit(X, y)."
            )
        found = check_array(y, ensure_2d=False, dtype=None, input_name="y")  # pyright: ignore[reportArgumentType]
        check_consistent_length(X, found)
        return found

    def _learn_target(self, rows: Rows) -> Target:
        if rows.y is None:
            return NO_TARGET
        task = "classification" if type_of_target(rows.y) in ("binary", "multiclass") else "regression"
        return read_target(type(self).__name__, task, rows.y, rows.weight)

    def _codes(self: Any, y: Any) -> np.ndarray:
        """Return what a network that reads y is given of it: float64 (n, n_codes)."""
        target, found = self.target_, np.asarray(y)
        n_columns = found.size // max(len(found), 1)
        if target.classes is None and n_columns != target.n_targets:
            raise DataError(
                f"{type(self).__name__} needs codes of {target.n_targets} numbers; got {n_columns}.",
                "Give what fit took as y.",
            )
        coded = target.code(found)
        return coded if target.classes is None else np.eye(target.n_targets)[coded.reshape(-1).astype(np.int64)]

    def _to_batch(self: Any, rows: Rows) -> Batch:
        inputs = self._to_inputs(rows.X)
        codes = None if rows.y is None else torch.from_numpy(self._codes(rows.y)).to(self._weight)
        weight = None if rows.weight is None else torch.from_numpy(rows.weight).to(self._weight)
        return Batch(inputs, codes, weight)

    def _bare_network(self: Any, inputs: Inputs, sizes: Mapping[str, Any]) -> CodeNetwork:
        dtype = Arithmetic.named(sizes["arithmetic"]).dtype
        return CodeNetwork(inputs.make_scaling(), self.make_body(inputs)).to(dtype)

    @property
    def _n_features_out(self: Any) -> int:
        return int(self.network_.body.n_out)


def weighted_quantile(values: np.ndarray, weight: np.ndarray | None, share: float) -> float:
    """Return the smallest value with more than this share of all weight below it or at it.

    Examples
    --------
    >>> weighted_quantile(np.array([3.0, 1.0, 2.0]), np.array([1, 2, 1]), 0.5)
    2.0
    """
    order = np.argsort(values, kind="stable")
    weight = np.ones(len(values)) if weight is None else np.asarray(weight, dtype=np.float64)
    reached = np.cumsum(weight[order]) / weight.sum()
    return float(values[order[min(int(np.searchsorted(reached, share * (1 + 1e-12), "right")), len(values) - 1)]])


def reconstruction_values(network: Any, X: Any, X_train: Any | None, n_components: int) -> RowValues:
    """Return the reconstruction error of each row, beside the mean row's and that of so many principal components.

    Parameters
    ----------
    network : Unlabelled
    X, X_train : rows, as for ``transform``
        Those that are measured; those of training, or None where they are not at hand.
    n_components : int
    """
    inputs = network._check_inputs(X)
    rows = network._standardized(inputs)
    competitors = []
    if X_train is not None:
        known = network._standardized(network._check_inputs(X_train))
        competitors = reconstruct_by_components(known, rows, n_components)
    rebuilt = network._decoded(inputs).reshape(rows.shape)
    shows: tuple[Shown, ...] = ()
    if network.inputs_.kind == "image":
        shows = (_beside(network._in_units(rows[:MAX_BESIDE]), network._in_units(rebuilt[:MAX_BESIDE])),)
    return RowValues(
        "reconstruction_error",
        "lower",
        "What is lost on the way through the code: the squared differences of a row, as standardised, added up.",
        np.square(rows - rebuilt).sum(axis=1),
        tuple(competitors),
        shows=shows,
    )


def within_unit_range(X: np.ndarray) -> bool:
    """Return whether rows are numbers from 0 to 1, as bytes are as shares of 255."""
    return X.dtype == np.uint8 or bool(X.min() >= 0 and X.max() <= 1)


def read_with_gaps(network: Any, X: Any) -> np.ndarray:
    """Return checked rows, some numbers of which are missing (NaN): float64 (n, *shape).

    Raises
    ------
    DataError
        Rows of another shape than those of training.
    """
    check_is_fitted(network)
    reading = Reading.of(network)
    X, is_grid = reading.look_at(X)
    found: Any = validate_data(
        network, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan", allow_nd=True, ensure_2d=not is_grid
    )
    rows = reading.arrange(found)[1]
    if rows.shape[1:] != network.inputs_.shape:
        raise DataError(
            f"{type(network).__name__} was trained on rows of shape {network.inputs_.shape}; X has rows of shape "
            f"{rows.shape[1:]}.",
            "Bring X to the shape of the training rows.",
        )
    return rows


def scale_with_gaps(network: Any, rows: np.ndarray) -> np.ndarray:
    """Return rows of :func:`read_with_gaps` as the body gets them, flat, the mean where one is missing: (n, n_in)."""
    inputs = network.inputs_
    unit = PIXEL_MAX if inputs.pixels else 1.0
    known = np.where(np.isnan(rows), inputs.standard.mean, rows / unit).reshape(-1, inputs.n_scaled)
    return inputs.standard.apply(known, np.float64).reshape(len(rows), -1)


def fill_missing(network: Any, X: Any) -> np.ndarray:
    """Return rows with what is missing (NaN) filled in by going to the code and back: float64, of the shape of X.

    Missing numbers start as those of the code 0, and what comes back takes their place, until nothing moves.

    Parameters
    ----------
    network : Unlabelled
        Fitted, with a body that has ``decode``.
    X : rows, as for ``transform``, some numbers NaN
    """
    rows = read_with_gaps(network, X)
    inputs, weight, body = network.inputs_, network._weight, network.network_.body
    missing = np.isnan(rows)
    middle = network._pass(body.decode, torch.zeros(1, body.n_out).to(weight))
    scaled = np.where(missing, middle, scale_with_gaps(network, rows).reshape(rows.shape))
    for _ in range(MAX_ROUNDS):
        back = network._pass(lambda x: body.decode(body(x)), torch.from_numpy(scaled).to(weight))
        moved = np.abs(back - scaled)[missing].max(initial=0.0)
        scaled[missing] = back[missing]
        if moved < ROUND_TOLERANCE:
            break
    filled = inputs.standard.invert(scaled.reshape(-1, inputs.n_scaled)).reshape(rows.shape)
    return np.where(missing, filled * (PIXEL_MAX if inputs.pixels else 1.0), rows).reshape(np.shape(X))


def drawn_images(network: Any, sentence: str) -> tuple[Shown, ...]:
    """Return the picture of some images that the network draws, with what it says of them, if it draws images."""
    if network.inputs_.kind != "image":
        return ()
    return (Shown("What it draws", sentence, {"drawn": as_bytes(network.sample(MAX_BESIDE, random_state=0))}),)


def _beside(images: np.ndarray, rebuilt: np.ndarray) -> Shown:
    return Shown(
        "What comes back",
        "Images that the network has not been trained on, and what it makes of them from their codes alone.",
        {"given": as_bytes(images), "given back": as_bytes(rebuilt)},
    )


class _AsModule(nn.Module):
    """A function as a module in evaluation mode."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def _losses(network: Any, batch: Batch) -> Tensor:
    codes = () if batch.target is None else (batch.target,)
    return network.body.row_loss(network.scaling(batch.inputs), *codes)
