"""No interleaving of allot, reserve, give back, consume, short pick, feed and retry breaks
invariant 3: not in total, and not for a pool."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import func, select

from store import inventory, pools
from store import tables as t
from store.database import Database
from store.inventory import BelowReserved, Drawn, NotAllottable, Take

SKUS, NODES = ("A", "B"), ("east", "west")
# the pools that each channel draws on: none, one, two in one order, and in the other
CHANNELS = ((), ("m",), ("m", "w"), ("w", "m"))
POOLS = ("m", "w")
START = datetime(2026, 1, 5, tzinfo=UTC)


@dataclass
class Shelf:
    """What a level and its pools have to be, kept by hand."""

    on_hand: int = 0
    unsellable: int = 0
    reserved: Counter[str] = field(default_factory=Counter)  # by pool; "" is shared
    allotted: Counter[str] = field(default_factory=Counter)
    counted: bool = False

    def free(self) -> int:
        return self.on_hand - self.reserved.total() - self.unsellable - self.counted

    def left(self, pool: str) -> int:
        return self.allotted[pool] - self.reserved[pool]

    def shared(self) -> int:
        return max(0, self.free() - sum(self.left(p) for p in POOLS))

    def available(self, channel: tuple[str, ...]) -> int:
        return max(0, min(self.free(), self.shared() + sum(self.left(p) for p in channel)))

    def draw(self, channel: tuple[str, ...], units: int) -> dict[str, int]:
        found = {}
        for pool in channel:
            found[pool] = min(units, self.left(pool))
            units -= found[pool]
        return {pool: n for pool, n in {**found, "": units}.items() if n}


class Ledger(RuleBasedStateMachine):
    """Random steps, some of them repeated under the same key, as retries are."""

    def __init__(self) -> None:
        super().__init__()
        self.db = Database("sqlite://")
        self.connection = self.db.engine.connect()
        t.metadata.create_all(self.connection)
        self.connection.commit()
        self.step = 0
        self.live: dict[str, Drawn] = {}
        self.shelves = {(s, n): Shelf() for s in SKUS for n in NODES}

    def teardown(self) -> None:
        self.connection.close()
        self.db.close()

    def now(self) -> datetime:
        self.step += 1
        return START + timedelta(seconds=self.step)

    @rule(sku=st.sampled_from(SKUS), node=st.sampled_from(NODES), units=st.integers(0, 20),
          unsellable=st.integers(0, 3))  # fmt: skip
    def feed(self, sku: str, node: str, units: int, unsellable: int) -> None:
        at = self.now()
        with self.connection.begin():
            inventory.feed(self.connection, sku, node, units, unsellable, 1, at, at)
        shelf = self.shelves[sku, node]
        shelf.on_hand, shelf.unsellable, shelf.counted = units, unsellable, True

    @rule(sku=st.sampled_from(SKUS), node=st.sampled_from(NODES), units=st.integers(-6, 6),
          repeats=st.integers(1, 2))  # fmt: skip
    def correct(self, sku: str, node: str, units: int, repeats: int) -> None:
        shelf, at = self.shelves[sku, node], self.now()
        if not shelf.counted:
            return
        key = f"correct{self.step}"
        for number in range(repeats):
            short = units < 0 and shelf.on_hand + units < shelf.reserved.total()
            with self.connection.begin():
                try:
                    done = inventory.correct(self.connection, sku, node, units, 0, at, key, at)
                except BelowReserved:
                    assert short and not number
                    return
            assert done is (number == 0), "a repeat changes nothing"
            shelf.on_hand += units if done else 0

    @rule(sku=st.sampled_from(SKUS), node=st.sampled_from(NODES), pool=st.sampled_from(POOLS),
          units=st.integers(0, 12), repeats=st.integers(1, 2))  # fmt: skip
    def allot(self, sku: str, node: str, pool: str, units: int, repeats: int) -> None:
        shelf = self.shelves[sku, node]
        more = units - shelf.allotted[pool]
        there = shelf.shared() if shelf.counted else -1
        refused = units < shelf.reserved[pool] or more > there
        for _ in range(repeats):
            try:
                with self.connection.begin():
                    said = inventory.allot(self.connection, sku, node, pool, units, self.now())
            except NotAllottable:
                assert refused
                return
            assert said == units - shelf.allotted[pool]
            shelf.allotted[pool] = units
        assert not refused

    @rule(wanted=st.lists(st.tuples(st.sampled_from(SKUS), st.sampled_from(NODES),
                                    st.integers(1, 8)), min_size=1, max_size=3),
          channel=st.sampled_from(CHANNELS))  # fmt: skip
    def reserve(self, wanted: list[tuple[str, str, int]], channel: tuple[str, ...]) -> None:
        takes = [Take(sku=s, node=n, quantity=q) for s, n, q in wanted]
        asked: Counter[tuple[str, str]] = Counter()
        for take in takes:
            asked[take.sku, take.node] += take.quantity
        fits = all(n <= self.shelves[where].available(channel) for where, n in asked.items())
        key = f"r{self.step}"
        with self.connection.begin() as transaction:
            drawn, lost = inventory.reserve(self.connection, takes, "o", key, self.now(), channel)
            assert (lost is None) == fits
            if lost is not None:
                transaction.rollback()
                return
        for take, parts in zip(takes, drawn, strict=True):
            shelf = self.shelves[take.sku, take.node]
            assert {x.pool: x.quantity for x in parts} == shelf.draw(channel, take.quantity)
            assert {x.pool for x in parts} <= {*channel, ""}
            for part in parts:
                shelf.reserved[part.pool] += part.quantity
                self.live[f"{key}-{len(self.live)}"] = part

    @rule(data=st.data(), how=st.sampled_from(["give_back", "consume", "missing"]),
          repeats=st.integers(1, 3))  # fmt: skip
    def end(self, data: st.DataObject, how: str, repeats: int) -> None:
        if not self.live:
            return
        key = data.draw(st.sampled_from(sorted(self.live)))
        part = self.live[key]
        shelf = self.shelves[part.sku, part.node]
        if how != "give_back" and shelf.on_hand < shelf.reserved.total():
            return  # what is not there cannot leave
        del self.live[key]
        at = self.now()
        for _ in range(repeats):
            with self.connection.begin():
                getattr(inventory, how)(self.connection, part, "o", f"end:{at}:{key}", at)
        shelf.reserved[part.pool] -= part.quantity
        if how != "give_back":
            shelf.on_hand -= part.quantity
            if part.pool:
                shelf.allotted[part.pool] -= part.quantity

    @invariant()
    def the_store_has_what_was_kept_by_hand(self) -> None:
        with self.connection.begin():
            for (sku, node), shelf in self.shelves.items():
                row = next(
                    (r for r in inventory.level_rows(self.connection, sku) if r.node == node), None
                )
                assert (row is not None) == shelf.counted
                if row is None:
                    continue
                assert (row.on_hand, row.reserved) == (shelf.on_hand, shelf.reserved.total())
                assert row.pooled == sum(shelf.left(p) for p in POOLS)
                of_pools = pools.at(self.connection, sku, node)
                for pool in POOLS:
                    kept = (shelf.allotted[pool], shelf.reserved[pool])
                    found = of_pools.get(pool)
                    assert ((found.allotted, found.reserved) if found else (0, 0)) == kept
                    assert 0 <= kept[1] <= kept[0]
                for channel in CHANNELS:
                    said = inventory.available(self.connection, [sku], channel)
                    assert said.get(node, {}).get(sku, 0) == shelf.available(channel)

    @invariant()
    def the_levels_are_the_sum_of_their_movements(self) -> None:
        move = t.movements.c
        with self.connection.begin():
            for row in self.connection.execute(select(t.levels)):
                moved = self.connection.execute(
                    select(
                        func.coalesce(func.sum(move.on_hand), 0),
                        func.coalesce(func.sum(move.reserved), 0),
                    ).where(move.sku == row.sku, move.node == row.node)
                ).one()
                assert (row.on_hand, row.reserved) == (int(moved[0]), int(moved[1]))


Ledger.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestLedger = Ledger.TestCase
