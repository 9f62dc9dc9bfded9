import hashlib
from pathlib import Path

import numpy as np
import pytest

from nnzoo.data.imagearrays import read_array_file
from nnzoo.data.public import PUBLIC, read_public
from nnzoo.data.samples import SAMPLES, sample_path
from nnzoo.data.tables import read_table
from nnzoo.errors import UsageError

FASHION = Path("/usr/share/datasets/fashion-mnist")


def test_every_sample_is_bundled_with_its_license_beside_it():
    for name in SAMPLES:
        path = sample_path(name)
        assert path.is_file()
        assert (path.parent / f"LICENSE-{name}.txt").is_file()


def test_penguins_has_the_344_rows_and_the_missing_cells_of_its_source():
    table = read_table(sample_path("penguins"))
    assert table.frame.columns == [
        "species",
        "island",
        "bill_length_mm",
        "bill_depth_mm",
        "flipper_length_mm",
        "body_mass_g",
        "sex",
        "year",
    ]
    assert table.frame.height == 344
    # The source has 2 penguins without any measure and 9 more of unknown sex.
    assert table.frame.null_count().row(0) == (0, 0, 2, 2, 2, 2, 11, 0)
    counts = dict(table.frame["species"].value_counts().iter_rows())
    assert counts == {"Adelie": 152, "Chinstrap": 68, "Gentoo": 124}


def test_the_license_names_cc0_and_the_sources():
    text = (sample_path("penguins").parent / "LICENSE-penguins.txt").read_text(encoding="utf-8")
    assert "CC0 1.0" in text
    assert "Gorman KB, Williams TD, Fraser WR (2014)" in text
    assert "Horst AM, Hill AP, Gorman KB (2020)" in text


def test_fashion_sample_has_10000_training_and_2000_test_images_in_at_most_8_megabytes():
    path = sample_path("fashion-sample")
    assert path.stat().st_size <= 8_000_000
    table = read_array_file(path)
    assert np.bincount(table.part).tolist() == [10_000, 0, 2_000]
    assert table.images.pixels.shape == (12_000, 28, 28, 1)
    assert table.images.pixels.dtype == np.uint8
    assert table.target == "label"
    assert set(table.frame["label"]) == set(PUBLIC["fashion-mnist"].class_names)


def test_no_class_of_fashion_sample_is_rare():
    table = read_array_file(sample_path("fashion-sample"))
    counts = table.frame.with_columns(part=table.part).group_by("part", "label").len()
    assert counts.height == 20
    assert counts["len"].min() >= 0.9 * 200


def test_the_license_of_fashion_sample_is_mit_and_says_which_images_it_holds():
    text = (sample_path("fashion-sample").parent / "LICENSE-fashion-sample.txt").read_text(encoding="utf-8")
    assert "The MIT License (MIT)" in text
    assert "Zalando SE" in text
    assert "Permission is hereby granted, free of charge" in text
    assert (
        "the first 10,000\nimages of the official training file and the first 2,000 of the official test file" in text
    )


@pytest.mark.skipif(not FASHION.is_dir(), reason="needs Debian's dataset-fashion-mnist")
def test_fashion_sample_holds_the_first_images_of_the_official_files_in_their_order():
    sample, whole = read_array_file(sample_path("fashion-sample")), read_public("fashion-mnist")
    rows = np.concatenate([np.flatnonzero(whole.part == part)[:n] for part, n in ((0, 10_000), (2, 2_000))])
    np.testing.assert_array_equal(sample.images.pixels, whole.images.pixels[rows])
    assert sample.frame["label"].to_list() == whole.frame["label"].gather(rows).to_list()


def test_the_fingerprint_of_a_sample_is_the_hash_of_its_file():
    path = sample_path("penguins")
    assert read_table(path).fingerprint == hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_unknown_sample_is_refused_with_the_nearest_names():
    with pytest.raises(UsageError, match=r'no bundled data set "pengwins"\. Did you mean "penguins"\?'):
        sample_path("pengwins")
