"""Deep Convolutional Inverse Graphics Network (DCIGN): images to what they were drawn from, learned from what varies.

A convolutional variational autoencoder (variational_autoencoder.py): q(z|x) = N(μ(x), σ(x)²), p(x|z) around g(z).
Training may take batches in which one factor alone varies (the position, the light, ...). The numbers of the code that
belong to it are active; the others are clamped to the mean m of their μ over the batch:

    ẑⱼ = zⱼ ~ q(zⱼ|x) if j is active, else mⱼ             what the decoder sees
    ∂/∂μⱼ as it is if j is active, else c (μⱼ - mⱼ)       what the encoder learns from

The active numbers have to tell what varies. The clamped ones cannot, and are drawn together: it does not matter what
they say of the batch, as long as they say the same of all of it. c (μⱼ - mⱼ) is the gradient of c/2 Σ (μⱼ - mⱼ)² over
the batch, because Σ (μⱼ - mⱼ) = 0; so the loss has that term, and the m that the decoder sees has no gradient. The
divergence from N(0, I) counts for the active numbers. The paper scales the replacement by 1/100 beside a loss of its
own. Beside likelihoods that are sums over all pixels so small a c leaves the factors mixed; too large a one leaves
numbers of the code dead, the sooner the fewer the rows.

The last cells of the drawing are plain outputs; they match the input.

Source: Kulkarni, Whitney, Kohli & Tenenbaum 2015. Body and bounds: variational.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from sklearn.utils.validation import check_consistent_length
from torch import Tensor, nn

from nnzoo.checks import Each, OneOf, Range, Real, Whole, either
from nnzoo.engine.batches import Batch
from nnzoo.engine.device import Arithmetic
from nnzoo.errors import DataError
from nnzoo.estimator import Network, Rows
from nnzoo.evaluation.rowvalues import RowValues, Shown, as_bytes
from nnzoo.heads import NO_HEAD
from nnzoo.inputs import Inputs
from nnzoo.networks.parameters import CodingParameters, with_parameters
from nnzoo.networks.unlabelled import CodeNetwork
from nnzoo.networks.variational import LIKELIHOODS, Variational, VariationalBody, divergence
from nnzoo.training.gradient import GradientSettings, GradientTrainer
from nnzoo.training.loop import LoopSettings, Run, Trainer

ALL_ELSE = -1
"""The factor of a batch in which all varies that no other factor names."""
SPAN, N_SHOWN = 2.0, 9
"""How far a number of the code goes from 0 in a traversal, in deviations of N(0, 1), and in how many steps."""
MOST_TRAVERSED = 8


class InverseGraphicsBody(VariationalBody):
    """Convolutional encoder and decoder, with a loss for batches in which one factor varies.

    Parameters
    ----------
    shape : tuple of int
        Of a row.
    clamp_scale : float
    sizes : int, str, float or sequence of int
        As in :class:`nnzoo.networks.variational.VariationalBody`.
    """

    def __init__(self, shape: tuple[int, ...], *, clamp_scale: float = 10.0, **sizes: Any) -> None:
        super().__init__(shape, **sizes)
        self.clamp_scale = clamp_scale

    def clamped_loss(self, x: Tensor, active: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss of each row of whole batches: (n_batches, n).

        Parameters
        ----------
        x : Tensor of shape (n_batches, n, *shape)
        active : bool Tensor of shape (n_batches, n_components)
            The numbers of the code that belong to what varies in a batch.
        weight : Tensor of shape (n_batches, n), optional
        """
        n_batches, n = x.shape[:2]
        x = x.flatten(0, 1)
        mean, log_variance = self.moments(x)
        told = active.repeat_interleave(n, dim=0)
        center = batch_mean(mean.unflatten(0, (n_batches, n)), weight).repeat_interleave(n, dim=0)
        z = mean + (log_variance / 2).exp() * self._noise(x)[0]
        seen = torch.where(told, z, center.detach())
        apart = torch.where(told, 0.0, mean - center).square().sum(dim=1)
        kept = divergence(torch.where(told, mean, 0.0), torch.where(told, log_variance, 0.0))
        fit = self.log_likelihood(x, seen[None])[0]
        return (self.beta * kept + self.clamp_scale / 2 * apart - fit).unflatten(0, (n_batches, n))


def batch_mean(z: Tensor, weight: Tensor | None) -> Tensor:
    """Return the mean of codes (n_batches, n, k) over the rows of each batch: (n_batches, k)."""
    if weight is None:
        return z.mean(dim=1)
    return (z * weight[..., None]).sum(dim=1) / weight.sum(dim=1, keepdim=True)


