"""Promises 2 and 3 for every network that is listed: the same bits again, whatever happens in between."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import make_classification

import nnzoo
from nnzoo.catalog import CATALOG
from nnzoo.cli import main
from nnzoo.recipes import encode_rows

KILLING = Path(__file__).with_name("killing.py")
ROUNDS, SOAK_ROUNDS = 5, 40
TRAIN_ALL = """
import json, sys
from nnzoo.cli import main
for words in json.load(open(sys.argv[1])):
    assert main(words) == 0
"""
PREDICT_ALL = """
import json, sys
from nnzoo.cli import main
for model, source, out in json.load(open(sys.argv[1])):
    assert main(["predict", model, source, "--out", out]) == 0
"""


@pytest.fixture(scope="module")
def kill_runs(tmp_path_factory):
    """Give a function that has a process of its own train and kill: it forks for every run."""
    said = tmp_path_factory.mktemp("killing") / "said.txt"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with said.open("w") as errors, subprocess.Popen([sys.executable, KILLING], stderr=errors, **pipes) as process:

        def kill_runs(folder, rounds, words):
            print(json.dumps([str(folder), rounds, 0, words]), file=process.stdin, flush=True)
            told = process.stdout.readline()
            assert told, said.read_text()
            return json.loads(told)

        yield kill_runs


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="every run is a forked child")
def test_C5_killed_at_any_moment_and_resumed_ends_with_the_bits_of_an_undisturbed_run(
    row, samples, tmp_path, kill_runs, soaks
):
    rounds = SOAK_ROUNDS if soaks else ROUNDS
    folder = tmp_path / "run"
    folder.mkdir()
    told = kill_runs(folder, rounds, samples.train_words(row, folder / "m.nnzoo"))
    print(row.id, told)
    assert "broken" not in told, told["broken"]
    assert told["rounds"] == rounds
    assert told["kills"] >= rounds // 2


@pytest.fixture(scope="module")
def trained_apart(samples, tmp_path_factory):
    """Train every network in two processes: in opposite orders, with different hash seeds."""
    folder = tmp_path_factory.mktemp("apart")
    processes = []
    for name, rows in (("first", CATALOG), ("second", CATALOG[::-1])):
        (folder / name).mkdir()
        words = [samples.train_words(row, folder / name / f"{row.id}.nnzoo", n_epochs=2) for row in rows]
        (folder / f"{name}.json").write_text(json.dumps(words))
        environment = os.environ | {"PYTHONHASHSEED": str(len(processes) + 1), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", TRAIN_ALL, str(folder / f"{name}.json")]
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    for process in processes:
        _, said = process.communicate(timeout=600)
        assert process.returncode == 0, said
    return folder


@pytest.mark.slow
def test_C12_the_same_seed_in_two_processes_and_after_other_models_gives_the_same_file(row, trained_apart):
    first, second = (trained_apart / name / f"{row.id}.nnzoo" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


@pytest.fixture(scope="module")
def predicted_apart(samples, trained_apart):
    """Predict with every model in a new process."""
    jobs = []
    for row in CATALOG:
        out = trained_apart / f"{row.id}.csv"
        jobs.append([str(trained_apart / "first" / f"{row.id}.nnzoo"), samples.source(row)[0], str(out)])
    (trained_apart / "predict.json").write_text(json.dumps(jobs))
    environment = os.environ | {"PYTHONHASHSEED": "3", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PREDICT_ALL, str(trained_apart / "predict.json")]
    subprocess.run(command, env=environment, capture_output=True, timeout=600, check=True)
    return trained_apart


@pytest.mark.slow
def test_a_saved_model_predicts_the_same_bits_in_a_new_process(row, samples, predicted_apart, tmp_path):
    model = nnzoo.build(row.id, samples.data(row), samples.short(row, 2), seed=0)
    nnzoo.train(model, samples.data(row), verbose=0)
    model.save(tmp_path / "m.nnzoo")
    assert (tmp_path / "m.nnzoo").read_bytes() == (predicted_apart / "first" / f"{row.id}.nnzoo").read_bytes()
    assert main(["predict", str(tmp_path / "m.nnzoo"), samples.source(row)[0], "--out", str(tmp_path / "p.csv")]) == 0
    assert (tmp_path / "p.csv").read_bytes() == (predicted_apart / f"{row.id}.csv").read_bytes()


@pytest.mark.slow
def test_E7_predictions_of_several_threads_are_those_of_one(row, samples, trained):
    model = nnzoo.load_model(trained(row))
    data = samples.data(row)
    parts = [encode_rows(model.recipe, part, "rows")[0] for part in (data.train, data.valid, data.test)] * 8
    serial = [model.network.predict_rows(X) for X in parts]
    with ThreadPoolExecutor(8) as pool:
        parallel = list(pool.map(model.network.predict_rows, parts))
    for one, other in zip(serial, parallel, strict=True):
        for wanted, found in zip(one, other, strict=True):
            assert (wanted is None) == (found is None)
            assert wanted is None or np.asarray(wanted).tobytes() == np.asarray(found).tobytes()


@pytest.mark.slow
def test_training_again_from_the_file_gives_its_bits(row, samples, trained):
    found = nnzoo.verify(nnzoo.load_model(trained(row)), samples.source(row)[0])
    assert found.same, str(found)
    assert found.n_tensors >= 4
    assert "the same bits" in str(found)


@pytest.mark.slow
def test_C13_the_number_of_threads_changes_bits_at_most_and_not_what_is_learned(in_own_process, tmp_path):
    code = """
import sys, numpy as np, torch
torch.set_num_threads(int(sys.argv[1]))
from nnzoo import DeepFeedForward
data = np.load(sys.argv[2])
X, y = data["X"], data["y"]
scores = []
for seed in range(5):
    net = DeepFeedForward(n_epochs=15, random_state=seed, early_stopping=False).fit(X[:1500], y[:1500])
    scores.append(net.score(X[1500:], y[1500:]))
print(*scores)
"""
    X, y = make_classification(2000, 20, n_informative=8, n_classes=3, random_state=0)
    path = tmp_path / "threads.npz"
    np.savez(path, X=X, y=y)
    means = [np.mean([float(x) for x in in_own_process(code, n, path).split()]) for n in (1, 2, 8)]
    assert np.ptp(means) < 0.02
    assert min(means) > 0.7
