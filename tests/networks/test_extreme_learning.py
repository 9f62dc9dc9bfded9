"""Extreme learning machine: ridge and kernel ridge in closed form, interpolation, chunks, drawn layers, and learning."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes, load_digits
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from nnzoo import ExtremeLearningMachine, FeedForward, ParameterError
from nnzoo.networks.extreme_learning import RandomLayer, draw_weights
from nnzoo.training.loop import Run

REGRESSION = {"task": "regression", "random_state": 0}


def rows(n: int, d: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return standardised rows and a smooth target of mean 0 and deviation 1."""
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(n, d))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    y = np.sin(X[:, 0]) + X[:, 1] * X[:, -1] + 0.1 * draw.normal(size=n)
    return X, (y - y.mean()) / y.std()


def test_one_unit_by_hand():
    """Inputs 0 and 1 stay as they are; w = 2, b = -1 and ReLU give h = 0, 1, so mean ½, and t = -1, 1 for y = 0, 4.

    β = Σ (h - ½) t / (Σ (h - ½)² + λ) = 1 / (½ + ½) = 1 and b = 0 - ½; row 1 is said to be 2 + 2 (1 - ½) = 3.
    """
    net = ExtremeLearningMachine(n_hidden=1, activation="relu", ridge=0.5, **REGRESSION)
    net.make_body = lambda inputs: fixed(ExtremeLearningMachine.make_body(net, inputs))
    net.fit([[0.0], [1.0]], [0.0, 4.0])
    np.testing.assert_allclose(net.transform([[0.0], [1.0]]), [[0.0], [1.0]])
    np.testing.assert_allclose(net.predict([[0.0], [1.0], [2.0]]), [1.0, 3.0, 7.0])


def fixed(body: torch.nn.Module) -> torch.nn.Module:
    with torch.no_grad():
        body.hidden[0].weight.fill_(2.0)
        body.hidden[0].bias.fill_(-1.0)
    return body


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "sin", "rbf"])
def test_readout_is_ridge_regression_on_the_drawn_features(activation):
    X, y = rows(120, 4)
    net = ExtremeLearningMachine(n_hidden=30, activation=activation, ridge=1e-3, **REGRESSION).fit(X, y)
    H = net.transform(X)
    assert H.shape == (120, 30)
    np.testing.assert_allclose(net.predict(X), Ridge(alpha=1e-3).fit(H, y).predict(H), atol=1e-8)


def test_features_are_the_activations_of_the_drawn_sums():
    X, y = rows(40, 3)
    net = ExtremeLearningMachine(n_hidden=7, activation="sin", **REGRESSION).fit(X, y)
    W, b = (p.detach().numpy() for p in net.network_.body.hidden[0].parameters())
    np.testing.assert_allclose(net.transform(X), np.sin(X @ W.T + b), atol=1e-12)
    points = ExtremeLearningMachine(n_hidden=7, activation="rbf", **REGRESSION).fit(X, y)
    hidden = points.network_.body.hidden
    squared = np.square(X[:, None] - hidden.points.numpy()[None]).sum(axis=2)
    np.testing.assert_allclose(points.transform(X), np.exp(-hidden.gamma.numpy() * squared), atol=1e-12)


@settings(max_examples=10)
@given(st.integers(0, 2**31))
def test_as_many_units_as_distinct_rows_interpolate(seed):
    """Huang et al. 2006, theorem 2.1."""
    X, y = rows(30, 3, seed)
    net = ExtremeLearningMachine(task="regression", n_hidden=30, ridge=0.0, activation="sin", input_scaling=2.0)
    assert np.abs(net.set_params(random_state=seed % 2**32).fit(X, y).predict(X) - y).max() < 1e-6


@pytest.mark.parametrize("ridge", [1e-3, 10.0])
def test_direct_links_alone_are_ridge_regression(ridge):
    """Units of scale 1e-6 are constant to within rounding, so the links do all."""
    X, y = load_diabetes(return_X_y=True)
    net = ExtremeLearningMachine(
        n_hidden=1, input_scaling=1e-6, activation="relu", direct_links=True, ridge=ridge, **REGRESSION
    )
    Z, t = StandardScaler().fit_transform(X), StandardScaler().fit_transform(y[:, None])[:, 0]
    linear = Ridge(alpha=ridge).fit(Z, t)
    found = net.fit(X, y)
    np.testing.assert_allclose((found.predict(X) - y.mean()) / y.std(), linear.predict(Z), atol=1e-8)


