"""Reading Parquet, JSON Lines, Excel, NumPy files, and what is in memory already."""

import datetime as dt
import io
import sys
import tracemalloc
import zipfile

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nnzoo.data import excel, jsonlines, limits, parquet
from nnzoo.data.tables import read_chunks, read_table
from nnzoo.errors import DataError, ResourceError, SchemaError, UsageError

NAN, INF = float("nan"), float("inf")


def write(folder, content, name):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# Parquet.


@pytest.fixture
def parquet_path(tmp_path):
    n = 2000
    frame = pl.DataFrame(
        {
            "i": range(n),
            "f": [NAN if k == 3 else k / 7 for k in range(n)],
            "s": [None if k % 10 == 0 else f"text {k}" for k in range(n)],
            "t": [dt.datetime(2020, 1, 1) + dt.timedelta(hours=k) for k in range(n)],
            "b": [k % 2 == 0 for k in range(n)],
        }
    )
    path = tmp_path / "train.parquet"
    frame.with_columns(pl.col("b").cast(pl.Boolean)).write_parquet(path, row_group_size=300)
    return path


def test_parquet_keeps_its_dtypes_and_nan_is_null(parquet_path):
    table = read_table(parquet_path)
    assert table.frame.schema == {
        "i": pl.Int64,
        "f": pl.Float64,
        "s": pl.String,
        "t": pl.Datetime("us"),
        "b": pl.Boolean,
    }
    assert table.frame["f"].null_count() == 1
    assert table.frame["s"].null_count() == 200
    assert table.rows.tolist() == list(range(1, 2001))


@pytest.mark.parametrize("n_rows", [256, 1024, 65_536])
def test_parquet_chunks_hold_what_the_whole_table_holds(parquet_path, n_rows):
    table = read_table(parquet_path)
    chunks = list(read_chunks(parquet_path, n_rows=n_rows))
    assert pl.concat([chunk.frame for chunk in chunks]).equals(table.frame)
    assert [len(chunk.rows) for chunk in chunks[:-1]] == [n_rows] * (len(chunks) - 1)
    assert np.concatenate([chunk.rows for chunk in chunks]).tolist() == table.rows.tolist()


def test_A1_a_parquet_file_of_0_rows_keeps_its_columns(tmp_path):
    path = tmp_path / "a.parquet"
    pl.DataFrame(schema={"a": pl.Int64, "b": pl.String}).write_parquet(path)
    assert read_table(path).frame.schema == {"a": pl.Int64, "b": pl.String}
    [chunk] = read_chunks(path)
    assert chunk.frame.shape == (0, 2)


def test_categories_of_parquet_come_back_as_categories(tmp_path):
    path = tmp_path / "a.parquet"
    pd.DataFrame({"c": pd.Categorical(["x", "y", "x"])}).to_parquet(path, index=False)
    frame = read_table(path).frame
    assert isinstance(frame.schema["c"], pl.Categorical | pl.Enum)
    assert frame["c"].cast(pl.String).to_list() == ["x", "y", "x"]


def test_notes_in_a_parquet_file_that_are_no_text_are_left_out(tmp_path):
    path, notes = tmp_path / "a.parquet", {b"wrote": b"\xff\xfe"}
    columns = [pa.field("x", pa.float64(), metadata=notes), pa.field("s", pa.string(), metadata=notes)]
    table = pa.table([[1.0, 2.0], ["a", "b"]], schema=pa.schema(columns, metadata=notes))
    pq.write_table(table, path)
    assert read_table(path).frame.rows() == [(1.0, "a"), (2.0, "b")]


