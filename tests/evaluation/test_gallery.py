import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from nnzoo.errors import DataError
from nnzoo.evaluation.gallery import showable
from nnzoo.evaluation.report import evaluate_predictions
from nnzoo.evaluation.report_html import fragment, page
from nnzoo.evaluation.report_text import sureness

EVIL = "<img src=x onerror=alert(1)>\"'&\x1b[31m"
FILTERS = {"first layer": np.linspace(-1, 1, 4 * 3 * 3).reshape(4, 3, 3)}


class Page(HTMLParser):
    """Tags with attributes; fails where tags do not close in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.found = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag):
        return [attrs for name, attrs in self.found if name == tag]


def numbered(n_rows):
    """Return images whose pixels all hold the position of their row."""
    return np.arange(n_rows, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)


def labels_report(n_rows=200, n_classes=4, shape=(8, 8), names=None, **options):
    """Return the report of labels drawn by chance, so that every label is taken for every other."""
    generator = np.random.default_rng(0)
    classes = np.array([f"class {i}" for i in range(n_classes)] if names is None else names, dtype=object)
    chances = generator.dirichlet(np.ones(len(classes)), size=n_rows)
    truth = classes[np.arange(n_rows) % len(classes)]
    images = generator.integers(0, 256, size=(n_rows, *shape), dtype=np.uint8)
    options = {"images": images} | options
    return evaluate_predictions("classification", truth, classes[chances.argmax(axis=1)], chances, classes, **options)


def numbers_report(n_rows=50, **options):
    truth = np.linspace(0, 1, n_rows)
    said = truth + np.random.default_rng(0).normal(size=n_rows)
    return evaluate_predictions("regression", truth, said, **({"images": numbered(n_rows)} | options))


def several_report(n_rows=40):
    truth, said = np.random.default_rng(0).integers(0, 2, size=(2, n_rows, 3))
    return evaluate_predictions(
        "classification", truth, said, None, ["a", EVIL, "c"], several_labels=True, images=numbered(n_rows)
    )


def seen(tile):
    """Return the position of the row that a numbered image came from."""
    return int(tile.image[0, 0])


@pytest.mark.slow
def test_report_without_images_has_no_gallery_and_neither_pixels_nor_rules_for_them():
    report = labels_report(images=None)
    assert report.gallery is None
    assert "gallery" not in report.to_json()
    assert "name" not in report.to_json()["worst"][0]
    assert "<img" not in page(report)
    assert ".tile" not in page(report)


def test_every_tile_holds_the_image_of_its_row():
    truth, said = list("aabbab"), list("abbaab")
    report = evaluate_predictions("classification", truth, said, images=numbered(6), rows=np.arange(6) + 11)
    cells = [tile for cell in report.gallery.cells for tile in cell.tiles]
    for tile in (*report.gallery.sheet, *report.gallery.worst, *cells):
        assert tile.row == seen(tile) + 11
        assert (tile.truth, tile.prediction) == (truth[seen(tile)], said[seen(tile)])
        assert tile.right is (tile.truth == tile.prediction)
    assert sorted(seen(tile) for tile in report.gallery.sheet) == list(range(6))


def test_sheet_takes_as_many_rows_of_each_label_in_turn():
    labels = [tile.truth for tile in labels_report(n_classes=10).gallery.sheet]
    assert labels == [f"class {i}" for i in range(10)] * 3


def test_sheet_shows_what_there_is_of_a_rare_label_and_says_so():
    truth = np.array(["a"] * 90 + ["b"])
    gallery = evaluate_predictions("classification", truth, truth, images=numbered(91)).gallery
    assert [tile.truth for tile in gallery.sheet].count("b") == 1
    assert len(gallery.sheet) == 16
    assert gallery.drawn == "Up to 15 rows of each label, drawn by lot (seed 0)."


def test_sheet_does_not_look_at_what_went_well():
    truth = np.arange(300) % 3
    good = evaluate_predictions("classification", truth, truth, images=numbered(300)).gallery
    bad = evaluate_predictions("classification", truth, (truth + 1) % 3, images=numbered(300)).gallery
    assert [tile.row for tile in good.sheet] == [tile.row for tile in bad.sheet]
    assert {tile.right for tile in good.sheet} == {True}
    assert {tile.right for tile in bad.sheet} == {False}


def test_sheet_of_more_than_30_labels_is_any_30_rows():
    gallery = labels_report(n_rows=150, n_classes=40).gallery
    assert len(gallery.sheet) == 30
    assert gallery.drawn == "30 rows drawn by lot (seed 0)."


def test_same_seed_draws_the_same_sheet_and_another_seed_another():
    rows = [[tile.row for tile in labels_report(seed=seed).gallery.sheet] for seed in (3, 3, 4)]
    assert rows[0] == rows[1] != rows[2]


def test_every_cell_of_the_matrix_that_has_rows_has_an_example():
    report = labels_report(n_rows=1000, n_classes=12)
    counts = {(cell.truth, cell.prediction): cell.count for cell in report.gallery.cells}
    labels = report.confusion.labels
    found = {(labels[i], labels[j]): n for (i, j), n in np.ndenumerate(report.confusion.counts) if n}
    assert counts == found
    assert all(cell.tiles for cell in report.gallery.cells)


def test_cells_start_with_the_frequent_mistakes_and_end_with_what_is_right():
    cells = labels_report(n_rows=1000, n_classes=8).gallery.cells
    wrong = [cell for cell in cells if cell.truth != cell.prediction]
    assert [cell.count for cell in wrong] == sorted((cell.count for cell in wrong), reverse=True)
    assert cells[: len(wrong)] == tuple(wrong)
    assert {len(cell.tiles) for cell in cells[:20]} == {6}
    assert {len(cell.tiles) for cell in cells[20:]} == {2}


def test_tiles_of_a_cell_are_the_surest_first():
    for cell in labels_report(n_rows=500).gallery.cells:
        chances = [tile.probability for tile in cell.tiles]
        assert chances == sorted(chances, reverse=True)
    chances = np.array([[0.6, 0.4], [0.9, 0.1], [0.7, 0.3], [0.2, 0.8]])
    cells = evaluate_predictions(
        "classification", list("bbbb"), list("aaab"), chances, ["a", "b"], images=numbered(4)
    ).gallery.cells
    assert [(cell.truth, cell.prediction, [seen(tile) for tile in cell.tiles]) for cell in cells] == [
        ("b", "a", [1, 2, 0]),
        ("b", "b", [3]),
    ]


def test_more_than_12_labels_keep_the_20_most_frequent_mistakes():
    cells = labels_report(n_rows=1000, n_classes=13).gallery.cells
    assert len(cells) == 20
    assert all(cell.truth != cell.prediction for cell in cells)


def test_worst_are_up_to_20_of_the_surest_mistakes():
    report = labels_report()
    worst = report.gallery.worst
    assert len(worst) == 20
    assert [tile.row for tile in worst[:10]] == [each.row for each in report.worst]
    assert not any(tile.right for tile in worst)


def test_worst_of_a_regression_have_the_largest_errors():
    gallery = numbers_report().gallery
    errors = [abs(tile.truth - tile.prediction) for tile in gallery.worst]
    assert len(errors) == 20
    assert errors == sorted(errors, reverse=True)
    assert gallery.cells == ()
    assert {tile.right for tile in gallery.sheet} == {None}


def test_several_labels_are_joined_and_right_only_together():
    gallery = several_report().gallery
    assert gallery.cells == ()
    assert {tile.right for tile in several_report(n_rows=10).gallery.worst} == {False}
    assert {tile.right for tile in gallery.sheet} == {True, False}
    assert all(tile.right is (tile.truth == tile.prediction) for tile in gallery.sheet)


def test_json_has_rows_and_labels_and_no_pixels():
    report = labels_report(filters=FILTERS)
    found = json.loads(json.dumps(report.to_json(), allow_nan=False))["gallery"]
    tile = report.gallery.sheet[0]
    assert found["sheet"][0] == {
        "row": tile.row,
        "truth": tile.truth,
        "prediction": tile.prediction,
        "probability": tile.probability,
    }
    assert found["filters"] == {"first layer": [4, 3, 3]}
    assert found["cells"][0]["rows"] == report.gallery.cells[0].count
    assert "image" not in json.dumps(found)


# Values that are no pixels


def test_pixels_stay_as_they_are():
    images = np.random.default_rng(0).integers(0, 256, size=(3, 4, 5, 3), dtype=np.uint8)
    shown, said = showable(images)
    np.testing.assert_array_equal(shown, images)
    assert said == ""
    assert showable(images[..., :1])[0].shape == (3, 4, 5)


def test_other_values_are_stretched_over_all_images_together():
    images = np.array([[[0.0, 1.0]], [[-1.0, 3.0]]])
    shown, said = showable(images)
    assert shown.tolist() == [[[64, 128]], [[0, 255]]]
    assert said == "Values are drawn from -1 (black) to 3 (white), the range of the images shown."


def test_equal_values_and_values_that_are_not_finite_are_black():
    assert showable(np.full((1, 2, 2), 7.0))[0].tolist() == [[[0, 0], [0, 0]]]
    assert showable(np.array([[[np.nan, 0.0, 1.0, np.inf, -np.inf]]]))[0].tolist() == [[[0, 0, 255, 0, 0]]]
    assert showable(np.full((1, 1, 1), np.nan))[0].tolist() == [[[0]]]


def test_channels_that_are_no_colours_are_averaged_and_said():
    shown, said = showable(np.array([[[[0.0, 2.0], [3.0, 5.0]]]]))
    assert shown.tolist() == [[[0, 255]]]
    assert said.startswith("The mean of the 2 channels is shown. Values are drawn from 1 (black) to 4 (white)")


def test_page_says_how_values_were_made_visible():
    assert "Values are drawn from 0 (black) to 49 (white)" in page(numbers_report(images=numbered(50).astype(float)))


# The page


REPORTS = {
    "labels": labels_report,
    "many labels": lambda: labels_report(n_classes=15),
    "numbers": numbers_report,
    "several labels": several_report,
    "evil labels": lambda: labels_report(names=["a", EVIL, "c"]),
    "colour": lambda: labels_report(shape=(9, 7, 3), filters=FILTERS),
}


@pytest.mark.parametrize("make", REPORTS.values(), ids=REPORTS)
def test_page_is_well_formed_and_holds_its_images_itself(make):
    found = Page(page(make()))
    assert not {"script", "link", "iframe", "a", "button"} & {tag for tag, _ in found.found}
    images = found.all("img")
    assert images
    assert all(each["src"].startswith("data:image/png;base64,") for each in images)
    assert not [key for _, attrs in found.found for key in attrs if key.startswith("on")]
    assert "\x1b" not in page(make())


@pytest.mark.parametrize("make", REPORTS.values(), ids=REPORTS)
def test_every_image_has_words_for_those_who_do_not_see_it(make):
    assert all(each["alt"].strip() for each in Page(page(make())).all("img"))


@pytest.mark.parametrize("make", REPORTS.values(), ids=REPORTS)
def test_every_picture_has_a_sentence_above_and_one_below(make):
    sections = [each for each in re.split("<h2>", page(make()))[1:] if "<img" in each]
    assert len(sections) >= 2
    for section in sections:
        assert section.index("<p>") < section.index("<img")
        assert section.rindex("<img") < section.rindex('<p class="seen">')


def test_notebook_shows_the_same_pictures():
    report = labels_report(filters=FILTERS)
    assert report._repr_html_() == fragment(report)
    assert len(Page(fragment(report)).all("img")) == len(Page(page(report)).all("img"))


def test_alt_text_says_row_prediction_probability_and_truth():
    chances = np.array([[0.75, 0.25], [0.4, 0.6]])
    report = evaluate_predictions("classification", ["a", "a"], ["a", "b"], chances, ["a", "b"], images=numbered(2))
    alts = [each["alt"] for each in Page(page(report)).all("img")]
    assert alts[:2] == ["row 1: it says a 75%, it is a", "row 2: it says b 60%, it is a"]
    assert "a taken for b: 1 row" in alts


def test_caption_of_a_mistake_says_what_is_true_and_of_the_rest_only_what_it_says():
    chances = np.array([[0.75, 0.25], [0.4, 0.6]])
    report = evaluate_predictions("classification", ["a", "a"], ["a", "b"], chances, ["a", "b"], images=numbered(2))
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page(report))
    assert captions[:2] == [
        '<b class="mark">✓</b> a<small>75%</small>',
        '<b class="mark">✗</b> b<small>60%</small><small>is a</small>',
    ]


def test_sentences_below_say_what_one_sees():
    chances = np.array([[0.75, 0.25], [0.4, 0.6], [0.9, 0.1]])
    text = page(
        evaluate_predictions("classification", list("aaa"), list("aba"), chances, ["a", "b"], images=numbered(3))
    )
    assert "2 of these 3 images are right" in text
    assert "The most frequent mistake: a is taken for b in 1 of 3 (33%) rows." in text
    assert "The first, row 2, is a and was taken for b at 60%." in text


def test_largest_error_is_said_in_words():
    text = page(evaluate_predictions("regression", [1.0, 2.0], [1.5, 5.0], images=numbered(2)))
    assert "The largest error is 3.000: row 2 is 2.000, it says 5.000." in text


def test_report_without_a_mistake_says_so():
    text = page(evaluate_predictions("classification", ["a", "b"], ["a", "b"], images=numbered(2)))
    assert "There is no mistake." in text
    assert "2 of these 2 images are right" in text
    Page(text)


def test_most_frequent_mistake_is_open_and_the_grid_takes_the_place_of_the_table():
    report = labels_report()
    text = page(report)
    true, said, n_rows = report.confusions[0]
    opened = re.findall(r"<details[^>]* open>.*?<p>(.*?)</p>", text)
    assert opened == [f"{true} taken for {said}: {n_rows} rows"]
    assert "true \\ predicted" not in text


def test_page_of_10_classes_stays_below_a_megabyte_and_below_three_in_colour():
    grey = labels_report(n_rows=2000, n_classes=10, shape=(28, 28), filters=FILTERS)
    assert len(page(grey).encode()) < 1_000_000
    colour = labels_report(n_rows=2000, n_classes=10, shape=(64, 64, 3), filters=FILTERS)
    assert len(page(colour).encode()) < 3_000_000


def test_filters_alone_are_shown_with_their_scale():
    report = labels_report(images=None, filters=FILTERS)
    text = page(report)
    assert "first layer: 4 filters of 3 × 3. Scale: −1<" in text
    assert len(Page(text).all("img")) == 4
    assert "What it says, image by image" not in text


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((2, 5, 5, 3), "2 filters of 5 × 5 over 3 channels, side by side."),
        ((1, 3, 3, 1), "1 filter of 3 × 3."),
        ((70, 3, 3, 9), "70 filters of 3 × 3 over 9 channels, the first 4 side by side. The first 64 are drawn."),
    ],
)
def test_filters_left_out_are_said(shape, said):
    assert f"conv: {said}" in page(labels_report(filters={"conv": np.ones(shape)}))


@pytest.mark.parametrize(
    ("chance", "said"), [(0.994, "99%"), (0.995, "99.5%"), (0.99949, "99.9%"), (0.9995, ">99.9%"), (1.0, "100%")]
)
def test_only_what_is_certain_is_100_percent(chance, said):
    assert sureness(chance) == said


# Names


def named_report(names, **options):
    truth = np.arange(200) % 2
    options = {"images": numbered(200)} | options
    return evaluate_predictions("classification", truth, truth * (np.arange(200) > 9), names=names, **options)


def test_names_stand_in_text_page_and_json():
    names = [f"photos/number {i:03d}.png" for i in range(200)]
    report = named_report(names)
    worst = report.worst[0]
    assert worst.name == names[worst.row - 1]
    assert re.search(rf"row +name +truth.*\n +{worst.row} +{re.escape(worst.name)} ", str(report))
    assert worst.name in page(report)
    assert report.to_json()["worst"][0]["name"] == worst.name
    assert report.to_json()["gallery"]["sheet"][0]["name"].startswith("photos/number")
    without = named_report(names, images=None)
    assert f"<td>{worst.name}</td>" in page(without)


def test_long_name_keeps_its_end_which_tells_files_apart():
    names = ["folder/" * 20 + f"{i}.png" for i in range(200)]
    text = str(named_report(names))
    assert re.search(r"<small>…[a-z/]{34}1\.png</small>", page(named_report(names)))
    assert re.search(r"2 +…[a-z/]{34}1\.png ", text)


def test_control_characters_of_a_name_are_shown_not_sent():
    assert "\x1b" not in page(named_report([EVIL] * 200)) + str(named_report([EVIL] * 200))


# What does not fit


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": numbered(3)[0]}, r"needs images of shape \(rows, height, width\).*got uint8 of shape \(4, 4\)"),
        ({"images": np.zeros((3, 0, 4))}, r"needs images of shape.*got float64 of shape \(3, 0, 4\)"),
        ({"images": np.full((3, 4, 4), "a")}, r"needs images of shape.*got <U1 of shape \(3, 4, 4\)"),
        ({"images": numbered(2)}, "needs one image for each of 3 rows; got 2. Pass the images that were predicted"),
        ({"names": ["a"]}, "one of the names for each of 3 rows; got 1"),
        ({"filters": {"conv": np.ones((3, 3))}}, r'needs filters as finite.*got float64 of shape \(3, 3\) for "conv"'),
        ({"filters": {"conv": np.full((1, 3, 3), np.nan)}}, "needs filters as finite numbers"),
        ({"filters": {"conv": np.ones((0, 3, 3))}}, "needs filters as finite numbers"),
    ],
)
def test_images_names_and_filters_that_do_not_fit_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        evaluate_predictions("regression", [1.0, 2.0, 3.0], [1.0, 2.0, 3.0], **options)
