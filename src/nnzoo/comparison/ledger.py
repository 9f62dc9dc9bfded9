"""What a comparison has measured and decided, a line each, on the disk before anything else happens.

The first line says which comparison it is; each other one holds a result or a decision, with the number of the run that
wrote it and the seconds since that run began. A line that a crash has torn is the last one and is dropped.
"""

import os
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nnzoo import files
from nnzoo.errors import DataError, ResourceError, UsageError, quote
from nnzoo.plainjson import json_bytes, parse_json

FORMAT = "nnzoo ledger"
FORMAT_VERSION = 1
KINDS = ("result", "decision")


class Ledger:
    """Results and decisions that outlive the process: a run that goes on with the file finds all that was added.

    Parameters
    ----------
    path : Path or None
        The file, made if it is not there; its folder is locked until ``close``. None keeps everything in memory alone.
    identity : mapping
        Plain JSON values that a file must agree with to be gone on with: data, options, seed, versions.
    resume : bool, default True
        Whether an older file is gone on with; else it is replaced and stays as ``path`` + ``.bak``.

    Attributes
    ----------
    results : dict of str to dict
        Unit to what it gave, those of earlier runs first, in the order in which they were added.
    seconds : float
        Time of earlier runs, each up to its last line.

    Raises
    ------
    UsageError
        The file is of another comparison; the message names the first thing that differs.
    DataError
        The file is no ledger, or a line before its last one is broken.
    ResourceError
        Another run has the folder, or it cannot be written.

    Examples
    --------
    >>> with Ledger(None, {"seed": 0}) as ledger:
    ...     ledger.add("lstm · fold 1", {"score": 0.9})
    ...     ledger.decide("finalists", lambda: ("lstm", "gru"))
    ['lstm', 'gru']
    """

    def __init__(self, path: Path | None, identity: Mapping[str, Any], *, resume: bool = True) -> None:
        self.path = path
        self.results: dict[str, dict[str, Any]] = {}
        self.seconds = 0.0
        self._decisions: dict[str, Any] = {}
        self._run = 1
        self._length = 0
        self._unsaved = b""
        self._warned = False
        self._began = time.monotonic()
        self._locked = ExitStack()
        if path is not None:
            self._locked.enter_context(files.Lock(path.parent))
            try:
                self._open(path, identity, resume=resume)
            except BaseException:
                self._locked.close()
                raise

    def add(self, unit_id: str, result: Mapping[str, Any]) -> None:
        """Record what a unit gave, on the disk when this returns; what was recorded of it before stands.

        A disk that takes no more costs one warning: the comparison goes on in memory, and what is missing is written
        with the next line that the disk takes.

        Parameters
        ----------
        unit_id : str
        result : mapping
            Plain JSON values.

        Raises
        ------
        DataError
            The result holds anything else.
        """
        if unit_id not in self.results:
            self.results[unit_id] = self._append("result", unit_id, dict(result))

    def decide(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what was decided under a name; the first time make the decision and record it.

        Parameters
        ----------
        name : str
        make : callable
            Returns plain JSON values.

        Returns
        -------
        object
            As it comes back from JSON, the first time too, so that a later run goes on with an equal value.

        Raises
        ------
        DataError
            The decision holds anything but plain JSON values.
        """
        if name not in self._decisions:
            self._decisions[name] = self._append("decision", name, make())
        return self._decisions[name]

    def close(self) -> None:
        """Release the folder, after a last try to write what the disk has not taken."""
        if self._unsaved:
            self._write()
        self._locked.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the ledger."""
        self.close()

    def _append(self, kind: str, name: str, value: Any) -> Any:
        line = {"run": self._run, "seconds": round(time.monotonic() - self._began, 3), kind: name, "value": value}
        data = json_bytes(line, DataError, owner=f"The {kind} of {quote(name)}")
        if self.path is not None:
            self._unsaved += data + b"\n"
            self._write()
        return parse_json(data, DataError)["value"]

    def _write(self) -> None:
        """Write what is not on the disk yet after the last good line."""
        path = str(self.path)
        try:
            with open(path, "r+b", buffering=0) as stream:
                stream.truncate(self._length)  # a torn line goes
                stream.seek(self._length)
                rest = memoryview(self._unsaved)
                while rest:
                    rest = rest[stream.write(rest) :]
                os.fsync(stream.fileno())
        except OSError as error:
            self._warn_once(error)
            return
        self._length += len(self._unsaved)
        self._unsaved = b""

    def _warn_once(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            reason = str(error.strerror or error).lower()
            message = f"{files.shown(str(self.path))} took no record: {reason}. The comparison goes on in memory;"
            warnings.warn(f"{message} if it is stopped, what is not recorded is done again.", stacklevel=5)

    def _open(self, path: Path, identity: Mapping[str, Any], *, resume: bool) -> None:
        """Read a file that is gone on with, or begin a new one."""
        first = {"format": FORMAT, "format_version": FORMAT_VERSION, "identity": dict(identity)}
        head = json_bytes(first, DataError, owner="The identity of a ledger") + b"\n"
        if resume and path.exists() and path.stat().st_size:
            self._read(path, parse_json(head, DataError)["identity"])
            return
        try:
            files.atomic_write(path, head, backup=path.exists())
        except OSError as error:
            raise ResourceError(
                f"{files.shown(path)} cannot be written: {str(error.strerror or error).lower()}.",
                "Choose a folder with room and write permission.",
            ) from error
        self._length = len(head)

    def _read(self, path: Path, identity: dict[str, Any]) -> None:
        with files.open_regular(path, DataError, follow=False) as stream:
            data = stream.read()
        self._length = data.rfind(b"\n") + 1
        first, *lines = data[: self._length].split(b"\n")[:-1] or [b""]
        _check_first(path, first, identity)
        ends: dict[int, float] = {}
        for number, line in enumerate(lines, start=2):
            kind, name, value, run, seconds = _parsed(path, number, line)
            known = self.results if kind == "result" else self._decisions
            known.setdefault(name, value)
            ends[run] = max(seconds, ends.get(run, 0.0))
        self.seconds = sum(ends.values())
        self._run = max(ends, default=0) + 1


def _check_first(path: Path, line: bytes, identity: dict[str, Any]) -> None:
    hint = "Give a folder for a new ledger."
    try:
        first = parse_json(line, DataError)
    except DataError:
        first = None
    if not isinstance(first, dict) or first.get("format") != FORMAT or not isinstance(first.get("identity"), dict):
        raise DataError(f"{files.shown(path)} needs to be the ledger of a comparison; it is not.", hint)
    version = first.get("format_version")
    if version != FORMAT_VERSION:
        raise DataError(
            f"{files.shown(path)} has ledger format {version!r}; this nnzoo reads {FORMAT_VERSION}.",
            "Go on with the version that made it.",
        )
    found = _difference(first["identity"], identity, "")
    if found is not None:
        where, then, now = found
        raise UsageError(
            f"{files.shown(path)} is of another comparison: {where} was {then}, now it is {now}.",
            "Give what was given then, or another folder.",
        )


def _parsed(path: Path, number: int, line: bytes) -> tuple[str, str, Any, int, float]:
    """Return kind, name, value, run and seconds of a line."""
    owner = f"{files.shown(path)}, line {number:,},"
    found = parse_json(line, DataError, owner=owner)
    kind = next((each for each in KINDS if isinstance(found, dict) and isinstance(found.get(each), str)), "")
    types = {"run": int, "seconds": int | float, kind: str, "value": dict if kind == "result" else object}
    if not kind or found.keys() != types.keys() or not all(isinstance(found[key], types[key]) for key in types):
        raise DataError(f"{owner} needs a result or a decision; it has neither.", "Delete the ledger and start again.")
    return kind, found[kind], found["value"], found["run"], found["seconds"]


def _difference(then: Any, now: Any, where: str) -> tuple[str, str, str] | None:
    """Return the first place where two JSON values differ, and what stands there in both."""
    if then == now:
        return None
    if isinstance(then, dict) and isinstance(now, dict):
        keys: list[Any] = sorted(then.keys() | now.keys())
        pairs = [(key, then.get(key, MISSING), now.get(key, MISSING)) for key in keys]
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        pairs = [(number, *pair) for number, pair in enumerate(zip(then, now, strict=True), start=1)]
    else:
        return where, _said(then), _said(now)
    found = (_difference(a, b, f"{where}.{key}" if where else str(key)) for key, a, b in pairs)
    return next((each for each in found if each is not None), None)


class _Missing:
    """Stands for a value that is not there."""


MISSING = _Missing()


def _said(value: Any) -> str:
    if value is MISSING:
        return "not there"
    return quote(value if isinstance(value, str) else json_bytes(value).decode())
