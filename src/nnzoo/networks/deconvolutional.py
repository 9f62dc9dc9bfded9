"""Deconvolutional Network (DN): convolutions that run backwards, from a code to an image.

    "code"       u = Σ_k z_k ∗ f_k, min over maps z and filters f of ½ Σ ‖u - Σ_k z_k ∗ f_k‖² + λ Σ |z|, ‖f_k‖ = 1
    "generate"   x̂ = W_L ∗ up(... f(W_2 ∗ up(f(W_1 c + b_1)) + b_2) ...), min over W, b of Σ ‖x - x̂(c)‖²

The chart draws the second: from a label c by layers that make maps larger to an image. The paper that it cites is the
first: an image becomes feature maps, of which few numbers are not 0 (sparse_coding.py); images are all it needs, so it
is the default. Both learn from rows that are images, and both go one way by layers and back by search: "code" searches
the maps of an image, "generate" the code whose image is nearest to it. So X is always images; the labels or codes that
"generate" draws from are y, and ``predict`` draws them.

With a code for each class (one of them 1, the others 0) the squared error is least where each class is drawn as the
mean of its images. A filter of a side that its stride does not divide lays down more in some places than in others, a
checkerboard (Odena et al. 2016): maps are made larger by repeating their numbers, or by filters of 4 and strides of 2.

Sources: Zeiler, Krishnan, Taylor & Fergus 2010; Dosovitskiy, Springenberg & Brox 2015 (images from labels).
Siblings: autoencoder.py (learns the code of an image, too), deep_convolutional.py (from image to label).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn import functional

from nnzoo.checks import Each, OneOf, Range, Real, Whole, either
from nnzoo.engine.batches import Batch
from nnzoo.errors import UsageError
from nnzoo.estimator import Network, Rows, only_if
from nnzoo.evaluation.rowvalues import Competitor, RowValues, Shown, as_bytes, draw_linearly
from nnzoo.inputs import PIXEL_MAX, Inputs
from nnzoo.networks.coding import FromMaps
from nnzoo.networks.parameters import GradientParameters, with_parameters
from nnzoo.networks.parts import ACTIVATIONS, choose_init, initialize, layer_widths
from nnzoo.networks.sparse_coding import SparseCodingBody
from nnzoo.networks.unlabelled import (
    MAX_BESIDE,
    UNLABELLED_GRADIENT_RANGES,
    CodeNetwork,
    Unlabelled,
    reconstruction_values,
)
from nnzoo.pictures.filters import diverging
from nnzoo.targets import Target
from nnzoo.trace import Step, written
from nnzoo.tracing import Names, array, trace_layers

MODES = ("code", "generate")
UPSAMPLES = ("resize", "transposed")
CODE_FILTERS, GENERATOR_FILTERS = (16,), (64, 32)
SEARCH_RATE = 0.1
MAX_MAPS, MAX_MAPPED = 16, 4
"""Feature maps that a report shows, and of how many images."""


class Resize(nn.Module):
    """Maps (n, C, h, w) made larger by repeating numbers: (n, C, H, W)."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, maps: Tensor) -> Tensor:
        """Return the larger maps."""
        return functional.interpolate(maps, self.size, mode="nearest")

    def trace(self, maps: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield the larger maps."""
        before, name = names.next("r")
        size = " x ".join(map(str, self.size))
        yield Step(
            "resize",
            "Larger by repeating",
            f"{name}[k, i, j] = {before}[k, ⌊i h / H⌋, ⌊j w / W⌋], counted from 0",
            f"{maps.shape[2]} x {maps.shape[3]} places become {size}",
            name,
            array(output),
            "Each number is repeated, about twice along each axis; the convolution behind it smooths the steps.",
            {before: array(maps)},
        )


def upsampling(n_in: int, n_out: int, size: tuple[int, int], how: str) -> list[nn.Module]:
    """Return layers that make maps (n, n_in, ⌈H / 2⌉, ⌈W / 2⌉) to (n, n_out, H, W)."""
    if how == "resize":
        return [Resize(size), nn.Conv2d(n_in, n_out, 3, padding=1)]
    # A kernel of 4 and a stride of 2 give 2h - 2 padding + 2 places, and one more with output_padding.
    odd = (size[0] % 2, size[1] % 2)
    padding = (1 + odd[0], 1 + odd[1])
    return [nn.ConvTranspose2d(n_in, n_out, 4, stride=2, padding=padding, output_padding=odd)]


class GeneratorBody(nn.Module):
    """Codes to images by layers, images to codes by search: (n, n_codes) to (n, H, W, C), and back.

    Parameters
    ----------
    shape : tuple of int
        Of an image: (H, W, C).
    n_codes : int
    labelled : bool
        Whether a code stands for a label: one number is 1, the others 0.
    n_filters, upsample, activation, n_inference_steps
        As in :class:`DeconvolutionalNetwork`.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        n_codes: int,
        *,
        labelled: bool,
        n_filters: Sequence[int],
        upsample: str,
        activation: str,
        n_inference_steps: int,
    ) -> None:
        super().__init__()
        height, width, n_channels = shape
        sizes = [(height, width)]
        for _ in n_filters:
            sizes.insert(0, (math.ceil(sizes[0][0] / 2), math.ceil(sizes[0][1] / 2)))
        first, init = (n_filters[0] if n_filters else n_channels), choose_init(activation)
        layers: list[nn.Module] = [
            initialize(nn.Linear(n_codes, first * math.prod(sizes[0])), init),
            nn.Unflatten(1, (first, *sizes[0])),
        ]
        for (n_in, n_out), larger in zip(layer_widths(first, [*n_filters[1:], n_channels]), sizes[1:], strict=False):
            *resized, convolution = upsampling(n_in, n_out, larger, upsample)
            layers += [ACTIVATIONS[activation](), *resized, _drawn_from(convolution, init)]
        self.generator = nn.Sequential(*layers, FromMaps())
        self.labelled = labelled
        self.n_inference_steps = n_inference_steps
        self.n_out = n_codes
        self.drawn_first = ("I", n_codes, "code", "")

    def forward(self, x: Tensor) -> Tensor:
        """Return the codes whose images are near to x, by descending the squared error; labels begin at the nearest."""
        with torch.inference_mode(False), torch.enable_grad():
            wanted, codes = x.clone(), self.nearest_label(x).clone().requires_grad_()
            search = torch.optim.Adam([codes], lr=SEARCH_RATE)
            for _ in range(self.n_inference_steps):
                error = (self.generator(codes) - wanted).square().sum()
                codes.grad = torch.autograd.grad(error, codes)[0]
                search.step()
        return codes.detach()

    def nearest_label(self, x: Tensor) -> Tensor:
        """Return the code (n, n_codes) of the label whose image is nearest to x; zeros where codes are no labels."""
        if not self.labelled:
            return x.new_zeros(len(x), self.n_out)
        codes = torch.eye(self.n_out, dtype=x.dtype, device=x.device)
        with torch.no_grad():
            apart = torch.cdist(x.flatten(1), self.generator(codes).flatten(1))
        return codes[apart.argmin(dim=1)]

    def decode(self, z: Tensor) -> Tensor:
        """Return the images of codes."""
        return self.generator(z)

    def row_loss(self, x: Tensor, codes: Tensor | None = None) -> Tensor:
        """Return the squared error of the image that a code gives (n,); without codes, of that which search finds.

        Equal codes give equal images, so each code goes through the layers once: of ten labels ten images, however many
        rows there are.
        """
        distinct, place = torch.unique(self(x) if codes is None else codes, dim=0, return_inverse=True)
        images = self.generator(distinct).index_select(0, place)
        return (x - images).square().flatten(1).sum(dim=1)

    def trace(self, x: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield the code that the search ends at, and the layers that draw its image."""
        before, name = names.next("c", new_layer=True)
        start = self.row_loss(x, self.nearest_label(x))
        yield Step(
            "searched code",
            "The code whose image is nearest",
            f"{name} = the code after {self.n_inference_steps} steps down ‖{before} - x̂({name})‖²",
            f"{written(float(start))} at the start, {written(float(self.row_loss(x, output)))} at the end",
            name,
            array(output),
            "The layers go from code to image alone; the way back is a search.",
        )
        yield from trace_layers(self.generator, output, names)


def _drawn_from(convolution: Any, init: str) -> nn.Module:
    if isinstance(convolution, nn.ConvTranspose2d):
        nn.init.xavier_uniform_(convolution.weight)
        nn.init.zeros_(convolution.bias)  # pyright: ignore[reportArgumentType]
        return convolution
    return initialize(convolution, init)


def _generates(network: "DeconvolutionalNetwork") -> bool:
    return network.mode == "generate"


@with_parameters
class DeconvolutionalNetwork(GradientParameters, Unlabelled, Network):
    """Deconvolutional network: images from filters, laid down by sparse feature maps, or drawn from labels.

    "code" finds for every image feature maps z of which most numbers are 0, min ½ Σ ‖u - Σ_k z_k ∗ f_k‖² + λ Σ |z|, and
    filters that serve all images. "generate" learns a network from labels or codes to images, min Σ ‖x - x̂(c)‖², for
    ``fit(images, labels)``; ``predict(labels)`` then gives images. Images are standardised by channel; "code" tells
    what differs from their mean image.

    Parameters
    ----------
    mode : "code" or "generate", default "code"
        "generate" needs y: labels (n,), or codes (n, n_codes), numbers of any meaning.
    n_filters : tuple of int or None, default None
        Of "code": (16,), one layer. Of "generate": (64, 32), the maps of each layer but the last; after each, maps get
        twice as large. () draws images by one dense layer.
    kernel_size : int, default 7
        Side of the filters of "code"; those of "generate" are of 3, or 4 where transposed.
    l1 : float, default 1.0
        λ of "code": the larger, the fewer numbers of the maps are not 0.
    n_inference_steps : int, default 50
        Steps of FISTA that find the maps of "code"; steps down the squared error that find the code of an image.
    upsample : "resize" or "transposed", default "resize"
        How "generate" makes maps larger: by repeating numbers before a convolution, or by a transposed convolution.
    activation : str, default "leaky_relu"
        f of "generate": "identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu" or "selu".
    optimizer : "adam", "adamw", "sgd" or "lbfgs", default "adam"
        "lbfgs" takes all rows at each step.
    learning_rate : float, default 0.005
    schedule : "constant", "cosine" or "one_cycle", default "cosine"
    batch_size : int, default 16
    n_epochs : int, default 5
        Passes through the training images, at most. "code" has few weights: some thousand images in all are enough.
    kind : None or "image", default None
    Others: those of GradientParameters.

    Attributes
    ----------
    network_ : torch.nn.Module
        Standardised images (n, H, W, C) to codes: flat feature maps (n, k (H + K - 1) (W + K - 1)), or (n, n_codes).
    filters_ : ndarray of shape (n_filters, kernel_size, kernel_size, C)
        Of "code"; each has the norm 1.
    classes_ : ndarray of shape (n_classes,)
        The labels that "generate" draws, if they were labels.
    n_features_in_, n_iter_, best_epoch_ : int
    history_ : dict of str to list
        Losses are those of an image.

    References
    ----------
    Zeiler, Krishnan, Taylor & Fergus, "Deconvolutional networks", CVPR 2010. Dosovitskiy, Springenberg & Brox,
    "Learning to generate chairs with convolutional neural networks", CVPR 2015. Beck & Teboulle, "A fast iterative
    shrinkage-thresholding algorithm for linear inverse problems", SIAM Journal on Imaging Sciences 2, 2009.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from nnzoo import DeconvolutionalNetwork
    >>> images, labels = load_digits().images[:200], load_digits().target[:200]
    >>> network = DeconvolutionalNetwork(n_filters=(4,), kernel_size=3, n_epochs=1, random_state=0).fit(images)
    >>> network.transform(images[:2]).shape, network.filters_.shape
    ((2, 400), (4, 3, 3, 1))
    >>> network = DeconvolutionalNetwork(mode="generate", random_state=0).fit(images, labels)
    >>> network.predict([3, 8]).shape
    (2, 8, 8, 1)
    """

    mode: str = "code"
    n_filters: Sequence[int] | None = None
    kernel_size: int = 7
    l1: float = 1.0
    n_inference_steps: int = 50
    upsample: str = "resize"
    activation: str = "leaky_relu"
    learning_rate: float = 5e-3
    schedule: str = "cosine"
    batch_size: int = 16
    n_epochs: int = 5

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    trains_in_bfloat16: ClassVar[bool] = False
    ranges: ClassVar[Mapping[str, Range]] = {
        **UNLABELLED_GRADIENT_RANGES,
        "mode": OneOf(MODES),
        "n_filters": either(OneOf((None,)), Each(Whole(1, 10**6), high=100)),
        "kernel_size": Whole(1, 1000),
        "l1": Real(0.0),
        "n_inference_steps": Whole(1, 1_000_000),
        "upsample": OneOf(UPSAMPLES),
        "activation": OneOf(tuple(ACTIVATIONS)),
        "kind": OneOf((None, "image")),
    }

    @property
    def reads_target(self) -> bool:
        """Return whether images are drawn from y."""
        return self.mode == "generate"

    @property
    def filters_(self) -> np.ndarray:
        """Return the filters of "code"."""
        check_is_fitted(self)
        if self.mode != "code":
            raise AttributeError('DeconvolutionalNetwork has filters_ with mode="code" only.')
        return self.network_.body.filters.at_norm_1().detach().movedim(1, -1).double().cpu().numpy()

    def make_body(self, inputs: Inputs) -> nn.Module:
        """Return untrained filters, or an untrained generator for the codes that y gave."""
        if self.mode == "code":
            (n_filters,) = self._widths(CODE_FILTERS)
            return SparseCodingBody(
                inputs.shape,
                n_filters=n_filters,
                kernel_size=self.kernel_size,
                l1=self.l1,
                n_inference_steps=self.n_inference_steps,
            )
        n_codes, labelled = self._codes_of_target
        return GeneratorBody(
            inputs.shape,
            n_codes,
            labelled=labelled,
            n_filters=self._widths(GENERATOR_FILTERS),
            upsample=self.upsample,
            activation=self.activation,
            n_inference_steps=self.n_inference_steps,
        )

    @only_if(_generates)
    def predict(self, X: Any) -> np.ndarray:
        """Return an image for each label or code, in the unit of the training images: (n, H, W, C).

        Parameters
        ----------
        X : array of shape (n,), labels; or (n, n_codes), codes
            What ``fit`` took as y.
        """
        check_is_fitted(self)
        codes = torch.from_numpy(self._codes(X)).to(self._weight)
        return self._in_units(self._pass(self.network_.body.decode, codes))

    @only_if(_generates)
    def sample(self, n_samples: int = 1, random_state: int | np.random.RandomState | None = None) -> np.ndarray:
        """Return images of labels that are drawn at random; of codes drawn from N(0, 1) as standardised, one by one.

        Parameters
        ----------
        n_samples : int, default 1
        random_state : int, RandomState or None
        """
        check_is_fitted(self)
        draw = check_random_state(random_state)
        if self.target_.classes is not None:
            return self.predict(draw.choice(self.target_.classes, n_samples))
        return self.inverse_transform(draw.standard_normal((n_samples, self.network_.body.n_out)))

    def answers(self, X: Any) -> Mapping[str, np.ndarray]:
        """Return "score", minus the loss of each image, and how many numbers of its maps are not 0.

        Of "generate" that was given labels: "prediction", the label whose image is nearest, and "score", minus how far.
        """
        if self.mode == "code":
            return {"score": self.score_samples(X), "n_active": self._count_active(X).astype(np.int64)}
        if self.target_.classes is None:
            return {"score": self.score_samples(X)}
        inputs, body, scaling = self._check_inputs(X), self.network_.body, self.network_.scaling
        numbers = self._pass(lambda rows: body.nearest_label(scaling(rows)).argmax(dim=1), inputs).astype(np.int64)
        labels = self.target_.classes[numbers]
        return {"prediction": labels, "score": -self._errors(X, labels)}

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the mean of ``score_samples``; of "generate" with y, minus the mean error of the images of y."""
        if y is None or self.mode == "code":
            return super().score(X, None, sample_weight)
        return -float(np.average(self._errors(X, y), weights=sample_weight))

    def measures(self, X: Any, X_train: Any | None, y: Any = None, y_train: Any = None) -> RowValues:
        """Return the error of each image beside that of as many principal components as its code has numbers not 0.

        Of "generate": of the image drawn from its label, beside the mean of all images, and of those of the label.
        """
        if self.mode == "code":
            n_active = self._count_active(X).mean()
            found = reconstruction_values(self, X, X_train, max(round(n_active), 1))
            what = "Numbers of the feature maps that are not 0, of an image on average; principal components as many."
            loss = "What training brings down: half of the squares that are lost, and λ times the sum of the maps."
            more = {
                "active_numbers": (n_active, "lower", what),
                "objective": (-self.score(X), "lower", loss),
            }
            return replace(found, more=more, shows=(*found.shows, *self._shown_maps(X)))
        competitors: Sequence[Competitor] = ()
        rows = self._standardized(self._check_inputs(X))
        if X_train is not None:
            known = self._standardized(self._check_inputs(X_train))
            competitors = draw_linearly(known, self._codes(y_train), rows, self._codes(y))
        return RowValues(
            "reconstruction_error",
            "lower",
            "How far an image is from the one that its label or code gives: squared differences, standardised, added.",
            self._errors(X, y),
            tuple(competitors),
            shows=self._shown_labels(X_train, y_train),
        )

    # Inside

    def _measure_pace(self, rows: Batch, batch_size: int) -> dict[str, float]:
        """Return nothing: a step searches maps, or draws each code once, so products of layers tell nothing of it."""
        return {}

    def _widths(self, usual: tuple[int, ...]) -> tuple[int, ...]:
        widths = usual if self.n_filters is None else tuple(self.n_filters)
        if self.mode == "code" and len(widths) != 1:
            raise UsageError(
                f'DeconvolutionalNetwork: mode="code" has one layer of filters; got n_filters={widths}.',
                "Pass n_filters=(16,).",
            )
        return widths

    def _errors(self, X: Any, y: Any) -> np.ndarray:
        """Return the squared error of the image that y gives, for each row."""
        rows = self._standardized(self._check_inputs(X))
        codes = torch.from_numpy(self._codes(y)).to(self._weight)
        drawn = self._pass(lambda z: self.network_.body.decode(z).flatten(1), codes)
        return np.square(rows - drawn).sum(axis=1)

    def _count_active(self, X: Any) -> np.ndarray:
        return self._pass(lambda rows: (self.network_(rows) != 0).sum(dim=1), self._check_inputs(X))

    def _start(self, train: Rows, target: Target, seed: int) -> None:
        super()._start(train, target, seed)
        if self.mode == "code":
            unit = PIXEL_MAX if self.inputs_.pixels else 1.0
            mean = np.average(train.X, axis=0, weights=train.weight).reshape(-1, self.inputs_.n_scaled)
            scaled = self.inputs_.standard.apply(mean / unit, np.float64).reshape(self.inputs_.shape)
            self.network_.body.mean.copy_(torch.from_numpy(scaled).movedim(-1, 0))

    def _bare_network(self, inputs: Inputs, sizes: Mapping[str, Any]) -> CodeNetwork:
        self._codes_of_target = int(sizes["n_targets"]), sizes["head"] in ("binary", "multiclass")
        return super()._bare_network(inputs, sizes)

    def _shown_maps(self, X: Any) -> tuple[Shown, ...]:
        """Return pictures of the filters, and of the maps of the first images."""
        first = X[:MAX_MAPPED]
        maps = self.transform(first).reshape(len(first), *self.network_.body.map_shape)
        return (
            Shown(
                "The filters",
                "What one number of a feature map lays down: red-brown adds, blue takes away.",
                {"filters": _signed(self.filters_)},
            ),
            Shown(
                "The feature maps",
                "Where, and how strongly, each filter is laid down in the first images; white is 0.",
                {f"image {k}": _signed(each[:MAX_MAPS, ..., None]) for k, each in enumerate(maps, start=1)},
            ),
        )

    def _shown_labels(self, X_train: Any | None, y_train: Any) -> tuple[Shown, ...]:
        """Return the picture of the image of each label, above the mean of the training images that have it."""
        if self.target_.classes is None:
            return ()
        labels = self.target_.classes[:MAX_BESIDE]
        drawn = {"drawn": as_bytes(self.predict(labels))}
        if X_train is not None:
            images = np.asarray(X_train).reshape(len(X_train), *self.inputs_.shape)
            means = np.stack([images[y_train == label].mean(axis=0) for label in labels])
            drawn["the mean of its images"] = as_bytes(
                np.rint(means).astype(np.uint8) if self.inputs_.pixels else means
            )
        names = ", ".join(map(str, labels))
        return (Shown("What it draws", f"The image of each label: {names}.", drawn),)


def _signed(values: np.ndarray) -> np.ndarray:
    """Return numbers of either sign (n, height, width, channels) as colours; of three channels 0 is grey."""
    limit = float(np.abs(values).max()) or 1.0
    if values.shape[-1] == 3:
        return np.rint(127.5 * (1 + values / limit)).astype(np.uint8)
    return diverging(values.mean(axis=-1), limit)
