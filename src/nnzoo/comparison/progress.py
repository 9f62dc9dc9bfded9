"""How a comparison stands while it runs: a table on a terminal, now and then a line elsewhere."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from nnzoo.errors import counted
from nnzoo.evaluation.metrics import figure
from nnzoo.evaluation.report_text import shown
from nnzoo.training.progress import clock

if TYPE_CHECKING:
    from rich.console import Console, Group

    from nnzoo.comparison.contest import Progress

SECONDS_BETWEEN_LINES = 30.0
REFRESHES_PER_SECOND = 2
LINES_AROUND = 6
"""Of the terminal, kept for the head of the table, its foot and what stood there before."""
FEWEST_ROWS = 3
MAX_REASON = 60


class Screen:
    """Shows each ``Progress`` that it is called with: on a terminal one table, written again in place.

    Elsewhere it writes a line when another stage begins, and one every 30 seconds.

    Parameters
    ----------
    time_limit : float, optional
        Seconds of the whole comparison, to say when it ends.
    stream : text file, default standard error
    """

    def __init__(self, time_limit: float | None = None, stream: TextIO | None = None) -> None:
        self.time_limit = time_limit
        self.stream = stream or sys.stderr
        self.progress: Progress | None = None
        self._live: Any = None
        self._told = 0.0
        self._came = 0.0

    def __enter__(self) -> "Screen":
        if self.stream.isatty():
            from rich.console import Console
            from rich.live import Live

            console = Console(file=self.stream)
            if not console.is_dumb_terminal:
                self._live = Live(
                    console=console,
                    get_renderable=lambda: self._drawn(console),
                    refresh_per_second=REFRESHES_PER_SECOND,
                    transient=True,
                )
                self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __call__(self, progress: "Progress") -> None:
        """Take note of where the comparison stands, and show it."""
        now = time.monotonic()
        begins = self.progress is None or self.progress.stage != progress.stage
        self.progress, self._came = progress, now
        if self._live is None and (begins or now - self._told >= SECONDS_BETWEEN_LINES):
            self._told = now
            best = next(iter(ranked(progress)), None)
            so_far = "" if best is None else f"; best so far: {best[0]}, {figure(best[1])}"
            print(f"nnzoo: {self._stage(progress)}{shown(so_far)}", file=self.stream, flush=True)

    def _stage(self, progress: "Progress") -> str:
        """Return what is being done, how much of it is done, and how long it takes."""
        since = time.monotonic() - self._came
        left = clock(max(0.0, progress.left - since))
        end = "" if self.time_limit is None else f"; all ends by {clock(self.time_limit)}"
        return (
            f"{shown(progress.stage)}: {progress.done} of {progress.planned}, {clock(progress.seconds + since)}, about "
            f"{left} left of this{end}"
        )

    def _drawn(self, console: "Console") -> "Group":
        """Return the stage and the table: a row a name, best first, as many as the terminal has room for."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        if self.progress is None:
            return Group(Text("starting"))
        table = Table(box=None, padding=(0, 2, 0, 0))
        table.add_column("")
        table.add_column("mean so far", justify="right")
        table.add_column("folds", justify="right")
        table.add_column("", no_wrap=True, overflow="ellipsis")
        lines = [(name, figure(mean), str(n), "") for name, mean, n in ranked(self.progress)]
        lines += [(name, "", "", f"failed: {_short(why)}") for name, why in self.progress.failed.items()]
        room = max(FEWEST_ROWS, console.height - LINES_AROUND)
        for place, (name, *cells) in enumerate(lines[:room]):
            style = "bold green" if place == 0 and cells[0] else ""
            words = [shown(name), *cells[:2], "best" if style else cells[2]]
            table.add_row(*(Text(word, style=style) for word in words))
        more = [Text(f"and {counted(len(lines) - room, 'other')}")] if len(lines) > room else []
        return Group(Text(self._stage(self.progress)), table, *more)


def ranked(progress: "Progress") -> list[tuple[str, float, int]]:
    """Return name, mean and number of folds of all that have a score: best first, those seen on few folds behind.

    Few are less than half of the most that any was seen on.
    """
    found = [(name, float(np.mean(scores)), len(scores)) for name, scores in progress.scores.items() if scores]
    most = max((n for _, _, n in found), default=0)
    sign = -1 if progress.better == "higher" else 1
    return sorted(found, key=lambda each: (2 * each[2] < most, sign * each[1]))


def _short(why: str) -> str:
    line = shown(" ".join(why.split()))
    return line if len(line) <= MAX_REASON else line[: MAX_REASON - 1] + "…"
