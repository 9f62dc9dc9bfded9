"""Radial basis network: exact interpolation as scipy has it, theorems on the activations, centres, widths, learning."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RBFInterpolator
from sklearn.datasets import load_diabetes, load_digits
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.model_selection import train_test_split

from nnzoo import DataError, ParameterError, RadialBasisNetwork, UsageError
from nnzoo.networks.kernels import squared_distances
from nnzoo.networks.radial_basis import KERNELS, choose_centers, choose_widths

REGRESSION = {"task": "regression", "random_state": 0}


def surface(n: int, d: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return standardised rows and a smooth target of mean 0 and deviation 1."""
    X = np.random.default_rng(seed).uniform(-1, 1, size=(n, d))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    y = np.sin(2 * X[:, 0]) * np.cos(X[:, -1])
    return X, (y - y.mean()) / y.std()


def test_two_centers_by_hand():
    """x = 0, 1 stay; σ = 1/√(2 ln 2), so ρ(1) = ½. (a + ½ b, ½ a + b) = (-1, 1) gives a = -2, b = 2.

    y = 10, 30 has mean 20 and deviation 10; at 2 the activations are 2⁻⁴ and ½: 20 + 10 (-2/16 + 1) = 28.75.
    """
    net = RadialBasisNetwork(centers="all", width=(2 * np.log(2)) ** -0.5, ridge=0.0, **REGRESSION)
    net.fit([[0.0], [1.0]], [10.0, 30.0])
    np.testing.assert_allclose(net.transform([[0.0], [2.0]]), [[1, 0.5], [1 / 16, 0.5]])
    np.testing.assert_allclose(net.network_.head.weight.detach(), [[-2.0, 2.0]], atol=1e-12)
    np.testing.assert_allclose(net.predict([[0.0], [1.0], [2.0]]), [10.0, 30.0, 28.75])


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_all_rows_as_centers_interpolate_as_scipy_does(kernel, d):
    X, y = surface(40, d)
    width = {1: 0.1, 2: 0.3, 3: 0.5}[d]
    net = RadialBasisNetwork(centers="all", kernel=kernel, width=width, ridge=0.0, **REGRESSION).fit(X, y)
    assert np.abs(net.predict(X) - y).max() < 1e-8
    new = surface(30, d, seed=1)[0]
    other = RBFInterpolator(X, y, kernel=kernel, epsilon=1 / (np.sqrt(2) * width), degree=-1, smoothing=0.0)
    np.testing.assert_allclose(net.predict(new), other(new), atol=1e-8)


@settings(max_examples=20)
@given(st.integers(0, 2**31))
def test_gaussian_matrix_of_separate_points_is_positive_definite(seed):
    points = np.unique(np.random.default_rng(seed).integers(0, 6, size=(20, 2)), axis=0).astype(float)
    squared = squared_distances(*[torch.from_numpy(points)] * 2)
    assert float(torch.linalg.eigvalsh(torch.exp(-squared))[0]) > 0


@settings(max_examples=10)
@given(st.integers(0, 2**31), st.sampled_from(["gaussian", "multiquadric", "inverse_multiquadric"]))
def test_normalised_activations_add_up_to_one(seed, kernel):
    X, y = surface(50, 3, seed)
    net = RadialBasisNetwork(n_centers=10, kernel=kernel, normalize=True, **REGRESSION).fit(X, y)
    for rows in (X, 1e3 * X):
        np.testing.assert_allclose(net.transform(rows).sum(axis=1), 1.0, atol=1e-12)


def test_an_endless_width_leaves_a_design_of_rank_one():
    X, y = surface(50)
    H = RadialBasisNetwork(width=1e9, **REGRESSION).fit(X, y).transform(X)
    assert np.linalg.matrix_rank(H) == 1


