"""Where the arithmetic runs, in which precision, and whether it fits."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from nnzoo.errors import ParameterError, ResourceError

FLOAT64_BELOW_ROWS = 1_000
FLOAT64_VALUES = {"image": 100_000, "sequence": 5_000}
BFLOAT16_FROM_ROWS = 1_000
DEVICE_NAMES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "float64", "float32", "bfloat16")


@dataclass(frozen=True)
class Arithmetic:
    """The numbers a network computes with.

    Attributes
    ----------
    dtype : torch.dtype
        Type of weights and activations: float64 or float32.
    autocast : bool
        Whether matrix products of training and of its validation loss run in bfloat16. Those of predictions never do.
    """

    dtype: torch.dtype
    autocast: bool = False

    @classmethod
    def named(cls, name: str) -> "Arithmetic":
        """Return the arithmetic that ``str`` gives this name: "float64", "float32" or "bfloat16"."""
        return cls(torch.float64 if name == "float64" else torch.float32, autocast=name == "bfloat16")

    def __str__(self) -> str:
        return "bfloat16" if self.autocast else str(self.dtype).removeprefix("torch.")


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of that name; "auto" takes cuda, then mps, then cpu.

    Raises
    ------
    ParameterError
        The device is not there.
    """
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(one for one in ("cuda", "mps", "cpu") if present[one]))
    if not present.get(name.partition(":")[0], False):
        there = ", ".join(one for one, is_there in present.items() if is_there)
        raise ParameterError(f"device needs one that this machine has ({there}); got {name!r}.", "Pass device='auto'.")
    return torch.device(name)


def choose_arithmetic(
    precision: str,
    n_rows: int,
    device: torch.device,
    *,
    kind: str = "table",
    n_values: int = 0,
    classifies: bool = True,
    with_bfloat16: bool = True,
) -> Arithmetic:
    """Return the arithmetic for ``n_rows`` training rows: a pure function of its arguments and of the processor.

    "auto" is float64 below 1,000 rows, where time does not count and exactness does: for tables, for images of at most
    100,000 numbers (``n_values``) in all, and for sequences of at most 5,000, because the kernels of recurrent networks
    take seven times as long in it. Images, and sequences that are classified, train in bfloat16 from 1,000 rows on,
    where the device multiplies in it and the network stands it (``with_bfloat16``). All else is float32.
    """
    if precision == "auto":
        precision = "float32"
        is_small = n_rows < FLOAT64_BELOW_ROWS and n_values <= FLOAT64_VALUES.get(kind, n_values)
        if is_small and device.type != "mps":
            precision = "float64"
        is_robust = with_bfloat16 and (kind == "image" or (kind == "sequence" and classifies))
        if is_robust and n_rows >= BFLOAT16_FROM_ROWS and multiplies_bfloat16(device):
            precision = "bfloat16"
    return Arithmetic.named(precision)


def multiplies_bfloat16(device: torch.device) -> bool:
    """Return whether the device has instructions that multiply matrices of bfloat16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def available_memory(device: torch.device) -> int:
    """Return the bytes that an allocation on the device can still get, as far as the system tells."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    limits = (_meminfo_available(), _control_group_available())
    return min((limit for limit in limits if limit is not None), default=2**62)


def check_memory(owner: str, needed: int, device: torch.device, hint: str) -> None:
    """Raise ResourceError, before anything is allocated, if ``needed`` bytes are not available."""
    available = available_memory(device)
    if needed > available:
        raise ResourceError(
            f"{owner} needs about {needed / 2**30:.1f} GiB of memory; {available / 2**30:.1f} GiB are available.", hint
        )


def derive_seed(seed: int, *place: int) -> int:
    """Return a seed for one place of a run (an epoch, say): a pure function of its arguments."""
    return int(np.random.SeedSequence(seed, spawn_key=place).generate_state(1, np.uint64)[0] >> np.uint64(1))


@contextmanager
def isolated_random_state(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global random state inside the block and put the caller's back afterwards."""
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(seed)
        yield


def _meminfo_available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        pages = os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
        return pages * os.sysconf("SC_PAGE_SIZE") if pages > 0 else None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _control_group_available() -> int | None:
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
    except (OSError, ValueError):
        return None
    return None if limit == "max" else max(int(limit) - used, 0)
