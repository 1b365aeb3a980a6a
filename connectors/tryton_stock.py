"""What a Tryton warehouse has: ``quantity`` of product.product in a context (trytond_stock 7.0).

The function field sums the done moves of the context's ``locations`` up to ``stock_date_end``,
which Tryton never lets lie after its own today; the date sent is therefore the last there is. With
more than one location children are counted only where ``with_childs`` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from connectors import errors as e
from connectors.http import Wire, parsed
from connectors.ports import StockLevel, StockPage
from connectors.tryton_rpc import TrytonRpc
from domain.base import Problem

PAGE = 200
MODEL = "product.product"
_GOODS: list[Any] = [["type", "=", "goods"], ["code", "!=", None]]


class _Product(Wire):
    id: int
    code: str
    quantity: float | None = None


async def page(
    rpc: TrytonRpc, name: str, place: dict[str, Any], unsellable: Sequence[int], cursor: str
) -> StockPage:
    """Products after the cursor, which is a product's ID.

    On hand is what lies in storage and at the output dock, ``unsellable`` what of it lies in the
    locations given, incoming what lies at the input dock. Tryton's ``quantity`` may be negative
    after a forced assignment: there is nothing then.
    """
    await rpc.company()
    inside = [place["storage_location"], place["output_location"]]
    if picking := place.get("picking_location"):
        inside.append(picking)
    rows, as_of = await _products(rpc, inside, cursor)
    problems: list[Problem] = []
    counted = _read(name, rows, problems)
    after = max((int(row["id"]) for row in rows), default=0)
    bad = await _same(rpc, name, unsellable, cursor, after)
    coming = await _same(rpc, name, [place["input_location"]], cursor, after)
    return StockPage(
        levels=tuple(
            StockLevel(
                sku=sku,
                on_hand=max(0, units),
                unsellable=max(0, bad.get(sku, 0)) if unsellable else None,
                incoming=max(0, coming.get(sku, 0)),
            )
            for sku, units in counted.items()
        ),
        as_of=as_of,
        problems=tuple(problems),
        cursor=str(after) if len(rows) >= PAGE else "",
    )


async def _same(
    rpc: TrytonRpc, name: str, places: Sequence[int], cursor: str, last: int
) -> dict[str, int]:
    """The quantities of the same products in other locations."""
    if not places or not last:
        return {}
    rows, _ = await _products(rpc, places, cursor, last)
    return _read(name, rows, [])


async def _products(
    rpc: TrytonRpc, places: Sequence[int], cursor: str, last: int = 0
) -> tuple[list[dict[str, Any]], datetime | None]:
    domain = [*_GOODS, ["id", ">", int(cursor or 0)]]
    if last:
        domain.append(["id", "<=", last])
    context = {"locations": list(places), "with_childs": True, "stock_date_end": date.max}
    return await rpc.find_within(context, MODEL, domain, ["code", "quantity"], limit=PAGE)


def _read(name: str, rows: list[dict[str, Any]], problems: list[Problem]) -> dict[str, int]:
    """Whole units by code; a row that cannot be read is a problem."""
    found: dict[str, int] = {}
    for row in rows:
        try:
            product = parsed(name, _Product, row)
        except e.ContractBroken as broken:
            problems.append(_unread(name, row, broken.field, str(broken)[:300]))
            continue
        units = product.quantity or 0.0
        if units != int(units):
            problems.append(_unread(name, row, "quantity", f"{units} is no whole number of units"))
        found[product.code] = found.get(product.code, 0) + int(units // 1)
    return found


def _unread(name: str, row: dict[str, Any], field: str, reason: str) -> Problem:
    return Problem(
        source=f"{name} product {row.get('id')}", field=field, reason=reason,
        remedy="Look the product up in Tryton; its unit may be no piece",
    )  # fmt: skip
