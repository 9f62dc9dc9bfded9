"""The fastest of torch's routes to a product, while a network learns on the CPU.

Two products take longer by torch's usual route than they need:

- Matrices of float32 go to torch's BLAS library, which does not use the widest instructions of every processor. Large
  ones take 0.7 to 0.95 of the time by oneDNN (AMD, AVX-512: 128 x 2048 by 2048 x 512 in 1.3 ms instead of 1.6).
- The gradient of filters that move by two places or more over small maps, in bfloat16: oneDNN reaches a third of the
  processor's rate. The windows of the input, copied one below the other, are a matrix, and the gradient is one product
  with it (Chellapilla, Puri & Simard 2006): 0.5 to 0.7 of the time (32 to 64 maps, 128 images of 14 x 14).

:class:`Linear` and :class:`Conv2d` take them in training. What is computed without learning, predictions among it, goes
torch's usual ways.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

mkldnn: Any = torch.ops.mkldnn

LEAST_WORK = 16_000_000
"""Multiply-adds of a product of matrices from which oneDNN is faster."""
LEAST_CHANNELS, MOST_PLACES = 32, 100
"""Of the input and of an output map, for gradients of filters from unfolded windows."""
UNFOLDED_BYTES = 2**22
"""Windows that are unfolded at a time."""


@cache
def has_onednn() -> bool:
    """Return whether torch brings oneDNN's product of matrices, for a processor with AVX-512 (measured on no other)."""
    is_there = torch.backends.mkldnn.is_available() and hasattr(mkldnn, "_linear_pointwise")
    return is_there and bool(torch.cpu.get_capabilities().get("avx512_f"))


