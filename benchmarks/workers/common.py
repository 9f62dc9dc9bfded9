"""What every worker shares: a JSON spec comes in as argument, one JSON line goes out; the images; the clock of epochs.

Only numpy is imported, so that the worker of any environment can import this first.
"""

import gzip
import json
import os
import resource
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CENTRES = {"mnist": (0.1307, 0.3081), "fashion-mnist": (0.2860, 0.3530)}
"""Mean and deviation of the training pixels, in units of 255."""


class NotRun(Exception):
    """What cannot be measured, and why."""


def answer(work: Callable[[dict[str, Any], dict[str, str]], dict[str, Any]]) -> None:
    """Run ``work(spec, places)`` on as many cores as the spec has threads, and print what it gives with the peak memory."""
    spec, places = (json.loads(text) for text in sys.argv[1:3])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: spec["threads"]])
    try:
        result = work(spec, places)
    except NotRun as error:
        result = {"not_run": str(error)}
    print(json.dumps(result | {"peak_mib": round(memory("VmHWM"), 1)}), flush=True)


def memory(name: str) -> float:
    """Return the memory of this process in MiB: the peak (VmHWM) or what it holds now (VmRSS).

    Linux hands ``ru_maxrss`` down from the process that started this one, so it is asked only elsewhere.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def forget_peak() -> float:
    """Make the peak what the process holds now, where Linux can, and return it in MiB."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return memory("VmHWM")
    return memory("VmRSS")


def read_images(spec: dict[str, Any], places: dict[str, str]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return training images (n, 28, 28) and labels, test images and labels, as bytes; as many as the spec has rows.

    Of "digits": numbers (n, 8, 8).
    """
    if spec["data"] == "digits":
        with np.load(places["digits"]) as found:
            return found["X"], found["y"], found["X_test"], found["y_test"]
    folder, n = Path(places[spec["data"]]), spec["rows"]
    X, y = _idx(folder, "train-images-idx3-ubyte"), _idx(folder, "train-labels-idx1-ubyte")
    X_test, y_test = _idx(folder, "t10k-images-idx3-ubyte"), _idx(folder, "t10k-labels-idx1-ubyte")
    return X[:n], y[:n], X_test[:n], y_test[:n]


def read_numbers(spec: dict[str, Any], places: dict[str, str]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the same in float32, scaled outside the clock as ``scaling`` says: "standard" or "unit" (0 to 1)."""
    X, y, X_test, y_test = read_images(spec, places)
    if spec["data"] == "digits":
        mean, scale = X.mean(axis=0), X.std(axis=0)
        scale[scale == 0] = 1
        X, X_test = (X - mean) / scale, (X_test - mean) / scale
    else:
        mean, scale = CENTRES[spec["data"]] if spec["recipe"].get("scaling", "standard") == "standard" else (0.0, 1.0)
        X, X_test = ((each / np.float32(255) - mean) / scale for each in (X, X_test))
    return X.astype(np.float32), y.astype(np.int64), X_test.astype(np.float32), y_test.astype(np.int64)


def _idx(folder: Path, name: str) -> np.ndarray:
    path = next((each for each in (folder / name, folder / f"{name}.gz") if each.exists()), None)
    if path is None:
        raise NotRun(f"{folder} has no {name}")
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    n_axes = content[3]
    shape = struct.unpack(f">{n_axes}i", content[4 : 4 + 4 * n_axes])
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * n_axes).reshape(shape)


class Course:
    """Seconds, losses and test accuracies, epoch by epoch; the clock stands while the accuracy is measured.

    Made when the data are ready: what passes until the first epoch begins is the set-up.
    """

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.made = self.started = time.perf_counter()
        self.setup = 0.0
        self.seconds: list[float] = []
        self.losses: list[float] = []
        self.accuracies: list[float] = []

    def begin(self) -> None:
        """Start the clock of an epoch."""
        self.started = time.perf_counter()
        if not self.seconds:
            self.setup = self.started - self.made

    def end(self, loss: float, accuracy: Callable[[], float]) -> bool:
        """Stop the clock; return whether training goes on: not at the goal, not after the last epoch, not too late."""
        self.seconds.append(time.perf_counter() - self.started)
        self.losses.append(float(loss))
        if self.spec.get("test"):
            self.accuracies.append(float(accuracy()))
        reached = bool(self.accuracies) and self.accuracies[-1] >= self.spec.get("goal", 2.0)
        late = sum(self.seconds) > self.spec.get("cap", 1e9)
        return not (reached or late or len(self.seconds) >= self.spec["recipe"]["n_epochs"])

    def result(self) -> dict[str, Any]:
        """Return what was measured."""
        return {
            "setup": self.setup,
            "seconds": self.seconds,
            "losses": self.losses,
            "accuracies": self.accuracies,
        }
