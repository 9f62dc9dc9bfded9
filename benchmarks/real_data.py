"""Every network that predicts, at its defaults, on real data through the command line, beside plain baselines.

    python benchmarks/real_data.py SET [SET ...] [--networks NAME ...] [--seeds N] [--archive FOLDER]    "all" for all
    python benchmarks/real_data.py [SET ...] --page                                 write docs/real_data.md as well

Tables are penguins and scikit-learn's sets, images the bundled sample of Fashion-MNIST, sequences two sets of the UCR
and UEA archives, from the folder ``aeon/datasets/data`` of aeon's wheel. Every run is written to REAL_DATA.jsonl as it
ends, with a hash of the source that it was made with, so that what was stopped goes on where it stood. The exit status
is 1 where a network fails, or falls below the constant.
"""

import argparse
import contextlib
import io
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine
import polars as pl
from peers import FOLDER, HERE, NotRun
from reproduce import EVERYTHING, Store, machine_words, rows_of

from nnzoo import __version__, catalog, cli
from nnzoo.cli.running import INTERRUPTED, TERMINATED
from nnzoo.errors import UsageError, nearest

STORE = HERE / "REAL_DATA.jsonl"
PAGE = HERE.parent / "docs" / "real_data.md"
ARCHIVE = FOLDER / "data" / "aeon" / "aeon" / "datasets" / "data"
TARGET = "target"
BASELINES = ("constant", "linear", "boosted trees")
INTRODUCTION = """# On real data

Every network that predicts, at its defaults, through the commands above each table: `nnzoo train`, then `nnzoo evaluate`
on test rows that nothing has seen. The seed chooses the split and the first weights; where sets come with test rows of
their own, these are the test. Figures are medians over the seeds, with the smallest and the largest in brackets.
Baselines are scikit-learn's, on the same rows; none is tuned, as no network is. Times are those that the processor
worked, all threads together, on the whole of `nnzoo train`, which loads, trains and saves, without its start.

A network that failed, or fell below the constant, would be named so in the last column.

    python benchmarks/real_data.py all --page

runs what is missing, and writes this page."""


@dataclass(frozen=True)
class RealSet:
    """A set: what it is, and the words of the command line that name it.

    Attributes
    ----------
    name, about : str
    kind, task : str
        As the catalog says them.
    source : str
        The name of a bundled set, or of a file that ``source_of`` finds or makes.
    words : tuple of str
        Options of ``nnzoo train``.
    """

    name: str
    about: str
    kind: str
    task: str
    source: str
    words: tuple[str, ...] = ()


def _plain_table(name: str, about: str, task: str = "classification") -> RealSet:
    return RealSet(name, f"{about}, scikit-learn", "table", task, f"{name}.csv", ("--target", TARGET, "--task", task))


SETS = (
    RealSet(
        "penguins", "344 penguins, 3 species", "table", "classification", "penguins", ("--target", "species")
    ),
    _plain_table("iris", "150 flowers, 3 species"),
    _plain_table("wine", "178 wines, 3 growers"),
    _plain_table("breast_cancer", "569 tumours, 2 kinds"),
    _plain_table("digits", "1,797 digits as rows of 64 numbers"),
    _plain_table("diabetes", "442 patients, the illness a year later", "regression"),
    RealSet("fashion-sample", "12,000 pieces of clothing, 28 x 28", "image", "classification", "fashion-sample"),
    RealSet("BasicMotions", "80 motions, 100 steps of 6 numbers", "sequence", "classification", "BasicMotions_TRAIN.ts"),
    RealSet("ItalyPowerDemand", "1,096 days of 24 hours", "sequence", "classification", "ItalyPowerDemand_TRAIN.ts"),
)  # fmt: skip


class Failed(Exception):
    """A command ended with an error; the message is what it said."""


def suited(each: RealSet, rows: Iterable[catalog.Row]) -> list[catalog.Row]:
    """Return the networks that read such data and can be asked its task."""
    return [row for row in rows if each.kind in row.kinds and each.task in row.tasks]


def sets_of(names: Iterable[str]) -> list[RealSet]:
    """Return the sets of these names; of "all" every one.

    Raises
    ------
    UsageError
        A name is unknown; the nearest ones are listed.
    """
    known, asked = {each.name: each for each in SETS}, list(names)
    if EVERYTHING in asked:
        return list(SETS)
    for name in asked:
        if name not in known:
            raise UsageError(f"There is no set {name!r}.", nearest(name, known))
    return [known[name] for name in asked]


