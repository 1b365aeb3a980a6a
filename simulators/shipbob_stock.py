"""Inventory of a simulated ShipBob, as GET /2026-01/inventory-level/locations answers it.

``{items: [{inventory_id, name, sku, locations: [{location_id, name, on_hand_quantity,
committed_quantity, fulfillable_quantity, awaiting_quantity, internal_transfer_quantity}]}], first,
last, next, prev}``. On hand is what stands in the center; committed belongs to orders; fulfillable
is what is neither committed nor damaged.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simulators.ledger import Book, Json
from simulators.stock import Start, http_date

LEVEL, CENTER = "inventory", {"location_id": 1, "name": "Invented Center (IL)"}
ROUTE = "/2026-01/inventory-level/locations"


class Shelves:
    """Levels by SKU at the one center."""

    def __init__(self, book: Book) -> None:
        self.book = book

    def fill(self, start: Iterable[Start]) -> None:
        if self.book.get("meta", "stocked"):
            return
        with self.book.transaction():
            for one in start:
                row = self._level(one.sku) | {"name": one.title, "awaiting": one.incoming}
                row |= {"on_hand": one.on_hand, "damaged": min(one.unavailable, one.on_hand)}
                self._put(row)
            self.book.put("meta", "stocked", {"stocked": True})

    def change(self, lines: dict[str, int], **signs: int) -> None:
        """Units of an order: each named quantity changes by them, times its sign."""
        for sku, units in lines.items():
            row = self._level(sku)
            self._put(row | {name: row[name] + sign * units for name, sign in signs.items()})

    async def levels(self, request: Request) -> Response:
        """A page; the cursor is the last inventory ID of the one before."""
        query = request.query_params
        after, size = int(query.get("Cursor") or 0), int(query.get("PageSize") or 50)
        rows = self.book.select(LEVEL, "CAST(id AS INTEGER) > ?", [after], limit=size + 1)
        wanted = query.get("LocationId")
        if wanted and wanted != str(CENTER["location_id"]):
            rows = []
        page = rows[:size]
        more = f"{ROUTE}?Cursor={page[-1]['inventory_id']}&PageSize={size}"
        body = {"items": [_shown(row) for row in page], "next": more if len(rows) > size else None}
        headers = {"date": http_date(self.book.clock.now())}
        return JSONResponse({**body, "first": ROUTE, "last": None, "prev": None}, headers=headers)

    async def count(self, request: Request) -> Response:
        """The world's hand: {"sku", "on_hand": change, "damaged": change}."""
        asked = await request.json()
        with self.book.transaction():
            row = self._level(str(asked["sku"]))
            named = {n: row[n] + int(asked.get(n) or 0) for n in ("on_hand", "damaged", "awaiting")}
            self._put(row | named)
        return JSONResponse(named)

    def _level(self, sku: str) -> Json:
        found = self.book.referenced(LEVEL, sku)
        if found:
            return found[0]
        number = self.book.next_number(LEVEL, 7001)
        quantities = dict.fromkeys(("on_hand", "committed", "damaged", "awaiting"), 0)
        return {"inventory_id": number, "sku": sku, "name": sku, **quantities}

    def _put(self, row: Json) -> None:
        self.book.put(LEVEL, row["inventory_id"], row, ref=row["sku"])


def _shown(row: Json) -> Json:
    free = row["on_hand"] - row["committed"] - row["damaged"]
    level = {
        **CENTER,
        "on_hand_quantity": row["on_hand"],
        "committed_quantity": row["committed"],
        "fulfillable_quantity": max(0, free),
        "awaiting_quantity": row["awaiting"],
        "internal_transfer_quantity": 0,
    }
    names = ("inventory_id", "name", "sku")
    return {**{name: row[name] for name in names}, "locations": [level]}
