"""Images that are drawn by rule: light, centroid, angle and size of what is drawn, against what was asked for."""

import numpy as np
import pytest

from nnzoo.data.shapes import FACTORS, SHADE, draw_shapes, random_shapes, shape_batches

SIDE = 96


@pytest.fixture(scope="module")
def large():
    images, values = random_shapes(40, side=SIDE)
    return images / 255, values


def test_light_of_a_triangle_is_its_area_by_its_brightness(large):
    """The area is h² / 2. The part before the centroid is a triangle of 2/3 the height, 4/9 of the area."""
    images, (_, _, _, size, light) = large[0], large[1].T
    wanted = light * (SIDE * size) ** 2 / 2 * (4 + 5 * SHADE) / 9
    np.testing.assert_allclose(images.sum(axis=(1, 2)), wanted, rtol=0.02)


def test_the_centre_of_the_light_lies_where_place_and_angle_say(large):
    """Its distance d before the centroid, along the angle, by moments about the line through the centroid.

    The front part has 4/9 of the area, and its own centroid 2h/9 before the line; about the line the back part balances
    it. With shade s the moment is (1 - s) 4/9 · 2h/9, the light (4 + 5 s) / 9: d = 8 h (1 - s) / (9 (4 + 5 s)).
    """
    images, (right, down, angle, size, _) = large[0], large[1].T
    d = 8 * size * (1 - SHADE) / (9 * (4 + 5 * SHADE))
    middle, light = (np.arange(SIDE) + 0.5) / SIDE - 0.5, images.sum(axis=(1, 2))
    np.testing.assert_allclose((images.sum(axis=1) @ middle) / light, right + d * np.cos(angle), atol=0.15 / SIDE)
    np.testing.assert_allclose((images.sum(axis=2) @ middle) / light, down + d * np.sin(angle), atol=0.15 / SIDE)


def test_a_quarter_turn_of_the_angle_turns_the_image():
    values = np.array([[0.1, -0.05, 0.7, 0.4, 0.8], [0.05, 0.1, 0.7 + np.pi / 2, 0.4, 0.8]])
    first, second = draw_shapes(values, 32).astype(int)
    assert np.abs(np.rot90(first, -1) - second).max() <= 1  # rounding


def test_no_turn_brings_the_shape_onto_itself():
    values = np.zeros((72, 5))
    values[:, 2], values[:, 3:] = np.arange(72) * 2 * np.pi / 72, (0.5, 1.0)
    images = draw_shapes(values, 28).astype(float)
    apart = np.square(images - images[0]).mean(axis=(1, 2))[6:-5]  # from 30 degrees on
    assert apart.min() > 0.1 * np.square(images[0]).mean()


def test_front_and_back_have_their_brightness_and_the_ground_is_black():
    (image,) = draw_shapes(np.array([[0.0, 0.0, 0.0, 0.56, 0.5]]), 100)
    assert (image[50, 60], image[50, 40], image[50, 20], image[80, 60]) == (128, round(127.5 * SHADE), 0, 0)


def test_factors_are_drawn_evenly_from_their_ranges_and_all_shapes_lie_within_the_image():
    images, values = random_shapes(2000, side=16, random_state=1)
    for column, (low, high) in zip(values.T, FACTORS.values(), strict=True):
        assert low <= column.min() < low + 0.01 * (high - low)
        assert abs(column.mean() - (low + high) / 2) < 3 * (high - low) / np.sqrt(12 * 2000)
    assert max(images[:, edge].max() for edge in (0, -1)) < 128
    np.testing.assert_array_equal(images, random_shapes(2000, side=16, random_state=1)[0])


def test_in_a_batch_one_factor_varies_and_the_five_take_turns():
    X, values, factors = shape_batches(10, n_rows=4, side=8)
    np.testing.assert_array_equal(X, draw_shapes(values, 8))
    for batch in range(10):
        rows = factors[:, 0] == batch
        assert set(factors[rows, 1]) == {batch % 5}
        varies = np.ptp(values[rows], axis=0) > 0
        assert np.flatnonzero(varies).tolist() == [batch % 5]
