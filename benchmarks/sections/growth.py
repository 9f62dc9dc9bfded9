"""How time and memory of nnzoo grow with rows, length, classes and features, and with the rows of a streamed file."""

import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import ran, reasons, short, spread, table
from peers import HERE, NotRun, surroundings

TITLE = "Growth"
SIZES = {
    "rows": (1_000, 10_000, 100_000, 1_000_000),
    "length": (100, 1_000, 10_000, 100_000),
    "classes": (2, 10, 100, 1_000),
    "features": (10, 100, 1_000, 3_000),
}
WORDS = {
    "rows": "rows of 20 columns, FeedForward(32), two classes",
    "length": "steps of one series, LSTM(32), gradients through 200 steps",
    "classes": "classes, 20,000 rows of 20 columns, FeedForward(32)",
    "features": "columns, 5,000 rows, FeedForward(32)",
}
STREAMED = (1_000, 10_000, 100_000, 1_000_000)


def sizes(bench: Any, along: str) -> tuple[int, ...]:
    """Return the sizes that are measured."""
    return SIZES[along][:2] if bench.quick else SIZES[along]


def one(bench: Any, along: str, size: int, number: int) -> dict[str, Any]:
    """Return one measurement."""
    spec = {"section": "growth", "along": along, "size": size, "round": number}
    return bench.run("nnzoo_growth.py", "nnzoo", spec)


def streamed(bench: Any, size: int, number: int) -> dict[str, Any]:
    """Return seconds and peak memory of ``nnzoo predict MODEL ROWS.csv --out FILE``."""
    key = {"section": "growth", "along": "stream", "size": size, "round": number, "threads": bench.n_threads}

    def work() -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            model, rows = write_files(folder, size, bench.n_threads)
            words = [str(Path(sys.executable).parent / "nnzoo"), "predict", model, rows]
            return watched([*words, "--out", str(Path(folder) / "out.csv")], surroundings(bench.n_threads))

    return bench.remember(key, f"nnzoo predict FILE {size} rows, round {number}", work)


def write_files(folder: str, n_rows: int, n_threads: int) -> tuple[str, str]:
    """Let another process write a trained model and a table; this one stays small."""
    words = [sys.executable, str(HERE / "workers" / "nnzoo_files.py"), folder, str(n_rows)]
    done = subprocess.run(words, capture_output=True, text=True, env=surroundings(n_threads))
    if done.returncode:
        raise NotRun(f"no model: {done.stderr.strip()[-160:]}")
    return str(Path(folder) / "model.nnzoo"), str(Path(folder) / "rows.csv")


def watched(words: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Return seconds and the largest memory of a process."""
    start = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise NotRun(f"{Path(words[0]).name} ended with {process.returncode}")
    return {"seconds": time.perf_counter() - start, "peak_mib": usage.ru_maxrss / 1024}


def measure(bench: Any) -> None:
    """Measure every size in turn."""
    for number in range(bench.n_rounds):
        for along in SIZES:
            for size in sizes(bench, along):
                one(bench, along, size, number)
        for size in STREAMED[:1] if bench.quick else STREAMED:
            streamed(bench, size, number)


def report(bench: Any) -> list[str]:
    """Return the tables."""
    lines = [
        "One epoch of training, whole (checks and scaling included), and a prediction of the same rows, in float32. *Memory* "
        "is what the peak grew by over a run on a few rows. The *slope* is that of the logarithm of time against that of "
        "size between the two largest sizes: 1 is linear.",
        "",
    ]
    for along, words in WORDS.items():
        found = {size: [one(bench, along, size, k) for k in range(bench.n_rounds)] for size in sizes(bench, along)}
        lines += [
            f"**{words}**",
            "",
            *grown(found, {"fit": "an epoch, s", "predict": "prediction, s"}, "grown_mib", "memory, MiB"),
        ]
    found = {
        size: [streamed(bench, size, k) for k in range(bench.n_rounds)]
        for size in STREAMED[: 1 if bench.quick else None]
    }
    return [
        *lines,
        "**`nnzoo predict MODEL ROWS.csv --out FILE`, rows of 20 columns**",
        "",
        *grown(found, {"seconds": "whole process, s"}, "peak_mib", "peak, MiB"),
    ]


def grown(found: dict[int, list[dict[str, Any]]], times: dict[str, str], memory: str, memory_words: str) -> list[str]:
    """Return a table of sizes, and the slopes at the upper end."""
    rows = []
    for size, results in found.items():
        there = ran(results)
        if not there:
            rows.append([f"{size:,}", reasons(results), *[""] * len(times)])
            continue
        cells = [spread([each[name] for each in there]) for name in times]
        rows.append([f"{size:,}", *cells, spread([each[memory] for each in there], 4)])
    last = [(size, ran(results)) for size, results in found.items() if ran(results)][-2:]
    slopes = []
    if len(last) == 2:
        (a, first), (b, second) = last
        for name, words in times.items():
            low, high = (statistics.median(each[name] for each in part) for part in (first, second))
            slopes.append(f"{words.removesuffix(', s')} {short(math.log(high / low) / math.log(b / a), 2)}")
    said = [f"Slope: {', '.join(slopes)}.", ""] if slopes else []
    return [*table(("size", *times.values(), memory_words), rows), *said]
