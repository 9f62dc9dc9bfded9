"""Every reader of files from outside, given anything: it reads or refuses with an error of nnzoo, soon and in little.

Files are good ones of every format, damaged at random, and bytes drawn at random. The seeds are derived by hypothesis,
which makes a failing example as small as it can.
"""

import gzip
import io
import sys
import time
import tracemalloc
import warnings

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import nnzoo
from nnzoo.cli import main
from nnzoo.errors import NnzooError
from nnzoo.explanation.matrices import parse_matrix

N_EXAMPLES, N_SOAK_EXAMPLES = 150, 5_000
MOST_SECONDS, MOST_BYTES = 60, 300 * 2**20
FRAME = pl.DataFrame(
    {
        "when": [f"2024-03-{day:02} 10:00" for day in range(1, 31)],
        "x": [day / 7 for day in range(30)],
        "city": ["Bonn", "Oslo", None] * 10,
        "label": ["a", "b"] * 15,
    }
)


def written(write):
    out = io.BytesIO()
    write(out)
    return out.getvalue()


def idx_bytes():
    values = (np.arange(12 * 4 * 4) % 256).astype(np.uint8)
    return bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in (12, 4, 4)) + values.tobytes()


def picture(form, mode="L"):
    image = Image.fromarray((np.arange(64).reshape(8, 8) * 3).astype(np.uint8)).convert(mode)
    return written(lambda out: image.save(out, format=form))


RNG = np.random.default_rng(0)
GOOD = {
    "t.csv": FRAME.write_csv().encode(),
    "t.tsv": FRAME.write_csv(separator="\t").encode(),
    "t.csv.gz": gzip.compress(FRAME.write_csv().encode(), mtime=0),
    "t.jsonl": FRAME.write_ndjson().encode(),
    "t.parquet": written(FRAME.write_parquet),
    "t.npz": written(lambda out: np.savez(out, X=RNG.normal(size=(20, 3)), y=np.arange(20) % 2)),
    "t.npy": written(lambda out: np.save(out, RNG.normal(size=(20, 3)))),
    "t-images-idx3-ubyte": idx_bytes(),
    "t.ts": b"@problemName a\n@classLabel true u v\n@data\n" + b"1,2,?:4,5,6:u\n7,8:9,1e1:v\n" * 10,
    "t.txt": ("In the beginning was the word. Ünïcode, too: \u2603\n" * 20).encode(),
    "t.png": picture("PNG"),
    "t.jpg": picture("JPEG"),
    "t.gif": picture("GIF"),
    "t.bmp": picture("BMP"),
    "t.webp": picture("WEBP", "RGB"),
}
TARGETS = {"t.csv": "label", "t.tsv": "label", "t.csv.gz": "label", "t.jsonl": "label", "t.parquet": "label"}
PIECES = (b"", b"\0", b"\xff", b'"', b",", b"\n", b"\r", b"{", b"[", b"9" * 30, b"-", b"e999", b"nan", b"\x80\x02")
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 12), st.one_of(st.sampled_from(PIECES), st.binary(max_size=6))),
    min_size=1,
    max_size=4,
)


def edited(good, edits):
    """Return bytes with pieces cut out and others put in."""
    for where, n_cut, piece in edits:
        at = int(where * len(good))
        good = good[:at] + piece + good[at + n_cut :]
    return good


def load_soon_and_in_little(path, **given):
    """Load; an error of nnzoo is an answer. Says how long it took and what Python allocated at most."""
    tracemalloc.start()
    start = time.monotonic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nnzoo.load(path, **given | ({"kind": "text"} if path.suffix == ".txt" else {}))
    except NnzooError as error:
        assert str(error)
        assert error.hint or error.message
    finally:
        seconds = time.monotonic() - start
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert seconds < MOST_SECONDS
    assert most < MOST_BYTES


