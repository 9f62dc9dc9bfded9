"""The model file: what it holds comes back to the same bits, and what is odd in it is refused."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_wine
from sklearn.exceptions import NotFittedError

import nnzoo
from nnzoo.errors import ModelFileError, UsageError
from nnzoo.model import plain_params
from nnzoo.tensorfile import read_tensors, write_tensors

CASES = {
    "perceptron": lambda: nnzoo.Perceptron(random_state=0),
    "feed-forward": lambda: nnzoo.FeedForward(n_epochs=3, random_state=0),
    "deep": lambda: nnzoo.DeepFeedForward(n_epochs=3, normalization="batch", random_state=0),
    "regression": lambda: nnzoo.FeedForward(task="regression", n_epochs=3, random_state=0),
    "weights": lambda: nnzoo.FeedForward(n_epochs=3, class_weight={0: 2.0, 1: 1.0, 2: 1.0}, random_state=0),
    "codes": lambda: nnzoo.FeedForward(n_epochs=3, categorical_features=[0], random_state=0),
}


def rows(name):
    X, y = load_wine(return_X_y=True)
    if name == "codes":
        X = np.column_stack([np.arange(len(X)) % 5, X])
    return X, y.astype(float) if name == "regression" else y


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    fitted = {}
    for name, make in CASES.items():
        X, y = rows(name)
        network = make().fit(X, y)
        nnzoo.Model(network).save(folder / f"{name}.nnzoo")
        np.save(folder / f"{name}.npy", X)
        fitted[name] = network
    return folder, fitted


def test_every_network_predicts_the_same_bits_in_a_new_process(saved):
    folder, fitted = saved
    script = (
        "import sys, numpy as np, nnzoo\n"
        "for name in sys.argv[2:]:\n"
        "    X = np.load(f'{sys.argv[1]}/{name}.npy')\n"
        "    scores = nnzoo.load_model(f'{sys.argv[1]}/{name}.nnzoo').network._scores(X)\n"
        "    print(name, scores.tobytes().hex())\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(folder), *CASES], capture_output=True, text=True, check=True)
    found = dict(line.split() for line in done.stdout.splitlines())
    for name, network in fitted.items():
        assert found[name] == network._scores(rows(name)[0]).tobytes().hex(), name


@pytest.mark.parametrize("name", CASES)
def test_a_loaded_network_has_parameters_labels_and_history(saved, name):
    folder, fitted = saved
    loaded, network = nnzoo.load_model(folder / f"{name}.nnzoo").network, fitted[name]
    assert plain_params(loaded) == plain_params(network)
    assert loaded.history_["train_loss"] == network.history_["train_loss"]
    assert loaded.n_iter_ == network.n_iter_
    if network.task == "classification":
        np.testing.assert_array_equal(loaded.classes_, network.classes_)


def test_equal_models_give_equal_files(tmp_path):
    X, y = rows("feed-forward")
    digests = {nnzoo.Model(CASES["feed-forward"]().fit(X, y)).save(tmp_path / f"{i}.nnzoo") for i in range(2)}
    assert len(digests) == 1
    assert (tmp_path / "0.nnzoo").read_bytes() == (tmp_path / "1.nnzoo").read_bytes()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("format", "other", "format"),
        ("architecture", "os.system", "architecture"),
        ("task", "regression", "task|classes"),
        ("seed", -1, "seed"),
        ("threads", "2", "threads"),
        ("arithmetic", "float16", "arithmetic"),
        ("classes", None, "classes"),
        ("classes", {"dtype": "object", "values": [1, 2, 3]}, "classes"),
        ("metrics", {"a": "b"}, "metrics"),
        ("params", {}, "params"),
        ("sizes", {}, "sizes"),
        ("data", {"origin": 3, "how_split": "", "salt": ""}, "data"),
        ("extra", 1, "manifest"),
    ],
)
def test_D9_a_manifest_that_is_not_ours_is_refused(saved, tmp_path, field, value, words):
    manifest, tensors = read_tensors(saved[0] / "feed-forward.nnzoo")
    write_tensors(tmp_path / "changed.nnzoo", manifest | {field: value}, tensors)
    with pytest.raises(ModelFileError, match=words):
        nnzoo.load_model(tmp_path / "changed.nnzoo")


@pytest.mark.parametrize(
    ("name", "value"), [("n_hidden", 0), ("n_hidden", 10**12), ("activation", "__import__"), ("n_epochs", True)]
)
def test_D9_parameters_outside_their_range_are_refused(saved, tmp_path, name, value):
    manifest, tensors = read_tensors(saved[0] / "feed-forward.nnzoo")
    manifest["params"][name] = value
    write_tensors(tmp_path / "changed.nnzoo", manifest, tensors)
    with pytest.raises(ModelFileError, match=name):
        nnzoo.load_model(tmp_path / "changed.nnzoo")


def test_D9_sizes_that_disagree_with_the_tensors_are_refused(saved, tmp_path):
    manifest, tensors = read_tensors(saved[0] / "feed-forward.nnzoo")
    manifest["params"]["n_hidden"] = 101
    write_tensors(tmp_path / "changed.nnzoo", manifest, tensors)
    with pytest.raises(ModelFileError, match="needs F64 .* by its manifest"):
        nnzoo.load_model(tmp_path / "changed.nnzoo")


def test_D5_a_newer_format_version_names_both_versions(saved, tmp_path):
    manifest, tensors = read_tensors(saved[0] / "feed-forward.nnzoo")
    manifest |= {"format_version": 99, "versions": manifest["versions"] | {"nnzoo": "9.9"}}
    write_tensors(tmp_path / "newer.nnzoo", manifest, tensors)
    with pytest.raises(ModelFileError, match=rf'made by nnzoo "9.9", and this is nnzoo {nnzoo.__version__}'):
        nnzoo.load_model(tmp_path / "newer.nnzoo")


@pytest.mark.parametrize("start", [b"\x80\x04\x95", b"PK\x03\x04", b"<!DOCTYPE html>", b"\x89HDF\r\n", b""])
def test_D6_other_formats_are_refused_by_their_first_bytes(tmp_path, start):
    (tmp_path / "model.nnzoo").write_bytes(start + b"x" * 100)
    with pytest.raises(ModelFileError, match="model file"):
        nnzoo.load_model(tmp_path / "model.nnzoo")


def test_D6_a_pickle_given_as_a_model_runs_no_code(tmp_path):
    canary = tmp_path / "canary"
    (tmp_path / "model.nnzoo").write_bytes(b"cos\nsystem\n(S'touch " + str(canary).encode() + b"'\ntR.")
    with pytest.raises(ModelFileError):
        nnzoo.load_model(tmp_path / "model.nnzoo")
    assert not canary.exists()


def test_D12_an_untrained_network_is_not_saved(tmp_path):
    with pytest.raises(NotFittedError):
        nnzoo.Model(nnzoo.FeedForward()).save(tmp_path / "model.nnzoo")
    assert list(tmp_path.iterdir()) == []


def test_a_body_of_the_users_own_comes_back_with_its_weights(tmp_path):
    X, y = load_digits(return_X_y=True)
    network = nnzoo.OwnBody(torch.nn.Sequential(torch.nn.Linear(64, 16), torch.nn.ReLU()), n_epochs=3, random_state=0)
    nnzoo.Model(network.fit(X, y)).save(tmp_path / "own.nnzoo")
    with pytest.raises(UsageError, match="body=module"):
        nnzoo.load_model(tmp_path / "own.nnzoo")
    again = torch.nn.Sequential(torch.nn.Linear(64, 16), torch.nn.ReLU())
    loaded = nnzoo.load_model(tmp_path / "own.nnzoo", body=again).network
    np.testing.assert_array_equal(loaded._scores(X), network._scores(X))


def test_a_loaded_network_can_go_on_learning(saved):
    X, y = rows("feed-forward")
    network = nnzoo.load_model(saved[0] / "feed-forward.nnzoo").network
    before = network.n_iter_
    network.partial_fit(X, y)
    assert network.n_iter_ == before + 1


def test_the_card_is_plain_json(saved):
    card = nnzoo.load_model(saved[0] / "perceptron.nnzoo").card()
    assert json.loads(json.dumps(card))["network"] == "Perceptron"
