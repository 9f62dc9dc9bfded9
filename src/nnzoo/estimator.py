"""Network: the scikit-learn face that every network of the chart wears.

A network file gives a body (and, where it does not descend a gradient, a learning rule); this module gives the rest:
checks, weighted standardisation, the head, the loop and predictions. What a model file stores of it is in
``fitted.py``, what networks without a target have in place of a head in ``networks/unlabelled.py``.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar, cast

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split
from sklearn.utils import Tags, check_random_state
from sklearn.utils._tags import ClassifierTags, RegressorTags
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data
from torch import nn

from nnzoo.checks import Each, Labelled, OneOf, Range, Real, Seed, Truth, Whole, check_ranges, either
from nnzoo.engine.batches import Batch, count_batches
from nnzoo.engine.device import (
    DEVICE_NAMES,
    PRECISIONS,
    Arithmetic,
    check_memory,
    choose_arithmetic,
    choose_device,
    derive_seed,
    isolated_random_state,
)
from nnzoo.engine.forward import forward_in_blocks
from nnzoo.engine.products import seconds_alone
from nnzoo.engine.scaling import Standardizer
from nnzoo.engine.steps import Steps
from nnzoo.engine.stored import stored
from nnzoo.errors import DataError, TrainingDiverged, UsageError
from nnzoo.fitted import Fitted
from nnzoo.heads import HEADS, TASKS
from nnzoo.inputs import KINDS, Inputs, Reading, learn_channels
from nnzoo.ragged import Ragged
from nnzoo.targets import Target, read_target
from nnzoo.trace import Step
from nnzoo.tracing import Names, array, trace_scaling, trace_scores
from nnzoo.training.gradient import OPTIMIZERS, SCHEDULES, GradientSettings, GradientTrainer
from nnzoo.training.loop import Loop, LoopSettings, Run, Trainer

LEARNER_RANGES: dict[str, Range] = {
    "task": OneOf(TASKS),
    "class_weight": either(OneOf((None, "balanced")), Labelled(Real(0.0))),
    "kind": OneOf((None, *KINDS)),
    "input_shape": either(OneOf((None,)), Each(Whole(1, 10**6), low=1, high=3)),
    "device": OneOf(DEVICE_NAMES),
    "precision": OneOf(PRECISIONS),
    "random_state": Seed(),
    "verbose": either(Truth(), Whole(0, 100)),
}
"""Ranges of what every network that learns from a target has."""

TABLE_RANGES: dict[str, Range] = {
    **LEARNER_RANGES,
    "categorical_features": either(OneOf((None,)), Each(Whole(0), high=100_000)),
}
"""Ranges of what every network that reads a table has."""

LOOP_RANGES: dict[str, Range] = {
    "n_epochs": Whole(1),
    "early_stopping": either(Truth(), OneOf(("auto",))),
    "patience": Whole(1),
    "validation_fraction": Real(0.0, 0.9, above=True),
}
"""Ranges of what every network that learns by steps has."""

GRADIENT_RANGES: dict[str, Range] = {
    **LOOP_RANGES,
    "optimizer": OneOf(OPTIMIZERS),
    "learning_rate": Real(0.0, 1000.0, above=True),
    "schedule": OneOf(SCHEDULES),
    "batch_size": Whole(1),
    "weight_decay": Real(0.0, 1000.0),
    "clip_norm": either(OneOf((None,)), Real(0.0, above=True)),
}
"""Ranges of what every network that descends a gradient has."""

EARLY_STOPPING_FROM_ROWS = 10_000
MAX_CODE = 2**24
FIRST_WEIGHTS_SEED, TRAINING_SEED = (2**31 + 1,), (2**31 + 2,)
GRID_TYPES = [np.float64, np.float32, np.uint8]
"""Types in which images and sequences stay as they come; others become float64."""
COPIES_WHILE_TRAINING = 5
"""Weights, gradients, two moments and the best weights."""


class ScoreNetwork(nn.Module):
    """Scaling, body and last layer: rows (n, *shape) to scores s = W body(scaling(x)) + b, shape (n, n_scores)."""

    def __init__(self, scaling: nn.Module, body: nn.Module, n_features_out: int, n_scores: int) -> None:
        super().__init__()
        self.scaling = scaling
        self.body = body
        self.head = nn.Linear(n_features_out, n_scores)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scores."""
        return self.head(self.body(self.scaling(x)))


