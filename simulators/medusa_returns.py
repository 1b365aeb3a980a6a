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
        ]

    async def ask(self, request: Request) -> Response:
        """A customer asks for it: ``{order_id, items: [{id, quantity, reason_id, note}]}``."""
        body = await request.json()
        with self.book.transaction():
            order = self.book.get("order", body.get("order_id", ""))
            known = {item["id"] for item in order["items"]} if order else set()
            if order is None or not body.get("items") or {
                i.get("id") for i in body["items"]
            } - known:  # fmt: skip
                return JSONResponse(
                    {"type": "invalid_data", "message": "Order or items are unknown"}, 400
                )
            made = self._made(order, body["items"])
            self.book.put("return", made["id"], made, ref=order["id"])
            self.book.record("return_requested", made["id"], order["id"], body={})
            event = {
                "type": "order.return_requested", "timestamp": made["created_at"],
                "data": {"order_id": order["id"], "return_id": made["id"]},
            }  # fmt: skip
            message = "msg_" + self.sim.dice.token(24, "return", made["id"])
            self.sim.outbox.post("/medusa", "order.return_requested", message, event)
        return JSONResponse({"return": made})

    def _made(self, order: Json, items: list[Json]) -> Json:
        number = self.book.next_number("return")
        key = "return_" + self.sim.dice.token(26, "return", number).upper()
        now = iso(self.sim.clock.now())
        return {
            "id": key, "order_id": order["id"], "status": "requested", "display_id": number,
            "created_at": now, "updated_at": now, "canceled_at": None,
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
        found = self.book.get("return", request.path_params["id"])
        if found is None:
            return JSONResponse({"type": "not_found", "message": "Return was not found"}, 404)
        return JSONResponse({"return": found})
