"""What nodes have to do, who counts, and a state that flips once each way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, delete, event, insert

from activities.context import Context
from activities.contracts import m
from activities.facts import order_facts, route_snapshot
from activities.intake import Intake
from activities.planning import Planning
from activities.policies import PoliciesInForce, install
from domain.decision import RouteSnapshot
from domain.network import Network
from domain.order import Destination, IncomingOrder, Item, Order, OrderLine, Payment
from policies import Library
from store import catalog, events, fulfillments, inventory, orders, workload
from store import tables as t
from store.audit import AuditLog
from store.database import Database
from store.personal import Vault
from tests.bed import CHICAGO, PII_KEY, example_network

NOW = datetime(2026, 3, 2, 14, tzinfo=UTC)  # Monday, 09:00 in Newark
TODAY = NOW.replace(hour=17)  # its cut-off
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
_BLANK: dict[type, Any] = {str: "", int: 0, bool: False}  # else a time


def row(table: Table, **values: Any) -> dict[str, Any]:
    """A row of which only some columns matter."""
    return {c.name: _BLANK.get(c.type.python_type, NOW) for c in table.columns} | values


def work(
    connection: Connection, number: int, ship_at: datetime, status: str = "in_progress",
    request: str = "accepted", order: str = "order:shop:other", facts: str = "",
) -> None:  # fmt: skip
    if connection.execute(t.orders.select().where(t.orders.c.id == order)).first() is None:
        connection.execute(insert(t.orders).values(**row(t.orders, id=order)))
    body = row(
        t.fulfillments, id=f"f{number}", order_id=order, node="dc_east", ship_at=ship_at,
        status=status, request_status=request, facts=facts,
    )  # fmt: skip
    connection.execute(insert(t.fulfillments).values(**body))


def test_what_waits_counts_by_the_time_at_which_it_leaves(db: Database) -> None:
    with db.write() as connection:
        work(connection, 1, TODAY)
        work(connection, 2, TODAY, "open", "unsubmitted")
        work(connection, 3, TODAY, "closed", "closed")  # left early: its place is taken
        work(connection, 4, TODAY, "cancelled")
        work(connection, 5, TODAY + DAY)
        work(connection, 6, NOW - DAY, "closed", "closed")  # gone
        found = workload.by_node(connection, NOW)
    assert found == {"dc_east": workload.Work({TODAY: 3, TODAY + DAY: 1}, late=0)}


def test_late_is_what_the_node_has_and_has_not_packed_hours_after_its_time(db: Database) -> None:
    with db.write() as connection:
        work(connection, 1, NOW - 8 * HOUR)
        work(connection, 2, NOW - 7 * HOUR)  # about to be told
        work(connection, 3, NOW - 9 * HOUR, facts="accepted packed")
        work(connection, 4, NOW - 9 * HOUR, "open", "unsubmitted")  # waits for an approval
        found = workload.by_node(connection, NOW)["dc_east"]
    assert found.planned == {NOW - 8 * HOUR: 1, NOW - 9 * HOUR: 1}
    assert found.late == 1


def test_an_order_does_not_wait_for_itself(db: Database) -> None:
    with db.write() as connection:
        work(connection, 1, TODAY, order="order:shop:1")
        work(connection, 2, NOW - DAY, order="order:shop:1")
        work(connection, 3, TODAY)
        found = workload.by_node(connection, NOW, without="order:shop:1")
    assert found == {"dc_east": workload.Work({TODAY: 1}, late=0)}


def test_what_is_submitted_counts_from_when_it_was_told_to_leave(db: Database) -> None:
    with db.write() as connection:
        work(connection, 1, NOW - DAY, "open", "unsubmitted")  # waited for an approval
        fulfillments.submitted(connection, "f1", "external", True, TODAY, NOW)
        fulfillments.submitted(connection, "f1", "external", True, TODAY + DAY, NOW)  # a repeat
        found = workload.by_node(connection, NOW)["dc_east"]
    assert found == workload.Work({TODAY: 1}, late=0)


def test_a_flip_is_told_once(db: Database) -> None:
    with db.write() as connection:
        for is_saturated in (True, True, False, False, True):
            workload.flip(connection, "dc_east", is_saturated, NOW, used_percent=120)
        told = [e["type"] for e in events.history(connection, "node:dc_east")]
        assert workload.saturated(connection) == {"dc_east"}
    names = ("saturated", "relieved", "saturated")
    assert told == [f"meshline.node.{name}.v1" for name in names]


def test_the_statement_reads_by_its_index(tmp_path: Path) -> None:
    store = Database(f"sqlite:///{tmp_path / 'x.db'}")
    store.create()
    ran: list[tuple[str, Any]] = []
    event.listen(store.engine, "before_cursor_execute", lambda *a: ran.append((a[2], a[3])))
    with store.read() as connection:
        workload.by_node(connection, NOW)
        statement, values = ran[-1]
        steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    store.close()
    told = " ".join(step[-1] for step in steps)
    assert "USING COVERING INDEX ix_fulfillment_work (status=? AND ship_at>?" in told
    assert not any(step[-1].startswith("SCAN") for step in steps), steps


def small_network() -> Network:
    """The example's with a first node of ten orders a day."""
    network = example_network()
    first = network.node("dc_east").model_copy(update={"capacity_per_day": 10})
    return network.model_copy(update={"nodes": (first, *network.nodes[1:])})


