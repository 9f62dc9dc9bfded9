"""How much memory a table may take, asked before it is read."""

import contextlib
import os
from pathlib import Path

from nnzoo.errors import ResourceError

GIB = 1 << 30
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def memory_bytes() -> int:
    """Return the memory that this process may use, in bytes: of the machine, its container and its own limit."""
    limits = [16 * GIB]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    with contextlib.suppress(OSError, ValueError):  # no container, or one without a limit ("max")
        limits.append(int(CGROUP_LIMIT.read_text()))
    return min([*limits, *_own_limit()])


def check_memory(origin: str, needed: int) -> None:
    """Raise ResourceError if ``needed`` bytes are more than this process may use."""
    available = memory_bytes()
    if needed > available:
        raise ResourceError(
            f"{origin} needs about {needed / GIB:.1f} GiB of memory once it is unpacked; "
            f"there are {available / GIB:.1f} GiB.",
            "Pass sample_rows=300000 (--sample-rows 300000): training takes the other rows from the disk; prediction "
            "reads such a file in chunks.",
        )


def _own_limit() -> list[int]:
    try:
        import resource
    except ImportError:  # not on Windows
        return []
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return [] if soft == resource.RLIM_INFINITY else [max(soft - _address_space_in_use(), 0)]


def _address_space_in_use() -> int:
    try:
        n_pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:  # only Linux tells
        return 0
    return n_pages * os.sysconf("SC_PAGE_SIZE")
