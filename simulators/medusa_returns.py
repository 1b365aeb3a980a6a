"""Returns of the simulated shop: customers ask for them, the admin API lists them (Medusa 2.13)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.app import Sim
from simulators.clock import iso, parse
from simulators.faults import disturb_rows
from simulators.ledger import Json

PAGE = 50


class NotAllowedError(Exception):
    """A refusal in Medusa's own error shape."""

    def __init__(self, kind: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.kind, self.message, self.status = kind, message, status

    def response(self) -> Response:
        return JSONResponse({"type": self.kind, "message": self.message}, self.status)


class Returns:
    """What customers want to send back; a shop's reasons are what their values say."""

    def __init__(self, sim: Sim) -> None:
        self.sim, self.book = sim, sim.book

    def routes(self) -> list[Route]:
        """The storefront's own door, and the admin's."""
        return [
            Route("/store/returns", self.ask, methods=["POST"]),
            Route("/admin/returns", self.listed, methods=["GET"]),
            Route("/admin/returns/{id}", self.one, methods=["GET"]),
            Route("/admin/returns/{id}/cancel", self.cancel, methods=["POST"]),
            Route("/admin/fulfillments/{id}/cancel", self.cancel_fulfillment, methods=["POST"]),
        ]

    async def ask(self, request: Request) -> Response:
        """A customer asks for it: ``{order_id, items: [{id, quantity, reason_id, note}]}``; with
        ``return_shipping`` the shop makes a fulfilment of the way back."""
        body = await request.json()
        with self.book.transaction():
            order = self.book.get("order", body.get("order_id", ""))
            known = {item["id"] for item in order["items"]} if order else set()
            if order is None or not body.get("items") or {
                i.get("id") for i in body["items"]
            } - known:  # fmt: skip
                raise NotAllowedError("invalid_data", "Order or items are unknown")
            self._refuse_more_than_there_are(order, body["items"])
            made = self._made(order, body["items"], carried=bool(body.get("return_shipping")))
            self.book.put("return", made["id"], made, ref=order["id"])
            self.book.record("return_requested", made["id"], order["id"], body={})
            event = {
                "type": "order.return_requested", "timestamp": made["created_at"],
                "data": {"order_id": order["id"], "return_id": made["id"]},
            }  # fmt: skip
            message = "msg_" + self.sim.dice.token(24, "return", made["id"])
            self.sim.outbox.post("/medusa", "order.return_requested", message, event)
        return JSONResponse({"return": made})

    def _refuse_more_than_there_are(self, order: Json, items: list[Json]) -> None:
        live = [x for x in self.book.referenced("return", order["id"]) if not _over(x)]
        for item in items:
            asked = sum(
                i["quantity"] for x in live for i in x["items"] if i["item_id"] == item["id"]
            )
            there = next(i["quantity"] for i in order["items"] if i["id"] == item["id"])
            if asked + int(item.get("quantity") or 0) > there:
                raise NotAllowedError(
                    "invalid_data", "Cannot request to return more items than what was fulfilled"
                )

    def _made(self, order: Json, items: list[Json], *, carried: bool) -> Json:
        number = self.book.next_number("return")
        key = "return_" + self.sim.dice.token(26, "return", number).upper()
        now = iso(self.sim.clock.now())
        return {
            "id": key, "order_id": order["id"], "status": "requested", "display_id": number,
            "created_at": now, "updated_at": now, "canceled_at": None,
            "fulfillments": [{"id": f"ful_back_{number}", "canceled_at": None}] if carried else [],
            "items": [
                {
                    "id": f"retitem_{number}_{at}", "item_id": item["id"],
                    "quantity": int(item.get("quantity") or 0), "received_quantity": 0,
                    "note": item.get("note"),
                    "reason": {"value": item.get("reason_id") or "", "label": ""},
                }
                for at, item in enumerate(items)
            ],
        }  # fmt: skip

    async def listed(self, request: Request) -> Response:
        query = request.query_params
        limit, offset = min(int(query.get("limit", PAGE)), 100), int(query.get("offset", 0))
        where, values = ["1"], list[Any]()
        if query.get("updated_at[$gte]"):
            where.append("updated >= ?")
            values.append(parse(query["updated_at[$gte]"]).timestamp())
        condition = " AND ".join(where)
        rows = self.book.select(
            "return", condition, values, order="updated ASC, seq ASC", limit=limit, offset=offset
        )
        identity = f"{request.url.query}|{[row['id'] for row in rows]}"
        return JSONResponse(
            {
                "returns": disturb_rows(rows, self.sim.faults, self.sim.dice, identity),
                "count": self.book.count("return", condition, values),
                "offset": offset,
                "limit": limit,
            }
        )

    async def one(self, request: Request) -> Response:
        return JSONResponse({"return": self._found(request.path_params["id"])})

    async def cancel(self, request: Request) -> Response:
        with self.book.transaction():
            found = self._found(request.path_params["id"])
            if _over(found):
                raise NotAllowedError(
                    "invalid_data", f"Return with id {found['id']} has been canceled."
                )
            if any(not f["canceled_at"] for f in found["fulfillments"]):
                raise NotAllowedError(
                    "not_allowed", "All fulfillments must be canceled before canceling a return"
                )
            if any(i["received_quantity"] for i in found["items"]):
                raise NotAllowedError(
                    "not_allowed", "Can't cancel a return which has returned items"
                )
            found |= {"status": "canceled", "canceled_at": iso(self.sim.clock.now())}
            self._changed(found)
            self.book.record("return_cancelled", found["id"], found["order_id"], body={})
        return JSONResponse({"return": found})

    async def cancel_fulfillment(self, request: Request) -> Response:
        """What would bring a return; a second time changes nothing."""
        key = request.path_params["id"]
        with self.book.transaction():
            for found in self.book.select("return"):
                for fulfillment in found["fulfillments"]:
                    if fulfillment["id"] == key:
                        now = iso(self.sim.clock.now())
                        fulfillment["canceled_at"] = fulfillment["canceled_at"] or now
                        self._changed(found)
                        return JSONResponse({"fulfillment": fulfillment})
        raise NotAllowedError("not_found", f"Fulfillment with id: {key} was not found", 404)

    def _found(self, key: str) -> Json:
        found = self.book.get("return", key)
        if found is None:
            raise NotAllowedError("not_found", "Return was not found", 404)
        return found

    def _changed(self, found: Json) -> None:
        found["updated_at"] = iso(self.sim.clock.now())
        self.book.put("return", found["id"], found, ref=found["order_id"])


def _over(found: Json) -> bool:
    return bool(found["canceled_at"])
