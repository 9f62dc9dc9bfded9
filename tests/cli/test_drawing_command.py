"""The command draw: the chart, one of its networks, a model."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from nnzoo.chart import CHART


def test_draw_alone_writes_the_chart(cli, folder):
    ended = cli.done("draw", "--out", "chart.svg")
    assert ended.out == "The chart of neural networks: chart.svg\n"
    text = Path("chart.svg").read_text()
    ElementTree.fromstring(text)
    assert all(drawing.name in text for drawing in CHART)


def test_draw_writes_a_model_with_its_own_sizes(cli, folder):
    ended = cli.done("draw", "m.nnzoo", "--out", "net.png", "--json")
    told = json.loads(ended.out)
    assert told["title"] == "Feed Forward (FF)"
    assert "4 Hidden" in told["words"]
    assert told["out"] == "net.png"
    assert Path("net.png").read_bytes().startswith(b"\x89PNG")


def test_draw_writes_a_network_of_the_chart_in_a_theme(cli, folder):
    cli.done("draw", "LSTM", "--out", "light.svg", "--theme", "light")
    cli.done("draw", "lstm", "--out", "dark.svg", "--theme", "dark")
    light, dark = (Path(f"{theme}.svg").read_text() for theme in ("light", "dark"))
    assert light != dark
    assert "prefers-color-scheme" not in light + dark


def test_draw_without_a_file_says_the_picture_in_words(cli, folder):
    before = cli.contents(folder)
    ended = cli.done("draw", "DFF")
    assert "3 Input, then 4 Hidden, then 4 Hidden, then 2 Output" in ended.out
    assert "add --out net.svg" in ended.out
    assert json.loads(cli.done("draw", "DFF", "--json").out)["out"] is None
    assert cli.contents(folder) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("draw", "--out", "chart.gif"), r"draw needs a file name that ends in \.svg, \.pdf, \.png"),
        (("draw", "--out", "chart.svg", "--theme", "darl"), "draw needs a theme: auto, light or dark"),
        (("draw", "lstmm", "--out", "net.svg"), "draw needs the name of a network of the chart"),
        (("draw", "people.csv", "--out", "net.svg"), ""),
    ],
)
def test_what_cannot_be_drawn_is_refused(cli, folder, words, message):
    code = 4 if "people.csv" in words else 2
    cli.refused(*words, code=code, message=message)


def test_draw_does_not_write_over_the_model(cli, folder):
    Path("same.svg").hardlink_to("m.nnzoo")
    cli.refused("draw", "m.nnzoo", "--out", "same.svg", code=2, message="--out needs another file than")


def test_folder_that_is_not_there_is_refused(cli, folder):
    cli.refused("draw", "--out", "missing/chart.svg", code=6, message="--out: .*missing.* needs to be a folder")
