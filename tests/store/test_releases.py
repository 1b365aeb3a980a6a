"""What waits for its release is swapped, released or given back, and never two of these."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from activities.context import Context
from activities.contracts import m
from activities.intake import Intake
from activities.planning import Planning
from activities.policies import PoliciesInForce, install
from activities.progress import Progress
from domain.decision import Plan
from domain.network import Reevaluation
from domain.order import Destination, IncomingOrder, Item, Order, OrderLine, Payment
from policies import Library
from store import catalog, fulfillments, inventory, releases
from store import tables as t
from store.audit import AuditLog
from store.database import Database
from store.personal import Vault
from store.releases import Instead
from tests.bed import CHICAGO, PII_KEY, example_network

NOW = datetime(2026, 3, 2, 14, tzinfo=UTC)  # Monday
ORDERS = 24
EAST, CENTRAL = "dc_east", "dc_central"


@pytest.fixture
def made(db: Database, tmp_path: Path) -> Context:
    """A store with orders that wait, half of them at either node, and nothing left over."""
    network = example_network().model_copy(update={"reevaluation": Reevaluation()})
    audit = AuditLog("test", tmp_path / "heads.tsv")
    install(db, audit, Library.default, NOW)
    context = Context(db, Vault(PII_KEY), audit, network, PoliciesInForce(network.policies), {})
    item = Item(sku="TENT", weight_mg=900_000, length=2_000, width=1_500, height=500)
    planning, intake = Planning(context), Intake(network, context.vault)
    with db.write() as connection:
        catalog.put_items(connection, [item])
        for node in (EAST, CENTRAL):
            inventory.feed(connection, "TENT", node, ORDERS // 2, 0, 0, NOW, NOW)
        for number in range(ORDERS):
            intake.take(connection, _order(number), NOW)
    for number in range(ORDERS):
        order_id = f"order:shopify:{number}"
        planning.accept(m.AcceptRequest(key=f"{number}/a", order_id=order_id, at=NOW))
        planned = planning.plan(
            m.PlanRequest(key=f"{number}/p", order_id=order_id, at=NOW, generation=1)
        )
        reserved = planning.reserve(
            m.ReserveRequest(
                key=f"{number}/r", order_id=order_id, at=NOW, decision_id=planned.decision_id,
                generation=1, expires_at=NOW, firm=True,
            )
        )  # fmt: skip
        assert reserved.fulfillments[0].release_at == NOW + timedelta(minutes=30)
    return context


def _order(number: int) -> IncomingOrder:
    order = Order(
        id=f"order:shopify:{number}", source="shopify", external_id=str(number),
        number=f"#{number}", channel="webshop", currency="USD", placed_at=NOW,
        ship_to=Destination(), total_minor=2_000, payment=Payment(),
        lines=(OrderLine(line_id="1", sku="TENT", quantity=1, unit_price_minor=2_000),),
    )  # fmt: skip
    return IncomingOrder(order=order, address=CHICAGO)


def waiting(context: Context) -> list[tuple[Any, ...]]:
    with context.db.read() as connection:
        return list(releases.waiting(connection, NOW, ORDERS).values())


def to(held: Sequence[Any], node: str, context: Context) -> Instead:
    """The order's plan at another node."""
    with context.db.read() as connection:
        plan = releases.planned(connection, held)
    assert plan is not None
    part = plan.fulfillments[0].model_copy(update={"node": node})
    other: Plan = plan.model_copy(update={"fulfillments": (part,)})
    row = held[0]
    return Instead(row.order_id, tuple(held), other, row.decision_id, (row.release_at,), 100)


def at(held: Sequence[tuple[Any, ...]], node: str) -> list[tuple[Any, ...]]:
    return [rows for rows in held if rows[0].node == node]


