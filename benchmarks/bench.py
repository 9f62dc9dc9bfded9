"""nnzoo beside its peers: the same data, networks and threads, in fresh processes, in turn.

    python benchmarks/bench.py [--only epochs,accuracy,zoo,prediction,growth,startup,scores] [--peers plain,skorch]
                               [--mnist FOLDER] [--rounds 3] [--threads 2] [--quick] [--fresh] [--again] [--out FILE.md]

nnzoo runs from the environment that runs this; each peer gets one of its own below benchmarks/.peers. Every measurement
is written to FILE.jsonl as it comes, so that a run that was stopped goes on where it stood; FILE.md is made from it.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import machine
from peers import FOLDER, HERE, NotRun, python_of, surroundings
from sections import accuracy, epochs, growth, prediction, scores, startup, zoo

SECTIONS: dict[str, Any] = {
    "epochs": epochs,
    "accuracy": accuracy,
    "zoo": zoo,
    "prediction": prediction,
    "growth": growth,
    "startup": startup,
    "scores": scores,
}
FASHION = Path("/usr/share/datasets/fashion-mnist")
LONGEST_SECONDS = 1800
ENDLESS = 10**9


class Bench:
    """Runs workers, keeps what they answered, and knows what was answered before.

    Attributes
    ----------
    n_rounds, n_threads : int
    quick : bool
        A smoke test: few rows, few epochs; its figures mean nothing.
    reading : bool
        Nothing new is measured.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.n_rounds, self.n_threads, self.quick = options.rounds, options.threads, options.quick
        self.peers = None if options.peers is None else set(options.peers.split(",")) | {"nnzoo", "products"}
        self.n_rows = options.rows or (2_000 if self.quick else ENDLESS)
        self.reading = False
        self.places = {"fashion-mnist": str(FASHION), "mnist": str(options.mnist or FOLDER / "data" / "mnist")}
        self.places |= {name: str(FOLDER / "data" / name) for name in ("digits", "aeon", "models")}
        self.places["digits"] += ".npz"
        self.store = options.out.with_suffix(".jsonl")
        if options.fresh:
            self.store.unlink(missing_ok=True)
        lines = self.store.read_text().splitlines() if self.store.exists() else []
        self.found: dict[str, Any] = {each["key"]: each["result"] for each in map(json.loads, lines)}
        if options.again:
            self.found = {name: each for name, each in self.found.items() if each.get("busy", 0.0) <= machine.BUSY_FROM}
        self.older = {without_source(name): result for name, result in self.found.items()}
        self.source = machine.source_hash()
        self.shows_older = False

    def run(
        self,
        worker: str,
        environment: str,
        spec: dict[str, Any],
        *,
        backend: str | None = None,
        peer: str | None = None,
    ) -> dict[str, Any]:
        """Return the answer of a worker in a fresh process; {"not_run": reason} where there is none."""
        spec = spec | {"threads": self.n_threads}

        def work() -> dict[str, Any]:
            words = [str(python_of(environment)), str(HERE / "workers" / worker), json.dumps(spec)]
            words.append(json.dumps(self.places))
            return last_line(words, surroundings(self.n_threads, backend))

        about = {name: value for name, value in spec.items() if name not in ("recipe", "params", "threads")}
        said = " ".join([environment, worker.removesuffix(".py"), *(str(each) for each in about.values())])
        key = {"worker": worker, "environment": environment, "backend": backend, "spec": spec}
        return self.remember(key, said, work, peer or environment)

    def _of_older_source(self, key: dict[str, Any]) -> dict[str, Any]:
        """Return the last measurement of nnzoo's own with another version of its source; the page then says so."""
        result = self.older.get(without_source(json.dumps(key)), {"not_run": "not measured"})
        self.shows_older = self.shows_older or "not_run" not in result
        return result

    def remember(
        self, key: dict[str, Any], said: str, work: Callable[[], dict[str, Any]], peer: str = "nnzoo"
    ) -> dict[str, Any]:
        """Return what was measured under this key, or measure it; nnzoo's own key holds a hash of its source."""
        if peer == "nnzoo":
            key = key | {"source": self.source}
        name = json.dumps(key, sort_keys=True)
        known = self.found.get(name, {"not_run": "not measured"})
        if self.reading and name not in self.found and peer == "nnzoo":
            return self._of_older_source(key)
        if "not_run" not in known or self.reading:
            return known
        if self.peers is not None and peer not in self.peers:
            return {"not_run": "not asked for"}
        busy = machine.busy_cores()
        start = time.perf_counter()
        try:
            result = work()
        except NotRun as error:
            result = {"not_run": str(error)}
        took = time.perf_counter() - start
        outcome = f"not run: {result['not_run']}" if "not_run" in result else "done"
        outcome += f" (others kept {busy:.1f} cores busy)" * (busy > machine.BUSY_FROM)
        print(f"{time.strftime('%H:%M:%S')} {took:7.1f} s  {said[:140]}: {outcome}", flush=True)
        self.found[name] = result | {"wall": took, "busy": busy}
        with self.store.open("a") as file:
            file.write(json.dumps({"key": name, "result": self.found[name]}) + "\n")
        return self.found[name]


