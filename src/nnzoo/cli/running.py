"""How every command runs and ends: errors as two lines on standard error, warnings as one, an exit code for each."""

import contextlib
import errno
import json
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any, Protocol, TextIO

from nnzoo.errors import NnzooError, ResourceError, UsageError, quote

INTERRUPTED, TERMINATED = 130, 143
BUG = 1
SILENT_WARNINGS = (DeprecationWarning, PendingDeprecationWarning, ResourceWarning, ImportWarning)
"""Kinds that speak to the authors of a library, not to its users."""


class Command(Protocol):
    """What this module asks of a command line."""

    def main(self, args: Sequence[str], prog_name: str) -> Any:
        """Parse and run; ends with SystemExit."""
        ...


def run(command: Command, words: Sequence[str]) -> int:
    """Run a command line and return its exit code; whatever goes wrong is said on standard error."""
    debug = "--debug" in _before_the_command(words)
    _write_any_text(sys.stdout, sys.stderr)
    with _warnings_as_lines(), _terminate_is_an_exit():
        try:
            command.main(args=list(words), prog_name="nnzoo")
        except SystemExit as stop:
            return stop.code if isinstance(stop.code, int) else BUG
        except KeyboardInterrupt:
            return INTERRUPTED
        except Exception as error:
            if debug:
                traceback.print_exc()
            return _say(_translated(error), debug=debug)
    return 0


def fail(message: str) -> None:
    """Say something on standard error that the user should not miss."""
    print(f"nnzoo: {message}", file=sys.stderr)


def show_json(value: Any) -> None:
    """Print plain JSON on standard output."""
    print(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2))


def _say(error: Exception, *, debug: bool) -> int:
    """Print message and hint of an error; returns its exit code."""
    if isinstance(error, NnzooError):
        fail(error.message)
        if error.hint:
            print(error.hint, file=sys.stderr)
        return error.exit_code
    fail(f"{type(error).__name__}: {str(error) or 'no message'}")
    hint = "Please report it" if debug else "Please report it with what nnzoo --debug shows before the same command"
    print(f"This is a bug in nnzoo. {hint}.", file=sys.stderr)
    return BUG


def _translated(error: Exception) -> Exception:
    """Return the error of nnzoo that an error of Python or scikit-learn stands for; itself if there is none."""
    if isinstance(error, NnzooError):
        return error
    if isinstance(error, OSError):
        where = f"{quote(error.filename)} " if error.filename else "A file "
        reason = str(error.strerror or error).lower()
        hint = "Free some room." if error.errno == errno.ENOSPC else "Check the path, its rights and the disk."
        return ResourceError(f"{where}cannot be used: {reason}.", hint)
    if isinstance(error, MemoryError):
        return ResourceError("The command needs more memory than there is.", "Take fewer rows or a smaller network.")
    if type(error).__name__ == "NotFittedError":  # by name: scikit-learn may not even be loaded
        return UsageError(f"The command needs a trained model; {error}", "Train it first: nnzoo train.")
    return error


def _before_the_command(words: Sequence[str]) -> list[str]:
    place = next((place for place, word in enumerate(words) if not word.startswith("-")), len(words))
    return list(words[:place])


def _write_any_text(*streams: TextIO) -> None:
    """Let a terminal without a character show its code instead of ending the command."""
    for stream in streams:
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Show each warning once, as one line on standard error."""
    seen: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        text = " ".join(str(message).split())
        if text not in seen and not issubclass(category, SILENT_WARNINGS):
            seen.add(text)
            print(f"nnzoo: warning: {text}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        yield


@contextlib.contextmanager
def _terminate_is_an_exit() -> Iterator[None]:
    """Let SIGTERM unwind the command as an exit with 143, so that locks and temporary files go."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(TERMINATED)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    found = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, found)
