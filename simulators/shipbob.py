"""ShipBob, the 3PL: orders and shipments of API 2026-01.

Names follow ShipBob's published OpenAPI of 2026-01 and its pages on webhooks and statuses:
topics order.shipped, order.shipment.delivered, order.shipment.exception,
order.shipment.on_hold and order.shipment.cancelled, signed with Standard Webhooks beside an
`x-webhook-topic` header; the body is the resource that GET returns. ShipBob picks, labels
and tracks by itself; what it cannot find goes to Exception instead of shipping short.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.app import Settings, Sim, Vendor
from simulators.carriers import real_days, tracking_code
from simulators.clock import business_days_later, in_working_hours, iso, parse
from simulators.exports import credential
from simulators.faults import disturb_rows
from simulators.ledger import Json
from simulators.outbox import standard_signature
from simulators.shipbob_stock import ROUTE, Shelves
from simulators.stock import locations, starting

DETAILS = {  # name: (id, meaning)
    "Processing": (100, "In the process of fulfillment"),
    "Picked": (101, "Picked"),
    "Labeled": (103, "Packed and labeled"),
    "InTransit": (200, "Handed to the carrier"),
    "Delivered": (201, "Delivered"),
    "OutOfStock": (300, "Not enough inventory at the fulfillment center"),
    "InvalidAddress": (400, "The address is incomplete"),
    "Cancelled": (500, "Cancelled"),
}
CARRIERS = {"Standard": ("USPS", 3), "Expedited": ("UPS", 2), "2-Day": ("UPS", 2)}


class ShipBob:
    """One merchant's account and the floor that works for it."""

    def __init__(self, sim: Sim) -> None:
        self.sim, self.book, self.shelves = sim, sim.book, Shelves(sim.book)
        for name in ("start", "pick", "label", "ship", "deliver"):
            sim.on(name, getattr(self, "_" + name))

    # -- orders ----------------------------------------------------------------------------

    async def create_order(self, request: Request) -> Response:
        asked = await request.json()
        missing = [
            name
            for name in ("reference_id", "shipping_method", "recipient", "products")
            if not asked.get(name)
        ]
        if missing or not all(_quantity(p) > 0 for p in asked.get("products") or []):
            fields = missing or ["products"]
            return JSONResponse({name: [f"{name} is missing or invalid"] for name in fields}, 400)
        reference = str(asked["reference_id"])
        with self.book.transaction():
            if self.book.referenced("order", reference):
                text = f"An order with reference_id {reference} already exists"
                return JSONResponse({"reference_id": [text]}, 422)
            order = self._open(asked, reference)
        return JSONResponse(order, 201)

    def _open(self, asked: Json, reference: str) -> Json:
        now = self.sim.clock.now()
        number = self.book.next_number("order", 500001)
        products = [
            {
                "id": index + 1,
                "reference_id": product.get("reference_id"),
                "sku": product.get("sku") or product.get("reference_id"),
                "name": product.get("name") or product.get("reference_id"),
                "quantity": _quantity(product),
            }
            for index, product in enumerate(asked["products"])
        ]
        shipment: Json = {
            "id": number * 10 + 1,
            "order_id": number,
            "reference_id": reference,
            "created_date": iso(now),
            "last_update_at": iso(now),
            "last_tracking_update_at": None,
            "location": {"id": asked.get("location_id") or 1, "name": "Invented Center (IL)"},
            "recipient": asked["recipient"],
            "ship_option": asked["shipping_method"],
            "tracking": None,
            "estimated_fulfillment_date": iso(in_working_hours(now, 10)),
            "actual_fulfillment_date": None,
            "is_tracking_uploaded": False,
            "delivery_date": None,
            "products": [_with_inventory(product) for product in products],
        }
        order: Json = {
            "id": number,
            "created_date": iso(now),
            "updated_date": iso(now),
            "purchase_date": asked.get("purchase_date"),
            "reference_id": reference,
            "order_number": asked.get("order_number") or reference,
            "status": "Processing",
            "type": asked.get("type") or "DTC",
            "channel": {"id": 1, "name": "API"},
            "shipping_method": asked["shipping_method"],
            "recipient": asked["recipient"],
            "products": products,
            "tags": asked.get("tags") or [],
            "shipments": [shipment],
        }
        self._record("fulfillment_created", order, now, _skus(order))
        self.shelves.change(_skus(order), committed=1)
        address = (asked["recipient"] or {}).get("address") or {}
        if address.get("address1") and address.get("city") and address.get("country"):
            self._status(order, "Processing", "Processing", now)
            wait = self.sim.dice.between(0.5, 2, "start", reference)
            if self.sim.dice.happens(self.sim.faults.late_pick, "late", reference):
                wait += self.sim.dice.between(8, 20, "late by", reference)
            self._later("start", order, in_working_hours(now, wait))
        else:
            self._status(order, "OnHold", "InvalidAddress", now)
            self._tell("order.shipment.on_hold", shipment)
        return order

    def order(self, request: Request) -> Json | None:
        return self.book.get("order", request.path_params["id"])

    async def get_order(self, request: Request) -> Response:
        order = self.order(request)
        return JSONResponse(order) if order else _missing()

    async def list_orders(self, request: Request) -> Response:
        query = request.query_params
        page, limit = int(query.get("Page", 1)), min(int(query.get("Limit", 50)), 250)
        where, values = ["1"], list[Any]()
        for name, column in (("ReferenceIds", "ref"), ("IDs", "id")):
            wanted = [w for text in query.getlist(name) for w in text.split(",") if w]
            if wanted:
                where.append(f"{column} IN ({','.join('?' * len(wanted))})")
                values += wanted
        for name, clause in (
            ("StartDate", "created >= ?"),
            ("EndDate", "created < ?"),
            ("LastUpdateStartDate", "updated >= ?"),
            ("LastUpdateEndDate", "updated < ?"),
        ):
            if query.get(name):
                where.append(clause)
                values.append(parse(query[name]).timestamp())
        if query.get("HasTracking"):
            is_ = "IS NOT" if query["HasTracking"].lower() == "true" else "IS"
            where.append(f"json_extract(body, '$.shipments[0].tracking') {is_} NULL")
        direction = "ASC" if query.get("SortOrder") == "Oldest" else "DESC"
        rows = self.book.select(
            "order",
            " AND ".join(where),
            values,
            order=f"seq {direction}",
            limit=limit,
            offset=(page - 1) * limit,
        )
        total = self.book.count("order", " AND ".join(where), values)
        identity = f"{request.url.query}|{[row['id'] for row in rows]}"
        headers = {
            "Page-Number": str(page),
            "Page-Size": str(limit),
            "Total-Count": str(total),
            "Total-Pages": str(-(-total // limit)),
        }
        rows = disturb_rows(rows, self.sim.faults, self.sim.dice, identity)
        return JSONResponse(rows, headers=headers)

    async def cancel_order(self, request: Request) -> Response:
        with self.book.transaction():
            order = self.order(request)
            if order is None:
                return _missing()
            shipment = order["shipments"][0]
            packed = shipment["status_details"][0]["name"] in ("Labeled", "InTransit", "Delivered")
            if not packed and shipment["status"] != "Cancelled":
                self._status(order, "Cancelled", "Cancelled", self.sim.clock.now())
                self._record("fulfillment_cancelled", order, self.sim.clock.now(), _skus(order))
                self.shelves.change(_skus(order), committed=-1)
        result = {
            "shipment_id": shipment["id"],
            "action": "Cancel",
            "is_success": not packed,
            "reason": "Shipment is past the point of cancellation" if packed else "Cancelled",
        }
        body = {"order_id": order["id"], "order": order, "canceled_shipment_results": [result]}
        status = "Failure" if packed else "Success"
        return JSONResponse({**body, "status": status}, 422 if packed else 200)

    # -- the floor -------------------------------------------------------------------------

    def _working(self, args: Json, detail: str) -> Json | None:
        """The order, if its shipment still is where the scheduled step expects it."""
        order = self.book.get("order", args["order"])
        if order is None or order["shipments"][0]["status_details"][0]["name"] != detail:
            return None
        return order

    def _start(self, args: Json, at: datetime, _: Any) -> None:
        order = self._working(args, "Processing")
        if order is None:
            return
        reference, dice, faults = order["reference_id"], self.sim.dice, self.sim.faults
        if dice.happens(faults.node_reject, "reject", reference):
            self._status(order, "Cancelled", "Cancelled", at)
            self._record("fulfillment_rejected", order, at, _skus(order))
            self.shelves.change(_skus(order), committed=-1)
            self._tell("order.shipment.cancelled", order["shipments"][0])
        elif dice.happens(faults.short_pick, "short", reference):
            product = order["products"][int(dice.roll("which", reference) * len(order["products"]))]
            missing = 1 + int(dice.roll("missing", reference) * product["quantity"])
            self._status(order, "Exception", "OutOfStock", at, inventory=product["id"])
            self._record("pick_exception", order, at, {str(product["sku"]): missing})
            self._tell("order.shipment.exception", order["shipments"][0])
        else:
            hours = dice.between(1, 3, "pick", reference)
            self._later("pick", order, in_working_hours(at, hours))

    def _pick(self, args: Json, at: datetime, _: Any) -> None:
        order = self._working(args, "Processing")
        if order is not None:
            self._status(order, "Processing", "Picked", at)
            self._record("picked", order, at, _skus(order))
            hours = self.sim.dice.between(0.2, 1, "pack", order["reference_id"])
            self._later("label", order, in_working_hours(at, hours))

    def _label(self, args: Json, at: datetime, _: Any) -> None:
        order = self._working(args, "Picked")
        if order is not None:
            self._status(order, "Processing", "Labeled", at)
            hours = self.sim.dice.between(1, 6, "hand over", order["reference_id"])
            self._later("ship", order, at + timedelta(hours=hours))

    def _ship(self, args: Json, at: datetime, _: Any) -> None:
        order = self._working(args, "Labeled")
        if order is None:
            return
        shipment, reference = order["shipments"][0], order["reference_id"]
        carrier, days = CARRIERS.get(order["shipping_method"], ("USPS", 3))
        code = tracking_code(carrier, self.sim.dice, reference)
        shipment["tracking"] = {
            "carrier": carrier,
            "carrier_service": order["shipping_method"],
            "tracking_number": code,
            "tracking_url": f"https://track.example/{code}",
            "shipping_date": iso(at),
        }
        shipment |= {"actual_fulfillment_date": iso(at), "last_tracking_update_at": iso(at)}
        self._status(order, "Completed", "InTransit", at)
        self._record("shipped", order, at, _skus(order))
        self.shelves.change(_skus(order), on_hand=-1, committed=-1)
        self._tell("order.shipped", order)
        faults, dice = self.sim.faults, self.sim.dice
        if dice.happens(faults.parcel_lost, "lost", reference):
            self._record("lost", order, at, _skus(order))
            return
        days = real_days(days, faults, dice, reference)
        door = business_days_later(at, days, dice.between(9, 19, "door", reference))
        self._later("deliver", order, door)

    def _deliver(self, args: Json, at: datetime, _: Any) -> None:
        order = self._working(args, "InTransit")
        if order is not None:
            shipment = order["shipments"][0]
            shipment |= {"delivery_date": iso(at), "last_tracking_update_at": iso(at)}
            self._status(order, "Completed", "Delivered", at)
            self._record("delivered", order, at, _skus(order))
            self._tell("order.shipment.delivered", shipment)

    # -- telling ---------------------------------------------------------------------------

    def _later(self, action: str, order: Json, at: datetime) -> None:
        self.book.schedule(at, action, {"order": order["id"]})

    def _status(
        self, order: Json, status: str, detail: str, at: datetime, inventory: int | None = None
    ) -> None:
        shipment = order["shipments"][0]
        number, meaning = DETAILS[detail]
        shipment |= {"status": status, "last_update_at": iso(at)}
        shipment["status_details"] = [
            {"id": number, "name": detail, "description": meaning, "inventory_id": inventory}
        ]
        outer = {"Completed": "Fulfilled", "OnHold": "Processing"}
        order |= {"status": outer.get(status, status), "updated_date": iso(at)}
        self.book.put("order", order["id"], order, ref=order["reference_id"], at=at)

    def _tell(self, topic: str, body: Json) -> None:
        number = self.book.next_number("event")
        message = "msg_" + self.sim.dice.token(24, "event", number)
        self.sim.outbox.post("/shipbob", topic, message, body)

    def _record(self, effect: str, order: Json, at: datetime, lines: dict[str, int]) -> None:
        reference, quantity = order["reference_id"], sum(lines.values())
        subject = str(order["id"])
        self.book.record(effect, subject, reference, at=at, quantity=quantity, body=lines)


def _quantity(product: Json) -> int:
    return int(product.get("quantity") or 0)


def _with_inventory(product: Json) -> Json:
    item = {"id": product["id"], "name": product["name"], "quantity": product["quantity"]}
    return {**product, "inventory_items": [{**item, "quantity_committed": product["quantity"]}]}


def _skus(order: Json) -> dict[str, int]:
    found: dict[str, int] = {}
    for product in order["products"]:
        sku = str(product["sku"])
        found[sku] = found.get(sku, 0) + product["quantity"]
    return found


def _missing() -> Response:
    return JSONResponse({"message": "Not Found"}, 404)


def refuse(request: Request) -> Response | None:
    if credential(request, "bearer"):
        return None
    return JSONResponse({"message": "Unauthorized"}, 401)


def create(settings: Settings) -> Vendor:
    sim = Sim(settings, standard_signature)
    bob = ShipBob(sim)
    for location in locations(settings.stock).values():
        bob.shelves.fill(starting(settings.exports, location))
    orders = "/2026-01/order"
    return Vendor(
        sim,
        [
            Route(orders, bob.list_orders, methods=["GET"]),
            Route(orders, bob.create_order, methods=["POST"]),
            Route(orders + "/{id:int}:cancel", bob.cancel_order, methods=["POST"]),
            Route(orders + "/{id:int}/cancel", bob.cancel_order, methods=["POST"]),
            Route(orders + "/{id:int}", bob.get_order, methods=["GET"]),
            Route(ROUTE, bob.shelves.levels, methods=["GET"]),
            Route("/_world/stock", bob.shelves.count, methods=["POST"]),
        ],
        refuse,
    )
