"""Support vector machine: the conditions of its optimum, libsvm's decisions, theorems, votes, approximations."""

import numpy as np
import pytest
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from nnzoo import ParameterError, SupportVectorMachine, UsageError
from nnzoo.networks.kernels import Fourier
from nnzoo.networks.margins import row_loss
from nnzoo.networks.support_vector import Votes

KERNELS = ("rbf", "linear", "poly", "sigmoid")
EXACT = {"tol": 1e-5}


def rows(n: int, seed: int = 0, *, noise: float = 0.7) -> tuple[np.ndarray, np.ndarray]:
    """Return standardised rows and two classes that overlap."""
    draw = np.random.default_rng(seed)
    X = StandardScaler().fit_transform(draw.normal(size=(n, 3)))
    return X, (X[:, 0] * X[:, 1] + X[:, 2] + noise * draw.normal(size=n) > 0).astype(int)


def kernel_of(kernel: str, X: np.ndarray, Z: np.ndarray, gamma: float) -> np.ndarray:
    product = X @ Z.T
    if kernel == "rbf":
        return np.exp(-gamma * np.square(X[:, None] - Z[None]).sum(axis=2))
    if kernel == "poly":
        return (gamma * product + 1.0) ** 3
    return {"linear": product, "sigmoid": np.tanh(gamma * product)}[kernel]


def dual(net: SupportVectorMachine, y: np.ndarray) -> np.ndarray:
    """Return aᵢ of every row, of two classes 0 and 1."""
    a = np.zeros(len(y))
    a[net.support_] = net.network_.head.weight.detach().numpy()[0] * (2 * y[net.support_] - 1)
    return a


def test_two_rows_by_hand():
    """x = -1, 1 with y = -1, 1 and K = x z: the widest margin is f = x, with a = ½ each, since Σ a y x = 1."""
    net = SupportVectorMachine(kernel="linear").fit([[-1.0], [1.0]], [0, 1])
    np.testing.assert_allclose(net.network_.head.weight.detach(), [[-0.5, 0.5]], atol=1e-6)
    np.testing.assert_allclose(net.decision_function([[-1.0], [0.0], [3.0]]), [-1, 0, 3], atol=1e-6)
    assert (net.support_.tolist(), net.n_support_) == ([0, 1], 2)


@pytest.mark.parametrize("kernel", KERNELS)
def test_decisions_of_two_classes_are_those_of_libsvm(kernel):
    X, y = rows(120)
    params = {"kernel": kernel, "gamma": 0.3, "coef0": 0.0 if kernel == "sigmoid" else 1.0, **EXACT}
    net = SupportVectorMachine(**params).fit(X, y)
    new = rows(50, seed=1)[0]
    np.testing.assert_allclose(net.decision_function(new), SVC(**params).fit(X, y).decision_function(new), atol=1e-3)


@pytest.mark.parametrize("kernel", ["rbf", "linear", "poly"])
@pytest.mark.parametrize("C", [0.1, 1.0, 10.0])
def test_conditions_of_the_optimum_hold_and_the_duality_gap_closes(kernel, C):
    """0 <= a <= C, Σ a y = 0; y f >= 1 where a = 0, <= 1 where a = C, = 1 between; dual = primal."""
    X, y = rows(100)
    net = SupportVectorMachine(C=C, kernel=kernel, gamma=0.3, coef0=1.0, tol=1e-5).fit(X, y)
    a, signs = dual(net, y), 2 * y - 1
    assert a.min() >= -1e-12
    assert a.max() <= C + 1e-12
    assert abs(a @ signs) < 1e-8
    margin = signs * net.decision_function(X)
    assert (margin[a < 1e-12] > 1 - 1e-4).all()
    assert (margin[a > C - 1e-12] < 1 + 1e-4).all()
    np.testing.assert_allclose(margin[(a > 1e-9) & (a < C - 1e-9)], 1.0, atol=1e-4)
    K = kernel_of(kernel, X, X, 0.3)
    width = (a * signs) @ K @ (a * signs)
    gained, paid = a.sum() - width / 2, width / 2 + C * np.maximum(0, 1 - margin).sum()
    assert paid - gained <= 1e-3 * paid
    assert paid >= gained - 1e-9