def batch_losses(network: Any, batch: Batch) -> Tensor:
    """Return the loss of each row: of whole batches with what is active, or of rows without (a plain bound)."""
    body, inputs = network.body, cast("Tensor", batch.inputs)
    if batch.target is None:
        return body.row_loss(network.scaling(inputs))
    x = network.scaling(inputs.flatten(0, 1)).unflatten(0, inputs.shape[:2])
    return body.clamped_loss(x, batch.target, batch.weight)


@dataclass(frozen=True)
class Factors:
    """What varies: for each row its batch, and the factor that varies in this batch, (n, 2) whole numbers."""

    values: np.ndarray

    @classmethod
    def read(cls, factors: Any) -> Self:
        """Return them checked.

        Raises
        ------
        DataError
            Not two whole numbers a row, or a batch of one row or of two factors.
        """
        found = np.asarray(factors)
        if found.ndim != 2 or found.shape[1] != 2 or found.dtype.kind not in "iu" or found.min(initial=0) < ALL_ELSE:
            raise DataError(
                "InverseGraphicsNetwork: factors needs two whole numbers a row, its batch and the factor that varies "
                f"in it, counted from 0, or -1 for all else; got shape {found.shape} of {found.dtype}.",
                "Pass an integer array of shape (n_samples, 2).",
            )
        _, first, code, n = np.unique(found[:, 0], return_index=True, return_inverse=True, return_counts=True)
        if (found[first, 1][code] != found[:, 1]).any():
            raise DataError(
                "InverseGraphicsNetwork: factors needs one factor a batch; some batch has rows of several.",
                "Give the rows of another factor a batch of their own.",
            )
        if (n < 2).any():
            raise DataError(
                "InverseGraphicsNetwork: factors needs batches of at least 2 rows; some batch has one.",
                "Leave single rows out: nothing varies in them.",
            )
        return cls(found.astype(np.int64))

    @property
    def longest(self) -> int:
        """Return the number of rows of the largest batch."""
        return int(np.unique(self.values[:, 0], return_counts=True)[1].max())


