"""Files that nothing damages: safe opening, atomic writing, the lock of a run's folder.

A file is written to a temporary neighbour, forced to the disk and renamed over its target, so that every reader sees
the old file or the new one, never half of either. The layout of model files stands in ``tensorfile``.
"""

import contextlib
import errno
import io
import itertools
import os
import re
import shutil
import socket
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from nnzoo.errors import DataError, NnzooError, ResourceError, nearest, quote
from nnzoo.plainjson import Bytes, json_bytes, parse_json

try:
    import fcntl
except ImportError:  # Windows has no advisory locks; it refuses to delete open files instead
    fcntl = None

Pathish = str | os.PathLike[str]

LOCK_NAME = "lock"
TEMPORARY = re.compile(r"\..*\.\d\d\.(tmp|bak)", re.DOTALL)
BINARY = getattr(os, "O_BINARY", 0)
NO_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
NO_LINK = getattr(os, "O_NOFOLLOW", 0)
MAX_TEMPORARIES = 100
MAX_NEIGHBOURS = 10_000
KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFLNK: "a link",
}


def crash_point(name: str) -> None:
    """Do nothing; tests put a crash here to prove that no moment of a write is unsafe.

    Parameters
    ----------
    name : str
        ``after-temp-write``, ``before-rename``, ``after-rename`` or ``before-pointer``.
    """


def shown(path: Pathish) -> str:
    """Return a path for a message: quoted as given, or its last part when it is long."""
    text = os.fspath(path)
    return quote(text) if len(text) <= 80 else quote("…/" + os.path.basename(text))


def open_regular(path: Pathish, error: type[NnzooError] = DataError, *, follow: bool = True) -> io.BufferedReader:
    """Open a regular file for reading bytes; never block.

    Parameters
    ----------
    path : str or PathLike
        The file.
    error : type of NnzooError, default DataError
        What is raised.
    follow : bool, default True
        Whether a link may stand in for the file.

    Returns
    -------
    io.BufferedReader
        The open file; its descriptor is checked, so a swap of the name between check and use has no effect.

    Raises
    ------
    NnzooError
        Of the given type, when there is no such file (with the nearest names), when it cannot be read, and when it is
        a directory, a pipe, a device, a socket, a loop of links or, unless ``follow``, a link.
    """
    flags = os.O_RDONLY | NO_WAIT | BINARY | (0 if follow else NO_LINK)
    try:
        # the look before opening spares devices that act on being opened; the look after it is the one that counts
        _check_kind(path, os.stat(path, follow_symlinks=follow).st_mode, error)
        descriptor = os.open(path, flags)
    except FileNotFoundError as exc:
        raise error(f"{shown(path)} was not found.", _neighbours(os.fspath(path))) from exc
    except NnzooError:
        raise
    except ValueError as exc:
        raise error(f"{shown(path)} cannot be the name of a file: {exc}.", "Check the path.") from exc
    except OSError as exc:
        reason = "its links form a loop" if exc.errno == errno.ELOOP else str(exc.strerror).lower()
        raise error(f"{shown(path)} cannot be opened: {reason}.", "Check the path and the rights of the file.") from exc
    try:
        _check_kind(path, os.fstat(descriptor).st_mode, error)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _check_kind(path: Pathish, mode: int, error: type[NnzooError]) -> None:
    if not stat.S_ISREG(mode):
        kind = KINDS.get(stat.S_IFMT(mode), "something else")
        hint = f"Give the file itself: {quote(os.path.realpath(path))}." if stat.S_ISLNK(mode) else "Give a file."
        raise error(f"{shown(path)} needs to be a regular file; it is {kind}.", hint)


def _neighbours(path: str) -> str:
    folder, name = os.path.split(path)
    try:
        with os.scandir(folder or ".") as entries:
            names = [entry.name for entry in itertools.islice(entries, MAX_NEIGHBOURS) if entry.is_file()]
    except OSError:
        return f"There is no folder {quote(folder)}."
    return nearest(name, names) if names else "Its folder holds no files; check the path."


