"""Files that would run code in a careless reader: given as a model and as data they are refused, and nothing runs.

Every canary that is alive is first shown to sing: read the careless way, it writes a file.
"""

import bz2
import gzip
import io
import json
import lzma
import marshal
import os
import pickle
import sys
import tarfile
import types
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch

import nnzoo
from nnzoo.cli import main
from nnzoo.errors import ModelFileError
from nnzoo.tensorfile import read_tensors, write_tensors

SONG = "sang"


class Canary:
    """An object whose unpickling writes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return exec, (f"open({self.path!r}, 'w').write({SONG!r})",)


def zipped(names):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return out.getvalue()


def tarred(name, content):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def untarred(content):
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return archive.extractfile("model.pkl").read()


def saved(save, value):
    out = io.BytesIO()
    save(value, out)
    return out.getvalue()


def object_array(canary):
    return np.array([canary, None], dtype=object)


LIVE = {
    **{f"pickle {n}": (lambda c, n=n: pickle.dumps(c, n), pickle.loads) for n in range(6)},
    "joblib": (lambda c: saved(joblib.dump, c), lambda b: joblib.load(io.BytesIO(b))),
    "joblib, compressed": (
        lambda c: saved(lambda v, f: joblib.dump(v, f, compress=("gzip", 3)), c),
        lambda b: joblib.load(io.BytesIO(b)),
    ),
    "torch archive": (
        lambda c: saved(torch.save, {"weight": torch.zeros(2), "x": c}),
        lambda b: torch.load(io.BytesIO(b), weights_only=False),
    ),
    "torch, old layout": (
        lambda c: saved(lambda v, f: torch.save(v, f, _use_new_zipfile_serialization=False), {"x": c}),
        lambda b: torch.load(io.BytesIO(b), weights_only=False),
    ),
    "numpy objects": (
        lambda c: saved(lambda v, f: np.save(f, v, allow_pickle=True), object_array(c)),
        lambda b: np.load(io.BytesIO(b), allow_pickle=True),
    ),
    "numpy archive of objects": (
        lambda c: saved(lambda v, f: np.savez(f, X=v, y=np.arange(2)), object_array(c)),
        lambda b: np.load(io.BytesIO(b), allow_pickle=True)["X"],
    ),
    "gzip": (lambda c: gzip.compress(pickle.dumps(c)), lambda b: pickle.loads(gzip.decompress(b))),
    "bz2": (lambda c: bz2.compress(pickle.dumps(c)), lambda b: pickle.loads(bz2.decompress(b))),
    "xz": (lambda c: lzma.compress(pickle.dumps(c)), lambda b: pickle.loads(lzma.decompress(b))),
    "zip of a pickle": (
        lambda c: zipped({"data.pkl": pickle.dumps(c)}),
        lambda b: pickle.loads(zipfile.ZipFile(io.BytesIO(b)).read("data.pkl")),
    ),
    "tar of a pickle": (
        lambda c: tarred("model.pkl", pickle.dumps(c)),
        lambda b: pickle.loads(untarred(b)),
    ),
    "marshalled code": (
        lambda c: marshal.dumps(compile(f"open({c.path!r}, 'w').write({SONG!r})", "x", "exec")),
        lambda b: types.FunctionType(marshal.loads(b), {})(),
    ),
    "python source": (
        lambda c: f"open({c.path!r}, 'w').write({SONG!r})\n".encode(),
        lambda b: exec(b.decode()),
    ),
    "python package in a zip": (
        lambda c: zipped({"__main__.py": f"open({c.path!r}, 'w').write({SONG!r})\n"}),
        lambda b: exec(zipfile.ZipFile(io.BytesIO(b)).read("__main__.py")),
    ),
}

KERAS_LAYER = {"class_name": "Lambda", "config": {"function": {"class_name": "function", "config": "os.system"}}}
DEAD = {
    "keras archive": zipped({"config.json": json.dumps({"layers": [KERAS_LAYER]}), "metadata.json": "{}"}),
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(200),
    "onnx": b"\x08\x07\x12\x05canary" + b":\x10external_data\0" * 20,
    "shell script": b"#!/bin/sh\ntouch sang\n",
    "html": b"<!DOCTYPE html><script>alert(1)</script>",
    "xml with an entity": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "yaml": b"!!python/object/apply:os.system ['touch sang']\n",
    "json": json.dumps({"py/object": "os.system", "__reduce__": ["os.system", ["touch sang"]]}).encode(),
    "zip that climbs out": zipped({"../../sang": SONG}),
    "nothing": b"",
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refuse_as_model_and_data(content, song):
    Path("m.nnzoo").write_bytes(content)
    with pytest.raises(ModelFileError):
        nnzoo.load_model("m.nnzoo")
    assert main(["inspect", "m.nnzoo"]) == 4
    for name in ("d.csv", "d.npz", "d.npy", "d.parquet", "d.jsonl", "d.png", "d.ts", "d.txt", "d-idx3-ubyte", "d.pkl"):
        Path(name).write_bytes(content)
        assert main(["load", name]) in (0, 2, 3, 6), name
    os.mkdir("images")
    for label in "ab":
        os.mkdir(f"images/{label}")
        Path(f"images/{label}/1.png").write_bytes(content)
    assert main(["load", "images"]) == 3
    assert not song.exists()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", LIVE)
def test_D6_a_live_canary_is_refused_and_does_not_sing(place, name, capsys):
    make, read_carelessly = LIVE[name]
    song = place / SONG
    content = make(Canary(song))
    refuse_as_model_and_data(content, song)
    capsys.readouterr()
    read_carelessly(content)
    assert song.read_text() == SONG


@pytest.mark.parametrize("name", DEAD)
def test_D6_a_foreign_file_is_refused(place, name, capsys):
    refuse_as_model_and_data(DEAD[name], place / SONG)
    assert "Traceback" not in capsys.readouterr().err


def changed(manifest, path, value):
    inner = manifest
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return manifest


HOSTILE = {
    "a function as architecture": (("architecture",), "os.system"),
    "a module as architecture": (("architecture",), "nnzoo.cli.main"),
    "a class of scikit-learn as architecture": (("architecture",), "sklearn.neural_network.MLPClassifier"),
    "a path as architecture": (("architecture",), "../../canary.py"),
    "a parameter that is a call": (("params", "activation"), {"__reduce__": ["os.system", ["touch sang"]]}),
    "a parameter that is code": (("params", "activation"), "__import__('os').system('touch sang')"),
    "a parameter of another class": (("params", "__class__"), "builtins.exec"),
    "a body from elsewhere": (("params", "body"), {"module": "os", "name": "system"}),
    "a format of the future with a way out": (("format_version",), 99),
    "a size that is a call": (("sizes", "kind"), "eval"),
    "classes that are objects": (("classes",), {"dtype": "object", "values": ["x"]}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_D6_a_model_file_that_names_code_is_refused(place, name, trained, capsys):
    row = next(row for row in nnzoo.catalog.CATALOG if row.id == "feed-forward")
    manifest, tensors = read_tensors(trained(row))
    write_tensors("m.nnzoo", changed(manifest, *HOSTILE[name]), tensors)
    with pytest.raises(ModelFileError):
        nnzoo.load_model("m.nnzoo")
    assert main(["inspect", "m.nnzoo"]) == 4
    assert not (place / SONG).exists()
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_D6_a_link_to_a_good_model_is_refused(place, trained):
    row = nnzoo.catalog.CATALOG[0]
    os.symlink(trained(row), "m.nnzoo")
    with pytest.raises(ModelFileError, match="it is a link"):
        nnzoo.load_model("m.nnzoo")


def test_there_are_at_least_25_canaries():
    assert len(LIVE) + len(DEAD) + len(HOSTILE) >= 25
    assert len(LIVE) >= 15
