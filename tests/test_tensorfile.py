"""The layout of model files: exact round trips, and refusal of whatever else comes along."""

import hashlib
import json
import os
import pickle
import re
import stat
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors
from safetensors.numpy import load_file, save_file

from nnzoo import files, tensorfile, tensorlayout
from nnzoo.errors import CheckpointError, ModelFileError
from nnzoo.tensorfile import read_tensors, write_tensors

MANIFEST = {"architecture": "DFF", "params": {"learning_rate": 0.1}, "classes": ["a", "é", '{["']}
TENSORS = {
    "f64": np.array([[1.5, -0.0], [5e-324, 1e308]]),
    "f32": np.arange(6, dtype=np.float32).reshape(1, 2, 3),
    "i64": np.array(-(2**63)),
    "i32": np.arange(3, dtype=np.int32),
    "i16": np.array([[-1], [2]], np.int16),
    "i8": np.zeros((0, 3), np.int8),
    "u8": np.frombuffer(b"abc", np.uint8),
    "layer.0_bool-x": np.array([True, False]),
}
TABLE = {
    "f64": ("F64", (2, 2)),
    "f32": ("F32", (1, 2, 3)),
    "i64": ("I64", ()),
    "i32": ("I32", (3,)),
    "i16": ("I16", (2, 1)),
    "i8": ("I8", (0, 3)),
    "u8": ("U8", (3,)),
    "layer.0_bool-x": ("BOOL", (2,)),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.nnzoo"


def assert_same(left, right):
    assert left.keys() == right.keys()
    for name in left:
        assert left[name].dtype == right[name].dtype
        assert left[name].shape == right[name].shape
        assert left[name].tobytes() == right[name].tobytes()


def resign(data):
    """Give a file the right hash, so that a change is seen by the checks behind it."""
    at = data.find(b'"sha256":"') + 10
    if at < 10:
        return data
    zeroed = data[:at] + b"0" * 64 + data[at + 64 :]
    return data[:at] + hashlib.sha256(zeroed).hexdigest().encode() + data[at + 64 :]


def make_file(entries, *, manifest="{}", data=b"", start=None):
    """Build a file by hand; ``entries`` is the text of the table, each entry led by a comma."""
    header = f'{{"__metadata__":{{"nnzoo":{json.dumps(manifest)},"sha256":"{"0" * 64}"}}{entries}}}'
    if start is not None:
        header = start
    header = header.encode("latin-1")
    header += b" " * (-len(header) % 8)
    return resign(len(header).to_bytes(8, "little") + header + data)


def entry(name, dtype="F32", shape=(1,), offsets=(0, 4)):
    sizes = ",".join(map(str, shape))
    return f',"{name}":{{"data_offsets":[{offsets[0]},{offsets[1]}],"dtype":"{dtype}","shape":[{sizes}]}}'


class TestRoundTrip:
    def test_manifest_and_tensors_come_back_to_the_bit(self, path):
        write_tensors(path, MANIFEST, TENSORS)
        manifest, tensors = read_tensors(path)
        assert manifest == MANIFEST
        assert_same(tensors, dict(sorted(TENSORS.items())))
        assert list(tensors) == sorted(TENSORS)

    def test_tensors_that_come_back_own_their_memory_and_can_be_written(self, path):
        write_tensors(path, {}, TENSORS)
        for tensor in read_tensors(path)[1].values():
            assert tensor.flags.writeable
            assert tensor.flags.owndata
            assert tensor.flags.aligned

    def test_strided_fortran_and_big_endian_arrays_are_saved_as_their_values(self, path):
        grid = np.arange(12, dtype=np.int32).reshape(3, 4)
        given = {"a": grid[:, ::2], "b": np.asfortranarray(grid), "c": grid.astype(">i4"), "d": grid.T}
        write_tensors(path, {}, given)
        for name, tensor in read_tensors(path)[1].items():
            np.testing.assert_array_equal(tensor, given[name])

    def test_a_file_without_tensors_is_fine(self, path):
        write_tensors(path, MANIFEST, {})
        assert read_tensors(path, lambda _: {}) == (MANIFEST, {})

    def test_equal_content_gives_equal_bytes_in_any_order(self, path):
        first = write_tensors(path, MANIFEST, TENSORS)
        before = path.read_bytes()
        assert write_tensors(path, dict(reversed(MANIFEST.items())), dict(reversed(TENSORS.items()))) == first
        assert path.read_bytes() == before

    def test_each_tensor_starts_at_a_multiple_of_its_width(self, path):
        tensors = {**TENSORS, "a": np.zeros(3, np.uint8), "b": np.zeros(1, np.int16)}
        write_tensors(path, MANIFEST, tensors)
        data = path.read_bytes()
        length = int.from_bytes(data[:8], "little")
        assert length % 8 == 0
        for name, row in json.loads(data[8 : 8 + length]).items():
            if name != "__metadata__":
                assert row["data_offsets"][0] % tensors[name].dtype.itemsize == 0

    def test_the_hash_covers_the_file_with_its_own_digits_as_zeros(self, path):
        digits = write_tensors(path, MANIFEST, TENSORS)
        data = path.read_bytes()
        assert data.count(digits.encode()) == 1
        assert hashlib.sha256(data.replace(digits.encode(), b"0" * 64)).hexdigest() == digits

    def test_a_manifest_that_looks_like_the_hash_field_does_not_confuse_the_hash(self, path):
        manifest = {"x": f'","sha256":"{"0" * 64}"}}'}
        write_tensors(path, manifest, {})
        assert read_tensors(path)[0] == manifest

    def test_the_safetensors_library_reads_our_files(self, path):
        digits = write_tensors(path, MANIFEST, TENSORS)
        assert_same(dict(sorted(load_file(path).items())), dict(sorted(TENSORS.items())))
        with safetensors.safe_open(path, "numpy") as opened:
            metadata = opened.metadata()
        assert metadata.keys() == {"nnzoo", "sha256"}
        assert json.loads(metadata["nnzoo"]) == MANIFEST
        assert metadata["sha256"] == digits

    def test_the_package_does_not_import_the_safetensors_library(self):
        for module in Path(tensorfile.__file__).parent.rglob("*.py"):
            assert not re.search(r"^\s*(import|from) safetensors", module.read_text(), re.MULTILINE)

    def test_the_manifest_reaches_the_callback_before_the_table_is_checked(self, path):
        def expected(manifest):
            raise ModelFileError(f"made by version {manifest['version']}")

        path.write_bytes(make_file(entry("a", dtype="NEW_TYPE"), manifest='{"version":9}'))
        with pytest.raises(ModelFileError, match="made by version 9"):
            read_tensors(path, expected)

    def test_one_descriptor_serves_from_first_to_last_byte(self, path, monkeypatch):
        opened = []
        real = os.open
        write_tensors(path, MANIFEST, TENSORS)
        write_tensors(path.with_name("other"), {"other": 1}, {"f64": np.ones((2, 2))})

        def swap(manifest):
            os.replace(path.with_name("other"), path)
            return TABLE

        def count(*arguments, **options):
            opened.append(arguments[0])
            return real(*arguments, **options)

        monkeypatch.setattr(os, "open", count)
        manifest, tensors = read_tensors(path, swap)
        assert manifest == MANIFEST
        assert_same(tensors, dict(sorted(TENSORS.items())))
        assert opened == [path]

    def test_D4_a_model_is_written_atomically(self, path, monkeypatch):
        seen = []
        monkeypatch.setattr(files, "crash_point", seen.append)
        write_tensors(path, MANIFEST, TENSORS)
        assert seen == ["after-temp-write", "before-rename", "after-rename"]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_D11_the_old_model_stays_as_bak(self, path):
        write_tensors(path, {"n": 1}, {})
        write_tensors(path, {"n": 2}, {}, backup=True)
        assert read_tensors(path)[0] == {"n": 2}
        assert read_tensors(path.with_name("m.nnzoo.bak"))[0] == {"n": 1}


class TestD9Expected:
    def test_D9_a_table_that_fits_is_taken_and_minus_one_stands_for_any_size(self, path):
        write_tensors(path, MANIFEST, TENSORS)
        _, tensors = read_tensors(path, lambda _: {**TABLE, "u8": ("U8", (-1,)), "i8": ("I8", (-1, 3))})
        assert len(tensors) == len(TENSORS)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"f32": ("F32", (1, 2, 4))}, r'tensor "f32" needs F32 \(1, 2, 4\) by its manifest; it is F32 \(1, 2, 3\)'),
            ({"f32": ("F64", (1, 2, 3))}, r'tensor "f32" needs F64 \(1, 2, 3\) by its manifest; it is F32'),
            ({"f32": ("F32", (2, 3))}, r'tensor "f32" needs F32 \(2, 3\)'),
            ({"i8": ("I8", (-1, 4))}, r'tensor "i8" needs I8 \(-1, 4\)'),
            ({"u8": ("U8", (9,)), "i16": ("I8", (1,))}, 'tensor "i16" needs'),
            ({"bias": ("F32", (1,))}, 'do not fit its manifest: it lacks "bias"'),
        ],
    )
    def test_D9_the_first_difference_is_named(self, path, change, words):
        write_tensors(path, MANIFEST, TENSORS)
        with pytest.raises(ModelFileError, match=words):
            read_tensors(path, lambda _: {**TABLE, **change})

    def test_D9_tensors_that_are_too_many_are_named(self, path):
        write_tensors(path, MANIFEST, TENSORS)
        with pytest.raises(ModelFileError, match=r'do not fit its manifest: it lacks "x" and has also "f64"\.'):
            read_tensors(path, lambda _: {"x": ("F32", ()), **{name: TABLE[name] for name in TABLE if name != "f64"}})