def atomic_write(path: Pathish, data: Bytes | Iterable[Bytes], *, backup: bool = False) -> None:
    """Write a file so that a crash at any moment leaves the old file or the new one.

    An exclusive temporary file in the same folder (mode 0600, or the mode of the file that it replaces) is written,
    forced to the disk and renamed over ``path``; then the folder is forced to the disk. Whoever has the old file open
    keeps it. A temporary file that a dead process left for the same target is removed.

    Parameters
    ----------
    path : str or PathLike
        The file to write or to replace.
    data : bytes-like, or iterable of bytes-like
        The content.
    backup : bool, default False
        Whether the old file stays as ``path`` + ``.bak``.

    Raises
    ------
    OSError
        The disk is full, the folder is gone or cannot be written; the old file is as it was.
    """
    target = Path(path)
    with _temporary(target) as (temporary, stream):
        for piece in (data,) if isinstance(data, Bytes) else data:
            stream.write(piece)
        stream.flush()
        if target.is_file():
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        os.fsync(stream.fileno())
        crash_point("after-temp-write")
        if backup and os.path.lexists(target):
            _keep_backup(target, temporary.with_suffix(".bak"))
        crash_point("before-rename")
        if os.name == "nt":  # which does not rename open files
            stream.close()
        os.replace(temporary, target)
    crash_point("after-rename")
    _sync_folder(target.parent)


def write_output(path: Pathish, data: Bytes | Iterable[Bytes], what: str) -> None:
    """Write a file that a person asked for, atomically.

    Raises
    ------
    ResourceError
        It cannot be written; ``what`` says what it is, such as "The report".
    """
    try:
        atomic_write(path, data)
    except OSError as error:
        raise ResourceError(
            f"{what} cannot be written to {shown(path)}: {error.strerror or error}.",
            "Choose a folder that exists, with room and write permission.",
        ) from error


@contextlib.contextmanager
def _temporary(target: Path) -> Iterator[tuple[Path, io.BufferedWriter]]:
    """Give an exclusive temporary neighbour of the target, locked while it is written, removed if that fails."""
    stem = os.fsdecode(os.fsencode(target.name)[:200])
    for number in range(MAX_TEMPORARIES):
        temporary = target.with_name(f".{stem}.{number:02d}.tmp")
        _remove_leftover(temporary)
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | BINARY, 0o600)
            if _claim(descriptor):
                break
            os.close(descriptor)
    else:
        raise FileExistsError(errno.EEXIST, "too many temporary files", os.fspath(target))
    with os.fdopen(descriptor, "wb") as stream:
        try:
            yield temporary, stream
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _claim(descriptor: int) -> bool:
    """Lock an own file against cleaners; False if one removed it before the lock was there."""
    with contextlib.suppress(OSError):  # a file system without locks; then cleaners leave the file alone
        _flock(descriptor, wait=True)
    return os.name == "nt" or os.fstat(descriptor).st_nlink > 0


def _flock(descriptor: int, *, wait: bool) -> None:
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def _remove_leftover(temporary: Path) -> None:
    """Remove a temporary file unless a living process is writing it, which its lock tells."""
    with contextlib.suppress(OSError):
        descriptor = os.open(temporary, os.O_RDWR | NO_WAIT | NO_LINK)
        try:
            _flock(descriptor, wait=False)
            if os.path.samestat(os.fstat(descriptor), os.lstat(temporary)):  # it may have been renamed since
                temporary.unlink()
        finally:
            os.close(descriptor)


def remove_leftovers(folder: Pathish) -> None:
    """Remove the temporary files that writes of dead processes left in a folder."""
    for path in Path(folder).iterdir():
        if TEMPORARY.fullmatch(path.name):
            _remove_leftover(path)


def _keep_backup(target: Path, spare: Path) -> None:
    spare.unlink(missing_ok=True)
    try:
        os.link(target, spare, follow_symlinks=False)
    except OSError:  # a file system without hard links
        shutil.copy2(target, spare)
    os.replace(spare, target.with_name(target.name + ".bak"))
    spare.unlink(missing_ok=True)  # rename does nothing if both are links to one file, as after a crash


