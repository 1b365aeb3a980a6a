"""What came true, and which arm was better."""

from __future__ import annotations

from random import Random

import pytest

from policies.drift import AFTER_P90, Came, Tolerance, drifts
from policies.experiment import Outcome, read_arms
from policies.guards import Measures

COSTS = (900, 1_200, 2_500, 4_000)


def came(dice: Random, count: int, factor: float = 1.0, late: float = 0.08) -> list[Came]:
    made = []
    for _ in range(count):
        foreseen = dice.choice(COSTS)
        cost = round(foreseen * factor * dice.gauss(1, 0.15))
        made.append(
            Came(("cost_priority@1", "cost_priority.own_dc"), foreseen, cost, dice.random() < late)
        )
    return made  # fmt: skip


def test_what_comes_as_foreseen_alarms_nobody() -> None:
    alarms = sum(
        bool(drift.alarm)
        for seed in range(200)
        for drift in drifts(came(Random(seed), 300), Tolerance())
    )
    assert alarms == 0


@pytest.mark.parametrize(("factor", "way"), [(1.12, "over"), (0.88, "under")])
def test_costs_that_drift_are_told_with_version_rule_and_interval(factor: float, way: str) -> None:
    found = drifts(came(Random(1), 600, factor), Tolerance())
    assert {d.subject for d in found if d.alarm} == {"cost_priority@1", "cost_priority.own_dc"}
    drift = found[0]
    assert drift.cost_low < drift.cost < drift.cost_high
    assert drift.cost == pytest.approx(factor, abs=0.02)
    assert f"{way} what was foreseen" in drift.alarm


def test_parcels_that_come_late_are_told() -> None:
    (drift, *_) = drifts(came(Random(2), 400, late=0.3), Tolerance())
    assert "come after their ninetieth percentile" in drift.alarm
    assert drift.late_low > AFTER_P90
    under_way = [Came(("p@1",), 1_000, 1_000, None)] * 400
    assert drifts(under_way, Tolerance())[0].alarm == ""


def test_a_few_orders_say_nothing() -> None:
    assert drifts(came(Random(3), 49, 2.0), Tolerance()) == []
    assert drifts(came(Random(3), 49, 2.0), Tolerance(least_orders=20))[0].alarm


def outcomes(dice: Random, count: int, factor: float, late: float) -> list[Outcome]:
    made = []
    for _ in range(count):
        foreseen = dice.choice(COSTS)
        cost = round(foreseen * factor * dice.gauss(1, 0.1))
        made.append(Outcome(Measures(cost_minor=cost, late=dice.random() < late), foreseen))
    return made


def test_a_readout_tells_arms_apart_that_differ_and_no_others() -> None:
    alike = differ = 0
    for seed in range(40):
        dice = Random(seed)
        first = outcomes(dice, 300, 1.0, 0.1)
        same = read_arms(("a", "b"), first, outcomes(dice, 300, 1.0, 0.1))
        other = read_arms(("a", "b"), first, outcomes(dice, 300, 1.06, 0.25))
        alike += sum(m.low > 0 or m.high < 0 for m in same.metrics if m.name == "excess_minor")
        differ += sum(m.low > 0 for m in other.metrics if m.name in ("excess_minor", "late"))
    assert alike <= 6  # five in a hundred by design
    assert differ >= 76


def test_a_readout_names_its_arms_and_is_the_same_every_time() -> None:
    dice = Random(5)
    arms = outcomes(dice, 50, 1.0, 0.1), outcomes(dice, 40, 0.9, 0.1)
    once, again = (read_arms(("p@1", "p@2"), *arms) for _ in range(2))
    assert once == again
    assert once.arms == ("p@1", "p@2")
    assert once.orders == (50, 40)
    cost = next(m for m in once.metrics if m.name == "cost_minor")
    assert cost.difference == pytest.approx(cost.second - cost.first)
    assert read_arms(("p@1", "p@2"), [], []).metrics == ()
