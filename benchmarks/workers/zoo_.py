"""Each network of the zoo against its peer, on a small set: a row of FRAMES is a set, the peer and nnzoo's estimator.

The peer is trained as it is documented, and its test quality is the goal. nnzoo's time is that of the shortest run
(1, 2, 4, ... epochs, or times as many units where a network learns in one pass) that reaches it, whole: checks, scaling
and all.
"""

import sys
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from common import NotRun, answer, read_images

Parts = tuple[Any, Any, Any, Any]
MOST_EPOCHS = 512
RING_GAME: dict[str, Any] = {
    "n_components": 2,
    "hidden_layer_sizes": (64,) * 5,
    "activation": "relu",
    "r1_weight": 0.005,
    "schedule": "cosine",
    "batch_size": 256,
}
WARM_ROWS = 500
"""Rows that either side trains on first, outside the clock: imports, and whatever is compiled."""
ADDING_STEPS = 30
L1 = 1.0
"""λ of sparse coding, for either side."""
FASHION = "Fashion-MNIST, 10,000 images"
ANGLES = 2 * np.pi * np.arange(8) / 8
RING, RING_DEVIATION, N_DRAWN = 2 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1), 0.05, 10_000


class Frame(NamedTuple):
    """A network against its peer: the set in words, its reader, the peer in words, its training, nnzoo's estimator.

    The estimator is made for 1, 2, 4, ... times as many of what ``grows``: epochs, or units where one pass is all.
    ``judge`` gives the quality of either side on the test part, accuracy or R² without; ``where`` is the environment of
    the peer; ``slower`` says why nnzoo needs longer, where it does, and what was tried.
    """

    data: str
    read: Callable[[dict[str, str]], Parts]
    peer: str
    fit: Callable[..., Any]
    ours: Callable[[int], Any]
    grows: str = "epochs"
    judge: Callable[[Any, np.ndarray, np.ndarray], float] | None = None
    where: str = "skorch"
    slower: str = ""


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


def ring(places: dict[str, str]) -> Parts:
    """10,000 rows of eight normal distributions around a circle, without labels."""
    draw, parts = np.random.default_rng(0), []
    for n in (10_000, 10_000):
        X = RING[draw.integers(len(RING), size=n)] + RING_DEVIATION * draw.normal(size=(n, 2))
        parts += [X, np.zeros(n)]
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


def clothes_patches(places: dict[str, str]) -> Parts:
    """10,000 training and 5,000 test patches of 8 x 8 pixels, standardised together, without labels."""
    X, _, X_test, _ = fashion(places)
    draw, found = np.random.default_rng(0), []
    for images, n in ((X, 10_000), (X_test, 5_000)):
        image, row, column = draw.integers(len(images), size=n), *draw.integers(21, size=(2, n))
        cut = [images[i, r : r + 8, c : c + 8].ravel() for i, r, c in zip(image, row, column, strict=True)]
        found.append(np.array(cut, dtype=np.float64))
    known, fresh = ((each - found[0].mean(axis=0)) / found[0].std() for each in found)
    return known, np.zeros(len(known)), fresh, np.zeros(len(fresh))


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


def copies(places: dict[str, str]) -> Parts:
    """4,000 copies of 1 to 8 vectors of 4 bits, 17 steps each; 500 of 20 vectors, longer than any trained on."""
    draw = np.random.default_rng(0)

    def drawn(n_rows: int, shortest: int, longest: int) -> tuple[np.ndarray, np.ndarray]:
        X = np.zeros((n_rows, 2 * longest + 1, 5), dtype=np.float32)
        y = np.zeros((n_rows, 2 * longest + 1, 4), dtype=np.int64)
        for row, n in enumerate(draw.integers(shortest, longest + 1, n_rows)):
            bits = draw.integers(0, 2, (n, 4))
            X[row, :n, :4], X[row, n, 4], y[row, n + 1 : 2 * n + 1] = bits, 1, bits
        return X, y

    return *drawn(4_000, 1, 8), *drawn(500, 20, 20)


