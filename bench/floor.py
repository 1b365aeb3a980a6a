"""The floor of throughput: the happy order's primitives and commits, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from activities.context import Context
    from activities.contracts import m
    from connectors.ports import ParcelRequest, ShipmentNotice
    from domain.fulfillment import Fact, FulfillmentRequest
    from tests.bed import CHICAGO
    from tests.doubles import CarrierDouble, NodeDouble, OmsDouble, PaymentDouble
    from workflows import attributes as a

QUEUE = "floor"
# A queue a vendor with the vendor's rate limit on it, as ours are.
VENDOR_QUEUES = {
    "floor_submit": "floor-node", "floor_label": "floor-carrier", "floor_confirm": "floor-oms",
    "floor_capture": "floor-payment",
}  # fmt: skip
A_DAY = timedelta(days=1)


@workflow.defn(name="Floor")
class FloorWorkflow:
    """The same local activities, activities, timers, upserts and signals, without a thought."""

    @workflow.init
    def __init__(self, start: m.OrderStart) -> None:
        self._start = start
        self._facts: set[Fact] = set()
        self._steps = 0

    @workflow.run
    async def run(self, start: m.OrderStart) -> m.Audited:
        for _ in ("accept", "plan", "reserve"):
            await self._commit()
        self._mark("work")
        await self._vendor("floor_submit")
        await self._wait(Fact.PACKED)
        await self._vendor("floor_label")
        await self._wait(Fact.SHIPPED)
        await self._commit()  # hand over
        self._mark("delivery")
        paperwork = asyncio.gather(self._vendor("floor_confirm"), self._vendor("floor_capture"))
        await self._wait(Fact.DELIVERED)
        await self._local("floor_look")
        await self._commit()  # end of the delivery
        await paperwork
        await self._commit()  # finish
        return m.Audited()

    @workflow.signal
    async def observed(self, seen: m.Observed) -> None:
        self._facts.add(seen.fact)

    async def _commit(self) -> None:
        await self._local("floor_commit")

    async def _local(self, name: str) -> None:
        await workflow.execute_local_activity(
            name, self._keyed(), result_type=m.Audited,
            start_to_close_timeout=timedelta(seconds=15), summary=name,
        )  # fmt: skip

    async def _vendor(self, name: str) -> None:
        await workflow.execute_activity(
            name, self._keyed(), task_queue=VENDOR_QUEUES[name], result_type=m.Audited,
            start_to_close_timeout=timedelta(seconds=40), summary=name,
        )  # fmt: skip

    async def _wait(self, fact: Fact) -> None:
        await workflow.wait_condition(
            lambda: fact in self._facts, timeout=A_DAY, timeout_summary=fact.value
        )

    def _keyed(self) -> m.Keyed:
        self._steps += 1
        order = self._start.order_id
        return m.Keyed(order_id=order, key=f"floor/{order}/{self._steps}", at=workflow.now())

    def _mark(self, waiting: str) -> None:
        workflow.upsert_search_attributes(
            [a.WAITING_FOR.value_set(waiting), a.WAITING_SINCE.value_set(workflow.now())]
        )


class FloorActivities:
    """One commit a step, and the same calls to the same doubles."""

    def __init__(self, context: Context) -> None:
        self._c = context

    def local(self) -> list[Callable[..., Any]]:
        return [self.commit, self.look]

    def vendor(self) -> dict[str, Callable[..., Any]]:
        """By the queue that each is asked on."""
        steps = (self.submit, self.label, self.confirm, self.capture)
        return dict(zip(VENDOR_QUEUES.values(), steps, strict=True))

    @activity.defn(name="floor_commit")
    def commit(self, request: m.Keyed) -> m.Audited:
        return self._c.db.once(request.key, m.Audited, lambda _: m.Audited())

    @activity.defn(name="floor_look")
    def look(self, request: m.Keyed) -> m.Audited:
        with self._c.db.read() as connection:
            connection.exec_driver_sql("SELECT 1")
        return m.Audited()

    @activity.defn(name="floor_submit")
    async def submit(self, request: m.Keyed) -> m.Audited:
        node = cast(NodeDouble, self._c.connectors["tryton"])
        wanted = FulfillmentRequest(
            reference=f"floor/{request.order_id}", order_id=request.order_id, order_number="1",
            warehouse="1", shipping_method="ground", lines=(),
        )  # fmt: skip
        await node.submit(wanted, CHICAGO, request.key)
        return await self._record(request)

    @activity.defn(name="floor_label")
    async def label(self, request: m.Keyed) -> m.Audited:
        carrier = cast(CarrierDouble, self._c.connectors["easypost"])
        parcel = ParcelRequest(
            reference=f"floor/{request.order_id}", carrier="UPS", service="ground", length=1,
            width=1, height=1, weight_mg=1, ship_from=CHICAGO, ship_to=CHICAGO,
        )  # fmt: skip
        await carrier.buy(parcel, None, request.key)
        return await self._record(request)

    @activity.defn(name="floor_confirm")
    async def confirm(self, request: m.Keyed) -> m.Audited:
        oms = cast(OmsDouble, self._c.connectors["medusa"])
        notice = ShipmentNotice(
            reference=f"floor/{request.order_id}", external_order_id=request.order_id, location="1",
            lines=(), tracking=(),
        )  # fmt: skip
        await oms.confirm_shipment(notice, request.key)
        return await self._record(request)

    @activity.defn(name="floor_capture")
    async def capture(self, request: m.Keyed) -> m.Audited:
        provider = cast(PaymentDouble, self._c.connectors["stripe"])
        await provider.capture(f"pi_{request.order_id}", 1, "USD", request.order_id, request.key)
        return await self._record(request)

    async def _record(self, request: m.Keyed) -> m.Audited:
        return await self._c.db.in_thread(self.commit, request)