def bits(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of 0 and 1, which no scaling changes, whichever of them are there, and two classes that overlap."""
    draw = np.random.default_rng(seed)
    X = draw.integers(0, 2, size=(n, 8)).astype(float)
    X[0], X[1] = 0, 1
    return X, (X @ draw.normal(size=8) + draw.normal(size=n) > 0).astype(int)


@pytest.mark.parametrize("seed", range(5))
def test_rows_left_out_are_wrong_no_more_often_than_there_are_support_vectors(seed):
    """Vapnik's bound: a row that is no support vector is right when it is left out."""
    X, y = bits(24, seed)
    net = SupportVectorMachine(C=10.0, gamma=0.3, **EXACT)
    n_support, wrong = net.fit(X, y).n_support_, 0
    for row in range(24):
        rest = np.arange(24) != row
        wrong += net.fit(X[rest], y[rest]).predict(X[[row]])[0] != y[row]
    assert wrong <= n_support


def test_rows_that_are_no_support_vectors_change_nothing():
    X, y = bits(150, 0)
    whole = SupportVectorMachine(gamma=0.3, **EXACT).fit(X, y)
    kept = np.sort(whole.support_)
    assert len(kept) < 150
    alone = SupportVectorMachine(gamma=0.3, **EXACT).fit(X[kept], y[kept])
    np.testing.assert_allclose(alone.decision_function(X), whole.decision_function(X), atol=1e-3)


@pytest.mark.parametrize("kernel", KERNELS)
def test_votes_of_pairs_are_those_of_libsvm(kernel):
    X, y = load_iris(return_X_y=True)
    Z = StandardScaler().fit_transform(X)
    params = {"kernel": kernel, "gamma": 0.3, **EXACT}
    net = SupportVectorMachine(**params).fit(X, y)
    other = SVC(decision_function_shape="ovo", **params).fit(Z, y)
    pairs = net.network_.body.pairs(net.network_.body.features(torch.from_numpy(Z))).detach().numpy()
    np.testing.assert_allclose(pairs, other.decision_function(Z), atol=1e-3)
    other.decision_function_shape = "ovr"
    np.testing.assert_allclose(net.decision_function(X), other.decision_function(Z), atol=1e-3)
    assert net.n_support_ == len(other.support_)


def test_votes_by_hand():
    """Pairs (0, 1), (0, 2), (1, 2) with 2, -1, 0: 0 and 2 win one, 1 the last; sums 1, -2, 1."""
    scores = Votes(3).double()(torch.tensor([[2.0, -1.0, 0.0]]).double())
    torch.testing.assert_close(scores, torch.tensor([[1 + 1 / 6, 1 - 2 / 9, 1 + 1 / 6]]).double())


def test_one_class_against_the_rest_is_a_machine_a_class():
    X, y = load_iris(return_X_y=True)
    Z = StandardScaler().fit_transform(X)
    net = SupportVectorMachine(multi_class="ovr", gamma=0.3, **EXACT).fit(X, y)
    wanted = [SVC(gamma=0.3, **EXACT).fit(Z, y == k).decision_function(Z) for k in range(3)]
    np.testing.assert_allclose(net.decision_function(X), np.stack(wanted, axis=1), atol=1e-3)


def test_regression_is_that_of_libsvm_in_deviations_of_the_target():
    X, y = load_diabetes(return_X_y=True)
    Z, t = StandardScaler().fit_transform(X), (y - y.mean()) / y.std()
    net = SupportVectorMachine(task="regression", gamma=0.1, epsilon=0.2, **EXACT).fit(X, np.stack([y, -y], axis=1))
    wanted = SVR(gamma=0.1, epsilon=0.2, **EXACT).fit(Z, t).predict(Z)
    found = (net.predict(X) - [y.mean(), -y.mean()]) / y.std()
    np.testing.assert_allclose(found, np.stack([wanted, -wanted], axis=1), atol=1e-3)


def test_several_labels_a_row_have_a_machine_each():
    X, y = rows(80)
    Y = np.stack([y, X[:, 0] > 0, np.ones(80, int)], axis=1).astype(int)
    net = SupportVectorMachine(gamma=0.3).fit(X, Y)
    single = SupportVectorMachine(gamma=0.3).fit(X, y)
    np.testing.assert_allclose(net.decision_function(X)[:, 0], single.decision_function(X), atol=1e-6)
    assert net.predict(X)[:, 2].tolist() == [1] * 80


def test_weights_of_classes_multiply_c():
    X, y = rows(120)
    weighted = SupportVectorMachine(class_weight={0: 1.0, 1: 5.0}).fit(X, y)
    assert weighted.predict(X).mean() > SupportVectorMachine().fit(X, y).predict(X).mean() + 0.1


def test_it_has_no_probabilities_but_can_be_calibrated():
    X, y = rows(200)
    assert not hasattr(SupportVectorMachine(), "predict_proba")
    calibrated = CalibratedClassifierCV(SupportVectorMachine(), cv=3).fit(X, y)
    assert calibrated.predict_proba(X).shape == (200, 2)


def test_only_an_approximation_learns_in_parts():
    assert not hasattr(SupportVectorMachine(), "partial_fit")
    X, y = rows(300)
    net = SupportVectorMachine(approximation="fourier", n_components=100, random_state=0)
    for _ in range(20):
        net.partial_fit(X, y)
    assert net.score(X, y) > 0.75
    assert net.n_iter_ == 20


@pytest.mark.parametrize("approximation", ["nystroem", "fourier"])
def test_approximation_comes_near_the_exact_machine(approximation):
    X, y = rows(1500)
    X_test, y_test = rows(1000, seed=1)
    exact = SupportVectorMachine().fit(X, y).score(X_test, y_test)
    near = SupportVectorMachine(approximation=approximation, n_components=300, random_state=0).fit(X, y)
    assert near.score(X_test, y_test) > exact - 0.03
    assert near.n_support_ == 300


def test_products_of_random_waves_are_near_the_kernel():
    torch.manual_seed(0)
    X = torch.randn(30, 3, dtype=torch.float64)
    H = Fourier(3, 20_000, gamma=0.4).double()(X)
    wanted = torch.exp(-0.4 * torch.cdist(X, X).square())
    torch.testing.assert_close(H @ H.T, wanted, atol=0.05, rtol=0)


def test_hinge_by_hand():
    """Scores 2, -1, ½ for class 0: 0 + 0 + 1.5; a value 1 off by 0.5 with ε = 0.2: 0.3."""
    scores = torch.tensor([[2.0, -1.0, 0.5]])
    assert row_loss(scores, torch.tensor([0]), "multiclass", 0.1).tolist() == [1.5]
    assert row_loss(scores[:, :1], torch.tensor([[1.5]]), "regression", 0.2).tolist() == [pytest.approx(0.3)]
    assert row_loss(scores[:, 1:2], torch.tensor([[1.0]]), "binary", 0.1).tolist() == [2.0]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("task", "load"), [("classification", load_digits), ("regression", load_diabetes)])
def test_it_learns_beyond_a_constant(task, load, seed):
    X, y = load(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=seed)
    net = SupportVectorMachine(task=task).fit(X_train, y_train)
    constant = {"classification": DummyClassifier, "regression": DummyRegressor}[task]().fit(X_train, y_train)
    gain = {"classification": 0.8, "regression": 0.15}[task]
    assert net.score(X_test, y_test) > constant.score(X_test, y_test) + gain


def test_approximation_of_another_kernel_is_refused():
    with pytest.raises(UsageError, match="approximation needs kernel='rbf'; got 'poly'"):
        SupportVectorMachine(approximation="fourier", kernel="poly").fit([[0.0], [1.0]], [0, 1])


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"C": 0.0}, "C needs a number above 0"),
        ({"kernel": "cosine"}, "kernel needs one of 'rbf', 'linear', 'poly', 'sigmoid'"),
        ({"multi_class": "joint"}, "multi_class needs one of 'ovo', 'ovr'"),
    ],
)
def test_bad_parameters_are_said(params, words):
    with pytest.raises(ParameterError, match=words):
        SupportVectorMachine(**params).fit([[0.0], [1.0]], [0, 1])
