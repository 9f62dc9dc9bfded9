"""Why convolution suits images: measured against a dense network of as many weights, on images as they are and not.

Four questions are put to both: how good are they; what is left when all pixels are shuffled, the same way in every
image; when the test images are moved by a few pixels; and when there are few images to learn from.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from nnzoo.errors import DataError
from nnzoo.files import Pathish, write_output
from nnzoo.networks.deep_convolutional import DeepConvolutionalNetwork
from nnzoo.networks.deep_feed_forward import DeepFeedForward
from nnzoo.pictures.canvas import BLUE, ORANGE, add_legend, drawing, new_figure, svg
from nnzoo.pictures.page import STYLE, document
from nnzoo.steps import load

if TYPE_CHECKING:
    from nnzoo.data.dataset import Data

CONVOLUTIONAL, DENSE = "convolutional", "dense"
N_FILTERS = (16, 32, 64)
SIZES = (100, 300, 1_000, 3_000, 10_000)
SHIFTS = (0, 1, 2, 3, 4)
DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1))
MOST_TEST, FEWEST_EPOCHS, MOST_EPOCHS, IMAGES_SHOWN = 3_000, 8, 60, 40_000
CLEAR = 0.01
"""Smaller differences are called none."""


@dataclass(frozen=True)
class Result:
    """One measurement.

    Attributes
    ----------
    question : "as they are", "shuffled", "moved" or "fewer"
    setting : int
        Pixels of the move, or number of training images.
    network : "convolutional" or "dense"
    seed : int
    accuracy : float
        On the test images.
    """

    question: str
    setting: int
    network: str
    seed: int
    accuracy: float


@dataclass(frozen=True)
class Study:
    """All measurements.

    Attributes
    ----------
    source : str
    n_train, n_test : int
    n_weights : dict of str to int
        Of both networks.
    results : tuple of Result
    seconds : float
    """

    source: str
    n_train: int
    n_test: int
    n_weights: dict[str, int]
    results: tuple[Result, ...]
    seconds: float

    def accuracies(self, question: str, setting: int, network: str) -> list[float]:
        """Return the accuracies of all seeds."""
        return [r.accuracy for r in self.results if (r.question, r.setting, r.network) == (question, setting, network)]

    def settings(self, question: str) -> list[int]:
        """Return the settings of a question in their order."""
        return sorted({r.setting for r in self.results if r.question == question})

    def rows(self, question: str) -> list[tuple[int, str, str]]:
        """Return a line for each setting: the setting, then mean and range of both networks."""
        return [
            (n, _spread(self.accuracies(question, n, CONVOLUTIONAL)), _spread(self.accuracies(question, n, DENSE)))
            for n in self.settings(question)
        ]

    def words(self, question: str) -> str:
        """Return what the numbers of a question say."""
        first, last = self.settings(question)[0], self.settings(question)[-1]
        mean = {
            (n, network): float(np.mean(self.accuracies(question, n, network)))
            for n in (first, last)
            for network in (CONVOLUTIONAL, DENSE)
        }
        lead = mean[last, CONVOLUTIONAL] - mean[last, DENSE]
        if question == "moved":
            lost = {network: mean[first, network] - mean[last, network] for network in (CONVOLUTIONAL, DENSE)}
            return (
                f"Moved by {last} pixels the convolutional network loses {100 * lost[CONVOLUTIONAL]:.1f} points of "
                f"accuracy, the dense one {100 * lost[DENSE]:.1f}."
            )
        if question == "fewer":
            start = mean[first, CONVOLUTIONAL] - mean[first, DENSE]
            return f"With {first:,} images {_verdict(start)}; with {last:,} {_verdict(lead)}."
        if question == "shuffled":
            whole = {n: float(np.mean(self.accuracies("as they are", self.n_train, n))) for n in (CONVOLUTIONAL, DENSE)}
            lost = {n: whole[n] - mean[last, n] for n in (CONVOLUTIONAL, DENSE)}
            return (
                f"Shuffling the pixels costs the convolutional network {100 * lost[CONVOLUTIONAL]:.1f} points, the "
                f"dense one, which knows no neighbours, {100 * lost[DENSE]:.1f}."
            )
        return f"As the images are, {_verdict(lead)}."

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON."""
        return vars(self) | {"results": [vars(result) for result in self.results]}

    def to_html(self, path: Pathish) -> None:
        """Write the study as one page without any link."""
        write_output(path, document("Why convolution suits images", _fragment(self)).encode(), "The page")

    def __str__(self) -> str:
        lines = [f"Why convolution suits images: {self.source}", self.about()]
        for question, (title, column) in TITLES.items():
            lines += ["", title, self.words(question), f"  {column:>16}  {CONVOLUTIONAL:<22}  {DENSE}"]
            lines += [f"  {n:>16,}  {a:<22}  {b}" for n, a, b in self.rows(question)]
        return "\n".join(lines)

    def about(self) -> str:
        """Return what was measured with."""
        n_seeds = len({result.seed for result in self.results})
        return (
            f"{self.n_train:,} training and {self.n_test:,} test images; {self.n_weights[CONVOLUTIONAL]:,} weights in "
            f"the convolutional network, {self.n_weights[DENSE]:,} in the dense one; mean and range of {n_seeds} "
            f"seeds; {self.seconds:.0f} s."
        )


