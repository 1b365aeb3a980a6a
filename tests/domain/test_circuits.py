"""A carrier's circuit: opens on failures that are the carrier's, closes on probes, never flaps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from pydantic import ValidationError

from domain.circuits import (
    EVERYWHERE,
    Call,
    Circuit,
    Scans,
    Watch,
    closed,
    failing,
    opened,
    pause,
    tried,
    worked_since,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
WATCH = Watch()


def calls(*parts: tuple[str, int, int]) -> list[Call]:
    """(node, good, failed) of each, mixed as they come."""
    made = [Call(node, n < failed) for node, good, failed in parts for n in range(good + failed)]
    Random(1).shuffle(made)
    return made


@pytest.mark.parametrize(
    ("seen", "lanes"),
    [
        (calls(("a", 10, 0), ("b", 10, 0)), set()),
        (calls(("a", 0, 4)), set()),  # too few to say
        (calls(("a", 0, 5)), {"a"}),  # all from one node: its lane
        (calls(("a", 6, 5)), set()),  # most went well
        (calls(("a", 5, 5)), {"a"}),  # exactly half
        (calls(("a", 2, 3), ("b", 1, 3)), {EVERYWHERE}),
        (calls(("a", 12, 0), ("b", 0, 6)), {"b"}),  # others sell: the lane's
        (calls(("a", 9, 1), ("b", 9, 1)), set()),
    ],
)
def test_whose_failures_they_are(seen: list[Call], lanes: set[str]) -> None:
    assert set(failing(WATCH, seen, {})) == lanes


def test_only_the_newest_calls_count() -> None:
    old = calls(("a", 0, 60))
    assert failing(WATCH, calls(("a", 20, 0)) + old, {}) == {}
    assert set(failing(WATCH, calls(("a", 0, 20)) + calls(("a", 60, 0)), {})) == {"a"}


@pytest.mark.parametrize(
    ("silent", "left", "opens"), [(9, 9, False), (10, 16, True), (10, 17, False), (40, 50, True)]
)
def test_parcels_that_nobody_scans_open_their_lane(silent: int, left: int, opens: bool) -> None:
    found = failing(WATCH, [], {"a": Scans(silent, left), "b": Scans(0, 100)})
    assert set(found) == ({"a"} if opens else set())
    if opens:
        assert f"{silent} of {left}" in found["a"]


def test_probes_close_it_and_one_bad_one_starts_a_longer_pause() -> None:
    circuit = opened(WATCH, "a", None, "because", NOW)
    assert (circuit.state, circuit.times) == ("open", 1)
    assert circuit.probe_at == NOW + timedelta(minutes=30)
    half = tried(WATCH, circuit, True, NOW)
    assert (half.state, half.passed) == ("half_open", 1)
    again = tried(WATCH, half, False, NOW)
    assert (again.state, again.passed, again.times) == ("open", 0, 2)
    assert again.probe_at == NOW + timedelta(hours=1)
    for _ in range(WATCH.probes):
        again = tried(WATCH, again, True, NOW)
    assert (again.state, again.until, again.probe_at) == ("closed", NOW, None)
    assert not again.in_force(NOW)


def test_an_opening_soon_after_another_is_the_next_in_a_row() -> None:
    was = closed(opened(WATCH, "a", None, "x", NOW), NOW)
    soon = opened(WATCH, "a", was, "x", NOW + timedelta(hours=23))
    late = opened(WATCH, "a", was, "x", NOW + timedelta(hours=24))
    assert (soon.times, late.times) == (2, 1)


def test_a_carrier_that_flaps_is_tried_ever_less_often() -> None:
    """Alternately well and down every ten minutes, it is opened a few times a day, not hundreds."""
    now, circuit, openings = NOW, None, 0
    while now < NOW + timedelta(days=1):
        well = (now - NOW) // timedelta(minutes=10) % 2
        if circuit is None or not circuit.in_force(now):
            if not well:
                circuit, openings = opened(WATCH, "a", circuit, "x", now), openings + 1
        elif circuit.probe_at and circuit.probe_at <= now:
            circuit = tried(WATCH, circuit, bool(well), now)
        now += timedelta(minutes=1)
    assert 2 <= openings <= 6


def test_random_lives_keep_the_rules() -> None:
    dice = Random(7)
    for _ in range(300):
        watch = Watch(
            pause_minutes=dice.randrange(1, 60), most_pause_minutes=dice.randrange(1, 600),
            probes=dice.randrange(1, 5), calm_hours=dice.randrange(0, 48),
        )  # fmt: skip
        now, circuit = NOW, opened(watch, "a", None, "x", NOW)
        for _ in range(40):
            before, now = circuit, now + timedelta(minutes=dice.randrange(1, 300))
            if circuit.state == "closed":
                circuit = opened(watch, "a", circuit, "x", now)
                assert circuit.times in (1, before.times + 1)
            else:
                well = dice.random() < 0.6
                circuit = tried(watch, circuit, well, now)
                assert circuit.since == before.since
                assert (circuit.state == "closed") == (well and before.passed + 1 >= watch.probes)
            assert circuit.in_force(now) == (circuit.state != "closed")
            assert (circuit.probe_at is None) == (circuit.state == "closed")
            longest = timedelta(minutes=max(watch.most_pause_minutes, watch.pause_minutes))
            assert timedelta() < pause(watch, circuit.times) <= longest


def test_a_person_s_circuit_ends_at_its_time() -> None:
    circuit = Circuit(
        node="", state="open", since=NOW, until=NOW + timedelta(hours=1), because="x", user="pat"
    )
    assert circuit.in_force(NOW)
    assert not circuit.in_force(NOW + timedelta(hours=1))


def test_a_window_smaller_than_the_failures_that_it_needs_is_refused() -> None:
    with pytest.raises(ValidationError, match="least_failures: may be at most calls"):
        Watch(calls=4, least_failures=5)


@pytest.mark.parametrize(
    ("now", "hours", "since"),
    [
        ("2026-03-04T12:00", 36, "2026-03-03T00:00"),  # midweek: as on the clock
        ("2026-03-02T12:00", 36, "2026-02-27T00:00"),  # Monday: the weekend does not count
        ("2026-03-01T09:00", 36, "2026-02-26T12:00"),  # Sunday
        ("2026-03-03T12:00", 36, "2026-02-27T00:00"),  # after a Monday that was a holiday
        ("2026-03-04T00:00", 24, "2026-03-03T00:00"),
    ],
)
def test_weekends_and_holidays_are_left_out(now: str, hours: int, since: str) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    holidays = ["2026-03-02"] if now.startswith("2026-03-03T12") else []
    found = worked_since(at, hours, holidays)
    assert found == datetime.fromisoformat(since).replace(tzinfo=UTC)
