"""The check-up of images: what it says, and what it keeps silent about."""

import hashlib

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_digits

from nnzoo.data.checkup import Finding
from nnzoo.data.imagecheck import check_images
from nnzoo.data.pixelrule import PixelRule
from nnzoo.data.rawtable import Reject
from nnzoo.data.splits import TEST, TRAIN, VALID

N = 200
TESTED = 8
"""Place of an image of the test part."""


def digits():
    return (load_digits().images[:N] * (255 / 16)).astype(np.uint8)


def parts(n_images=N):
    return np.resize(np.array([TRAIN] * 7 + [VALID, TEST, TEST], dtype=np.int8), n_images)


def digests_of(images):
    return [hashlib.sha256(np.ascontiguousarray(image).tobytes()).digest() for image in images]


def check(images=None, **changes):
    images = digits() if images is None else images
    n_images = len(images)
    heights, widths, channels = images.shape[1], images.shape[2], 1 if images.ndim == 3 else 3
    given = {
        "heights": np.full(n_images, heights),
        "widths": np.full(n_images, widths),
        "modes": ["L" if channels == 1 else "RGB"] * n_images,
        "digests": digests_of(images),
        "labels": pl.Series("label", load_digits().target[:n_images] < 5),
        "part": parts(n_images),
        "rejects": [],
        "rule": PixelRule(heights, widths, channels, ""),
        "task": "classification",
    }
    return check_images(images, **(given | changes))


def only(findings, topic):
    found = [finding for finding in findings if finding.topic == topic]
    assert len(found) == 1, findings
    return found[0]


def topics(findings):
    return [finding.topic for finding in findings]


def test_clean_images_have_no_finding():
    assert check() == []
    assert check(labels=None, task=None) == []


def test_warnings_stand_before_notes():
    images = digits()
    images[2] = 7
    assert [finding.topic for finding in check(images, heights=np.full(N, 9))] == ["blank images", "sizes"]


def test_B1_images_left_out_are_a_warning_with_their_number_and_the_first():
    rejects = [Reject(3, None, "is cut off", "cats/\x07a.png"), Reject(None, None, "is empty", "b.png")]
    finding = only(check(rejects=rejects), "images left out")
    assert finding.level == "warning"
    assert finding.message == '2 images left out; the first, "cats/\\x07a.png", is cut off.'
    assert finding.hint == "Replace broken files by whole ones."


def test_B1_image_without_a_file_is_named_by_its_number():
    finding = only(check(rejects=[Reject(12, None, "has no pixels")]), "images left out")
    assert finding.message == "1 image left out; the first, image 12, has no pixels."


@pytest.mark.parametrize(
    ("part", "name", "why"),
    [(TEST, "test", "the test is not honest"), (VALID, "valid", "the choice of the best epoch is not honest")],
)
def test_copies_of_training_images_in_a_held_part_are_a_warning_with_the_first_pair(part, name, why):
    images, held = digits(), np.flatnonzero(parts() == part)
    images[held[1]] = images[22]
    images[held[3]] = images[23]
    finding = only(check(images, labels=None, task=None), "copies across parts")
    assert (finding.level, finding.column) == ("warning", None)
    assert finding.message == (
        f"2 of {len(held)} images of the {name} part equal a training image exactly, so {why}; the first, image "
        f"{held[1] + 1}, equals image 23."
    )
    assert "group= (--group)" in finding.hint


def test_copy_across_parts_names_the_first_of_several_training_images_and_the_files():
    images = digits()
    images[[3, 4, TESTED]] = images[2]
    names = [f"class {place}/a.png" for place in range(N)]
    finding = only(check(images, names=names), "copies across parts")
    assert "1 of 40 images of the test part equals a training image" in finding.message
    assert finding.message.endswith('the first, image 9 ("class 8/a.png"), equals image 3 ("class 2/a.png").')


def test_copies_among_held_images_alone_are_no_copies_across_parts():
    images = digits()
    images[TESTED + 1] = images[TESTED]
    assert topics(check(images, labels=None, task=None)) == ["copies"]


def test_copies_within_the_data_are_a_note():
    images = digits()
    images[[10, 20]] = images[2]
    finding = only(check(images, labels=None, task=None), "copies")
    assert finding == Finding(
        "note",
        "copies",
        None,
        "2 of 200 images repeat an earlier one exactly; the first, image 11, repeats image 3.",
        "",
    )


