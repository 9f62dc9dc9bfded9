"""Images from files: how a folder is read, what is left out and why, odd names, one decoding pass."""

import io
import os
import struct
import time
import tracemalloc
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from nnzoo.data import images as images_module
from nnzoo.data import limits
from nnzoo.data.imagefiles import (
    Images,
    ImageTable,
    check_rejects,
    path_column,
    read_image_folder,
    read_image_paths,
    read_image_table,
)
from nnzoo.data.pixelrule import PixelRule
from nnzoo.data.rawtable import Reject
from nnzoo.data.tables import read_table
from nnzoo.errors import DataError, ResourceError, SchemaError

GREY = PixelRule(6, 5, 1, "as the test wants")


def content(value=0, form="PNG", mode="L", size=(5, 6)):
    stream = io.BytesIO()
    Image.new(mode, size, value).save(stream, form)
    return stream.getvalue()


def put(root, files):
    """Write files: a name gets the bytes, or a grey PNG of the number."""
    for name, what in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(what if isinstance(what, bytes) else content(what))
    return root


def two_classes(root, n_each=20, **more):
    names = {f"{label}/{i:02d}.png": 10 * place + i for place, label in enumerate("ab") for i in range(n_each)}
    return put(root, names | more)


def files_of(table):
    return table.frame["file"].to_list()


def labels_of(table):
    return table.frame["label"].to_list()


def first_pixels(table, rule=GREY):
    pixels, bad = table.images.decode(rule)
    assert bad == {}
    return pixels[:, 0, 0, 0].tolist()


def reasons(table):
    return {reject.file: reject.reason for reject in table.rejects}


def findings(table):
    return {finding.topic: (finding.level, finding.message) for finding in table.findings}


# A folder of classes.


def test_a_folder_gives_file_and_label_in_the_order_of_the_names(tmp_path):
    put(tmp_path, {"dog/a.png": 3, "dog/B.png": 2, "cat/deep/er/z.png": 1, "cat/B.png": 0})
    table = read_image_folder(tmp_path)
    assert isinstance(table, ImageTable)
    assert files_of(table) == ["cat/B.png", "cat/deep/er/z.png", "dog/B.png", "dog/a.png"]
    assert labels_of(table) == ["cat", "cat", "dog", "dog"]
    assert table.frame.schema == {"file": pl.String, "label": pl.String}
    assert table.target == "label"
    assert table.rows.tolist() == [1, 2, 3, 4]
    assert table.rows.dtype == np.int64
    assert table.part is None
    assert table.rejects == []
    assert table.findings == []
    assert table.origin.endswith(tmp_path.name)
    assert first_pixels(table) == [0, 1, 2, 3]


def test_the_headers_tell_sizes_and_modes_and_take_keeps_the_order_given(tmp_path):
    put(tmp_path, {"a/1.png": content(7, size=(4, 9)), "b/2.jpg": content((1, 2, 3), "JPEG", "RGB", (8, 2))})
    images: Images = read_image_folder(tmp_path).images
    assert len(images) == 2
    assert images.heights.tolist() == [9, 2]
    assert images.widths.tolist() == [4, 8]
    assert images.modes == ["L", "RGB"]
    assert images.dtype == np.uint8
    swapped = images.take(np.array([1, 0, 0]))
    assert swapped.heights.tolist() == [2, 9, 9]
    assert swapped.content_hashes() == [images.content_hashes()[i] for i in (1, 0, 0)]
    assert swapped.decode(GREY)[0][1:].max() == 7


def test_copies_have_equal_hashes_and_other_files_have_others(tmp_path):
    put(tmp_path, {"a/1.png": 1, "a/2.png": 2, "b/copy.png": 1})
    first, second, copy = read_image_folder(tmp_path).images.content_hashes()
    assert first == copy != second
    assert len(first) == 32


def test_the_fingerprint_is_of_names_and_contents_and_of_nothing_else(tmp_path):
    def fingerprint(name, files):
        return read_image_folder(put(tmp_path / name, files)).fingerprint

    files = {"a/1.png": 1, "b/2.png": 2}
    first = fingerprint("one", files)
    os.utime(put(tmp_path / "two", dict(reversed(files.items()))) / "a/1.png", (1, 1))
    assert read_image_folder(tmp_path / "two").fingerprint == first
    assert fingerprint("three", {"a/1.png": 1, "b/2.png": 3}) != first
    assert fingerprint("four", {"a/1.png": 1, "c/2.png": 2}) != first
    assert fingerprint("five", {"a/1.png": 2, "b/2.png": 1}) != first
    assert len(first) == 64


