"""Decisions in bulk: chosen by point, time and sample, the same ones every time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from domain.decision import Point
from policies import Library, decide, sample
from store import decisions, history
from store.database import Database

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def record(db: Database, point: Point, count: int) -> None:
    snapshot = sample(point)
    decision = decide(Library.default().points[point], snapshot)
    with db.write() as connection:
        for day in range(count):
            at = MARCH + timedelta(days=day)
            decision_id = f"{point}{day}"
            decisions.record(connection, decision_id, "order:1", snapshot, decision, at)


def test_decisions_are_chosen_by_point_and_time(db: Database) -> None:
    record(db, "approve", 5)
    record(db, "hold", 3)
    with db.read() as connection:
        assert history.points(connection) == {"approve": 5, "hold": 3}
        since = MARCH + timedelta(days=3)
        assert history.chosen(connection, "approve", since) == ["approve3", "approve4"]
        (text,) = history.snapshots(connection, ["hold1"])
        assert text == sample("hold").model_dump_json()


def test_a_sample_is_the_same_every_time_and_a_larger_one_adds_to_it(db: Database) -> None:
    record(db, "approve", 30)
    with db.read() as connection:
        few = history.chosen(connection, "approve", sample=7)
        assert few == history.chosen(connection, "approve", sample=7)
        assert len(few) == 7
        assert set(few) < set(history.chosen(connection, "approve", sample=12))
        assert len(history.snapshots(connection, few)) == 7
