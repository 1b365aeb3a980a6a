"""Pools under concurrency, and what an order's decisions and lines see of them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from store import inventory, pools
from store import tables as t
from store.database import Database
from store.inventory import Drawn, NotAllottable, Take
from store.pools import Share

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)
SHELF = 60
CHANNELS = ((), ("m",), ("w",), ("w", "m"))


class LostError(Exception):
    """There was no stock: rolls back."""


def counted(db: Database, units: int = SHELF, **allotted: int) -> None:
    with db.write() as connection:
        inventory.feed(connection, "A", "n", units, 0, 0, NOW, NOW)
        for pool, n in allotted.items():
            inventory.allot(connection, "A", "n", pool, n, NOW)


def take(db: Database, number: int, channel: tuple[str, ...], units: int = 1) -> list[Drawn]:
    try:
        with db.write() as connection:
            wanted = [Take(sku="A", node="n", quantity=units)]
            drawn, lost = inventory.reserve(connection, wanted, "o", f"k{number}", NOW, channel)
            if lost is not None:
                raise LostError
    except LostError:
        return []
    return list(drawn[0])


def level(db: Database) -> tuple[int, int, int]:
    with db.read() as connection:
        (row,) = inventory.level_rows(connection, "A")
        return row.on_hand, row.reserved, row.pooled


def shares(db: Database) -> dict[str, Share]:
    with db.read() as connection:
        return pools.at(connection, "A", "n")


def adds_up(db: Database) -> None:
    """Levels and pools are sums of movements, and what pools have left is counted right."""
    move = t.movements.c
    with db.read() as connection:
        by_pool = {
            r.pool: (int(r.on_hand), int(r.reserved), int(r.allotted))
            for r in connection.execute(
                select(
                    move.pool, func.sum(move.on_hand).label("on_hand"),
                    func.sum(move.reserved).label("reserved"),
                    func.sum(move.allotted).label("allotted"),
                ).group_by(move.pool)
            )
        }  # fmt: skip
    of_pools = shares(db)
    for pool, (allotted, reserved) in of_pools.items():
        assert 0 <= reserved <= allotted
        assert by_pool[pool][1:] == (reserved, allotted)
    assert level(db) == (
        sum(x[0] for x in by_pool.values()),
        sum(x[1] for x in by_pool.values()),
        sum(allotted - reserved for allotted, reserved in of_pools.values()),
    )


def test_reserves_of_all_channels_at_once_never_oversell(db: Database) -> None:
    counted(db, m=15, w=10)
    with ThreadPoolExecutor(8) as threads:
        took = list(threads.map(lambda n: (n, take(db, n, CHANNELS[n % 4])), range(200)))
    drawn = [(n, x) for n, parts in took for x in parts]
    assert sum(x.quantity for _, x in drawn) == SHELF
    assert all(x.pool in ("", *CHANNELS[n % 4]) for n, x in drawn)
    assert {p: sum(x.quantity for _, x in drawn if x.pool == p) for p in ("m", "w")} == {
        "m": 15, "w": 10,
    }  # fmt: skip
    assert level(db) == (SHELF, SHELF, 0)
    adds_up(db)


def test_pools_that_share_too_few_units_never_oversell_together(db: Database) -> None:
    """A count fell below what is allotted: whoever comes first, and never more than there is."""
    counted(db, m=40, w=20)
    with db.write() as connection:
        later = NOW.replace(hour=9)
        inventory.feed(connection, "A", "n", 25, 2, 3, later, later)
    assert shares(db) == {"m": (40, 0), "w": (20, 0)}
    with db.read() as connection:
        seen = [inventory.available(connection, ["A"], c) for c in CHANNELS]
    assert seen == [{}, *[{"n": {"A": 20}}] * 3]
    with ThreadPoolExecutor(8) as threads:
        took = list(threads.map(lambda n: take(db, n, CHANNELS[n % 4]), range(120)))
    assert sum(x.quantity for parts in took for x in parts) == 20
    assert level(db)[:2] == (25, 20)
    adds_up(db)


def test_allotting_races_with_reserving(db: Database) -> None:
    """What is set aside in the same moment is never promised to others, nor the other way."""
    counted(db)

    def allot(pool: str, units: int) -> bool:
        try:
            with db.write() as connection:
                inventory.allot(connection, "A", "n", pool, units, NOW)
        except NotAllottable:
            return False
        return True

    def turn(number: int) -> None:
        deeds: list[Callable[[], object]] = [
            lambda: take(db, number, (), 3),
            lambda: allot("m", number % 40),
            lambda: take(db, number, ("m",), 2),
            lambda: allot("w", number % 25),
        ]
        deeds[number % 4]()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(turn, range(120)))
    on_hand, reserved, left = level(db)
    assert reserved + left <= on_hand
    adds_up(db)


@pytest.mark.parametrize("how", ["give_back", "consume", "missing"])
def test_what_is_ended_at_once_and_again_counts_once(db: Database, how: str) -> None:
    counted(db, m=10)
    parts = take(db, 1, ("m",), 14)
    assert [(x.pool, x.quantity) for x in parts] == [("m", 10), ("", 4)]

    def end(number: int) -> None:
        with db.write() as connection:
            part = parts[number % 2]
            getattr(inventory, how)(connection, part, "o", f"end{number % 2}", NOW)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(end, range(16)))
    gone = how != "give_back"
    assert shares(db) == {"m": (0, 0) if gone else (10, 0)}
    assert level(db) == ((SHELF - 14, 0, 0) if gone else (SHELF, 0, 10))
    adds_up(db)


def test_what_was_not_drawn_from_a_pool_cannot_go_back_to_it(db: Database) -> None:
    counted(db, m=10)
    take(db, 1, (), 5)
    never = Drawn(sku="A", node="n", quantity=5, pool="m")
    with pytest.raises(RuntimeError, match="does not hold"), db.write() as connection:
        inventory.give_back(connection, never, "o", "k", NOW)
    assert level(db) == (SHELF, 5, 10)


def test_units_of_others_are_told_by_sku_and_pool(db: Database) -> None:
    counted(db, m=15, w=10)
    take(db, 1, ("w",), 4)
    with db.read() as connection:
        assert pools.of_others(connection, ["A", "B"], ()) == {"A": {"m": 15, "w": 6}}
        assert pools.of_others(connection, ["A"], ("w",)) == {"A": {"m": 15}}
        assert pools.of_others(connection, ["A"], ("w", "m")) == {}