@dataclass(frozen=True)
class Rows:
    """Checked rows: their kind, X (n, *shape) or sequences, y of rows or of steps, and weights (n,) or None."""

    kind: str
    X: Any
    y: Any
    weight: np.ndarray | None

    @property
    def flat_y(self) -> np.ndarray:
        """Return y; of sequences with a target for each step, those of all steps."""
        if not isinstance(self.y, Ragged):
            return self.y
        return self.y.values[:, 0] if self.y.width == 1 else self.y.values

    @property
    def step_weight(self) -> np.ndarray | None:
        """Return the weight of every step of sequences, else of every row."""
        if self.weight is None or not isinstance(self.X, Ragged):
            return self.weight
        return np.repeat(self.weight, self.X.lengths)


def _classifies(network: "Network") -> bool:
    return network.task == "classification"


def _has_task(network: "Network") -> bool:
    return network.task is not None


def _gives_probabilities(network: "Network") -> bool:
    return _classifies(network) and network.gives_probabilities


Method = TypeVar("Method", bound=Callable[..., Any])


def only_if(condition: Callable[[Any], bool]) -> Callable[[Method], Method]:
    """Return a decorator of methods that are there only where the condition holds of their network."""
    return cast("Callable[[Method], Method]", available_if(condition))


class Network(Fitted, BaseEstimator):
    """Base of all networks."""

    ranges: ClassVar[Mapping[str, Range]]
    task: Any
    """None where a network learns without a target."""
    kinds: ClassVar[tuple[str, ...]] = ("table",)
    accepts_sparse: ClassVar[bool] = False
    gives_probabilities: ClassVar[bool] = True
    reads_symbols: ClassVar[bool] = False
    """Whether a step of its sequences is one symbol, a code, and what is next is learned."""
    trains_in_bfloat16: ClassVar[bool] = True
    """Whether ``precision="auto"`` may choose it."""
    own_counts: ClassVar[tuple[str, ...]] = ()
    """Counts of its own that a model file holds, as the network's ``_sizes`` names them."""

    @property
    def reads_target(self) -> bool:
        """Whether ``fit`` needs y."""
        return _has_task(self)

    def make_body(self, inputs: Inputs) -> nn.Module:
        """Return the untrained body: standardised rows (n, *inputs.shape) to features (n, body.n_out)."""
        raise UsageError(f"{type(self).__name__} needs make_body.", "Use one of the networks that nnzoo list shows.")

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        lengths: Any = None,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        lengths_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Train the network from new weights.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features), or array of images or sequences
            Images (n_samples, height, width) or (n_samples, height, width, channels), bytes or numbers; sequences
            (n_samples, n_steps, n_features); for the networks that read them.
        y : array of shape (n_samples,), or (n_samples, n_outputs)
            Labels, an indicator matrix of several labels a row, or values. Networks with memory may take one for every
            step, or none: see ``output``.
        lengths : array of shape (n_samples,), optional
            Steps of each sequence in a padded X, for networks with memory.
        sample_weight : array of shape (n_samples,), optional
        X_val, y_val, lengths_val, sample_weight_val : optional
            Validation rows: the best weights are those with the lowest loss here, and ``early_stopping="auto"`` is on.

        Returns
        -------
        self

        Raises
        ------
        ParameterError, ValueError, ResourceError, TrainingDiverged
        KeyboardInterrupt
            After Ctrl-C, once the best weights so far are in place.
        """
        validation = None if X_val is None else (self._cut_to(X_val, lengths_val), y_val, sample_weight_val)
        run = Run(verbose=int(self.get_params()["verbose"]))
        self.fit_run(run, self._cut_to(X, lengths), y, sample_weight, validation)
        if self.stopped_ == "interrupt":
            raise KeyboardInterrupt
        if self.stopped_ == "terminate":
            raise SystemExit(143)
        return self

    def fit_run(
        self,
        run: Run,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        validation: tuple[Any, Any, Any] | None = None,
        parts: Callable[[], Iterable[tuple[Any, Any]]] | None = None,
    ) -> Self:
        """Train within a run (time limit, checkpoints, resume); ``stopped_`` notes an interruption, none is raised.

        ``parts`` gives all training rows (X, y) in chunks where the memory does not hold them; the network is then
        sized and its inputs are standardised by the rows that are given, and all rows are trained on from the disk.
        """
        check_ranges(type(self).__name__, self.get_params(deep=False), self.ranges)
        rows = self._check_rows(X, y, sample_weight, reset=True)
        seed = self._draw_seed()
        target = self._learn_target(rows)
        train, valid = self._choose_validation(rows, validation, target, seed)
        self._start(train, target, seed)
        batch = self._to_batch(train) if parts is None else self._stored_batch(train.kind, parts, run)
        n_rows = len(batch)
        settings = self.loop_settings(n_rows, seed, with_validation=valid is not None)
        trainer = self.learn(self.network_, n_rows, settings.n_epochs * count_batches(n_rows, settings.batch_size))
        with isolated_random_state(derive_seed(seed, *TRAINING_SEED), self._device):
            try:
                outcome = Loop(trainer, batch, None if valid is None else self._to_batch(valid), settings, run)()
            except TrainingDiverged:
                del self.network_
                raise
        self.network_.load_state_dict(outcome.weights)
        self.history_, self.stopped_ = outcome.history, outcome.stopped
        if run.paced and isinstance(trainer, GradientTrainer) and outcome.n_epochs:
            self.pace_ = self._measure_pace(batch, settings.batch_size)
        self.n_iter_, self.best_epoch_, self.best_by_ = outcome.n_epochs, outcome.best_epoch, outcome.best_by
        self.trainer_ = None
        return self

    def _whole(self) -> nn.Module:
        """Return all that a row goes through in training, as one module."""
        return self.network_

    def _measure_pace(self, rows: Batch, batch_size: int) -> dict[str, float]:
        """Return rows per second in training, and the share of its time that the products take alone."""
        n_epochs, seconds = len(self.history_["seconds"]), self.history_["seconds"][-1]
        alone = seconds_alone(self._whole(), rows, batch_size, Arithmetic.named(self.arithmetic_))
        n_steps = n_epochs * count_batches(len(rows), batch_size)
        return {"rows_per_second": n_epochs * len(rows) / seconds, "products_share": n_steps * alone / seconds}

    def partial_fit(self, X: Any, y: Any = None, classes: Any = None, sample_weight: Any = None) -> Self:
        """Pass once through some rows, going on from where the last call ended.

        Standardisation and the last layer's width are learned on the first call, which should see a fair sample.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
        y : array of shape (n_samples,) or (n_samples, n_outputs)
            Left out where there is no target.
        classes : array of shape (n_classes,), optional
            All labels that will ever come; taken from the first y if left out.
        sample_weight : array of shape (n_samples,), optional
        """
        first = not hasattr(self, "network_")
        if first:
            check_ranges(type(self).__name__, self.get_params(deep=False), self.ranges)
        rows = self._check_rows(X, y, sample_weight, reset=first)
        if first:
            known = rows if classes is None else replace(rows, y=np.asarray(classes), weight=None)
            self._start(rows, self._learn_target(known), self._draw_seed())
            self.history_, self.n_iter_, self.trainer_ = {}, 0, None
        if self.trainer_ is None:
            self._count_values(rows.X)
            self.trainer_ = self.learn(self.network_, rows.X.shape[0], self.get_params().get("n_epochs", 1))
        seed = derive_seed(self._draw_seed(), *TRAINING_SEED, self.n_iter_) % 2**32
        settings = replace(
            self.loop_settings(rows.X.shape[0], seed, with_validation=False), n_epochs=1, keep="last", patience=None
        )
        with isolated_random_state(seed, self._device):
            outcome = Loop(self.trainer_, self._to_batch(rows), None, settings, Run())()
        self.network_.load_state_dict(outcome.weights)
        self.n_iter_ += 1
        for name, column in (outcome.history | {"epoch": [float(self.n_iter_)]}).items():
            self.history_.setdefault(name, []).extend(column)
        self.best_epoch_, self.best_by_, self.stopped_ = self.n_iter_, "last", outcome.stopped
        return self

    @only_if(_has_task)
    def predict(self, X: Any) -> np.ndarray:
        """Return labels (n,), indicator rows (n, n_labels), or values (n,) or (n, n_outputs) in the target's unit."""
        scores = self._scores(X)
        return self.target_.labels_or_values(scores)

    @only_if(_classifies)
    def decision_function(self, X: Any) -> np.ndarray:
        """Return scores before the final activation: (n,) for two classes, else (n, n_classes) or (n, n_labels)."""
        scores = self._scores(X)
        return scores[:, 0] if self.target_.head.kind == "binary" else scores

    @only_if(_gives_probabilities)
    def predict_proba(self, X: Any) -> np.ndarray:
        """Return probabilities (n, n_classes), columns in the order of ``classes_``, or (n, n_labels)."""
        return self._probabilities(self._scores(X))

    def trace(self, X: Any, inputs: Sequence[str] = (), labels: Sequence[str] = ()) -> Iterator[Step]:
        """Yield the forward pass of one row step by step, from the tensors that are computed.

        Parameters
        ----------
        X : one row, as for ``predict``
        inputs, labels : sequence of str
            Names of the inputs and of the classes.
        """
        rows = self._read(X, reset=False)[1]
        names = Names("x", tuple(inputs))
        tensors = self._to_inputs(rows)
        if not self.inputs_.pixels:
            yield from trace_scaling(
                self.inputs_.standard, np.asarray(rows[0], dtype=np.float64), array(tensors), names
            )
        with_shares = _gives_probabilities(self)
        yield from trace_scores(self.network_, tensors, self.target_, names, labels, with_shares=with_shares)

    def predict_rows(self, X: Any) -> tuple[np.ndarray, np.ndarray | None]:
        """Return predictions and, where the network gives them, probabilities, from one forward pass."""
        scores = self._scores(X)
        probability = self._probabilities(scores) if _gives_probabilities(self) else None
        return self.target_.labels_or_values(scores), probability

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy (the share of rows with all labels right), or R² for regression."""
        measure = accuracy_score if _classifies(self) else r2_score
        return float(measure(y, self.predict(X), sample_weight=sample_weight))

    def loop_settings(self, n_rows: int, seed: int, *, with_validation: bool) -> LoopSettings:
        """Return what the parameters say about the loop."""
        own = self.get_params(deep=False)
        batch_size = n_rows if self.gradient_settings()["optimizer"] == "lbfgs" else own["batch_size"]
        stops = own["early_stopping"] is True or (own["early_stopping"] == "auto" and with_validation)
        return LoopSettings(own["n_epochs"], batch_size, seed, patience=own["patience"] if stops else None)

    def gradient_settings(self) -> dict[str, Any]:
        """Return how the weights move, as keywords of GradientSettings."""
        own = self.get_params(deep=False)
        return {name: own[name] for name in ("optimizer", "learning_rate", "weight_decay", "schedule", "clip_norm")}

    def learn(self, network: nn.Module, n_rows: int, n_steps: int) -> Trainer:
        """Return the learning rule for so many rows and planned steps: gradient descent on the loss of the head."""
        settings = GradientSettings(n_steps=n_steps, **self.gradient_settings())
        return GradientTrainer(network, self.target_.head.row_loss, settings, Arithmetic.named(self.arithmetic_))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = _has_task(self)
        tags.target_tags.multi_output = _has_task(self)
        tags.input_tags.sparse = self.accepts_sparse
        if _classifies(self):
            tags.estimator_type = "classifier"
            tags.classifier_tags = ClassifierTags(multi_label=True)
            tags.target_tags.multi_output = False
        elif _has_task(self):
            tags.estimator_type = "regressor"
            tags.regressor_tags = RegressorTags()
        return tags

    # Inside

    def _cut_to(self, X: Any, lengths: Any) -> Any:
        """Return X without what stands behind the end of its sequences."""
        if lengths is not None:
            raise UsageError(
                f"{type(self).__name__} reads rows of one length; got lengths.", "Use a network with memory."
            )
        return X

    def _draw_seed(self) -> int:
        state = self.get_params()["random_state"]
        return int(state) if isinstance(state, int | np.integer) else int(check_random_state(state).randint(2**31 - 1))

    def _check_rows(self, X: Any, y: Any, sample_weight: Any, *, reset: bool) -> Rows:
        """Check rows as scikit-learn does, drop those of weight 0, and scale the weights to mean 1."""
        kind, X, y = self._read(X, reset=reset, y=y, multi_output=True, y_numeric=not _classifies(self))
        y = y if isinstance(y, Ragged) else np.asarray(y)
        if _classifies(self) and not isinstance(y, Ragged) and y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        class_weight = self.get_params().get("class_weight") if _classifies(self) else None
        if sample_weight is None and class_weight is None:
            return Rows(kind, X, y, None)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if class_weight is not None and isinstance(y, Ragged):
            raise UsageError(f"{type(self).__name__}: class_weight needs one label a row.", "Pass sample_weight.")
        if class_weight is not None:
            weight = weight * compute_sample_weight(class_weight, y)
        kept = weight > 0
        if not kept.any():
            raise DataError(
                f"{type(self).__name__} needs a row of weight above 0; all weights are 0.", "Check sample_weight."
            )
        return Rows(kind, X[kept], y[kept], weight[kept] / weight[kept].mean())

    def _read(self, X: Any, *, reset: bool, **target: Any) -> tuple[str, Any, Any]:
        """Check arrays as scikit-learn does; returns the kind of the rows, X (n, *shape), and y where it was given."""
        reading = Reading.of(self)
        X, is_grid = reading.look_at(X)
        if is_grid and not reset and not target and X.dtype == np.uint8 and X.flags.c_contiguous and len(X):
            kind, X = reading.arrange(X)  # bytes are finite; the inputs look at the shape
            return kind, X, None
        found: Any = validate_data(
            self,
            X,
            reset=reset,
            dtype=GRID_TYPES if is_grid else np.float64,
            order="C",
            accept_sparse="csr" if self.accepts_sparse else False,
            allow_nd=is_grid,
            ensure_2d=not is_grid or X.ndim == 2,
            **target,
        )
        X, y = found if target else (found, None)
        kind, X = reading.arrange(X)
        if reset:
            self.n_features_in_ = int(np.prod(X.shape[1:]))
        return kind, X, y

    def _choose_validation(
        self, rows: Rows, given: tuple[Any, Any, Any] | None, target: Target, seed: int
    ) -> tuple[Rows, Rows | None]:
        """Return training and validation rows: those given, some held out, or none."""
        if given is not None:
            return rows, self._check_rows(*given, reset=False)
        own = self.get_params(deep=False)
        stops = own.get("early_stopping", False)
        from_rows = stops == "auto" and rows.X.shape[0] >= EARLY_STOPPING_FROM_ROWS
        if not (stops is True or from_rows) or rows.X.shape[0] < 2:
            return rows, None
        strata = rows.y if target.head.kind in ("binary", "multiclass") else None
        if isinstance(strata, Ragged):
            strata = None
        if strata is not None and np.unique(strata, return_counts=True)[1].min() < 2:
            strata = None
        train, valid = train_test_split(
            np.arange(rows.X.shape[0]), test_size=own["validation_fraction"], random_state=seed % 2**32, stratify=strata
        )
        return _part(rows, np.sort(train)), _part(rows, np.sort(valid))

    def sized_to(self, X: Any, y: Any) -> Self:
        """Return a copy with the network that ``fit`` would train on such rows, its weights without memory."""
        copy: Any = clone(self)
        rows = copy._check_rows(X, y, None, reset=True)
        copy._size(rows, copy._learn_target(rows))
        return copy

    def training_bytes(self, n_rows: int) -> int:
        """Return the memory for weights, gradients, the optimiser's state, the best weights and ``n_rows`` rows."""
        n_weights = sum(tensor.numel() for tensor in self.network_.state_dict().values())
        number = Arithmetic.named(self.arithmetic_).dtype.itemsize
        n_values = n_rows * self.n_values_per_row_
        return COPIES_WHILE_TRAINING * n_weights * number + int(n_values * (1 if self.inputs_.pixels else number))

    def _size(self, train: Rows, target: Target) -> None:
        """Decide what follows from the training rows (scaling, shapes, arithmetic); the weights get no memory yet."""
        own = self.get_params(deep=False)
        self.target_ = target
        if target.classes is not None:
            self.classes_ = target.classes
        is_ragged = isinstance(train.X, Ragged)
        columns = train.X.values if is_ragged else train.X
        codes = _count_codes(type(self).__name__, columns, own.get("categorical_features"))
        pixels = train.X.dtype == np.uint8
        if train.kind == "table" or is_ragged:
            standard = self.standardize(columns, train.step_weight, codes)
        else:
            standard = self.standardize_channels(train.X, train.weight, pixels=pixels)
        self.inputs_ = Inputs(train.kind, self._row_shape(train.X), pixels, codes, standard)
        device, n_rows = self._choose_device(), train.X.shape[0]
        n_values = self._count_values(train.X)
        precision = own.get("precision", "float64")
        arithmetic = choose_arithmetic(
            precision,
            n_rows,
            device,
            kind=train.kind,
            n_values=n_values,
            classifies=_classifies(self),
            with_bfloat16=self.trains_in_bfloat16,
        )
        self.arithmetic_ = str(arithmetic)
        with torch.device("meta"):
            self.network_ = self._bare_network(self.inputs_, self._sizes())

    def _count_values(self, X: Any) -> int:
        """Return how many numbers some rows are, and keep how many a row has."""
        columns = X.values if isinstance(X, Ragged) else X
        n_values = columns.shape[0] * int(np.prod(columns.shape[1:]))
        self.n_values_per_row_ = n_values / X.shape[0]
        return n_values

    def _row_shape(self, X: Any) -> tuple[int, ...]:
        """Return the shape of a row, or of a step of sequences of any length."""
        return X.shape[1:]

    def _learn_target(self, rows: Rows) -> Target:
        return read_target(type(self).__name__, self.task, rows.flat_y, self._target_weight(rows))

    @staticmethod
    def _target_weight(rows: Rows) -> np.ndarray | None:
        return rows.step_weight if isinstance(rows.y, Ragged) else rows.weight

    def _start(self, train: Rows, target: Target, seed: int) -> None:
        """Size the network to the training rows and draw the first weights."""
        if train.X.shape[0] == 1 and self.get_params(deep=False).get("normalization") == "batch":
            raise DataError(
                f"{type(self).__name__} needs at least 2 training rows for batch normalisation; got n_samples = 1.",
                "Give more rows, or pass normalization=None.",
            )
        self._size(train, target)
        device, n_rows = self._choose_device(), train.X.shape[0]
        n_weights = sum(tensor.numel() for tensor in self.network_.state_dict().values())
        check_memory(
            f"{type(self).__name__} with {n_weights:,} weights and {n_rows:,} rows",
            self.training_bytes(n_rows),
            device,
            "Take fewer units, fewer rows or a larger machine.",
        )
        with isolated_random_state(derive_seed(seed, *FIRST_WEIGHTS_SEED), device):
            self.network_ = self._bare_network(self.inputs_, self._sizes()).to(device)

    def _choose_device(self) -> torch.device:
        """Return the device that is asked for; "auto" is no mps where all is computed in float64, which mps lacks."""
        own = self.get_params(deep=False)
        device = choose_device(own.get("device", "cpu"))
        in_float64 = own.get("precision", "float64") == "float64"
        return torch.device("cpu") if in_float64 and device.type == "mps" and own["device"] == "auto" else device

    @property
    def _weight(self) -> torch.Tensor:
        """Return some weight of the network, for its type and its device."""
        head = getattr(self.network_, "head", None)
        if isinstance(head, nn.Linear):  # at hand; the search takes longer than a layer of a small network
            return head.weight
        return next(chain(self.network_.parameters(), self.network_.buffers()))

    @property
    def _device(self) -> torch.device:
        return self._weight.device

    def standardize(self, X: np.ndarray, weight: np.ndarray | None, codes: Collection[int]) -> Standardizer:
        """Return the scaling of a table: mean 0 and deviation 1 of the weighted training rows, codes as they are."""
        return Standardizer.learn(X, weight, keep=codes)

    def standardize_channels(self, X: np.ndarray, weight: np.ndarray | None, *, pixels: bool) -> Standardizer:
        """Return the scaling of images and signals: mean 0 and deviation 1 of each channel over all its places."""
        return learn_channels(X, weight, pixels=pixels)

    def _sizes(self) -> dict[str, Any]:
        target = self.target_
        names = getattr(self, "feature_names_in_", None)
        return {
            "kind": self.inputs_.kind,
            "shape": list(self.inputs_.shape),
            "pixels": self.inputs_.pixels,
            "feature_names": None if names is None else [str(name) for name in names],
            "n_codes": [[column, n] for column, n in sorted(self.inputs_.n_codes.items())],
            "head": target.head.kind,
            "n_targets": target.n_targets,
            "flat": target.flat,
            "arithmetic": self.arithmetic_,
        }

    def _bare_network(self, inputs: Inputs, sizes: Mapping[str, Any]) -> Any:
        """Return a network of these sizes with weights just drawn."""
        body = self.make_body(inputs)
        n_scores = HEADS[sizes["head"]].n_scores(sizes["n_targets"])
        dtype = Arithmetic.named(sizes["arithmetic"]).dtype
        return ScoreNetwork(inputs.make_scaling(), body, int(body.n_out), n_scores).to(dtype)  # pyright: ignore[reportArgumentType]

    def _to_inputs(self, X: Any) -> Any:
        """Return rows as the network takes them, on its device: a tensor, or of sequences Steps."""
        weight = self._weight
        names = getattr(self, "feature_names_in_", None)
        rows = X if self.inputs_.kind == "table" else self.inputs_.of_row(X, type(self).__name__)
        if isinstance(rows, Ragged):
            return self.inputs_.to_steps(rows, weight.dtype, names).to(weight.device)
        return self.inputs_.to_tensor(rows, weight.dtype, names).to(weight.device)

    def _to_batch(self, rows: Rows) -> Batch:
        """Return rows as tensors on the device, targets coded for the head."""
        dtype, device = self._weight.dtype, self._device
        coded = torch.from_numpy(self.target_.code(rows.flat_y)).to(device)
        coded = coded.to(dtype) if coded.is_floating_point() else coded
        return Batch(
            self._to_inputs(rows.X),
            Steps.of(rows.y, coded) if isinstance(rows.y, Ragged) else coded,
            None if rows.weight is None else torch.from_numpy(rows.weight).to(device, dtype),
        )

    def _stored_batch(self, kind: str, parts: Callable[[], Iterable[tuple[Any, Any]]], run: Run) -> Batch:
        """Return all rows as a batch whose inputs lie on the disk, beside the checkpoints if there are any."""
        own = self.get_params(deep=False)
        if own.get("optimizer") == "lbfgs" or own.get("class_weight") is not None:
            raise UsageError(
                f"{type(self).__name__}: optimizer='lbfgs' and class_weight need all rows in memory.", "Leave them out."
            )
        folder = None if run.checkpoints is None else Path(run.checkpoints.folder)
        return stored((self._to_batch(Rows(kind, X, y, None)) for X, y in parts()), folder)

    def _check_fitted(self) -> None:
        if "network_" not in vars(self):  # scikit-learn's look at all tags takes longer than a small layer
            check_is_fitted(self)

    def _check_inputs(self, X: Any) -> Any:
        self._check_fitted()
        return self._to_inputs(self._read(X, reset=False)[1])

    def _probabilities(self, scores: np.ndarray) -> np.ndarray:
        probability = self.target_.head.activation(torch.from_numpy(scores)).numpy()
        return np.hstack([1 - probability, probability]) if self.target_.head.kind == "binary" else probability

    def _scores(self, X: Any) -> np.ndarray:
        """Return the scores of every row, float64 (n, n_scores)."""
        inputs = self._check_inputs(X)
        return forward_in_blocks(self.network_, inputs)


class Encoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """What a network with a body adds: its features as a transformer gives them."""

    def transform(self: Any, X: Any) -> np.ndarray:
        """Return the features that the body makes of each row, the activations of the last hidden layer: (n, n_out)."""
        inputs = self._check_inputs(X)
        return forward_in_blocks(nn.Sequential(self.network_.scaling, self.network_.body), inputs)

    @property
    def _n_features_out(self: Any) -> int:
        return int(self.network_.body.n_out)


def _part(rows: Rows, index: np.ndarray) -> Rows:
    y, weight = (None if each is None else each[index] for each in (rows.y, rows.weight))
    return Rows(rows.kind, rows.X[index], y, weight)


def _count_codes(owner: str, X: np.ndarray, columns: Sequence[int] | None) -> dict[int, int]:
    """Return column to number of codes, from the codes seen in training."""
    counts = {}
    for column in columns or ():
        if column >= X.shape[1]:
            raise DataError(
                f"{owner}: categorical_features needs columns below {X.shape[1]}; got {column}.",
                "Count columns from 0.",
            )
        codes = X[:, column]
        if np.any(codes < 0) or np.any(codes != np.floor(codes)) or np.any(codes > MAX_CODE):
            raise DataError(
                f"{owner}: column {column} needs category codes 0, 1, 2, ... up to {MAX_CODE:,}; got other numbers.",
                "Code them with scikit-learn's OrdinalEncoder, or leave the column out of categorical_features.",
            )
        counts[int(column)] = int(codes.max()) + 1
    return counts
