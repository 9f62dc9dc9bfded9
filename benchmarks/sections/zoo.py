"""Each network of the zoo against its peer on a small set: time to equal quality."""

import statistics
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from machine import bold, ran, reasons, spread, table
from peers import FOLDER

sys.path.append(str(Path(__file__).parent.parent / "workers"))
from zoo_ import FRAMES

TITLE = "The zoo: time to equal quality"
AEON = "aeon==1.6.0"
SETS = ("ItalyPowerDemand", "BasicMotions")


def fetch_archive(folder: Path) -> None:
    """Download aeon's wheel, which holds some sets of the UCR and UEA archives, and unpack these."""
    if (folder / "aeon").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), AEON]
    done = subprocess.run(words, capture_output=True, text=True)
    wheels = list(folder.glob("aeon*.whl"))
    if done.returncode or not wheels:
        print(f"aeon's wheel is not to be had: {done.stderr.strip()[-200:]}", flush=True)
        return
    with zipfile.ZipFile(wheels[0]) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if name.split("/")[-2] in SETS])


def both(bench: Any, frame: str, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the peer reached and took, and nnzoo's shortest run that reaches the same."""
    spec: dict[str, Any] = {"section": "zoo", "frame": frame, "round": number}
    where = FRAMES[frame].where
    peer = bench.run("zoo_.py", where, spec | {"side": "peer"}, peer=where)
    if "not_run" in peer:
        return peer, {"not_run": "no goal"}
    return peer, bench.run("zoo_.py", "nnzoo", spec | {"side": "nnzoo", "goal": peer["quality"]})


def measure(bench: Any) -> None:
    """Measure every frame in turn."""
    fetch_archive(FOLDER / "data" / "aeon")
    frames = ["FF", "RNN"] if bench.quick else list(FRAMES)
    for number in range(bench.n_rounds):
        for frame in frames:
            both(bench, frame, number)


def report(bench: Any) -> list[str]:
    """Return the table."""
    rows, why_slower = [], []
    for frame, (set_name, _, words, _, _, grows, *_) in FRAMES.items():
        pairs = [both(bench, frame, k) for k in range(bench.n_rounds)]
        peers, own = ran(p for p, _ in pairs), ran(o for _, o in pairs)
        if not peers or not own:
            rows.append([frame, set_name, words, reasons([each for pair in pairs for each in pair]), *[""] * 4])
            continue
        theirs = statistics.median(each["seconds"] for each in peers)
        ours = statistics.median(each["seconds"] for each in own)
        met = all(each["reached"] for each in own)
        quality = spread([each["quality"] for each in own]) + ("" if met else " (not reached)")
        if FRAMES[frame].slower and (theirs < ours or not met):
            why_slower.append(f"- **{frame}**: {FRAMES[frame].slower}")
        rows.append(
            [
                *(frame, set_name, words),
                bold(spread([each["seconds"] for each in peers]), theirs < ours or not met),
                spread([each["quality"] for each in peers]),
                f"{spread([each['seconds'] for each in own])}, {own[0]['epochs']} {grows}",
                *(quality, f"{theirs / ours:.2f}"),
            ]
        )
    head = ("", "set", "peer", "peer, s", "its quality", "nnzoo, s", "nnzoo's quality", "ratio")
    text = (
        "The peer trains as it is documented; its accuracy on the test part (R² where a number is predicted) is the goal. "
        "nnzoo's time is that of its shortest run of 1, 2, 4, ... epochs that reaches the goal, from arrays to the fitted "
        "network. A network of the zoo adds its row to `FRAMES` in `benchmarks/workers/zoo_.py`."
    )
    return [text, "", *table(head, rows), *(["", "Where nnzoo needs longer:", "", *why_slower] if why_slower else [])]
