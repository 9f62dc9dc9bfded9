"""Reading tables: delimited text, its faults, chunks and files that change; other sources stand in the files beside."""

import codecs
import csv
import gzip
import hashlib
import io
import os
import subprocess
import sys
import textwrap

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnzoo.data import delimited, limits, opening
from nnzoo.data.rowscan import find_rows
from nnzoo.data.tables import Reject, read_chunks, read_table
from nnzoo.errors import DataError, ResourceError, SchemaError, UsageError


def write(folder, content, name="train.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(folder, content, name="train.csv", **options):
    return read_table(write(folder, content, name), **options)


def rows_of(table):
    return table.frame.rows()


def chunked(path, n_rows=256, **options):
    chunks = list(read_chunks(path, n_rows=n_rows, **options))
    frame = pl.concat([chunk.frame for chunk in chunks])
    rejects = [reject for chunk in chunks for reject in chunk.rejects]
    return frame, np.concatenate([chunk.rows for chunk in chunks]), rejects


# What comes in well.


def test_every_cell_of_a_csv_is_text_and_an_empty_one_is_null(tmp_path):
    table = read(tmp_path, 'a,b,c\n1,,x\n"",02,NA\n')
    assert table.frame.schema == {"a": pl.String, "b": pl.String, "c": pl.String}
    assert rows_of(table) == [("1", None, "x"), (None, "02", "NA")]
    assert table.rows.tolist() == [1, 2]
    assert table.rows.dtype == np.int64
    assert table.rejects == []
    assert table.target is None


def test_the_fingerprint_of_a_file_is_the_hash_of_its_bytes_as_stored(tmp_path):
    content = b"a,b\n1,2\n"
    for name, stored in (("a.csv", content), ("a.csv.gz", gzip.compress(content, mtime=0)), ("a.jsonl", b'{"a":1}\n')):
        table = read_table(write(tmp_path, stored, name))
        assert table.fingerprint == hashlib.sha256(stored).hexdigest()


def test_the_origin_is_the_file_as_given(tmp_path, monkeypatch):
    write(tmp_path, "a\n1\n")
    monkeypatch.chdir(tmp_path)
    assert read_table("train.csv").origin == "train.csv"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found_in_the_header(tmp_path, separator):
    content = f'a{separator}"b{separator};,|"{separator}c\n1{separator}2{separator}3\n'
    assert rows_of(read(tmp_path, content)) == [("1", "2", "3")]


def test_a_tsv_is_cut_at_tabs_only(tmp_path):
    assert rows_of(read(tmp_path, "a,b\tc,d,e\n1\t2,3\n", "train.tsv")) == [("1", "2,3")]


def test_one_column_needs_no_separator(tmp_path):
    assert rows_of(read(tmp_path, 'a\n1\n""\n3\n', "train.txt")) == [("1",), (None,), ("3",)]


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1,2\n3,4\n",
        "a,b\r\n1,2\r\n3,4\r\n",
        "a,b\n1,2\n3,4",
        "a,b\r\n1,2\r\n3,4\r",
        "a,b\r1,2\r3,4\r".replace("\r", "\r\n").removesuffix("\n"),
        "\n\r\na,b\n\n1,2\n\n\r\n3,4\n\n",
    ],
)
def test_line_ends_and_blank_lines_change_nothing(tmp_path, content):
    table = read(tmp_path, content)
    assert rows_of(table) == [("1", "2"), ("3", "4")]
    assert table.rows.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_A3_byte_order_marks_are_honoured(tmp_path, monkeypatch, mark, encoding, packed):
    monkeypatch.setattr(opening, "PIECE_BYTES", 7)  # characters straddle the pieces
    content = mark + "größe,名前\n1,𝄞é\n2,ß\n".encode(encoding)
    table = read(
        tmp_path, gzip.compress(content, mtime=0) if packed else content, "train.csv.gz" if packed else "train.csv"
    )
    assert table.frame.columns == ["größe", "名前"]
    assert rows_of(table) == [("1", "𝄞é"), ("2", "ß")]


def test_quoted_cells_hold_separators_line_ends_and_quotes(tmp_path):
    table = read(tmp_path, 'a,b\n"x,1\r\n2\n",3\n"say ""hi""","\n"\n""""\n,""""""\n'.replace('""""\n,', '"""",'))
    assert rows_of(table) == [("x,1\r\n2\n", "3"), ('say "hi"', "\n"), ('"', '""')]


