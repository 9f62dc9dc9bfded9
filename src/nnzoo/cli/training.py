"""The command of the third step, train: all checks before the work, a usable model after whatever ends it."""

import contextlib
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnzoo.cli.data import chosen_network, short_summary
from nnzoo.cli.options import (
    Json,
    LoadOptions,
    NetworkName,
    Settings,
    Source,
    network_settings,
    parse_duration,
    with_load_options,
)
from nnzoo.cli.running import INTERRUPTED, TERMINATED, fail, show_json
from nnzoo.errors import ResourceError, UsageError, counted, listing, quote
from nnzoo.files import Lock, atomic_write, check_writable

if TYPE_CHECKING:
    from nnzoo.data.dataset import Data
    from nnzoo.model import Model
    from nnzoo.training.checkpoint import Checkpoints

SUFFIX = ".nnzoo"
POINTER = "LATEST"
EXITS = {"interrupt": INTERRUPTED, "terminate": TERMINATED}
ENDS = {
    "epochs": "all epochs done",
    "patience": "no better weights for a while",
    "finished": "nothing left to improve",
    "time": "the time limit",
    "interrupt": "Ctrl-C",
    "terminate": "SIGTERM",
}
TO_GO_ON = ("time", "interrupt", "terminate")
"""Ends after which a run can be resumed."""


@dataclass(frozen=True)
class Places:
    """Where a run writes: the model, the folder of the run beside it, and where else the model may go."""

    out: Path
    fallback: Path | None

    @property
    def run(self) -> Path:
        """The folder of the run: lock, checkpoints, rejected rows."""
        return self.out.with_name(self.out.name + ".run")


@with_load_options
def train(
    source: Source,
    network: NetworkName = None,
    settings: Settings = None,
    out: Annotated[
        Path | None, typer.Option(metavar="MODEL", help="File for the model; DATA with .nnzoo by default.")
    ] = None,
    time_limit: Annotated[str | None, typer.Option(metavar="TIME", help="Stop after 90s, 10m, 2h.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that was interrupted.")] = False,
    no_clobber: Annotated[bool, typer.Option("--no-clobber", help="Refuse to replace a file.")] = False,
    fallback_dir: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder for the model if its own place takes it no more.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no report.")] = False,
    as_json: Json = False,
    *,
    given: LoadOptions,
) -> None:
    """Step 3: train a network, save the model as one file."""
    seconds = None if time_limit is None else parse_duration(time_limit)
    places = _checked_places(source, out, fallback_dir, no_clobber=no_clobber)
    with _folder_of_run(places.run), Lock(places.run):
        params = network_settings(network, settings)
        from nnzoo import steps
        from nnzoo.training.checkpoint import Checkpoints

        data = given.load_to_learn(source, network)
        network, params = chosen_network(network, params, settings, data)
        rejects = _write_rejects(data, places.run)
        say = _Speaker(silent=quiet or as_json)
        say(short_summary(data))
        model = steps.build(network, data, params, seed=given.seed)
        checkpoints = Checkpoints(places.run)
        if not resume:
            _forget(checkpoints, places.run)
        verbose = 0 if quiet else 1
        steps.train(model, data, time_limit=seconds, checkpoint=checkpoints, resume=resume, verbose=verbose)
        saved, digest = _save(model, places)
        stopped = model.network.stopped_
        if stopped not in TO_GO_ON:
            checkpoints.clear()
    told = _told(model, saved, digest, rejects)
    told["resume"] = (
        _resume_command(given, source, network, settings, places, time_limit) if stopped in TO_GO_ON else None
    )
    if as_json:
        show_json(told)
    say(_words(told, source))
    if stopped in TO_GO_ON:
        fail(f"stopped by {ENDS[stopped]} after {told['epochs']:,} epochs; the best model so far is saved.")
        print(f"Go on with: {told['resume']}", file=sys.stderr)
    if stopped in EXITS:
        raise typer.Exit(EXITS[stopped])


class _Speaker:
    """Prints on standard output, unless it is to be silent."""

    def __init__(self, *, silent: bool) -> None:
        self.silent = silent

    def __call__(self, text: str) -> None:
        if not self.silent:
            print(text, flush=True)


def _checked_places(source: str, out: Path | None, fallback: Path | None, *, no_clobber: bool) -> Places:
    """Return where the run writes, once it is clear that it can."""
    path = Path(Path(source).name.partition(".")[0] + SUFFIX) if out is None else out
    if path.suffix != SUFFIX:
        raise UsageError(f"--out needs a name that ends in {SUFFIX}; got {quote(path)}.", f"Write {path.stem}{SUFFIX}.")
    if path.is_dir():
        raise UsageError(f"--out needs the name of a file; {quote(path)} is a folder.", "Name a file in it.")
    if no_clobber and os.path.lexists(path):
        raise UsageError(f"{quote(path)} is there already, and --no-clobber was said.", "Give another --out.")
    check_writable(path.parent)
    if fallback is not None:
        check_writable(fallback)
    return Places(path, fallback)


