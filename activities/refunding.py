"""What is owed back to a customer, and when it is paid."""

from __future__ import annotations

from typing import cast

from sqlalchemy import Connection, Row
from temporalio import activity

from activities.context import Context
from activities.contracts import Activity, m
from activities.exchanges import open_exchange
from activities.facts import order_facts
from domain.amounts import amount_due
from domain.decision import RefundCause, RefundOutcome, RefundSnapshot
from domain.order import Order
from domain.refunds import (
    EndRefund,
    GiveBack,
    RefundAsked,
    RefundMethod,
    RefundRequest,
    RefundSum,
    refund_of_workflow,
)
from finance.refunds import refund_of
from finance.returns import sum_for
from store import decisions, disputes, fulfillments, orders, refunds


class Refunding:
    """Local activities around refunds; the payment provider's are in outward.py."""

    def __init__(self, context: Context) -> None:
        self._c = context

    @activity.defn(name=Activity.ASK_REFUND)
    def ask(self, request: RefundRequest) -> RefundAsked:
        """Ask the refund policy about what an order was paid and no longer owes."""

        def step(connection: Connection) -> RefundAsked:
            rows = orders.rows(connection, request.order_id)
            paid = orders.payment(connection, request.order_id)
            order = Order.model_validate_json(rows.order.body)
            if request.fulfillment_id:
                found = self._of_parcel(connection, rows, order, request.fulfillment_id)
            else:
                amount = overcaptured(connection, rows, paid)
                found = _parts(order, rows, paid, amount) if paid and amount else RefundSum()
            if found.total_minor <= 0:
                return RefundAsked()
            outcome, decision_id = ask_policy(
                self._c, connection, rows, request, request.cause, found.total_minor
            )
            held = outcome.action == "review"
            method: RefundMethod = "payment" if paid else "by_hand"
            refund_id = refunds.ask(
                connection, order.id, request.cause, found, order.currency, decision_id,
                outcome.because, request.at, held=held, method=method,
            )  # fmt: skip
            return RefundAsked(
                refund_id=refund_id,
                amount_minor=found.total_minor,
                currency=order.currency,
                because=outcome.because,
                approver=(outcome.owner or "finance") if held else None,
                method=method,
            )

        return self._c.db.once(request.key, RefundAsked, step)

    @activity.defn(name=Activity.DECIDE_REFUND)
    def decide(self, request: m.Keyed) -> RefundAsked:
        """Ask the refund policy about an amount that a person wants to give back."""

        def step(connection: Connection) -> RefundAsked:
            row = refunds.get(connection, refund_of_workflow(request.order_id))
            rows = orders.rows(connection, row.order_id)
            outcome, decision_id = ask_policy(
                self._c, connection, rows, request, row.cause, row.amount_minor, counted=True
            )
            held = outcome.action == "review"
            refunds.decided(connection, row, decision_id, outcome.because, held, request.at)
            return RefundAsked(
                refund_id=row.id,
                amount_minor=row.amount_minor,
                currency=row.currency,
                because=f"{row.comment}: {outcome.because}",
                approver=(outcome.owner or "finance") if held else None,
                method=row.method,
                requester=row.requester,
            )

        return self._c.db.once(request.key, RefundAsked, step)

    def _of_parcel(
        self, connection: Connection, rows: orders.Rows, order: Order, fulfillment_id: str
    ) -> RefundSum:
        """What was paid for what a fulfillment order has sent, and that nobody gets."""
        sent = fulfillments.allocations(
            connection, fulfillment_id=fulfillment_id, statuses=("consumed",)
        )
        due: dict[str, int] = {}
        for a in sent:
            due[a.line_id] = due.get(a.line_id, 0) + a.quantity
        before, shipping = refunds.paid_for_no_more(connection, rows)
        return sum_for(order, before, due, dict.fromkeys(due, "not_as_described"), 0, shipping)

    @activity.defn(name=Activity.GIVE_BACK_BY_HAND)
    def by_hand(self, request: GiveBack) -> m.Audited:
        """A person has paid it where the shop was paid, or given credit for it."""

        def step(connection: Connection) -> m.Audited:
            proof = request.proof or f"by {request.user}"
            refunds.begin(connection, request.refund_id, request.at)
            refunds.settle(connection, request.refund_id, proof, request.at)
            return m.Audited()

        return self._c.db.once(request.key, m.Audited, step)

    @activity.defn(name=Activity.OPEN_EXCHANGE)
    def exchange(self, request: GiveBack) -> m.Audited:
        """Goods instead of money: an order of its own, that nobody pays for."""

        def step(connection: Connection) -> m.Audited:
            row = refunds.begin(connection, request.refund_id, request.at)
            new = open_exchange(connection, self._c.vault, row, request.at)
            refunds.settle(connection, request.refund_id, new, request.at)
            return m.Audited()

        return self._c.db.once(request.key, m.Audited, step)

    @activity.defn(name=Activity.END_REFUND)
    def end(self, request: EndRefund) -> m.Audited:
        """It will not be paid by us."""

        def step(connection: Connection) -> m.Audited:
            refunds.end(connection, request.refund_id, request.reason, request.at)
            return m.Audited()

        return self._c.db.once(request.key, m.Audited, step)


def ask_policy(
    context: Context, connection: Connection, rows: orders.Rows, request: m.Keyed,
    cause: RefundCause, amount_minor: int, *, counted: bool = False,
    fraud_signals: tuple[str, ...] = (),
) -> tuple[RefundOutcome, str]:  # fmt: skip
    """What the refund policy says of an amount, and the ID of the recorded decision.

    Args:
        counted: the amount is among those that the store knows already.
        fraud_signals: what speaks against it.
    """
    order_id = rows.order.id
    recent, yearly = refunds.of_customer(connection, order_id, request.at)
    snapshot = RefundSnapshot(
        now=request.at,
        order=order_facts(connection, rows, context.network, open_only=False),
        cause=cause,
        amount_minor=amount_minor,
        captured_minor=refunds.taken_minor(connection, order_id),
        settled_minor=refunds.promised_minor(connection, order_id) - amount_minor * counted,
        recent_refunds=recent - counted,
        yearly_orders=yearly,
        disputed=disputes.taken_back_minor(connection, order_id) > 0,
        fraud_signals=fraud_signals,
    )
    decision = context.decide(connection, snapshot)
    decision_id = f"{request.key}/refund"
    decisions.record(connection, decision_id, order_id, snapshot, decision, request.at)
    return cast(RefundOutcome, decision.outcome), decision_id


def overcaptured(connection: Connection, found: orders.Rows, paid: Row[object] | None) -> int:
    """What was captured over what the order owes now, less what was asked for it already."""
    if paid is None or not paid.captured_minor:
        return 0
    cancelled = {line.line_id: line.cancelled for line in found.lines}
    due = amount_due(Order.model_validate_json(found.order.body), cancelled)
    asked = refunds.asked_minor(connection, found.order.id, "cancelled")
    return max(0, int(paid.captured_minor) - asked - due)


def _parts(order: Order, rows: orders.Rows, paid: Row[object], amount: int) -> RefundSum:
    """The amount by lines, where they are known to come to it."""
    before = orders.never_charged(rows, paid)
    if paid.uncharged and not paid.refunded_minor:
        after = {line.line_id: line.cancelled for line in rows.lines}
        found = refund_of(order, before, after)
        everything = all(after[x.line_id] >= x.ordered for x in rows.lines)
        left = amount - found.total_minor
        if left == 0 or (everything and left > 0):  # with the last unit shipping goes back, too
            return found.model_copy(update={"shipping_minor": left})
    return RefundSum(other_minor=amount)
