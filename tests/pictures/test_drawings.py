"""Drawings: every cell is there, kinds are told apart without colour, files are whole and the same each time."""

import re
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from nnzoo.chart import CHART, KINDS, drawing_of
from nnzoo.errors import UsageError
from nnzoo.pictures.cells import LOOKS, draw_cell
from nnzoo.pictures.drawings import DrawnLayer, draw_chart, draw_layers, draw_one, draw_unlabelled, joined, lay_out
from nnzoo.pictures.scene import DARK, LIGHT, Area, Circle, Line, Polygon, Text, render, to_svg

LAYERS = [
    DrawnLayer("I", 784, "input", "28 x 28"),
    DrawnLayer("H", 5, "dense 1", "", 3925),
    DrawnLayer("O", 2, "output", "", 12),
]


def contrast(first, second):
    def light(colour):
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dim = sorted((light(first), light(second)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def test_every_kind_has_a_look_of_its_own_without_colour():
    assert LOOKS.keys() == KINDS.keys()
    for one, other in combinations(LOOKS.values(), 2):
        assert (one.shape, one.mark) != (other.shape, other.mark)


@pytest.mark.parametrize("letter", KINDS)
def test_a_cell_stays_in_its_place(letter):
    for mark in draw_cell(letter, 10, 20, 5):
        points = (
            mark.points if isinstance(mark, Line | Polygon) else ((mark.x - mark.r, mark.y), (mark.x + mark.r, mark.y))
        )
        for x, y in points:
            assert np.hypot(x - 10, y - 20) <= 6.5


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_text_and_edges_can_be_read(theme):
    assert contrast(theme["ink"], theme["paper"]) >= 7
    assert contrast(theme["soft"], theme["paper"]) >= 4.5
    for role in ("input", "hidden", "output", "memory", "kernel"):
        assert contrast(theme["ink"], theme[role]) >= 3


@pytest.mark.parametrize("drawing", CHART, ids=lambda drawing: drawing.abbreviation)
def test_every_cell_of_a_drawing_is_drawn_and_none_on_another(drawing):
    places, links, loops = lay_out(drawing)
    assert len(places) == len(drawing.cells)
    assert min(np.hypot(a[0] - b[0], a[1] - b[1]) for a, b in combinations(places, 2)) >= 0.75
    assert all(0 <= end < len(places) for link in links for end in link)
    joined_cells = {end for link in links for end in link} | set(loops)
    assert joined_cells == set(range(len(places)))
    scene = draw_one(drawing)
    fills = [mark for mark in scene.marks if isinstance(mark, Circle | Polygon) and mark.colour != "paper"]
    assert len(fills) == len(drawing.cells) + len(set(drawing.cells))


def test_links_by_hand():
    assert list(joined([-0.5, 0.5], [0], "f")) == [(0, 0), (1, 0)]
    assert list(joined([0, 1], [0, 1], "1")) == [(0, 0), (1, 1)]
    assert len(lay_out(drawing_of("HN"))[1]) == 28
    assert len(lay_out(drawing_of("KN"))[1]) == 18
    assert len(lay_out(drawing_of("DNC"))[1]) == 4 + 4 + 4 + 2 + 4 + 14 + 7
    assert len(lay_out(drawing_of("DNC"))[2]) == 6


def elements(text):
    return [each.tag.rpartition("}")[2] for each in ElementTree.fromstring(text).iter()]


def test_the_poster_is_a_whole_svg_that_leads_to_the_pages_that_stand():
    scene = draw_chart("pages/", ["FF", "LSTM"])
    text = to_svg(scene)
    assert elements(text)[:3] == ["svg", "title", "desc"]
    assert "script" not in elements(text)
    assert re.findall(r'href="([^"]*)"', text) == ["pages/feed-forward.html", "pages/long-short-term-memory.html"]
    assert text.count("http") == 1
    assert "Fjodor van Veen, The Asimov Institute" in text
    assert all(drawing.name in text for drawing in CHART)
    assert "prefers-color-scheme:dark" in text


def test_nothing_on_the_poster_leaves_it():
    scene = draw_chart()
    for mark in scene.marks:
        points = mark.points if isinstance(mark, Line | Polygon) else ((mark.x, mark.y),)
        assert all(0 <= x <= scene.width and 0 <= y <= scene.height for x, y in points)
        if isinstance(mark, Text) and mark.anchor == "start":
            assert mark.x + 0.62 * mark.size * len(mark.text) <= scene.width + 20


@pytest.mark.parametrize("suffix", [".svg", ".pdf", ".png"])
@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
def test_the_same_drawing_gives_the_same_bytes(suffix, theme):
    scene = draw_layers(LAYERS, "A network")
    first = render(scene, suffix, theme)
    assert first == render(scene, suffix, theme)
    assert first.startswith({".svg": b"<svg", ".pdf": b"%PDF", ".png": b"\x89PNG"}[suffix])


def test_themes_are_light_and_dark(tmp_path):
    for theme, low, high in (("light", 200, 256), ("dark", 0, 60)):
        (tmp_path / "t.png").write_bytes(render(draw_layers(LAYERS, "A network"), ".png", theme))
        image = np.asarray(Image.open(tmp_path / "t.png").convert("L"))
        assert image.shape == (1440, 2560)
        assert low <= np.median(image) < high


def test_large_layers_are_abridged_and_counted():
    scene = draw_layers(LAYERS, "A network")
    texts = [mark.text for mark in scene.marks if isinstance(mark, Text)]
    assert {"784", "28 x 28", "3,925 weights", "12 weights"} <= set(texts)
    assert "3,937 weights" in " ".join(texts)
    squares = [mark for mark in scene.marks if isinstance(mark, Polygon) and mark.colour == "input"]
    assert len(squares) == 7 + 1
    assert "dense 1: 5 Hidden" in scene.words


def test_a_long_chain_is_abridged():
    layers = [DrawnLayer("I", 2, "input", ""), *(DrawnLayer("H", 2, f"dense {n}", "", 6) for n in range(40))]
    texts = [mark.text for mark in draw_layers(layers, "Deep").marks if isinstance(mark, Text)]
    assert "…" in texts
    assert "dense 39" in texts
    assert "dense 20" not in texts


def test_an_unlabelled_drawing_keeps_its_name_to_itself():
    text = to_svg(draw_unlabelled(drawing_of("GAN")))
    assert "Generative" not in text
    assert "GAN" not in text


def test_what_cannot_be_written_is_refused():
    scene = draw_one(drawing_of("P"))
    with pytest.raises(UsageError, match=r"needs a file name that ends in \.svg"):
        render(scene, ".gif")
    with pytest.raises(UsageError, match="needs a theme: auto, light or dark; got 'blue'"):
        render(scene, ".svg", "blue")
    assert not any(isinstance(mark, Area) for mark in scene.marks)
