"""Random draws of a network come from the generator of its thread."""

import threading

import torch

from nnzoo.engine import draws
from nnzoo.networks.parts import Dropout


def test_draws_come_from_the_global_generator_outside_of_a_block():
    assert draws.generator() is None


def test_a_block_belongs_to_its_thread_and_ends_with_it():
    one, seen = torch.Generator(), []
    with draws.drawing_from(one):
        thread = threading.Thread(target=lambda: seen.append(draws.generator()))
        thread.start()
        thread.join()
        assert draws.generator() is one
    assert draws.generator() is None
    assert seen == [None]


def test_dropout_repeats_with_the_seed_of_the_block_and_leaves_the_global_generator_alone():
    layer, x = Dropout(0.5).train(), torch.ones(64)
    before = torch.random.get_rng_state()
    found = []
    for seed in (1, 1, 2):
        with draws.drawing_from(torch.Generator().manual_seed(seed)):
            found.append(layer(x))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert torch.equal(torch.random.get_rng_state(), before)
