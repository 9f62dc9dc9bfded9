"""Questions about the networks of the catalog: an unlabelled drawing, equations, or the numbers of a real step."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

import numpy as np

from nnzoo.catalog import CATALOG, Row
from nnzoo.chart import CHART, Drawing, counted_cells
from nnzoo.explanation import basics, cells
from nnzoo.explanation.traces import Trace
from nnzoo.files import Pathish, write_output
from nnzoo.pictures.drawings import draw_unlabelled
from nnzoo.pictures.page import STYLE, document
from nnzoo.pictures.scene import to_svg
from nnzoo.trace import Step, cell_name, written

N_ANSWERS = 4
OWN_STYLE = ".nnzoo svg{max-width:100%;height:auto}.nnzoo li{margin:.3rem 0}"


@dataclass(frozen=True)
class Question:
    """A question with four answers.

    Attributes
    ----------
    kind : "drawing", "equation" or "trace"
    text : str
    shown : tuple of str
        What is asked about, as lines of text.
    answers : tuple of four str
    right : int
        Place of the right one.
    reason : str
    drawing : str
        Abbreviation of what is drawn; empty where nothing is.
    """

    kind: str
    text: str
    shown: tuple[str, ...]
    answers: tuple[str, ...]
    right: int
    reason: str
    drawing: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the question as plain JSON."""
        return asdict(self) | {"shown": list(self.shown), "answers": list(self.answers)}


def ask(n_questions: int, seed: int | None = None) -> list[Question]:
    """Return questions, the kinds in turn, none about the same thing while there is another.

    Parameters
    ----------
    n_questions : int
    seed : int, optional
        The same number gives the same questions.
    """
    draw = np.random.default_rng(seed)
    makers: list[tuple[Callable[..., Question], list[Any]]] = [
        (_of_drawing, _shuffled(list(CHART), draw)),
        (_of_equation, _shuffled(list(CATALOG), draw)),
        (_of_trace, _shuffled(_steps(), draw)),
    ]
    questions = []
    for number in range(n_questions):
        make, subjects = makers[number % len(makers)]
        questions.append(make(subjects[number // len(makers) % len(subjects)], draw))
    return questions


def to_html(questions: list[Question], path: Pathish) -> None:
    """Write the questions as a page: drawings as pictures, answers to be opened."""
    parts = []
    for number, question in enumerate(questions, start=1):
        drawing = next((each for each in CHART if each.abbreviation == question.drawing), None)
        picture = to_svg(draw_unlabelled(drawing)) if drawing else ""
        shown = "" if drawing else f"<pre>{escape(chr(10).join(question.shown))}</pre>"
        answers = "".join(f"<li>{escape(answer)}</li>" for answer in question.answers)
        right = f"{'abcd'[question.right]}) {question.answers[question.right]}. {question.reason}"
        parts.append(
            f"<h2>{number}. {escape(question.text)}</h2>{picture}{shown}<ol type='a'>{answers}</ol>"
            f"<details><summary>The answer</summary><p>{escape(right)}</p></details>"
        )
    head = f"<style>{STYLE}{OWN_STYLE}</style><div class='nnzoo'><h1>Which network is it?</h1>"
    write_output(path, document("Quiz: which network is it?", f"{head}{''.join(parts)}</div>").encode(), "The page")


def _of_drawing(drawing: Drawing, draw: np.random.Generator) -> Question:
    alike = [each for each in CHART if each.columns == drawing.columns and each is not drawing]
    others = [each for each in CHART if each is not drawing and each not in alike]
    answers, right = _mixed(drawing.name, [each.name for each in _pick(others, draw)], draw)
    twin = f" {alike[0].name} is drawn alike." if alike else ""
    return Question(
        "drawing",
        "Which network is drawn so?",
        tuple(f"column {n}: {counted_cells(column)}" for n, column in enumerate(drawing.columns, start=1)),
        answers,
        right,
        f"{drawing.words()}{twin} {drawing.differs}".strip(),
        drawing.abbreviation,
    )


def _of_equation(row: Row, draw: np.random.Generator) -> Question:
    others = [each for each in CATALOG if each.equations != row.equations]
    answers, right = _mixed(row.name, [each.name for each in _pick(others, draw)], draw)
    reason = f"{row.name} ({row.year}, {row.source}) learns by {row.learns_by}. For {row.use_for}."
    return Question("equation", "Which network computes this?", row.equations, answers, right, reason)


def _of_trace(found: tuple[str, Step], draw: np.random.Generator) -> Question:
    """Ask for one number of a real step; the wrong answers are what usual slips give."""
    title, step = found
    cell = step.cell or (0,) * step.result.ndim
    value = float(step.result[cell])
    wrong: list[str] = []
    slips = [-value, 2 * value, value + 1, value / 2, 1 - value, value - 1, 10 * value]
    for slip in (slips[k] for k in draw.permutation(len(slips))):
        text = written(slip)
        if text != written(value) and text not in wrong:
            wrong.append(text)
    answers, right = _mixed(written(value), wrong[: N_ANSWERS - 1], draw)
    operands = (f"{name} = {_row(array)}" for name, array in step.operands.items())
    return Question(
        "trace",
        f"{title}: what is {cell_name(step.name, cell)}?",
        (step.formula, *operands),
        answers,
        right,
        step.numbers.split("\n")[0],
    )


def _steps() -> list[tuple[str, Step]]:
    """Return steps of real computations that fit a question."""
    traces: list[Trace] = [basics.neuron(), basics.layer(), basics.softmax(), basics.convolution(), basics.pooling()]
    traces += [cells.rnn(), cells.lstm(), cells.gru()]
    return [
        (f"{trace.title}, {step.title.lower()}", step)
        for trace in traces
        for step in trace.steps
        if step.operands
        and step.op != "shift"
        and step.result.dtype.kind == "f"
        and sum(a.size for a in step.operands.values()) <= 24
    ]


def _row(array: np.ndarray) -> str:
    if array.ndim < 2:
        return ", ".join(written(value) for value in np.atleast_1d(array))
    return "; ".join(" ".join(written(value) for value in row) for row in array.reshape(-1, array.shape[-1]))


def _shuffled(subjects: list[Any], draw: np.random.Generator) -> list[Any]:
    return [subjects[k] for k in draw.permutation(len(subjects))]


def _pick(others: list[Any], draw: np.random.Generator) -> list[Any]:
    return [others[k] for k in draw.choice(len(others), N_ANSWERS - 1, replace=False)]


def _mixed(right: str, wrong: list[str], draw: np.random.Generator) -> tuple[tuple[str, ...], int]:
    answers = [right, *wrong]
    order = draw.permutation(len(answers))
    return tuple(answers[k] for k in order), int(np.flatnonzero(order == 0)[0])