@pytest.mark.parametrize("gamma", ["scale", 0.7])
def test_kernel_form_is_kernel_ridge_regression(gamma):
    X, y = rows(60, 3)
    net = ExtremeLearningMachine(kernel="rbf", gamma=gamma, ridge=0.05, n_hidden=60, **REGRESSION).fit(X, y)
    other = KernelRidge(kernel="rbf", gamma=1 / 3 if gamma == "scale" else gamma, alpha=0.05).fit(X, y)
    new = rows(20, 3, seed=5)[0]
    np.testing.assert_allclose(net.predict(new), other.predict(new), atol=1e-8)
    H = net.transform(X)
    K = np.exp(-(1 / 3 if gamma == "scale" else gamma) * np.square(X[:, None] - X[None]).sum(axis=2))
    np.testing.assert_allclose(H @ H.T, K, atol=1e-8)


def test_kernel_form_of_many_rows_takes_some_of_them():
    X, y = rows(400, 3)
    net = ExtremeLearningMachine(kernel="rbf", n_hidden=50, **REGRESSION).fit(X, y)
    kept = net.network_.body.hidden.rows.numpy()
    assert kept.shape == (50, 3)
    assert np.abs(kept[:, None] - X[None]).max(axis=2).min(axis=1).max() < 1e-12
    assert net.score(X, y) > 0.9


@pytest.mark.parametrize("ridge", [1e-2, "gcv"])
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_chunks_of_partial_fit_give_what_fit_gives(ridge, task):
    """Of chunks with equal means and deviations, because the first one settles the scaling."""
    (X, y), (Z, t) = rows(150, 3), rows(150, 3, seed=1)
    if task == "classification":
        y, t = (np.digitize(each, [-0.5, 0.5]) for each in (y, t))
    both, target = np.vstack([X, Z]), np.concatenate([y, t])
    settings = {"task": task, "n_hidden": 40, "ridge": ridge, "random_state": 3}
    whole = ExtremeLearningMachine(**settings).fit(both, target)
    bits = ExtremeLearningMachine(**settings).partial_fit(
        X, y, **({} if task == "regression" else {"classes": [0, 1, 2]})
    )
    bits.partial_fit(Z, t)
    found, wanted = (net.network_.head.weight.detach().numpy() for net in (bits, whole))
    np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-8 * np.abs(wanted).max())


def test_learning_goes_on_from_a_fit_as_from_its_chunks():
    (X, y), (Z, t) = rows(150, 3), rows(150, 3, seed=1)
    net = ExtremeLearningMachine(n_hidden=20, ridge=0.1, **REGRESSION)
    whole = net.fit(np.vstack([X, Z]), np.concatenate([y, t])).predict(X)
    np.testing.assert_allclose(net.fit(X, y).partial_fit(Z, t).predict(X), whole, atol=1e-8)


def test_rows_that_the_memory_does_not_hold_are_read_in_parts():
    (X, y), (Z, t) = rows(150, 3), rows(150, 3, seed=1)
    net = ExtremeLearningMachine(n_hidden=20, ridge=0.1, **REGRESSION)
    whole = net.fit(np.vstack([X, Z]), np.concatenate([y, t])).predict(X)
    parts = net.fit_run(Run(), X, y, parts=lambda: [(X, y), (Z, t)])
    np.testing.assert_allclose(parts.predict(X), whole, atol=1e-8)


