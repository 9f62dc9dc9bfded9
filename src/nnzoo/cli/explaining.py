"""The command explain: a computation step by step, of a trained model or on its own."""

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnzoo.cli.options import DataDir, Json
from nnzoo.cli.running import show_json
from nnzoo.cli.using import _check_place, _load_model, _rows
from nnzoo.errors import UsageError, nearest, quote

if TYPE_CHECKING:
    from nnzoo.explanation.traces import Trace

TOPICS = ("neuron", "layer", "activation", "softmax", "image", "convolution", "padding", "pooling", "why-convolution")
CELLS = ("rnn", "lstm", "gru")
CLOSE = 0.01
What = Annotated[
    str,
    typer.Argument(
        metavar="WHAT",
        help="A model file; or neuron, layer, activation, softmax, image, convolution, padding, pooling, rnn, lstm, "
        "gru, why-convolution; or the names of networks to stand side by side.",
    ),
]
Page = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write it as a page.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Of a convolution: the changed picture.")]


def explain(
    what: What,
    more: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DATA | NUMBERS | NAMES]", help="Rows for the model; numbers; further networks."),
    ] = None,
    row: Annotated[int | None, typer.Option(min=1, help="Which row, counted from 1.")] = None,
    id: Annotated[str | None, typer.Option("--id", help="Which row or entity, by its name.")] = None,
    unit: Annotated[
        str | None, typer.Option("--unit", metavar="LAYER:UNIT", help="What a unit of the model looks for: 1:7.")
    ] = None,
    image: Annotated[
        str | None, typer.Option("--image", metavar="IMAGE", help='A picture, or a matrix: "0 10; 20 30".')
    ] = None,
    kernel: Annotated[str | None, typer.Option("--kernel", help='"1 0; 0 2", or blur, sharpen, edges, emboss.')] = None,
    padding: Annotated[str, typer.Option("--padding", help="valid, same or full.")] = "valid",
    stride: Annotated[int, typer.Option("--stride", min=1, help="Places a kernel moves at a time.")] = 1,
    size: Annotated[int, typer.Option("--size", min=1, help="Of pooling: side of the windows.")] = 2,
    pool: Annotated[str, typer.Option("--pool", help="Of pooling: max or average.")] = "max",
    predict: Annotated[bool, typer.Option("--predict", help="Ask for your answer before each result.")] = False,
    html: Page = None,
    out: Out = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """See inside: every number of a computation, step by step."""
    given = list(more or ())
    for word in (what, *given):
        if word.startswith("--"):
            raise UsageError(f"explain has no option {quote(word)}.", "See nnzoo explain --help.")
    for path, option in ((html, "--html"), (out, "--out")):
        if path is not None:
            _check_place(path, option, what, *given, *([image] if image else []))
    _refuse_strangers(what, row=row, id=id, unit=unit, image=image, kernel=kernel, out=out)
    if what == "why-convolution":
        _why_convolution(given, html, data_dir, as_json=as_json)
        return
    if _is_model(what):
        trace: Any = _of_model(what, given, row=row, name=id, unit=unit, data_dir=data_dir)
    elif what in ("convolution", "pooling", "image"):
        trace = _of_picture(what, given, image, kernel, out, padding=padding, stride=stride, size=size, pool=pool)
    elif what in TOPICS:
        trace = _of_numbers(what, given)
    else:
        trace = _of_networks([what, *given])
    _show(trace, html, predict=predict, as_json=as_json)


def _refuse_strangers(what: str, **options: Any) -> None:
    """Raise UsageError at an option that says nothing about what is explained."""
    belongs = dict.fromkeys(("row", "id", "unit"), "a model")
    belongs |= {"image": "image, convolution or pooling", "kernel": "convolution", "out": "convolution"}
    fits = {"a model": _is_model(what), "convolution": what == "convolution"}
    fits["image, convolution or pooling"] = what in ("image", "convolution", "pooling")
    for name, value in options.items():
        if value is not None and not fits[belongs[name]]:
            raise UsageError(f"--{name} belongs to {belongs[name]}; got it with {quote(what)}.", "Leave it out.")


def _is_model(what: str) -> bool:
    return what.endswith(".nnzoo") or (what not in TOPICS and Path(what).is_file())


def _show(trace: Any, html: Path | None, *, predict: bool, as_json: bool) -> None:
    if html is not None:
        trace.to_html(html, predict=predict)
    if as_json:
        show_json(trace.to_json())
    elif html is not None:
        print(f"{trace.title}: {html}")
    elif predict:
        _ask(trace)
    else:
        print(trace)


def _of_model(
    path: str, given: Sequence[str], *, row: int | None, name: str | None, unit: str | None, data_dir: str | None
) -> Any:
    if len(given) != 1:
        raise UsageError(
            f"explain needs one source of rows for a model; got {len(given)}.",
            f"Write nnzoo explain {path} DATA --row 1.",
        )
    model = _load_model(path)
    from nnzoo import explanation

    if unit is None:
        return explanation.explain(model, _rows(given[0]), row=row, id=name)
    if row is not None or name is not None:
        raise UsageError("--unit looks through all rows; got --row or --id with it.", "Leave one of them out.")
    return explanation.look_for(model, _rows(given[0]), unit, data_dir=data_dir)


