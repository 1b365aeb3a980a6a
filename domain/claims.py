"""What a carrier owes for a parcel that it has lost or damaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from domain.amounts import share
from domain.fulfillment import Quantity
from domain.order import Order, Role

ClaimCause = Literal["lost", "damaged"]
ClaimState = Literal["open", "claimed", "paid", "refused"]
MAY: tuple[Role, ...] = ("customer_care", "fulfillment_ops", "finance")


def value_of(order: Order, units: Sequence[Quantity]) -> int:
    """What the customer was asked for units of an order, in minor units: price less discount.

    Without tax and shipping, which are no loss of ours; what the label cost is claimed on the
    carrier's invoice (the audit's class ``loss_not_credited``).
    """
    lines = {line.line_id: line for line in order.lines}
    total = 0
    for part in units:
        line = lines[part.line_id]
        net = line.unit_price_minor * line.quantity - line.discount_minor
        total += share(net, part.quantity, line.quantity)
    return total
