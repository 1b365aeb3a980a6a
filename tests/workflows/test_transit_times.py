"""What parcels show becomes the transit time that decisions see."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update

from activities.contracts import MAIN_QUEUE, Activity
from activities.facts import order_facts, route_snapshot
from domain.facts import TransitFacts
from domain.upkeep import UpkeepStart, Upkept
from store import orders
from store import tables as t
from store.fulfillments import plan_of
from tests.bed import Bed
from workflows.upkeep import UpkeepWorkflow


async def test_slow_parcels_make_later_promises(bed: Bed) -> None:
    """One parcel was really shipped; it took two weeks, and so did many like it."""
    bed.stock("sku-slow", dc_east=50)
    incoming = bed.order("slow-1", [("sku-slow", 1)])
    await bed.start(incoming)
    await bed.ship(incoming.order.id)
    await bed.until(lambda: bed.status(incoming.order.id) == "completed", 30)
    (parcel,) = bed.rows(t.shipments, incoming.order.id)
    now = bed.now()
    took = {"shipped_at": now - timedelta(days=14), "ended_at": now}
    with bed.context.db.write() as connection:
        connection.execute(update(t.shipments).where(t.shipments.c.id == parcel.id).values(took))
        for number in range(120):
            copy = dict(parcel._mapping) | took | {"id": f"{parcel.id}-{number}"}
            connection.execute(t.shipments.insert(), copy)
    found: Upkept = await bed.client.execute_workflow(
        UpkeepWorkflow.run,
        UpkeepStart(activity=Activity.LEARN_TRANSIT, clock=bed.clock, hours=48),
        id=f"transit-{incoming.order.id}",
        task_queue=MAIN_QUEUE,
    )
    assert found.figures == {"parcels": 121, "changed": 1}

    network, queues = bed.context.network, bed.context.queues
    with bed.context.db.read() as connection:
        facts = order_facts(
            connection, orders.rows(connection, incoming.order.id), network, open_only=False
        )
        snapshot = route_snapshot(connection, facts, network, queues, bed.now(), 0)
    (zone,) = {z for n in snapshot.nodes if n.id == "dc_east" for z in n.zones.values()}
    (part,) = bed.fulfillments(incoming.order.id)
    used = plan_of(part).service
    service = next(s for s in snapshot.services if s.id == used)
    configured = network.service(used).transit
    assert service.transit[zone].p50 > configured[zone].p50
    assert isinstance(service.transit[zone], TransitFacts)
    others = {z: facts for z, facts in service.transit.items() if z != zone}
    assert others == {z: facts for z, facts in configured.items() if z != zone}
