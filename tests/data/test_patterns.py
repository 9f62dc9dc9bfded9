"""Patterns that are made by rule: how many there are, and that draws are even."""

import numpy as np
import pytest

from nnzoo.data.patterns import bars_and_stripes


@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_bars_and_stripes_are_all_pictures_whose_rows_or_columns_are_of_one_kind(side):
    every = np.arange(2 ** (side * side))[:, None] >> np.arange(side * side) & 1
    pictures = every.reshape(-1, side, side)
    of_columns = (pictures == pictures[:, :1]).all(axis=(1, 2))
    of_rows = (pictures == pictures[:, :, :1]).all(axis=(1, 2))
    found = bars_and_stripes(side)
    assert {tuple(row) for row in found} == {tuple(row) for row in every[of_columns | of_rows]}
    assert len(found) == 2 ** (side + 1) - 2


def test_bars_and_stripes_are_drawn_evenly():
    """14 kinds in 14,000 draws: 1,000 each, with a deviation of 31; five of these are more than any has by chance."""
    drawn = bars_and_stripes(3, 14_000, random_state=1)
    counts = np.unique(drawn, axis=0, return_counts=True)[1]
    assert len(counts) == 14
    assert np.abs(counts - 1000).max() < 155
    np.testing.assert_array_equal(drawn, bars_and_stripes(3, 14_000, random_state=1))
