"""What the baselines see of sequences: columns that a person would count."""

import numpy as np

from nnzoo.evaluation.sequencecolumns import MAX_CODES, paired_columns, sequence_columns
from nnzoo.ragged import Ragged

ROWS = Ragged.of([np.array([[1.0, 0.0], [3.0, 2.0]]), np.array([[5.0, 1.0]])])


def test_numbers_become_mean_deviation_least_largest_first_and_last():
    found = sequence_columns(Ragged.of([np.array([1.0, 3.0]), np.array([5.0])]))
    np.testing.assert_allclose(found, [[2, 2, 1, 1, 3, 1, 3], [1, 5, 0, 5, 5, 5, 5]])


def test_codes_are_counted():
    found = sequence_columns(ROWS, codes=[1])
    np.testing.assert_allclose(found[:, -3:], [[1, 0, 1], [0, 1, 0]])


def test_rare_codes_share_a_column():
    rows = Ragged.of([np.array([[MAX_CODES + 5.0], [MAX_CODES + 9.0], [0.0]])])
    found = sequence_columns(rows, codes=[0])
    assert found.shape == (1, 1 + MAX_CODES)
    assert (found[0, 0], found[0, 1], found[0, -1]) == (3, 1, 2)


def test_training_and_test_rows_have_the_same_columns():
    train, test = paired_columns(ROWS, Ragged.of([np.array([[0.0, 7.0]])]), codes=[1])
    assert train.shape[1] == test.shape[1]
    assert train[:, -1].tolist() == [0, 0]
    assert test[0, -1] == 1


def test_the_order_of_inner_steps_changes_nothing():
    draw = np.random.default_rng(0)
    row = draw.normal(size=(9, 2))
    mixed = row[[0, *(draw.permutation(7) + 1), 8]]
    np.testing.assert_allclose(sequence_columns(Ragged.of([row])), sequence_columns(Ragged.of([mixed])))
