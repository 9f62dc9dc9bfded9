"""How long folders of pictures take to index and to load, and what a convolutional network makes of them.

    python benchmarks/image_folders.py [digits fashion-mnist colour copies]

Each set is written out as PNG files, a sub-folder a class, and goes through the five steps from there. ``digits`` are
scikit-learn's; ``fashion-mnist`` has its own train and test folders, 70,000 files; ``colour`` are 24 x 40 pictures of
coloured stripes and discs; ``copies`` are 60,000 files, of which only index and load are timed.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

import nnzoo
from nnzoo.data.imageindex import find_images
from nnzoo.data.images import index_files

HEIGHT, WIDTH = 24, 40
SHAPES = ("stripes", "disc", "both")


def digits(folder: Path) -> None:
    """Write scikit-learn's digits, 1,797 grey images of 8 x 8."""
    found = load_digits()
    write(folder, (found.images * 255 / 16).astype(np.uint8), found.target)


def fashion_mnist(folder: Path) -> None:
    """Write Fashion-MNIST, 70,000 grey images of 28 x 28, in folders train and test."""
    data = nnzoo.load("fashion-mnist")
    for name, parts in (("train", (data.train, data.valid)), ("test", (data.test,))):
        for part in parts:
            write(folder / name, part.images, part.frame[data.target].to_numpy())


def colour(folder: Path) -> None:
    """Write 1,500 made colour images of 24 x 40: stripes, a disc, or a disc over stripes."""
    draw = np.random.default_rng(0)
    labels = draw.integers(len(SHAPES), size=1500)
    write(folder, np.stack([drawn(SHAPES[label], draw) for label in labels]), np.take(SHAPES, labels))


def drawn(shape: str, draw: np.random.Generator) -> np.ndarray:
    """Return one made picture (24, 40, 3) of bytes."""
    down, across = np.mgrid[:HEIGHT, :WIDTH]
    picture = np.full((HEIGHT, WIDTH, 3), draw.integers(60, 120, 3))
    if shape != "disc":
        striped = (down + draw.integers(4)) % 6 < 3
        picture[striped] = draw.integers(120, 200, 3)
    if shape != "stripes":
        middle = draw.integers(8, HEIGHT - 8), draw.integers(8, WIDTH - 8)
        picture[np.hypot(down - middle[0], across - middle[1]) < draw.uniform(4, 7)] = draw.integers(120, 200, 3)
    return np.clip(picture + draw.normal(0, 25, picture.shape), 0, 255).astype(np.uint8)


def copies(folder: Path) -> None:
    """Write 60,000 made grey images of 28 x 28 in ten classes."""
    draw = np.random.default_rng(0)
    write(folder, draw.integers(0, 256, (60_000, 28, 28), dtype=np.uint8), np.arange(60_000) % 10)


def write(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Write images (n, height, width[, 3]) as PNG files behind those that are there already."""
    for label in np.unique(labels):
        place = folder / str(label)
        place.mkdir(parents=True, exist_ok=True)
        first = sum(1 for _ in place.iterdir())
        for number, image in enumerate(images[labels == label], start=first):
            Image.fromarray(image).save(place / f"{number:05d}.png", compress_level=1)


def timed(source: Path) -> Iterator[str]:
    """Yield the cells of one line of the table."""
    start = time.monotonic()
    layout = find_images(str(source), need_labels=True)
    index_files(str(source), [found.entry.path for found in layout.files])
    indexed = time.monotonic()
    data = nnzoo.load(source)
    loaded = time.monotonic()
    yield f"{len(layout.files):,}"
    yield f"{indexed - start:.2f}"
    yield f"{loaded - indexed:.2f}"
    if source.name == "copies":
        return
    model = nnzoo.build("deep-convolutional-network", data, seed=0)
    start = time.monotonic()
    nnzoo.train(model, data, verbose=0)
    yield f"{time.monotonic() - start:.1f}"
    report = nnzoo.evaluate(model, data)
    yield str(report.metrics["accuracy"])
    yield ", ".join(f"{each.name} {each.metrics['accuracy'].value:.3f}" for each in report.baselines)


WRITERS = {"digits": digits, "fashion-mnist": fashion_mnist, "colour": colour, "copies": copies}

if __name__ == "__main__":
    print(
        "| set | files | index, s | load (which indexes), s | train, s | accuracy | baselines |\n|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as root:
        for name in sys.argv[1:] or WRITERS:
            WRITERS[name](Path(root) / name)
            cells = [*timed(Path(root) / name), "", "", ""][:6]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)
