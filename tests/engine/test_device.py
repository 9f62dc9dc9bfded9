"""Devices, precision, memory and seeds."""

import random

import numpy as np
import pytest
import torch

from nnzoo.engine import device as device_module
from nnzoo.engine.device import (
    Arithmetic,
    available_memory,
    check_memory,
    choose_arithmetic,
    choose_device,
    derive_seed,
    isolated_random_state,
)
from nnzoo.errors import ParameterError, ResourceError

CPU = torch.device("cpu")


@pytest.mark.parametrize("there", ["cuda", "mps", "cpu"])
def test_auto_takes_cuda_then_mps_then_cpu(there, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there == "cuda")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: there == "mps")
    assert choose_device("auto").type == there


def test_device_that_is_not_there_is_refused_with_those_that_are(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ParameterError, match=r"device needs one that this machine has \(cpu\); got 'cuda'.*'auto'"):
        choose_device("cuda")


@pytest.mark.parametrize(
    ("precision", "n_rows", "name"),
    [
        ("auto", 999, "float64"),
        ("auto", 1000, "float32"),
        ("float32", 10, "float32"),
        ("float64", 10**6, "float64"),
        ("bfloat16", 10, "bfloat16"),
    ],
)
def test_precision_is_float64_below_1000_rows_unless_told(precision, n_rows, name):
    arithmetic = choose_arithmetic(precision, n_rows, CPU)
    assert str(arithmetic) == name
    assert Arithmetic.named(name) == arithmetic
    assert arithmetic.dtype == (torch.float64 if name == "float64" else torch.float32)
    assert arithmetic.autocast == (name == "bfloat16")


@pytest.mark.parametrize(("kind", "most"), [("image", 100_000), ("sequence", 5_000), ("table", 10**9)])
def test_few_rows_of_many_numbers_are_float32(kind, most):
    assert str(choose_arithmetic("auto", 10, CPU, kind=kind, n_values=most)) == "float64"
    if kind != "table":
        assert str(choose_arithmetic("auto", 10, CPU, kind=kind, n_values=most + 1)) == "float32"


def test_mps_has_no_float64():
    assert str(choose_arithmetic("auto", 10, torch.device("mps"))) == "float32"


def test_too_little_memory_is_said_before_anything_is_allocated(monkeypatch):
    monkeypatch.setattr(device_module, "available_memory", lambda device: 3 * 2**30)
    with pytest.raises(ResourceError, match=r"FF needs about 4.5 GiB of memory; 3.0 GiB are available. Take less."):
        check_memory("FF", int(4.5 * 2**30), CPU, "Take less.")
    check_memory("FF", 3 * 2**30, CPU, "Take less.")


def test_memory_available_is_the_least_of_what_system_and_control_group_leave(monkeypatch):
    monkeypatch.setattr(device_module, "_meminfo_available", lambda: 500)
    for group, least in ((300, 300), (None, 500), (700, 500)):
        monkeypatch.setattr(device_module, "_control_group_available", lambda group=group: group)
        assert available_memory(CPU) == least


def test_control_group_that_is_full_leaves_nothing(monkeypatch):
    monkeypatch.setattr(device_module, "_meminfo_available", lambda: None)
    monkeypatch.setattr(device_module, "_control_group_available", lambda: 0)
    assert available_memory(CPU) == 0


def test_this_machine_has_memory():
    assert available_memory(CPU) > 0


def test_derived_seeds_are_pure_and_differ_by_place():
    seeds = [derive_seed(7), derive_seed(7, 0), derive_seed(7, 1), derive_seed(8, 1), derive_seed(7, 1, 0)]
    assert len(set(seeds)) == 5
    assert seeds == [derive_seed(7), derive_seed(7, 0), derive_seed(7, 1), derive_seed(8, 1), derive_seed(7, 1, 0)]
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_C12_random_state_inside_is_seeded_and_the_callers_is_put_back():
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    wanted = torch.rand(2).tolist(), np.random.rand(2).tolist(), random.random()
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    drawn = []
    for _ in range(2):
        with isolated_random_state(5, CPU):
            drawn.append(torch.rand(3))
    assert torch.equal(*drawn)
    assert (torch.rand(2).tolist(), np.random.rand(2).tolist(), random.random()) == wanted


def test_random_state_is_put_back_after_an_error_too():
    torch.manual_seed(1)
    wanted = torch.rand(2)
    torch.manual_seed(1)
    with pytest.raises(ZeroDivisionError), isolated_random_state(5, CPU):
        raise ZeroDivisionError
    assert torch.equal(torch.rand(2), wanted)


@pytest.mark.parametrize(
    ("kind", "classifies", "expected"),
    [
        ("image", False, "bfloat16"),
        ("sequence", True, "bfloat16"),
        ("sequence", False, "float32"),
        ("table", True, "float32"),
    ],
)
def test_auto_takes_bfloat16_where_it_costs_no_accuracy(kind, classifies, expected, monkeypatch):
    monkeypatch.setattr("nnzoo.engine.device.multiplies_bfloat16", lambda device: True)
    assert str(choose_arithmetic("auto", 1_000, CPU, kind=kind, classifies=classifies)) == expected
    few = choose_arithmetic("auto", 999, CPU, kind=kind, n_values=10**6, classifies=classifies)
    assert str(few) == ("float64" if kind == "table" else "float32")
