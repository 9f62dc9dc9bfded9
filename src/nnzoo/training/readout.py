"""Least squares in closed form: the learning rule of networks whose only trained layer is the last one.

    β = (HᵀH + λI)⁻¹ HᵀT,    b = mean of T - mean of H · β

with H the features of the body and T the coded targets, a line a row, both centred, so that b bears no penalty, and
λ = ridge. One pass suffices: HᵀH and HᵀT are sums over rows, so memory does not grow with them, a later pass over other
rows goes on where this one ended, and the order of the rows does not matter. All is summed and solved in float64.

Cholesky solves the normal equations, which square the condition of H. Where λ does not stand clear of the rounding of
HᵀH, the rows themselves are solved by singular values if they are few enough to be held, else HᵀH by its eigenvalues.

Left out of the training rows, row i would have been missed by (tᵢ - sᵢ) / (1 - hᵢᵢ), with hᵢᵢ the diagonal of
H (HᵀH + λI)⁻¹ Hᵀ (+ 1/n for b): Allen 1974. This leave-one-out error, on rows drawn evenly from all that were seen,
chooses λ for ``ridge="gcv"``, and gives classifiers their probabilities: least squares on targets of 0 and 1 estimates
the probabilities themselves, so scores are only multiplied by the one factor under which softmax or sigmoid says the
left-out rows best. The order of the scores, and with it the label, stays that of least squares.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nnzoo.checks import OneOf, Range, Real, either
from nnzoo.engine.batches import Batch
from nnzoo.engine.steps import Steps
from nnzoo.errors import TrainingDiverged
from nnzoo.heads import Head
from nnzoo.training.loop import LoopSettings
from nnzoo.training.state import flatten_state, restore_state

READOUT_RANGES: dict[str, Range] = {"ridge": either(OneOf(("gcv",)), Real(0.0, 1e12))}
"""Range of what every closed-form readout has."""

PASS_ROWS = 16_384
"""Rows of a step; its end solves for the weights, so few steps are wanted."""
PIECE_ROWS, PIECE_STEPS = 2048, 2**16
"""Rows, and steps of sequences, whose features are held at a time."""
LEFT_OUT_ROWS = 1024
"""So many rows are left out, one by one, to choose λ and the factor of the probabilities."""
CLEAR_OF_ROUNDING = 1e3
"""λ is safe above so many rounding errors of the largest eigenvalue."""
RIDGES = torch.logspace(-10, 2, 25, dtype=torch.float64)
"""Values of λ that "gcv" tries, in units of the mean eigenvalue of HᵀH."""
LEAST_LEFT = 1e-13
"""1 - hᵢᵢ is taken to be no less: a row that decides its own score alone says nothing when it is left out."""
LEAST_FACTOR, MOST_FACTOR, NEWTON_STEPS = 1e-3, 1e4, 50


class ReadoutSums(nn.Module):
    """What is left of the rows seen so far: Σ w [h, 1][h, 1]ᵀ, Σ w [h, 1]tᵀ, Σ w t², their number; λ and its error.

    It is part of the network, so a model file holds it, and learning goes on after loading.
    """

    gram: Tensor
    cross: Tensor
    square: Tensor
    n_rows: Tensor
    ridge: Tensor
    error: Tensor

    def __init__(self, n_features: int, n_scores: int) -> None:
        super().__init__()
        double = torch.float64
        self.register_buffer("gram", torch.zeros(n_features + 1, n_features + 1, dtype=double))
        self.register_buffer("cross", torch.zeros(n_features + 1, n_scores, dtype=double))
        self.register_buffer("square", torch.zeros(n_scores, dtype=double))
        self.register_buffer("n_rows", torch.zeros((), dtype=torch.int64))
        self.register_buffer("ridge", torch.zeros((), dtype=double))
        self.register_buffer("error", torch.zeros((), dtype=double))

    def add(self, rows: "Kept") -> None:
        """Add the rows."""
        one = torch.cat([rows.features, torch.ones_like(rows.weight)[:, None]], dim=1)
        weighted = one * rows.weight[:, None]
        self.gram.addmm_(one.t(), weighted)
        self.cross.addmm_(weighted.t(), rows.target)
        self.square += rows.weight @ rows.target.square()
        self.n_rows += len(rows)

    def centred(self, *, with_bias: bool) -> "Centred":
        """Return the sums of centred features and targets; without bias as they are."""
        gram, cross = self.gram[:-1, :-1], self.cross[:-1]
        if not with_bias:
            return Centred(gram, cross, self.square, gram.new_zeros(len(gram)), torch.zeros_like(self.square), 0.0)
        n = self.gram[-1, -1]
        mean, mean_target = self.gram[:-1, -1] / n, self.cross[-1] / n
        return Centred(
            gram - n * torch.outer(mean, mean),
            cross - n * torch.outer(mean, mean_target),
            self.square - n * mean_target.square(),
            mean,
            mean_target,
            float(1 / n),
        )


@dataclass(frozen=True)
class Centred:
    """HᵀH, HᵀT and Σ t² of centred rows, what was taken away, and the share of b in a row of weight 1."""

    gram: Tensor
    cross: Tensor
    square: Tensor
    mean: Tensor
    mean_target: Tensor
    bias_share: float


@dataclass(frozen=True)
class Kept:
    """Some rows in float64: features (n, N), coded targets (n, k), weights (n,), and the lots that chose them (n,)."""

    features: Tensor
    target: Tensor
    weight: Tensor
    lot: Tensor

    def __len__(self) -> int:
        return len(self.weight)

    def joined(self, other: "Kept", most: int) -> "Kept":
        """Return the rows of both; of more than ``most`` those with the lowest lots, an even draw from all seen."""
        mine, theirs = (rows.parts() for rows in (self, other))
        if len(self) + len(other) <= most:
            return Kept(*(torch.cat(pair) for pair in zip(mine, theirs, strict=True)))
        lots = torch.cat([self.lot, other.lot])
        is_kept = lots <= lots.kthvalue(most)[0]
        stays, comes = is_kept[: len(self)], is_kept[len(self) :]
        if len(self) < most:
            return Kept(*(torch.cat([own[stays], new[comes]]) for own, new in zip(mine, theirs, strict=True)))
        places = (~stays).nonzero()[:, 0]
        for own, new in zip(mine, theirs, strict=True):
            own[places] = new[comes]
        return self

    def drawn(self, most: int) -> "Kept":
        """Return at most so many of the rows, an even draw from them."""
        if len(self) <= most:
            return self
        chosen = self.lot.argsort()[:most]
        return Kept(*(part[chosen] for part in self.parts()))

    def parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the four tensors."""
        return self.features, self.target, self.weight, self.lot


