"""Sparse Auto Encoder (SAE): a code that is wider than its rows, of which few numbers are not zero at a time.

    z = W (x - b₀) + b            b₀ is what the decoder adds at the end
    a = s(z)                      encoder
    x̂ = D a + b₀                  decoder, D a dictionary: a column a unit
    min Σₙ ‖xₙ - x̂ₙ‖² + penalty
    topk    s keeps the k largest of max(0, z) and sets the others to 0
    l1      s(z) = max(0, z), penalty λ Σₙ Σⱼ aₙⱼ
    kl      s(z) = σ(z), penalty N β Σⱼ KL(ρ ‖ mean of aⱼ), N the rows

The columns of D have norm 1, or an l1 penalty would shrink the codes and grow the dictionary: gradients lose their part
along the column, and columns are normalised after every step. With kl, whose codes lie between 0 and 1, they are free.

A unit that has long been silent is dead. Of topk and l1 dead ones are revived: "aux" lets them reconstruct what the
others leave over, x - x̂ without b₀ again, and moves nothing else; "resample" points them to rows of large error.

Sources: Ranzato et al. 2007 (the chart's); Ng 2011 (kl); Makhzani & Frey 2014 (topk); Gao et al. 2024 ("aux"); Bricken
et al. 2023 (l1, "resample"). Siblings: autoencoder.py (narrow code), denoising_autoencoder.py (noisy rows in,
clean rows out), variational_autoencoder.py (a distribution of codes).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn import functional

from nnzoo import opsteps
from nnzoo.checks import OneOf, Range, Real, Truth, Whole
from nnzoo.engine.batches import Batch
from nnzoo.engine.device import Arithmetic
from nnzoo.engine.forward import forward_in_blocks
from nnzoo.errors import UsageError
from nnzoo.estimator import Network, Rows
from nnzoo.evaluation.rowvalues import RowValues, Shown
from nnzoo.heads import NO_HEAD
from nnzoo.inputs import Inputs
from nnzoo.networks.parameters import DescendingParameters, with_parameters
from nnzoo.networks.parts import HiddenLayers, draw_normal
from nnzoo.networks.unlabelled import MAX_BESIDE, Unlabelled, reconstruction_values
from nnzoo.targets import Target
from nnzoo.trace import MAX_SHOWN, Step, cell_name, factor, largest, written
from nnzoo.tracing import Names, array, linear
from nnzoo.training.gradient import GradientSettings, GradientTrainer
from nnzoo.training.loop import Trainer

SPARSITIES = ("topk", "l1", "kl")
DEAD_ROWS = 10_000
"""A unit is dead once it has been silent for one pass through the rows, or for so many of them."""
AUX_SHARE = 1 / 32
RESAMPLED_NORM = {"topk": 1.0, "l1": 0.2}
"""Of a resampled unit's weights, in the mean norm of those that live: small, so that it disturbs little; but of topk
so large that it is among the k."""
BLOCK_ROWS = 4096
LEAST_SHARE = 1e-6
SHOWN_LINES = 3


class SparseCode(nn.Module):
    """a = s(W (x - b₀) + b): flat rows (n, d) to codes (n, n_components).

    Parameters
    ----------
    decoder : torch.nn.Linear
        Its bias is b₀.
    sparsity : "topk", "l1" or "kl"
    k : int
    rho : float
    """

    def __init__(self, decoder: nn.Linear, *, sparsity: str, k: int, rho: float) -> None:
        super().__init__()
        self.n_out = decoder.in_features
        self.layer = nn.Linear(decoder.out_features, self.n_out)
        self.decoder = (decoder,)  # in a tuple, so that its weights are not counted twice
        self.sparsity = sparsity
        self.k = min(k, self.n_out)
        self.rho = rho
        self.drawn = ("H", "sparse code", f"{self.k} at a time" if sparsity == "topk" else sparsity)
        with torch.no_grad():
            self.layer.weight.copy_(decoder.weight.t())
            self.layer.bias.fill_(math.log(rho / (1 - rho)) if sparsity == "kl" else 0.0)

    @property
    def origin(self) -> Tensor:
        """Return b₀: (d,)."""
        return self.decoder[0].bias

    def forward(self, x: Tensor) -> Tensor:
        """Return the codes."""
        sums = self.layer(x - self.origin)
        if self.sparsity == "kl":
            return torch.sigmoid(sums)
        return largest_only(torch.relu(sums), self.k) if self.sparsity == "topk" else torch.relu(sums)

    def active(self, codes: Tensor) -> Tensor:
        """Return which units answer to rows: those above 0, or with kl above their wanted mean."""
        return codes > (self.rho if self.sparsity == "kl" else 0.0)

    def trace(self, x: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield the row less b₀, the sums, and what is left of them."""
        origin, before, after = (array(each) for each in (self.origin[None], x, x - self.origin))
        symbols, cell = names.next("u"), largest(after)
        number = cell_name(symbols[1], cell)
        yield Step(
            "shifted",
            "From where rows are measured",
            f"{symbols[1]} = {symbols[0]} - b₀",
            f"{number} = {written(before[cell])} - {factor(origin[cell])} = {written(after[cell])}",
            symbols[1],
            after,
            "The decoder adds b₀ to every row in the end; so the code need tell only how a row differs from it.",
            {symbols[0]: before, "b₀": origin} if before.size <= MAX_SHOWN else {},
            cell,
        )
        sums = self.layer(x - self.origin)
        yield linear(self.layer, after, array(sums), names)
        curve = "sigmoid" if self.sparsity == "kl" else "relu"
        bent = torch.sigmoid(sums) if self.sparsity == "kl" else torch.relu(sums)
        yield opsteps.activation(curve, array(sums), array(bent), names.next("h"))
        if self.sparsity == "topk":
            yield self._trace_choice(array(bent), array(output), names.next("a"))

    def _trace_choice(self, bent: np.ndarray, codes: np.ndarray, symbols: Sequence[str]) -> Step:
        cell = largest(codes)
        return Step(
            "largest only",
            "Only the largest stay",
            f"{symbols[1]} = the {self.k} largest of {symbols[0]}, 0 elsewhere",
            f"{cell_name(symbols[1], cell)} = {written(codes[cell])} is the largest; {int((codes != 0).sum())} of "
            f"{len(codes):,} are not 0",
            symbols[1],
            codes,
            "A row is told by few units, each of which so comes to stand for something of its own.",
            {symbols[0]: bent} if bent.size <= MAX_SHOWN else {},
            cell,
        )


