"""Rows of different lengths in one array."""

import numpy as np
import pytest

from nnzoo.errors import DataError
from nnzoo.ragged import Ragged

ROWS = [np.array([[1.0, 9], [2, 8]]), np.array([[3.0, 7]]), np.array([[4.0, 6], [5, 5], [7, 1]])]


def ragged():
    return Ragged(np.concatenate(ROWS), np.array([2, 1, 3]))


def test_rows_come_back_one_by_one_by_slice_mask_and_order():
    X = ragged()
    assert (len(X), X.width) == (3, 2)
    for row, expected in zip(X, ROWS, strict=True):
        np.testing.assert_array_equal(row, expected)
    np.testing.assert_array_equal(X[1:].values, np.concatenate(ROWS[1:]))
    np.testing.assert_array_equal(X[np.array([True, False, True])].values, np.concatenate([ROWS[0], ROWS[2]]))
    turned = X[np.array([2, 0])]
    np.testing.assert_array_equal(turned.values, np.concatenate([ROWS[2], ROWS[0]]))
    assert turned.lengths.tolist() == [3, 2]


def test_padding_goes_in_and_out_and_its_content_is_not_read():
    padded = ragged().padded(fill=-5)
    assert padded.shape == (3, 3, 2)
    assert (padded[1, 1:] == -5).all()
    padded[1, 1:] = np.nan
    again = Ragged.of_padded(padded, [2, 1, 3])
    np.testing.assert_array_equal(again.values, ragged().values)


@pytest.mark.parametrize("lengths", [[2, 1], [2, 1, 4], [2.0, 1.0, 3.0], [0, 1, 3], [-1, 1, 3]])
def test_lengths_that_do_not_fit_are_refused(lengths):
    with pytest.raises(DataError, match="length"):
        Ragged.of_padded(np.zeros((3, 3, 2)), lengths)


def test_no_rows_are_no_steps():
    X = Ragged.of_padded(np.zeros((0, 3, 2)))
    assert (len(X), X.values.shape) == (0, (0, 2))


def test_changes_are_those_within_a_row_and_begin_at_nothing():
    np.testing.assert_array_equal(ragged().changes().values, [[0, 0], [1, -1], [0, 0], [0, 0], [1, -1], [2, -4]])


def test_last_steps():
    np.testing.assert_array_equal(ragged().last(), [[2, 8], [3, 7], [7, 1]])
