"""Orders of a Medusa shop and what it says was shipped of them, to be compared with ours."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from connectors import errors as e
from connectors.http import Wire, parsed
from connectors.medusa_orders import minor_of
from domain.base import Problem
from domain.reconciliation import Entry, EntryKind, StatementPage

KINDS: tuple[EntryKind, ...] = ("order", "confirmation")
FIELDS = (
    "id,status,total,currency_code,created_at,updated_at,canceled_at,*fulfillments,"
    "*fulfillments.items"
)


class _Item(Wire):
    line_item_id: str = ""
    quantity: float = 0


class _Fulfillment(Wire):
    id: str
    metadata: dict[str, Any] | None = None
    created_at: datetime | None = None
    shipped_at: datetime | None = None
    canceled_at: datetime | None = None
    items: tuple[_Item, ...] = ()

    def entry(self, order_id: str) -> Entry:
        units: dict[str, int] = {}
        for item in self.items:
            units[item.line_item_id] = units.get(item.line_item_id, 0) + round(item.quantity)
        return Entry(
            kind="confirmation",
            external_id=self.id,
            reference=str((self.metadata or {}).get("reference") or ""),
            state="cancelled" if self.canceled_at else "done" if self.shipped_at else "open",
            at=self.shipped_at or self.created_at,
            units=units,
            within=order_id,
        )


class _Order(Wire):
    id: str
    status: str = ""
    total: Any = 0
    currency_code: str
    created_at: datetime
    canceled_at: datetime | None = None
    fulfillments: tuple[_Fulfillment, ...] = ()


def entries(connector: str, row: dict[str, Any]) -> tuple[Entry, ...]:
    """An order and its fulfilments.

    Raises:
        ContractBroken: naming the field that cannot be read.
    """
    order = parsed(connector, _Order, row)
    currency = order.currency_code.strip().upper()
    try:
        total = minor_of(order.total, currency)
    except ValueError as wrong:
        raise e.ContractBroken(connector, "total", str(wrong)) from None
    gone = order.canceled_at or order.status in ("canceled", "archived")
    head = Entry(
        kind="order", external_id=order.id, state="cancelled" if gone else "open", minor=total,
        currency=currency, at=order.created_at,
    )  # fmt: skip
    return (head, *(f.entry(order.id) for f in order.fulfillments))


def page(connector: str, rows: list[dict[str, Any]], cursor: str) -> StatementPage:
    """Rows as entries; those that cannot be read as problems."""
    found: list[Entry] = []
    problems: list[Problem] = []
    for row in rows:
        try:
            found += entries(connector, row)
        except e.ContractBroken as broken:
            problems.append(
                Problem(
                    source=str(row.get("id", "?"))[:60],
                    field=broken.field,
                    reason=str(broken)[:300],
                    remedy="Look the order up in Medusa; the connector may be too old",
                )
            )
    return StatementPage(entries=tuple(found), problems=tuple(problems), cursor=cursor)
