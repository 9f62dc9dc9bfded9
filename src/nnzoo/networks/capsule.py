"""Capsule Network (CN): groups of units whose length says that something is there, and whose direction says how.

    u_i = squash(maps of a place)             û_j|i = W_ij u_i
    c_i = softmax(b_i)                        s_j = Σ_i c_ij û_j|i         v_j = squash(s_j)
    b_ij ← b_ij + û_j|i · v_j, from b = 0 for every row, round by round (routing by agreement)
    L = Σ_k T_k max(0, 0.9 - ‖v_k‖)² + 0.5 (1 - T_k) max(0, ‖v_k‖ - 0.1)²

with u_i primary capsules, v_k the capsule of class k, T_k = 1 where the class is there, squash(s) = ‖s‖² / (1 + ‖s‖²) ·
s / ‖s‖. A decoder rebuilds the image from the capsules of the classes that are there; its error is a second term of L.
No gradient goes through the rounds before the last: couplings are found, not learned. W_ij belongs to a place: what was
trained in the middle of the image says nothing of its border.

Source: Sabour, Frosst & Hinton 2017, equations 1 to 4 and procedure 1. Here both layers of filters and the capsules are
smaller by default (the paper: 256 filters, 32 maps of capsules of 8, class capsules of 16), small images get smaller
filters, and the decoder gives standardised pixels without a sigmoid. The chart draws three columns of capsules and the
decoder's two hidden layers. Sibling: deep_convolutional.py (pooling in place of routing).
"""

import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn import functional

from nnzoo.checks import Range, Truth, Whole
from nnzoo.engine.batches import Batch
from nnzoo.engine.device import Arithmetic
from nnzoo.engine.forward import forward_in_blocks
from nnzoo.estimator import Encoder, Network, ScoreNetwork, only_if
from nnzoo.heads import HEADS
from nnzoo.inputs import PIXEL_MAX, Inputs
from nnzoo.networks.parameters import ImageParameters, with_parameters
from nnzoo.networks.parts import ChannelsFirst, draw_normal, initialize
from nnzoo.trace import MAX_SHOWN, Step, cell_name, factor, largest, sum_of_products, written
from nnzoo.tracing import Names, array, trace_layers
from nnzoo.training.gradient import GradientSettings, GradientTrainer
from nnzoo.training.loop import Trainer

PRESENT, ABSENT, OF_ABSENT = 0.9, 0.1, 0.5
"""Margins of the lengths of classes that are there and that are not, and the weight of the latter."""
RECONSTRUCTION = 5e-5
"""Weight of the decoder's squared error. The paper has 0.0005 for pixels from 0 to 1; those of MNIST have a variance of
0.095 there, and of 1 when they are standardised."""
DECODER = (512, 1024)
SHORTEST = 1e-6
"""Shorter lengths count as this when their logarithm is taken."""


def squash(s: Tensor) -> Tensor:
    """Return vectors (..., d) in the same direction with a length below 1: ‖s‖ / (1 + ‖s‖²) · s, smooth at 0."""
    length = torch.linalg.vector_norm(s, dim=-1, keepdim=True)
    return s * (length / (1 + length.square()))


def margin_loss(lengths: Tensor, present: Tensor) -> Tensor:
    """Return L of each row, (n,), of lengths and of 0 or 1 for each class, both (n, n_classes)."""
    missed = functional.relu(PRESENT - lengths).square()
    raised = functional.relu(lengths - ABSENT).square()
    return (present * missed + OF_ABSENT * (1 - present) * raised).sum(dim=1)