def test_train_valid_and_test_folders_are_respected(tmp_path):
    put(tmp_path, {"train/x/1.png": 1, "train/y/2.png": 2, "val/x/3.png": 3, "val/y/4.png": 4, "test/y/5.png": 5})
    table = read_image_folder(tmp_path)
    assert files_of(table) == ["test/y/5.png", "train/x/1.png", "train/y/2.png", "val/x/3.png", "val/y/4.png"]
    assert table.part is not None
    assert table.part.dtype == np.int8
    assert table.part.tolist() == [2, 0, 0, 1, 1]
    assert labels_of(table) == ["y", "x", "y", "x", "y"]
    assert table.findings == []


@pytest.mark.parametrize(("train", "other", "part"), [("Training", "TESTING", 2), ("TRAIN", "Validation", 1)])
def test_other_common_names_of_the_parts_are_known(tmp_path, train, other, part):
    table = read_image_folder(put(tmp_path, {f"{train}/x/1.png": 1, f"{train}/y/2.png": 2, f"{other}/x/3.png": 3}))
    found = {} if table.part is None else dict(zip(files_of(table), table.part.tolist(), strict=True))
    assert found == {f"{train}/x/1.png": 0, f"{train}/y/2.png": 0, f"{other}/x/3.png": part}


def test_a_train_folder_alone_holds_the_classes_and_sets_no_split(tmp_path):
    table = read_image_folder(put(tmp_path, {"train/x/1.png": 1, "train/y/2.png": 2}))
    assert labels_of(table) == ["x", "y"]
    assert table.part is None


def test_classes_may_be_called_train_and_plane(tmp_path):
    table = read_image_folder(put(tmp_path, {"train/1.png": 1, "plane/2.png": 2}))
    assert labels_of(table) == ["plane", "train"]


def test_a_folder_beside_train_and_test_is_left_out_and_named(tmp_path):
    put(tmp_path, {"train/x/1.png": 1, "train/y/2.png": 2, "test/x/3.png": 3, "more/4.png": 4})
    table = read_image_folder(tmp_path)
    assert len(table.rows) == 3
    level, message = findings(table)["folders left out"]
    assert level == "warning"
    assert message.endswith('is split into train, valid and test; left out beside them: "more".')


# B5: classes.


def test_B5_a_folder_without_class_folders_is_refused(tmp_path):
    put(tmp_path, {"1.png": 1, "2.png": 2})
    with pytest.raises(SchemaError, match=r"one sub-folder for each class.*got no sub-folder\. Sort the images"):
        read_image_folder(tmp_path)


def test_B5_a_part_without_class_folders_is_refused_by_its_name(tmp_path):
    put(tmp_path, {"train/x/1.png": 1, "test/2.png": 2})
    with pytest.raises(SchemaError, match='folder "test" needs one sub-folder for each class'):
        read_image_folder(tmp_path)


def test_B5_one_class_is_a_warning(tmp_path):
    table = read_image_folder(put(tmp_path, {"cats/1.png": 1, "cats/2.png": 2}))
    level, message = findings(table)["one class"]
    assert level == "warning"
    assert message.endswith('has images of one class, "cats": every prediction will be this one.')


def test_B5_an_empty_class_is_a_warning_also_if_its_files_cannot_be_used(tmp_path):
    two_classes(tmp_path, **{"c/broken.png": b"no image"})
    (tmp_path / "D").mkdir()
    table = read_image_folder(tmp_path)
    assert set(labels_of(table)) == {"a", "b"}
    level, message = findings(table)["empty class"]
    assert level == "warning"
    assert message == 'Class folders "D", "c" hold no image: such a class is never predicted.'


def test_B5_hidden_files_and_a_stated_list_are_left_alone(tmp_path):
    left_alone = {
        ".hidden.png": b"x",
        ".git/config": b"x",
        "a/.DS_Store": b"x",
        "a/._00.png": b"x",
        "a/Thumbs.db": b"x",
        "b/desktop.ini": b"x",
        "__MACOSX/a/00.png": b"x",
        "labels.csv": b"x",
        "README": b"x",
        "a/notes.TXT": b"x",
        "best.nnzoo.run/plot.png": 9,
        "model.nnzoo": b"x",
    }
    table = read_image_folder(two_classes(tmp_path, **left_alone))
    assert len(table.rows) == 40
    assert set(labels_of(table)) == {"a", "b"}
    assert table.rejects == []
    assert findings(table) == {
        "files left alone": ("note", "8 files or folders were left alone as no images, by their names.")
    }