def test_A11_a_truncated_parquet_file_is_refused(parquet_path):
    content = parquet_path.read_bytes()
    for n_bytes in (len(content) // 2, len(content) - 1, 10, 4):
        parquet_path.write_bytes(content[:n_bytes])
        with pytest.raises(DataError, match=r"train\.parquet is cut off: its Parquet footer is missing"):
            read_table(parquet_path)


def test_A11_a_footer_longer_than_the_file_is_refused(parquet_path):
    content = parquet_path.read_bytes()
    parquet_path.write_bytes(content[:-8] + (1 << 30).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(DataError, match="its Parquet footer is longer than the file"):
        read_table(parquet_path)


def test_A11_a_damaged_footer_is_refused(parquet_path):
    content = bytearray(parquet_path.read_bytes())
    n_footer = int.from_bytes(content[-8:-4], "little")
    content[-8 - n_footer : -8] = b"\xff" * n_footer
    parquet_path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"train\.parquet: its Parquet footer cannot be read"):
        read_table(parquet_path)


@pytest.mark.parametrize("reader", [read_table, lambda path: list(read_chunks(path))])
def test_A11_a_bad_page_is_refused_with_its_row_group(tmp_path, reader):
    path = tmp_path / "train.parquet"
    table = pa.table({"a": np.arange(4000.0)})
    pq.write_table(table, path, row_group_size=1000, compression="none", use_dictionary=False, write_page_checksum=True)
    content = bytearray(path.read_bytes())
    place = content.index(np.float64(2500.0).tobytes())
    content[place + 6] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"train\.parquet, row group 3 of 4 cannot be read: .*\. Copy the file again"):
        reader(path)


def test_A11_an_encrypted_parquet_file_is_refused(tmp_path):
    path = write(tmp_path, b"PAR1" + b"x" * 100 + b"PARE", "a.parquet")
    with pytest.raises(DataError, match="needs an open Parquet file; this one is encrypted"):
        read_table(path)


@pytest.mark.slow
def test_A12_a_parquet_file_that_unpacks_to_more_than_the_memory_is_refused_by_its_footer(tmp_path):
    path = tmp_path / "bomb.parquet"
    column = pa.array(np.zeros(1_000_000))
    schema = pa.schema([(f"x{j}", pa.float64()) for j in range(200)])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        writer.write_table(pa.table([column] * 200, schema=schema))
    assert path.stat().st_size < 1 << 20  # 1.5 GiB of zeros
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "memory_bytes", lambda: 1 << 30)
        tracemalloc.start()
        before = pa.total_allocated_bytes()
        with pytest.raises(ResourceError, match=r"bomb\.parquet needs about 1\.5 GiB of memory once it is unp"):
            read_table(path)
        peak = tracemalloc.get_traced_memory()[1] + pa.default_memory_pool().max_memory() - before
        tracemalloc.stop()
    assert peak < 500 << 20


def test_A12_a_footer_that_hides_the_size_is_caught_while_reading(parquet_path, monkeypatch):
    monkeypatch.setattr(parquet.ParquetReader, "check_size", lambda self, *, whole: None)
    monkeypatch.setattr(limits, "memory_bytes", lambda: 10_000)
    with pytest.raises(ResourceError, match=r"train\.parquet needs about"):
        read_table(parquet_path)


def test_A12_a_row_group_too_large_to_stream_is_refused(parquet_path, monkeypatch):
    monkeypatch.setattr(limits, "memory_bytes", lambda: 1000)
    with pytest.raises(ResourceError, match=r"train\.parquet needs about"):
        next(read_chunks(parquet_path))


def test_A12_a_footer_of_unreasonable_size_is_refused(parquet_path, monkeypatch):
    monkeypatch.setattr(parquet, "MAX_FOOTER_BYTES", 100)
    with pytest.raises(ResourceError, match="its Parquet footer is larger than 0 MiB"):
        read_table(parquet_path)


@pytest.mark.parametrize(
    ("column", "content"),
    [
        (pa.array([[1.0], [2.0]]), "list<.*double"),
        (pa.array([{"u": 1}, {"u": 2}]), "struct"),
        (pa.array([b"1", b"2"]), "binary"),
    ],
)
def test_columns_of_parquet_without_single_values_are_refused(tmp_path, column, content):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": [1, 2], "z": column}), path)
    with pytest.raises(SchemaError, match=rf'a\.parquet, column "z" needs a number, .*; got {content}'):
        read_table(path)


def test_A4_equal_column_names_in_parquet_are_refused(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table([[1], [2]], names=["a", "a "]), path)
    with pytest.raises(SchemaError, match='got "a" more than once'):
        read_table(path)


# JSON Lines.


def test_json_lines_have_the_dtypes_of_their_values(tmp_path):
    content = '{"i":1,"f":2,"s":"x","b":true,"m":1}\n\n{"f":2.5,"i":null,"s":"","b":false,"m":"y","late":7}\r\n{}'
    table = read_table(write(tmp_path, content, "a.jsonl"))
    assert table.frame.schema == {
        "i": pl.Int64,
        "f": pl.Float64,
        "s": pl.String,
        "b": pl.Boolean,
        "m": pl.String,
        "late": pl.Int64,
    }
    assert table.frame.rows() == [(1, 2.0, "x", True, "1", None), (None, 2.5, None, False, "y", 7), (None,) * 6]
    assert table.rows.tolist() == [1, 2, 3]


