import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from nnzoo.errors import DataError, ResourceError
from nnzoo.evaluation.baselines import Baseline, run_baselines
from nnzoo.evaluation.metrics import score
from nnzoo.evaluation.report import evaluate_predictions
from nnzoo.evaluation.report_html import SIDES, page
from nnzoo.pictures.page import DARK, DARK_INK, LIGHT, LIGHT_INK

EVIL = "<img src=x onerror=alert(1)>\"'&\x1b[31m$x_{"
HISTORY = {"epoch": [1, 2, 3], "train_loss": [1.0, 0.5, 0.4], "valid_loss": [1.1, None, 0.6], "seconds": [1, 1, 1]}
VOID = {"meta", "img", "br", "link"}


def labels_report(n_rows=60, n_classes=3, names=None, **options):
    generator = np.random.default_rng(0)
    classes = np.array(names or [f"class {i}" for i in range(n_classes)], dtype=object)
    chances = generator.dirichlet(np.ones(len(classes)), size=n_rows)
    truth = classes[generator.integers(0, len(classes), size=n_rows)]
    options = {"rows": np.arange(n_rows) + 11, "history": HISTORY, "how": ["The test part."]} | options
    return evaluate_predictions("classification", truth, classes[chances.argmax(axis=1)], chances, classes, **options)


def numbers_report(n_rows=60, **options):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(2 * n_rows, 2))
    y = 100 + 10 * X[:, 0] + generator.normal(size=2 * n_rows)
    baselines = run_baselines(
        "regression", X[:n_rows], y[:n_rows], X[n_rows:], y[n_rows:], source="a.csv", target="y", columns=["a", "b"]
    )
    said = np.full(n_rows, 100.0)
    return evaluate_predictions("regression", y[n_rows:], said, baselines=baselines, history=HISTORY, **options)


def several_report(**options):
    truth, said = np.random.default_rng(0).integers(0, 2, size=(2, 50, 3))
    chances = np.random.default_rng(1).random((50, 3))
    return evaluate_predictions(
        "classification", truth, said, chances, np.array(["a", EVIL, "c"]), several_labels=True, **options
    )