def planner(db: Database, tmp_path: Path) -> tuple[Planning, Context]:
    network, audit = small_network(), AuditLog("test", tmp_path / "heads.tsv")
    install(db, audit, Library.default, NOW)
    policies = PoliciesInForce(network.policies)
    context = Context(db, Vault(PII_KEY), audit, network, policies, {})
    item = Item(sku="TENT", weight_mg=900_000, length=2_000, width=1_500, height=500)
    with db.write() as connection:
        catalog.put_items(connection, [item])
        inventory.feed(connection, "TENT", "dc_east", 500, 0, 0, NOW, NOW)
        Intake(network, context.vault).take(connection, _order(), NOW)
    return Planning(context), context


def _order() -> IncomingOrder:
    order = Order(
        id="order:shopify:1", source="shopify", external_id="1", number="#1", channel="webshop",
        currency="USD", placed_at=NOW, ship_to=Destination(), total_minor=2_000,
        lines=(OrderLine(line_id="1", sku="TENT", quantity=1, unit_price_minor=2_000),),
        payment=Payment(),
    )  # fmt: skip
    return IncomingOrder(order=order, address=CHICAGO)


def plan(planning: Planning, context: Context, turn: int) -> RouteSnapshot:
    key = f"k{turn}"
    planned = planning.plan(
        m.PlanRequest(key=key, order_id="order:shopify:1", at=NOW, generation=turn)
    )
    with context.db.read() as connection:
        body = connection.execute(
            t.decisions.select().where(t.decisions.c.id == planned.decision_id)
        ).one()
    return RouteSnapshot.model_validate_json(body.snapshot)


def busy(context: Context, orders_at_node: int) -> None:
    with context.db.write() as connection:
        connection.execute(delete(t.fulfillments))
        for number in range(orders_at_node):
            work(connection, number, TODAY)


def test_a_plan_flips_the_state_of_a_node_and_does_not_flap_in_between(
    db: Database, tmp_path: Path
) -> None:
    planning, context = planner(db, tmp_path)
    seen = []
    for turn, load in enumerate((7, 9, 10, 9, 8, 9, 10, 8, 7, 8, 9), start=1):
        busy(context, load)
        (east,) = (n for n in plan(planning, context, turn).nodes if n.id == "dc_east")
        assert east.used_percent == load * 10
        seen.append(east.saturated)
    assert seen == [False] * 2 + [True] * 6 + [False] * 3
    with db.write() as connection:
        told = events.history(connection, "node:dc_east")
    assert [(e["type"], e["data"]["used_percent"]) for e in told] == [
        ("meshline.node.saturated.v1", 100),
        ("meshline.node.relieved.v1", 70),
    ]


def test_a_full_day_moves_the_date_but_not_of_an_order_that_has_its_place(
    db: Database, tmp_path: Path
) -> None:
    planning, context = planner(db, tmp_path)
    busy(context, 9)
    assert leaves(context) == TODAY
    with context.db.write() as connection:
        work(connection, 99, TODAY, order="order:shopify:1")
    assert leaves(context) == TODAY + DAY
    assert leaves(context, ignore_stock=True) == TODAY
    assert plan(planning, context, 1).nodes[0].backlog_days == 1


def leaves(context: Context, **more: Any) -> datetime:
    with context.db.read() as connection:
        rows = orders.rows(connection, "order:shopify:1")
        facts = order_facts(connection, rows, context.network)
        found = route_snapshot(connection, facts, context.network, context.queues, NOW, 0, **more)
    return next(n.ship_at for n in found.nodes if n.id == "dc_east")


def test_a_snapshot_that_was_recorded_before_nodes_could_be_saturated_loads(
    db: Database, tmp_path: Path
) -> None:
    planning, context = planner(db, tmp_path)
    body = plan(planning, context, 1).model_dump(mode="json")
    for node in body["nodes"]:
        del node["saturated"], node["backlog_days"]
    old = RouteSnapshot.model_validate(body)
    assert [(n.saturated, n.backlog_days) for n in old.nodes] == [(False, 0)] * len(old.nodes)