@contextlib.contextmanager
def _folder_of_run(folder: Path) -> Any:
    """Remove the folder afterwards if nothing is left in it."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _forget(checkpoints: "Checkpoints", folder: Path) -> None:
    """Remove the checkpoints of an earlier run, and say so."""
    if (folder / POINTER).exists():
        fail("warning: the checkpoints of an interrupted run are removed; --resume would have gone on with it.")
    checkpoints.clear()


def _write_rejects(data: "Data", folder: Path) -> Path | None:
    """Write the rows that were left out, and why, to rejects.csv; one of an earlier run goes."""
    path = folder / "rejects.csv"
    if not data.rejects:
        path.unlink(missing_ok=True)
        return None
    import polars as pl

    columns = {name: [getattr(reject, name) for reject in data.rejects] for name in ("row", "line", "file", "reason")}
    types = {"row": pl.Int64, "line": pl.Int64, "file": pl.String, "reason": pl.String}
    atomic_write(path, pl.DataFrame(columns, schema=types).write_csv().encode())
    return path


def _save(model: "Model", places: Places) -> tuple[Path, str]:
    """Save the model at its place, or else at the other; returns where, and the hash of the file."""
    tried = []
    reason = ""
    for place in (places.out, *([] if places.fallback is None else [places.fallback / places.out.name])):
        try:
            digest = model.save(place)
        except OSError as error:
            tried.append(place)
            reason = str(error.strerror or error).lower()
        else:
            if tried:
                fail(f"warning: {quote(tried[0])} did not take the model ({reason}); it is in {quote(place)}.")
            return place, digest
    again = "go on with --resume" if (places.run / POINTER).exists() else "train again"
    raise ResourceError(
        f"The model needs a place to be saved; tried {listing(tried)}: {reason}.",
        f"Make room or name another place with --fallback-dir, then {again}.",
    )


def _told(model: "Model", saved: Path, digest: str, rejects: Path | None) -> dict[str, Any]:
    card = model.card()
    kept = ("network", "task", "target", "weights", "epochs", "best_epoch", "best_by", "stopped_by", "rows", "metrics")
    return {
        "model": os.fspath(saved),
        "sha256": digest,
        **{name: card[name] for name in kept},
        "seconds": model.network.history_.get("seconds", [0.0])[-1],
        "pace": getattr(model.network, "pace_", None),
        "rejects": None if rejects is None else os.fspath(rejects),
    }


def _words(told: dict[str, Any], source: str) -> str:
    best = "".join(f", {name.removeprefix('best_').replace('_', ' ')} {v:.4g}" for name, v in told["metrics"].items())
    size = os.path.getsize(told["model"]) / 1024
    lines = [
        f"{told['network']}, {counted(told['weights'], 'weight')}: {counted(told['epochs'], 'epoch')} in "
        f"{told['seconds']:,.1f} s, {ENDS[told['stopped_by']]}; "
        f"weights of epoch {told['best_epoch']:,} kept{best}.",
        *([_pace_words(told["pace"])] if told["pace"] else []),
        f"Saved {quote(told['model'])} ({size:,.0f} KiB).",
    ]
    if told["rejects"]:
        lines.append(f"Rows that were left out: {quote(told['rejects'])}.")
    skip = ["--on-bad-row", "skip"] if told["rejects"] else []
    lines.append(f"Next: {shlex.join(['nnzoo', 'evaluate', told['model'], source, *skip])}")
    return "\n".join(lines)


def _pace_words(pace: dict[str, float]) -> str:
    share = pace["products_share"]
    words = f"; the network's matrix products alone take {share:.0%} of that time"
    # Alone in a loop some products are slower than in training, transposed convolutions among them: then no share.
    return f"{pace['rows_per_second']:,.0f} rows a second{words if share <= 1 else ''}."


def _resume_command(
    given: LoadOptions, source: str, network: str, settings: list[str] | None, places: Places, time_limit: str | None
) -> str:
    words = ["--network", network, *(word for text in settings or () for word in ("--set", text))]
    words += ["--out", os.fspath(places.out)]
    if places.fallback is not None:
        words += ["--fallback-dir", os.fspath(places.fallback)]
    if time_limit is not None:
        words += ["--time-limit", time_limit]
    return given.command("train", source, *words, "--resume")
