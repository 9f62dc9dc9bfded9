"""The model file: what comes back from it, and everything that is refused."""

import copy
import hashlib
import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_wine
from sklearn.exceptions import NotFittedError
from torch import nn

import nnzoo
from nnzoo import (
    GAN,
    GRU,
    LSTM,
    RNN,
    AttentionNetwork,
    Autoencoder,
    BoltzmannMachine,
    CapsuleNetwork,
    DeconvolutionalNetwork,
    DeepBeliefNetwork,
    DeepConvolutionalNetwork,
    DeepFeedForward,
    DeepResidualNetwork,
    DenoisingAutoencoder,
    DifferentiableNeuralComputer,
    EchoStateNetwork,
    ExtremeLearningMachine,
    FeedForward,
    HopfieldNetwork,
    InverseGraphicsNetwork,
    KohonenNetwork,
    LiquidStateMachine,
    MarkovChain,
    Model,
    ModelFileError,
    NeuralTuringMachine,
    OwnBody,
    Perceptron,
    RadialBasisNetwork,
    RestrictedBoltzmannMachine,
    SparseAutoencoder,
    SupportVectorMachine,
    UsageError,
    VariationalAutoencoder,
    load_model,
)
from nnzoo.catalog import CATALOG
from nnzoo.tensorfile import read_tensors, write_tensors

SHORT = {"n_epochs": 2, "random_state": 0}


def make_body() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(13, 5), nn.BatchNorm1d(5), nn.Tanh())


def wine(labels: list | None = None) -> tuple[np.ndarray, np.ndarray]:
    X, y = load_wine(return_X_y=True)
    return X, y if labels is None else np.array(labels)[y]


def indicator() -> tuple[np.ndarray, np.ndarray]:
    X, y = wine()
    return X, np.stack([y == 0, y >= 1], axis=1).astype(int)


def two_values() -> tuple[np.ndarray, np.ndarray]:
    X, y = load_diabetes(return_X_y=True)
    return X, np.stack([y, -3 * y + 7], axis=1)


def with_codes() -> tuple[np.ndarray, np.ndarray]:
    X, y = wine()
    return np.hstack([X, (np.arange(len(X)) % 5)[:, None]]), y