def repeats(places: dict[str, str]) -> Parts:
    """4,000 and 500 of 1 to 3 vectors of 3 bits, to be said 1 to 3 times; a bit more says that it is over."""
    draw = np.random.default_rng(0)
    X, y = np.zeros((4_500, 14, 5), dtype=np.float32), np.zeros((4_500, 14, 4), dtype=np.int64)
    for row, (n, times) in enumerate(draw.integers(1, 4, (4_500, 2))):
        bits = draw.integers(0, 2, (n, 3))
        X[row, :n, :3], X[row, n, 3], X[row, n, 4] = bits, 1, times / 3
        y[row, n + 1 : n + 1 + n * times, :3], y[row, n + 1 + n * times, 3] = np.tile(bits, (times, 1)), 1
    return X[:4_000], y[:4_000], X[4_000:], y[4_000:]


def genesis(places: dict[str, str]) -> Parts:
    """The bundled book of Genesis as rows of 256 characters, the last tenth to test."""
    text = (Path(__file__).parents[2] / "src" / "nnzoo" / "data" / "bundled" / "genesis.txt").read_text()
    n_rows = len(text) // 256
    X = np.array([ord(letter) for letter in text[: n_rows * 256]], dtype=np.float32).reshape(n_rows, 256)
    cut = round(0.9 * n_rows)
    return X[:cut], np.zeros(cut), X[cut:], np.zeros(n_rows - cut)


def shifted_digits(places: dict[str, str]) -> Parts:
    """The set of scikit-learn's example: digits as they are and shifted by a pixel, from 0 to 1; a fifth to test."""
    X, _, X_test, _ = read_images({"data": "digits"}, places)
    wide = np.pad(np.concatenate([X, X_test]), ((0, 0), (1, 1), (1, 1)))
    shifts = ((1, 1), (0, 1), (2, 1), (1, 0), (1, 2))
    rows = np.concatenate([wide[:, i : i + 8, j : j + 8] for i, j in shifts]).reshape(-1, 64)
    rows = (rows / np.maximum(rows.max(axis=0), 1)).astype(np.float32)
    test = np.arange(len(rows)) % 5 == 0
    return rows[~test], np.zeros((~test).sum()), rows[test], np.zeros(test.sum())


# The peers: fit on the rows, then predict.


def sklearn_perceptron(X: np.ndarray, y: np.ndarray) -> Any:
    """scikit-learn's Perceptron as it comes."""
    from sklearn.linear_model import Perceptron

    return Perceptron(random_state=0).fit(X, y)


def sklearn_mlp(X: np.ndarray, y: np.ndarray) -> Any:
    """scikit-learn's MLPClassifier as it comes."""
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(random_state=0).fit(X, y)


def bernoulli_rbm(X: np.ndarray, y: np.ndarray) -> Any:
    """scikit-learn's machine as in its example: 100 units, a rate of 0.06, 10 passes."""
    from sklearn.neural_network import BernoulliRBM

    return BernoulliRBM(100, learning_rate=0.06, n_iter=10, random_state=0).fit(X)


def principal_components(n_components: int) -> Callable[..., Any]:
    """Return scikit-learn's PCA, which scores rows by the likelihood of probabilistic principal components."""

    def fit(X: np.ndarray, y: np.ndarray) -> Any:
        from sklearn.decomposition import PCA

        return PCA(n_components, random_state=0).fit(X)

    return fit


def cleaning_components(n_components: int) -> Callable[..., Any]:
    """Return scikit-learn's PCA, predicting what its components leave of a row."""

    def fit(X: np.ndarray, y: np.ndarray) -> Any:
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


def no_jaxbm(X: np.ndarray, y: np.ndarray) -> Any:
    """Raise NotRun: jaxbm runs chains of machines whose weights are given."""
    raise NotRun("jaxbm 0.1.0 draws from machines and does not learn")