def test_json_chunks_have_the_columns_and_dtypes_of_the_whole_file(tmp_path, monkeypatch):
    monkeypatch.setattr(jsonlines, "PIECE_ROWS", 100)
    lines = ['{"a":1}'] * 300 + ['{"a":1.5,"b":"x"}'] * 300
    path = write(tmp_path, "\n".join(lines), "a.ndjson")
    chunks = list(read_chunks(path, n_rows=256))
    assert [chunk.frame.schema for chunk in chunks] == [{"a": pl.Float64, "b": pl.String}] * 3
    assert pl.concat([chunk.frame for chunk in chunks]).equals(read_table(path).frame)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('{"a":1', "Expecting ',' delimiter at column"),
        ("[1,2]", r"a value that is no object: \"\[1,2\]\""),
        ('{"a":[1]}', 'a nested value under "a"'),
        ('{"a":{"b":1}}', 'a nested value under "a"'),
        ('{"a":1,"a":2}', "a key that occurs twice"),
        ('{"a":NaN}', "NaN, which JSON does not have"),
        ('{"a":"\\ud800"}', "half of a surrogate pair"),
        ('{"a":' + "[" * 100_000, "nesting that is too deep"),
    ],
)
def test_A2_a_bad_json_line_is_refused_with_row_and_line_or_skipped(tmp_path, line, found):
    path = write(tmp_path, '{"a":1}\n\n' + line + "\n" + '{"a":2}\n' * 30, "a.jsonl")
    with pytest.raises(DataError, match=rf"a\.jsonl, row 2 \(line 3\) needs one flat JSON object; got {found}"):
        read_table(path)
    table = read_table(path, on_bad_row="skip")
    assert [(reject.row, reject.line) for reject in table.rejects] == [(2, 3)]
    assert table.rows.tolist() == [1, *range(3, 33)]


def test_A2_too_many_bad_json_lines_are_refused(tmp_path):
    path = write(tmp_path, '{"a":1}\n' * 9 + "x\n", "a.jsonl")
    with pytest.raises(DataError, match="1 of 10 rows cannot be read, the first on line 10"):
        read_table(path, on_bad_row="skip")


def test_a_json_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(jsonlines, "MAX_LINE_BYTES", 1000)
    with pytest.raises(DataError, match="needs one JSON object a line; got a line longer than"):
        read_table(write(tmp_path, '{"a":"' + "x" * 5000, "a.jsonl"))


# Excel.


def workbook(folder, **sheets):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    path = folder / "book.xlsx"
    book.save(path)
    return path


def test_a_sheet_has_the_types_of_its_cells_and_empty_rows_are_skipped(tmp_path):
    day = dt.datetime(2020, 1, 2)
    rows = [["n", "s", "b", "t", "mixed"], [1, "x", True, day, 1], [None] * 5, [2.5, None, False, day, "a"]]
    table = read_table(workbook(tmp_path, one=rows))
    assert table.frame.columns == ["n", "s", "b", "t", "mixed"]
    assert table.frame.rows() == [(1.0, "x", True, day, "1"), (2.5, None, False, day, "a")]
    assert table.rows.tolist() == [1, 3]
    assert [chunk.frame.height for chunk in read_chunks(tmp_path / "book.xlsx")] == [2]


def test_a_text_far_down_a_sheet_is_not_lost(tmp_path):
    rows = [["n"], *([k] for k in range(1500)), ["12,5"]]
    frame = read_table(workbook(tmp_path, one=rows)).frame
    assert frame["n"][-1] == "12,5"
    assert frame["n"].null_count() == 0


def test_a_sheet_is_found_by_name_or_place(tmp_path):
    path = workbook(tmp_path, first=[["a"], [1]], second=[["b"], [2]])
    assert read_table(path).frame.columns == ["a"]
    assert read_table(path, sheet="second").frame.columns == ["b"]
    assert read_table(path, sheet=2).frame.columns == ["b"]
    with pytest.raises(UsageError, match=r'has no sheet "secnd"\. Did you mean "second"\?'):
        read_table(path, sheet="secnd")
    with pytest.raises(UsageError, match='has no sheet "3"'):
        read_table(path, sheet=3)


