"""The commands for what is trained, evaluate, predict and inspect; and the list of all networks."""

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnzoo.cli.options import DataDir, Json, ModelFile, OnBadRow, Source
from nnzoo.cli.running import show_json
from nnzoo.errors import ModelFileError, ResourceError, UsageError, listing, quote
from nnzoo.files import check_writable, open_regular

if TYPE_CHECKING:
    import polars as pl

    from nnzoo.model import Model
    from nnzoo.prediction.stream import Decodes

SHOWN_ROWS = 20
MAX_CELL = 32
NEW_ROWS = {"image": "NEW_IMAGES", "text": "NEW.txt"}


def evaluate(
    model: ModelFile,
    source: Source,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as a page, too.")] = None,
    on_bad_row: OnBadRow = "error",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Step 4: measure a model on rows that it has never seen."""
    if html is not None:
        _check_place(html, "--html", model, source)
    trained = _load_model(model)
    from nnzoo import steps
    from nnzoo.data.dataset import load_like

    data = load_like(source, trained.provenance.settings, on_bad_row=on_bad_row, data_dir=data_dir)
    report = steps.evaluate(trained, data)
    if html is not None:
        report.to_html(html)
    if as_json:
        show_json(report.to_json())
        return
    print(report)
    if html is not None:
        print(f"\nReport: {html}")
    words = ["nnzoo", "predict", model, NEW_ROWS.get(data.kind, "NEW.csv"), "--out", "predictions.csv"]
    print(f"\nNext: {shlex.join(words)}")


def predict(
    model: ModelFile,
    rows: Annotated[
        str,
        typer.Argument(
            metavar="ROWS", help="A table, one row as JSON: '{\"age\": 31}', a photo or a folder of photos."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File for the predictions: .csv, .tsv, .jsonl or .parquet.")
    ] = None,
    n_steps: Annotated[
        int | None, typer.Option("--n-steps", min=1, max=1_000_000, help="Of series: how many steps to go on.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse what training never saw.")] = False,
    on_bad_row: OnBadRow = "error",
    raw: Annotated[
        bool, typer.Option("--raw", help="Write text as it is, even where a spreadsheet takes it for a formula.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Step 5: predict for new rows, in their order."""
    if out is not None:
        _check_place(out, "--out", model, rows)
    source = _rows(rows)
    if out is not None and not isinstance(source, dict) and (Path(source).suffix or not os.path.isdir(source)):
        open_regular(source).close()
    trained = _load_model(model)
    from nnzoo.prediction.stream import check_suffix, predict_chunks, predict_to_file
    from nnzoo.steps import make_decoder

    decoder = make_decoder(trained, n_steps=n_steps, strict=strict, on_bad_row=on_bad_row)
    if out is not None:
        check_suffix(out)
        predict_to_file(decoder, source, out, raw=raw)
        shown = None
    else:
        shown = _collect(predict_chunks(decoder, source), limit=None if as_json else SHOWN_ROWS)
    decoder.warn()
    if as_json:
        show_json(_told(decoder, shown, out))
    elif shown is not None:
        print(_table(shown))
        print(_count(decoder))
        if decoder.n_rows > SHOWN_ROWS:
            print("All of them: add --out predictions.csv")
    else:
        print(f"{_count(decoder)}: {out}")


def encode(
    model: ModelFile,
    rows: Annotated[str, typer.Argument(metavar="ROWS", help="Rows, photos, a log of events, a text.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="File for the vectors: .csv, .tsv, .jsonl or .parquet.")],
    on_bad_row: OnBadRow = "error",
    as_json: Json = False,
) -> None:
    """Write a vector for each row, image, sequence or text, for any other model to learn from."""
    _check_place(out, "--out", model, rows)
    trained = _load_model(model)
    from nnzoo import steps
    from nnzoo.prediction.stream import check_suffix, write_frames

    check_suffix(out)
    codes = steps.encode(trained, _rows(rows), on_bad_row=on_bad_row)
    write_frames(iter([codes]), out)
    told = {"rows": codes.height, "numbers": codes.width - 1, "out": os.fspath(out)}
    if as_json:
        show_json(told)
    else:
        print(f"{codes.height:,} vectors of {codes.width - 1:,} numbers: {out}")


def sample(
    model: ModelFile,
    n_samples: Annotated[int, typer.Option("--n-samples", min=1, max=100_000, help="How many.")] = 1,
    length: Annotated[
        int,
        typer.Option("--length", min=1, max=1_000_000, help="Of texts: characters or words of each. Of logs: steps."),
    ] = 400,
    prompt: Annotated[str, typer.Option(help="Of texts: what they go on from.")] = "",
    temperature: Annotated[
        float,
        typer.Option(
            min=0.01, max=100.0, help="Of texts: near 0 the likeliest always comes, above 1 the rare more often."
        ),
    ] = 1.0,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Of images: a sheet, .png. Of rows and steps: .csv, .tsv, .jsonl or .parquet. Of texts: .txt.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    as_json: Json = False,
) -> None:
    """Draw new texts, rows or images from what a network has learned."""
    if out is not None:
        _check_place(out, "--out", model)
    trained = _load_model(model)
    from nnzoo.recipes import kind_of

    kind = None if trained.recipe is None else kind_of(trained.recipe)
    if kind == "image" and (out is None or out.suffix.lower() != ".png"):
        raise UsageError("Images need --out with a name that ends in .png.", "Add --out samples.png.")
    drawn = trained.sample(n_samples, length=length, prompt=prompt, temperature=temperature, seed=seed)
    if kind == "image":
        told, text = _write_sheet(drawn, out)
    elif kind in ("table", "sequence"):
        told, text = _write_rows(drawn, out)
    else:
        told, text = _write_texts([f"{prompt}{each}" for each in drawn], drawn, out)
    if as_json:
        show_json(told)
    else:
        print(text)


def _write_sheet(images: Any, out: Any) -> tuple[dict[str, Any], str]:
    """Write images as a sheet; returns what is told of it as JSON and as text."""
    from nnzoo.evaluation.rowvalues import as_bytes
    from nnzoo.files import write_output
    from nnzoo.pictures.tiles import contact_sheet

    write_output(out, contact_sheet(as_bytes(images)), "The sheet")
    return {"samples": len(images), "out": os.fspath(out)}, f"{len(images):,} images: {out}"


def _write_rows(rows: "pl.DataFrame", out: Path | None) -> tuple[dict[str, Any], str]:
    """Write rows to a file if there is one; returns what is told of them as JSON and as text."""
    from nnzoo.prediction.stream import check_suffix, write_frames

    if out is None:
        return {"samples": rows.to_dicts()}, _table(rows.head(SHOWN_ROWS))
    check_suffix(out)
    write_frames(iter([rows]), out)
    return {"samples": rows.height, "out": os.fspath(out)}, f"{rows.height:,} rows: {out}"


def _write_texts(texts: list[str], drawn: list[str], out: Path | None) -> tuple[dict[str, Any], str]:
    """Write texts to a file if there is one; returns what is told of them as JSON and as text."""
    from nnzoo.files import write_output

    if out is None:
        return {"samples": drawn}, "\n".join(texts)
    write_output(out, ("\n".join(texts) + "\n").encode("utf-8", "replace"), "The text")
    return {"samples": len(texts), "out": os.fspath(out)}, f"{len(texts):,} text{'s' * (len(texts) != 1)}: {out}"


def inspect(
    model: ModelFile,
    source: Annotated[
        str | None, typer.Argument(metavar="[DATA]", help="With --verify: what the model was trained on.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Train again from what the file records, and compare the bits.")
    ] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show the card of a model, from its file alone; or verify it."""
    if verify != (source is not None):
        raise UsageError(
            "inspect needs --verify and the data together, or neither.", "Write nnzoo inspect --verify MODEL DATA."
        )
    trained = _load_model(model)
    if source is not None:
        _verify(trained, source, data_dir, model, as_json=as_json)
    elif as_json:
        show_json(trained.card())
    else:
        print(trained)


def _verify(trained: "Model", source: str, data_dir: str | None, path: str, *, as_json: bool) -> None:
    """Say whether training again gives the same bits; raise ModelFileError if it does not."""
    from dataclasses import asdict

    from nnzoo.verifying import verify

    found = verify(trained, source, data_dir=data_dir)
    if as_json:
        show_json({"same": found.same} | asdict(found))
    elif found.same:
        print(found)
    if not found.same:
        different = f"Different here: {'; '.join(found.surroundings)}." if found.surroundings else ""
        raise ModelFileError(
            f"{quote(path)} is not what training again gives: {listing(found.differences)}.",
            different or "Was the micro-batch made smaller, or were the data other ones?",
        )


def doctor(as_json: Json = False) -> None:
    """Look at this machine: versions, devices, threads, speed, known problems, and what to do."""
    from nnzoo.doctor import examine

    found = examine()
    if as_json:
        show_json(found.to_json())
    else:
        print(found)
    if not found.well:
        raise typer.Exit(ResourceError.exit_code)


def list_networks(as_json: Json = False) -> None:
    """List the networks of the chart."""
    from nnzoo.catalog import CATALOG

    if as_json:
        names = (
            "id",
            "abbreviation",
            "name",
            "class_name",
            "year",
            "source",
            "kinds",
            "tasks",
            "use_for",
            "other_names",
        )
        show_json([{name: getattr(row, name) for name in names} for row in CATALOG])
        return
    width = max(len(row.id) for row in CATALOG)
    for row in CATALOG:
        print(
            f"{row.abbreviation:<4} {row.id:<{width}}  {row.year}  {', '.join(row.tasks) or 'no target'}: {row.use_for}"
        )


def _load_model(path: str) -> "Model":
    open_regular(path, ModelFileError, follow=False).close()
    from nnzoo.model import load_model

    return load_model(path)


def _check_place(path: Path, option: str, *inputs: str) -> None:
    """Raise an error unless a file can be written there and is none of the inputs."""
    for name in inputs:
        if path.exists() and os.path.exists(name) and path.samefile(name):
            raise UsageError(f"{option} needs another file than {quote(name)}, which is read.", "Give another name.")
    if path.is_dir():
        raise UsageError(f"{option} needs the name of a file; {quote(path)} is a folder.", "Name a file in it.")
    try:
        check_writable(path.parent)
    except ResourceError as error:
        raise ResourceError(f"{option}: {error.message}", error.hint) from error


def _rows(text: str) -> Any:
    """Return what is to be predicted: one row from JSON, a bundled table, or a path."""
    from nnzoo.data.samples import bundled_or_same

    if os.path.exists(text):
        return text
    if text.lstrip().startswith("{"):
        from nnzoo.plainjson import parse_json

        return parse_json(text.encode("utf-8", "surrogatepass"), UsageError, owner="ROWS")
    return bundled_or_same(text)


def _collect(chunks: Any, limit: int | None) -> "pl.DataFrame":
    """Return the first rows of all chunks; every chunk is read, because it counts."""
    import polars as pl

    kept: list[pl.DataFrame] = []
    n_kept = 0
    for chunk in chunks:
        if not kept or limit is None or n_kept < limit:
            kept.append(chunk if limit is None else chunk.head(limit - n_kept))
            n_kept += kept[-1].height
    return pl.concat(kept, how="vertical_relaxed")


def _told(decoder: "Decodes", shown: "pl.DataFrame | None", out: Path | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "rows": decoder.n_rows,
        "without_prediction": decoder.n_rejected,
        "unused_columns": list(decoder.extra),
        "unusual": decoder.counts,
    }
    if shown is None:
        return told | {"out": os.fspath(out or "")}
    return told | {"predictions": shown.to_dicts()}


def _table(frame: "pl.DataFrame") -> str:
    rows = [list(frame.columns), *([_cell(value) for value in row] for row in frame.iter_rows())]
    rows[0] = [_cell(name) for name in rows[0]]
    widths = [max(len(row[place]) for row in rows) for place in range(frame.width)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = f"{value:.4g}" if isinstance(value, float) else quote(value)[1:-1]
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…"


def _count(decoder: "Decodes") -> str:
    without = f", {decoder.n_rejected:,} of them without a prediction" if decoder.n_rejected else ""
    return f"{decoder.n_rows:,} row{'s' * (decoder.n_rows != 1)}{without}"
