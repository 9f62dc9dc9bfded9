"""The check-up: what it says, and what it keeps silent about."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from nnzoo.data.checkup import Finding, check_table
from nnzoo.data.kinds import Column
from nnzoo.data.leaks import find_leaks
from nnzoo.data.rawtable import Reject
from nnzoo.data.splits import TEST, TRAIN, VALID

N = 200
RNG = np.random.default_rng(0)
KIND_OF = {pl.Float64: "number", pl.Boolean: "boolean", pl.String: "category"}


def columns_of(frame, **kinds):
    named = {name: kinds.get(name) or KIND_OF.get(dtype, "time") for name, dtype in frame.schema.items() if name != "y"}
    return [Column(name, kind, "why") for name, kind in named.items()]


def parts(n_rows):
    return np.resize(np.array([TRAIN] * 7 + [VALID, TEST, TEST], dtype=np.int8), n_rows)


def check(values, task="classification", part=None, rejects=(), several_labels=False, time=None, **kinds):
    frame = pl.DataFrame(values)
    part = parts(frame.height) if part is None else np.array(part, dtype=np.int8)
    target = "y" if "y" in frame.columns else None
    return check_table(
        frame,
        columns_of(frame, **kinds),
        target,
        task if target else None,
        part,
        rejects,
        several_labels=several_labels,
        time=time,
    )


def topics(findings):
    return [finding.topic for finding in findings]


def only(findings, topic):
    found = [finding for finding in findings if finding.topic == topic]
    assert len(found) == 1, findings
    return found[0]


def noise(n=N):
    return RNG.normal(size=n)


def labels(n=N):
    return ["a", "b"] * (n // 2)


def test_clean_table_has_no_finding():
    assert check({"x": noise(), "y": labels()}) == []


def test_warnings_stand_before_notes():
    values = {"x": [None] * 5 + list(noise(N - 5)), "z": noise(), "same": ["k"] * N, "y": labels()}
    levels = [finding.level for finding in check(values, same="constant")]
    assert levels == ["warning", "note"]


def test_A8_constant_column_is_left_out_with_a_warning():
    finding = only(check({"x": noise(), "same": ["k"] * N, "y": labels()}, same="constant"), "constant")
    assert finding == Finding("warning", "constant", "same", '"same" is left out: it does not vary (why).', "")


def test_A8_id_like_column_is_a_warning_with_the_way_to_use_it():
    names = [f"p{i}" for i in range(N)]
    finding = only(check({"x": noise(), "who": names, "y": labels()}, who="id"), "row name")
    assert (finding.level, finding.column) == ("warning", "who")
    assert "is no input" in finding.message
    assert finding.hint == "Pass columns={'who': \"category\"} if it is one."


def test_A8_column_of_many_values_is_a_note_with_their_number():
    values = {"city": [f"c{i % 150}" for i in range(600)], "x": noise(600), "y": RNG.permutation(labels(600))}
    finding = only(check(values), "many values")
    assert (finding.level, finding.column) == ("note", "city")
    assert finding.message.startswith('"city" has 150 different values')


@pytest.mark.parametrize(
    ("name", "leak", "why"),
    [
        ("copy", ["a", "b"] * (N // 2), "each of its values comes with one value of the target"),
        ("finer", ["p", "r", "q", "r"] * (N // 4), "each of its values comes with one value of the target"),
        ("flag", [True, False] * (N // 2), "each of its values comes with one value of the target"),
        ("filled", [None, "c", None, "d"] * (N // 4), "whether it is missing tells the class"),
        ("score", np.where(np.arange(N) % 2 == 0, -1.0, 1.0) + RNG.random(N), "each class has its own range of it"),
    ],
)
def test_A19_feature_that_determines_the_class_is_a_warning(name, leak, why):
    finding = only(check({"x": noise(), name: leak, "y": labels()}), "target given away")
    assert (finding.level, finding.column) == ("warning", name)
    assert finding.message == f'"{name}" gives the target "y" away: {why}.'
    assert f"columns={{'{name}': \"ignore\"}}" in finding.hint


def test_A19_missing_cells_that_tell_the_class_are_a_warning():
    boat = [float(i) if i % 2 else None for i in RNG.permutation(N // 2)]
    y = ["alive" if cell is not None else "dead" for cell in boat]
    finding = only(check({"x": noise(N // 2), "boat": boat, "y": y}), "target given away")
    assert "whether it is missing tells the class" in finding.message


@pytest.mark.parametrize("change", [lambda y: y * 3 + 1, np.exp, lambda y: -y])
def test_A19_feature_in_the_order_of_the_number_is_a_warning(change):
    y = noise()
    finding = only(check({"x": noise(), "leak": change(y), "y": y}, task="regression"), "target given away")
    assert finding.message == '"leak" gives the target "y" away: the target rises or falls exactly with it.'


def test_A19_columns_that_sum_up_to_the_target_are_a_warning():
    casual, registered = noise(), noise()
    values = {"x": noise(), "casual": casual, "registered": registered, "y": casual + registered}
    finding = only(check(values, task="regression"), "target given away")
    assert finding.message == (
        '"casual", "registered" give the target "y" away: the target is a weighted sum of them in every row.'
    )


@pytest.mark.parametrize("seed", range(5))
def test_A19_good_features_are_no_leak(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=400)
    noisy = x + 0.3 * rng.normal(size=400)
    by_class = {"x": x, "site": rng.choice(list("abc"), 400), "y": np.where(noisy > 0, "high", "low")}
    assert "target given away" not in topics(check(by_class))
    assert "target given away" not in topics(check(by_class | {"y": noisy}, task="regression"))


def test_A19_few_rows_are_no_evidence():
    assert "target given away" not in topics(check({"x": np.arange(10.0)[::-1] % 7, "y": ["a"] * 5 + ["b"] * 5}))


def test_A19_repeated_rows_are_no_evidence():
    x = np.repeat(noise(), 2)
    y = np.repeat(RNG.choice(["a", "b"], N), 2)
    frame = pl.DataFrame({"x": x, "y": y})
    assert find_leaks(frame, columns_of(frame), "y", "classification") == []


def test_A19_rare_class_needs_more_rows_as_evidence():
    y = ["common"] * 990 + ["rare"] * 10
    frame = pl.DataFrame({"x": noise(1000), "pair": [f"p{i // 2}" for i in range(1000)], "y": y})
    assert find_leaks(frame, columns_of(frame), "y", "classification") == []


def test_A19_huge_numbers_do_not_hide_a_sum():
    a, b = noise() * 1e300, noise() * 1e300
    frame = pl.DataFrame({"a": a, "b": b, "y": a - b})
    assert find_leaks(frame, columns_of(frame), "y", "regression")[0].columns == ("a", "b")


def test_A5_one_class_is_a_warning():
    finding = only(check({"x": noise(), "y": ["a"] * N}), "one class")
    assert finding.message == '"y" has one class, "a": every prediction will be this one.'


def test_A5_class_of_one_row_is_a_warning():
    y = [*labels(), "rare"]
    part = parts(N + 1)
    part[-1] = TRAIN
    finding = only(check({"x": noise(N + 1), "y": y}, part=part), "few rows of a class")
    assert finding.message == 'Class "rare" has 1 row: kept in train, so its predictions are not tested.'


def test_classes_of_few_rows_are_a_warning_that_lists_them():
    finding = only(check({"x": noise(), "y": ["a"] * 190 + ["b"] * 5 + ["c"] * 5}), "few rows of a class")
    assert finding.message.startswith('Classes "b", "c" have fewer than 10 rows')


def test_class_that_is_not_in_train_is_a_warning():
    part = [TRAIN] * 100 + [TEST] * 100
    finding = only(check({"x": noise(), "y": ["a"] * 100 + ["b"] * 100}, part=part), "class not in train")
    assert finding.message == 'Class "b" has no row in train: it will never be predicted.'


def test_imbalance_is_a_note_with_the_ratio():
    finding = only(check({"x": noise(), "y": ["a"] * 185 + ["b"] * 15}), "imbalance")
    assert (finding.level, finding.message) == ("note", "The largest class has 12 times the rows of the smallest.")


def test_rare_label_of_several_is_a_warning():
    y = ["news|sport", "news", "sport", " news | art "] + ["news|sport"] * (N - 4)
    finding = only(check({"x": noise(), "y": y}, several_labels=True), "few rows of a label")
    assert finding.message == 'Label "art" stands in fewer than 10 rows, where predictions are hardly tested.'


def test_empty_test_part_is_a_warning_and_a_small_one_a_note():
    few = check({"x": noise(10), "y": labels(10)}, part=[TRAIN] * 8 + [VALID] * 2)
    assert any("no row for the test part" in finding.message for finding in few)
    small = only(check({"x": noise(), "y": labels()}, part=[TRAIN] * 150 + [VALID] * 40 + [TEST] * 10), "few rows")
    assert (small.level, small.message) == (
        "note",
        "The test part has 10 rows: the result will be known only roughly.",
    )


def test_copies_of_training_rows_in_the_test_are_a_warning_with_their_number():
    x = noise()
    part = parts(N)
    test = np.flatnonzero(part == TEST)[:3]
    x[test] = x[np.flatnonzero(part == TRAIN)[:3]]
    findings = check({"x": x, "y": labels()}, part=part)
    finding = only(findings, "copies across parts")
    assert finding.level == "warning"
    assert finding.message.startswith("3 of 40 rows of the test part equal a training row")
    assert only(findings, "copies").message == "3 rows repeat the inputs of an earlier row."


def test_equal_rows_of_few_categories_are_only_a_note():
    findings = check({"c": RNG.choice(["u", "v"], N), "y": labels()})
    assert {finding.level for finding in findings if finding.topic == "copies across parts"} == {"note"}
    assert "copies" not in topics(findings)


def test_missing_values_are_counted_by_column():
    x = [None] * 3 + list(noise(N - 3))
    finding = only(check({"x": x, "z": noise(), "y": labels()}), "missing")
    assert (finding.level, finding.message) == ("note", 'Missing values: "x" 3.')


def test_columns_missing_in_the_same_rows_are_named_together():
    x, z = ([None] * 3 + list(noise(N - 3)) for _ in range(2))
    finding = only(check({"x": x, "z": z, "w": noise(), "y": labels()}), "missing together")
    assert finding.message == '"x", "z" are missing in the same 3 rows.'


def test_mostly_missing_column_is_a_warning_with_its_share():
    x = [None] * 150 + list(noise(50))
    finding = only(check({"x": x, "z": noise(), "y": RNG.permutation(labels())}), "mostly missing")
    assert (finding.level, finding.message) == ("warning", '"x" is missing in 75 % of the rows.')


def test_rows_in_the_order_of_a_time_column_recommend_the_split_by_time():
    days = [datetime(2024, 1, 1) + timedelta(days=i) for i in range(N)]
    values = {"x": noise(), "date": days, "y": labels()}
    finding = only(check(values), "rows in time order")
    assert (finding.level, finding.column) == ("warning", "date")
    assert "--time date" in finding.hint
    assert "rows in time order" not in topics(check(values, time="date"))
    assert "rows in time order" not in topics(check(values | {"date": list(RNG.permutation(days))}))


def test_rows_in_the_order_of_a_number_are_only_a_note():
    finding = only(check({"x": np.arange(N)[::-1] * 1.0, "y": labels()}), "rows in time order")
    assert finding.level == "note"


def test_rejected_rows_are_a_warning_with_the_first_reason():
    rejects = [Reject(3, 4, "has 7 cells"), Reject(9, None, "has no target")]
    finding = only(check({"x": noise(), "y": labels()}, rejects=rejects), "rows left out")
    assert (finding.level, finding.message) == ("warning", "2 rows left out; the first, line 4, has 7 cells.")


def test_rows_that_are_not_for_training_get_no_advice_on_training():
    values = {"x": noise(), "same": ["k"] * N, "y": ["a"] * N}
    assert check(values, part=[TEST] * N, same="constant") == []


def test_table_without_a_target_is_checked_too():
    assert topics(check({"x": noise(), "same": ["k"] * N}, same="constant")) == ["constant"]


def test_finding_gives_plain_json():
    assert Finding("note", "copies", None, "m", "").to_json() == {
        "level": "note",
        "topic": "copies",
        "column": None,
        "message": "m",
        "hint": "",
    }