def test_A1_empty_sheets_are_refused_or_have_0_rows(tmp_path):
    path = workbook(tmp_path, empty=[], header=[["a", "b"]])
    with pytest.raises(DataError, match='sheet "empty" needs a header and rows; got 0 rows'):
        read_table(path)
    assert read_table(path, sheet="header").frame.shape == (0, 2)


def test_A4_equal_or_empty_headings_of_a_sheet_are_refused(tmp_path):
    with pytest.raises(SchemaError, match='got "a" more than once'):
        read_table(workbook(tmp_path, one=[["a", "a"], [1, 2]]))
    with pytest.raises(SchemaError, match="got none for column 2"):
        read_table(workbook(tmp_path, one=[["a", None, "b"], [1, 2, 3]]))


def test_a_damaged_workbook_is_refused(tmp_path):
    path = workbook(tmp_path, one=[["a"], [1]])
    content = path.read_bytes()
    path.write_bytes(content[:-30])
    with pytest.raises(DataError, match=r"book\.xlsx is damaged: it cannot be unpacked"):
        read_table(path)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("other.txt", "no workbook")
    path.write_bytes(packed.getvalue())
    with pytest.raises(DataError, match=r"book\.xlsx cannot be read as a workbook"):
        read_table(path)


def test_a_workbook_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(excel, "MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(ResourceError, match=r"book\.xlsx needs about"):
        read_table(workbook(tmp_path, one=[["a"], [1]]))


def test_without_the_extra_the_message_names_it(tmp_path, monkeypatch):
    path = workbook(tmp_path, one=[["a"], [1]])
    monkeypatch.setitem(sys.modules, "fastexcel", None)
    with pytest.raises(DataError, match=r"needs the extra that reads Excel\. Run: pip install 'nnzoo\[excel\]'"):
        read_table(path)


# NumPy arrays and files.


def test_an_array_gets_the_columns_x0_x1(tmp_path):
    array = np.array([[1.0, NAN], [INF, 4.0]])
    path = tmp_path / "a.npy"
    np.save(path, np.asfortranarray(array))
    for source, origin in ((array, "the array"), (path, str(path))):
        table = read_table(source)
        assert table.origin == origin
        assert table.frame.rows() == [(1.0, None), (INF, 4.0)]
        assert table.frame.columns == ["x0", "x1"]
        assert table.target is None


@pytest.mark.parametrize(
    ("array", "dtype", "first"),
    [
        (np.array([[1, 2]], np.int8), pl.Int8, 1),
        (np.array([[1, 2]], ">i4"), pl.Int32, 1),
        (np.array([[0.5, 2]], np.float16), pl.Float32, 0.5),
        (np.array([[0.5, 2]], np.longdouble), pl.Float64, 0.5),
        (np.array([[True, False]]), pl.Boolean, True),
        (np.array([["é", "b"]]), pl.String, "é"),
        (np.array([["é".encode(), b"b"]]), pl.String, "é"),
        (np.array([[1, "a"]], object), pl.Int64, 1),
        (np.array([["2020-01-01", "2021-01-01"]], "datetime64[us]"), pl.Datetime("us"), dt.datetime(2020, 1, 1)),
    ],
)
def test_arrays_of_every_plain_dtype_are_read(array, dtype, first):
    frame = read_table(array).frame
    assert frame.schema["x0"] == dtype
    assert frame["x0"][0] == first


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(3), r"the array needs 2 dimensions \(rows, columns\); got shape \(3,\)\. Reshape your data"),
        (np.zeros((2, 3, 4)), r"got shape \(2, 3, 4\)"),
        (np.zeros((2, 2), complex), 'needs numbers, truth values, texts or times; got an array of "complex128"'),
        (np.ma.masked_array(np.zeros((2, 2))), "needs plain values; got a masked array"),
        (np.array([[b"\xff"]]), "needs text in UTF-8; got bytes that are not"),
    ],
)
def test_arrays_that_are_no_table_are_refused(array, message):
    with pytest.raises(DataError, match=message):
        read_table(array)


@pytest.mark.parametrize("content", [np.array([[1, "a"]], object), np.zeros((2, 2), [("a", "O")])])
def test_an_npy_file_of_python_objects_is_refused_unread(tmp_path, content):
    np.save(tmp_path / "a.npy", content, allow_pickle=True)
    with pytest.raises(DataError, match="needs numbers or texts; got an array of Python objects"):
        read_table(tmp_path / "a.npy")


