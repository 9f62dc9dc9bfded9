"""How the recipe turns what a person wrote into numbers, as steps of an explanation."""

import math

import numpy as np
import polars as pl

from nnzoo.data.coders import BooleanCoder, Coder, NumberCoder, Scale, TimeCoder
from nnzoo.data.imagerecipe import ImageRecipe
from nnzoo.data.recipe import Recipe
from nnzoo.data.textrecipe import TextRecipe
from nnzoo.data.words import CategoryCoder, CodeCoder
from nnzoo.errors import counted
from nnzoo.trace import Step, Working, factor, written

MAX_CELL, MAX_TOKENS = 40, 400
PHASES = {
    "month": "(month - 1) / 12",
    "day of month": "(day - 1) / 31",
    "day of week": "(day - 1) / 7, Monday first",
    "hour": "minutes of the day / 1440",
}
"""Which part of its cycle a time stands for, by the parts that :class:`nnzoo.data.coders.TimeCoder` codes."""


def trace_cells(recipe: Recipe, frame: pl.DataFrame, X: np.ndarray, what: str = "row", gap: str | None = None) -> Step:
    """Return how the cells of the last row of a frame became its numbers.

    Parameters
    ----------
    recipe : Recipe
    frame : polars.DataFrame
        Parsed rows.
    X : ndarray of shape (n_rows, n_features)
        The same rows as numbers.
    what : str
        What a row is.
    gap : str, optional
        The column of distances in time.
    """
    lines, example, at = [], "", 0
    for coder in recipe.coders:
        cell, names = frame[coder.column][-1], coder.names
        numbers = X[-1, at : at + len(names)]
        at += len(names)
        how = _how(coder, cell)
        example = example or (f"{coder.column}: {how}" if isinstance(coder, NumberCoder) else "")
        lines.append((coder.column, _cell(cell), how, _listed(numbers)))
    single = len(X) == 1
    return Step(
        "recipe",
        f"From the cells of the {what} to numbers",
        "x = the numbers of all columns, one behind the other; of a number (value - median) / spread",
        example or f"{lines[0][0]}: {lines[0][2]}",
        "x",
        X[0] if single else X,
        "Medians, spreads and categories were learned on the training rows, and are applied the same way ever since."
        + f' "{gap}" is log(1 + distance to the step before), of times in seconds.' * (gap is not None),
        working=Working(("column", "cell", "how", "becomes"), tuple(lines)),
        labels=tuple(recipe.feature_names),
    )


def trace_image(recipe: ImageRecipe, image: np.ndarray) -> Step:
    """Return an image as the numbers that it is: (height, width) or (height, width, channels)."""
    height, width, *colours = image.shape
    cell = (height // 2, width // 2, *([0] * len(colours)))
    place = f"row {cell[0] + 1}, column {cell[1] + 1}" + (", red" if colours else "")
    meaning = "0 is black and 255 is white" if not colours else "red, green and blue from 0 to 255"
    return Step(
        "image",
        "An image is numbers",
        "A[i, j] = grey of row i, column j" if not colours else "A[i, j, k] = colour k of row i, column j",
        f"{' x '.join(map(str, image.shape))} = {image.size:,} numbers; {place} is {written(float(image[cell]))}",
        "x",
        image.astype(np.float64),
        f"Every image is brought to {recipe.rule.height} x {recipe.rule.width} pixels; {meaning}.",
        cell=cell,
        view="image",
    )


def trace_text(recipe: TextRecipe, codes: np.ndarray) -> Step:
    """Return a text as the codes of its tokens (n_tokens,)."""
    shown = codes[-MAX_TOKENS:]
    first = len(codes) - len(shown) + 1
    lines = [(first + n, recipe.decode(np.array([code])), int(code)) for n, code in enumerate(shown.astype(int))]
    text = "".join(line[1] for line in lines[-12:])
    return Step(
        "tokens",
        f"From text to codes, {recipe.unit} by {recipe.unit}",
        "x(t) = number of token t in the list of all known ones; 0 for a token that training never saw",
        f"{text[-24:]!r} = {', '.join(str(line[2]) for line in lines[-12:])}",
        "x",
        codes[:, None],
        f"The list of {counted(recipe.vocabulary.n_codes - 1, 'token')} was made of the training texts only.",
        working=Working(("place", "token", "code"), tuple(lines)),
    )


def _how(coder: Coder, cell: object) -> str:
    if cell is None:
        return "missing: counts as the usual value" if not isinstance(coder, BooleanCoder) else "missing: one half"
    if isinstance(coder, NumberCoder):
        return "flags a missing value" if coder.scale is None else _scaling(coder.scale, float(cell))  # pyright: ignore[reportArgumentType]
    if isinstance(coder, BooleanCoder):
        return "true is 1, false is 0"
    if isinstance(coder, CategoryCoder):
        return "hashed into columns" if coder.hashed else "1 in the column of its category, 0 in the others"
    if isinstance(coder, CodeCoder):
        return f"its place among {len(coder.categories):,} categories, for a trained vector"
    if isinstance(coder, TimeCoder):
        scaled = [name for name, scale in (("year", coder.year), ("days", coder.days)) if scale is not None]
        said = [f"{' and '.join(scaled)} scaled"] if scaled else []
        cycles = [f"{part} as sine and cosine of 2π · {PHASES[part]}" for part in coder.cycles]
        return "; ".join([*said, *cycles])
    return "counts of its words, hashed into columns"


def _scaling(scale: Scale, value: float) -> str:
    unit = math.ldexp(1.0, scale.exponent)
    divided = written(value) if scale.exponent == 0 else f"{written(value)} / {written(unit)}"
    inner = f"({divided} - {factor(scale.center)}) / {written(scale.spread)}"
    z = scale.apply(np.array([value]))[0]
    return f"arcsinh({inner}) = {written(z)}" if scale.heavy else f"{inner} = {written(z)}"


def _cell(value: object) -> str:
    text = "(missing)" if value is None else str(value)
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…"


def _listed(numbers: np.ndarray) -> str:
    shown = ", ".join(written(value) for value in numbers[:16])
    return shown if len(numbers) <= 16 else f"{shown}, … ({len(numbers) - 16} more)"