def _sync_folder(folder: Path) -> None:
    if os.name != "nt":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def check_writable(folder: Pathish) -> None:
    """Raise ResourceError unless a file can be written in the folder, forced to the disk and renamed."""
    probe = Path(folder) / ".nnzoo-probe"
    try:
        atomic_write(probe, b"probe")
        probe.unlink(missing_ok=True)
    except OSError as exc:
        raise _no_place(folder, exc) from exc


def _no_place(folder: Pathish, exc: OSError) -> ResourceError:
    reason = str(exc.strerror or exc).lower()
    return ResourceError(f"{shown(folder)} needs to be a folder that can be written; got: {reason}.", "Give another.")


class Lock:
    """The lock of a run's folder: one run at a time; the lock of a dead process is taken over.

    The lock is a file ``lock`` in the folder that names its holder: process id, start of that process (so that a new
    process with the same id is not mistaken for it) and host.

    Parameters
    ----------
    folder : str or PathLike
        The folder; made if its parent exists.

    Raises
    ------
    ResourceError
        On entry, when another run holds the lock, or when the folder cannot be written.
    """

    def __init__(self, folder: Pathish) -> None:
        self.folder = folder
        self._path = Path(folder) / LOCK_NAME

    def __enter__(self) -> "Lock":
        """Take the lock."""
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(self.folder)
            with self._opened(os.O_CREAT) as stream:
                holder = _read_holder(stream)
                if holder is not None and _is_alive(holder):
                    raise self._in_use(holder)
                stream.seek(0)
                stream.truncate()
                stream.write(json_bytes(_this_process()))
        except OSError as exc:
            raise _no_place(self.folder, exc) from exc
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the lock if it is still ours."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), self._opened() as stream:
            if _read_holder(stream) == _this_process():
                self._path.unlink()

    @contextlib.contextmanager
    def _opened(self, flags: int = 0) -> Iterator[io.BufferedRandom]:
        """Open the lock file for one process at a time, so that two runs cannot both take over a dead one's lock."""
        while True:
            descriptor = os.open(self._path, os.O_RDWR | NO_LINK | NO_WAIT | BINARY | flags, 0o600)
            if _claim(descriptor):
                break
            os.close(descriptor)
        with os.fdopen(descriptor, "r+b") as stream:
            yield stream

    def _in_use(self, holder: dict[str, Any]) -> ResourceError:
        where, hint = "", "Wait for that run to end, or write to another place."
        if holder["host"] != socket.gethostname():
            where = f" on host {quote(holder['host'])}"
            hint = f"If nothing runs there any more, delete {quote(self._path)}."
        return ResourceError(f"{shown(self.folder)} is in use by pid {holder['pid']}{where}.", hint)


def _read_holder(stream: io.BufferedRandom) -> dict[str, Any] | None:
    """Return who holds the lock; None if the file is empty or damaged, as a crash while taking it leaves it."""
    try:
        holder = parse_json(stream.read(1000), DataError)
    except DataError:
        return None
    types = {"host": str, "pid": int, "started": int | None}
    if not isinstance(holder, dict) or holder.keys() != types.keys():
        return None
    return holder if all(isinstance(holder[name], types[name]) for name in types) and holder["pid"] > 0 else None


def _this_process() -> dict[str, Any]:
    pid = os.getpid()
    known = _process(pid)
    return {"host": socket.gethostname(), "pid": pid, "started": known[1] if known else None}


def _is_alive(holder: dict[str, Any]) -> bool:
    """Say whether the holder may still run; True where that cannot be known."""
    if os.name == "nt" or holder["host"] != socket.gethostname():
        return True  # on Windows, signal 0 would end the process
    try:
        os.kill(holder["pid"], 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    known = _process(holder["pid"])
    if known is None:
        return True
    state, started = known
    return state not in "ZX" and holder["started"] in (None, started)


def _process(pid: int) -> tuple[str, int] | None:
    """Return state and start time (clock ticks after boot) of a process; None where /proc does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return fields[0], int(fields[19])
    except (OSError, ValueError, IndexError):
        return None
