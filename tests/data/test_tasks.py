"""Tasks for networks with a memory: what is shown, what is asked, and what the n-grams' best guesser knows."""

from itertools import pairwise

import numpy as np
import pytest

from nnzoo.data.tasks import (
    associative_recall,
    best_guesses,
    contexts,
    copying,
    n_grams,
    priority_sorting,
    repeat_copying,
)

TASKS = {
    "copy": copying,
    "repeat copy": repeat_copying,
    "recall": associative_recall,
    "sort": priority_sorting,
    "n-grams": n_grams,
}


def parts(task):
    """Yield what is shown, the silent inputs and the answer of each sequence."""
    for X, y, asked in zip(task.X, task.y, np.split(task.answers, task.X.starts[1:]), strict=True):
        assert asked.tolist() == sorted(asked)
        assert not y[~asked].any()
        yield X[~asked], X[asked], y[asked]


def test_a_copy_is_what_was_shown_and_every_length_occurs():
    task = copying(200, n_bits=3, lengths=(2, 5), random_state=0)
    for shown, silent, answer in parts(task):
        np.testing.assert_array_equal(shown[:-1, :3], answer)
        assert shown[-1].tolist() == [0, 0, 0, 1]
        assert not silent.any()
    assert set(task.X.lengths) == {2 * length + 1 for length in (2, 3, 4, 5)}


def test_a_repeat_copy_is_said_so_many_times_and_then_ended():
    for shown, _, answer in parts(repeat_copying(50, n_bits=2, lengths=(1, 4), repeats=(1, 5), random_state=1)):
        n_times = round(shown[-1, 3] * 5)
        np.testing.assert_array_equal(answer[:-1, :2], np.tile(shown[:-1, :2], (n_times, 1)))
        assert answer[:, 2].tolist() == [0] * (len(answer) - 1) + [1]


def test_a_recall_asks_for_the_item_behind_one_that_was_shown():
    for shown, _, answer in parts(associative_recall(50, n_bits=4, item_length=2, n_items=(2, 4), random_state=2)):
        starts = np.flatnonzero(shown[:, 4])
        items = [shown[start + 1 : start + 3, :4] for start in starts]
        first, last = np.flatnonzero(shown[:, 5])
        assert last == len(shown) - 1
        asked = shown[first + 1 : last, :4]
        assert any(np.array_equal(item, asked) and np.array_equal(behind, answer) for item, behind in pairwise(items))


def test_sorted_vectors_come_by_falling_priority():
    for shown, _, answer in parts(priority_sorting(30, n_bits=5, n_vectors=6, n_sorted=4, random_state=3)):
        order = sorted(range(6), key=lambda place: -shown[place, 6])
        np.testing.assert_array_equal(answer, shown[order[:4], :5])
        assert np.abs(shown[:-1, 6]).max() <= 1


def test_the_best_guesses_of_n_grams_cost_what_the_beta_binomial_law_says():
    # Behind one context, k bits drawn with a chance from Beta(1/2, 1/2): the first costs 1 bit. For the second the
    # guess is 3/4 for the bit that came first, which is right in E[p² + (1-p)²] = 2·3/8 = 3/4 of the cases.
    task = n_grams(4000, n=1, n_steps=1, random_state=0)
    bits = np.concatenate([task.X.padded()[:, :, 0], task.y.padded()[:, :, 0]], axis=1).astype(int)
    guess = best_guesses(bits, 1)
    assert (guess[:, 0] == 0.5).all()
    np.testing.assert_array_equal(guess[:, 1], np.where(bits[:, 0] == 1, 0.75, 0.25))
    assert np.mean(bits[:, 1] == bits[:, 0]) == pytest.approx(0.75, abs=4 * np.sqrt(0.75 * 0.25 / 4000))


def test_n_grams_ask_for_the_next_bit_and_their_guesses_are_calibrated():
    task = n_grams(300, n=3, n_steps=60, random_state=1)
    bits, after = task.X.padded()[:, :, 0].astype(int), task.y.padded()[:, :, 0]
    np.testing.assert_array_equal(bits[:, 1:], after[:, :-1])
    whole = np.concatenate([bits, after[:, -1:]], axis=1)
    guess, came = best_guesses(whole, 3), whole[:, 2:]
    for low in np.arange(0, 1, 0.1):
        inside = (guess >= low) & (guess < low + 0.1)
        n = inside.sum()
        assert abs(came[inside].mean() - guess[inside].mean()) < 4.5 * 0.5 / np.sqrt(n) + 0.005
    assert contexts(np.array([[0, 1, 1, 0, 1]]), 4).tolist() == [0b101]


def test_bits_and_exact_sequences_are_counted_in_the_answers_alone():
    task = copying(4, n_bits=2, lengths=(3, 3), random_state=0)
    said = [row.copy() for row in task.y]
    assert (task.bits_right(said), task.exact(said)) == (1.0, 1.0)
    said[0][0] = 1 - said[0][0]
    assert (task.bits_right(said), task.exact(said)) == (1.0, 1.0)
    said[1][4, 0] = 1 - said[1][4, 0]
    said[2][4:6, 1] = 1 - said[2][4:6, 1]
    assert task.bits_right(np.stack(said)) == pytest.approx(1 - 3 / 24)
    assert task.exact(said) == 0.5


@pytest.mark.parametrize("make", TASKS.values(), ids=TASKS)
def test_a_task_follows_its_random_state_alone(make):
    first, again, other = make(5, random_state=7), make(5, random_state=7), make(5, random_state=8)
    np.testing.assert_array_equal(first.X.values, again.X.values)
    np.testing.assert_array_equal(first.y.values, again.y.values)
    assert first.X.values.shape != other.X.values.shape or (first.X.values != other.X.values).any()
