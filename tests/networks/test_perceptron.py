"""Perceptron: Rosenblatt's rule row by row, its theorems, and the verbs."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Perceptron as ReferencePerceptron
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from nnzoo import Perceptron
from nnzoo.errors import DataError, ParameterError

IN_ORDER = {"shuffle": False, "tol": None, "random_state": 0}
XOR = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])


def whole_numbers(n_rows: int, n_features: int, seed: int) -> np.ndarray:
    """Return rows of small whole numbers: all sums and products of them are exact."""
    return np.random.default_rng(seed).integers(-5, 6, size=(n_rows, n_features)).astype(float)


def separable(seed: int, n_rows: int = 60, n_features: int = 4) -> tuple[np.ndarray, np.ndarray]:
    X = whole_numbers(n_rows, n_features, seed)
    score = X @ np.arange(1, n_features + 1) + 1
    return X[score != 0], (score[score != 0] > 0).astype(int)


class RowByRow:
    """The rule as printed: w ← w + η y x, b ← b + η y on a mistake, one row after another, from zero."""

    def __init__(self, X, y, *, n_epochs: int, weight=None, joint: bool = False, several: bool = False) -> None:
        n, d = X.shape
        k = y.shape[1] if several else len(np.unique(y))
        self.n_units = 1 if k == 2 and not several else k
        self.w, self.b = np.zeros((self.n_units, d)), np.zeros(self.n_units)
        self.n_mistakes, self.states, self.wrong = 0, [], []
        weight = np.ones(n) if weight is None else weight / weight.mean()
        for _ in range(n_epochs):
            wrong = 0.0
            for i in range(n):
                corrected = self.joint(X[i], y[i], weight[i]) if joint else self.ovr(X[i], y[i], weight[i], several)
                self.n_mistakes += corrected
                wrong += weight[i] * (corrected > 0)
                self.states.append((self.w.copy(), self.b.copy()))
            self.wrong.append(wrong / n)

    def ovr(self, x, label, rate, several) -> int:
        wanted = label if several else ([label] if self.n_units == 1 else np.arange(self.n_units) == label)
        corrected = 0
        for unit in range(self.n_units):
            sign = 1 if wanted[unit] else -1
            if sign * (self.w[unit] @ x + self.b[unit]) <= 0:
                self.w[unit] += rate * sign * x
                self.b[unit] += rate * sign
                corrected += 1
        return corrected

    def joint(self, x, label, rate) -> int:
        scores = self.w @ x + self.b
        rival = max((unit for unit in range(self.n_units) if unit != label), key=lambda unit: scores[unit])
        if scores[rival] < scores[label]:
            return 0
        for unit, sign in ((label, 1), (rival, -1)):
            self.w[unit] += rate * sign * x
            self.b[unit] += rate * sign
        return 1


def assert_same_rule(net: Perceptron, plain: RowByRow) -> None:
    np.testing.assert_array_equal(net.coef_, plain.w)
    np.testing.assert_array_equal(net.intercept_, plain.b)
    assert net.n_mistakes_ == plain.n_mistakes
    np.testing.assert_allclose(net.history_["train_loss"], plain.wrong, rtol=1e-12)


def test_two_corrections_worked_by_hand():
    """(w, b) after each pass over (1, 2) with y = +1 and (3, 1) with y = -1; a score of 0 is a mistake.

    1st: scores 0 and 6, both wrong: (1, 2), 1, then (-2, 1), 0. 2nd: 0 and 1, both wrong: (-1, 3), 1, then (-4, 2), 0.
    3rd: 0, wrong: (-3, 4), 1, then -4, right. 4th: 6 and -4, both right.
    """
    net = Perceptron(**IN_ORDER).fit([[1, 2], [3, 1]], [1, 0])
    assert (net.coef_.tolist(), net.intercept_.tolist(), net.n_mistakes_) == ([[-3.0, 4.0]], [1.0], 5)
    assert net.history_["train_loss"] == [1.0, 1.0, 0.5, 0.0]
    assert net.decision_function([[1, 1]]).tolist() == [2.0]


@pytest.mark.parametrize("n_rows", [5, 255, 256, 257, 700])
def test_blocks_are_the_plain_rule_for_two_classes(n_rows):
    X = whole_numbers(n_rows, 3, 1)
    y = (np.random.default_rng(2).random(n_rows) < 0.4).astype(int)
    y[:2] = 0, 1
    assert_same_rule(Perceptron(n_epochs=3, **IN_ORDER).fit(X, y), RowByRow(X, y, n_epochs=3))


@pytest.mark.parametrize("multi_class", ["ovr", "joint"])
def test_blocks_are_the_plain_rule_for_several_classes(multi_class):
    X = whole_numbers(600, 4, 3)
    y = np.random.default_rng(4).integers(0, 4, 600)
    net = Perceptron(n_epochs=3, multi_class=multi_class, **IN_ORDER).fit(X, y)
    assert_same_rule(net, RowByRow(X, y, n_epochs=3, joint=multi_class == "joint"))


def test_blocks_are_the_plain_rule_for_several_labels_a_row():
    X = whole_numbers(400, 3, 5)
    Y = (np.random.default_rng(6).random((400, 3)) < 0.5).astype(int)
    net = Perceptron(n_epochs=2, **IN_ORDER).fit(X, Y)
    assert_same_rule(net, RowByRow(X, Y, n_epochs=2, several=True))
    assert set(np.unique(net.predict(X))) <= {0, 1}
    assert net.predict(X).shape == (400, 3)


@pytest.mark.parametrize("multi_class", ["ovr", "joint"])
def test_weights_multiply_the_rate(multi_class):
    X, y = whole_numbers(400, 3, 7), np.random.default_rng(8).integers(0, 3, 400)
    weight = np.tile([0.5, 1.5, 0.25, 1.75], 100)  # mean 1, exact in binary
    net = Perceptron(n_epochs=2, multi_class=multi_class, **IN_ORDER).fit(X, y, sample_weight=weight)
    assert_same_rule(net, RowByRow(X, y, n_epochs=2, weight=weight, joint=multi_class == "joint"))


def test_rows_of_weight_zero_are_as_if_they_were_not_there():
    X, y = whole_numbers(50, 3, 9), np.random.default_rng(9).integers(0, 2, 50)
    weight = np.tile([0.0, 1.0], 25)
    with_zero = Perceptron(n_epochs=4, **IN_ORDER).fit(X, y, sample_weight=weight)
    without = Perceptron(n_epochs=4, **IN_ORDER).fit(X[1::2], y[1::2])
    np.testing.assert_array_equal(with_zero.coef_, without.coef_)


def test_class_weight_is_sample_weight_by_label():
    X, y = whole_numbers(80, 3, 10), np.array(["a", "b", "b", "b"] * 20)
    by_class = Perceptron(n_epochs=4, class_weight={"a": 3.0, "b": 1.0}, **IN_ORDER).fit(X, y)
    by_row = Perceptron(n_epochs=4, **IN_ORDER).fit(X, y, sample_weight=np.where(y == "a", 3.0, 1.0))
    balanced = Perceptron(n_epochs=4, class_weight="balanced", **IN_ORDER).fit(X, y)
    np.testing.assert_array_equal(by_class.coef_, by_row.coef_)
    np.testing.assert_array_equal(balanced.coef_, by_row.coef_)


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.booleans())
def test_mistakes_on_separable_rows_stay_within_the_bound_of_novikoff(seed, shuffle):
    """(R/γ)² with the bias as a constant feature, for the separator that made the labels."""
    X, y = separable(seed)
    if len(np.unique(y)) < 2:
        return
    net = Perceptron(n_epochs=100_000, tol=None, shuffle=shuffle, random_state=seed).fit(X, y)
    Z, separator = np.hstack([X, np.ones((len(X), 1))]), np.array([1.0, 2.0, 3.0, 4.0, 1.0])
    margin = ((2 * y - 1) * (Z @ separator)).min() / np.linalg.norm(separator)
    assert net.n_mistakes_ <= np.square(Z).sum(axis=1).max() / margin**2
    assert net.stopped_ == "finished"
    assert net.score(X, y) == 1.0


@pytest.mark.parametrize("rate", [2.0**-20, 0.5, 3.0, 1024.0])
@pytest.mark.parametrize("multi_class", ["ovr", "joint"])
def test_without_penalty_the_rate_changes_no_prediction_and_no_mistake(rate, multi_class):
    X, y = whole_numbers(300, 4, 11), np.random.default_rng(12).integers(0, 3, 300)
    one = Perceptron(n_epochs=5, tol=None, random_state=1, multi_class=multi_class).fit(X, y)
    other = Perceptron(n_epochs=5, tol=None, random_state=1, multi_class=multi_class, learning_rate=rate).fit(X, y)
    np.testing.assert_array_equal(other.coef_, rate * one.coef_)
    np.testing.assert_array_equal(other.predict(X), one.predict(X))
    assert other.n_mistakes_ == one.n_mistakes_


@pytest.mark.parametrize("shuffle", [True, False])
def test_xor_never_goes_by_without_a_mistake(shuffle):
    X, y = XOR
    net = Perceptron(n_epochs=500, tol=None, shuffle=shuffle, random_state=0)
    with pytest.warns(ConvergenceWarning, match="has not fallen") if not shuffle else contextlib.nullcontext():
        net.fit(X, y)
    assert min(net.history_["train_loss"]) > 0
    assert net.stopped_ == "epochs"
    assert net.score(X, y) < 1.0


@pytest.mark.parametrize("seed", range(5))
def test_weights_are_a_signed_whole_number_of_each_row(seed):
    """With independent rows (the bias a constant feature) the counts are the one solution of Zᵀ c = (w, b)."""
    random = np.random.default_rng(seed)
    X = np.triu(random.integers(-3, 4, size=(8, 8)), 1) + np.diag(random.choice([-2.0, 2.0], 8))
    y = np.array([0, 1] * 4)
    net = Perceptron(n_epochs=2000, tol=None, random_state=seed).fit(X, y)
    counts = np.linalg.solve(X.T, net.coef_[0])
    whole = np.round(counts)
    np.testing.assert_allclose(counts, whole, atol=1e-8)
    np.testing.assert_array_equal(whole @ X, net.coef_[0])
    assert whole.sum() == net.intercept_[0]
    assert (whole * (2 * y - 1) >= 0).all()
    assert np.abs(whole).sum() == net.n_mistakes_


@pytest.mark.parametrize("n_rows", [100, 600])
def test_average_is_the_mean_of_the_weights_after_every_row(n_rows):
    X, y = whole_numbers(n_rows, 3, 13), np.random.default_rng(14).integers(0, 3, n_rows)
    net = Perceptron(n_epochs=3, average=True, **IN_ORDER).fit(X, y)
    plain = RowByRow(X, y, n_epochs=3)
    np.testing.assert_allclose(net.coef_, np.mean([w for w, _ in plain.states], axis=0), rtol=1e-12)
    np.testing.assert_allclose(net.intercept_, np.mean([b for _, b in plain.states], axis=0), rtol=1e-12)


@pytest.mark.parametrize("multi_class", ["ovr", "joint"])
@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("penalty", [None, "l1"])
def test_sparse_rows_give_the_same_as_dense_ones(multi_class, average, penalty):
    X = whole_numbers(400, 6, 15) * (np.random.default_rng(16).random((400, 6)) < 0.4)
    y = np.random.default_rng(17).integers(0, 3, 400)
    params = {"n_epochs": 4, "tol": None, "random_state": 2, "multi_class": multi_class, "average": average}
    dense = Perceptron(**params, penalty=penalty, penalty_weight=2.0**-10).fit(X, y)
    thin = Perceptron(**params, penalty=penalty, penalty_weight=2.0**-10).fit(sparse.csr_array(X), y)
    np.testing.assert_allclose(thin.coef_, dense.coef_, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(thin.predict(sparse.csc_array(X)), dense.predict(X))
    assert thin.n_mistakes_ == dense.n_mistakes_


def test_pocket_keeps_the_weights_with_the_fewest_mistakes_on_the_training_rows():
    X, y = whole_numbers(200, 2, 18), np.random.default_rng(19).integers(0, 2, 200)
    net = Perceptron(n_epochs=60, tol=None, pocket=True, random_state=0).fit(X, y)
    assert 1 - net.score(X, y) == pytest.approx(min(net.history_["valid_loss"]))
    assert net.best_epoch_ == int(np.argmin(net.history_["valid_loss"])) + 1
    last = Perceptron(n_epochs=60, tol=None, random_state=0).fit(X, y)
    assert net.score(X, y) > last.score(X, y)


def test_l1_penalty_empties_weights_that_carry_nothing():
    random = np.random.default_rng(20)
    X = np.hstack([random.normal(size=(500, 1)), 0.01 * random.normal(size=(500, 20))])
    y = (X[:, 0] > 0).astype(int)
    net = Perceptron(penalty="l1", penalty_weight=1e-3, n_epochs=50, random_state=0).fit(X, y)
    assert (net.coef_[0, 1:] == 0).mean() > 0.8
    assert net.score(X, y) > 0.95


@pytest.mark.parametrize(("penalty", "l1", "l2"), [("l1", 1.0, 0.0), ("l2", 0.0, 1.0), ("elasticnet", 0.15, 0.85)])
def test_penalty_shrinks_the_weights_once_a_block(penalty, l1, l2):
    """Two rows, one mistake: w = (4, 2) before the penalty of η λ n = 0.5 · 2 rows; the bias stays."""
    X, y = np.array([[4.0, 2.0], [8.0, 4.0]]), np.array([1, 1])
    X, y = np.vstack([X, -X]), np.array([1, 1, 0, 0])
    net = Perceptron(penalty=penalty, penalty_weight=0.125, n_epochs=1, **IN_ORDER).fit(X, y)
    plain = RowByRow(X, y, n_epochs=1)
    pull = 0.125 * len(X)
    shrunk = plain.w * (1 - l2 * pull)
    np.testing.assert_allclose(net.coef_, np.sign(shrunk) * np.maximum(np.abs(shrunk) - l1 * pull, 0), rtol=1e-12)
    np.testing.assert_array_equal(net.intercept_, plain.b)


def test_tol_stops_when_mistakes_no_longer_fall_and_none_takes_all_epochs():
    X, y = whole_numbers(100, 2, 21), np.random.default_rng(22).integers(0, 2, 100)
    stopped = Perceptron(random_state=0, patience=3).fit(X, y)
    assert (stopped.stopped_, stopped.n_iter_ < 100) == ("patience", True)
    assert Perceptron(random_state=0, tol=None, n_epochs=120).fit(X, y).n_iter_ == 120


def test_passes_of_partial_fit_are_the_epochs_of_fit():
    X, y = whole_numbers(300, 3, 23), np.random.default_rng(24).integers(0, 3, 300)
    for average in (False, True):
        whole = Perceptron(n_epochs=3, average=average, **IN_ORDER).fit(X, y)
        bits = Perceptron(average=average, **IN_ORDER)
        for _ in range(3):
            bits.partial_fit(X, y)
        np.testing.assert_array_equal(bits.coef_, whole.coef_)
        assert (bits.n_mistakes_, bits.n_iter_) == (whole.n_mistakes_, 3)


def test_partial_fit_takes_classes_that_come_later():
    X, y = whole_numbers(300, 3, 25), np.repeat([0, 1, 2], 100)
    net = Perceptron(shuffle=False, random_state=0)
    for start in range(0, 300, 100):
        net.partial_fit(X[start : start + 100], y[start : start + 100], classes=[0, 1, 2])
    plain = RowByRow(X, y, n_epochs=1)
    np.testing.assert_array_equal(net.coef_, plain.w)


def test_partial_fit_refuses_a_label_that_it_was_not_told_of():
    net = Perceptron(random_state=0).partial_fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(DataError, match='new: "2".*give classes= to the first partial_fit'):
        net.partial_fit([[0.0], [1.0]], [0, 2])


def test_it_has_no_probabilities():
    assert not hasattr(Perceptron(), "predict_proba")


def test_rate_that_is_not_positive_is_refused_in_fit():
    with pytest.raises(ParameterError, match=r'Perceptron: learning_rate needs a number above 0.*got "0"'):
        Perceptron(learning_rate=0).fit([[0.0], [1.0]], [0, 1])


def test_one_class_is_always_predicted():
    net = Perceptron(random_state=0).fit([[0.0], [1.0]], ["a", "a"])
    assert net.predict([[5.0], [-5.0]]).tolist() == ["a", "a"]


def test_early_stopping_holds_rows_out_and_keeps_the_best():
    X, y = load_digits(return_X_y=True)
    net = Perceptron(early_stopping=True, n_epochs=15, random_state=0).fit(X, y)
    assert net.best_by_ == "valid_loss"
    assert net.history_["valid_loss"][net.best_epoch_ - 1] == min(net.history_["valid_loss"])


def test_same_seed_gives_the_same_bits_and_another_seed_does_not():
    X, y = whole_numbers(300, 4, 26), np.random.default_rng(27).integers(0, 2, 300)
    one, two, three = (Perceptron(n_epochs=3, random_state=seed).fit(X, y) for seed in (0, 0, 1))
    assert one.coef_.tobytes() == two.coef_.tobytes() != three.coef_.tobytes()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("load", [load_breast_cancer, load_digits])
def test_it_learns_beyond_the_most_frequent_class_and_like_the_reference(load, seed):
    X, y = load(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=seed, stratify=y)
    scale = StandardScaler().fit(X_train)
    X_train, X_test = scale.transform(X_train), scale.transform(X_test)
    score = Perceptron(average=True, random_state=seed).fit(X_train, y_train).score(X_test, y_test)
    reference = ReferencePerceptron(random_state=seed).fit(X_train, y_train).score(X_test, y_test)
    assert score > DummyClassifier().fit(X_train, y_train).score(X_test, y_test) + 0.2
    assert score > reference - 0.02