class Nesting(HTMLParser):
    """Collects tags, attributes and text, and fails where tags do not close in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.values, self.words = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.values += [value or "" for name, value in attrs if not name.startswith("xmlns")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.values += [value or "" for _, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


REPORTS = {"labels": labels_report, "numbers": numbers_report, "several labels": several_report}


@pytest.mark.parametrize("make", REPORTS.values(), ids=REPORTS)
def test_json_is_strict_and_holds_the_parts(make):
    found = json.loads(json.dumps(make().to_json(), allow_nan=False))
    assert {"metrics", "baselines", "verdict", "confusion", "calibration", "worst", "how", "history"} <= set(found)
    assert found["metrics"][found["primary"]]["value"] is not None


def test_json_turns_what_is_not_finite_into_null():
    assert labels_report(history={"train_loss": [np.nan, np.float32(1)]}).to_json()["history"] == {
        "train_loss": [None, 1.0]
    }


def test_confusion_counts_true_labels_in_rows():
    report = evaluate_predictions("classification", ["a", "a", "b"], ["a", "b", "b"], classes=["a", "b"])
    assert report.confusion.labels == ["a", "b"]
    assert report.confusion.counts.tolist() == [[1, 1], [0, 1]]
    assert report.confusions == [("a", "b", 1)]
    first = report.labels[0]
    assert (first.rows, first.precision, first.recall, first.f1) == (2, 1.0, 0.5, pytest.approx(2 / 3))


def test_a_label_that_is_never_said_has_no_precision():
    report = evaluate_predictions("classification", ["a", "b"], ["a", "a"])
    assert (report.labels[1].precision, report.labels[1].recall) == (None, 0.0)
    assert "–" in str(report)


def test_more_than_200_labels_keep_the_frequent_confusions_only():
    report = labels_report(n_rows=900, n_classes=201)
    assert report.confusion is None
    assert len(report.confusions) == 20


def test_calibration_compares_what_it_says_with_what_is_right():
    chances = np.array([[0.95, 0.05]] * 4 + [[0.55, 0.45]] * 2)
    report = evaluate_predictions("classification", list("aaabab"), list("aaaaaa"), chances, ["a", "b"])
    assert [(each.rows, each.said, each.right) for each in report.calibration] == [
        (2, pytest.approx(0.55), 0.5),
        (4, pytest.approx(0.95), 0.75),
    ]


def test_worst_rows_are_the_surest_mistakes_with_their_row_numbers():
    chances = np.array([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    report = evaluate_predictions(
        "classification", list("bbba"), list("aaba"), chances, ["a", "b"], rows=[40, 10, 30, 20]
    )
    assert [(each.row, each.truth, each.prediction, each.probability) for each in report.worst] == [
        (10, "b", "a", 0.9),
        (40, "b", "a", 0.6),
    ]


def test_worst_rows_of_a_regression_have_the_largest_errors():
    report = evaluate_predictions("regression", [1.0, 2.0, 3.0], [1.5, 2.0, 0.0], rows=[7, 8, 9])
    assert [each.row for each in report.worst] == [9, 7, 8]


def test_worst_rows_of_several_labels_have_most_wrong_labels():
    report = evaluate_predictions(
        "classification", [[1, 1], [1, 0]], [[0, 0], [1, 1]], classes=["a", "b"], several_labels=True
    )
    assert [(each.row, each.truth, each.prediction) for each in report.worst] == [(1, "a|b", ""), (2, "a", "a|b")]


def test_residual_fifths_show_where_it_is_off():
    truth = np.arange(100.0)
    report = evaluate_predictions("regression", truth, truth + (truth >= 80) * 5)
    means = [each.prediction - each.truth for each in report.residuals.bins]
    assert means == pytest.approx([0, 0, 0, 0, 5])
    assert report.residuals.bins[4].rmse == pytest.approx(5)


def test_text_names_metric_baseline_verdict_and_lines_of_the_winner():
    report = numbers_report(how="60 rows of the test part.")
    text = str(report)
    assert "Evaluation on 60 rows (regression)\n  60 rows of the test part." in text
    assert re.search(r"RMSE +\d+\.?\d* \[[\d., ]+\] +lower is better", text)
    assert re.search(r"this network.*\n +linear.*\n +boosted trees.*\n +constant", text)
    assert report.baseline_wins
    assert "    from sklearn.linear_model import Ridge\n" in text
    assert max(map(len, text.splitlines())) <= 120


def test_text_and_pages_hold_no_control_characters_of_the_users_labels():
    report = labels_report(names=["a", EVIL, "c"], how=f"rows {EVIL}")
    assert "\x1b" not in str(report) + page(report) + report._repr_html_()


@pytest.mark.parametrize("make", REPORTS.values(), ids=REPORTS)
def test_page_is_well_formed_and_asks_for_nothing_from_outside(make):
    found = Nesting(page(make(how=EVIL)))
    assert not {"script", "img", "link", "iframe", "a"} & set(found.tags)
    assert not [value for value in found.values if "//" in value or value.startswith("javascript")]
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in found.values


def test_users_words_are_text_never_markup():
    code = Baseline(
        "<b>bold</b>", score("classification", ["a"] * 60, ["a"] * 60), np.array(["a"] * 60), 1.0, EVIL, EVIL
    )
    report = labels_report(names=["a", EVIL, "c"], how=EVIL, baselines=[code], history={EVIL + "loss": [1.0, 2.0]})
    found = Nesting(page(report))
    assert "img" not in found.tags
    assert "b" not in found.tags
    assert any("<img src=x onerror" in words for words in found.words)


@pytest.mark.parametrize("make", REPORTS.values(), ids=REPORTS)
def test_every_figure_has_a_sentence_before_and_a_table_after_it(make):
    body = page(make())
    sections = re.split(r"<h2>", body)[1:]
    pictured = [section for section in sections if "<svg" in section]
    assert pictured
    for section in pictured:
        assert section.index("<p>") < section.index("<svg") < section.index("<table>")


def test_page_of_a_large_evaluation_stays_below_a_megabyte():
    long_history = {"epoch": list(range(5000)), "train_loss": list(np.random.default_rng(0).random(5000))}
    assert len(page(labels_report(n_rows=4000, n_classes=150, history=long_history)).encode()) < 1_000_000
    generator = np.random.default_rng(0)
    truth, said = generator.normal(size=(2, 50_000))
    assert len(page(evaluate_predictions("regression", truth, said)).encode()) < 1_000_000


def test_page_fits_a_phone_and_both_themes():
    text = page(labels_report())
    assert 'name="viewport" content="width=device-width, initial-scale=1"' in text
    assert "prefers-color-scheme:dark" in text
    assert text.count("<table>") == text.count('<div class="wide"><table>')


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_text_and_marks_of_the_page_have_contrast_in_both_themes():
    assert min(contrast(LIGHT, LIGHT_INK), contrast(DARK, DARK_INK)) >= 7
    assert min(contrast(side, ground) for side in SIDES.values() for ground in (LIGHT, DARK)) >= 3


def test_lines_of_the_winning_baseline_are_open_and_the_others_closed():
    text = page(numbers_report())
    assert "<details open><summary>linear</summary><pre>import polars" in text
    assert "<details><summary>constant</summary>" in text


def test_html_is_written_and_shown_in_a_notebook(tmp_path):
    report = labels_report()
    report.to_html(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page(report)
    assert report._repr_html_().startswith('<div class="nnzoo">')
    assert re.fullmatch(r"<Report: \w+ \S+ \[\S+, \S+\] on 60 rows>", repr(report))


def test_html_into_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ResourceError, match=r"report cannot be written to .*folder that exists"):
        labels_report().to_html(tmp_path / "none" / "report.html")


def test_report_without_history_baselines_or_probabilities_is_shorter_not_broken():
    report = evaluate_predictions("classification", ["a", "b"], ["a", "b"])
    assert "There is no baseline beside it." in report.verdict
    assert report.worst == []
    Nesting(page(report))
    assert "<h2>How the training went" not in page(report)
    assert "nan" not in str(report)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": [1, 2]}, "one of the row numbers for each of 3 rows; got 2"),
        (
            {"baselines": [Baseline("linear", {}, np.ones(2), 0.0)]},
            "one of the predictions of linear for each of 3 rows; got 2",
        ),
    ],
)
def test_rows_and_baselines_of_other_rows_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        evaluate_predictions("regression", [1.0, 2.0, 3.0], [1.0, 2.0, 3.0], **options)


def test_same_seed_gives_the_same_report():
    assert page(labels_report(seed=4)) == page(labels_report(seed=4))
