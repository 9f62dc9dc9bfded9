import subprocess
import sys
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest

from nnzoo.pictures import canvas, svg
from nnzoo.pictures.curves import (
    calibration_curve,
    intervals,
    learning_curves,
    training_curves,
    truth_against_prediction,
)
from nnzoo.pictures.matrices import DEEP, PALE, confusion_matrix, luminance, text_colour

EVIL = ["$x_{$", "<b>&\"'", "\x1b[31m\x00", "日本語", "_hidden", ""]
HISTORY = {
    "epoch": [1, 2, 3, 4],
    "train_loss": [4.0, 3.0, 2.0, 1.0],
    "valid_loss": [4.0, 2.0, None, 3.0],
    "lr": [1, 1, 1, 1],
}


def pictures():
    truth = np.random.default_rng(0).normal(size=50)
    return {
        "training": training_curves(HISTORY),
        "calibration": calibration_curve([0.5, 0.9], [0.4, 1.0], [(0.2, 0.6), (0.8, 1.0)]),
        "truth": truth_against_prediction(truth, truth + 1),
        "intervals": intervals(EVIL, range(6), [(None, None), *[(0, 6)] * 5], "accuracy"),
        "confusion": confusion_matrix(np.arange(36).reshape(6, 6), EVIL),
        "large confusion": confusion_matrix(np.eye(40, dtype=int), [f"class {i}" for i in range(40)]),
    }


NAMES = ("training", "calibration", "truth", "intervals", "confusion", "large confusion")


@pytest.mark.parametrize("name", NAMES)
def test_svg_is_well_formed_transparent_and_takes_the_ink_of_the_page(name):
    text = svg(pictures()[name], 'a "picture" <of> it')
    root = ElementTree.fromstring(text)
    assert root.get("aria-label") == 'a "picture" <of> it'
    assert root.get("width") is None
    assert "currentColor" in text
    assert canvas.INK not in text
    assert "fill: #ffffff; opacity: 1" not in text
    assert "\x1b" not in text


@pytest.mark.parametrize("name", NAMES)
def test_svg_of_the_same_figure_is_the_same_text(name):
    assert svg(pictures()[name]) == svg(pictures()[name])


def test_ids_of_two_pictures_on_a_page_differ():
    ids = [
        {element.get("id") for element in ElementTree.fromstring(svg(figure)).iter() if element.get("id")}
        for figure in (pictures()["training"], pictures()["truth"])
    ]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_every_reference_inside_a_picture_finds_its_id():
    text = svg(pictures()["truth"])
    root = ElementTree.fromstring(text)
    ids = {element.get("id") for element in root.iter()}
    links = {element.get("{http://www.w3.org/1999/xlink}href") for element in root.iter()} - {None}
    assert links
    assert {link.removeprefix("#") for link in links} <= ids


def contrast(one, other):
    low, high = sorted((luminance(np.asarray(one)), luminance(np.asarray(other))))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colour", [canvas.BLUE, canvas.ORANGE, canvas.GREEN, canvas.GREY])
@pytest.mark.parametrize("ground", ["#ffffff", "#14171c", "#121212"])
def test_colours_of_data_have_contrast_on_light_and_dark(colour, ground):
    assert contrast(mpl.colors.to_rgb(colour), mpl.colors.to_rgb(ground)) >= 3


@pytest.mark.parametrize("share", np.linspace(0, 1, 41))
def test_numbers_in_cells_have_contrast_at_every_depth(share):
    cell = PALE + share * (DEEP - PALE)
    assert contrast(cell, mpl.colors.to_rgb(text_colour(cell))) >= 4.5


def test_intervals_outside_the_range_are_arrows_at_its_border():
    figure = intervals(["a", "b", "c"], [0.9, 0.1, 2.0], [(0.88, 0.92), (0.0, 0.2), (None, None)], "x", within=(0.8, 1))
    dots = [line for line in figure.axes[0].get_lines() if len(line.get_xdata()) == 1]
    assert [(dot.get_marker(), float(dot.get_xdata()[0])) for dot in dots] == [("D", 0.9), ("<", 0.8), (">", 1.0)]


def test_learning_curves_join_the_means_and_keep_a_dot_a_score():
    axes = learning_curves({"gru": {1.0: [0.8, 0.9], 0.5: [0.6, 0.7]}}, "accuracy").axes[0]
    line, *dots = axes.get_lines()
    assert list(line.get_xdata()) == [0.5, 1.0]
    assert list(line.get_ydata()) == pytest.approx([0.65, 0.85])
    assert [list(each.get_ydata()) for each in dots] == [[0.6, 0.7], [0.8, 0.9]]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0.5", "all"]


def test_training_curves_mark_the_best_validation_epoch_and_leave_out_what_is_no_loss():
    axes = training_curves(HISTORY).axes[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["training rows", "validation rows", "best epoch: 2"]


def test_training_curves_without_a_loss_are_none():
    assert training_curves({"epoch": [1], "train_loss": [None]}) is None
    assert training_curves({}) is None


def test_long_histories_are_thinned_to_500_points_with_both_ends():
    line = training_curves({"train_loss": list(range(10_000))}).axes[0].get_lines()[0]
    assert len(line.get_xdata()) == 500
    assert (line.get_xdata()[0], line.get_xdata()[-1]) == (1, 10_000)


def test_confusion_writes_counts_up_to_12_labels_and_not_above():
    counts = np.arange(144).reshape(12, 12)
    assert len(confusion_matrix(counts, range(12)).axes[0].texts) == 144
    assert len(confusion_matrix(np.eye(13, dtype=int), range(13)).axes[0].texts) == 0


def test_confusion_with_a_label_that_has_no_rows_is_drawn():
    assert svg(confusion_matrix(np.array([[2, 1], [0, 0]]), ["a", "b"]))


def test_label_of_the_user_is_short_and_printable():
    assert canvas.label("a" * 30) == "a" * 17 + "…"
    assert canvas.label("a\x00b") == "a\N{REPLACEMENT CHARACTER}b"


def test_the_users_style_changes_nothing_and_is_left_as_it_was():
    plain = svg(pictures()["intervals"])
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path"}):
        assert svg(pictures()["intervals"]) == plain
        assert mpl.rcParams["font.size"] == 30


def test_pictures_leave_pyplot_alone():
    code = (
        "import sys, nnzoo.pictures.curves as c; c.svg = __import__('nnzoo.pictures', fromlist=['svg']).svg;"
        "c.svg(c.training_curves({'train_loss': [1.0, 2.0]})); sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_importing_pictures_does_not_import_matplotlib():
    code = "import sys, nnzoo.pictures.curves, nnzoo.pictures.matrices; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
