"""What is said about sequences before training: each finding where it belongs, and none where all is well."""

from datetime import datetime, timedelta

import numpy as np
import pytest

from nnzoo.data.dataset import load
from nnzoo.ragged import Ragged

START = datetime(2024, 1, 1)
N, STEPS = 200, 5


def log(**columns):
    """Five events of each of 200 machines at irregular times, and a target that nothing gives away."""
    draw = np.random.default_rng(0)
    n = N * STEPS
    minutes = np.concatenate([np.cumsum(draw.integers(20, 90, STEPS)) for _ in range(N)])
    return {
        "machine": np.repeat([f"m{i:03}" for i in range(N)], STEPS).tolist(),
        "when": [str(START + timedelta(minutes=int(minute))) for minute in minutes],
        "heat": draw.normal(60, 5, n).tolist(),
        "broken": np.repeat(draw.permutation(np.arange(N) % 2), STEPS).tolist(),
    } | columns


def topics(source, **said):
    data = load(source, **({"entity": "machine", "time": "when", "target": "broken"} | said))
    return {finding.topic: finding.message for finding in data.findings}


def test_nothing_is_said_where_nothing_is_odd():
    assert topics(log()) == {}


def test_sequences_of_one_step_are_counted():
    rows = Ragged(np.random.default_rng(0).normal(size=(79, 1)), np.array([1] + [2] * 39))
    found = topics((rows, np.arange(40) % 2), entity=None, time=None, target=None)
    assert found["one step"].startswith("1 sequence of 40 has one step only")


def test_very_long_ones_are_said_with_the_median():
    rows = Ragged(np.random.default_rng(0).normal(size=(39 * 20 + 5000, 1)), np.array([20] * 39 + [5000]))
    found = topics((rows, np.arange(40) % 2), entity=None, time=None, target=None)
    assert "up to 5,000 steps, the median has 20" in found["very long"]


def test_large_gaps_name_the_largest_in_its_unit():
    table = log()
    when = list(table["when"])
    when[4] = str(START + timedelta(days=30))
    assert "the largest is 29." in topics(log(when=when))["gaps"]
    assert "days" in topics(log(when=when))["gaps"]


def test_one_step_left_out_of_regular_ones_is_a_gap():
    hours = np.tile([0, 1, 2, 3, 4], N)
    hours[4] = 5
    when = [str(START + timedelta(hours=int(hour))) for hour in hours]
    assert topics(log(when=when))["gaps"].startswith("1 gap")


def test_repeated_events_are_counted():
    table = {name: [*values[:5], values[4], values[4], *values[5:]] for name, values in log().items()}
    assert "2 steps repeat another" in topics(table)["duplicates"]


def test_missing_cells_are_counted():
    heat = [None if i < 300 else value for i, value in enumerate(log()["heat"])]
    assert any("heat" in message for message in topics(log(heat=heat)).values())


@pytest.mark.parametrize("way", ["column", "length", "time"])
def test_what_gives_the_target_away_is_named(way):
    table = log()
    broken = np.array(table["broken"][::STEPS])
    if way == "column":
        table["heat"] = [100.0 * b + i % 7 for i, b in enumerate(table["broken"])]
        name = "heat"
    elif way == "time":
        table["when"] = [
            str(datetime.fromisoformat(when) + timedelta(days=400 * b))
            for when, b in zip(table["when"], table["broken"], strict=True)
        ]
        name = "when"
    else:
        keep = np.concatenate([np.arange(STEPS) < (3 if b else STEPS) for b in broken])
        table = {key: [v for v, k in zip(values, keep, strict=True) if k] for key, values in table.items()}
        name = "number of steps"
    assert name in topics(table)["target given away"]


def test_a_target_of_each_step_given_away_by_a_column_of_the_step():
    draw = np.random.default_rng(1)
    broken = draw.integers(0, 2, N * STEPS)
    found = topics(log(broken=broken.tolist(), heat=(broken * 50 + draw.normal(size=len(broken))).tolist()))
    assert '"heat" gives the target "broken" away' in found["target given away"]


def test_a_rare_class_is_said():
    broken = np.repeat(np.arange(N) < 1, STEPS).tolist()
    assert any("class" in message or "once" in message for message in topics(log(broken=broken)).values())
