"""Quantities of a simulated Tryton: units of a product at a location, changed by moves alone.

As ``product.product`` of trytond_stock 7.0 answers ``quantity``: the sum over the context's
``locations``, with their children where ``with_childs`` says so (by default only where one location
is asked for), of moves that are done.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simulators.ledger import Book, Json
from simulators.stock import Start

LOCATIONS, LEVEL = "stock.location", "quantity"


class Shelves:
    """Quantities by location and product code."""

    def __init__(self, book: Book) -> None:
        self.book = book

    def fill(self, warehouse: Json, quality: int, start: Iterable[Start]) -> None:
        """The beginning: what can be sold in the storage, what cannot in quality control."""
        for one in start:
            bad = min(one.unavailable, one.on_hand)
            self.change(warehouse["storage_location"], one.sku, one.on_hand - bad)
            self.change(quality, one.sku, bad)

    def change(self, location: int, sku: str, units: int) -> None:
        if not units:
            return
        key = f"{location}/{sku}"
        row = self.book.get(LEVEL, key) or {"location": location, "sku": sku, "units": 0}
        self.book.put(LEVEL, key, {**row, "units": row["units"] + units}, ref=sku)

    def move(self, source: int, target: int | None, lines: dict[str, int]) -> None:
        """Units from one location to another; without a target they are outside."""
        for sku, units in lines.items():
            self.change(source, sku, -units)
            if target is not None:
                self.change(target, sku, units)

    def quantities(self, context: Json) -> dict[str, float]:
        """By product code, of the context's locations."""
        asked = [int(one) for one in context.get("locations") or []]
        if context.get("with_childs", len(asked) == 1):
            asked = self._with_children(asked)
        found: dict[str, float] = {}
        for row in self.book.select(LEVEL):
            if row["location"] in asked:
                found[row["sku"]] = found.get(row["sku"], 0.0) + row["units"]
        return found

    def _with_children(self, asked: list[int]) -> list[int]:
        rows, found = self.book.select(LOCATIONS), list(asked)
        for one in found:  # grows while it is read
            found += [r["id"] for r in rows if r.get("parent") == one and r["id"] not in found]
        return found

    async def count(self, request: Request) -> Response:
        """The world's hand: {"location": code, "sku", "units": change}; breakage, goods in."""
        asked = await request.json()
        with self.book.transaction():
            places = self.book.referenced(LOCATIONS, str(asked["location"]))
            if not places:
                return JSONResponse({"error": "no such location"}, 404)
            self.change(places[0]["id"], str(asked["sku"]), int(asked["units"]))
        return JSONResponse({"changed": int(asked["units"])})
