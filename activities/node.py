"""Step 6: fulfillment orders at warehouses and 3PLs."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import Row
from temporalio import activity

from activities.context import Context
from activities.contracts import Activity, m
from activities.errors import vendor_errors
from activities.facts import holidays_of
from activities.planning import successors
from connectors.ports import FulfillmentNode, Submission
from domain.fulfillment import FulfillmentRequest
from sourcing import ship_at
from store import events, fulfillments, releases


class NodeActivities:
    """Submits and cancels at the node that a fulfillment order belongs to."""

    def __init__(self, context: Context) -> None:
        self._c = context

    @activity.defn(name=Activity.SUBMIT)
    async def submit(self, request: m.SubmitRequest) -> m.Submitted:
        """Hand a fulfillment order to its node, once; not one that has ended, as one does that
        waited, and whose place another one has taken."""
        node = self._node(request.connector)
        row, instead = await self._c.db.in_thread(self._look_up, request)
        if row.status == "cancelled":
            return m.Submitted(instead=instead)
        wanted = self._wanted(row)
        address = self._c.vault.unseal(row.sealed, row.address_ref)
        with vendor_errors():
            found = await node.find(wanted.reference) if activity.info().attempt > 1 else None
            sent = found or await node.submit(wanted, address, request.key)

        return await self._c.db.in_thread(self._record, request, sent)

    @activity.defn(name=Activity.CANCEL_FULFILLMENT)
    async def cancel(self, request: m.UndoRequest) -> m.Undone:
        """Compensation: take a fulfillment order back from its node, known to it or not."""
        node = self._node(request.connector)
        external_id = await self._c.db.in_thread(self._external_id, request)
        with vendor_errors():
            if not external_id:  # the submit's outcome is unknown: look it up
                found = await node.find(request.fulfillment_id)
                external_id = found.external_id if found else ""
            if not external_id:
                return m.Undone(status="cancelled", reason="the node never had it")
            outcome = await node.cancel(external_id, request.key)
        await self._c.db.in_thread(self._record_cancel, request, outcome.status)
        return m.Undone(status=outcome.status, reason=outcome.reason)

    def _look_up(self, request: m.SubmitRequest) -> tuple[Row[Any], tuple[m.FulfillmentRef, ...]]:
        """It and its order; and what stands for it now, where it has ended."""
        if request.waited:
            with self._c.db.write() as connection:
                releases.claim(connection, request.fulfillment_id)
        with self._c.db.read() as connection:
            row = fulfillments.get_with_order(connection, request.fulfillment_id)
            return row, successors(connection, row) if row.status == "cancelled" else ()

    def _wanted(self, row: Row[Any]) -> FulfillmentRequest:
        part = fulfillments.plan_of(row)
        return FulfillmentRequest(
            reference=row.id,
            order_id=row.order_id,
            order_number=row.order_number or row.order_external_id,
            warehouse=self._c.network.node(row.node).warehouse,
            shipping_method=part.service,
            lines=part.lines,
        )

    def _record(self, request: m.SubmitRequest, sent: Submission) -> m.Submitted:
        with self._c.db.write() as connection:
            row = fulfillments.get(connection, request.fulfillment_id)
            coming = ship_at(
                request.at, self._c.network.node(row.node),
                holidays_of(self._c.network, request.at),
            )  # fmt: skip
            # what waited for an approval may have missed its pickup
            leaves = max(coming, row.ship_at)
            fulfillments.submitted(
                connection, request.fulfillment_id, sent.external_id, sent.accepted, leaves,
                request.at,
            )  # fmt: skip
        return m.Submitted(external_id=sent.external_id, accepted=sent.accepted, ship_at=leaves)

    def _external_id(self, request: m.UndoRequest) -> str:
        with self._c.db.write() as connection:
            row = fulfillments.get(connection, request.fulfillment_id)
            if row.request_status in ("submitted", "accepted", "cancellation_rejected"):
                events.move(
                    connection, "fulfillment_order", "request_cancel", row.id, row.order_id,
                    request.at,
                )  # fmt: skip
            return str(row.external_id)

    def _record_cancel(self, request: m.UndoRequest, status: str) -> None:
        if status != "refused":
            return  # giving the stock back records the cancellation itself
        with self._c.db.write() as connection:
            row = fulfillments.get(connection, request.fulfillment_id)
            if row.request_status == "cancellation_requested":
                events.move(
                    connection, "fulfillment_order", "refuse_cancel", row.id, row.order_id,
                    request.at,
                )  # fmt: skip

    def _node(self, name: str) -> FulfillmentNode:
        return cast(FulfillmentNode, self._c.connectors[name])
