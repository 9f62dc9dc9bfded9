"""The whole comparison on small data: who goes on, what is kept, what is said; twice the same, and after a stop."""

import json
import math
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest

import nnzoo
from nnzoo.comparison.compare import compare
from nnzoo.errors import DataError, UsageError

FAST = ("elm", "rbf", "perceptron")


def striped(n_rows=150, seed=0):
    """Return rows whose class no straight border tells: only curved ones do."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, size=(n_rows, 2))
    label = np.where(np.hypot(*X.T) < 1.3, "in", "out")
    return pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": label})


@pytest.fixture(scope="module")
def found():
    return compare(striped(), target="y", networks=FAST, time_limit=None, n_workers=0)


def scores(comparison):
    return {each.name: each.scores for each in comparison.entries}


@pytest.mark.slow
def test_everyone_is_in_the_table(found):
    names = {each.name for each in found.entries}
    assert names == {"extreme-learning-machine", "radial-basis-network", "perceptron"} | {
        "constant",
        "linear",
        "nearest neighbours",
        "boosted trees",
    }


@pytest.mark.slow
def test_all_are_scored_on_the_same_folds_and_the_best_stands_first(found):
    means = [each.mean for each in found.entries]
    assert means == sorted(means, reverse=True)
    finalists = [each for each in found.entries if each.status in ("finalist", "baseline")]
    assert len({tuple(each.scores) for each in finalists}) == 1
    assert len(finalists[0].scores) == 20


@pytest.mark.slow
def test_the_winner_bends_and_the_verdict_says_so(found):
    assert found.winner in ("extreme-learning-machine", "radial-basis-network", "nearest neighbours", "boosted trees")
    assert found["linear"].mean < 0.75 < found[found.winner].mean
    assert found.winner in found.verdict or "boosted trees" in found.verdict


@pytest.mark.slow
def test_the_worse_half_was_given_up(found):
    assert found["perceptron"].status == "given up after 5 folds"
    assert list(found["perceptron"].scores) == [1, 2, 3, 4, 5]


@pytest.mark.slow
def test_the_sealed_test_scores_the_winner(found):
    n_sealed = found.about["sealed"]
    assert found.report.n_rows == n_sealed
    assert found.test["low"] <= found.test["score"] <= found.test["high"]
    assert (found.test["score"] * n_sealed) == pytest.approx(round(found.test["score"] * n_sealed))


@pytest.mark.slow
def test_what_it_costs_is_measured(found):
    entry = found.networks[0]
    assert entry.seconds > 0
    assert entry.latency > 0
    assert entry.bytes > 1000
    assert entry.weights > 100


@pytest.mark.slow
def test_confusion_counts_every_open_row_once(found):
    entry = found.networks[0]
    n_open = found.about["rows"] - found.about["sealed"]
    assert np.sum(entry.counts) == n_open
    assert np.trace(entry.counts) / n_open == pytest.approx(np.mean([entry.scores[f] for f in range(1, 6)]), abs=0.02)


@pytest.mark.slow
def test_learning_curve_ends_at_all_rows(found):
    curve = found.networks[0].curve
    assert list(curve) == [0.125, 0.25, 0.5, 1.0]
    assert curve[1.0] == [found.networks[0].scores[f] for f in (1, 2, 3)] or found.about["settings"]


@pytest.mark.slow
def test_json_is_plain(found):
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert told["winner"] == found.winner
    assert len(told["entries"]) == 7


@pytest.mark.slow
def test_same_seed_same_table_another_seed_another():
    again = [compare(striped(), target="y", networks=["elm"], time_limit=None, n_workers=0, seed=s) for s in (1, 1, 2)]
    assert scores(again[0]) == scores(again[1]) != scores(again[2])


@pytest.mark.slow
def test_a_resumed_comparison_does_nothing_twice_and_ends_alike(tmp_path, monkeypatch, found):
    settings = {"target": "y", "networks": FAST, "time_limit": None, "n_workers": 0, "out": tmp_path}

    class Stop(Exception):
        pass

    def stop_after(n_units):
        def show(progress, count=[0]):  # noqa: B006
            count[0] += 1
            if count[0] == n_units:
                raise Stop

        return show

    for n_units in (5, 9):
        with pytest.raises(Stop):
            compare(striped(), resume=True, show=stop_after(n_units), **settings)
    again = compare(striped(), resume=True, **settings)
    assert scores(again) == scores(found)
    lines = (tmp_path / "ledger.jsonl").read_text().splitlines()
    ids = [json.loads(line).get("id") for line in lines]
    assert len([each for each in ids if each]) == len({each for each in ids if each})


def test_ctrl_c_keeps_what_is_done():
    def press(progress):
        if progress.stage == "finalists":
            raise KeyboardInterrupt

    stopped = compare(striped(), target="y", networks=FAST, time_limit=None, n_workers=0, show=press)
    assert stopped.about["stopped"] == "interrupt"
    assert stopped.model is None
    assert stopped.networks[0].mean is not None


@pytest.mark.slow
def test_a_network_that_fails_is_listed_with_its_reason(monkeypatch):
    def fail(self, *given, **named):
        raise DataError("No luck today.", "Try tomorrow.")

    monkeypatch.setattr(nnzoo.ExtremeLearningMachine, "learn", fail)
    found = compare(striped(), target="y", networks=["elm", "rbf"], time_limit=None, n_workers=0)
    assert found["extreme-learning-machine"].status == "failed"
    assert "No luck today" in found["extreme-learning-machine"].failure
    assert found["radial-basis-network"].mean is not None


@pytest.mark.slow
def test_one_factor_at_a_time():
    found = compare(
        striped(), target="y", network="elm", vary={"activation": ["tanh", "sigmoid"]}, time_limit=None, n_workers=0
    )
    assert {each.name for each in found.entries} == {"activation=tanh", "activation=sigmoid"}
    assert all(len(each.scores) == 20 for each in found.entries)
    assert len(found.gaps) == 1


@pytest.mark.slow
def test_numbers_are_compared_by_their_error():
    rng = np.random.default_rng(0)
    x = rng.uniform(-3, 3, 120)
    frame = pl.DataFrame({"x": x, "y": np.sin(x) + rng.normal(0, 0.1, 120)})
    found = compare(frame, target="y", networks=["rbf", "elm"], time_limit=None, n_workers=0)
    assert (found.metric, found.better) == ("rmse", "lower")
    means = [each.mean for each in found.entries]
    assert means == sorted(means)
    assert found["constant"].mean == pytest.approx(frame["y"].std(), rel=0.2)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"target": None}, "which column to predict"),
        ({"time_limit": 0}, "time_limit needs seconds above 0"),
        ({"vary": {"activation": ["relu", "elu"]}}, "network and vary go together"),
        ({"network": "elm"}, "network and vary go together"),
        ({"network": "elm", "vary": {"activation": ["tanh", "relu"], "n_hidden": [5, 6]}}, "one parameter"),
    ],
)
def test_wrong_wishes_are_refused(wish, message):
    with pytest.raises(UsageError, match=message):
        compare(striped(), **({"target": "y", "n_workers": 0} | wish))


@pytest.mark.slow
def test_a_ledger_of_other_data_is_refused(tmp_path):
    settings = {"target": "y", "networks": ["elm"], "time_limit": None, "n_workers": 0, "out": tmp_path}
    compare(striped(), **settings)
    with pytest.raises(UsageError):
        compare(striped(seed=5), resume=True, **settings)


@pytest.mark.slow
def test_killed_at_random_and_resumed_it_ends_with_the_same_table(tmp_path):
    striped().write_csv(tmp_path / "rings.csv")
    words = [sys.executable, "-m", "nnzoo", "compare", "rings.csv", "--target", "y", "--networks", "rbf", "--quiet"]
    words += ["--time-limit", "none", "--workers", "2", "--out"]
    subprocess.run([*words, "whole"], cwd=tmp_path, check=True)
    rng = np.random.default_rng(0)
    for _ in range(3):
        process = subprocess.Popen([*words, "killed", "--resume"], cwd=tmp_path)
        time.sleep(rng.uniform(3.0, 6.0))
        process.kill()
        process.wait()
    subprocess.run([*words, "killed", "--resume"], cwd=tmp_path, check=True)
    whole, killed = (json.loads((tmp_path / each / "report.json").read_text()) for each in ("whole", "killed"))
    tables = [{each["name"]: each["scores"] for each in told["entries"]} for told in (whole, killed)]
    assert tables[0] == tables[1]
    assert (whole["verdict"], whole["test"]) == (killed["verdict"], killed["test"])


@pytest.mark.slow
def test_it_ends_within_its_time_limit():
    started = time.monotonic()
    found = compare(striped(400), target="y", time_limit=30, n_workers=2)
    assert time.monotonic() - started <= 1.05 * 30
    assert found.winner is not None


@pytest.mark.slow
def test_two_processes_find_what_one_finds():
    settings = {"target": "y", "networks": ["rbf"], "time_limit": None}
    assert scores(compare(striped(), n_workers=2, **settings)) == scores(compare(striped(), n_workers=0, **settings))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sunspots", "flights-log"])
def test_bundled_sequences_can_be_compared(name):
    found = compare(name, networks=["esn", "rnn"], time_limit=60, n_workers=2)
    assert all(math.isfinite(each.mean) for each in found.entries if each.mean is not None)
    assert found.winner is not None
