"""Shifts and mirror images: advised only where they cannot make a label wrong, and the reason is said."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_sample_images

from nnzoo.data import augmentation
from nnzoo.data.augmentation import Advice, advise, largest_shift
from nnzoo.data.borders import border_range, flat_borders, full_range, value_range
from nnzoo.data.pixelrule import PixelRule


def rule_of(images):
    return PixelRule(images.shape[1], images.shape[2], 1 if images.ndim == 3 else 3, "")


def ask(images, mirror_safe=None, **options):
    return advise(images, rule_of(images), mirror_safe=mirror_safe, **options)


def digits(margin, n_images=200):
    """Real digits of 8 x 8 pixels, each pixel doubled, with a margin of background."""
    images = load_digits().images[:n_images].repeat(2, axis=1).repeat(2, axis=2) * (255 / 16)
    return np.pad(images, ((0, 0), (margin, margin), (margin, margin))).astype(np.uint8)


def photographs(height, width):
    """Pieces of a photograph of petals without any plain background."""
    photograph = load_sample_images().images[1]
    rows, columns = range(40, 340, 20), range(200, 400, 20)
    return np.stack([photograph[y : y + height, x : x + width] for y in rows for x in columns])


@pytest.mark.parametrize(
    ("height", "width", "pixels"), [(11, 64, 0), (12, 64, 1), (64, 19, 1), (20, 20, 2), (28, 28, 2), (500, 8, 0)]
)
def test_largest_shift_grows_with_the_shorter_side(height, width, pixels):
    assert largest_shift(height, width) == pixels


def test_images_with_a_plain_border_are_shifted():
    advice = ask(digits(margin=2))
    assert advice.augment == "shift"
    assert advice.why.startswith(
        "Training shifts images by up to 2 pixels: a band of 2 pixels at the border is plain background in 100 % of "
        "the training images, so nothing is cut off."
    )


def test_band_is_as_wide_as_the_shift():
    assert ask(digits(margin=1)).augment == "shift"
    # 18 x 18 pixels are shifted by 1, 20 x 18 too; as 20 x 20 they would be shifted by 2, which the margin does not hold
    wider = np.pad(digits(margin=1), ((0, 0), (1, 1), (0, 0)))
    assert ask(wider).augment == "shift"
    assert "by up to 1 pixel:" in ask(wider).why
    assert ask(np.pad(digits(margin=1), ((0, 0), (0, 2), (0, 2)))).augment is None


@pytest.mark.parametrize(("n_full", "augment"), [(10, "shift"), (11, None)])
def test_border_must_be_plain_in_95_percent_of_the_images(n_full, augment):
    images = digits(margin=2)
    images[:n_full, :, 0] = 255
    assert ask(images).augment == augment


def test_white_border_is_plain_too_and_faint_noise_does_not_matter():
    noise = np.random.default_rng(0).integers(0, 25, (200, 20, 20), dtype=np.uint8)
    images = 255 - np.maximum(digits(margin=2), noise)
    assert ask(images).augment == "shift"


def test_coloured_border_is_plain_if_its_channels_do_not_vary():
    images = np.repeat(digits(margin=2)[..., None], 3, axis=3)
    images[..., 0] = np.maximum(images[..., 0], 200)
    assert ask(images).augment == "shift"
    images[:, ::2, 0, 2] = 100
    assert ask(images).augment is None


def test_content_at_the_border_of_small_images_forbids_shifts():
    advice = ask(digits(margin=0), mirror_safe=True)
    assert advice.augment is None
    assert advice.why.startswith("Images are not shifted or mirrored: content reaches into a band of 1 pixel at the")
    assert advice.why.endswith("of the training images and would be cut off.")


def test_photographs_of_32_pixels_are_shifted_and_smaller_ones_not():
    advice = ask(photographs(32, 40))
    assert advice.augment == "shift"
    assert "as in photographs, and 2 of 32 pixels can be spared" in advice.why
    assert ask(photographs(31, 40)).augment is None


def test_large_images_of_which_some_have_content_at_the_border_are_not_shifted():
    images = np.pad(digits(margin=2), ((0, 0), (10, 10), (10, 10)))
    images[:90, 20, :] = 255
    assert ask(images).augment is None
    images[:110, 20, :] = 255
    assert ask(images).augment == "shift"


def test_tiny_images_are_not_shifted():
    images = np.zeros((50, 8, 8), dtype=np.uint8)
    assert ask(images, mirror_safe=True) == Advice(
        None, "Images are not shifted or mirrored: of 8 x 8 pixels, one is already much."
    )


@pytest.mark.parametrize(
    ("mirror_safe", "augment", "said"),
    [
        (True, "shift_flip", "and mirrors half of them"),
        (False, "shift", "Mirror images stay off: here they can be of another class."),
        (None, "shift", "if none of your classes changes in it, pass --set augment=shift_flip."),
    ],
)
def test_images_are_mirrored_only_where_that_is_known_to_be_safe(mirror_safe, augment, said):
    advice = ask(digits(margin=2), mirror_safe)
    assert advice.augment == augment
    assert said in advice.why


def test_many_images_need_no_copies(monkeypatch):
    monkeypatch.setattr(augmentation, "MANY_IMAGES", 200)
    assert ask(digits(margin=2, n_images=199)).augment == "shift"
    advice = ask(digits(margin=2, n_images=200), mirror_safe=True)
    assert advice.augment is None
    assert "200 training images show enough: shifted copies would slow training more than help" in advice.why


def test_number_to_predict_forbids_shifts_and_mirror_images():
    advice = ask(digits(margin=2), mirror_safe=True, task="regression")
    assert advice == Advice(
        None, "Images are not shifted or mirrored: the number to predict may depend on place or side."
    )


def test_images_of_floats_are_judged_by_their_own_range():
    images = digits(margin=2)
    assert ask((images / 255).astype(np.float32) * 2 - 1) == ask(images)
    images[:, :, 0] = 255
    assert ask((images / 255).astype(np.float32)).augment is None


def test_images_stay_as_they_are():
    images = digits(margin=2)
    before = images.copy()
    ask(images)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("shape", [(7, 12, 9), (7, 9, 12, 3)])
def test_ranges_equal_those_of_a_plain_loop(shape):
    images = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    inner = np.zeros(shape[1:3], dtype=bool)
    inner[2:-2, 2:-2] = True
    for mask, (low, high) in ((inner | True, value_range(images)), (~inner, border_range(images, 2))):
        chosen = [image[mask].reshape(mask.sum(), -1) for image in images]
        np.testing.assert_array_equal(low, [values.min(axis=0) for values in chosen])
        np.testing.assert_array_equal(high, [values.max(axis=0) for values in chosen])


def test_full_range_is_255_for_bytes_and_measured_for_floats():
    assert full_range(np.zeros((2, 3, 3), dtype=np.uint8)) == 255
    assert full_range(np.array([[[0.5, -1.0]]])) == 1.5
    assert full_range(np.zeros((0, 3, 3))) == 0
    assert flat_borders(np.zeros((2, 3, 3)), 1).all()
