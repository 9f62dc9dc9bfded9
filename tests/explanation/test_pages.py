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