def many(soaks):
    return settings(
        max_examples=N_SOAK_EXAMPLES if soaks else N_EXAMPLES,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", GOOD)
def test_a_damaged_file_is_read_or_refused(name, tmp_path, soaks):
    path = tmp_path / name

    @many(soaks)
    @given(EDITS)
    def check(edits):
        path.write_bytes(edited(GOOD[name], edits))
        load_soon_and_in_little(path, target=TARGETS.get(name))

    check()


@pytest.mark.slow
@pytest.mark.parametrize("name", GOOD)
def test_any_bytes_are_read_or_refused(name, tmp_path, soaks):
    path = tmp_path / name

    @many(soaks)
    @given(st.integers(0, 24), st.binary(max_size=300))
    def check(n_kept, rest):
        path.write_bytes(GOOD[name][:n_kept] + rest)
        load_soon_and_in_little(path)

    check()


@pytest.mark.parametrize("name", GOOD)
def test_the_good_file_is_read(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(GOOD[name])
    if path.suffix in (".png", ".jpg", ".gif", ".bmp", ".webp"):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kind = "text" if name == "t.txt" else None
        assert len(nnzoo.load(path, target=TARGETS.get(name), kind=kind)) > 0


@pytest.mark.slow
def test_damaged_images_in_a_folder_are_read_or_refused(tmp_path, soaks):
    images = [name for name in GOOD if name.rpartition(".")[2] in ("png", "jpg", "gif", "bmp", "webp")]
    for label in "ab":
        (tmp_path / label).mkdir()
        for number in range(20):
            (tmp_path / label / f"{number}.png").write_bytes(GOOD["t.png"])

    @many(soaks)
    @given(st.sampled_from(images), EDITS)
    def check(name, edits):
        (tmp_path / "a" / "0.png").write_bytes(edited(GOOD[name], edits))
        load_soon_and_in_little(tmp_path)

    check()


@pytest.mark.slow
def test_any_text_is_a_parameter_or_refused(tmp_path, soaks, capsys):
    source, out = tmp_path / "t.csv", tmp_path / "m.nnzoo"
    source.write_bytes(GOOD["t.csv"])
    names = ("n_hidden", "activation", "learning_rate", "optimizer", "class_weight", "random_state", "patience", "xyz")
    words = st.one_of(st.text(max_size=30), st.from_regex(r"[-+0-9eE.,\[\]{}:\"a-z]{0,20}", fullmatch=True))

    @many(soaks)
    @given(st.one_of(st.sampled_from(names), st.text(max_size=8)), st.sampled_from(("=", "", "==", " = ")), words)
    def check(name, sign, value):
        setting = f"{name}{sign}{value}".replace("\0", "")
        command = ["build", str(source), "--target", "label", "--network", "feed-forward", f"--set={setting}"]
        assert main(command) in (0, 2, 6), setting
        assert "Traceback" not in capsys.readouterr().err

    check()
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the address space")
def test_a_deep_or_wide_line_takes_little(tmp_path):
    for name, content in (
        ("deep.jsonl", b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
        ("wide.csv", b",".join(b"c%d" % i for i in range(20_000)) + b"\n"),
        ("long.csv", b"a,b\n" + b"x" * 30_000_000),
        ("quote.csv", b'a,b\n"' + b"x,y\n" * 2_000_000),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        load_soon_and_in_little(path)


CELLS = st.sampled_from(
    ["1", "-2.5", "1e400", "nan", "0x1", "", " ", ";", ",", "\0", "9" * 400, "1_0", "\N{DIGIT THREE}"]
)


@given(st.one_of(st.text(max_size=60), st.lists(CELLS, max_size=12).map(" ".join)))
def test_a_matrix_from_the_command_line_is_read_or_refused(text):
    try:
        matrix = parse_matrix(text, "kernel")
    except NnzooError as error:
        assert error.message.startswith("kernel needs")
    else:
        assert matrix.ndim == 2
        assert np.isfinite(matrix).all()