class TestD2Damage:
    def test_D2_every_flipped_byte_is_refused(self, path):
        write_tensors(path, {"a": 1}, {"w": np.arange(3.0), "u": np.zeros(2, np.uint8)})
        good = path.read_bytes()
        for at in range(len(good)):
            path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
            with pytest.raises(ModelFileError, match=r"m\.nnzoo"):
                read_tensors(path, allow_nonfinite=True)

    def test_D2_every_cut_is_refused(self, path):
        write_tensors(path, {"a": 1}, {"w": np.arange(3.0)})
        good = path.read_bytes()
        for length in range(len(good)):
            path.write_bytes(good[:length])
            with pytest.raises(ModelFileError, match=r"m\.nnzoo"):
                read_tensors(path)

    def test_D2_the_message_says_what_is_damaged(self, path):
        write_tensors(path, {"a": 1}, {"w": np.arange(3.0)})
        good = path.read_bytes()
        for data, words in [
            (good[:-1] + b"\x01", "is damaged: its SHA-256 is not the one that it states. The file is damaged or was"),
            (good[:-1], "is damaged: 23 bytes follow its header, which is not the size of its tensors"),
            (good + b"x", "is damaged: 25 bytes follow its header"),
            (good[:50], "is damaged: it ends after 50 bytes, within its header"),
            (good[:7], "it is something else"),
            (b"", "it is empty"),
        ]:
            path.write_bytes(data)
            with pytest.raises(ModelFileError, match=words):
                read_tensors(path)

    def test_D2_a_file_that_shrinks_while_it_is_read_is_refused(self, path):
        write_tensors(path, {}, {"w": np.zeros(10_000)})

        def cut(_):
            os.truncate(path, 9000)
            return {"w": ("F64", (10_000,))}

        with pytest.raises(ModelFileError, match="is damaged: it ended while it was read"):
            read_tensors(path, cut)


