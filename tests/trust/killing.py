"""Kill a training run again and again, and see whether it ends with the bits of an undisturbed one.

    python killing.py

Each line that comes in is a job as JSON, [FOLDER, ROUNDS, SEED, [WORD, ...]]; the words are a command line that trains
and writes m.nnzoo in the folder. A line of JSON goes out and says what happened. Every run is a child of this process,
which has imported everything and computed nothing, so that neither a kill nor a job costs a start.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import nnzoo.steps  # noqa: F401  what a run needs is imported once, here
from nnzoo import files
from nnzoo.catalog import CATALOG
from nnzoo.cli import main
from nnzoo.training import loop

POINTS = ("after-temp-write", "before-rename", "after-rename", "before-pointer")
MOST_KILLS, TIMEOUT = 3, 120
OLD = b"an older model"


class Broken(Exception):
    """The promise, by a run."""


def child(words, crash):
    """Train in a child; ``crash`` is the name of a crash point and which time it is deadly."""
    pid = os.fork()
    if pid:
        return pid
    loop.FIRST_CHECKPOINT_SECONDS = loop.LEAST_CHECKPOINT_SECONDS = 0.02
    loop.CHECKPOINT_SHARE = 1.0
    passed = dict.fromkeys(POINTS, 0)

    def die(name):
        passed[name] += 1
        if crash == (name, passed[name]):
            os.kill(os.getpid(), signal.SIGKILL)

    files.crash_point = die
    os.fsync = lambda number: (
        None
    )  # a kill, other than a power cut, loses nothing that was written: no disk has to be waited for
    code = 1
    try:
        code = main(words)
    finally:
        os._exit(code)


def waited(pid, seconds):
    """Return the status of a child that ended within so many seconds, else None."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return status
        time.sleep(0.001)
    return None


def finished(pid):
    """Return the status of a child that must end by itself."""
    status = waited(pid, TIMEOUT)
    if status is None:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise Broken("a run has not ended in time")
    return status


def killed_run(words, out, whole, seconds, draw):
    """Run until it is done, killing it at most three times; return how often it was killed."""
    out.write_bytes(OLD)
    for n_kills in range(MOST_KILLS + 1):
        resume = ["--resume"] if (out.parent / "m.nnzoo.run" / "LATEST").exists() else []
        by_point = draw.random() < 0.4 and n_kills < MOST_KILLS
        pid = child([*words, *resume], (draw.choice(POINTS), draw.randint(1, 6)) if by_point else None)
        if by_point or n_kills == MOST_KILLS:
            status = finished(pid)
        else:
            status = waited(pid, draw.uniform(0, seconds))
            if status is None:
                os.kill(pid, signal.SIGKILL)
                status = os.waitpid(pid, 0)[1]
        if out.read_bytes() not in (OLD, whole):
            raise Broken("after a kill the model is neither the old one nor that of an undisturbed run")
        if not os.WIFSIGNALED(status):
            if os.waitstatus_to_exitcode(status):
                raise Broken(f"a run ended with {os.waitstatus_to_exitcode(status)}")
            return n_kills
    raise Broken("a run was killed that should have ended")


def many_runs(folder, n_rounds, seed, words):
    """Return how often runs were killed, all of them having ended as an undisturbed one."""
    out, times = Path(folder) / "m.nnzoo", []
    # Twice: one that a busy machine slows down would set the kills behind the end of the runs to come.
    for _ in range(2):
        start = time.monotonic()
        if finished(child(words, None)):
            raise Broken("the undisturbed run failed")
        times.append(time.monotonic() - start)
    out.with_name("m.nnzoo.bak").unlink(missing_ok=True)
    seconds, whole = min(times), out.read_bytes()
    draw, n_kills = random.Random(seed), 0
    for _ in range(n_rounds):
        n_kills += killed_run(words, out, whole, seconds, draw)
        if out.read_bytes() != whole:
            raise Broken("a killed run ended with other bits than an undisturbed one")
        left = sorted(path.name for path in out.parent.iterdir() if path.name not in ("m.nnzoo", "m.nnzoo.bak"))
        if left:
            raise Broken(f"a run left behind {left}")
        out.with_name("m.nnzoo.bak").unlink(missing_ok=True)
    shutil.rmtree(folder)
    return {"rounds": n_rounds, "kills": n_kills, "seconds": seconds}


def answer(job):
    """Return what happened in a job, or what is wrong."""
    try:
        return many_runs(*job)
    except Broken as broken:
        return {"broken": str(broken)}


if __name__ == "__main__":
    for row in CATALOG:
        row.load_class()
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
