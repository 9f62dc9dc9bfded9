"""Extreme Learning Machine (ELM): a hidden layer that is drawn and never trained, and a least-squares readout.

    H = f(X W + b)        W, b random and fixed
    β = (HᵀH + λI)⁻¹ HᵀT

with X the rows, T the coded targets and λ = ``ridge``, the 1/C of the papers. Direct links add the inputs to the
features, [H, X] (random vector functional link). In the kernel form no unit is drawn: with K the kernel matrix of m
training rows, the features are φ(x) = K^(-1/2) k(x), for which the same least squares is kernel ridge regression on all
m rows, (K + λI) α = T, since φ(x)·φ(z) = K(x, z).

Sources: Huang, Zhu & Siew 2004, 2006; kernel form and 1/C Huang et al. 2012; the chart cites Cambria et al. 2013.
Ancestors: Schmidt, Kraaijveld & Duin 1992; direct links Pao, Park & Sobajic 1994. The drawing shows a sparse pool as of
an echo state network; the paper's layer is full and has no recurrence. Where we differ: b of the readout bears no
penalty, and inputs are standardised, so that W is drawn in units in which sums have deviation 1.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from nnzoo.checks import OneOf, Range, Real, Truth, Whole
from nnzoo.estimator import LEARNER_RANGES, Encoder, Network, Rows, ScoreNetwork
from nnzoo.inputs import Inputs
from nnzoo.networks.kernels import GAMMA, KernelFeatures, gaussian, trace_gaussian
from nnzoo.networks.parameters import ReadoutParameters, with_parameters
from nnzoo.networks.parts import ACTIVATIONS
from nnzoo.opsteps import activation
from nnzoo.trace import MAX_SHOWN, Step
from nnzoo.tracing import Names, array, trace_layers
from nnzoo.training.loop import LoopSettings
from nnzoo.training.readout import ReadoutTrainer, one_pass, with_sums

LINKED_SHARE = 0.1
"""Share of the inputs that a unit of ``weights="sparse"`` sees; one at least."""


class Sine(nn.Module):
    """h = sin(z)."""

    def forward(self, z: Tensor) -> Tensor:
        """Return the sine of every value."""
        return torch.sin(z)

    def trace(self, z: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield the sine."""
        yield activation("sin", array(z), array(output), names.next("h"))


class RandomLayer(nn.Sequential):
    """h = f(W x + b), (n, n_in) to (n, n_hidden), drawn and not trained: sums of standardised inputs have deviation 1.

    W has entries of mean 0 and deviation s / √(inputs that a unit sees), b has deviation s, with s = input_scaling.
    """

    drawn = ("H", "random units", "drawn, not trained")

    def __init__(self, n_in: int, n_hidden: int, *, activation: str, weights: str, input_scaling: float) -> None:
        layer = nn.Linear(n_in, n_hidden).requires_grad_(False)
        super().__init__(layer, Sine() if activation == "sin" else ACTIVATIONS[activation]())
        self.n_out = n_hidden
        if not layer.weight.is_meta:
            layer.weight.copy_(input_scaling * draw_weights(weights, n_hidden, n_in))
            layer.bias.copy_(input_scaling * _uniform(n_hidden))


