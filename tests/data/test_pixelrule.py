"""The rule for images: which size and which channels it finds, and that nothing but its own JSON is taken back."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnzoo.data.pixelrule import MAX_SIDE, PixelRule, is_grey
from nnzoo.errors import DataError, ModelFileError, ParameterError


def learn(sizes, modes=None, **options):
    heights, widths = np.array(sizes, dtype=np.int64).reshape(-1, 2).T
    return PixelRule.learn(heights, widths, modes or ["L"] * len(sizes), **options)


def test_images_of_one_size_keep_it_and_stay_grey():
    rule = learn([(28, 20)] * 1200)
    assert (rule.height, rule.width, rule.channels) == (28, 20, 1)
    assert rule.why == "all 1,200 training images are 28 x 20 pixels (height x width); all grey"


def test_a_single_image_gives_its_size():
    assert learn([(9, 7)], ["RGB"]) == PixelRule(
        9, 7, 3, "the training image is 9 x 7 pixels (height x width); all in colour"
    )


@pytest.mark.parametrize(
    ("modes", "channels"),
    [
        (["1", "L", "I", "I;16", "I;16B", "I;16L", "F", "LA"], 1),
        (["L", "L", "RGB"], 3),
        (["L", "P"], 3),
        (["CMYK"], 3),
        (["RGBA", "YCbCr"], 3),
    ],
)
def test_B4_rule_is_grey_only_if_all_modes_are_grey(modes, channels):
    assert learn([(8, 8)] * len(modes), modes).channels == channels


def test_rule_says_how_many_images_are_in_colour():
    assert learn([(8, 8)] * 4, ["L", "L", "RGB", "L"]).why.endswith("in colour, as 1 of 4 are")


def test_modes_may_be_an_array():
    assert is_grey(np.array(["L", "RGB", "1"])).tolist() == [True, False, True]


def test_size_of_half_of_the_images_wins():
    rule = learn([(20, 30)] * 3 + [(1, 2), (60, 64), (5, 5)])
    assert (rule.height, rule.width) == (20, 30)
    assert rule.why == "20 x 30 pixels (height x width), the size of 3 of 6 training images; all grey"


def test_size_of_fewer_than_half_of_the_images_gives_way_to_the_medians():
    rule = learn([(20, 30)] * 2 + [(10, 60), (40, 10), (50, 31)])
    assert (rule.height, rule.width) == (20, 30)
    rule = learn([(20, 30)] * 2 + [(40, 60), (40, 64), (50, 61)])
    assert (rule.height, rule.width) == (40, 60)
    assert rule.why.startswith(
        "40 x 60 pixels (height x width), the median sides of 5 training images (heights 20 to 50, widths 30 to 64)"
    )


def test_longer_side_is_brought_down_to_64_with_the_ratio_kept():
    rule = learn([(240, 400)] * 2)
    assert (rule.height, rule.width) == (38, 64)
    assert "brought down to 38 x 64, as the longer side is at most 64" in rule.why


@given(st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 5000)), min_size=1, max_size=9))
def test_learned_size_is_from_1_to_64_pixels_and_does_not_depend_on_the_order(sizes):
    rule = learn(sizes)
    assert 1 <= min(rule.height, rule.width) <= max(rule.height, rule.width) <= MAX_SIDE
    assert learn(sizes[::-1]) == rule


@pytest.mark.parametrize(
    ("size", "shape"), [(32, (32, 32)), ((24, 40), (24, 40)), ([1, 4096], (1, 4096)), (np.int64(5), (5, 5))]
)
def test_given_size_is_taken_as_it_is(size, shape):
    rule = learn([(28, 28)] * 5, size=size)
    assert (rule.height, rule.width) == shape
    assert rule.why == f"{shape[0]} x {shape[1]} pixels (height x width) as given; all grey"
    json.dumps(rule.to_json())


@pytest.mark.parametrize("size", ["32", (1, 2, 3), 0, 4097, True, (8, 1.5), (8,), {8: 8}])
def test_size_that_is_none_is_refused(size):
    with pytest.raises(ParameterError, match="one or two whole numbers from 1 to 4096; got") as caught:
        learn([(28, 28)], size=size)
    assert caught.value.hint == "Pass size=32 for 32 x 32, or size=(height, width)."


def test_no_image_gives_no_rule():
    with pytest.raises(DataError, match="learned from the training images; got 0 of them"):
        learn([])


def test_shape_has_a_last_axis_only_in_colour():
    assert learn([(8, 9)]).shape == (8, 9)
    assert learn([(8, 9)], ["RGB"]).shape == (8, 9, 3)


def test_rule_comes_back_from_its_json():
    rule = learn([(240, 400), (20, 30), (7, 8)], ["L", "RGB", "P"])
    assert PixelRule.from_json(json.loads(json.dumps(rule.to_json()))) == rule


@pytest.mark.parametrize(
    "change",
    [
        {"height": 0},
        {"width": 4097},
        {"height": 8.0},
        {"width": True},
        {"channels": 2},
        {"channels": True},
        {"channels": 3.0},
        {"why": None},
        {"more": 1},
    ],
)
def test_changed_json_is_refused(change):
    with pytest.raises(ModelFileError, match="its rule for images"):
        PixelRule.from_json(learn([(8, 8)]).to_json() | change)


@pytest.mark.parametrize("value", [None, [], {}, "rule", {"height": 8, "width": 8, "channels": 1}])
def test_other_json_is_refused(value):
    with pytest.raises(ModelFileError, match="its rule for images"):
        PixelRule.from_json(value)
