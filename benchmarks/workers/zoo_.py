"""Each network of the zoo against its peer, on a small set: a row of FRAMES is a set, the peer and nnzoo's estimator.

The peer is trained as it is documented, and its test quality is the goal. nnzoo's time is that of the shortest run
(1, 2, 4, ... epochs, or times as many units where a network learns in one pass) that reaches it, whole: checks, scaling
and all.
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
    """A network against its peer: the set in words, its reader, the peer in words, its training, nnzoo's estimator.

    The estimator is made for 1, 2, 4, ... times as many of what ``grows``: epochs, or units where one pass is all.
    ``judge`` gives the quality of either side on the test part, accuracy or R² without; ``where`` is the environment of
    the peer.
    """

    data: str
    read: Callable[[dict[str, str]], Parts]
    peer: str
    fit: Callable[..., Any]
    ours: Callable[[int], Any]
    grows: str = "epochs"
    judge: Callable[[Any, np.ndarray, np.ndarray], float] | None = None
    where: str = "skorch"


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


def noisy_fashion(places: dict[str, str]) -> Parts:
    """10,000 training images without labels; 10,000 test images with noise of 0.3, and the same without."""
    X, _, X_test, _ = fashion(places)
    clean, clean_test = (each.reshape(len(each), -1).astype(np.float32) / 255 for each in (X, X_test))
    noise = 0.3 * np.random.default_rng(0).normal(size=clean_test.shape).astype(np.float32)
    return clean, np.zeros(len(clean)), clean_test + noise, clean_test


def standard_digits(places: dict[str, str]) -> Parts:
    """1,797 images of 8 x 8, flat and standardised."""
    X, y, X_test, y_test = digits(places)
    mean, scale = X.mean(axis=0), X.std(axis=0)
    scale[scale == 0] = 1.0
    return (X - mean) / scale, y, (X_test - mean) / scale, y_test


# The peers: fit on the rows, then predict.


def sklearn_perceptron(X: np.ndarray, y: np.ndarray) -> Any:
    """scikit-learn's Perceptron as it comes."""
    from sklearn.linear_model import Perceptron

    return Perceptron(random_state=0).fit(X, y)


def sklearn_mlp(X: np.ndarray, y: np.ndarray) -> Any:
    """scikit-learn's MLPClassifier as it comes."""
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(random_state=0).fit(X, y)


def principal_components(n_components: int) -> Callable[..., Any]:
    """Return scikit-learn's PCA, which scores rows by the likelihood of probabilistic principal components."""

    def fit(X: np.ndarray, y: np.ndarray) -> Any:
        from sklearn.decomposition import PCA

        return PCA(n_components, random_state=0).fit(X)

    return fit


def cleaning_components(n_components: int) -> Callable[..., Any]:
    """Return scikit-learn's PCA, predicting what its components leave of a row."""

    def fit(X: np.ndarray, y: np.ndarray) -> Any:
        from types import SimpleNamespace

        pca = principal_components(n_components)(X, y)
        return SimpleNamespace(predict=lambda rows: pca.inverse_transform(pca.transform(rows)))

    return fit


def scaled_svc(X: np.ndarray, y: np.ndarray) -> Any:
    """scikit-learn's SVC on standardised columns, γ as nnzoo has it."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return make_pipeline(StandardScaler(), SVC(gamma=1 / X.shape[1])).fit(X.astype(np.float64), y)


def nystroem_ridge(n_components: int) -> Callable[..., Any]:
    """Return scikit-learn's ridge classifier on Nyström features of standardised columns."""

    def fit(X: np.ndarray, y: np.ndarray) -> Any:
        from sklearn.kernel_approximation import Nystroem
        from sklearn.linear_model import RidgeClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        features = Nystroem(gamma=1 / X.shape[1], n_components=n_components, random_state=0)
        return make_pipeline(StandardScaler(), features, RidgeClassifier(1e-2)).fit(X.astype(np.float64), y)

    return fit


