"""Compare all networks on some sets, five minutes each, and write docs/compared.md with the reports behind it.

    python docs/comparing.py [NAME ...]

A set whose report is there is left as it is, unless it is named. It needs two idle processors, and pandas.
"""

import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
from sklearn import datasets

from nnzoo.evaluation.metrics import figure
from nnzoo.evaluation.report_text import title

DOCS = Path(__file__).parent
SETS = {
    "penguins": "--target species",
    "breast_cancer": "--target target",
    "wine": "--target target",
    "diabetes": "--target target",
    "digits": "--target target",
    "fashion-sample": "",
    "flights-log": "",
    "sunspots": "",
}
"""Set to what its command needs; those of scikit-learn become files first."""
PAGE = """# Compared

Which network fits? The answer of `nnzoo compare` on some sets, five minutes each on two processors: every network that
fits the data, four baselines from scikit-learn (of forecasts those of forecasts), the same folds for all, the test rows
sealed until one was chosen. [How it decides](comparison.md), and what was checked about that, has a page of its own.
Small tables belong to simple models more often than not; the reports say so.

{commands}

| set | what to use, and its score on the sealed rows | it took | verdict |
|---|---|---|---|
{rows}

Written by `python docs/comparing.py`, which makes the files of scikit-learn's sets.
"""


def main() -> None:
    """Compare what is named or has no report yet, and write the page."""
    again = sys.argv[1:]
    for name in SETS:
        if name in again or not told_at(name).exists():
            compare(name)
        write_page()


def told_at(name: str) -> Path:
    """Return where the summary of a set's report is kept."""
    return DOCS / "pages" / f"compared-{name}.json"


def compare(name: str) -> None:
    """Run the comparison of one set, and keep its page and what the table says of it."""
    with tempfile.TemporaryDirectory() as folder:
        load = getattr(datasets, f"load_{name}", None)
        source = name if load is None else f"{name}.csv"
        if load is not None:
            pl.from_pandas(load(as_frame=True).frame).write_csv(Path(folder) / source)
        command = " ".join(["nnzoo compare", source, *SETS[name].split(), "--time-limit 5m"])
        words = [sys.executable, "-m", *shlex.split(command), "--out", name]
        subprocess.run(words, cwd=folder, check=True)
        made = Path(folder) / name
        found: dict[str, Any] = json.loads((made / "report.json").read_text())
        told_at(name).with_suffix(".html").write_bytes((made / "report.html").read_bytes())
    test, about = found["test"], found["about"]
    ends = "" if test.get("low") is None else f" [{figure(test['low'])}, {figure(test['high'])}]"
    told = {
        "command": command,
        "use": f"{found['winner']}: {title(found['metric'])} {figure(test['score'])}{ends}" if test else "–",
        "took": f"{about['seconds']:.0f} s, {len(found['entries'])} candidates, {about['folds']} folds",
        "verdict": found["verdict"],
    }
    told_at(name).write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n")


def write_page() -> None:
    """Write the page of all sets that have a report."""
    told = {name: json.loads(told_at(name).read_text()) for name in SETS if told_at(name).exists()}
    rows = [
        f"| [{name}](pages/compared-{name}.html) | {each['use']} | {each['took']} | {each['verdict']} |"
        for name, each in told.items()
    ]
    commands = [f"    {each['command']}" for each in told.values()]
    (DOCS / "compared.md").write_text(PAGE.format(rows="\n".join(rows), commands="\n".join(commands)))


if __name__ == "__main__":
    main()