def test_B5_hidden_files_alone_are_not_worth_a_note(tmp_path):
    assert read_image_folder(two_classes(tmp_path, **{".cache": b"x"})).findings == []


def test_B5_images_beside_the_class_folders_are_rejected(tmp_path):
    table = read_image_folder(two_classes(tmp_path, **{"stray.png": 1, "unknown.bin": b"x"}))
    assert table.rejects == [Reject(None, None, "lies beside the class folders", "stray.png")]


@pytest.mark.parametrize("need_labels", [True, False])
def test_B5_a_folder_without_any_image_is_refused(tmp_path, need_labels):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with pytest.raises(DataError, match=r"needs at least one image; got none\."):
        read_image_folder(tmp_path, need_labels=need_labels)


def test_without_need_of_labels_flat_images_have_none_and_are_read_at_any_depth(tmp_path):
    table = read_image_folder(put(tmp_path, {"1.png": 1, "deep/2.png": 2}), need_labels=False)
    assert files_of(table) == ["1.png", "deep/2.png"]
    assert table.frame.columns == ["file"]
    assert table.target is None
    assert table.findings == []


def test_without_need_of_labels_class_folders_still_give_them(tmp_path):
    table = read_image_folder(put(tmp_path, {"x/1.png": 1, "y/2.png": 2}), need_labels=False)
    assert labels_of(table) == ["x", "y"]


# B1: damaged files.


def test_B1_a_damaged_image_is_a_reject_with_its_path_and_nothing_stands_in_for_it(tmp_path):
    two_classes(tmp_path, **{"a/05.png": content(5)[:-20]})
    table = read_image_folder(tmp_path)
    assert table.rejects == [Reject(6, None, "is cut off", "a/05.png")]
    assert len(table.rows) == 39
    assert 6 not in table.rows
    assert "a/05.png" not in files_of(table)
    assert first_pixels(table)[:6] == [0, 1, 2, 3, 4, 6]


def test_B1_more_than_5_percent_are_an_error_that_names_count_and_first(tmp_path):
    two_classes(tmp_path, **{"a/07.png": b"", "b/01.png": b"<svg/>", "b/02.png": b""})
    with pytest.raises(
        DataError, match=r'95 % usable images; 3 of 40 cannot be used, the first, "a/07\.png": it is empty'
    ):
        read_image_folder(tmp_path)


def test_B1_exactly_5_percent_are_not_too_many(tmp_path):
    two_classes(tmp_path, **{"a/07.png": b"", "b/01.png": b""})
    assert len(read_image_folder(tmp_path).rejects) == 2


def test_B1_damage_that_only_decoding_finds_is_told_by_place_and_leaves_zeros(tmp_path):
    cut = content(200, "BMP")[:-4]
    table = read_image_folder(put(tmp_path, {"a/1.png": 9, "a/2.bmp": cut, "b/3.png": 9}))
    assert table.rejects == []
    pixels, bad = table.images.decode(GREY)
    assert bad == {1: "is cut off"}
    assert pixels[1].max() == 0
    assert pixels[[0, 2]].min() == 9


@pytest.mark.parametrize("threads", [None, 3])
def test_B1_a_file_that_changes_after_its_header_was_read_is_bad(tmp_path, threads):
    table = read_image_folder(put(tmp_path, {"a/1.png": 1, "a/2.png": 2, "b/3.png": 3}))
    put(tmp_path, {"a/2.png": 4})
    (tmp_path / "b/3.png").unlink()
    pixels, bad = table.images.decode(GREY, threads=threads)
    assert bad == {1: "changed while it was read", 2: "was not found"}
    assert pixels[:, 0, 0, 0].tolist() == [1, 0, 0]


# B2, B3: content.


def test_B2_a_bomb_is_a_reject_and_no_warning_is_seen(tmp_path):
    frame = b"," + struct.pack("<HHHHB", 0, 0, 10_000, 9_000, 0) + b"\x02\x02\x4c\x01\0;"  # Pillow warns of its size
    gif = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6) + frame
    two_classes(tmp_path, **{"a/bomb.png": content(0, "PNG", "1", (10_000, 9_000)), "b/bomb.gif": gif})
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        table = read_image_folder(tmp_path)
        assert reasons(table) == {
            "a/bomb.png": "has 9,000 x 10,000 pixels; at most 25,000,000 are read",
            "b/bomb.gif": "has far more pixels than its header says",
        }
        table.images.decode(GREY)
    assert shown == []


