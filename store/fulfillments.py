"""Fulfillment orders, allocations and shipments: what is promised, sent and under way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import orjson
from sqlalchemy import Connection, Select, bindparam, or_, select, update
from sqlalchemy.engine import Row

from domain import states
from domain.decision import Plan
from domain.fulfillment import Fact, FulfillmentPlan, Quantity, Tracking
from store import events, inventory, orders
from store import tables as t
from store.statements import insert_into, insert_new

LIVE_ALLOCATIONS = ("reserved", "allocated", "released")
_QUANTITY_OF = {
    "reserved": "allocated", "allocated": "allocated", "released": "released",
    "consumed": "shipped",
}  # fmt: skip


_ROW = select(t.fulfillments).where(t.fulfillments.c.id == bindparam("of"))
_WITH_ORDER = (
    select(
        t.fulfillments, t.orders.c.number.label("order_number"),
        t.orders.c.external_id.label("order_external_id"), t.orders.c.address_ref,
        t.addresses.c.sealed,
    )
    .join_from(t.fulfillments, t.orders, t.orders.c.id == t.fulfillments.c.order_id)
    .outerjoin(t.addresses, t.addresses.c.ref == t.orders.c.address_ref)
    .where(t.fulfillments.c.id == bindparam("of"))
)  # fmt: skip
_SHIPMENTS = (
    select(t.shipments)
    .where(t.shipments.c.fulfillment_id == bindparam("of"))
    .order_by(t.shipments.c.id)
)

_CONFIRMED = select(t.fulfillments.c.id).where(
    t.fulfillments.c.order_id == bindparam("of"), t.fulfillments.c.confirmed != ""
)
_CONFIRM = (
    update(t.fulfillments)
    .where(t.fulfillments.c.id == bindparam("of"))
    .values(confirmed=bindparam("external"))
)


@cache
def _allocations(of: str, statuses: tuple[str, ...]) -> Select[Any]:
    held = t.allocations.c
    # not IN: its parameters would be counted and written out at every execution
    wanted = or_(*(held.status == status for status in statuses))
    return select(t.allocations).where(held[of] == bindparam("of"), wanted).order_by(held.id)


def create(
    connection: Connection, order_id: str, plan: Plan, decision_id: str, generation: int,
    expires_at: datetime, firm: bool, at: datetime, pools: Sequence[str] = (),
    *, release_at: Sequence[datetime | None], known: int = 0,
) -> tuple[list[str], inventory.Take | None]:  # fmt: skip
    """Reserve a plan's stock and create its fulfillment orders.

    Args:
        pools: of stock that the order's channel draws on, in their order.
        release_at: of each of them; None where it does not wait.
        known: fulfillment orders that this generation of the order has had already.

    Returns their IDs, or the take that lost the race: the caller must then roll back.
    """
    takes = [
        inventory.Take(sku=q.sku, node=f.node, quantity=q.quantity)
        for f in plan.fulfillments
        for q in f.lines
    ]
    again = f"f{known}" if known else ""
    key = f"{order_id}:r{generation}{again}"
    drawn, lost = inventory.reserve(connection, takes, order_id, key, at, pools)
    if lost is not None:
        return [], lost
    of_lines = iter(drawn)
    ids = []
    for number, (part, release) in enumerate(
        zip(plan.fulfillments, release_at, strict=True), start=known + 1
    ):
        fulfillment_id = f"{order_id}/g{generation}f{number}"
        connection.execute(
            insert_into(t.fulfillments),
            {
                "id": fulfillment_id, "order_id": order_id, "node": part.node,
                "connector": part.connector, "carrier": part.carrier, "ship_at": part.ship_at,
                "release_at": release, "status": "open", "request_status": "unsubmitted",
                "stage": "", "external_id": "",
                "decision_id": decision_id, "generation": generation,
                "plan": part.model_dump_json(), "facts": "", "short": "[]", "tracking": "",
                "confirmed": "", "updated_at": at,
            },
        )  # fmt: skip
        held = [(q.line_id, x) for q in part.lines for x in next(of_lines)]
        until = None if firm else expires_at
        _allocate(connection, order_id, fulfillment_id, part, held, until, at)
        ids.append(fulfillment_id)
    return ids, None


def _allocate(
    connection: Connection, order_id: str, fulfillment_id: str, part: FulfillmentPlan,
    held: Sequence[tuple[str, inventory.Drawn]], expires_at: datetime | None, at: datetime,
) -> None:  # fmt: skip
    """Allocate a part's units to it. Without an expiry nobody has to agree any more.

    Args:
        held: what its lines drew: a line's units out of a pool and shared ones are apart.
    """
    reserved = states.INITIAL["allocation"]
    firm, allocated = states.apply("allocation", "allocate", reserved)
    state = (reserved if expires_at else firm)["status"]
    ids = [f"{fulfillment_id}/a{position}" for position in range(len(held))]
    connection.execute(
        insert_into(t.allocations),
        [
            {
                "id": allocation_id, "order_id": order_id, "line_id": line_id,
                "fulfillment_id": fulfillment_id, "sku": x.sku, "node": x.node, "pool": x.pool,
                "quantity": x.quantity, "status": state, "expires_at": expires_at,
            }
            for allocation_id, (line_id, x) in zip(ids, held, strict=True)
        ],
    )  # fmt: skip
    units_of = [(q.line_id, q.quantity) for q in part.lines]
    orders.shift(connection, order_id, units_of, "open", "allocated")
    planned: dict[str, Any] = {"id": fulfillment_id, "node": part.node, "service": part.service}
    news = [("fulfillment.planned", planned)]
    news += [
        (
            "inventory.reserved",
            {"id": allocation_id, "sku": x.sku, "node": x.node, "quantity": x.quantity}
            | ({"pool": x.pool} if x.pool else {}),
        )
        for allocation_id, (_, x) in zip(ids, held, strict=True)
    ]
    if not expires_at:
        news += [(allocated, {"id": allocation_id}) for allocation_id in ids]
    events.append_all(connection, order_id, news, at)


def make_firm(connection: Connection, fulfillment_ids: Sequence[str], at: datetime) -> bool:
    """Nobody has to agree to a plan any more: its reservations stop expiring.

    Args:
        fulfillment_ids: all of the plan's.

    Returns False, and changes nothing, where one of them has ended already.
    """
    rows = [get(connection, fulfillment_id) for fulfillment_id in fulfillment_ids]
    if any(row.status == "cancelled" for row in rows):
        return False
    for row in rows:
        held = allocations(connection, fulfillment_id=row.id, statuses=("reserved",))
        events.move_all(
            connection, "allocation", "allocate", held, row.order_id, at,
            changes={"expires_at": None},
        )  # fmt: skip
    return True


def get(connection: Connection, fulfillment_id: str) -> Row[Any]:
    """A fulfillment order's row.

    Raises:
        LookupError: there is none of that ID.
    """
    return _one(connection, _ROW, fulfillment_id)


def get_with_order(connection: Connection, fulfillment_id: str) -> Row[Any]:
    """A fulfillment order's row with what vendors are told of its order.

    Besides its own columns: ``order_number``, ``order_external_id``, ``address_ref`` and the
    ``sealed`` address (Vault.unseal).

    Raises:
        LookupError: there is none of that ID.
    """
    return _one(connection, _WITH_ORDER, fulfillment_id)


def _one(connection: Connection, statement: Select[Any], fulfillment_id: str) -> Row[Any]:
    found = connection.execute(statement, {"of": fulfillment_id}).first()
    if found is None:
        raise LookupError(f"fulfillment order {fulfillment_id!r} does not exist")
    return found


def plan_of(row: Row[Any]) -> FulfillmentPlan:
    """What a fulfillment order was planned as."""
    return FulfillmentPlan.model_validate_json(row.plan)


def change_service(
    connection: Connection, fulfillment_id: str, other: FulfillmentPlan, at: datetime,
    because: str,
) -> None:  # fmt: skip
    """Its parcels go by another service than planned; what is in them stays."""
    row = get(connection, fulfillment_id)
    plan = plan_of(row)
    changed = other.model_copy(update={"lines": plan.lines, "parcels": plan.parcels})
    connection.execute(
        update(t.fulfillments)
        .where(t.fulfillments.c.id == fulfillment_id)
        .values(
            carrier=other.carrier,
            ship_at=other.ship_at,
            plan=changed.model_dump_json(),
            updated_at=at,
        )
    )
    events.append(
        connection, row.order_id, "fulfillment.service_changed", at,
        id=fulfillment_id, service=other.service, instead_of=plan.service,
        deliver_by=other.deliver_p90.isoformat(), because=because,
    )  # fmt: skip


def allocations(
    connection: Connection, *, order_id: str = "", fulfillment_id: str = "",
    statuses: tuple[str, ...] = LIVE_ALLOCATIONS,
) -> list[Row[Any]]:  # fmt: skip
    """Live allocations of an order or of one fulfillment order."""
    statement = _allocations("fulfillment_id" if fulfillment_id else "order_id", statuses)
    return list(connection.execute(statement, {"of": fulfillment_id or order_id}))


def submitted(
    connection: Connection, fulfillment_id: str, external_id: str, accepted: bool,
    ship_at: datetime, at: datetime,
) -> Row[Any]:  # fmt: skip
    """The node has it: remember its ID and when it is to leave, release the allocations.

    Returns the row as it was.
    """
    row = get(connection, fulfillment_id)
    insert_new(
        connection, t.refs,
        {
            "connector": row.connector, "kind": "fulfillment", "external_id": external_id,
            "order_id": row.order_id, "fulfillment_id": fulfillment_id, "shipment_id": "",
        },
    )  # fmt: skip
    if row.request_status != "unsubmitted":
        return row
    events.move_all(
        connection, "fulfillment_order", ("submit", "accept") if accepted else "submit", [row],
        row.order_id, at,
        changes={"external_id": external_id, "ship_at": ship_at, "updated_at": at},
    )  # fmt: skip
    held = allocations(connection, fulfillment_id=fulfillment_id, statuses=("allocated",))
    events.move_all(connection, "allocation", "release", held, row.order_id, at)
    units_of = [(a.line_id, a.quantity) for a in held]
    orders.shift(connection, row.order_id, units_of, "allocated", "released")
    return row


def drawn_by(allocation: Row[Any]) -> inventory.Drawn:
    """What an allocation holds of the stock, and the pool that it came out of."""
    return inventory.Drawn(
        sku=allocation.sku, node=allocation.node, quantity=allocation.quantity,
        pool=allocation.pool,
    )  # fmt: skip


def give_back(
    connection: Connection, row: Row[Any], key: str, at: datetime, *, how: str = "unreserve"
) -> int:
    """Return a fulfillment order's units to the stock and to its lines' open quantity."""
    units = 0
    for a in allocations(connection, fulfillment_id=row.id):
        inventory.give_back(connection, drawn_by(a), row.order_id, f"{key}:{a.id}", at)
        name = how if a.status == "reserved" else "unreserve"
        events.move_all(connection, "allocation", name, [a], row.order_id, at)
        orders.shift(
            connection, row.order_id, [(a.line_id, a.quantity)], _QUANTITY_OF[a.status], "open"
        )
        units += a.quantity
    return units


def give_back_all(connection: Connection, order_id: str, key: str, at: datetime) -> int:
    """Return what an order still holds, and end the fulfillment orders that held it."""
    units = 0
    held = {a.fulfillment_id for a in allocations(connection, order_id=order_id)}
    for fulfillment_id in sorted(held):
        row = get(connection, fulfillment_id)
        units += give_back(connection, row, key, at)
        if row.status not in ("cancelled", "closed"):
            events.move_all(
                connection, "fulfillment_order", "cancel", [row], order_id, at,
                reason="the order ended",
            )  # fmt: skip
    return units


def short_picked(
    connection: Connection, fulfillment_id: str, short: Sequence[Quantity], key: str, at: datetime
) -> tuple[int, int]:
    """Units that were not on the shelf leave the allocation and become open again.

    A short pick that is told after the hand-over counts too: those units were taken off the
    stock with the others, and only the line has to know that they never left.

    Returns units still in the fulfillment order, and units returned.
    """
    row = get(connection, fulfillment_id)
    missing = {q.line_id: q.quantity for q in short}
    left = returned = 0
    told = (*LIVE_ALLOCATIONS, "consumed")
    for a in allocations(connection, fulfillment_id=fulfillment_id, statuses=told):
        lost = min(missing.get(a.line_id, 0), a.quantity)
        left += a.quantity - lost
        if not lost:
            continue
        missing[a.line_id] -= lost
        returned += lost
        if a.status != "consumed":
            drawn = drawn_by(a).model_copy(update={"quantity": lost})
            inventory.missing(connection, drawn, row.order_id, f"{key}:{a.id}", at)
        orders.shift(connection, row.order_id, [(a.line_id, lost)], _QUANTITY_OF[a.status], "open")
        if lost == a.quantity and a.status != "consumed":
            events.move(connection, "allocation", "unreserve", a.id, row.order_id, at)
        else:
            connection.execute(
                update(t.allocations)
                .where(t.allocations.c.id == a.id)
                .values(quantity=a.quantity - lost)
            )
    return left, returned


def consumed(connection: Connection, row: Row[Any], key: str, at: datetime) -> int:
    """The parcels have left: stock, allocations and lines follow."""
    sent = allocations(connection, fulfillment_id=row.id, statuses=("released",))
    for a in sent:
        inventory.consume(connection, drawn_by(a), row.order_id, f"{key}:{a.id}", at)
    units_of = [(a.line_id, a.quantity) for a in sent]
    orders.shift(connection, row.order_id, units_of, "released", "shipped")
    events.move_all(connection, "allocation", "consume", sent, row.order_id, at)
    return sum(a.quantity for a in sent)


def to_confirm(connection: Connection, order_id: str, fulfillment_id: str) -> dict[str, int]:
    """Units of each line that the shop is told of with a fulfillment order that has left.

    The shop takes a unit only once. What was told, and what an earlier fulfillment order ships,
    belongs to that one, even while its own confirmation is still on the way: a parcel that is
    sent again tells nothing, whoever comes first.
    """
    held = allocations(connection, order_id=order_id, statuses=("released", "consumed"))
    units: dict[str, int] = {}
    for a in held:
        if a.fulfillment_id == fulfillment_id:
            units[a.line_id] = units.get(a.line_id, 0) + a.quantity
    others = [a for a in held if a.fulfillment_id != fulfillment_id]
    if not others:
        return units
    told = {r.id for r in connection.execute(_CONFIRMED, {"of": order_id})}
    left = {r.line_id: int(r.ordered) for r in orders.line_rows(connection, order_id)}
    for a in others:
        if a.fulfillment_id in told or _rank(a.fulfillment_id) < _rank(fulfillment_id):
            left[a.line_id] = max(0, left[a.line_id] - a.quantity)
    return {line: min(sent, left[line]) for line, sent in units.items()}


def _rank(fulfillment_id: str) -> tuple[int, int]:
    """Generation and number of a fulfillment order's ID (create)."""
    generation, number = fulfillment_id.rpartition("/g")[2].split("f")
    return int(generation), int(number)


