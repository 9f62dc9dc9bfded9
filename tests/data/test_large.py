"""Tables larger than the memory: which rows are drawn, and that training sees all others, to the bits of one in memory."""

import os

import numpy as np
import polars as pl
import pytest
import torch

import nnzoo
from nnzoo.data import large as large_module
from nnzoo.data import tables
from nnzoo.data.dataset import load, load_like, training_parts
from nnzoo.data.large import sample_table
from nnzoo.engine.stored import StoredRows
from nnzoo.errors import DataError, ResourceError, SchemaError, UsageError

N = 3000


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Write a table that is read in chunks of 256 rows."""
    monkeypatch.setattr(tables, "CHUNK_ROWS", 256)
    draw = np.random.default_rng(0)
    x = draw.normal(size=(N, 2)).round(3)
    label = np.where(x[:, 0] * x[:, 1] > 0, "same", "other")
    city = draw.choice(["Bonn", "Oslo"], N)
    pl.DataFrame({"id": range(1, N + 1), "x": x[:, 0], "z": x[:, 1], "city": city, "label": label}).write_csv(
        tmp_path / "t.csv"
    )
    return tmp_path / "t.csv"


def rows_of(parts):
    return np.concatenate([part.rows for part in parts])


def test_the_rows_drawn_follow_from_seed_and_size_alone(path, monkeypatch):
    found, large = sample_table(path, 500, 7, on_bad_row="error")
    again, _ = sample_table(path, 500, 7, on_bad_row="error")
    other, _ = sample_table(path, 500, 8, on_bad_row="error")
    assert len(found.rows) == 500
    assert large.n_rows == N
    assert (np.diff(found.rows) > 0).all()
    np.testing.assert_array_equal(found.rows, again.rows)
    assert set(found.rows) != set(other.rows)
    monkeypatch.setattr(tables, "CHUNK_ROWS", 1024)
    np.testing.assert_array_equal(sample_table(path, 500, 7, on_bad_row="error")[0].rows, found.rows)
    assert found.fingerprint == load(path, target="label").fingerprint


def test_they_are_spread_over_the_file(path):
    rows = sample_table(path, 600, 0, on_bad_row="error")[0].rows
    counts = np.histogram(rows, bins=5, range=(1, N + 1))[0]
    assert counts.sum() == 600
    assert counts.min() > 80


def test_a_sample_of_more_rows_than_there_are_is_the_file(path):
    data = load(path, target="label", sample_rows=10 * N)
    assert len(data) == N


def test_training_sees_every_row_but_those_kept_apart(path):
    data = load(path, target="label", sample_rows=600)
    apart = set(data.rows[data.part != 0])
    trained = rows_of(training_parts(data))
    assert len(apart) == 180
    assert sorted(trained) == sorted(set(range(1, N + 1)) - apart)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["perceptron", "feed-forward"])
def test_it_learns_better_than_from_the_sample_alone_and_again_the_same_bits(path, network, tmp_path):
    data = load(path, target="label", sample_rows=1600)
    params = {"n_epochs": 3, "patience": 3}
    model = nnzoo.train(nnzoo.build(network, data, params), data, verbose=0)
    assert len(model.provenance.trained_rows) == N - 480
    model.save(tmp_path / "m.nnzoo")
    again = nnzoo.load_model(tmp_path / "m.nnzoo")
    assert nnzoo.verify(again, path).same
    assert nnzoo.evaluate(again, load_like(path, again.provenance.settings)).n_rows == 240
    assert nnzoo.predict(again, path).height == N


def test_from_the_disk_come_the_bits_that_come_from_memory(path):
    """All rows drawn: the rows on the disk are those in memory, and so is what is learned."""
    whole = load(path, target="label")
    drawn = load(path, target="label", sample_rows=N)
    assert drawn.fingerprint == whole.fingerprint
    params = {"n_epochs": 3, "patience": 3}
    models = [nnzoo.train(nnzoo.build("dff", data, params), data, verbose=0) for data in (whole, drawn)]
    one, other = (model.network.fitted_state().tensors for model in models)
    assert one.keys() == other.keys()
    for name in one:
        assert one[name].tobytes() == other[name].tobytes(), name


def test_a_file_that_changes_between_the_readings_is_refused(path):
    data = load(path, target="label", sample_rows=600)
    with path.open("a") as file:
        file.write("9999,1,1,Bonn,same\n")
    model = nnzoo.build("feed-forward", data, {"n_epochs": 1})
    with pytest.raises(DataError, match="needs to stay as it is between two readings"):
        nnzoo.train(model, data, verbose=0)


def test_a_label_that_no_drawn_row_has_is_said_with_its_row(path):
    lines = path.read_text().splitlines()
    drawn = set(sample_table(path, 600, 0, on_bad_row="error")[0].rows)
    place = next(row for row in range(1, N + 1) if row not in drawn)
    lines[place] = lines[place].rpartition(",")[0] + ",never"
    path.write_text("\n".join(lines) + "\n")
    data = load(path, target="label", sample_rows=600)
    with pytest.raises(SchemaError, match=f'row {place} has the label "never"'):
        nnzoo.train(nnzoo.build("feed-forward", data, {"n_epochs": 1}), data, verbose=0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"source": {"a": [1, 2], "b": [1, 2]}}, "sample_rows needs a file"),
        ({"sample_rows": 0}, "above 0; got 0"),
        ({"kind": "text"}, "sample_rows needs a table"),
        ({"target": [1] * N}, "target among the columns"),
    ],
)
def test_what_cannot_be_drawn_is_refused(path, given, message):
    chosen = {"source": path, "target": "label", "sample_rows": 100} | given
    with pytest.raises(UsageError, match=message):
        load(chosen.pop("source"), **chosen)


@pytest.mark.parametrize("params", [{"optimizer": "lbfgs"}, {"class_weight": "balanced"}])
def test_what_needs_all_rows_in_memory_is_refused(path, params):
    data = load(path, target="label", sample_rows=600)
    with pytest.raises(UsageError, match="need all rows in memory"):
        nnzoo.train(nnzoo.build("feed-forward", data, params | {"n_epochs": 1}), data, verbose=0)


def test_stored_rows_are_cut_as_a_tensor_is(tmp_path):
    tensor = torch.arange(60, dtype=torch.float32).reshape(20, 3)
    rows = StoredRows(tmp_path)
    rows.append(tensor[:7])
    rows.append(tensor[7:])
    assert len(rows) == 20
    for index in (slice(2, 5), slice(18, 99), slice(5, 5), torch.tensor([3, 3, 19, 0]), torch.tensor([], dtype=int)):
        assert torch.equal(rows[index], tensor[index])
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_said():
    class Full:
        def close(self):
            pass

        def write(self, content):
            raise OSError(28, "No space left on device")

    rows = StoredRows()
    rows._file.close()
    rows._file = Full()
    with pytest.raises(ResourceError, match="no more room on the disk after 0 rows"):
        rows.append(torch.zeros(3, 2))


def test_numbers_for_rows_do_not_repeat():
    drawn = large_module._drawn(np.arange(100_000), 0)
    assert len(np.unique(drawn)) == 100_000
    assert abs(drawn.astype(np.float64).mean() / 2**64 - 0.5) < 0.01
