"""How arrays become rows: which kind they are, their shape, and their scaling."""

import numpy as np
import pytest
import torch

from nnzoo import DataError
from nnzoo.engine.scaling import Standardizer
from nnzoo.inputs import Inputs, Reading, learn_channels

DENSE = ("table", "image", "sequence")
GRID = ("image", "sequence")


@pytest.mark.parametrize(
    ("kinds", "kind", "input_shape", "shape", "expected"),
    [
        (DENSE, None, None, (5, 6), ("table", (5, 6))),
        (DENSE, "image", None, (5, 4, 3), ("image", (5, 4, 3, 1))),
        (DENSE, None, (2, 3), (5, 6), ("image", (5, 2, 3, 1))),
        (DENSE, "sequence", None, (5, 4, 3), ("sequence", (5, 4, 3))),
        (GRID, None, None, (5, 4, 3), ("image", (5, 4, 3, 1))),
        (GRID, None, None, (5, 4, 3, 2), ("image", (5, 4, 3, 2))),
        (GRID, None, None, (5, 6), ("sequence", (5, 6, 1))),
        (GRID, None, (6,), (5, 6), ("sequence", (5, 6, 1))),
        (GRID, None, (1, 2, 3), (5, 6), ("image", (5, 1, 2, 3))),
        (GRID, "sequence", (2, 3), (5, 6), ("sequence", (5, 2, 3))),
        (("sequence",), None, None, (5, 4, 3), ("sequence", (5, 4, 3))),
        (("table", "image"), None, None, (5, 6), ("table", (5, 6))),
        (("table", "image"), None, None, (5, 4, 3), ("image", (5, 4, 3, 1))),
        (("table", "image"), None, (2, 3), (5, 6), ("image", (5, 2, 3, 1))),
    ],
)
def test_arrays_are_read_as_their_dimensions_or_the_caller_say(kinds, kind, input_shape, shape, expected):
    found, X = Reading("Net", kinds, kind, input_shape).arrange(np.zeros(shape))
    assert (found, X.shape) == expected


@pytest.mark.parametrize(
    ("kinds", "kind", "input_shape", "shape", "message"),
    [
        (DENSE, None, None, (5, 4, 3), r"Net needs X of shape \(rows, columns\); got shape \(5, 4, 3\).*kind='image'"),
        (GRID, "image", None, (5, 6), r"got shape \(5, 6\)\. Pass input_shape=\(height, width\) to unfold flat rows"),
        (GRID, None, (2, 2), (5, 6), r"X has 6 columns, but input_shape=\(2, 2\) needs 4"),
        (
            ("sequence",),
            None,
            None,
            (5, 4, 3, 2),
            r"needs X of shape \(rows, steps, values\); got shape \(5, 4, 3, 2\)",
        ),
    ],
)
def test_arrays_that_fit_no_kind_are_refused(kinds, kind, input_shape, shape, message):
    with pytest.raises(DataError, match=message):
        Reading("Net", kinds, kind, input_shape).arrange(np.zeros(shape))


def test_channels_get_mean_0_and_deviation_1_over_all_places_of_weighted_rows():
    random = np.random.default_rng(0)
    X = random.integers(0, 256, size=(30, 4, 5, 3)).astype(np.uint8)
    weight = random.integers(1, 4, size=30)
    found = learn_channels(X, weight.astype(float), pixels=True, block_rows=7)
    every = np.repeat(X, weight, axis=0).reshape(-1, 3) / 255
    np.testing.assert_allclose(found.mean, every.mean(axis=0))
    np.testing.assert_allclose(found.scale, every.std(axis=0))


def test_bytes_stay_bytes_on_the_device_and_are_scaled_as_numbers_would_be():
    X = np.random.default_rng(0).integers(0, 256, size=(6, 2, 3, 2)).astype(np.uint8)
    inputs = Inputs("image", (2, 3, 2), True, {}, learn_channels(X, None, pixels=True))
    rows = inputs.to_tensor(X, torch.float64)
    assert rows.dtype == torch.uint8
    wanted = inputs.standard.apply(X.reshape(-1, 2) / 255, np.float64).reshape(X.shape)
    np.testing.assert_allclose(inputs.make_scaling()(rows).numpy(), wanted, atol=1e-12)


def test_rows_of_another_shape_or_no_bytes_are_refused_where_bytes_were_trained_on():
    inputs = Inputs("image", (2, 2, 1), True, {}, Standardizer.identity(1))
    assert inputs.of_row(np.full((3, 2, 2, 1), 7.0), "Net").dtype == np.uint8
    with pytest.raises(DataError, match=r"Net was trained on bytes from 0 to 255; X has other numbers"):
        inputs.of_row(np.full((3, 2, 2, 1), 0.5), "Net")
    with pytest.raises(DataError, match=r"rows of shape \(2, 2, 1\); X has rows of shape \(3, 2, 1\)"):
        inputs.of_row(np.zeros((3, 3, 2, 1)), "Net")
