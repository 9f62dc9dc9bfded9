import gzip
import struct
import tracemalloc
import zipfile

import numpy as np
import polars as pl
import pytest

from nnzoo.data.imagearrays import ImageArray, image_arrays, is_idx_name, read_array_file, read_idx_folder
from nnzoo.data.pixelrule import PixelRule
from nnzoo.data.pixels import fit_pixels
from nnzoo.errors import DataError, ResourceError, SchemaError

GREY = np.random.default_rng(0).integers(0, 256, (6, 5, 4), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def rule(height, width, channels):
    return PixelRule(height, width, channels, "as given")


def decoded(table, height=5, width=4, channels=1):
    pixels, bad = table.images.decode(rule(height, width, channels))
    assert bad == {}
    return pixels


def write_idx(path, array):
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    content = header + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


# arrays in memory


def test_grey_images_become_a_table_that_numbers_them():
    table = image_arrays(GREY)
    assert table.frame.to_dict(as_series=False) == {"image": [1, 2, 3, 4, 5, 6]}
    assert table.rows.tolist() == [1, 2, 3, 4, 5, 6]
    assert (table.target, table.part, table.findings, table.rejects) == (None, None, [], [])
    assert table.images.modes == ["L"] * 6
    assert table.images.heights.tolist() == [5] * 6
    assert table.images.widths.tolist() == [4] * 6
    assert len(table.images) == 6
    np.testing.assert_array_equal(decoded(table)[..., 0], GREY)


@pytest.mark.parametrize("y", [LABELS, LABELS.tolist(), LABELS.reshape(-1, 1), pl.Series("digit", LABELS)])
def test_the_target_beside_an_array_becomes_the_column_y(y):
    table = image_arrays(GREY, y)
    assert table.frame.columns == ["image", "y"]
    assert table.frame["y"].to_list() == LABELS.tolist()
    assert table.target == "y"


def test_a_number_of_targets_that_differs_from_that_of_images_is_refused():
    with pytest.raises(SchemaError, match="needs one y for each row of X; got 6 rows and 5 values of y"):
        image_arrays(GREY, LABELS[:5])


@pytest.mark.parametrize(("array", "mode"), [(COLOUR, "RGB"), (GREY[..., None], "L"), (GREY, "L")])
def test_channels_say_the_mode(array, mode):
    table = image_arrays(array)
    assert set(table.images.modes) == {mode}
    assert table.images.dtype == np.uint8


def test_images_that_fit_the_rule_are_not_copied():
    table = image_arrays(COLOUR)
    assert np.shares_memory(decoded(table, channels=3), COLOUR)


@pytest.mark.parametrize("wanted", [(5, 4, 3), (10, 8, 1), (3, 9, 1)])
def test_bytes_of_another_size_or_colour_are_fitted_as_files_are(wanted):
    pixels = decoded(image_arrays(GREY), *wanted)
    expected = np.stack([fit_pixels(image, rule(*wanted)) for image in GREY])
    np.testing.assert_array_equal(pixels, expected)


def test_B4_opacity_lies_over_white():
    array = np.concatenate([COLOUR, np.zeros((6, 5, 4, 1), np.uint8)], axis=3)
    array[0, ..., 3] = 255
    table = image_arrays(array)
    assert set(table.images.modes) == {"RGBA"}
    pixels = decoded(table, channels=3)
    np.testing.assert_array_equal(pixels[0], COLOUR[0])
    assert (pixels[1:] == 255).all()


def test_B4_truth_values_are_black_and_white():
    pixels = decoded(image_arrays(GREY > 127))
    np.testing.assert_array_equal(pixels[..., 0], np.where(GREY > 127, 255, 0))
    assert pixels.dtype == np.uint8


@pytest.mark.parametrize("dtype", ["int64", "int16", "uint16", "uint64"])
def test_whole_numbers_from_0_to_255_are_bytes(dtype):
    table = image_arrays(GREY.astype(dtype))
    assert table.images.dtype == np.uint8
    np.testing.assert_array_equal(decoded(table)[..., 0], GREY)


@pytest.mark.parametrize(("value", "came"), [(256, "0 to 256"), (-1, "-1 to 0"), (65535, "0 to 65535")])
def test_B4_whole_numbers_beyond_bytes_are_never_cut(value, came):
    array = np.zeros((2, 3, 3), np.int64)
    array[1, 1, 1] = value
    with pytest.raises(DataError, match=rf"whole numbers from 0 to 255; got {came}\. Pass X.astype\('float32'\)"):
        image_arrays(array)


@pytest.mark.parametrize("n_channels", [2, 5, 28])
def test_bytes_with_other_channels_are_refused(n_channels):
    with pytest.raises(DataError, match=rf"1, 3 or 4 channels.*got {n_channels} in.*Pass X.astype"):
        image_arrays(np.zeros((2, 9, 9, n_channels), np.uint8))


def test_channels_that_come_first_are_refused_with_the_order_to_pass():
    with pytest.raises(DataError, match=r"got 32 in shape \(2, 3, 32, 32\).*X.transpose\(0, 2, 3, 1\)"):
        image_arrays(np.zeros((2, 3, 32, 32), np.uint8))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
@pytest.mark.parametrize("n_channels", [1, 2, 7])
def test_fractional_numbers_stay_what_they_are_with_any_number_of_channels(dtype, n_channels):
    array = np.random.default_rng(2).normal(size=(3, 5, 4, n_channels)).astype(dtype)
    table = image_arrays(array)
    assert table.images.modes == ["F"] * 3
    assert table.images.dtype == np.float32
    np.testing.assert_array_equal(decoded(table), array.astype("float32"))


def test_fractional_images_in_float32_are_not_copied():
    array = np.zeros((3, 5, 4), np.float32)
    assert np.shares_memory(decoded(image_arrays(array)), array)


def test_fractional_images_of_another_size_are_resized_channel_by_channel():
    # Bilinear interpolation keeps a constant plane constant, and the mean of a symmetric ramp.
    array = np.empty((2, 4, 4, 2), np.float32)
    array[..., 0] = -3.5
    array[..., 1] = np.arange(4)
    pixels = decoded(image_arrays(array), 8, 8)
    assert pixels.shape == (2, 8, 8, 2)
    assert pixels.dtype == np.float32
    np.testing.assert_allclose(pixels[..., 0], -3.5)
    np.testing.assert_allclose(pixels[..., 1].mean(), 1.5, rtol=1e-6)
    assert (np.diff(pixels[0, 0, :, 1]) >= 0).all()


def test_fractional_images_keep_their_ratio_and_the_rest_is_the_colour_of_the_border():
    array = np.full((1, 2, 4), 0.25, np.float32)
    array[0, :, 1:3] = 0.75
    pixels = decoded(image_arrays(array), 4, 4)[0, ..., 0]
    np.testing.assert_array_equal(pixels[1:3], array[0])
    # The border of 2 x 4 pixels is counted row by row and column by column: 8 of 12 are 0.25.
    np.testing.assert_array_equal(pixels[[0, 3]], np.full((2, 4), 0.25, np.float32))


@pytest.mark.parametrize(
    ("value", "came"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity"), (1e39, "a number beyond float32")]
)
def test_A6_A9_numbers_that_are_not_finite_are_refused_with_the_first_image(value, came):
    array = np.zeros((1500, 2, 2))
    array[[1233, 1400], 1, 0] = value
    with pytest.raises(DataError, match=f"got {came} in 2 of 1,500 images, the first of them image 1,234"):
        image_arrays(array)


@pytest.mark.parametrize("array", [np.zeros((2, 2, 2), complex), np.full((2, 2, 2), "a"), np.full((2, 2, 2), None)])
def test_arrays_of_no_numbers_are_refused(array):
    with pytest.raises(DataError, match="needs images of bytes, truth values or numbers; got an array of"):
        image_arrays(array)


def test_masked_arrays_are_refused():
    with pytest.raises(DataError, match="needs plain values; got a masked array"):
        image_arrays(np.ma.masked_array(GREY, GREY > 3))


@pytest.mark.parametrize("shape", [(28, 28), (2, 0, 4), (2, 4, 0), (2, 4, 4, 0), (2, 2, 2, 2, 2), (4,)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(DataError, match=r"images of the shape \(images, height, width\) or .*Reshape your data"):
        image_arrays(np.zeros(shape, np.uint8))


def test_no_image_is_a_table_of_no_rows():
    with pytest.raises(DataError, match="the array needs at least one row of data; got 0 rows"):
        image_arrays(np.zeros((0, 28, 28), np.uint8)).need_rows()


def test_one_picture_in_colour_that_was_passed_alone_is_pointed_out():
    (finding,) = image_arrays(np.zeros((40, 30, 3), np.uint8)).findings
    assert (finding.level, finding.topic) == ("warning", "narrow images")
    assert "40 x 30 x 3, was read as 40 grey images that are 3 pixels wide" in finding.message
    assert "X[None]" in finding.hint


def test_fractional_channels_that_seem_to_come_first_are_pointed_out():
    (finding,) = image_arrays(np.zeros((2, 3, 32, 32))).findings
    assert (finding.level, finding.topic) == ("warning", "low images")
    assert "X.transpose(0, 2, 3, 1)" in finding.hint


def test_taking_keeps_the_order_asked_for():
    taken = image_arrays(GREY).images.take(np.array([4, 0, 4]))
    assert isinstance(taken, ImageArray)
    np.testing.assert_array_equal(taken.decode(rule(5, 4, 1))[0][..., 0], GREY[[4, 0, 4]])


@pytest.mark.parametrize("array", [GREY, COLOUR, GREY / 7])
def test_equal_images_have_equal_hashes_and_others_do_not(array):
    array = np.concatenate([array, array[2:3]])
    hashes = image_arrays(array).images.content_hashes()
    assert hashes[2] == hashes[6]
    assert len(set(hashes)) == 6
    assert image_arrays(np.asfortranarray(array)).images.content_hashes() == hashes


def test_the_fingerprint_is_of_pixels_shape_and_targets():
    prints = [
        image_arrays(array, y).fingerprint
        for array in (GREY, GREY + 1, GREY.reshape(6, 4, 5))
        for y in (None, LABELS, LABELS + 1)
    ]
    assert len(set(prints)) == 9
    assert image_arrays(GREY.copy(order="F"), LABELS.tolist()).fingerprint == prints[1]


def test_the_input_is_not_changed():
    before = COLOUR.copy()
    decoded(image_arrays(COLOUR), 7, 7, 1)
    np.testing.assert_array_equal(COLOUR, before)


def test_pixels_that_do_not_fit_into_memory_are_refused_before_they_are_made(monkeypatch):
    monkeypatch.setattr("nnzoo.data.limits.memory_bytes", lambda: 1000)
    with pytest.raises(ResourceError, match="The images at the wanted size needs about"):
        decoded(image_arrays(GREY), 64, 64)


# files of NumPy


def save(path, **arrays):
    np.savez_compressed(path, **arrays)
    return path


def test_a_npy_file_of_images_is_read(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, COLOUR)
    table = read_array_file(path)
    np.testing.assert_array_equal(decoded(table, channels=3), COLOUR)
    assert table.origin == str(path)


def test_files_of_numpy_that_hold_a_table_are_left_to_the_reader_of_tables(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 2)))
    assert read_array_file(tmp_path / "x.npy") is None
    assert read_array_file(save(tmp_path / "a.npz", X=np.zeros((3, 2)), y=np.zeros(3))) is None
    assert read_array_file(save(tmp_path / "b.npz", weights=GREY, bias=GREY)) is None
    assert read_array_file(save(tmp_path / "c.npz")) is None
    (tmp_path / "d.npy").write_bytes(b"\x93NUMPY junk")
    assert read_array_file(tmp_path / "d.npy") is None


@pytest.mark.parametrize(
    ("names", "target"),
    [
        (("X", "y"), "y"),
        (("x", "Y"), "y"),
        (("images", "labels"), "label"),
        (("X", None), None),
        (("faces", None), None),
    ],
)
def test_one_array_of_images_with_or_without_its_labels_is_read(tmp_path, names, target):
    arrays = {names[0]: GREY} | ({names[1]: LABELS} if names[1] else {})
    table = read_array_file(save(tmp_path / "x.npz", **arrays))
    np.testing.assert_array_equal(decoded(table)[..., 0], GREY)
    assert table.target == target
    assert target is None or table.frame[target].to_list() == LABELS.tolist()
    assert table.part is None


@pytest.mark.parametrize("names", ["x_{} y_{}", "X_{} y_{}", "{}_images {}_labels"])
@pytest.mark.parametrize("valid", ["valid", "val", "validation"])
def test_the_parts_that_the_file_names_are_kept(tmp_path, names, valid):
    x, y = names.split()
    pieces = {"test": slice(5, 6), valid: slice(3, 5), "train": slice(0, 3)}
    arrays = {x.format(part): GREY[rows] for part, rows in pieces.items()}
    arrays |= {y.format(part): LABELS[rows, None].astype(np.uint8) for part, rows in pieces.items()}
    table = read_array_file(save(tmp_path / "x.npz", **arrays))
    assert table.part.tolist() == [0, 0, 0, 1, 1, 2]
    assert table.part.dtype == np.int8
    assert table.frame["label"].to_list() == LABELS.tolist()
    np.testing.assert_array_equal(decoded(table)[..., 0], GREY)


def test_a_single_part_is_split_as_any_data(tmp_path):
    table = read_array_file(save(tmp_path / "x.npz", x_train=GREY, y_train=LABELS))
    assert table.part is None
    assert table.target == "label"


def test_parts_without_any_labels_have_no_target(tmp_path):
    table = read_array_file(save(tmp_path / "x.npz", x_train=GREY, x_test=GREY[:2]))
    assert table.target is None
    assert table.part.tolist() == [0] * 6 + [2] * 2


def test_a_part_without_labels_beside_one_with_them_is_refused(tmp_path):
    path = save(tmp_path / "x.npz", x_train=GREY, y_train=LABELS, x_test=GREY)
    with pytest.raises(DataError, match="labels for every part or for none; got 2 parts and 1 with labels"):
        read_array_file(path)


def test_parts_of_several_sizes_are_refused(tmp_path):
    path = save(tmp_path / "x.npz", x_train=GREY, x_test=GREY[:, :4])
    with pytest.raises(DataError, match=r"one shape in all parts; got \(5, 4\) and \(4, 4\)"):
        read_array_file(path)


@pytest.mark.parametrize("labels", [LABELS[:4], np.zeros((6, 3), int)])
def test_a_number_of_labels_that_differs_is_refused(tmp_path, labels):
    path = save(tmp_path / "x.npz", x_train=GREY, y_train=labels, x_test=GREY, y_test=LABELS)
    with pytest.raises(DataError, match=r"one label for each of its 6 images; got labels of shape \([46],"):
        read_array_file(path)


def test_arrays_beside_images_and_labels_are_refused_by_name(tmp_path):
    path = save(tmp_path / "x.npz", X=GREY, y=LABELS, weights=LABELS)
    with pytest.raises(DataError, match='needs images and labels and nothing else; it also holds "weights.npy"'):
        read_array_file(path)


def test_python_objects_in_a_file_are_never_unpickled(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, X=np.full((2, 2, 2), None, dtype=object))
    with pytest.raises(DataError, match='array "X.npy", needs numbers or texts; got an array of Python objects'):
        read_array_file(path)


def test_a_damaged_archive_is_refused(tmp_path):
    path = save(tmp_path / "x.npz", X=GREY, y=LABELS)
    content = bytearray(path.read_bytes())
    content[150] ^= 255
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="is damaged"):
        read_array_file(path)
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(DataError, match="is damaged: it cannot be unpacked"):
        read_array_file(path)


def test_an_encrypted_member_is_refused(tmp_path):
    path = save(tmp_path / "x.npz", X=GREY)
    content = path.read_bytes()
    directory = content.index(b"PK\x01\x02")
    local = bytearray(content)
    for flags in (6, directory + 8):
        local[flags] |= 1
    path.write_bytes(bytes(local))
    with pytest.raises(DataError, match="is encrypted; it cannot be read"):
        read_array_file(path)


def test_members_that_unpack_to_more_than_memory_are_refused_before_reading(tmp_path, monkeypatch):
    path = save(tmp_path / "x.npz", x_train=np.zeros((400, 30, 30), np.uint8), x_test=np.zeros((400, 30, 30), np.uint8))
    monkeypatch.setattr("nnzoo.data.limits.memory_bytes", lambda: 500_000)
    with pytest.raises(ResourceError, match="once it is unpacked"):
        read_array_file(path)


def test_a_header_that_promises_far_more_than_the_member_holds_takes_no_memory(tmp_path):
    path = tmp_path / "x.npz"
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (100000, 1000, 1000), }".ljust(117) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(10))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="needs 100000000000 bytes of values, as its header says; got 10"):
            read_array_file(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


# IDX


@pytest.mark.parametrize(
    ("name", "idx"),
    [
        ("train-images-idx3-ubyte", True),
        ("train-images-idx3-ubyte.gz", True),
        ("t10k-images.idx3-ubyte", True),
        ("emnist-letters-test-labels-idx1-ubyte.GZ", True),
        ("digits.idx", True),
        ("idx.csv", False),
        ("images.gz", False),
        ("midx3", False),
    ],
)
def test_names_tell_idx_files(name, idx):
    assert is_idx_name(name) is idx


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("other_packed", ["", ".gz"])
@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "my.images.idx3", "TRAIN-IMAGES-IDX3-UBYTE", "image.idx3"])
def test_the_labels_of_an_idx_file_are_found_beside_it(tmp_path, name, packed, other_packed):
    beside = name.replace("image", "label").replace("IMAGE", "LABEL").replace("idx3", "idx1").replace("IDX3", "IDX1")
    write_idx(tmp_path / (beside + other_packed), LABELS)
    table = read_array_file(write_idx(tmp_path / (name + packed), GREY))
    assert table.frame["label"].to_list() == LABELS.tolist()
    assert table.frame["label"].dtype == pl.Int64
    assert table.target == "label"
    np.testing.assert_array_equal(decoded(table)[..., 0], GREY)