def npy(shape, content=b"", descr="<f8"):
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": descr, "fortran_order": False, "shape": shape})
    return out.getvalue() + content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy((1 << 40, 1000), b"1234"), "needs 8796093022208000 bytes of values, as its header says; got 4"),
        (npy((2, 2), bytes(31)), "needs 32 bytes of values, .*; got 31"),
        (npy((-1, -4), bytes(32)), "needs 32 bytes of values"),
        (npy((2, 2), bytes(33)), "needs 32 bytes of values, .*; got 33"),
        (b"\x93NUMPY\x01\x00\xff\xff{", "its NumPy header cannot be read"),
        (b"\x93NUMPY\x09\x00\x00\x00", "its NumPy header cannot be read"),
        (npy((2, 2), descr="<f8").replace(b"'<f8'", b"'<q9'"), "its NumPy header cannot be read"),
    ],
)
def test_a_damaged_npy_file_is_refused_before_memory_is_taken(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        read_table(write(tmp_path, content, "a.npy"))


def test_an_npz_file_may_bring_its_target(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, X=np.zeros((3, 2)), y=np.array(["u", "v", "u"]))
    table = read_table(path)
    assert table.target == "y"
    assert table.frame.columns == ["x0", "x1", "y"]
    assert table.frame["y"].to_list() == ["u", "v", "u"]
    [chunk] = read_chunks(path)
    assert chunk.target == "y"
    np.savez(path, anything=np.ones((3, 2)))
    assert read_table(path).target is None


def test_npz_files_that_are_no_table_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, a=np.zeros((2, 2)), b=np.zeros((2, 2)))
    with pytest.raises(DataError, match=r'needs the arrays "X" and, if it has a target, "y"; got "a", "b"'):
        read_table(path)
    np.savez(path, y=np.zeros(2))
    with pytest.raises(DataError, match='got "y"'):
        read_table(path)
    np.savez(path)
    with pytest.raises(DataError, match="the archive is empty"):
        read_table(path)
    np.savez(path, X=np.array([[None, "a"]], object))
    with pytest.raises(DataError, match=r'array "X\.npy", needs numbers or texts; got an array of Python objects'):
        read_table(path)
    np.savez(path, X=np.zeros((20, 20)))
    content = bytearray(path.read_bytes())
    content[600] ^= 1
    with pytest.raises(DataError, match="is damaged: it cannot be unpacked"):
        read_table(write(tmp_path, bytes(content), "a.npz"))


# What is in memory.


def test_a_tuple_brings_the_target_as_the_column_y():
    features = np.zeros((3, 2))
    for target in ([1, 0, 1], np.array([[1], [0], [1]]), pd.Series([1, 0, 1]), pl.Series([1, 0, 1])):
        table = read_table((features, target))
        assert table.target == "y"
        assert table.origin == "the array"
        assert table.frame.columns == ["x0", "x1", "y"]
        assert table.frame["y"].to_list() == [1, 0, 1]
    assert read_table((pd.DataFrame({"a": [1.0]}), ["x"])).origin == "the table"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ((np.zeros((3, 2)), [1, 2]), "needs one y for each row of X; got 3 rows and 2 values of y"),
        ((np.zeros((3, 2)), np.zeros((3, 2))), r"needs one value of y for each row; got y of shape \(3, 2\)\. Join"),
        (({"y": [1]}, [1]), 'needs another name for the column "y" of X'),
        ((np.zeros((3, 2)),), r"needs the two parts \(X, y\); got a tuple of 1"),
    ],
)
def test_a_tuple_that_does_not_fit_is_refused(source, message):
    with pytest.raises(DataError, match=message):
        read_table(source)


COLUMNS = {"n": [1.5, NAN, INF], "s": ["a", None, "b"], "b": [True, False, True], "i": [1, 2, 3]}
ROWS = [(1.5, "a", True, 1), (None, None, False, 2), (INF, "b", True, 3)]


