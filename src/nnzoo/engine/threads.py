"""A batch on several threads: each works through some of its rows, forward and backward, and waits only at the end.

The other way to use two cores is to share every product between them, as torch does by itself. Then all threads wait
for each other at the end of every operation, and operations too small to be shared leave all cores but one idle: a
network with memory has many of these. Measured with two cores, batches of 128 rows and 28 steps: in parts a step takes
0.62 of the time for a GRU of 128 units in float32, 0.80 for an LSTM in bfloat16, 0.93 for one with peepholes. For
convolutional and dense networks, whose products are large, the parts gain nothing (1.0 to 1.2 of the time).
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from threading import Barrier, Lock
from typing import TypeVar

import torch

LEAST_ROWS = 16
"""A part has at least so many rows."""
LEAST_WORK = 5_000_000
"""Multiply-adds of the forward pass of a part; with less to do, handing over costs more than it gains."""

T = TypeVar("T")

_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}
_lock = Lock()


def _forget_threads() -> None:
    """Start afresh in a child process, which has none of its parent's threads."""
    _pools.clear()
    _lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_forget_threads)


def count_parts(n_rows: int, work: float, n_threads: int) -> int:
    """Return in how many parts a batch is worked through: a pure function of its arguments.

    Parameters
    ----------
    n_rows : int
    work : float
        Multiply-adds of a row's forward pass.
    n_threads : int

    Examples
    --------
    >>> count_parts(128, 1e6, 8), count_parts(40, 1e6, 8), count_parts(128, 1e3, 8)
    (8, 2, 1)
    """
    return max(1, min(n_threads, n_rows // LEAST_ROWS, int(n_rows * work / LEAST_WORK)))


def split_evenly(n_rows: int, n_parts: int) -> list[slice]:
    """Return so many slices of rows, the first ones longer by one where the division leaves a rest.

    Examples
    --------
    >>> split_evenly(5, 2)
    [slice(0, 3, None), slice(3, 5, None)]
    """
    size, rest = divmod(n_rows, n_parts)
    ends = [0]
    for part in range(n_parts):
        ends.append(ends[-1] + size + (part < rest))
    return [slice(start, end) for start, end in pairwise(ends)]


@contextmanager
def kernel_threads(n_threads: int) -> Iterator[None]:
    """Let kernels called from this thread use so many threads inside the block.

    Between parts of batches it is one: the others would spin for a while after each kernel, on processors that the
    parts need (an LSTM step took 1.9 times as long).
    """
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def at_once(tasks: Sequence[Callable[[], T]], n_threads: int) -> list[T]:
    """Run tasks at the same time, each with its share of ``n_threads``; return what they return, in their order."""
    if len(tasks) == 1:
        return [tasks[0]()]
    pool = _pool(len(tasks), max(n_threads // len(tasks), 1))
    return [future.result() for future in [pool.submit(task) for task in tasks]]


def _pool(n_workers: int, n_kernel_threads: int) -> ThreadPoolExecutor:
    """Return threads whose kernels use so many threads; they stay for the next step."""
    with _lock:
        if (n_workers, n_kernel_threads) not in _pools:
            n_threads = torch.get_num_threads()
            pool = ThreadPoolExecutor(n_workers, "nnzoo", partial(_settle, n_kernel_threads))
            started = Barrier(n_workers + 1)
            for _ in range(n_workers):
                pool.submit(started.wait)
            started.wait()
            torch.set_num_threads(n_threads)  # what torch gives to threads to come: back to what it was
            _pools[n_workers, n_kernel_threads] = pool
        return _pools[n_workers, n_kernel_threads]


def _settle(n_kernel_threads: int) -> None:
    """Set the threads that kernels called from this thread use."""
    torch.get_num_threads()  # the first look at it would undo what was set before
    torch.set_num_threads(n_kernel_threads)
