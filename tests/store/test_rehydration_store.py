"""Snapshots beside the ledger, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from store import inventory, rehydration
from store import tables as t
from store.database import Database

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)


def stage(db: Database, run: str, look: int, as_of: datetime, **units: int) -> None:
    rows = [
        {"sku": sku, "on_hand": n, "unsellable": -1, "incoming": 0, "as_of": as_of}
        for sku, n in units.items()
    ]
    with db.write() as connection:
        rehydration.stage(connection, run, look, "east", rows)


def look(db: Database, run: str) -> rehydration.Look:
    with db.read() as connection:
        return rehydration.look(
            connection, run, 1, "east", pause=HOUR, booked=WEEK, complete=True
        )  # fmt: skip


def test_a_page_again_takes_its_place_and_a_run_leaves_nothing_behind(db: Database) -> None:
    stage(db, "run", 1, NOON, A=5, B=3)
    stage(db, "run", 1, NOON + HOUR, B=4, C=1)
    stage(db, "other", 1, NOON, A=9)
    stage(db, "old", 1, NOON - 2 * WEEK, A=9)
    with db.write() as connection:
        assert rehydration.staged(connection, "run", 1) == (3, NOON)
        rehydration.forget(connection, "run", "east", NOON)
        assert rehydration.staged(connection, "run", 1) == (0, None)
        assert rehydration.staged(connection, "old", 1) == (0, None)
        assert rehydration.staged(connection, "other", 1) == (1, NOON)


def test_goods_that_came_back_explain_themselves_while_the_node_may_book_them(
    db: Database,
) -> None:
    with db.write() as connection:
        for sku in "AB":
            inventory.feed(connection, sku, "east", 10, 0, 0, NOON - 3 * WEEK, NOON)
        inventory.restock(connection, "A", "east", 2, "o", "back", NOON - HOUR)
        inventory.restock(connection, "B", "east", 2, "o", "long ago", NOON - 2 * WEEK)
    stage(db, "run", 1, NOON, A=10, B=10)
    seen = look(db, "run").seen
    assert (seen["A"].drift.difference, seen["A"].drift.unexplained) == (-2, 0)
    assert (seen["B"].drift.difference, seen["B"].drift.unexplained) == (-2, -2)


def test_what_a_carrier_told_first_may_still_stand_in_the_nodes_books(db: Database) -> None:
    one = inventory.Drawn(sku="A", node="east", quantity=1, pool="")
    with db.write() as connection:
        inventory.feed(connection, "A", "east", 10, 0, 0, NOON - WEEK, NOON - WEEK)
        for name, at in (("long ago", NOON - 2 * HOUR), ("just now", NOON - HOUR / 2)):
            inventory.reserve(connection, [one], "o", f"r {name}", at)
            inventory.consume(connection, one, "o", name, at)
        inventory.restock(connection, "A", "east", 1, "o", "back", NOON + HOUR)
    stage(db, "run", 1, NOON, A=10)
    drift = look(db, "run").seen["A"].drift
    assert (drift.ours, drift.difference, drift.there, drift.unexplained) == (8, 2, 2, 0)


def test_a_level_that_was_counted_since_is_not_compared(db: Database) -> None:
    with db.write() as connection:
        inventory.feed(connection, "A", "east", 10, 0, 0, NOON + HOUR, NOON + HOUR)
        inventory.feed(connection, "B", "east", 10, 0, 0, NOON - HOUR, NOON)
    stage(db, "run", 1, NOON, A=1)
    found = look(db, "run")
    assert (found.newer, sorted(found.seen)) == (frozenset("A"), ["B"])
    assert found.seen["B"].drift.theirs == 0, "what a whole snapshot does not name is not there"
    with db.write() as connection:
        inventory.hold(connection, "east", ["B", "A"])
        inventory.agreed(connection, "east", ["B", "A"], NOON)
        assert not inventory.feed(connection, "B", "east", 3, 0, 0, NOON, NOON), "no older count"
        assert [r.as_of for r in inventory.level_rows(connection, "A")] == [NOON + HOUR]


def test_a_count_after_a_correction_does_not_bring_it_again(db: Database) -> None:
    with db.write() as connection:
        inventory.feed(connection, "A", "east", 10, 0, 0, NOON - HOUR, NOON - HOUR)
        assert inventory.correct(connection, "A", "east", -3, 1, NOON, "key", NOON + HOUR)
        assert inventory.feed(
            connection, "A", "east", 7, 1, 0, NOON + timedelta(minutes=1), NOON + 2 * HOUR
        )
        (row,) = inventory.level_rows(connection, "A")
        assert (row.on_hand, row.unsellable) == (7, 1)


def test_the_newest_of_a_state_and_who_waits_for_nothing_any_more(db: Database) -> None:
    stage(db, "one", 1, NOON, A=1, B=2)
    seen = look(db, "one").seen
    with db.write() as connection:
        for run, sku, hours in (("one", "A", 0), ("one", "B", 0), ("two", "A", 1)):
            at = NOON + hours * HOUR
            rehydration.note(connection, run, run, "east", sku, seen[sku], 1, 0, "asked", at)
        assert rehydration.pending(connection, "east", "asked")["A"].run == "two"
        assert rehydration.settle_asked(connection, "east", ["A"]) == ("two",)
        assert rehydration.settle_asked(connection, "east", ["B"]) == ("one",)
        states = {r.state for r in connection.execute(t.divergences.select())}
        assert states == {"superseded"}
        rehydration.applied(connection, "east", NOON, 2, "one", NOON)
        rehydration.applied(connection, "east", NOON + HOUR, 2, "two", NOON + HOUR)
        mark = rehydration.watermark(connection, "east")
        assert mark is not None and (mark.as_of, mark.run) == (NOON + HOUR, "two")
