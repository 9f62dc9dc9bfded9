"""load: what it infers, what it refuses, what it says."""

import json
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import polars as pl
import pytest

from nnzoo.data.dataset import load, load_like
from nnzoo.errors import DataError, ModelFileError, SchemaError, UsageError

N = 60


def table(n=N, **changed):
    rng = np.random.default_rng(1)
    columns = {
        "age": rng.normal(size=n).round(3).tolist(),
        "city": rng.choice(["Bonn", "Rome", "Oslo"], n).tolist(),
        "patient": [f"p{i}" for i in rng.integers(0, n // 4, n)],
        "date": [f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(n)],
        "y": rng.choice(["no", "yes"], n).tolist(),
    }
    return columns | changed


def written(folder, columns, name="table.csv"):
    path = folder / name
    pl.DataFrame(columns).write_csv(path)
    return path


def kinds(data):
    return {column.name: column.kind for column in data.columns}


# --- what is inferred -------------------------------------------------------------------------------------------------


def test_penguins_by_name_are_a_classification_of_species():
    data = load("penguins", target="species")
    assert (data.origin, len(data), data.task, data.target_column.kind) == (
        "penguins.csv",
        344,
        "classification",
        "category",
    )
    assert kinds(data)["bill_length_mm"] == "number"
    assert "species" not in kinds(data)
    assert len(data.train) + len(data.valid) + len(data.test) == len(data.all) == 344


def test_parts_hold_their_parsed_rows_and_row_numbers():
    data = load("penguins", target="species")
    assert sorted([*data.train.rows, *data.valid.rows, *data.test.rows]) == list(range(1, 345))
    part = data.test
    assert part.name == "test"
    assert part.frame.equals(data.frame[part.rows - 1])
    assert part.frame["body_mass_g"].dtype == pl.Float64


def test_number_target_is_a_regression_and_split_at_random():
    data = load(table(y=np.linspace(0, 1, N).tolist()), target="y")
    assert (data.task, data.why_task, data.how_split) == (
        "regression",
        f"numbers with {N} values",
        "at random, seed 0",
    )


def test_task_can_be_overridden_to_regression():
    data = load(table(y=[0, 1, 2] * (N // 3)), target="y", task="regression")
    assert (data.task, data.why_task) == ("regression", "as you said")
    assert data.frame["y"].dtype == pl.Float64


def test_target_of_x_y_is_taken_without_being_named():
    data = load((np.random.default_rng(0).normal(size=(N, 2)), ["a", "b"] * (N // 2)))
    assert (data.target, data.task, [c.name for c in data.columns]) == ("y", "classification", ["x0", "x1"])


def test_target_may_be_an_array():
    columns = table()
    y = np.array(columns.pop("y"))
    data = load(columns, target=y)
    assert data.target == "y"
    assert data.frame["y"].to_list() == y.tolist()


def test_named_series_takes_the_place_of_its_column():
    frame = pd.DataFrame(table())
    data = load(frame, target=frame["y"])
    assert data.target == "y"
    assert "y" not in kinds(data)


def test_array_target_follows_the_rows_that_are_kept(tmp_path):
    lines = ["age,city", *(f"{i},{'ab'[i % 2]}" for i in range(N))]
    lines[3] = "one,two,three"
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    y = np.arange(N) / 7
    data = load(path, target=y, on_bad_row="skip")
    assert 3 not in data.rows
    assert data.frame["y"].to_list() == y[data.rows - 1].tolist()


def test_another_target_array_changes_the_fingerprint():
    columns = table()
    y = np.array(columns.pop("y"))
    assert load(columns, target=y).fingerprint != load(columns, target=y[::-1]).fingerprint


def test_indicator_matrix_becomes_joined_labels():
    columns = table()
    columns.pop("y")
    indicators = np.zeros((N, 3), dtype=int)
    indicators[::2, 0] = indicators[::3, 2] = 1
    data = load(columns, target=indicators, labels=True)
    assert data.frame["y"].to_list()[:4] == ["0|2", "|", "0", "2"]
    assert (data.task, data.several_labels, data.why_task) == (
        "classification",
        True,
        "several labels a row, as you said",
    )


def test_named_indicators_name_the_labels():
    columns = table()
    columns.pop("y")
    indicators = pd.DataFrame({"news": [1, 0] * (N // 2), "art": [1, 1] * (N // 2)})
    assert load(columns, target=indicators, labels=True).frame["y"].to_list()[:2] == ["news|art", "art"]


def test_rows_of_a_rare_label_are_in_all_parts():
    sets = ["news", "news|sport"] * (N // 2)
    sets[:6] = ["art", "art|news", "art|sport", " art|news|sport", "news|art", "sport|art"]
    data = load(table(y=sets), target="y", labels=True)
    for part in (data.train, data.valid, data.test):
        assert part.frame["y"].str.contains("art").any()


def test_kind_of_a_column_can_be_overridden_and_a_column_ignored():
    data = load(table(code=[1, 2, 3, 4] * (N // 4)), target="y", columns={"code": "category", "city": "ignore"})
    assert kinds(data)["code"] == "category"
    assert "city" not in kinds(data)
    assert "city" not in data.frame.columns


def test_A8_constant_and_id_columns_are_no_inputs_and_said():
    data = load(table(same=["k"] * N, id=list(range(N))), target="y")
    assert not {"same", "id"} & set(kinds(data))
    assert data.id_column == "id"
    assert {"constant", "row name"} <= {finding.topic for finding in data.findings if finding.level == "warning"}


def test_coerced_cells_are_missing_and_counted():
    ages = [*np.linspace(0, 1, N - 1).tolist(), "12,5"]
    data = load(table(age=[str(age) for age in ages]), target="y", coerce=True)
    assert data.n_coerced == {"age": 1}
    assert data.frame["age"].null_count() == 1
    assert "cells that did not fit and count as missing" in str(data)


# --- the split --------------------------------------------------------------------------------------------------------


def test_group_column_stays_whole_and_is_no_input():
    data = load(table(), target="y", group="patient")
    groups = [set(part.frame["patient"]) for part in (data.train, data.valid, data.test)]
    assert groups[0].isdisjoint(groups[1] | groups[2])
    assert groups[1].isdisjoint(groups[2])
    assert data.group == "patient"
    assert "patient" not in kinds(data)


def test_group_of_whole_numbers_works_too():
    data = load(table(patient=[i // 5 for i in range(N)]), target="y", group="patient")
    assert set(data.train.frame["patient"]).isdisjoint(data.test.frame["patient"])


def test_last_rows_in_time_are_the_test_and_the_time_is_no_input():
    data = load(table(), target="y", time="date")
    assert data.train.frame["date"].max() < data.valid.frame["date"].min()
    assert data.valid.frame["date"].max() < data.test.frame["date"].min()
    assert "date" not in kinds(data)


def test_time_column_is_an_input_where_the_split_is_not_by_time():
    assert kinds(load(table(), target="y"))["date"] == "time"


def test_rows_can_be_split_by_a_row_number():
    data = load(table(id=list(range(N))), target="y", time="id")
    assert data.train.frame["id"].max() < data.test.frame["id"].min()


def test_same_seed_gives_the_same_parts_and_another_seed_others():
    first, again, other = (load(table(), target="y", seed=seed).part for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


# --- what is refused --------------------------------------------------------------------------------------------------


def test_A1_table_without_rows_is_refused(tmp_path):
    path = tmp_path / "empty.csv"
    path.write_text("a,b\n")
    with pytest.raises(DataError, match="0 rows"):
        load(path, target="b")


@pytest.mark.parametrize(("option", "name"), [("target", "agee"), ("group", "pateint"), ("time", "dates")])
def test_A21_unknown_column_lists_the_nearest_names(option, name):
    near = {"agee": "age", "pateint": "patient", "dates": "date"}[name]
    named = {"target": "y"} | {option: name}
    with pytest.raises(SchemaError, match=rf'has no column "{name}" for the {option}\. Did you mean "{near}"'):
        load(table(), **named)


def test_A21_unknown_file_lists_the_nearest_names(tmp_path):
    written(tmp_path, table(), "train.csv")
    with pytest.raises(DataError, match=r'trian\.csv"? was not found.*train\.csv'):
        load(tmp_path / "trian.csv", target="y")


def test_A21_unknown_sample_lists_the_nearest_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r'neither a file nor a set "pengins"\. Did you mean "penguins"'):
        load("pengins")


def test_unknown_column_to_give_a_kind_to_lists_the_nearest_names():
    with pytest.raises(UsageError, match=r'no column "aeg" to give a kind to\. Did you mean "age"'):
        load(table(), target="y", columns={"aeg": "ignore"})


def test_unknown_kind_of_column_lists_the_known_kinds():
    with pytest.raises(UsageError, match=r'needs a known kind; got "nummer".*"number"'):
        load(table(), target="y", columns={"age": "nummer"})


def test_A5_target_without_any_value_is_refused():
    with pytest.raises(SchemaError, match=f'needs values of the target "y"; got none in {N} rows'):
        load(table(y=[None] * N), target="y")


def test_A5_missing_target_names_the_rows_and_the_way_to_skip_them():
    y = table()["y"]
    y[1] = y[6] = None
    with pytest.raises(SchemaError, match=r'needs the target "y" in every row; it is missing in rows 2, 7\.') as caught:
        load(table(y=y), target="y")
    assert 'on_bad_row="skip"' in caught.value.hint


def test_A5_many_missing_targets_are_counted():
    y = [None] * 10 + table()["y"][10:]
    with pytest.raises(SchemaError, match=r"missing in rows 1, 2, 3, 4, 5 and 5 more\."):
        load(table(y=y), target="y")


def test_A5_rows_with_a_missing_target_are_skipped_on_demand_and_counted():
    y = table()["y"]
    y[1] = y[6] = None
    data = load(table(y=y), target="y", on_bad_row="skip")
    assert len(data) == N - 2
    assert not {2, 7} & set(data.rows.tolist())
    assert [(reject.row, reject.reason) for reject in data.rejects] == [
        (2, 'has no target "y"'),
        (7, 'has no target "y"'),
    ]
    assert '2 rows left out; the first, row 2, has no target "y".' in str(data)


def test_A5_target_of_nan_words_only_leaves_no_row():
    with pytest.raises(DataError, match="needs rows with a target; got 0 rows"):
        load(table(y=["nan"] * N), target="y", columns={"y": "number"}, on_bad_row="skip")


def test_A5_one_class_loads_with_a_warning():
    data = load(table(y=["no"] * N), target="y")
    assert data.task == "classification"
    assert "one class" in [finding.topic for finding in data.findings]


def test_A5_class_of_one_row_stays_in_train_with_a_warning():
    y = table()["y"]
    y[30] = "rare"
    data = load(table(y=y), target="y")
    assert "rare" in data.train.frame["y"].to_list()
    assert 'Class "rare" has 1 row' in str(data)


def test_A7_text_in_a_number_column_names_file_row_and_column(tmp_path):
    path = written(tmp_path, table(age=[*map(str, range(N - 1)), "12,5"]))
    with pytest.raises(SchemaError, match=rf'table\.csv, row {N}, column "age" needs a number; got "12,5"'):
        load(path, target="y")


def test_A19_column_that_gives_the_target_away_is_a_warning():
    data = load(table(copy=[word.upper() for word in table()["y"]]), target="y")
    finding = next(finding for finding in data.findings if finding.topic == "target given away")
    assert (finding.level, finding.column) == ("warning", "copy")


def test_several_labels_without_any_say_how_to_write_it():
    with pytest.raises(SchemaError, match=r'A row without any label is written "\|"'):
        load(table(y=[None, *["a|b", "c"] * 29, "a"]), target="y", labels=True)


def test_numbers_of_many_values_are_no_classes():
    with pytest.raises(SchemaError, match=rf"got {N} distinct numbers\. Say task='regression'"):
        load(table(y=np.linspace(0, 1, N).tolist()), target="y", task="classification")


def test_whole_numbers_of_a_few_values_may_be_classes():
    data = load(table(y=[1, 2, 3, 4, 5, 6, 7, 8, 9, 10] * (N // 10)), target="y", task="classification")
    assert data.task == "classification"


def test_words_are_no_regression():
    with pytest.raises(SchemaError, match=r'target "y" needs numbers for a regression; got words\. Say task='):
        load(table(), target="y", task="regression")


def test_target_that_never_repeats_is_refused():
    with pytest.raises(SchemaError, match=f"needs values that repeat; got a different one in each of {N} rows"):
        load(table(y=[f"name {i}" for i in range(N)]), target="y")


def test_model_file_is_refused_with_the_way_to_open_it():
    with pytest.raises(UsageError, match=r"is a model; load needs data\. Open it with nnzoo\.load_model"):
        load("penguins.nnzoo")


def test_table_without_inputs_is_refused():
    with pytest.raises(SchemaError, match='at least one column to learn from; got none besides "y", "same"'):
        load({"same": ["k"] * N, "y": ["a", "b"] * (N // 2)}, target="y")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "y", "kind": "graph"}, 'loads data of the kinds "table", "image", "sequence".*; got kind="graph"'),
        (
            {"target": "y", "task": "regresion"},
            'needs to be classification or regression; got "regresion".*"regression"',
        ),
        ({"target": "y", "seed": -1}, "seed needs a whole number from 0 to 4294967295; got"),
        ({"target": "y", "seed": True}, "seed needs a whole number"),
        ({"target": "y", "group": "y"}, 'need different columns; got "y", "y"'),
        ({"target": "y", "group": "patient", "time": "date"}, r"Pass one of group and time\."),
        ({"task": "regression"}, "A task needs a target; got none"),
        ({"target": "y", "labels": True, "task": "regression"}, "Several labels a row need a classification"),
        ({"target": "y", "columns": {"y": "ignore"}}, 'Column "y" needs to be read; got ignore'),
    ],
)
def test_arguments_that_do_not_fit_are_usage_errors(arguments, message):
    with pytest.raises(UsageError, match=message):
        load(table(), **arguments)


def test_split_by_words_is_refused():
    with pytest.raises(SchemaError, match='column "city" needs times or numbers for a split by time; got category'):
        load(table(), target="y", time="city")


def test_missing_time_is_refused_like_a_missing_target():
    dates = table()["date"]
    dates[4] = None
    with pytest.raises(SchemaError, match=r'needs the time "date" in every row; it is missing in row 5\.'):
        load(table(date=dates), target="y", time="date")
    assert len(load(table(date=dates), target="y", time="date", on_bad_row="skip")) == N - 1


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (np.zeros(5), f"{N} rows and 5 values of y"),
        (np.full((N, 2), 2), 'needs indicators 0 and 1; got other values for "0", "1"'),
        (pd.DataFrame({"a|b": [0, 1] * 30, "c": [1, 1] * 30}), r'needs names without "\|"; got "a\|b"'),
    ],
)
def test_target_array_that_does_not_fit_is_refused(target, message):
    columns = table()
    columns.pop("y")
    with pytest.raises(SchemaError, match=message):
        load(columns, target=target, labels=True)


def test_nameless_target_beside_a_column_y_is_refused():
    with pytest.raises(SchemaError, match='has a column "y" already; got a target without a name'):
        load(table(), target=np.zeros(N))


# --- the same way again -----------------------------------------------------------------------------------------------


def test_settings_are_plain_json_and_give_the_same_data_again(tmp_path):
    path = written(tmp_path, table())
    data = load(path, target="y", group="patient", seed=7, columns={"city": "ignore"})
    again = load_like(path, json.loads(json.dumps(data.settings)))
    assert again.frame.equals(data.frame)
    assert np.array_equal(again.part, data.part)
    assert (again.settings, again.to_json()) == (data.settings, data.to_json())


def test_other_content_is_read_the_same_way_and_not_split():
    data = load(table(code=["1", "2", "x"] * (N // 3)), target="y", group="patient")
    few = {"code": [1, 2], "age": ["0.5", "1"], "date": ["2024-01-01"] * 2, "city": ["Bonn"] * 2, "y": ["no", "yes"]}
    again = load_like(few | {"new": [1, 2]}, data.settings)
    assert len(again.test) == 2
    assert again.columns == data.columns
    assert again.frame["code"].to_list() == ["1", "2"]
    assert again.frame["age"].to_list() == [0.5, 1.0]
    assert again.extra == ("new",)
    assert "not split" in again.how_split


def test_target_array_can_stand_in_for_the_column_again():
    columns = table()
    y = np.array(columns.pop("y"))
    data = load(columns, target=y)
    assert np.array_equal(load_like(columns, data.settings, target=y).part, data.part)
    assert len(load_like(columns, data.settings, target=y[::-1]).test) == N


def test_A15_missing_column_is_named_when_loading_again():
    data = load(table(), target="y")
    columns = table()
    columns.pop("age")
    with pytest.raises(SchemaError, match='needs the column "age", which is missing'):
        load_like(columns, data.settings)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": -1},
        {"task": "guess"},
        {"columns": {}},
        {"columns": [{"name": "a"}]},
        {"group": "nobody"},
        {"target": "y"},
        {"more": 1},
        {"coerce": 1},
    ],
)
def test_changed_settings_are_refused(change):
    settings = load(table(), target="y").settings | change
    with pytest.raises(ModelFileError, match=r"The model file, (settings|column), needs"):
        load_like(table(), settings)


# --- what is said -----------------------------------------------------------------------------------------------------


def test_print_says_columns_task_split_and_findings():
    text = str(load("penguins", target="species"))
    assert text.splitlines()[0] == "penguins.csv: 344 rows, 8 columns"
    for words in (
        'Target  "species"',
        "Task    classification: words with 3 values",
        "train 240, valid 52, test 52 rows; at random, every class",
        "bill_length_mm     number    input   numbers; 2 missing",
        "Check-up",
        '- Missing values: "sex" 11',
    ):
        assert words in text


def test_print_is_at_most_110_characters_wide():
    data = load(
        table(**{f"a very long name of a column that goes on {i} and on": range(N) for i in range(3)}), target="y"
    )
    assert max(map(len, str(data).splitlines())) <= 110


def test_print_of_many_columns_counts_the_rest():
    text = str(load(np.random.default_rng(0).normal(size=(N, 200))))
    assert "and 140 more" in text
    assert len(text.splitlines()) < 80


def test_print_without_a_target_says_how_to_name_one():
    data = load("penguins")
    assert data.task is None
    assert "none given; pass target=" in str(data)


def test_print_names_what_is_left_out():
    data = load(table(), target="y", columns={"city": "ignore"})
    assert 'Ignored "city"' in str(data)
    assert 'Unknown "new": left out' in str(load_like(table() | {"new": [1] * N}, data.settings))


def test_print_escapes_control_characters():
    text = str(load(table(**{"bad\x1b[31m": [1, 2] * (N // 2)}), target="y"))
    assert "\x1b" not in text
    assert "bad\\x1b[31m" in text


def test_short_form_names_source_and_target():
    assert repr(load("penguins", target="species")) == "<Data: 344 rows of penguins.csv, target 'species'>"


def test_notebook_form_is_escaped_and_well_formed():
    data = load(table(**{"<img src=x>": [1, 2] * (N // 2), "same": ["<b>"] * N}), target="y")
    page = data._repr_html_()
    opened = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag, attrs):
            opened.append(tag)

        def handle_endtag(self, tag):
            assert opened.pop() == tag

    Tags().feed(page)
    assert opened == []
    assert "<img" not in page
    assert "&lt;img src=x&gt;" in page


def test_json_form_holds_what_print_says():
    told = json.loads(json.dumps(load("penguins", target="species").to_json()))
    assert told["split"]["train"] == 240
    assert {"name": "sex", "kind": "category", "role": "input", "why": "2 values", "n_missing": 11} in told["columns"]
    assert told["findings"][0].keys() == {"level", "topic", "column", "message", "hint"}


def test_loading_imports_neither_torch_nor_scikit_learn():
    import subprocess
    import sys

    code = "import sys, nnzoo.data.dataset; sys.exit(bool({'torch', 'sklearn', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
