"""Kinds of cells are told apart without colour, and seen on both pages."""

import pytest

from nnzoo.chart import KINDS
from nnzoo.pictures.cells import CORNERS, LOOKS, draw_cell
from nnzoo.pictures.scene import DARK, LIGHT, Circle, Line, Polygon

FAMILIES = {"square": "BIN", "circle": "HPS", "capsule": "C", "diamond": "OM", "hexagon": "RYG", "octagon": "KV"}


def luminance(colour):
    """Return the relative luminance of "#rrggbb" as WCAG defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def without_colour(letter):
    """Return what is left of a cell in black and white: forms, places and sizes, paper apart from fill."""
    found = []
    for mark in draw_cell(letter, 0, 0, 10):
        place = mark.points if isinstance(mark, Line | Polygon) else (mark.x, mark.y, mark.r)
        empty = not isinstance(mark, Line) and mark.colour == "paper"
        found.append((type(mark).__name__, place, empty))
    return tuple(found)


def test_every_kind_has_a_look():
    assert list(LOOKS) == list(KINDS)


def test_shape_and_mark_alone_tell_all_kinds_apart():
    assert len({(look.shape, look.mark) for look in LOOKS.values()}) == len(LOOKS)
    assert len({without_colour(letter) for letter in LOOKS}) == len(LOOKS)


def test_families_have_a_shape_and_shapes_belong_to_one_family():
    assert {letter: look.shape for letter, look in LOOKS.items()} == {
        letter: shape for shape, letters in FAMILIES.items() for letter in letters
    }


@pytest.mark.parametrize("letter", KINDS)
def test_cell_has_one_filled_outline_in_the_colour_of_its_kind(letter):
    outline, *inside = draw_cell(letter, 100, 50, 10)
    assert isinstance(outline, Circle | Polygon)
    assert outline.colour == LOOKS[letter].colour
    assert all(isinstance(mark, Line) or mark.colour == "paper" for mark in inside)


@pytest.mark.parametrize("letter", KINDS)
def test_cell_stands_around_its_place_and_keeps_to_its_radius(letter):
    for mark in draw_cell(letter, 100, 50, 10):
        points = [(mark.x, mark.y)] if isinstance(mark, Circle) else mark.points
        assert all(abs(complex(x, y) - (100 + 50j)) <= 12.5 for x, y in points)


def test_corners_of_a_shape_are_as_many_as_its_name_says():
    assert {shape: n for shape, (n, _, _) in CORNERS.items()} == {
        "square": 4, "diamond": 4, "hexagon": 6, "octagon": 8
    }  # fmt: skip


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("letter", KINDS)
def test_edge_and_marks_of_a_cell_are_seen_on_its_fill(theme, letter):
    assert contrast(theme["ink"], theme[LOOKS[letter].colour]) >= 3


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read_and_links_are_seen(theme):
    assert min(contrast(theme[role], theme["paper"]) for role in ("ink", "soft")) >= 4.5
    assert contrast(theme["link"], theme["paper"]) >= 3
