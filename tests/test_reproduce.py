"""Numbers to reproduce: when one is met, how measuring goes on after a stop, the page, and that every network has some."""

import json
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import nnzoo
from nnzoo import catalog
from nnzoo.errors import DataError, UsageError

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.append(str(BENCHMARKS))
figures, reproduce = import_module("figures"), import_module("reproduce")

NUMBERS = """
from pathlib import Path

from figures import Figure, NotRun

CALLS = Path({calls!r})


def measure(seed):
    with CALLS.open("a") as file:
        file.write(f"{{seed}} ")
    {trap}
    return 0.5 + seed / 10


def never(seed):
    raise NotRun("no such set | here")


FIGURES = (
    Figure("accuracy", {wanted}, "paper", "Rosenblatt 1958, table 1", "up", measure, n_seeds=3),
    {more}
)
"""


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A desk with numbers of the Perceptron only: write(...) lays them down, calls() says which seeds were measured."""

    class Desk:
        store, page = tmp_path / "store.jsonl", tmp_path / "page.md"

        def write(self, wanted=0.6, trap="", more=""):
            text = NUMBERS.format(calls=str(tmp_path / "calls"), wanted=wanted, trap=trap, more=more)
            (tmp_path / "perceptron.py").write_text(text)

        def calls(self):
            path = tmp_path / "calls"
            found = [int(seed) for seed in path.read_text().split()] if path.exists() else []
            path.unlink(missing_ok=True)
            return found

    for name, place in {"NUMBERS": tmp_path, "STORE": Desk.store, "PAGE": Desk.page}.items():
        monkeypatch.setattr(reproduce, name, place)
    return Desk()


def figure(better="up", by="median", tolerance=0.0, wanted=0.8):
    return figures.Figure("what", wanted, "own target", "", better, float, tolerance=tolerance, by=by)


@pytest.mark.parametrize(
    ("better", "by", "tolerance", "values", "met"),
    [
        ("up", "median", 0.0, [0.1, 0.8, 0.9], True),
        ("up", "median", 0.0, [0.1, 0.79, 0.9], False),
        ("up", "best", 0.0, [0.1, 0.81, 0.2], True),
        ("up", "all", 0.0, [0.81, 0.79, 0.9], False),
        ("up", "all", 0.0, [0.8, 0.9], True),
        ("down", "median", 0.0, [0.1, 0.8, 0.9], True),
        ("down", "best", 0.0, [0.81, 0.79, 0.9], True),
        ("down", "best", 0.0, [0.81, 0.82], False),
        ("down", "all", 0.0, [0.1, 0.81], False),
        ("equal", "all", 0.01, [0.795, 0.805], True),
        ("equal", "all", 0.01, [0.795, 0.815], False),
        ("equal", "best", 0.01, [0.1, 0.805, 0.9], True),
        ("equal", "median", 0.0, [0.8], True),
        ("equal", "median", 0.0, [0.8000001], False),
    ],
)
def test_a_number_is_met_by_what_is_asked_of_its_seeds(better, by, tolerance, values, met):
    assert figures.verdict(figure(better, by, tolerance), values)[0] is met


@pytest.mark.parametrize("by", ["median", "best", "all"])
@pytest.mark.parametrize("better", ["up", "down", "equal"])
def test_what_is_no_number_meets_nothing(better, by):
    assert figures.verdict(figure(better, by), [np.nan, np.nan]) == (
        False,
        figures.verdict(figure(better, by), [np.nan])[1],
    )
    assert not figures.verdict(figure("up", "all"), [0.9, np.inf, np.nan])[0]


def test_a_verdict_says_what_was_measured_where_it_is_missed():
    assert figures.verdict(figure(), [0.9]) == (True, "met")
    assert figures.verdict(figure(), [0.7, 0.75, 0.9]) == (False, "missed: the median has 0.75")
    assert figures.verdict(figure(by="best"), [0.7, 0.75]) == (False, "missed: the best seed has 0.75")
    assert figures.verdict(figure(by="all"), [0.7, 0.9]) == (False, "missed: the worst seed has 0.7")
    assert figures.verdict(figure(), []) == (False, "not measured")


def test_what_is_wanted_is_written_with_its_sign_and_its_seeds():
    assert figures.wanted(figure()) == "≥ 0.8, the median"
    assert figures.wanted(figure("down", "all", wanted=74_000)) == "≤ 74,000, every seed"
    assert figures.wanted(figure("equal", "best", 1e-8)) == "= 0.8 ± 1e-08, the best seed"


def test_every_measurement_is_kept_with_where_it_comes_from(desk, capsys):
    desk.write()
    assert reproduce.main(["P"]) == 0
    lines = [json.loads(line) for line in desk.store.read_text().splitlines()]
    assert [(each["network"], each["figure"], each["seed"], each["value"]) for each in lines] == [
        ("perceptron", "accuracy", seed, 0.5 + seed / 10) for seed in range(3)
    ]
    assert all(each["version"] == nnzoo.__version__ and each["seconds"] >= 0 for each in lines)
    assert all("cores" in each["machine"] and len(each["source"]) == 12 for each in lines)
    table = capsys.readouterr().out
    assert "0.6 (0.5 to 0.7), 3 seeds" in table
    assert "paper: Rosenblatt 1958, table 1" in table


def test_a_run_that_was_stopped_goes_on_where_it_stood(desk):
    desk.write(trap="if seed == 2 and not Path(str(CALLS) + '.again').exists():\n        raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        reproduce.main(["perceptron"])
    assert desk.calls() == [0, 1, 2]
    (desk.store.parent / "calls.again").touch()
    assert reproduce.main(["perceptron"]) == 0
    assert desk.calls() == [2]
    assert reproduce.main(["perceptron"]) == 0
    assert desk.calls() == []
    assert reproduce.main(["perceptron", "--seeds", "5"]) == 0
    assert desk.calls() == [3, 4]


def test_a_line_torn_by_a_kill_is_measured_again(desk):
    desk.write()
    reproduce.main(["P"])
    desk.calls()
    desk.store.write_text(desk.store.read_text()[:-20])
    assert reproduce.main(["P"]) == 0
    assert desk.calls() == [2]
    assert {each["seed"] for each in reproduce.Store(desk.store).lines} == {0, 1, 2}


def test_numbers_that_are_measured_in_another_way_are_measured_again(desk):
    desk.write()
    reproduce.main(["P"])
    assert desk.calls() == [0, 1, 2]
    desk.write(wanted=0.55)
    reproduce.main(["P"])
    assert desk.calls() == [0, 1, 2]


def test_a_missed_number_gives_status_1(desk, capsys):
    desk.write(wanted=0.61)
    assert reproduce.main(["P"]) == 1
    assert "missed: the median has 0.6" in capsys.readouterr().out
    assert reproduce.main(["P", "--seeds", "5"]) == 0, "the median of five seeds is 0.7"


def test_a_number_that_cannot_be_measured_says_why_and_is_not_missed(desk, capsys):
    desk.write(more='Figure("never", 1.0, "own target", "", "up", never),')
    assert reproduce.main(["P"]) == 0
    assert "not run: no such set | here" in capsys.readouterr().out
    assert {each["figure"] for each in reproduce.Store(desk.store).lines} == {"accuracy"}


def test_a_list_measures_nothing(desk, capsys):
    desk.write()
    assert reproduce.main(["P", "--list"]) == 0
    assert desk.calls() == []
    assert "not measured" in capsys.readouterr().out


def test_the_page_tells_what_was_measured_and_nothing_else(desk):
    desk.write(more='Figure("a | b", 1.0, "theorem", "Novikoff 1962", "up", never),')
    assert reproduce.main(["--page"]) == 0
    assert "Perceptron" not in desk.page.read_text()
    assert reproduce.main(["P", "--page"]) == 0
    text = desk.page.read_text()
    assert "## [Perceptron](networks/perceptron.md)\n\n    python benchmarks/reproduce.py perceptron\n" in text
    assert "| accuracy | ≥ 0.6, the median | paper: Rosenblatt 1958, table 1 | 0.6 (0.5 to 0.7), 3 seeds |" in text
    assert "a | b" not in text
    assert text.count("\n1. ") == 1
    assert text.count("\n2. ") == 0


def test_the_page_shows_the_latest_source_only(desk):
    desk.write()
    store = reproduce.Store(desk.store)
    for source, value in (("older", 0.1), ("newer", 0.9)):
        store.add(network="perceptron", figure="accuracy", seed=0, value=value, seconds=1.0, source=source, machine="m")
    assert "| 0.9, 1 seed | 1 s [1] | met |" in reproduce.page(store)
    assert "0.1" not in reproduce.page(store)


def test_the_page_of_the_documentation_is_the_one_of_the_measurements_kept():
    assert reproduce.PAGE.read_text() == reproduce.page(reproduce.Store(reproduce.STORE))


def test_names_come_in_any_usual_form_each_network_once():
    assert [row.abbreviation for row in reproduce.rows_of(["mlp", "DFF", "lstm"])] == ["DFF", "LSTM"]
    assert reproduce.rows_of(["lstm", "all"]) == list(catalog.CATALOG)


def test_an_unknown_name_is_refused_with_the_nearest_ones(capsys):
    assert reproduce.main(["perceptrn"]) == UsageError.exit_code
    assert 'Did you mean "perceptron"?' in capsys.readouterr().err


def test_a_network_without_numbers_is_named(desk, capsys):
    assert reproduce.main(["P"]) == UsageError.exit_code
    assert "Perceptron needs its numbers in perceptron.py; there is no such file." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"), [([], 'name a network, or "all"'), (["P", "--seeds", "0"], "--seeds needs at least 1; got 0")]
)
def test_a_command_that_asks_for_nothing_is_refused(words, said, capsys):
    with pytest.raises(SystemExit):
        reproduce.main(words)
    assert said in capsys.readouterr().err


def test_a_public_set_that_is_not_there_is_a_reason_not_to_run(monkeypatch):
    def nowhere(*args, **options):
        raise DataError("mnist needs a file; it is not on this machine.", "Connect.")

    monkeypatch.setattr(nnzoo, "load", nowhere, raising=False)
    with pytest.raises(figures.NotRun, match=r"mnist needs a file; it is not on this machine\. Connect\."):
        figures.public_images.__wrapped__("mnist")


@pytest.mark.parametrize("row", catalog.CATALOG, ids=lambda row: row.abbreviation)
def test_every_network_has_numbers_with_their_sources(row):
    found = reproduce.figures_of(row)
    assert found
    assert len({each.what for each in found}) == len(found)
    for each in found:
        assert each.kind in figures.KINDS
        assert each.better in figures.SIGNS
        assert each.by in figures.BY
        assert each.n_seeds >= 1
        assert each.tolerance >= 0
        assert np.isfinite(each.wanted)
        assert callable(each.measure)
        assert bool(each.source) == (each.kind != "own target"), "an own target has no source, all else has one"


def numbers_of(name):
    """Return the module with the numbers of a network."""
    spec = reproduce.spec_from_file_location(name, BENCHMARKS / "numbers" / f"{name}.py")
    module = reproduce.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_adding_problem_of_1997_is_drawn_as_its_paper_says():
    """Section 5.4; a number of [-1, 1] has the variance 1/3, X₁ is 0 in a tenth of the sequences: (1/3 + 0.3)/16."""
    X, lengths, y = numbers_of("lstm").adding_of_1997(20_000, 0)
    marks = X[:, :, 1]
    assert (lengths.min(), lengths.max()) == (100, 110)
    assert np.all((marks == 1).sum(axis=1) == 2)
    assert np.all((marks == -1).sum(axis=1) == 2 - (marks[:, 0] == 1))
    assert np.all(marks[np.arange(len(X)), lengths - 1] == -1)
    assert np.all((marks[:, :10] == 1).any(axis=1))
    assert np.flatnonzero((marks == 1).any(axis=0)).max() == 49
    sums = (X[:, :, 0] * (marks == 1)).sum(axis=1)
    np.testing.assert_allclose(y, 0.5 + sums / 4)
    assert y.var() == pytest.approx((1 / 3 + 0.3) / 16, rel=0.05)


def test_of_the_exclusive_or_in_time_every_third_bit_follows():
    bits = numbers_of("recurrent").temporal_xor(3_000, 0).reshape(-1, 3).astype(int)
    np.testing.assert_array_equal(bits[:, 2], bits[:, 0] ^ bits[:, 1])
    counts = np.unique(bits[:, :2], axis=0, return_counts=True)[1]
    assert counts.min() > 200, "all four pairs come, 250 times each on average"
