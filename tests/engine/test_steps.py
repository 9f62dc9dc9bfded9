"""Sequences on the device: cut by rows and by time, flat and padded, each against plain Python."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nnzoo.engine.steps import Steps, groups_of_like_length
from nnzoo.ragged import Ragged

LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=10) | st.builds(
    lambda n_each, n_rows: [n_each] * n_rows, st.integers(1, 12), st.integers(1, 10)
)


def steps(lengths):
    rows = Ragged(np.arange(sum(lengths), dtype=np.float64)[:, None], np.array(lengths))
    return rows, Steps.of(rows, torch.from_numpy(rows.values))


def lists(found):
    """Return the steps of each row, read from the padded form with its mask."""
    padded, mask = found.padded(found.flat())[..., 0], found.mask()
    assert padded.shape == mask.shape == (len(found), found.longest)
    assert (padded[~mask] == 0).all()
    return [row[here].tolist() for row, here in zip(padded, mask, strict=True)]


@given(LENGTHS)
def test_padded_and_mask_hold_every_step_and_zeros(lengths):
    rows, found = steps(lengths)
    assert lists(found) == [row[:, 0].tolist() for row in rows]


@given(LENGTHS, st.integers(1, 15))
def test_windows_put_one_behind_the_other_are_the_rows(lengths, n_steps):
    rows, found = steps(lengths)
    together = [[] for _ in lengths]
    for window in found.windows(n_steps):
        assert window.longest <= n_steps
        together = [a + b for a, b in zip(together, lists(window), strict=True)]
    assert together == [row[:, 0].tolist() for row in rows]


@given(LENGTHS, st.integers(1, 4))
def test_blocks_of_rows_are_the_rows(lengths, n_rows):
    rows, found = steps(lengths)
    assert [row for block in found.split(n_rows) for row in lists(block)] == [row[:, 0].tolist() for row in rows]


@given(LENGTHS, st.randoms())
def test_rows_in_any_order_with_repetition(lengths, random):
    rows, found = steps(lengths)
    index = [random.randrange(len(lengths)) for _ in range(6)]
    taken = found[torch.tensor(index)]
    wanted = [rows[i][:, 0].tolist() for i in index]
    assert lists(taken) == wanted
    assert taken.flat()[:, 0].tolist() == [value for row in wanted for value in row]
    assert taken.rows().tolist() == [i for i, row in enumerate(wanted) for _ in row]


def test_neighbouring_rows_are_not_copied():
    _, found = steps([3, 2, 4])
    assert found[1:].flat().data_ptr() == found.values[3:].data_ptr()


def test_other_values_and_types():
    _, found = steps([3, 2])
    half = found[torch.tensor([1, 0])].to(torch.float32)
    assert half.values.dtype == torch.float32
    assert half.padded(half.flat() * 2)[..., 0].tolist() == [[6, 8, 0], [0, 2, 4]]
    assert found.device.type == "cpu"


def test_no_rows_are_empty():
    _, found = steps([3, 2])
    none = found[:0]
    assert (len(none), none.longest, none.flat().shape) == (0, 0, (0, 1))


@given(LENGTHS, st.integers(1, 40))
def test_groups_hold_every_row_once_and_at_most_so_many_cells(lengths, max_cells):
    lengths = np.array(lengths)
    groups = groups_of_like_length(lengths, max_cells)
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(lengths)))
    for group in groups:
        assert len(group) == 1 or len(group) * lengths[group].max() <= max_cells


@pytest.mark.parametrize("lengths", [[5, 5, 5], [1, 9, 1, 9]])
def test_groups_are_of_similar_length(lengths):
    found = groups_of_like_length(np.array(lengths), 18)
    assert all(len({lengths[i] for i in group}) == 1 for group in found)


@pytest.mark.parametrize("lengths", [[3, 3, 3, 3], [3, 2, 4, 3]])
@pytest.mark.parametrize("chosen", [[2, 0], [3, 2, 1], [1], [0, 1, 2, 3], [0, 2, 1, 3]])
def test_flat_takes_the_steps_of_the_rows_that_are_chosen(lengths, chosen):
    _, found = steps(lengths)
    rows = found.values.split(lengths)
    assert torch.equal(found[torch.tensor(chosen)].flat(), torch.cat([rows[row] for row in chosen]))


def test_rows_of_as_many_steps_each_are_known_to_be_so_however_they_are_cut():
    _, found = steps([6, 6, 6])
    parts = [found, found[1:], found[torch.tensor([2, 0])], found.to(torch.float32), *found.split(2), *found.windows(9)]
    assert [part.n_each for part in parts] == [6] * len(parts)
    assert [window.n_each for n_steps in (3, 4) for window in found.windows(n_steps)] == [3, 3, None, None]
    assert steps([6, 5, 6])[1][torch.tensor([0, 2])].n_each is None
    assert steps([6, 5, 6])[1][torch.tensor([0, 2])].are_even


def test_flat_of_windows_that_begin_inside_rows():
    values = torch.arange(12).view(6, 2)
    window = Steps(values, torch.tensor([4, 1]), torch.tensor([2, 2]))
    assert torch.equal(window.flat(), values[[4, 5, 1, 2]])


def test_rows_that_have_all_ended_have_no_steps():
    ended = Steps(torch.arange(12).view(6, 2), torch.tensor([4, 1]), torch.tensor([0, 0]))
    assert ended.flat().shape == (0, 2)
