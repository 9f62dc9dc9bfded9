"""Each network of the zoo against its peer, on a small set: a row of FRAMES is a set, the peer and nnzoo's estimator.

The peer is trained as it is documented, and its test quality is the goal. nnzoo's time is that of the shortest run
(1, 2, 4, ... epochs) that reaches it, whole: checks, scaling and all.
"""

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from common import NotRun, answer, read_images

Parts = tuple[Any, Any, Any, Any]
MOST_EPOCHS = 512
ADDING_STEPS = 30
FASHION = "Fashion-MNIST, 10,000 images"


class Frame(NamedTuple):
    """A network against its peer: the set in words, its reader, the peer in words, its training, nnzoo's estimator."""

    data: str
    read: Callable[[dict[str, str]], Parts]
    peer: str
    fit: Callable[..., Any]
    ours: Callable[[int], Any]


# The sets: X, y, X_test, y_test.


def breast_cancer(places: dict[str, str]) -> Parts:
    """569 rows of 30 numbers."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    X, y = load_breast_cancer(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.25, random_state=0, stratify=y)
    mean, scale = X.mean(axis=0), X.std(axis=0)
    return (X - mean) / scale, y, (X_test - mean) / scale, y_test


def digits(places: dict[str, str]) -> Parts:
    """1,797 images of 8 x 8, flat."""
    X, y, X_test, y_test = read_images({"data": "digits"}, places)
    return X.reshape(len(X), -1) / 16, y, X_test.reshape(len(X_test), -1) / 16, y_test


def fashion(places: dict[str, str]) -> Parts:
    """10,000 training and 10,000 test images as bytes."""
    X, y, X_test, y_test = read_images({"data": "fashion-mnist", "rows": 10_000}, places)
    return X, y, X_test, y_test


def fashion_flat(places: dict[str, str]) -> Parts:
    """The same, flat numbers from 0 to 1."""
    X, y, X_test, y_test = fashion(places)
    return X.reshape(len(X), -1) / 255, y, X_test.reshape(len(X_test), -1) / 255, y_test


def fashion_rows(places: dict[str, str]) -> Parts:
    """The same as sequences of 28 rows."""
    X, y, X_test, y_test = fashion(places)
    return X / np.float32(255), y, X_test / np.float32(255), y_test


def adding(places: dict[str, str]) -> Parts:
    """Sequences of (number, mark); the target is the sum of the two marked numbers."""
    draw, parts = np.random.default_rng(0), []
    for n in (10_000, 2_000):
        X = np.zeros((n, ADDING_STEPS, 2), dtype=np.float32)
        X[:, :, 0] = draw.random((n, ADDING_STEPS))
        half, row = ADDING_STEPS // 2, np.arange(n)
        marked = draw.integers(0, half, n), draw.integers(half, ADDING_STEPS, n)
        for place in marked:
            X[row, place, 1] = 1
        parts += [X, sum(X[row, place, 0] for place in marked).astype(np.float64)]
    return parts[0], parts[1], parts[2], parts[3]


def archive(name: str) -> Callable[[dict[str, str]], Parts]:
    """Return the reader of a set of the UCR and UEA archives, series of one length as (n, T, d)."""

    def read(places: dict[str, str]) -> Parts:
        parts: list[np.ndarray] = []
        for part in ("TRAIN", "TEST"):
            path = Path(places["aeon"]) / "aeon" / "datasets" / "data" / name / f"{name}_{part}.ts"
            if not path.exists():
                raise NotRun(f"no {path.name}")
            rows = [line.strip().split(":") for line in path.read_text().splitlines() if line[:1] not in ("@", "#", "")]
            X = np.array([[[float(v) for v in cells.split(",")] for cells in row[:-1]] for row in rows])
            parts += [np.moveaxis(X, 1, 2).astype(np.float32), np.array([row[-1] for row in rows])]
        labels = {label: code for code, label in enumerate(np.unique(parts[1]))}
        codes = [np.array([labels[label] for label in parts[k]]) for k in (1, 3)]
        return parts[0], codes[0], parts[2], codes[1]

    return read


# The peers: fit on the rows, then predict.


def sklearn_perceptron(X: np.ndarray, y: np.ndarray) -> Any:
    """scikit-learn's Perceptron as it comes."""
    from sklearn.linear_model import Perceptron

    return Perceptron(random_state=0).fit(X, y)


