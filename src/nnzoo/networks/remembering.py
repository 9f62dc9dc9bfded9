"""What the networks with memory do alike: read sequences, put the head where ``output`` says, forecast, sample, encode.

output="sequence" gives one value a sequence, "step" one a step, "next" what comes next: the following numbers, or the
following code where the steps are codes (symbols, characters, words).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import _check_y, check_is_fitted, validate_data
from torch import Tensor, nn

from nnzoo.engine.device import Arithmetic
from nnzoo.engine.forward import forward_sequences
from nnzoo.engine.scaling import Standardizer
from nnzoo.engine.steps import Steps
from nnzoo.errors import UsageError
from nnzoo.estimator import Rows, only_if
from nnzoo.fitted import FittedState
from nnzoo.heads import choose_head
from nnzoo.inputs import Inputs, Reading
from nnzoo.networks.memory import Carried, RecurrentBody
from nnzoo.networks.parts import TableInput
from nnzoo.ragged import Ragged
from nnzoo.sequences import in_rows, is_flat, target_of_next, target_of_steps, to_ragged
from nnzoo.targets import Target
from nnzoo.trace import MAX_SHOWN, Step, written
from nnzoo.tracing import Names, trace_scaling, trace_scores
from nnzoo.training.gradient import GradientSettings, GradientTrainer
from nnzoo.training.loop import Trainer
from nnzoo.training.truncated import TruncatedTrainer

N_FUTURES = 200
MAX_ERRORS = 2_000


def _classifies(network: Any) -> bool:
    return network.task == "classification"


class Remembering(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """A network whose rows are sequences; the class gives ``make_layer(n_in)``, one layer in one direction."""

    kinds: ClassVar[tuple[str, ...]] = ("sequence",)
    own_counts: ClassVar[tuple[str, ...]] = ("n_errors",)

    def make_body(self: Any, inputs: Inputs) -> nn.Module:
        """Return the untrained body for steps of these values: one layer that reads forward, if there is no say."""
        own = self.get_params(deep=False)
        self._check_differences()
        bidirectional = own.get("bidirectional", False)
        if bidirectional and self.output == "next":
            raise UsageError(
                f"{type(self).__name__}: what is next cannot be predicted by reading from the end.",
                "Pass bidirectional=False.",
            )
        return RecurrentBody(
            TableInput(inputs.n_scaled, inputs.n_codes),
            self.make_layer,
            n_layers=own.get("n_layers", 1),
            bidirectional=bidirectional,
            dropout=self.dropout,
            pooling="last" if self.output == "next" else self.pooling,
            per_step=self.output != "sequence",
        )

    def looks_ahead(self: Any, output: str) -> bool:
        """Return whether a step of such an output is read with what comes after it."""
        del output
        return self.get_params(deep=False).get("bidirectional", False)

    def learn(self: Any, network: Any, n_rows: int, n_steps: int) -> Trainer:
        """Return gradient descent through whole sequences, or through windows of ``bptt_steps``."""
        settings = GradientSettings(n_steps=n_steps, **self.gradient_settings())
        arithmetic, row_loss = Arithmetic.named(self.arithmetic_), self.target_.head.row_loss
        if self.bptt_steps is not None:
            if network.body.bidirectional:
                raise UsageError(
                    f"{type(self).__name__}: bptt_steps cuts time, and the backward direction needs all of it.",
                    "Read forwards only, or pass bptt_steps=None.",
                )
            return TruncatedTrainer(network, row_loss, settings, arithmetic, n_steps=self.bptt_steps)
        if self.output != "sequence":
            row_loss = LossOfSteps(row_loss, self.n_values_per_row_ / self.inputs_.n_scaled)
        return GradientTrainer(network, row_loss, settings, arithmetic, in_parts=True)

    def predict(self: Any, X: Any, *, lengths: Any = None) -> Any:
        """Return the prediction of each sequence, of each step, or of what comes next.

        Parameters
        ----------
        X : Ragged, array (n, T, d) or (n, T), or list of arrays (T_i, d)
        lengths : array of shape (n,), optional
            Steps of each row of a padded array.

        Returns
        -------
        ndarray or list of ndarray
            "sequence" and "next": one a row, (n,) or (n, k). "step": (n, T), or a list of arrays (T_i,).
        """
        rows = self._read_inputs(self._cut_to(X, lengths))
        return self._arranged(self._said(self._scores_of(rows), rows.last), rows)

    @only_if(_classifies)
    def decision_function(self: Any, X: Any, *, lengths: Any = None) -> Any:
        """Return scores before the final activation, in rows as ``predict`` gives them."""
        rows = self._read_inputs(self._cut_to(X, lengths))
        scores = self._scores_of(rows)
        return self._arranged(scores[:, 0] if self.target_.head.kind == "binary" else scores, rows)

    @only_if(_classifies)
    def predict_proba(self: Any, X: Any, *, lengths: Any = None) -> Any:
        """Return probabilities, in rows as ``predict`` gives them, columns in the order of ``classes_``."""
        rows = self._read_inputs(self._cut_to(X, lengths))
        return self._arranged(self._probabilities(self._scores_of(rows)), rows)

    def predict_rows(self: Any, X: Any) -> tuple[np.ndarray, np.ndarray | None]:
        """Return predictions and probabilities, of all steps one behind the other where ``output="step"``."""
        rows = self._read_inputs(X)
        scores = self._scores_of(rows)
        return self._said(scores, rows.last), self._probabilities(scores) if _classifies(self) else None

    def trace(self: Any, X: Any, inputs: Sequence[str] = (), labels: Sequence[str] = ()) -> Iterator[Step]:
        """Yield how one sequence is read, step by step, from the tensors that are computed."""
        rows = self._read_inputs(X)
        learned, names = self._as_learned(rows), Names("x", tuple(inputs))
        tensors = self._to_inputs(learned)
        if self.differences:
            before, name = names.next("d")
            yield Step(
                "differences",
                "Changes from step to step",
                f"{name}(t) = {before}(t) - {before}(t-1)",
                "of every column",
                name,
                learned.values,
                "The series wanders or grows, so the network reads and learns how it changes.",
                {before: rows.values} if rows.values.size <= MAX_SHOWN else {},
            )
        scaled = tensors.flat().double().cpu().numpy()
        yield from trace_scaling(self.inputs_.standard, learned.values.astype(np.float64), scaled, names)
        names.labels = tuple(inputs)
        yield from trace_scores(self.network_, tensors, self.target_, names, labels)
        if self.differences:
            change = self.target_.standard.invert(self._scores_of(rows))[-1]
            level = rows.last()[0].astype(np.float64)
            before, name = names.next("level ")
            yield Step(
                "level",
                "From the change to the value",
                f"{name} = {before} + last value of the series",
                f"{written(change[0])} + {written(level[0])} = {written(change[0] + level[0])}",
                name,
                change + level,
                "The predicted change is added to where the series stands.",
                {before: change, "last value": level},
            )

    def predict_next(self: Any, X: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return, for every step but the first of all sequences: what came, the prediction before it, probabilities."""
        rows, after = target_of_next(type(self).__name__, self._read_inputs(X), len(self.inputs_.n_codes))
        scores = forward_sequences(self.network_, self._to_inputs(self._as_learned(rows)), per_step=True)
        came = Rows("sequence", rows, after, None).flat_y
        return came, self._said(scores, lambda: rows.values), self._probabilities(scores) if _classifies(self) else None

    def score(self: Any, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return accuracy or R²: of the sequences, of all steps, or of all that comes next."""
        measure = accuracy_score if _classifies(self) else r2_score
        if self.output == "next":
            came, predicted, _ = self.predict_next(X)
            return float(measure(came, predicted))
        rows = self._read_inputs(X)
        predicted = self.target_.labels_or_values(self._scores_of(rows))
        if self.output == "step":
            y = Rows("sequence", rows, target_of_steps(type(self).__name__, y, rows), None).flat_y
        return float(measure(y, predicted, sample_weight=sample_weight))

    def transform(self: Any, X: Any, *, lengths: Any = None) -> np.ndarray:
        """Return one vector for each sequence, (n, n_out): the state at its end, or its pooled outputs."""
        rows = self._read_inputs(self._cut_to(X, lengths))
        return forward_sequences(self.network_, self._to_inputs(self._as_learned(rows)), per_step=False, head=False)

    def forecast(
        self: Any, X: Any, n_steps: int, *, lengths: Any = None, interval: float | None = None, random_state: int = 0
    ) -> Any:
        """Return what follows each series, each prediction fed back as the next input.

        The interval comes from 200 simulated futures: to every prediction an error is added, drawn from those of the
        validation rows (without any, of the training rows), and fed back with it.

        Parameters
        ----------
        X : as for ``predict``
        n_steps : int
            Steps to go on.
        lengths : array of shape (n,), optional
        interval : float, optional
            Share of the futures that lie between the ends, such as 0.9.
        random_state : int, default 0
            Of the simulation.

        Returns
        -------
        ndarray of shape (n, n_steps, d), or three of them
            In the unit of the data; with ``interval`` the forecast, the lower and the upper end.

        Raises
        ------
        UsageError
            The network was not trained with ``output="next"`` on numbers.
        """
        check_is_fitted(self)
        if not self._forecasts():
            raise UsageError(
                f"{type(self).__name__}: forecast needs output='next' and task='regression'.",
                "Train so, or use sample for symbols.",
            )
        rows = self._read_inputs(self._cut_to(X, lengths))
        middle = self._futures(rows, n_steps, lambda scores: scores)
        if interval is None:
            return middle
        draw = np.random.default_rng(random_state)

        def with_error(scores: np.ndarray) -> np.ndarray:
            return scores + self.residuals_[draw.integers(len(self.residuals_), size=len(scores))]

        many = self._futures(rows[np.repeat(np.arange(len(rows)), N_FUTURES)], n_steps, with_error)
        low, high = np.quantile(
            many.reshape(len(rows), N_FUTURES, n_steps, -1), [(1 - interval) / 2, (1 + interval) / 2], axis=1
        )
        return middle, low, high

    def sample(
        self: Any,
        n_samples: int = 1,
        *,
        n_steps: int = 200,
        prompt: Any = None,
        temperature: float = 1.0,
        random_state: Any = None,
    ) -> np.ndarray:
        """Return sequences of codes, drawn one after the other from the predicted probabilities.

        Parameters
        ----------
        n_samples, n_steps : int
        prompt : array of codes, shape (T,), optional
            What the sequences go on from; one code drawn at random without.
        temperature : float, default 1
            Scores are divided by it: near 0 the likeliest code always wins, above 1 rare ones come more often.
        random_state : int, RandomState or None

        Returns
        -------
        ndarray of int64, shape (n_samples, n_steps)
            Without the prompt.

        Raises
        ------
        UsageError
            The network was not trained with ``output="next"`` on codes.
        """
        check_is_fitted(self)
        if self.output != "next" or not _classifies(self) or temperature <= 0:
            raise UsageError(
                f"{type(self).__name__}: sample needs output='next' on a column of codes, and a temperature above 0.",
                "Train so, or use forecast for numbers.",
            )
        draw = check_random_state(random_state)
        codes = np.asarray(self.classes_)
        if prompt is None or not len(prompt):
            prompt = draw.choice(codes[codes > 0] if (codes > 0).any() else codes, 1)
        start = np.tile(np.asarray(prompt, dtype=np.float64)[None, :, None], (n_samples, 1, 1))

        def follow(scores: Tensor) -> np.ndarray:
            probability = self._probabilities(scores.double().cpu().numpy() / temperature)
            probability[:, codes == 0] = 0.0
            edges = probability.cumsum(axis=1)
            place = (edges < draw.random_sample(len(edges))[:, None] * edges[:, -1:]).sum(axis=1)
            return codes[place][:, None].astype(np.float64)

        return np.concatenate(list(self._free_run(Ragged.of_padded(start), n_steps, follow)), axis=1).astype(np.int64)

    def _futures(self: Any, rows: Ragged, n_steps: int, change: Any) -> np.ndarray:
        """Return n_steps values behind each row, in the unit of the data; ``change`` is applied to the scores."""
        out = np.zeros((len(rows), n_steps, rows.width))

        def follow(scores: Tensor) -> np.ndarray:
            values = self.target_.standard.invert(change(scores.double().cpu().numpy()))
            return values.reshape(len(values), -1)

        for length in np.unique(rows.lengths):
            index = np.flatnonzero(rows.lengths == length)
            alike = rows[index]
            out[index] = np.stack(list(self._free_run(self._as_learned(alike), n_steps, follow)), axis=1)
            if self.differences:
                out[index] = alike.last()[:, None] + out[index].cumsum(axis=1)
        return out

    def _free_run(self: Any, rows: Ragged, n_steps: int, follow: Any) -> Any:
        """Yield the values (n, d) of each step that follows rows of equal length."""
        network = self.network_.eval()
        with torch.inference_mode():
            carried: Carried | None = None
            for window in self._to_inputs(rows).windows(1024):
                _, carried = network.body.advance(network.scaling(window), carried)
            for number in range(n_steps):
                values = follow(network.head(network.body.summary(carried)))
                yield values
                if number + 1 < n_steps:
                    step: Steps = self._to_inputs(Ragged.of_padded(values[:, None, :]))
                    _, carried = network.body.advance(network.scaling(step), carried)

    # The errors that forecasts are simulated with

    def fit_run(
        self: Any, run: Any, X: Any, y: Any, sample_weight: Any = None, validation: Any = None, parts: Any = None
    ) -> Any:
        """Train as every network does; of forecasts of numbers, keep the errors."""
        super().fit_run(run, X, y, sample_weight, validation, parts)  # pyright: ignore[reportAttributeAccessIssue]
        self.residuals_ = self._errors(X if validation is None else validation[0])
        return self

    def _errors(self: Any, X: Any) -> np.ndarray:
        """Return errors of what comes next, as the loss sees them: at most 2,000, evenly spread over the steps."""
        if not self._forecasts():
            return np.zeros((0, self.target_.n_targets))
        came, predicted, _ = self.predict_next(X)
        scale = self.target_.standard.scale
        errors = (came - predicted).reshape(len(came), -1) / scale
        return errors[np.linspace(0, len(errors) - 1, min(len(errors), MAX_ERRORS)).astype(np.int64)]

    def _sizes(self: Any) -> dict[str, Any]:
        n_errors = len(self.residuals_) if hasattr(self, "residuals_") else 0
        return super()._sizes() | {"n_errors": n_errors}  # pyright: ignore[reportAttributeAccessIssue]

    def fitted_state(self: Any) -> FittedState:
        """Return what a model file stores, the errors among it."""
        state = super().fitted_state()  # pyright: ignore[reportAttributeAccessIssue]
        errors = getattr(self, "residuals_", np.zeros((0, self.target_.n_targets)))
        return replace(state, tensors=state.tensors | {"errors": errors})

    def expected_tensors(self: Any, sizes: Mapping[str, Any]) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
        """Return name, type and shape of every tensor of a network of these sizes."""
        table = super().expected_tensors(sizes)  # pyright: ignore[reportAttributeAccessIssue]
        return table | {"errors": (np.dtype(np.float64), (sizes["n_errors"], sizes["n_targets"]))}

    def restore(self: Any, state: FittedState) -> Any:
        """Take over a stored state."""
        super().restore(state)  # pyright: ignore[reportAttributeAccessIssue]
        self.residuals_ = state.tensors["errors"]
        return self

    # Inside: reading

    def _cut_to(self: Any, X: Any, lengths: Any) -> Any:
        return X if lengths is None else to_ragged(type(self).__name__, X, lengths)

    def _read_inputs(self: Any, X: Any) -> Ragged:
        self._check_fitted()
        return self.inputs_.of_row(self._read(X, reset=False)[1], type(self).__name__)

    def _scores_of(self: Any, rows: Ragged) -> np.ndarray:
        return forward_sequences(self.network_, self._to_inputs(self._as_learned(rows)), per_step=self.output == "step")

    def _as_learned(self: Any, rows: Ragged) -> Ragged:
        """Return the steps as the network reads them: their changes, if it learns those."""
        return rows.changes() if self.differences else rows

    def _said(self: Any, scores: np.ndarray, levels: Callable[[], np.ndarray]) -> np.ndarray:
        """Return labels, or values in the unit of the series, given the last values (n, d) before each of them."""
        said = self.target_.labels_or_values(scores)
        return said + levels().reshape(said.shape) if self.differences else said

    def _forecasts(self: Any) -> bool:
        return self.output == "next" and not _classifies(self)

    def _check_differences(self: Any) -> None:
        if self.differences and not self._forecasts():
            raise UsageError(
                f"{type(self).__name__}: differences=True learns how a series of numbers changes.",
                "Pass output='next' and task='regression', or differences=False.",
            )

    def _arranged(self: Any, values: np.ndarray, rows: Ragged) -> Any:
        return in_rows(values, rows) if self.output == "step" else values

    def _read(self: Any, X: Any, *, reset: bool, **target: Any) -> tuple[str, Any, Any]:
        """Check sequences and their target; flat rows are checked as scikit-learn does."""
        owner, y = type(self).__name__, target.get("y")
        table: Any = None
        if is_flat(X) and (reset or not self._fitted_on_steps()):
            own_target = target if self.output == "sequence" else {}
            found: Any = validate_data(self, X, reset=reset, dtype=np.float64, order="C", **own_target)
            table, y = found if own_target else (found, y)
            reading = Reading.of(self)
            rows = Ragged.of_padded(reading.arrange(table)[1])
        else:
            rows = to_ragged(owner, X)
            if target and self.output == "sequence":
                y = self._read_labels(y, rows, target)
        if reset:
            self.n_features_in_ = rows.width if table is None else int(table.shape[1])
        if target and self.output == "step":
            y = target_of_steps(owner, y, rows)
        if target and self.output == "next":
            rows, y = target_of_next(
                owner, self._as_learned(rows), len(self.get_params(deep=False)["categorical_features"] or ())
            )
        return "sequence", rows, y

    def _read_labels(self: Any, y: Any, rows: Ragged, target: Mapping[str, Any]) -> np.ndarray:
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        checked = _check_y(y, multi_output=target["multi_output"], y_numeric=target["y_numeric"], estimator=self)
        check_consistent_length(rows, checked)
        return checked

    def _fitted_on_steps(self: Any) -> bool:
        return hasattr(self, "inputs_") and len(self.inputs_.shape) == 1

    def _row_shape(self: Any, X: Ragged) -> tuple[int, ...]:
        """Return (T, d) of flat rows, which have all the same length; else the shape of a step."""
        return (X.width,) if self.n_features_in_ == X.width else (self.n_features_in_ // X.width, X.width)

    def _learn_target(self: Any, rows: Rows) -> Target:
        if self.output != "next" or not _classifies(self):
            return super()._learn_target(rows)  # pyright: ignore[reportAttributeAccessIssue]
        classes = np.arange(int(max(rows.flat_y.max(), rows.X.values.max())) + 1)
        head = choose_head(self.task, len(classes))
        return Target(head, classes, len(classes), True, Standardizer.identity(1))

    @property
    def _n_features_out(self: Any) -> int:
        return int(self.network_.body.n_out)


class LossOfSteps:
    """The loss of a sequence: the sum over its steps, divided by the mean length of the training rows.

    So every step counts alike, and a row has one loss as with every other head.
    """

    def __init__(self, step_loss: Any, mean_length: float) -> None:
        self.step_loss = step_loss
        self.mean_length = mean_length

    def __call__(self, scores: Tensor, target: Steps) -> Tensor:
        """Return the losses (n_rows,) of scores (n_steps_in_all, k)."""
        losses = self.step_loss(scores, target.flat())
        return losses.new_zeros(len(target)).index_add(0, target.rows(), losses) / self.mean_length
