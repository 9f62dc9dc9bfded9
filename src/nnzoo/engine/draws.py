"""Where a network's random draws come from while it trains: the generator of the thread that computes.

Threads that work on one batch would take numbers from torch's global generator in an order that chance decides.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_own = threading.local()


def generator() -> torch.Generator | None:
    """Return this thread's generator, or None, which to torch means its global one."""
    return getattr(_own, "generator", None)


@contextmanager
def drawing_from(source: torch.Generator) -> Iterator[None]:
    """Let draws of this thread come from a generator inside the block."""
    before, _own.generator = generator(), source
    try:
        yield
    finally:
        _own.generator = before