def sklearn_mlp(X: np.ndarray, y: np.ndarray) -> Any:
    """scikit-learn's MLPClassifier as it comes."""
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(random_state=0).fit(X, y)


def in_skorch(make: Callable[[int, int], Any], *, regression: bool = False, **options: Any) -> Callable[..., Any]:
    """Return a peer that trains a torch module by skorch, with Adam."""

    def fit(X: np.ndarray, y: np.ndarray) -> Any:
        import torch
        from skorch import NeuralNetClassifier, NeuralNetRegressor

        torch.manual_seed(0)
        target = y.astype(np.float32)[:, None] if regression else y.astype(np.int64)
        loss = {} if regression else {"criterion": torch.nn.CrossEntropyLoss}
        module = make(X.shape[-1], 1 if regression else int(y.max()) + 1)
        own: Any = {"lr": 1e-3, "optimizer": torch.optim.Adam, "verbose": 0, "iterator_train__shuffle": True} | options
        return (NeuralNetRegressor if regression else NeuralNetClassifier)(module, **loss, **own).fit(
            X.astype(np.float32), target
        )

    return fit


def layers(*widths: int) -> Callable[[int, int], Any]:
    """Return the maker of a dense network."""

    def make(n_in: int, n_out: int) -> Any:
        from torch import nn
        from torch_networks import dense

        return nn.Sequential(*dense(n_in, *widths), nn.Linear(widths[-1], n_out))

    return make


def recurrent(kind: str, n_hidden: int) -> Callable[[int, int], Any]:
    """Return the maker of torch's recurrent network and a linear layer on its last output."""

    def make(n_in: int, n_out: int) -> Any:
        from torch import nn
        from torch_networks import Rows

        return Rows(getattr(nn, kind)(n_in, n_hidden, batch_first=True), nn.Linear(n_hidden, n_out))

    return make


def convolutional(n_in: int, n_out: int) -> Any:
    """skorch's notebook MNIST, its convolutional network."""
    from torch import nn

    return nn.Sequential(
        nn.Unflatten(1, (1, 28)),
        *(nn.Conv2d(1, 32, 3), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Conv2d(32, 64, 3), nn.Dropout2d(0.5), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(1600, 100), nn.ReLU(), nn.Dropout(0.5), nn.Linear(100, n_out)),
    )


# nnzoo: the class and what is set.


def ours(name: str, **params: Any) -> Callable[[int], Any]:
    """Return the maker of an estimator that trains for so many epochs."""

    def make(n_epochs: int) -> Any:
        import nnzoo

        return getattr(nnzoo, name)(n_epochs=n_epochs, random_state=0, **params)

    return make


