"""Steps 6 to 10 as the store sees them: short, rejected, handed over, delivered, closed."""

from __future__ import annotations

from sqlalchemy import Connection, update
from temporalio import activity

from activities.context import Context
from activities.contracts import Activity, m
from activities.intake import destination
from activities.planning import successors
from domain.fulfillment import label_number
from store import cases, claims, events, fulfillments, orders, releases
from store import tables as t

_OUTCOMES = {"deliver": "delivered", "lose": "lost", "return": "returned to sender"}


class Progress:
    """Local activities that write an order's progress."""

    def __init__(self, context: Context) -> None:
        self._c = context

    @activity.defn(name=Activity.LOOK)
    def look(self, request: m.FulfillmentRequestKeyed) -> m.Facts:
        """What the store knows now; a deadline reads it before it opens an exception."""
        with self._c.db.read() as connection:
            row = fulfillments.get(connection, request.fulfillment_id)
            facts, short, tracking = fulfillments.facts_of(row)
            return m.Facts(facts=facts, short=short, tracking=tracking)

    @activity.defn(name=Activity.GIVE_BACK)
    def give_back(self, request: m.FulfillmentRequestKeyed) -> m.Remaining:
        """Compensation: stock and lines as before the reservation; the order part is over."""

        def step(connection: Connection) -> m.Remaining:
            row = releases.lock(connection, request.fulfillment_id)
            if releases.superseded(row):
                return m.Remaining(units=0, returned=0, instead=successors(connection, row))
            units = fulfillments.give_back(connection, row, request.key, request.at)
            if row.status not in ("cancelled", "closed"):
                events.move(
                    connection, "fulfillment_order", "cancel", row.id, row.order_id, request.at,
                    reason=request.reason,
                )  # fmt: skip
            return m.Remaining(units=0, returned=units)

        return self._c.db.once(request.key, m.Remaining, step)

    @activity.defn(name=Activity.RECORD_SHORT)
    def record_short(self, request: m.ShortRequest) -> m.Remaining:
        """Units that were not on the shelf become open again."""

        def step(connection: Connection) -> m.Remaining:
            row = fulfillments.get(connection, request.fulfillment_id)
            left, returned = fulfillments.short_picked(
                connection, row.id, request.short, request.key, request.at
            )
            if row.status == "open":  # the node picked without saying that it accepted
                events.move(
                    connection, "fulfillment_order", "accept", row.id, row.order_id, request.at
                )
                row = fulfillments.get(connection, row.id)
            if row.status == "in_progress":
                events.move(
                    connection, "fulfillment_order", "short", row.id, row.order_id, request.at,
                    units=returned,
                )  # fmt: skip
            return m.Remaining(units=left, returned=returned)

        return self._c.db.once(request.key, m.Remaining, step)

    @activity.defn(name=Activity.RECORD_REJECTED)
    def record_rejected(self, request: m.FulfillmentRequestKeyed) -> m.Remaining:
        """The node will not ship it: everything goes back."""

        def step(connection: Connection) -> m.Remaining:
            row = fulfillments.get(connection, request.fulfillment_id)
            units = fulfillments.give_back(connection, row, request.key, request.at)
            events.move(
                connection, "fulfillment_order", "reject", row.id, row.order_id, request.at,
                reason=request.reason,
            )  # fmt: skip
            return m.Remaining(units=0, returned=units)

        return self._c.db.once(request.key, m.Remaining, step)

    @activity.defn(name=Activity.HAND_OVER)
    def hand_over(self, request: m.HandOver) -> m.Remaining:
        """The parcels left the node: consume the stock, mark shipments and lines shipped."""

        def step(connection: Connection) -> m.Remaining:
            row = fulfillments.get(connection, request.fulfillment_id)
            parcels = fulfillments.shipments(connection, row.id)
            if request.tracking is not None and not parcels:
                part = fulfillments.plan_of(row)
                fulfillments.add_shipment(
                    connection, f"{row.id}/p1", row, request.tracking, row.connector, "", "", "",
                    part.cost_minor, self._c.network.currency, part.deliver_p90, request.at,
                )  # fmt: skip
                parcels = fulfillments.shipments(connection, row.id)
            for parcel in parcels:
                if parcel.status == "label_created":
                    events.move_all(
                        connection, "shipment", "ship", [parcel], row.order_id, request.at,
                        changes={"shipped_at": request.at}, carrier=parcel.carrier,
                    )  # fmt: skip
            units = fulfillments.consumed(connection, row, request.key, request.at)
            # shipped is proof enough that the node had accepted it
            names = ("accept", "close") if row.status == "open" else ("close",)
            events.move_all(connection, "fulfillment_order", names, [row], row.order_id, request.at)
            return m.Remaining(units=units, returned=0)

        return self._c.db.once(request.key, m.Remaining, step)

    @activity.defn(name=Activity.REINSTATE_LABELS)
    def reinstate_labels(self, request: m.FulfillmentRequestKeyed) -> m.Labelled:
        """The parcels left in labels that were voided meanwhile: each one's newest counts again."""

        def step(connection: Connection) -> m.Labelled:
            labels = fulfillments.shipments(connection, request.fulfillment_id)
            by_age = sorted(labels, key=lambda label: label_number(label.id))
            newest = {label_number(label.id)[0]: label for label in by_age}
            for label in newest.values():
                if label.status == "voided":
                    events.move_all(
                        connection, "shipment", "reinstate", [label], label.order_id, request.at
                    )
            return m.Labelled(parcels=tuple(newest))

        return self._c.db.once(request.key, m.Labelled, step)

    @activity.defn(name=Activity.END_DELIVERY)
    def end_delivery(self, request: m.DeliveryStep) -> m.Audited:
        """Delivered, lost, or on its way back."""

        def step(connection: Connection) -> m.Audited:
            for parcel in fulfillments.shipments(connection, request.fulfillment_id):
                if parcel.status == "shipped":
                    events.move_all(
                        connection, "shipment", request.outcome, [parcel], parcel.order_id,
                        request.at, changes={"ended_at": request.at},
                        how=_OUTCOMES[request.outcome],
                    )  # fmt: skip
                    if request.outcome == "lose":
                        claims.open_claim(connection, parcel, "lost", "system", "", request.at)
            return m.Audited()

        return self._c.db.once(request.key, m.Audited, step)

    @activity.defn(name=Activity.RESHIP)
    def reship(self, request: m.FulfillmentRequestKeyed) -> m.Remaining:
        """A lost or returned parcel's units are open again, to be sent once more."""

        def step(connection: Connection) -> m.Remaining:
            row = fulfillments.get(connection, request.fulfillment_id)
            sent = fulfillments.allocations(
                connection, fulfillment_id=row.id, statuses=("consumed",)
            )
            units_of = [(a.line_id, a.quantity) for a in sent]
            orders.shift(connection, row.order_id, units_of, "shipped", "open")
            return m.Remaining(units=0, returned=sum(a.quantity for a in sent))

        return self._c.db.once(request.key, m.Remaining, step)

    @activity.defn(name=Activity.CANCEL_LINES)
    def cancel_lines(self, request: m.CancelLines) -> m.LinesLeft:
        """Cancel open units of the named lines, or of all; tells what is left."""

        def step(connection: Connection) -> m.LinesLeft:
            self._cancel_open(connection, request, request.lines, request.user, request.reason)
            return _left(connection, orders.rows(connection, request.order_id))

        return self._c.db.once(request.key, m.LinesLeft, step)

    def _cancel_open(
        self, connection: Connection, request: m.Keyed, lines: tuple[str, ...], user: str,
        reason: str,
    ) -> None:  # fmt: skip
        units_of = [
            (line.line_id, line.open)
            for line in orders.line_rows(connection, request.order_id)
            if line.open and (not lines or line.line_id in lines)
        ]
        orders.shift(connection, request.order_id, units_of, "open", "cancelled")
        cancelled = sum(units for _line, units in units_of)
        if cancelled:
            events.append(
                connection, request.order_id, "order.lines_cancelled", request.at,
                units=cancelled, lines=list(lines), user=user,
            )  # fmt: skip
        self._c.audit.append(
            connection, request.order_id, request.at, user, "cancel_lines",
            lines=list(lines), units=cancelled, reason=reason,
        )  # fmt: skip

    @activity.defn(name=Activity.SET_ADDRESS)
    def set_address(self, request: m.SetAddress) -> m.Audited:
        """Point the order at another sealed address; its problems are found anew."""

        def step(connection: Connection) -> m.Audited:
            order = orders.load(connection, request.order_id)
            address = self._c.vault.open(connection, request.address_ref)
            order = order.model_copy(update={"ship_to": destination(address, request.address_ref)})
            connection.execute(
                update(t.orders)
                .where(t.orders.c.id == order.id)
                .values(address_ref=request.address_ref, body=order.model_dump_json())
            )
            events.append(
                connection, order.id, "order.address_changed", request.at,
                user=request.user, address_ref=request.address_ref,
            )  # fmt: skip
            self._c.audit.append(
                connection, order.id, request.at, request.user, "set_address",
                address_ref=request.address_ref,
            )  # fmt: skip
            return m.Audited()

        return self._c.db.once(request.key, m.Audited, step)

    @activity.defn(name=Activity.FINISH)
    def finish(self, request: m.Finish) -> m.LinesLeft:
        """Close the order: completed, cancelled or rejected.

        First ends what a worker that died has left behind and no history knows (desk.py).
        An order is not completed while units are open: the answer says how many.
        """

        def step(connection: Connection) -> m.LinesLeft:
            left = fulfillments.give_back_all(connection, request.order_id, request.key, request.at)
            if left and request.outcome != "complete":
                self._cancel_open(connection, request, (), "system", request.reason)
            rows = orders.rows(connection, request.order_id)
            totals = _left(connection, rows)
            if totals.open:
                return totals
            cases.end_all(connection, request.order_id, request.known_cases, request.at)
            events.move_all(
                connection, "order", request.outcome, [rows.order], request.order_id, request.at,
                changes={"reason": request.reason, "updated_at": request.at},
                reason=request.reason,
            )  # fmt: skip
            return totals

        return self._c.db.once(request.key, m.LinesLeft, step)


def _left(connection: Connection, found: orders.Rows) -> m.LinesLeft:
    total = orders.totals(found.lines)
    return m.LinesLeft(
        open=total["open"] + total["backordered"],
        shipped=total["shipped"],
        cancelled=total["cancelled"],
        in_work=total["allocated"] + total["released"],
    )
