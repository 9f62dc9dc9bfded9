import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from nnzoo.errors import DataError
from nnzoo.evaluation.metrics import ABOUT, figure, primary_metric, score


def labels_and_chances(n_rows, n_classes, seed=0):
    generator = np.random.default_rng(seed)
    classes = np.array([f"class {i}" for i in range(n_classes)], dtype=object)
    chances = generator.dirichlet(np.ones(n_classes), size=n_rows)
    truth = classes[[generator.choice(n_classes, p=p) for p in chances]]
    return truth, classes[chances.argmax(axis=1)], chances, classes


@pytest.mark.parametrize("n_classes", [2, 5])
def test_classification_values_equal_scikit_learn(n_classes):
    truth, said, chances, classes = labels_and_chances(300, n_classes)
    found = {name: metric.value for name, metric in score("classification", truth, said, chances, classes).items()}
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(truth, said))
    assert found["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(truth, said))
    assert found["f1_macro"] == pytest.approx(reference.f1_score(truth, said, average="macro"))
    assert found["log_loss"] == pytest.approx(reference.log_loss(truth, chances, labels=list(classes)))
    if n_classes == 2:
        assert found["auc"] == pytest.approx(reference.roc_auc_score(truth == classes[1], chances[:, 1]))
    else:
        assert "auc" not in found


def test_regression_values_equal_scikit_learn():
    truth = np.random.default_rng(0).normal(50, 10, size=200)
    said = truth + np.random.default_rng(1).normal(size=200)
    found = {name: metric.value for name, metric in score("regression", truth, said).items()}
    assert found["rmse"] == pytest.approx(reference.root_mean_squared_error(truth, said))
    assert found["mae"] == pytest.approx(reference.mean_absolute_error(truth, said))
    assert found["r2"] == pytest.approx(reference.r2_score(truth, said))


def test_values_of_several_labels_equal_scikit_learn():
    truth, said = np.random.default_rng(0).integers(0, 2, size=(2, 120, 4))
    found = {m.name: m.value for m in score("classification", truth, said, several_labels=True).values()}
    assert found["subset_accuracy"] == pytest.approx(reference.accuracy_score(truth, said))
    assert found["f1_micro"] == pytest.approx(reference.f1_score(truth, said, average="micro"))
    assert found["f1_macro"] == pytest.approx(reference.f1_score(truth, said, average="macro"))
    assert found["hamming_loss"] == pytest.approx(reference.hamming_loss(truth, said))


def test_calibration_error_by_hand():
    # bin 0.6..0.7: two rows say 0.6, one is right: gap 0.1; bin 0.9..1: one row says 0.9 and is right: gap 0.1
    chances = np.array([[0.6, 0.4], [0.6, 0.4], [0.1, 0.9]])
    found = score("classification", ["a", "b", "b"], ["a", "a", "b"], chances, ["a", "b"])
    assert found["calibration_error"].value == pytest.approx((2 * 0.1 + 1 * 0.1) / 3)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_every_interval_holds_its_value_and_shares_stay_within_0_and_1(pairs):
    truth, said = np.array(pairs).T
    for metric in score("classification", truth, said).values():
        assert 0 <= metric.value <= 1
        if metric.low is not None:
            assert -1e-9 <= metric.low <= metric.value + 1e-9 <= metric.high + 2e-9 <= 1 + 3e-9


def test_perfect_predictions_keep_an_honest_doubt():
    labels = np.array(["a", "b"] * 10)
    chances = np.eye(2)[[0, 1] * 10]
    found = score("classification", labels, labels, chances, ["a", "b"])
    for name in ("accuracy", "balanced_accuracy", "f1_macro", "auc"):
        assert (found[name].value, found[name].high) == (1, 1)
        assert 0.6 < found[name].low < 0.95
    marks = np.array([[1, 0], [0, 1]] * 10)
    several = score("classification", marks, marks, several_labels=True)
    assert several["f1_micro"].low < 0.9
    assert several["hamming_loss"].high > 0.1


def test_auc_interval_agrees_with_a_bootstrap_over_rows():
    truth, said, chances, classes = labels_and_chances(400, 2)
    found = score("classification", truth, said, chances, classes)["auc"]
    generator = np.random.default_rng(3)
    draws = [
        reference.roc_auc_score(truth[rows] == classes[1], chances[rows, 1])
        for rows in generator.integers(0, 400, size=(300, 400))
    ]
    assert (found.low, found.high) == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.015)