def run_canary(path):
    Path(path).write_text("code ran")


class Canary:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return run_canary, (self.path,)


class TestD6Foreign:
    @pytest.mark.parametrize("protocol", range(6))
    def test_D6_a_pickle_is_refused_and_does_not_run(self, path, protocol):
        canary = path.with_name("canary")
        path.write_bytes(pickle.dumps([Canary(canary), "x" * 10_000], protocol))
        with pytest.raises(ModelFileError, match=r"needs to be a model file of nnzoo; it is (a pickle|something else)"):
            read_tensors(path)
        assert not canary.exists()
        pickle.loads(path.read_bytes())
        assert canary.exists()

    def test_D6_an_archive_with_a_pickle_is_refused_and_does_not_run(self, path):
        canary = path.with_name("canary")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("model/data.pkl", pickle.dumps(Canary(canary)))
        with pytest.raises(ModelFileError, match=r"it is a zip archive, as \.pt, \.keras and \.npz files are"):
            read_tensors(path)
        assert not canary.exists()

    @pytest.mark.parametrize(
        ("start", "words"),
        [
            (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
            (b"<!doctype html><html>", "an HTML page"),
            (b"<html><body>", "an HTML page"),
            (b"<?xml version='1.0'?>", "an XML page"),
            (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "a gzip file"),
            (b"\x93NUMPY\x01\x00", "a numpy array"),
            (b"species,island,sex\n", "something else"),
            (b"\0" * 100, "something else"),
        ],
    )
    def test_D6_other_kinds_of_files_are_named(self, path, start, words):
        path.write_bytes(start + b" " * 100)
        with pytest.raises(ModelFileError, match=f"it is {words}. Give a file that nnzoo has saved"):
            read_tensors(path)

    def test_D6_a_safetensors_file_of_another_program_is_refused(self, path):
        save_file({"w": np.zeros(3)}, path, metadata={"nnzoo": "{}", "sha256": "0" * 64, "format": "pt"})
        with pytest.raises(ModelFileError, match="it is a file of another program, or damaged in its header"):
            read_tensors(path)

    def test_the_kind_decides_words_and_error(self, path):
        path.write_bytes(b"")
        with pytest.raises(CheckpointError, match="needs to be a checkpoint file of nnzoo; it is empty"):
            read_tensors(path, kind="checkpoint")

    def test_A21_a_missing_model_is_a_model_file_error_with_the_nearest_name(self, path):
        path.touch()
        with pytest.raises(ModelFileError, match=r'was not found\. Did you mean "m\.nnzoo"\?'):
            read_tensors(path.with_name("n.nnzoo"))

    def test_a_link_is_refused(self, path):
        write_tensors(path, {}, {})
        path.with_name("l.nnzoo").symlink_to(path)
        with pytest.raises(ModelFileError, match=r"it is a link\. Give the file itself"):
            read_tensors(path.with_name("l.nnzoo"))


HUGE = 10**12
HOSTILE = {
    "50,000 tensors in a header of 4 MiB": (
        lambda: make_file("".join(entry(f"{i:06d}", "U8", (0,), (0, 0)) for i in range(50_000))),
        "needs at most 20000 tensors; got 50000",
    ),
    "5,000 tensors of which the last does not fit": (
        lambda: make_file("".join(entry(f"{i:06d}", "U8", (i // 4999,), (0, 0)) for i in range(5000))),
        'tensor "004999" does not lie at bytes 0 to 1 of the data',
    ),
    "a header of 16 MiB with 200,000 tensors": (
        lambda: make_file("".join(entry(f"{i:06d}", "U8", (0,), (0, 0)) for i in range(200_000))),
        "it is something else",
    ),
    "a header length beyond the file": (lambda: (2**63).to_bytes(8, "little") + b"{}" * 100, "it is something else"),
    "4 MiB of brackets": (lambda: make_file("", start="[" * (4 << 20)), "it is something else"),
    "4 MiB of open dicts": (lambda: make_file("", start='{"":' * (1 << 20)), "of another program"),
    "a manifest 1000 deep": (lambda: make_file("", manifest="[" * 1000 + "]" * 1000), "at most 16 levels deep"),
    "a manifest 500,000 deep": (
        lambda: make_file("", manifest="[" * 500_000 + "]" * 500_000),
        "at most 16 levels deep",
    ),
    "a manifest of 500,000 numbers": (
        lambda: make_file("", manifest="[" + "1," * 500_000 + "1]"),
        "needs a manifest of",
    ),
    "a manifest of 300,000 dicts": (
        lambda: make_file("", manifest="[" + "{}," * 300_000 + "{}]"),
        "needs a manifest of",
    ),
    "a manifest of 2 MiB": (
        lambda: make_file("", manifest='{"a":"%s"}' % ("x" * (2 << 20))),
        "needs a manifest of at most",
    ),
    "a manifest with a key twice": (lambda: make_file("", manifest='{"a":1,"a":2}'), 'the key "a" occurs twice'),
    "a manifest with NaN": (lambda: make_file("", manifest='{"a":NaN}'), "got NaN"),
    "a manifest with 1e999": (lambda: make_file("", manifest='{"a":1e999}'), "is too large"),
    "a manifest that is a list": (lambda: make_file("", manifest="[]"), "its manifest is not a JSON object"),
    "a manifest with a lone surrogate": (lambda: make_file("", manifest='{"\ud800":1}'), "is not UTF-8"),
    "a bad escape in the manifest": (
        lambda: make_file("", start='{"__metadata__":{"nnzoo":"\\q","sha256":"%s"}}' % ("0" * 64)),
        "needs strict JSON",
    ),
    "4 MiB of escapes without end": (
        lambda: make_file("", start='{"__metadata__":{"nnzoo":"' + '\\"' * 2_000_000),
        "of another program",
    ),
    "metadata of another key": (
        lambda: make_file("", start='{"__metadata__":{"nnzoo":"{}","pickle":"x","sha256":"%s"}}' % ("0" * 64)),
        "of another program",
    ),
    "a tensor twice": (
        lambda: make_file(entry("a") + entry("a"), data=bytes(4)),
        'tensor "a" is out of order or occurs',
    ),
    "tensors out of order": (
        lambda: make_file(entry("b", offsets=(4, 8)) + entry("a"), data=bytes(8)),
        'tensor "a" is out of order or occurs twice',
    ),
    "a tensor named __metadata__": (
        lambda: make_file(entry("__metadata__"), data=bytes(4)),
        "breaks the layout at byte",
    ),
    "a name that is a path": (lambda: make_file(entry("../../x"), data=bytes(4)), "breaks the layout at byte"),
    "a name with a quote": (lambda: make_file(entry('a\\"b'), data=bytes(4)), "breaks the layout at byte"),
    "an empty name": (lambda: make_file(entry(""), data=bytes(4)), "breaks the layout at byte"),
    "a name of 201 letters": (lambda: make_file(entry("a" * 201), data=bytes(4)), "breaks the layout at byte"),
    "a name that is not ASCII": (lambda: make_file(entry("é"), data=bytes(4)), "breaks the layout at byte"),
    "a bad dtype": (lambda: make_file(entry("a", "BF16"), data=bytes(4)), r'F64, .*, BOOL; got BF16 as "a"'),
    "an object dtype": (lambda: make_file(entry("a", "|O"), data=bytes(4)), "breaks the layout at byte"),
    "a shape of 10^12": (lambda: make_file(entry("a", shape=(HUGE,), offsets=(0, 4 * HUGE))), "got 4000000000000 in"),
    "shapes that overflow 64 bits to 4 bytes": (
        lambda: make_file(entry("a", shape=(2**32, 2**32 + 1), offsets=(0, 4)), data=bytes(4)),
        "needs F32 tensors of at most",
    ),
    "an empty shape that overflows": (
        lambda: make_file(entry("a", shape=(0, 10**15, 10**15), offsets=(0, 0))),
        "needs F32 tensors of at most",
    ),
    "a shape of 100 MiB beyond the data": (
        lambda: make_file(entry("a", shape=(25 << 20,), offsets=(0, 100 << 20)), data=bytes(4)),
        "is damaged: 4 bytes follow its header",
    ),
    "a size of 17 digits": (lambda: make_file(entry("a", shape=(10**16,)), data=bytes(4)), "breaks the layout at byte"),
    "a size of 5000 digits": (lambda: make_file(entry("a", shape=("1" * 5000,))), "breaks the layout at byte"),
    "a negative size": (lambda: make_file(entry("a", shape=(-1,)), data=bytes(4)), "breaks the layout at byte"),
    "a size with a fraction": (lambda: make_file(entry("a", shape=(1.5,)), data=bytes(4)), "breaks the layout at byte"),
    "9 dimensions": (
        lambda: make_file(entry("a", shape=(1,) * 9), data=bytes(4)),
        'at most 8 dimensions; got 9 in "a"',
    ),
    "1,000,000 dimensions": (
        lambda: make_file(entry("a", shape=(1,) * 1_000_000), data=bytes(4)),
        "breaks the layout at byte",
    ),
    "a blob beyond 64 MiB": (
        lambda: make_file(entry("a", "U8", ((64 << 20) + 1,), (0, (64 << 20) + 1))),
        "needs U8 tensors of at most 67108864 bytes",
    ),
    "offsets that overlap": (
        lambda: make_file(entry("a") + entry("b", offsets=(2, 6)), data=bytes(6)),
        'tensor "b" does not lie at bytes 4 to 8 of the data',
    ),
    "offsets with a gap": (
        lambda: make_file(entry("a") + entry("b", offsets=(8, 12)), data=bytes(12)),
        'tensor "b" does not lie at bytes 4 to 8',
    ),
    "offsets that are not the size": (lambda: make_file(entry("a", offsets=(0, 8)), data=bytes(8)), "bytes 0 to 4 of"),
    "offsets backwards": (lambda: make_file(entry("a", offsets=(4, 0)), data=bytes(4)), "bytes 0 to 4 of the data"),
    "data after the tensors": (lambda: make_file(entry("a"), data=bytes(5)), "5 bytes follow its header"),
    "text after the header": (lambda: make_file(entry("a") + "}{", data=bytes(4)), "breaks the layout at byte"),
    "other entries": (
        lambda: make_file(',"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}'),
        "breaks the layout at",
    ),
    "truth values other than 0 and 1": (
        lambda: make_file(entry("a", "BOOL", (1,), (0, 1)), data=b"\x02"),
        'tensor "a" holds truth values other than 0 and 1',
    ),
}


class TestD7Hostile:
    def test_files_that_are_built_by_hand_are_good_but_for_their_fault(self, path):
        path.write_bytes(make_file(entry("a") + entry("b", offsets=(4, 8)), manifest='{"x":1}', data=bytes(8)))
        manifest, tensors = read_tensors(path)
        assert manifest == {"x": 1}
        assert_same(tensors, {"a": np.zeros(1, np.float32), "b": np.zeros(1, np.float32)})

    @pytest.mark.parametrize("fault", HOSTILE)
    def test_D7_hostile_files_are_refused_in_50_ms_and_50_mib(self, path, fault):
        make, words = HOSTILE[fault]
        path.write_bytes(make())
        seconds = []
        for _ in range(3):
            began = time.process_time()
            with pytest.raises(ModelFileError, match=words):
                read_tensors(path)
            seconds.append(time.process_time() - began)
        assert min(seconds) < 0.05
        tracemalloc.start()
        try:
            with pytest.raises(ModelFileError, match=words):
                read_tensors(path)
            assert tracemalloc.get_traced_memory()[1] < 50 << 20
        finally:
            tracemalloc.stop()

    def test_D7_a_file_beyond_max_bytes_is_refused_before_it_is_read(self, path):
        write_tensors(path, {}, {"w": np.zeros(100)})
        with pytest.raises(ModelFileError, match=r"needs at most 500 bytes; got \d+\. nnzoo saves no such files"):
            read_tensors(path, max_bytes=500)
        with open(path, "r+b") as stream:
            stream.truncate((2 << 30) + 1)
        with pytest.raises(ModelFileError, match="needs at most 2147483648 bytes; got 2147483649"):
            read_tensors(path)


class TestD8Finite:
    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_D8_weights_that_are_not_finite_are_refused_unless_allowed(self, path, bad, dtype):
        tensors = {"v": np.ones(3), "w": np.array([1, bad], dtype)}
        with pytest.raises(
            ModelFileError, match=r'needs finite numbers; tensor "w" holds NaN or infinity\. Train again'
        ):
            write_tensors(path, {}, tensors)
        assert not path.exists()
        write_tensors(path, {}, tensors, allow_nonfinite=True)
        with pytest.raises(ModelFileError, match='needs finite numbers; tensor "w" holds NaN or infinity'):
            read_tensors(path)
        assert_same(read_tensors(path, allow_nonfinite=True)[1], tensors)


class TestWriterLimits:
    """What could not be loaded is not saved, and the old file stays."""

    @pytest.mark.parametrize(
        ("manifest", "tensors", "words"),
        [
            (
                {"params": {"activation": np.tanh}},
                {},
                'the manifest needs plain values; got ufunc at "params.activation"',
            ),
            ({"loss": float("nan")}, {}, "got nan"),
            ({"a": "x" * (1 << 20)}, {}, "needs a manifest of at most 1048576 bytes"),
            ({"a": [0] * 100_002}, {}, "and 100000 values"),
            ({}, {"a b": np.zeros(1)}, 'needs tensor names of 1 to 200 letters, digits, _ . and -; got "a b"'),
            ({}, {"__metadata__": np.zeros(1)}, "needs tensor names"),
            ({}, {"a": np.zeros(1, np.float16)}, 'needs arrays of F64, .*, BOOL; got <f2 as "a"'),
            ({}, {"a": np.array([None])}, r'got \|O as "a"'),
            ({}, {"a": np.array(["x"])}, 'got <U1 as "a"'),
            ({}, {"a": [1.0]}, 'got list as "a"'),
            ({}, {"a": np.zeros((1,) * 9)}, "at most 8 dimensions; got 9"),
            ({}, {"a": np.broadcast_to(np.uint8(0), (64 << 20) + 1)}, "needs U8 tensors of at most 67108864 bytes"),
        ],
    )
    def test_content_beyond_a_limit_is_refused(self, path, manifest, tensors, words):
        path.write_bytes(b"old")
        with pytest.raises(ModelFileError, match=words):
            write_tensors(path, manifest, tensors)
        assert path.read_bytes() == b"old"
        assert os.listdir(path.parent) == ["m.nnzoo"]

    def test_a_file_beyond_max_bytes_is_refused(self, path):
        with pytest.raises(
            ModelFileError, match=r"needs at most 500 bytes; got 9\d\d\. What could not be loaded again"
        ):
            write_tensors(path, {}, {"w": np.zeros(100)}, max_bytes=500)

    def test_too_many_tensors_are_refused(self, path, monkeypatch):
        monkeypatch.setattr(tensorlayout, "MAX_TENSORS", 2)
        with pytest.raises(ModelFileError, match="needs at most 2 tensors; got 3"):
            write_tensors(path, {}, {name: np.zeros(1) for name in "abc"})

    def test_a_header_beyond_its_limit_is_refused(self, path, monkeypatch):
        monkeypatch.setattr(tensorlayout, "MAX_HEADER", 100)
        with pytest.raises(ModelFileError, match="needs a header of at most 100 bytes; got"):
            write_tensors(path, {}, {name: np.zeros(1) for name in "abc"})

    def test_the_kind_decides_the_error(self, path):
        with pytest.raises(CheckpointError, match="needs tensor names"):
            write_tensors(path, {}, {"": np.zeros(1)}, kind="checkpoint")
