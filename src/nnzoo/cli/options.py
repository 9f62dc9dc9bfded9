"""Options that several commands have, and how their text becomes values."""

import dataclasses
import inspect
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from nnzoo.errors import UsageError, quote

if TYPE_CHECKING:
    from nnzoo.checks import Range
    from nnzoo.data.dataset import Data

Result = TypeVar("Result")
Source = Annotated[
    str,
    typer.Argument(
        metavar="DATA", help="A table, a folder of images, or the name of a set: penguins, fashion-sample, mnist."
    ),
]
ModelFile = Annotated[str, typer.Argument(metavar="MODEL", help="A model file, such as penguins.nnzoo.")]
Json = Annotated[bool, typer.Option("--json", help="Plain JSON on standard output, nothing else there.")]
OnBadRow = Annotated[str, typer.Option(help="error, or skip: leave out rows that cannot be read, and count them.")]
DataDir = Annotated[str | None, typer.Option(metavar="FOLDER", help="Folder that holds public sets such as mnist.")]
NetworkName = Annotated[
    str | None,
    typer.Option(help="Its name in any usual form; see nnzoo list. A good default for the data.", metavar="NAME"),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help='A parameter of the network: n_epochs=50, hidden_layer_sizes="64,32".'
    ),
]

WHOLE = re.compile(r"[+-]?\d+")
REAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
WORDS = {"true": True, "false": False, "none": None, "null": None}
DURATION = re.compile(r"(\d+\.?\d*|\.\d+)([smh]?)")
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class LoadOptions:
    """The options of ``nnzoo.load``."""

    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column to predict.")] = None
    task: Annotated[str | None, typer.Option(help="classification or regression; inferred by default.")] = None
    labels: Annotated[bool, typer.Option("--labels", help="A row has several labels, joined by |.")] = False
    group: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Rows with equal values stay in one part of the split.")
    ] = None
    time: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Split by time: the last rows are the test. Of a log: its order."),
    ] = None
    entity: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="A row is an event; events of one entity make a sequence.")
    ] = None
    text: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of the texts, where several hold text.")
    ] = None
    unit: Annotated[str | None, typer.Option(help="Of texts: character or word.")] = None
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=KIND",
            help="Kind of a column: number, category, boolean, time, text, id, constant; ignore leaves it out.",
        ),
    ] = None
    coerce: Annotated[bool, typer.Option("--coerce", help="Take cells that do not fit their column as missing.")] = (
        False
    )
    on_bad_row: OnBadRow = "error"
    kind: Annotated[str | None, typer.Option(help="table, image, sequence or text, where it could be another.")] = None
    image_size: Annotated[
        str | None, typer.Option(metavar="SIDE", help="Side, or height,width, that images are brought to.")
    ] = None
    data_dir: DataDir = None
    sample_rows: Annotated[
        int | None,
        typer.Option(
            "--sample-rows",
            min=1,
            metavar="N",
            help="Of a table larger than the memory: look at N rows, learn all others from the disk.",
        ),
    ] = None
    seed: Annotated[int, typer.Option(help="Seed of the split and of the network.")] = 0

    def load(self, source: str) -> "Data":
        """Load the data as the options say."""
        from nnzoo.data.dataset import load

        return load(
            source,
            target=self.target,
            task=self.task,
            labels=self.labels,
            group=self.group,
            time=self.time,
            entity=self.entity,
            text=self.text,
            unit=self.unit,
            columns=pairs(self.column, "--column", last=True),
            coerce=self.coerce,
            on_bad_row=self.on_bad_row,
            kind=self.kind,
            image_size=_sides(self.image_size),
            data_dir=self.data_dir,
            sample_rows=self.sample_rows,
            seed=self.seed,
        )

    def command(self, verb: str, source: str, *more: str) -> str:
        """Return the command line of another command on the same data, as it is typed."""
        words = ["nnzoo", verb, source]
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            name = f"--{field.name.replace('_', '-')}"
            if value is True:
                words.append(name)
            elif value not in (None, field.default):
                for each in value if isinstance(value, list) else [value]:
                    words += [name, str(each)]
        return shlex.join([*words, *more])

    def load_to_learn(self, source: str, network: str | None = None) -> "Data":
        """Load the data as the options say; raise UsageError without anything to predict, unless nothing has to be."""
        from nnzoo.catalog import find

        data = self.load(source)
        needs_target = network is None or bool(find(network).tasks)
        if needs_target and data.target is None and data.output != "next":
            raise UsageError("The command needs to know which column to predict.", "Add --target COLUMN.")
        return data


