"""No interleaving of reserve, give back, consume, short pick, feed and retry breaks invariant 3."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import func, select

from store import inventory
from store import tables as t
from store.database import Database
from store.inventory import Take

SKUS, NODES = ("A", "B"), ("east", "west")
START = datetime(2026, 1, 5, tzinfo=UTC)


class Ledger(RuleBasedStateMachine):
    """Random steps, some of them repeated under the same key, as retries are."""

    def __init__(self) -> None:
        super().__init__()
        self.db = Database("sqlite://")
        self.connection = self.db.engine.connect()
        t.metadata.create_all(self.connection)
        self.connection.commit()
        self.step = 0
        self.live: dict[str, Take] = {}
        self.diverged: set[tuple[str, str]] = set()

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
            row = self.connection.execute(
                select(t.levels).where(t.levels.c.sku == sku, t.levels.c.node == node)
            ).one()
        (self.diverged.add if row.on_hand < row.reserved else self.diverged.discard)((sku, node))

    @rule(wanted=st.lists(st.tuples(st.sampled_from(SKUS), st.sampled_from(NODES),
                                    st.integers(1, 8)), min_size=1, max_size=3))  # fmt: skip
    def reserve(self, wanted: list[tuple[str, str, int]]) -> None:
        takes = [Take(sku=s, node=n, quantity=q) for s, n, q in wanted]
        key = f"r{self.step}"
        with self.connection.begin() as transaction:
            lost = inventory.reserve(self.connection, takes, "o", key, self.now())
            if lost is not None:
                transaction.rollback()
                return
        for number, take in enumerate(takes):
            self.live[f"{key}-{number}"] = take

    @rule(data=st.data(), how=st.sampled_from(["give_back", "consume", "missing"]),
          repeats=st.integers(1, 3))  # fmt: skip
    def end(self, data: st.DataObject, how: str, repeats: int) -> None:
        if not self.live:
            return
        key = data.draw(st.sampled_from(sorted(self.live)))
        take = self.live.pop(key)
        if how != "give_back" and (take.sku, take.node) in self.diverged:
            self.live[key] = take  # what is not there cannot leave
            return
        at = self.now()
        for _ in range(repeats):
            with self.connection.begin():
                getattr(inventory, how)(self.connection, take, "o", f"end:{key}", at)

    @invariant()
    def reserved_is_what_is_live_and_never_more_than_there_is(self) -> None:
        promised: dict[tuple[str, str], int] = {}
        for take in self.live.values():
            where = (take.sku, take.node)
            promised[where] = promised.get(where, 0) + take.quantity
        with self.connection.begin():
            for row in self.connection.execute(select(t.levels)):
                where = (row.sku, row.node)
                assert row.reserved == promised.get(where, 0)
                if where not in self.diverged:
                    assert 0 <= row.reserved <= row.on_hand
                moved = self.connection.execute(
                    select(
                        func.coalesce(func.sum(t.movements.c.on_hand), 0),
                        func.coalesce(func.sum(t.movements.c.reserved), 0),
                    ).where(t.movements.c.sku == row.sku, t.movements.c.node == row.node)
                ).one()
                assert (row.on_hand, row.reserved) == (int(moved[0]), int(moved[1]))


Ledger.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestLedger = Ledger.TestCase