def test_B2_the_limit_of_pixels_can_be_set_and_holds_for_decoding(tmp_path):
    two_classes(tmp_path, **{"a/large.png": content(1, size=(7, 6))})
    assert reasons(read_image_folder(tmp_path, max_pixels=41)) == {
        "a/large.png": "has 6 x 7 pixels; at most 41 are read"
    }
    table = read_image_folder(tmp_path, max_pixels=42)
    assert table.images.decode(GREY)[1] == {}
    assert table.images.take(np.array([0])).max_pixels == 42


def test_B3_the_content_decides_whatever_the_name_says(tmp_path):
    two_classes(
        tmp_path, **{"a/photo.png": content(90, "JPEG"), "a/drawing.png": b"<svg></svg>", "b/noname": content(3)}
    )
    table = read_image_folder(tmp_path)
    assert reasons(table) == {"a/drawing.png": "is SVG, not one of PNG, JPEG, BMP, GIF, WEBP"}
    assert {"a/photo.png", "b/noname"} <= set(files_of(table))


# B6, A20: odd names, odd files.


def test_B6_names_are_bytes_and_shown_escaped(tmp_path):
    names = [
        b"a\nb.png",
        b"..png",
        b"..\xff.png",
        b"\xe2\x80\xaegnp.exe",
        b"x" * 251 + b".png",
        b"=1+2.png",
        b"\xc3\xa9.png",
    ]
    for folder in (b"one", b"t\xfe\nwo"):
        path = os.path.join(os.fsencode(tmp_path), folder)
        os.mkdir(path)
        for value, name in enumerate(names):
            Path(os.fsdecode(os.path.join(path, name))).write_bytes(content(value))
    table = read_image_folder(tmp_path)
    # names that start with a dot are hidden
    shown = [r"=1+2.png", r"a\nb.png", "x" * 251 + ".png", "é.png", r"\u202egnp.exe"]
    assert files_of(table) == [f"{folder}/{name}" for folder in ("one", r"t\udcfe\nwo") for name in shown]
    assert set(labels_of(table)) == {"one", r"t\udcfe\nwo"}
    assert all(text.isprintable() for text in files_of(table))
    assert first_pixels(table) == [5, 0, 4, 6, 3] * 2
    table.frame.write_csv(io.BytesIO())


def test_B6_an_undecodable_name_of_a_damaged_file_is_shown_escaped(tmp_path):
    two_classes(tmp_path)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/a/\xff\n.png")).write_bytes(b"")
    assert reasons(read_image_folder(tmp_path)) == {r"a/\udcff\n.png": "is empty (0 bytes)"}


def test_B6_loops_of_links_end_and_links_to_images_are_followed(tmp_path):
    two_classes(tmp_path, n_each=60)
    (tmp_path / "a/loop.png").symlink_to("loop.png")
    (tmp_path / "a/up").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "a/inner").mkdir()
    (tmp_path / "a/inner/again").symlink_to("..", target_is_directory=True)
    (tmp_path / "b/gone.png").symlink_to("nowhere.png")
    (tmp_path / "b/link.png").symlink_to("../a/00.png")
    (tmp_path / "c").symlink_to("b", target_is_directory=True)
    table = read_image_folder(tmp_path)
    assert set(reasons(table)) == {"a/loop.png", "a/up", "a/inner/again", "b/gone.png", "c/gone.png"}
    assert reasons(table)["a/loop.png"] == "cannot be opened: too many levels of symbolic links"
    assert reasons(table)["a/up"] == "leads to a folder that is read already"
    assert reasons(table)["b/gone.png"] == "was not found"
    assert labels_of(table).count("a") == 60
    assert labels_of(table).count("c") == labels_of(table).count("b") == 61


def test_A20_a_pipe_and_a_device_among_the_images_are_rejects_at_once(tmp_path):
    two_classes(tmp_path)
    os.mkfifo(tmp_path / "a/pipe.png")
    (tmp_path / "b/zero.png").symlink_to("/dev/zero")
    assert reasons(read_image_folder(tmp_path)) == {
        "a/pipe.png": "needs to be a regular file; it is a pipe",
        "b/zero.png": "needs to be a regular file; it is a device",
    }


def test_a_folder_that_cannot_be_opened_is_a_reject(tmp_path, monkeypatch):
    two_classes(tmp_path, **{"a/locked/1.png": 1})
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert reasons(read_image_folder(tmp_path)) == {"a/locked": "cannot be opened: permission denied"}