def test_a_quote_inside_an_unquoted_cell_is_an_ordinary_character(tmp_path):
    table = read(tmp_path, 'size,what\n5",pipe\r\n6" ,"a ""b"""\nno, "x"\nend,8"\r\nlast,7"')
    assert rows_of(table) == [('5"', "pipe"), ('6" ', 'a "b"'), ("no", ' "x"'), ("end", '8"'), ("last", '7"')]


def test_a_header_may_be_quoted_and_span_lines(tmp_path):
    header = '"a\nb","c ""d"""\n'
    assert read(tmp_path, header + "1,2\n").frame.columns == ["a\nb", 'c "d"']
    with pytest.raises(DataError, match=rf"row 2 \(line 4, byte {len(header) + 4}\)"):
        read(tmp_path, header + "1,2\n3\n")


CELLS = st.text(alphabet=st.sampled_from('ab1, ;"\n\r\té'), max_size=6).map(lambda cell: cell.replace("\r", "\r\n"))


@settings(max_examples=150)
@given(
    rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=8),
    piece=st.integers(1, 40),
    line_end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_the_csv_module_writes_comes_back_whatever_the_pieces(tmp_path_factory, rows, piece, line_end, quoting):
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=line_end, quoting=quoting).writerows([["x", "y", "z"], *rows])
    path = write(tmp_path_factory.mktemp("csv"), out.getvalue())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "PIECE_BYTES", piece)
        table = read_table(path)
    assert rows_of(table) == [tuple(cell or None for cell in row) for row in rows]


LOOSE = st.text(alphabet='a",\n', max_size=40)


@settings(max_examples=300)
@given(text=LOOSE)
def test_rows_end_where_the_csv_module_ends_them_if_nothing_trails_a_quote(text):
    text += "\n"
    rows = find_rows(text.encode(), ord(","))
    if len(rows.trailed) or not len(rows.ends) or rows.ends[-1] != len(text) - 1:
        return  # bad or open rows have no agreed reading
    expected = [max(1, len(row)) for row in csv.reader(io.StringIO(text, newline=""))]
    assert rows.n_cells.tolist() == expected


def test_pieces_of_any_size_give_the_same_table_and_rejects(tmp_path, monkeypatch):
    body = "".join(f'{i},"{"x" * (i % 7)}""\n{i}"\n' + ("\n" if i % 5 == 0 else "") for i in range(200))
    path = write(tmp_path, "a,b\n" + body + "1,2,3\n" + body)
    whole = read_table(path, on_bad_row="skip")
    for n_bytes in (1, 17, 256):
        monkeypatch.setattr(opening, "PIECE_BYTES", n_bytes)
        again = read_table(path, on_bad_row="skip")
        assert again.frame.equals(whole.frame)
        assert again.rejects == whole.rejects
        assert np.array_equal(again.rows, whole.rows)


# A1: nothing in it.


@pytest.mark.parametrize("content", [b"", b"\n\r\n\n", codecs.BOM_UTF8, gzip.compress(b"", mtime=0)])
def test_A1_an_empty_file_is_refused(tmp_path, content):
    name = "train.csv.gz" if content.startswith(b"\x1f") else "train.csv"
    with pytest.raises(DataError, match=r"train\.csv.* needs .*; got .*0 rows"):
        read(tmp_path, content, name)


@pytest.mark.parametrize("content", ["a,b\n", "a,b", '"a","b"\r\n\r\n'])
def test_A1_a_header_alone_gives_0_rows_which_need_rows_refuses(tmp_path, content):
    table = read(tmp_path, content)
    assert table.frame.shape == (0, 2)
    assert table.frame.schema == {"a": pl.String, "b": pl.String}
    with pytest.raises(DataError, match=r"train\.csv needs at least one row of data; got 0 rows\. Add rows"):
        table.need_rows()
    [chunk] = read_chunks(tmp_path / "train.csv")
    assert chunk.frame.schema == table.frame.schema


def test_A1_need_rows_gives_a_table_with_rows_back(tmp_path):
    table = read(tmp_path, "a\n1\n")
    assert table.need_rows() is table