class RandomPoints(nn.Module):
    """h = exp(-γ ‖x - w‖²), (n, n_in) to (n, n_hidden): the points w are drawn from N(0, I), γ of each unit from U."""

    drawn = ("H", "distances to random points", "drawn, not trained")

    def __init__(self, n_in: int, n_hidden: int, *, input_scaling: float) -> None:
        super().__init__()
        self.n_out = n_hidden
        points, gamma = torch.empty(n_hidden, n_in), torch.empty(n_hidden)
        if not points.is_meta:
            nn.init.normal_(points)
            nn.init.uniform_(gamma, 0.0, input_scaling**2 / n_in)
        self.points, self.gamma = (nn.Parameter(each, requires_grad=False) for each in (points, gamma))

    def forward(self, x: Tensor) -> Tensor:
        """Return the activations."""
        return gaussian(x, self.points, self.gamma)

    def trace(self, x: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield the distances and the activations."""
        yield from trace_gaussian(x, self.points, self.gamma, output, names)


class RandomBody(nn.Module):
    """Flat rows to the features of a drawn layer, beside them the rows themselves where there are direct links."""

    def __init__(self, hidden: Any, n_links: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.direct_links = n_links > 0
        self.n_out = int(hidden.n_out) + n_links

    def forward(self, x: Tensor) -> Tensor:
        """Return the features (n, n_out)."""
        x = x.flatten(1)
        return torch.cat([self.hidden(x), x], dim=1) if self.direct_links else self.hidden(x)

    def trace(self, x: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield the drawn layer, and the direct links."""
        before = names.last
        yield from trace_layers(self.hidden, x.flatten(1), names)
        if self.direct_links:
            yield _links(array(x).ravel(), array(output), (before, *names.next("u")))


def _links(x: np.ndarray, features: np.ndarray, symbols: Sequence[str]) -> Step:
    x_name, h_name, name = symbols
    hidden = features[: len(features) - len(x)]
    return Step(
        "direct links",
        "Direct links",
        f"{name} = [{h_name}, {x_name}]",
        f"{len(hidden):,} activations, then {len(x):,} inputs",
        name,
        features,
        "The readout sees the inputs beside the hidden units: what is linear needs no unit.",
        {h_name: hidden, x_name: x} if features.size <= MAX_SHOWN else {},
    )


def draw_weights(law: str, n_hidden: int, n_in: int) -> Tensor:
    """Return weights (n_hidden, n_in) of a law whose entries have mean 0 and mean square 1 / (inputs that a unit sees).

    Parameters
    ----------
    law : "uniform", "normal", "orthogonal" or "sparse"
        "orthogonal" units are orthonormal, n_in at a time; "sparse" ones see a tenth of the inputs, uniform weights.
    """
    if law == "normal":
        return torch.randn(n_hidden, n_in) / math.sqrt(n_in)
    if law == "orthogonal":
        blocks = [nn.init.orthogonal_(torch.empty(n_in, n_in)) for _ in range(math.ceil(n_hidden / n_in))]
        return torch.cat(blocks)[:n_hidden]
    weights = _uniform(n_hidden, n_in)
    if law == "uniform":
        return weights / math.sqrt(n_in)
    n_seen = max(1, round(LINKED_SHARE * n_in))
    seen = torch.rand(n_hidden, n_in).argsort(dim=1).argsort(dim=1) < n_seen
    return weights * seen / math.sqrt(n_seen)


def _uniform(*shape: int) -> Tensor:
    """Return uniform numbers of mean 0 and deviation 1."""
    return math.sqrt(3) * (2 * torch.rand(*shape) - 1)


@with_parameters
class ExtremeLearningMachine(ReadoutParameters, Encoder, Network):
    """Extreme learning machine: random hidden units and a readout by least squares, in one pass over the rows.

    H = f(X W + b) with W and b drawn once; β = (HᵀH + λI)⁻¹ HᵀT. Inputs are standardised with weighted means and
    deviations of the training rows (0/1 columns stay), regression targets too; all is computed in float64. Scores of
    classes estimate 0 and 1; one factor, found on rows left out, makes probabilities of them.

    Parameters
    ----------
    task : "classification" or "regression", default "classification"
    n_hidden : int, default 500
        Random units, from 1; in the kernel form training rows, drawn where there are more.
    activation : str, default "sigmoid"
        f: "sigmoid", "tanh", "relu", "sin", or "rbf" for exp(-γ ‖x - w‖²).
    weights : "uniform", "normal", "orthogonal" or "sparse", default "uniform"
        The law of W; with "sparse" a unit sees a tenth of the inputs.
    input_scaling : float, default 1.0
        Deviation of the sums of a unit over standardised inputs: small for nearly linear units, large for steep ones.
    direct_links : bool, default False
        Whether the readout sees the inputs, too (random vector functional link).
    kernel : None or "rbf", default None
        "rbf": the kernel form, kernel ridge regression, without random units and without b.
    gamma : "scale" or float, default "scale"
        γ of the kernel exp(-γ ‖x - z‖²) of standardised rows; "scale" is 1 over the number of inputs.
    device : "auto", "cpu", "cuda" or "mps", default "auto"
    Others: those of ReadoutParameters.

    Attributes
    ----------
    Others: those of ReadoutParameters.

    References
    ----------
    Huang, Zhu & Siew, "Extreme learning machine: theory and applications", Neurocomputing 70, 2006. Cambria et al.,
    "Extreme learning machines", IEEE Intelligent Systems 28, 2013. Pao, Park & Sobajic, "Learning and generalization
    characteristics of the random vector functional-link net", Neurocomputing 6, 1994.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nnzoo import ExtremeLearningMachine
    >>> X, y = load_iris(return_X_y=True)
    >>> ExtremeLearningMachine(n_hidden=50, random_state=0).fit(X, y).score(X, y) > 0.9
    True
    """

    n_hidden: int = 500
    activation: str = "sigmoid"
    weights: str = "uniform"
    input_scaling: float = 1.0
    direct_links: bool = False
    kernel: str | None = None
    gamma: str | float = "scale"
    device: str = "auto"

    kinds: ClassVar[tuple[str, ...]] = ("table", "image", "sequence")
    own_counts: ClassVar[tuple[str, ...]] = ("n_rows_kept",)
    ranges: ClassVar[Mapping[str, Range]] = {
        **ReadoutParameters.ranges,
        "device": LEARNER_RANGES["device"],
        "n_hidden": Whole(1, 10**9),
        "activation": OneOf(("sigmoid", "tanh", "relu", "sin", "rbf")),
        "weights": OneOf(("uniform", "normal", "orthogonal", "sparse")),
        "input_scaling": Real(0.0, 1e6, above=True),
        "direct_links": Truth(),
        "kernel": OneOf((None, "rbf")),
        "gamma": GAMMA,
    }

    @property
    def ridge_(self) -> float:
        """Return λ of the readout."""
        sums: Any = self.network_.sums
        return float(sums.ridge)

    def make_body(self, inputs: Inputs) -> nn.Module:
        """Return the body, drawn; images and sequences are flattened."""
        n_in, scale = inputs.n_features, float(self.input_scaling)
        if self.kernel is not None:
            gamma = 1 / n_in if self.gamma == "scale" else float(self.gamma)
            hidden: nn.Module = KernelFeatures(n_in, self.n_rows_kept_, gamma=gamma)
        elif self.activation == "rbf":
            hidden = RandomPoints(n_in, self.n_hidden, input_scaling=scale)
        else:
            law = {"activation": self.activation, "weights": self.weights}
            hidden = RandomLayer(n_in, self.n_hidden, input_scaling=scale, **law)
        return RandomBody(hidden, n_in if self.direct_links else 0)

    def learn(self, network: nn.Module, n_rows: int, n_steps: int) -> ReadoutTrainer:
        """Return least squares on the features."""
        return ReadoutTrainer(network, self.target_.head, ridge=self.ridge, with_bias=self.kernel is None)

    def loop_settings(self, n_rows: int, seed: int, *, with_validation: bool) -> LoopSettings:
        """Return one pass."""
        return one_pass(seed)

    def _size(self, train: Rows, target: Any) -> None:
        self.n_rows_kept_ = min(self.n_hidden, train.X.shape[0]) if self.kernel else 0
        super()._size(train, target)

    def _sizes(self) -> dict[str, Any]:
        return super()._sizes() | {"n_rows_kept": self.n_rows_kept_}

    def _bare_network(self, inputs: Inputs, sizes: Mapping[str, Any]) -> ScoreNetwork:
        self.n_rows_kept_ = sizes["n_rows_kept"]
        return with_sums(super()._bare_network(inputs, sizes))

    def _start(self, train: Rows, target: Any, seed: int) -> None:
        super()._start(train, target, seed)
        hidden: Any = self.network_.body.hidden  # pyright: ignore[reportAttributeAccessIssue]
        if isinstance(hidden, KernelFeatures):
            chosen = np.random.default_rng(seed).permutation(train.X.shape[0])[: self.n_rows_kept_]
            with torch.no_grad():
                hidden.take(self.network_.scaling(self._to_inputs(train.X[np.sort(chosen)])).flatten(1))
