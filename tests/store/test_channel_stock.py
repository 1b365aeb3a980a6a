"""A channel's orders are planned from its own stock: its pools first, then what is shared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event

from activities.context import Context
from activities.contracts import m
from activities.intake import Intake
from activities.planning import Planning
from activities.policies import PoliciesInForce, install
from cli.verify import stock_violations
from domain.decision import CompensateSnapshot, RouteSnapshot
from domain.fulfillment import Quantity
from domain.order import Destination, IncomingOrder, Item, Order, OrderLine, Payment
from policies import Library
from store import catalog, decisions, fulfillments, inventory, orders, pools
from store import tables as t
from store.audit import AuditLog
from store.database import Database
from store.personal import Vault
from tests.bed import CHICAGO, PII_KEY, example_network

NOW = datetime(2026, 3, 2, 14, tzinfo=UTC)
NODES = ("dc_east", "dc_central", "dc_west")
# by channel: source, the source's own name of it, the pools that it draws on
CHANNELS = {
    "webshop": ("shopify", "web", ()),
    "wholesale": ("shopify", "wholesale", ("wholesale",)),
    "marketplace": ("medusa", "Marketplace", ("marketplace",)),
    "chain": ("chain", "store", ("wholesale", "marketplace")),
}
numbers = count(1)


class Desk:
    """Orders of channels over one store, planned and reserved as the worker does it."""

    def __init__(self, db: Database) -> None:
        network = example_network()
        chain = network.channels[0].model_copy(
            update={"id": "chain", "source": "chain", "pools": CHANNELS["chain"][2]}
        )
        network = network.model_copy(update={"channels": (*network.channels, chain)})
        install(db, AuditLog("test", None), Library.default, NOW)
        self.db, self.network, self.vault = db, network, Vault(PII_KEY)
        self.planning = Planning(
            Context(db, self.vault, AuditLog("test", None), network,
                    PoliciesInForce(network.policies), {})
        )  # fmt: skip

    def stock(self, shelves: dict[str, tuple[int, dict[str, int]]]) -> str:
        """Count a new SKU at nodes, and allot of it what is free. Returns the SKU."""
        sku = f"SKU-{next(numbers)}"
        item = Item(sku=sku, weight_mg=900_000, length=2_000, width=1_500, height=500)
        with self.db.write() as connection:
            catalog.put_items(connection, [item])
            for node, (units, allotted) in shelves.items():
                inventory.feed(connection, sku, node, units, 0, 0, NOW, NOW)
                for pool, n in allotted.items():
                    free = max(0, inventory.lock(connection, sku, node) or 0)
                    inventory.allot(connection, sku, node, pool, min(n, free), NOW)
        return sku

    def order(self, channel: str, *lines: tuple[str, int]) -> str:
        source, hint, _ = CHANNELS[channel]
        number = next(numbers)
        order = Order(
            id=f"order:{source}:{number}", source=source, external_id=f"{number}",
            number=f"#{number}", channel=hint, currency="USD", placed_at=NOW,
            ship_to=Destination(), total_minor=2_000, payment=Payment(),
            lines=tuple(
                OrderLine(line_id=f"{n}", sku=sku, quantity=units, unit_price_minor=2_000)
                for n, (sku, units) in enumerate(lines, start=1)
            ),
        )  # fmt: skip
        incoming = IncomingOrder(order=order, address=CHICAGO)
        with self.db.write() as connection:
            assert Intake(self.network, self.vault).take(connection, incoming, NOW)
            assert orders.row(connection, order.id).channel == channel
        return order.id

    def plan(self, order: str, **more: bool) -> m.Planned:
        key = f"{order}/k{next(numbers)}"
        return self.planning.plan(
            m.PlanRequest(key=key, order_id=order, at=NOW, generation=1, **more)
        )

    def reserve(self, order: str, planned: m.Planned, generation: int = 1) -> m.Reserved:
        accepted = m.AcceptRequest(key=f"{order}/a{generation}", order_id=order, at=NOW)
        if generation == 1:
            self.planning.accept(accepted)
        return self.planning.reserve(
            m.ReserveRequest(
                key=f"{order}/r{generation}", order_id=order, at=NOW, generation=generation,
                decision_id=planned.decision_id, expires_at=NOW + timedelta(days=1), firm=True,
            )
        )  # fmt: skip

    def available(self, sku: str, channel: str) -> dict[str, int]:
        with self.db.read() as connection:
            found = inventory.available(connection, [sku], CHANNELS[channel][2])
        return {node: units[sku] for node, units in found.items()}

    def held(self, order: str) -> list[tuple[str, str, int]]:
        """Live allocations: line, pool, units."""
        with self.db.read() as connection:
            rows = fulfillments.allocations(connection, order_id=order)
        return [(a.line_id, a.pool, a.quantity) for a in rows]

    def snapshot(self, decision_id: str) -> str:
        with self.db.read() as connection:
            row = connection.execute(
                t.decisions.select().where(t.decisions.c.id == decision_id)
            ).one()
        return str(row.snapshot)

    def sound(self) -> None:
        with self.db.read() as connection:
            assert stock_violations(connection) == []


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """One store for all tests of this file: each has SKUs of its own."""
    made = Database(f"sqlite:///{tmp_path_factory.mktemp('channels') / 'x.db'}")
    made.create()
    return Desk(made)


SHELF = st.tuples(
    st.integers(0, 6),
    st.dictionaries(st.sampled_from(("marketplace", "wholesale")), st.integers(0, 6)),
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    shelves=st.fixed_dictionaries(dict.fromkeys(NODES, SHELF)),
    asked=st.lists(st.tuples(st.sampled_from(sorted(CHANNELS)), st.integers(1, 5)), max_size=6),
)
def test_plans_never_exceed_what_their_channel_may_take_anywhere(
    desk: Desk,
    shelves: dict[str, tuple[int, dict[str, int]]],
    asked: list[tuple[str, int]],
) -> None:
    sku = desk.stock(shelves)
    there = sum(units for units, _ in shelves.values())
    for channel, units in asked:
        before = desk.available(sku, channel)
        order = desk.order(channel, (sku, units))
        planned = desk.plan(order)
        assert planned.feasible == (sum(before.values()) >= units)
        if not planned.feasible:
            continue
        with desk.db.read() as connection:
            plan = decisions.chosen_plan(connection, planned.decision_id)
        taken = {f.node: sum(q.quantity for q in f.lines) for f in plan.fulfillments}
        assert all(n <= before.get(node, 0) for node, n in taken.items())
        assert desk.reserve(order, planned).fulfillments
        held = desk.held(order)
        assert sum(n for _, _, n in held) == units
        assert {pool for _, pool, _ in held} <= {*CHANNELS[channel][2], ""}
        there -= units
        assert there >= 0
    for channel in CHANNELS:
        assert sum(desk.available(sku, channel).values()) <= there
    desk.sound()


def test_an_order_that_finds_only_other_channels_units_says_whose_they_are(desk: Desk) -> None:
    sku = desk.stock({"dc_east": (12, {"wholesale": 12}), "dc_west": (3, {"marketplace": 2})})
    planned = desk.plan(desk.order("webshop", (sku, 2)))
    assert not planned.feasible
    assert planned.because.endswith(
        f"; 2 of {sku} are allotted to pool marketplace; 12 of {sku} are allotted to pool wholesale"
    )
    snapshot = RouteSnapshot.model_validate_json(desk.snapshot(planned.decision_id))
    assert snapshot.allotted == {sku: {"marketplace": 2, "wholesale": 12}}
    assert desk.plan(desk.order("wholesale", (sku, 13))).feasible
    one = desk.plan(desk.order("webshop", (sku, 1)))
    assert one.feasible
    assert RouteSnapshot.model_validate_json(desk.snapshot(one.decision_id)).allotted == {}


def test_what_there_is_is_what_there_is_for_the_channel(desk: Desk) -> None:
    sku = desk.stock({"dc_east": (5, {"wholesale": 4})})
    order = desk.order("webshop", (sku, 3))
    partly = desk.plan(order, partial=True)
    assert (partly.feasible, partly.open_units) == (True, 1)
    answer = desk.planning.compensate(
        m.CompensateRequest(
            key=f"{order}/c", order_id=order, at=NOW, trigger="out_of_stock", short_units=3
        )
    )
    found = CompensateSnapshot.model_validate_json(desk.snapshot(f"{order}/c/compensate"))
    assert found.available_elsewhere == 1
    assert answer.because.endswith(f"; 4 of {sku} are allotted to pool wholesale")


def test_a_channel_without_pools_asks_nothing_of_them(desk: Desk) -> None:
    ran: list[str] = []
    event.listen(desk.db.engine, "before_cursor_execute", lambda *a: ran.append(a[2]))
    sku = desk.stock({"dc_east": (5, {})})
    for channel, asks in (("webshop", False), ("wholesale", True)):
        order = desk.order(channel, (sku, 1))
        ran.clear()
        assert desk.reserve(order, desk.plan(order)).fulfillments
        assert any("inventory_pools" in statement for statement in ran) == asks
        reserves = [x for x in ran if x.startswith("UPDATE inventory_levels")]
        assert len(reserves) == 1


def shares(desk: Desk, sku: str, node: str = "dc_east") -> tuple[int, int, int, tuple[int, int]]:
    """On hand, reserved, left in pools; allotted and reserved of the wholesale pool."""
    with desk.db.read() as connection:
        (row,) = (r for r in inventory.level_rows(connection, sku) if r.node == node)
        share = pools.at(connection, sku, node)["wholesale"]
    return row.on_hand, row.reserved, row.pooled, (share.allotted, share.reserved)


def wholesale_of_six(desk: Desk) -> tuple[str, str, str]:
    """An order of six whose pool has four: its SKU, its ID, its fulfillment order's."""
    sku = desk.stock({"dc_east": (10, {"wholesale": 4})})
    order = desk.order("wholesale", (sku, 6))
    (ref,) = desk.reserve(order, desk.plan(order)).fulfillments
    assert desk.held(order) == [("1", "wholesale", 4), ("1", "", 2)]
    assert shares(desk, sku) == (10, 6, 0, (4, 4))
    desk.sound()
    return sku, order, ref.id