@dataclass(frozen=True)
class Solution:
    """β (N, k) of centred rows, λ, and the function z ↦ zᵀ(HᵀH + λI)⁻¹z of centred rows z: (n, N) to (n,)."""

    weight: Tensor
    ridge: float
    leverage: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Spectrum:
    """HᵀH = V diag(values) Vᵀ without the values that are rounding, and VᵀHᵀT."""

    values: Tensor
    vectors: Tensor
    projected: Tensor

    @classmethod
    def of_rows(cls, features: Tensor, target: Tensor) -> "Spectrum":
        """Return it from the singular values of H (n, N), whose condition is not squared."""
        left, values, right = torch.linalg.svd(features, full_matrices=False)
        seen = values > values[:1] * max(features.shape) * torch.finfo(values.dtype).eps
        values = values[seen]
        return cls(values.square(), right[seen].t(), values[:, None] * (left[:, seen].t() @ target))

    @classmethod
    def of_gram(cls, gram: Tensor, cross: Tensor) -> "Spectrum":
        """Return it from the eigenvalues of HᵀH."""
        values, vectors = torch.linalg.eigh(gram)
        seen = values > values[-1:] * len(gram) * torch.finfo(values.dtype).eps
        return cls(values[seen], vectors[:, seen], vectors[:, seen].t() @ cross)

    def solve(self, ridge: float) -> Solution:
        """Return β of least norm for a λ."""
        inverse = 1 / (self.values + ridge)
        return Solution(
            self.vectors @ (inverse[:, None] * self.projected),
            ridge,
            lambda z: (z @ self.vectors).square() @ inverse,
        )


