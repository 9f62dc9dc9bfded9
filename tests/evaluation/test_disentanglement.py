"""Disentanglement: codes made by hand whose R² and information are known."""

import math

import numpy as np
import pytest

from nnzoo.errors import DataError
from nnzoo.evaluation.disentanglement import equal_bins, explained_shares, information_gap


def grid(*sizes: int) -> np.ndarray:
    """Return every combination of whole numbers, a column each: independent of each other exactly."""
    return np.stack([axis.ravel() for axis in np.meshgrid(*map(np.arange, sizes), indexing="ij")], axis=1).astype(float)


def test_a_code_that_is_the_factors_has_shares_of_one_and_of_zero():
    factors = grid(4, 5, 6)
    np.testing.assert_allclose(explained_shares(factors[:, [1, 0, 2]], factors), np.eye(3)[[1, 0, 2]], atol=1e-12)


def test_a_bent_scale_of_the_third_degree_still_tells_all():
    factors = grid(7, 3)
    codes = np.stack([np.cbrt(factors[:, 0]), -factors[:, 1]], axis=1)
    np.testing.assert_allclose(np.diag(explained_shares(codes, factors, degree=3)), 1.0, rtol=1e-12)
    assert explained_shares(codes, factors)[0, 0] < 0.99


def test_a_line_tells_the_squared_correlation():
    codes, factors = np.random.default_rng(0).normal(size=(2, 50, 2)).cumsum(axis=2)
    wanted = np.corrcoef(codes.T, factors.T)[2:, :2] ** 2
    np.testing.assert_allclose(explained_shares(codes, factors), wanted, rtol=1e-9)


def test_half_of_the_variance_is_a_share_of_a_half():
    """v = a + b with a and b independent and alike: each tells one half."""
    parts = grid(5, 5)
    np.testing.assert_allclose(explained_shares(parts, parts.sum(axis=1, keepdims=True)), [[0.5, 0.5]], rtol=1e-9)


def test_a_circle_is_told_by_two_numbers_and_by_one_in_half():
    """cos θ alone tells cos θ and, over the whole circle, nothing of sin θ: of the variance ½ + ½ it tells one half."""
    angle = np.arange(360) * np.pi / 180
    codes = np.stack([np.cos(angle + 1), np.sin(angle + 1)], axis=1)
    both = explained_shares(codes, angle[:, None], groups=[[0, 1]], circles=[0])
    one = explained_shares(codes, angle[:, None], circles=[0])
    np.testing.assert_allclose(both, [[1.0]], rtol=1e-12)
    np.testing.assert_allclose(one, [[0.5, 0.5]], atol=1e-9)


def test_a_number_that_never_varies_tells_nothing():
    factors = grid(4, 5)
    codes = np.stack([factors[:, 0], np.ones(20)], axis=1)
    np.testing.assert_allclose(explained_shares(codes, factors)[:, 1], 0.0, atol=1e-12)


def test_gap_is_one_for_a_code_that_is_the_factors_and_zero_if_it_has_them_twice():
    factors = grid(4, 5)
    assert information_gap(factors[:, ::-1], factors) == pytest.approx(1.0, abs=1e-9)
    assert information_gap(np.hstack([factors, factors]), factors) == pytest.approx(0.0, abs=1e-9)
    assert information_gap(np.hstack([factors, factors]), factors, groups=[[0, 2], [1, 3]]) == pytest.approx(1.0)


def test_gap_of_a_code_that_knows_one_of_two_bits_of_a_factor():
    """v has four values, two bits; the first number is its first bit, the second nothing of it: (log 2 - 0) / log 4."""
    values = grid(4, 3)
    codes = np.stack([values[:, 0] // 2, values[:, 1]], axis=1)
    assert information_gap(codes, values[:, :1]) == pytest.approx(math.log(2) / math.log(4))


def test_bins_hold_equally_many_rows_and_equal_values_share_one():
    v = np.random.default_rng(0).normal(size=1000) ** 3
    assert np.bincount(equal_bins(v, 10)).tolist() == [100] * 10
    assert len(np.unique(equal_bins(np.repeat([2.0, 5.0, 7.0], 20), 20))) == 3


def test_rows_that_do_not_belong_together_are_refused():
    with pytest.raises(DataError, match=r"of the same rows; got \(3, 2\) and \(4, 1\)"):
        explained_shares(np.zeros((3, 2)), np.zeros((4, 1)))
    with pytest.raises(DataError, match=r"got \(3,\) and \(3, 1\)"):
        information_gap(np.zeros(3), np.zeros((3, 1)))