def test_A1_no_row_left_after_skipping_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"needs at least 95 % readable rows; 2 of 2 rows cannot be read, the first on"):
        read(tmp_path, "a,b\n1\n2\n", on_bad_row="skip")


# A2: ragged rows.


@pytest.mark.parametrize(("row", "n_cells"), [("1", 1), ("1,2,3,4", 4), ("1,2,", 3), ('"1,2"', 1)])
def test_A2_a_ragged_row_is_refused_with_row_line_and_byte(tmp_path, row, n_cells):
    content = f'a,b\n"x\ny",2\n\n{row}\n5,6\n'
    place = content.index(f"\n{row}") + 1
    with pytest.raises(
        DataError,
        match=rf"train\.csv, row 2 \(line 5, byte {place}\) needs 2 cells like the header; got {n_cells}\. "
        r'Cells are separated by ","\. Correct the line, or pass on_bad_row="skip" \(--on-bad-row skip\)',
    ):
        read(tmp_path, content)


def test_A2_the_byte_counts_a_byte_order_mark(tmp_path):
    with pytest.raises(DataError, match=r"row 1 \(line 2, byte 7\)"):
        read(tmp_path, codecs.BOM_UTF8 + b"a,b\n1\n")


def test_A2_utf16_text_names_the_line_without_a_byte(tmp_path):
    with pytest.raises(DataError, match=r"row 1 \(line 2\) needs 2 cells"):
        read(tmp_path, codecs.BOM_UTF16_LE + "a,b\n1\n".encode("utf-16-le"))


def test_A2_skipped_rows_are_listed_and_the_others_keep_their_numbers(tmp_path):
    lines = [f"{i},x" for i in range(1, 101)]
    lines[9] = "10"
    lines[39] = '40,"a\nb",c'
    table = read(tmp_path, "a,b\n" + "\n".join(lines) + "\n", on_bad_row="skip")
    assert table.rejects == [
        Reject(10, 11, "needs 2 cells like the header; got 1"),
        Reject(40, 41, "needs 2 cells like the header; got 3"),
    ]
    assert table.frame["a"].to_list() == [str(i) for i in range(1, 101) if i not in (10, 40)]
    assert table.rows.tolist() == [i for i in range(1, 101) if i not in (10, 40)]


def test_A2_more_than_5_percent_of_bad_rows_are_refused(tmp_path):
    good, bad = ["1,2"] * 95, ["1"] * 5
    assert len(read(tmp_path, "a,b\n" + "\n".join(good + bad), on_bad_row="skip").rejects) == 5
    with pytest.raises(DataError, match=r"6 of 100 rows cannot be read, the first on line 96: it needs 2 cells"):
        read(tmp_path, "a,b\n" + "\n".join([*good[1:], *bad, "1"]), on_bad_row="skip")


def test_A2_text_behind_a_closing_quote_is_a_bad_row(tmp_path):
    content = "a,b\n" + '"x"y,2\n' + "3,4\n" * 30
    with pytest.raises(
        DataError, match=r'row 1 \(line 2, byte 4\) needs "," or the end of the line after a closing quote; got text'
    ):
        read(tmp_path, content)
    table = read(tmp_path, content, on_bad_row="skip")
    assert [reject.row for reject in table.rejects] == [1]
    assert table.frame.height == 30


def test_A2_a_carriage_return_inside_a_cell_is_a_bad_row(tmp_path):
    content = 'a,b\n1,"q\r"\n' + "1\r,2\n" + "3,4\r\n" * 30
    with pytest.raises(DataError, match=r"row 2 \(line 3, byte 11\) needs lines that end in a line feed; got a carr"):
        read(tmp_path, content)
    assert [reject.row for reject in read(tmp_path, content, on_bad_row="skip").rejects] == [2]


def test_A2_carriage_returns_as_line_ends_are_refused(tmp_path):
    with pytest.raises(DataError, match="needs lines that end in a line feed; got a carriage return alone in the head"):
        read(tmp_path, "a,b\r1,2\r3,4\r")


@pytest.mark.parametrize("on_bad_row", ["error", "skip"])
def test_A2_a_quote_that_is_never_closed_is_refused_with_its_line(tmp_path, on_bad_row):
    with pytest.raises(DataError, match=r"train\.csv, line 3 needs complete rows; got a quote that is never closed"):
        read(tmp_path, 'a,b\n1,2\n"3,4\n5,6\n', on_bad_row=on_bad_row)


