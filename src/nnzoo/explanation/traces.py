"""A trace: the steps of one computation in their order, for the terminal, for a page, and as plain data."""

import math
import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np

import nnzoo
from nnzoo.explanation.traces_html import page, sections
from nnzoo.files import Pathish, write_output
from nnzoo.trace import Step, Working, cell_name, shape, written

SHOWN, SHOWN_LINES, WIDTH = 12, 16, 100


@dataclass(frozen=True, eq=False)
class Trace:
    """One computation, step by step, from its first number to its last.

    Attributes
    ----------
    title : str
    words : str
        What is computed, and how to read it.
    steps : tuple of Step
        The last one gives the result of the whole.

    Examples
    --------
    >>> from nnzoo.explanation import softmax
    >>> softmax([2, 1, 0]).result.round(3).tolist()
    [0.665, 0.245, 0.09]
    """

    title: str
    words: str
    steps: tuple[Step, ...]

    @property
    def result(self) -> np.ndarray:
        """Return what the last step gives."""
        return self.steps[-1].result

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON; numbers that are not finite as text."""
        steps = [step.to_json() for step in self.steps]
        return _finite({"nnzoo": nnzoo.__version__, "title": self.title, "words": self.words, "steps": steps})

    def to_html(self, path: Pathish, *, predict: bool = False) -> None:
        """Write the trace as one page without any link: arrow keys go from step to step.

        Parameters
        ----------
        path : str or PathLike
        predict : bool, default False
            Ask for the reader's answer before each result.
        """
        write_output(path, page(self.title, self.words, self.steps, predict=predict).encode(), "The page")

    def _repr_html_(self) -> str:
        return sections(self.title, self.words, self.steps)

    def __str__(self) -> str:
        return "\n".join(
            [
                self.title,
                textwrap.fill(self.words, WIDTH),
                *(f"\n{step_text(n, step)}" for n, step in enumerate(self.steps, 1)),
            ]
        )


def step_text(number: int, step: Step, *, solved: bool = True) -> str:
    """Return a step as lines for the terminal; unsolved without what it comes to."""
    words = textwrap.wrap(step.words, WIDTH)
    lines = [f"{number}. {step.title}", *(f"   {line}" for line in (*words, step.formula, step.shapes))]
    if not solved:
        lines += [f"   {name} = {values_text(array)}" for name, array in step.operands.items()]
        return "\n".join(lines)
    lines += [f"   {line}" for line in step.numbers.split("\n")]
    if step.working is not None and len(step.working.rows) <= SHOWN_LINES:
        lines += [f"     {line}" for line in table_text(step.working)]
    if step.view != "curve":
        lines.append(f"   {step.name} = {values_text(step.result, step.labels)}")
    return "\n".join(lines)


def values_text(array: np.ndarray, labels: tuple[str, ...] = ()) -> str:
    """Return an array in one line, or of a matrix in one line a row; of a long one its beginning and its range."""
    if array.ndim == 2 and array.size <= SHOWN**2 and array.shape[1] <= SHOWN:
        return "\n     ".join(["", *(_line(row) for row in array)])
    flat = array.ravel()
    if flat.dtype.kind not in "fiub" or flat.size == 1:
        return ", ".join(written(v) if isinstance(v, float) else str(v) for v in flat[:SHOWN].tolist())
    if flat.size <= SHOWN:
        named = len(labels) == flat.size
        return ", ".join(f"{labels[k]} {written(v)}" if named else written(v) for k, v in enumerate(flat))
    return (
        f"{_line(flat[:8])} … {flat.size:,} values {shape(array)} from {written(flat.min())} to {written(flat.max())}"
    )


def _line(values: np.ndarray) -> str:
    return "  ".join(f"{written(value):>7}" for value in values)


def table_text(working: Working) -> list[str]:
    """Return a working as aligned lines."""
    rows = [working.columns, *(tuple(written(c) if isinstance(c, float) else str(c) for c in r) for r in working.rows)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(working.columns))]
    if sum(widths) + 2 * len(widths) > WIDTH:
        return [line for row in rows[1:] for line in _stacked(row, working.columns)]
    return [
        "  ".join(
            c.ljust(w) if k == 0 else c.rjust(w) for k, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _stacked(row: tuple[str, ...], columns: tuple[str, ...]) -> list[str]:
    """Return a line too long for the terminal as one line a column."""
    width = max(map(len, columns))
    return [row[0], *(f"  {name:<{width}}  {cell}" for name, cell in zip(columns[1:], row[1:], strict=True))]


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def joined(title: str, words: str, *traces: Trace) -> Trace:
    """Return one trace of several."""
    return Trace(title, words, tuple(step for trace in traces for step in trace.steps))


def asked(step: Step) -> tuple[str, float] | None:
    """Return the name of the cell that a reader is asked for and its value; None where there is nothing to compute."""
    if step.result.dtype.kind not in "fiu" or not step.operands or step.result.size == 0:
        return None
    cell = step.cell or (0,) * step.result.ndim
    return cell_name(step.name, cell), float(step.result[cell])
