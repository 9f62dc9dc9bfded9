"""Run every command of the documentation again: write down what it prints, its pages and its pictures.

``python docs/refresh.py`` does all but the samples; ``--fast`` leaves out what has to train a network first, and
``--samples`` trains the networks that draw, which takes some minutes each.
Commands stand in blocks that begin with "```console"; "```console measured" marks figures that belong to a machine.
"""

import argparse
import contextlib
import inspect
import io
import os
import re
import shlex
import shutil
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent
BLOCK = re.compile(r"```console( measured)?\n(.*?)```", re.DOTALL)
MOST_LINES = 60
PAGES = {
    "neuron": "explain neuron 1 2 3 0.5 -1 0.25 0.5",
    "layer": "explain layer",
    "activation relu": "explain activation relu",
    "activation sigmoid": "explain activation sigmoid -1.5",
    "activation tanh": "explain activation tanh",
    "activation leaky-relu": "explain activation leaky-relu -1.5",
    "activation elu": "explain activation elu -1.5",
    "activation identity": "explain activation identity",
    "softmax": "explain softmax 2 1 0",
    "image": 'explain image "0 64 128; 192 255 0"',
    "convolution": 'explain convolution --image "0 10 10 0; 20 30 30 20; 10 20 20 10; 0 5 5 0" --kernel "1 0; 0 2"',
    "padding": "explain padding 28 5",
    "pooling": 'explain pooling --image "0 10 10 0; 20 30 30 20; 10 20 20 10; 0 5 5 0"',
    "rnn": "explain rnn",
    "lstm": "explain lstm",
    "gru": "explain gru",
    "rnn-lstm-gru": "explain rnn lstm gru",
    "quiz": "quiz --n 9 --seed 1",
}
MEASURED_PAGES = {
    "penguin": "explain penguins.nnzoo penguins --row 17",
    "clothes": "explain clothes.nnzoo fashion-sample --row 17",
    "unit": "explain clothes.nnzoo fashion-sample --unit 1:7",
    "why-convolution": "explain why-convolution",
}


def run(command: str) -> str:
    """Return what a command of nnzoo prints."""
    from nnzoo.cli import main

    words = shlex.split(command)
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        code = main(words[1:] if words[0] == "nnzoo" else words)
    if code:
        raise SystemExit(f"{command}: exit code {code}")
    return out.getvalue().rstrip()


def refreshed(block: str) -> str:
    """Return the lines of a block: each command with what it prints now."""
    lines: list[str] = []
    for line in block.split("\n"):
        if line.startswith("$ "):
            said = run(line[2:]).split("\n")
            if len(said) > MOST_LINES:
                said = [*said[:MOST_LINES], f"... {len(said) - MOST_LINES} more lines"]
            lines += [line, *(each.rstrip() for each in said if said != [""])]
    return "\n".join(lines) + "\n"


def page_name(name: str) -> str:
    """Return the file name of a page."""
    return name.replace(" ", "-") + ".html"


def with_frames(text: str) -> str:
    """Return the text with a frame behind every mark of a page."""
    text = re.sub(
        r"(<!-- page: ([^>]*?) -->)\n(?:\n<iframe.*?</iframe>\n\n\[[^\n]*\n)?", r"\1\n", text, flags=re.DOTALL
    )
    return re.sub(r"<!-- page: ([^>]*?) -->\n", lambda found: frame(found[1]), text)


def frame(name: str) -> str:
    """Return a page in a frame, with its mark and a link."""
    where = f"pages/{page_name(name)}"
    look = "width:100%;height:24rem;border:1px solid #8a929c"
    return (
        f"<!-- page: {name} -->\n\n"
        f'<iframe src="{where}" title="{name}, step by step" loading="lazy" style="{look}"></iframe>\n\n'
        f"[{name.capitalize()}, as a page of its own]({where})\n"
    )