def without_source(name: str) -> str:
    """Return a key without the hash of nnzoo's source."""
    return json.dumps({k: v for k, v in json.loads(name).items() if k != "source"}, sort_keys=True)


def last_line(words: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Return the JSON line that ends the output of a process."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=LONGEST_SECONDS)
    except subprocess.TimeoutExpired:
        raise NotRun(f"no answer within {LONGEST_SECONDS} s") from None
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        told = [line for line in done.stderr.splitlines() if line.strip()] or [f"ended with {done.returncode}"]
        raise NotRun(f"failed: {told[-1].strip()[:200]}")
    return json.loads(lines[-1])


def write_digits(path: Path) -> None:
    """Write scikit-learn's digits, every fourth one in the test part, for the environments without scikit-learn."""
    import numpy as np
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    test, train = order[::4], np.delete(order, slice(None, None, 4))
    path.parent.mkdir(parents=True, exist_ok=True)
    images = X.reshape(-1, 8, 8)
    np.savez(path, X=images[train], y=y[train], X_test=images[test], y_test=y[test])


def render(bench: Bench, out: Path, command: str) -> None:
    """Write all tables from what was measured so far."""
    bench.reading, bench.shows_older = True, False
    parts: list[str] = []
    for name, section in SECTIONS.items():
        lines = section.report(bench)
        again = f"    python benchmarks/bench.py --only {name}{' --mnist FOLDER' * (name == 'accuracy')}"
        parts.append("\n".join([f"## {section.TITLE}", "", again, "", *lines]))
    parts.insert(0, machine.introduction(bench, command))
    out.write_text("\n\n".join(parts).rstrip() + "\n")
    bench.reading = False


def main() -> None:
    """Measure, and write the tables after every section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(SECTIONS))
    parser.add_argument("--peers")
    parser.add_argument("--mnist", type=Path, help="folder with MNIST's four IDX files")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--quick", action="store_true", help="a smoke test in a few minutes; its figures mean nothing")
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    parser.add_argument("--again", action="store_true", help="measure again what began on a busy machine")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    options.out = options.out or (FOLDER / "quick" if options.quick else HERE) / "RESULTS.md"
    options.out.parent.mkdir(parents=True, exist_ok=True)
    if options.quick:
        options.rounds = 1
    bench = Bench(options)
    if not Path(bench.places["digits"]).exists():
        write_digits(Path(bench.places["digits"]))
    said = ["FOLDER" if each == str(options.mnist) else each for each in sys.argv[1:]]
    command = " ".join(["python", "benchmarks/bench.py", *said])
    for name in options.only.split(","):
        print(f"## {name}", flush=True)
        SECTIONS[name].measure(bench)
        render(bench, options.out, command)
    print(options.out)


if __name__ == "__main__":
    main()
