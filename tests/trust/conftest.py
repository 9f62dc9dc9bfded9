"""For every network of the catalog: small data that it reads, a command that trains it, and a trained model."""

import inspect
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import nnzoo
from nnzoo.catalog import CATALOG
from nnzoo.cli import main

ROWS = [pytest.param(row, id=row.abbreviation) for row in CATALOG]
SOURCES = {"table": ("table.csv", "--target", "label"), "image": ("images.npz",)}
SOURCES["text"] = ("tale.txt",)
SOURCES["sequence"] = ("log.csv", "--entity", "machine", "--time", "when", "--target", "broken")
N_EPOCHS = {"table": 40, "image": 8, "sequence": 12, "text": 1}
FEWER_EPOCHS = {
    "boltzmann-machine": 8,
    "capsule-network": 2,
    "deep-belief-network": 8,
    "denoising-auto-encoder": 20,
    "differentiable-neural-computer": 3,
    "generative-adversarial-network": 3,
    "neural-turing-machine": 3,
    "restricted-boltzmann-machine": 8,
    "sparse-auto-encoder": 20,
    "variational-auto-encoder": 20,
}
"""Of networks whose epochs take long."""
SMALL = {
    "deep-feed-forward": {"hidden_layer_sizes": (16, 8)},
    "deep-residual-network": {"n_blocks": 2, "n_hidden": 8},
    "deep-belief-network": {"hidden_layer_sizes": (16, 8)},
    "deep-convolutional-network": {"n_filters": (4, 6)},
    "deconvolutional-network": {"n_filters": (3,), "kernel_size": 3, "n_inference_steps": 10},
    "deep-convolutional-inverse-graphics-network": {"n_filters": (3, 4), "hidden_layer_sizes": (8,), "n_components": 3},
    "capsule-network": {"n_filters": 6, "n_primary": 2},
    "neural-turing-machine": {"n_hidden": 8, "n_slots": 6, "slot_size": 4},
    "differentiable-neural-computer": {"n_hidden": 8, "n_slots": 6, "slot_size": 4},
    "echo-state-network": {"n_hidden": 50},
    "liquid-state-machine": {"n_hidden": 50},
    "recurrent-neural-network": {"n_hidden": 8},
    "long-short-term-memory": {"n_hidden": 8},
    "gated-recurrent-unit": {"n_hidden": 8},
    "attention-network": {"n_hidden": 8},
}
"""Sizes of networks that would take long at their defaults."""


def pytest_generate_tests(metafunc):
    """Run every test that has a parameter ``row`` for every network that is listed, unless it says for which."""
    if "row" in metafunc.fixturenames and not metafunc.definition.get_closest_marker("parametrize"):
        metafunc.parametrize("row", ROWS)


def write_samples(folder):
    """Write a table, images, a log of events and a text that every network of their kind learns from."""
    draw = np.random.default_rng(0)
    n = 400
    x = draw.normal(size=(n, 2)).round(3)
    city = draw.choice(["Bonn", "Oslo", "Rome"], n)
    label = np.where(x[:, 0] + (city == "Rome") > 0.5, "high", np.where(x[:, 1] > 0, "mid", "low"))
    pl.DataFrame({"x0": x[:, 0], "x1": x[:, 1], "city": city, "label": label}).write_csv(folder / "table.csv")
    y = np.arange(240) % 3
    images = (draw.random((240, 8, 8)) * 80).astype(np.uint8)
    images[np.arange(240), 2 * y + 1] += 150
    np.savez(folder / "images.npz", X=images, y=y)
    rows = []
    for machine in range(60):
        when = np.cumsum(draw.integers(5, 500, 6))
        rows += [(f"m{machine:02}", int(t), round(draw.normal(machine % 2), 3), machine % 2) for t in when]
    pl.DataFrame(rows, schema=["machine", "when", "heat", "broken"], orient="row").write_csv(folder / "log.csv")
    words = draw.choice(["the", "cat", "dog", "sat", "ran", "and", "on", "a", "mat."], 6_000)
    (folder / "tale.txt").write_text(" ".join(words) + "\n")


@dataclass(frozen=True)
class Samples:
    """A folder with data for every kind of network."""

    folder: Path

    def source(self, row):
        """Return the words that name the data of a network, with options."""
        name, *options = SOURCES[row.kinds[0]]
        return [str(self.folder / name), *options]

    def short(self, row, n_epochs, sizes=SMALL):
        """Return the settings for so many epochs, of a network that has any, and for its sizes."""
        known = inspect.signature(row.load_class()).parameters
        return {name: n_epochs for name in ("n_epochs", "patience") if name in known} | sizes.get(row.id, {})

    def train_words(self, row, out, n_epochs=None, sizes=SMALL):
        """Return the command that trains a network on them."""
        epochs = n_epochs or FEWER_EPOCHS.get(row.id, N_EPOCHS[row.kinds[0]])
        given = self.short(row, epochs, sizes)
        settings = [word for name, value in given.items() for word in ("--set", f"{name}={value}")]
        return ["train", *self.source(row), "--network", row.id, *settings, "--out", str(out), "--quiet"]

    def data(self, row):
        """Return the data loaded."""
        name, *options = self.source(row)
        given = dict(zip((word.removeprefix("--") for word in options[::2]), options[1::2], strict=True))
        return nnzoo.load(name, **given)


@pytest.fixture(scope="session")
def samples(tmp_path_factory):
    """Give the sample data."""
    folder = tmp_path_factory.mktemp("samples")
    write_samples(folder)
    return Samples(folder)


def once(samples, folder, sizes):
    """Return a function that returns the file of a trained network, trained once a session."""
    done = {}

    def trained(row):
        if row.id not in done:
            done[row.id] = folder / f"{row.id}.nnzoo"
            assert main(samples.train_words(row, done[row.id], n_epochs=3, sizes=sizes)) == 0
        return done[row.id]

    return trained


@pytest.fixture(scope="session")
def trained(samples, tmp_path_factory):
    """Give a function that returns the file of a trained network, a small one."""
    return once(samples, tmp_path_factory.mktemp("trained"), SMALL)


@pytest.fixture(scope="session")
def trained_large(samples, tmp_path_factory):
    """Give a function that returns the file of a trained network of the sizes that it has by default."""
    slow = "deconvolutional-network"
    return once(samples, tmp_path_factory.mktemp("trained_large"), {slow: SMALL[slow]})


@pytest.fixture
def in_own_process():
    """Give a function that runs Python code in a process of its own, with a hash seed of its own."""

    def run(code, *words, hash_seed=0):
        environment = os.environ | {"PYTHONHASHSEED": str(hash_seed)}
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, words)],
            capture_output=True,
            text=True,
            env=environment,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
