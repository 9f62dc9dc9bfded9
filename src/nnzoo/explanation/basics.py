"""Single computations without a model: neuron, layer, activation, softmax, image, convolution, padding, pooling.

The defaults are the worked examples of the course unit that the project follows.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from nnzoo import opsteps
from nnzoo.errors import UsageError, nearest
from nnzoo.explanation.matrices import KERNELS, parse_matrix, read_image, read_kernel
from nnzoo.explanation.traces import Trace
from nnzoo.networks.deep_convolutional import pad_widths
from nnzoo.networks.parts import ACTIVATIONS
from nnzoo.trace import Step, Working, cell_name, sum_of_products, written

IMAGE = np.array([[0.0, 10, 10, 0], [20, 30, 30, 20], [10, 20, 20, 10], [0, 5, 5, 0]])
KERNEL = np.array([[1.0, 0], [0, 2]])
PADDINGS = ("valid", "same", "full")
CURVE_FROM, CURVE_TO, CURVE_POINTS = -4.0, 4.0, 161
BITS, KIB = 8, 1024
NEURON = "A neuron adds its inputs, each times its weight, adds its bias, and bends the sum."


def neuron(
    x: Sequence[float] = (1.0, 2.0, 3.0),
    w: Sequence[float] = (0.5, -1.0, 0.25),
    b: float = 0.5,
    activation: str = "sigmoid",
) -> Trace:
    """Return one neuron, z = f(w·x + b): a weighted sum, a bias, and an activation.

    Parameters
    ----------
    x, w : sequence of float
        Inputs and weights, equally many.
    b : float
    activation : str
    """
    inputs, weights = _vector(x, "x"), _vector(w, "w")
    if len(inputs) != len(weights):
        raise UsageError(f"neuron needs as many weights as inputs; got {len(weights)} and {len(inputs)}.", "Give both.")
    return _layer(inputs, weights[None], np.array([float(b)]), activation, "One neuron", NEURON)


def layer(
    x: Sequence[float] = (1.0, 2.0),
    W: Any = ((1.0, -1.0, 0.5), (0.5, 1.0, -0.5)),
    b: Sequence[float] = (0.0, 0.5, 1.0),
    activation: str = "relu",
) -> Trace:
    """Return one layer, z = f(Wᵀ x + b), with W of shape D x M: a column for each of the M neurons.

    Parameters
    ----------
    x : sequence of D floats
    W : D x M matrix; torch stores its transpose, M x D
    b : sequence of M floats
    activation : str
    """
    inputs, matrix, bias = _vector(x, "x"), np.atleast_2d(np.asarray(W, dtype=np.float64)), _vector(b, "b")
    if matrix.shape != (len(inputs), len(bias)):
        raise UsageError(
            f"layer needs W of shape {len(inputs)} x {len(bias)}, for {len(inputs)} inputs and {len(bias)} neurons; "
            f"got {' x '.join(map(str, matrix.shape))}.",
            "Write a row for each input.",
        )
    words = (
        f"z = f(Wᵀ x + b) with W of shape {len(inputs)} x {len(bias)} (inputs x neurons). torch stores the transpose, "
        f"{len(bias)} x {len(inputs)}: a row for each neuron, and so it stands below."
    )
    return _layer(inputs, matrix.T, bias, activation, "One layer", words)


def activation(name: str = "relu", z: float = 1.5) -> Trace:
    """Return an activation: its value and its derivative at z, its range, its curve.

    Parameters
    ----------
    name : "identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu" or "selu"
    z : float
    """
    name = _activation(name)
    curve = opsteps.CURVES[name]
    at = torch.tensor([float(z)], dtype=torch.float64, requires_grad=True)
    value = ACTIVATIONS[name]()(at)
    (slope,) = torch.autograd.grad(value.sum(), at)
    grid = torch.linspace(CURVE_FROM, CURVE_TO, CURVE_POINTS, dtype=torch.float64, requires_grad=True)
    line = ACTIVATIONS[name]()(grid)
    (slopes,) = torch.autograd.grad(line.sum(), grid)
    first = opsteps.activation(name, np.array([float(z)]), value.detach().numpy(), ("z", "h"))
    derivative = Step(
        "derivative",
        "Its derivative",
        f"f'(z) = {curve.derivative}",
        f"f'({written(z)}) = {written(float(slope[0]))}",
        "f'",
        slope.numpy(),
        "Training multiplies errors by it on their way back: where it is 0, nothing is learned.",
        {"z": np.array([float(z)])},
        (0,),
    )
    both = np.stack([line.detach().numpy(), slopes.numpy()])
    shown = Step(
        "curve",
        "Its curve",
        f"f(z) = {curve.formula}; range: {curve.range}",
        f"from z = {CURVE_FROM:g} to {CURVE_TO:g}: f from {written(both[0].min())} to {written(both[0].max())}, "
        f"f' from {written(both[1].min())} to {written(both[1].max())}",
        "f, f'",
        both,
        f"Its values: {curve.range}.",
        {"z": grid.detach().numpy()},
        view="curve",
    )
    return Trace(
        f"The activation {name.replace('_', ' ')}",
        f"{curve.why[0].upper()}{curve.why[1:]}.",
        (first, derivative, shown),
    )


def softmax(scores: Sequence[float] = (2.0, 1.0, 0.0), labels: Sequence[str] = ()) -> Trace:
    """Return the softmax of scores: e^s of each, divided by their sum.

    Parameters
    ----------
    scores : sequence of float
    labels : sequence of str, optional
    """
    s = _vector(scores, "scores")
    shares = torch.softmax(torch.from_numpy(s), dim=0).numpy()
    step = opsteps.softmax(s, shares, ("s", "p"), labels)
    return Trace("Softmax", "How scores of any size become shares that add up to 1.", (step,))


def image(source: Any = None) -> Trace:
    """Return an image as the numbers that it is: A(i, j, k), row i, column j, colour k, and what it weighs.

    Parameters
    ----------
    source : path, matrix or text, optional
        A picture, or numbers from 0 to 255 in rows: "0 255; 255 0".
    """
    A = IMAGE if source is None else _image(source)
    colours = A.shape[2] if A.ndim == 3 else 1
    pixels = opsteps_image(A)
    n_bits = A.size * BITS
    weight = Step(
        "bits",
        "What it weighs",
        "bits = height · width · colours · 8",
        f"{A.shape[0]} · {A.shape[1]} · {colours} · 8 = {n_bits:,} bits = {n_bits // 8:,} bytes = "
        f"{written(n_bits / 8 / KIB)} KiB",
        "bits",
        np.array([n_bits]),
        "Uncompressed, one byte a value; a file is smaller, because it is compressed.",
    )
    steps = [pixels, weight]
    if colours == 3:
        steps.append(
            Step(
                "colours",
                "How many colours there are",
                "2^8 · 2^8 · 2^8",
                f"256 · 256 · 256 = {256**3:,}",
                "colours",
                np.array([256**3]),
                "Eight bits for red, eight for green, eight for blue: some 16.8 million colours.",
            )
        )
    return Trace("An image is numbers", "Rows are counted from the top, columns from the left.", tuple(steps))


def opsteps_image(A: np.ndarray, name: str = "A") -> Step:
    """Return the step that shows an image (height, width) or (height, width, 3) of values from 0 to 255."""
    cell = tuple(n // 2 for n in A.shape[:2]) + (0,) * (A.ndim - 2)
    kind = "grey: 0 is black, 255 is white" if A.ndim == 2 else "colour k: red, green and blue, each from 0 to 255"
    return Step(
        "image",
        "The numbers",
        f"{name}(i, j{', k' * (A.ndim - 2)}) = row i, column j, {kind}",
        f"{cell_name(name, cell)} = {written(float(A[cell]))}",
        name,
        A,
        f"{' x '.join(map(str, A.shape))} = {A.size:,} numbers.",
        cell=cell,
        view="image",
    )


def convolution(image: Any = None, kernel: Any = None, *, padding: str = "valid", stride: int = 1) -> Trace:
    """Return a convolution of deep learning's kind: slide, multiply, add; the kernel is not flipped.

    Parameters
    ----------
    image : path, matrix or text, optional
        A picture, or numbers in rows: "0 10; 20 30". Of a coloured one every channel is convolved for itself.
    kernel : matrix, text or name, optional
        "1 0; 0 2", or "blur", "sharpen", "edges" or "emboss".
    padding : "valid", "same" or "full"
        No zeros around, as many that the size stays, or as many that the kernel touches every value everywhere. An even
        kernel pads below and to the right under "same".
    stride : int

    Raises
    ------
    UsageError
        The kernel is larger than the image, or an argument is unknown.
    """
    A = IMAGE if image is None else _image(image)
    K = KERNEL if kernel is None else _kernel(kernel)
    out = convolved(A, K, padding, stride)
    channels = A[None] if A.ndim == 2 else np.moveaxis(A, -1, 0)
    results = out[None] if out.ndim == 2 else np.moveaxis(out, -1, 0)
    around = [pad_widths(padding, size) for size in K.shape]
    wide = np.pad(channels[0], around)
    cell = (0, 0)
    rows, columns = (len(range(0, wide.shape[axis] - K.shape[axis] + 1, stride)) for axis in (0, 1))
    windows = []
    for i in range(min(rows, 12)):
        for j in range(min(columns, 12)):
            window = wide[i * stride : i * stride + K.shape[0], j * stride : j * stride + K.shape[1]]
            windows.append((f"{i + 1}, {j + 1}", f"{sum_of_products(K, window)}", float(results[0][i, j])))
    numbers = f"{cell_name('Z', cell)} = {windows[0][1]} = {written(windows[0][2])}"
    if len(windows) > 1:
        numbers += f"\n{cell_name('Z', (0, 1) if columns > 1 else (1, 0))} = {windows[1][1]} = {written(windows[1][2])}"
    is_picture = image is not None and A.size > 400
    padded = Step(
        "padding",
        "Zeros around it",
        "before and after each axis",
        ", ".join(f"{a} before, {b} after" for a, b in around),
        "A'",
        wide,
        f"padding {padding}: {padding_words(padding)}.",
        {"A": channels[0]},
        view="image" if is_picture else "numbers",
    )
    sizes = _size_step(A.shape[:2], K.shape, padding, stride)
    slid = Step(
        "convolution",
        "Slide, multiply, add",
        "Z[i, j] = Σ over a, b of K[a, b] · A'[i + a - 1, j + b - 1]",
        numbers,
        "Z",
        results[0],
        "The kernel stands on a window, multiplies what it covers and adds; then it moves on.",
        {"A'": wide, "K": K},
        cell,
        Working(("window at", "sum", "is"), tuple(windows)) if len(windows) <= 144 else None,
    )
    steps = [opsteps_image(A), *([padded] if any(sum(pair) for pair in around) else []), sizes, slid]
    if A.ndim == 3:
        steps.append(
            Step(
                "channels",
                "Every colour",
                "Z[·, ·, k] from A[·, ·, k]",
                "the same for red, green and blue",
                "Z",
                out,
                "To change a picture, each colour is convolved for itself; a convolutional layer adds over them.",
            )
        )
    return Trace(
        "Convolution", f"{_times(A.shape[:2])} with a kernel of {_times(K.shape)}, padding {padding}.", tuple(steps)
    )


def convolved(A: np.ndarray, K: np.ndarray, padding: str, stride: int = 1) -> np.ndarray:
    """Return the convolution of an image (H, W) or (H, W, C), channel by channel, computed by torch."""
    if padding not in PADDINGS:
        raise UsageError(f"padding needs one of {', '.join(PADDINGS)}; got {padding!r}.", nearest(padding, PADDINGS))
    if stride < 1:
        raise UsageError(f"stride needs a whole number from 1; got {stride}.", "Pass stride=1.")
    (top, bottom), (left, right) = (pad_widths(padding, size) for size in K.shape)
    if A.shape[0] + top + bottom < K.shape[0] or A.shape[1] + left + right < K.shape[1]:
        raise UsageError(
            f"convolution needs a kernel that fits into the image; got {_times(K.shape)} and {_times(A.shape[:2])}.",
            'Take a smaller kernel, or padding="full".',
        )
    maps = torch.from_numpy(np.ascontiguousarray(np.atleast_3d(A).transpose(2, 0, 1)))[:, None].double()
    wide = functional.pad(maps, (left, right, top, bottom))
    out = functional.conv2d(wide, torch.from_numpy(K)[None, None], stride=stride)[:, 0].numpy()
    return out[0] if A.ndim == 2 else np.moveaxis(out, 0, -1)


def save_picture(Z: np.ndarray, path: str | os.PathLike[str]) -> None:
    """Write an image as a picture: values below 0 become black, above 255 white; .png, .jpg or .webp.

    Raises
    ------
    UsageError
        The name of the file ends otherwise.
    """
    import io

    from PIL import Image

    from nnzoo.files import write_output

    kinds = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in kinds:
        raise UsageError(f"--out needs a name that ends in {', '.join(kinds)}; got {str(path)!r}.", "Write out.png.")
    stream = io.BytesIO()
    Image.fromarray(np.clip(np.rint(Z), 0, 255).astype(np.uint8)).save(stream, format=kinds[suffix])
    write_output(path, stream.getvalue(), "The picture")


def padding(n: int = 4, kernel: int = 2, stride: int = 1) -> Trace:
    """Return the sizes of a convolution of N values with a kernel of K: valid N - K + 1, same N, full N + K - 1."""
    if min(n, kernel, stride) < 1:
        raise UsageError("padding needs whole numbers from 1 for the input, the kernel and the stride.", "Write 28 3.")
    steps = tuple(_size_step((n,), (kernel,), name, stride) for name in PADDINGS if n >= kernel or name != "valid")
    return Trace("Padding", f"An axis of {n} values, a kernel of {kernel}: how many values come out.", steps)


def pooling(image: Any = None, size: int = 2, kind: str = "max") -> Trace:
    """Return max or average pooling, and what it does to a pattern that moves by one pixel.

    Parameters
    ----------
    image : path, matrix or text, optional
    size : int
        Side of the windows.
    kind : "max" or "average"
    """
    if kind not in ("max", "average"):
        raise UsageError(f"pooling needs max or average; got {kind!r}.", nearest(kind, ("max", "average")))
    A = IMAGE if image is None else _image(image)
    A = A if A.ndim == 2 else A.mean(axis=2)
    if size < 1 or size > min(A.shape):
        raise UsageError(f"pooling needs windows from 1 to {min(A.shape)}; got {size}.", "Pass size=2.")
    pooled = _pooled(A, size, kind)
    step = opsteps.pooling(kind, A[None], pooled[None], (size, size), ("A", "P"))
    moved = np.zeros_like(A)
    moved[:, 1:] = A[:, :-1]
    again = _pooled(moved, size, kind)
    kept, unpooled = float(np.mean(again == pooled)), float(np.mean(moved == A))
    change, before = float(np.abs(again - pooled).mean()), float(np.abs(moved - A).mean())
    shifted = Step(
        "shift",
        "The same, moved one pixel to the right",
        "share of equal values before and after the move",
        f"of the pixels {written(100 * unpooled)} %, of the pooled values {written(100 * kept)} %; "
        f"mean change {written(before)} before pooling, {written(change)} after",
        "P'",
        again[None],
        "What is found counts wherever in the window it stands, so a small move changes less.",
        {"moved A": moved, "P": pooled},
    )
    return Trace(
        f"{kind.capitalize()} pooling", "Less data, and where exactly something stood matters less.", (step, shifted)
    )


def padding_words(name: str) -> str:
    """Return what a padding does."""
    return {
        "valid": "the kernel stays inside",
        "same": "as many zeros that the size stays; of an even kernel the odd one below and to the right",
        "full": "the kernel goes as far out as one value still lies under it",
    }[name]


def _size_step(n: Sequence[int], k: Sequence[int], padding: str, stride: int) -> Step:
    formula = {"valid": "N - K + 1", "same": "N", "full": "N + K - 1"}[padding]
    out, texts = [], []
    for size, kernel in zip(n, k, strict=True):
        added = sum(pad_widths(padding, kernel))
        out.append((size + added - kernel) // stride + 1)
        plain = {"valid": f"{size} - {kernel} + 1", "same": f"{size}", "full": f"{size} + {kernel} - 1"}[padding]
        texts.append(f"{plain} = {size + added - kernel + 1}" if padding != "same" else f"{size}")
    every = f", every {stride}th of them: {', '.join(map(str, out))}" if stride > 1 else ""
    return Step(
        "size",
        f"How many values come out ({padding})",
        formula,
        "; ".join(texts) + every,
        "size",
        np.array(out),
        f"{padding}: {padding_words(padding)}.",
        {"N": np.array(n), "K": np.array(k)},
    )


def _layer(x: np.ndarray, W: np.ndarray, b: np.ndarray, name: str, title: str, words: str) -> Trace:
    name = _activation(name)
    z = functional.linear(torch.from_numpy(x), torch.from_numpy(np.ascontiguousarray(W)), torch.from_numpy(b))
    h = ACTIVATIONS[name]()(z)
    sums = opsteps.dense(x, W, b, z.numpy(), ("x", "a"), title="Weighted sum and bias")
    return Trace(title, words, (sums, opsteps.activation(name, z.numpy(), h.numpy(), ("a", "z"))))


def _activation(name: str) -> str:
    folded = name.lower().replace("-", "_").replace(" ", "_")
    folded = {"leakyrelu": "leaky_relu"}.get(folded, folded)
    if folded not in ACTIVATIONS:
        raise UsageError(f"activation needs one that is known; got {name!r}.", nearest(name, list(ACTIVATIONS)))
    return folded


def _pooled(A: np.ndarray, size: int, kind: str) -> np.ndarray:
    pool = functional.max_pool2d if kind == "max" else functional.avg_pool2d
    return pool(torch.from_numpy(np.ascontiguousarray(A))[None, None], size)[0, 0].numpy()


def _vector(values: Any, owner: str) -> np.ndarray:
    if isinstance(values, str):
        return parse_matrix(values, owner).ravel()
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not len(numbers) or not np.isfinite(numbers).all():
        raise UsageError(f"{owner} needs one row of finite numbers.", "Write 2 1 0.")
    return numbers


def _image(source: Any) -> np.ndarray:
    if isinstance(source, str | os.PathLike):
        return read_image(source)
    A = np.asarray(source, dtype=np.float64)
    if A.ndim not in (2, 3) or not A.size or not np.isfinite(A).all():
        raise UsageError(f"image needs a matrix of finite numbers, or one a colour; got shape {A.shape}.", "Give rows.")
    return A


def _kernel(source: Any) -> np.ndarray:
    if isinstance(source, str):
        return read_kernel(source)
    K = np.asarray(source, dtype=np.float64)
    if K.ndim != 2 or not K.size or not np.isfinite(K).all():
        raise UsageError(
            f"kernel needs a matrix of finite numbers; got shape {K.shape}.", f"Or one of {', '.join(KERNELS)}."
        )
    return K


def _times(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