@pytest.mark.parametrize("d", [2, 16, 17, 40])
def test_distances_of_either_way_are_those_of_the_definition(d):
    x, c = (torch.randn(9, d, dtype=torch.float64, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    wanted = (x[:, None] - c[None]).square().sum(dim=2)
    torch.testing.assert_close(squared_distances(x, c), wanted, rtol=1e-12, atol=1e-12)
    assert bool((squared_distances(x, x) >= 0).all())


def test_equal_rows_are_one_center():
    X, y = surface(20)
    net = RadialBasisNetwork(centers="all", **REGRESSION).fit(np.vstack([X, X]), np.concatenate([y, y + 1]))
    assert net.centers_.shape == (20, 2)
    assert np.isfinite(net.predict(X)).all()


@pytest.mark.parametrize("way", ["kmeans", "random", "ols"])
def test_ways_to_choose_give_as_many_distinct_centers_as_asked(way):
    X, y = surface(200)
    centers = choose_centers(X, y[:, None], None, way, 12, np.random.default_rng(0))
    assert centers.shape == np.unique(centers, axis=0).shape == (12, 2)
    if way != "kmeans":
        assert {tuple(row) for row in centers} <= {tuple(row) for row in X}


def test_first_center_of_orthogonal_least_squares_explains_most():
    """By the definition: the candidate whose Gaussian alone leaves the least squared error."""
    X, y = surface(60)
    (first,) = choose_centers(X, y[:, None], None, "ols", 1, np.random.default_rng(0))
    squared = np.square(X[:, None] - X[None]).sum(axis=2)
    P = np.exp(-squared / squared.max())
    left = [np.square(y - p * (p @ y) / (p @ p)).sum() for p in P.T]
    np.testing.assert_array_equal(first, X[int(np.argmin(left))])


def test_centers_by_least_squares_do_better_than_drawn_ones():
    X, y = surface(300)
    ways = {way: RadialBasisNetwork(centers=way, n_centers=8, width=0.7, **REGRESSION) for way in ("ols", "random")}
    assert ways["ols"].fit(X, y).score(X, y) > ways["random"].fit(X, y).score(X, y)


def test_widths_by_hand():
    """Centres 0, 3, 4: squared distances to the two others 9, 16; 9, 1; 16, 1. The largest is 4, over √6."""
    centers = np.array([[0.0], [3.0], [4.0]])
    np.testing.assert_allclose(choose_widths(centers, "nearest"), np.sqrt([12.5, 5, 8.5]))
    np.testing.assert_allclose(choose_widths(centers, "global"), 4 / np.sqrt(6))
    np.testing.assert_array_equal(choose_widths(centers, 0.5), 0.5)
    np.testing.assert_array_equal(choose_widths(centers[:1], "nearest"), 1.0)


def test_given_centers_are_in_the_unit_of_the_rows():
    X, y = surface(50)
    net = RadialBasisNetwork(centers=[[100.0, 5.0], [130.0, 6.0]], **REGRESSION).fit(10 * X + 100, y)
    np.testing.assert_allclose(net.centers_, [[0.0, -9.5], [3.0, -9.4]], atol=1e-12)
    with pytest.raises(DataError, match="centers needs rows of a table of 2 columns; got 1"):
        RadialBasisNetwork(centers=[[1.0]]).fit(X, y > 0)


@pytest.mark.parametrize("ridge", [1e-3, "gcv"])
def test_chunks_of_partial_fit_give_what_fit_gives(ridge):
    """With given centres, and chunks of equal means and deviations, which settle the scaling."""
    (X, y), (Z, t) = surface(80), surface(80, seed=1)
    net = RadialBasisNetwork(centers=X[:20], width=0.5, ridge=ridge, **REGRESSION)
    whole = net.fit(np.vstack([X, Z]), np.concatenate([y, t])).predict(X)
    bits = RadialBasisNetwork(**net.get_params()).partial_fit(X, y).partial_fit(Z, t).predict(X)
    np.testing.assert_allclose(bits, whole, atol=1e-8)


def test_partial_fit_leaves_the_centers_as_they_are():
    X, y = surface(300)
    net = RadialBasisNetwork(n_centers=10, **REGRESSION).partial_fit(X[:200], y[:200])
    before = net.centers_.copy()
    np.testing.assert_array_equal(net.partial_fit(X[200:], y[200:]).centers_, before)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("task", "load"), [("classification", load_digits), ("regression", load_diabetes)])
def test_it_learns_beyond_a_constant(task, load, seed):
    X, y = load(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=seed)
    net = RadialBasisNetwork(task=task, random_state=seed).fit(X_train, y_train)
    constant = {"classification": DummyClassifier, "regression": DummyRegressor}[task]().fit(X_train, y_train)
    gain = {"classification": 0.8, "regression": 0.25}[task]
    assert net.score(X_test, y_test) > constant.score(X_test, y_test) + gain


def test_far_from_every_center_it_says_the_mean():
    X, y = surface(100)
    net = RadialBasisNetwork(**REGRESSION).fit(X, y + 7)
    np.testing.assert_allclose(net.predict([[1e6, 1e6]]), (y + 7).mean())
    classes = RadialBasisNetwork(random_state=0).fit(X, np.digitize(y, [-0.5, 0.5]))
    np.testing.assert_allclose(classes.predict_proba([[1e6, 1e6]]), 1 / 3)


def test_kernels_that_are_not_positive_have_no_shares():
    with pytest.raises(UsageError, match=r"normalize needs a kernel that is positive; 'linear' is not"):
        RadialBasisNetwork(kernel="linear", normalize=True).fit([[0.0], [1.0]], [0, 1])


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"centers": "means"}, r"centers needs one of 'kmeans', 'random', 'ols', 'all', or an array"),
        ({"width": 0.0}, r"width needs one of 'nearest', 'global', or a number above 0"),
        ({"kernel": "cubic"}, "kernel needs one of 'gaussian'"),
    ],
)
def test_bad_parameters_are_said(params, words):
    with pytest.raises(ParameterError, match=words):
        RadialBasisNetwork(**params).fit([[0.0], [1.0]], [0, 1])
