"""Largest margins: the exact solution of a support vector machine's dual by libsvm, and the loss that it stands for.

    max over a of  Σ aᵢ - ½ Σᵢⱼ aᵢ aⱼ yᵢ yⱼ K(xᵢ, xⱼ)    with 0 <= aᵢ <= C,  Σ aᵢ yᵢ = 0
    is            min over w of  ½ ‖w‖² + C Σ max(0, 1 - yᵢ fᵢ)

The learning rule of support_vector.py: sequential minimal optimisation (Platt 1998) with the second-order choice of
pairs (Fan, Chen & Lin 2005), by scikit-learn's libsvm. Each of its steps moves two aᵢ, too little work for an operation
on tensors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from sklearn.svm import SVC, SVR
from torch import Tensor, nn

from nnzoo.engine.batches import Batch

MEASURE_ROWS = 2048
MEASURED_ROWS = 1000
"""Of so many training rows the loss is noted: to measure all of them would take as long as to predict all."""


@dataclass(frozen=True)
class Machines:
    """Support vectors by their row, (m,), aᵢ yᵢ of each machine (n_machines, m), and b (n_machines,)."""

    support: np.ndarray
    weight: np.ndarray
    bias: np.ndarray

    @classmethod
    def beside(cls, found: Sequence["Machines"]) -> "Machines":
        """Return several as one, over the support vectors of all; there is one at the least."""
        support = np.unique(np.concatenate([each.support for each in found]))
        support = support if len(support) else np.zeros(1, dtype=np.int64)
        weight = np.zeros((len(found), len(support)))
        for row, each in enumerate(found):
            weight[row, np.searchsorted(support, each.support)] = each.weight[0]
        return cls(support, weight, np.concatenate([each.bias for each in found]))

    @classmethod
    def of_pairs(cls, machine: SVC) -> "Machines":
        """Return those of all pairs of classes: libsvm holds aᵢ yᵢ of a row for each other class in one matrix."""
        ends = np.cumsum(machine.n_support_)
        own = [slice(end - n, end) for end, n in zip(ends, machine.n_support_, strict=True)]
        weight = np.zeros((len(machine.intercept_), len(machine.support_)))
        for row, (first, second) in enumerate(combinations(range(len(own)), 2)):
            weight[row, own[first]] = machine.dual_coef_[second - 1, own[first]]
            weight[row, own[second]] = machine.dual_coef_[first, own[second]]
        return cls(machine.support_.astype(np.int64), weight, machine.intercept_.copy())


class DualTrainer:
    """Solve the dual exactly, on all rows in one step.

    Parameters
    ----------
    network : ScoreNetwork
        Its body takes over the support vectors, its last layer aᵢ yᵢ and b.
    kind : str
        The head's kind.
    machine : mapping
        Keywords of scikit-learn's SVC and SVR.
    epsilon : float
    """

    finished = True

    def __init__(self, network: Any, kind: str, machine: Mapping[str, Any], *, epsilon: float) -> None:
        self.network = network
        self.kind = kind
        self.machine = machine
        self.epsilon = epsilon

    def step(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
        """Solve; returns the loss of the rows."""
        with torch.no_grad():
            X = self.network.scaling(batch.inputs).flatten(1).double().numpy()
        target: Any = batch.target
        y, weight = target.numpy(), None if batch.weight is None else batch.weight.double().numpy()
        if hasattr(self.network.body, "pairs"):
            self._put(Machines.of_pairs(SVC(**self.machine).fit(X, y, weight)), X)
        else:
            columns = y[:, None] == np.arange(self.network.head.out_features) if self.kind == "multiclass" else y
            self._put(Machines.beside([self._solve(X, columns[:, k], weight) for k in range(columns.shape[1])]), X)
        return {"loss": self.measure(batch.take(torch.arange(0, len(batch), -(-len(batch) // MEASURED_ROWS))))}

    def _put(self, machines: Machines, X: np.ndarray) -> None:
        """Put the support vectors and their sums into the network."""
        self._resize(len(machines.support))
        body, head = self.network.body, self.network.head
        sums = getattr(body, "pairs", head)
        with torch.no_grad():
            body.support.copy_(torch.from_numpy(machines.support))
            body.features.vectors.copy_(torch.from_numpy(X[machines.support]))
            if sums is not head:
                nn.init.eye_(head.weight)
                nn.init.zeros_(head.bias)
            sums.weight.copy_(torch.from_numpy(machines.weight))
            sums.bias.copy_(torch.from_numpy(machines.bias))

    def _resize(self, n_support: int) -> None:
        self.network.body.resize(n_support)
        if not hasattr(self.network.body, "pairs"):
            n_scores = self.network.head.out_features
            self.network.head = nn.utils.skip_init(nn.Linear, n_support, n_scores, dtype=torch.float64)

    def _solve(self, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> Machines:
        """Return the machine of one score; of rows that are all of one label the constant one."""
        if self.kind == "regression":
            machine: Any = SVR(epsilon=self.epsilon, **self.machine).fit(X, y, weight)
        elif y.min() == y.max():
            return Machines(np.zeros(0, dtype=np.int64), np.zeros((1, 0)), np.array([1.0 if y[0] else -1.0]))
        else:
            machine = SVC(**self.machine).fit(X, y, weight)
        order = np.argsort(machine.support_)
        return Machines(machine.support_[order].astype(np.int64), machine.dual_coef_[:, order], machine.intercept_)

    def measure(self, batch: Batch) -> float:
        """Return the share of rows that are labelled wrong, or the mean of max(0, |y - f| - ε)."""
        total = 0.0
        with torch.inference_mode():
            for part in batch.pieces(MEASURE_ROWS, MEASURE_ROWS):
                losses = row_loss(self.network(part.inputs), part.target, self.kind, self.epsilon, of_margin=False)
                total += float(part.mean(losses)) * len(part)
        return total / len(batch)

    def weights(self) -> dict[str, Tensor]:
        """Return the live tensors that a prediction needs."""
        return self.network.state_dict()

    def state(self) -> tuple[Any, dict[str, Tensor]]:
        """Return them: there is no state beside them."""
        return None, {f".{name}": tensor for name, tensor in self.weights().items()}

    def load_state(self, values: Any, tensors: dict[str, Tensor]) -> None:
        """Take over what :meth:`state` gave."""
        self.restart({name.removeprefix("."): tensor for name, tensor in tensors.items()})

    def restart(self, weights: dict[str, Tensor]) -> None:
        """Take over these weights, however many support vectors they have."""
        self._resize(len(weights["body.support"]))
        self.network.load_state_dict(weights)


def row_loss(scores: Tensor, target: Any, kind: str, epsilon: float, *, of_margin: bool = True) -> Tensor:
    """Return Σ over scores of max(0, 1 - y f), or of max(0, |y - f| - ε), for each row (n,).

    Without margin a label costs 1 where it is wrong, and else nothing.
    """
    if kind == "regression":
        return ((scores - target).abs() - epsilon).clamp(min=0.0).sum(dim=1)
    if kind == "multiclass":
        wrong = scores.argmax(dim=1) != target
        signs = 2 * nn.functional.one_hot(target, scores.shape[1]) - 1
    else:
        wrong = ((scores > 0) != target.bool()).any(dim=1)
        signs = 2 * target - 1
    return (1 - signs * scores).clamp(min=0.0).sum(dim=1) if of_margin else wrong.to(scores.dtype)