def test_what_is_given_back_goes_back_to_where_it_came_from(desk: Desk) -> None:
    sku, order, fulfillment = wholesale_of_six(desk)
    with desk.db.write() as connection:
        row = fulfillments.get(connection, fulfillment)
        assert fulfillments.give_back(connection, row, "back", NOW) == 6
    assert shares(desk, sku) == (10, 0, 4, (4, 0))
    assert desk.held(order) == []
    desk.sound()


def test_what_has_left_and_what_was_not_there_leave_the_pool_too(desk: Desk) -> None:
    sku, order, fulfillment = wholesale_of_six(desk)

    def end(connection: Connection) -> None:
        fulfillments.submitted(connection, fulfillment, f"x{order}", True, NOW, NOW)
        short = [Quantity(line_id="1", sku=sku, quantity=5)]
        assert fulfillments.short_picked(connection, fulfillment, short, "short", NOW) == (1, 5)

    with desk.db.write() as connection:
        end(connection)
    assert desk.held(order) == [("1", "", 1)]
    assert shares(desk, sku) == (5, 1, 0, (0, 0))
    desk.sound()
    with desk.db.write() as connection:
        row = fulfillments.get(connection, fulfillment)
        assert fulfillments.consumed(connection, row, "gone", NOW) == 1
        assert fulfillments.to_confirm(connection, order, fulfillment) == {"1": 1}
    assert shares(desk, sku) == (4, 0, 0, (0, 0))
    desk.sound()


def test_a_line_out_of_two_places_is_told_to_the_shop_as_one(desk: Desk) -> None:
    sku, order, fulfillment = wholesale_of_six(desk)
    with desk.db.write() as connection:
        fulfillments.submitted(connection, fulfillment, f"x{order}", True, NOW, NOW)
        row = fulfillments.get(connection, fulfillment)
        assert fulfillments.consumed(connection, row, "gone", NOW) == 6
        assert fulfillments.to_confirm(connection, order, fulfillment) == {"1": 6}
        assert [(x.released, x.shipped) for x in orders.line_rows(connection, order)] == [(0, 6)]
    assert shares(desk, sku) == (4, 0, 0, (0, 0))
    desk.sound()


def test_two_lines_of_one_sku_each_know_what_they_drew(desk: Desk) -> None:
    sku = desk.stock({"dc_east": (10, {"wholesale": 4})})
    order = desk.order("wholesale", (sku, 3), (sku, 3))
    assert desk.reserve(order, desk.plan(order)).fulfillments
    assert desk.held(order) == [("1", "wholesale", 3), ("2", "wholesale", 1), ("2", "", 2)]
    desk.sound()
