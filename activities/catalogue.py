"""The item master from a product export and our own items.csv, with documented fallbacks.

A Shopify product export knows weight and cost at best, never dimensions. What neither file
says is assumed from the weight, and the item says so in ``assumed``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from connectors.shopify import Product, Rejected
from connectors.tabular import Cell, read_rows
from domain.order import Item

# Merchandise of parcels weighs about 0.2 g a cubic centimetre, packaging included.
GRAMS_PER_CM3 = 0.2
DEFAULT_GRAMS = 500
LEAST_SIDES = (1_500, 1_000, 300)  # tenths of a millimetre: a padded envelope
FLAGS = ("fragile", "hazmat", "ships_alone", "this_side_up", "final_sale")
ITEM_COLUMNS = ("sku",)


def item_of(product: Product) -> Item:
    """An item from a product, what is missing assumed."""
    assumed = []
    grams = product.grams
    if grams is None and product.requires_shipping:
        grams = DEFAULT_GRAMS
        assumed.append("weight")
    sides = _sides(grams or 0)
    if product.requires_shipping:
        assumed.append("dimensions")
    if product.cost_minor is None:
        assumed.append("unit_cost")
    return Item(
        sku=product.sku,
        title=product.title[:200],
        weight_mg=(grams or 0) * 1_000,
        length=sides[0],
        width=sides[1],
        height=sides[2],
        unit_cost_minor=product.cost_minor or 0,
        requires_shipping=product.requires_shipping,
        assumed=tuple(assumed),
    )


def _sides(grams: int) -> tuple[int, int, int]:
    """A box of 3 : 2 : 1 that holds the weight at the usual density."""
    volume = grams / GRAMS_PER_CM3 * 1e6  # tenths of a millimetre, cubed
    unit = round((volume / 6) ** (1 / 3))
    return (
        max(LEAST_SIDES[0], 3 * unit),
        max(LEAST_SIDES[1], 2 * unit),
        max(LEAST_SIDES[2], unit),
    )


def read_items(path: Path, known: dict[str, Item]) -> Iterator[Item | Rejected]:
    """Rows of items.csv over what is known: sku, length_mm, width_mm, height_mm, weight_g,
    unit_cost_minor and the flags (yes or no). An empty cell keeps what is known.

    Raises:
        InvalidInput: the file as a whole has no such form.
    """
    for row in read_rows(path, ITEM_COLUMNS):
        sku = row.values.get("sku", "").strip()
        cells = Cell(list(row.problems))
        old = known.get(sku) or Item(sku=sku or "?")
        changes: dict[str, object] = {}
        sized = [c for c in ("length_mm", "width_mm", "height_mm") if row.values.get(c, "").strip()]
        for column in sized:
            value = cells.number(row, column, default="0")
            changes[column.removesuffix("_mm")] = round((value or 0) * 10)
        if row.values.get("weight_g", "").strip():
            changes["weight_mg"] = round((cells.number(row, "weight_g", default="0") or 0) * 1_000)
        if row.values.get("unit_cost_minor", "").strip():
            changes["unit_cost_minor"] = cells.whole(row, "unit_cost_minor", least=0, most=10**9)
        for flag in FLAGS:
            word = row.values.get(flag, "").strip().lower()
            if word in ("yes", "true", "1"):
                changes[flag] = True
            elif word not in ("", "no", "false", "0"):
                cells.note(row, flag, f"{word!r} is neither yes nor no", "Write yes or no")
        if not sku:
            cells.note(row, "sku", "is empty", "Give the SKU")
        if cells.problems:
            yield Rejected(sku, cells.problems, [row])
            continue
        said = {"dimensions"} if len(sized) == 3 else set()
        said |= {"weight"} if "weight_mg" in changes else set()
        said |= {"unit_cost"} if "unit_cost_minor" in changes else set()
        changes["assumed"] = tuple(a for a in old.assumed if a not in said)
        yield old.model_copy(update=changes)
