"""When an order really leaves a node that has work, and when a node has too much of it."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.network import Node, Saturation
from sourcing import Departure, departure, is_saturated, ship_at

MONDAY = datetime(2026, 3, 2, 14, tzinfo=UTC)  # 09:00 in New York
HOLIDAYS = ("2026-03-04",)
ZONES = ("America/New_York", "Europe/Berlin", "Asia/Tokyo", "UTC")
WAVES = (time(9), time(12), time(16))


def node(**more: Any) -> Node:
    body: dict[str, Any] = {
        "id": "dc", "kind": "dc", "location": "dc", "connector": "wms", "postal_code": "10001",
        "timezone": "America/New_York", "cutoff": time(14), "capacity_per_day": 10,
    }  # fmt: skip
    return Node.model_validate(body | more)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("America/New_York"))


def test_a_day_with_room_is_the_coming_one() -> None:
    planned = {at("2026-03-02T14:00"): 9}
    assert departure(MONDAY, node(), (), planned) == Departure(at("2026-03-02T14:00"), 90, 0)


def test_a_day_that_is_taken_leaves_the_next_one() -> None:
    planned = {at("2026-03-02T14:00"): 10}
    assert departure(MONDAY, node(), (), planned) == Departure(at("2026-03-03T14:00"), 100, 1)


def test_what_a_day_cannot_take_is_carried_over_holidays_to_the_next() -> None:
    planned = {at("2026-03-02T14:00"): 25}  # ten on Monday, ten on Tuesday, Wednesday is closed
    found = departure(MONDAY, node(), HOLIDAYS, planned)
    assert found == Departure(at("2026-03-05T14:00"), 250, 2)


def test_work_of_a_later_day_is_not_before_an_order_that_leaves_today() -> None:
    planned = {at("2026-03-03T14:00"): 10, at("2026-03-02T14:00"): 3}
    found = departure(MONDAY, node(), (), planned)
    assert (found.ship_at, found.used_percent) == (at("2026-03-02T14:00"), 30)


def test_what_is_late_goes_first() -> None:
    planned = {at("2026-02-27T14:00"): 4, at("2026-03-02T14:00"): 6}
    assert departure(MONDAY, node(), (), planned).ship_at == at("2026-03-03T14:00")


def test_each_wave_takes_its_share_and_the_last_of_a_day_what_does_not_divide() -> None:
    three = node(cutoff=WAVES[-1], waves=WAVES)
    early = at("2026-03-02T08:00")
    first, second, third = (at(f"2026-03-02T{hour}:00") for hour in ("09", "12", "16"))
    assert departure(early, three, (), {first: 2}).ship_at == first
    assert departure(early, three, (), {first: 3}).ship_at == second
    assert departure(early, three, (), {first: 3, second: 3}).ship_at == third
    assert departure(early, three, (), {first: 3, second: 3, third: 3}).ship_at == third
    full = departure(early, three, (), {first: 3, second: 3, third: 4})
    assert full == Departure(at("2026-03-03T09:00"), 100, 1)


def test_only_the_pickups_to_come_count_as_the_day() -> None:
    three = node(cutoff=WAVES[-1], waves=WAVES)
    found = departure(at("2026-03-02T13:00"), three, (), {at("2026-03-02T16:00"): 2})
    assert found == Departure(at("2026-03-02T16:00"), 50, 0)  # four are left of ten


def test_the_local_hour_of_a_backlog_stays_across_summer_time() -> None:
    planned = {at("2026-03-06T14:00"): 10}  # clocks go forward on Sunday the 8th
    found = departure(at("2026-03-06T09:00"), node(), (), planned).ship_at
    assert found == at("2026-03-09T14:00")
    assert found.astimezone(UTC).hour == 18  # 19 before the change


def test_more_than_a_years_work_has_an_end() -> None:
    found = departure(MONDAY, node(capacity_per_day=1), (), {at("2026-03-02T14:00"): 10**6})
    assert found.ship_at > MONDAY + timedelta(days=350)
    assert found.used_percent == 1_000


@pytest.mark.parametrize("waves", [["12:00", "09:00", "14:00"], ["09:00"], ["14:00", "14:00"]])
def test_waves_rise_and_end_at_the_cut_off(waves: list[str]) -> None:
    with pytest.raises(ValidationError, match="have to rise and to end at the cut-off"):
        node(waves=waves)


nodes = st.builds(
    lambda zone, capacity, waves: node(
        timezone=zone, capacity_per_day=capacity, waves=waves, cutoff=(waves or (time(14),))[-1]
    ),
    st.sampled_from(ZONES),
    st.integers(1, 12),
    st.sampled_from([(), WAVES]),
)
moments = st.datetimes(datetime(2026, 2, 20), datetime(2026, 11, 10)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)


@given(now=moments, at_node=nodes, orders=st.integers(0, 60))
@example(now=at("2026-03-06T13:00"), at_node=node(capacity_per_day=3), orders=30)
@example(now=at("2026-10-30T13:00"), at_node=node(capacity_per_day=3), orders=30)
def test_no_pickup_takes_more_than_its_room_and_nobody_is_passed(
    now: datetime, at_node: Node, orders: int
) -> None:
    """Orders are planned one after the other, each behind those before it."""
    planned: dict[datetime, int] = {}
    last = now
    for _ in range(orders):
        found = departure(now, at_node, HOLIDAYS, planned)
        assert found.ship_at >= last
        planned[found.ship_at] = planned.get(found.ship_at, 0) + 1
        last = found.ship_at
    zone, waves = ZoneInfo(at_node.timezone), at_node.waves or (at_node.cutoff,)
    for leaves, count in planned.items():
        local = leaves.astimezone(zone)
        assert local.time() in waves
        assert local.weekday() in at_node.workdays
        assert local.date().isoformat() not in HOLIDAYS
        assert count <= -(-at_node.capacity_per_day // len(waves))
    days: dict[str, int] = {}
    for leaves, count in planned.items():
        day = leaves.astimezone(zone).date().isoformat()
        days[day] = days.get(day, 0) + count
    assert all(count <= at_node.capacity_per_day for count in days.values())
    if orders:
        assert min(planned) == ship_at(now, at_node, HOLIDAYS) or at_node.capacity_per_day < 3


@given(now=moments, at_node=nodes, planned=st.dictionaries(moments, st.integers(1, 30), max_size=4))
def test_more_work_never_lets_an_order_leave_sooner(
    now: datetime, at_node: Node, planned: dict[datetime, int]
) -> None:
    less = departure(now, at_node, (), planned)
    more = departure(now, at_node, (), {due: count + 1 for due, count in planned.items()})
    assert ship_at(now, at_node, ()) <= less.ship_at or at_node.capacity_per_day < 3
    assert (less.ship_at, less.used_percent) <= (more.ship_at, more.used_percent)


def state(before: bool, used: int, *, behind: int = 0, late: int = 0) -> bool:
    limits = {"high_percent": 100, "low_percent": 75, "backlog_days": 2, "late_percent": 10}
    at_node = node(capacity_per_day=100, saturation=limits)
    return is_saturated(before, at_node, Departure(MONDAY, used, behind), late)


def test_it_is_saturated_at_the_high_limit_and_relieved_at_the_low_one() -> None:
    assert [state(False, used) for used in (74, 75, 76, 99, 100)] == [False] * 4 + [True]
    assert [state(True, used) for used in (100, 99, 76, 75, 74)] == [True] * 3 + [False] * 2


def test_a_backlog_or_late_picks_saturate_it_however_empty_the_day_is() -> None:
    assert [state(False, 10, behind=days) for days in (1, 2)] == [False, True]
    assert [state(False, 10, late=picks) for picks in (9, 10)] == [False, True]
    assert state(True, 10, late=10)
    assert not state(True, 10, late=9, behind=1)


@given(st.lists(st.integers(76, 99), min_size=2, max_size=50), st.booleans())
def test_it_never_flips_between_the_limits(uses: list[int], before: bool) -> None:
    now = before
    for used in uses:
        now = state(now, used)
        assert now == before


def test_limits_have_to_be_apart() -> None:
    with pytest.raises(ValidationError, match="below high_percent"):
        Saturation(high_percent=80, low_percent=80)
