"""The command line in this process, a small table, and a model trained on it."""

import contextlib
import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from nnzoo.cli import main

SMALL = ("--network", "feed-forward", "--set", "n_hidden=4", "--set", "n_epochs=2")


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


class CommandLine:
    """Runs commands in this process and looks at the files around them."""

    small = SMALL

    def __call__(self, *words):
        """Run a command in this process."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(word) for word in words])
        return Ended(code, out.getvalue(), err.getvalue())

    def contents(self, folder):
        """Return the SHA-256 of every file below a folder, and its other entries."""
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            for path in sorted(Path(folder).rglob("*"))
        }

    def refused(self, *words, code, message, folder="."):
        """Run a command that must end so, say why on standard error in few lines, and change nothing."""
        before = self.contents(folder)
        ended = self(*words)
        assert ended.code == code, ended
        assert re.search(message, ended.err), ended.err
        assert "Traceback" not in ended.err
        assert "bug" not in ended.err
        assert ended.out == ""
        assert self.contents(folder) == before
        return ended

    def done(self, *words):
        """Run a command that must succeed."""
        ended = self(*words)
        assert ended.code == 0, ended
        return ended

    def people(self, n_rows=120, seed=0):
        """Return a table of numbers, words and truth values with a label that follows from them."""
        draw = np.random.default_rng(seed)
        age = draw.integers(18, 80, n_rows)
        city = draw.choice(["Bonn", "Oslo", "Rome"], n_rows)
        member = draw.choice(["true", "false"], n_rows)
        height = draw.normal(170, 10, n_rows).round(1)
        label = np.where(age + 10 * (city == "Rome") + draw.normal(0, 5, n_rows) > 50, "yes", "no")
        return pl.DataFrame({"age": age, "height": height, "city": city, "member": member, "label": label})


@pytest.fixture(scope="session")
def cli():
    """Give the command line."""
    return CommandLine()


@pytest.fixture(scope="session")
def trained(cli, tmp_path_factory):
    """Give the bytes of a model that was trained on ``cli.people()``."""
    folder = tmp_path_factory.mktemp("trained")
    cli.people().write_csv(folder / "people.csv")
    cli.done("train", folder / "people.csv", "--target", "label", *cli.small, "--out", folder / "m.nnzoo", "--quiet")
    return (folder / "m.nnzoo").read_bytes()


@pytest.fixture
def folder(cli, tmp_path, monkeypatch, trained):
    """Work in a folder that holds people.csv, new.csv and m.nnzoo."""
    monkeypatch.chdir(tmp_path)
    cli.people().write_csv("people.csv")
    cli.people(40, seed=1).drop("label").write_csv("new.csv")
    Path("m.nnzoo").write_bytes(trained)
    return tmp_path