def test_A2_an_open_quote_in_the_header_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"line 1 needs complete rows; got a header that does not end"):
        read(tmp_path, 'a,"b\n1,2\n')
    with pytest.raises(DataError, match=r"line 1 needs complete rows; got a header in which a quote stands in the wro"):
        read(tmp_path, 'a"",""b"",""c\n"",\n1,2\n'.replace('""b""', '"b"x'))


def test_A2_a_row_without_end_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "MAX_ROW_BYTES", 1 << 20)
    monkeypatch.setattr(opening, "PIECE_BYTES", 1 << 18)
    path = write(tmp_path, 'a,b\n1,"' + "x" * (3 << 20))
    with pytest.raises(DataError, match=r"line 2 needs complete rows; got a row longer than 1 MiB"):
        list(read_chunks(path))


def test_a_reader_that_disagrees_with_the_first_pass_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path, "a,b\n1,2\n3,4\n")
    monkeypatch.setattr(delimited.pl, "read_csv", lambda *args, **options: pl.DataFrame({"0": ["1"], "1": ["2"]}))
    with pytest.raises(DataError, match=r"cannot be cut into cells: \d rows were found but 1 read"):
        read_table(path)


# A3: not text.


def test_A3_bytes_that_are_not_utf8_are_refused_with_their_offset(tmp_path, monkeypatch):
    content = "a,b\n1,2\nx,größe\n".encode("latin-1")
    place = content.index(b"\xf6")
    for n_bytes in (1 << 20, 3):
        monkeypatch.setattr(opening, "PIECE_BYTES", n_bytes)
        with pytest.raises(DataError, match=rf"needs text in UTF-8 .*; got the byte 0xf6 at byte offset {place},"):
            read(tmp_path, content)


def test_A3_text_that_ends_inside_a_character_is_refused(tmp_path):
    with pytest.raises(DataError, match="got the byte 0xc3 at byte offset 4"):
        read(tmp_path, b"a\n1\n\xc3")
    with pytest.raises(DataError, match="at byte offset 6, which is not utf-16-le"):
        read(tmp_path, codecs.BOM_UTF16_LE + "a\n".encode("utf-16-le") + b"x")


def test_A3_a_nul_byte_is_refused_with_its_offset(tmp_path, monkeypatch):
    for n_bytes in (1 << 20, 3):
        monkeypatch.setattr(opening, "PIECE_BYTES", n_bytes)
        with pytest.raises(DataError, match=r"needs text; got a NUL byte at byte offset 7: .* UTF-16 without"):
            read(tmp_path, b"a,b\n1,2\x00\n")
        with pytest.raises(DataError, match="NUL byte at byte offset 8"):
            read(tmp_path, codecs.BOM_UTF16_LE + "a\né\0".encode("utf-16-le"))


def test_A3_utf16_without_a_mark_is_refused(tmp_path):
    with pytest.raises(DataError, match="NUL byte at byte offset 1"):
        read(tmp_path, "a,b\n1,2\n".encode("utf-16-le"))


# A4: column names.


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ("a,b,a", '"a" more than once'),
        ("a, a", '"a" more than once'),
        ("a  b,c,a b", '"a b" more than once'),
        ("caf\u00e9,cafe\u0301", '"café" more than once'),
    ],
)
def test_A4_equal_column_names_are_refused(tmp_path, header, named):
    n_columns = header.count(",") + 1
    with pytest.raises(SchemaError, match=rf"train\.csv needs a different name for each column; got {named}"):
        read(tmp_path, f"{header}\n{','.join('1' * n_columns)}\n")


def test_A4_every_repeated_name_and_its_columns_are_listed(tmp_path):
    with pytest.raises(SchemaError, match=r'got "a", "b" more than once \(first in columns 1, 3; spaces'):
        read(tmp_path, "a,b,a,b\n1,2,3,4\n")


@pytest.mark.parametrize("header", [",a,", '"",a," "'])
def test_A4_columns_without_a_name_are_refused(tmp_path, header):
    with pytest.raises(SchemaError, match=r"needs a name for every column; got none for column 1, 3\. .*index=False"):
        read(tmp_path, f"{header}\n1,2,3\n")