def likelihood(net: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Return the mean log-likelihood of rows."""
    return float(np.mean(net.score_samples(X)))


def torchgan(n_epochs: int) -> Callable[..., Any]:
    """Return torchgan's trainer with its usual losses and optimiser, and dense networks of 128-128-128."""

    def fit(X: np.ndarray, y: np.ndarray) -> Any:
        import torch
        from torch_networks import adversaries

        try:
            import torchvision  # noqa: F401  torchgan imports it for its pictures
        except RuntimeError:
            # Its compiled operators do not fit the CPU build of torch; it wants two of them declared and uses none here.
            for name in ("nms", "qnms"):
                torch.library.define(f"torchvision::{name}", "(Tensor boxes, Tensor scores, float least) -> Tensor")
        from torchgan.losses import MinimaxDiscriminatorLoss, MinimaxGeneratorLoss
        from torchgan.trainer import Trainer

        torch.manual_seed(0)
        adam = {"name": torch.optim.Adam, "args": {"lr": 2e-4, "betas": (0.5, 0.999)}}
        generator, discriminator = adversaries(X.shape[1], 2, (128, 128, 128))
        players = {
            "generator": {"name": generator, "optimizer": adam},
            "discriminator": {"name": discriminator, "optimizer": adam},
        }
        losses = [MinimaxGeneratorLoss(), MinimaxDiscriminatorLoss()]
        batches = torch.utils.data.DataLoader(torch.from_numpy(X), batch_size=256, shuffle=True, drop_last=True)  # pyright: ignore[reportArgumentType]
        with TemporaryDirectory() as folder, redirect_stdout(StringIO()):
            places = {"checkpoints": f"{folder}/gan", "recon": f"{folder}/images"}
            trainer = Trainer(players, losses, device=torch.device("cpu"), epochs=n_epochs, **places)
            trainer.logger.logger_end_epoch.clear()  # pictures, which it asks of torchvision as that no longer is
            trainer(batches)

        def sample(n_samples: int, random_state: int) -> np.ndarray:
            torch.manual_seed(random_state)
            with torch.inference_mode():
                return trainer.generator.eval()(torch.randn(n_samples, 2)).numpy()

        return SimpleNamespace(sample=sample)

    return fit


def good_samples(net: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Return the share of samples within three deviations of a mode of the ring, of each mode at most an eighth."""
    drawn = net.sample(N_DRAWN, random_state=0)
    apart = np.sqrt(np.square(drawn[:, None] - RING).sum(axis=2))
    good = np.bincount(apart.argmin(axis=1)[apart.min(axis=1) <= 3 * RING_DEVIATION], minlength=len(RING)) / N_DRAWN
    return float(np.minimum(good, 1 / len(RING)).sum())


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


def step_by_step(n_hidden: int, n_epochs: int) -> Callable[..., Any]:
    """Return torch's LSTM in skorch, several bits a step, on the same batches and schedule as nnzoo's network."""

    def fit(X: np.ndarray, y: np.ndarray) -> Any:
        import torch
        from skorch import NeuralNet
        from torch_networks import Steps

        torch.manual_seed(0)
        own: Any = {"optimizer": torch.optim.Adam, "lr": 1e-2, "batch_size": 16, "max_epochs": n_epochs, "verbose": 0}
        own |= {"iterator_train__shuffle": True, "train_split": None, "criterion": torch.nn.BCEWithLogitsLoss}
        net = NeuralNet(Steps(X.shape[-1], n_hidden, y.shape[-1]), **own).fit(X, y.astype(np.float32))
        return SimpleNamespace(predict=lambda rows: net.forward(rows).numpy())

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


def markovify_chain(X: np.ndarray, y: np.ndarray) -> Any:
    """markovify's Chain of four characters; behind what it has not seen it says the commonest one."""
    from types import SimpleNamespace

    from markovify.chain import Chain

    model = Chain(X.tolist(), 4).model
    values, counts = np.unique(X, return_counts=True)
    likeliest = {state: max(after, key=after.get) for state, after in model.items()}
    usual = values[counts.argmax()]

    def predict(rows: np.ndarray) -> np.ndarray:
        said = [likeliest.get(tuple(row), usual) for row in rows[:, -4:].tolist()]
        return np.array([each if isinstance(each, float) else usual for each in said])

    return SimpleNamespace(predict=predict)


def next_symbols(net: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Return the share of symbols that are predicted right from the eight before them."""
    windows = np.lib.stride_tricks.sliding_window_view(X, 9, axis=1).reshape(-1, 9)
    return float(np.mean(np.asarray(net.predict(windows[:, :8])) == windows[:, 8]))


def near_units(net: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Return minus the mean distance of rows from the nearest unit of a map."""
    units = np.asarray(net.get_weights() if hasattr(net, "get_weights") else net.codebook_).reshape(-1, X.shape[1])
    squared = np.square(X).sum(axis=1)[:, None] - 2 * X @ units.T + np.square(units).sum(axis=1)
    return -float(np.sqrt(np.maximum(squared.min(axis=1), 0)).mean())


def bits_right(net: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Return the share of the bits that are right once the mark has come; a peer gives their logits."""
    asked = np.cumsum(X[:, :, -1] > 0, axis=1) - (X[:, :, -1] > 0) > 0
    predicted = np.asarray(net.predict(X))
    return float(np.mean(((predicted > 0) == (y > 0))[asked]))


def sporco_filters(X: np.ndarray, y: np.ndarray) -> Any:
    """sporco's ConvBPDNDictLearn, 16 filters of 7 x 7, 100 iterations on 500 images, less their mean."""
    from sporco.dictlrn import cbpdndl

    first = np.random.default_rng(0).normal(size=(7, 7, 16))
    net = _Filters(X.mean(axis=0), X.std(), None)
    kinds = {"xmethod": "admm", "dmethod": "cns"}
    own = {"MaxMainIter": 100, "CBPDN": {"rho": 50 * L1 + 0.5}, "CCMOD": {"rho": 10.0, "ZeroMean": False}}
    options = cbpdndl.ConvBPDNDictLearn.Options(own, **kinds)
    images = np.moveaxis(net.centred(X[:500]), 0, -1)
    learner = cbpdndl.ConvBPDNDictLearn(first, images, L1, options, **kinds, dimK=1)
    return net._replace(filters=np.moveaxis(np.squeeze(learner.solve()), -1, 0))


class _Filters(NamedTuple):
    mean: np.ndarray
    scale: float
    filters: Any

    def centred(self, X: np.ndarray) -> np.ndarray:
        return ((X - self.mean) / self.scale).astype(np.float64)


def coded_cheaply(net: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Return minus ½ ‖u - Σ z ∗ f‖² + λ Σ |z| of 50 images at maps from 200 steps of FISTA, whoever's filters they are."""
    if not isinstance(net, _Filters):
        unit = 255 * net.inputs_.standard.scale[0]
        mean = net.network_.body.mean[0].double().numpy() * unit + 255 * net.inputs_.standard.mean[0]
        net = _Filters(mean, unit, net.filters_[..., 0])
    u, side = net.centred(X[:50]), net.filters.shape[1] - 1
    size = tuple(n + 2 * side for n in u.shape[1:])
    inside = (slice(None), *(slice(side, side + n) for n in u.shape[1:]))
    spectrum, shape = np.fft.rfft2(net.filters, size), (len(u), len(net.filters), *(n + side for n in u.shape[1:]))

    def missing(maps: np.ndarray) -> np.ndarray:
        return np.fft.irfft2((np.fft.rfft2(maps, size) * spectrum).sum(axis=1), size)[inside] - u

    pace = 1 / np.square(np.abs(spectrum)).sum(axis=0).max()
    z = point = np.zeros(shape)
    t = 1.0
    for _ in range(200):
        wide = np.pad(missing(point), [(0, 0), (side, side), (side, side)])
        slope = np.fft.irfft2(np.fft.rfft2(wide)[:, None] * spectrum.conj(), size)[:, :, : shape[2], : shape[3]]
        v, before = point - pace * slope, z
        z = np.sign(v) * np.maximum(np.abs(v) - L1 * pace, 0)
        last, t = t, (1 + np.sqrt(1 + 4 * t * t)) / 2
        point = z + (last - 1) / t * (z - before)
    return -float((0.5 * np.square(missing(z)).sum() + L1 * np.abs(z).sum()) / len(u))


def dictionary(X: np.ndarray, y: np.ndarray) -> Any:
    """scikit-learn's online dictionary learning, 128 columns; 16 numbers a row by orthogonal matching pursuit."""
    from sklearn.decomposition import MiniBatchDictionaryLearning

    return MiniBatchDictionaryLearning(
        128, batch_size=256, max_iter=10, transform_algorithm="omp", transform_n_nonzero_coefs=16, random_state=0
    ).fit(X)


def explained(net: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Return the share of the variance of rows that comes back from 16 numbers each."""
    back = net.reconstruct(X) if hasattr(net, "reconstruct") else net.transform(X) @ net.components_
    return 1 - float(np.square(X - back).sum() / np.square(X - X.mean(axis=0)).sum())


def own_score(net: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Return the score of the rows, as either side says it: a mean log-likelihood, or minus a kernel distance."""
    return float(net.score(X))


def pseudo_likelihood(net: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Return the mean pseudo-likelihood of the rows, all units of a row added up, by the weights of either side."""
    W, b, c = (np.asarray(each) for each in (net.components_.T, net.intercept_visible_, net.intercept_hidden_))
    sums, turn = X @ W + c, 1 - 2 * X
    before, total = np.logaddexp(0, sums).sum(axis=1), np.zeros(len(X))
    for unit in range(X.shape[1]):
        after = np.logaddexp(0, sums + turn[:, unit, None] * W[unit]).sum(axis=1)
        total -= np.logaddexp(0, after - before + turn[:, unit] * b[unit])
    return float(total.mean())


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
            if self.reservoir.initialized:
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


def shapes(places: dict[str, str]) -> Parts:
    """500 batches of 20 drawn shapes in which one factor varies; 3,000 shapes with their factors to test on."""
    use_own_source()
    from nnzoo.data.shapes import random_shapes, shape_batches

    X, _, factors = shape_batches(500, side=16, random_state=0)
    return X, factors, *random_shapes(3_000, side=16, random_state=1)


def use_own_source() -> None:
    """Let the environment of a peer find those parts of nnzoo that need neither torch nor an installation."""
    sys.path.append(str(Path(__file__).parents[2] / "src"))


def beta_tcvae(X: np.ndarray, y: np.ndarray) -> Any:
    """pythae's BetaTCVAE with its defaults, 20 epochs; it takes no y."""
    import tempfile

    import torch
    from pythae.models import BetaTCVAE, BetaTCVAEConfig
    from pythae.pipelines import TrainingPipeline
    from pythae.trainers import BaseTrainerConfig

    model = BetaTCVAE(BetaTCVAEConfig(input_dim=(1, *X.shape[1:]), latent_dim=6))
    with tempfile.TemporaryDirectory() as folder:
        how = BaseTrainerConfig(
            output_dir=folder, num_epochs=20, learning_rate=1e-3, per_device_train_batch_size=64, no_cuda=True
        )
        TrainingPipeline(training_config=how, model=model)(train_data=X[:, None])
    model = model.eval()

    class Fitted:
        def transform(self, X: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return model.encoder(torch.from_numpy(X[:, None])).embedding.numpy()

    return Fitted()


def taught(n_epochs: int) -> Any:
    """Return nnzoo's network, which takes the batches and what varies in them as its y."""
    from nnzoo import InverseGraphicsNetwork

    class Taught(InverseGraphicsNetwork):
        def fit(self, X: np.ndarray, y: np.ndarray) -> Any:
            return super().fit(X, factors=y)

    return Taught(
        n_components=6, factor_sizes=(1, 1, 2, 1, 1), n_filters=(16, 32), hidden_layer_sizes=(128,),
        likelihood="gaussian", clamp_scale=30.0, n_epochs=n_epochs, random_state=0,
    )  # fmt: skip


def own_gap(net: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Return the mutual information gap between the numbers of the code; of an angle's two the better one counts."""
    use_own_source()
    from nnzoo.evaluation.disentanglement import information_gap

    return information_gap(net.transform(X), y)


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
STEPS: dict[str, Any] = {"output": "step", "batch_size": 16, "learning_rate": 1e-2, "early_stopping": False}
AS_LIBSVM = (
    "both are solved by libsvm; nnzoo's time holds its checks and the making of its own module as well. On the images "
    "the accuracies differ by 6 of 10,000."
)
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
        slower="k-means places the centres and the leave-one-out error chooses λ; the peer takes rows as they come and a λ "
        "that is given. The network then is the better one: 0.971 beside 0.964.",
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
        slower="the linear model has its greatest likelihood in closed form, one decomposition; the network gets there by "
        "steps.",
    ),
    "DAE": Frame(
        f"{FASHION}, noise of 0.3",
        noisy_fashion,
        "scikit-learn PCA, 32 components",
        cleaning_components(32),
        ours(
            "DenoisingAutoencoder", kind="image", input_shape=(28, 28), noise="gaussian", corruption_level=0.85, **CYCLE
        ),
        judge=cleaned_share,
        slower="PCA is one decomposition, and takes a tenth of an epoch. Trained on, the network cleans better: 0.865 "
        "after 8 epochs.",
    ),
    "MC": Frame(
        "Genesis, characters; share of the next ones that are right",
        genesis,
        "markovify, Chain of 4 characters",
        markovify_chain,
        sized("MarkovChain", "order", 1, backoff="kneser_ney"),
        "order",
        judge=next_symbols,
        where="chains",
    ),
    "SAE": Frame(
        "8 x 8 patches of Fashion-MNIST, explained variance by 16 of 128 numbers",
        clothes_patches,
        "scikit-learn MiniBatchDictionaryLearning, matching pursuit",
        dictionary,
        ours("SparseAutoencoder", n_components=128, k=16, batch_size=128, early_stopping=False, **CYCLE),
        judge=explained,
    ),
    "RBM": Frame(
        "digits and shifted ones, pseudo-likelihood",
        shifted_digits,
        "scikit-learn BernoulliRBM, 10 passes",
        bernoulli_rbm,
        ours("RestrictedBoltzmannMachine", n_components=100),
        judge=pseudo_likelihood,
    ),
    "DCN": Frame(
        FASHION,
        fashion,
        "skorch, notebook MNIST's network, 10 epochs",
        in_skorch(convolutional, max_epochs=10, lr=2e-3),
        ours("DeepConvolutionalNetwork", kind="image", **CYCLE),
    ),
    "DN": Frame(
        f"{FASHION}; minus the objective of sparse coding",
        fashion,
        "sporco, ConvBPDNDictLearn, 500 images, 100 iterations",
        sporco_filters,
        ours("DeconvolutionalNetwork", l1=L1, learning_rate=0.015, early_stopping=False),
        judge=coded_cheaply,
        where="coding",
    ),
    "ELM": Frame(
        FASHION,
        fashion_flat,
        "scikit-learn ridge on 1,000 random tanh units",
        random_ridge(1000),
        sized("ExtremeLearningMachine", "n_hidden", 125, activation="tanh"),
        "times 125 units",
        slower="λ is chosen by the leave-one-out error from the eigenvalues of HᵀH, the peer's is given; and as many units "
        "as the peer has came just short of its accuracy, so that the row counts twice as many, which take four times as long.",
    ),
    "ELM, a small set": Frame(
        "digits",
        digits,
        "scikit-learn ridge on 500 random tanh units",
        random_ridge(500),
        sized("ExtremeLearningMachine", "n_hidden", 125, activation="tanh"),
        "times 125 units",
        slower="λ is chosen by the leave-one-out error, the peer's is given.",
    ),
    "DCIGN": Frame(
        "drawn shapes, 500 batches of 20; mutual information gap",
        shapes,
        "pythae BetaTCVAE, 20 epochs",
        beta_tcvae,
        taught,
        judge=own_gap,
        where="shapes",
    ),
    "GAN": Frame(
        "ring of 8 normal distributions; share of good samples",
        ring,
        "torchgan, dense 128-128-128, 100 epochs",
        torchgan(100),
        ours("GAN", **RING_GAME),
        judge=good_samples,
        where="adversarial",
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
    "SVM": Frame(
        "digits", digits, "scikit-learn SVC", scaled_svc, ours("SupportVectorMachine"), "time", slower=AS_LIBSVM
    ),
    "SVM, images": Frame(
        FASHION, fashion_flat, "scikit-learn SVC", scaled_svc, ours("SupportVectorMachine"), "time", slower=AS_LIBSVM
    ),
    "KN": Frame(
        "digits, minus the distance from the nearest unit",
        digits,
        "MiniSom, batch, 20 passes",
        minisom,
        ours("KohonenNetwork", kind="image", input_shape=(8, 8)),
        judge=near_units,
        where="maps",
    ),
    "BM": Frame(
        "digits as units that are on or off, log-likelihood of a row",
        digits,
        "jaxbm",
        no_jaxbm,
        ours("BoltzmannMachine"),
        judge=likelihood,
    ),
    "DRN": Frame(
        FASHION,
        fashion,
        "skorch, residual network of depth 8, 10 epochs",
        in_skorch(residual),
        ours("DeepResidualNetwork", depth=8, **CYCLE),
    ),
    "NTM": Frame(
        "copies of 20 vectors, trained on 1 to 8; share of right bits",
        copies,
        "skorch, torch.nn.LSTM of about as many weights, 8 epochs",
        step_by_step(25, 8),
        ours("NeuralTuringMachine", n_hidden=20, n_slots=32, slot_size=8, **STEPS),
        judge=bits_right,
        slower="at this length the LSTM guesses, however long it is trained, and guessing is soon reached; the memory, "
        "whose step is a chain of small operations, copies such lengths, in most seeds, when it is trained for longer (docs/numbers.md).",
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
        "repeat copy, 1 to 3 vectors 1 to 3 times; share of right bits",
        repeats,
        "skorch, torch.nn.LSTM of about as many weights, 8 epochs",
        step_by_step(28, 8),
        ours("DifferentiableNeuralComputer", n_hidden=20, n_slots=16, slot_size=8, **STEPS),
        judge=bits_right,
        slower="each step of the memory is a chain of small operations, where the LSTM is one fused kernel a sequence; "
        "the memory ends with every bit right, the LSTM with the share that stands here.",
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
    FRAMES[frame].fit(X[:WARM_ROWS], y[:WARM_ROWS])
    start = time.perf_counter()
    net = FRAMES[frame].fit(X, y)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "quality": quality(frame, net, X_test, y_test)}


def equal(frame: str, goal: float, places: dict[str, str]) -> dict[str, Any]:
    """Return seconds, quality and epochs of nnzoo's shortest run that reaches the goal, or of the best one."""
    X, y, X_test, y_test = FRAMES[frame].read(places)
    FRAMES[frame].ours(1).fit(X[:WARM_ROWS], y[:WARM_ROWS])
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
