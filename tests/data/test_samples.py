import hashlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from nnzoo.data.dataset import load
from nnzoo.data.imagearrays import read_array_file
from nnzoo.data.public import PUBLIC, read_public
from nnzoo.data.samples import DEFAULTS, SAMPLES, bundled_or_same, sample_path
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


def test_sunspots_has_every_year_from_1700_to_2008():
    frame = read_table(sample_path("sunspots")).frame
    assert frame.columns == ["year", "sunspots"]
    assert frame["year"].cast(int).to_list() == list(range(1700, 2009))
    assert frame["sunspots"].cast(float).max() == 190.2  # 1957, the highest of the yearly series
    assert frame["sunspots"].null_count() == 0


def test_flights_log_ends_before_the_month_that_its_target_is_about():
    path = sample_path("flights-log")
    assert path.stat().st_size <= 1_500_000
    frame = read_table(path).frame
    assert (frame.height, frame["tailnum"].n_unique()) == (22_927, 500)
    assert frame["time"].min() >= "2013-01-01T05:00Z"  # midnight in New York
    assert frame["time"].max() < "2013-04-01T04:00Z"
    assert frame["time"].is_sorted()
    missing = dict(zip(frame.columns, frame.null_count().row(0), strict=True))
    assert [name for name, n in missing.items() if n] == ["dep_delay", "arr_delay", "air_time"]
    targets = frame.group_by("tailnum").agg(pl.col("late_next_month").unique())["late_next_month"]
    assert targets.list.len().max() == 1
    assert dict(targets.explode().value_counts().iter_rows()) == {"no": 265, "yes": 235}


def test_genesis_has_50_chapters_and_1533_verses():
    text = sample_path("genesis").read_text(encoding="utf-8")
    chapters = text.strip().split("\n\n")
    assert len(chapters) == 50
    assert sum(len(chapter.splitlines()) for chapter in chapters) == 1533
    assert text.startswith("In the beginning God created the heaven and the earth.\n")
    assert text.endswith("and he was put in a coffin in Egypt.\n")


def test_licenses_of_the_sequences_name_their_terms_and_sources():
    texts = {
        name: (sample_path(name).parent / f"LICENSE-{name}.txt").read_text(encoding="utf-8")
        for name in ("sunspots", "flights-log", "genesis")
    }
    assert "This data is public domain" in texts["sunspots"]
    assert "CC0 1.0" in texts["flights-log"]
    assert "public domain outside the United Kingdom" in texts["genesis"]


def test_samples_have_defaults_that_their_columns_fit():
    for name, defaults in DEFAULTS.items():
        if defaults.get("kind") == "text":
            continue
        named = {value for key, value in defaults.items() if key in ("entity", "time", "target")}
        assert named <= set(read_table(sample_path(name)).frame.columns)


def test_a_sample_of_sequences_or_text_needs_no_further_words():
    loaded = {name: load(name) for name in ("sunspots", "flights-log", "genesis")}
    assert {name: (data.kind, data.output) for name, data in loaded.items()} == {
        "sunspots": ("sequence", "next"),
        "flights-log": ("sequence", "sequence"),
        "genesis": ("text", "next"),
    }
    assert (len(loaded["flights-log"]), loaded["flights-log"].target) == (500, "late_next_month")


def test_what_the_caller_says_goes_before_the_defaults_of_a_sample():
    assert load("flights-log", target="carrier").target == "carrier"
    table = load("flights-log", kind="table")
    assert (table.kind, len(table), table.target) == ("table", 22_927, "late_next_month")


def test_an_unknown_sample_is_refused_with_the_nearest_names():
    with pytest.raises(UsageError, match=r'no bundled data set "pengwins"\. Did you mean "penguins"\?'):
        sample_path("pengwins")


def test_the_name_of_a_bundled_set_stands_for_its_file_unless_a_file_has_the_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert bundled_or_same("penguins") == sample_path("penguins")
    assert bundled_or_same("penguin") == "penguin"
    assert bundled_or_same(None) is None
    (tmp_path / "penguins").mkdir()
    assert bundled_or_same("penguins") == "penguins"