def filter_sides(shape: Sequence[int], kernel_size: int) -> tuple[int, int]:
    """Return height and width of the filters: ``kernel_size``, but on each axis a third of the image at most.

    Examples
    --------
    >>> filter_sides((28, 28), 9), filter_sides((8, 2), 9)
    ((9, 9), (3, 1))
    """
    height, width = (min(kernel_size, max(1, (n + 1) // 3)) for n in shape[:2])
    return height, width


class PrimaryCapsules(nn.Module):
    """u: filters over feature maps (n, C, H, W), whose values at a place form vectors: (n, n_capsules, dim).

    Parameters
    ----------
    size : pair of int
        Height and width of the maps that come in.
    """

    def __init__(self, n_in: int, n_maps: int, dim: int, sides: tuple[int, int], size: tuple[int, int]) -> None:
        super().__init__()
        self.dim = dim
        stride = min(2, *sides)  # filters of one pixel would pass over every other one
        self.maps = initialize(nn.Conv2d(n_in, n_maps * dim, sides, stride), "glorot")
        self.places = tuple((n - side) // stride + 1 for n, side in zip(size, sides, strict=True))
        self.n_capsules = self.n_out = n_maps * math.prod(self.places)
        self.drawn = ("C", "primary capsules", f"of {dim}, at {' x '.join(map(str, self.places))} places")

    def forward(self, x: Tensor) -> Tensor:
        """Return the capsules, those of one place side by side."""
        maps = self.maps(x).movedim(1, -1)  # (n, places down, places across, n_maps * dim)
        return squash(maps.reshape(len(maps), -1, self.dim).to(self.maps.weight.dtype))  # pyright: ignore[reportArgumentType]

    def trace(self, x: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield the maps, and the capsules cut from them."""
        yield from trace_layers(self.maps, x, names)
        before, name = names.next("u")
        maps, u = np.moveaxis(array(self.maps(x)), 0, -1).reshape(-1, self.dim), array(output)
        (i, _) = cell = largest(u)
        yield Step(
            "primary capsules",
            "Primary capsules",
            f"{name}[i] = ‖m‖ / (1 + ‖m‖²) · m, m = {self.dim} values of {before} at one place",
            f"{cell_name(name, cell)} = {squash_in_numbers(maps[i], cell[1])} = {written(u[cell])}",
            name,
            u,
            "Values at one place form a vector; its direction stays, its length becomes a share below 1.",
            {"m": maps},
            cell,
        )


class ClassCapsules(nn.Module):
    """v: every capsule predicts every class capsule; predictions that agree are let through (routing by agreement).

    (n, n_in, dim_in) to (n, n_classes, dim).
    """

    def __init__(self, n_in: int, dim_in: int, n_classes: int, dim: int, n_routing: int) -> None:
        super().__init__()
        self.n_routing = n_routing
        self.n_out = n_classes
        self.drawn = ("C", "class capsules", f"of {dim}, each predicted by all {n_in:,}")
        self.weight = nn.Parameter(torch.empty(n_in, n_classes, dim, dim_in))
        # Then the first sums, Σ_i û / n_classes, are about as long as one u, however many capsules there are.
        draw_normal(self.weight, std=n_classes / math.sqrt(n_in * dim))

    def forward(self, u: Tensor) -> Tensor:
        """Return the class capsules."""
        return self.route(self.predictions(u))[0]

    def predictions(self, u: Tensor) -> Tensor:
        """Return û = W u, (n, n_in, n_classes, dim)."""
        return torch.einsum("nip,ikdp->nikd", u, self.weight).to(u.dtype)

    def route(self, predictions: Tensor) -> tuple[Tensor, Tensor]:
        """Return v (n, n_classes, dim) and the couplings c (n, n_in, n_classes) of the last round."""
        fixed = predictions.detach()
        agreement = fixed.new_zeros(fixed.shape[:3])
        for _ in range(self.n_routing - 1):
            v = squash(torch.einsum("nik,nikd->nkd", agreement.softmax(dim=2), fixed))
            agreement = agreement + torch.einsum("nikd,nkd->nik", fixed, v)
        couplings = agreement.softmax(dim=2)
        return squash(torch.einsum("nik,nikd->nkd", couplings, predictions)), couplings

    def trace(self, u: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield the couplings after the last round, and the class capsules."""
        û = self.predictions(u)
        v, c = array(output), array(self.route(û)[1])
        û = array(û)
        k, _ = cell = largest(v)
        before, coupled = names.next("c", new_layer=True)
        (i,) = largest(c[:, k])
        yield Step(
            "couplings",
            "Routing by agreement",
            f"{coupled}[i] = softmax(b[i]), b[i, k] = Σ over {self.n_routing - 1} rounds of û[k|i] · v[k], û[k|i] = "
            f"W[i, k] {before}[i]",
            f"{cell_name(coupled, (i, k))} = {written(c[i, k])}, of {written(c[i].sum())} in all",
            coupled,
            c,
            "A capsule sends its prediction to the classes where most predictions agree with it.",
            {before: array(u), "û": û} if û.size <= MAX_SHOWN else {before: array(u)},
            (i, k),
        )
        s = np.einsum("ik,ikd->kd", c, û)
        _, name = names.next("v")
        yield Step(
            "class capsules",
            "Class capsules",
            f"{name}[k] = ‖s‖ / (1 + ‖s‖²) · s, s[k] = Σ_i {coupled}[i, k] û[k|i]",
            f"s{list(cell)} = {sum_of_products(c[:, k], û[:, *cell])} = {written(s[cell])}; {cell_name(name, cell)} = "
            f"{squash_in_numbers(s[k], cell[1])} = {written(v[cell])}",
            name,
            v,
            "The coupled predictions are added; the length of the sum says whether the class is there.",
            {coupled: c, "s": s},
            cell,
        )


class LengthScores(nn.Module):
    """Class capsules (n, n_classes, dim) to log ‖v_k‖, or for several labels a row to log ‖v_k‖ - log(1 - ‖v_k‖).

    The softmax of the former are the lengths divided by their sum, the sigmoid of the latter the lengths themselves.
    """

    def __init__(self, *, each_alone: bool) -> None:
        super().__init__()
        self.each_alone = each_alone

    def forward(self, v: Tensor) -> Tensor:
        """Return the scores (n, n_classes)."""
        lengths = torch.linalg.vector_norm(v, dim=2).clamp(SHORTEST, 1 - SHORTEST)
        return lengths.logit() if self.each_alone else lengths.log()

    def trace(self, v: Tensor, output: Tensor, names: Names) -> Iterator[Step]:
        """Yield the lengths and their logarithms."""
        before, name = names.next("ℓ")
        capsules, result = array(v), array(output)
        (k,) = cell = largest(result)
        length = float(np.linalg.norm(capsules[k]))
        rest = f" - log(1 - ‖{before}[k]‖)" * self.each_alone
        yield Step(
            "length scores",
            "Lengths",
            f"{name}[k] = log ‖{before}[k]‖{rest}",
            f"{cell_name(name, cell)} = log {written(length)}{f' - log {written(1 - length)}' * self.each_alone} = "
            f"{written(result[k])}",
            name,
            result,
            "The length of a capsule says whether its class is there; its logarithm is the score.",
            {before: capsules},
            cell,
        )


class Decoder(nn.Sequential):
    """Class capsules, all but those of the classes shown set to zero, to standardised pixels (n, n_pixels)."""

    def __init__(self, n_in: int, n_pixels: int) -> None:
        widths = (n_in, *DECODER)
        layers = [layer for a, b in zip(widths, DECODER, strict=False) for layer in (nn.Linear(a, b), nn.ReLU())]
        super().__init__(*layers, nn.Linear(DECODER[-1], n_pixels))
        for layer in self:
            if isinstance(layer, nn.Linear):
                initialize(layer, "he")

    def decode(self, v: Tensor, present: Tensor) -> Tensor:
        """Return pixels from v (n, n_classes, dim) and 0 or 1 for each class (n, n_classes)."""
        return self((v * present[:, :, None]).flatten(1))


class CapsuleBody(nn.Module):
    """Filters, primary and class capsules, and their lengths as scores (n, n_classes); beside them the decoder."""

    def __init__(
        self,
        shape: Sequence[int],
        n_classes: int,
        *,
        n_filters: int,
        kernel_size: int,
        n_primary: int,
        primary_dim: int,
        class_dim: int,
        n_routing: int,
        several_labels: bool,
        reconstruction: bool,
    ) -> None:
        super().__init__()
        sides = filter_sides(shape, kernel_size)
        height, width = (n - side + 1 for n, side in zip(shape[:2], sides, strict=True))
        primary = PrimaryCapsules(n_filters, n_primary, primary_dim, sides, (height, width))
        self.capsules = nn.Sequential(
            OrderedDict(
                channels_first=ChannelsFirst(),
                convolution=initialize(nn.Conv2d(shape[-1], n_filters, sides), "he"),
                activation=nn.ReLU(),
                primary=primary,
                classes=ClassCapsules(primary.n_capsules, primary_dim, n_classes, class_dim, n_routing),
            )
        )
        self.scores = LengthScores(each_alone=several_labels)
        self.decoder = Decoder(n_classes * class_dim, math.prod(shape)) if reconstruction else None
        self.several_labels = several_labels
        self.n_out = n_classes

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of standardised images (n, H, W, C)."""
        return self.scores(self.capsules(x))


class Reconstruction(nn.Module):
    """Images (n, H, W, C) to their standardised pixels as the decoder sees them: capsules of the predicted classes."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.scaling, self.body = network.scaling, network.body

    def forward(self, x: Tensor) -> Tensor:
        """Return pixels (n, n_pixels)."""
        v = self.body.capsules(self.scaling(x))
        lengths = torch.linalg.vector_norm(v, dim=2)
        alone = functional.one_hot(lengths.argmax(dim=1), lengths.shape[1])
        present = lengths > 0.5 if self.body.several_labels else alone
        return self.body.decoder.decode(v, present.to(v.dtype))


class CapsuleTrainer(GradientTrainer):
    """Gradient descent on the margin loss, and on the error of the decoder where there is one."""

    def _loss(self, batch: Batch, network: Any) -> Tensor:
        body = network.body
        with torch.autocast(batch.inputs.device.type, torch.bfloat16, enabled=self.arithmetic.autocast):
            x = network.scaling(batch.inputs)
            v = body.capsules(x)
            present = self._present(batch.target, v)
            decoded = None if body.decoder is None else body.decoder.decode(v, present)
        losses = margin_loss(torch.linalg.vector_norm(v, dim=2), present)
        if decoded is not None:
            losses = losses + RECONSTRUCTION * (decoded.to(x.dtype) - x.flatten(1)).square().sum(dim=1)
        return batch.mean(losses)

    @staticmethod
    def _present(target: Any, v: Tensor) -> Tensor:
        """Return coded targets as 0 or 1 for each class, (n, n_classes)."""
        if target.ndim == 1:
            return functional.one_hot(target, v.shape[1]).to(v.dtype)
        return torch.cat([1 - target, target], dim=1) if target.shape[1] < v.shape[1] else target


def _reconstructs(network: Any) -> bool:
    return network.reconstruction


@with_parameters
class CapsuleNetwork(ImageParameters, Encoder, Network):
    """Capsule network for images: the length of a class capsule says that the class is there.

    v_k = squash(Σ_i c_ik W_ik u_i), with couplings c found by agreement. An array (n, H, W) is read as grey images,
    (n, H, W, C) as images with channels. Bytes are divided by 255; then every channel gets mean 0 and deviation 1 over
    the training rows. An indicator matrix y, several labels a row, suits images that overlap.

    ``predict_proba`` gives lengths, divided by their sum where a row has one label: scores that no likelihood was
    fitted to. ``decision_function`` gives their logarithms (of two classes the difference), of several labels a row
    log ‖v‖ - log(1 - ‖v‖).

    On small images a :class:`DeepConvolutionalNetwork` of as many weights is ahead on digits that were moved, not
    behind on turned and sheared ones, and trains sooner; what capsules add is that their numbers say how a thing looks.

    Parameters
    ----------
    n_filters : int, default 32
        Feature maps of the first convolution.
    kernel_size : int, default 9
        Side of the filters of both convolutions, in pixels; on each axis a third of the image at most.
    n_primary : int, default 8
        Maps of primary capsules.
    primary_dim : int, default 4
        Numbers of a primary capsule.
    class_dim : int, default 8
        Numbers of a class capsule.
    n_routing : int, default 3
        Rounds of routing; 1 takes the mean of all predictions.
    reconstruction : bool, default True
        Whether a decoder learns to rebuild the image, which keeps its pose in the capsules.
    batch_size : int, default 128
        Rows a step.
    n_epochs : int, default 50
        Passes through the training rows, at most.
    Others: those of ImageParameters.

    Attributes
    ----------
    network_ : torch.nn.Module
        Rows (n, *shape) to scores (n, n_scores). Its last layer has fixed weights: it passes the scores of the capsules
        on, or of two classes their difference.
    Others: those of ImageParameters.

    References
    ----------
    Sabour, Frosst & Hinton, "Dynamic routing between capsules", NeurIPS 2017.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from nnzoo import CapsuleNetwork
    >>> digits = load_digits()
    >>> net = CapsuleNetwork(n_filters=16, n_epochs=5, reconstruction=False, batch_size=32, random_state=0)
    >>> net.fit(digits.images[:500], digits.target[:500]).score(digits.images[500:], digits.target[500:]) > 0.7
    True
    """

    n_filters: int = 32
    kernel_size: int = 9
    n_primary: int = 8
    primary_dim: int = 4
    class_dim: int = 8
    n_routing: int = 3
    reconstruction: bool = True
    batch_size: int = 128
    n_epochs: int = 50

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    task = "classification"
    ranges: ClassVar[Mapping[str, Range]] = {
        **ImageParameters.ranges,
        "n_filters": Whole(1, 10**6),
        "kernel_size": Whole(1, 1000),
        "n_primary": Whole(1, 10**6),
        "primary_dim": Whole(1, 10**6),
        "class_dim": Whole(1, 10**6),
        "n_routing": Whole(1, 1000),
        "reconstruction": Truth(),
    }

    def learn(self, network: nn.Module, n_rows: int, n_steps: int) -> Trainer:
        """Return gradient descent on the margin loss and the error of the decoder."""
        settings = GradientSettings(n_steps=n_steps, **self.gradient_settings())
        return CapsuleTrainer(network, self.target_.head.row_loss, settings, Arithmetic.named(self.arithmetic_))

    def transform(self, X: Any) -> np.ndarray:
        """Return the class capsules, one behind the other: (n, n_classes * class_dim)."""
        inputs, network = self._check_inputs(X), self.network_
        body: Any = network.body
        return forward_in_blocks(nn.Sequential(network.scaling, body.capsules, nn.Flatten()), inputs)

    @property
    def _n_features_out(self) -> int:
        return self.network_.body.n_out * self.class_dim  # pyright: ignore[reportOperatorIssue, reportReturnType]

    @only_if(_reconstructs)
    def reconstruct(self, X: Any) -> np.ndarray:
        """Return the images that the decoder rebuilds from the capsules of the predicted classes, shaped as X.

        Numbers are in the unit of X, those of bytes from 0 to 255 with fractions.
        """
        inputs = self._check_inputs(X)
        pixels = forward_in_blocks(Reconstruction(self.network_), inputs).reshape(-1, self.inputs_.n_scaled)
        values = self.inputs_.standard.invert(pixels)
        values = (values * PIXEL_MAX).clip(0, PIXEL_MAX) if self.inputs_.pixels else values
        return values.reshape(np.shape(X))

    def pictures(self) -> dict[str, np.ndarray]:
        """Return the learned filters of the first convolution: (n_filters, height, width, channels)."""
        check_is_fitted(self)
        body: Any = self.network_.body
        weight = body.capsules.convolution.weight.detach().float().cpu().numpy()
        return {"first layer": np.moveaxis(weight, 1, -1)}

    def _bare_network(self, inputs: Inputs, sizes: Mapping[str, Any]) -> ScoreNetwork:
        """Return a network of these sizes: it has a capsule for each class, and a last layer of fixed weights."""
        head, n_targets = HEADS[sizes["head"]], sizes["n_targets"]
        body = CapsuleBody(
            inputs.shape,
            n_targets,
            n_filters=self.n_filters,
            kernel_size=self.kernel_size,
            n_primary=self.n_primary,
            primary_dim=self.primary_dim,
            class_dim=self.class_dim,
            n_routing=self.n_routing,
            several_labels=head.kind == "labels",
            reconstruction=self.reconstruction,
        )
        network = ScoreNetwork(inputs.make_scaling(), body, n_targets, head.n_scores(n_targets))
        fixed = torch.eye(n_targets) if head.kind != "binary" else torch.tensor([[-1.0, 1.0]])
        network.head.weight.data.copy_(fixed)
        network.head.requires_grad_(False)
        return network.to(Arithmetic.named(sizes["arithmetic"]).dtype)


def squash_in_numbers(s: np.ndarray, place: int) -> str:
    """Return the squash of one entry of a vector, with its numbers put in."""
    length = float(np.linalg.norm(s))
    return f"{written(length)} / (1 + {written(length)}²) · {factor(s[place])}"
