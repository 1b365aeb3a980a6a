"""What a ShipBob account has: GET /2026-01/inventory-level/locations of its published OpenAPI.

Quantities are per inventory item and fulfillment center. On hand is what stands there; fulfillable
is that less what orders have (committed) and less what cannot be shipped, of which 2026-01 gives no
figure of its own: it is what remains. ``next`` leads to the next page, as a path or as a bare
cursor. The answer says no moment; HTTP's Date does.
"""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from connectors.http import VendorHttp, Wire, parsed
from connectors.ports import StockLevel, StockPage
from domain.base import Problem

LEVELS = "/2026-01/inventory-level/locations"
PAGE = 200


class _Location(Wire):
    location_id: int | None = None
    on_hand_quantity: int = 0
    committed_quantity: int = 0
    fulfillable_quantity: int = 0
    awaiting_quantity: int = 0


class _Item(Wire):
    inventory_id: int
    sku: str | None = None
    locations: tuple[_Location, ...] | None = None


class _Page(Wire):
    items: tuple[_Item, ...] | None = None
    next: str | None = None


async def page(http: VendorHttp, name: str, center: str, cursor: str) -> StockPage:
    """Inventory items after a cursor.

    Args:
        center: a fulfillment center's ID; empty sums all of the account's.
    """
    query: dict[str, str | int] = {"PageSize": PAGE}
    if center:
        query["LocationId"] = center
    if cursor:
        query["Cursor"] = cursor
    reply = await http.send("GET", LEVELS, query=query)
    read = parsed(name, _Page, reply.body, reply.request_id)
    levels: list[StockLevel] = []
    problems: list[Problem] = []
    for item in read.items or ():
        if item.sku:
            levels.append(_level(item.sku, item, center))
        else:
            problems.append(
                Problem(
                    source=f"{name} inventory {item.inventory_id}", field="sku",
                    reason="has none, so nothing of ours is meant",
                    remedy="Give the inventory item its SKU at ShipBob",
                )
            )  # fmt: skip
    return StockPage(
        levels=tuple(levels), as_of=reply.said_at, problems=tuple(problems),
        cursor=_cursor(read.next),
    )  # fmt: skip


def _level(sku: str, item: _Item, center: str) -> StockLevel:
    mine = [
        x for x in item.locations or () if not center or str(x.location_id) == center
    ]  # the filter names items that are there; their other centers may come with them
    on_hand = sum(x.on_hand_quantity for x in mine)
    rest = sum(x.on_hand_quantity - x.committed_quantity - x.fulfillable_quantity for x in mine)
    return StockLevel(
        sku=sku, on_hand=max(0, on_hand), unsellable=max(0, rest),
        incoming=max(0, sum(x.awaiting_quantity for x in mine)),
    )  # fmt: skip


def _cursor(following: str | None) -> str:
    if not following:
        return ""
    asked = {k.lower(): v for k, v in parse_qs(urlsplit(following).query).items()}
    return asked["cursor"][0] if "cursor" in asked else following