def _sides(text: str | None) -> int | tuple[int, int] | None:
    """Return the side or the two sides that --image-size says."""
    if text is None:
        return None
    value = parse_value(text)
    sides = value if isinstance(value, tuple) else (value,)
    if len(sides) not in (1, 2) or not all(isinstance(side, int) and side > 0 for side in sides):
        raise UsageError(f"--image-size needs SIDE or HEIGHT,WIDTH in pixels; got {quote(text)}.", "Write 32 or 48,64.")
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


def with_load_options(command: Callable[..., Result]) -> Callable[..., Result]:
    """Return the command with the fields of LoadOptions as options, in place of its parameter ``given``."""

    @wraps(command)
    def wrapped(**values: Any) -> Result:
        own = {field.name: values.pop(field.name) for field in fields}
        return command(**values, given=LoadOptions(**own))

    fields = dataclasses.fields(LoadOptions)
    options = [
        inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
        for field in fields
    ]
    signature = inspect.signature(command)
    others = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in signature.parameters.values()]
    kept = [each for each in others if each.name != "given"]
    wrapped.__signature__ = signature.replace(parameters=[*kept, *options])  # pyright: ignore[reportAttributeAccessIssue]
    wrapped.__annotations__ = {each.name: each.annotation for each in (*kept, *options)}
    return wrapped


def pairs(given: Sequence[str] | None, option: str, *, last: bool = False) -> dict[str, str]:
    """Return NAME=VALUE texts as a dict; ``last`` takes the last "=" as the border, for names that hold one.

    Raises
    ------
    UsageError
        One of them has no "=" or no name, or a name comes twice.
    """
    found: dict[str, str] = {}
    for text in given or ():
        name, border, value = text.rpartition("=") if last else text.partition("=")
        if not border or not name:
            raise UsageError(f"{option} needs NAME=VALUE; got {quote(text)}.", f"Write {option} name=value.")
        if name in found:
            raise UsageError(f"{option} needs each name once; got {quote(name)} twice.", "Leave one of them out.")
        found[name] = value
    return found


def network_settings(network: str | None, given: Sequence[str] | None) -> dict[str, Any]:
    """Return the values of --set, checked against the class of the network; nothing while there is no network yet.

    Raises
    ------
    UsageError
        There is no such network, or a text is not NAME=VALUE.
    ParameterError
        A parameter is unknown or out of its range.
    """
    from nnzoo import catalog
    from nnzoo.checks import check_names, check_ranges

    texts = pairs(given, "--set")
    if network is None:
        return {}
    row = catalog.find(network)
    if not texts:
        return {}
    ranges: dict[str, Range] = dict(row.load_class().ranges)
    check_names(row.class_name, texts, ranges)
    settings = {name: _fitting(parse_value(text), ranges[name]) for name, text in texts.items()}
    check_ranges(row.class_name, settings, ranges)
    return settings


def parse_value(text: str) -> Any:
    """Return the value of a text: a whole number, a number, true, false, none, a list, or the text itself.

    Examples
    --------
    >>> parse_value("64,32"), parse_value("()"), parse_value("1e-3"), parse_value("relu")
    ((64, 32), (), 0.001, 'relu')
    """
    bare = text.strip()
    if bare.startswith("(") and bare.endswith(")"):
        return _list(bare[1:-1])
    return _list(bare) if "," in bare else _single(bare)


def _list(text: str) -> tuple[Any, ...]:
    members = text.strip().removesuffix(",").split(",") if text.strip() else []
    return tuple(_single(member.strip()) for member in members)


def _single(text: str) -> Any:
    if WHOLE.fullmatch(text):
        return int(text) if len(text) < 100 else float(text)
    if REAL.fullmatch(text):
        return float(text)
    return WORDS.get(text.lower(), text)


def _fitting(value: Any, wanted: "Range") -> Any:
    """Return a single value as a list of one where only a list fits."""
    return (value,) if not wanted.holds(value) and wanted.holds((value,)) else value


def parse_duration(text: str) -> float:
    """Return seconds.

    Raises
    ------
    UsageError
        The text is no duration above zero.

    Examples
    --------
    >>> parse_duration("90s"), parse_duration("1.5h")
    (90.0, 5400.0)
    """
    found = DURATION.fullmatch(text.strip().lower())
    seconds = float(found[1]) * SECONDS[found[2]] if found else 0.0
    if seconds <= 0:
        raise UsageError(f"--time-limit needs a duration above zero; got {quote(text)}.", "Write 90s, 10m or 2h.")
    return seconds
