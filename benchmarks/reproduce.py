"""The numbers of the networks, measured again: those of their papers, theorems and our own targets.

    python benchmarks/reproduce.py NAME [NAME ...] [--seeds N] [--mnist FOLDER]    measure, e.g. lstm; "all" for all
    python benchmarks/reproduce.py NAME --list                                     what there is to measure
    python benchmarks/reproduce.py [NAME ...] --page                               write docs/numbers.md as well

Every measurement is written to REPRODUCED.jsonl as it comes, with a hash of the source that it was measured with, so
that a run that was stopped goes on where it stood. The exit status is 1 where a number is missed.
"""

import argparse
import hashlib
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import figures
import machine
import numpy as np
from figures import Figure, NotRun, number, verdict, wanted
from peers import HERE
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import nnzoo
from nnzoo import catalog
from nnzoo.errors import UsageError

NUMBERS = HERE / "numbers"
STORE = HERE / "REPRODUCED.jsonl"
PAGE = HERE.parent / "docs" / "numbers.md"
EVERYTHING = "all"
WIDTH = 160
INTRODUCTION = """# The numbers

What each network has to reach, and what ours reached: numbers of papers, theorems, and our own targets, each named as such.
Ours is the median over several seeds, the smallest and the largest in brackets. Times are those that the processor worked on a
seed, all threads together, on a machine named below.
Every number is measured again, and kept in `benchmarks/REPRODUCED.jsonl`, by the command above its table.

A paper's own setting is followed where the paper tells it; where it does not, the number says what was measured."""
HEAD = ("number", "wanted", "whose it is", "ours", "processor time of a seed", "")


class Store:
    """Measurements in a file, a line each, written as they come.

    A line that a kill has torn is passed over; the next measurement begins a line of its own.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = list(_whole_lines(path))

    def add(self, **line: Any) -> None:
        """Write a measurement down, on the disk before anything else happens."""
        text = self.path.read_text() if self.path.exists() else ""
        with self.path.open("a") as file:
            file.write("\n" * (bool(text) and not text.endswith("\n")) + json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.lines.append(line)

    def of(self, network: str, what: str, source: str | None = None) -> dict[int, dict[str, Any]]:
        """Return seed to measurement of one figure, with this source; with None those of the latest one."""
        found = [each for each in self.lines if (each["network"], each["figure"]) == (network, what)]
        source = source or (found[-1]["source"] if found else None)
        return {each["seed"]: each for each in found if each["source"] == source}


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue


def rows_of(names: Iterable[str]) -> list[catalog.Row]:
    """Return the networks of these names, in any usual form; of "all" every one of the catalog.

    Raises
    ------
    UsageError
        A name is unknown; the nearest ones are listed.
    """
    asked = list(names)
    return list(catalog.CATALOG) if EVERYTHING in asked else list(dict.fromkeys(map(catalog.find, asked)))


def figures_of(row: catalog.Row) -> tuple[Figure, ...]:
    """Return the numbers of a network.

    Raises
    ------
    UsageError
        It has no file of them.
    """
    path = NUMBERS / f"{row.module.rpartition('.')[2]}.py"
    if not path.exists():
        raise UsageError(f"{row.name} needs its numbers in {path.name}; there is no such file.", f"Write {path}.")
    spec = spec_from_file_location(f"numbers_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{row.name} needs its numbers in a Python file; got {path}.", "Write it anew.")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.FIGURES


def source_hash(row: catalog.Row) -> str:
    """Return a hash of nnzoo's source, of what the numbers of a network share, and of the file that measures them."""
    content = hashlib.sha256(machine.source_hash().encode())
    for path in (Path(figures.__file__), NUMBERS / f"{row.module.rpartition('.')[2]}.py"):
        content.update(path.read_bytes())
    return content.hexdigest()[:12]


def measure(row: catalog.Row, figure: Figure, seeds: Iterable[int], source: str, store: Store) -> str:
    """Measure the seeds that are not in the store yet; returns why some are missing, if they are."""
    there = store.of(row.id, figure.what, source)
    for seed in seeds:
        if seed in there:
            continue
        start = time.process_time()
        try:
            value = float(figure.measure(seed))
        except NotRun as error:
            return f"not run: {error}"
        seconds = time.process_time() - start
        store.add(
            network=row.id,
            figure=figure.what,
            seed=seed,
            value=value,
            seconds=round(seconds, 3),
            version=nnzoo.__version__,
            source=source,
            machine=machine_words(),
        )
        said = f"{row.id}: {figure.what}, seed {seed}: {number(value)}"
        print(f"{time.strftime('%H:%M:%S')} {seconds:8.1f} s  {said}", flush=True)
    return ""