def confirmed(
    connection: Connection, order_id: str, fulfillment_id: str, external_id: str, at: datetime,
    units: Mapping[str, int],
) -> None:  # fmt: skip
    """The shop knows what was shipped: units by line."""
    connection.execute(_CONFIRM, {"of": fulfillment_id, "external": external_id})
    events.append(
        connection, order_id, "shipment.oms_confirmed", at,
        id=fulfillment_id, external_id=external_id, units=dict(units),
    )  # fmt: skip


def shipments(connection: Connection, fulfillment_id: str) -> list[Row[Any]]:
    """The shipments of a fulfillment order, voided ones included."""
    return list(connection.execute(_SHIPMENTS, {"of": fulfillment_id}))


def add_shipment(
    connection: Connection, shipment_id: str, row: Row[Any], tracking: Tracking,
    connector: str, external_id: str, tracker_id: str, label_url: str, cost_minor: int,
    currency: str, eta: datetime | None, at: datetime, *, inbound: bool = False,
    code_url: str = "",
) -> None:  # fmt: skip
    """A fulfillment order, or a return, has a label: the shipment, and the IDs it will be known
    by."""
    new = insert_new(
        connection, t.shipments,
        {
            "id": shipment_id, "order_id": row.order_id, "fulfillment_id": row.id,
            "status": "label_created", "tracking_status": "pending", "connector": connector,
            "external_id": external_id, "tracker_id": tracker_id, "carrier": tracking.carrier,
            "service": tracking.service, "tracking_number": tracking.number,
            "tracking_url": tracking.url, "label_url": label_url, "code_url": code_url,
            "cost_minor": cost_minor,
            "currency": currency, "eta": eta, "shipped_at": None, "ended_at": None,
            "inbound": inbound,
        },
    )  # fmt: skip
    if not new:
        return
    for external in {external_id, tracker_id} - {""}:
        insert_new(
            connection, t.refs,
            {
                "connector": connector, "kind": "shipment", "external_id": external,
                "order_id": row.order_id, "fulfillment_id": row.id,
                "shipment_id": shipment_id,
            },
        )  # fmt: skip
    events.append(
        connection, row.order_id, "label.purchased", at,
        id=shipment_id, carrier=tracking.carrier, service=tracking.service, cost_minor=cost_minor,
    )  # fmt: skip


def facts_of(row: Row[Any]) -> tuple[tuple[Fact, ...], tuple[Quantity, ...], Tracking | None]:
    """What was observed about a fulfillment order so far."""
    return (
        tuple(Fact(f) for f in row.facts.split()),
        tuple(Quantity.model_validate(q) for q in orjson.loads(row.short)),
        Tracking.model_validate_json(row.tracking) if row.tracking else None,
    )
