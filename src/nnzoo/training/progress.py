"""One line that says how far training is and how long it may still take."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

REFRESH_SECONDS = 0.2


class Progress:
    """A line on the terminal, written again in place; nothing where the stream is not a terminal or verbose is 0.

    Parameters
    ----------
    n_epochs : int
        Epochs that training takes at most.
    verbose : int
        0 is silent.
    stream : text file, default standard error
    """

    def __init__(self, n_epochs: int, *, verbose: int, stream: TextIO | None = None) -> None:
        self.n_epochs = n_epochs
        self.stream = stream or sys.stderr
        self.shown = verbose > 0 and self.stream.isatty()
        self._started = time.monotonic()
        self._written = 0.0
        self._width = 0

    def update(self, epochs_done: float, losses: Callable[[], str]) -> None:
        """Write the line if the last one is old enough; ``epochs_done`` may be a fraction, ``losses`` gives words."""
        now = time.monotonic()
        if not self.shown or now - self._written < REFRESH_SECONDS:
            return
        self._written = now
        passed = now - self._started
        left = passed * (self.n_epochs / epochs_done - 1) if epochs_done > 0 else 0.0
        self._write(
            f"epoch {epochs_done:.1f} of {self.n_epochs}  {losses()}  {clock(passed)}, at most {clock(left)} left"
        )

    def finish(self, line: str) -> None:
        """Write a last line and leave it standing."""
        if self.shown:
            self._write(line)
            self.stream.write("\n")
            self.stream.flush()

    def _write(self, line: str) -> None:
        self.stream.write("\r" + line.ljust(self._width))
        self.stream.flush()
        self._width = len(line)


def clock(seconds: float) -> str:
    """Return a time as a clock would say it.

    Examples
    --------
    >>> clock(8.2), clock(100), clock(3700)
    ('8 s', '1 min 40 s', '1 h 01 min')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
