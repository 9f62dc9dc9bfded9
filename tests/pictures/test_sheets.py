import base64
import io
import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from nnzoo.pictures.filters import BETWEEN, NEGATIVE, POSITIVE, diverging, filter_sheet
from nnzoo.pictures.sheets import STYLE, image_strip, matrix_sheet, tile_sheet
from nnzoo.pictures.tiles import Picture, img, tile

EVIL = '<b onclick="x">\'&\x1b\x00'
SHORT_EVIL = '<b onclick="x">\'&…'
GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
COLOUR = np.random.default_rng(0).integers(0, 256, size=(64, 64, 3), dtype=np.uint8)


class Page(HTMLParser):
    """Tags with attributes and text; fails where tags do not close in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.found, self.words = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in ("img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.found if name == tag]


def stored(attrs):
    """Return the pixels that an ``<img>`` holds."""
    head, data = attrs["src"].split(",", 1)
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data, validate=True))))


def only_image(text):
    (attrs,) = Page(text).all("img")
    return attrs


@pytest.mark.parametrize("image", [GREY, COLOUR], ids=["grey", "colour"])
def test_pixels_of_an_image_come_back_without_loss(image):
    np.testing.assert_array_equal(stored(only_image(img(image, ""))), image)


@pytest.mark.parametrize(
    ("shape", "size", "hard"),
    [
        ((28, 28), (84, 84), True),
        ((8, 8), (96, 96), True),
        ((24, 40), (48, 80), True),
        ((48, 48), (96, 96), True),
        ((64, 64), (96, 96), False),
        ((64, 32), (96, 48), False),
        ((1, 1), (96, 96), True),
        ((1, 500), (1, 96), False),
    ],
)
def test_small_images_grow_by_a_whole_factor_and_others_fill_the_side(shape, size, hard):
    attrs = only_image(img(np.zeros(shape, np.uint8), ""))
    assert (int(attrs["height"]), int(attrs["width"])) == size
    assert ("class" in attrs) == hard


def test_image_larger_than_its_place_is_shrunk_before_it_is_stored():
    large = np.full((300, 200, 3), 77, np.uint8)
    np.testing.assert_array_equal(stored(only_image(img(large, ""))), np.full((96, 64, 3), 77))
    assert stored(only_image(img(COLOUR, "", side=64, pixels=48))).shape == (48, 48, 3)


def test_alt_text_and_captions_are_text_never_markup():
    page = Page(tile(Picture(GREY, EVIL, (EVIL,), EVIL)))
    assert [name for name, _ in page.found] == ["figure", "img", "figcaption", "small"]
    readable = '<b onclick="x">\'&��'
    assert page.all("img")[0]["alt"] == readable
    assert page.words == [readable, readable]


@pytest.mark.parametrize(("right", "sign", "kind"), [(True, "✓", "right"), (False, "✗", "wrong")])
def test_right_and_wrong_differ_by_a_sign_and_not_by_colour_alone(right, sign, kind):
    page = Page(tile(Picture(GREY, "a", right=right)))
    assert page.words[0] == sign
    assert page.all("figure")[0]["class"] == f"tile {kind}"
    assert re.search(r"\.tile\.wrong\{border-top:3px dashed", STYLE)


def test_share_is_drawn_as_a_bar_of_that_length():
    assert 'style="width:62%"' in tile(Picture(GREY, share=0.62))
    assert 'class="bar"' not in tile(Picture(GREY))


def test_sheet_holds_one_image_per_picture():
    assert len(Page(tile_sheet([Picture(GREY, alt=str(i)) for i in range(7)])).all("img")) == 7


def matrix():
    counts = np.array([[90, 10, 0], [1200, 0, 5], [0, 0, 3]])
    pictures = [Picture(GREY, alt="first"), Picture(GREY, alt="second")]
    behind = {(1, 0): ("b taken for a", pictures), (0, 0): ("a, rightly so", pictures[:1]), (2, 2): (EVIL, pictures)}
    return matrix_sheet(counts, ["a", EVIL, 3], behind)


def test_matrix_shows_every_count_under_its_labels():
    text = matrix()
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</th>(.*?)</tr>", text)
    cells = [re.findall(r"(?:>|^)(·|[\d,]+)(?:</summary>|</td>)", row) for _, row in rows]
    assert cells == [["90", "10", "·"], ["1,200", "·", "5"], ["·", "·", "3"]]
    assert [unescape(name) for name, _ in rows] == ["a", SHORT_EVIL, "3"]


def test_matrix_opens_without_a_script_and_the_first_cell_is_open():
    page = Page(matrix())
    cells = page.all("details")
    assert [("open" in each, each["name"]) for each in cells] == [
        (False, "nnzoo-cell"),
        (True, "nnzoo-cell"),
        (False, "nnzoo-cell"),
    ]
    assert not {"script", "a", "input"} & {name for name, _ in page.found}
    assert not [key for _, attrs in page.found for key in attrs if key.startswith("on")]


def test_matrix_cell_shows_its_first_image_and_holds_all():
    alts = [each["alt"] for each in Page(matrix()).all("img")]
    assert alts[2:5] == ["b taken for a", "first", "second"]


def test_deeper_cells_hold_a_larger_share_of_their_line():
    paints = re.findall(r"background:rgb\((\d+),", matrix())
    by_share = [int(paints[i]) for i in (1, 0, 2)]  # 10 %, 90 %, 1200 of 1205
    assert by_share == sorted(by_share, reverse=True)
    assert len(set(by_share)) == 3


def test_diverging_colours_are_white_at_zero_and_even_on_both_sides():
    colours = diverging(np.array([-2.0, -1.0, 0.0, 0.5, 1.0]), 1.0)
    np.testing.assert_array_equal(colours[[0, 1, 4]], [NEGATIVE, NEGATIVE, POSITIVE])
    assert colours[2].tolist() == [255, 255, 255]
    np.testing.assert_allclose(colours[3], (255 + POSITIVE) / 2, atol=0.5)


def test_filters_share_one_scale_that_is_said():
    weights = np.zeros((3, 5, 5))
    weights[0, 0, 0], weights[2, 4, 4] = -0.5, 0.25
    text = filter_sheet(weights, "three filters.")
    images = Page(text).all("img")
    assert [each["alt"] for each in images] == [
        "filter 1, weights from -0.5 to 0",
        "filter 2, weights from 0 to 0",
        "filter 3, weights from 0 to 0.25",
    ]
    assert stored(images[0])[0, 0].tolist() == NEGATIVE.tolist()
    np.testing.assert_allclose(stored(images[2])[4, 4], (255 + POSITIVE) / 2, atol=0.5)
    assert "three filters. Scale: −0.5" in text
    assert "+0.5; white is 0." in text


def test_channels_of_a_filter_stand_side_by_side_with_a_line_between():
    weights = np.zeros((1, 2, 2, 3))
    weights[..., 1] = 1.0
    pixels = stored(Page(filter_sheet(weights, "")).all("img")[0])
    assert pixels.shape == (2, 8, 3)
    assert pixels[0, [2, 5]].tolist() == [BETWEEN.tolist()] * 2
    assert (pixels[:, 3:5] == POSITIVE).all()
    assert (pixels[:, [0, 1, 6, 7]] == 255).all()


def test_many_filters_and_channels_are_cut_to_64_and_4():
    images = Page(filter_sheet(np.ones((70, 3, 3, 9)), "")).all("img")
    assert len(images) == 64
    assert stored(images[0]).shape == (3, 15, 3)


def test_filters_that_are_all_zero_are_white():
    assert (stored(Page(filter_sheet(np.zeros((1, 3, 3)), "")).all("img")[0]) == 255).all()


def numbered(n_images):
    """Return images whose pixels all hold their number."""
    return np.arange(n_images, dtype=np.uint8)[:, None, None] * np.ones((1, 3, 3), np.uint8)


def lines_of(text):
    """Return class and image numbers of every line of a strip."""
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</th>(.*?)</tr>", text)
    return [(unescape(name), [int(stored(each)[0, 0]) for each in Page(row).all("img")]) for name, row in rows]


def test_strip_shows_the_first_images_of_each_class():
    text = image_strip(numbered(6), ["b", "a", "b", "b", "a", EVIL], per_label=2)
    assert lines_of(text) == [(SHORT_EVIL, [5]), ("a", [1, 4]), ("b", [0, 2])]
    assert "The first images of each class, at most 2." in text
    assert Page(text).all("style")


def test_strip_sorts_numbers_by_value_and_counts_the_classes_left_out():
    text = image_strip(numbered(14)[..., None], np.array([10, 9, *range(12)]))
    assert [name for name, _ in lines_of(text)] == [str(i) for i in range(12)]
    text = image_strip(numbered(15), range(15))
    assert len(lines_of(text)) == 12
    assert "3 more classes are not shown" in text


def test_strip_without_classes_is_one_sheet():
    assert len(Page(image_strip(numbered(20), per_label=3)).all("img")) == 6
    assert Page(image_strip(numbered(0), [])).all("img") == []
    page = Page(image_strip(numbered(2), np.array([0.5, 2.25])))
    assert "2.25" in page.words
    assert page.all("img")[1]["alt"] == "image 2: 2.25"


def test_importing_sheets_loads_neither_pillow_nor_matplotlib():
    code = "import sys, nnzoo.pictures.filters; sys.exit(bool({'PIL', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
