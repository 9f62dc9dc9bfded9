"""Start-up: importing, asking for help, a first prediction from a file, each in fresh processes."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from machine import ran, reasons, spread, table
from peers import FOLDER, NotRun, python_of, surroundings

from sections.growth import write_files

TITLE = "Start-up"
N_RUNS = 10
FILES = FOLDER / "data" / "startup"
COMMANDS: dict[str, tuple[str, str | None, str]] = {
    "import nnzoo": ("nnzoo", None, "import nnzoo"),
    "from nnzoo import FeedForward": ("nnzoo", None, "from nnzoo import FeedForward"),
    "nnzoo --help": ("nnzoo", None, "nnzoo --help"),
    "nnzoo predict MODEL ROW.csv": ("nnzoo", None, "nnzoo predict"),
    "import torch": ("torch", None, "import torch"),
    "from sklearn.neural_network import MLPClassifier": (
        "sklearn",
        None,
        "from sklearn.neural_network import MLPClassifier",
    ),
    "import skorch": ("skorch", None, "import skorch"),
    "import lightning": ("lightning", None, "import lightning"),
    "import keras (JAX)": ("keras-jax", "jax", "import keras"),
    "import keras (torch)": ("keras-torch", "torch", "import keras"),
}


def words_of(environment: str, said: str) -> list[str]:
    """Return the command line."""
    if not said.startswith("nnzoo "):
        return [str(python_of(environment)), "-c", said]
    command = str(Path(sys.executable).parent / "nnzoo")
    if said == "nnzoo --help":
        return [command, "--help"]
    return [command, "predict", str(FILES / "model.nnzoo"), str(FILES / "rows.csv")]


def one(bench: Any, name: str, number: int) -> dict[str, Any]:
    """Return the seconds of one run."""
    environment, backend, said = COMMANDS[name]
    key = {"section": "startup", "name": name, "round": number, "threads": bench.n_threads}

    def work() -> dict[str, Any]:
        if said == "nnzoo predict" and number == 0:
            FILES.mkdir(parents=True, exist_ok=True)
            write_files(str(FILES), 1, bench.n_threads)
        words = words_of(environment, said)
        if number == 0:
            subprocess.run(words, capture_output=True, env=surroundings(bench.n_threads, backend))
        start = time.perf_counter()
        done = subprocess.run(words, capture_output=True, text=True, env=surroundings(bench.n_threads, backend))
        seconds = time.perf_counter() - start
        if done.returncode:
            raise NotRun(f"failed: {(done.stderr.strip().splitlines() or ['?'])[-1][:160]}")
        return {"seconds": seconds}

    return bench.remember(key, f"{name}, run {number}", work, peer=environment)


def runs(bench: Any) -> int:
    """Return how often each is run."""
    return 2 if bench.quick else N_RUNS


def measure(bench: Any) -> None:
    """Run all in turn; before the first, each runs once unmeasured, so that files are in the system's cache."""
    for number in range(runs(bench)):
        for name in COMMANDS:
            one(bench, name, number)


def report(bench: Any) -> list[str]:
    """Return the table."""
    rows = []
    for name in COMMANDS:
        results = [one(bench, name, k) for k in range(runs(bench))]
        there = ran(results)
        rows.append([f"`{name}`", spread([each["seconds"] for each in there]) if there else reasons(results)])
    return [
        f"Seconds of whole processes, {runs(bench)} runs each in turn, files in the system's cache.",
        "",
        *table(("", "s"), rows),
    ]