def test_a_device_without_float64_is_passed_over(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert ExtremeLearningMachine()._choose_device().type == "cpu"
    assert ExtremeLearningMachine(device="mps")._choose_device().type == "mps"
    assert FeedForward()._choose_device().type == "mps"
    assert FeedForward(precision="float64")._choose_device().type == "cpu"


@pytest.mark.parametrize("law", ["uniform", "normal", "orthogonal", "sparse"])
def test_sums_of_standardised_inputs_have_deviation_one(law):
    torch.manual_seed(0)
    X = torch.randn(2000, 30)
    W = draw_weights(law, 400, 30)
    assert W.shape == (400, 30)
    assert float((X @ W.T).std()) == pytest.approx(1.0, rel=0.05)
    assert float(W.mean()) == pytest.approx(0.0, abs=0.01)
    if law == "orthogonal":
        torch.testing.assert_close(W[:30] @ W[:30].T, torch.eye(30), atol=1e-5, rtol=0)
    if law == "sparse":
        assert set((W != 0).sum(dim=1).tolist()) == {3}


def test_scale_of_the_inputs_multiplies_weights_and_biases():
    layers = []
    for scale in (1.0, 3.0):
        torch.manual_seed(1)
        layers.append(RandomLayer(5, 8, activation="tanh", weights="uniform", input_scaling=scale)[0])
    for one, three in zip(layers[0].parameters(), layers[1].parameters(), strict=True):
        torch.testing.assert_close(3 * one, three)


def test_weights_of_rows_are_their_number():
    X, y = rows(60, 3)
    weight = np.random.default_rng(0).integers(1, 4, 60)
    settings = {"n_hidden": 20, "ridge": 0.0, "activation": "sin", **REGRESSION}
    by_weight = ExtremeLearningMachine(**settings).fit(X, y, sample_weight=weight)
    by_rows = ExtremeLearningMachine(**settings).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    np.testing.assert_allclose(by_weight.predict(X), by_rows.predict(X), atol=1e-7)


def test_ridge_by_leave_one_out_holds_noise_back_where_units_outnumber_rows():
    X, y = load_diabetes(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    chosen = ExtremeLearningMachine(**REGRESSION).fit(X_train, y_train)
    tiny = ExtremeLearningMachine(ridge=1e-6, **REGRESSION).fit(X_train, y_train)
    assert chosen.score(X_test, y_test) > 0.3 > 0 > tiny.score(X_test, y_test)
    assert chosen.ridge_ > 1
    assert tiny.ridge_ == 1e-6


def test_probabilities_are_right_as_often_as_they_say():
    """Brier's score of the calibrated scores is near that of their own claim, the mean of p (1 - p)."""
    draw = np.random.default_rng(0)
    X = draw.normal(size=(4000, 2))
    y = (draw.random(4000) < 1 / (1 + np.exp(-2 * X[:, 0]))).astype(int)
    net = ExtremeLearningMachine(n_hidden=100, random_state=0).fit(X[:2000], y[:2000])
    p = net.predict_proba(X[2000:])[:, 1]
    assert np.mean((p - y[2000:]) ** 2) == pytest.approx(np.mean(p * (1 - p)), abs=0.01)


def test_images_and_sequences_are_flattened_and_bytes_stay():
    X, y = load_digits(return_X_y=True)
    images = X.reshape(-1, 8, 8).astype(np.uint8)
    by_image = ExtremeLearningMachine(n_hidden=200, kind="image", random_state=0).fit(images[:900], y[:900])
    assert by_image.score(images[900:], y[900:]) > 0.93
    flat = ExtremeLearningMachine(n_hidden=200, kind="image", input_shape=(8, 8), random_state=0).fit(X[:900], y[:900])
    assert flat.score(X[900:], y[900:]) > 0.93


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("task", "load"), [("classification", load_digits), ("regression", load_diabetes)])
def test_it_learns_beyond_a_constant(task, load, seed):
    X, y = load(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=seed)
    net = ExtremeLearningMachine(task=task, random_state=seed).fit(X_train, y_train)
    constant = {"classification": DummyClassifier, "regression": DummyRegressor}[task]().fit(X_train, y_train)
    gain = {"classification": 0.8, "regression": 0.25}[task]
    assert net.score(X_test, y_test) > constant.score(X_test, y_test) + gain


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"ridge": -1.0}, "ridge needs one of 'gcv', or a number from 0"),
        ({"activation": "gelu"}, "activation needs one of 'sigmoid', 'tanh', 'relu', 'sin', 'rbf'"),
        ({"n_hidden": 0}, "n_hidden needs a whole number from 1"),
        ({"kernel": "poly"}, "kernel needs one of None, 'rbf'"),
    ],
)
def test_bad_parameters_are_said(params, words):
    with pytest.raises(ParameterError, match=words):
        ExtremeLearningMachine(**params).fit([[0.0], [1.0]], [0, 1])