def test_an_idx_file_alone_has_no_target(tmp_path):
    table = read_array_file(write_idx(tmp_path / "t10k-images-idx3-ubyte", GREY))
    assert (table.target, table.part) == (None, None)
    assert table.frame.columns == ["image"]


def test_idx_files_of_colour_images_are_read(tmp_path):
    table = read_array_file(write_idx(tmp_path / "images-idx4-ubyte", COLOUR))
    np.testing.assert_array_equal(decoded(table, channels=3), COLOUR)


def test_idx_labels_in_place_of_images_are_refused(tmp_path):
    path = write_idx(tmp_path / "train-labels-idx1-ubyte", LABELS)
    with pytest.raises(DataError, match="needs images, 3 or 4 dimensions; its header says 1: it may be the labels"):
        read_array_file(path)


def test_idx_labels_that_differ_in_number_are_refused_by_their_name(tmp_path):
    write_idx(tmp_path / "train-labels-idx1-ubyte", LABELS[:5])
    path = write_idx(tmp_path / "train-images-idx3-ubyte", GREY)
    with pytest.raises(DataError, match=r"labels-idx1-ubyte needs one label for each of its 6 images; got .*\(5,\)"):
        read_array_file(path)


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("test", ["t10k", "test"])
def test_a_folder_of_four_idx_files_says_train_and_test(tmp_path, packed, test):
    for name, rows in (("train", slice(0, 4)), (test, slice(4, 6))):
        write_idx(tmp_path / f"{name}-images-idx3-ubyte{packed}", GREY[rows])
        write_idx(tmp_path / f"{name}-labels-idx1-ubyte{packed}", LABELS[rows])
    (tmp_path / "README").write_text("x")
    table = read_idx_folder(tmp_path)
    assert table.part.tolist() == [0, 0, 0, 0, 2, 2]
    assert table.frame["label"].to_list() == LABELS.tolist()
    assert table.origin == str(tmp_path)
    np.testing.assert_array_equal(decoded(table)[..., 0], GREY)


def test_a_file_that_lies_there_packed_and_unpacked_is_read_once(tmp_path):
    write_idx(tmp_path / "train-images-idx3-ubyte", GREY)
    write_idx(tmp_path / "train-images-idx3-ubyte.gz", GREY)
    table = read_idx_folder(tmp_path)
    assert len(table.images) == 6
    assert table.part is None


def test_a_folder_without_idx_files_is_left_to_other_readers(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "images.csv").write_text("a")
    assert read_idx_folder(tmp_path) is None


def test_a_folder_of_several_sets_is_refused_with_their_names(tmp_path):
    write_idx(tmp_path / "letters-train-images-idx3-ubyte", GREY)
    write_idx(tmp_path / "digits-train-images-idx3-ubyte", GREY)
    with pytest.raises(DataError, match='one file of images for each part.*"digits-train.*", "letters-train.*Give one'):
        read_idx_folder(tmp_path)


def test_A21_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="was not found"):
        read_array_file(tmp_path / "train-images-idx3-ubyte")
