"""Batches in parts on several threads: how many, which rows, and what becomes of torch's settings."""

import os
import subprocess
import sys
import threading

import pytest
import torch

from nnzoo.engine.threads import LEAST_ROWS, LEAST_WORK, at_once, count_parts, kernel_threads, split_evenly


@pytest.mark.parametrize(
    ("n_rows", "work", "n_threads", "n_parts"),
    [
        (10 * LEAST_ROWS, 1e9, 4, 4),
        (3 * LEAST_ROWS, 1e9, 4, 3),
        (10 * LEAST_ROWS, LEAST_WORK / (5 * LEAST_ROWS), 4, 2),
        (10 * LEAST_ROWS, 1.0, 4, 1),
        (1, 1e9, 4, 1),
    ],
)
def test_parts_are_bounded_by_threads_rows_and_work(n_rows, work, n_threads, n_parts):
    assert count_parts(n_rows, work, n_threads) == n_parts


@pytest.mark.parametrize(("n_rows", "n_parts"), [(10, 3), (9, 3), (2, 2), (7, 1)])
def test_even_slices_cover_all_rows_once_and_differ_by_one_at_most(n_rows, n_parts):
    slices = split_evenly(n_rows, n_parts)
    rows = [row for part in slices for row in range(n_rows)[part]]
    sizes = [part.stop - part.start for part in slices]
    assert rows == list(range(n_rows))
    assert max(sizes) - min(sizes) <= 1


def test_tasks_run_at_the_same_time_and_answer_in_their_order():
    meeting = threading.Barrier(2)

    def meet(name):
        meeting.wait(timeout=10)
        return name

    assert at_once([lambda: meet("a"), lambda: meet("b")], 2) == ["a", "b"]


def test_each_task_has_its_share_of_the_kernel_threads_and_the_caller_keeps_its_own():
    before = torch.get_num_threads()
    seen = at_once([torch.get_num_threads] * 2, 4)
    new: list[int] = []
    thread = threading.Thread(target=lambda: new.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert seen == [2, 2]
    assert torch.get_num_threads() == before
    assert new == [before]


def test_an_error_of_a_task_reaches_the_caller():
    def fail():
        raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        at_once([fail, lambda: 1], 2)


def test_kernel_threads_are_put_back():
    before = torch.get_num_threads()
    with kernel_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


FORKED = """
import os, threading, time
from nnzoo.engine import threads

def hold():
    with threads._lock:
        held.set()
        time.sleep(0.2)

held = threading.Event()
threading.Thread(target=hold).start()
held.wait()
child = os.fork()
if child == 0:
    os._exit(threads.at_once([lambda: 3, lambda: 4], 2) != [3, 4])
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_child_forked_while_threads_were_being_made_makes_its_own():
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED], timeout=60).returncode == 0
