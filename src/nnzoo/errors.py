"""The kinds of error that nnzoo raises, and how their messages quote what came in.

Every message has the form *owner + what is needed + what came*, and ``hint`` holds what to do about it: something that
the reader can type or change. ``str(error)`` gives both. ``exit_code`` is what the command line exits with.
"""

import difflib
from collections.abc import Iterable

MAX_QUOTED = 80
MAX_LISTED = 5


class NnzooError(Exception):
    """Base of every error that nnzoo raises on purpose.

    Parameters
    ----------
    message : str
        Owner, what is needed, what came.
    hint : str
        What to do about it; may be empty.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class UsageError(NnzooError, ValueError):
    """A command, an option or an argument does not fit."""

    exit_code = 2


class ParameterError(UsageError):
    """A parameter of a network is unknown or out of its range."""


class DataError(NnzooError, ValueError):
    """The input cannot be read or used."""

    exit_code = 3


class SchemaError(DataError):
    """Columns, kinds or names of the input do not fit."""


class ModelFileError(NnzooError, ValueError):
    """A model file is refused."""

    exit_code = 4


class CheckpointError(ModelFileError):
    """There is no usable checkpoint."""


class TrainingDiverged(NnzooError, RuntimeError):
    """Loss or gradient stayed not finite after all retries."""

    exit_code = 5


class ResourceError(NnzooError, RuntimeError):
    """Memory, disk, lock or a file limit stands in the way."""

    exit_code = 6


class ClusterError(NnzooError, RuntimeError):
    """A worker, a node or a back end failed."""

    exit_code = 7


class ExportError(NnzooError, RuntimeError):
    """The network cannot be exported, or its exported outputs differ."""

    exit_code = 8


def quote(value: object) -> str:
    """Return user content for a message: in double quotes, control characters escaped, at most 80 characters.

    Examples
    --------
    >>> quote("12,5")
    '"12,5"'
    """
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value)[: MAX_QUOTED + 1])
    if len(text) > MAX_QUOTED:
        text = text[: MAX_QUOTED - 1] + "…"
    return f'"{text}"'


def counted(number: int, thing: str) -> str:
    """Return a number and what it counts.

    Examples
    --------
    >>> counted(1, "row"), counted(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{number:,} {thing}{'s' * (number != 1)}"


def listing(names: Iterable[object]) -> str:
    """Return at most five quoted names, then a count of the rest.

    Examples
    --------
    >>> listing("abcdefg")
    '"a", "b", "c", "d", "e" and 2 more'
    """
    quoted = [quote(name) for name in names]
    rest = len(quoted) - MAX_LISTED
    return ", ".join(quoted[:MAX_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def nearest(name: object, known: Iterable[object]) -> str:
    """Return a hint that lists the known names nearest to an unknown one.

    Examples
    --------
    >>> nearest("tanhh", ["relu", "tanh"])
    'Did you mean "tanh"?'
    """
    by_text = {str(k): k for k in known}
    folded = {text.casefold(): text for text in by_text}
    close = [folded[c] for c in difflib.get_close_matches(str(name).casefold(), folded, n=MAX_LISTED, cutoff=0.5)]
    if close:
        return f"Did you mean {listing(close)}?"
    return f"Known: {listing(by_text)}."