def test_many_rows_narrow_the_interval_by_the_root_of_their_number():
    generator = np.random.default_rng(0)
    widths = []
    for n_rows in (1000, 100_000):
        truth = generator.normal(size=n_rows)
        rmse = score("regression", truth, truth + generator.normal(size=n_rows))["rmse"]
        widths.append(rmse.high - rmse.low)
    assert widths[0] / widths[1] == pytest.approx(10, rel=0.2)


@pytest.mark.parametrize("size", [1e308, 1e-308, 1e200])
def test_very_large_and_very_small_numbers_give_the_right_error(size):
    found = score("regression", np.array([1, -1, 0.5]) * size, np.array([1, -1, 0.25]) * size)
    assert found["rmse"].value == pytest.approx(0.25 * size / np.sqrt(3))
    assert 0.9 < found["r2"].value < 1


def test_metrics_that_are_not_defined_are_left_out():
    assert "r2" not in score("regression", [2.0, 2.0, 2.0], [1.0, 2.0, 3.0])
    one_class = score("classification", ["a", "a"], ["a", "b"], [[0.9, 0.1], [0.2, 0.8]], ["a", "b"])
    assert "auc" not in one_class


def test_one_row_has_values_and_no_bootstrap_interval():
    found = score("regression", [2.0], [3.0])
    assert found["rmse"].value == 1
    assert (found["rmse"].low, found["rmse"].high) == (None, None)
    assert str(found["rmse"]) == "1.000"


def test_a_label_that_the_network_never_saw_costs_the_largest_log_loss():
    found = score("classification", ["new", "a"], ["a", "a"], [[0.5, 0.5], [1, 0]], ["a", "b"])
    assert found["log_loss"].value == pytest.approx(-np.log(np.finfo(float).eps) / 2)


@pytest.mark.parametrize("labels", [[True, False, True], [3, 1, 2], ["x", "y", "z"]])
def test_labels_of_any_type_are_taken(labels):
    assert score("classification", labels, labels)["accuracy"].value == 1


def test_same_seed_gives_the_same_intervals():
    truth, said, chances, classes = labels_and_chances(100, 3)
    first, second = (score("classification", truth, said, chances, classes, seed=5) for _ in range(2))
    assert first == second


def test_metrics_are_plain_json_and_described():
    for metric in score("regression", [1.0, 2.0, 3.0], [1.0, 2.0, 4.0]).values():
        assert json.loads(json.dumps(metric.to_json(), allow_nan=False))["name"] == metric.name
        assert (metric.better, metric.unit, metric.what) == ABOUT[metric.name]


def test_primary_metric_of_each_task():
    assert primary_metric("regression") == "rmse"
    assert primary_metric("classification") == "accuracy"
    assert primary_metric("classification", several_labels=True) == "f1_micro"


def test_figures_keep_enough_digits():
    assert [figure(x) for x in (0, 0.5, -3.14159, 1234.5, 1e-5)] == ["0", "0.500", "-3.142", "1234", "1e-05"]


@pytest.mark.parametrize(
    ("task", "truth", "said", "options", "message"),
    [
        ("classification", ["a"], ["a", "b"], {}, r"one prediction per row; got truth \(1,\) and prediction \(2,\)"),
        ("classification", [], [], {}, "at least 1 row; got 0 rows"),
        ("classification", [["a"]], [["a"]], {}, r"truth with 1 dimension; got shape \(1, 1\)"),
        ("classification", ["a"], ["a"], {"several_labels": True}, r"2 dimensions; got shape \(1,\)"),
        ("regression", [1.0, np.nan], [1.0, 1.0], {}, "finite numbers; truth has NaN or inf at index 1"),
        ("regression", [1.0], [np.inf], {}, "finite numbers; prediction has NaN or inf at index 0"),
        (
            "classification",
            ["a"],
            ["a"],
            {"probability": [[1.0]], "classes": ["a", "b"]},
            r"shape \(1, 2\), a column per class; got \(1, 1\)",
        ),
        ("classification", ["a"], ["a"], {"probability": [[2.0]], "classes": ["a"]}, "probabilities from 0 to 1"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(task, truth, said, options, message):
    with pytest.raises(DataError, match=message):
        score(task, truth, said, **options)