def test_A4_names_are_kept_as_they_are(tmp_path):
    assert read(tmp_path, " a ,B\n1,2\n").frame.columns == [" a ", "B"]


# A13: the file changes.


def big(folder, name="train.csv", n_rows=3000):
    return write(folder, "a,b\n" + "".join(f"{i},x\n" for i in range(n_rows)), name)


@pytest.mark.parametrize("change", ["append", "rewrite", "replace"])
def test_A13_a_file_that_changes_while_it_is_read_is_refused(tmp_path, change):
    path = big(tmp_path)
    content = path.read_bytes()
    chunks = read_chunks(path, n_rows=256)
    next(chunks)
    if change == "append":
        with path.open("ab") as file:
            file.write(b"9,9\n")
    elif change == "rewrite":  # same size, time set back: only the ends tell
        status = path.stat()
        with path.open("r+b") as file:
            file.seek(len(content) - 2)
            file.write(b"y")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    else:
        write(tmp_path, content, "other.csv").replace(path)
    with pytest.raises(DataError, match=r"train\.csv: input changed while it was read\. Wait until nothing writes"):
        list(chunks)


def test_A13_a_file_that_vanishes_while_it_is_read_is_refused(tmp_path):
    path = big(tmp_path)
    chunks = read_chunks(path, n_rows=256)
    next(chunks)
    path.unlink()
    with pytest.raises(DataError, match=r"train\.csv: input changed: the file vanished while it was read"):
        list(chunks)


def test_A13_a_change_is_named_rather_than_the_damage_that_it_does(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "PIECE_BYTES", 1000)
    path = big(tmp_path)
    chunks = read_chunks(path, n_rows=256)
    next(chunks)
    os.truncate(path, path.read_bytes().rindex(b",", 0, 8000))  # the last row is ragged now
    with pytest.raises(DataError, match="input changed"):
        list(chunks)


def test_A13_leaving_the_chunks_early_is_no_error(tmp_path):
    path = big(tmp_path)
    chunks = read_chunks(path, n_rows=256)
    next(chunks)
    path.unlink()
    chunks.close()


# A20, A21: what is no file.


def test_A20_a_folder_a_pipe_a_device_and_a_loop_of_links_are_refused_at_once(tmp_path):
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    loop = tmp_path / "loop.csv"
    loop.symlink_to(loop)
    endless = tmp_path / "zero.csv"
    endless.symlink_to("/dev/zero")
    for path in (folder, pipe, loop, endless):
        with pytest.raises(DataError, match=path.name):
            read_table(path)
        with pytest.raises(DataError, match=path.name):
            next(read_chunks(path))


def test_A21_a_missing_file_is_refused_with_the_nearest_names(tmp_path):
    write(tmp_path, "a\n1\n", "penguins.csv")
    with pytest.raises(DataError, match=r'pengiuns\.csv.* was not found\. Did you mean "penguins\.csv"\?') as caught:
        read_table(tmp_path / "pengiuns.csv")
    assert caught.value.exit_code == 3


def test_A21_a_file_without_read_rights_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path, "a\n1\n")

    def deny(*args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", deny)
    with pytest.raises(DataError, match="permission denied"):
        read_table(path)


# The suffix decides, the content must agree.


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.csv", b"PAR1\x15\x04PAR1", "its content is Parquet"),
        ("a.csv", gzip.compress(b"a\n1\n", mtime=0), "its content is gzip"),
        ("a.csv", b"PK\x03\x04rest", "a zip archive"),
        ("a.tsv", b"\x93NUMPY\x01\x00", "a NumPy array"),
        ("a.csv", b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel workbook"),
        ("a.csv", b"SQLite format 3\x00", "an SQLite database"),
        ("a.csv", b"%PDF-1.7", "a PDF"),
        ("a.csv", b"\n<!DOCTYPE html><p>", "an HTML page"),
        ("a.csv", b'{"a": 1}\n', "JSON"),
        ("a.csv.gz", gzip.compress(b"<html>", mtime=0), "an HTML page"),
        ("a.csv.gz", b"a,b\n1,2\n", "needs content that fits its suffix .gzip.; its first bytes are something else"),
        ("a.parquet", b"a,b\n1,2\n", r"fits its suffix \(\.parquet\); its first bytes are something else"),
        ("a.xlsx", b"PAR1..PAR1", r"fits its suffix \(\.xlsx\); its first bytes are Parquet"),
        ("a.npy", b"PK\x03\x04", r"fits its suffix \(\.npy\)"),
        ("a.npz", b"\x93NUMPY", r"fits its suffix \(\.npz\)"),
    ],
)
def test_content_that_does_not_fit_the_suffix_is_refused(tmp_path, name, content, found):
    with pytest.raises(DataError, match=found):
        read(tmp_path, content, name)