def with_outputs(text: str, *, fast: bool) -> str:
    """Return a page with what its commands print now; fast leaves out measured ones."""

    def replace(found: re.Match[str]) -> str:
        measured = found[1] or ""
        return found[0] if fast and measured else f"```console{measured}\n{refreshed(found[2])}```"

    return BLOCK.sub(replace, text)


def refresh_unit(*, fast: bool) -> None:
    """Write what the commands of the unit print."""
    path = DOCS / "unit.md"
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        text = with_outputs(path.read_text(), fast=fast)
        if not fast:
            for name, command in MEASURED_PAGES.items():
                run(f"{command} --html {shlex.quote(str(DOCS / 'pages' / page_name(name)))}")
            run(f"draw penguins.nnzoo --out {shlex.quote(str(DOCS / 'pictures' / 'penguins.svg'))}")
    path.write_text(with_frames(text))


def refresh_samples() -> None:
    """Train the networks that draw, as the page of the samples says, and keep the sheets that they draw."""
    path = DOCS / "samples.md"
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        path.write_text(with_outputs(path.read_text(), fast=False))
        for sheet in Path().glob("*.png"):
            shutil.copy(sheet, DOCS / "pictures")


def network_page(row: object) -> str:
    """Return the page of a network from its catalog row, its drawing and its class."""
    from nnzoo.chart import drawing_of

    drawing = drawing_of(row.abbreviation)
    doc = inspect.getdoc(row.load_class()) or ""
    kinds = {"table": "tables", "image": "images", "sequence": "sequences and series", "text": "texts"}
    differs = f"\n**The drawing is not the whole model.** {drawing.differs}\n" if drawing.differs else ""
    equations = "\n".join(row.equations)
    names = ", ".join(
        f"`{name}`" for name in dict.fromkeys((row.abbreviation, row.id, row.class_name, *row.other_names))
    )
    does = " and ".join(row.tasks) or "its work without a target"
    return f"""# {row.name} ({row.abbreviation})

Published by {row.source}. Names that are understood: {names}.

![{drawing.words()}](../pictures/{row.id}.svg)
{differs}
```
{equations}
```

- **Reads** {", ".join(kinds[kind] for kind in row.kinds)}; **does** {does}.
- **Learns by** {row.learns_by}.
- **Use it for** {row.use_for}.

`nnzoo explain model.nnzoo DATA --row 17` shows a prediction of it number by number,
`nnzoo draw model.nnzoo --out net.svg` its layers with their real sizes.

## Parameters

```
{doc}
```
"""


def refresh_networks() -> None:
    """Write the pages and drawings of all listed networks, and the chart."""
    from nnzoo.catalog import CATALOG
    from nnzoo.drawing import draw

    for row in CATALOG:
        (DOCS / "networks" / f"{row.id}.md").write_text(network_page(row))
        draw(row.id, DOCS / "pictures" / f"{row.id}.svg")
    draw(None, DOCS / "pictures" / "chart.svg", links="../networks/")
    path = DOCS / "chart.md"
    head = path.read_text().split("Networks with a page, so far:")[0]
    listed = "\n".join(f"- [{row.name}](networks/{row.id}.md) ({row.year}): {row.use_for}" for row in CATALOG)
    path.write_text(f"{head}Networks with a page, so far:\n\n{listed}\n")


def main() -> None:
    """Refresh the documentation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fast", action="store_true", help="leave out what has to train a network first")
    parser.add_argument("--samples", action="store_true", help="train the networks that draw, and nothing else")
    options = parser.parse_args()
    os.environ["COLUMNS"] = "120"
    for folder in ("pages", "pictures", "networks"):
        (DOCS / folder).mkdir(exist_ok=True)
    if options.samples:
        refresh_samples()
        return
    for name, command in PAGES.items():
        run(f"{command} --html {shlex.quote(str(DOCS / 'pages' / page_name(name)))}")
    refresh_networks()
    refresh_unit(fast=options.fast)


if __name__ == "__main__":
    main()