def test_A21_what_is_no_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="needs to be a folder of images; there is no such folder"):
        read_image_folder(tmp_path / "nowhere")
    put(tmp_path, {"photo.png": 1})
    with pytest.raises(DataError, match=r"photo\.png needs to be a folder of images; it is a file"):
        read_image_folder(tmp_path / "photo.png")


# Decoding.


def test_the_number_of_threads_makes_no_difference(tmp_path):
    table = read_image_folder(put(tmp_path, {f"{i % 3}/{i}.png": i for i in range(100)}))
    alone, several = (table.images.decode(GREY, threads=n) for n in (1, 4))
    np.testing.assert_array_equal(alone[0], several[0])
    assert alone[1] == several[1] == {}
    assert alone[0].shape == (100, 6, 5, 1)
    assert alone[0].dtype == np.uint8


def test_threads_are_used_where_images_are_large(tmp_path, monkeypatch):
    used = []

    def pool(threads):
        used.append(threads)
        return real(threads)

    real = images_module.ThreadPoolExecutor
    monkeypatch.setattr(images_module, "ThreadPoolExecutor", pool)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    table = read_image_folder(put(tmp_path, {"a/1.png": 1, "b/2.png": 2}))
    table.images.decode(GREY)
    assert used == []
    large = put(tmp_path / "large", {"a/1.png": content(1, size=(200, 200)), "b/2.png": content(2, size=(99, 99))})
    expected = read_image_folder(large).images.decode(GREY)[0][:, 0, 0, 0].tolist()
    assert used == [8]
    assert expected == [1, 2]


def test_pixels_that_do_not_fit_into_memory_are_refused_before_they_are_allocated(tmp_path, monkeypatch):
    table = read_image_folder(put(tmp_path, {"a/1.png": 1, "b/2.png": 2}))
    monkeypatch.setattr(limits, "memory_bytes", lambda: 59)
    with pytest.raises(ResourceError, match=rf"{tmp_path.name} needs about"):
        table.images.decode(GREY)
    monkeypatch.setattr(limits, "memory_bytes", lambda: 60)
    assert table.images.decode(GREY)[1] == {}


def test_indexing_and_decoding_never_hold_the_files_of_a_folder(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "BMP")
    put(tmp_path, {f"{i % 2}/{i}.bmp": stream.getvalue() for i in range(40)})
    n_bytes = len(stream.getvalue())
    tracemalloc.start()
    try:
        table = read_image_folder(tmp_path)
        table.images.decode(GREY, threads=2)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 * n_bytes


@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_ends_decoding_early(tmp_path, monkeypatch, threads):
    table = read_image_folder(put(tmp_path, {f"{i % 2}/{i:03d}.png": 1 for i in range(600)}))
    n_decoded = 0

    def interrupted(*_, **__):
        nonlocal n_decoded
        n_decoded += 1
        if n_decoded == 1:
            raise KeyboardInterrupt
        time.sleep(0.001)
        return 0

    monkeypatch.setattr(images_module, "decode", interrupted)
    with pytest.raises(KeyboardInterrupt, match="^$"):
        table.images.decode(GREY, threads=threads)
    assert n_decoded < 300


# A table of paths, single files.


def table_of(folder, text):
    (folder / "list.csv").write_text(text)
    return read_table(folder / "list.csv")


def test_a_table_with_paths_keeps_its_columns_and_brings_the_images(tmp_path):
    put(tmp_path, {"in/1.png": 1, "in/2.png": 2})
    put(tmp_path.parent, {f"{tmp_path.name}-beside.png": 3})
    absolute = tmp_path / "in/2.png"
    source = table_of(tmp_path, f"photo,kind,age\nin/1.png,x,4\n{absolute},y,\n../{tmp_path.name}-beside.png,x,6\n")
    table = read_image_table(source, "photo", tmp_path)
    assert table.frame.equals(source.frame)
    assert table.rows.tolist() == [1, 2, 3]
    assert table.origin == source.origin
    assert first_pixels(table) == [1, 2, 3]
    assert len(table.fingerprint) == 64
    put(tmp_path, {"in/1.png": 9})
    assert read_image_table(source, "photo", tmp_path).fingerprint != table.fingerprint