def weighted_sum(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return x Wᵀ + b, without a gradient: x (n, n_in), W (n_out, n_in), b (n_out,)."""
    if _is_for_onednn(len(x) * weight.numel(), x, weight):
        return mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return functional.linear(x, weight, bias)


def product(a: Tensor, b: Tensor) -> Tensor:
    """Return a b, without a gradient: a (n, k), b (k, m)."""
    if _is_for_onednn(len(a) * b.numel(), a, b):
        return mkldnn._linear_pointwise(a, b.t(), None, "none", [], "")
    return torch.mm(a, b)


def weight_gradient(slope: Tensor, x: Tensor, out: Tensor | None = None) -> Tensor:
    """Return δᵀ x, without a gradient: δ (n, n_out), x (n, n_in); ``out`` may be filled with it."""
    n_out, n_in = slope.shape[1], x.shape[1]
    # oneDNN is slower where the weights are square; where they are few, the step as a whole is (docs/speed.md).
    if n_in >= 4 * n_out and _is_for_onednn(slope.numel() * n_in // 4, slope, x):
        return mkldnn._linear_pointwise(slope.t(), x.t(), None, "none", [], "")
    return torch.mm(slope.t(), x, out=out)


def filter_gradient(
    slope: Tensor, x: Tensor, sides: Sequence[int], stride: Sequence[int], padding: Sequence[int]
) -> Tensor:
    """Return the gradient of filters (n_out, n_in, *sides), from the unfolded windows of their input.

    Parameters
    ----------
    slope : Tensor of shape (n, n_out, height', width')
        Gradient of what the convolution gave.
    x : Tensor of shape (n, n_in, height, width)
        What it was given.
    sides, stride, padding
        Of the convolution, over both axes.
    """
    (n, n_out, *places), n_in, (above, left) = slope.shape, x.shape[1], padding
    rows = functional.pad(x.permute(0, 2, 3, 1), (0, 0, left, left, above, above)).contiguous()
    slopes = slope.permute(0, 2, 3, 1).contiguous()
    image, row = rows.stride()[:2]
    window_bytes = sides[0] * sides[1] * n_in * x.element_size()
    n_at_once = max(1, UNFOLDED_BYTES // (places[0] * places[1] * window_bytes))
    total: Any = None
    for start in range(0, n, n_at_once):
        size = min(n_at_once, n - start)
        windows = rows[start : start + size].as_strided(
            (size, *places, sides[0], sides[1] * n_in), (image, stride[0] * row, stride[1] * n_in, row, 1)
        )
        part = slopes[start : start + size].reshape(-1, n_out).t() @ windows.reshape(-1, windows.shape[3:].numel())
        total = part if size == n else part.float() if total is None else total.add_(part)
    return total.to(x.dtype).view(n_out, *sides, n_in).permute(0, 3, 1, 2)


class Linear(nn.Linear):
    """torch's layer W x + b; in training, large ones in float32 multiply by oneDNN."""

    def forward(self, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return (n, n_out) of (n, n_in)."""
        learns = self.training and torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")
        if learns and x.ndim == 2 and _is_for_onednn(len(x) * self.weight.numel(), x, self.weight):
            return _WeightedSum.apply(x, self.weight, self.bias)
        return super().forward(x)


class Conv2d(nn.Conv2d):
    """torch's convolution; in training, the gradient of some filters is that of :func:`filter_gradient`.

    The filters lie in memory as images with channels last do, so that no step has to lay them out anew, and gradients
    are laid out so before anything is done with them.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.weight.data = self.weight.data.contiguous(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return maps (n, n_out, height', width') of (n, n_in, height, width)."""
        return self._learning(x, rectifies=False) if self._learns(x) and self.unfolds(x) else super().forward(x)

    def rectified(self, x: Tensor) -> Tensor:
        """Return ReLU of the maps; in training without memory for the maps before it."""
        return self._learning(x, rectifies=True) if self._learns(x) else functional.relu(super().forward(x))

    def _learns(self, x: Tensor) -> bool:
        is_plain = self.padding_mode == "zeros" and not isinstance(self.padding, str)
        return self.training and torch.is_grad_enabled() and x.device.type == "cpu" and x.ndim == 4 and is_plain

    def _learning(self, x: Tensor, *, rectifies: bool) -> Tensor:
        weight, bias = self.weight, self.bias
        if torch.is_autocast_enabled("cpu"):
            x, weight, bias = x.bfloat16(), weight.bfloat16(), None if bias is None else bias.bfloat16()
        how = (self.stride, self.padding, self.dilation, self.groups)
        return _Convolution.apply(x, weight, bias, how, rectifies, self.unfolds(x))

    def unfolds(self, x: Tensor) -> bool:
        """Return whether the filters' gradient comes from unfolded windows of this input, where zeros are padded."""
        is_half = x.dtype == torch.bfloat16 or torch.is_autocast_enabled("cpu")
        is_plain = self.groups == 1 and self.dilation == (1, 1) and min(self.stride) > 1 and self.kernel_size != (1, 1)
        if not is_half or not is_plain or self.in_channels < LEAST_CHANNELS:
            return False
        padding: Any = self.padding
        axes = zip(x.shape[2:], padding, self.kernel_size, self.stride, strict=True)
        n_places = math.prod((size + 2 * added - side) // step + 1 for size, added, side, step in axes)
        return 0 < n_places <= MOST_PLACES


class _WeightedSum(torch.autograd.Function):
    """x Wᵀ + b by oneDNN, forward and backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return weighted_sum(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        (x, weight), (for_x, for_weight, for_bias) = ctx.saved_tensors, ctx.needs_input_grad
        slope = slope.contiguous()
        of_bias = slope.sum(dim=0) if for_bias else None
        if torch.is_grad_enabled():  # of this gradient, too, a gradient is wanted
            return slope @ weight, slope.t() @ x, of_bias
        return product(slope, weight) if for_x else None, weight_gradient(slope, x) if for_weight else None, of_bias


class _Convolution(torch.autograd.Function):
    """torch's convolution, with ReLU in place if wanted, and with filters' gradients of :func:`filter_gradient`."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, how: Any, rectifies: bool, unfolds: bool
    ) -> Tensor:
        maps = torch.conv2d(x, weight, bias, *how)
        ctx.save_for_backward(x, weight, maps.relu_() if rectifies else None)
        ctx.how, ctx.unfolds = (*how[:3], False, (0, 0), how[3]), unfolds
        return maps

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        (x, weight, rectified), (for_x, for_weight, for_bias) = ctx.saved_tensors, ctx.needs_input_grad[:3]
        torchs = torch.ops.aten.convolution_backward
        slope = slope.contiguous(memory_format=torch.channels_last)
        if rectified is not None:
            slope = torch.ops.aten.threshold_backward(slope, rectified, 0)
        if not ctx.unfolds or torch.is_grad_enabled():  # with it: of this gradient, too, a gradient is wanted
            return *torchs(slope, x, weight, [len(weight)], *ctx.how, [for_x, for_weight, for_bias]), None, None, None
        of_x = torchs(slope, x, weight, None, *ctx.how, [True, False, False])[0] if for_x else None
        of_weight = filter_gradient(slope, x, weight.shape[2:], *ctx.how[:2]) if for_weight else None
        return of_x, of_weight, slope.sum(dim=(0, 2, 3)) if for_bias else None, None, None, None


def _is_for_onednn(work: int, a: Tensor, b: Tensor) -> bool:
    """Return whether oneDNN multiplies two matrices, with so many multiply-adds."""
    return work >= LEAST_WORK and a.dtype == b.dtype == torch.float32 and a.device.type == "cpu" and has_onednn()
