"""The page of a trace: small, whole, asks nothing of the network; every figure has a sentence and a table."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from nnzoo import explanation
from nnzoo.explanation.traces import Trace, asked, step_text
from nnzoo.trace import Step


class Reader(HTMLParser):
    """Counts what a page has, and holds it to closed tags."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def read(trace, tmp_path, **how):
    trace.to_html(tmp_path / "t.html", **how)
    text = (tmp_path / "t.html").read_text()
    page = Reader()
    page.feed(text)
    assert page.open == []
    return page, text


def step_with(result, **more):
    given = {"op": "x", "title": "T", "formula": "f", "numbers": "n", "name": "r", "words": "W"} | more
    return Step(result=np.asarray(result), **given)


@pytest.mark.parametrize("make", [explanation.convolution, explanation.lstm, explanation.activation, explanation.image])
def test_the_page_needs_nothing_from_elsewhere(make, tmp_path):
    page, text = read(make(), tmp_path)
    assert len(text) < 10**6
    assert not {"src", "href"} & {
        name for _, attrs in page.tags for name, value in attrs.items() if not (value or "").startswith(("data:", "#"))
    }
    assert re.sub(r'xmlns(:xlink)?="http://www.w3.org/[^"]*"', "", text).count("http://") == 0
    assert "default-src 'none'" in text


@pytest.mark.parametrize("make", [explanation.convolution, explanation.lstm, explanation.pooling])
def test_every_figure_has_a_sentence_and_a_table(make, tmp_path):
    _, text = read(make(), tmp_path)
    figures = re.findall(r"<figure>.*?</figure>", text, flags=re.DOTALL)
    assert figures
    for figure in figures:
        assert re.search(r"<figcaption>[^<]+\.</figcaption>", figure)
        assert "<table" in figure


def test_every_number_of_a_formula_is_on_the_page(tmp_path):
    trace = explanation.lstm()
    page, _ = read(trace, tmp_path)
    for step in trace.steps:
        for array in step.operands.values():
            assert all(f"{value:.5g}" in page.text for value in array.ravel())


def test_text_from_outside_is_escaped(tmp_path):
    nasty = '<script>alert("x")</script>'
    trace = Trace(
        nasty, nasty, (step_with([1.0, 2.0], title=nasty, labels=(nasty, "b"), operands={nasty: np.ones(2)}),)
    )
    page, text = read(trace, tmp_path)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert nasty not in text


def test_large_arrays_are_pictures_and_the_page_stays_small(tmp_path):
    draw = np.random.default_rng(0)
    steps = tuple(step_with(draw.normal(size=(64, 64))) for _ in range(60))
    _, text = read(Trace("t", "w", steps), tmp_path)
    assert len(text) < 2 * 10**6
    assert "left out to keep the page small" in text


def test_predict_hides_what_is_asked_for(tmp_path):
    trace = explanation.softmax()
    _, text = read(trace, tmp_path, predict=True)
    before = text.split("<details><summary>Your answer first")[0]
    assert "0.66524" not in before
    assert "What goes in" in before


def test_the_reader_is_asked_for_the_cell_that_is_worked_out():
    step = explanation.convolution().steps[-1]
    assert asked(step) == ("Z[1, 1]", 60.0)
    assert "60" not in step_text(1, step, solved=False).split("K = ")[1]
    assert asked(step_with(["a"])) is None


def test_a_trace_shows_itself_in_a_notebook():
    assert "<section" in explanation.softmax()._repr_html_()


def test_infinite_numbers_are_text_in_json():
    assert Trace("t", "w", (step_with([np.inf]),)).to_json()["steps"][0]["result"]["values"] == ["inf"]


def test_another_cell_is_offered_with_all_it_takes_and_its_value_folded_away(tmp_path):
    step = step_with([3.0, -1.25], cell=(0,), other=(1,), of_other={"W[2]": np.array([7.5, 0.5])})
    page, text = read(Trace("T", "w", (step,)), tmp_path)
    assert "By hand: r[2]" in page.text
    assert "7.5" in page.text
    assert re.search(r"<details><summary>Your answer first; then open</summary><p>r\[2\] = -1.25</p></details>", text)
    assert "By hand" not in read(Trace("T", "w", (step_with([3.0, -1.25], cell=(0,)),)), tmp_path)[1]


def test_small_maps_are_tables_of_all_their_places_and_only_results_are_marked(tmp_path):
    maps = np.arange(12.0).reshape(3, 2, 2)
    step = step_with(maps[:2], cell=(1, 0, 1), operands={"z": maps})
    _, text = read(Trace("T", "w", (step,)), tmp_path)
    assert text.count("The numbers of all maps, one a line") == 2
    assert "<th class='n'>[2, 1]</th>" in text
    assert re.findall(r"<td class=at>([^<]*)", text) == ["5"]
