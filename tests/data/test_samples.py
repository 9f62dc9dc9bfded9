import hashlib

import pytest

from nnzoo.data.samples import SAMPLES, sample_path
from nnzoo.data.tables import read_table
from nnzoo.errors import UsageError


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


def test_the_fingerprint_of_a_sample_is_the_hash_of_its_file():
    path = sample_path("penguins")
    assert read_table(path).fingerprint == hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_unknown_sample_is_refused_with_the_nearest_names():
    with pytest.raises(UsageError, match=r'no bundled data set "pengwins"\. Did you mean "penguins"\?'):
        sample_path("pengwins")
