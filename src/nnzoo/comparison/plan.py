"""How the time of a comparison is spent: who goes on, on how many folds, and how many settings are tried in each.

The decisions follow from what the first fits took and reached, and are written into the ledger: a run that goes on
after a stop makes the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

FIRST_SHARE = 0.4
"""Of the time, at the most, for the first two folds, on which all networks are seen."""
SECOND_SHARE = 0.4
"""Of what is left after the first fold, at the most, for seeing everyone on five folds before any is dropped."""
LAST_SHARE = 0.15
"""Of the time, kept for learning curves and the final model."""
FEWEST_SECONDS = 1.0
FEWEST_FOLDS, MOST_FOLDS = 5, 20
"""Below five folds no difference can be told from chance; beyond twenty the folds are so alike that they add little."""
FEWEST_FINALISTS, MOST_FINALISTS = 2, 4
N_SETTINGS = (4, 2, 1)
SHORT = 0.25
"""Share of the usual epochs with which settings are tried before one of them is trained to its end."""
COST_OF_TRY = 0.5
"""What such a try is taken to cost in whole fits: not all of a fit goes by epochs."""


@dataclass(frozen=True)
class Plan:
    """Who goes on and how far.

    Attributes
    ----------
    finalists : tuple of str
        Best first.
    n_folds : int
    n_settings : int
        Of each finalist in each fold; 1 is no search.
    """

    finalists: tuple[str, ...]
    n_folds: int
    n_settings: int = 1

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return asdict(self) | {"finalists": list(self.finalists)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Plan":
        """Return the plan that ``to_json`` wrote."""
        return cls(tuple(value["finalists"]), int(value["n_folds"]), int(value["n_settings"]))


def longest_fit(time_limit: float | None, n_workers: int, n_networks: int) -> float:
    """Return the seconds that the training of one fit may take: all networks must fit into the first rungs.

    All train on the first fold, half of them on the second; the baselines take the place of two.
    """
    if time_limit is None:
        return float("inf")
    return max(FEWEST_SECONDS, FIRST_SHARE * time_limit * n_workers / (1.5 * n_networks + 2))


def better_half(ranked: Sequence[str], n_kept: int = FEWEST_FINALISTS) -> list[str]:
    """Return the first half of some names, rounded up, at least ``n_kept``."""
    return list(ranked[: max(n_kept, -(-len(ranked) // 2))])


def second_rung(
    ranked: Sequence[str], seconds: Mapping[str, float], others: float, budget: float
) -> tuple[list[str], int]:
    """Return who is seen after the first fold, and up to which fold: all on five folds where that is cheap, else half.

    Parameters
    ----------
    ranked : sequence of str
        Candidates, best first, by the first fold.
    seconds, others, budget
        As for ``make_plan``.
    """
    cost = (FEWEST_FOLDS - 1) * (others + sum(seconds[name] for name in ranked))
    if cost <= SECOND_SHARE * budget:
        return list(ranked), FEWEST_FOLDS
    return better_half(ranked), 2


def make_plan(
    ranked: Sequence[str],
    seconds: Mapping[str, float],
    others: float,
    budget: float,
    *,
    most_folds: int | None = None,
    one_factor: bool = False,
) -> Plan:
    """Return the plan that spends a budget: first enough folds, then more finalists, more folds, and a search.

    Parameters
    ----------
    ranked : sequence of str
        Candidates, best first, by the first folds.
    seconds : mapping of str to float
        What one fit of each took.
    others : float
        What the baselines of one fold took.
    budget : float
        Seconds of all workers together.
    most_folds : int, optional
        How many there are.
    one_factor : bool, default False
        Whether all stay, as they are.
    """
    most = min(MOST_FOLDS, most_folds or MOST_FOLDS)
    n_finalists = min(MOST_FINALISTS, max(FEWEST_FINALISTS, -(-len(ranked) // 2))) if not one_factor else len(ranked)

    def cost(n_kept: int, n_folds: int, n_settings: int) -> float:
        fits = 1 if n_settings == 1 else 2 + COST_OF_TRY * n_settings
        return n_folds * (others + fits * sum(seconds[name] for name in ranked[:n_kept]))

    if not one_factor:
        while n_finalists > FEWEST_FINALISTS and cost(n_finalists, min(FEWEST_FOLDS, most), 1) > budget:
            n_finalists -= 1
    n_folds = most
    while n_folds > 2 and cost(n_finalists, n_folds, 1) > budget:
        n_folds -= 1
    n_settings = 1
    if not one_factor and n_folds == most:
        n_settings = next((n for n in N_SETTINGS if cost(n_finalists, n_folds, n) <= budget), 1)
    return Plan(tuple(ranked[:n_finalists]), n_folds, n_settings)