def source_of(each: RealSet, folder: Path, archive: Path) -> str:
    """Return what the command line is given: a name, or a file, which scikit-learn's sets are written to first.

    Raises
    ------
    NotRun
        The archive does not have the set.
    """
    if each.kind == "sequence":
        path = archive / each.name / each.source
        if not path.exists():
            raise NotRun(f"no {path}; pass --archive FOLDER")
        return str(path)
    if each.source.endswith(".csv") and not (folder / each.source).exists():
        from sklearn import datasets

        found = getattr(datasets, f"load_{each.name}")()
        target = (
            [str(found.target_names[code]) for code in found.target] if each.task == "classification" else found.target
        )
        columns = dict(zip(found.feature_names, found.data.T, strict=True))
        pl.DataFrame(columns | {TARGET: target}).write_csv(folder / each.source)
    return each.source


def run(folder: Path, *words: str) -> dict[str, Any]:
    """Run a command of nnzoo in a folder, within this process, whose start would take most of the time.

    Returns what it says as JSON.

    Raises
    ------
    Failed
        It ended with an error.
    """
    said, complained = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
        status = cli.main([*words, "--json"])
    if status in (INTERRUPTED, TERMINATED):
        raise KeyboardInterrupt
    if status:
        lines = complained.getvalue().strip().splitlines()
        raise Failed(f"{words[0]} ended with {status}: {' '.join(lines[-2:])}")
    return json.loads(said.getvalue())


def measure(each: RealSet, row: catalog.Row, seed: int, source: str, folder: Path) -> dict[str, Any]:
    """Train a network and evaluate it; returns scores, parameters and seconds, or how it failed."""
    row.load_class()  # what it imports is no part of its time
    start = time.process_time()
    words = (source, *each.words, "--network", row.id, "--seed", str(seed), "--out", "model.nnzoo")
    try:
        trained = run(folder, "train", *words)
        processor = time.process_time() - start
        report = run(folder, "evaluate", "model.nnzoo", source)
    except Failed as error:
        return {"failed": str(error)}
    metric = report["primary"]
    return {
        "metric": metric,
        "score": report["metrics"][metric]["value"],
        "test_rows": report["rows"],
        "weights": trained["weights"],
        "seconds": round(processor, 3),
        "baselines": {
            found["name"]: found["metrics"][metric]["value"]
            for found in report["baselines"]
            if found["name"] in BASELINES
        },
    }


def reached(line: dict[str, Any]) -> list[str]:
    """Return the baselines that a network is at least as good as, by the metric of the task."""
    sign = -1 if line["metric"] == "rmse" else 1
    if line["score"] is None or not math.isfinite(line["score"]):
        return []
    return [name for name, score in line["baselines"].items() if sign * (line["score"] - score) >= 0]


def fault(lines: Iterable[dict[str, Any]]) -> str:
    """Return what is wrong with the runs of a network on a set, in words; nothing where they are right."""
    for line in lines:
        if "failed" in line:
            return f"**failed, seed {line['seed']}**: {line['failed']}"
        if "constant" not in reached(line):
            return f"**below the constant, seed {line['seed']}**"
    return ""


def found_in(store: Store, each: RealSet, row: catalog.Row, source: str | None = None) -> list[dict[str, Any]]:
    """Return the runs of a network on a set, one a seed, with this source; with None those of the latest one."""
    lines = [line for line in store.lines if (line["set"], line["network"]) == (each.name, row.id)]
    source = source or (lines[-1]["source"] if lines else None)
    return list({line["seed"]: line for line in lines if line["source"] == source}.values())