TITLES = {
    "as they are": ("As they are", "training images"),
    "shuffled": ("All pixels shuffled, the same way in every image", "training images"),
    "moved": ("Test images moved", "pixels"),
    "fewer": ("Fewer images to learn from", "training images"),
}


def why_convolution(
    source: Any = "fashion-sample",
    *,
    n_seeds: int = 3,
    seed: int = 0,
    data_dir: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Study:
    """Measure a convolutional against a dense network of as many weights.

    Parameters
    ----------
    source : as for ``load``
        Images with labels.
    n_seeds : int
        How often everything is trained, each time from other first weights.
    seed : int
        The first seed.
    data_dir : str, optional
        Folder of public sets.
    progress : callable, optional
        Told after each network that was trained.

    Raises
    ------
    DataError
        The source holds no images with labels.
    """
    start = time.perf_counter()
    data = load(source, data_dir=data_dir)
    if data.images is None or data.task != "classification":
        raise DataError(f"{data.origin} needs to hold images with labels.", "Name a set such as fashion-sample.")
    train, test = _arrays(data, "train"), _arrays(data, "test", MOST_TEST)
    n_classes = len(np.unique(train[1]))
    width = dense_width(train[0].shape[1:], n_classes)
    results: list[Result] = []
    n_weights: dict[str, int] = {}
    for each in range(seed, seed + n_seeds):
        for name in (CONVOLUTIONAL, DENSE):
            measured, n_weights[name] = _measure(name, width, train, test, each)
            results += measured
            if progress is not None:
                progress(f"seed {each}, {name}: {time.perf_counter() - start:.0f} s")
    seconds = time.perf_counter() - start
    return Study(data.origin, len(train[0]), len(test[0]), n_weights, tuple(results), seconds)


def dense_width(shape: Sequence[int], n_classes: int) -> int:
    """Return how many hidden units give a dense network as many weights as the convolutional one has."""
    n_inputs, channels = int(np.prod(shape)), shape[2] if len(shape) > 2 else 1
    filters = (channels, *N_FILTERS)
    n_weights = (
        sum(9 * a * b + 3 * b for a, b in zip(filters, N_FILTERS, strict=False)) + (N_FILTERS[-1] + 1) * n_classes
    )
    return max(1, round((n_weights - n_classes) / (n_inputs + 1 + n_classes)))


def shuffled(images: np.ndarray, seed: int) -> np.ndarray:
    """Return images (n, H, W) or (n, H, W, C) with their pixels in another order, the same for all of them."""
    n, height, width = images.shape[:3]
    order = np.random.default_rng(seed).permutation(height * width)
    return images.reshape(n, height * width, -1)[:, order].reshape(images.shape)


def moved(images: np.ndarray, down: int, right: int) -> np.ndarray:
    """Return images moved by so many pixels, the values of the edge moving in.

    Examples
    --------
    >>> moved(np.array([[[1, 2], [3, 4]]]), 1, 0).tolist()
    [[[1, 2], [1, 2]]]
    """
    rows = np.clip(np.arange(images.shape[1]) - down, 0, images.shape[1] - 1)
    columns = np.clip(np.arange(images.shape[2]) - right, 0, images.shape[2] - 1)
    return images[:, rows][:, :, columns]


def _arrays(data: "Data", name: str, most: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    part = getattr(data, name)
    return part.images[:most], part.frame[data.target].to_numpy()[:most]


def _measure(
    name: str, width: int, train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], seed: int
) -> tuple[list[Result], int]:
    """Return all measurements of one network with one seed, and how many weights it has."""
    (X, y), (X_test, y_test) = train, test
    whole = _fit(name, width, X, y, seed)
    n_weights = sum(p.numel() for p in whole.network_.parameters())
    found = [("as they are", len(X), whole.score(X_test, y_test))]
    other = _fit(name, width, shuffled(X, seed), y, seed)
    found.append(("shuffled", len(X), other.score(shuffled(X_test, seed), y_test)))
    for pixels in SHIFTS:
        ways = DIRECTIONS if pixels else DIRECTIONS[:1]
        scores = [whole.score(moved(X_test, pixels * down, pixels * right), y_test) for down, right in ways]
        found.append(("moved", pixels, float(np.mean(scores))))
    for n in [*(size for size in SIZES if size < len(X)), len(X)]:
        part = _some(y, n, seed)
        fitted = whole if n == len(X) else _fit(name, width, X[part], y[part], seed)
        found.append(("fewer", n, fitted.score(X_test, y_test)))
    return [Result(question, n, name, seed, float(score)) for question, n, score in found], n_weights


def _some(y: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Return the places of n images drawn at random, every class among them."""
    order = np.random.default_rng(seed).permutation(len(y))
    firsts = [int(order[np.flatnonzero(y[order] == label)[0]]) for label in np.unique(y)]
    rest = order[~np.isin(order, firsts)]
    return np.concatenate([firsts, rest])[:n].astype(np.int64)


def _fit(name: str, width: int, X: np.ndarray, y: np.ndarray, seed: int) -> Any:
    """Return a network trained with the usual recipe of its kind, longer on few images."""
    n_epochs = int(np.clip(IMAGES_SHOWN // len(X), FEWEST_EPOCHS, MOST_EPOCHS))
    how: dict[str, Any] = {
        "schedule": "one_cycle", "n_epochs": n_epochs, "batch_size": 128 if len(X) > 2_000 else 32,
        "early_stopping": False, "random_state": seed,
    }  # fmt: skip
    if name == CONVOLUTIONAL:
        network: Any = DeepConvolutionalNetwork(n_filters=N_FILTERS, learning_rate=1e-2, dropout=0.0, **how)
    else:
        network = DeepFeedForward(hidden_layer_sizes=(width,), learning_rate=3e-3, kind="image", **how)
    return network.fit(X, y)


def _spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def _verdict(lead: float) -> str:
    if abs(lead) < CLEAR:
        return "the two cannot be told apart"
    better, worse = (CONVOLUTIONAL, DENSE) if lead > 0 else (DENSE, CONVOLUTIONAL)
    return f"the {better} network is {100 * abs(lead):.1f} points better than the {worse} one"


def _fragment(study: Study) -> str:
    parts = []
    for question, (title, column) in TITLES.items():
        rows = "".join(f"<tr><td class='n'>{n:,}</td><td>{a}</td><td>{b}</td></tr>" for n, a, b in study.rows(question))
        head = f"<tr><th class='n'>{column}</th><th>{CONVOLUTIONAL}</th><th>{DENSE}</th></tr>"
        picture = _picture(study, question, column) if len(study.settings(question)) > 1 else ""
        parts.append(
            f"<h2>{escape(title)}</h2><figure>{picture}<figcaption>{escape(study.words(question))}</figcaption>"
            f"<div class='wide'><table>{head}{rows}</table></div></figure>"
        )
    lead = (
        "A convolution looks at neighbours, with the same few weights everywhere. Whether that makes it good at images "
        "can be measured: take the neighbours away, move what is seen, or give it less to learn from."
    )
    return (
        f"<style>{STYLE}.nnzoo figure{{margin:.6rem 0}}</style><div class='nnzoo'><h1>Why convolution suits images</h1>"
        f"<p>{lead}</p><p>{escape(study.source)}: {escape(study.about())}</p>{''.join(parts)}</div>"
    )


def _picture(study: Study, question: str, column: str) -> str:
    x = study.settings(question)
    with drawing():
        figure, axes = new_figure()
        for network, colour, style in ((CONVOLUTIONAL, BLUE, "-o"), (DENSE, ORANGE, "--s")):
            means = [float(np.mean(study.accuracies(question, n, network))) for n in x]
            axes.plot(x, means, style, color=colour, label=network, linewidth=1.8, markersize=4)
            for result in study.results:
                if (result.question, result.network) == (question, network):
                    axes.plot([result.setting], [result.accuracy], ".", color=colour, markersize=3)
        if x[0] and x[-1] > 10 * x[0]:
            axes.set_xscale("log")
        else:
            axes.set_xticks(x)
        axes.set_xlabel(column)
        axes.set_ylabel("accuracy on the test images")
        add_legend(axes)
        return svg(figure, study.words(question))
