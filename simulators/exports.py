"""The merchant's exports that feed the simulated world, and money in minor units."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from starlette.requests import Request

ZERO_DECIMAL = frozenset({"jpy", "krw", "vnd", "clp"})


def oms_orders(exports: Path | None) -> list[dict[str, Any]]:
    """EXPORTS/oms_orders.json: [{after_hours, delivery, order}], or nothing."""
    source = exports / "oms_orders.json" if exports else None
    if source is None or not source.exists():
        return []
    entries: list[dict[str, Any]] = json.loads(source.read_text())
    return entries


def payments(order: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for collection in order.get("payment_collections") or []:
        yield from collection.get("payments") or []


def products(exports: Path | None) -> list[tuple[str, str]]:
    """SKU and title of each variant in EXPORTS/products_export.csv (Shopify's columns)."""
    source = exports / "products_export.csv" if exports else None
    if source is None or not source.exists():
        return []
    found: dict[str, str] = {}
    title = ""
    with source.open(newline="", encoding="utf-8-sig") as lines:
        for row in csv.DictReader(lines):
            title = row.get("Title") or title
            sku = (row.get("Variant SKU") or "").strip().lstrip("'")
            if sku:
                found.setdefault(sku, title)
    return list(found.items())


def minor_units(amount: Any, currency: str) -> int:
    """A decimal amount of major units in the currency's minor units."""
    scale = 1 if currency.lower() in ZERO_DECIMAL else 100
    return int((Decimal(str(amount)) * scale).to_integral_value())


def credential(request: Request, *schemes: str) -> str:
    """What the client presents under one of the schemes: basic's user name, or the token."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    scheme, value = scheme.lower(), value.strip()
    if scheme not in schemes:
        return ""
    if scheme != "basic":
        return value
    try:
        return base64.b64decode(value).decode().partition(":")[0]
    except ValueError:
        return ""
