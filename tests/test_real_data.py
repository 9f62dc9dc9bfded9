"""Networks on real data through the command line: who runs on what, going on after a stop, faults, and the page."""

import sys
from importlib import import_module
from pathlib import Path

import pytest

from nnzoo import catalog
from nnzoo.errors import UsageError

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.append(str(BENCHMARKS))
real_data, reproduce = import_module("real_data"), import_module("reproduce")
BASELINES = {"constant": 0.4, "linear": 0.8}


def line(score=0.9, metric="accuracy", **more):
    about = {"set": "iris", "network": "perceptron", "seed": 0, "source": "s", "machine": "a machine"}
    told = {"metric": metric, "score": score, "test_rows": 30, "weights": 15, "seconds": 0.5, "baselines": BASELINES}
    return about | told | more


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(real_data, "STORE", tmp_path / "store.jsonl")
    monkeypatch.setattr(real_data, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(real_data.machine, "source_hash", lambda: "s")
    return reproduce.Store(real_data.STORE)


def test_every_network_that_predicts_is_asked_for_every_kind_of_data_that_a_set_has():
    kinds = {each.kind for each in real_data.SETS}
    asked = {row.id for each in real_data.SETS for row in real_data.suited(each, catalog.CATALOG)}
    assert asked == {row.id for row in catalog.CATALOG if row.tasks and kinds & set(row.kinds)}
    assert {each.task for each in real_data.SETS} == {"classification", "regression"}


def test_a_network_that_only_classifies_is_not_asked_for_numbers():
    (diabetes,) = real_data.sets_of(["diabetes"])
    assert "P" not in {row.abbreviation for row in real_data.suited(diabetes, catalog.CATALOG)}
    with pytest.raises(UsageError, match="no set 'irus'"):
        real_data.sets_of(["irus"])


@pytest.mark.parametrize(
    ("score", "metric", "names"),
    [
        (0.9, "accuracy", ["constant", "linear"]),
        (0.4, "accuracy", ["constant"]),
        (0.39, "accuracy", []),
        (0.39, "rmse", ["constant", "linear"]),
        (0.5, "rmse", ["linear"]),
        (None, "rmse", []),
    ],
)
def test_a_network_reaches_the_baselines_that_it_is_at_least_as_good_as(score, metric, names):
    assert real_data.reached(line(score, metric)) == names


def test_a_fault_names_the_seed_that_failed_or_fell_below_the_constant():
    assert real_data.fault([line()]) == ""
    assert real_data.fault([line(), line(0.3, seed=1)]) == "**below the constant, seed 1**"
    assert (
        real_data.fault([{"seed": 2, "failed": "train ended with 5: no"}])
        == "**failed, seed 2**: train ended with 5: no"
    )


def test_what_was_run_is_not_run_again_and_a_fault_is_the_exit_status(store, monkeypatch, capsys):
    runs, told = [], {"failed": "train ended with 5: it diverged"}

    def measure(each, row, seed, source, folder):
        runs.append((each.name, row.id, seed))
        return told

    monkeypatch.setattr(real_data, "measure", measure)
    asked = ["iris", "--networks", "P"]
    assert real_data.main(asked) == 1
    assert "it diverged" in capsys.readouterr().out
    told = {name: line()[name] for name in ("metric", "score", "test_rows", "weights", "seconds", "baselines")}
    assert real_data.main([*asked, "--seeds", "2"]) == 0
    assert real_data.main(["--page"]) == 0
    assert runs == [("iris", "perceptron", 0), ("iris", "perceptron", 0), ("iris", "perceptron", 1)]
    page = real_data.PAGE.read_text()
    assert "| [Perceptron](networks/perceptron.md) | 0.9 (0.9-0.9) | 15 | 0.5 (0.5-0.5) | constant, linear |" in page
    assert "| *linear* | 0.8 (0.8-0.8) |  |  |  |" in page


def test_a_set_that_is_not_there_is_said_to_be_so(store, tmp_path, capsys):
    assert real_data.main(["BasicMotions", "--archive", str(tmp_path)]) == 0
    assert "BasicMotions: not run: no " in capsys.readouterr().out


@pytest.mark.slow
def test_a_table_of_scikit_learn_goes_through_the_command_line(tmp_path):
    (iris,), (perceptron,) = real_data.sets_of(["iris"]), reproduce.rows_of(["P"])
    source = real_data.source_of(iris, tmp_path, tmp_path)
    told = real_data.measure(iris, perceptron, 0, source, tmp_path)
    assert real_data.fault([told]) == ""
    # 15 % of 150 rows; four numbers and a bias for each of three species
    assert (told["metric"], told["test_rows"], told["weights"]) == ("accuracy", 22, 15)
    assert set(told["baselines"]) == set(real_data.BASELINES)
    assert real_data.measure(iris, perceptron, 0, "nowhere.csv", tmp_path)["failed"].startswith("train ended with 3")
