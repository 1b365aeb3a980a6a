"""Medusa, the OMS: admin REST of Medusa 2.13 (MIT), as its published API reference names it.

Orders appear when their hour comes, in polls and, where the export says so, as an
`order.placed` webhook that a small subscriber in the shop signs with Standard Webhooks
(Medusa itself signs nothing). Fulfilments keep the client's `metadata.reference`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.app import Settings, Sim, Vendor
from simulators.clock import iso, parse
from simulators.exports import credential, minor_units, oms_orders, payments
from simulators.faults import disturb_rows
from simulators.ledger import Json
from simulators.medusa_returns import NotAllowedError, Returns
from simulators.outbox import standard_signature

PAGE, LARGEST_PAGE = 50, 100


class Medusa:
    """One shop."""

    def __init__(self, sim: Sim) -> None:
        self.sim, self.book = sim, sim.book
        sim.on("place", self.place)

    def load(self) -> None:
        """Plans every exported order at its hour, once in the life of the data directory."""
        if self.book.get("meta", "loaded"):
            return
        with self.book.transaction():
            for entry in oms_orders(self.sim.settings.exports):
                order = entry["order"]
                self.book.put("planned", order["id"], order)
                args = {"id": order["id"], "delivery": entry.get("delivery", "poll")}
                self.book.schedule(
                    self.sim.clock.after_epoch(float(entry["after_hours"])), "place", args
                )
            self.book.put("meta", "loaded", {"loaded": True})

    def place(self, args: Json, at: datetime, _: Any) -> None:
        order = self.book.get("planned", args["id"])
        if order is None:
            return
        self.book.remove("planned", args["id"])
        order |= {
            "created_at": iso(at),
            "updated_at": iso(at),
            "status": order.get("status") or "pending",
            "fulfillment_status": "not_fulfilled",
            "payment_status": order.get("payment_status") or "authorized",
            "canceled_at": None,
            "fulfillments": [],
        }
        for item in order["items"]:
            item["detail"] = {
                "quantity": item["quantity"],
                "fulfilled_quantity": 0,
                "shipped_quantity": 0,
                **(item.get("detail") or {}),
            }
        self.book.put("order", order["id"], order, ref=str(order.get("display_id", "")), at=at)
        currency = str(order.get("currency_code", "usd")).lower()
        self.book.record(
            "order_placed",
            order["id"],
            order["id"],
            at=at,
            amount_minor=_minor(order, currency),
            currency=currency.upper(),
            quantity=sum(int(item["quantity"]) for item in order["items"]),
            body={"lines": _skus(order["items"]), "delivery": args["delivery"]},
        )
        if args["delivery"] == "webhook":
            event = {"type": "order.placed", "timestamp": iso(at), "data": {"id": order["id"]}}
            message = "msg_" + self.sim.dice.token(24, "placed", order["id"])
            self.sim.outbox.post("/medusa", "order.placed", message, event)

    # -- reading ---------------------------------------------------------------------------

    async def list_orders(self, request: Request) -> Response:
        query = request.query_params
        limit = min(int(query.get("limit", PAGE)), LARGEST_PAGE)
        offset = int(query.get("offset", 0))
        where, values = ["1"], []
        for name in ("created", "updated"):
            for operator, sign in (("$gte", ">="), ("$gt", ">"), ("$lte", "<="), ("$lt", "<")):
                text = query.get(f"{name}_at[{operator}]")
                if text:
                    where.append(f"{name} {sign} ?")
                    values.append(parse(text).timestamp())
        order = query.get("order", "-created_at")
        column = "updated" if order.lstrip("-") == "updated_at" else "created"
        direction = "DESC" if order.startswith("-") else "ASC"
        condition = " AND ".join(where)
        rows = self.book.select(
            "order",
            condition,
            values,
            order=f"{column} {direction}, seq {direction}",
            limit=limit,
            offset=offset,
        )
        identity = f"{request.url.query}|{[row['id'] for row in rows]}"
        return JSONResponse(
            {
                "orders": disturb_rows(rows, self.sim.faults, self.sim.dice, identity),
                "count": self.book.count("order", condition, values),
                "offset": offset,
                "limit": limit,
            }
        )

    def order(self, request: Request) -> Json:
        key = request.path_params["id"]
        found = self.book.get("order", key)
        if found is None:
            raise NotAllowedError("not_found", f"Order id not found: {key}", 404)
        return found

    async def get_order(self, request: Request) -> Response:
        return JSONResponse({"order": self.order(request)})

    # -- fulfilling ------------------------------------------------------------------------

    async def create_fulfillment(self, request: Request) -> Response:
        body = await request.json()
        with self.book.transaction():
            order = self.order(request)
            _refuse_cancelled(order)
            lines = _lines(order, body.get("items"), "fulfilled_quantity", "quantity")
            for item, quantity in lines:
                item["detail"]["fulfilled_quantity"] += quantity
            number = self.book.next_number("fulfillment")
            fulfillment = {
                "id": "ful_" + self.sim.dice.token(26, "fulfillment", number).upper(),
                "location_id": body.get("location_id"),
                "packed_at": iso(self.sim.clock.now()),
                "shipped_at": None,
                "delivered_at": None,
                "canceled_at": None,
                "metadata": body.get("metadata") or {},
                "items": [
                    {
                        "id": f"fulit_{number}_{index}",
                        "line_item_id": item["id"],
                        "quantity": quantity,
                        "title": item.get("title"),
                        "sku": item.get("variant_sku"),
                    }
                    for index, (item, quantity) in enumerate(lines)
                ],
                "labels": [],
                "created_at": iso(self.sim.clock.now()),
            }
            order["fulfillments"].append(fulfillment)
            self._changed(order)
            self._record("fulfillment_created", order, fulfillment)
        return JSONResponse({"order": order})

    async def create_shipment(self, request: Request) -> Response:
        body = await request.json()
        with self.book.transaction():
            order = self.order(request)
            fulfillment = _fulfillment(order, request.path_params["fid"])
            if fulfillment["canceled_at"]:
                raise NotAllowedError("not_allowed", "Canceled fulfillment cannot be shipped")
            if fulfillment["shipped_at"]:
                raise NotAllowedError("not_allowed", "Shipment has already been created")
            wanted = body.get("items") or _asked_for(fulfillment)
            lines = _lines(order, wanted, "shipped_quantity", "fulfilled_quantity")
            for item, quantity in lines:
                item["detail"]["shipped_quantity"] += quantity
            fulfillment["shipped_at"] = iso(self.sim.clock.now())
            fulfillment["labels"] = body.get("labels") or []
            self._changed(order)
            self._record("shipment_created", order, fulfillment)
        return JSONResponse({"order": order})

    async def mark_delivered(self, request: Request) -> Response:
        with self.book.transaction():
            order = self.order(request)
            fulfillment = _fulfillment(order, request.path_params["fid"])
            if fulfillment["canceled_at"]:
                raise NotAllowedError("not_allowed", "Canceled fulfillment cannot be delivered")
            fulfillment["delivered_at"] = fulfillment["delivered_at"] or iso(self.sim.clock.now())
            self._changed(order)
        return JSONResponse({"order": order})

    async def cancel_fulfillment(self, request: Request) -> Response:
        with self.book.transaction():
            order = self.order(request)
            fulfillment = _fulfillment(order, request.path_params["fid"])
            if fulfillment["canceled_at"]:
                raise NotAllowedError("not_allowed", "The fulfillment is already canceled")
            if fulfillment["shipped_at"]:
                raise NotAllowedError("not_allowed", "A shipped fulfillment cannot be canceled")
            for item, quantity in _lines(order, _asked_for(fulfillment)):
                item["detail"]["fulfilled_quantity"] -= quantity
            fulfillment["canceled_at"] = iso(self.sim.clock.now())
            self._changed(order)
            self._record("fulfillment_cancelled", order, fulfillment)
        return JSONResponse({"order": order})

    async def cancel_order(self, request: Request) -> Response:
        with self.book.transaction():
            order = self.order(request)
            _refuse_cancelled(order)
            if any(not one["canceled_at"] for one in order["fulfillments"]):
                raise NotAllowedError(
                    "not_allowed", "All fulfillments must be canceled before the order"
                )
            order |= {"status": "canceled", "canceled_at": iso(self.sim.clock.now())}
            order["payment_status"] = "canceled"
            self._changed(order)
            self.book.record("order_cancelled", order["id"], order["id"], body={})
        return JSONResponse({"order": order})

    def _changed(self, order: Json) -> None:
        order["updated_at"] = iso(self.sim.clock.now())
        order["fulfillment_status"] = _fulfillment_status(order)
        self.book.put("order", order["id"], order, ref=str(order.get("display_id", "")))

    def _record(self, effect: str, order: Json, fulfillment: Json) -> None:
        self.book.record(
            effect,
            order["id"],
            str(fulfillment["metadata"].get("reference") or order["id"]),
            quantity=sum(line["quantity"] for line in fulfillment["items"]),
            body={
                "fulfillment_id": fulfillment["id"],
                "lines": {str(i["sku"]): i["quantity"] for i in fulfillment["items"]},
                "labels": fulfillment["labels"],
            },
        )


def _refuse_cancelled(order: Json) -> None:
    if order["canceled_at"]:
        raise NotAllowedError("invalid_data", f"Order with id {order['id']} has been canceled.")


def _fulfillment(order: Json, key: str) -> Json:
    for fulfillment in order["fulfillments"]:
        if fulfillment["id"] == key:
            found: Json = fulfillment
            return found
    raise NotAllowedError("not_found", f"Fulfillment with id {key} not found in the order", 404)


def _asked_for(fulfillment: Json) -> list[Json]:
    return [
        {"id": line["line_item_id"], "quantity": line["quantity"]} for line in fulfillment["items"]
    ]


def _lines(
    order: Json, wanted: Any, done: str | None = None, limit: str | None = None
) -> list[tuple[Json, int]]:
    """The order's items with the quantities asked for; refuses what exceeds the limit."""
    if not isinstance(wanted, list) or not wanted:
        raise NotAllowedError("invalid_data", "Invalid request: Field 'items' is required")
    items = {item["id"]: item for item in order["items"]}
    lines: list[tuple[Json, int]] = []
    for one in wanted:
        item, quantity = items.get(one.get("id")), int(one.get("quantity") or 0)
        if item is None or quantity <= 0:
            raise NotAllowedError("invalid_data", f"Item {one.get('id')} is not in the order")
        if done and limit and item["detail"][done] + quantity > item["detail"][limit]:
            raise NotAllowedError(
                "invalid_data", f"Quantity of item {item['id']} exceeds what is left: {quantity}"
            )
        lines.append((item, quantity))
    return lines