def random_ridge(n_hidden: int) -> Callable[..., Any]:
    """Return scikit-learn's ridge classifier on random tanh features of standardised columns."""

    def fit(X: np.ndarray, y: np.ndarray) -> Any:
        from sklearn.linear_model import RidgeClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer, StandardScaler

        draw = np.random.default_rng(0)
        W, b = draw.normal(size=(X.shape[1], n_hidden)) / X.shape[1] ** 0.5, draw.normal(size=n_hidden)
        hidden = FunctionTransformer(lambda Z: np.tanh(Z @ W + b))
        return make_pipeline(StandardScaler(), hidden, RidgeClassifier(1.0)).fit(X.astype(np.float64), y)

    return fit


def no_release(X: np.ndarray, y: np.ndarray) -> Any:
    """Raise NotRun: what there is on capsules are scripts that train on MNIST when they are run."""
    raise NotRun("no release to install")


def no_adversarial_release(X: np.ndarray, y: np.ndarray) -> Any:
    """Raise NotRun: both peers ask for a torch of 2019 and 2020."""
    raise NotRun("no release for this torch")


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


def transformer(width: int) -> Callable[[int, int], Any]:
    """Return the maker of torch's transformer encoder, a linear layer before it and one on the mean of its steps."""

    def make(n_in: int, n_out: int) -> Any:
        from torch import nn
        from torch_networks import MeanOfSteps

        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
        encoder = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(width), enable_nested_tensor=False)
        return nn.Sequential(nn.Linear(n_in, width), encoder, MeanOfSteps(), nn.Linear(width, n_out))

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