class SparseBody(nn.Module):
    """x̂ = D s(W (x - b₀) + b) + b₀: rows (n, *shape) to codes (n, n_components), and back.

    Parameters
    ----------
    shape : tuple of int
        Of a row.
    n_components, sparsity, k, l1, rho, beta, revive
        As in :class:`SparseAutoencoder`.

    Attributes
    ----------
    idle : Tensor of shape (n_components,)
        Rows in training since each unit was last active.
    dead_after : int
        So many idle rows make a unit dead.
    l0, dead_fraction, explained_variance : Tensor of shape ()
    """

    idle: Tensor
    l0: Tensor
    dead_fraction: Tensor
    explained_variance: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        n_components: int,
        sparsity: str = "topk",
        k: int = 32,
        l1: float = 0.0,
        rho: float = 0.05,
        beta: float = 0.0,
        revive: str | None = None,
    ) -> None:
        super().__init__()
        n_in = math.prod(shape)
        self.flatten = nn.Flatten() if len(shape) > 1 else nn.Identity()
        self.decoder = nn.Linear(n_components, n_in)
        draw_normal(self.decoder.weight, std=1.0)
        nn.init.zeros_(self.decoder.bias)
        self.normalize()
        self.code = SparseCode(self.decoder, sparsity=sparsity, k=k, rho=rho)
        self.shape = shape
        self.l1 = l1 if sparsity == "l1" else 0.0
        self.rho = rho
        self.beta = beta if sparsity == "kl" else 0.0
        self.revive = None if sparsity == "kl" else revive
        self.n_out = n_components
        self.dead_after = DEAD_ROWS
        self.register_buffer("idle", torch.zeros(n_components, dtype=torch.int64))
        for name in ("l0", "dead_fraction", "explained_variance"):
            self.register_buffer(name, torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return the codes."""
        return self.code(self.flatten(x))

    def decode(self, z: Tensor) -> Tensor:
        """Return the rows (n, *shape) that codes stand for."""
        return self.decoder(z).unflatten(1, self.shape)

    def row_loss(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss of each row (n,); what all rows of a step decide together counts in training only.

        Parameters
        ----------
        x : Tensor of shape (n, *shape)
        weight : Tensor of shape (n,), optional
            For the mean codes of a step.
        """
        x = self.flatten(x)
        codes = self.code(x)
        rebuilt = self.decoder(codes)
        loss = (x - rebuilt).square().sum(dim=1)
        if self.l1:
            loss = loss + self.l1 * codes.sum(dim=1)
        if not self.training:
            return loss
        if self.beta:
            share = torch.full_like(codes[:, 0], 1 / len(codes)) if weight is None else weight / weight.sum()
            loss = loss + self.beta * divergence(self.rho, share.to(codes.dtype) @ codes)
        if self.revive == "aux":
            loss = loss + AUX_SHARE * self.left_over_loss(x, rebuilt, self.dead_units())
        self._count_idle(codes)
        return loss

    def left_over_loss(self, x: Tensor, rebuilt: Tensor, units: Tensor) -> Tensor | float:
        """Return ‖(x - x̂) - D a‖² of each row (n,), where a and D are of some units alone; moves nothing but these.

        Of a row at most half as many units answer as it has numbers.
        """
        if not len(units):
            return 0.0
        left_over = (x - rebuilt).detach()
        layer, origin = self.code.layer, self.decoder.bias.detach()
        sums = functional.linear(x - origin, layer.weight[units], layer.bias[units])
        codes = largest_only(torch.relu(sums), max(1, x.shape[1] // 2))
        return (left_over - codes @ self.decoder.weight[:, units].t()).square().sum(dim=1)

    @torch.no_grad()
    def place(self, x: Tensor, weight: Tensor | None) -> None:
        """Begin from rows (n, *shape): b₀ is their mean, and they come back in their own size.

        Without it, what k columns that all lie near a row give back is k times too long. W is scaled, or with kl D.
        """
        x = self.flatten(x)
        share = torch.full_like(x[:, :1], 1 / len(x)) if weight is None else (weight / weight.sum())[:, None].to(x)
        self.decoder.bias.copy_((share * x).sum(dim=0))
        added = self.decoder(self.code(x)) - self.decoder.bias
        size = (share * added.square()).sum()
        if float(size) > 0:
            scaled = self.decoder if self.code.sparsity == "kl" else self.code.layer
            scaled.weight.mul_(((share * (x - self.decoder.bias) * added).sum() / size).clamp(min=LEAST_SHARE))

    def dead_units(self) -> Tensor:
        """Return the numbers of the dead units."""
        return (self.idle >= self.dead_after).nonzero()[:, 0]

    @torch.no_grad()
    def normalize(self) -> None:
        """Bring every column of D to norm 1."""
        weight = self.decoder.weight
        if not weight.is_meta:
            weight.div_(torch.linalg.vector_norm(weight, dim=0).clamp_(min=torch.finfo(weight.dtype).tiny))

    @torch.no_grad()
    def _count_idle(self, codes: Tensor) -> None:
        self.idle.add_(len(codes)).mul_(~self.code.active(codes).any(dim=0))


def largest_only(h: Tensor, k: int) -> Tensor:
    """Return h (n, m) with all but the k largest numbers of each row set to 0."""
    if k >= h.shape[1]:
        return h
    values, places = h.topk(k, dim=1, sorted=False)
    return torch.zeros_like(h).scatter(1, places, values)


def divergence(rho: float, mean: Tensor) -> Tensor:
    """Return Σⱼ KL(ρ ‖ mⱼ) = Σⱼ ρ log(ρ / mⱼ) + (1 - ρ) log((1 - ρ) / (1 - mⱼ)) of shares (m,)."""
    mean = mean.clamp(LEAST_SHARE, 1 - LEAST_SHARE)
    return (rho * (math.log(rho) - mean.log()) + (1 - rho) * (math.log1p(-rho) - (-mean).log1p())).sum()


class SparseTrainer(GradientTrainer):
    """Gradient descent that keeps the columns of D at norm 1, and resamples dead units where that is asked for.

    Parameters
    ----------
    network : CodeNetwork
    settings, arithmetic
        As of :class:`GradientTrainer`.
    """

    def __init__(self, network: Any, settings: GradientSettings, arithmetic: Arithmetic) -> None:
        super().__init__(network, NO_HEAD.row_loss, settings, arithmetic, losses=_losses)
        self.body: SparseBody = network.body
        self.unit_norm = self.body.code.sparsity != "kl"

    def _backward(self, batch: Batch, generator: torch.Generator, n_parts: int = 1) -> float:
        """Leave the gradient in the parameters, that of D without its part along the columns."""
        loss = super()._backward(batch, generator, n_parts)
        columns = self.body.decoder.weight
        if self.unit_norm and columns.grad is not None:
            columns.grad -= (columns.grad * columns.detach()).sum(dim=0) * columns.detach()
        return loss

    def _move(self, batch: Batch, generator: torch.Generator, n_parts: int) -> float:
        """Move the weights, then bring the columns back to norm 1."""
        loss = super()._move(batch, generator, n_parts)
        if self.unit_norm:
            self.body.normalize()
        if self.body.revive == "resample":
            self._resample(batch, generator)
        return loss

    @torch.no_grad()
    def _resample(self, batch: Batch, generator: torch.Generator) -> None:
        """Point dead units to what is left over of rows, drawn by the squares of their losses; each row once."""
        body, units = self.body, self.body.dead_units()
        if not len(units):
            return
        x = body.flatten(self.network.scaling(batch.inputs))  # pyright: ignore[reportCallIssue]
        left_over = x - body.decoder(body.code(x))
        lost = left_over.double().square().sum(dim=1)
        share = (lost / lost.max().clamp(min=torch.finfo(lost.dtype).tiny)).square()
        n_drawn = min(len(units), int(share.count_nonzero()))
        if not n_drawn:
            return
        rows = torch.multinomial(share, n_drawn, generator=generator)
        units, ways = units[:n_drawn], functional.normalize(left_over[rows])
        layer, alive = body.code.layer, body.idle < body.dead_after
        norms = torch.linalg.vector_norm(layer.weight, dim=1)
        norm = norms[alive].mean() if bool(alive.any()) else norms.new_ones(())
        layer.weight[units] = RESAMPLED_NORM[body.code.sparsity] * norm * ways
        layer.bias[units] = 0.0
        body.decoder.weight[:, units] = ways.t()
        body.idle[units] = 0
        self._forget(units)

    def _forget(self, units: Tensor) -> None:
        """Take the past gradients of some units out of the optimiser's moments."""
        layer, columns, optimizer = self.body.code.layer, self.body.decoder.weight, self.optimizer
        for column in optimizer.moments:  # pyright: ignore[reportAttributeAccessIssue]
            for parameter, moment in zip(self.parameters, column, strict=True):
                if moment.ndim and (parameter is layer.weight or parameter is layer.bias):
                    moment[units] = 0.0
                elif moment.ndim and parameter is columns:
                    moment[:, units] = 0.0


@dataclass(frozen=True)
class Activity:
    """How often units answer, and what comes back of rows.

    Attributes
    ----------
    share : ndarray of shape (n_components,)
        Of the rows that each unit answers to.
    lost, spread : float
        Mean squared error of a row, and the variance of the rows.
    """

    share: np.ndarray
    lost: float
    spread: float

    @property
    def measured(self) -> tuple[float, float, float]:
        """Return active units a row, the share of the units that are silent, and the explained variance."""
        explained = 1 - self.lost / self.spread if self.spread > 0 else 0.0
        return float(self.share.sum()), float((self.share == 0).mean()), explained


@with_parameters
class SparseAutoencoder(DescendingParameters, Unlabelled, Network):
    """Sparse autoencoder: tells rows by few of many units, each of which comes to stand for something of its own.

    a = s(W (x - b₀) + b), x̂ = D a + b₀, trained on Σ ‖x - x̂‖², with a code that is wider than the row and mostly zero.
    Columns of tables are standardised, images by channel; what comes back comes in the rows' own unit.

    Parameters
    ----------
    n_components : int, default 512
        Units, the numbers of the code.
    sparsity : "topk", "l1" or "kl", default "topk"
        "topk" keeps the k largest numbers of max(0, z), "l1" has a penalty on their sum; with "kl" codes lie between 0
        and 1, and a penalty brings the mean of each unit to ``rho``.
    k : int, default 32
        Of "topk": so many units answer to a row at most; all of them where there are fewer.
    l1 : float, default 1.0
        Of "l1": weight λ of the sum of the code. Alone, a unit is silent until it saves more than λ / 2 deviations.
    rho : float, default 0.05
        Of "kl": the mean that every unit is to have over the rows.
    beta : float, default 3.0
        Of "kl": weight β of the divergence between ``rho`` and the means of the units.
    revive : "aux", "resample" or None, default "aux"
        What happens to units that are silent for a pass through the rows, or for 10,000 of them: "aux" lets them
        learn what the others leave over, "resample" points them to rows of large error. "aux" brings back more of the
        rows; where units are many more than rows need, it leaves some silent that "resample" uses. Not used by "kl".
    sparse_output : bool, default False
        Whether ``transform`` gives a sparse matrix (CSR).
    kind : None, "table", "image" or "sequence", default None
        Images and sequences are taken as flat rows.
    Others: those of DescendingParameters.

    Attributes
    ----------
    network_ : torch.nn.Module
        Standardised rows (n, *shape) to codes (n, n_components).
    components_ : ndarray of shape (n_components, n_features)
        The columns of D, each as a standardised row.
    l0_ : float
        Units that answer to a training row, on average: those above 0, or with "kl" above ``rho``.
    dead_fraction_ : float
        Share of the units that answer to no training row.
    explained_variance_ : float
        Share of the variance of the training rows, as standardised, that comes back.
    n_features_in_, n_iter_, best_epoch_ : int
    history_ : dict of str to list

    References
    ----------
    Ranzato, Boureau & LeCun, "Sparse feature learning for deep belief networks", NIPS 2007. Ng, "Sparse autoencoder",
    CS294A lecture notes, 2011. Makhzani & Frey, "k-sparse autoencoders", ICLR 2014. Gao et al., "Scaling and evaluating
    sparse autoencoders", arXiv:2406.04093, 2024. Bricken et al., "Towards monosemanticity", Transformer Circuits, 2023.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nnzoo import SparseAutoencoder
    >>> X, _ = load_iris(return_X_y=True)
    >>> network = SparseAutoencoder(n_components=20, k=2, random_state=0).fit(X)
    >>> codes = network.transform(X)
    >>> codes.shape, int((codes != 0).sum(axis=1).max())
    ((150, 20), 2)
    """

    n_components: int = 512
    sparsity: str = "topk"
    k: int = 32
    l1: float = 1.0
    rho: float = 0.05
    beta: float = 3.0
    revive: str | None = "aux"
    sparse_output: bool = False
    kind: str | None = None

    kinds: ClassVar[tuple[str, ...]] = ("table", "image", "sequence")
    ranges: ClassVar[Mapping[str, Range]] = {
        **DescendingParameters.ranges,
        "n_components": Whole(1, 10**6),
        "sparsity": OneOf(SPARSITIES),
        "k": Whole(1, 10**6),
        "l1": Real(0.0),
        "rho": Real(0.0, 0.5, above=True),
        "beta": Real(0.0),
        "revive": OneOf(("aux", "resample", None)),
        "sparse_output": Truth(),
    }

    @property
    def components_(self) -> np.ndarray:
        """Return the columns of D: (n_components, n_features)."""
        return self.network_.body.decoder.weight.detach().double().cpu().numpy().T

    @property
    def l0_(self) -> float:
        """Return how many units answer to a training row, on average."""
        return float(self.network_.body.l0)

    @property
    def dead_fraction_(self) -> float:
        """Return the share of the units that answer to no training row."""
        return float(self.network_.body.dead_fraction)

    @property
    def explained_variance_(self) -> float:
        """Return the share of the variance of the training rows that comes back."""
        return float(self.network_.body.explained_variance)

    def make_body(self, inputs: Inputs) -> nn.Module:
        """Return the untrained encoder and decoder; images and sequences are flattened."""
        return SparseBody(
            inputs.shape,
            n_components=self.n_components,
            sparsity=self.sparsity,
            k=self.k,
            l1=self.l1,
            rho=self.rho,
            beta=self.beta,
            revive=self.revive,
        )

    def hidden_layers(self) -> HiddenLayers:
        """Return the encoder as a dense layer, for a network that starts from it; b₀ goes into its bias.

        Raises
        ------
        UsageError
            The code is that of topk, which no dense layer gives.
        """
        check_is_fitted(self)
        if self.sparsity == "topk":
            raise UsageError(
                "SparseAutoencoder gives dense layers without topk, which keeps the k largest of a row.",
                'Train it with sparsity="l1" or "kl".',
            )
        code, activation = self.network_.body.code, "relu" if self.sparsity == "l1" else "sigmoid"
        weight, bias = code.layer.weight.detach(), code.layer.bias.detach()
        layers = ((weight, bias - weight @ code.origin.detach()),)
        return HiddenLayers(type(self).__name__, self.inputs_, layers, activation)

    def learn(self, network: Any, n_rows: int, n_steps: int) -> Trainer:
        """Return gradient descent on the losses of the body, with columns of norm 1."""
        network.body.dead_after = min(n_rows, DEAD_ROWS)
        settings = GradientSettings(n_steps=n_steps, **self.gradient_settings())
        return SparseTrainer(network, settings, Arithmetic.named(self.arithmetic_))

    def transform(self, X: Any) -> Any:
        """Return the code of each row, (n, n_components), as an array or, with ``sparse_output``, a CSR matrix."""
        inputs = self._check_inputs(X)
        if not self.sparse_output:
            return forward_in_blocks(self.network_, inputs)
        blocks = inputs.split(BLOCK_ROWS)
        return sparse.vstack([sparse.csr_array(forward_in_blocks(self.network_, block)) for block in blocks], "csr")

    def inverse_transform(self, Z: Any) -> np.ndarray:
        """Return rows in their own unit from codes (n, n_components), an array or a sparse matrix."""
        return super().inverse_transform(Z.toarray() if sparse.issparse(Z) else Z)

    def settle(self, X: Any, sample_weight: Any) -> None:
        """Measure how sparse the codes of the training rows are, and what they hold."""
        body, counts = self.network_.body, self._activity(X, sample_weight)
        for name, value in zip(("l0", "dead_fraction", "explained_variance"), counts.measured, strict=True):
            getattr(body, name).fill_(value)

    def measures(self, X: Any, X_train: Any | None) -> RowValues:
        """Return the reconstruction error of each row beside that of principal components, as many as units answer."""
        counts = self._activity(X, None)
        l0, silent, explained = counts.measured
        found = reconstruction_values(self, X, X_train, max(1, round(l0)))
        more = {
            "explained_variance": (explained, "higher", "Share of the variance of the rows that comes back."),
            "active_units": (l0, "lower", "Units that answer to a row, on average."),
            "silent_units": (silent, "lower", "Share of the units that answer to none of these rows."),
        }
        return replace(found, more=more, shows=found.shows + self._filters(counts.share))

    # Inside

    def _start(self, train: Rows, target: Target, seed: int) -> None:
        super()._start(train, target, seed)
        step = -(-len(train.X) // BLOCK_ROWS)
        weight = None if train.weight is None else torch.from_numpy(train.weight[::step]).to(self._device)
        self.network_.body.place(self.network_.scaling(self._to_inputs(train.X[::step])), weight)

    def _activity(self, X: Any, sample_weight: Any) -> Activity:
        """Return how often units answer to rows, and what comes back of these."""
        inputs, network = self._check_inputs(X), self.network_
        n, body = len(inputs), network.body
        share = np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        weight = torch.from_numpy(share / share.sum()).to(inputs.device)
        network.eval()
        counts: Any = 0.0
        lost: Any = 0.0
        sums: Any = 0.0
        squares: Any = 0.0
        with torch.inference_mode():
            for part, w in zip(inputs.split(BLOCK_ROWS), weight.split(BLOCK_ROWS), strict=True):
                x = body.flatten(network.scaling(part))
                codes = body.code(x)
                counts = counts + w @ body.code.active(codes).double()
                lost = lost + w @ (x - body.decoder(codes)).double().square().sum(dim=1)
                sums, squares = sums + w @ x.double(), squares + w @ x.double().square()
            spread = float((squares - sums * sums).sum())
        return Activity(counts.cpu().numpy(), float(lost), spread)

    def _filters(self, share: np.ndarray) -> tuple[Shown, ...]:
        """Return the columns of D of the units that answer most often, as images, if rows are images."""
        if self.inputs_.kind != "image":
            return ()
        often = np.argsort(-share, kind="stable")[: SHOWN_LINES * MAX_BESIDE]
        filters = self.components_[often].reshape(-1, *self.inputs_.shape)
        lines = {f"{start + 1} ...": filters[start : start + MAX_BESIDE] for start in range(0, len(often), MAX_BESIDE)}
        sentence = "What a unit adds to an image, grey where it adds nothing; those that answer most often come first."
        return (Shown("What units stand for", sentence, {name: _contrasts(each) for name, each in lines.items()}),)


def _contrasts(filters: np.ndarray) -> np.ndarray:
    """Return filters (n, height, width, channels) as bytes, each from its own largest number, 0 in the middle."""
    top = np.abs(filters).max(axis=(1, 2, 3), keepdims=True)
    return np.rint(127.5 * (1 + filters / np.maximum(top, 1e-12))).astype(np.uint8)


def _losses(network: Any, batch: Batch) -> Tensor:
    return network.body.row_loss(network.scaling(batch.inputs), batch.weight)
