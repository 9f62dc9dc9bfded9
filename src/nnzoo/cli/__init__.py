"""The command line: the five steps as commands.

Nothing heavy is imported here or at the top of the modules beside it: ``nnzoo --help`` answers at once, and a wrong
option is refused before torch is loaded.
"""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

import nnzoo
from nnzoo.cli import comparing, data, drawing, explaining, training, using
from nnzoo.cli.running import run

__all__ = ["main"]

app = typer.Typer(
    name="nnzoo",
    help="The chart of neural networks, alive: load the data, build the model, train, evaluate, predict.",
    epilog="Begin with: nnzoo load penguins --target species",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (
    data.load,
    data.build,
    training.train,
    using.evaluate,
    using.predict,
    comparing.compare,
    using.encode,
    using.sample,
    explaining.explain,
    drawing.draw,
    drawing.quiz,
    using.inspect,
    using.doctor,
    using.list_networks,
):
    # Numbers may be negative, "softmax 2 -1 0"; the command refuses what else looks like an option.
    takes_numbers = {"ignore_unknown_options": command is explaining.explain}
    app.command(name=command.__name__.partition("_")[0], context_settings=takes_numbers)(command)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"nnzoo {nnzoo.__version__}")
        raise typer.Exit


@app.callback()
def _options_of_all(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Take the options that stand before the command; ``main`` reads --debug itself."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default.

    Returns
    -------
    int
        0 for success, 2 for a wrong option, that of the error's kind (see ``nnzoo.errors``), 1 for a bug in nnzoo,
        130 after Ctrl-C, 143 after SIGTERM.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    return run(typer.main.get_command(app), words)