def residual(n_in: int, n_out: int) -> Any:
    """The network of He et al. 2015 for small images, with a block a stage: depth 8."""
    from torch import nn
    from torch_networks import ResidualBlock

    return nn.Sequential(
        nn.Unflatten(1, (1, 28)),
        *(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
        *(ResidualBlock(16, 16, 1), ResidualBlock(16, 32, 2), ResidualBlock(32, 64, 2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, n_out)),
    )


def minisom(X: np.ndarray, y: np.ndarray) -> Any:
    """MiniSom, its batch rule, 10 x 10 units from the plane of the principal components, σ from 5 on, 20 passes."""
    from minisom import MiniSom

    som = MiniSom(10, 10, X.shape[1], sigma=5.0, random_seed=0)
    som.pca_weights_init(X.astype(np.float64))
    som.train_batch_offline(X, 20)
    return som


def near_units(net: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Return minus the mean distance of rows from the nearest unit of a map."""
    units = np.asarray(net.get_weights() if hasattr(net, "get_weights") else net.codebook_).reshape(-1, X.shape[1])
    squared = np.square(X).sum(axis=1)[:, None] - 2 * X @ units.T + np.square(units).sum(axis=1)
    return -float(np.sqrt(np.maximum(squared.min(axis=1), 0)).mean())


def own_score(net: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Return the score of the rows, as either side says it: a mean log-likelihood, or minus a kernel distance."""
    return float(net.score(X))


def cleaned_share(net: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Return 1 - the squared error of cleaned rows over the variance of the clean ones."""
    return 1 - float(np.mean(np.square(np.asarray(net.predict(X)).reshape(y.shape) - y)) / np.var(y))


# nnzoo: the class and what is set.


def ours(name: str, **params: Any) -> Callable[[int], Any]:
    """Return the maker of an estimator that trains for so many epochs."""

    def make(n_epochs: int) -> Any:
        import nnzoo

        return getattr(nnzoo, name)(n_epochs=n_epochs, random_state=0, **params)

    return make


def reservoirpy_esn(X: np.ndarray, y: np.ndarray) -> Any:
    """reservoirpy's reservoir of 500 units and its ridge readout, on the mean state of each sequence."""
    return _ReservoirPy(500).fit(X, y)


class _ReservoirPy:
    def __init__(self, n_units: int) -> None:
        from reservoirpy.nodes import Reservoir

        self.reservoir = Reservoir(units=n_units, sr=0.9, input_scaling=0.5, seed=0)

    def states(self, X: np.ndarray) -> np.ndarray:
        means = []
        for x in (X - self.mean) / self.scale:
            self.reservoir.reset()
            means.append(self.reservoir.run(x).mean(axis=0))
        return np.array(means)

    def fit(self, X: np.ndarray, y: np.ndarray) -> Any:
        from sklearn.linear_model import RidgeClassifierCV

        self.mean, self.scale = X.mean(axis=(0, 1)), X.std(axis=(0, 1))
        self.readout = RidgeClassifierCV(np.logspace(-8, 2, 11)).fit(self.states(X), y)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.readout.predict(self.states(X))


def spikes(places: dict[str, str]) -> Parts:
    """Two Poisson templates of 500 ms at 20 Hz, spikes shifted by 4 ms, as 500 and 500 trains."""
    draw, X, y = np.random.default_rng(0), np.zeros((1_000, 500, 1), dtype=np.float32), np.arange(1_000) % 2
    templates = draw.random((2, 500)) < 0.02
    for row, label in enumerate(y):
        places_of = np.flatnonzero(templates[label])
        shifted = np.clip(np.rint(places_of + draw.normal(0, 4, len(places_of))), 0, 499).astype(int)
        np.add.at(X[row, :, 0], shifted, 1)
    return X[:500], y[:500], X[500:], y[500:]


def reservoirpy_lif(X: np.ndarray, y: np.ndarray) -> Any:
    """reservoirpy's leaky integrate-and-fire units, 135, and a ridge readout of their spike counts."""
    from reservoirpy.nodes import LIF

    net = _ReservoirPy(1)
    net.reservoir = LIF(units=135, seed=0)
    return net.fit(X, y)


def sized(name: str, parameter: str, first: int, **params: Any) -> Callable[[int], Any]:
    """Return the maker of an estimator with so many times ``first`` units."""

    def make(times: int) -> Any:
        import nnzoo

        return getattr(nnzoo, name)(random_state=0, **{parameter: first * times}, **params)

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
    "RBF": Frame(
        "digits",
        digits,
        "scikit-learn Nystroem, 100 rows, and ridge",
        nystroem_ridge(100),
        sized("RadialBasisNetwork", "n_centers", 25),
        "times 25 centres",
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
    "VAE": Frame(
        "digits, standardised; log-likelihood",
        standard_digits,
        "scikit-learn PCA, 16 components",
        principal_components(16),
        ours("VariationalAutoencoder", **CYCLE),
        judge=own_score,
    ),
    "DAE": Frame(
        f"{FASHION}, noise of 0.3",
        noisy_fashion,
        "scikit-learn PCA, 32 components",
        cleaning_components(32),
        ours("DenoisingAutoencoder", noise="gaussian", corruption_level=0.85, n_components=128, **CYCLE),
        judge=cleaned_share,
    ),
    "DCN": Frame(
        FASHION,
        fashion,
        "skorch, notebook MNIST's network, 10 epochs",
        in_skorch(convolutional, max_epochs=10, lr=2e-3),
        ours("DeepConvolutionalNetwork", kind="image", **CYCLE),
    ),
    "ELM": Frame(
        FASHION,
        fashion_flat,
        "scikit-learn ridge on 1,000 random tanh units",
        random_ridge(1000),
        sized("ExtremeLearningMachine", "n_hidden", 125, activation="tanh"),
        "times 125 units",
    ),
    "ELM, a small set": Frame(
        "digits",
        digits,
        "scikit-learn ridge on 500 random tanh units",
        random_ridge(500),
        sized("ExtremeLearningMachine", "n_hidden", 125, activation="tanh"),
        "times 125 units",
    ),
    "GAN": Frame(
        FASHION,
        fashion,
        "torchgan 0.1.0, torch-mimicry 0.1.16",
        no_adversarial_release,
        ours("GAN", kind="image"),
        judge=own_score,
    ),
    "LSM": Frame(
        "spike templates, 500 trains",
        spikes,
        "reservoirpy, 135 LIF units, and ridge",
        reservoirpy_lif,
        sized("LiquidStateMachine", "n_hidden", 45, hold=1, pooling="mean"),
        "times 45 units",
        where="reservoirs",
    ),
    "ESN": Frame(
        "BasicMotions",
        archive("BasicMotions"),
        "reservoirpy, 500 units, and ridge",
        reservoirpy_esn,
        sized("EchoStateNetwork", "n_hidden", 125),
        "times 125 units",
        where="reservoirs",
    ),
    "SVM": Frame("digits", digits, "scikit-learn SVC", scaled_svc, ours("SupportVectorMachine"), "time"),
    "SVM, images": Frame(FASHION, fashion_flat, "scikit-learn SVC", scaled_svc, ours("SupportVectorMachine"), "time"),
    "KN": Frame(
        "digits, minus the distance from the nearest unit",
        digits,
        "MiniSom, batch, 20 passes",
        minisom,
        ours("KohonenNetwork", kind="image", input_shape=(8, 8)),
        judge=near_units,
        where="maps",
    ),
    "DRN": Frame(
        FASHION,
        fashion,
        "skorch, residual network of depth 8, 10 epochs",
        in_skorch(residual),
        ours("DeepResidualNetwork", depth=8, **CYCLE),
    ),
    "NTM": Frame(
        "BasicMotions",
        archive("BasicMotions"),
        "skorch, torch.nn.LSTM 64, 100 epochs",
        in_skorch(recurrent("LSTM", 64), max_epochs=100, batch_size=8, train_split=None),
        ours("NeuralTuringMachine", batch_size=8, **CYCLE),
    ),
    "AN": Frame(
        "BasicMotions",
        archive("BasicMotions"),
        "skorch, torch.nn.TransformerEncoder 64, 100 epochs",
        in_skorch(transformer(64), max_epochs=100, batch_size=8, train_split=None),
        ours("AttentionNetwork", n_hidden=64, batch_size=8, **CYCLE),
    ),
    "CN": Frame(
        FASHION,
        fashion,
        "gram-ai/capsule-networks, readable_capsnet",
        no_release,
        ours("CapsuleNetwork", schedule="one_cycle"),
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


def quality(frame: str, net: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Return what a frame judges by: its own measure, or the accuracy, or R² of a regression."""
    judge = FRAMES[frame].judge
    if judge is not None:
        return judge(net, X, y)
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
    return {"seconds": seconds, "quality": quality(frame, net, X_test, y_test)}


def equal(frame: str, goal: float, places: dict[str, str]) -> dict[str, Any]:
    """Return seconds, quality and epochs of nnzoo's shortest run that reaches the goal, or of the best one."""
    X, y, X_test, y_test = FRAMES[frame].read(places)
    n_epochs, best = 1, {"seconds": 0.0, "quality": -np.inf, "epochs": 0, "reached": False}
    while n_epochs <= MOST_EPOCHS:
        start = time.perf_counter()
        net = FRAMES[frame].ours(n_epochs).fit(X, y)
        seconds = time.perf_counter() - start
        found = quality(frame, net, X_test, y_test)
        if found > best["quality"]:
            best = {"seconds": seconds, "quality": found, "epochs": n_epochs, "reached": found >= goal}
        if found >= goal:
            return best
        n_epochs *= 2
    return best


def work(spec: dict[str, Any], places: dict[str, str]) -> dict[str, Any]:
    """Measure one side of a frame."""
    warnings.simplefilter("ignore")
    if spec["side"] == "nnzoo" or FRAMES[spec["frame"]].where == "skorch":
        import torch

        torch.set_num_threads(spec["threads"])
    if spec["side"] == "peer":
        return peer(spec["frame"], places)
    return equal(spec["frame"], spec["goal"], places)


if __name__ == "__main__":
    answer(work)
