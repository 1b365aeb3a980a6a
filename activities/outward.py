"""Step 8, second half, and messages: the OMS, the payment provider, customer care."""

from __future__ import annotations

from typing import Any, cast

import orjson
from sqlalchemy import Connection, Row
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.context import Context
from activities.contracts import Activity, ErrorType, m
from activities.errors import vendor_errors
from connectors.errors import Refused
from connectors.ports import (
    CX,
    OMS,
    ChargesAgain,
    MoneyMove,
    PaymentProvider,
    ShipmentNotice,
    TakesReturns,
    Ticket,
)
from domain.amounts import amount_due
from domain.fulfillment import Tracking
from domain.recoveries import ChargeAgain, Recovered
from domain.refunds import PayRefund, RefundPaid
from store import fulfillments, orders, recoveries, refunds, returns


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
        if not notice.lines:  # it is cancelled: what an attempt before has begun is taken back
            with vendor_errors():
                await oms.withdraw_confirmation(notice.external_order_id, notice.reference)
            return m.Audited()
        with vendor_errors():
            found = None
            if activity.info().attempt > 1:
                found = await oms.find_confirmation(notice.external_order_id, notice.reference)
            done = found or await oms.confirm_shipment(notice, request.key)

        def record(connection: Connection) -> m.Audited:
            fulfillments.confirmed(
                connection, request.order_id, request.fulfillment_id, done.external_id, request.at,
                {q.line_id: q.quantity for q in notice.lines},
            )  # fmt: skip
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

    @activity.defn(name=Activity.CANCEL_RETURN_AT_OMS)
    async def cancel_return(self, request: m.CancelAtOms) -> m.Undone:
        """Tell the OMS that nothing of a return comes; ``order_id`` is the return's."""
        oms = cast(TakesReturns, self._c.connectors[request.connector])
        with self._c.db.read() as connection:
            external_id = returns.get(connection, request.order_id).external_id
        with vendor_errors():
            outcome = await oms.cancel_return(external_id, request.key)
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
    """Captures what an order owes, once, at its first hand-over; pays refunds."""

    def __init__(self, context: Context) -> None:
        self._c = context

    @activity.defn(name=Activity.CAPTURE)
    async def capture(self, request: m.CaptureRequest) -> m.Captured:
        """Capture the order's amount without its cancelled units."""
        provider = cast(PaymentProvider, self._c.connectors[request.connector])
        reference, amount, currency, without = await self._c.db.in_thread(self._due, request)
        with vendor_errors():
            found = await provider.find_capture(reference) if activity.info().attempt > 1 else None
            moved = found or await provider.capture(
                reference, amount, currency, request.order_id, request.key
            )

        def record(connection: Connection) -> m.Captured:
            # an earlier attempt may have captured before more was cancelled
            known = without if moved.amount_minor == amount else ""
            orders.captured(
                connection, request.order_id, request.connector, moved.amount_minor,
                moved.currency, moved.external_id, request.at, uncharged=known,
            )  # fmt: skip
            return m.Captured(amount_minor=moved.amount_minor, currency=moved.currency)

        return await self._c.db.in_thread(self._c.db.once, request.key, m.Captured, record)

    def _due(self, request: m.CaptureRequest) -> tuple[str, int, str, str]:
        """(payment, amount, currency, units that it is not captured for)."""
        with self._c.db.read() as connection:
            order = orders.load(connection, request.order_id)
            payment = orders.payment(connection, request.order_id)
            cancelled = {
                r.line_id: r.cancelled for r in orders.line_rows(connection, request.order_id)
            }
        assert payment is not None  # the workflow captures only where there is one
        due = min(amount_due(order, cancelled), payment.authorized_minor)
        without = {line_id: units for line_id, units in cancelled.items() if units}
        return payment.reference, due, order.currency, orjson.dumps(without).decode()

    @activity.defn(name=Activity.PAY_REFUND)
    async def refund(self, request: PayRefund) -> RefundPaid:
        """Pay a refund back, once: the provider knows it by our reference."""
        provider = cast(PaymentProvider, self._c.connectors[request.connector])
        row, reference = await self._c.db.in_thread(self._begin, request)
        if row.state == "settled":
            return RefundPaid(status="settled")
        with vendor_errors():
            moved = await provider.refund(
                reference, row.amount_minor, row.currency, row.id, request.key
            )
        await self._c.db.in_thread(self._paid, request, moved)
        return RefundPaid(status=moved.status)

    def _begin(self, request: PayRefund) -> tuple[Row[Any], str]:
        with self._c.db.write() as connection:
            try:
                row = refunds.begin(connection, request.refund_id, request.at)
            except refunds.OverCaptured as over:
                raise ApplicationError(
                    str(over), type=ErrorType.REFUSED, non_retryable=True
                ) from None
            payment = orders.payment(connection, row.order_id)
        assert payment is not None  # begin has found what was captured
        return row, payment.reference

    def _paid(self, request: PayRefund, moved: MoneyMove) -> None:
        with self._c.db.write() as connection:
            if moved.status == "settled":
                refunds.settle(connection, request.refund_id, moved.external_id, request.at)
            elif moved.status == "failed":
                refunds.fail(connection, request.refund_id, request.at)

    @activity.defn(name=Activity.CHARGE_AGAIN)
    async def charge_again(self, request: ChargeAgain) -> Recovered:
        """Take back what was paid for goods that did not pass, once: by our reference."""
        provider = cast(ChargesAgain, self._c.connectors[request.connector])
        row, reference = await self._c.db.in_thread(self._begin_recovery, request)
        if row.state == "settled":
            return Recovered(status="settled")
        with vendor_errors():
            try:
                moved = await provider.charge_again(
                    reference, row.amount_minor, row.currency, row.id, request.key
                )
            except Refused as refused:  # a card says no as often as not: that is an answer
                await self._c.db.in_thread(self._recovered, request, "failed", "")
                return Recovered(status="failed", reason=refused.code)
        await self._c.db.in_thread(self._recovered, request, moved.status, moved.external_id)
        return Recovered(status=moved.status)

    def _begin_recovery(self, request: ChargeAgain) -> tuple[Row[Any], str]:
        with self._c.db.write() as connection:
            row = recoveries.begin(connection, request.recovery_id, request.connector, request.at)
            payment = orders.payment(connection, row.order_id)
        assert payment is not None  # what is taken back was paid by it
        return row, payment.reference

    def _recovered(self, request: ChargeAgain, status: str, external_id: str) -> None:
        of, at = request.recovery_id, request.at
        with self._c.db.write() as connection:
            if status == "settled":
                recoveries.settle(connection, of, external_id, "system", at)
            elif status == "failed":
                recoveries.fail(connection, of, at)


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