CYCLE = {"schedule": "one_cycle", "learning_rate": 1e-2}
FRAMES = {
    "P": Frame(FASHION, fashion_flat, "scikit-learn Perceptron", sklearn_perceptron, ours("Perceptron", average=True)),
    "FF": Frame(
        "digits", digits, "scikit-learn MLPClassifier", sklearn_mlp, ours("FeedForward", batch_size=32, **CYCLE)
    ),
    "FF, a table": Frame(
        "breast_cancer", breast_cancer, "scikit-learn MLPClassifier", sklearn_mlp, ours("FeedForward", **CYCLE)
    ),
    "FF, images": Frame(
        FASHION, fashion_flat, "skorch, 100 units, 10 epochs", in_skorch(layers(100)), ours("FeedForward", **CYCLE)
    ),
    "DFF": Frame(
        FASHION,
        fashion_flat,
        "skorch, 256-128, 10 epochs",
        in_skorch(layers(256, 128)),
        ours("DeepFeedForward", hidden_layer_sizes=(256, 128), **CYCLE),
    ),
    "RNN": Frame(
        "ItalyPowerDemand",
        archive("ItalyPowerDemand"),
        "skorch, torch.nn.RNN 64, 200 epochs",
        in_skorch(recurrent("RNN", 64), max_epochs=200, batch_size=16, train_split=None),
        ours("RNN", n_hidden=64, batch_size=8, **CYCLE),
    ),
    "LSTM": Frame(
        f"adding, {ADDING_STEPS} steps, 10,000 sequences",
        adding,
        "skorch, torch.nn.LSTM 64, 30 epochs",
        in_skorch(recurrent("LSTM", 64), regression=True, lr=3e-3, max_epochs=30, batch_size=64, train_split=None),
        ours("LSTM", task="regression", n_hidden=64, batch_size=64, early_stopping=False, **CYCLE),
    ),
    "GRU": Frame(
        "BasicMotions",
        archive("BasicMotions"),
        "skorch, torch.nn.GRU 64, 100 epochs",
        in_skorch(recurrent("GRU", 64), max_epochs=100, batch_size=8, train_split=None),
        ours("GRU", n_hidden=64, batch_size=8, **CYCLE),
    ),
    "GRU, rows of images": Frame(
        FASHION,
        fashion_rows,
        "skorch, torch.nn.GRU 64, 10 epochs",
        in_skorch(recurrent("GRU", 64), batch_size=64),
        ours("GRU", n_hidden=64, batch_size=64, **CYCLE),
    ),
    "DCN": Frame(
        FASHION,
        fashion,
        "skorch, notebook MNIST's network, 10 epochs",
        in_skorch(convolutional, max_epochs=10, lr=2e-3),
        ours("DeepConvolutionalNetwork", kind="image", **CYCLE),
    ),
    "NTM": Frame(
        "BasicMotions",
        archive("BasicMotions"),
        "skorch, torch.nn.LSTM 64, 100 epochs",
        in_skorch(recurrent("LSTM", 64), max_epochs=100, batch_size=8, train_split=None),
        ours("NeuralTuringMachine", batch_size=8, **CYCLE),
    ),
    "DNC": Frame(
        "BasicMotions",
        archive("BasicMotions"),
        "skorch, torch.nn.LSTM 64, 100 epochs",
        in_skorch(recurrent("LSTM", 64), max_epochs=100, batch_size=8, train_split=None),
        ours("DifferentiableNeuralComputer", batch_size=8, **CYCLE),
    ),
}
"""A row a network and set; later networks add theirs."""


def quality(net: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Return the accuracy, or R² of a regression."""
    predicted = np.asarray(net.predict(X)).reshape(len(y))
    if y.dtype.kind == "f":
        return 1 - float(np.mean((predicted - y) ** 2) / np.var(y))
    return float(np.mean(predicted == y))


def peer(frame: str, places: dict[str, str]) -> dict[str, Any]:
    """Return seconds and quality of the peer."""
    X, y, X_test, y_test = FRAMES[frame].read(places)
    if X.dtype == np.uint8:
        X, X_test = X / np.float32(255), X_test / np.float32(255)
    X, X_test = X.astype(np.float32), X_test.astype(np.float32)
    start = time.perf_counter()
    net = FRAMES[frame].fit(X, y)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "quality": quality(net, X_test, y_test)}


def equal(frame: str, goal: float, places: dict[str, str]) -> dict[str, Any]:
    """Return seconds, quality and epochs of nnzoo's shortest run that reaches the goal, or of the best one."""
    X, y, X_test, y_test = FRAMES[frame].read(places)
    n_epochs, best = 1, {"seconds": 0.0, "quality": -np.inf, "epochs": 0, "reached": False}
    while n_epochs <= MOST_EPOCHS:
        start = time.perf_counter()
        net = FRAMES[frame].ours(n_epochs).fit(X, y)
        seconds = time.perf_counter() - start
        found = quality(net, X_test, y_test)
        if found > best["quality"]:
            best = {"seconds": seconds, "quality": found, "epochs": n_epochs, "reached": found >= goal}
        if found >= goal:
            return best
        n_epochs *= 2
    return best


def work(spec: dict[str, Any], places: dict[str, str]) -> dict[str, Any]:
    """Measure one side of a frame."""
    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(spec["threads"])
    if spec["side"] == "peer":
        return peer(spec["frame"], places)
    return equal(spec["frame"], spec["goal"], places)


if __name__ == "__main__":
    answer(work)
