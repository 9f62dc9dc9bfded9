"""Files of the UCR and UEA archives (.ts): what is read, what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnzoo.data.dataset import load
from nnzoo.data.tsfile import read_ts, ts_paths
from nnzoo.errors import DataError, NnzooError

HEAD = "# waves\n@problemName Waves\n@timeStamps false\n@classLabel true up down\n@data\n"


@pytest.fixture
def write(tmp_path):
    """Give a function that writes a file of this folder and returns its path."""

    def write(text, name="waves.ts"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def series(table):
    return [table.sequences.take(np.array([row])).frame.to_numpy() for row in range(len(table.sequences))]


def test_dimensions_labels_lengths_and_missing_values(write):
    table = read_ts([write(HEAD + "1,2,?:4,5,6:up\n% a remark\n\n7 , 8:9,1e1: down\n")])
    first, second = series(table)
    np.testing.assert_array_equal(first, [[1, 4], [2, 5], [np.nan, 6]])
    np.testing.assert_array_equal(second, [[7, 9], [8, 10]])
    assert table.frame["label"].to_list() == ["up", "down"]
    assert table.sequences.frame.columns == ["x0", "x1"]


def test_a_file_without_labels_is_a_forecast(write):
    table = read_ts([write("@classLabel false\n@data\n1,2,3\n4,5\n")])
    assert table.target is None
    assert table.sequences.lengths.tolist() == [3, 2]


def test_labels_that_are_numbers_are_a_target(write):
    table = read_ts([write("@targetLabel true\n@data\n1,2,3:0.5\n4,5:-1\n")])
    assert table.frame["label"].to_list() == ["0.5", "-1"]


def test_the_test_file_beside_a_training_file_is_the_test_part(write, tmp_path):
    lines = "".join(f"{i},{i + 1},{i}:{'up' if i % 2 else 'down'}\n" for i in range(20))
    train, test = write(HEAD + lines, "Waves_TRAIN.ts"), write(HEAD + "5,6:up\n", "waves_test.ts")
    assert ts_paths(train) == ts_paths(tmp_path) == [train, test]
    data = load(tmp_path)
    assert (len(data.test), len(data.train) + len(data.valid)) == (1, 20)
    assert ts_paths(test) == [test]


def test_a_folder_of_two_problems_names_them(write, tmp_path):
    write(HEAD, "A_TRAIN.ts")
    write(HEAD, "B_TRAIN.ts")
    with pytest.raises(DataError, match=r'"A_TRAIN.ts", "B_TRAIN.ts"'):
        ts_paths(tmp_path)


def test_other_names_are_no_such_files(tmp_path):
    assert ts_paths(tmp_path) is None
    assert ts_paths("waves.csv") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2:up\n", "needs a line @data"),
        ("@classLabel true\n1,2:up\n", "needs a line @data"),
        ("@timeStamps true\n@data\n(0,1):up\n", "without time stamps"),
        (HEAD, "got 0 rows"),
        (HEAD + "1,2:up\n:down\n", "line 7 needs at least one step"),
        (HEAD + "1,2:3:up\n", r"dimensions of one length; got \[2, 1\]"),
        (HEAD + "1,2:up\n1,2:3,4:up\n", "line 7 needs 1 dimension, as the first series has; got 2"),
        (HEAD + "1,two:up\n", 'line 6 needs numbers, "\\?" where one is missing; got "two"'),
        (HEAD + "1,,2:up\n", 'got ""'),
    ],
)
def test_what_is_refused_names_the_line(write, text, message):
    with pytest.raises(DataError, match=message):
        read_ts([write(text)])


@pytest.mark.parametrize("other", ["@data\n1,2\n", HEAD + "1,2:3,4:up\n"])
def test_two_files_that_do_not_belong_together_are_refused(write, other):
    with pytest.raises(DataError, match="equally many dimensions, all with labels or all without"):
        read_ts([write(HEAD + "1,2:up\n"), write(other, "other.ts")])


@given(st.text(alphabet="@#%:,?.0123456789-einfatrucls \n", max_size=200), st.booleans())
def test_any_text_is_read_or_refused(tmp_path_factory, text, with_head):
    path = tmp_path_factory.mktemp("any") / "any.ts"
    path.write_text(HEAD + text if with_head else text)
    try:
        table = read_ts([path])
    except NnzooError:
        return
    assert table.sequences.lengths.min() >= 1
    assert table.sequences.n_steps == table.sequences.frame.height
