"""Step 8, second half, and messages: the OMS, the payment provider, customer care."""

from __future__ import annotations

from typing import cast

from sqlalchemy import Connection
from temporalio import activity

from activities.context import Context
from activities.contracts import Activity, m
from activities.errors import vendor_errors
from connectors.ports import CX, OMS, PaymentProvider, ShipmentNotice, Ticket
from domain.amounts import amount_due
from domain.fulfillment import Tracking
from store import fulfillments, orders


class OmsActivities:
    """Confirms shipments and cancellations where the order came from."""

    def __init__(self, context: Context) -> None:
        self._c = context

    @activity.defn(name=Activity.CONFIRM)
    async def confirm(self, request: m.ConfirmRequest) -> m.Audited:
        """Tell the OMS what was shipped, with tracking, once.

        A parcel that is sent again has units that the shop knows as shipped: it takes each
        only once, and is told of the others.
        """
        oms = cast(OMS, self._c.connectors[request.connector])
        notice = await self._c.db.in_thread(self._notice, request)
        if not notice.lines:
            return m.Audited()
        with vendor_errors():
            found = None
            if activity.info().attempt > 1:
                found = await oms.find_confirmation(notice.external_order_id, notice.reference)
            done = found or await oms.confirm_shipment(notice, request.key)

        def record(connection: Connection) -> m.Audited:
            fulfillments.confirmed(
                connection, request.order_id, request.fulfillment_id, done.external_id, request.at
            )
            return m.Audited()

        return await self._c.db.in_thread(self._c.db.once, request.key, m.Audited, record)

    @activity.defn(name=Activity.CANCEL_AT_OMS)
    async def cancel(self, request: m.CancelAtOms) -> m.Undone:
        """Tell the OMS that an order will not ship."""
        oms = cast(OMS, self._c.connectors[request.connector])
        with self._c.db.read() as connection:
            external_id = orders.load(connection, request.order_id).external_id
        with vendor_errors():
            outcome = await oms.cancel_order(external_id, request.key)
        return m.Undone(status=outcome.status, reason=outcome.reason)

    def _notice(self, request: m.ConfirmRequest) -> ShipmentNotice:
        with self._c.db.read() as connection:
            row = fulfillments.get_with_order(connection, request.fulfillment_id)
            parcels = fulfillments.shipments(connection, row.id)
            units = fulfillments.to_confirm(connection, row.order_id, row.id)
        lines = tuple(
            q.model_copy(update={"quantity": units[q.line_id]})
            for q in fulfillments.plan_of(row).lines
            if units.get(q.line_id)
        )
        return ShipmentNotice(
            reference=row.id,
            external_order_id=row.order_external_id,
            location=self._c.network.node(row.node).location,
            lines=lines,
            tracking=tuple(
                Tracking(
                    carrier=p.carrier, service=p.service, number=p.tracking_number,
                    url=p.tracking_url,
                )
                for p in parcels
                if p.status != "voided"
            ),
        )  # fmt: skip


class PaymentActivities:
    """Captures what an order owes, once, at its first hand-over."""

    def __init__(self, context: Context) -> None:
        self._c = context

    @activity.defn(name=Activity.CAPTURE)
    async def capture(self, request: m.CaptureRequest) -> m.Captured:
        """Capture the order's amount without its cancelled units."""
        provider = cast(PaymentProvider, self._c.connectors[request.connector])
        reference, amount, currency = await self._c.db.in_thread(self._due, request)
        with vendor_errors():
            found = await provider.find_capture(reference) if activity.info().attempt > 1 else None
            moved = found or await provider.capture(
                reference, amount, currency, request.order_id, request.key
            )

        def record(connection: Connection) -> m.Captured:
            orders.captured(
                connection, request.order_id, request.connector, moved.amount_minor,
                moved.currency, moved.external_id, request.at,
            )  # fmt: skip
            return m.Captured(amount_minor=moved.amount_minor, currency=moved.currency)

        return await self._c.db.in_thread(self._c.db.once, request.key, m.Captured, record)

    def _due(self, request: m.CaptureRequest) -> tuple[str, int, str]:
        with self._c.db.read() as connection:
            order = orders.load(connection, request.order_id)
            payment = orders.payment(connection, request.order_id)
            cancelled = {
                r.line_id: r.cancelled for r in orders.line_rows(connection, request.order_id)
            }
        assert payment is not None  # the workflow captures only where there is one
        due = min(amount_due(order, cancelled), payment.authorized_minor)
        return payment.reference, due, order.currency


class CxActivities:
    """Tells the owner of a case, by a ticket in the role's group."""

    def __init__(self, context: Context) -> None:
        self._c = context

    @activity.defn(name=Activity.NOTIFY)
    async def notify(self, request: m.NotifyRequest) -> m.Audited:
        """Open a ticket, once."""
        cx = cast(CX, self._c.connectors[request.connector])
        with vendor_errors():
            found = await cx.find(request.key) if activity.info().attempt > 1 else None
            if not found:
                await cx.notify(
                    Ticket(
                        reference=request.key,
                        group=self._c.network.cx_groups.get(request.role, request.role),
                        subject=request.subject,
                        body=request.body,
                        urgent=request.urgent,
                    ),
                    request.key,
                )
        return m.Audited()