def _fulfillment_status(order: Json) -> str:
    if order["canceled_at"]:
        return "canceled"
    details = [item["detail"] for item in order["items"]]
    ordered = sum(detail["quantity"] for detail in details)
    live = [one for one in order["fulfillments"] if not one["canceled_at"]]
    if live and all(one["delivered_at"] for one in live):
        shipped = sum(detail["shipped_quantity"] for detail in details)
        return "delivered" if shipped >= ordered else "partially_delivered"
    for field, name in (("shipped_quantity", "shipped"), ("fulfilled_quantity", "fulfilled")):
        done = sum(detail[field] for detail in details)
        if done:
            return name if done >= ordered else f"partially_{name}"
    return "not_fulfilled"


def _minor(order: Json, currency: str) -> int:
    """What the shop expects to be paid, in minor units."""
    paid = [minor_units(payment["amount"], currency) for payment in payments(order)]
    lines = [minor_units(i["unit_price"], currency) * int(i["quantity"]) for i in order["items"]]
    return sum(paid or lines)


def _skus(items: list[Json]) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in items:
        sku = str(item.get("variant_sku"))
        found[sku] = found.get(sku, 0) + int(item["quantity"])
    return found


def refuse(request: Request) -> Response | None:
    """HTTP basic with the secret API key as user; a bearer token is taken too."""
    if credential(request, "basic", "bearer"):
        return None
    return JSONResponse({"message": "Unauthorized"}, 401)


def create(settings: Settings) -> Vendor:
    sim = Sim(settings, standard_signature)
    shop = Medusa(sim)
    shop.load()
    one = "/admin/orders/{id}"

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, NotAllowedError)
        return error.response()

    return Vendor(
        sim,
        [
            *Returns(sim).routes(),
            Route("/admin/orders", shop.list_orders),
            Route(one, shop.get_order),
            Route(one + "/cancel", shop.cancel_order, methods=["POST"]),
            Route(one + "/fulfillments", shop.create_fulfillment, methods=["POST"]),
            Route(one + "/fulfillments/{fid}/shipments", shop.create_shipment, methods=["POST"]),
            Route(one + "/fulfillments/{fid}/cancel", shop.cancel_fulfillment, methods=["POST"]),
            Route(
                one + "/fulfillments/{fid}/mark-as-delivered",
                shop.mark_delivered,
                methods=["POST"],
            ),
        ],
        refuse,
        errors={NotAllowedError: refused},
    )
