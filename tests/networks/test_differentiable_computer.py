"""DifferentiableNeuralComputer: usage, allocation, links and reading in the order of writing; tasks learned."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnzoo import DifferentiableNeuralComputer
from nnzoo.data.tasks import copying
from nnzoo.networks.differentiable_computer import ComputerCell, allocation, linked, used
from nnzoo.networks.slots import SlotLayer

SMALL = {"n_hidden": 16, "n_slots": 6, "slot_size": 4}


@settings(max_examples=40)
@given(st.integers(0, 2**31), st.floats(0.01, 300))
def test_usage_allocation_and_links_stay_within_their_bounds(seed, size):
    torch.manual_seed(seed)
    cell = ComputerCell(3, 4, n_slots=5, slot_size=3, n_memory_heads=2).double()
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.normal_(std=size)
    state = cell.start(torch.zeros(2, 3, dtype=torch.float64))
    for _ in range(12):
        state = cell.advance(cell.controller.project(torch.randn(2, 3, dtype=torch.float64)), state)
        reading, writing, usage, precedence, links, _ = state[3:]
        assert usage.min() >= -1e-6
        assert usage.max() <= 1 + 1e-6
        sums = [allocation(usage).sum(dim=1), writing.sum(dim=1), precedence.sum(dim=1), reading.sum(dim=2)]
        sums += [links.sum(dim=1), links.sum(dim=2)]
        assert all(total.max() <= 1 + 1e-6 for total in sums)
        assert links.min() >= -1e-6
        assert not links.diagonal(dim1=1, dim2=2).any()


def test_after_writing_to_one_slot_a_step_reading_forward_follows_the_order_and_backward_goes_back():
    order = [2, 0, 4, 1]
    links, precedence = torch.zeros(1, 5, 5), torch.zeros(1, 5)
    for slot in order:
        w = torch.eye(5)[[slot]]
        links = linked(links, precedence, w)
        precedence = (1 - w.sum(dim=1, keepdim=True)) * precedence + w
    at = torch.eye(5)[[order[0]]][:, None]
    for slot in order[1:]:
        at = at @ links.transpose(1, 2)
        assert torch.equal(at[0, 0], torch.eye(5)[slot])
    for slot in order[-2::-1]:
        at = at @ links
        assert torch.equal(at[0, 0], torch.eye(5)[slot])


def test_allocation_by_hand():
    # rising usage 0.2, 0.5, 0.9: 1 - 0.2 = 0.8, then (1 - 0.5) 0.2 = 0.1, then (1 - 0.9) 0.2 · 0.5 = 0.01
    found = allocation(torch.tensor([[0.9, 0.2, 0.5]], dtype=torch.float64))
    torch.testing.assert_close(found[0], torch.tensor([0.01, 0.8, 0.1], dtype=torch.float64), rtol=0, atol=1e-12)


def test_allocation_follows_its_slots_and_its_gradient_is_finite_where_all_are_in_use():
    usage = torch.rand(1, 7, dtype=torch.float64)
    order = torch.randperm(7)
    torch.testing.assert_close(allocation(usage)[:, order], allocation(usage[:, order]), rtol=0, atol=1e-12)
    for level in (0.0, 1.0):
        full = torch.full((1, 7), level, requires_grad=True)
        allocation(full)[0, 3].backward()
        assert full.grad.isfinite().all()


def test_a_free_gate_releases_what_was_read():
    usage, none = torch.tensor([[1.0, 0.5, 0.0]]), torch.zeros(1, 3)
    reading = torch.tensor([[[1.0, 0.0, 0.0]]])
    assert used(usage, none, torch.ones(1, 1, 1), reading).tolist() == [[0.0, 0.5, 0.0]]
    assert used(usage, none, torch.zeros(1, 1, 1), reading).tolist() == [[1.0, 0.5, 0.0]]


def test_gradients_are_finite_over_many_steps_from_the_memory_of_zeros():
    torch.manual_seed(0)
    layer = SlotLayer(ComputerCell(3, 8))
    layer(torch.randn(2, 60, 3))[0].square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in layer.parameters())


def test_a_layer_in_two_windows_is_the_layer_at_once():
    torch.manual_seed(0)
    layer, x = SlotLayer(ComputerCell(3, 4, n_slots=5, slot_size=3)).double(), torch.randn(2, 9, 3, dtype=torch.float64)
    whole, _ = layer(x)
    first, state = layer(x[:, :4])
    torch.testing.assert_close(torch.cat([first, layer(x[:, 4:], state)[0]], dim=1), whole, rtol=0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_copy_of_one_vector_is_learned_bit_by_bit(seed):
    task = copying(800, n_bits=2, lengths=(1, 2), random_state=seed)
    fresh = copying(200, n_bits=2, lengths=(1, 2), random_state=100 + seed)
    net = DifferentiableNeuralComputer(
        output="step", n_epochs=4, batch_size=16, learning_rate=0.02, early_stopping=False, random_state=seed, **SMALL
    ).fit(task.X, task.y)
    # half of the bits are right by chance
    assert fresh.bits_right(net.predict(fresh.X)) > 0.75


@pytest.mark.slow
def test_both_tasks_are_learned_and_vectors_are_given():
    draw = np.random.default_rng(0)
    rows = [draw.normal(size=(n, 2)) for n in draw.integers(3, 6, 80)]
    net = DifferentiableNeuralComputer(n_epochs=25, batch_size=16, learning_rate=0.02, random_state=0, **SMALL)
    label = np.array(["up" if row[0, 0] > 0 else "down" for row in rows])
    assert net.fit(rows, label).score(rows, label) > 0.9
    values = [row[0, 0] for row in rows]
    assert net.set_params(task="regression").fit(rows, values).score(rows, values) > 0.7
    assert net.transform(rows).shape == (80, 16 + 4)


def test_before_training_it_writes_to_free_slots_and_releases_few():
    torch.manual_seed(0)
    orders = ComputerCell(2, 4, n_slots=8, slot_size=3, n_memory_heads=2).orders(0.1 * torch.randn(50, 4))
    assert (orders.by_allocation > 0.7).all()
    assert (orders.free < 0.3).all()
    torch.testing.assert_close(orders.write_gate, torch.full((50, 1), 0.5), rtol=0, atol=0.1)
