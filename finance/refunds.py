"""How much goes back for units of an order. Parts always sum to the whole, to the minor unit.

Of a line with Q units the first k are worth the k-th part of its price, discount and tax, each
rounded half up; what goes back for more of them is the difference of two such sums. So a line that
comes back unit by unit comes to exactly what was paid for it, in whatever steps.
"""

from __future__ import annotations

from collections.abc import Mapping

from domain.amounts import share
from domain.order import Order, OrderLine
from domain.refunds import RefundPart, RefundSum


def refund_of(
    order: Order, before: Mapping[str, int], after: Mapping[str, int], *,
    shipping_minor: int = 0, fee_percent: int = 0,
) -> RefundSum:  # fmt: skip
    """What goes back so that so many units of each line are paid back.

    Args:
        before, after: units by line that are not to be paid for, before and after it.
        shipping_minor: goes back besides.
        fee_percent: kept of goods less discount, for restocking; tax goes back in full.
    """
    parts = []
    for line in order.lines:
        already, then = before.get(line.line_id, 0), after.get(line.line_id, 0)
        if then > already:
            parts.append(_part(line, already, min(then, line.quantity), fee_percent))
    return RefundSum(parts=tuple(parts), shipping_minor=shipping_minor)


def _part(line: OrderLine, before: int, after: int, fee_percent: int) -> RefundPart:
    def grown(amount: int) -> int:
        return share(amount, after, line.quantity) - share(amount, before, line.quantity)

    goods = line.unit_price_minor * (after - before)
    discount = grown(line.discount_minor)
    price = line.unit_price_minor * line.quantity
    # the tax takes what rounding leaves, so that a part is what the order no longer owes for it
    whole = grown(price - line.discount_minor + line.tax_minor)
    kept = price - line.discount_minor
    fee = share(grown(kept), fee_percent, 100) if fee_percent else 0
    return RefundPart(
        line_id=line.line_id,
        quantity=after - before,
        goods_minor=goods,
        discount_minor=discount,
        tax_minor=whole - goods + discount,
        fee_minor=fee,
    )
