"""Fault table A of tables, case by case, through the command line: message, exit code, nothing lost."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nnzoo.data import limits
from nnzoo.data.opening import InputFile

TARGET = ("--target", "label")
SMALL = ("--network", "feed-forward", "--set", "n_hidden=4", "--set", "n_epochs=2")
TRAIN = (*TARGET, *SMALL, "--out", "new.nnzoo")

pytestmark = pytest.mark.usefixtures("folder")


def write(name, text):
    Path(name).write_bytes(text.encode() if isinstance(text, str) else text)


def with_lines(change):
    """Write bad.csv: people.csv with its lines changed."""
    lines = Path("people.csv").read_text().splitlines()
    change(lines)
    write("bad.csv", "\n".join(lines) + "\n")


def findings(cli, *words):
    return json.loads(cli.done("load", *words, "--json").out)["findings"]


def predictions(cli, path, *words):
    cli.done("predict", "m.nnzoo", path, "--out", "p.csv", *words)
    return pl.read_csv("p.csv", infer_schema_length=None)


@pytest.mark.parametrize("text", ["", "age,label\n", "age,label\n\n\n"])
@pytest.mark.parametrize("verb", ["load", "build", "train"])
def test_A1_a_table_without_rows_is_refused(cli, verb, text):
    write("bad.csv", text)
    cli.refused(verb, "bad.csv", *TARGET, code=3, message=r"^nnzoo: bad\.csv needs .*0 rows")


def test_A1_no_row_left_to_evaluate_is_refused(cli):
    write("bad.csv", "age,height,city,member,label\n")
    cli.refused("evaluate", "m.nnzoo", "bad.csv", code=3, message="0 rows")


@pytest.mark.parametrize(("row", "came"), [("1,2", "2"), ("1,2,Rome,true,yes,6", "6")])
def test_A2_a_ragged_row_is_refused_with_file_and_line(cli, row, came):
    with_lines(lambda lines: lines.insert(18, row))
    cli.refused("train", "bad.csv", *TRAIN, code=3, message=rf"bad\.csv, row 18 \(line 19, byte \d+\) .*{came}")


def test_A2_skipped_rows_are_counted_and_listed_in_rejects_csv(cli):
    with_lines(lambda lines: lines.insert(18, "1,2"))
    ended = cli.done("train", "bad.csv", *TRAIN, "--on-bad-row", "skip")
    rejects = pl.read_csv("new.nnzoo.run/rejects.csv")
    assert rejects.select("row", "line").rows() == [(18, 19)]
    assert "1 row" in ended.out
    assert 'Rows that were left out: "new.nnzoo.run/rejects.csv"' in ended.out
    assert os.listdir("new.nnzoo.run") == ["rejects.csv"]
    assert "test rows" in cli.done("evaluate", "new.nnzoo", "bad.csv", "--on-bad-row", "skip").out


def test_A2_more_than_5_percent_of_bad_rows_are_refused_even_when_skipped(cli):
    with_lines(lambda lines: lines.extend(["1,2"] * 10))
    cli.refused(
        "train", "bad.csv", *TRAIN, "--on-bad-row", "skip", code=3, message="at least 95 % readable rows; 10 of"
    )


@pytest.mark.parametrize("bad", [b"R\xf6me", b"Ro\0me"])
def test_A3_bytes_that_are_no_text_are_refused_with_their_offset(cli, bad):
    content = Path("people.csv").read_bytes().replace(b"Rome", bad, 1)
    write("bad.csv", content)
    offset = content.index(bad) + (1 if bad.startswith(b"R\xf6") else 2)
    cli.refused("train", "bad.csv", *TRAIN, code=3, message=rf"bad\.csv.*byte {offset}\b|bad\.csv.*offset {offset}\b")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_A3_a_byte_order_mark_is_honoured(cli, encoding):
    write("marked.csv", Path("people.csv").read_text().encode(encoding))
    told = json.loads(cli.done("load", "marked.csv", *TARGET, "--json").out)
    assert [column["name"] for column in told["columns"]] == cli.people().columns


@pytest.mark.parametrize("header", ["age,age ,x,y,label", "age,,x,y,label"])
def test_A4_equal_and_empty_column_names_are_refused(cli, header):
    with_lines(lambda lines: lines.__setitem__(0, header))
    cli.refused(
        "train", "bad.csv", *TRAIN, code=3, message=r"bad\.csv needs a (different )?name for (each|every) column"
    )


def test_A5_a_target_that_is_no_column_lists_the_nearest(cli):
    cli.refused(
        "train", "people.csv", "--target", "labl", code=3, message=r'no column "labl" for the target\.\n.*"label"'
    )


def test_A5_a_target_without_values_and_a_missing_one_are_refused(cli):
    cli.people().with_columns(label=pl.lit("")).write_csv("bad.csv")
    cli.refused("train", "bad.csv", *TRAIN, code=3, message='needs values of the target "label"; got none in 120 rows')
    with_lines(lambda lines: lines.__setitem__(17, "30,170,Rome,true,"))
    cli.refused("train", "bad.csv", *TRAIN, code=3, message='target "label" in every row; it is missing in row 17')


def test_A5_one_class_trains_and_is_always_predicted(cli):
    cli.people().with_columns(label=pl.lit("yes")).write_csv("one.csv")
    ended = cli.done("train", "one.csv", *TRAIN)
    assert "! " in ended.out
    cli.done("predict", "new.nnzoo", "new.csv", "--out", "p.csv")
    assert set(pl.read_csv("p.csv")["prediction"]) == {"yes"}


def test_A5_a_class_of_one_row_is_warned_of_and_kept(cli):
    with_lines(lambda lines: lines.append("30,170,Rome,true,maybe"))
    ended = cli.done("train", "bad.csv", *TRAIN)
    assert "maybe" in ended.out
    assert "maybe" in json.loads(cli.done("inspect", "new.nnzoo", "--json").out)["classes"]


def test_A6_infinity_is_refused_with_column_and_first_row(cli):
    with_lines(lambda lines: lines.__setitem__(17, "30,inf,Rome,true,yes"))
    cli.refused("train", "bad.csv", *TRAIN, code=3, message=r'bad\.csv, row 17, column "height".*inf')


def test_A6_missing_numbers_are_filled_in_and_reported(cli):
    with_lines(lambda lines: lines.__setitem__(slice(10, 20), [",,Rome,true,yes"] * 10))
    assert any('"height" 10' in found["message"] for found in findings(cli, "bad.csv", *TARGET))
    cli.done("train", "bad.csv", *TRAIN)
    write("gap.csv", "age,height,city,member\n,nan,Rome,true\n")
    ended = cli.done("predict", "new.nnzoo", "gap.csv", "--json")
    assert json.loads(ended.out)["unusual"]["height"]["missing"] == 1


@pytest.mark.parametrize("cell", ['"12,5"', "N/A?", "1e999"])
def test_A7_text_in_a_number_column_is_refused_or_coerced_and_counted(cli, cell):
    with_lines(lambda lines: lines.__setitem__(17, f"30,{cell},Rome,true,yes"))
    words = ("bad.csv", *TRAIN, "--column", "height=number")
    cli.refused("train", *words, code=3, message=r'bad\.csv, row 17, column "height" needs a .*number; got "')
    told = json.loads(cli.done("load", "bad.csv", *TARGET, "--column", "height=number", "--coerce", "--json").out)
    assert told["n_coerced"] == {"height": 1}


def test_A8_constant_and_id_like_columns_are_warned_of_and_left_out(cli):
    cli.people().with_columns(same=pl.lit(7), id=pl.int_range(120) + 1000).write_csv("extra.csv")
    topics = {(found["topic"], found["column"]) for found in findings(cli, "extra.csv", *TARGET)}
    assert {("constant", "same"), ("row name", "id")} <= topics
    cli.done("train", "extra.csv", *TRAIN)
    inputs = json.loads(cli.done("inspect", "new.nnzoo", "--json").out)["inputs"]
    assert [name.split()[0] for name in inputs] == ["age", "height", "city", "member"]


def test_A8_a_column_of_many_categories_trains_in_bounded_width(cli):
    words = pl.Series([f"word {n // 2}" for n in range(120)])
    cli.people().with_columns(many=words).write_csv("many.csv")
    cli.done("train", "many.csv", *TRAIN)
    assert json.loads(cli.done("inspect", "new.nnzoo", "--json").out)["row_shape"][0] < 20


def test_A9_extreme_numbers_train_and_what_overflows_names_its_column(cli):
    with_lines(
        lambda lines: lines.__setitem__(slice(1, 3), ["30,1e308,Rome,true,yes", "9007199254740993,5e-324,Rome,true,no"])
    )
    cli.done("train", "bad.csv", *TRAIN)
    write("far.csv", "age,height,city,member\n30,1e308,Rome,true\n")
    cli.refused("predict", "m.nnzoo", "far.csv", "--out", "p.csv", code=3, message='row 1, column "height".*float32')


A10 = """
import resource, sys
from nnzoo.cli import main
def peak():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmPeak"))
    return int(line.split()[1]) * 1024
