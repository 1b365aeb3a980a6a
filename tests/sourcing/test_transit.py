"""Transit times are learned from parcels, and few of them change little."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.facts import TransitFacts
from sourcing import deliver_at
from sourcing.transit import LEAST, LONGEST, learned, transit_days

GROUND = TransitFacts(p50=3, p90=4)
HOLIDAYS = ("2026-05-25", "2026-07-03", "2026-11-26", "2026-12-25")


@given(
    hours=st.integers(0, 24 * 360),
    days=st.integers(0, 12),
    timezone=st.sampled_from(["America/New_York", "America/Los_Angeles", "UTC"]),
    saturday=st.booleans(),
)
def test_days_between_are_what_the_promise_counts(
    hours: int, days: int, timezone: str, saturday: bool
) -> None:
    shipped = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
    arrives = deliver_at(shipped, days, timezone, HOLIDAYS, saturday)
    assert transit_days(shipped, arrives, timezone, HOLIDAYS, delivers_saturday=saturday) == days


def test_few_parcels_teach_nothing() -> None:
    assert learned(GROUND, [9] * (LEAST - 1)) == GROUND
    assert learned(GROUND, []) == GROUND


def test_many_parcels_decide_and_some_move_it() -> None:
    assert learned(GROUND, [5] * 1_000) == TransitFacts(p50=5, p90=5)
    assert learned(GROUND, [2] * 1_000) == TransitFacts(p50=2, p90=2)
    assert learned(GROUND, [3] * 60 + [6] * 40) == TransitFacts(p50=3, p90=6)
    assert learned(GROUND, [6] * LEAST) == TransitFacts(p50=4, p90=6)


def test_what_was_lost_and_found_does_not_count() -> None:
    assert learned(GROUND, [LONGEST + 1] * 500) == GROUND


@given(took=st.lists(st.integers(0, 40), max_size=300))
def test_percentiles_are_in_order_and_among_what_was_seen_or_configured(took: list[int]) -> None:
    found = learned(GROUND, took)
    assert found.p50 <= found.p90
    assert {found.p50, found.p90} <= {*took, 3, 4, 6}
