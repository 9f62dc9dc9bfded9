"""Perceptron (P): one layer of threshold units, corrected at each mistake.

    y = sign(w·x + b);    on a mistake    w ← w + η y x,    b ← b + η y        (y in {-1, +1}, η = learning_rate)

On data that a line separates with margin γ, rows of norm at most R (the bias counted as a constant feature), it makes
at most (R/γ)² mistakes in all.

Sources: Rosenblatt 1958; convergence Novikoff 1962; averaging Freund & Schapire 1999; pocket Gallant 1990.

Rows are taken one after another, as the rule asks, but their scores come from one matrix product a block of 256 rows:
after a mistake on row i the scores of the rows behind it in the block move by η y xᵢ·xⱼ, so only mistakes cost a step
in Python. A test holds the blocks equal to the plain rule. A penalty is applied once a block, for all its rows.
"""

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Self

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor, nn

from nnzoo.checks import OneOf, Range, Real, Truth, either
from nnzoo.engine.batches import BLOCK_ROWS, Batch
from nnzoo.engine.scaling import Standardizer
from nnzoo.estimator import LEARNER_RANGES, LOOP_RANGES, Network, Rows
from nnzoo.inputs import Inputs
from nnzoo.networks.parameters import with_parameters
from nnzoo.training.loop import LoopSettings, Run

L1_SHARE = 0.15
"""Share of l1 in the penalty "elasticnet", as in scikit-learn."""
STEP_BLOCKS = 16
MEASURE_ROWS = 4096


class SparseRows:
    """Rows of a CSR matrix, cut by index as a tensor is."""

    device = torch.device("cpu")

    def __init__(self, matrix: sparse.csr_matrix) -> None:
        self.matrix = matrix

    def __len__(self) -> int:
        return self.matrix.shape[0]  # pyright: ignore[reportOptionalSubscript]

    def __getitem__(self, index: Tensor | slice) -> "SparseRows":
        return SparseRows(self.matrix[index if isinstance(index, slice) else index.numpy()])


