import ast
import gzip

import numpy as np
import polars as pl
import pytest

from nnzoo.evaluation.baselines import code_lines, run_baselines
from nnzoo.evaluation.competitors import few_threads

NAMES = ("constant", "linear", "boosted trees")
KINDS = {
    "size": "number",
    "odd \"name'": "category",
    "flag": "boolean",
    "day": "time",
    "words": "text",
    "number of row": "id",
    "same": "constant",
}


def make_table(n_rows=400):
    generator = np.random.default_rng(0)
    size, group = generator.normal(10, 2, size=n_rows), generator.integers(0, 3, size=n_rows)
    frame = pl.DataFrame(
        {
            "size": size,
            "odd \"name'": np.array(["red", "green", "blue"])[group],
            "flag": size > 11,
            "day": pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 1, 1) + pl.duration(days=n_rows - 1), eager=True),
            "words": np.array(["good fast", "bad slow", "good slow", "bad fast"])[generator.integers(0, 4, n_rows)],
            "number of row": np.arange(n_rows),
            "same": ["x"] * n_rows,
            "price": 3 * size + 5 * group + generator.normal(size=n_rows),
        }
    )
    holes = pl.Series(np.arange(n_rows) % 17 == 3)
    frame = frame.with_columns(
        pl.when(holes).then(None).otherwise(pl.col(name)).alias(name) for name in frame.columns[:5]
    )
    tags = [
        " ".join(part) for part in zip(np.where(size > 10, "large|", ""), np.where(group > 0, "red", ""), strict=True)
    ]
    return frame.with_columns(
        level=pl.Series(np.where(frame["price"] > 34, "high", "low")), tags=pl.Series(tags).str.replace_all(" ", "")
    )


def score_of(code):
    found = {}
    with few_threads(1):
        exec(compile(code, "lines", "exec"), found)
    return found["score"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("task", "target"), [("classification", "level"), ("regression", "price")])
def test_lines_run_as_they_are_on_every_kind_of_column(tmp_path, name, task, target):
    path = tmp_path / "a 'quoted' name.csv"
    make_table().write_csv(path)
    result = score_of(code_lines(name, task, path, target, KINDS))
    if task == "classification":
        assert result > 0.8 if name != "constant" else 0.4 < result < 0.75
    else:
        assert result < 5 if name != "constant" else result > 6


@pytest.mark.parametrize("name", NAMES)
def test_lines_run_with_several_labels(tmp_path, name):
    path = tmp_path / "tags.csv"
    make_table().write_csv(path)
    result = score_of(code_lines(name, "classification", path, "tags", KINDS, several_labels=True))
    assert result > 0.85 if name != "constant" else result < 0.85


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_score_of_the_lines_is_near_that_of_the_baseline(tmp_path, task):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(2000, 3))
    signal = X @ [2, 1, 0] + 0.5 * generator.normal(size=2000)
    y = signal if task == "regression" else np.where(signal > 0, "up", "down")
    path = tmp_path / "table.csv"
    pl.DataFrame(X, schema=["a", "b", "c"]).with_columns(y=pl.Series(y)).write_csv(path)
    found = run_baselines(
        task, X[:1700], y[:1700], X[1700:], y[1700:], source=path, target="y", columns=dict.fromkeys("abc", "number")
    )
    for baseline in found:
        value = baseline.metrics["rmse" if task == "regression" else "accuracy"].value
        assert score_of(baseline.code) == pytest.approx(value, abs=0.1 * max(value, 0.5))


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet", ".txt"])
def test_lines_read_every_kind_of_file(tmp_path, ending):
    table, path = make_table().select("size", "flag", "level"), tmp_path / f"table{ending}"
    kind = ending.removesuffix(".gz")
    if kind == ".parquet":
        table.write_parquet(path)
    else:
        separator = {".tsv": "\t", ".txt": ";"}.get(kind, ",")
        text = table.write_ndjson() if kind == ".jsonl" else table.write_csv(separator=separator)
        path.write_bytes(gzip.compress(text.encode(), mtime=0) if ending.endswith("gz") else text.encode())
    assert (
        score_of(code_lines("linear", "classification", path, "level", KINDS | {"day": "id", "words": "id"} | OFF))
        > 0.7
    )


OFF = {"odd \"name'": "id"}


@pytest.mark.parametrize("ending", [".npy", ".npz"])
def test_lines_read_arrays(tmp_path, ending):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(300, 3))
    path = tmp_path / f"array{ending}"
    if ending == ".npy":
        X[:, 2] = X[:, 0] + X[:, 1]
        np.save(path, X)
        code = code_lines("linear", "regression", path, "x2", ["x0", "x1", "x2"])
    else:
        np.savez(path, X=X, y=X[:, 0] + X[:, 1])
        code = code_lines("linear", "regression", path, "y", ["x0", "x1", "x2"])
    assert score_of(code) < 0.1


@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
def test_separator_is_found_outside_quotes(tmp_path, ending):
    path, content = tmp_path / f"table.{ending}", b'"a,b,c,d";y\n1;2\n'
    path.write_bytes(gzip.compress(content, mtime=0) if ending.endswith("gz") else content)
    assert "separator=';'" in code_lines("constant", "regression", path, "y", ["a,b,c,d"])


@pytest.mark.parametrize("source", [None, make_table(), "the table"], ids=["none", "frame", "words"])
def test_data_in_memory_starts_from_a_frame_of_the_readers_own(source):
    code = code_lines("linear", "regression", source, "price", KINDS)
    assert "# table: your data as a polars data frame" in code
    ast.parse(code)


def test_many_columns_are_listed_one_a_line():
    code = code_lines("linear", "regression", None, "y", [f"column {i}" for i in range(40)])
    assert "\n    'column 39',\n" in code
    assert max(map(len, code.splitlines())) <= 120


@pytest.mark.parametrize(("target", "columns"), [(None, ["a"]), ("y", {"a": "id"}), ("y", ["y"])])
def test_no_target_or_no_column_gives_no_lines(target, columns):
    assert code_lines("linear", "regression", "table.csv", target, columns) == ""
