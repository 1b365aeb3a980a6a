"""Replaying facts under a candidate: measures, differences, what changed and why."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from domain.decision import Snapshot
from policies import TEMPLATES, Library, Policy, sample
from policies.backtest import ANOTHER_REASON, Measured, Replayed, exchanged, replay
from policies.readout import Backtest, read_out
from tests.policies.policy_documents import load_policy_untested

NEAR_FULL = {"nodes": {"dc_east": {"used_percent": 95}, "tpl_south": {"zones": {"ups": 3}}}}
LATE = {"order": {"promise_by": "2026-03-04T23:59:00Z"}, "without": ["dc_east", "tpl_south"]}
NOTHING = {"without": ["dc_east", "dc_west", "tpl_south"]}
SPLIT = {
    "order": {"lines": {"line_2": {"sku": "sku_2"}}},
    "nodes": {
        "dc_east": {"stock": {"sku_2": 0}},
        "dc_west": {"stock": {"sku_1": 0}},
        "tpl_south": {"stock": {"sku_1": 0}},
    },
}


@pytest.fixture(scope="module")
def library() -> Library:
    return Library.default()


def edited(name: str, *changes: tuple[str, str]) -> Policy:
    """A template with other figures, whatever its own tests say to them."""
    text = (TEMPLATES / f"{name}.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return load_policy_untested(text)


def careless_about_time() -> Policy:
    """A day late is worth next to nothing."""
    return edited("cost_priority", ("default: 3000,", "default: 3000, value: 100,"))


def run(library: Library, candidate: Policy, snapshots: Sequence[Snapshot]) -> Backtest:
    points = exchanged(library.points, candidate)
    replayed = [replay(s, library.points, points) for s in snapshots]
    point = candidate.document.point
    return read_out(
        replayed, point, [p.label for p in library.points[point]], [p.label for p in points[point]]
    )


def test_the_same_documents_change_nothing(library: Library) -> None:
    candidate = edited("cost_priority", ("version: 1", "version: 2"))
    result = run(library, candidate, [sample("route", g) for g in ({}, LATE, NOTHING, SPLIT)])
    assert (result.decisions, result.changed.decisions, result.examples) == (4, 0, ())
    assert {(m.difference, m.low, m.high) for m in result.metrics} == {(0.0, 0.0, 0.0)}
    assert (result.now, result.candidate) == (("cost_priority@1",), ("cost_priority@2",))


def test_a_route_is_measured_in_money_hours_and_shares(library: Library) -> None:
    late = replay(sample("route", LATE), library.points, library.points).now
    assert late == Measured(
        "dc_west by ups_2day (1 sku_1)", cost_minor=late.cost_minor, hours=late.hours,
        on_time=True, express=True,
    )  # fmt: skip
    assert late.cost_minor is not None
    assert late.cost_minor > 1_000
    assert late.hours == 53.0, "from Monday 15:00 to Wednesday 20:00"
    none = replay(sample("route", NOTHING), library.points, library.points).now
    assert (none.infeasible, none.cost_minor, none.on_time) == (True, None, False)
    assert replay(sample("route", SPLIT), library.points, library.points).now.split


def test_a_cheaper_later_candidate_shows_money_saved_and_promises_missed(library: Library) -> None:
    result = run(library, careless_about_time(), [sample("route", g) for g in (LATE, {}, NOTHING)])
    by_name = {m.name: m for m in result.metrics}
    assert by_name["cost_minor"].difference < 0
    assert by_name["cost_minor"].decisions == 2, "an order without a plan has no cost"
    assert by_name["on_time"].now == pytest.approx(2 / 3)
    assert by_name["on_time"].candidate == pytest.approx(1 / 3)
    assert by_name["express"].candidate == 0
    assert by_name["infeasible"].now == by_name["infeasible"].candidate == pytest.approx(1 / 3)
    for metric in result.metrics:
        assert metric.low <= metric.difference <= metric.high
    changed = result.changed
    assert (changed.decisions, changed.express, changed.split) == (1, (1, 0), (0, 0))
    assert changed.cost_minor < 0
    assert changed.hours > 0
    assert "cost_priority.late_day" in changed.by_rule
    (example,) = result.examples
    assert (example.now, example.candidate) == (
        "dc_west by ups_2day (1 sku_1)", "dc_west by ups_ground (1 sku_1)",
    )  # fmt: skip


def test_the_approval_of_the_resulting_plan_is_asked_as_in_life(library: Library) -> None:
    strict = edited("finance_approval", ("default: 15000,", "default: 15000, value: 500,"))
    points = exchanged(library.points, strict)
    made = replay(sample("route"), library.points, points)
    assert (made.now.asked, made.candidate.asked) == (False, True)
    assert not made.changed, "the same plan is chosen"


def test_other_points_tell_their_outcomes_before_and_after(library: Library) -> None:
    candidate = edited("finance_approval", ("default: 1500,", "default: 1500, value: 1400,"))
    result = run(library, candidate, [sample("approve", {"cost_minor": 2_650})])
    assert result.outcomes == {"approve": (1, 0), "ask finance": (0, 1)}
    assert result.changed.by_rule == {"finance_approval.delta": 1}
    assert [m.name for m in result.metrics] == ["asked", "failed"]
    assert result.costs is None


@pytest.mark.parametrize("point", ["hold", "reroute", "compensate", "exception"])
def test_every_point_can_be_replayed(library: Library, point: str) -> None:
    snapshot = sample(point)  # type: ignore[arg-type]
    made = replay(snapshot, library.points, library.points)
    assert made.now.choice
    assert not made.changed
    assert read_out([made], point, (), ()).outcomes == {made.now.choice: (1, 1)}


def test_a_document_of_a_new_name_comes_first(library: Library) -> None:
    labels = [p.name for p in exchanged(library.points, edited("promotion_protect"))["route"]]
    assert labels == ["promotion_protect", "cost_priority"]


def test_a_result_is_json_and_the_same_every_time(library: Library) -> None:
    snapshots = [sample("route", g) for g in (LATE, {}, SPLIT)]
    one, two = (run(library, careless_about_time(), snapshots) for _ in range(2))
    assert one == two
    assert Backtest.model_validate(json.loads(one.model_dump_json())) == one


def synthetic(differences: Sequence[float], per_order: int = 1) -> Backtest:
    replayed = [
        Replayed(
            f"order:{i // per_order}",
            Measured("a", cost_minor=1_000),
            Measured("b" if d else "a", cost_minor=1_000 + round(d)),
            (ANOTHER_REASON,) if d else (),
        )
        for i, d in enumerate(differences)
    ]
    return read_out(replayed, "route", (), ())


def test_the_interval_is_that_of_the_paired_difference() -> None:
    """10 of 100 cost 100 more: a mean of 10, and 30/sqrt(100) = 3 its standard error."""
    cost = synthetic([100.0] * 10 + [0.0] * 90).metrics[0]
    assert cost.difference == pytest.approx(10)
    assert cost.low == pytest.approx(10 - 1.96 * 3, abs=1)
    assert cost.high == pytest.approx(10 + 1.96 * 3, abs=1)


def test_decisions_of_one_order_are_drawn_together() -> None:
    """Two decisions an order, alike: half as many independent ones, a wider interval."""
    alone = synthetic([100.0] * 20 + [0.0] * 180).metrics[0]
    alike = synthetic([100.0] * 20 + [0.0] * 180, per_order=2).metrics[0]
    assert alike.difference == alone.difference
    assert (alike.high - alike.low) > 1.2 * (alone.high - alone.low)
