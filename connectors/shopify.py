"""The three files that every Shopify merchant has: order, product and inventory export (CSV).

Columns as Shopify's help center lists them for CSV exports (2025/26). Orders stand one row a
line item; the order's own fields only on its first row. Everything is streamed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from connectors.tabular import Cell, Row, read_rows
from domain.base import Problem
from domain.order import Address, IncomingOrder, Order, OrderLine, Payment, order_id

SOURCE = "shopify"
ORDER_COLUMNS = (
    "Name", "Financial Status", "Fulfillment Status", "Currency", "Total", "Created at",
    "Lineitem quantity", "Lineitem name", "Lineitem price", "Lineitem sku",
    "Lineitem requires shipping", "Shipping Zip", "Shipping Country",
)  # fmt: skip
MAX_ROWS = 1_000  # of one order; a decision looks at 500 lines
_OVER = {"refunded", "voided", "expired"}
_PAID = {"paid", "partially_refunded"}
_AUTHORIZED = {"authorized"}


@dataclass
class Skipped:
    """An order that needs nothing: fulfilled, cancelled or refunded."""

    name: str
    why: str


@dataclass
class Rejected:
    """A malformed order, whole: every problem found, with its rows as they stood."""

    name: str
    problems: list[Problem]
    rows: list[Row] = field(default_factory=list)


Read = IncomingOrder | Skipped | Rejected


def read_orders(
    path: Path, channel_hints: Collection[str] = (), source: str = SOURCE
) -> Iterator[tuple[Read, int]]:
    """Orders of an export in file order, each with the bytes read so far (for progress).

    Args:
        channel_hints: values by which channels are told apart; looked for in Tags and Source.

    Raises:
        InvalidInput: the file as a whole is no order export.
    """
    seen: set[str] = set()
    group: list[Row] = []
    offset = 0
    for row in read_rows(path, ORDER_COLUMNS):
        other = group and row.values.get("Name") != group[0].values.get("Name")
        if other or len(group) > MAX_ROWS:
            yield _order(group, channel_hints, source, seen), offset
            group = []
        group.append(row)
        offset = row.offset
    if group:
        yield _order(group, channel_hints, source, seen), offset


def _order(rows: list[Row], hints: Collection[str], source: str, seen: set[str]) -> Read:
    head = rows[0]
    name = head.values.get("Name", "").strip()
    problems = [p for row in rows for p in row.problems]
    if not name:
        problems.append(head.problem("Name", "is empty", "Give the order's name, such as #1001"))
    elif len(rows) > MAX_ROWS:
        problems.append(head.problem("Name", f"{name} has over {MAX_ROWS} rows", "Split the order"))
    elif name in seen:
        problems.append(
            head.problem("Name", f"{name} stands twice, apart", "Keep an order's rows together")
        )
    seen.add(name)
    why = _over(head)
    if why and not problems:
        return Skipped(name, why)
    cells = Cell(problems)
    currency = head.values.get("Currency", "").strip().upper()
    lines = [
        x for n, row in enumerate(rows, 1) if (x := _line(row, n, currency, cells)) is not None
    ]
    if not problems and not lines:
        return Skipped(name, "fulfilled")
    order = _build(head, name, currency, lines, hints, source, cells) if not problems else None
    if order is None or problems:
        return Rejected(name, problems, rows)
    return order


def _over(head: Row) -> str:
    """Why nothing is left to do, or an empty text."""
    financial = head.values.get("Financial Status", "").strip().lower()
    if head.values.get("Cancelled at", "").strip():
        return "cancelled"
    if financial in _OVER:
        return "refunded" if financial == "refunded" else "cancelled"
    if head.values.get("Fulfillment Status", "").strip().lower() in ("fulfilled", "restocked"):
        return "fulfilled"
    return ""


def _line(row: Row, number: int, currency: str, cells: Cell) -> OrderLine | None:
    """A line that still has to ship, or None; problems are noted."""
    status = row.values.get("Lineitem fulfillment status", "").strip().lower()
    if status == "fulfilled":
        return None
    if status == "partial":
        cells.note(
            row,
            "Lineitem fulfillment status",
            "is partial, and the export does not say how many remain",
            "Enter the remaining units with `meshline order submit`",
        )
        return None
    quantity = cells.whole(row, "Lineitem quantity", least=1, most=100_000)
    price = cells.money(row, "Lineitem price", currency)
    discount = cells.money(row, "Lineitem discount", currency, default="0")
    sku = row.values.get("Lineitem sku", "").strip().removeprefix("'")
    title = row.values.get("Lineitem name", "").strip()
    if quantity is None or price is None or discount is None:
        return None
    try:
        return OrderLine(
            line_id=str(number),
            sku=sku or f"(no SKU) {title}"[:120],
            title=title[:200],
            quantity=quantity,
            unit_price_minor=price,
            discount_minor=discount,
            requires_shipping=row.values.get("Lineitem requires shipping", "true").strip().lower()
            != "false",
            promotion=row.values.get("Discount Code", "").strip(),
        )
    except ValidationError as error:
        cells.note_all(row, error, {"sku": "Lineitem sku"})
        return None


def _build(
    head: Row, name: str, currency: str, lines: list[OrderLine], hints: Collection[str],
    source: str, cells: Cell,
) -> IncomingOrder | None:  # fmt: skip
    text = head.values
    placed = cells.time(head, "Created at")
    amounts = {
        field_: cells.money(head, column, currency, default="0")
        for field_, column in (
            ("shipping_minor", "Shipping"), ("discount_minor", "Discount Amount"),
            ("tax_minor", "Taxes"), ("total_minor", "Total"),
        )
    }  # fmt: skip
    if placed is None or None in amounts.values():
        return None
    external = text.get("Id", "").strip() or name.removeprefix("#")
    promotion = text.get("Discount Code", "").strip()
    tags = tuple(x.strip() for x in text.get("Tags", "").split(",") if x.strip())
    hint = next((x for x in tags if x in hints), text.get("Source", "").strip())
    financial = text.get("Financial Status", "").strip().lower()
    risk = text.get("Risk Level", "").strip().lower()
    try:
        order = Order.model_validate(
            {
                "id": order_id(source, external),
                "source": source,
                "external_id": external,
                "number": name,
                "channel": hint or source,
                "currency": currency,
                "placed_at": placed,
                "lines": [x.model_copy(update={"promotion": promotion}) for x in lines],
                "ship_to": {},
                "shipping_method": text.get("Shipping Method", "").strip()[:120],
                "payment": Payment(
                    status="paid" if financial in _PAID
                    else "authorized" if financial in _AUTHORIZED
                    else "pending"
                ),
                "risk": risk if risk in ("low", "medium", "high") else "low",
                "tags": tags,
                **amounts,
            }
        )  # fmt: skip
    except ValidationError as error:
        cells.note_all(head, error, {"currency": "Currency", "external_id": "Id", "number": "Name"})
        return None
    return IncomingOrder(
        order=order, address=_address(text), customer_key=text.get("Email", "").strip()
    )


def _address(text: Mapping[str, str]) -> Address:
    """The shipping address; a ZIP carries an apostrophe so that Excel keeps its zeros."""

    def get(column: str) -> str:
        return text.get(column, "").strip()

    return Address(
        name=get("Shipping Name"),
        company=get("Shipping Company"),
        street1=get("Shipping Address1") or get("Shipping Street"),
        street2=get("Shipping Address2"),
        city=get("Shipping City"),
        region=get("Shipping Province"),
        postal_code=get("Shipping Zip").removeprefix("'"),
        country=get("Shipping Country"),
        phone=get("Shipping Phone").removeprefix("'"),
        email=get("Email"),
        note=get("Notes"),
    )


@dataclass
class Product:
    """A variant of the product export; None where it says nothing."""

    sku: str
    title: str
    grams: int | None
    cost_minor: int | None
    requires_shipping: bool
    row: Row


def read_products(path: Path, currency: str) -> Iterator[Product | Rejected]:
    """Variants of a product export; rows without a SKU (pictures) are passed over.

    Raises:
        InvalidInput: the file as a whole is no product export.
    """
    title = ""
    for row in read_rows(path, ("Handle", "Title", "Variant SKU", "Variant Grams")):
        title = row.values.get("Title", "").strip() or title
        sku = row.values.get("Variant SKU", "").strip().removeprefix("'")
        cells = Cell(list(row.problems))
        if not sku:
            continue
        grams = cells.number(row, "Variant Grams", default="0")
        cost = row.values.get("Cost per item", "").strip()
        cost_minor = cells.money(row, "Cost per item", currency) if cost else None
        if cells.problems:
            yield Rejected(sku, cells.problems, [row])
            continue
        yield Product(
            sku=sku,
            title=title,
            grams=round(grams) if grams else None,
            cost_minor=cost_minor,
            requires_shipping=row.values.get("Variant Requires Shipping", "true").lower()
            != "false",
            row=row,
        )


@dataclass
class Stock:
    """Units of a SKU at a location, as the merchant counts them."""

    sku: str
    location: str
    on_hand: int
    unsellable: int


_ON_HAND = (
    "On hand (new)",
    "On hand (current)",
    "On hand",
    "Available (not editable)",
    "Available",
)
_UNSELLABLE = ("Unavailable (not editable)", "Unavailable")


def read_inventory(path: Path) -> Iterator[Stock | Rejected]:
    """Rows of an inventory export; “not stocked” is passed over.

    Raises:
        InvalidInput: the file as a whole is no inventory export.
    """
    for row in read_rows(path, ("SKU", "Location")):
        sku = row.values.get("SKU", "").strip().removeprefix("'")
        location = row.values.get("Location", "").strip()
        cells = Cell(list(row.problems))
        column = next((c for c in _ON_HAND if row.values.get(c, "").strip()), "")
        if not column:
            cells.note(
                row, "On hand (current)", "is empty", "Give a whole number, or `not stocked`"
            )
        elif row.values[column].strip().lower() == "not stocked" or not sku:
            continue
        units = cells.whole(row, column, least=0, most=10_000_000) if column else None
        hidden = next((c for c in _UNSELLABLE if row.values.get(c, "").strip()), "")
        unsellable = cells.whole(row, hidden, least=0, most=10_000_000) if hidden else 0
        if not location:
            cells.note(row, "Location", "is empty", "Give the location's name")
        if cells.problems or units is None or unsellable is None:
            yield Rejected(sku, cells.problems, [row])
            continue
        yield Stock(sku=sku, location=location, on_hand=units, unsellable=unsellable)


def locations(path: Path) -> list[str]:
    """Names of the locations in an inventory export, in order of appearance."""
    found: dict[str, None] = {}
    for stock in read_inventory(path):
        if isinstance(stock, Stock):
            found.setdefault(stock.location)
    return list(found)