assert main(["predict", "m.nnzoo", "small.csv", "--out", "small_out.csv"]) == 0
limit = peak() + int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
sys.exit(main(["predict", "m.nnzoo", "large.csv", "--out", "large_out.csv"]))
"""


def write_chunks(cli, **chunks):
    """Write a CSV file for each name, of so many chunks of 65,536 rows; return the bytes of a chunk."""
    cli.people().with_columns(more=pl.lit("x" * 100)).write_csv("wide.csv")
    header, *rows = Path("wide.csv").read_bytes().splitlines(keepends=True)
    chunk = b"".join(itertools.islice(itertools.cycle(rows), 65_536))
    for name, times in chunks.items():
        with open(f"{name}.csv", "wb") as file:
            file.write(header)
            for _ in range(times):
                file.write(chunk)
    return len(chunk)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc and limits the address space")
def test_A10_a_file_larger_than_the_memory_is_predicted_in_chunks(cli):
    n_chunks = 40
    chunk_bytes = write_chunks(cli, small=8, large=n_chunks)
    room = n_chunks * chunk_bytes // 2
    words = [sys.executable, "-c", A10, str(room)]
    few_threads = os.environ | {"OMP_NUM_THREADS": "1"}
    ended = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False, env=few_threads)
    assert ended.returncode == 0, ended.stderr
    with open("large_out.csv", "rb") as file:
        assert sum(1 for _ in file) == 1 + n_chunks * 65_536


A10_TRAIN = """
import resource, sys
from nnzoo.cli import main
def peak():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmPeak"))
    return int(line.split()[1]) * 1024
