"""The commands: what they say, what they write, and how their options become values."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import nnzoo
from nnzoo import catalog
from nnzoo.cli.options import LoadOptions, pairs, parse_duration, parse_value
from nnzoo.errors import UsageError

pytestmark = pytest.mark.usefixtures("folder")

TARGET = ("--target", "label")
ONE_ROW = '{"age": 60, "height": 170, "city": "Rome", "member": true}'
COMMANDS = (
    "load", "build", "train", "evaluate", "predict", "compare", "encode", "sample", "explain", "draw", "quiz",
    "inspect", "doctor", "list",
)  # fmt: skip


def test_help_lists_the_commands_and_loads_nothing_heavy():
    code = (
        "import sys; from nnzoo.cli import main; main(['--help'])\n"
        "print(sorted({'torch', 'sklearn', 'polars', 'numpy', 'rich', 'matplotlib'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *shown, heavy = ended.stdout.splitlines()
    assert heavy == "[]"
    names = [line.split()[0] for line in shown[shown.index("Commands:") + 1 :] if line.startswith("  ")]
    assert tuple(names[: len(COMMANDS)]) == COMMANDS


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_command_explains_itself_and_its_json(cli, verb):
    assert "--json" in cli.done(verb, "--help").out


def test_the_package_runs_as_a_module():
    ended = subprocess.run([sys.executable, "-m", "nnzoo", "--version"], capture_output=True, text=True, check=True)
    assert ended.stdout == f"nnzoo {nnzoo.__version__}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("lod", "people.csv"), "No such command 'lod'"),
        (("load",), "Missing argument 'DATA'"),
        (("load", "people.csv", "--tagret", "label"), "No such option"),
        (("load", "people.csv", "--seed", "one"), "valid int"),
        (("load", "people.csv", "--seed", "-1"), r"^nnzoo: seed needs a whole number from 0"),
        (("load", "people.csv", *TARGET, "--task", "regresion"), 'The task needs .*\n.*"regression"'),
        (("load", "people.csv", "--on-bad-row", "drop"), 'on_bad_row="error" or "skip"; got "drop"'),
        (("load", "people.csv", "--column", "age"), "--column needs NAME=VALUE"),
        (("load", "people.csv", "--column", "aeg=text"), 'no column "aeg" to give a kind to'),
        (("load", "m.nnzoo"), '"m.nnzoo" is a model; load needs data'),
        (("build", "people.csv"), "needs to know which column to predict.\nAdd --target COLUMN."),
        (("train", "people.csv"), "needs to know which column to predict.\nAdd --target COLUMN."),
        (("train", "people.csv", *TARGET, "--network", "dfff"), 'network needs the name .*\n.*"deep-feed-forward"'),
        (("train", "people.csv", *TARGET, "--out", "model.bin"), 'ends in .nnzoo; got "model.bin".\nWrite model.nnzoo'),
        (("train", "people.csv", *TARGET, "--out", "d.nnzoo"), '"d.nnzoo" is a folder'),
        (("train", "people.csv", *TARGET, "--time-limit", "soon"), "--time-limit needs a duration above zero"),
        (("predict", "m.nnzoo", "new.csv", "--out", "p.xlsx"), "a file that ends in .csv"),
        (("predict", "m.nnzoo", "new.csv", "--out", "new.csv"), 'needs another file than "new.csv", which is read'),
        (("predict", "m.nnzoo", "new.csv", "--out", "d.nnzoo"), '"d.nnzoo" is a folder'),
        (("predict", "m.nnzoo", "{1}"), "ROWS needs strict JSON"),
        (("evaluate", "m.nnzoo", "people.csv", "--html", "m.nnzoo"), 'needs another file than "m.nnzoo"'),
    ],
)
def test_wrong_words_are_exit_2_and_change_nothing(cli, words, message):
    os.mkdir("d.nnzoo")
    cli.refused(*words, code=2, message=message)


def test_list_has_a_line_for_every_network(cli):
    lines = cli.done("list").out.splitlines()
    assert [line.split()[:2] for line in lines] == [[row.abbreviation, row.id] for row in catalog.CATALOG]
    told = json.loads(cli.done("list", "--json").out)
    assert [each["id"] for each in told] == [row.id for row in catalog.CATALOG]


def test_load_says_what_the_data_are_and_what_to_type_next(cli):
    out = cli.done("load", "people.csv", *TARGET, "--column", "member=ignore", "--seed", "3").out
    assert "people.csv: 120 rows, 5 columns" in out
    assert "Ignored" in out
    assert "Networks of the chart:" in out
    assert "could     deep-feed-forward" in out
    assert out.endswith("Next: nnzoo train people.csv --target label --column member=ignore --seed 3\n")


def test_load_without_a_target_asks_for_one(cli):
    assert cli.done("load", "people.csv").out.endswith("Next: nnzoo load people.csv --target COLUMN\n")


def test_load_offers_a_regression_only_networks_that_can_do_it(cli):
    told = json.loads(cli.done("load", "people.csv", "--target", "height", "--json").out)
    assert told["task"] == "regression"
    offered = {each["id"] for each in told["networks"] if each["verdict"] != "does not"}
    able = [row for row in catalog.CATALOG if "table" in row.kinds]
    assert offered == {row.id for row in able if "regression" in row.tasks or not row.tasks}
    assert "feed-forward" in offered
    assert "perceptron" not in offered


def test_load_passes_every_option_on(cli):
    table = cli.people().with_columns(day=pl.int_range(120), family=pl.int_range(120) // 4)
    table.with_columns(label=pl.lit("a|b")).write_csv("more.csv")
    told = json.loads(
        cli.done("load", "more.csv", *TARGET, "--labels", "--task", "classification", "--group", "family",
                 "--seed", "5", "--json").out
    )  # fmt: skip
    assert told["several_labels"] is True
    assert told["split"]["seed"] == 5
    assert "group" in told["split"]["how"]
    told = json.loads(cli.done("load", "more.csv", *TARGET, "--time", "day", "--json").out)
    assert "time" in told["split"]["how"]


@pytest.mark.slow
def test_build_shows_layers_shapes_weights_and_memory(cli):
    words = ("build", "people.csv", *TARGET, "--set", "hidden_layer_sizes=8,4", "--set", "activation=tanh")
    told = json.loads(cli.done(*words, "--json").out)
    linear = [(*each["shape"], each["n_weights"]) for each in told["layers"] if each["kind"] == "Linear"]
    (d,) = told["shape"]
    assert linear == [(8, 8 * d + 8), (4, 8 * 4 + 4), (1, 4 + 1)]
    assert told["n_weights"] == sum(count for _, count in linear)
    assert told["memory_bytes"] == 8 * (5 * told["n_weights"] + told["n_rows"] * d)
    assert told["seconds_per_epoch"] > 0
    out = cli.done(*words).out
    assert re.search(r"body\.hidden\.0\.0 +Linear +\(rows, 8\)", out)
    assert "Tanh" in out
    assert "--set hidden_layer_sizes=8,4 --set activation=tanh" in out.splitlines()[-1]


SIZED_BY_TRAINING = {"support-vector-machine"}
"""Only training tells how many rows become support vectors."""


@pytest.mark.slow
@pytest.mark.parametrize("row", [row for row in catalog.CATALOG if "table" in row.kinds], ids=lambda row: row.id)
def test_build_counts_the_weights_that_training_gives(cli, row):
    column = pl.Series([f"c{n % 30}" for n in range(120)])
    cli.people().with_columns(many=column).write_csv("many.csv")
    short = ("--set", "n_epochs=1") if "n_epochs" in row.load_class().ranges else ()
    words = ("many.csv", *TARGET, "--network", row.id, *short)
    built = json.loads(cli.done("build", *words, "--json").out)
    trained = json.loads(cli.done("train", *words, "--out", "n.nnzoo", "--json").out)
    assert (built["n_weights"] > trained["weights"]) == (row.id in SIZED_BY_TRAINING)
    assert (built["n_weights"] == trained["weights"]) == (row.id not in SIZED_BY_TRAINING)


def test_build_measures_no_time_where_a_few_rows_tell_nothing(cli):
    cli.people(15_000).write_csv("large.csv")
    words = ("build", "large.csv", *TARGET, "--set", "optimizer=lbfgs", "--set", "hidden_layer_sizes=()", "--json")
    assert json.loads(cli.done(*words).out)["seconds_per_epoch"] is None


def test_train_says_what_was_done_and_what_to_type_next(cli):
    ended = cli.done("train", "people.csv", *TARGET, *cli.small)
    assert ended.err == ""
    first, *_, last = ended.out.splitlines()
    assert first == "people.csv: 120 rows, 4 input columns"
    assert re.search(
        r"FeedForward, \d+ weights: 2 epochs in \d\.\d s, all epochs done; weights of epoch 2 kept, valid loss",
        ended.out,
    )
    assert last == "Next: nnzoo evaluate people.nnzoo people.csv"
    assert set(os.listdir()) == {"people.csv", "new.csv", "m.nnzoo", "people.nnzoo"}


def test_train_json_is_alone_on_standard_output_and_quiet_is_silent(cli):
    told = json.loads(cli.done("train", "people.csv", *TARGET, *cli.small, "--out", "j.nnzoo", "--json").out)
    assert told["model"] == "j.nnzoo"
    assert told["stopped_by"] == "epochs"
    assert told["resume"] is None
    assert len(told["sha256"]) == 64
    ended = cli.done("train", "people.csv", *TARGET, *cli.small, "--out", "q.nnzoo", "--quiet")
    assert (ended.out, ended.err) == ("", "")


def test_train_is_repeatable_and_the_seed_matters(cli):
    words = ("train", "people.csv", *TARGET, *cli.small, "--json", "--out", "s.nnzoo")
    digests = [json.loads(cli.done(*words, "--seed", seed).out)["sha256"] for seed in (1, 1, 2)]
    assert digests[0] == digests[1] != digests[2]


def test_train_stops_at_the_time_limit_with_a_model_and_goes_on_with_resume(cli):
    words = ("train", "people.csv", *TARGET, "--network", "feed-forward", "--out", "t.nnzoo")
    ended = cli.done(*words, "--set", "n_epochs=100000000", "--set", "early_stopping=false", "--time-limit", "0.3s")
    assert "stopped by the time limit" in ended.err
    assert "Go on with: nnzoo train people.csv --target label --network feed-forward" in ended.err
    cli.done("predict", "t.nnzoo", "new.csv")
    assert os.path.exists("t.nnzoo.run/LATEST")


def test_train_gives_every_kind_of_value_to_the_network(cli):
    words = (
        "--set",
        "hidden_layer_sizes=()",
        "--set",
        "clip_norm=none",
        "--set",
        "average=false",
        "--set",
        "n_epochs=1",
    )
    cli.done("train", "people.csv", *TARGET, *words, "--set", "learning_rate=1e-2", "--out", "v.nnzoo")
    told = json.loads(cli.done("inspect", "v.nnzoo", "--json").out)["parameters"]
    wanted = {"hidden_layer_sizes": [], "clip_norm": None, "average": False, "learning_rate": 0.01, "n_epochs": 1}
    assert {name: told[name] for name in wanted} == wanted


def test_train_takes_one_number_where_a_list_is_needed(cli):
    cli.done("train", "people.csv", *TARGET, "--set", "hidden_layer_sizes=6", "--set", "n_epochs=1", "--out", "o.nnzoo")
    assert json.loads(cli.done("inspect", "o.nnzoo", "--json").out)["parameters"]["hidden_layer_sizes"] == [6]


def test_evaluate_measures_the_test_rows_beside_the_baselines(cli):
    ended = cli.done("evaluate", "m.nnzoo", "people.csv")
    assert "18 test rows of people.csv, which nothing has seen" in ended.out
    assert "boosted trees" in ended.out
    assert ended.out.endswith("Next: nnzoo predict m.nnzoo NEW.csv --out predictions.csv\n")
    told = json.loads(cli.done("evaluate", "m.nnzoo", "people.csv", "--json").out)
    assert told["rows"] == 18
    assert told["verdict"]


def test_evaluate_leaves_rows_out_that_were_trained_on(cli):
    pl.concat([cli.people(), cli.people(30, seed=9)]).write_csv("both.csv")
    told = json.loads(cli.done("evaluate", "m.nnzoo", "both.csv", "--json").out)
    assert told["rows"] < 150 - 80
    assert "that the model was trained on" in " ".join(told["how"])


def test_evaluate_writes_the_report_as_a_page(cli):
    ended = cli.done("evaluate", "m.nnzoo", "people.csv", "--html", "report.html")
    assert "Report: report.html" in ended.out
    assert Path("report.html").read_text().lower().startswith("<!doctype html>")


def test_predict_shows_the_first_20_rows_then_a_count(cli):
    lines = cli.done("predict", "m.nnzoo", "new.csv").out.splitlines()
    assert lines[0].split() == ["row", "prediction", "probability_no", "probability_yes", "note"]
    assert [line.split()[0] for line in lines[1:21]] == [str(row) for row in range(1, 21)]
    assert lines[21:] == ["40 rows", "All of them: add --out predictions.csv"]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_predict_writes_what_the_python_step_gives(cli, suffix):
    wanted = nnzoo.predict(nnzoo.load_model("m.nnzoo"), "new.csv")
    assert cli.done("predict", "m.nnzoo", "new.csv", "--out", f"p.{suffix}").out == f"40 rows: p.{suffix}\n"
    read = {"csv": pl.read_csv, "tsv": lambda p: pl.read_csv(p, separator="\t"), "jsonl": pl.read_ndjson}
    found = read.get(suffix, pl.read_parquet)(f"p.{suffix}")
    assert found["prediction"].to_list() == wanted["prediction"].to_list()
    assert np.array_equal(found["probability_yes"], wanted["probability_yes"])


def test_predict_json_has_all_rows_or_the_place_of_the_file(cli):
    told = json.loads(cli.done("predict", "m.nnzoo", "new.csv", "--json").out)
    assert told["rows"] == len(told["predictions"]) == 40
    told = json.loads(cli.done("predict", "m.nnzoo", "new.csv", "--json", "--out", "p.csv").out)
    assert told["out"] == "p.csv"
    assert "predictions" not in told


def test_predict_takes_one_row_as_json(cli):
    lines = cli.done("predict", "m.nnzoo", ONE_ROW).out.splitlines()
    assert len(lines) == 3
    assert lines[-1] == "1 row"
    cli.refused("predict", "m.nnzoo", '{"age": 60}', code=3, message='"height"')


def test_predict_on_a_table_without_rows_gives_a_header(cli):
    Path("none.csv").write_text("age,height,city,member\n")
    cli.done("predict", "m.nnzoo", "none.csv", "--out", "p.csv")
    assert Path("p.csv").read_text().startswith("row,prediction,")
    assert cli.done("predict", "m.nnzoo", "none.csv").out.endswith("0 rows\n")


def test_inspect_needs_nothing_but_the_file(cli, monkeypatch, tmp_path):
    content = Path("m.nnzoo").read_bytes()
    (tmp_path / "alone").mkdir()
    monkeypatch.chdir(tmp_path / "alone")
    Path("m.nnzoo").write_bytes(content)
    assert re.search(r"network +FeedForward", cli.done("inspect", "m.nnzoo").out)
    card = json.loads(cli.done("inspect", "m.nnzoo", "--json").out)
    assert card["rows"] == {"train": 84, "valid": 18, "test": 18}
    assert card["trained_on"].endswith("people.csv")


@pytest.mark.parametrize("content", [b"", b"age,label\n1,yes\n", b"PK\x03\x04" + bytes(100)])
@pytest.mark.parametrize("words", [("inspect",), ("predict", "new.csv"), ("evaluate", "people.csv")])
def test_what_is_no_model_is_exit_4(cli, content, words):
    Path("no.nnzoo").write_bytes(content)
    cli.refused(words[0], "no.nnzoo", *words[1:], code=4, message=r'^nnzoo: "no\.nnzoo"')


def test_a_bundled_table_goes_through_all_steps_by_its_name(cli):
    cli.done("train", "penguins", "--target", "species", *cli.small)
    assert "52 test rows of penguins.csv" in cli.done("evaluate", "penguins.nnzoo", "penguins").out
    assert cli.done("predict", "penguins.nnzoo", "penguins", "--out", "p.csv").out == "344 rows: p.csv\n"


def test_a_warning_is_one_line_and_comes_once(cli):
    cli.people(40).with_columns(city=pl.lit("Atlantis")).drop("label").write_csv("odd.csv")
    ended = cli.done("predict", "m.nnzoo", "odd.csv", "--out", "p.csv")
    assert len(ended.err.splitlines()) == 1
    assert ended.err.startswith('nnzoo: warning: column "city": 40 rows with categories that training never saw')


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("50", 50), ("-3", -3), ("1e-3", 1e-3), (".5", 0.5), ("true", True), ("False", False), ("none", None),
        ("64,32", (64, 32)), ("64,", (64,)), ("(64, 32)", (64, 32)), ("()", ()), ("", ""), ("relu", "relu"),
        ("1_000", "1_000"), ("nan", "nan"), ("inf", "inf"), ("0x10", "0x10"), ("9" * 5000, float("inf")),
    ],
)  # fmt: skip
def test_a_value_is_read_strictly(text, value):
    found = parse_value(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), ("2H", 7200)])
def test_a_duration_has_a_unit(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "1d", "1 m s", "nan", "inf"])
def test_a_duration_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="--time-limit needs a duration above zero"):
        parse_duration(text)


def test_pairs_are_cut_at_the_first_or_the_last_border():
    assert pairs(["a=b=c"], "--set") == {"a": "b=c"}
    assert pairs(["a=b=c"], "--column", last=True) == {"a=b": "c"}
    with pytest.raises(UsageError, match='--set needs each name once; got "a" twice'):
        pairs(["a=1", "a=2"], "--set")
    with pytest.raises(UsageError, match="--set needs NAME=VALUE"):
        pairs(["=1"], "--set")


def test_a_command_is_given_back_as_it_is_typed():
    given = LoadOptions(target="a b", labels=True, column=["x=text"], on_bad_row="skip", seed=1)
    wanted = "nnzoo train my.csv --target 'a b' --labels --column x=text --on-bad-row skip --seed 1 --resume"
    assert given.command("train", "my.csv", "--resume") == wanted
