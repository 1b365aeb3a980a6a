"""What a node has on its shelves when the simulation begins: the merchant's inventory export.

``--stock WAREHOUSE=LOCATION`` names the export's location of a warehouse. Without it a node begins
with nothing, and its book goes below zero as it ships.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from pathlib import Path


@dataclass(frozen=True)
class Start:
    """Units of a SKU at the beginning. ``unavailable`` are on hand and cannot be sold."""

    sku: str
    title: str
    on_hand: int
    unavailable: int
    incoming: int


def starting(exports: Path | None, location: str) -> list[Start]:
    """Rows of EXPORTS/inventory_export.csv (Shopify's columns) of one location."""
    source = exports / "inventory_export.csv" if exports else None
    if source is None or not source.exists() or not location:
        return []
    with source.open(newline="", encoding="utf-8-sig") as lines:
        rows = [row for row in csv.DictReader(lines) if row.get("Location") == location]
    return [
        Start(
            sku=row["SKU"].strip().lstrip("'"),
            title=row.get("Title") or row["SKU"],
            on_hand=_units(row, "On hand (current)", "On hand"),
            unavailable=_units(row, "Unavailable (not editable)", "Unavailable"),
            incoming=_units(row, "Incoming (not editable)", "Incoming"),
        )
        for row in rows
        if (row.get("SKU") or "").strip()
    ]


def locations(pairs: Sequence[str]) -> Mapping[str, str]:
    """WAREHOUSE=LOCATION pairs of the command line."""
    return {left: right for left, _, right in (pair.partition("=") for pair in pairs)}


def http_date(moment: datetime) -> str:
    """A business time as HTTP's Date, which tells when an answer was made."""
    return format_datetime(moment, usegmt=True)


def _units(row: Mapping[str, str | None], *names: str) -> int:
    text = next((row[name] for name in names if row.get(name)), "0") or "0"
    return int(text) if text.lstrip("-").isdigit() else 0
