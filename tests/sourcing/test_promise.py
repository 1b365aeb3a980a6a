"""Ship and delivery days on calendars, local clocks and across summer time."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest

from domain.network import Node
from sourcing import days_late, deliver_at, holiday_dates, ship_at


def node(timezone: str = "America/New_York", **more: object) -> Node:
    body: dict[str, object] = {
        "id": "dc",
        "kind": "dc",
        "location": "dc",
        "connector": "wms",
        "postal_code": "10001",
        "timezone": timezone,
        "cutoff": time(14, 0),
    }
    return Node.model_validate(body | more)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_before_the_cut_off_it_leaves_today_and_at_the_cut_off_tomorrow() -> None:
    # 14:00 in New York is 19:00 UTC in winter.
    assert ship_at(at("2026-03-02T18:59:59"), node(), ()) == at("2026-03-02T19:00")
    assert ship_at(at("2026-03-02T19:00:00"), node(), ()) == at("2026-03-03T19:00")


def test_the_cut_off_is_the_nodes_local_hour() -> None:
    now = at("2026-03-02T20:00")  # 15:00 in New York, 12:00 in Los Angeles, 05:00 in Tokyo
    assert ship_at(now, node(), ()) == at("2026-03-03T19:00")
    assert ship_at(now, node("America/Los_Angeles"), ()) == at("2026-03-02T22:00")
    assert ship_at(now, node("Asia/Tokyo"), ()) == at("2026-03-03T05:00")


def test_the_local_hour_stays_across_summer_time() -> None:
    # Friday 2026-03-06 after cut-off; clocks go forward on Sunday the 8th.
    assert ship_at(at("2026-03-06T19:30"), node(), ()) == at("2026-03-09T18:00")
    # Friday 2026-10-30; clocks go back on Sunday 2026-11-01.
    assert ship_at(at("2026-10-30T18:30"), node(), ()) == at("2026-11-02T19:00")


def test_weekends_and_holidays_are_skipped() -> None:
    friday = at("2026-07-02T20:00")  # Thursday after cut-off; Friday the 3rd is observed
    assert ship_at(friday, node(), ("2026-07-03",)) == at("2026-07-06T18:00")
    saturdays = node(workdays=(0, 1, 2, 3, 4, 5))
    assert ship_at(friday, saturdays, ("2026-07-03",)) == at("2026-07-04T18:00")


def test_a_node_that_never_works_is_an_error_and_not_an_endless_loop() -> None:
    with pytest.raises(ValueError, match="no working day"):
        ship_at(at("2026-03-02T10:00"), node(workdays=()), ())


def test_transit_counts_the_carriers_days_and_lands_at_eight_in_the_evening() -> None:
    thursday = at("2026-03-05T19:00")
    zone = "America/New_York"
    assert deliver_at(thursday, 1, zone) == datetime.fromisoformat("2026-03-07T01:00+00:00")
    # Three days from Thursday: Friday, Monday, Tuesday; after the change it is 00:00 UTC.
    assert deliver_at(thursday, 3, zone) == datetime.fromisoformat("2026-03-11T00:00+00:00")


def test_saturday_counts_only_for_a_service_that_delivers_then() -> None:
    friday = at("2026-03-13T18:00")
    assert deliver_at(friday, 1, "UTC").date().isoformat() == "2026-03-16"
    assert deliver_at(friday, 1, "UTC", (), True).date().isoformat() == "2026-03-14"
    assert deliver_at(friday, 2, "UTC", (), True).date().isoformat() == "2026-03-16"


def test_a_carrier_rests_on_holidays() -> None:
    wednesday = at("2026-11-25T18:00")
    assert deliver_at(wednesday, 1, "UTC", ("2026-11-26",)).date().isoformat() == "2026-11-27"


def test_what_leaves_on_a_rest_day_starts_on_the_next_carrier_day() -> None:
    saturday = at("2026-03-14T18:00")
    assert deliver_at(saturday, 1, "UTC").date().isoformat() == "2026-03-17"
    assert deliver_at(saturday, 0, "UTC").date().isoformat() == "2026-03-16"


def test_lateness_counts_days_begun() -> None:
    promise = at("2026-03-10T23:59")
    assert days_late(at("2026-03-10T20:00"), promise) == 0
    assert days_late(at("2026-03-11T20:00"), promise) == 1
    assert days_late(at("2026-03-12T23:59"), promise) == 2
    assert days_late(at("2026-03-12T23:59"), None) == 0


def test_holidays_come_from_dates_countries_and_regions() -> None:
    days = holiday_dates(("US", "2026-11-27"), (2026,))
    assert {"2026-12-25", "2026-11-26", "2026-11-27"} <= set(days)
    assert list(days) == sorted(days)
    with pytest.raises(ValueError, match="ATLANTIS"):
        holiday_dates(("ATLANTIS",), (2026,))