@cache
def machine_words() -> str:
    """Return processor, cores, threads and versions in one line."""
    import torch

    versions = f"Python {platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}"
    n_threads = torch.get_num_threads()
    threads = f"{n_threads} thread{'s' * (n_threads > 1)}"
    return f"{machine.processor()}, {machine.n_cores()} cores, {threads}, {versions}"


def row_of_table(figure: Figure, found: dict[int, dict[str, Any]], reason: str = "") -> list[str]:
    """Return a figure, what is wanted of it and whose it is, ours, the seconds, and whether it is met."""
    about = [figure.what, wanted(figure), f"{figure.kind}: {figure.source}" if figure.source else figure.kind]
    if not found:
        return [*about, "-", "-", reason or "not measured"]
    values, seconds = ([each[name] for each in found.values()] for name in ("value", "seconds"))
    spread = f"{number(statistics.median(values))} ({number(min(values))} to {number(max(values))})"
    ours = f"{spread}, {len(values)} seeds" if len(values) > 1 else f"{number(values[0])}, 1 seed"
    return [*about, ours, f"{statistics.median(seconds):.3g} s", reason or verdict(figure, values)[1]]


def show(title: str, rows: Iterable[list[str]]) -> None:
    """Print a table."""
    shown = Table(*HEAD, title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        shown.add_row(*map(escape, row))
    console = Console()
    console.width = console.width if console.is_terminal else WIDTH
    console.print(shown)


def reproduce(row: catalog.Row, n_seeds: int | None, store: Store) -> bool:
    """Measure the numbers of a network and print them; returns whether none is missed."""
    figures_here, rows, met = figures_of(row), [], True
    source = source_hash(row)
    for figure in figures_here:
        seeds = range(figure.n_seeds if n_seeds is None else n_seeds)
        reason = measure(row, figure, seeds, source, store)
        there = store.of(row.id, figure.what, source)
        found = {seed: there[seed] for seed in seeds if seed in there}
        rows.append(row_of_table(figure, found, reason))
        met = met and bool(reason or verdict(figure, [each["value"] for each in found.values()])[0])
    show(row.name, rows)
    return met


def page(store: Store) -> str:
    """Return the page of all numbers that were measured, each with the latest source that it was measured with."""
    parts, machines = [INTRODUCTION], []
    measured = {line["network"] for line in store.lines}
    for row in (each for each in catalog.CATALOG if each.id in measured):
        rows = []
        for figure in figures_of(row):
            found = store.of(row.id, figure.what)
            if found:
                words = sorted({each["machine"] for each in found.values()})
                machines += [each for each in words if each not in machines]
                cells = row_of_table(figure, found)
                cells[4] += "".join(f" [{machines.index(each) + 1}]" for each in words)
                rows.append([cell.replace("|", "\\|") for cell in cells])
        if rows:
            head = f"## [{row.name}](networks/{row.id}.md)\n\n    python benchmarks/reproduce.py {row.id}\n\n"
            parts.append(head + "\n".join(machine.table(HEAD, rows)).rstrip())
    if machines:
        parts.append("## Machines\n\n" + "\n".join(f"{place}. {words}" for place, words in enumerate(machines, 1)))
    return "\n\n".join(parts) + "\n"


def main(words: list[str] | None = None) -> int:
    """Do what the command line asks; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help='of networks, in any usual form, or "all"')
    parser.add_argument("--seeds", type=int, metavar="N", help="measure seeds 0 to N-1 of every number")
    parser.add_argument("--mnist", type=Path, metavar="FOLDER", help="folder with MNIST's four IDX files")
    parser.add_argument("--list", action="store_true", help="print the numbers, measure nothing")
    parser.add_argument("--page", action="store_true", help=f"write {PAGE.parent.name}/{PAGE.name}")
    options = parser.parse_args(words)
    if not (options.names or options.page):
        parser.error('name a network, or "all"')
    if options.seeds is not None and options.seeds < 1:
        parser.error(f"--seeds needs at least 1; got {options.seeds}")
    if options.mnist:
        figures.FOLDERS["mnist"] = options.mnist
    store, met = Store(STORE), True
    try:
        for row in rows_of(options.names):
            if options.list:
                show(row.name, [row_of_table(each, store.of(row.id, each.what)) for each in figures_of(row)])
            else:
                met = reproduce(row, options.seeds, store) and met
        if options.page:
            PAGE.write_text(page(store))
    except UsageError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
