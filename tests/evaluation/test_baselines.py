import warnings

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from nnzoo.errors import DataError
from nnzoo.evaluation import competitors
from nnzoo.evaluation.baselines import run_baselines


def by_name(*arguments, **options):
    return {baseline.name: baseline for baseline in run_baselines(*arguments, **options)}


def two_parts(n_rows=240, seed=0):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n_rows, 3))
    return X, generator, n_rows // 2


def test_constant_answers_the_most_frequent_label_and_the_mean():
    X = np.arange(6.0)[:, None]
    labels = np.array(["a", "b", "b", "b", "a", "c"], dtype=object)
    assert by_name("classification", X, labels, X, labels)["constant"].prediction.tolist() == ["b"] * 6
    numbers = np.array([1.0, 2, 3, 4, 5, 9])
    assert by_name("regression", X, numbers, X, numbers)["constant"].prediction == pytest.approx([4] * 6)


def test_linear_equals_ridge_on_standardised_columns_and_has_no_unit_of_its_own():
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, generator, half = two_parts()
    y = 1e6 + 1e3 * (X @ [1, 2, 0] + generator.normal(size=len(X)))
    found = by_name("regression", X[:half], y[:half], X[half:], y[half:])["linear"]
    wanted = make_pipeline(StandardScaler(), Ridge()).fit(X[:half], y[:half]).predict(X[half:])
    assert found.prediction == pytest.approx(wanted)
    assert found.metrics["rmse"].value == pytest.approx(np.sqrt(((wanted - y[half:]) ** 2).mean()))


def test_trees_equal_scikit_learn_with_its_defaults():
    from sklearn.ensemble import HistGradientBoostingClassifier

    X, _, half = two_parts()
    y = np.where(X[:, 0] * X[:, 1] > 0, "yes", "no")
    found = by_name("classification", X[:half], y[:half], X[half:], y[half:], seed=3)["boosted trees"]
    with competitors.few_threads(1):
        wanted = HistGradientBoostingClassifier(random_state=3).fit(X[:half], y[:half]).predict(X[half:])
    assert found.prediction.tolist() == wanted.tolist()
    assert found.note == ""


@pytest.mark.parametrize("n_codes", [8, 300])
def test_code_columns_are_categories_for_linear_and_trees(n_codes):
    generator = np.random.default_rng(0)
    codes = generator.integers(1, n_codes + 1, size=5000)
    # Odd codes are one class: as a number the code tells a line nothing, as a category it tells all.
    y = codes % 2
    X = np.column_stack([generator.normal(size=5000), codes])
    found = by_name("classification", X[:4000], y[:4000], X[4000:], y[4000:], categorical_features={1: n_codes + 1})
    assert found["constant"].metrics["accuracy"].value < 0.6
    assert found["linear"].metrics["accuracy"].value > 0.9
    assert found["boosted trees"].metrics["accuracy"].value > (0.95 if n_codes == 8 else 0.65)


def test_codes_never_seen_in_training_are_taken():
    X = np.array([[1.0], [2], [1], [2]] * 10)
    y = np.array([0.0, 1, 0, 1] * 10)
    for baseline in run_baselines("regression", X, y, [[0.0], [300]], [0.5, 0.5], categorical_features=[0]):
        assert np.isfinite(baseline.prediction).all()


def test_one_class_or_no_column_leaves_the_constant_only():
    X = np.arange(4.0)[:, None]
    assert list(by_name("classification", X, ["a"] * 4, X, ["a", "b", "a", "a"])) == ["constant"]
    assert list(by_name("regression", np.empty((4, 0)), np.arange(4.0), np.empty((4, 0)), np.arange(4.0))) == [
        "constant"
    ]


@pytest.mark.parametrize("n_rows", [1, 2, 3, 5])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_very_few_rows_with_classes_of_one_row_do_not_crash(task, n_rows):
    X = np.arange(float(n_rows))[:, None]
    y = np.array(["a", "b", "c", "d", "e"], dtype=object)[:n_rows] if task == "classification" else X[:, 0]
    for baseline in run_baselines(task, X, y, X, y):
        assert len(baseline.prediction) == n_rows


