"""Snapshots and movements in any order: never back in time, and at the node's truth in the end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from activities.context import Context
from activities.rehydrating import Rehydrating
from domain.rehydration import CompareStock, Drift, Rehydration, confirmed
from store import inventory, rehydration
from store import tables as t
from store.audit import AuditLog
from store.database import Database
from store.inventory import Drawn, Take

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
STEP, PAUSE = timedelta(minutes=10), timedelta(minutes=30)
SKU, NODE = "TENT", "dc_east"
LATE = 3  # steps: a movement is told within the pause


class World:
    """A node's truth, and our ledger that hears of it late."""

    def __init__(self, folder: Path, tolerance: int = 1_000) -> None:
        self.db = Database("sqlite://")
        self.db.create()
        given = Rehydration(tolerance_units=tolerance)
        network = SimpleNamespace(rehydration=lambda node: given)
        audit = AuditLog("test", folder / "heads.tsv")
        context = SimpleNamespace(db=self.db, network=network, audit=audit)
        self.stock = Rehydrating(cast(Context, context))
        self.truth, self.step, self.runs = 100, 0, 0
        self.truths: dict[int, int] = {}  # at the end of each step
        self.untold: list[int] = []  # the steps at which shipments are told
        with self.db.write() as connection:
            inventory.feed(connection, SKU, NODE, 100, 0, 0, self.now(), self.now())

    def now(self) -> datetime:
        return MONDAY + self.step * STEP

    def pass_time(self, steps: int = 1) -> None:
        for _ in range(steps):
            self.truths[self.step] = self.truth
            self.step += 1
            told, self.untold = (
                [x for x in self.untold if x <= self.step],
                [x for x in self.untold if x > self.step],
            )
            for number, _ in enumerate(told):
                self._consume(f"{self.step}-{number}")

    def ship(self, lag: int) -> None:
        """One unit leaves the node now; we hear of it some steps later."""
        self.truth -= 1
        self.untold.append(self.step + max(1, lag))

    def _consume(self, key: str) -> None:
        with self.db.write() as connection:
            inventory.reserve(connection, [Take(sku=SKU, node=NODE, quantity=1)], "o", f"r{key}",
                              self.now())  # fmt: skip
            one = Drawn(sku=SKU, node=NODE, quantity=1, pool="")
            inventory.consume(connection, one, "o", f"c{key}", self.now())

    def snapshot(self, run: str, look: int) -> None:
        with self.db.write() as connection:
            row = {"sku": SKU, "on_hand": self.truth, "unsellable": -1, "incoming": 0,
                   "as_of": self.now()}  # fmt: skip
            rehydration.stage(connection, run, look, NODE, [row])

    def request(self, run: str, step: str) -> CompareStock:
        return CompareStock(
            order_id=run, key=f"{run}/{step}", at=self.now(), node=NODE, pause=PAUSE, complete=True
        )

    def first(self) -> str:
        """The first look of a run, which goes on only where something is suspected."""
        self.runs += 1
        run = f"run{self.runs}"
        self.snapshot(run, 1)
        found = self.stock.compare(self.request(run, "compare"))
        return run if found.suspects else ""

    def second(self, run: str) -> None:
        self.snapshot(run, 2)

    def settle(self, run: str) -> None:
        self.stock.settle(self.request(run, "settle"))
        self.stock.settle(self.request(run, "settle"))  # a repeat changes nothing

    def whole(self) -> None:
        self.pass_time()
        if run := self.first():
            self.pass_time(LATE)
            self.second(run)
            self.settle(run)

    def level(self) -> Any:
        with self.db.read() as connection:
            (row,) = inventory.level_rows(connection, SKU)
            moved = select(func.sum(t.movements.c.on_hand)).where(t.movements.c.sku == SKU)
            assert row.on_hand == connection.execute(moved).scalar_one()
            mark = rehydration.watermark(connection, NODE)
            return row, mark.as_of if mark is not None else MONDAY


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.db.close()


DEEDS = st.lists(
    st.one_of(
        st.tuples(st.just("ship"), st.integers(1, LATE)),
        st.tuples(st.just("lose"), st.integers(1, 6)),
        st.tuples(st.just("find"), st.integers(1, 6)),
        st.tuples(st.just("look"), st.just(0)),
        st.tuples(st.just("feed"), st.integers(0, 4)),
        st.tuples(st.just("settle"), st.integers(0, 3)),
    ),
    max_size=14,
)


