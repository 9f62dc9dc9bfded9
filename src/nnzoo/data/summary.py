"""What was inferred about the data, in words: as plain JSON, for the terminal and for a notebook."""

import html
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnzoo.data.kinds import Column
from nnzoo.data.roles import NO_INPUT
from nnzoo.data.splits import PART_NAMES
from nnzoo.errors import counted, listing, quote

if TYPE_CHECKING:
    from nnzoo.data.loaded import Data

WIDTH = 110
MAX_COLUMNS = 60
MAX_REJECTS = 100
LONGEST_NAME = 32


def describe(data: "Data") -> dict[str, Any]:
    """Return all that was inferred as plain JSON, names as they are in the source."""
    steps = [] if data.schema is None else [*([data.schema.time] if data.schema.time else []), *data.schema.columns]
    columns = [*data.roles.columns, *steps, *([data.roles.target] if data.roles.target else [])]
    sizes = np.bincount(data.part, minlength=3).tolist()
    return {
        "origin": data.origin,
        "fingerprint": data.fingerprint,
        "kind": data.kind,
        "thing": data.thing,
        "n_rows": len(data),
        "images": _images(data),
        "sequences": _sequences(data),
        "text": None if data.text is None else data.text.to_json() | {"output": data.output, "why": data.why_output},
        "columns": [_column(data, column) for column in columns],
        "ignored": list(data.roles.ignored),
        "extra": list(data.extra),
        "target": data.target,
        "task": data.task,
        "why_task": data.why_task,
        "several_labels": data.several_labels,
        "split": {"how": data.how_split, "seed": data.seed} | dict(zip(PART_NAMES, sizes, strict=True)),
        "findings": [finding.to_json() for finding in data.findings],
        "n_rejects": len(data.rejects),
        "rejects": [vars(reject) for reject in data.rejects[:MAX_REJECTS]],
        "n_coerced": dict(data.n_coerced),
    }


def to_text(told: dict[str, Any]) -> str:
    """Return the summary for a terminal, at most 110 characters wide."""
    lines = [_title(told)]
    for head, words in _facts(told):
        lines += _wrapped(f"{head:<8}", words)
    if told["images"] is None:
        lines += ["", *_column_lines(told["columns"])]
    if told["findings"]:
        lines += ["", "Check-up"]
    for finding in told["findings"]:
        mark = "! " if finding["level"] == "warning" else "- "
        lines += _wrapped(mark, f"{finding['message']} {finding['hint']}".rstrip())
    if not told["findings"]:
        lines += ["", "Check-up: nothing found."]
    return "\n".join(lines)