@pytest.mark.parametrize(
    "source",
    [
        COLUMNS,
        pd.DataFrame(COLUMNS),
        pd.DataFrame(COLUMNS, index=[9, 9, 9]),
        pd.DataFrame(COLUMNS).astype({"s": object}),
        pd.DataFrame(COLUMNS).convert_dtypes(),
        pl.DataFrame(COLUMNS, strict=False),
        pl.DataFrame(COLUMNS, strict=False).lazy(),
        nw.from_native(pd.DataFrame(COLUMNS)),
        pa.table(COLUMNS),
        [dict(zip(COLUMNS, row, strict=True)) for row in ROWS],
        {name: np.array(values, object) for name, values in COLUMNS.items()},
        {name: pd.Series(values) for name, values in COLUMNS.items()},
    ],
    ids=lambda source: type(source).__name__,
)
def test_every_kind_of_frame_gives_the_same_table(source):
    table = read_table(source)
    assert table.frame.columns == list(COLUMNS)
    assert table.frame.rows() == ROWS
    assert table.rows.tolist() == [1, 2, 3]
    assert table.origin == "the table"
    assert table.fingerprint == read_table(COLUMNS).fingerprint


def test_the_fingerprint_tells_every_change_of_content():
    base = {"a": [1, 2], "b": ["x", "yz"], "c": [None, 0.0], "d": [True, None]}
    changes = [
        {"a": [2, 1]},
        {"a": [1.0, 2.0]},
        {"b": ["xy", "z"]},
        {"b": ["x", None]},
        {"c": [0.0, None]},
        {"d": [None, True]},
        {"d": [True, False]},
        {"e": [1, 2]},
    ]
    found = {read_table({**base, **change}).fingerprint for change in changes}
    assert len(found | {read_table(base).fingerprint}) == len(changes) + 1
    frame = pl.DataFrame({"t": [dt.date(2020, 1, 1)], "c": pl.Series(["u"], dtype=pl.Categorical)})
    assert read_table(frame).fingerprint != read_table(frame.with_columns(pl.col("t").dt.offset_by("1d"))).fingerprint


def test_one_dict_is_one_row():
    table = read_table({"a": 1, "b": "text", "c": None, "d": np.float32(0.5)})
    assert table.frame.rows() == [(1, "text", None, 0.5)]


def test_columns_of_a_pandas_frame_may_have_numbers_as_names():
    assert read_table(pd.DataFrame(np.zeros((2, 2)))).frame.columns == ["0", "1"]


def test_values_of_mixed_types_become_text():
    frame = read_table({"a": [1, "x", 2.5, True, None], "b": [2**70, 1, 2, 3, 4]}).frame
    assert frame["a"].to_list() == ["1", "x", "2.5", "true", None]
    assert frame["b"].to_list() == [str(2**70), "1", "2", "3", "4"]


def test_the_source_is_left_as_it_was():
    frame = pd.DataFrame({0: [1.0, NAN]})
    array = np.array([[1.0, NAN]])
    read_table(frame)
    read_table(array)
    assert frame.columns.tolist() == [0]
    assert np.isnan(array[0, 1])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"a": [1, 2], "b": [1]}, 'needs columns of one length; got 2 values for "a" and 1 for "b"'),
        ({"a": [1, 2], "b": 1}, 'got one value for "b" and a list for "a"'),
        ({"a": [[1], [2]]}, r'the table, column "a" needs a number, .*; got List\(Int64\)'),
        (pl.DataFrame({"a": [[1], [2]]}), r'column "a" needs a number, .*; got List\(Int64\)'),
        (pd.DataFrame({"a": [{1}, {2}]}), 'column "a" needs a number'),
        ([{"a": {"b": 1}}], 'column "a" needs a number'),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), 'got "a" more than once'),
        ({"a": [1], " a": [2]}, 'got "a" more than once'),
        ([{"": 1}], "got none for column 1"),
    ],
)
def test_A4_tables_in_memory_with_unfit_columns_are_refused(source, message):
    with pytest.raises(SchemaError, match=message):
        read_table(source)


@pytest.mark.parametrize("source", [7, None, [1, 2], [], object()])
def test_what_is_no_table_is_refused(source):
    with pytest.raises(DataError, match="A table needs to be a path, a frame, an array"):
        read_table(source)


def test_chunks_of_what_is_in_memory_are_slices():
    chunks = list(read_chunks({"a": list(range(600))}, n_rows=256))
    assert [chunk.rows[0] for chunk in chunks] == [1, 257, 513]
    assert pl.concat([chunk.frame for chunk in chunks])["a"].to_list() == list(range(600))