class ReadoutTrainer:
    """Fit the last layer of a network to the features of its body, by least squares in one pass.

    Parameters
    ----------
    network : ScoreNetwork
        With ``sums``, see :func:`with_sums`; it computes in float64.
    head : Head
    ridge : float or "gcv"
        λ; "gcv" takes that with the least leave-one-out error.
    with_bias : bool
        Whether the last layer has a b; without it nothing is centred.
    """

    finished = False

    def __init__(self, network: Any, head: Head, *, ridge: float | str = 1e-6, with_bias: bool = True) -> None:
        self.network = network
        self.sums: ReadoutSums = network.sums
        self.head = head
        self.ridge = ridge
        self.with_bias = with_bias
        n_features, n_scores = network.head.in_features, network.head.out_features
        self.n_kept = max(LEFT_OUT_ROWS, 2 * n_features)
        empty = self.sums.gram.new_empty
        self.kept = Kept(empty(0, n_features), empty(0, n_scores), empty(0), empty(0))

    def step(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
        """Add the rows and solve anew; returns by how much the rows raise the least squared error, so losses add up.

        Raises
        ------
        TrainingDiverged
            A feature is not finite.
        """
        for part in self._rows(batch):
            lot = torch.rand(len(part), dtype=torch.float64, device=part.lot.device, generator=generator)
            part = Kept(part.features, part.target, part.weight, lot)
            self.sums.add(part)
            self.kept = self.kept.joined(part, self.n_kept)
        before = float(self.sums.error)
        self._take(self._solve())
        return {"loss": (float(self.sums.error) - before) / len(batch)}

    def measure(self, batch: Batch) -> float:
        """Return the mean loss of the rows without learning from them."""
        total, n = 0.0, 0.0
        with torch.inference_mode():
            for features, target, weight in self._features(batch):
                losses = self.head.row_loss(self.network.head(features), target)
                total += float(losses.double() @ weight)
                n += float(weight.sum())
        return total / n

    def weights(self) -> dict[str, Tensor]:
        """Return the live tensors that a prediction needs, and the sums."""
        return self.network.state_dict()

    def state(self) -> tuple[Any, dict[str, Tensor]]:
        """Return weights, sums and the rows that are kept."""
        names = ("features", "target", "weight", "lot")
        kept = dict(zip(names, self.kept.parts(), strict=True))
        return flatten_state({"network": dict(self.network.state_dict()), "kept": kept})

    def load_state(self, values: Any, tensors: dict[str, Tensor]) -> None:
        """Take over what :meth:`state` gave."""
        state = restore_state(values, tensors)
        self.network.load_state_dict(state["network"])
        self.kept = Kept(**state["kept"])

    def restart(self, weights: dict[str, Tensor]) -> None:
        """Go back to these weights and sums."""
        self.network.load_state_dict(weights)

    def _features(self, batch: Batch) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield features, targets and weights of the rows, or of steps with a target each, some at a time."""
        self.network.eval()
        for part in batch.pieces(PIECE_ROWS, PIECE_STEPS):
            features = self.network.body(self.network.scaling(part.inputs))
            target: Any = part.target
            weight = torch.ones(len(part)) if part.weight is None else part.weight.cpu()
            if isinstance(target, Steps):
                weight, target = weight.repeat_interleave(target.lengths), target.flat()
            yield features, target, weight.to(features.device, torch.float64)

    def _rows(self, batch: Batch) -> Iterator[Kept]:
        """Yield the rows as they are summed, some at a time."""
        with torch.no_grad():
            for features, target, weight in self._features(batch):
                if not bool(torch.isfinite(features).all()):
                    raise TrainingDiverged(
                        f"{type(self.network.body).__name__} needs to give finite features; some are not.",
                        "Look for extreme values in the data.",
                    )
                yield Kept(features.double(), self._coded(target), weight, weight)

    def _coded(self, target: Tensor) -> Tensor:
        """Return what scores aim at: 0 and 1 for several classes, -1 and 1 for a sigmoid, values as they are."""
        if self.head.kind == "multiclass":
            return functional.one_hot(target, self.network.head.out_features).double()
        return target.double() if self.head.kind == "regression" else 2 * target.double() - 1

    def _solve(self) -> Solution:
        """Return β for the sums, in the cheapest way that is precise."""
        sums = self.sums.centred(with_bias=self.with_bias)
        if self.ridge == "gcv":
            return self._least_left_out(self._spectrum(sums), sums)
        ridge = float(self.ridge)
        rounding = torch.finfo(torch.float64).eps * float(sums.gram.diagonal().sum())
        if self._has_all_rows and ridge <= CLEAR_OF_ROUNDING * rounding:
            return self._interpolation() or self._spectrum(sums).solve(ridge)
        return _by_cholesky(sums, ridge) or self._spectrum(sums).solve(ridge)

    @property
    def _has_all_rows(self) -> bool:
        return len(self.kept) == int(self.sums.n_rows)

    def _spectrum(self, sums: Centred) -> Spectrum:
        if not self._has_all_rows:
            return Spectrum.of_gram(sums.gram, sums.cross)
        root = self.kept.weight.sqrt()[:, None]
        features, target = self.kept.features - sums.mean, self.kept.target - sums.mean_target
        return Spectrum.of_rows(root * features, root * target)

    def _interpolation(self) -> Solution | None:
        """Return β with Hβ = T where there are as many rows as features, no b, no λ, and H is not singular."""
        features, target = self.kept.features, self.kept.target
        if self.ridge or self.with_bias or features.shape[0] != features.shape[1]:
            return None
        weight, info = torch.linalg.solve_ex(features, target)
        if int(info) or not bool(torch.isfinite(weight).all()):
            return None
        return Solution(weight, 0.0, lambda z: torch.linalg.solve(features.t(), z.t()).square().sum(dim=0))

    def _least_left_out(self, spectrum: Spectrum, sums: Centred) -> Solution:
        """Return β for the λ with the least leave-one-out error."""
        rows = self.kept.drawn(LEFT_OUT_ROWS)
        z = (rows.features - sums.mean) @ spectrum.vectors
        target, weight = rows.target - sums.mean_target, rows.weight
        ridges = (RIDGES * float(sums.gram.diagonal().mean())).tolist()
        errors = []
        for ridge in ridges:
            inverse = 1 / (spectrum.values + ridge)
            share = weight * (z.square() @ inverse + sums.bias_share)
            missed = _missed(target - z @ (inverse[:, None] * spectrum.projected), share)
            errors.append(float(weight @ missed.square().sum(dim=1)))
        return spectrum.solve(ridges[int(np.argmin(errors))])

    def _take(self, solution: Solution) -> None:
        """Put a solution into the last layer, scores multiplied by the factor of their probabilities."""
        sums = self.sums.centred(with_bias=self.with_bias)
        self.sums.ridge.fill_(solution.ridge)
        self.sums.error.fill_(float((sums.square.sum() - (solution.weight * sums.cross).sum()).clamp(min=0.0)))
        factor = 1.0
        if self.head.kind != "regression":
            rows = self.kept.drawn(LEFT_OUT_ROWS)
            factor = probability_factor(self.head, left_out(rows, solution, sums), rows)
        layer = self.network.head
        with torch.no_grad():
            layer.weight.copy_(factor * solution.weight.t())
            layer.bias.copy_(factor * (sums.mean_target - sums.mean @ solution.weight))


def with_sums(network: Any) -> Any:
    """Give a ScoreNetwork the sums of its readout; returns it."""
    network.sums = ReadoutSums(network.head.in_features, network.head.out_features)
    return network


def one_pass(seed: int, batch_size: int = PASS_ROWS) -> LoopSettings:
    """Return the settings of the loop for a readout: every row once, in the order in which it comes."""
    return LoopSettings(1, batch_size, seed, shuffle=False, keep="last")


def left_out(rows: Kept, solution: Solution, sums: Centred) -> Tensor:
    """Return the scores (n, k) of training rows, each by the weights that would have been found without it."""
    z = rows.features - sums.mean
    share = rows.weight * (solution.leverage(z) + sums.bias_share)
    return rows.target - _missed(rows.target - sums.mean_target - z @ solution.weight, share)


def _missed(residual: Tensor, share: Tensor) -> Tensor:
    return residual / (1 - share).clamp(min=LEAST_LEFT)[:, None]


def probability_factor(head: Head, scores: Tensor, rows: Kept) -> float:
    """Return the factor under which scores give the rows' labels the highest likelihood, by Newton's method.

    The labels count as if each had been wrong once in addition to the rows (Laplace's rule), which keeps the factor
    finite where all rows are right.
    """
    n, of_several = float(rows.weight.sum()), head.kind == "multiclass"
    lowest, n_ways = (0.0, rows.target.shape[1]) if of_several else (-1.0, 2)
    wanted = ((rows.target - lowest) / (1 - lowest) * n + 1) / (n + n_ways)
    share = rows.weight[:, None] / n
    factor = 1.0
    for _ in range(NEWTON_STEPS):
        shares = head.activation(factor * scores)
        slope = float((share * (shares - wanted) * scores).sum())
        if of_several:
            spread = shares * (scores - (shares * scores).sum(dim=1, keepdim=True)).square()
        else:
            spread = shares * (1 - shares) * scores.square()
        curvature = float((share * spread).sum())
        moved = factor - slope / curvature if curvature > 0 else factor
        low, high = max(factor / 4, LEAST_FACTOR), min(factor * 4, MOST_FACTOR)
        factor, before = min(max(moved, low), high), factor
        if abs(factor - before) <= 1e-10 * before:
            break
    return factor


def _by_cholesky(sums: Centred, ridge: float) -> Solution | None:
    """Return β from the normal equations, or None where HᵀH + λI is not positive to within rounding."""
    gram = sums.gram.clone()
    gram.diagonal().add_(ridge)
    factor, info = torch.linalg.cholesky_ex(gram)
    if int(info):
        return None

    def leverage(z: Tensor) -> Tensor:
        return torch.linalg.solve_triangular(factor, z.t(), upper=False).square().sum(dim=0)

    return Solution(torch.cholesky_solve(sums.cross, factor), ridge, leverage)
