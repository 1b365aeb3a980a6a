"""What an order owes. Parts always sum to the whole, to the minor unit."""

from __future__ import annotations

from collections.abc import Mapping

from domain.order import Order


def share(amount: int, part: int, whole: int) -> int:
    """``part`` of ``whole`` of an amount, rounded half up; 0 of nothing."""
    return (2 * amount * part + whole) // (2 * whole) if whole else 0


def amount_due(order: Order, cancelled: Mapping[str, int]) -> int:
    """The order's total less what its cancelled units were to cost.

    Args:
        cancelled: cancelled units by line ID.

    Shipping is owed while anything ships; it falls away when everything is cancelled.
    """
    value = {
        line.line_id: line.unit_price_minor * line.quantity - line.discount_minor + line.tax_minor
        for line in order.lines
    }
    gone = sum(
        share(value[line.line_id], cancelled.get(line.line_id, 0), line.quantity)
        for line in order.lines
    )
    if all(cancelled.get(line.line_id, 0) >= line.quantity for line in order.lines):
        return 0
    return max(0, order.total_minor - gone)
