"""The plan: folds before finalists, finalists before a search, and all of it within the budget."""

import math

import pytest

from nnzoo.comparison.plan import (
    COST_OF_TRY,
    FEWEST_FINALISTS,
    FEWEST_FOLDS,
    MOST_FINALISTS,
    MOST_FOLDS,
    N_SETTINGS,
    Plan,
    better_half,
    longest_fit,
    make_plan,
    second_rung,
)

NAMES = tuple("abcdefghij")
SECONDS = dict.fromkeys(NAMES, 1.0)


def test_without_a_limit_everything_is_done():
    plan = make_plan(NAMES, SECONDS, 1.0, math.inf)
    assert plan == Plan(NAMES[:MOST_FINALISTS], MOST_FOLDS, max(N_SETTINGS))


@pytest.mark.parametrize("budget", [10.0, 20.0, 50.0, 100.0, 300.0])
def test_plan_costs_no_more_than_its_budget(budget):
    plan = make_plan(NAMES, SECONDS, 0.5, budget)
    fits = 1 if plan.n_settings == 1 else 2 + COST_OF_TRY * plan.n_settings
    cost = plan.n_folds * (0.5 + fits * len(plan.finalists))
    assert cost <= budget or (len(plan.finalists), plan.n_folds) == (FEWEST_FINALISTS, 2)


def test_finalists_go_before_folds():
    plan = make_plan(NAMES, SECONDS, 0.0, 2.0 * FEWEST_FOLDS + 0.5)
    assert (len(plan.finalists), plan.n_folds) == (2, FEWEST_FOLDS)


def test_a_search_needs_all_folds():
    assert make_plan(NAMES, SECONDS, 0.0, MOST_FOLDS * MOST_FINALISTS + 1).n_settings == 1


def test_one_factor_keeps_all_its_values():
    plan = make_plan(NAMES, SECONDS, 0.0, 30.0, one_factor=True)
    assert (plan.finalists, plan.n_folds, plan.n_settings) == (NAMES, 3, 1)


def test_plan_comes_back_from_json():
    plan = Plan(("a", "b"), 7, 2)
    assert Plan.from_json(plan.to_json()) == plan


def test_the_better_half_is_rounded_up():
    assert better_half(NAMES[:7]) == list(NAMES[:4])
    assert better_half(NAMES[:2]) == list(NAMES[:2])


def test_first_rungs_fit_into_their_share_of_the_time():
    limit = longest_fit(300, 2, 8)
    assert (8 + 4 + 2) * limit / 2 == pytest.approx(0.4 * 300)
    assert longest_fit(None, 2, 8) == math.inf


def test_all_are_seen_on_five_folds_where_that_is_cheap():
    assert second_rung(NAMES, SECONDS, 1.0, 200.0) == (list(NAMES), FEWEST_FOLDS)
    assert second_rung(NAMES, SECONDS, 1.0, 50.0) == (list(NAMES[:5]), 2)
