"""What nnzoo doctor sees on a machine, and what it says to do."""

import json
import os

import pytest
import torch

from nnzoo import doctor
from nnzoo.cli import main
from nnzoo.doctor import examine, usable_cores
from nnzoo.engine.threads import kernel_threads


@pytest.fixture
def quick(monkeypatch):
    """Measure for no time."""
    monkeypatch.setattr(doctor, "SECONDS", 0.001)
    monkeypatch.setattr(doctor, "SIZE", 32)
    for name in doctor.SLOWING:
        monkeypatch.delenv(name, raising=False)


def found(folder="."):
    return {finding.name: finding for finding in examine(folder).findings}


@pytest.mark.usefixtures("quick")
def test_it_looks_at_versions_devices_speed_memory_and_places(tmp_path):
    looked = found(tmp_path)
    names = {"nnzoo", "python", "torch", "numpy", "device", "threads", "float32", "memory", "folder", "repetition"}
    assert names <= looked.keys()
    assert looked["torch"].value == torch.__version__
    assert "GFLOP/s" in looked["float64"].value
    assert looked["repetition"].value == "the same seed twice gives the same bits"


@pytest.mark.usefixtures("quick")
def test_the_command_ends_with_0_where_nothing_is_in_the_way_else_with_6(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "usable_cores", lambda: 64.0)
    assert main(["doctor"]) == 0
    assert "Nothing is in the way." in capsys.readouterr().out
    monkeypatch.setattr(doctor, "usable_cores", lambda: 0.5)
    with kernel_threads(2):
        assert main(["doctor", "--json"]) == 6
    told = json.loads(capsys.readouterr().out)
    assert told["well"] is False
    assert {"name", "value", "level", "advice"} == told["findings"][0].keys()


@pytest.mark.usefixtures("quick")
def test_problems_come_with_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setattr(doctor, "available_memory", lambda device: 1000)
    monkeypatch.setattr(doctor, "requires", lambda name: ["nothing-of-the-kind>=1", "pytest; extra == 'x'"])
    monkeypatch.setattr(doctor, "multiplies_bfloat16", lambda device: False)
    monkeypatch.setattr(
        doctor,
        "threadpool_info",
        lambda: [{"user_api": "openmp", "prefix": name, "filepath": name} for name in ("libgomp", "libiomp")],
    )
    looked = found(tmp_path / "not there")
    assert looked["OPENBLAS_CORETYPE"].advice.startswith("Unset OPENBLAS_CORETYPE")
    assert looked["memory"].level == "problem"
    assert looked["nothing-of-the-kind"].advice == "Install it: python -m pip install nothing-of-the-kind"
    assert "not in this processor" in looked["bfloat16"].value
    assert looked["OpenMP"].value == "libgomp, libiomp"
    assert looked["folder"].level == "problem"
    assert "Problems: " in str(examine(tmp_path / "not there"))


@pytest.mark.usefixtures("quick")
def test_other_bits_from_the_same_seed_are_a_problem(monkeypatch):
    answers = iter(([1.0], [2.0]))

    class Forgetful:
        def __init__(self, **_):
            pass

        def fit(self, X, y):
            return self

        def predict_proba(self, X):
            return torch.tensor(next(answers)).numpy()

    monkeypatch.setattr("nnzoo.networks.feed_forward.FeedForward", Forgetful)
    assert found()["repetition"].level == "problem"


def test_few_threads_are_noted(monkeypatch):
    monkeypatch.setattr(doctor, "usable_cores", lambda: 64.0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    (finding,) = [each for each in doctor._threads() if each.name == "threads"]
    assert (finding.level, finding.advice.split(":")[0]) == ("note", "Fewer threads than processors")


def test_cores_are_those_of_the_process_and_its_group(monkeypatch, tmp_path):
    assert 0 < usable_cores() <= (os.cpu_count() or 1)
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr(doctor, "Path", lambda name: quota)
    for text, cores in (("50000 100000", 0.5), ("max 100000", None), ("odd", None)):
        quota.write_text(text)
        assert usable_cores() == (cores if cores else len(os.sched_getaffinity(0)))
