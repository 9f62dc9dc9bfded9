"""Work for workers of the tests; it imports nothing heavy, so that they start in no time."""

import os
import signal
import sys
import time
from pathlib import Path

from nnzoo.errors import DataError


def make(folder=None, run=0):
    """Return the function that does a unit; attempts are noted in the folder."""

    def do(unit):
        if folder is not None:
            with open(Path(folder) / "attempts", "a") as stream:
                stream.write(f"{run} {os.getpid()} {unit.id}\n")
        return KINDS[unit.work["kind"]](unit)

    return do


def make_nothing():
    """Fail."""
    raise DataError("The table is gone.", "Look for it.")


def make_and_die():
    """End the process before there is any work."""
    os._exit(3)


def make_first_at_once(folder):
    """Be ready at once in the process that comes first, and never in the others."""
    try:
        (Path(folder) / "first").touch(exist_ok=False)
    except FileExistsError:
        time.sleep(60)
    return make()


def double(unit):
    return {"double": 2 * unit.work["x"]}


def fail(unit):
    raise DataError("X needs 3 columns; got 2.", "Give one more.")


def want_memory(unit):
    raise MemoryError


def want_torchs_memory(unit):
    try:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: not enough memory: you tried")
    except RuntimeError as error:
        raise DataError("The batch does not fit.") from error


def end(unit):
    os._exit(unit.work.get("code", 1))


def kill(unit):
    os.kill(os.getpid(), unit.work.get("signal", signal.SIGKILL))
    time.sleep(60)


def kill_once(unit):
    """Kill the first process that tries."""
    try:
        Path(unit.work["mark"]).touch(exist_ok=False)
    except FileExistsError:
        return {"done": True}
    return kill(unit)


def hang(unit):
    """Wait; not even SIGTERM ends this."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return wait(unit)


def wait(unit):
    """Wait, after a mark is set if one was asked for."""
    if "mark" in unit.work:
        Path(unit.work["mark"]).touch()
    time.sleep(unit.work.get("for", 60))
    return {"pid": os.getpid()}


def say_much(unit):
    print("from a worker")
    sys.stdout.flush()
    return {"text": "x" * unit.work["letters"]}


def odd(unit):
    return {"nan": float("nan"), "tuple": (1, 2.5, float("-inf")), "nested": {"b": [None, True], "a": "ü"}}


def not_plain(unit):
    return {"score": {1, 2}}


def threads(unit):
    return {"OMP": os.environ["OMP_NUM_THREADS"], "heavy": sorted({"torch", "numpy", "sklearn"} & set(sys.modules))}


KINDS = {
    "double": double, "fail": fail, "memory": want_memory, "torch memory": want_torchs_memory, "end": end,
    "kill": kill, "kill once": kill_once, "hang": hang, "wait": wait, "say": say_much, "odd": odd,
    "not plain": not_plain, "threads": threads,
}  # fmt: skip
