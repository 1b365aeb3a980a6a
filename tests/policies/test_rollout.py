"""Rollouts: stages, and simulated versions that are worse, equal and better."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from pydantic import ValidationError

from bench.rollout import (
    DEARER,
    EVERYDAY,
    REALISED,
    SECRETLY,
    START,
    THOROUGH,
    Version,
    simulate,
)
from policies.guards import Measures, Observation, Paired, Realised, Tolerances
from policies.rollout import Progress, RolloutPlan, Stage, begin, next_step

PLAN = RolloutPlan(
    stages=(
        Stage(percent=0, min_orders=2, min_hours=1),
        Stage(percent=5, min_orders=3),
        Stage(percent=25, min_orders=1),
    )
)
SAME = Measures(cost_minor=1_000)
SHADOWED = Paired(stable=SAME, candidate=SAME)
DONE = Realised(arm="canary", measures=SAME, foreseen_minor=1_000)
STABLE = Realised(arm="stable", measures=SAME, foreseen_minor=1_000)
FAILING = Paired(stable=SAME, candidate=Measures(cost_minor=None, failed=True))


def test_a_rollout_goes_through_its_stages_and_becomes_active() -> None:
    progress, said = begin(PLAN, START), []
    looks: list[tuple[list[Observation], int]] = [
        ([SHADOWED], 0), ([SHADOWED], 0), ([], 1), ([DONE, STABLE, SHADOWED], 2), ([DONE, DONE], 3),
        ([DONE], 4),
    ]  # fmt: skip
    for seen, hours in looks:
        step = next_step(PLAN, progress, seen, START + timedelta(hours=hours))
        said.append((step.action, step.percent))
        progress = step.progress
    assert said == [
        ("wait", 0), ("wait", 0), ("advance", 5), ("wait", 5), ("advance", 25), ("activate", 100),
    ]  # fmt: skip


def test_a_stage_says_what_it_waits_for() -> None:
    begun = begin(PLAN, START)
    assert next_step(PLAN, begun, [SHADOWED], START).because == "1 of 2 orders seen"
    waits = next_step(PLAN, begun, [SHADOWED] * 2, START).because
    assert waits == "the stage lasts until Mon 2026-03-02 09:00 at least"


def test_a_breach_ends_the_rollout_at_once_and_says_why() -> None:
    step = next_step(PLAN, begin(PLAN, START), [FAILING] * 50, START)
    assert (step.action, step.percent) == ("roll_back", 0)
    assert "evaluation errors" in step.because


def test_a_version_in_doubt_gets_no_more_orders() -> None:
    doubtful = [*[SHADOWED] * 10, *[FAILING] * 4]
    step = next_step(PLAN, begin(PLAN, START), doubtful, START + timedelta(hours=2))
    assert step.action == "wait"
    assert step.because.startswith("in doubt: Foreseen orders with evaluation errors")


def test_the_paired_guards_can_be_switched_off() -> None:
    blind = PLAN.model_copy(update={"paired": False})
    step = next_step(blind, begin(blind, START), [FAILING] * 50, START + timedelta(hours=2))
    assert (step.action, step.percent) == ("advance", 5)


def test_progress_is_kept_as_json() -> None:
    step = next_step(PLAN, begin(PLAN, START), [SHADOWED, DONE, STABLE, FAILING], START)
    assert Progress.model_validate_json(step.progress.model_dump_json()) == step.progress


def test_stages_that_do_not_rise_are_refused() -> None:
    with pytest.raises(ValidationError, match="do not rise"):
        RolloutPlan(stages=(Stage(percent=25), Stage(percent=5)))


def ends(version: Version, plan: RolloutPlan, orders: int, seeds: int) -> Counter[tuple[str, int]]:
    found = (simulate(version, plan, orders, seed) for seed in range(seeds))
    return Counter((end.how, end.percent) for end in found)


def test_8_percent_dearer_is_rolled_back_within_2000_orders_and_before_25_percent() -> None:
    found = ends(DEARER, EVERYDAY, 2_000, 50)
    assert found["roll_back", 0] + found["roll_back", 5] == 50


def test_8_percent_dearer_is_stopped_before_25_percent_by_what_it_really_cost_alone() -> None:
    """Nothing was foreseen, so it takes the canary's own orders: about 3,300 in all."""
    assert ends(SECRETLY, REALISED, 8_000, 12) == {("roll_back", 5): 12}


def test_a_cheaper_version_becomes_active() -> None:
    assert ends(Version(dearer=-0.05), EVERYDAY, 8_000, 8) == {("activate", 25): 8}


@pytest.mark.timeout(300)  # 400 rollouts, order by order
def test_an_equal_version_is_wrongly_rolled_back_in_at_most_8_of_400_rollouts() -> None:
    """At tolerance zero, where an equal version is as near to a breach as a harmless one can be."""
    plan = RolloutPlan(
        stages=(
            Stage(percent=0, min_orders=100),
            Stage(percent=5, min_orders=25),
            Stage(percent=25, min_orders=100),
        ),
        tolerances=Tolerances(cost=0, late=0, asked=0),
    )
    found = ends(Version(), plan, 1_200, 400)
    assert sum(count for (how, _), count in found.items() if how == "roll_back") <= 8
    assert found["activate", 25] > 100


def test_5_points_more_late_orders_are_caught() -> None:
    foreseen = ends(Version(late=0.05), EVERYDAY, 2_000, 10)
    assert sum(n for (how, _), n in foreseen.items() if how == "roll_back") == 10
    realised = ends(Version(late=0.05, foreseen=False), THOROUGH, 20_000, 5)
    assert sum(n for (how, _), n in realised.items() if how == "roll_back") == 5


@pytest.mark.parametrize("version", [Version(failed=0.03), Version(asked=0.05)])
def test_evaluation_errors_and_more_approvals_are_caught(version: Version) -> None:
    found = ends(version, EVERYDAY, 2_000, 10)
    assert sum(n for (how, _), n in found.items() if how == "roll_back") == 10