def test_the_hint_says_how_to_rename(tmp_path):
    with pytest.raises(DataError, match=r"Rename the file so that it ends in \.parquet"):
        read(tmp_path, b"PAR1\x15\x04PAR1")


def test_a_header_that_only_looks_like_parquet_is_read(tmp_path):
    assert read(tmp_path, "PAR1,PAR2\n4,5\n").frame.columns == ["PAR1", "PAR2"]


@pytest.mark.parametrize("name", ["a.sav", "a", "a.parquet.gz", "a.gz", ".csv"])
def test_an_unknown_suffix_is_refused(tmp_path, name):
    with pytest.raises(DataError, match=r"needs a suffix that says what it is: \.csv, .* one of the text kinds with"):
        read(tmp_path, "a\n1\n", name)


def test_suffixes_in_capitals_are_known(tmp_path):
    assert read(tmp_path, gzip.compress(b"a\n1\n", mtime=0), "A.V2.CSV.GZ").frame.height == 1


# gzip.


def test_packed_members_one_after_another_are_one_table(tmp_path):
    content = gzip.compress(b"a,b\n1,2\n", mtime=0) + gzip.compress(b"3,4\n", mtime=0)
    assert rows_of(read(tmp_path, content, "train.csv.gz")) == [("1", "2"), ("3", "4")]


def test_a_packed_file_that_is_cut_off_is_refused(tmp_path):
    content = gzip.compress(os.urandom(5000).hex().encode(), mtime=0)
    with pytest.raises(DataError, match=r"train\.csv\.gz is cut off: its gzip data ends early\. Copy"):
        read(tmp_path, content[:-100], "train.csv.gz")


def test_a_packed_file_with_a_wrong_byte_is_refused(tmp_path):
    content = bytearray(gzip.compress(b"a,b\n" + b"1,2\n" * 100, mtime=0))
    content[-6] ^= 1  # in the checksum
    with pytest.raises(DataError, match=r"train\.csv\.gz is damaged: its gzip data cannot be unpacked"):
        read(tmp_path, bytes(content), "train.csv.gz")


def test_a_packed_file_too_large_for_the_memory_is_refused_while_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "memory_bytes", lambda: 64 << 20)
    path = write(tmp_path, gzip.compress(b"a,b\n" + b"1,2\n" * 10_000_000, compresslevel=1, mtime=0), "bomb.csv.gz")
    with pytest.raises(ResourceError, match=r"bomb\.csv\.gz needs about 0\.1 GiB of memory .*; there are 0\.1 GiB"):
        read_table(path)


def test_a_file_too_large_for_the_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = big(tmp_path)
    monkeypatch.setattr(limits, "memory_bytes", lambda: 100)
    monkeypatch.setattr(opening.InputFile, "read", None)
    with pytest.raises(ResourceError, match="in chunks"):
        read_table(path)


def test_the_memory_limit_is_the_smallest_of_machine_container_and_process(tmp_path, monkeypatch):
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    monkeypatch.setattr(limits, "CGROUP_LIMIT", write(tmp_path, "max\n", "memory.max"))
    assert limits.memory_bytes() <= machine
    monkeypatch.setattr(limits, "CGROUP_LIMIT", write(tmp_path, "123456\n", "memory.max"))
    assert limits.memory_bytes() == 123456


# Chunks.


