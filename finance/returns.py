"""What is owed for units that come back, at each stage of their way. Minor units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from domain.amounts import share
from domain.order import Order
from domain.refunds import RefundPart, RefundSum
from domain.returns import OURS, STAGES, Stage
from finance.refunds import refund_of


class ReturnedLine(NamedTuple):
    """A line of a return: units that may come back, have come, count after the inspection."""

    line_id: str
    reason: str
    quantity: int
    received: int
    accepted: int


def due_units(
    stage: Stage, lines: Iterable[ReturnedLine], asked: Mapping[str, int]
) -> dict[str, int]:
    """Units of each line that may be paid back at a stage.

    Args:
        asked: units of each line that refunds were asked for already, for this return.

    At the first scan that is all that is to come back, at the receipt what has come, after the
    inspection what counts. What was paid at an earlier stage is not paid again.
    """
    counts = {"first_scan": "quantity", "receipt": "received", "inspection": "accepted"}[stage]
    found = {x.line_id: getattr(x, counts) - asked.get(x.line_id, 0) for x in lines}
    return {line_id: units for line_id, units in found.items() if units > 0}


def paid_at(action: str, stage: Stage) -> bool:
    """Whether what the refund policy said lets money go at a stage, or at one before it."""
    return action == "at_once" or (action in STAGES and STAGES.index(action) <= STAGES.index(stage))


def goes_at(action: str, stage: Stage) -> Literal["pays", "asks", "waits"]:
    """What becomes of the money at a stage, by what the refund policy said.

    What a person has to review is asked for after the inspection: who looks at it sees what came
    back.
    """
    if action == "review":
        return "asks" if stage == "inspection" else "waits"
    return "pays" if paid_at(action, stage) else "waits"


def sum_for(
    order: Order, before: Mapping[str, int], due: Mapping[str, int], reasons: Mapping[str, str],
    fee_percent: int, shipping_before: int = 0,
) -> RefundSum:  # fmt: skip
    """What goes back for these units.

    Args:
        before: units of each line that are paid back already, or were never paid for.
        reasons: of each line, why it comes back.
        fee_percent: kept for restocking where the reason is the customer's.
        shipping_before: shipping that was paid back already.

    Shipping goes back with the last unit of the order where all that comes back now comes back
    for a fault of ours.
    """
    whole = spread(order)
    parts: list[RefundPart] = []
    after = dict(before)
    for line in whole.lines:
        if units := due.get(line.line_id, 0):
            after[line.line_id] = min(line.quantity, before.get(line.line_id, 0) + units)
            fee = 0 if reasons.get(line.line_id) in OURS else fee_percent
            only = {line.line_id: after[line.line_id]}
            parts += refund_of(whole, before, only, fee_percent=fee).parts
    shipping = 0
    last = bool(due) and all(after.get(x.line_id, 0) >= x.quantity for x in whole.lines)
    if last and all(reasons.get(line_id) in OURS for line_id in due):
        shipping = max(0, order.shipping_minor - shipping_before)
    return RefundSum(parts=tuple(parts), shipping_minor=shipping)


def spread(order: Order) -> Order:
    """The order with what its discount and tax have over those of its lines on the lines, by
    their value.

    Some shops give discount and tax of an order as a whole. Where lines have taxes, the rest of
    the order's is the shipping's, and stays with it.
    """
    discount = order.discount_minor - sum(x.discount_minor for x in order.lines)
    of_lines = sum(x.tax_minor for x in order.lines)
    tax = 0 if of_lines else order.tax_minor
    if discount <= 0 and tax <= 0:
        return order
    values = [x.unit_price_minor * x.quantity - x.discount_minor for x in order.lines]
    discounts, taxes = (_parts(max(0, amount), values) for amount in (discount, tax))
    lines = tuple(
        x.model_copy(
            update={
                "discount_minor": x.discount_minor + discounts[i],
                "tax_minor": x.tax_minor + taxes[i],
            }
        )
        for i, x in enumerate(order.lines)
    )
    return order.model_copy(update={"lines": lines})


def _parts(amount: int, values: list[int]) -> list[int]:
    """An amount by values; the parts sum to it."""
    whole, seen, given = sum(values), 0, 0
    parts = []
    for value in values:
        seen += value
        until = share(amount, seen, whole)
        parts.append(until - given)
        given = until
    return parts