def whole_batches(names: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of each batch, and which of these places hold one: both (n_batches, longest).

    Places behind the end of a short batch name its first row.

    Examples
    --------
    >>> index, present = whole_batches(np.array([7, 3, 7, 7, 3]))
    >>> index.tolist(), present.tolist()
    ([[1, 4, 1], [0, 2, 3]], [[True, True, False], [True, True, True]])
    """
    _, code, n = np.unique(names, return_inverse=True, return_counts=True)
    place = np.arange(n.max())
    present = place < n[:, None]
    starts = np.cumsum(n) - n
    return np.argsort(code, kind="stable")[starts[:, None] + np.where(present, place, 0)], present


@with_parameters
class InverseGraphicsNetwork(CodingParameters, Variational, Network):
    """Deep convolutional inverse graphics network: learns from images what they were drawn from.

    A convolutional variational autoencoder. With ``fit(X, factors=...)`` it takes batches in which one factor varies,
    and gives each factor numbers of the code of its own; without it is a :class:`VariationalAutoencoder` with
    convolutions.

    Parameters
    ----------
    n_components : int, default 16
        Numbers of the code: those of the factors first, the others for what is left.
    n_filters : tuple of int, default (32, 64)
        Convolutions with stride 2; the decoder has them in reverse.
    likelihood : "auto", "gaussian" or "bernoulli", default "auto"
        "gaussian" has one variance for all numbers of a row, which is learned. "bernoulli" is for numbers from 0 to 1,
        bytes as shares of 255, which are then not standardised. "auto": Bernoulli if all numbers are from 0 to 1.
    beta : float, default 1.0
        Weight β of the divergence: below 1 rows come back sharper, above 1 the code is simpler.
    factor_sizes : tuple of int or None, default None
        Numbers of the code of each factor; a whole circle of angles needs two. None: one each.
    clamp_scale : float, default 10.0
        Pull c of the clamped numbers towards their mean over the batch, beside likelihoods that are sums over a row.
    schedule : "constant", "cosine" or "one_cycle", default "cosine"
    batch_size : int, default 64
        Rows of a step; with factors as many whole batches as fit, one at least.
    n_epochs : int, default 30
        Passes through the training rows, at most.
    early_stopping : bool or "auto", default "auto"
        Stop when the validation loss has not fallen for ``patience`` epochs. "auto": when validation rows are given, or
        from 10,000 rows on, or with factors as many batches, of which ``validation_fraction`` are then held out.
    Others: those of CodingParameters.

    Attributes
    ----------
    network_ : torch.nn.Module
        Standardised rows (n, *shape) to the means of their codes (n, n_components).
    likelihood_ : "gaussian" or "bernoulli"
    n_factors_ : int
        0 without factors.
    groups_ : list of ndarray
        Which numbers of the code each factor has; last, if there are any, those of what is left.
    n_active_ : int
        Numbers of the code whose mean varies over the training rows by more than 0.01; the others say nothing.
    n_features_in_, n_iter_, best_epoch_ : int
    history_ : dict of str to list
        Losses are minus the bound; in training with factors it holds the pull as well.

    References
    ----------
    Kulkarni, Whitney, Kohli & Tenenbaum, "Deep convolutional inverse graphics network", NeurIPS 2015.

    Examples
    --------
    >>> from nnzoo import InverseGraphicsNetwork
    >>> from nnzoo.data.shapes import shape_batches
    >>> X, values, factors = shape_batches(10, side=8, random_state=0)
    >>> network = InverseGraphicsNetwork(factor_sizes=(1, 1, 2, 1, 1), n_components=6, n_epochs=2, random_state=0)
    >>> network.fit(X, factors=factors).transform(X).shape
    (200, 6)
    """

    n_components: int = 16
    n_filters: Sequence[int] = (32, 64)
    likelihood: str = "auto"
    beta: float = 1.0
    factor_sizes: Sequence[int] | None = None
    clamp_scale: float = 10.0
    schedule: str = "cosine"
    n_epochs: int = 30

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    own_counts: ClassVar[tuple[str, ...]] = ("bernoulli", "n_factors")
    ranges: ClassVar[Mapping[str, Range]] = {
        **CodingParameters.ranges,
        "likelihood": OneOf(("auto", *LIKELIHOODS)),
        "beta": Real(0.0),
        "factor_sizes": either(OneOf((None,)), Each(Whole(1, 10**6), low=1)),
        "clamp_scale": Real(0.0),
    }
    _longest = 1
    """Rows of the largest batch, while factors are trained on."""

    @property
    def groups_(self) -> list[np.ndarray]:
        """Return which numbers of the code each factor has, then those of what is left, if there are any."""
        sizes = (1,) * self.n_factors_ if self.factor_sizes is None else self.factor_sizes[: self.n_factors_]
        ends = np.cumsum([0, *sizes, self.n_components - sum(sizes)]).tolist()
        return [np.arange(start, end) for start, end in pairwise(ends) if end > start]

    def make_body(self, inputs: Inputs) -> nn.Module:
        """Return the untrained encoder and decoder."""
        return InverseGraphicsBody(
            inputs.shape,
            clamp_scale=self.clamp_scale,
            hidden_layer_sizes=self.hidden_layer_sizes,
            n_filters=self.n_filters,
            n_components=self.n_components,
            activation=self.activation,
            likelihood=self.likelihood_,
            beta=self.beta,
        )

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        factors: Any = None,
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
        X : array of images
            (n_samples, height, width) or (n_samples, height, width, channels), bytes or numbers.
        y, lengths, y_val, lengths_val : None
            Left aside.
        factors : int array of shape (n_samples, 2), optional
            For each row its batch, by any number, and the factor that varies in this batch, counted from 0; -1 where
            all varies that no other factor names. Batches stay whole.
        sample_weight : array of shape (n_samples,), optional
        X_val, sample_weight_val : optional
            Validation rows: the best weights are those with the highest bound here.

        Returns
        -------
        self

        Raises
        ------
        DataError
            Factors that are no batches, or that need more numbers than the code has.
        """
        return super().fit(
            X,
            y if factors is None else Factors.read(factors),
            lengths=lengths,
            sample_weight=sample_weight,
            X_val=X_val,
            y_val=y_val,
            lengths_val=lengths_val,
            sample_weight_val=sample_weight_val,
        )

    def fit_run(
        self, run: Run, X: Any, y: Any, sample_weight: Any = None, validation: Any = None, parts: Any = None
    ) -> Self:
        """Train within a run; y is None or :class:`Factors`, anything else is left aside."""
        if isinstance(y, Factors):
            self._longest = y.longest
        try:
            return super().fit_run(run, X, y, sample_weight, validation, parts)
        finally:
            self._longest = 1

    def loop_settings(self, n_rows: int, seed: int, *, with_validation: bool) -> LoopSettings:
        """Return what the parameters say, a step in whole batches where there are factors."""
        settings = super().loop_settings(n_rows, seed, with_validation=with_validation)
        return replace(settings, batch_size=max(settings.batch_size // self._longest, 1))

    def learn(self, network: nn.Module, n_rows: int, n_steps: int) -> Trainer:
        """Return gradient descent on the bound, of rows or of whole batches with clamped numbers."""
        settings = GradientSettings(n_steps=n_steps, **self.gradient_settings())
        arithmetic = Arithmetic.named(self.arithmetic_)
        return GradientTrainer(network, NO_HEAD.row_loss, settings, arithmetic, losses=batch_losses)

    def traverse(self, X: Any, component: int, values: Sequence[float] | None = None) -> np.ndarray:
        """Return what rows become as one number of their code goes through some values: (n, n_values, *shape).

        Parameters
        ----------
        X : rows, as for ``transform``
        component : int
            Which number of the code, counted from 0.
        values : sequence of float, optional
            Nine from -2 to 2 without.
        """
        codes = self.transform(X)
        if not 0 <= component < self.n_components:
            raise DataError(
                f"InverseGraphicsNetwork: traverse needs a component from 0 to {self.n_components - 1}; got "
                f"{component}.",
                "Count the numbers of the code from 0.",
            )
        along = np.linspace(-SPAN, SPAN, N_SHOWN) if values is None else np.asarray(values, dtype=np.float64)
        moved = codes[:, None].repeat(len(along), axis=1)
        moved[:, :, component] = along
        rows = self.inverse_transform(moved.reshape(-1, self.n_components))
        return rows.reshape(len(codes), len(along), *rows.shape[1:])

    def measures(self, X: Any, X_train: Any | None) -> RowValues:
        """Return what a variational network is measured by, with pictures of what the numbers of the code change."""
        found = super().measures(X, X_train)
        if self.inputs_.kind != "image":
            return found
        varies = self.transform(X).var(axis=0)
        shown = np.sort(np.argsort(-varies, kind="stable")[:MOST_TRAVERSED])
        lines = {f"number {k + 1}": as_bytes(self.traverse(X[:1], int(k))[0]) for k in shown}
        sentence = "An image whose code is changed in one number at a time, from -2 to 2; those that vary most."
        return replace(found, shows=(*found.shows, Shown("What the numbers of the code mean", sentence, lines)))

    # Inside

    def _check_rows(self, X: Any, y: Any, sample_weight: Any, *, reset: bool) -> Rows:
        rows = super()._check_rows(X, y, sample_weight, reset=reset)
        if not isinstance(y, Factors):
            return rows
        check_consistent_length(X, y.values)
        kept = slice(None) if sample_weight is None else np.asarray(sample_weight) > 0
        return replace(rows, y=y.values[kept])

    def _choose_validation(self, rows: Rows, given: Any, target: Any, seed: int) -> tuple[Rows, Rows | None]:
        """Return training and validation rows; of rows in batches, whole batches are held out, as plain rows."""
        if rows.y is None or given is not None:
            return super()._choose_validation(rows, given, target, seed)
        names = np.unique(rows.y[:, 0])
        _, held_out = super()._choose_validation(Rows(rows.kind, names, None, None), None, target, seed)
        if held_out is None:
            return rows, None
        is_held = np.isin(rows.y[:, 0], held_out.X)
        train, valid = (
            Rows(rows.kind, rows.X[part], rows.y[part], None if rows.weight is None else rows.weight[part])
            for part in (~is_held, is_held)
        )
        return train, replace(valid, y=None)

    def _size(self, train: Rows, target: Any) -> None:
        varying = np.empty(0, dtype=int) if train.y is None else train.y[:, 1]
        n_named = int(varying.max(initial=ALL_ELSE)) + 1
        given = self.factor_sizes
        self.n_factors_ = 0 if train.y is None else n_named if given is None else len(given)
        n_taken = self.n_factors_ if given is None else sum(given)
        n_needed = n_taken + int((varying == ALL_ELSE).any())
        if n_named > self.n_factors_:
            raise DataError(
                f"InverseGraphicsNetwork: factors needs numbers below {self.n_factors_}, one of factor_sizes; got "
                f"{n_named - 1}.",
                "Give factor_sizes a member for each factor.",
            )
        if train.y is not None and n_needed > self.n_components:
            raise DataError(
                f"InverseGraphicsNetwork: these factors need at least {n_needed} numbers of the code; n_components is "
                f"{self.n_components}.",
                "Raise n_components.",
            )
        super()._size(train, target)

    def _to_batch(self, rows: Rows) -> Batch:
        """Return rows, or whole batches (n_batches, longest, *shape) with what is active in each."""
        if rows.y is None:
            return super()._to_batch(rows)
        index, present = whole_batches(rows.y[:, 0])
        active = np.zeros((len(index), self.n_components), dtype=bool)
        for line, factor in zip(active, rows.y[index[:, 0], 1], strict=True):
            line[self.groups_[factor]] = True
        weight = present if rows.weight is None else np.where(present, rows.weight[index], 0.0)
        inputs = self._to_inputs(rows.X)
        return Batch(
            inputs[torch.from_numpy(index).to(inputs.device)],
            torch.from_numpy(active).to(inputs.device),
            None
            if rows.weight is None and present.all()
            else torch.from_numpy(weight / weight.mean()).to(self._weight),
        )

    def _sizes(self) -> dict[str, Any]:
        return super()._sizes() | {"n_factors": self.n_factors_}

    def _bare_network(self, inputs: Inputs, sizes: Mapping[str, Any]) -> CodeNetwork:
        self.n_factors_ = sizes["n_factors"]
        return super()._bare_network(inputs, sizes)