@pytest.mark.parametrize("n_rows", [256, 512, 65_536])
@pytest.mark.parametrize("name", ["train.csv", "train.csv.gz", "train.tsv", "train.jsonl"])
def test_chunks_hold_what_the_whole_table_holds(tmp_path, name, n_rows):
    rows = [(str(i), f'x "{i}",\n') for i in range(1500)]
    if ".jsonl" in name:
        content = pl.DataFrame(rows, schema=["a", "b"], orient="row").write_ndjson().encode()
    else:
        frame = pl.DataFrame(rows, schema=["a", "b"], orient="row")
        content = frame.write_csv(separator="\t" if "tsv" in name else ",").encode()
    path = write(tmp_path, gzip.compress(content, mtime=0) if name.endswith("gz") else content, name)
    table = read_table(path)
    frame, numbers, _ = chunked(path, n_rows)
    assert table.frame.rows() == rows
    assert frame.equals(table.frame)
    assert np.array_equal(numbers, table.rows)


def test_E6_borders_of_chunks_follow_the_row_number_and_rejected_rows_are_missing(tmp_path):
    lines = [f"{i},x" for i in range(1, 1001)]
    lines[255] = "256"
    lines[256] = "257,x,y"
    lines[999] = "1000"
    path = write(tmp_path, "a,b\n" + "\n".join(lines))
    chunks = list(read_chunks(path, n_rows=256, on_bad_row="skip"))
    assert [(chunk.rows[0], chunk.rows[-1]) for chunk in chunks] == [(1, 255), (258, 512), (513, 768), (769, 999)]
    assert [[reject.row for reject in chunk.rejects] for chunk in chunks] == [[256], [257], [], [1000]]
    assert all(chunk.fingerprint == "" and chunk.origin.endswith(path.name) for chunk in chunks)
    assert all(chunk.frame["a"].cast(pl.Int64).to_list() == chunk.rows.tolist() for chunk in chunks)


def test_E6_one_bad_row_among_many_is_an_error_with_its_line_or_one_reject(tmp_path):
    lines = ["1,2"] * 100_000
    lines[70_000] = "1"
    path = write(tmp_path, "a,b\n" + "\n".join(lines))
    with pytest.raises(DataError, match=r"row 70001 \(line 70002, byte 280004\) needs 2 cells"):
        list(read_chunks(path))
    frame, _, rejects = chunked(path, 65_536, on_bad_row="skip")
    assert frame.height == 99_999
    assert rejects == [Reject(70_001, 70_002, "needs 2 cells like the header; got 1")]


def test_E6_too_many_bad_rows_are_refused_at_the_end_of_the_chunks(tmp_path):
    path = write(tmp_path, "a,b\n" + "1,2\n" * 90 + "1\n" * 10)
    with pytest.raises(DataError, match="10 of 100 rows cannot be read"):
        list(read_chunks(path, on_bad_row="skip"))


@pytest.mark.parametrize("n_rows", [0, -256, 100, 257])
def test_chunks_need_a_multiple_of_256_rows(tmp_path, n_rows):
    with pytest.raises(UsageError, match=rf"read_chunks needs n_rows as a multiple of 256; got {n_rows}\."):
        read_chunks(tmp_path / "a.csv", n_rows=n_rows)


@pytest.mark.parametrize("reader", [read_table, read_chunks])
def test_an_unknown_way_with_bad_rows_is_refused(tmp_path, reader):
    with pytest.raises(UsageError, match=r'on_bad_row="error" or "skip"; got "ignore"'):
        reader(tmp_path / "a.csv", on_bad_row="ignore")


def test_a_sheet_is_refused_where_there_are_none(tmp_path):
    with pytest.raises(UsageError, match=r'Only an Excel workbook has sheets; got sheet="one"'):
        read_table(tmp_path / "a.csv", sheet="one")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["big.csv", "big.csv.gz"])
def test_A10_chunks_of_a_large_file_take_little_memory(tmp_path, name):
    path = tmp_path / name
    block = b"".join(b'%d,0.123456789,"some, text"\n' % i for i in range(20_000))
    with gzip.open(path, "wb", compresslevel=1) if name.endswith("gz") else path.open("wb") as file:
        file.write(b"a,b,c\n")
        for _ in range(300):
            file.write(block)
    script = """
        import resource, sys
        from nnzoo.data.tables import read_chunks
        chunks = read_chunks(sys.argv[1])
        next(chunks), next(chunks)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        n_rows = sum(len(chunk.rows) for chunk in chunks)
        print(n_rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    n_rows, n_kib = map(int, done.stdout.split())
    assert n_rows == 300 * 20_000 - 2 * 65_536
    # The whole table would take more than 400 MiB; what is left is one block and a few chunks.
    assert n_kib < 150 * 1024