words = ["--target", "label", "--network", "feed-forward", "--set", "n_epochs=1", "--sample-rows", "20000", "--quiet"]
assert main(["train", "small.csv", *words, "--out", "small.nnzoo"]) == 0
limit = peak() + int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
sys.exit(main(["train", "large.csv", *words, "--out", "large.nnzoo"]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc and limits the address space")
def test_A10_a_file_larger_than_the_memory_is_learned_from_the_disk(cli):
    n_chunks = 32
    chunk_bytes = write_chunks(cli, small=6, large=n_chunks)
    room = n_chunks * chunk_bytes // 3
    words = [sys.executable, "-c", A10_TRAIN, str(room)]
    few_threads = os.environ | {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    ended = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False, env=few_threads)
    assert ended.returncode == 0, ended.stderr
    cli.done("predict", "large.nnzoo", "new.csv", "--out", "p.csv")


def test_A10_a_file_larger_than_the_memory_is_refused_for_training_before_it_is_read(cli, monkeypatch):
    monkeypatch.setattr(limits, "memory_bytes", lambda: 1000)
    monkeypatch.setattr(InputFile, "read", None)
    refused = cli.refused("train", "people.csv", *TRAIN, code=6, message=r"people\.csv needs about .* of memory")
    assert "--sample-rows" in refused.err


def _parquet(cli, name="bad.parquet"):
    cli.people().write_parquet(name)
    return Path(name).read_bytes()


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"PAR2" + b[4:], lambda b: b[:-4] + b"XXXX"])
def test_A11_a_damaged_parquet_file_is_refused(cli, damage):
    write("bad.parquet", damage(_parquet(cli)))
    cli.refused("train", "bad.parquet", *TRAIN, code=3, message=r"^nnzoo: bad\.parquet")
    cli.refused("predict", "m.nnzoo", "bad.parquet", "--out", "p.csv", code=3, message=r"^nnzoo: bad\.parquet")


