"""Which networks fit which data: a verdict and a reason for every network, from what the data are."""

import numpy as np
import polars as pl
import pytest

import nnzoo
from nnzoo.catalog import CATALOG
from nnzoo.fitting import VERDICTS, fits_text, fitting


def verdicts(data):
    return {fit.row.abbreviation: (fit.verdict, fit.why) for fit in fitting(data)}


def table(n_rows):
    draw = np.random.default_rng(0)
    x = draw.normal(size=(n_rows, 3))
    return nnzoo.load(
        pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": np.where(x[:, 0] > 0, "p", "q")}), target="y"
    )


def test_every_network_gets_one_verdict_and_a_reason():
    found = fitting(table(200))
    assert {fit.row for fit in found} == set(CATALOG)
    assert all(fit.verdict in VERDICTS and fit.why for fit in found)
    order = [VERDICTS.index(fit.verdict) for fit in found]
    assert order == sorted(order)


def test_a_small_table_is_left_to_trees_and_a_large_one_fits():
    assert verdicts(table(200))["DFF"] == (
        "could",
        "140 training rows are few: below 1,000 boosted trees usually win, so compare",
    )
    assert verdicts(table(3000))["DFF"] == ("fits", "2,100 training rows of 3 columns")
    assert verdicts(table(200))["DCN"][0] == "does not"
    assert "no order" in verdicts(table(200))["LSTM"][1]


def test_a_task_that_a_network_does_not_do_is_said():
    data = nnzoo.load(pl.DataFrame({"a": np.arange(300.0), "y": np.arange(300.0) ** 1.5}), target="y")
    assert verdicts(data)["P"] == ("does not", "it does classification, no regression")


def test_images_series_and_texts():
    images = verdicts(nnzoo.load("fashion-sample"))
    assert images["DCN"] == ("fits", "9,000 training images of 28 x 28 pixels, neighbours belong together")
    assert images["DRN"] == images["DCN"]
    assert images["FF"][0] == "could"
    series = verdicts(nnzoo.load("sunspots"))
    assert series["LSTM"][0] == "fits"
    assert "some 20 steps; the longest of these has 216" in series["RNN"][1]
    assert "character by character" in verdicts(nnzoo.load("genesis"))["GRU"][1]


def test_without_a_target_it_is_said_what_is_missing():
    data = nnzoo.load(pl.DataFrame({"a": np.arange(3000.0), "b": np.arange(3000.0) % 7}))
    assert verdicts(data)["DFF"] == ("could", "say what is to be predicted")


def test_the_text_says_what_it_is_worth():
    text = fits_text(fitting(table(200)))
    assert text.startswith("Networks of the chart:")
    assert text.endswith("Rules of thumb, a start for the experiment: the test part decides.")


@pytest.mark.parametrize("row", CATALOG, ids=lambda row: row.abbreviation)
def test_verdicts_are_plain_data(row):
    found = next(fit for fit in fitting(table(200)) if fit.row is row)
    assert found.to_json() == {"id": row.id, "verdict": found.verdict, "why": found.why}
