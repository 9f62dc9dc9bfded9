"""What this machine offers to nnzoo, what is in the way, and what to do about it."""

import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_info

import nnzoo
from nnzoo.engine.device import available_memory, choose_device, multiplies_bfloat16
from nnzoo.errors import ResourceError
from nnzoo.files import check_writable

LEVELS = ("ok", "note", "problem")
SIZE, SECONDS = 1024, 0.3
LEAST_MEMORY, LEAST_DISK = 1 << 30, 1 << 30
SLOWING = {
    "OPENBLAS_CORETYPE": "numpy computes with the kernels of another processor",
    "OPENBLAS_L2_SIZE": "numpy cuts matrices for another processor",
    "MKL_DEBUG_CPU_TYPE": "matrices are multiplied with the kernels of another processor",
    "ATEN_CPU_CAPABILITY": "torch computes with the instructions of another processor",
    "DNNL_MAX_CPU_ISA": "torch computes with the instructions of another processor",
    "ONEDNN_MAX_CPU_ISA": "torch computes with the instructions of another processor",
}
"""Variables of the environment that slow down computing, and how."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    name, value : str
    level : one of ``LEVELS``
    advice : str
        What to do; empty where there is nothing to do.
    """

    name: str
    value: str
    level: str = "ok"
    advice: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """All that was looked at."""

    findings: tuple[Finding, ...]

    @property
    def well(self) -> bool:
        """Return whether there is no problem."""
        return all(finding.level != "problem" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return the findings as plain JSON."""
        return {"well": self.well, "findings": [asdict(finding) for finding in self.findings]}

    def __str__(self) -> str:
        width = max(len(finding.name) for finding in self.findings)
        marks = {"ok": " ", "note": "-", "problem": "!"}
        lines = []
        for each in self.findings:
            lines.append(f"{marks[each.level]} {each.name:<{width}}  {each.value}")
            if each.advice:
                lines.append(f"  {'':<{width}}  {each.advice}")
        n_problems = sum(each.level == "problem" for each in self.findings)
        lines.append("\nNothing is in the way." if self.well else f"\nProblems: {n_problems}, marked with !.")
        return "\n".join(lines)


def examine(folder: str | os.PathLike[str] = ".") -> Diagnosis:
    """Look at versions, devices, threads, speed, memory, disk and known problems; takes about three seconds.

    Parameters
    ----------
    folder : path, default "."
        Where models are to be written.
    """
    looks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _versions,
        _devices,
        _threads,
        _environment,
        _speeds,
        _memory,
        lambda: _places(Path(folder)),
        _repeats,
    )
    return Diagnosis(tuple(finding for look in looks for finding in look()))


def _versions() -> Iterator[Finding]:
    yield Finding("nnzoo", nnzoo.__version__)
    yield Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for line in requires("nnzoo") or ():
        if "extra ==" in line:
            continue
        name = "".join(char if char.isalnum() or char in "-_" else " " for char in line).split()[0]
        try:
            yield Finding(name, version(name))
        except PackageNotFoundError:
            yield Finding(name, "missing", "problem", f"Install it: python -m pip install {name}")


def _devices() -> Iterator[Finding]:
    device = choose_device("auto")
    name = torch.cuda.get_device_name() if device.type == "cuda" else _processor()
    yield Finding("device", f"{device.type}: {name}")
    yield Finding("instructions", torch.backends.cpu.get_cpu_capability())


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _threads() -> Iterator[Finding]:
    cores, threads = usable_cores(), torch.get_num_threads()
    value = f"{threads} of torch, {cores:g} processor{'s' * (cores != 1)} to use"
    if threads > max(cores, 1):
        advice = f"More threads than processors stand in each other's way: set OMP_NUM_THREADS={max(int(cores), 1)}."
        yield Finding("threads", value, "problem", advice)
    elif threads < int(cores) // 2:
        advice = "Fewer threads than processors: unset OMP_NUM_THREADS, unless several runs share the machine."
        yield Finding("threads", value, "note", advice)
    else:
        yield Finding("threads", value)
    runtimes = {each["prefix"]: each["filepath"] for each in threadpool_info() if each["user_api"] == "openmp"}
    if len(runtimes) > 1:
        advice = "Two of them in one process can slow it down or stop it; install torch and numpy from one source."
        yield Finding("OpenMP", ", ".join(sorted(runtimes)), "note", advice)


def usable_cores() -> float:
    """Return how many processors this process may use: its affinity, and the quota of its control group."""
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else min(cores, int(quota) / int(period))


def _environment() -> Iterator[Finding]:
    for name, effect in SLOWING.items():
        if name in os.environ:
            value = f"set to {os.environ[name]!r}: {effect}"
            yield Finding(name, value, "note", f"Unset {name}, unless you know why it is there.")


def _speeds() -> Iterator[Finding]:
    """Multiply square matrices in each arithmetic."""
    kinds = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16}
    for name, dtype in kinds.items():
        if name == "bfloat16" and not multiplies_bfloat16(choose_device("cpu")):
            yield Finding("bfloat16", "not in this processor: images are learned in float32")
            continue
        matrix = torch.ones(SIZE, SIZE, dtype=dtype)
        torch.mm(matrix, matrix)
        start, n_done = time.perf_counter(), 0
        while (seconds := time.perf_counter() - start) < SECONDS:
            torch.mm(matrix, matrix)
            n_done += 1
        yield Finding(name, f"{2 * SIZE**3 * n_done / seconds / 1e9:,.0f} GFLOP/s")


def _memory() -> Iterator[Finding]:
    free = available_memory(torch.device("cpu"))
    value = f"{free / 2**30:.1f} GiB free"
    short = free < LEAST_MEMORY
    yield Finding("memory", value, "problem" if short else "ok", "Close other programs." if short else "")


def _places(folder: Path) -> Iterator[Finding]:
    for name, place in (("folder", folder), ("temporary", Path(tempfile.gettempdir()))):
        try:
            check_writable(place)
        except ResourceError as error:
            yield Finding(name, error.message, "problem", error.hint)
            continue
        free = shutil.disk_usage(place).free
        short = free < LEAST_DISK
        yield Finding(
            name,
            f"{place.resolve()}: can be written, {free / 2**30:.1f} GiB free",
            "problem" if short else "ok",
            "Free some room: checkpoints and models are written there." if short else "",
        )


def _repeats() -> Iterator[Finding]:
    """Train a small network twice: the promise of equal bits, on this machine."""
    from nnzoo.networks.feed_forward import FeedForward

    draw = np.random.default_rng(0)
    X, y = draw.normal(size=(2000, 20)), draw.integers(0, 3, 2000)
    found = [FeedForward(n_hidden=64, n_epochs=3, random_state=0).fit(X, y).predict_proba(X) for _ in range(2)]
    if found[0].tobytes() == found[1].tobytes():
        yield Finding("repetition", "the same seed twice gives the same bits")
    else:
        advice = "Report it, with what nnzoo doctor --json shows."
        yield Finding("repetition", "the same seed twice gives other bits", "problem", advice)