def test_A11_a_bad_page_names_its_row_group(cli):
    content = bytearray(_parquet(cli))
    content[8:60] = bytes(52)
    write("bad.parquet", bytes(content))
    cli.refused("train", "bad.parquet", *TRAIN, code=3, message=r"bad\.parquet.*row group 1")


def test_A12_a_parquet_bomb_is_refused_by_its_footer(cli, monkeypatch):
    column = pa.array(np.zeros(100_000))
    pq.write_table(pa.table({f"x{j}": column for j in range(20)}), "bomb.parquet", compression="zstd")
    monkeypatch.setattr(limits, "memory_bytes", lambda: 1 << 20)
    cli.refused("load", "bomb.parquet", code=6, message=r"bomb\.parquet needs about .* once it is unpacked")


def test_A13_a_file_that_changes_while_it_is_read_is_refused(cli):
    monkeypatch = pytest.MonkeyPatch()
    cli.people().write_csv("moving.csv")
    read = InputFile.read

    def read_and_change(file, n_bytes=-1):
        monkeypatch.undo()
        with open("moving.csv", "a") as other:
            other.write("30,170,Rome,true,yes\n")
        return read(file, n_bytes)

    monkeypatch.setattr(InputFile, "read", read_and_change)
    before = cli.contents(".")
    ended = cli("train", "moving.csv", *TRAIN)
    assert ended.code == 3
    assert "moving.csv: input changed while it was read." in ended.err
    after = cli.contents(".")
    assert {name for name in after if before.get(name) != after[name]} == {"moving.csv"}
    assert after.keys() == before.keys()


def test_A14_reordered_columns_give_the_same_bytes(cli):
    cli.done("predict", "m.nnzoo", "new.csv", "--out", "one.csv")
    new = cli.people(40, seed=1).drop("label")
    new.select(reversed(new.columns)).write_csv("turned.csv")
    cli.done("predict", "m.nnzoo", "turned.csv", "--out", "two.csv")
    assert Path("one.csv").read_bytes() == Path("two.csv").read_bytes()


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_A15_a_missing_column_is_named(cli, verb):
    cli.people().drop("height").write_csv("bad.csv")
    cli.refused(verb, "m.nnzoo", "bad.csv", code=3, message=r'bad\.csv.*"height"')


def test_A15_an_extra_column_is_one_warning_and_changes_no_prediction(cli):
    plain = predictions(cli, "new.csv")
    cli.people(40, seed=1).with_columns(extra=pl.lit(1)).write_csv("extra.csv")
    ended = cli.done("predict", "m.nnzoo", "extra.csv", "--out", "q.csv")
    assert ended.err == 'nnzoo: warning: columns that the model does not use: "extra"\n'
    assert pl.read_csv("q.csv", infer_schema_length=None).equals(plain)


def test_A16_lossless_drift_of_types_is_taken(cli):
    plain = predictions(cli, "new.csv")
    new = cli.people(40, seed=1).drop("label")
    drifted = new.with_columns(
        pl.col("age").cast(pl.String), member=pl.col("member").replace({"true": "True", "false": "False"})
    )
    drifted.write_parquet("drifted.parquet")
    assert predictions(cli, "drifted.parquet").equals(plain)


def test_A16_a_lossy_drift_names_row_and_column(cli):
    cli.people(40, seed=1).with_columns(member=pl.lit("perhaps")).write_csv("bad.csv")
    cli.refused("predict", "m.nnzoo", "bad.csv", "--out", "p.csv", code=3, message=r'bad\.csv, row 1, column "member"')


def test_A17_an_unseen_category_is_warned_of_with_count_and_example_or_refused(cli):
    with_lines(lambda lines: lines.__setitem__(3, "30,170,Atlantis,true,yes"))
    ended = cli.done("predict", "m.nnzoo", "bad.csv", "--out", "p.csv")
    assert ended.err.count("nnzoo: warning:") == 1
    assert 'column "city": 1 rows with categories that training never saw, such as "Atlantis"' in ended.err
    assert "Atlantis" in pl.read_csv("p.csv")["note"][2]
    words = ("predict", "m.nnzoo", "bad.csv", "--out", "q.csv", "--strict")
    cli.refused(*words, code=3, message=r'bad\.csv, row 3, column "city".*"Atlantis"')


