"""What was paid back for units that then did not count. Minor units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from domain.amounts import share
from domain.refunds import RefundPart, RefundSum


def overpaid(paid: Iterable[RefundSum], accepted: Mapping[str, int]) -> RefundSum:
    """What refunds of a return gave for more units than count.

    Args:
        paid: its refunds, as they were paid.
        accepted: units of each line that count after the inspection.

    The units that count keep their part of what was paid for their line, rounded half up: what is
    kept and what is taken back come to what was paid, and neither is more. Shipping that was paid
    back is owed no more once any unit does not count: it goes back where all comes back for a
    fault of ours.
    """
    by_line: dict[str, list[RefundPart]] = {}
    shipping = 0
    for each in paid:
        shipping += each.shipping_minor
        for part in each.parts:
            by_line.setdefault(part.line_id, []).append(part)
    parts = [
        found
        for line_id, of_line in by_line.items()
        if (found := _over(line_id, of_line, accepted.get(line_id, 0)))
    ]
    return RefundSum(parts=tuple(parts), shipping_minor=shipping if parts else 0)


def _over(line_id: str, paid: list[RefundPart], accepted: int) -> RefundPart | None:
    units = sum(part.quantity for part in paid)
    over = units - accepted
    if over <= 0:
        return None

    def taken(whole: int) -> int:
        return whole - share(whole, accepted, units)

    goods = taken(sum(part.goods_minor for part in paid))
    discount = taken(sum(part.discount_minor for part in paid))
    fee = taken(sum(part.fee_minor for part in paid))
    # the tax takes what rounding leaves, as in what was paid
    total = taken(sum(part.total_minor for part in paid))
    return RefundPart(
        line_id=line_id, quantity=over, goods_minor=goods, discount_minor=discount,
        tax_minor=total - goods + discount + fee, fee_minor=fee,
    )  # fmt: skip
