"""The command that compares networks: which one fits these data, or what one parameter of one network does."""

import contextlib
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from nnzoo.cli.options import (
    Json,
    LoadOptions,
    NetworkName,
    Source,
    pairs,
    parse_duration,
    parse_value,
    with_load_options,
)
from nnzoo.cli.running import INTERRUPTED, fail, show_json
from nnzoo.errors import UsageError, quote
from nnzoo.files import check_writable

SUFFIX = ".compare"
REPORT, FIGURES, WINNER = "report.html", "report.json", "winner.nnzoo"
TIME_LIMIT = "5m"


@with_load_options
def compare(
    source: Source,
    networks: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Names with commas between them; all that fit by default.")
    ] = None,
    network: NetworkName = None,
    vary: Annotated[
        str | None,
        typer.Option(metavar="NAME=A,B", help="One parameter of --network and its values: activation=relu,elu."),
    ] = None,
    time_limit: Annotated[
        str, typer.Option(metavar="TIME", help="90s, 10m, 2h; none takes as long as it takes.")
    ] = TIME_LIMIT,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes; one for each processor by default, 0 works in this one.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder for what is found; DATA with .compare by default.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a comparison that was stopped.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no report.")] = False,
    as_json: Json = False,
    *,
    given: LoadOptions,
) -> None:
    """Which network fits? All that can, beside plain baselines, on the same folds, with a verdict."""
    seconds = None if time_limit.strip().lower() == "none" else parse_duration(time_limit)
    factor = None if vary is None else _factor(vary)
    folder = Path(Path(source).name.partition(".")[0] + SUFFIX) if out is None else out
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out needs a folder; {quote(folder)} is a file.", "Name another place.")
    check_writable(folder if folder.exists() else folder.parent)
    from nnzoo.comparison.compare import compare as run
    from nnzoo.comparison.progress import Screen

    data = given.load_to_learn(source, network)
    names = None if networks is None else [name.strip() for name in networks.split(",") if name.strip()]
    with Screen(seconds) if not quiet else contextlib.nullcontext() as screen:
        found = run(
            data,
            networks=names,
            network=network,
            vary=factor,
            time_limit=seconds,
            n_workers=workers,
            out=folder,
            resume=resume,
            seed=given.seed,
            show=screen,
        )
    found.about["command"] = given.command(
        "compare", source, *_words(networks, network, vary, time_limit, workers, out)
    )
    written = [folder / REPORT, folder / FIGURES]
    if found.model is not None and found.winner_is_network:
        found.model.save(folder / WINNER)
        found.about["model"] = os.fspath(folder / WINNER)
        written.append(folder / WINNER)
    found.to_html(folder / REPORT)
    found.save_json(folder / FIGURES)
    if as_json:
        show_json(found.to_json())
    elif not quiet:
        print(found)
        print("\nWritten: " + ", ".join(map(os.fspath, written)))
    if found.about["stopped"] == "interrupt":
        fail("stopped by Ctrl-C; what was measured is kept.")
        print(f"Go on with: {found.about['command']} --resume", file=sys.stderr)
        raise typer.Exit(INTERRUPTED)


def _factor(text: str) -> dict[str, list[Any]]:
    """Return the parameter and the values of --vary; values that are lists stand in brackets."""
    ((name, values),) = pairs([text], "--vary").items()
    if values.lstrip().startswith("("):
        parts = values.strip().removeprefix("(").removesuffix(")").replace("), (", "),(").split("),(")
        return {name: [parse_value(f"({part})") for part in parts]}
    return {name: [parse_value(value) for value in values.split(",")]}


def _words(
    networks: str | None,
    network: str | None,
    vary: str | None,
    time_limit: str,
    workers: int | None,
    out: Path | None,
) -> list[str]:
    """Return the options of the command that were given, as they are typed."""
    said = {"--networks": networks, "--network": network, "--vary": vary, "--time-limit": time_limit}
    said |= {"--workers": workers, "--out": out}
    return [word for name, value in said.items() if value is not None for word in (name, str(value))]
