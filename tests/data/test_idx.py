import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnzoo.data import idx
from nnzoo.data.idx import MAX_INFLATION, idx_array, read_idx
from nnzoo.data.opening import InputFile
from nnzoo.errors import DataError, ResourceError

CODES = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}


def packed_idx(array):
    """Write an array as the format says: type, number of dimensions, big-endian lengths, big-endian values."""
    header = bytes([0, 0, CODES[array.dtype.name], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def read(tmp_path, content, name="images-idx3-ubyte"):
    path = tmp_path / name
    path.write_bytes(content)
    with InputFile(path) as file:
        return read_idx(file)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("shape", [(7,), (2, 3), (4, 3, 2), (2, 3, 4, 3), (0, 28, 28)])
def test_every_type_and_shape_comes_back_as_it_was_written(tmp_path, dtype, shape, packed):
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    content = packed_idx(array)
    found = read(tmp_path, gzip.compress(content) if packed else content)
    assert found.dtype == np.dtype(dtype)
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, array)


def test_content_in_memory_is_read_as_a_file_is():
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    np.testing.assert_array_equal(idx_array("x", packed_idx(array)), array)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "first bytes are none: it is empty"),
        (b"\0\0\x08", 'first bytes are "00 00 08"'),
        (b"\x89PNG\r\n", 'first bytes are "89 50 4e 47"'),
        (b"\0\x01\x08\x01\0\0\0\0", 'first bytes are "00 01 08 01"'),
        (b"\0\0\x0a\x01\0\0\0\0", 'first bytes are "00 00 0a 01"'),
    ],
)
def test_content_that_is_not_idx_is_refused_with_its_first_bytes(tmp_path, content, words):
    with pytest.raises(DataError, match=f"needs to be an IDX file; its {words}.*begin with the bytes 00 00 08 03"):
        read(tmp_path, content)


@pytest.mark.parametrize("n", [0, 5, 255])
def test_a_number_of_dimensions_that_no_data_has_is_refused(tmp_path, n):
    with pytest.raises(DataError, match=f"needs 1 to 4 dimensions; its header says {n}"):
        read(tmp_path, bytes([0, 0, 8, n]) + bytes(4 * n))


def test_a_negative_length_is_refused(tmp_path):
    content = bytes([0, 0, 8, 3]) + struct.pack(">iii", 2, -3, 4)
    with pytest.raises(DataError, match=r"lengths from 0 to 2147483647; its header says \[2, -3, 4\].*download"):
        read(tmp_path, content)


def test_a_file_that_ends_within_its_header_is_refused(tmp_path):
    with pytest.raises(DataError, match="ends within its header, after 9 bytes.*again"):
        read(tmp_path, bytes([0, 0, 8, 3, 0, 0, 0, 1, 0]))


@pytest.mark.parametrize("packed", [False, True])
def test_missing_values_are_refused_with_both_lengths(tmp_path, packed):
    content = packed_idx(np.zeros((2, 3, 4), np.uint8))[:-1]
    with pytest.raises(DataError, match=r"needs 24 bytes of values after its header \(2 x 3 x 4\); got 23 bytes"):
        read(tmp_path, gzip.compress(content) if packed else content)


@pytest.mark.parametrize("packed", [False, True])
def test_bytes_after_the_values_are_refused(tmp_path, packed):
    content = packed_idx(np.zeros((2, 3, 4), np.uint8)) + b"x"
    with pytest.raises(DataError, match=r"needs 24 bytes of values after its header \(2 x 3 x 4\); got more bytes"):
        read(tmp_path, gzip.compress(content) if packed else content)


@pytest.mark.parametrize("lengths", [(2**31 - 1,) * 3, (2**16, 2**16, 1), (60_000, 28, 28)])
@pytest.mark.parametrize("packed", [False, True])
def test_a_header_that_promises_more_than_the_file_can_hold_is_refused_before_reading_on(tmp_path, lengths, packed):
    content = bytes([0, 0, 8, 3]) + struct.pack(">III", *lengths) + bytes(100)
    with pytest.raises(DataError, match="got a file that is far shorter"):
        read(tmp_path, gzip.compress(content) if packed else content)


def test_values_that_do_not_fit_into_memory_are_refused_before_reading_on(tmp_path, monkeypatch):
    monkeypatch.setattr("nnzoo.data.limits.memory_bytes", lambda: 1_000_000)
    with pytest.raises(ResourceError, match="needs about 0.0 GiB of memory"):
        read(tmp_path, gzip.compress(packed_idx(np.zeros((1000, 30, 30), np.uint8))))


def test_a_gzip_bomb_is_read_no_further_than_its_header_promises(tmp_path, monkeypatch):
    read_bytes = []
    pieces_of = idx.content_pieces

    def counted(file, form):
        for piece in pieces_of(file, form):
            read_bytes.append(len(piece))
            yield piece

    monkeypatch.setattr(idx, "content_pieces", counted)
    content = packed_idx(np.zeros((2, 3, 4), np.uint8)) + bytes(50 << 20)
    with pytest.raises(DataError, match="got more bytes"):
        read(tmp_path, gzip.compress(content, 1))
    assert sum(read_bytes) <= 4 << 20


def test_honest_values_that_pack_best_are_within_the_bound_of_deflate(tmp_path):
    array = np.zeros((100, 200, 200), np.uint8)
    content = gzip.compress(packed_idx(array))
    assert array.nbytes > 0.9 * MAX_INFLATION * len(content)
    np.testing.assert_array_equal(read(tmp_path, content), array)


def test_damaged_gzip_is_refused(tmp_path):
    content = bytearray(gzip.compress(packed_idx(np.arange(240, dtype=np.uint8).reshape(10, 6, 4))))
    content[-6] ^= 1  # the checksum
    with pytest.raises(DataError, match="gzip data cannot be unpacked"):
        read(tmp_path, bytes(content))
    with pytest.raises(DataError, match="is cut off: its gzip data ends early"):
        read(tmp_path, bytes(content[:-9]))


@settings(max_examples=300)
@given(data=st.data())
def test_a_mutated_file_is_read_whole_or_refused(data):
    content = bytearray(packed_idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, 19))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    try:
        array = idx_array("x", bytes(content))
    except DataError:
        return
    assert array.nbytes + 4 + 4 * array.ndim == len(content)
