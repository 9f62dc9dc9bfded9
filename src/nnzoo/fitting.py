"""Which networks of the chart fit some data: a start for the experiment, from rules of thumb that are said."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nnzoo.catalog import CATALOG, Row
from nnzoo.data.dataset import Data
from nnzoo.errors import counted
from nnzoo.steps import learned_task

VERDICTS = ("fits", "could", "does not")
CLOSING = "Rules of thumb, a start for the experiment: the test part decides."
READS = {"table": "tables", "image": "images and signals", "sequence": "sequences and series", "text": "texts"}
WHY_NOT = {
    ("image", "table"): "the columns of a table stand in no order for filters to slide over",
    ("sequence", "table"): "the rows of a table have no order in time",
    ("table", "sequence"): "the steps would have to become columns, of one number for all rows",
    ("image", "sequence"): "steps of any number are no image",
    ("sequence", "image"): "an image has no order in time",
}
"""(What a network reads, what the data are) to the reason why it does not."""


@dataclass(frozen=True)
class Fit:
    """What can be said of one network before any experiment.

    Attributes
    ----------
    row : Row
    verdict : "fits", "could" or "does not"
    why : str
        Half a sentence.
    """

    row: Row
    verdict: str
    why: str

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {"id": self.row.id, "verdict": self.verdict, "why": self.why}


def fitting(data: Data) -> list[Fit]:
    """Return a verdict on every network of the catalog, those that fit first, then in the order of the chart.

    Parameters
    ----------
    data : Data

    Examples
    --------
    >>> import nnzoo
    >>> [fit.verdict for fit in fitting(nnzoo.load("fashion-sample")) if fit.row.abbreviation in ("DCN", "LSTM")]
    ['fits', 'does not']
    """
    found = [Fit(row, *_judge(row, data)) for row in CATALOG]
    return sorted(found, key=lambda fit: VERDICTS.index(fit.verdict))


def fits_text(found: Sequence[Fit]) -> str:
    """Return the verdicts as lines for the terminal."""
    width = max(len(fit.row.id) for fit in found)
    lines = [f"  {fit.verdict:<8}  {fit.row.id:<{width}}  {fit.why}" for fit in found]
    return "\n".join(["Networks of the chart:", *lines, CLOSING])


def _judge(row: Row, data: Data) -> tuple[str, str]:
    task, n_rows = learned_task(data), len(data.train)
    rows = counted(n_rows, f"training {data.thing}")
    if data.kind not in row.kinds:
        why = WHY_NOT.get((row.kinds[0], data.kind), "")
        return "does not", f"it reads {READS[row.kinds[0]]}{f'; {why}' if why else ''}"
    if not row.tasks:
        return "could", f"it learns without a target: {row.use_for.partition(';')[0]}"
    if task is not None and task not in row.tasks:
        return "does not", f"it does {' and '.join(row.tasks)}, no {task}"
    if row.caveat:
        return "could", row.caveat
    if data.kind != row.kinds[0] == "table" and not row.sees_places:
        return "could", f"it sees every {data.thing} as one long row and knows nothing of neighbours"
    steps = _longest(data)
    if row.most_steps is not None and steps > row.most_steps:
        return "could", f"it remembers some {row.most_steps} steps; the longest of these has {steps:,}"
    if n_rows < row.few_rows and data.kind == "table":
        return "could", f"{rows} are few: below {row.few_rows:,} boosted trees usually win, so compare"
    if task is None:
        return "could", "say what is to be predicted"
    return "fits", _why(data, rows, steps)


def _longest(data: Data) -> int:
    return 0 if data.train.sequences is None else int(data.train.sequences.lengths.max())


def _why(data: Data, rows: str, steps: int) -> str:
    """Return what speaks for a network that reads such data."""
    if data.kind == "image" and data.images is not None:
        return f"{rows} of {' x '.join(map(str, data.images.shape[1:3]))} pixels, neighbours belong together"
    if data.kind == "sequence":
        return f"{rows} of up to {counted(steps, 'step')}, read in their order"
    if data.kind == "text":
        unit = "token" if data.text is None else data.text.unit
        return f"{rows}, read {unit} by {unit}, in their order"
    return f"{rows} of {counted(len(data.roles.inputs), 'column')}"
