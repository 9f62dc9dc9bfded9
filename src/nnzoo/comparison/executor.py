"""Who does the units of a comparison: this process, or processes of its own that may crash, hang or be killed.

A unit is idempotent and carries plain JSON values alone, and so does what it gives: any back end gives the same. A
worker is a new process (spawned, not forked) with a pipe to this one, and is told one unit at a time; so the death of
one costs no other its work.
"""

import contextlib
import math
import multiprocessing
import os
import signal
import sys
import textwrap
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import connection, resource_tracker
from multiprocessing.context import SpawnProcess
from types import FrameType, ModuleType, TracebackType
from typing import Any, Protocol, Self

from nnzoo.errors import ClusterError, DataError, NnzooError, UsageError, quote
from nnzoo.plainjson import json_bytes, parse_json

MOST_WORKERS = 8
MOST_ATTEMPTS = 2
"""Of a unit whose process died or hung, and of the start of a worker."""
START_SECONDS = 600.0
"""A worker that is not ready by then counts as hanging: it has to import torch and to receive the data."""
GRACE = 1.0
"""Seconds that a worker has to end by itself once it was asked to."""
TICK = 1.0
TERMINATED = 143
MOST_LETTERS = 300
"""Of a reason."""
THREAD_SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
TOO_LATE = "it did not end within its limit of time, in two attempts"
HINT = "Use fewer workers, or none (n_workers=0)."

Result = dict[str, Any]


@dataclass(frozen=True)
class Unit:
    """A piece of work that can be done again without harm.

    Attributes
    ----------
    id : str
        Unique and readable: "long-short-term-memory · fold 3".
    work : dict
        Plain JSON values: what the worker needs to know.
    seconds : float
        Hard limit of one attempt, above 0; infinity for none.
    """

    id: str
    work: dict[str, Any]
    seconds: float = math.inf


@dataclass(frozen=True)
class Failure:
    """Why a unit gave no result.

    Attributes
    ----------
    kind : str
        "error" (the work raised), "crash" (its process died), "hang" (past its limit) or "memory".
    reason : str
        A sentence for a person.
    """

    kind: str
    reason: str


Do = Callable[[Unit], Result]
Make = Callable[[], Do]


