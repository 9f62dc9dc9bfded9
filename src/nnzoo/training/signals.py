"""Ctrl-C and SIGTERM during training: the handler sets a flag, the loop ends its batch and looks."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Self

STOPS = {signal.SIGINT: "interrupt", signal.SIGTERM: "terminate"}


class StopSignals:
    """Context in which the first Ctrl-C or SIGTERM is only noted; a second one acts at once.

    The handlers found at the start are put back at the end. A signal that the process was started to ignore stays
    ignored, as Ctrl-C is in the background jobs of a shell script. Outside the main thread nothing is installed,
    because Python delivers signals to the main thread alone.

    Attributes
    ----------
    received : str or None
        "interrupt" after Ctrl-C, "terminate" after SIGTERM.
    """

    def __init__(self) -> None:
        self.received: str | None = None
        self._found: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in STOPS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._found[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._put_back()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = STOPS[signal.Signals(number)]
        self._put_back()

    def _put_back(self) -> None:
        for number, handler in self._found.items():
            signal.signal(number, handler)  # pyright: ignore[reportArgumentType]
        self._found = {}
