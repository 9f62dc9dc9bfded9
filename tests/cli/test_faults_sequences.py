"""Fault table B of sequences and texts, case by case, through the command line; and a log, a series, a text as a user."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

SMALL = ("--set", "n_hidden=4", "--set", "n_epochs=2")
LOG = ("--entity", "machine", "--time", "when", "--target", "broken")
START = datetime(2024, 3, 1, 8)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def log(place):
    """Write log.csv: 30 machines, each with 3 to 8 events at irregular times, sorted by machine and time."""
    events().write_csv("log.csv")


def events(n_machines=30):
    draw = np.random.default_rng(0)
    rows = []
    for number in range(n_machines):
        when = START + timedelta(hours=number)
        for _ in range(draw.integers(3, 9)):
            when += timedelta(minutes=float(draw.integers(5, 500)))
            heat = None if draw.random() < 0.1 else round(float(draw.normal(60 + 10 * (number % 2), 3)), 2)
            rows.append((f"m{number:02d}", when, heat, str(draw.choice(["start", "stop", "jam"])), number % 2))
    return pl.DataFrame(rows, schema=["machine", "when", "heat", "what", "broken"], orient="row")


def changed(change, name="bad.csv"):
    """Write the log with its rows, a list of lists of cells, changed."""
    lines = Path("log.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines[1:]]
    change(rows)
    Path(name).write_text("\n".join([lines[0], *(",".join(row) for row in rows)]) + "\n")


def findings(cli, *words):
    told = json.loads(cli.done("load", *words, "--json").out)["findings"]
    return {finding["topic"]: finding for finding in told}


def train(cli, *words):
    return cli.done("train", *words, *SMALL, "--out", "m.nnzoo", "--quiet")


def predictions(cli, source, *words):
    said = cli.done("predict", "m.nnzoo", source, "--out", "p.csv", *words)
    return pl.read_csv("p.csv", infer_schema_length=None), said.err


@pytest.mark.usefixtures("log")
def test_B7_a_log_without_events_is_refused(cli):
    changed(lambda rows: rows.clear())
    cli.refused("train", "bad.csv", *LOG, "--out", "m.nnzoo", code=3, message="0 rows|no rows|empty")


@pytest.mark.usefixtures("place")
def test_B7_an_array_with_an_empty_sequence_is_refused(cli):
    np.savez("bad.npz", X=np.zeros((8, 3, 2)), y=np.arange(8) % 2, lengths=[3, 3, 0, 3, 3, 3, 3, 3])
    cli.refused("train", "bad.npz", "--out", "m.nnzoo", code=3, message="sequence 2|row 2|length")


@pytest.mark.usefixtures("log")
def test_B7_a_machine_with_one_event_is_learned_and_predicted_and_said(cli):
    def cut(rows):
        rows[:] = [row for i, row in enumerate(rows) if row[0] != "m03" or rows[i - 1][0] == "m02"]

    changed(cut)
    assert "one step" in findings(cli, "bad.csv", *LOG)
    train(cli, "bad.csv", *LOG)
    found, _ = predictions(cli, "bad.csv")
    assert found.filter(machine="m03")["prediction"].is_not_null().all()


@pytest.mark.slow
@pytest.mark.usefixtures("place")
def test_B7_a_series_of_a_million_steps_is_trained_in_windows_and_that_is_said(cli):
    pl.DataFrame({"level": np.sin(np.arange(1_000_000) / 9).round(4)}).write_csv("long.csv")
    settings = ("--set", "n_hidden=2", "--set", "n_epochs=1")
    said = cli.done("train", "long.csv", "--kind", "sequence", "--network", "rnn", *settings, "--out", "m.nnzoo")
    assert "1,000,000 steps" in said.out
    assert "700,000 steps: gradients go back 200 steps" in said.err


@pytest.mark.usefixtures("log")
def test_B7_unsorted_events_are_sorted_with_a_warning_and_give_the_same_predictions(cli):
    changed(lambda rows: rows.reverse())
    assert findings(cli, "bad.csv", *LOG)["unsorted"]["level"] == "warning"
    train(cli, "log.csv", *LOG)
    straight, turned = predictions(cli, "log.csv")[0], predictions(cli, "bad.csv")[0]
    assert straight.sort("machine").equals(turned.sort("machine"))


@pytest.mark.usefixtures("log")
def test_B7_equal_times_keep_their_order_with_a_warning(cli):
    def same(rows):
        rows[1][1] = rows[0][1]

    changed(same)
    assert findings(cli, "bad.csv", *LOG)["equal times"]["level"] == "warning"


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize("time", ["", "NaN", "soon"])
def test_B7_an_event_without_a_time_is_refused_with_its_line(cli, time):
    def lose(rows):
        rows[4][1] = time

    changed(lose)
    cli.refused("train", "bad.csv", *LOG, "--out", "m.nnzoo", code=3, message=r'(?=.*row 5\b).*"when"')


@pytest.mark.usefixtures("place")
def test_B8_gaps_in_a_regular_series_are_said(cli):
    days = [START + timedelta(days=number) for number in range(60) if number not in (20, 21, 40)]
    pl.DataFrame({"day": days, "level": np.arange(57.0)}).write_csv("days.csv")
    found = findings(cli, "days.csv", "--kind", "sequence", "--time", "day")
    assert "gaps" in found
    assert "2" in found["gaps"]["message"]


@pytest.mark.usefixtures("log")
def test_B8_times_with_offsets_are_brought_to_utc_so_that_no_step_is_negative(cli):
    def shift(rows):
        """Write each time in the time of Central Europe: the hour from 2 to 3 on 27 October 2024 comes twice."""
        first = datetime(2024, 10, 26, 23, 30)
        for number, row in enumerate(rows):
            utc = first + timedelta(minutes=20 * number)
            hours = 2 if utc < datetime(2024, 10, 27, 1) else 1
            row[0], row[4] = f"m{number // 10:02d}", str(number // 10 % 2)
            row[1] = (utc + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S") + f"+0{hours}:00"

    changed(shift)
    found = findings(cli, "bad.csv", *LOG)
    assert not {"unsorted", "equal times", "mixed time zones"} & set(found)


@pytest.mark.usefixtures("log")
def test_B8_times_with_and_without_an_offset_are_told_apart(cli):
    def some(rows):
        for row in rows[::2]:
            row[1] = row[1][:19] + "+02:00"

    changed(some)
    ended = cli("load", "bad.csv", *LOG, "--json")
    if ended.code:
        assert ended.code == 3
        assert '"when"' in ended.err
    else:
        assert "mixed time zones" in {each["topic"] for each in json.loads(ended.out)["findings"]}


REVIEWS = ["good and warm"] * 20 + ["bad and cold"] * 20
TEXT = ("--text", "said", "--target", "liked")


def reviews(extra=(), name="reviews.csv"):
    texts = [*REVIEWS, *extra]
    pl.DataFrame({"said": texts, "liked": ["yes" if "good" in text else "no" for text in texts]}).write_csv(name)


@pytest.mark.usefixtures("place")
def test_B9_an_empty_text_has_a_prediction_and_a_note(cli):
    reviews()
    train(cli, "reviews.csv", *TEXT)
    pl.DataFrame({"said": ["", "good and warm"]}).write_csv("new.csv")
    found, _ = predictions(cli, "new.csv")
    assert found["prediction"].is_not_null().all()
    assert (found["note"] == "").to_list() == [False, True]


@pytest.mark.usefixtures("place")
def test_B9_a_token_of_10_megabytes_is_cut_and_counted(cli):
    reviews(["good " + "x" * 10_000_000, "bad"])
    found = findings(cli, "reviews.csv", *TEXT)
    assert "long texts" in found
    assert "1 text" in found["long texts"]["message"]
    train(cli, "reviews.csv", *TEXT)


@pytest.mark.usefixtures("place")
def test_B9_nul_and_half_surrogates_of_a_text_are_replaced_and_counted(cli):
    rows = [*(line.encode() for line in REVIEWS), b"good\0", "bad \ud800".encode("utf-8", "surrogatepass")]
    Path("notes.txt").write_bytes(b"\n".join(rows))
    assert "2 " in findings(cli, "notes.txt")["replaced characters"]["message"]
    train(cli, "notes.txt")


@pytest.mark.usefixtures("place")
def test_B9_a_half_surrogate_in_json_is_refused_with_its_line_or_left_out(cli):
    rows = [{"said": text, "liked": "good" in text} for text in [*REVIEWS, "bad \ud800"]]
    Path("reviews.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    cli.refused("load", "reviews.jsonl", *TEXT, code=3, message="line 41.*half of a surrogate pair")
    cli.done("load", "reviews.jsonl", *TEXT, "--on-bad-row", "skip")


@pytest.mark.usefixtures("place")
def test_B10_unknown_tokens_are_counted_row_by_row_and_warned_of_when_most_are(cli):
    reviews()
    train(cli, "reviews.csv", *TEXT, "--unit", "word")
    pl.DataFrame({"said": ["good and sunny"] + ["good and warm"] * 9}).write_csv("new.csv")
    found, warned = predictions(cli, "new.csv")
    assert found["note"].to_list() == ["1 of 3 words unknown"] + [""] * 9
    assert "not known from training" not in warned
    pl.DataFrame({"said": ["quite other words", "good"]}).write_csv("other.csv")
    found, warned = predictions(cli, "other.csv")
    assert found["note"][0] == "3 of 3 words unknown"
    assert "3 of 4 words are not known from training" in warned


@pytest.mark.usefixtures("log")
def test_A14_A15_A17_of_a_log_columns_in_another_order_extra_ones_and_new_categories(cli):
    train(cli, "log.csv", *LOG)
    before, _ = predictions(cli, "log.csv")
    other = pl.read_csv("log.csv").select("what", "when", "heat", "machine", place=pl.lit("hall"))
    other.write_csv("other.csv")
    after, warned = predictions(cli, "other.csv")
    assert after.equals(before)
    assert '"place"' in warned
    other.with_columns(what=pl.lit("fire")).write_csv("fire.csv")
    found, warned = predictions(cli, "fire.csv")
    assert found["prediction"].is_not_null().all()
    assert "fire" in warned
    other.drop("heat").write_csv("less.csv")
    cli.refused("predict", "m.nnzoo", "less.csv", "--out", "q.csv", code=3, message='"heat"')


@pytest.mark.usefixtures("log")
def test_a_log_goes_through_all_steps_and_gives_a_vector_for_each_machine(cli):
    shown = json.loads(cli.done("build", "log.csv", *LOG, "--network", "gru", "--json").out)
    assert shown["per_step"]
    assert shown["layers"][-1]["shape"] == [1]
    train(cli, "log.csv", *LOG)
    report = json.loads(cli.done("evaluate", "m.nnzoo", "log.csv", "--json").out)
    assert report["baselines"]
    cli.done("encode", "m.nnzoo", "log.csv", "--out", "codes.parquet")
    codes = pl.read_parquet("codes.parquet")
    assert codes["machine"].to_list() == [f"m{number:02d}" for number in range(30)]
    assert codes.width == 5


@pytest.mark.usefixtures("place")
def test_a_series_is_forecast_with_intervals(cli):
    draw = np.random.default_rng(0)
    pl.DataFrame({"level": np.sin(np.arange(120) / 3) + draw.normal(0, 0.1, 120)}).write_csv("level.csv")
    train(cli, "level.csv", "--kind", "sequence")
    found, _ = predictions(cli, "level.csv", "--n-steps", "6")
    assert found.height == 6
    assert (found["low"] <= found["high"]).all()
    cli.refused("predict", "m.nnzoo", "level.csv", "--n-steps", "0", "--out", "q.csv", code=2, message="n-steps")


@pytest.mark.usefixtures("place")
def test_a_text_is_learned_and_sampled(cli):
    Path("rhyme.txt").write_text("round and round the garden goes the teddy bear\n" * 40)
    train(cli, "rhyme.txt")
    words = ("sample", "m.nnzoo", "--length", "30", "--prompt", "round", "--seed", "3")
    said = cli.done(*words).out
    assert said.startswith("round")
    assert len(said.rstrip("\n")) <= 35
    assert said == cli.done(*words).out


@pytest.mark.usefixtures("place")
def test_samples_of_a_chain_go_to_a_file(cli):
    Path("rhyme.txt").write_text("round and round the garden goes the teddy bear\n" * 40)
    cli.done("train", "rhyme.txt", "--network", "markov-chain", "--out", "c.nnzoo", "--quiet")
    cli.done("sample", "c.nnzoo", "--n-samples", "2", "--length", "30", "--prompt", "round", "--out", "new.txt")
    text = Path("new.txt").read_text()
    assert len(text) == 2 * (5 + 30 + 1)
    assert text.startswith("round")
    assert "bits per symbol" in cli.done("evaluate", "c.nnzoo", "rhyme.txt").out
