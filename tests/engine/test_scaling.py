"""Weighted standardisation, at the ends of float64, too."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nnzoo.engine import scaling
from nnzoo.engine.scaling import Standardizer
from nnzoo.errors import DataError

TINY = 5e-324


@pytest.mark.parametrize("factor", [1e-300, 1e-8, 1.0, 1e8, 1e300])
def test_columns_get_mean_0_and_deviation_1_at_any_size(factor):
    X = factor * np.random.default_rng(0).normal(3, 2, size=(100, 2))
    Z = Standardizer.learn(X, None).apply(X, np.float64)
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(Z.std(axis=0), 1, rtol=1e-12)


def test_weights_stand_for_repeats():
    random = np.random.default_rng(1)
    X, weight = random.normal(size=(50, 3)), random.integers(1, 5, 50)
    by_weight, by_repeat = Standardizer.learn(X, weight / 7.0), Standardizer.learn(np.repeat(X, weight, axis=0), None)
    np.testing.assert_allclose(by_weight.mean, by_repeat.mean, rtol=1e-12)
    np.testing.assert_allclose(by_weight.scale, by_repeat.scale, rtol=1e-12)


@given(arrays(np.float64, (6, 2), elements=st.floats(-8e307, 8e307)))
def test_any_finite_table_stays_finite_and_comes_back(X):
    standard = Standardizer.learn(X, None)
    Z = standard.apply(X, np.float64)
    assert np.isfinite(Z).all()
    size = np.abs(X).max(axis=0)
    np.testing.assert_allclose(standard.invert(Z) / np.maximum(size, TINY), X / np.maximum(size, TINY), atol=1e-9)


@pytest.mark.parametrize("value", [0.0, 1.0, 7.0, 0.1, -1e300, 1e-300])
def test_constant_column_is_only_centred_and_0_and_1_stay(value):
    X = np.full((30, 1), value)
    Z = Standardizer.learn(X, np.linspace(1, 2, 30)).apply(X, np.float64)
    assert set(Z[:, 0].tolist()) == {value if value in (0.0, 1.0) else 0.0}
    assert Standardizer.learn(X, None).scale.tolist() == [1.0]


def test_columns_of_0_and_1_and_kept_columns_stay_as_they_are():
    X = np.array([[0.0, 3.0, 5.0], [1.0, 4.0, 9.0], [0.0, 3.0, 1.0]])
    Z = Standardizer.learn(X, None, keep=[1]).apply(X, np.float64)
    assert Z[:, :2].tolist() == X[:, :2].tolist()
    assert abs(Z[:, 2].mean()) < 1e-12


def test_identity_changes_nothing():
    X = np.random.default_rng(0).normal(size=(5, 3))
    assert Standardizer.identity(3).apply(X, np.float64).tobytes() == X.tobytes()


def test_A9_value_that_overflows_float32_is_refused_by_column():
    standard = Standardizer.learn(np.random.default_rng(0).normal(size=(9, 2)), None)
    X = np.array([[0.0, 0.0], [0.0, 1e60]])
    with pytest.raises(DataError, match=r'too large in column "height"\. Remove the extreme rows'):
        standard.apply(X, np.float32, ["age", "height"])
    with pytest.raises(DataError, match='too large in column "1"'):
        standard.apply(X, np.float32)
    assert np.isfinite(standard.apply(X, np.float64)).all()


def test_A9_value_that_overflows_float64_is_refused_by_column_too():
    X = np.full((6, 1), -1e308)  # mean -0.55e308
    X[0] = 1.7e308
    with pytest.raises(DataError, match='fit into float64 once standardised; too large in column "0"'):
        Standardizer.learn(X, None).apply(X, np.float64)


def test_spread_that_is_only_rounding_is_not_blown_up():
    X = 1e20 * (1 + np.array([[0.0], [2.3e-16], [4.5e-16], [0.0]]))
    assert np.unique(X).size > 1
    Z = Standardizer.learn(X, None).apply(X, np.float64)
    assert np.abs(Z).max() < 1e-12


def test_no_rows_are_no_error():
    assert Standardizer.identity(2).apply(np.zeros((0, 2)), np.float32).shape == (0, 2)


def test_blocks_give_what_all_rows_at_once_give(monkeypatch):
    X = np.random.default_rng(2).normal(3, 2, size=(100, 4))
    X[:, 1], X[:, 2] = X[:, 1] > 3, 5.0
    X[99, 3] = 1e40
    weight = np.linspace(0.5, 2, 100)
    whole, bits = Standardizer.learn(X, weight), Standardizer.learn(X, weight).apply(X[:99], np.float32)
    monkeypatch.setattr(scaling, "BLOCK_LENGTH", 7)
    parts = Standardizer.learn(X, weight)
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-13)
    np.testing.assert_allclose(parts.scale, whole.scale, rtol=1e-13)
    assert whole.apply(X[:99], np.float32).tobytes() == bits.tobytes()
    with pytest.raises(DataError, match='too large in column "3"'):
        Standardizer.identity(4).apply(X, np.float32)
