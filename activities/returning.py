"""Returns: what is decided of them, what arrives, what is paid back for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from sqlalchemy import Connection, Row
from temporalio import activity

from activities.context import Context
from activities.contracts import Activity, m
from activities.facts import order_facts
from activities.refunding import ask_policy
from activities.way_back import plan_way_back
from domain.base import InvalidInput
from domain.decision import ReturnLine, ReturnOutcome, ReturnSnapshot
from domain.order import Order
from domain.refunds import RefundAsked, RefundMethod
from domain.returns import (
    AcceptReturn,
    AskReturnRefund,
    InspectReturn,
    ReceiveReturn,
    ReturnAnswer,
    ReturnDecided,
    ReturnStands,
    ReturnTrouble,
    StepReturn,
    fraud_signals,
)
from domain.states import IllegalTransition
from finance.returns import ReturnedLine, due_units, goes_at, sum_for
from store import catalog, decisions, events, orders, recoveries, refunds, returns

_DAMAGED = "damaged"


class Returning:
    """Local activities around returns. ``order_id`` of their requests is the return's ID."""

    def __init__(self, context: Context) -> None:
        self._c = context

    @activity.defn(name=Activity.DECIDE_RETURN)
    def decide(self, request: m.Keyed) -> ReturnDecided:
        """Ask the return policy, and do as it says."""

        def step(connection: Connection) -> ReturnDecided:
            row = returns.get(connection, request.order_id)
            snapshot = self._snapshot(connection, row, request)
            decision = self._c.decide(connection, snapshot)
            outcome = cast(ReturnOutcome, decision.outcome)
            decision_id = f"{request.key}/return"
            decisions.record(connection, decision_id, row.order_id, snapshot, decision, request.at)
            said = {"decision_id": decision_id, "because": outcome.because}
            if outcome.action in ("approve", "keep_it"):
                self._approve(connection, row, request, said, label=outcome.action == "approve")
            if outcome.action == "keep_it":
                returns.accept_all(connection, row, "policy", request.at)
                returns.move(
                    connection, row, "process", request.at, because="the customer keeps it"
                )
            if outcome.action == "decline":
                returns.move(connection, row, "decline", request.at, changes=said)
            if outcome.action == "review":
                returns.move(connection, row, "ask", request.at, changes=said)
            return ReturnDecided(
                action=outcome.action,
                because=outcome.because,
                owner=(outcome.owner or "customer_care") if outcome.action == "review" else None,
                stands=returns.stands(connection, row.id),
            )

        return self._c.db.once(request.key, ReturnDecided, step)

    @activity.defn(name=Activity.STEP_RETURN)
    def step(self, request: StepReturn) -> ReturnStands:
        """Carry out a transition; one that was made already stays."""

        def step(connection: Connection) -> ReturnStands:
            row = returns.get(connection, request.order_id)
            said = {"because": request.reason} if request.reason else {}
            if request.step == "approve":
                self._approve(connection, row, request, said, label=True)
            elif request.step in ("ship", "arrive"):
                self._parcels(connection, row, request)
            else:
                returns.move(
                    connection, row, request.step, request.at, changes=said, user=request.user,
                    reason=request.reason,
                )  # fmt: skip
            return returns.stands(connection, row.id)

        return self._c.db.once(request.key, ReturnStands, step)

    @activity.defn(name=Activity.LOOK_AT_RETURN)
    def look(self, request: m.Keyed) -> ReturnStands:
        """What is known of it now."""
        with self._c.db.read() as connection:
            return returns.stands(connection, request.order_id)

    @activity.defn(name=Activity.RECEIVE_RETURN)
    def receive(self, request: ReceiveReturn) -> ReturnAnswer:
        """Units are at the dock."""

        def step(connection: Connection, row: Row[object]) -> None:
            extra = returns.receive(connection, row, request.lines, request.at)
            counted = {x.line_id: x.quantity for x in request.lines}
            self._audit(connection, request, request.user, "return_receive", extra=extra, **counted)

        return self._by_person(request, request.user, step)

    @activity.defn(name=Activity.INSPECT_RETURN)
    def inspect(self, request: InspectReturn) -> ReturnAnswer:
        """Units were looked at; with ``last``, what has not come counts as missing."""

        def step(connection: Connection, row: Row[object]) -> None:
            at, user = request.at, request.user
            returns.inspect(connection, row, request.lines, request.key, user, at)
            gone = 0
            if request.last:
                gone = returns.missing(connection, row, f"{request.key}/missing", user, at)
            looked = [x.model_dump() for x in request.lines]
            self._audit(connection, request, user, "return_inspect", lines=looked, missing=gone)

        return self._by_person(request, request.user, step)

    @activity.defn(name=Activity.ACCEPT_RETURN)
    def accept(self, request: AcceptReturn) -> ReturnStands:
        """A person lets units count that the inspection did not."""

        def step(connection: Connection) -> ReturnStands:
            row = returns.get(connection, request.order_id)
            if request.what == "all":
                returns.accept_all(connection, row, request.user, request.at)
            else:
                returns.accept_extra(connection, row, request.user, request.at)
            return returns.stands(connection, row.id)

        return self._c.db.once(request.key, ReturnStands, step)

    @activity.defn(name=Activity.END_INSPECTION)
    def end_inspection(self, request: m.Keyed) -> ReturnTrouble:
        """All was looked at, or nothing more will come: is anything wrong with it?"""

        def step(connection: Connection) -> ReturnTrouble:
            row = returns.get(connection, request.order_id)
            returns.missing(connection, row, f"{request.key}/missing", "system", request.at)
            kind, because = trouble(connection, row.id)
            name = "ask" if kind else "process"
            returns.move(connection, row, name, request.at, because=because)
            return ReturnTrouble(
                kind=kind,
                because=because,
                stands=returns.stands(connection, row.id),
                paid_minor=recoveries.paid_too_much(connection, row.id).total_minor,
            )

        return self._c.db.once(request.key, ReturnTrouble, step)

    @activity.defn(name=Activity.ASK_RETURN_REFUND)
    def ask_refund(self, request: AskReturnRefund) -> RefundAsked:
        """Ask the refund policy about the units that may be paid back at this stage."""

        def step(connection: Connection) -> RefundAsked:
            row = returns.get(connection, request.order_id)
            rows = orders.rows(connection, row.order_id)
            order = Order.model_validate_json(rows.order.body)
            paid = orders.payment(connection, order.id)
            lines = returns.lines(connection, row.id)
            asked, _shipping = refunds.units_paid_back(connection, order.id, row.id)
            due = due_units(
                request.stage,
                [
                    ReturnedLine(x.line_id, x.reason, x.quantity, x.received, x.accepted)
                    for x in lines
                ],
                asked,
            )
            before, shipping = refunds.paid_for_no_more(connection, rows)
            found = sum_for(
                order, before, due, {x.line_id: x.reason for x in lines},
                self._c.network.returns.restocking_fee_percent, shipping,
            )  # fmt: skip
            if found.total_minor <= 0:
                return RefundAsked()
            _recent, _yearly, gone = returns.of_customer(connection, row, request.at)
            outcome, decision_id = ask_policy(
                self._c, connection, rows, request, "return", found.total_minor,
                fraud_signals=fraud_signals(order.risk, gone),
            )  # fmt: skip
            goes = goes_at(outcome.action, request.stage)
            if goes == "waits":
                return RefundAsked()
            method = _method(row.wish, paid is not None)
            refund_id = refunds.ask(
                connection, order.id, "return", found, order.currency, decision_id,
                outcome.because, request.at, held=goes == "asks", return_id=row.id, method=method,
            )  # fmt: skip
            return RefundAsked(
                refund_id=refund_id,
                amount_minor=found.total_minor,
                currency=order.currency,
                because=outcome.because,
                approver=(outcome.owner or "finance") if goes == "asks" else None,
                method=method,
                requester=row.requester,
            )

        return self._c.db.once(request.key, RefundAsked, step)

    # ---------------------------------------------------------------------------------------

    def _by_person(
        self, request: ReceiveReturn | InspectReturn, user: str,
        change: Callable[[Connection, Row[object]], None],
    ) -> ReturnAnswer:  # fmt: skip
        """What a person at the dock says, or why it is refused; then nothing is changed."""

        def step(connection: Connection) -> ReturnAnswer:
            change(connection, returns.get(connection, request.order_id))
            return ReturnAnswer(stands=returns.stands(connection, request.order_id))

        refusal = ""
        if not {"fulfillment_ops", "customer_care"} & set(self._c.network.roles_of(user)):
            refusal = f"{user} holds neither the role fulfillment_ops nor customer_care"
        if not refusal:
            try:
                return self._c.db.once(request.key, ReturnAnswer, step)
            except (InvalidInput, IllegalTransition) as wrong:  # it may just have ended
                refusal = str(wrong)
        with self._c.db.write() as connection:
            self._audit(connection, request, user, "return_refused", refusal=refusal)
            stands = returns.stands(connection, request.order_id)
        return ReturnAnswer(refusal=refusal, stands=stands)

    def _snapshot(
        self, connection: Connection, row: Row[object], request: m.Keyed
    ) -> ReturnSnapshot:
        rows = orders.rows(connection, row.order_id)
        order = Order.model_validate_json(rows.order.body)
        found = returns.lines(connection, row.id)
        items = catalog.get_items(connection, {x.sku for x in found})
        prices = {x.line_id: x.unit_price_minor for x in order.lines}
        recent, yearly, gone = returns.of_customer(connection, row, request.at)
        return ReturnSnapshot(
            now=request.at,
            order=order_facts(connection, rows, self._c.network, open_only=False),
            lines=tuple(
                ReturnLine(
                    line_id=x.line_id,
                    sku=x.sku,
                    quantity=x.quantity,
                    unit_price_minor=prices[x.line_id],
                    final_sale=bool((item := items.get(x.sku)) and item.final_sale),
                    reason=x.reason,
                )
                for x in found
            ),
            delivered_at=returns.delivered_at(connection, order.id),
            recent_returns=recent,
            yearly_orders=yearly,
            fraud_signals=fraud_signals(order.risk, gone),
        )

    def _approve(
        self, connection: Connection, row: Row[object], request: m.Keyed, said: dict[str, str],
        *, label: bool,
    ) -> None:  # fmt: skip
        """Approve it, with the plan of its way back where we buy a label for it."""
        plan = plan_way_back(connection, self._c.network, row, request.at) if label else None
        changes = {**said, "plan": plan.model_dump_json() if plan else ""}
        returns.move(connection, row, "approve", request.at, changes=changes, node=row.node)

    def _parcels(self, connection: Connection, row: Row[object], request: StepReturn) -> None:
        """A carrier has its parcel, or has brought it."""
        before, name, column = (
            (("label_created", "void_requested"), "send_back", "shipped_at")
            if request.step == "ship"
            else (("shipped",), "arrive", "ended_at")
        )
        for parcel in returns.parcels(connection, row.id):
            if parcel.status in before:
                events.move_all(
                    connection, "shipment", name, [parcel], row.order_id, request.at,
                    changes={column: request.at}, return_id=row.id,
                )  # fmt: skip
        if request.step == "ship" and row.state == "approved":
            returns.move(connection, row, "ship", request.at)

    def _audit(
        self, connection: Connection, request: m.Keyed, user: str, action: str, **body: object
    ) -> None:
        self._c.audit.append(connection, request.order_id, request.at, user, action, **body)


def trouble(connection: Connection, return_id: str) -> tuple[str, str]:
    """(kind of exception, text) of what is wrong with a return that was looked at; two empty
    texts where nothing is."""
    lines = returns.lines(connection, return_id)
    units = {"wrong_item": 0, "missing": 0, _DAMAGED: 0}
    for x in returns.inspections(connection, return_id):
        if x.grade in units:
            units[x.grade] += x.quantity
    wanted = sum(x.quantity for x in lines)
    if all(x.accepted >= x.quantity for x in lines):
        return "", ""
    said = ", ".join(f"{n} {grade.replace('_', ' ')}" for grade, n in units.items() if n)
    if units["missing"] == wanted:
        return "return_empty", f"none of the {wanted} units was in the parcel"
    if units["wrong_item"]:
        return "return_wrong_item", f"of {wanted} units: {said}"
    return "return_incomplete", f"of {wanted} units: {said}"


def _method(wish: str, we_captured: bool) -> RefundMethod:
    if wish == "exchange":
        return "exchange"
    if wish == "store_credit":
        return "store_credit"
    return "payment" if we_captured else "by_hand"
