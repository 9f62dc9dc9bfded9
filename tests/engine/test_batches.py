"""Batches: which rows an epoch takes together, and in which order."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nnzoo.engine.batches import Batch, count_batches, cut_batch, epoch_order

SIZES = st.integers(1, 300), st.integers(1, 50)
FIFTY = Batch(torch.arange(50))


def cut_all(n_rows: int, batch_size: int, order: torch.Tensor | None = None) -> list[Batch]:
    rows = Batch(torch.arange(n_rows))
    return [cut_batch(rows, order, k, batch_size) for k in range(count_batches(n_rows, batch_size))]


@given(*SIZES)
def test_batches_hold_every_row_once(n_rows, batch_size):
    batches = cut_all(n_rows, batch_size, epoch_order(Batch(torch.arange(n_rows)), batch_size, 0, 0))
    assert sorted(torch.cat([batch.inputs for batch in batches]).tolist()) == list(range(n_rows))


@given(*SIZES)
def test_no_batch_is_larger_than_asked_by_more_than_one_row_and_none_is_of_one_row(n_rows, batch_size):
    sizes = [len(batch) for batch in cut_all(n_rows, batch_size)]
    assert max(sizes) <= batch_size + 1
    assert min(sizes) > 1 or n_rows == 1 or batch_size == 1


@given(st.integers(2, 200), st.integers(1, 50), st.integers(0, 2**62), st.integers(0, 1000))
def test_order_is_a_permutation_and_a_pure_function_of_seed_and_epoch(n_rows, batch_size, seed, epoch):
    order = epoch_order(Batch(torch.arange(n_rows)), batch_size, seed, epoch)
    torch.rand(1)
    again = epoch_order(Batch(torch.arange(n_rows)), batch_size, seed, epoch)
    if count_batches(n_rows, batch_size) == 1:
        assert order is again is None
    else:
        assert torch.equal(order, again)
        assert sorted(order.tolist()) == list(range(n_rows))


def test_orders_of_other_seeds_and_epochs_differ():
    orders = {tuple(epoch_order(FIFTY, 10, seed, epoch).tolist()) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


def test_order_leaves_the_random_state_of_the_caller_alone():
    torch.manual_seed(0)
    wanted = torch.rand(3)
    torch.manual_seed(0)
    epoch_order(FIFTY, 10, 1, 1)
    assert torch.equal(torch.rand(3), wanted)


def test_one_batch_of_all_rows_is_not_copied():
    rows = Batch(torch.arange(5.0), torch.arange(5), torch.ones(5))
    assert cut_batch(rows, None, 0, 5) is rows
    assert epoch_order(FIFTY, 10, 0, 0, shuffle=False) is None


def test_taking_rows_takes_targets_and_weights_along():
    batch = Batch(torch.arange(4.0), torch.arange(4) * 10, torch.arange(4) * 100).take(torch.tensor([3, 1]))
    assert (batch.inputs.tolist(), batch.target.tolist(), batch.weight.tolist()) == ([3, 1], [30, 10], [300, 100])
    assert Batch(torch.arange(4.0)).take(slice(1, 3)).target is None


@pytest.mark.parametrize(("weight", "mean"), [(None, 2.0), ([1.0, 2.0, 0.0], (1 + 2 * 2) / 3)])
def test_mean_loss_is_weight_times_loss_over_the_number_of_rows(weight, mean):
    batch = Batch(torch.zeros(3), None, None if weight is None else torch.tensor(weight))
    assert float(batch.mean(torch.tensor([1.0, 2.0, 3.0]))) == pytest.approx(mean)