def test_many_rows_with_a_class_of_one_row_do_not_crash():
    generator = np.random.default_rng(0)
    X, y = generator.normal(size=(10_500, 1)), generator.integers(0, 2, size=10_500)
    y[7] = 2
    assert len(by_name("classification", X, y, X[:50], y[:50])) == 3


def test_several_labels_get_a_model_each_and_a_constant_label_is_no_trouble():
    X, _, half = two_parts()
    marks = np.stack([X[:, 0] > 0, X[:, 1] > 0.5, np.zeros(len(X))], axis=1).astype(np.int8)
    found = by_name("classification", X[:half], marks[:half], X[half:], marks[half:], several_labels=True)
    assert found["linear"].metrics["f1_micro"].value > 0.9
    assert found["boosted trees"].prediction.dtype == np.int8
    assert not found["linear"].prediction[:, 2].any()
    assert not found["constant"].prediction[:, 1].any()


def test_rows_above_the_cap_are_drawn_and_the_note_says_so(monkeypatch):
    X, _, _ = two_parts(3000)
    y = X[:, 0]
    found = by_name("regression", X, y, X[:20], y[:20], max_rows=1500)
    assert found["linear"].note == "trained on 1,500 of the 3,000 training rows, drawn at random"
    assert found["boosted trees"].note == ""
    monkeypatch.setattr(competitors, "MAX_WORK_TREES", 3 * 100 * 2000)
    found = by_name("regression", X, y, X[:20], y[:20])
    assert found["boosted trees"].note == "trained on 2,000 of the 3,000 training rows, drawn at random"


def test_many_classes_take_fewer_rounds_and_the_note_says_so(monkeypatch):
    monkeypatch.setattr(competitors, "MAX_TREES", 60)
    X, _, _ = two_parts(300)
    y = np.arange(300) % 30
    assert by_name("classification", X, y, X, y)["boosted trees"].note == "stopped after 2 rounds for 30 outputs"


def test_a_linear_model_that_did_not_finish_says_so(monkeypatch):
    monkeypatch.setattr(competitors, "MAX_STEPS_LINEAR", 1)
    X, _, _ = two_parts(100)
    assert by_name("classification", X, X[:, 0] > 0, X, X[:, 0] > 0)["linear"].note == "stopped after 1 steps"


def test_nothing_warns_and_the_threads_are_left_as_they_were():
    X, _, _ = two_parts(30)
    before = [pool["num_threads"] for pool in threadpool_info()]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run_baselines("classification", X, np.arange(30), X, np.arange(30))
    assert [pool["num_threads"] for pool in threadpool_info()][: len(before)] == before


def test_at_most_two_threads_work():
    with competitors.few_threads(2):
        assert all(pool["num_threads"] <= 2 for pool in threadpool_info())


def test_same_seed_gives_the_same_predictions():
    X, generator, _ = two_parts(500)
    y = generator.normal(size=500)
    first, second = (run_baselines("regression", X, y, X, y, seed=1, max_rows=200) for _ in range(2))
    assert all(np.array_equal(a.prediction, b.prediction) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(
    ("n_train", "n_targets", "n_test", "message"),
    [
        (0, 0, 1, "at least 1 training row and a target for each; got 0 rows and 0 targets"),
        (3, 2, 1, "at least 1 training row and a target for each; got 3 rows and 2 targets"),
        (3, 3, 0, "at least 1 test row and a target for each; got 0 rows and 0 targets"),
    ],
)
def test_rows_and_targets_that_do_not_fit_are_refused(n_train, n_targets, n_test, message):
    with pytest.raises(DataError, match=message):
        run_baselines("regression", np.ones((n_train, 1)), np.ones(n_targets), np.ones((n_test, 1)), np.ones(n_test))