def images(dtype: type) -> tuple[np.ndarray, np.ndarray]:
    """Return 40 colour images that are not square, with labels."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, size=(40, 12, 16, 3))
    return pixels.astype(dtype), np.array(["a", "b", "c", "d"] * 10)


def sequences() -> tuple[list[np.ndarray], np.ndarray]:
    """Return 30 sequences of different lengths, a number and a code a step, with labels."""
    random = np.random.default_rng(0)
    rows = [np.stack([random.normal(size=n), random.integers(0, 4, n)], axis=1) for n in random.integers(2, 9, 30)]
    return rows, np.array(["a", "b", "c"] * 10)


def spellings() -> tuple[list[str], None]:
    """Return 30 words of different lengths."""
    random = np.random.default_rng(0)
    return ["".join(random.choice(list("aßc"), n)) for n in random.integers(2, 9, 30)], None


CASES = {
    "Perceptron": (lambda: Perceptron(average=True, **SHORT), wine),
    "Perceptron joint": (lambda: Perceptron(multi_class="joint", **SHORT), lambda: wine(["a", "ß", "c"])),
    "FeedForward": (lambda: FeedForward(**SHORT), lambda: wine(["red", "white", "rosé"])),
    "FeedForward two classes": (lambda: FeedForward(normalization="batch", **SHORT), lambda: wine([True, False, True])),
    "FeedForward labels": (lambda: FeedForward(normalization="layer", **SHORT), indicator),
    "FeedForward codes": (lambda: FeedForward(categorical_features=[13], **SHORT), with_codes),
    "FeedForward weights": (lambda: FeedForward(class_weight={-4: 1.0, 5: 2.0}, **SHORT), lambda: wine([-4, 5, 5])),
    "FeedForward values": (lambda: FeedForward(task="regression", **SHORT), two_values),
    "RadialBasisNetwork": (lambda: RadialBasisNetwork(n_centers=20, normalize=True, random_state=0), wine),
    "RadialBasisNetwork value": (
        lambda: RadialBasisNetwork(task="regression", centers="ols", n_centers=9, ridge=0.1, random_state=0),
        lambda: load_diabetes(return_X_y=True),
    ),
    "RadialBasisNetwork given": (
        lambda: RadialBasisNetwork(centers=[[float(k)] * 13 for k in range(3)], kernel="linear", random_state=0),
        wine,
    ),
    "DeepFeedForward": (lambda: DeepFeedForward(average=True, precision="float32", **SHORT), wine),
    "DeepFeedForward value": (
        lambda: DeepFeedForward(task="regression", hidden_layer_sizes=(4, 3, 2), **SHORT),
        lambda: load_diabetes(return_X_y=True),
    ),
    "DeepFeedForward linear": (lambda: DeepFeedForward(hidden_layer_sizes=(), **SHORT), lambda: wine([1.0, 2.0, 9.0])),
    "DeepFeedForward images": (lambda: DeepFeedForward(kind="image", **SHORT), lambda: images(np.uint8)),
    "DeepConvolutionalNetwork": (lambda: DeepConvolutionalNetwork(n_filters=(4, 6), **SHORT), lambda: images(np.uint8)),
    "DeepConvolutionalNetwork numbers": (
        lambda: DeepConvolutionalNetwork(n_filters=(4,), task="regression", **SHORT),
        lambda: (images(np.float32)[0], np.arange(40.0)),
    ),
    "DeepConvolutionalNetwork signal": (lambda: DeepConvolutionalNetwork(n_filters=(4,), **SHORT), wine),
    "DeepConvolutionalNetwork dense": (
        lambda: DeepConvolutionalNetwork.lenet5(precision="float64", **SHORT),
        lambda: images(np.uint8),
    ),
    "ExtremeLearningMachine": (lambda: ExtremeLearningMachine(n_hidden=20, random_state=0), wine),
    "ExtremeLearningMachine links": (
        lambda: ExtremeLearningMachine(
            task="regression", n_hidden=9, direct_links=True, activation="rbf", random_state=0
        ),
        two_values,
    ),
    "ExtremeLearningMachine kernel": (
        lambda: ExtremeLearningMachine(n_hidden=30, kernel="rbf", kind="image", random_state=0),
        lambda: images(np.uint8),
    ),
    "SupportVectorMachine": (lambda: SupportVectorMachine(), wine),
    "SupportVectorMachine rest": (lambda: SupportVectorMachine(multi_class="ovr", kernel="poly"), wine),
    "SupportVectorMachine two classes": (lambda: SupportVectorMachine(), lambda: wine([True, False, True])),
    "SupportVectorMachine labels": (lambda: SupportVectorMachine(kernel="sigmoid"), indicator),
    "SupportVectorMachine values": (lambda: SupportVectorMachine(task="regression", kernel="linear"), two_values),
    "SupportVectorMachine nystroem": (
        lambda: SupportVectorMachine(approximation="nystroem", n_components=20, **SHORT),
        wine,
    ),
    "SupportVectorMachine fourier": (
        lambda: SupportVectorMachine(approximation="fourier", n_components=20, **SHORT),
        wine,
    ),
    "DeepResidualNetwork": (
        lambda: DeepResidualNetwork(n_blocks=2, n_hidden=4, categorical_features=[13], **SHORT),
        with_codes,
    ),
    "DeepResidualNetwork images": (
        lambda: DeepResidualNetwork(n_filters=(4, 6), depth=6, shortcut="project", **SHORT),
        lambda: images(np.uint8),
    ),
    "CapsuleNetwork": (lambda: CapsuleNetwork(n_filters=4, n_primary=2, **SHORT), lambda: images(np.uint8)),
    "CapsuleNetwork labels": (
        lambda: CapsuleNetwork(n_filters=4, n_primary=2, reconstruction=False, **SHORT),
        lambda: (images(np.float32)[0], np.stack([np.arange(40) % 2, np.arange(40) % 3 == 0], axis=1).astype(int)),
    ),
    "RNN": (lambda: RNN(n_hidden=4, activation="relu", **SHORT), wine),
    "LSTM": (lambda: LSTM(n_hidden=4, n_layers=2, bidirectional=True, pooling="max", **SHORT), sequences),
    "LSTM cell": (lambda: LSTM(n_hidden=4, peepholes=True, normalization="layer", **SHORT), sequences),
    "GRU": (lambda: GRU(n_hidden=4, reset_after=False, categorical_features=[1], **SHORT), sequences),
    "GRU forecast": (lambda: GRU(task="regression", output="next", n_hidden=4, **SHORT), lambda: (wine()[0], None)),
    "Autoencoder": (lambda: Autoencoder(**SHORT), wine),
    "Autoencoder tied": (lambda: Autoencoder(tied=True, loss="huber", **SHORT), wine),
    "Autoencoder images": (lambda: Autoencoder(loss="bernoulli", kind="image", **SHORT), lambda: images(np.uint8)),
    "DenoisingAutoencoder": (lambda: DenoisingAutoencoder(noise="swap", **SHORT), wine),
    "DenoisingAutoencoder images": (
        lambda: DenoisingAutoencoder(n_filters=(4,), kind="image", **SHORT),
        lambda: images(np.uint8),
    ),
    "SparseAutoencoder": (lambda: SparseAutoencoder(n_components=20, k=3, **SHORT), wine),
    "SparseAutoencoder images": (
        lambda: SparseAutoencoder(n_components=9, sparsity="kl", kind="image", **SHORT),
        lambda: images(np.uint8),
    ),
    "VariationalAutoencoder": (lambda: VariationalAutoencoder(n_importance=3, **SHORT), wine),
    "VariationalAutoencoder images": (
        lambda: VariationalAutoencoder(n_filters=(4,), kind="image", **SHORT),
        lambda: images(np.uint8),
    ),
    "RestrictedBoltzmannMachine": (lambda: RestrictedBoltzmannMachine(n_components=5, **SHORT), wine),
    "RestrictedBoltzmannMachine images": (
        lambda: RestrictedBoltzmannMachine(n_components=5, method="cd", kind="image", **SHORT),
        lambda: images(np.uint8),
    ),
    "DeepBeliefNetwork": (lambda: DeepBeliefNetwork(hidden_layer_sizes=(5, 4, 3), **SHORT), wine),
    "DeepBeliefNetwork images": (
        lambda: DeepBeliefNetwork(hidden_layer_sizes=(5,), kind="image", **SHORT),
        lambda: images(np.uint8),
    ),
    "DeconvolutionalNetwork": (
        lambda: DeconvolutionalNetwork(n_filters=(3,), kernel_size=3, n_inference_steps=5, **SHORT),
        lambda: images(np.uint8),
    ),
    "DeconvolutionalNetwork labels": (
        lambda: DeconvolutionalNetwork(mode="generate", n_filters=(4,), n_inference_steps=5, **SHORT),
        lambda: images(np.float32),
    ),
    "DeconvolutionalNetwork codes": (
        lambda: DeconvolutionalNetwork(mode="generate", upsample="transposed", n_inference_steps=5, **SHORT),
        lambda: (images(np.uint8)[0], np.random.default_rng(1).normal(size=(40, 3))),
    ),
    "MarkovChain": (lambda: MarkovChain(order=2, smoothing=0.5, random_state=0), spellings),
    "MarkovChain backoff": (
        lambda: MarkovChain(order=3, backoff="kneser_ney", random_state=0),
        lambda: (np.random.default_rng(0).integers(0, 4, (20, 9)), None),
    ),
    "InverseGraphicsNetwork": (
        lambda: InverseGraphicsNetwork(n_filters=(4,), factor_sizes=(2, 1), **SHORT),
        lambda: images(np.uint8),
    ),
    "GAN": (lambda: GAN(hidden_layer_sizes=(8,), spectral_norm=True, **SHORT), wine),
    "GAN images": (
        lambda: GAN(n_filters=(4,), loss="wgan_gp", kind="image", **SHORT),
        lambda: images(np.uint8),
    ),
    "HopfieldNetwork": (lambda: HopfieldNetwork(rule="storkey", threshold=0.1, random_state=0), wine),
    "HopfieldNetwork modern": (
        lambda: HopfieldNetwork(memory="modern", kind="image", random_state=0),
        lambda: images(np.uint8),
    ),
    "BoltzmannMachine": (lambda: BoltzmannMachine(n_components=3, **SHORT), wine),
    "BoltzmannMachine chains": (
        lambda: BoltzmannMachine(
            n_components=12,
            visible_links=False,
            method="pcd",
            n_gibbs_steps=2,
            start_temperature=2.0,
            kind="image",
            **SHORT,
        ),
        lambda: images(np.uint8),
    ),
    "BoltzmannMachine mean field": (
        lambda: BoltzmannMachine(
            n_components=11, visible_links=[0] * 6 + [1] * 7, method="mean_field", hidden_links=False, **SHORT
        ),
        wine,
    ),
    "HopfieldNetwork dense": (lambda: HopfieldNetwork(memory="dense", max_sweeps=3, random_state=0), wine),
    "KohonenNetwork": (lambda: KohonenNetwork(n_rows=3, n_columns=4, grid="hexagonal", **SHORT), wine),
    "KohonenNetwork online": (
        lambda: KohonenNetwork(n_rows=3, n_columns=3, method="online", codes="distances", kind="image", **SHORT),
        lambda: images(np.uint8),
    ),
    "AttentionNetwork": (lambda: AttentionNetwork(n_hidden=4, categorical_features=[1], **SHORT), sequences),
    "AttentionNetwork transformer": (
        lambda: AttentionNetwork(body="transformer", positions="learned", n_hidden=8, **SHORT),
        sequences,
    ),
    "NeuralTuringMachine": (
        lambda: NeuralTuringMachine(n_hidden=4, n_slots=5, slot_size=3, memory_init="random", **SHORT),
        sequences,
    ),
    "EchoStateNetwork": (lambda: EchoStateNetwork(n_hidden=20, categorical_features=[1], random_state=0), sequences),
    "EchoStateNetwork forecast": (
        lambda: EchoStateNetwork(task="regression", output="next", n_hidden=9, leak_rate=0.5, random_state=0),
        lambda: (wine()[0], None),
    ),
    "LiquidStateMachine": (
        lambda: LiquidStateMachine(n_hidden=30, pooling="max", input_scaling=3.0, random_state=0),
        sequences,
    ),
    "DifferentiableNeuralComputer": (
        lambda: DifferentiableNeuralComputer(n_hidden=4, n_slots=5, slot_size=3, **SHORT),
        sequences,
    ),
    "OwnBody": (lambda: OwnBody(make_body(), **SHORT), wine),
}


def outputs(network: object, X: np.ndarray) -> dict[str, np.ndarray]:
    verbs = ("predict", "predict_proba", "decision_function", "transform")
    draws = network.reads_target and network.task is None
    given = {"predict": getattr(network, "classes_", np.eye(3))} if draws else {}
    return {verb: getattr(network, verb)(given.get(verb, X)) for verb in verbs if hasattr(network, verb)}


def fingerprint(network: object, X: np.ndarray) -> str:
    """Return the SHA-256 of all that a network computes for the rows, types included."""
    total = hashlib.sha256()
    for verb, array in outputs(network, X).items():
        body = json.dumps(array.tolist()).encode() if array.dtype == object else array.tobytes()
        kind = "text" if array.dtype.kind in "OU" else str(array.dtype)
        body = json.dumps(array.tolist()).encode() if kind == "text" else body
        total.update(f"{verb} {kind} {array.shape}".encode() + body)
    return total.hexdigest()


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> dict[str, tuple[Model, Path]]:
    folder = tmp_path_factory.mktemp("models")
    made = {}
    for number, (name, (make, rows)) in enumerate(CASES.items()):
        model = Model(make().fit(*rows()), seed=number)
        made[name] = model, folder / f"{number}.nnzoo"
        model.save(made[name][1])
    return made


def load_again(name: str, path: Path) -> Model:
    return load_model(path, body=make_body() if name == "OwnBody" else None)


def test_every_network_of_the_catalog_is_among_the_cases():
    assert {row.class_name for row in CATALOG} | {"OwnBody"} == {name.split()[0] for name in CASES}


@pytest.mark.parametrize("name", CASES)
def test_loaded_model_is_the_saved_one(name, saved):
    model, path = saved[name]
    again = load_again(name, path)
    network, loaded = model.network, again.network
    assert type(loaded) is type(network)
    assert fingerprint(loaded, CASES[name][1]()[0]) == fingerprint(network, CASES[name][1]()[0])
    assert again.card() == model.card() | {"parameters": again.card()["parameters"]}
    for attribute in ("n_iter_", "best_epoch_", "best_by_", "stopped_", "arithmetic_", "n_features_in_"):
        assert getattr(loaded, attribute) == getattr(network, attribute)
    assert loaded.history_ == {name: column for name, column in network.history_.items() if name != "seconds"}
    mine, theirs = loaded.get_params(deep=False), network.get_params(deep=False)
    for one in (mine, theirs):
        one.pop("body", None)
    assert {k: list(v) if isinstance(v, tuple) else v for k, v in mine.items()} == {
        k: list(v) if isinstance(v, tuple) else v for k, v in theirs.items()
    }


@pytest.mark.parametrize("name", CASES)
def test_loaded_model_saves_to_the_same_bytes(name, saved, tmp_path):
    path = saved[name][1]
    load_again(name, path).save(tmp_path / "again.nnzoo")
    assert (tmp_path / "again.nnzoo").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", CASES)
def test_equal_models_give_equal_files(name, tmp_path):
    make, rows = CASES[name]
    shas = [Model(make().fit(*rows())).save(tmp_path / f"{k}.nnzoo") for k in range(2)]
    assert shas[0] == shas[1]
    assert (tmp_path / "0.nnzoo").read_bytes() == (tmp_path / "1.nnzoo").read_bytes()


@pytest.mark.parametrize("name", CASES)
def test_loaded_network_goes_on_learning(name, saved):
    X, y = CASES[name][1]()
    again = load_again(name, saved[name][1]).network
    if not hasattr(again, "partial_fit"):
        assert type(again) is SupportVectorMachine  # solved exactly, in one go
        return
    n_before = again.n_iter_
    assert again.partial_fit(X, y).n_iter_ == n_before + 1


@pytest.mark.slow
def test_new_process_gives_the_same_bits_from_the_files_and_from_the_seeds(saved):
    code = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_model as t
for name, path in zip(t.CASES, sys.argv[2:]):
    make, rows = t.CASES[name]
    X, y = rows()
    print(t.fingerprint(t.load_again(name, Path(path)).network, X), t.fingerprint(make().fit(X, y), X))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent), *(str(path) for _, path in saved.values())],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    wanted = [fingerprint(model.network, CASES[name][1]()[0]) for name, (model, _) in saved.items()]
    found = [line.split() for line in done.stdout.splitlines()]
    assert [loaded for loaded, _ in found] == wanted
    assert [trained for _, trained in found] == wanted


def test_column_names_come_back(tmp_path):
    import pandas as pd

    X, y = wine()
    names = ["ä", *(f"c{k}" for k in range(12))]
    network = FeedForward(**SHORT).fit(pd.DataFrame(X, columns=names), y)
    Model(network).save(tmp_path / "m.nnzoo")
    loaded = load_model(tmp_path / "m.nnzoo").network
    assert loaded.feature_names_in_.tolist() == names
    with pytest.raises(ValueError, match="feature names should match"):
        loaded.predict(pd.DataFrame(X, columns=names[::-1]))


def test_generator_as_random_state_is_stored_as_none(tmp_path):
    X, y = wine()
    network = FeedForward(n_epochs=1, random_state=np.random.RandomState(3)).fit(X, y)
    Model(network).save(tmp_path / "m.nnzoo")
    loaded = load_model(tmp_path / "m.nnzoo").network
    assert loaded.random_state is None
    assert loaded.predict_proba(X).tobytes() == network.predict_proba(X).tobytes()


def test_old_file_stays_as_bak(saved, tmp_path):
    path = tmp_path / "m.nnzoo"
    saved["FeedForward"][0].save(path)
    before = path.read_bytes()
    saved["DeepFeedForward"][0].save(path)
    assert (tmp_path / "m.nnzoo.bak").read_bytes() == before
    assert type(load_model(path).network) is DeepFeedForward


def test_D12_unfitted_network_is_not_saved(tmp_path):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        Model(FeedForward()).save(tmp_path / "m.nnzoo")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_network_of_ours_is_refused():
    with pytest.raises(UsageError, match="Model needs an estimator of nnzoo; got str"):
        Model("deep")


def test_labels_of_mixed_kinds_are_not_saved(tmp_path):
    X, _ = wine()
    network = FeedForward(**SHORT).fit(X, np.array(["a", "b"] * 89, dtype=object))
    network.target_ = copy.copy(network.target_)
    object.__setattr__(network.target_, "classes", np.array(["a", None], dtype=object))
    with pytest.raises(ModelFileError, match="labels that are texts, numbers or truth values"):
        Model(network).save(tmp_path / "m.nnzoo")
    assert list(tmp_path.iterdir()) == []


def test_own_body_needs_its_module_again(saved):
    with pytest.raises(UsageError, match=r"body of the user's own.*load_model\(path, body=module\)"):
        load_model(saved["OwnBody"][1])


@pytest.mark.parametrize("body", [nn.Linear(13, 4), nn.Sequential(nn.Linear(13, 5), nn.Tanh())], ids=["width", "parts"])
def test_other_module_than_the_saved_one_is_refused_as_a_model_file_error(body, saved):
    with pytest.raises(ModelFileError, match="its tensors do not fit its manifest|needs .* by its manifest"):
        load_model(saved["OwnBody"][1], body=body)


# Files that were changed: every part of the manifest


def rewrite(path: Path, out: Path, change, *, tensors=None) -> Path:
    """Write a copy of a file whose manifest (and tensors) was changed, with a right checksum."""
    manifest, arrays = read_tensors(path, None)
    change(manifest)
    if tensors is not None:
        tensors(arrays)
    write_tensors(out, manifest, arrays, allow_nonfinite=True)
    return out


def put(*place_and_value):
    *place, value = place_and_value

    def change(manifest: dict) -> None:
        for key in place[:-1]:
            manifest = manifest[key]
        manifest[place[-1]] = value

    return change


BAD = {
    "format": ["", "other", None, 1],
    "format_version": [0, -1, "1", 1.0, None, True],
    "architecture": ["svm", "", None, 3, "FeedForward", "perceptron", "own_body", ["feed-forward"]],
    "params": [None, {}, [], {"n_hidden": 3}],
    "sizes": [None, {}, []],
    "task": ["regression", "ranking", None, 1],
    "classes": [None, {}, [], {"dtype": "str", "values": ["a"]}, {"dtype": "object", "values": ["a", "b", "c"]},
                {"dtype": "int64", "values": ["a", "b", "c"]}, {"dtype": "int64", "values": [1, 2, 2**70]},
                {"dtype": "str", "values": "abc"}, {"dtype": "float64", "values": [1, 2, 3]}],
    "seed": [-1, 1.5, "0", None, 2**40],
    "metrics": [None, [], {"best": "high"}, {"best": 1}],
    "versions": [None, [], {"torch": 2}],
    "threads": [0, -1, "2", None, 1.0],
    "arithmetic": ["auto", "float16", None, "float32"],
    "data_fingerprint": [None, 1, []],
    "data": [None, {}, {"origin": 1, "how_split": "", "salt": ""}, {"origin": "", "how_split": ""}],
}  # fmt: skip
TAMPERED = [
    pytest.param(put(key, value), id=f"{key}={value!r}"[:60]) for key, values in BAD.items() for value in values
]
TAMPERED += [
    pytest.param(put(*change), id=f"{change}"[:60])
    for change in [
        ("sizes", "shape", [12]), ("sizes", "shape", [0]), ("sizes", "shape", ["13"]), ("sizes", "shape", [13, 1]),
        ("sizes", "shape", [10**7 + 1]), ("sizes", "shape", True), ("sizes", "shape", []),
        ("sizes", "kind", "image"), ("sizes", "kind", "text"), ("sizes", "pixels", 1),
        ("sizes", "n_targets", 4), ("sizes", "n_targets", 0), ("sizes", "n_targets", 2),
        ("sizes", "head", "regression"), ("sizes", "head", "labels"), ("sizes", "head", "binary"),
        ("sizes", "head", "nn.Linear"), ("sizes", "head", None),
        ("sizes", "flat", 1), ("sizes", "flat", None),
        ("sizes", "arithmetic", "float32"), ("sizes", "arithmetic", 64),
        ("sizes", "feature_names", ["a"]), ("sizes", "feature_names", [1] * 13), ("sizes", "feature_names", "abc"),
        ("sizes", "n_codes", [[0, 3]]), ("sizes", "n_codes", [[13, 3]]), ("sizes", "n_codes", [[0, 0]]),
        ("sizes", "n_codes", [[0]]), ("sizes", "n_codes", {}), ("sizes", "n_codes", [["0", 3]]),
        ("sizes", "n_iter", -1), ("sizes", "n_iter", 1.0), ("sizes", "best_epoch", None),
        ("sizes", "best_by", "luck"), ("sizes", "stopped", "x"), ("sizes", "history", [["epoch"], 2]),
        ("sizes", "history", [["epoch", "train_loss", "seconds"], 3]), ("sizes", "history", 3),
        ("sizes", "history", [[1], 2]), ("sizes", "history", [["epoch"] * 3, 2]), ("sizes", "history", []),
        ("sizes", "more", 1),
        ("params", "n_hidden", 99), ("params", "n_hidden", 0), ("params", "n_hidden", 10**10), ("params", "n_hidden", "9"),
        ("params", "n_hidden", 10**9), ("params", "activation", "os.system"), ("params", "task", "regression"),
        ("params", "normalization", "batch"), ("params", "more", 1), ("params", "random_state", [1, 2]),
        ("params", "class_weight", {"labelled": [[1]]}), ("params", "class_weight", {"labelled": [[[1], 1.0]]}),
        ("params", "class_weight", {"x": 1}), ("params", "categorical_features", [0]), ("more", 1),
    ]
]  # fmt: skip


@pytest.mark.parametrize("change", TAMPERED)
def test_D9_tampered_manifest_is_refused(change, saved, tmp_path):
    path = rewrite(saved["FeedForward"][1], tmp_path / "m.nnzoo", change)
    with pytest.raises(ModelFileError, match=r"."):
        load_model(path)


@pytest.mark.parametrize("key", sorted(BAD))
def test_D9_manifest_without_one_of_its_keys_is_refused(key, saved, tmp_path):
    path = rewrite(saved["FeedForward"][1], tmp_path / "m.nnzoo", lambda manifest: manifest.pop(key))
    with pytest.raises(ModelFileError, match="format|keys"):
        load_model(path)


@pytest.mark.parametrize("name", ["Perceptron", "FeedForward codes", "DeepFeedForward value", "OwnBody"])
def test_D9_file_of_one_network_does_not_pass_as_another(name, saved, tmp_path):
    manifest, arrays = read_tensors(saved[name][1], None)
    for other in ("perceptron", "feed-forward", "deep-feed-forward", "own-body"):
        if other == manifest["architecture"]:
            continue
        write_tensors(tmp_path / "m.nnzoo", manifest | {"architecture": other}, arrays)
        with pytest.raises(ModelFileError, match="params"):
            load_model(tmp_path / "m.nnzoo", body=make_body())


def change_tensor(name: str, act) -> object:
    def change(arrays: dict) -> None:
        arrays[name] = act(arrays[name])

    return change


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (lambda arrays: arrays.pop("network.head.bias"), 'network.head.bias'),
        (lambda arrays: arrays.update(more=np.zeros(1)), '"more"'),
        (change_tensor("network.head.weight", lambda a: a[:2]), 'tensor "network.head.weight" needs'),
        (change_tensor("network.head.weight", lambda a: a.T.copy()), 'tensor "network.head.weight" needs'),
        (change_tensor("network.head.weight", lambda a: a.astype(np.float32)), 'tensor "network.head.weight" needs'),
        (change_tensor("input.mean", lambda a: a[:1]), 'tensor "input.mean" needs'),
        (lambda arrays: arrays.pop("recipe"), '"recipe"'),
        (change_tensor("trained_rows", lambda a: a.astype(np.int32)), 'tensor "trained_rows" needs'),
        (change_tensor("recipe", lambda a: np.frombuffer(b"{", np.uint8)), "JSON"),
        (change_tensor("recipe", lambda a: np.frombuffer(b"{}", np.uint8)), "."),
        (change_tensor("recipe", lambda a: np.frombuffer(b"[1]", np.uint8)), "."),
        (change_tensor("settings", lambda a: np.frombuffer(b"\xff", np.uint8)), "."),
        (change_tensor("settings", lambda a: np.frombuffer(b"[]", np.uint8)), "."),
    ],
)  # fmt: skip
def test_D9_tensors_that_do_not_fit_are_refused_by_name(tensors, message, saved, tmp_path):
    path = rewrite(saved["FeedForward"][1], tmp_path / "m.nnzoo", lambda manifest: None, tensors=tensors)
    with pytest.raises(ModelFileError, match=message):
        load_model(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["network.head.weight", "input.scale", "history.train_loss"])
def test_D8_values_that_are_not_finite_are_refused_at_load(name, value, saved, tmp_path):
    path = rewrite(
        saved["FeedForward"][1], tmp_path / "m.nnzoo", lambda manifest: None,
        tensors=change_tensor(name, lambda a: np.full_like(a, value)),
    )  # fmt: skip
    with pytest.raises(ModelFileError, match=f'"{name}"'):
        load_model(path)
    assert not np.isfinite(load_model(path, allow_nonfinite=True).network.fitted_state().tensors[name]).any()


def test_D8_weights_that_are_not_finite_are_not_saved(tmp_path):
    X, y = wine()
    network = FeedForward(**SHORT).fit(X, y)
    with torch.no_grad():
        network.network_.head.bias.fill_(np.nan)
    with pytest.raises(ModelFileError, match='"network.head.bias"'):
        Model(network).save(tmp_path / "m.nnzoo")
    assert list(tmp_path.iterdir()) == []


def test_D5_newer_format_is_refused_with_both_versions(saved, tmp_path):
    def newer(manifest: dict) -> None:
        manifest["format_version"], manifest["versions"]["nnzoo"], manifest["unheard_of"] = 2, "9.9.9", 1

    path = rewrite(saved["FeedForward"][1], tmp_path / "m.nnzoo", newer)
    message = rf'format version 1; it has 2, made by nnzoo "9\.9\.9", and this is nnzoo {nnzoo.__version__}\. Update'
    with pytest.raises(ModelFileError, match=message):
        load_model(path)


@pytest.mark.parametrize("place", [20, 200, 0.5, 0.9, -1])
def test_D2_one_flipped_bit_is_refused(place, saved, tmp_path):
    data = bytearray(saved["FeedForward"][1].read_bytes())
    data[int(place * len(data)) if isinstance(place, float) else place] ^= 1
    (tmp_path / "m.nnzoo").write_bytes(data)
    with pytest.raises(ModelFileError, match=r"m\.nnzoo"):
        load_model(tmp_path / "m.nnzoo")


class Canary:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def write_torch(path: Path, value: object) -> None:
    torch.save(value, path)


def write_zip(path: Path, value: object) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("data.pkl", pickle.dumps(value))


FOREIGN = {
    "protocol 2": (lambda path, value: path.write_bytes(pickle.dumps(value, 2)), "a pickle"),
    "protocol 4": (lambda path, value: path.write_bytes(pickle.dumps(value, 4)), "a pickle"),
    "protocol 5": (lambda path, value: path.write_bytes(pickle.dumps(value, 5)), "a pickle"),
    "protocol 0": (lambda path, value: path.write_bytes(pickle.dumps(value, 0)), "."),
    "pt": (write_torch, "a zip archive"),
    "keras": (write_zip, "a zip archive"),
    "h5": (lambda path, value: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100)), "an HDF5 file"),
    "html": (lambda path, value: path.write_text("<!DOCTYPE html><html></html>"), "an HTML page"),
    "npz": (lambda path, value: np.savez(path.open("wb"), a=np.array([value])), "a zip archive"),
    "text": (lambda path, value: path.write_text("species,island\nAdelie,Biscoe\n" * 10), "."),
    "empty": (lambda path, value: path.write_bytes(b""), "empty"),
}


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("suffix", [".nnzoo", ".pt", ".pkl"])
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # np.savez leaves the file to the garbage collector
def test_D6_foreign_file_is_refused_and_nothing_in_it_runs(kind, suffix, tmp_path):
    write, message = FOREIGN[kind]
    canary, path = tmp_path / "canary", tmp_path / f"model{suffix}"
    write(path, Canary(canary))
    with pytest.raises(ModelFileError, match=message):
        load_model(path)
    assert not canary.exists()


def test_canary_sings_where_a_file_is_unpickled(tmp_path):
    pickle.loads(pickle.dumps(Canary(tmp_path / "canary")))
    assert (tmp_path / "canary").exists()


def test_A21_missing_model_is_a_model_file_error_with_the_nearest_names(saved):
    folder = saved["FeedForward"][1].parent
    with pytest.raises(ModelFileError, match=r'"\d\.nnzoo"'):
        load_model(folder / "l.nnzoo")


def test_card_says_what_the_model_is(saved):
    model, path = saved["FeedForward"]
    card = load_model(path).card()
    assert json.loads(json.dumps(card)) == card
    assert (card["network"], card["task"], card["classes"]) == (
        "FeedForward", "classification", ["red", "rosé", "white"],
    )  # fmt: skip
    assert card["weights"] == 13 * 100 + 100 + 100 * 3 + 3
    assert card["versions"]["torch"] == torch.__version__
    assert "network          FeedForward" in str(model)
    assert "<td style='text-align:left'>FeedForward</td>" in model._repr_html_()


def test_card_in_a_notebook_escapes_what_a_label_says():
    X, y = wine(["<script>alert(1)</script>", "b", "c"])
    shown = Model(FeedForward(**SHORT).fit(X, y))._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_card_of_a_model_before_training_has_gaps_where_training_fills_in():
    card = Model(FeedForward(n_hidden=3)).card()
    assert (card["weights"], card["classes"], card["epochs"]) == (None, None, None)
    assert card["parameters"]["n_hidden"] == 3