class PerceptronBody(nn.Module):
    """The rows as they are; it counts what the last layer, which is the perceptron, has gone through."""

    n_taken: Tensor
    n_mistakes: Tensor

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.n_out = n_features
        self.register_buffer("n_taken", torch.zeros((), dtype=torch.int64))
        self.register_buffer("n_mistakes", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """Return x."""
        return x


class PerceptronTrainer:
    """Rosenblatt's rule for one unit (two classes), or one unit a class.

    Parameters
    ----------
    network : torch.nn.Module
        Its last layer is learned, from zero or from where an earlier run left it.
    n_rows : int
        So many rows in a row without a mistake end training.
    kind : str
        The head's kind: how targets are coded.
    learning_rate, penalty, penalty_weight, average, shuffle
        The estimator's parameters.
    joint : bool
        One rule for all classes in place of one against the rest.

    Attributes
    ----------
    w, b : ndarray of shape (n_units, n_features), (n_units,)
    n_mistakes : int
        Corrections so far, of all units together.
    """

    def __init__(
        self,
        network: nn.Module,
        n_rows: int,
        *,
        kind: str,
        learning_rate: float,
        penalty: str | None,
        penalty_weight: float,
        average: bool,
        shuffle: bool,
        joint: bool,
    ) -> None:
        self.n_rows = n_rows
        self.kind = kind
        self.learning_rate = learning_rate
        self.shares = {None: (0.0, 0.0), "l1": (1.0, 0.0), "l2": (0.0, 1.0), "elasticnet": (L1_SHARE, 1 - L1_SHARE)}[
            penalty
        ]
        self.penalty_weight = penalty_weight
        self.average = average
        self.shuffle = shuffle
        state = {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}
        self.n_taken, self.n_mistakes = int(state["body.n_taken"]), int(state["body.n_mistakes"])
        self.w, self.b = state["head.weight"], state["head.bias"]
        if self.n_taken == 0:
            self.w, self.b = np.zeros_like(self.w), np.zeros_like(self.b)
        self.joint = joint and kind == "multiclass" and len(self.b) > 1
        self.sum_w, self.sum_b, self.n_summed = np.zeros_like(self.w), np.zeros_like(self.b), 0
        self.n_clean = 0

    @property
    def finished(self) -> bool:
        """Return whether a whole pass went by without a mistake."""
        return self.n_clean >= self.n_rows and not any(self.shares)

    def step(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
        """Take every row of the batch once; returns the weighted share of rows on which a unit was corrected."""
        if self.shuffle:
            batch = batch.take(torch.randperm(len(batch), generator=generator))
        wrong = 0.0
        for start in range(0, len(batch), BLOCK_ROWS):
            wrong += self._block(batch.take(slice(start, start + BLOCK_ROWS)))
        return {"loss": wrong / len(batch)}

    def _block(self, batch: Batch) -> float:
        """Correct the weights for the rows of a block, one after another; returns the weight of the wrong rows."""
        X = _matrix(batch)
        weight = np.ones(len(batch)) if batch.weight is None else batch.weight.numpy()
        rate = self.learning_rate * weight
        scores = np.asarray(X @ self.w.T) + self.b
        product = X @ X.T
        gram = (product.toarray() if sparse.issparse(product) else product) + 1.0
        wanted = _as_array(batch.target)
        corrections = np.zeros_like(scores)
        if self.joint:
            _correct_jointly(scores, wanted, rate, gram, corrections)
        else:
            signs = 2.0 * (wanted[:, None] == np.arange(len(self.b)) if self.kind == "multiclass" else wanted) - 1
            for unit in range(len(self.b)):
                _correct_unit(scores[:, unit], signs[:, unit], rate, gram, corrections[:, unit])
        self._move(X, corrections)
        wrong = np.any(corrections != 0, axis=1)
        self.n_mistakes += int(np.count_nonzero(corrections)) // (2 if self.joint else 1)
        clean_behind = len(wrong) if not wrong.any() else int(np.argmax(wrong[::-1]))
        self.n_clean = clean_behind + (self.n_clean if not wrong.any() else 0)
        return float(weight @ wrong)

    def _move(self, X: Any, corrections: np.ndarray) -> None:
        """Add the corrections to the weights, and each state the weights went through to the running sums."""
        n = len(corrections)
        if self.average:
            still_to_come = corrections * (n - np.arange(n))[:, None]
            self.sum_w += n * self.w + np.asarray(X.T @ still_to_come).T
            self.sum_b += n * self.b + still_to_come.sum(axis=0)
            self.n_summed += n
        self.n_taken += n
        self.w += np.asarray(X.T @ corrections).T
        self.b += corrections.sum(axis=0)
        l1, l2 = (share * self.penalty_weight * self.learning_rate * n for share in self.shares)
        if l1 or l2:
            self.w *= max(1 - l2, 0.0)
            self.w = np.sign(self.w) * np.maximum(np.abs(self.w) - l1, 0.0)

    def measure(self, batch: Batch) -> float:
        """Return the share of rows that the weights get wrong."""
        w, b = (self.weights()[name].numpy() for name in ("head.weight", "head.bias"))
        wrong = 0.0
        for start in range(0, len(batch), MEASURE_ROWS):
            part = batch.take(slice(start, start + MEASURE_ROWS))
            scores = np.asarray(_matrix(part) @ w.T) + b
            if self.kind == "multiclass":
                errors = scores.argmax(axis=1) != _as_array(part.target)
            else:
                errors = np.any((scores > 0) != _as_array(part.target).astype(bool), axis=1)
            wrong += float(errors.sum() if part.weight is None else errors @ part.weight.numpy())
        return wrong / len(batch)

    def weights(self) -> dict[str, Tensor]:
        """Return the weights of the last layer: their mean over all rows taken where ``average`` is on."""
        w, b = (self.sum_w / self.n_summed, self.sum_b / self.n_summed) if self.n_summed else (self.w, self.b)
        return {
            "body.n_taken": torch.tensor(self.n_taken),
            "body.n_mistakes": torch.tensor(self.n_mistakes),
            "head.weight": torch.from_numpy(w),
            "head.bias": torch.from_numpy(b),
        }

    def state(self) -> tuple[Any, dict[str, Tensor]]:
        """Return weights, running sums and counts."""
        arrays = {".w": self.w, ".b": self.b, ".sum_w": self.sum_w, ".sum_b": self.sum_b}
        counts = ("n_taken", "n_summed", "n_mistakes", "n_clean", "learning_rate")
        return {name: getattr(self, name) for name in counts}, {
            name: torch.from_numpy(array) for name, array in arrays.items()
        }

    def load_state(self, values: Any, tensors: dict[str, Tensor]) -> None:
        """Take over what :meth:`state` gave."""
        self.w, self.b, self.sum_w, self.sum_b = (
            tensors[name].numpy().copy() for name in (".w", ".b", ".sum_w", ".sum_b")
        )
        self.n_taken, self.n_summed = values["n_taken"], values["n_summed"]
        self.n_mistakes, self.n_clean = values["n_mistakes"], values["n_clean"]
        self.learning_rate = values["learning_rate"]

    def restart(self, weights: dict[str, Tensor]) -> None:
        """Go back to these weights with a tenth of the rate."""
        self.w, self.b = weights["head.weight"].numpy().copy(), weights["head.bias"].numpy().copy()
        self.learning_rate /= 10


def _correct_unit(
    scores: np.ndarray, signs: np.ndarray, rate: np.ndarray, gram: np.ndarray, corrections: np.ndarray
) -> None:
    """Walk through the rows of a block for one unit: where y s <= 0, note η y and move the scores of later rows."""
    margins = signs * scores
    place = 0
    while (place := _next_true(margins[place:] <= 0, place)) < len(margins):
        corrections[place] = rate[place] * signs[place]
        margins[place + 1 :] += signs[place + 1 :] * (corrections[place] * gram[place, place + 1 :])
        place += 1


def _correct_jointly(
    scores: np.ndarray, wanted: np.ndarray, rate: np.ndarray, gram: np.ndarray, corrections: np.ndarray
) -> None:
    """Walk through the rows for all classes: raise the right class, lower the one that beat it or drew with it."""
    rows = np.arange(len(scores))
    place = 0
    while place < len(scores):
        rest = rows[place:]
        right = scores[rest, wanted[rest]]
        others = scores[rest]
        others[rest - place, wanted[rest]] = -np.inf
        rival = others.argmax(axis=1)
        place = _next_true(others.max(axis=1) >= right, place)
        if place < len(scores):
            for unit, sign in ((wanted[place], 1.0), (rival[place - rest[0]], -1.0)):
                corrections[place, unit] = sign * rate[place]
                scores[place + 1 :, unit] += corrections[place, unit] * gram[place, place + 1 :]
        place += 1


def _next_true(mask: np.ndarray, offset: int) -> int:
    """Return the place of the first True, counted from the offset; past the end where there is none."""
    first = int(np.argmax(mask)) if len(mask) else 0
    return offset + (first if len(mask) and mask[first] else len(mask))


def _matrix(batch: Batch) -> Any:
    return batch.inputs.matrix if isinstance(batch.inputs, SparseRows) else _as_array(batch.inputs)


def _as_array(values: Any) -> np.ndarray:
    return values.numpy()


@with_parameters
class Perceptron(Network):
    """Perceptron: linear classification by Rosenblatt's rule.

    y = sign(w·x + b); on a mistake w ← w + η y x, b ← b + η y, starting from zero. Several classes are told apart one
    against the rest, or by the joint rule, which raises the right class and lowers the one that beat it. Rows are used
    as they come: nothing is standardised.

    Parameters
    ----------
    learning_rate : float, default 1.0
        η. Without penalty it changes no prediction.
    penalty : None, "l1", "l2" or "elasticnet", default None
    penalty_weight : float, default 0.0001
    n_epochs : int, default 1000
    tol : float or None, default 0.001
        Stop when the share of mistakes has not fallen by more than this share of itself for ``patience`` epochs (of the
        validation rows, where there are any); None takes all epochs. A pass without a mistake always ends training.
    patience : int, default 20
    shuffle : bool, default True
    average : bool, default False
        Predict with the mean of the weights over all rows taken (Freund & Schapire 1999).
    pocket : bool, default False
        Keep the weights of the epoch with the fewest training mistakes, for data that no line separates.
    multi_class : "ovr" or "joint", default "ovr"
    early_stopping : bool or "auto", default "auto"
        Whether to hold out ``validation_fraction`` of the rows. "auto": from 10,000 rows on.
    validation_fraction : float, default 0.1
    class_weight : None, "balanced" or dict of label to weight
        Weights multiply η.
    random_state : int, RandomState or None
    verbose : int, default 0

    Attributes
    ----------
    coef_ : ndarray of shape (n_units, n_features)
    intercept_ : ndarray of shape (n_units,)
    n_mistakes_ : int
        Corrections made, of all units together: at most (R/γ)² on data that a line separates with margin γ.
    classes_ : ndarray of shape (n_classes,)
    n_features_in_, n_iter_ : int
    history_ : dict of str to list
        "train_loss" is the share of rows on which a unit was corrected.

    Notes
    -----
    It has no ``predict_proba``: there is no probability in its output.

    References
    ----------
    Rosenblatt, "The perceptron", Psychological Review 65, 1958. Freund & Schapire, "Large margin classification using
    the perceptron algorithm", Machine Learning 37, 1999.

    Examples
    --------
    >>> from nnzoo import Perceptron
    >>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 0, 0, 1]
    >>> Perceptron(random_state=0).fit(X, y).predict(X).tolist()
    [0, 0, 0, 1]
    """

    learning_rate: float = 1.0
    penalty: str | None = None
    penalty_weight: float = 1e-4
    n_epochs: int = 1000
    tol: float | None = 1e-3
    patience: int = 20
    shuffle: bool = True
    average: bool = False
    pocket: bool = False
    multi_class: str = "ovr"
    early_stopping: bool | str = "auto"
    validation_fraction: float = 0.1
    class_weight: str | Mapping[object, float] | None = None
    random_state: int | np.random.RandomState | None = None
    verbose: int = 0

    task = "classification"
    accepts_sparse: ClassVar[bool] = True
    gives_probabilities: ClassVar[bool] = False
    ranges: ClassVar[Mapping[str, Range]] = {
        **{name: LEARNER_RANGES[name] for name in ("class_weight", "random_state", "verbose")},
        **LOOP_RANGES,
        "learning_rate": Real(0.0, 1e9, above=True),
        "penalty": OneOf((None, "l1", "l2", "elasticnet")),
        "penalty_weight": Real(0.0, 1e9),
        "tol": either(OneOf((None,)), Real(0.0, 1.0)),
        "shuffle": Truth(),
        "average": Truth(),
        "pocket": Truth(),
        "multi_class": OneOf(("ovr", "joint")),
    }

    @property
    def coef_(self) -> np.ndarray:
        """Return w (n_units, n_features)."""
        return self.network_.head.weight.detach().numpy()

    @property
    def intercept_(self) -> np.ndarray:
        """Return b (n_units,)."""
        return self.network_.head.bias.detach().numpy()

    @property
    def n_mistakes_(self) -> int:
        """Return the number of corrections made, of all units together."""
        return int(self.network_.body.n_mistakes)  # pyright: ignore[reportArgumentType]

    def make_body(self, inputs: Inputs) -> nn.Module:
        """Return the body that leaves rows as they are: the perceptron is its last layer."""
        return PerceptronBody(inputs.n_features)

    def standardize(self, X: Any, weight: np.ndarray | None, codes: Collection[int]) -> Standardizer:
        """Return the scaling that changes nothing."""
        return Standardizer.identity(X.shape[1])

    def loop_settings(self, n_rows: int, seed: int, *, with_validation: bool) -> LoopSettings:
        """Return what the parameters say about the loop; a step takes sixteen blocks."""
        return LoopSettings(
            self.n_epochs,
            STEP_BLOCKS * BLOCK_ROWS,
            seed,
            patience=None if self.tol is None else self.patience,
            tolerance=self.tol or 0.0,
            shuffle=self.shuffle,
            keep="best" if self.pocket or with_validation else "last",
        )

    def learn(self, network: nn.Module, n_rows: int, n_steps: int) -> PerceptronTrainer:
        """Return Rosenblatt's rule."""
        return PerceptronTrainer(
            network,
            n_rows,
            kind=self.target_.head.kind,
            learning_rate=self.learning_rate,
            penalty=self.penalty,
            penalty_weight=self.penalty_weight,
            average=self.average,
            shuffle=self.shuffle,
            joint=self.multi_class == "joint",
        )

    def fit_run(
        self, run: Run, X: Any, y: Any, sample_weight: Any = None, validation: Any = None, parts: Any = None
    ) -> Self:
        """Train within a run; the pocket is judged on the training rows where no others are given."""
        if self.pocket and validation is None and self.early_stopping is not True:
            validation = (X, y, sample_weight)
        return super().fit_run(run, X, y, sample_weight, validation, parts)

    def _to_batch(self, rows: Rows) -> Batch:
        if not sparse.issparse(rows.X):
            return super()._to_batch(rows)
        weight = None if rows.weight is None else torch.from_numpy(rows.weight)
        return Batch(SparseRows(rows.X), torch.from_numpy(self.target_.code(rows.y)), weight)  # pyright: ignore[reportArgumentType]

    def _scores(self, X: Any) -> np.ndarray:
        if not sparse.issparse(X):
            return super()._scores(X)
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, accept_sparse="csr", dtype=np.float64)
        return np.asarray(X @ self.coef_.T) + self.intercept_