def test_A18_a_formula_in_the_predictions_is_guarded_unless_raw(cli):
    cli.people().with_columns(label=pl.col("label").replace({"yes": "=1+1", "no": "@no"})).write_csv("odd.csv")
    cli.done("train", "odd.csv", *TRAIN)
    cli.done("predict", "new.nnzoo", "new.csv", "--out", "safe.csv")
    assert set(pl.read_csv("safe.csv")["prediction"]) <= {"'=1+1", "'@no"}
    cli.done("predict", "new.nnzoo", "new.csv", "--out", "raw.csv", "--raw")
    assert set(pl.read_csv("raw.csv")["prediction"]) <= {"=1+1", "@no"}
    numbers = [pl.read_csv(name).select(pl.col("^.*probability.*$")).rows() for name in ("safe.csv", "raw.csv")]
    assert numbers[0] == numbers[1]


def test_A19_a_column_that_gives_the_target_away_is_advice_and_no_error(cli):
    cli.people().with_columns(leak=pl.col("label").replace({"yes": "1", "no": "0"})).write_csv("leak.csv")
    ended = cli.done("train", "leak.csv", *TRAIN)
    assert '! "leak"' in ended.out


@pytest.mark.skipif(os.name == "nt", reason="pipes and devices of POSIX")
@pytest.mark.parametrize("kind", ["folder.csv", "pipe.csv", "loop.csv", "zero.csv"])
def test_A20_what_is_no_regular_file_is_refused_at_once(cli, kind):
    make = {
        "folder.csv": lambda path: os.mkdir(path),
        "pipe.csv": lambda path: os.mkfifo(path),
        "loop.csv": lambda path: os.symlink(path, path),
        "zero.csv": lambda path: os.symlink("/dev/zero", path),
    }
    make[kind](kind)
    message = rf'^nnzoo: "{kind.replace(".", "[.]")}" (needs to be a regular file|cannot be opened)'
    cli.refused("train", kind, *TRAIN, code=3, message=message)
    cli.refused("predict", "m.nnzoo", kind, "--out", "p.csv", code=3, message=message)
    cli.refused("evaluate", "m.nnzoo", kind, code=3, message=message)
    cli.refused("inspect", kind, code=4, message=r"^nnzoo: ")


def test_A21_a_missing_file_lists_the_nearest_names(cli):
    cli.refused("train", "peple.csv", *TRAIN, code=3, message=r'"peple\.csv" was not found\.\n.*"people\.csv"')
    cli.refused("predict", "m.nnzoo", "nwe.csv", code=3, message=r'"nwe\.csv" was not found\.\n.*"new\.csv"')
    cli.refused("evaluate", "n.nnzoo", "new.csv", code=4, message=r'"n\.nnzoo" was not found\.\n.*"m\.nnzoo"')
    cli.refused("predict", "n.nnzoo", "new.csv", code=4, message=r'"n\.nnzoo" was not found')


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_A21_a_file_without_read_rights_is_refused(cli):
    os.chmod("people.csv", 0)
    ended = cli("train", "people.csv", *TRAIN)
    os.chmod("people.csv", 0o600)
    assert ended.code == 3
    assert "permission denied" in ended.err


def test_E6_one_bad_row_is_refused_and_nothing_is_published(cli):
    write("p.csv", "of yesterday\n")
    with_lines(lambda lines: lines.__setitem__(17, "30,tall,Rome,true,yes"))
    message = r'bad\.csv, row 17, column "height" needs a number; got "tall"'
    cli.refused("predict", "m.nnzoo", "bad.csv", "--out", "p.csv", code=3, message=message)


def test_E6_one_bad_row_can_be_skipped_with_its_reason(cli):
    with_lines(lambda lines: lines.__setitem__(17, "30,tall,Rome,true,yes"))
    ended = cli.done("predict", "m.nnzoo", "bad.csv", "--out", "p.csv", "--on-bad-row", "skip")
    table = pl.read_csv("p.csv")
    assert table["row"].to_list() == list(range(1, 121))
    assert table["prediction"].is_null().arg_true().to_list() == [16]
    assert "tall" in table["note"][16]
    assert "1 of 120 rows have no prediction" in ended.err
    assert "120 rows, 1 of them without a prediction: p.csv" in ended.out