def _of_picture(
    what: str,
    given: Sequence[str],
    image: str | None,
    kernel: str | None,
    out: Path | None,
    *,
    padding: str,
    stride: int,
    size: int,
    pool: str,
) -> "Trace":
    if len(given) + (image is not None) > 1:
        raise UsageError(f"explain {what} needs one image; got {len(given) + (image is not None)}.", "Give one.")
    from nnzoo.explanation import basics

    source = image if image is not None else (given[0] if given else None)
    if what == "image":
        return basics.image(source)
    if what == "pooling":
        return basics.pooling(source, size, pool)
    trace = basics.convolution(source, kernel, padding=padding, stride=stride)
    if out is not None:
        basics.save_picture(trace.result, out)
        print(f"picture: {out}", file=sys.stderr)
    return trace


def _of_numbers(what: str, given: list[str]) -> "Trace":
    from nnzoo.explanation import basics

    if what == "activation":
        return basics.activation(given[0] if given else "relu", *_numbers(given[1:], what))
    numbers = _numbers(given, what)
    if what == "softmax":
        return basics.softmax(numbers or (2.0, 1.0, 0.0))
    if what == "padding":
        return basics.padding(*(int(number) for number in numbers))
    if what == "neuron" and numbers:
        if len(numbers) % 2 == 0:
            raise UsageError("explain neuron needs inputs, as many weights, and a bias.", "Write 1 2 0.5 -1 0.25.")
        half = len(numbers) // 2
        return basics.neuron(numbers[:half], numbers[half:-1], numbers[-1])
    if given:
        raise UsageError(f"explain {what} takes no numbers; got {len(given)}.", "Use nnzoo.explanation in Python.")
    functions: dict[str, Callable[[], Trace]] = {"neuron": basics.neuron, "layer": basics.layer}
    return functions[what]()


def _numbers(given: Sequence[str], what: str) -> list[float]:
    values = []
    for text in given:
        try:
            values.append(float(text))
        except ValueError as exc:
            raise UsageError(f"explain {what} needs numbers; got {quote(text)}.", "Write 2 1 0.") from exc
    if not all(map(math.isfinite, values)):
        raise UsageError(f"explain {what} needs finite numbers.", "Write 2 1 0.")
    if what in ("activation", "padding") and len(values) > {"activation": 1, "padding": 3}[what]:
        raise UsageError(f"explain {what} needs fewer numbers; got {len(values)}.", "See nnzoo explain --help.")
    if what == "padding" and any(value != int(value) for value in values):
        raise UsageError("explain padding needs whole numbers: N K and the stride.", "Write 28 3.")
    return values


def _of_networks(names: Sequence[str]) -> "Trace":
    from nnzoo import catalog, explanation

    known = [row.id for row in catalog.CATALOG]
    for name in names:
        try:
            catalog.find(name)
        except UsageError as error:
            if len(names) > 1:
                raise
            hint = nearest(name, [*TOPICS, *CELLS, *known])
            raise UsageError(f"explain needs a model file, a topic or a network; got {quote(name)}.", hint) from error
    if len(names) == 1 and names[0].lower() in CELLS:
        return getattr(explanation, names[0].lower())()
    return explanation.compare(*names)


def _why_convolution(given: Sequence[str], html: Path | None, data_dir: str | None, *, as_json: bool) -> None:
    from nnzoo.explanation.why_convolution import why_convolution

    source = given[0] if given else "fashion-sample"
    study = why_convolution(source, data_dir=data_dir, progress=lambda words: print(words, file=sys.stderr))
    if html is not None:
        study.to_html(html)
    if as_json:
        show_json(study.to_json())
    else:
        print(study)
        if html is not None:
            print(f"\nPage: {html}")


def _ask(trace: "Trace") -> None:
    """Print the steps one by one; before each result ask for it."""
    from nnzoo.explanation.traces import asked, step_text
    from nnzoo.trace import written

    print(f"{trace.title}\n{trace.words}\nEnter skips a question; Ctrl-D ends.")
    n_right = n_asked = 0
    for number, step in enumerate(trace.steps, start=1):
        question = asked(step)
        if question is None:
            print(f"\n{step_text(number, step)}")
            continue
        name, value = question
        print(f"\n{step_text(number, step, solved=False)}")
        try:
            answer = _read(f"   {name} = ? ")
        except EOFError:
            print()
            break
        if answer is not None:
            right = math.isclose(answer, value, rel_tol=CLOSE, abs_tol=CLOSE * 0.01)
            n_asked, n_right = n_asked + 1, n_right + right
            print("   Right." if right else f"   It is {written(value)}.")
        print("\n".join(step_text(number, step).split("\n")[4:]))
    print(f"\n{n_right} of {n_asked} right.")


def _read(prompt: str) -> float | None:
    """Return the number that a reader types; None for an empty line."""
    while True:
        text = input(prompt).strip().replace(",", ".")
        if not text:
            return None
        try:
            return float(text)
        except ValueError:
            print("   A number, please; or Enter to skip.")
