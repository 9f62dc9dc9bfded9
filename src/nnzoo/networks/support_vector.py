"""Support Vector Machine (SVM): compare a row with some of the training rows, and add up once.

    max over a of  Σ aᵢ - ½ Σᵢⱼ aᵢ aⱼ yᵢ yⱼ K(xᵢ, xⱼ)    with 0 <= aᵢ <= C,  Σ aᵢ yᵢ = 0
    f(x) = Σ aᵢ yᵢ K(xᵢ, x) + b

The rows with aᵢ > 0 are the support vectors: the body compares a row with each of them, the last layer holds aᵢ yᵢ and
b. Of several classes each pair has its f ("ovo"), and a class is scored by its votes; or each class against the rest
("ovr"). Regression has two a a row and the loss max(0, |y - f| - ε).

Sources: Boser, Guyon & Vapnik 1992; Cortes & Vapnik 1995. The dual is solved exactly, by scikit-learn's libsvm: the
learning rule, in margins.py. For many rows ``approximation`` replaces K by features φ(x)·φ(z) and descends the hinge
loss ½ ‖w‖² + C Σ max(0, 1 - y f) by gradient. The chart draws two hidden layers; the model compares with its support
vectors, then adds once.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from nnzoo.checks import OneOf, Range, Real, Whole
from nnzoo.engine.device import Arithmetic
from nnzoo.errors import UsageError
from nnzoo.estimator import LEARNER_RANGES, LOOP_RANGES, Encoder, Network, Rows, ScoreNetwork, only_if
from nnzoo.inputs import Inputs
from nnzoo.networks.kernels import GAMMA, Fourier, KernelFeatures, gaussian, trace_gaussian
from nnzoo.networks.margins import DualTrainer, row_loss
from nnzoo.networks.parameters import with_parameters
from nnzoo.opsteps import dense
from nnzoo.targets import Target
from nnzoo.trace import Step, cell_name, factor, largest, written
from nnzoo.tracing import Names, array
from nnzoo.training.gradient import GradientSettings, GradientTrainer
from nnzoo.training.loop import LoopSettings, Run, Trainer

DESCENT_ROWS, DESCENT_RATE = 256, 0.1
KERNELS = ("rbf", "linear", "poly", "sigmoid")


class Kernel(nn.Module):
    """K(vₖ, x) for each support vector vₖ: (n, n_in) to (n, n_vectors).

    "rbf" exp(-γ ‖v - x‖²), "linear" v·x, "poly" (γ v·x + c)^d, "sigmoid" tanh(γ v·x + c).
    """

    drawn = ("H", "support vectors", "each compared with the row")

    def __init__(self, n_in: int, n_vectors: int, *, kernel: str, gamma: float, degree: int, coef0: float) -> None:
        super().__init__()
        self.kernel = kernel
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.n_out = n_vectors
        self.vectors = nn.Parameter(torch.zeros(n_vectors, n_in), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the kernels."""
        if self.kernel == "rbf":
            return gaussian(x, self.vectors, self.gamma)
        product = x @ self.vectors.t()
        return product if self.kernel == "linear" else self.bent(self.gamma * product + self.coef0)

    def bent(self, z: Tensor) -> Tensor:
        """Return the power or tanh of γ v·x + c."""
        return z**self.degree if self.kernel == "poly" else torch.tanh(z)

    def trace(self, x: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield the distances or products, and the kernels."""
        if self.kernel == "rbf":
            yield from trace_gaussian(x, self.vectors, torch.full((self.n_out,), self.gamma), output, names)
            return
        title = "Products with the support vectors"
        product = array(x @ self.vectors.t())
        yield dense(array(x), self.vectors.numpy(), None, product, names.next("z", new_layer=True), title=title)
        if self.kernel != "linear":
            yield self._trace_bent(product, array(output), names.next("k"))

    def _trace_bent(self, z: np.ndarray, result: np.ndarray, symbols: Sequence[str]) -> Step:
        (k,) = largest(result)
        inner, how = f"γ·{{}} + {factor(self.coef0)}", f"({{}})^{self.degree}" if self.kernel == "poly" else "tanh({})"
        at = inner.replace("γ", written(self.gamma)).format(factor(z[k]))
        return Step(
            f"kernel {self.kernel}",
            "Kernel",
            f"{symbols[1]} = {how.format(inner.format(symbols[0]))}",
            f"{cell_name(symbols[1], (k,))} = {how.format(at)} = {written(result[k])}",
            symbols[1],
            result,
            "The product of two rows is bent, as if rows were compared in a space of more features.",
            {symbols[0]: z, "γ": np.array(self.gamma), "c": np.array(self.coef0)},
            (k,),
        )


class Votes(nn.Module):
    """Decisions of all pairs of classes (n, n_pairs) to a score a class (n, n_classes): its votes, and who won clearly.

    A pair (i, j) votes for i where its decision is not below 0. Ties are broken by the sum S of a class's decisions, as
    S / (3 (|S| + 1)), which never outweighs a vote.
    """

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.n_classes = n_classes

    def signs(self) -> np.ndarray:
        """Return (n_pairs, n_classes) with 1 for the first class of a pair, -1 for the second, else 0."""
        pairs = np.array(list(combinations(range(self.n_classes), 2)))
        classes = np.arange(self.n_classes)
        return (pairs[:, :1] == classes).astype(np.float64) - (pairs[:, 1:] == classes)

    def forward(self, decisions: Tensor) -> Tensor:
        """Return the scores."""
        signs = torch.from_numpy(self.signs()).to(decisions)
        won = torch.where(decisions >= 0, 1.0, -1.0).to(decisions.dtype)
        votes = (won @ signs + signs.abs().sum(dim=0)) / 2
        total = decisions @ signs
        return votes + total / (3 * (total.abs() + 1))

    def trace(self, decisions: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield how the pairs vote."""
        d, votes, signs = array(decisions), array(output), self.signs()
        before, name = names.next("v")
        (k,) = largest(votes)
        total = float(d @ signs[:, k])
        said = factor(total)
        won = int((np.where(d >= 0, 1, -1) * signs[:, k] > 0).sum())
        yield Step(
            "votes",
            "Votes of the pairs of classes",
            f"{name}[k] = pairs won by k + S / (3 (|S| + 1)), S the sum of its decisions in {before}",
            f"{cell_name(name, (k,))} = {won} + {said} / (3 ({written(abs(total))} + 1)) = {written(votes[k])}",
            name,
            votes,
            "Each pair of classes has a decision of its own; the class that wins most pairs is said.",
            {before: d, "signs": signs},
            (k,),
        )


class SupportVectorBody(nn.Module):
    """Flat rows to kernels with the support vectors or to features; of pairs of classes, to votes."""

    support: Tensor

    def __init__(self, features: Any, n_classes: int | None) -> None:
        super().__init__()
        self.features = features
        self.register_buffer("support", torch.zeros(features.n_out, dtype=torch.int64))
        self.n_out = features.n_out
        if n_classes is not None:
            n_pairs = n_classes * (n_classes - 1) // 2
            self.pairs, self.votes = nn.Linear(features.n_out, n_pairs).requires_grad_(False), Votes(n_classes)
            self.n_out = n_classes

    def forward(self, x: Tensor) -> Tensor:
        """Return what the last layer sees."""
        h = self.features(x.flatten(1))
        return self.votes(self.pairs(h)) if hasattr(self, "pairs") else h

    def resize(self, n_support: int) -> None:
        """Make room for so many support vectors."""
        n_in = self.features.vectors.shape[1]
        self.support = torch.zeros(n_support, dtype=torch.int64)
        self.features.vectors = nn.Parameter(torch.zeros(n_support, n_in, dtype=torch.float64), requires_grad=False)
        self.features.n_out = n_support
        if hasattr(self, "pairs"):
            n_pairs = self.pairs.out_features
            self.pairs = nn.utils.skip_init(nn.Linear, n_support, n_pairs, dtype=torch.float64).requires_grad_(False)
        else:
            self.n_out = n_support


def _approximates(network: "SupportVectorMachine") -> bool:
    return network.approximation is not None


@with_parameters
class SupportVectorMachine(Encoder, Network):
    """Support vector machine: kernels with some of the training rows, and one weighted sum.

    f(x) = Σ aᵢ yᵢ K(xᵢ, x) + b of the largest margin. Inputs are standardised with weighted means and deviations of the
    training rows (0/1 columns stay), regression targets too; all is computed in float64, on the CPU where the dual is
    solved.

    Parameters
    ----------
    task : "classification" or "regression", default "classification"
    C : float, default 1.0
        Weight of a row beyond its margin against the width of the margin.
    kernel : "rbf", "linear", "poly" or "sigmoid", default "rbf"
        K: exp(-γ ‖v - x‖²), v·x, (γ v·x + coef0)^degree, tanh(γ v·x + coef0).
    gamma : "scale" or float, default "scale"
        γ; "scale" is 1 over the number of inputs.
    degree : int, default 3
    coef0 : float, default 0.0
    epsilon : float, default 0.1
        Errors of a regression up to this size cost nothing; in deviations of the target.
    multi_class : "ovo" or "ovr", default "ovo"
        Several classes: each pair has a machine and votes, or each class has one against the rest.
    tol : float, default 0.001
        Largest violation of the optimality conditions.
    cache_size : float, default 200.0
        MB for the kernel matrix while the dual is solved.
    approximation : None, "nystroem" or "fourier", default None
        For many rows: features of the "rbf" kernel from drawn rows or random waves, the hinge loss descended by
        gradient, one class against the rest.
    n_components : int, default 500
        Features of the approximation.
    n_epochs : int, default 20
        Passes of the approximation; the dual takes one.
    class_weight : None, "balanced" or dict of label to weight
        Weights multiply C.
    kind : None, "table", "image" or "sequence", default None
        What the arrays are; images and sequences are flattened.
    input_shape : tuple of int or None
        Shape of a row, (height, width[, channels]), where images come flat.
    random_state : int, RandomState or None
    verbose : int, default 0

    Attributes
    ----------
    network_ : torch.nn.Module
        Standardised inputs (n, n_features) to scores (n, n_scores).
    n_support_ : int
        Support vectors, of all machines together; of an approximation its features.
    support_ : ndarray of shape (n_support_,)
        Their rows in training.
    classes_ : ndarray of shape (n_classes,)
    n_features_in_, n_iter_ : int
    history_ : dict of str to list
        "train_loss" is the share of rows that are labelled wrong, or the mean error beyond ``epsilon``, of at most
        1,000 rows; of an approximation the hinge loss.

    Notes
    -----
    It has no ``predict_proba``: scikit-learn's CalibratedClassifierCV makes probabilities of its scores.

    References
    ----------
    Cortes & Vapnik, "Support-vector networks", Machine Learning 20, 1995. Fan, Chen & Lin, "Working set selection using
    second order information for training support vector machines", Journal of Machine Learning Research 6, 2005.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nnzoo import SupportVectorMachine
    >>> X, y = load_iris(return_X_y=True)
    >>> SupportVectorMachine().fit(X, y).score(X, y) > 0.9
    True
    """

    task: str = "classification"
    C: float = 1.0
    kernel: str = "rbf"
    gamma: str | float = "scale"
    degree: int = 3
    coef0: float = 0.0
    epsilon: float = 0.1
    multi_class: str = "ovo"
    tol: float = 1e-3
    cache_size: float = 200.0
    approximation: str | None = None
    n_components: int = 500
    n_epochs: int = 20
    class_weight: str | Mapping[object, float] | None = None
    kind: str | None = None
    input_shape: Sequence[int] | None = None
    random_state: int | np.random.RandomState | None = None
    verbose: int = 0

    kinds: ClassVar[tuple[str, ...]] = ("table", "image", "sequence")
    own_counts: ClassVar[tuple[str, ...]] = ("n_support",)
    gives_probabilities: ClassVar[bool] = False
    ranges: ClassVar[Mapping[str, Range]] = {
        **{name: allowed for name, allowed in LEARNER_RANGES.items() if name not in ("device", "precision")},
        "C": Real(0.0, above=True),
        "kernel": OneOf(KERNELS),
        "gamma": GAMMA,
        "degree": Whole(0, 100),
        "coef0": Real(-1e9, 1e9),
        "epsilon": Real(0.0),
        "multi_class": OneOf(("ovo", "ovr")),
        "tol": Real(0.0, 1.0, above=True),
        "cache_size": Real(0.0, above=True),
        "approximation": OneOf((None, "nystroem", "fourier")),
        "n_components": Whole(1, 10**6),
        "n_epochs": LOOP_RANGES["n_epochs"],
    }

    @property
    def support_(self) -> np.ndarray:
        """Return the rows of the support vectors in training (n_support_,)."""
        return self.network_.body.support.numpy()  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]

    def make_body(self, inputs: Inputs) -> nn.Module:
        """Return the body; images and sequences are flattened."""
        n_in, gamma = inputs.n_features, self._gamma(inputs)
        if self.approximation is not None and self.kernel != "rbf":
            raise UsageError(
                f"SupportVectorMachine: approximation needs kernel='rbf'; got {self.kernel!r}.",
                "Leave the approximation out, or the kernel.",
            )
        if self.approximation == "fourier":
            return SupportVectorBody(Fourier(n_in, self.n_support_, gamma=gamma), None)
        if self.approximation == "nystroem":
            return SupportVectorBody(KernelFeatures(n_in, self.n_support_, gamma=gamma), None)
        kernel = Kernel(n_in, self.n_support_, kernel=self.kernel, gamma=gamma, degree=self.degree, coef0=self.coef0)
        return SupportVectorBody(kernel, self._n_voting)

    def learn(self, network: nn.Module, n_rows: int, n_steps: int) -> Trainer:
        """Return the exact solution of the dual, or gradient descent on the hinge loss of the features."""
        kind = self.target_.head.kind
        if self.approximation is None:
            machine = {
                "C": self.C, "kernel": self.kernel, "gamma": self._gamma(self.inputs_), "degree": self.degree,
                "coef0": self.coef0, "tol": self.tol, "cache_size": self.cache_size,
            }  # fmt: skip
            return DualTrainer(network, kind, machine, epsilon=self.epsilon)
        settings = GradientSettings(
            learning_rate=DESCENT_RATE, schedule="one_cycle", weight_decay=1 / (self.C * n_rows), n_steps=n_steps
        )
        loss = partial(row_loss, kind=kind, epsilon=self.epsilon)
        return GradientTrainer(network, loss, settings, Arithmetic.named(self.arithmetic_))

    def loop_settings(self, n_rows: int, seed: int, *, with_validation: bool) -> LoopSettings:
        """Return one step with all rows, or the passes of the approximation."""
        if self.approximation is None:
            return LoopSettings(1, n_rows, seed, keep="last")
        return LoopSettings(self.n_epochs, DESCENT_ROWS, seed, keep="last")

    @only_if(_approximates)
    def partial_fit(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> Self:
        """Pass once through some rows; for approximations, whose features stay as the first call drew them."""
        return super().partial_fit(X, y, classes, sample_weight)

    def fit_run(
        self, run: Run, X: Any, y: Any, sample_weight: Any = None, validation: Any = None, parts: Any = None
    ) -> Self:
        """Train within a run, and count the support vectors."""
        super().fit_run(run, X, y, sample_weight, validation, parts)
        self.n_support_ = len(self.support_)
        return self

    def _gamma(self, inputs: Inputs) -> float:
        return 1 / inputs.n_features if self.gamma == "scale" else float(self.gamma)

    def _size(self, train: Rows, target: Target) -> None:
        n_rows = train.X.shape[0]
        drawn = self.n_components if self.approximation == "fourier" else min(self.n_components, n_rows)
        self.n_support_ = n_rows if self.approximation is None else drawn
        super()._size(train, target)

    def _sizes(self) -> dict[str, Any]:
        return super()._sizes() | {"n_support": self.n_support_}

    def _bare_network(self, inputs: Inputs, sizes: Mapping[str, Any]) -> ScoreNetwork:
        self.n_support_ = sizes["n_support"]
        votes = self.multi_class == "ovo" and sizes["head"] == "multiclass" and sizes["n_targets"] > 2
        self._n_voting = sizes["n_targets"] if votes else None
        return super()._bare_network(inputs, sizes)

    def _start(self, train: Rows, target: Target, seed: int) -> None:
        super()._start(train, target, seed)
        features: Any = self.network_.body.features  # pyright: ignore[reportAttributeAccessIssue]
        if isinstance(features, KernelFeatures):
            chosen = np.random.default_rng(seed).permutation(train.X.shape[0])[: self.n_support_]
            with torch.no_grad():
                features.take(self.network_.scaling(self._to_inputs(train.X[np.sort(chosen)])).flatten(1))