def test_a_row_whose_image_cannot_be_used_is_a_reject_with_row_and_path(tmp_path):
    names = [f"{i}.png" for i in range(60)]
    put(tmp_path, dict.fromkeys(names, 5) | {"7.png": b"GIF"})
    lines = "\n".join(f"{name},{i}" for i, name in enumerate(names[:-2]))
    source = table_of(tmp_path, f"photo,n\n{lines}\nnowhere.png,58\n,59\n")
    earlier = Reject(1, 2, "has 3 cells")
    source = replace(source, rows=source.rows + 1, rejects=[earlier])
    table = read_image_table(source, "photo", tmp_path)
    assert table.rejects == [
        earlier,
        Reject(9, None, "is text, not one of PNG, JPEG, BMP, GIF, WEBP", "7.png"),
        Reject(60, None, "was not found", "nowhere.png"),
        Reject(61, None, "has no path", ""),
    ]
    assert len(table.rows) == len(table.frame) == len(table.images) == 57
    assert table.rows.tolist() == [n for n in range(2, 60) if n != 9]


def test_a_table_whose_paths_lead_nowhere_is_refused_with_the_folder_they_start_from(tmp_path):
    source = table_of(tmp_path, "photo,n\na.png,1\nb.png,2\n")
    with pytest.raises(
        DataError,
        match=r'column "photo" needs at least 95 % usable images; 2 of 2 cannot be used, the first, "a\.png": '
        r"it was not found\. Paths are relative to the folder of the table: .*elsewhere",
    ):
        read_image_table(source, "photo", tmp_path / "elsewhere")


def test_a_table_without_rows_is_refused(tmp_path):
    with pytest.raises(DataError, match="needs at least one row"):
        read_image_table(table_of(tmp_path, "photo,n\n"), "photo", tmp_path)


def test_B6_a_path_with_a_nul_is_a_reject(tmp_path):
    put(tmp_path, {f"{i}.png": 1 for i in range(30)})
    frame = pl.DataFrame({"photo": ["a\0b.png", *(f"{i}.png" for i in range(30))]})
    table = read_image_table(read_table(frame), "photo", tmp_path)
    assert reasons(table) == {r"a\x00b.png": "cannot be the name of a file: embedded null byte"}


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"p": ["a.png", None, "b.JPEG"], "n": [1, 2, 3]}, "p"),
        ({"p": ["a.png", "b.jpg", "c.gif", "d.webp", "e.bmp", "f.Png"]}, "p"),
        ({"p": ["a.png", "b.txt"]}, None),
        ({"p": ["a.png", ""]}, None),
        ({"p": ["a.png"], "q": ["b.png"]}, None),
        ({"p": pl.Series([None, None], dtype=pl.String)}, None),
        ({"p": [1, 2]}, None),
        ({}, None),
    ],
)
def test_the_column_of_paths_is_the_only_one_whose_every_value_ends_like_an_image(columns, found):
    assert path_column(pl.DataFrame(columns)) == found


def test_single_files_are_read_in_the_order_given(tmp_path):
    put(tmp_path, {"b.png": 2, "a.png": 1})
    given = [tmp_path / "b.png", str(tmp_path / "a.png")]
    table = read_image_paths(given)
    assert files_of(table) == [str(path) for path in given]
    assert table.target is None
    assert table.rows.tolist() == [1, 2]
    assert first_pixels(table) == [2, 1]
    assert table.origin == "2 files"
    assert read_image_paths(given[:1]).origin.endswith("b.png")


def test_a_single_file_that_cannot_be_used_is_an_error_of_its_own(tmp_path):
    put(tmp_path, {"page.png": b"<html>"})
    with pytest.raises(DataError, match=r"needs to be an image that can be read; it is HTML"):
        read_image_paths([tmp_path / "page.png"])
    with pytest.raises(DataError, match=r"it was not found\. Replace it"):
        read_image_paths([tmp_path / "nowhere.png"])
    with pytest.raises(DataError, match="it needs to be a regular file; it is a directory"):
        read_image_paths([tmp_path])


def test_no_file_at_all_is_refused():
    with pytest.raises(DataError, match="Images need at least one file; got none"):
        read_image_paths([])


def test_rejects_are_judged_against_all_images():
    bad = [Reject(1, None, "is cut off", "a.png")]
    check_rejects("photos", bad, 20)
    check_rejects("photos", [], 0)
    with pytest.raises(DataError, match=r'photos needs .* 1 of 19 cannot be used, the first, "a\.png": it is cut off'):
        check_rejects("photos", bad, 19)
    with pytest.raises(DataError, match=r'^"a\.png" needs to be an image that can be read; it is cut off\. Try'):
        check_rejects("photos", bad, 1, "Try another.")
