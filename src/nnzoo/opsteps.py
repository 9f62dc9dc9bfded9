"""The steps of ordinary operations, from arrays: sums, activations, normalisation, convolution, pooling, heads.

Every function takes what went in and what came out, and writes down one cell of it with all its numbers. Nothing is
computed here but the terms of that cell: results come from the real forward pass. Maps are (channels, ...) throughout.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from nnzoo.errors import counted
from nnzoo.trace import (
    MAX_SHOWN,
    Step,
    Working,
    cell_name,
    factor,
    largest,
    neighbour,
    shortened,
    shown_rows,
    sum_of_products,
    written,
)


@dataclass(frozen=True)
class Curve:
    """An activation in words: formula, derivative, range, and the formula with a number put in."""

    formula: str
    derivative: str
    range: str
    why: str

    def at(self, value: float) -> str:
        """Return the formula at a value."""
        return self.formula.replace("z", factor(value))


SIGMOID = "σ(z) = 1 / (1 + e^(-z))"
CURVES = {
    "identity": Curve("z", "1", "all numbers", "nothing is squashed: what a regression needs at its end"),
    "sigmoid": Curve(
        "1 / (1 + e^(-z))", "f(z)·(1 - f(z))", "0 to 1", "a sum becomes a share: a gate, or a probability"
    ),
    "tanh": Curve("tanh(z)", "1 - f(z)²", "-1 to 1", "a sum becomes a value around zero that cannot explode"),
    "relu": Curve(
        "max(0, z)", "1 where z > 0, else 0", "0 and above", "negative sums are silent, others pass unchanged"
    ),
    "leaky_relu": Curve(
        "max(0, z) + 0.01·min(0, z)", "1 where z > 0, else 0.01", "all numbers", "negative sums are muffled, not lost"
    ),
    "elu": Curve(
        "max(0, z) + min(0, e^z - 1)",
        "1 where z > 0, else e^z",
        "above -1",
        "negative sums fade smoothly to -1, so that means stay near zero",
    ),
    "gelu": Curve(
        "z·Φ(z), Φ the normal distribution",
        "Φ(z) + z·φ(z), φ the normal density",
        "above -0.17",
        "a ReLU with a smooth bend",
    ),
    "selu": Curve(
        "1.0507·(max(0, z) + 1.67326·min(0, e^z - 1))",
        "1.0507 where z > 0, else 1.7581·e^z",
        "above -1.7581",
        "scaled so that means stay 0 and deviations 1 from layer to layer",
    ),
    "sin": Curve("sin(z)", "cos(z)", "-1 to 1", "a sum becomes a wave: rows far apart may be alike"),
}
"""Activations by name, as :data:`nnzoo.networks.parts.ACTIVATIONS` has them, and the sine of random layers."""


def dense(
    x: np.ndarray,
    W: np.ndarray,
    b: np.ndarray | None,
    z: np.ndarray,
    names: Sequence[str],
    *,
    inputs: Sequence[str] = (),
    labels: Sequence[str] = (),
    title: str = "Weighted sums",
) -> Step:
    """Return z = W x + b for one row: x (n_in,), W (n_out, n_in), b (n_out,), z (n_out,).

    Parameters
    ----------
    names : sequence of str
        Symbols of x and of z.
    inputs, labels : sequence of str
        Names of the entries of x and of z.
    """
    x_name, z_name = names
    number = "".join(c for c in z_name if c.isdigit())
    cell = largest(z)
    (k,) = cell
    bias = [] if b is None else [float(b[k])]
    froms = inputs or [f"{x_name}[{j + 1}]" for j in range(len(x))]
    rows = [(froms[j], float(x[j]), float(W[k, j]), float(x[j] * W[k, j])) for j in range(len(x))]
    rows += [("bias", "", bias[0], bias[0])] if bias else []
    operands = {x_name: x} | shown_rows(f"W{number}", W, k) | ({} if b is None else {f"b{number}": b})
    is_cut, other = W.size > MAX_SHOWN and len(W) > 1, neighbour(k, len(W))
    rest_of = f" Of W{number} the row of the unit that is worked out is shown."
    return Step(
        "dense",
        title,
        f"{z_name} = W{number} {x_name}{f' + b{number}' if bias else ''}",
        f"{cell_name(z_name, cell)} = {sum_of_products(W[k], x, *bias)} = {written(z[k])}",
        z_name,
        z,
        f"Each unit adds all {counted(len(x), 'input')}, each times a weight, and its bias: {counted(len(z), 'sum')}."
        + rest_of * is_cut,
        operands,
        cell,
        Working(("from", "value", "weight", "weight·value"), tuple(rows)),
        tuple(labels),
        (other,) if is_cut else (),
        {cell_name(f"W{number}", (other,)): W[other]} if is_cut else {},
    )


def activation(name: str, z: np.ndarray, h: np.ndarray, names: Sequence[str]) -> Step:
    """Return h = f(z), element by element; of a name that is not known only that it happens."""
    z_name, h_name = names
    curve = CURVES.get(name, Curve(f"{name}(z)", "", "", "the sums are bent, so that layers do not collapse into one"))
    cell = largest(h)
    value = float(z[cell])
    return Step(
        name,
        f"Activation {name.replace('_', ' ')}",
        f"{h_name} = f({z_name}), f(z) = {curve.formula}",
        f"{cell_name(h_name, cell)} = f({written(value)}) = {curve.at(value)} = {written(h[cell])}",
        h_name,
        h,
        f"f is taken of every value alone: {curve.why}.",
        {z_name: z},
        cell,
    )


def batch_normalization(
    x: np.ndarray,
    moments: Sequence[np.ndarray],
    affine: Sequence[np.ndarray],
    eps: float,
    y: np.ndarray,
    names: Sequence[str],
) -> Step:
    """Return y = (x - μ) / √(v + ε) · γ + β, with mean, variance, γ and β of each channel: (C,)."""
    cell = largest(y)
    channel = cell[0]
    mean, variance, gain, shift = (float(each[channel]) for each in (*moments, *affine))
    value = float(x[cell])
    operands = dict(zip(("μ", "v", "γ", "β"), (*moments, *affine), strict=True))
    return Step(
        "batch normalization",
        "Batch normalisation",
        f"{names[1]} = ({names[0]} - μ) / √(v + {eps:g}) · γ + β",
        f"{cell_name(names[1], cell)} = ({written(value)} - {factor(mean)}) / √({written(variance)} + {eps:g}) · "
        f"{factor(gain)} + {factor(shift)} = {written(y[cell])}",
        names[1],
        y,
        "Every channel is brought to the mean and deviation that training has learned for it; μ and v are running "
        "averages from training.",
        {names[0]: x} | operands,
        cell,
    )


def layer_normalization(
    x: np.ndarray, affine: Sequence[np.ndarray], eps: float, y: np.ndarray, names: Sequence[str]
) -> Step:
    """Return y = (x - mean(x)) / √(var(x) + ε) · γ + β for one row (d,)."""
    cell = largest(y)
    (k,) = cell
    mean, variance, value = float(x.mean()), float(x.var()), float(x[k])
    gain, shift = (float(each[k]) for each in affine)
    return Step(
        "layer normalization",
        "Layer normalisation",
        f"{names[1]} = ({names[0]} - mean) / √(variance + {eps:g}) · γ + β",
        f"{cell_name(names[1], cell)} = ({written(value)} - {factor(mean)}) / √({written(variance)} + {eps:g}) · "
        f"{factor(gain)} + {factor(shift)} = {written(y[k])}",
        names[1],
        y,
        f"Mean {written(mean)} and variance {written(variance)} are those of this row's own values.",
        {names[0]: x, "γ": affine[0], "β": affine[1]},
        cell,
    )


def convolution(
    x: np.ndarray,
    kernels: np.ndarray,
    bias: np.ndarray | None,
    z: np.ndarray,
    names: Sequence[str],
    *,
    pad: tuple[int, int] = (0, 0),
    stride: int = 1,
) -> Step:
    """Return a convolution: x (C, ...), kernels (K, C, ...), z (K, ...), worked out at its largest value.

    Parameters
    ----------
    pad : pair of int
        Zeros before and after each axis.
    """
    cell = largest(z)
    k, place = cell[0], cell[1:]
    size = kernels.shape[2:]
    wide = np.pad(x, [(0, 0)] + [pad] * len(size))
    corner = tuple(p * stride for p in place)

    def window_at(start: Sequence[int]) -> np.ndarray:
        return wide[(slice(None), *(slice(c, c + n) for c, n in zip(start, size, strict=True)))]

    window, other = window_at(corner), (k, *(neighbour(p, n) for p, n in zip(place, z.shape[1:], strict=True)))
    is_cut, start = x.size > MAX_SHOWN, [p * stride for p in other[1:]]
    rest = [] if bias is None else [float(bias[k])]
    rows = []
    for at in product(*(range(n) for n in kernels.shape[1:])):
        where = [c + i - pad[0] + 1 for c, i in zip(corner, at[1:], strict=True)]
        inside = all(1 <= w <= n for w, n in zip(where, x.shape[1:], strict=True))
        label = f"{names[0]}[{', '.join(map(str, [at[0] + 1, *where]))}]" if inside else "padding"
        rows.append((label, float(window[at]), float(kernels[(k, *at)]), float(window[at] * kernels[(k, *at)])))
    rows += [("bias", "", rest[0], rest[0])] if rest else []
    number = "".join(c for c in names[1] if c.isdigit())
    inputs = {"window": window} if is_cut else {names[0]: x}
    operands = inputs | {cell_name(f"w{number}", (k,)): kernels[k]} | ({} if bias is None else {f"b{number}": bias})
    across = " x ".join(map(str, size))
    padded = f", zeros around: {pad[0]} before and {pad[1]} after each axis" if any(pad) else ""
    step = f", {stride} places at a time" if stride > 1 else ""
    return Step(
        "convolution",
        "Convolution",
        f"{names[1]}[k] = Σ over channels c of w{number}[k, c] ∗ {names[0]}[c]{f' + b{number}[k]' if rest else ''}",
        f"{cell_name(names[1], cell)} = {sum_of_products(kernels[k], window, *rest)} = {written(z[cell])}",
        names[1],
        z,
        f"{len(kernels):,} filters of {across} places and {counted(len(x), 'channel')} slide over the input, multiply "
        f"and add{padded}{step}; the filter is not flipped.",
        operands,
        cell,
        Working(("from", "value", "weight", "weight·value"), tuple(rows)),
        other=other if is_cut else (),
        of_other={f"window of {cell_name(names[1], other)}": window_at(start)} if is_cut else {},
    )


def transposed_convolution(
    x: np.ndarray,
    kernels: np.ndarray,
    bias: np.ndarray | None,
    z: np.ndarray,
    names: Sequence[str],
    *,
    pad: int = 0,
    stride: int = 1,
) -> Step:
    """Return a transposed convolution: x (C, ...), kernels (C, K, ...), z (K, ...), worked out at its largest value.

    Parameters
    ----------
    pad : int
        Places that are cut off at the start of each axis.
    """
    cell = largest(z)
    k, place = cell[0], cell[1:]
    rest = [] if bias is None else [float(bias[k])]
    rows, values, weights = [], [], []
    for c, *at in product(*map(range, x.shape)):
        inner = tuple(p + pad - a * stride for p, a in zip(place, at, strict=True))
        if all(0 <= i < n for i, n in zip(inner, kernels.shape[2:], strict=True)):
            value, weight = float(x[(c, *at)]), float(kernels[(c, k, *inner)])
            label = f"{names[0]}[{', '.join(str(i + 1) for i in (c, *at))}]"
            rows.append((label, value, weight, value * weight))
            values.append(value)
            weights.append(weight)
    rows += [("bias", "", rest[0], rest[0])] if rest else []
    number = "".join(c for c in names[1] if c.isdigit())
    reached, by = np.array(values), np.array(weights)
    operands = {f"{names[0]} that reach it": reached, f"w{number} by which": by}
    operands |= {} if bias is None else {f"b{number}": bias}
    return Step(
        "transposed convolution",
        "Transposed convolution",
        f"{names[1]}[k] = Σ over places p of {names[0]}: w{number}[k] laid down at p, times {names[0]}[p]"
        f"{f' + b{number}[k]' if rest else ''}",
        f"{cell_name(names[1], cell)} = {sum_of_products(by, reached, *rest)} = {written(z[cell])}",
        names[1],
        z,
        f"Each number lays its filter of {' x '.join(map(str, kernels.shape[2:]))} places down, {stride} places from "
        "the next one, and what overlaps is added: a convolution run backwards, which makes maps larger.",
        operands,
        cell,
        Working(("from", "value", "weight", "weight·value"), tuple(rows)),
    )


def pooling(kind: str, x: np.ndarray, y: np.ndarray, windows: Sequence[int], names: Sequence[str]) -> Step:
    """Return max or average pooling over windows that touch and do not overlap: x (C, ...), y (C, ...)."""
    cell = largest(y)
    slices = tuple(slice(p * n, (p + 1) * n) for p, n in zip(cell[1:], windows, strict=True))
    window = x[(cell[0], *slices)]
    listed = ", ".join(shortened([written(value) for value in window.ravel().tolist()]))
    verb = "max" if kind == "max" else "mean"
    is_cut, one_map = x.size > MAX_SHOWN, x[cell[0]]
    other = (cell[0], *(neighbour(p, n) for p, n in zip(cell[1:], y.shape[1:], strict=True)))
    rests = any(n % window for n, window in zip(x.shape[1:], windows, strict=True))
    why = (
        "the strongest answer counts wherever in the window it stood"
        if kind == "max"
        else "the answers of a window are averaged"
    )
    return Step(
        f"{kind} pooling",
        f"{kind.capitalize()} pooling",
        f"{names[1]} = {verb} of each {' x '.join(map(str, windows))} window of {names[0]}",
        f"{cell_name(names[1], cell)} = {verb}({listed}) = {written(y[cell])}",
        names[1],
        y,
        f"From {x[0].size:,} places a map {y[0].size:,} are left: {why}."
        + " What fills no whole window at the end of a row or column is left out." * rests,
        {"window": window} if is_cut else {names[0]: x},
        cell,
        other=other if is_cut and one_map.size <= MAX_SHOWN else (),
        of_other={cell_name(names[0], cell[:1]): one_map} if is_cut and one_map.size <= MAX_SHOWN else {},
    )


def mean_over_places(x: np.ndarray, y: np.ndarray, names: Sequence[str]) -> Step:
    """Return the mean of every map: x (C, ...), y (C,)."""
    cell = largest(y)
    terms = shortened([factor(value) for value in x[cell].ravel().tolist()])
    other = (neighbour(cell[0], len(x)),)
    return Step(
        "mean over places",
        "Mean over all places",
        f"{names[1]}[k] = mean of all places of {names[0]}[k]",
        f"{cell_name(names[1], cell)} = ({' + '.join(terms)}) / {x[cell].size} = {written(y[cell])}",
        names[1],
        y,
        "What a filter has found counts wherever it stood: one number a map is left.",
        {names[0]: x} if x.size <= MAX_SHOWN else {cell_name(names[0], cell): x[cell]},
        cell,
        other=other if x.size > MAX_SHOWN else (),
        of_other={cell_name(names[0], other): x[other]} if x.size > MAX_SHOWN else {},
    )


def flatten(x: np.ndarray, y: np.ndarray, names: Sequence[str]) -> Step:
    """Return the maps one behind the other: x (C, ...), y (n,)."""
    return Step(
        "flatten",
        "Flatten",
        f"{names[1]} = all values of {names[0]}, row behind row, channel behind channel",
        f"{' x '.join(map(str, x.shape))} = {x.size:,} numbers",
        names[1],
        y,
        "A dense layer knows no places: it gets one long row of numbers.",
        {names[0]: x} if x.size <= MAX_SHOWN else {},
    )


def softmax(scores: np.ndarray, shares: np.ndarray, names: Sequence[str], labels: Sequence[str] = ()) -> Step:
    """Return p = e^s / Σ e^s of one row of scores (k,)."""
    cell = (int(shares.argmax()),)
    high = float(scores.max())
    shift = high if high > 50 else 0.0
    powers = np.exp(scores - shift)
    total = powers.sum()
    n_digits = 5 if shares[cell] < 0.999 else 8
    labels = tuple(labels) or tuple(f"{names[0]}[{k + 1}]" for k in range(len(scores)))
    s = names[0] if not shift else f"({names[0]} - {written(shift)})"
    rows = [(labels[k], float(scores[k]), float(powers[k]), float(shares[k])) for k in range(len(scores))]
    end = ("sum", "", float(total), float(shares.sum()))
    return Step(
        "softmax",
        "Softmax",
        f"{names[1]}[k] = e^{s}[k] / Σ e^{s}",
        f"{cell_name(names[1], cell)} = e^{factor(scores[cell] - shift)} / {total:.{n_digits}g} = "
        f"{powers[cell]:.{n_digits}g} / {total:.{n_digits}g} = {written(shares[cell])}",
        names[1],
        shares,
        "Every score becomes positive, and then its share of the whole: the shares add up to 1."
        + (" The largest score is taken off all of them first, which changes no share." if shift else ""),
        {names[0]: scores},
        cell,
        Working(("class", "score", f"e^{s}", "share"), (*rows, end)),
        labels,
    )


def sigmoid(scores: np.ndarray, shares: np.ndarray, names: Sequence[str], labels: Sequence[str] = ()) -> Step:
    """Return p = 1 / (1 + e^-s) of each score (k,)."""
    cell = (int(shares.argmax()),)
    return Step(
        "sigmoid",
        "Sigmoid",
        f"{names[1]} = 1 / (1 + e^(-{names[0]}))",
        f"{cell_name(names[1], cell)} = 1 / (1 + e^(-{factor(scores[cell])})) = {written(shares[cell])}",
        names[1],
        shares,
        "A score of 0 becomes one half; large ones come near 1, negative ones near 0.",
        {names[0]: scores},
        cell,
        labels=tuple(labels),
    )


def scaled(
    x: np.ndarray,
    mean: np.ndarray,
    scale: np.ndarray,
    y: np.ndarray,
    names: Sequence[str],
    *,
    labels: Sequence[str] = (),
    unit: float = 1.0,
    axis: int = -1,
) -> Step:
    """Return y = (x / unit - mean) / scale with a mean and a scale for each entry of an axis."""
    cell = largest(y)
    at = cell[axis] if cell else 0
    divided = f"{written(float(x[cell]))} / {written(unit)}" if unit != 1 else written(float(x[cell]))
    symbol = f"{names[0]} / {written(unit)}" if unit != 1 else names[0]
    kept = {names[0]: x} if x.size <= MAX_SHOWN else {cell_name(names[0], cell): x[cell][None]}
    return Step(
        "scaled",
        "Scaling inside the network",
        f"{names[1]} = ({symbol} - mean) / deviation",
        f"{cell_name(names[1], cell)} = ({divided} - {factor(mean[at])}) / {factor(scale[at])} = {written(y[cell])}",
        names[1],
        y,
        "Mean and deviation are those of the training rows: what is usual becomes 0, one deviation becomes 1. Columns "
        "of only 0 and 1, and codes of categories, stay as they are: for them mean 0 and deviation 1 stand here.",
        kept | {"mean": mean, "deviation": scale},
        cell,
        labels=tuple(labels),
    )


def unscaled(scores: np.ndarray, mean: np.ndarray, scale: np.ndarray, y: np.ndarray, names: Sequence[str]) -> Step:
    """Return y = s · deviation + mean: from the network's unit back to that of the target."""
    cell = largest(y)
    return Step(
        "unscaled",
        "Back to the unit of the target",
        f"{names[1]} = {names[0]} · deviation + mean",
        f"{cell_name(names[1], cell)} = {factor(scores[cell])} · {factor(scale[cell])} + {factor(mean[cell])} = "
        f"{written(y[cell])}",
        names[1],
        y,
        "Mean and deviation are those of the target in the training rows.",
        {names[0]: scores, "deviation": scale, "mean": mean},
        cell,
    )
