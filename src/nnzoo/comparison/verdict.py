"""Stand-in."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Standing:
    name: str
    is_network: bool
    mean: float | None
    low: float | None
    high: float | None
    n_folds: int
    seconds: float | None
    failed: str | None


def words(table, gaps, metric):
    ok = [s for s in table if s.mean is not None]
    return f"{ok[0].name} is best" if ok else "nothing", ok[0].name if ok else None