@settings(max_examples=20, deadline=None)
@given(deeds=DEEDS)
def test_any_order_ends_at_the_truth(
    tmp_path_factory: pytest.TempPathFactory, deeds: list[tuple[str, int]]
) -> None:
    world = World(tmp_path_factory.getbasetemp())
    world.pass_time()
    runs: list[str] = []
    before = world.level()
    for kind, number in deeds:
        if kind == "ship":
            world.ship(number)
        elif kind in ("lose", "find"):
            world.truth += number if kind == "find" else -number
        elif kind == "look":
            runs += [run] if (run := world.first()) else []
        elif kind == "feed" and not world.untold:
            past = max(0, world.step - 1 - number)
            with world.db.write() as connection:
                counted, as_of = world.truths[past], MONDAY + past * STEP
                inventory.feed(connection, SKU, NODE, counted, 0, 0, as_of, world.now())
        elif kind == "settle" and runs:  # in any order, the older one after the newer
            run = runs.pop(number % len(runs))
            world.pass_time(LATE)
            world.second(run)
            world.settle(run)
        world.pass_time()
        row, mark = world.level()
        assert row.as_of >= before[0].as_of and mark >= before[1], "never back in time"
        before = (row, mark)
    world.pass_time(LATE)
    for _ in range(3):
        world.whole()
    assert world.level()[0].on_hand == world.truth
    world.db.close()


def test_units_on_their_way_are_explained_and_a_loss_beside_them_is_not(world: World) -> None:
    world.pass_time()
    for lag in (1, 2, 3):
        world.ship(lag)
    world.whole()
    assert world.level()[0].on_hand == world.truth == 97
    with world.db.read() as connection:
        assert [r.state for r in connection.execute(select(t.divergences))] == ["explained"]
    world.pass_time()
    world.truth -= 5
    run = world.first()
    world.ship(1)
    world.pass_time(LATE)
    world.second(run)
    world.settle(run)
    assert world.level()[0].on_hand == 97 - 1 - 4, "what left meanwhile may be a part of it"
    world.pass_time()
    world.whole()
    assert world.level()[0].on_hand == world.truth


def test_a_snapshot_older_than_the_watermark_changes_nothing(world: World) -> None:
    world.pass_time()
    world.truth -= 3
    old = world.first()
    world.pass_time(LATE)
    world.second(old)  # what it says is overtaken before it is settled
    world.pass_time()
    world.truth += 3
    world.whole()
    assert world.level()[0].on_hand == 100
    found = world.stock.settle(world.request(old, "settle"))
    assert found.stale
    assert world.level()[0].on_hand == 100


def test_a_part_of_a_snapshot_does_not_empty_the_rest(world: World) -> None:
    with world.db.write() as connection:
        inventory.feed(connection, "LAMP", NODE, 9, 0, 0, MONDAY, MONDAY)
    world.pass_time()
    world.snapshot("part", 1)
    asked = world.request("part", "compare")
    found = world.stock.compare(asked.model_copy(update={"complete": False, "key": "a"}))
    assert (found.suspects, found.levels) == (0, 1)
    world.pass_time()
    world.snapshot("whole", 1)
    found = world.stock.compare(world.request("whole", "compare"))
    assert (found.suspects, found.levels) == (1, 2)


def test_where_much_differs_nothing_is_corrected_by_itself(tmp_path: Path) -> None:
    world = World(tmp_path, tolerance=2)
    skus = [f"S{n}" for n in range(8)]
    with world.db.write() as connection:
        for sku in skus:
            inventory.feed(connection, sku, NODE, 9, 0, 0, MONDAY, MONDAY)
    for look in (1, 2):
        world.pass_time(LATE)
        rows = [
            {"sku": sku, "on_hand": 8, "unsellable": 1, "incoming": 0, "as_of": world.now()}
            for sku in skus
        ]
        with world.db.write() as connection:
            rehydration.stage(connection, "many", look, NODE, rows)
        if look == 1:
            world.stock.compare(world.request("many", "compare"))
    found = world.stock.settle(world.request("many", "settle"))
    assert (found.confirmed, found.corrected, found.asked) == (9, 0, 9)
    assert found.lines[1] == "S0: we count 9, the node 8, -1 unexplained, +1 unsellable"
    world.db.close()


@pytest.mark.parametrize(
    ("drift", "left"),
    [
        (Drift(ours=10, theirs=10), 0),
        (Drift(ours=10, theirs=7), -3),
        (Drift(ours=10, theirs=7, gone=2), -1),
        (Drift(ours=10, theirs=7, gone=5), 0),
        (Drift(ours=10, theirs=13, gone=5), 3),
        (Drift(ours=10, theirs=13, there=1), 2),
    ],
)
def test_what_movements_explain(drift: Drift, left: int) -> None:
    assert drift.unexplained == left


def test_two_looks_agree_on_the_smaller_part() -> None:
    pairs = [(-3, -5), (4, 2), (-1, 1), (0, 7)]
    assert [confirmed(*pair) for pair in pairs] == [-3, 2, 0, 0]
