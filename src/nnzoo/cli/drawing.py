"""The commands draw and quiz: networks as pictures, and questions about them."""

from pathlib import Path
from typing import Annotated

import typer

from nnzoo.cli.options import Json
from nnzoo.cli.running import show_json
from nnzoo.cli.using import _check_place, _load_model


def draw(
    what: Annotated[
        str | None, typer.Argument(metavar="[MODEL | NETWORK]", help="A model file, or a network of the chart.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="The picture: .svg, .pdf or .png.")] = None,
    theme: Annotated[
        str, typer.Option("--theme", help="light, dark, or auto: an SVG follows the page that shows it.")
    ] = "auto",
    as_json: Json = False,
) -> None:
    """Draw a model, a network of the chart, or without either the whole chart."""
    from nnzoo.pictures.scene import check_form

    if out is not None:
        check_form(out, theme)
        _check_place(out, "--out", *([what] if what else []))
    is_model = what is not None and (what.endswith(".nnzoo") or Path(what).is_file())
    subject = _load_model(what) if what is not None and is_model else what
    from nnzoo.drawing import draw as draw_it

    scene = draw_it(subject, out, theme=theme)
    if as_json:
        show_json({"title": scene.title, "words": scene.words, "out": None if out is None else str(out)})
    elif out is not None:
        print(f"{scene.title}: {out}")
    else:
        print(scene.words.replace(". ", ".\n"))
        print("\nThe picture: add --out net.svg" if what else "\nThe picture: add --out chart.svg")


def quiz(
    n: Annotated[int, typer.Option("--n", min=1, max=100, help="How many questions.")] = 5,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="For the same questions again.")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the questions as a page, with pictures.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Guess networks by their drawing, their equation or their numbers: four answers, and the reason."""
    if html is not None:
        _check_place(html, "--html")
    from nnzoo.explanation import quizzes

    questions = quizzes.ask(n, seed)
    if html is not None:
        quizzes.to_html(questions, html)
    if as_json:
        show_json([question.to_json() for question in questions])
    elif html is not None:
        print(f"{len(questions)} questions: {html}")
    else:
        _play(questions)


def _play(questions: "list") -> None:
    """Ask on the terminal; an empty line shows the answer, the end of input ends."""
    n_right = n_asked = 0
    for number, question in enumerate(questions, start=1):
        print(f"\n{number}. {question.text}")
        for line in question.shown:
            print(f"     {line}")
        for letter, answer in zip("abcd", question.answers, strict=True):
            print(f"   {letter}) {answer}")
        try:
            said = input("   a, b, c or d? ").strip().lower()[:1]
        except EOFError:
            print()
            break
        n_asked += 1
        right = said == "abcd"[question.right]
        n_right += right
        print(f"   {'Right' if right else 'It is ' + 'abcd'[question.right]}: {question.reason}")
    print(f"\n{n_right} of {n_asked} right.")