def test_copies_with_different_labels_are_a_warning():
    images = digits()
    images[[11, 12, 13]] = images[2]
    images[21] = images[20]
    labels = ["a", "b"] * (N // 2)
    labels[20:22] = ["b", "b"]
    finding = only(check(images, labels=pl.Series("kind", labels)), "labels contradict")
    assert (finding.level, finding.column) == ("warning", "kind")
    assert finding.message == (
        'Exact copies have different labels: 4 images in 1 group; image 3 is "a", but image 12 is "b".'
    )
    assert finding.hint == "Keep one label for each image."


def test_copies_with_equal_labels_do_not_contradict():
    images = digits()
    images[2] = images[0]
    assert "labels contradict" not in topics(check(images, labels=pl.Series("kind", ["a", "b"] * (N // 2))))


def test_copies_with_different_numbers_contradict():
    images = digits()
    images[2] = images[0]
    finding = only(check(images, labels=pl.Series("age", np.arange(N) / 2), task="regression"), "labels contradict")
    assert 'image 1 is "0.0", but image 3 is "1.0"' in finding.message


def test_label_sets_in_another_order_do_not_contradict():
    images = digits()
    images[1] = images[0]
    sets = ["cat|dog", "dog| cat"] * (N // 2)
    assert "labels contradict" not in topics(check(images, labels=pl.Series("tags", sets), several_labels=True))
    assert "labels contradict" in topics(check(images, labels=pl.Series("tags", sets)))


@pytest.mark.parametrize(
    "form",
    [
        lambda digests: digests,
        lambda digests: np.array(digests),
        lambda digests: np.array(digests, dtype=object),
        lambda digests: np.frombuffer(b"".join(digests), np.uint8).reshape(len(digests), -1),
        lambda digests: np.unique(np.array(digests), return_inverse=True)[1],
    ],
)
def test_digests_may_be_a_list_or_an_array(form):
    images = digits()
    images[[10, TESTED]] = images[2]
    assert check(images, digests=form(digests_of(images))) == check(images)
    assert "copies across parts" in topics(check(images))


@pytest.mark.parametrize("form", [list, np.array, lambda digests: np.array([list(one) for one in digests], np.uint8)])
def test_digests_that_differ_in_where_their_zero_bytes_stand_differ(form):
    digests = [bytes([7, place, 1, 1]) for place in range(N)]
    digests[:4] = [b"\0\0\0\0", b"\0\0\0\1", b"\0\0\1\0", b"\0\1\0\0"]
    assert check(digests=form(digests)) == []


def test_blank_images_are_a_warning_with_their_number_and_the_first():
    images = digits()
    images[4] = 255
    images[6] = np.resize([100, 107], (8, 8))
    images[9] = np.resize([100, 108], (8, 8))
    finding = only(check(images), "blank images")
    assert finding.level == "warning"
    assert finding.message == (
        "2 of 200 images are blank: no two pixels differ by more than 3 % of the full range; the first is image 5."
    )


def test_image_of_one_colour_is_blank():
    images = np.repeat(digits()[..., None], 3, axis=3)
    images[5] = (250, 0, 30)
    finding = only(check(images), "blank images")
    assert "1 of 200 images is blank" in finding.message
    assert finding.message.endswith("the first is image 6.")


def test_images_of_floats_are_blank_by_their_own_range():
    images = (digits() / 255).astype(np.float32)
    images[5] = 0.5
    assert "the first is image 6" in only(check(images), "blank images").message
    assert topics(check(images * 1e-3)) == ["blank images"]


def sizes(**changes):
    """Heights and widths of 28 pixels but for the given images."""
    heights, widths = np.full(N, 28), np.full(N, 28)
    for place, (height, width) in changes.items():
        heights[int(place[1:])], widths[int(place[1:])] = height, width
    return {
        "images": np.resize(digits().repeat(4, axis=1).repeat(4, axis=2)[:, 2:30, 2:30], (N, 28, 28)),
        "heights": heights,
        "widths": widths,
    }


def test_images_of_another_size_are_a_note_with_the_span():
    finding = only(check(**sizes(i3=(40, 30), i5=(25, 30))), "sizes")
    assert finding == Finding(
        "note",
        "sizes",
        None,
        "2 of 200 images are brought to 28 x 28 pixels (height x width) from heights of 25 to 40 and widths of 30.",
        "",
    )


def test_all_images_of_another_size_are_said_to_be_all():
    finding = only(check(heights=np.full(N, 9), widths=np.full(N, 10)), "sizes")
    assert finding.message == (
        "All 200 images are brought to 8 x 8 pixels (height x width) from heights of 9 and widths of 10."
    )


def test_detail_is_lost_from_images_four_times_as_large():
    findings = check(**sizes(i3=(112, 112), i5=(280, 280), i7=(111, 280), i9=(280, 560)))
    finding = only(findings, "detail lost")
    assert finding.level == "note"
    assert finding.message == (
        "3 of 200 images are at least 4 times as high and wide as the network sees them: about 100 pixels become one, "
        "and finer detail is lost."
    )
    assert "larger size=" in finding.hint


def test_images_of_half_the_size_are_enlarged():
    finding = only(check(**sizes(i3=(14, 14), i5=(15, 14), i7=(14, 15))), "enlarged")
    assert finding == Finding(
        "note",
        "enlarged",
        None,
        "1 of 200 images is at most half as high and wide as the network sees it, so enlarged and blurred; the first "
        "is image 4.",
        "",
    )


@pytest.mark.parametrize(("height", "width"), [(56, 28), (20, 40)])
def test_images_of_quite_another_shape_are_padded(height, width):
    finding = only(check(**sizes(i3=(height, width), i5=(55, 28), i7=(20, 39))), "padding")
    assert finding.level == "note"
    assert finding.message == (
        "1 of 200 images is so much higher or wider in shape than 28 x 28 that half or more of what the network sees "
        "is padding; the first is image 4."
    )


def test_shape_is_compared_with_that_of_the_rule():
    images = np.concatenate([digits(), digits()], axis=2)
    assert check(images, heights=np.full(N, 7), widths=np.full(N, 14))[0].topic == "sizes"
    assert "padding" not in topics(check(images, heights=np.full(N, 7), widths=np.full(N, 14)))
    assert "padding" in topics(check(images, heights=np.full(N, 8), widths=np.full(N, 8)))
    assert "padding" in topics(check(images, heights=np.full(N, 8), widths=np.full(N, 32)))


@pytest.mark.parametrize(
    ("channels", "modes", "message"),
    [
        (
            3,
            ["RGB"] * 197 + ["L", "1", "LA"],
            "3 of 200 images are grey among images in colour; the first is image 198.",
        ),
        (
            3,
            ["RGB"] + ["L"] * 199,
            "1 of 200 images is in colour, so the grey ones are seen as colour images too; the first is image 1.",
        ),
        (
            1,
            ["L"] * 198 + ["P", "RGB"],
            "2 of 200 images are in colour and will be seen in grey; the first is image 199.",
        ),
    ],
)
def test_grey_and_colour_together_are_a_note(channels, modes, message):
    images = digits() if channels == 1 else np.repeat(digits()[..., None], 3, axis=3)
    assert only(check(images, modes=modes), "grey and colour") == Finding("note", "grey and colour", None, message, "")


def test_modes_of_one_sort_are_no_finding():
    assert check(modes=["L", "1", "I;16", "LA"] * 50) == []


def by_class(chosen, other):
    return [chosen if label == "a" else other for label in ["a", "b"] * (N // 2)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"heights": np.array(by_class(9, 8))},
            'The size tells classes apart, whatever the images show: "a: 9 x 8", "b: 8 x 8".',
        ),
        (
            {"modes": by_class("RGB", "L")},
            'Grey or colour tells classes apart, whatever the images show: "a: colour", "b: grey".',
        ),
    ],
)
def test_A19_size_or_colour_that_tells_the_class_is_a_warning(changes, message):
    labels = pl.Series("kind", ["a", "b"] * (N // 2))
    finding = only(check(labels=labels, **changes), "target given away")
    assert (finding.level, finding.column, finding.message) == ("warning", "kind", message)
    assert "bring all to one size and mode first" in finding.hint


def test_A19_size_that_one_image_breaks_tells_no_class():
    heights = np.array(by_class(9, 8))
    heights[2] = 8
    assert "target given away" not in topics(check(labels=pl.Series("kind", by_class("a", "b")), heights=heights))


def test_A19_sizes_in_the_held_parts_do_not_hide_what_training_images_give_away():
    heights = np.array(by_class(9, 8))
    heights[parts() == TEST] = 8
    assert "target given away" in topics(check(labels=pl.Series("kind", by_class("a", "b")), heights=heights))


def test_A19_few_images_are_no_evidence():
    labels = pl.Series("kind", ["rare"] * 9 + ["b"] * (N - 9))
    heights = np.where(np.arange(N) < 9, 9, 8)
    findings = check(labels=labels, heights=heights, part=np.where(np.arange(N) < 150, TRAIN, TEST))
    assert "target given away" not in topics(findings)


def test_dark_and_light_borders_together_are_a_note():
    images = np.pad(digits(), ((0, 0), (1, 1), (1, 1)))
    assert check(images) == []
    images[30:42] = 255 - images[30:42]
    assert only(check(images), "dark and light") == Finding(
        "note",
        "dark and light",
        None,
        "188 images have a dark border and 12 a light one; the first are image 1 and image 31.",
        "If some are negatives of the others, invert them.",
    )


def test_border_of_a_strong_colour_is_neither_dark_nor_light():
    images = np.repeat(np.pad(digits(), ((0, 0), (1, 1), (1, 1)))[..., None], 3, axis=3)
    images[30:60] = 255 - images[30:60]
    assert topics(check(images)) == ["dark and light"]
    dark, light = images.copy(), images.copy()
    dark[60:, 0, :, 0] = dark[:30, 0, :, 0] = 200
    light[30:60, 0, :, 0] = 20
    assert check(dark) == check(light) == []


def test_few_light_borders_or_borders_of_floats_are_no_finding():
    images = np.pad(digits(), ((0, 0), (1, 1), (1, 1)))
    images[30:39] = 255 - images[30:39]
    assert check(images) == []
    images[30:60] = 255 - images[30:60]
    assert check(images.astype(np.float32)) == []


def test_empty_part_is_a_warning():
    finding = only(check(part=np.where(parts() == VALID, TRAIN, parts())), "few images")
    assert finding == Finding(
        "warning", "few images", None, "There is no image for the valid part: 200 images in all.", "Add images."
    )


def test_small_test_part_is_a_note():
    part = np.where(np.arange(N) < 10, TEST, np.where(np.arange(N) < 50, VALID, TRAIN))
    finding = only(check(part=part, labels=None, task=None), "few images")
    assert finding.level == "note"
    assert finding.message == "The test part has 10 images: the result will be known only roughly."


def test_A11_single_class_is_a_warning():
    finding = only(check(labels=pl.Series("kind", ["a"] * N)), "one class")
    assert finding.message == '"kind" has one class, "a": every prediction will be this one.'
    assert finding.hint == "Add images of another class."


def test_A11_classes_of_few_images_and_imbalance_are_said():
    labels = ["a"] * 150 + ["b"] * 44 + ["c"] * 5 + ["d"]
    part = np.resize(np.array([TRAIN, TEST, TRAIN, VALID], dtype=np.int8), N)
    part[-1] = TRAIN
    findings = check(labels=pl.Series("kind", labels), part=part)
    assert [finding.message for finding in findings] == [
        'Class "d" has 1 image: kept in train, so its predictions are not tested.',
        'Class "c" has fewer than 10 images: its predictions are hardly tested.',
        "The largest class has 150 times the images of the smallest.",
    ]
    assert findings[0].hint == "Add images, or merge classes."


def test_class_without_training_image_and_class_without_test_image_are_warnings():
    labels = np.array(["a"] * 80 + ["b"] * 80 + ["c"] * 40)
    part = parts()
    part[(labels == "b") & (part == TEST)] = VALID
    part[labels == "c"] = TEST
    findings = check(labels=pl.Series("kind", labels), part=part)
    assert (
        only(findings, "class not in train").message == 'Class "c" has no image in train: it will never be predicted.'
    )
    finding = only(findings, "class not in test")
    assert (finding.level, finding.column) == ("warning", "kind")
    assert finding.message == 'No image of "b" is in test: predictions of it are not tested.'
    assert finding.hint == "Move some of its images to the test part."


def test_class_whose_only_image_is_in_test_is_not_said_to_be_in_train():
    labels = np.array(["a", "b"] * (N // 2), dtype=object)
    labels[TESTED] = "c"
    findings = check(labels=pl.Series("kind", list(labels)))
    assert topics(findings) == ["class not in train", "imbalance"]


def test_labels_that_stand_in_few_images_are_a_warning():
    sets = ["cat|dog"] * (N - 4) + ["cat|owl"] * 4
    finding = only(check(labels=pl.Series("tags", sets), several_labels=True), "few images of a label")
    assert finding.message == 'Label "owl" stands in fewer than 10 images, where predictions are hardly tested.'
    assert finding.hint == "Add images, or leave such labels out."


def test_numbers_as_target_have_no_classes():
    assert check(labels=pl.Series("age", np.arange(N) / 7), task="regression") == []


def test_without_training_images_only_what_concerns_each_image_is_said():
    images = digits()
    images[1] = images[0]
    images[2] = 9
    findings = check(images, part=np.full(N, TEST), heights=np.full(N, 20), rejects=[Reject(1, None, "is cut off")])
    assert topics(findings) == ["images left out", "blank images", "sizes", "padding"]


def test_no_image_at_all_gives_only_what_was_left_out():
    nothing = np.zeros((0, 8, 8), dtype=np.uint8)
    findings = check(nothing, labels=None, task=None, rejects=[Reject(None, None, "is cut off", "a.png")])
    assert topics(findings) == ["images left out"]