def test_a_swap_is_whole_or_nothing(made: Context) -> None:
    held = waiting(made)
    east, central = at(held, EAST)[0], at(held, CENTRAL)[0]
    with pytest.raises(releases.Missed, match=f"1 × TENT at {CENTRAL}"), made.db.write() as c:
        releases.swap(c, [to(east, CENTRAL, made)], NOW)
    assert waiting(made) == held
    both = [to(east, CENTRAL, made), to(central, EAST, made)]
    with made.db.write() as connection:
        releases.swap(connection, both, NOW)
    now = {rows[0].order_id: [row.node for row in rows] for rows in waiting(made)}
    assert now[east[0].order_id] == [CENTRAL]
    assert now[central[0].order_id] == [EAST]
    with pytest.raises(releases.Missed, match="went on"), made.db.write() as connection:
        releases.swap(connection, both, NOW)
    check(made)


def test_what_is_released_waits_no_more_and_what_is_swapped_names_the_others(
    made: Context,
) -> None:
    east, central = at(waiting(made), EAST)[0][0], at(waiting(made), CENTRAL)[0][0]
    with made.db.write() as connection:
        assert not releases.superseded(releases.claim(connection, east.id))
    assert east.order_id not in {rows[0].order_id for rows in waiting(made)}
    with pytest.raises(releases.Missed, match="went on"), made.db.write() as connection:
        releases.swap(connection, [to([east], CENTRAL, made), to([central], EAST, made)], NOW)
    with made.db.write() as connection:
        inventory.feed(connection, "TENT", EAST, ORDERS, 0, 0, NOW + timedelta(1), NOW)
        releases.swap(connection, [to([central], EAST, made)], NOW)
        row = releases.claim(connection, central.id)
        assert releases.superseded(row)
        (other,) = releases.successors(connection, row)
    assert other.id == f"{central.order_id}/g1f2"
    assert other.release_at == central.release_at
    back = Progress(made).give_back(
        m.FulfillmentRequestKeyed(
            key="b", order_id=central.order_id, at=NOW, fulfillment_id=central.id
        )
    )
    assert (back.returned, [ref.id for ref in back.instead]) == (0, [other.id])
    check(made)


def test_who_comes_second_finds_what_the_first_one_left(made: Context) -> None:
    held = waiting(made)
    progress = Progress(made)

    def swap(one: Sequence[Any], other: Sequence[Any]) -> int:
        both = [to(one, CENTRAL, made), to(other, EAST, made)]
        try:
            with made.db.write() as connection:
                releases.swap(connection, both, NOW)
        except releases.Missed:
            return 0
        return 1

    def claim(row: Any) -> int:
        with made.db.write() as connection:
            return int(not releases.superseded(releases.claim(connection, row.id)))

    def give_back(row: Any) -> int:
        request = m.FulfillmentRequestKeyed(
            key=f"{row.id}/back", order_id=row.order_id, at=NOW, fulfillment_id=row.id
        )
        return progress.give_back(request).returned

    pairs = list(zip(at(held, EAST), at(held, CENTRAL), strict=True))
    deeds = []
    for n, (one, other) in enumerate(pairs):
        rival = partial(claim, one[0]) if n % 2 else partial(give_back, other[0])
        deeds += [partial(swap, one, other), rival, partial(swap, one, other)]
    with ThreadPoolExecutor(8) as threads:
        done = [f.result() for f in [threads.submit(deed) for deed in deeds]]
    for first, between, second in zip(done[::3], done[1::3], done[2::3], strict=True):
        assert first + between + second == 1
    check(made)


def check(context: Context) -> None:
    """Levels are what live fulfillment orders hold, and never more than there is."""
    with context.db.read() as connection:
        levels = connection.execute(select(t.levels)).all()
        a = t.allocations.c
        live = {
            row.node: int(row.units)
            for row in connection.execute(
                select(a.node, func.sum(a.quantity).label("units"))
                .where(a.status.in_(fulfillments.LIVE_ALLOCATIONS))
                .group_by(a.node)
            )
        }
    assert {x.node: x.reserved for x in levels} == {x.node: live.get(x.node, 0) for x in levels}
    assert all(x.reserved <= x.on_hand for x in levels)