class Executor(Protocol):
    """What a comparison asks of a back end.

    Attributes
    ----------
    n_workers : int
        How many units are done at the same time.
    """

    n_workers: int

    def run(self, units: Iterable[Unit], until: float = math.inf) -> Iterator[tuple[Unit, Result | Failure]]:
        """Do units and yield each with what it gave, as they end; the next one is taken when a worker is free.

        At ``until``, a time of ``time.monotonic``, all ends; units that are not done by then are not yielded.
        """
        ...

    def close(self) -> None:
        """End all workers; a second call does nothing."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def n_processors() -> int:
    """Return how many workers the processors that this process may use are good for: one each, at most eight."""
    known = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST_WORKERS, known)


class Inline:
    """Does units in this process, one after the other. Nothing is killed here: the limit of a unit is not enforced.

    Parameters
    ----------
    make : callable
        Returns the function that does a unit; called at the first unit.

    Examples
    --------
    >>> with Inline(lambda: lambda unit: {"double": 2 * unit.work["x"]}) as executor:
    ...     [found for _, found in executor.run([Unit("one", {"x": 1}), Unit("two", {"x": "?"}), Unit("no", {})])]
    [{'double': 2}, {'double': '??'}, Failure(kind='error', reason="KeyError: 'x'")]
    """

    n_workers = 1

    def __init__(self, make: Make) -> None:
        self.make = make
        self._do: Do | None = None

    def run(self, units: Iterable[Unit], until: float = math.inf) -> Iterator[tuple[Unit, Result | Failure]]:
        """Do units and yield each with what it gave; after ``until`` none is begun."""
        for unit in units:
            if time.monotonic() >= until:
                return
            if self._do is None:
                self._do = self.make()
            yield unit, _read_answer(_answer(self._do, _told(unit)))

    def close(self) -> None:
        """Forget what the work holds."""
        self._do = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


@dataclass(eq=False)
class _Worker:
    """A process of ours: it starts, then waits or does a unit."""

    process: SpawnProcess
    pipe: connection.Connection
    deadline: float
    is_ready: bool = False
    unit: Unit | None = None


@dataclass
class _Queue:
    """Units still to be done: those to be tried again first, then what the iterable gives when it is asked."""

    units: Iterator[Unit]
    again: deque[Unit] = field(default_factory=deque)
    tried: dict[str, int] = field(default_factory=dict)
    has_ended: bool = False

    def take(self) -> Unit | None:
        if self.again:
            return self.again.popleft()
        if self.has_ended:
            return None
        unit = next(self.units, None)
        self.has_ended = unit is None
        return unit

    def is_over(self) -> bool:
        return self.has_ended and not self.again


class Processes:
    """Does units in processes of its own.

    A unit whose process dies, or that is not done within its limit, is tried once more in a new process; if that fails
    as well it gives a ``Failure`` and the others go on. When this process ends, in whatever way, its workers end too.
    The script that calls is not run again by the workers, so it needs no guard; but what ``make`` is, has to be
    importable from a module.

    Parameters
    ----------
    make : callable
        Is called once in each worker, to which it is sent, and returns the function that does a unit.
    n_workers : int, default 2
    threads : int, default 1
        Threads of each worker for the arithmetic; with all workers together no more than there are processors.

    Raises
    ------
    UsageError
        No worker is asked for, or this is a daemonic process, which can have none.
    """

    def __init__(self, make: Make, n_workers: int = 2, threads: int = 1) -> None:
        if n_workers < 1 or threads < 1:
            raise UsageError(f"Workers and threads need to be at least 1; got {n_workers} and {threads}.", "Give more.")
        if multiprocessing.current_process().daemon:
            raise UsageError(
                "A worker process needs to do the comparison itself; it can start no others.", "Say n_workers=0."
            )
        self.make = make
        self.n_workers = n_workers
        self.threads = threads
        self._workers: list[_Worker] = []
        self._n_failed_starts = 0
        self._is_closed = False
        self._clock = 0.0
        self._looked = time.monotonic()

    def run(self, units: Iterable[Unit], until: float = math.inf) -> Iterator[tuple[Unit, Result | Failure]]:
        """Do units and yield each with what it gave, as they end.

        Parameters
        ----------
        units : iterable of Unit
            The next one is taken when a worker is free, after all results so far were yielded: a generator may decide
            by them, or end.
        until : float, optional
            When all ends, a time of ``time.monotonic``: units at work are given up, within a second.

        Yields
        ------
        tuple of Unit and dict or Failure

        Raises
        ------
        ClusterError
            Workers cannot start.
        """
        queue = _Queue(iter(units))
        self._is_closed = False
        self._end([worker for worker in self._workers if worker.unit])  # of a run that was given up
        first = queue.take()
        if first is None:
            return
        queue.again.append(first)
        try:
            while (
                not self._is_closed
                and time.monotonic() < until
                and (not queue.is_over() or any(worker.unit for worker in self._workers))
            ):
                self._start_missing(queue)
                self._hand_out(queue)
                for worker in self._with_news():
                    found = self._listen(worker, queue)
                    if found is not None:
                        yield found
                        self._hand_out(queue)
        finally:
            self._end([worker for worker in self._workers if worker.unit])

    def close(self) -> None:
        """End all workers, those at work after a second at most; a run that still goes on ends."""
        self._is_closed = True
        self._end(list(self._workers))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _start_missing(self, queue: _Queue) -> None:
        """Start as many workers as are missing, all at once; none waits for another."""
        while len(self._workers) < self.n_workers and not queue.is_over():
            ours, theirs = multiprocessing.Pipe()
            process = multiprocessing.get_context("spawn").Process(
                target=_work, args=(theirs, self.threads), name="nnzoo-worker", daemon=True
            )
            try:
                with _main_hidden(), _interrupt_held():
                    process.start()
                    self._workers.append(_Worker(process, ours, self._now() + START_SECONDS))
            except OSError as error:
                raise ClusterError(f"A worker cannot be started: {error.strerror or error}.", HINT) from error
            finally:
                theirs.close()

    def _hand_out(self, queue: _Queue) -> None:
        """Tell each worker that waits the next unit."""
        for worker in self._workers:
            if worker.is_ready and worker.unit is None:
                unit = queue.take()
                if unit is None:
                    return
                worker.unit, worker.deadline = unit, self._now() + unit.seconds
                with contextlib.suppress(OSError):  # it has died, which its silence will tell
                    worker.pipe.send_bytes(_told(unit))

    def _with_news(self) -> list[_Worker]:
        """Return the workers that have said something, died, or are past their limit; wait a second at most."""
        by_handle = {handle: each for each in self._workers for handle in (each.pipe, each.process.sentinel)}
        nearest = min((each.deadline for each in self._workers if each.unit or not each.is_ready), default=math.inf)
        ready = connection.wait(list(by_handle), max(0.0, min(TICK, nearest - self._now())))
        now = self._now()
        late = [each for each in self._workers if each.deadline < now and (each.unit or not each.is_ready)]
        return list(dict.fromkeys([by_handle[handle] for handle in ready] + late))  # pyright: ignore[reportArgumentType]

    def _now(self) -> float:
        """Return seconds on a clock that stands still while this process does, as it may with the whole machine."""
        now = time.monotonic()
        self._clock += min(now - self._looked, 2 * TICK)
        self._looked = now
        return self._clock

    def _listen(self, worker: _Worker, queue: _Queue) -> tuple[Unit, Result | Failure] | None:
        """Return a unit that is done, or has failed for good."""
        if worker not in self._workers:  # ended since
            return None
        try:
            if not worker.pipe.poll():
                return self._give_up(worker, queue, is_late=worker.deadline < self._now())
            message = worker.pipe.recv_bytes()
        except (EOFError, OSError):  # perhaps in the middle of a message
            return self._give_up(worker, queue, is_late=False)
        unit, worker.unit = worker.unit, None
        if unit is not None:
            return unit, _read_answer(message)
        if message == STARTED:
            with contextlib.suppress(OSError):
                worker.pipe.send(self.make)
            return None
        found = _read_answer(message)
        if isinstance(found, Failure):
            raise ClusterError(f"A worker cannot begin: {found.reason}", HINT)
        worker.is_ready, self._n_failed_starts = True, 0
        return None

    def _give_up(self, worker: _Worker, queue: _Queue, *, is_late: bool) -> tuple[Unit, Failure] | None:
        """End a worker that is late or has died; return its unit with the failure, if that was its last attempt."""
        unit = worker.unit
        if is_late:
            worker.process.kill()
        worker.process.join(GRACE)
        failure = Failure("hang", TOO_LATE) if is_late else Failure("crash", _how_ended(worker.process.exitcode))
        self._end([worker])
        if unit is None:
            self._n_failed_starts += not worker.is_ready
            if self._n_failed_starts >= MOST_ATTEMPTS * self.n_workers:
                raise ClusterError(f"Workers cannot start: {failure.reason}.", HINT)
            return None
        queue.tried[unit.id] = queue.tried.get(unit.id, 0) + 1
        if queue.tried[unit.id] < MOST_ATTEMPTS:
            queue.again.append(unit)
            return None
        return unit, failure

    def _end(self, workers: Sequence[_Worker]) -> None:
        """End workers and wait until they are gone."""
        for worker in workers:
            self._workers.remove(worker)
            worker.pipe.close()  # which ends one that waits
            if worker.unit is not None or not worker.is_ready:
                worker.process.terminate()
        end = time.monotonic() + GRACE
        try:
            for worker in workers:
                worker.process.join(max(0.0, end - time.monotonic()))
        finally:
            for worker in workers:
                worker.process.kill()
                worker.process.join()
                worker.process.close()


@contextlib.contextmanager
def _main_hidden() -> Iterator[None]:
    """Hide the script that runs, which a new process would otherwise run again from its first line."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def _interrupt_held() -> Iterator[None]:
    """Hold Ctrl-C back, here until the end of the block, in a process started inside of it for good."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # whose start would let Ctrl-C through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _how_ended(code: int | None) -> str:
    if code is None or code >= 0:
        return f"its process ended with exit code {code}, in two attempts"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    memory = ", as happens when memory runs out" if name == "SIGKILL" else ""
    return f"its process was ended by {name}{memory}, in two attempts"


# What goes through the pipes


def _told(unit: Unit) -> bytes:
    seconds = unit.seconds if math.isfinite(unit.seconds) else None
    return json_bytes({"id": unit.id, "work": unit.work, "seconds": seconds}, DataError, owner=quote(unit.id))


def _answer(do: Do, told: bytes) -> bytes:
    """Do a unit; return its result or its failure as JSON."""
    unit = parse_json(told, DataError)
    unit["seconds"] = math.inf if unit["seconds"] is None else unit["seconds"]
    try:
        return json_bytes({"result": _finite(do(Unit(**unit)))}, DataError, owner="Its result")
    except Exception as error:  # whatever a network comes up with costs its own place alone
        return _failed(error)


def _failed(error: Exception) -> bytes:
    text = error.message if isinstance(error, NnzooError) else f"{type(error).__name__}: {error}"
    reason = textwrap.shorten(text.encode(errors="replace").decode(), MOST_LETTERS, placeholder=" …")
    return json_bytes({"failure": {"kind": "memory" if _is_out_of_memory(error) else "error", "reason": reason}})


def _is_out_of_memory(error: BaseException | None) -> bool:
    """Say whether an error, or one that it came from, is a want of memory; torch has words of its own for it."""
    while error is not None:
        is_torchs = type(error).__name__ == "OutOfMemoryError" or "not enough memory" in str(error)
        if isinstance(error, MemoryError) or is_torchs:
            return True
        error = error.__cause__
    return False


def _finite(value: Any) -> Any:
    """Return plain values with None for each number that is not finite: JSON has no word for it."""
    if isinstance(value, Mapping):
        return {key: _finite(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(member) for member in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _read_answer(message: bytes) -> Result | Failure:
    found = parse_json(message, ClusterError)
    return Failure(**found["failure"]) if "failure" in found else found["result"]


# What runs in a worker

STARTED = b"started"
READY = json_bytes({"result": {}})


def _work(pipe: connection.Connection, threads: int) -> None:
    """Be a worker: get ready, then do what is told until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one decides
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for name in THREAD_SETTINGS:
        os.environ[name] = str(threads)
    with contextlib.suppress(OSError):  # standard output is for what the first process has to say
        os.dup2(2, 1)
    with contextlib.suppress(EOFError, ConnectionError):
        pipe.send_bytes(STARTED)
        try:
            do = pipe.recv()()
            _share_processors(threads)
        except Exception as error:
            pipe.send_bytes(_failed(error))
            return
        pipe.send_bytes(READY)
        while True:
            pipe.send_bytes(_answer(do, pipe.recv_bytes()))
    os._exit(0)  # to take torch apart would need most of a second


def _share_processors(threads: int) -> None:
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def _leave(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise SystemExit(TERMINATED)


def _end_with_parent() -> None:
    """Wait for the end of the process that started this one, which may be killed, and end at once."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(TERMINATED)
