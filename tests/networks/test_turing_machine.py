"""NeuralTuringMachine: each stage of a head, one step in plain loops, a copy machine set by hand, tasks learned."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnzoo import NeuralTuringMachine, ParameterError, UsageError
from nnzoo.data.tasks import copying
from nnzoo.networks.slots import SlotLayer, cosines, written_memory
from nnzoo.networks.turing_machine import TuringCell, sharpened, shifted

SMALL = {"n_hidden": 16, "n_slots": 8, "slot_size": 4}


def cell(n_in=3, n_hidden=5, seed=0, **given):
    torch.manual_seed(seed)
    made = TuringCell(n_in, n_hidden, **({"n_slots": 6, "slot_size": 4} | given)).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(std=0.8)
    return made


def one_hot(*places, n_slots=6):
    weights = torch.zeros(1, len(places), n_slots, dtype=torch.float64)
    weights[0, range(len(places)), list(places)] = 1
    return weights


def share(*values):
    return torch.tensor(values, dtype=torch.float64)[None, None]


@settings(max_examples=50)
@given(st.integers(0, 2**31), st.floats(0.01, 300), st.floats(1, 60))
def test_weights_are_shares_after_every_stage(seed, size, power):
    torch.manual_seed(seed)
    made = TuringCell(2, 3, n_slots=7, slot_size=3, shift_range=2, n_memory_heads=2).double()
    heads, _, _ = made.heads(size * torch.randn(4, 3, dtype=torch.float64))
    heads = (*heads[:-1], torch.full_like(heads[-1], power))
    before = torch.softmax(size * torch.randn(4, 3, 7, dtype=torch.float64), dim=2)
    memory = size * torch.randn(4, 7, 3, dtype=torch.float64)
    for weights in made.stages(heads, before, memory):
        assert (weights >= 0).all()
        torch.testing.assert_close(weights.sum(dim=2), torch.ones(4, 3, dtype=torch.float64), rtol=0, atol=1e-6)


def test_a_closed_gate_no_shift_and_no_sharpening_leave_the_head_where_it_was():
    made, before = cell(), torch.softmax(torch.randn(1, 2, 6, dtype=torch.float64), dim=2)
    one, none = torch.ones(1, 2, 1, dtype=torch.float64), torch.zeros(1, 2, 1, dtype=torch.float64)
    heads = (torch.randn(1, 2, 4, dtype=torch.float64), one, none, share(0.0, 1.0, 0.0).expand(1, 2, 3), one)
    weights = made.stages(heads, before, torch.randn(1, 6, 4, dtype=torch.float64))[-1]
    torch.testing.assert_close(weights, before, rtol=0, atol=1e-6)


@pytest.mark.parametrize("n_slots", [3, 6, 7])
def test_a_shift_of_one_rotates_exactly(n_slots):
    weights = torch.rand(2, 2, n_slots, dtype=torch.float64)
    for place, steps in enumerate((-1, 0, 1)):
        shares = torch.zeros(2, 2, 3, dtype=torch.float64)
        shares[..., place] = 1
        assert torch.equal(shifted(weights, shares), weights.roll(steps, dims=2))


def test_a_shift_is_the_circular_convolution():
    weights, shares = torch.rand(1, 1, 6, dtype=torch.float64), torch.rand(1, 1, 5, dtype=torch.float64)
    wanted = [sum(weights[0, 0, (i - j) % 6] * shares[0, 0, j + 2] for j in range(-2, 3)) for i in range(6)]
    torch.testing.assert_close(shifted(weights, shares)[0, 0], torch.stack(wanted), rtol=1e-12, atol=0)


def test_sharpening_is_the_power_of_the_paper_also_where_powers_are_too_small_for_a_number():
    weights = torch.rand(3, 2, 6, dtype=torch.float64)
    power = 1 + 4 * torch.rand(3, 2, 1, dtype=torch.float64)
    wanted = weights**power / (weights**power).sum(dim=2, keepdim=True)
    torch.testing.assert_close(sharpened(weights, power), wanted, rtol=1e-12, atol=0)
    even = torch.full((1, 1, 128), 1 / 128)
    even[0, 0, 3] *= 1.5
    assert (even**200).sum() == 0
    found = sharpened(even, torch.tensor([[[200.0]]]))
    assert found[0, 0, 3] == 1


def test_erasing_comes_before_adding_and_a_head_on_one_slot_assigns():
    memory = torch.randn(1, 6, 4, dtype=torch.float64)
    ones, new = torch.ones(1, 4, dtype=torch.float64), torch.randn(1, 4, dtype=torch.float64)
    after = written_memory(memory, one_hot(2)[:, 0], ones, new)
    wanted = memory.clone()
    wanted[0, 2] = new
    assert torch.equal(after, wanted)
    w, e = torch.rand(1, 6, dtype=torch.float64), torch.rand(1, 4, dtype=torch.float64)
    wanted = memory * (1 - w[:, :, None] * e[:, None]) + w[:, :, None] * new[:, None]
    torch.testing.assert_close(written_memory(memory, w, e, new), wanted, rtol=1e-12, atol=1e-15)


def test_the_cosine_of_zeros_is_zero_and_gradients_at_zero_are_finite():
    for keys, memory in ((torch.zeros(1, 1, 4), torch.zeros(1, 6, 4)), (torch.ones(1, 1, 4), torch.zeros(1, 6, 4))):
        keys.requires_grad_()
        memory.requires_grad_()
        found = cosines(keys, memory)
        assert not found.any()
        found.sum().backward()
        assert keys.grad.isfinite().all()
        assert memory.grad.isfinite().all()
    keys, memory = torch.randn(2, 3, 4, dtype=torch.float64), torch.randn(2, 6, 4, dtype=torch.float64)
    wanted = torch.nn.functional.cosine_similarity(keys[:, :, None], memory[:, None], dim=3)
    torch.testing.assert_close(cosines(keys, memory), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("controller", ["lstm", "feedforward"])
def test_gradients_are_finite_over_many_steps_from_the_constant_start(controller):
    torch.manual_seed(0)
    layer = SlotLayer(TuringCell(3, 8, controller=controller))
    out, _ = layer(torch.randn(2, 60, 3))
    out.square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in layer.parameters())


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def step_in_loops(x, state, w, *, remembers, n_read, size, reach):
    """Return the states after a step, from the equations of the paper, number by number."""
    h, r, c, weights, memory = state
    if remembers:
        i, f, g, o = np.split(w["ih"] @ x + w["hh"] @ np.concatenate([h, r]) + w["bias"], 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    else:
        h = np.tanh(w["ih"] @ x + w["hh"] @ r + w["bias"])
    numbers, n_slots = w["heads"] @ h + w["bias_heads"], len(memory)
    new = np.zeros_like(weights)
    for head in range(n_read + 1):
        own, numbers = numbers[: size + 4 + 2 * reach], numbers[size + 4 + 2 * reach :]
        key, beta, gate = np.tanh(own[:size]), np.log1p(np.exp(own[size])), sigmoid(own[size + 1])
        shift, gamma = np.exp(own[size + 2 : -1]), 1 + np.log1p(np.exp(own[-1]))
        shift /= shift.sum()
        alike = [key @ slot / np.sqrt((key @ key + 1e-6) * (slot @ slot + 1e-6)) for slot in memory]
        content = np.exp(beta * np.array(alike))
        mixed = gate * content / content.sum() + (1 - gate) * weights[head]
        for i in range(n_slots):
            new[head, i] = sum(mixed[(i - j) % n_slots] * shift[j + reach] for j in range(-reach, reach + 1)) ** gamma
        new[head] /= new[head].sum()
    erase, add = sigmoid(numbers[:size]), np.tanh(numbers[size:])
    r = np.concatenate([weights @ memory for weights in new[:n_read]])
    after = np.array([slot * (1 - share * erase) + share * add for slot, share in zip(memory, new[-1], strict=True)])
    return h, r, c, new, after


@pytest.mark.parametrize("controller", ["lstm", "feedforward"])
@pytest.mark.parametrize(("n_read", "reach"), [(1, 1), (2, 2)])
def test_steps_equal_the_equations_of_the_paper_in_loops(controller, n_read, reach):
    made = cell(controller=controller, n_memory_heads=n_read, shift_range=reach)
    x = torch.randn(1, 4, 3, dtype=torch.float64)
    own = {"ih": "controller.weight_ih", "hh": "controller.weight_hh", "bias": "controller.bias"}
    own |= {"heads": "weight_heads", "bias_heads": "bias_heads"}
    tensors = made.state_dict()
    w = {short: tensors[name].numpy() for short, name in own.items()}
    starts = np.zeros((n_read + 1, 6))
    starts[:, 0] = 1
    state = np.zeros(5), np.zeros(4 * n_read), np.zeros(5), starts, np.full((6, 4), 1e-6)
    for values in x[0].numpy():
        state = step_in_loops(values, state, w, remembers=controller == "lstm", n_read=n_read, size=4, reach=reach)
    out, last = SlotLayer(made)(x)
    np.testing.assert_allclose(out[0, -1].detach(), np.concatenate(state[:2]), rtol=1e-10, atol=1e-12)
    for found, wanted in zip(last[3:], state[3:], strict=True):
        np.testing.assert_allclose(found[0].detach(), wanted, rtol=1e-10, atol=1e-12)


def test_a_layer_in_two_windows_is_the_layer_at_once():
    layer, x = SlotLayer(cell()), torch.randn(2, 9, 3, dtype=torch.float64)
    whole, last = layer(x)
    first, state = layer(x[:, :4])
    second, end = layer(x[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole, rtol=0, atol=1e-12)
    for found, wanted in zip(end, last, strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


def copy_machine(n_bits, n_slots):
    """Return a cell set by hand that writes what it sees slot after slot and, after the mark, reads it again.

    Unit n_bits of the controller is 0 until the mark has been seen and then stays on, because its forget gate is open
    and its candidate follows the mark; units below hold the bits of the present step, because their forget gates are
    shut. The writing head moves on before it writes, so the first vector stands in the second slot. The reading head
    stays on the first slot while the unit is off and moves on while it is on: at the mark it stands where the first
    vector is, one step before it is asked for. Keys are not used: both gates are shut.
    """
    made = TuringCell(n_bits + 1, n_bits + 1, n_slots=n_slots, slot_size=n_bits).double()
    n, large = n_bits + 1, 60.0
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.zero_()
        bias, w_in = made.controller.bias, made.controller.weight_ih
        bias[:n], bias[3 * n :] = large, large  # input and output gates are open
        bias[n : 2 * n] = -large
        bias[2 * n - 1] = large
        w_in[2 * n : 3 * n] = large * torch.eye(n)
        width = n_bits + 6
        for head, (moves_off, moves_on) in enumerate(((0, 1), (1, 1))):
            first = head * width + n_bits
            made.bias_heads[first + 1] = -large  # the gate by content is shut
            made.bias_heads[first + 5] = large  # sharp
            made.bias_heads[first + 3 + moves_off] += large
            made.weight_heads[first + 3 + moves_off, n_bits] -= 4 * large
            made.weight_heads[first + 3 + moves_on, n_bits] += 4 * large
        made.bias_heads[2 * width : 2 * width + n_bits] = -large  # nothing is erased
        made.weight_heads[2 * width + n_bits :, :n_bits] = large * torch.eye(n_bits)
    return made


@pytest.mark.parametrize("length", [1, 2, 5, 30, 31, 32])
def test_weights_set_by_hand_copy_any_length_up_to_the_number_of_slots(length):
    task = copying(3, n_bits=4, lengths=(length, length), random_state=length)
    X, y = torch.from_numpy(task.X.padded()), torch.from_numpy(task.y.padded())
    out, _ = SlotLayer(copy_machine(4, n_slots=32))(X)
    read = out[:, length:-1, 5:]
    torch.testing.assert_close(read, y[:, length + 1 :].double(), rtol=0, atol=1e-4)


def test_parameters_of_a_feed_forward_machine_are_counted_by_hand():
    # 9 inputs and 20 numbers read to 100 units; two heads of 20 + 1 + 1 + 3 + 1 numbers, erase and add of 20 each
    made = TuringCell(9, 100, controller="feedforward")
    assert sum(p.numel() for p in made.parameters()) == (9 + 20 + 1) * 100 + (2 * 26 + 40) * (100 + 1)


@pytest.mark.parametrize("start", ["constant", "learned", "random"])
def test_the_memory_starts_as_it_is_said_and_the_same_for_every_row(start):
    made = cell(memory_init=start)
    memory = made.start(torch.zeros(3, 1, dtype=torch.float64))[-1]
    assert torch.equal(memory[0], memory[2])
    assert (start == "constant") == bool((memory == 1e-6).all())
    assert ("memory_start" in dict(made.named_parameters())) == (start == "learned")
    assert ("memory_start" in made.state_dict()) == (start != "constant")


def test_training_moves_a_learned_start_and_leaves_a_random_one():
    task = copying(40, n_bits=2, lengths=(1, 3), random_state=0)
    for start, moves in (("learned", True), ("random", False)):
        nets = [
            NeuralTuringMachine(
                output="step", memory_init=start, n_epochs=n, early_stopping=False, random_state=0, **SMALL
            ).fit(task.X, task.y)
            for n in (1, 3)
        ]
        first, later = (net.network_.body.forward_layers[0].cell.memory_start for net in nets)
        assert torch.equal(first, later) != moves


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_copy_of_one_or_two_vectors_is_learned_bit_by_bit(seed):
    task = copying(1000, n_bits=2, lengths=(1, 2), random_state=seed)
    fresh = copying(200, n_bits=2, lengths=(1, 2), random_state=100 + seed)
    net = NeuralTuringMachine(
        output="step", n_epochs=4, batch_size=16, learning_rate=0.02, early_stopping=False, random_state=seed, **SMALL
    ).fit(task.X, task.y)
    said = net.predict(fresh.X)
    assert [row.shape for row in said] == [row.shape for row in fresh.y]
    # half of the bits are right by chance
    assert fresh.bits_right(said) > 0.75


@pytest.mark.slow
@pytest.mark.parametrize("controller", ["lstm", "feedforward"])
def test_both_tasks_and_every_output_are_learned(controller):
    draw = np.random.default_rng(0)
    rows = [draw.normal(size=(n, 2)) for n in draw.integers(3, 8, 80)]
    net = NeuralTuringMachine(
        controller=controller, n_epochs=25, batch_size=16, learning_rate=0.02, random_state=0, **SMALL
    )
    label = np.array(["up" if row[0, 0] > 0 else "down" for row in rows])
    assert net.fit(rows, label).score(rows, label) > 0.9
    net.set_params(task="regression")
    assert net.fit(rows, [row[0, 0] for row in rows]).score(rows, [row[0, 0] for row in rows]) > 0.7
    assert net.transform(rows).shape == (80, 16 + 4)


def test_truncated_backpropagation_carries_the_memory_on():
    task = copying(30, n_bits=2, lengths=(2, 4), random_state=0)
    net = NeuralTuringMachine(
        output="step", bptt_steps=3, n_epochs=2, early_stopping=False, random_state=0, **SMALL
    ).fit(task.X, task.y)
    whole = net.predict(task.X)
    body = net.network_.body
    steps, carried, windows = net._to_inputs(task.X), None, []
    with torch.inference_mode():
        for window in steps.windows(3):
            outputs, carried = body.advance(window, carried)
            windows.append(outputs)
        out = net.network_.head(torch.cat(windows, dim=1)).numpy()
    for row, found in zip(whole, out, strict=True):
        assert np.array_equal(row, found[: len(row)] > 0)


def test_what_stands_behind_the_end_of_a_row_changes_nothing():
    task = copying(20, n_bits=2, lengths=(1, 4), random_state=0)
    net = NeuralTuringMachine(output="step", n_epochs=1, early_stopping=False, random_state=0, **SMALL)
    net.fit(task.X, task.y)
    padded = task.X.padded()
    wild = task.X.padded(fill=1e9)
    zeros, wilds = (net.decision_function(each, lengths=task.X.lengths) for each in (padded, wild))
    assert all(np.array_equal(a, b) for a, b in zip(zeros, wilds, strict=True))


def test_it_is_said_that_shifts_need_slots_and_what_a_range_is():
    X, y = np.zeros((4, 3, 1)), [0, 1, 0, 1]
    with pytest.raises(UsageError, match=r"n_slots of at least 2 shift_range \+ 1 = 5; got 4"):
        NeuralTuringMachine(n_slots=4, shift_range=2).fit(X, y)
    with pytest.raises(ParameterError, match="controller"):
        NeuralTuringMachine(controller="gru").fit(X, y)


def test_bfloat16_is_never_chosen_but_may_be_asked_for():
    X, y = np.random.default_rng(0).normal(size=(1200, 2, 1)), np.arange(1200) % 2
    net = NeuralTuringMachine(n_epochs=1, batch_size=600, early_stopping=False, random_state=0, **SMALL)
    assert net.fit(X, y).arithmetic_ == "float32"
    assert net.set_params(precision="bfloat16").fit(X, y).arithmetic_ == "bfloat16"


@pytest.mark.parametrize("reach", [1, 2])
def test_before_training_most_of_every_head_moves_on_by_one_slot(reach):
    torch.manual_seed(0)
    made = TuringCell(2, 4, n_slots=8, slot_size=3, shift_range=reach, n_memory_heads=2)
    shares = made.heads(0.1 * torch.randn(50, 4))[0][3]
    assert (shares[..., reach + 1] > 0.5).all()
    assert not made.bias_heads.detach().count_nonzero() - made.n_heads


def test_a_machine_without_shifts_begins_without_a_preference():
    assert not TuringCell(2, 4, n_slots=8, slot_size=3, shift_range=0).bias_heads.any()
