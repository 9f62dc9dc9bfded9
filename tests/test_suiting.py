"""Settings that follow from the data."""

import numpy as np
import pytest

import nnzoo


@pytest.mark.parametrize(("n_rows", "batch_size", "rate"), [(6000, 128, 3e-3), (4000, 64, 2e-3), (300, 8, 5e-3)])
def test_more_sequences_come_in_larger_batches_and_the_largest_learn_faster_than_large_ones(n_rows, batch_size, rate):
    X = np.random.default_rng(0).normal(size=(n_rows, 3, 1))
    data = nnzoo.load((X, np.arange(n_rows) % 2), kind="sequence")
    found = nnzoo.build("lstm", data, seed=0).network.get_params()
    assert (found["batch_size"], found["learning_rate"]) == (batch_size, rate)
