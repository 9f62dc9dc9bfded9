"""Fault table B of images, case by case, through the command line: what is said, what is left out, nothing lost."""

import io
import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

SMALL = ("--network", "cnn", "--set", "n_filters=4", "--set", "n_epochs=1")
N_EACH = 30


def content(value=0, form="PNG", mode="L", size=(8, 6), **options):
    stream = io.BytesIO()
    Image.new(mode, size, value).save(stream, form, **options)
    return stream.getvalue()


def put(files):
    for name, what in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(what)


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Work in a folder that holds photos/dark and photos/light, 30 different noisy images each."""
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    for label, base in (("dark", 0), ("light", 150)):
        for number in range(N_EACH):
            stream = io.BytesIO()
            pixels = (base + draw.integers(0, 100, (6, 8))).astype(np.uint8)
            Image.fromarray(pixels).save(stream, "PNG")
            put({f"photos/{label}/{number:02d}.png": stream.getvalue()})
    return tmp_path


def train(cli, source="photos", *words):
    return cli.done("train", source, *SMALL, "--out", "new.nnzoo", "--quiet", *words)


def rejects(cli):
    train(cli)
    return dict(pl.read_csv("new.nnzoo.run/rejects.csv").select("file", "reason").rows())


def findings(cli, source="photos"):
    told = json.loads(cli.done("load", source, "--json").out)["findings"]
    return {finding["topic"]: finding for finding in told}


def predictions(cli, source):
    cli.done("predict", "new.nnzoo", source, "--out", "p.csv")
    return pl.read_csv("p.csv", infer_schema_length=None)


def bomb_header(width, height):
    """Return a PNG that declares a size and holds no picture."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    end = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    return b"\x89PNG\r\n\x1a\n" + body + end


def test_B1_a_cut_image_is_listed_in_rejects_csv_and_the_rest_is_trained_on(cli, photos):
    cut = Path("photos/dark/04.png")
    cut.write_bytes(cut.read_bytes()[:-20])
    assert rejects(cli) == {"dark/04.png": "is cut off"}
    found = predictions(cli, "photos").filter(file="dark/04.png")
    assert found.select("prediction", "note").rows() == [(None, "is cut off")]


@pytest.mark.parametrize("verb", ["load", "build", "train"])
def test_B1_more_than_5_percent_are_refused(cli, photos, verb):
    put({f"photos/dark/{number:02d}.png": b"" for number in range(4)})
    out = ("--out", "new.nnzoo") if verb == "train" else ()
    cli.refused(verb, "photos", *out, code=3, message=r"4 of 60 cannot be used, the first, \"dark/00\.png\"")


def test_B1_a_single_photo_that_is_broken_is_refused_at_predict(cli, photos):
    train(cli)
    put({"photo.png": content()[:-9]})
    cli.refused("predict", "new.nnzoo", "photo.png", "--out", "p.csv", code=3, message="photo.png.* it is cut off")


def test_B2_a_decompression_bomb_is_rejected_by_its_declared_size(cli, photos):
    put({"photos/dark/bomb.png": bomb_header(60_000, 60_000)})
    assert rejects(cli) == {"dark/bomb.png": "has 60,000 x 60,000 pixels; at most 25,000,000 are read"}


def test_B3_the_content_decides_and_not_the_ending(cli, photos):
    put({"photos/light/photo.png": content(255, "JPEG"), "photos/dark/page.png": b"<!doctype html><p>no photo</p>"})
    assert rejects(cli) == {"dark/page.png": "is HTML, not one of PNG, JPEG, BMP, GIF, WEBP"}
    assert "light/photo.png" in predictions(cli, "photos")["file"].to_list()


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("bit.png", content(1, mode="1")),
        ("deep.png", content(40_000, mode="I;16")),
        ("print.jpg", content((0, 0, 0, 20), "JPEG", "CMYK")),
        ("palette.gif", content(3, "GIF", "P")),
        ("glass.png", content((250, 250, 250, 128), mode="RGBA")),
        ("turned.jpg", content(200, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0")),
        (
            "film.gif",
            content(9, "GIF", "L", save_all=True, append_images=[Image.new("L", (8, 6), 200), Image.new("L", (8, 6))]),
        ),
    ],
)
def test_B4_unusual_modes_are_read_by_the_stated_rule(cli, photos, name, what):
    put({f"photos/light/{name}": what})
    ended = train(cli)
    assert not Path("new.nnzoo.run/rejects.csv").exists(), ended
    assert f"light/{name}" in predictions(cli, "photos")["file"].to_list()


def test_B5_a_folder_without_class_folders_is_refused(cli, photos):
    put({f"flat/{number}.png": content(number) for number in range(20)})
    cli.refused("train", "flat", "--out", "new.nnzoo", code=3, message="needs one sub-folder for each class")


def test_B5_one_class_and_an_empty_class_are_warnings(cli, photos):
    put({f"alone/cat/{number:02d}.png": content(number) for number in range(20)})
    assert findings(cli, "alone")["one class"]["level"] == "warning"
    Path("photos/grey").mkdir()
    assert findings(cli)["empty class"]["level"] == "warning"
    train(cli)


def test_B5_hidden_files_and_a_stated_list_are_left_alone(cli, photos):
    put({"photos/.DS_Store": b"x", "photos/dark/._00.png": b"x", "photos/dark/Thumbs.db": b"x", "photos/a.txt": b"x"})
    found = findings(cli)
    assert found["files left alone"]["message"].startswith("2 files")
    train(cli)
    assert not Path("new.nnzoo.run/rejects.csv").exists()


def test_B6_odd_names_are_shown_escaped_and_change_no_other_file(cli, photos):
    names = [b"a\nb.png", b"x" * 251 + b".png", b"\xe2\x80\xaegnp.exe", b"bad\xff.png", b"=1+2.png"]
    for number, name in enumerate(names):
        Path(os.fsdecode(b"photos/dark/" + name)).write_bytes(content(number))
    train(cli)
    shown = set(predictions(cli, "photos")["file"].to_list())
    assert {r"dark/a\nb.png", r"dark/\u202egnp.exe", r"dark/bad\udcff.png", "dark/=1+2.png"} <= shown
    assert sorted(entry.name for entry in photos.iterdir()) == ["new.nnzoo", "p.csv", "photos"]
