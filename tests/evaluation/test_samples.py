"""Comparing two sets of vectors: distances that are known, extremes, and invariance."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

from nnzoo.evaluation.samples import (
    MAX_COMPARED,
    WIDTHS,
    groups_reached,
    kernel_values,
    modes_reached,
    nearest_rows,
    precision_and_recall,
    thinned,
)


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(60, 3))


def test_kernel_distance_is_the_sum_over_all_pairs(rows):
    """Mean over pairs of different real rows, less twice that over real and drawn, plus that over drawn ones."""
    drawn = np.random.default_rng(1).normal(1, 2, size=(40, 3))
    squared = [np.square(a - b).sum() for i, a in enumerate(rows) for b in rows[i + 1 :]]
    wanted = 0.0
    for width in np.array(WIDTHS) * np.median(squared):
        among, between, made = (
            rbf_kernel(a, b, 1 / (2 * width)) for a, b in ((rows, rows), (rows, drawn), (drawn, drawn))
        )
        wanted += (among.sum() - 60) / (60 * 59) - 2 * between.mean() + (made.sum() - 40) / (40 * 39)
    assert kernel_values(rows, drawn).mean() == pytest.approx(wanted / len(WIDTHS), rel=1e-9)


def test_of_many_rows_the_thinned_ones_stand_for_all():
    rows = np.random.default_rng(0).normal(size=(MAX_COMPARED + 100, 2))
    found = kernel_values(rows, rows + 1)
    assert found.shape == (MAX_COMPARED + 100,)
    chosen = thinned(rows, MAX_COMPARED)
    assert len(chosen) == (MAX_COMPARED + 100) // 2
    assert found[::2].mean() == pytest.approx(kernel_values(chosen, chosen + 1).mean(), rel=1e-9)


def test_distance_of_equal_distributions_lies_around_zero_and_grows_with_what_parts_them():
    draw = np.random.default_rng(0)
    same = [kernel_values(draw.normal(size=(200, 2)), draw.normal(size=(200, 2))).mean() for _ in range(20)]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(20)
    a, b = draw.normal(size=(2, 200, 2))
    far = [kernel_values(a, b + shift).mean() for shift in (0.5, 1.0, 3.0)]
    assert np.all(np.diff([max(same), *far]) > 0)


def test_unit_of_the_rows_does_not_matter(rows):
    drawn = rows[::-1] + 0.5
    np.testing.assert_allclose(
        kernel_values(1000 * rows, 1000 * drawn), kernel_values(rows, drawn), rtol=1e-6, atol=1e-9
    )


def test_samples_that_are_the_rows_have_full_precision_and_recall_and_far_ones_none(rows):
    assert precision_and_recall(rows, rows) == (1.0, 1.0)
    assert precision_and_recall(rows, rows + 1000) == (0.0, 0.0)


def test_samples_of_one_place_are_precise_and_recall_little(rows):
    drawn = rows[:1] + 1e-3 * np.random.default_rng(1).normal(size=(60, 3))
    precision, recall = precision_and_recall(rows, drawn)
    assert precision == 1.0
    assert recall <= 1 / 60 + 1e-9


def test_groups_that_samples_leave_out_are_counted():
    centers = 100 * np.eye(4)
    draw = np.random.default_rng(0)
    rows = np.repeat(centers, 25, axis=0) + draw.normal(size=(100, 4))
    assert groups_reached(rows, rows, n_groups=4) == (4, 4)
    assert groups_reached(rows, rows[:75], n_groups=4) == (3, 4)
    assert groups_reached(np.zeros((5, 4)), np.ones((5, 4))) == (1, 1)


def test_modes_are_reached_within_three_deviations():
    centers = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    drawn = np.array([[0.0, 2.9], [0.0, 3.1], [10.0, 0.0], [5.0, 5.0]])
    assert modes_reached(drawn, centers, 1.0) == (2, 0.5)


def test_nearest_row_of_each_sample(rows):
    assert nearest_rows(rows[[5, 7]] + 1e-9, rows).tolist() == [5, 7]


@pytest.mark.parametrize("n", [1, 2])
def test_few_or_equal_rows_have_a_distance(n):
    assert np.isfinite(kernel_values(np.zeros((n, 2)), np.ones((2, 2)))).all()