def measure_set(each: RealSet, rows: Iterable[catalog.Row], seeds: range, store: Store, archive: Path) -> bool:
    """Run what is not in the store yet; returns whether nothing failed or fell below the constant."""
    source, right = machine.source_hash(), True
    with tempfile.TemporaryDirectory() as place:
        try:
            data = source_of(each, Path(place), archive)
        except NotRun as error:
            print(f"{each.name}: not run: {error}", flush=True)
            return True
        for row in suited(each, rows):
            there = {line["seed"] for line in found_in(store, each, row, source) if "failed" not in line}
            for seed in (seed for seed in seeds if seed not in there):
                told = measure(each, row, seed, data, Path(place))
                about = {"set": each.name, "network": row.id, "seed": seed, "version": __version__, "source": source}
                store.add(**about, **told, machine=machine_words())
                said = told.get("failed") or f"{told['metric']} {told['score']}, {told['seconds']:.1f} s"
                print(f"{time.strftime('%H:%M:%S')} {each.name}: {row.id}, seed {seed}: {said}", flush=True)
            wrong = fault(found_in(store, each, row, source))
            right = right and not wrong
            if wrong:
                print(f"{each.name}: {row.id}: {wrong}", flush=True)
    return right


def page(store: Store) -> str:
    """Return the page of all that was run, each network on each set with the latest source that it was run with."""
    parts: list[str] = [INTRODUCTION]
    machines: dict[str, None] = {}
    for each in SETS:
        found = {row.id: lines for row in suited(each, catalog.CATALOG) if (lines := found_in(store, each, row))}
        good = [line for lines in found.values() for line in lines if "failed" not in line]
        if good:
            machines |= dict.fromkeys(line["machine"] for line in good)
            words = " ".join((Path(each.source).name, *each.words))
            head = f"## {each.name}: {each.about}\n\n    nnzoo train {words} --network NAME\n\n"
            parts.append(head + "\n".join(machine.table(_heading(good), _rows(found, good))).rstrip())
    if machines:
        parts.append("## Machines\n\n" + "\n".join(f"- {words}" for words in machines))
    return "\n\n".join(parts) + "\n"


def _heading(good: list[dict[str, Any]]) -> tuple[str, ...]:
    metric = {"accuracy": "accuracy", "rmse": "RMSE"}[good[0]["metric"]]
    n_seeds = len({line["seed"] for line in good})
    about = f"test {metric}, {good[0]['test_rows']:,} rows" + (f", {n_seeds} seeds" if n_seeds > 1 else "")
    return "", about, "parameters", "processor, s", "at least as good as"


def _rows(found: dict[str, list[dict[str, Any]]], good: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Yield the lines of a table: the baselines, of each seed once, then the networks in the order of the chart."""
    for name in BASELINES:
        one = {line["seed"]: line["baselines"][name] for line in reversed(good) if name in line["baselines"]}
        yield f"*{name}*", machine.spread([*one.values()]), "", "", ""
    names = {row.id: row.name for row in catalog.CATALOG}
    for network, lines in found.items():
        link = f"[{names[network]}](networks/{network}.md)"
        right = [line for line in lines if "failed" not in line]
        if not right:
            yield link, "-", "-", "-", fault(lines)
            continue
        passed = ", ".join(name for name in BASELINES if all(name in reached(line) for line in right))
        yield (
            link,
            machine.spread([line["score"] for line in right]),
            f"{statistics.median(line['weights'] for line in right):,.0f}",
            machine.spread([line["seconds"] for line in right]),
            fault(lines) or passed,
        )


def main(words: list[str] | None = None) -> int:
    """Do what the command line asks; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", metavar="SET", help=", ".join((EVERYTHING, *(each.name for each in SETS))))
    parser.add_argument("--networks", nargs="+", metavar="NAME", default=[EVERYTHING], help="in any usual form")
    parser.add_argument("--seeds", type=int, metavar="N", default=1, help="seeds 0 to N-1")
    parser.add_argument("--archive", type=Path, metavar="FOLDER", default=ARCHIVE, help="folder of the .ts sets")
    parser.add_argument("--page", action="store_true", help=f"write {PAGE.parent.name}/{PAGE.name}")
    options = parser.parse_args(words)
    if not (options.sets or options.page):
        parser.error('name a set, or "all"')
    if options.seeds < 1:
        parser.error(f"--seeds needs at least 1; got {options.seeds}")
    store, right = Store(STORE), True
    try:
        rows = rows_of(options.networks)
        for each in sets_of(options.sets):
            right = measure_set(each, rows, range(options.seeds), store, options.archive.resolve()) and right
    except UsageError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if options.page:
        PAGE.write_text(page(store))
    return int(not right)


if __name__ == "__main__":
    sys.exit(main())