def to_html(told: dict[str, Any]) -> str:
    """Return the summary for a notebook; everything from the source is escaped."""
    facts = "".join(f"<dt>{head}</dt><dd>{html.escape(words)}</dd>" for head, words in _facts(told))
    head = "".join(f"<th>{name}</th>" for name in ("column", "kind", "role", "why"))
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in _cells(told["columns"])
    )
    findings = "".join(
        f"<li><b>{finding['level']}</b>: {html.escape(finding['message'])} {html.escape(finding['hint'])}</li>"
        for finding in told["findings"]
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if told["images"] is None else ""
    return (
        f"<div><b>{html.escape(_title(told))}</b><dl>{facts}</dl>{table}"
        f"<p>Check-up</p><ul>{findings or '<li>nothing found</li>'}</ul></div>"
    )


def _images(data: "Data") -> dict[str, Any] | None:
    """Return the shape of the images as the network gets them, and why it is so."""
    if data.images is None or data.rule is None:
        return None
    return {"shape": list(data.images.shape[1:]), "type": str(data.images.dtype), "why": data.rule.why}


def _sequences(data: "Data") -> dict[str, Any] | None:
    """Return how many steps the sequences have, what orders them, and what is predicted of them."""
    if data.sequences is None or data.schema is None:
        return None
    lengths = data.sequences.lengths
    return {
        "n_steps": data.sequences.n_steps,
        "shortest": int(lengths.min()) if len(lengths) else 0,
        "median": float(np.median(lengths)) if len(lengths) else 0.0,
        "longest": int(lengths.max(initial=0)),
        "layout": data.schema.layout,
        "time": None if data.schema.time is None else data.schema.time.name,
        "output": data.schema.output,
        "why": data.schema.why,
    }


def _column(data: "Data", column: Column) -> dict[str, Any]:
    frames = [data.frame, *([] if data.sequences is None else [data.sequences.frame])]
    n_missing = sum(frame[column.name].null_count() for frame in frames if column.name in frame.columns)
    return {
        "name": column.name,
        "kind": column.kind,
        "role": _role(data, column),
        "why": column.why,
        "n_missing": n_missing,
    }


def _role(data: "Data", column: Column) -> str:
    named = {data.target: "target", data.group: "group", data.time: "split by time", data.id_column: "row name"}
    if data.schema is not None:
        named |= {data.id_column: "sequence name"} | {c.name: "order" for c in [data.schema.time] if c is not None}
    return named.get(column.name) or ("left out" if column.kind in NO_INPUT else "input")


def _title(told: dict[str, Any]) -> str:
    title = f"{told['origin']}: {counted(told['n_rows'], told['thing'])}"
    if told["sequences"] is not None:
        return f"{title}, {counted(told['sequences']['n_steps'], 'step')}"
    if told["kind"] == "table":
        return f"{title}, {counted(len(told['columns']) + len(told['ignored']), 'column')}"
    return title


def _facts(told: dict[str, Any]) -> list[tuple[str, str]]:
    facts = []
    if told["images"] is not None:
        shape = " x ".join(map(str, told["images"]["shape"]))
        facts.append(("Images", f"{shape}, {told['images']['type']}: {_plain(told['images']['why'])}"))
    if told["sequences"] is not None:
        facts += _sequence_facts(told["sequences"], told["thing"])
    if told["text"] is not None:
        facts += _text_facts(told["text"], told["columns"])
    if told["sequences"] is not None and told["target"] is None:
        facts.append(("Target", "none: of what comes next all inputs are predicted"))
    elif told["text"] is not None and told["target"] is None:
        facts.append(("Target", f"none: the next {told['text']['unit']} is predicted"))
    elif told["target"] is None:
        facts.append(("Target", "none given; pass target= (--target) to say which column is to be predicted"))
    else:
        facts.append(("Target", quote(told["target"])))
        facts.append(("Task", f"{told['task']}: {_plain(told['why_task'])}"))
    parts = told["split"]
    sizes = ", ".join(f"{name} {parts[name]:,}" for name in PART_NAMES)
    facts.append(("Split", f"{sizes} {told['thing']}s; {parts['how']}"))
    if told["ignored"]:
        facts.append(("Ignored", listing(told["ignored"])))
    if told["extra"]:
        facts.append(("Unknown", f"{listing(told['extra'])}: left out"))
    if told["n_coerced"]:
        cells = ", ".join(f"{quote(name)} {n:,}" for name, n in list(told["n_coerced"].items())[:MAX_COLUMNS])
        facts.append(("Coerced", f"cells that did not fit and count as missing: {cells}"))
    return facts


def _sequence_facts(told: dict[str, Any], thing: str) -> list[tuple[str, str]]:
    lengths = f"{told['shortest']:,} to {told['longest']:,} in a {thing}, median {told['median']:,.0f}"
    if told["shortest"] == told["longest"]:
        lengths = f"{told['longest']:,} in every {thing}"
    order = f"in the order of {quote(told['time'])}" if told["time"] is not None else "in the order of the source"
    return [("Steps", f"{lengths}; {order}"), ("Output", f"{told['output']}: {_plain(told['why'])}")]


def _text_facts(told: dict[str, Any], columns: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    how = next(column["why"] for column in columns if column["name"] == told["name"])
    texts = f"one text in pieces, {_plain(how)}"
    if not told["in_order"]:
        texts = f"{quote(told['name'])}, {_plain(how)}; at most {told['max_length']:,} {told['unit']}s of each"
    return [("Texts", texts), ("Output", f"{told['output']}: {_plain(told['why'])}")]


def _cells(columns: Sequence[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    """Return name, kind, role and reason of each column as they are shown."""
    cells = []
    for column in columns[:MAX_COLUMNS]:
        n_missing = column["n_missing"]
        why = _plain(column["why"]) + (f"; {n_missing:,} missing" if n_missing else "")
        cells.append((_plain(column["name"]), column["kind"], column["role"], why))
    rest = len(columns) - MAX_COLUMNS
    return cells + ([(f"and {rest:,} more", "", "", "")] if rest > 0 else [])


def _column_lines(columns: Sequence[dict[str, Any]]) -> list[str]:
    cells = [(_short(name, LONGEST_NAME), *others) for name, *others in _cells(columns)]
    cells.insert(0, ("Column", "Kind", "Role", "Why"))
    widths = [max(len(row[place]) for row in cells) for place in range(3)]
    lines = []
    for row in cells:
        start = "  ".join(f"{cell:<{width}}" for cell, width in zip(row[:3], widths, strict=True))
        lines.append(f"{start}  {_short(row[3], WIDTH - len(start) - 2)}".rstrip())
    return lines


def _plain(text: str) -> str:
    return quote(text)[1:-1]


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _wrapped(head: str, words: str) -> list[str]:
    return textwrap.wrap(words, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_long_words=False)
