"""Who decides: people with a queue and a daily batch, or Meshline by its policies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import cast

from domain.decision import (
    RefundOutcome,
    RefundSnapshot,
    ReturnLine,
    ReturnOutcome,
    ReturnSnapshot,
)
from domain.facts import LineFacts, OrderFacts
from domain.order import Order
from domain.returns import Stage, fraud_signals
from finance.recoveries import overpaid
from finance.returns import goes_at
from policies import Policy, decide
from scenarios.returns.wanted import Wanted
from scenarios.returns.world import Course, World, agrees


class Before:
    """Each request is verified by a person; the money goes after the inspection, once a day."""

    def asked(self, world: World, course: Course, now: datetime) -> None:
        world.look(course, now, lambda c, at: looked_at(world, c, at))

    def scanned(self, world: World, course: Course, now: datetime) -> None:
        """Nobody looks."""

    def counted(self, world: World, course: Course, now: datetime) -> None:
        """It waits for its inspection."""

    def passed(self, world: World, course: Course, now: datetime) -> None:
        batch = world.calendar.next_at(time(world.p.batch_hour), now)
        found = course.sum_of(course.due("inspection"))
        course.touches["payment"] += 1  # somebody takes it from the list to the bank
        world.pay(course, batch, "inspection", found)

    def refused(self, world: World, course: Course) -> None:
        """Nothing was paid yet."""


@dataclass(frozen=True)
class Meshline:
    """The product: its decisions at the points ``return`` and ``refund``, at the same moments as
    its workflow (workflows/returns.py).

    Attributes:
        returning, refunding: the documents in force at the two points.
    """

    returning: Sequence[Policy]
    refunding: Sequence[Policy]

    def asked(self, world: World, course: Course, now: datetime) -> None:
        made = decide(self.returning, return_snapshot(course.wanted, now))
        action = cast(ReturnOutcome, made.outcome).action
        if action == "approve":
            world.approve(course, now)
        elif action == "keep_it":
            course.approved, course.kept, course.accepted = now, True, True
            self._ask_refund(world, course, "inspection", now)
        elif action == "decline":
            course.ended = "declined"
        else:
            world.look(course, now, lambda c, at: looked_at(world, c, at))

    def scanned(self, world: World, course: Course, now: datetime) -> None:
        self._ask_refund(world, course, "first_scan", now)

    def counted(self, world: World, course: Course, now: datetime) -> None:
        self._ask_refund(world, course, "receipt", now)

    def passed(self, world: World, course: Course, now: datetime) -> None:
        self._ask_refund(world, course, "inspection", now)

    def refused(self, world: World, course: Course) -> None:
        """What was paid early is taken back, as activities/recovering.py works it out."""
        minor = overpaid((paid.sum for paid in course.paid), {}).total_minor
        if minor > 0:
            world.charge_again(course, minor)

    def _ask_refund(self, world: World, course: Course, stage: Stage, now: datetime) -> None:
        """As activities/returning.py asks: what wants a person waits for the inspection."""
        units = course.due(stage)
        found = course.sum_of(units)
        if found.total_minor <= 0:
            return
        made = decide(self.refunding, refund_snapshot(course, found.total_minor, now))
        goes = goes_at(cast(RefundOutcome, made.outcome).action, stage)
        if goes == "waits":
            return
        course.asked_units = {
            line_id: course.asked_units.get(line_id, 0) + units.get(line_id, 0)
            for line_id in course.wanted.units
        }
        if goes == "pays":
            world.pay(course, now, stage, found)
        else:
            course.touches["approval"] += 1
            agreed = world.finance.done(now)
            world.later(agreed, lambda c, at: world.pay(c, at, stage, found), course)


def looked_at(world: World, course: Course, now: datetime) -> None:
    """A person has looked at a request: the same people on both sides."""
    if agrees(world.p, course.wanted, bool(signals(course.wanted))):
        world.approve(course, now)
    else:
        course.ended = "declined"


def signals(w: Wanted) -> tuple[str, ...]:
    """What speaks against a request, as the product notices it."""
    return fraud_signals(w.order.risk, w.gone)


def return_snapshot(w: Wanted, now: datetime) -> ReturnSnapshot:
    """What Meshline knows when a return is asked for."""
    lines = {x.line_id: x for x in w.order.lines}
    return ReturnSnapshot(
        now=now, order=_facts(w.order),
        lines=tuple(
            ReturnLine(
                line_id=line_id, sku=lines[line_id].sku, quantity=units,
                unit_price_minor=lines[line_id].unit_price_minor, final_sale=w.final_sale,
                reason=w.reason,
            )
            for line_id, units in w.units.items()
        ),
        delivered_at=w.delivered, recent_returns=w.recent, yearly_orders=w.yearly_orders,
        fraud_signals=signals(w),
    )  # fmt: skip


def refund_snapshot(course: Course, minor: int, now: datetime) -> RefundSnapshot:
    """What Meshline knows when money is to go back for it."""
    w = course.wanted
    return RefundSnapshot(
        now=now, order=_facts(w.order), cause="return", amount_minor=minor,
        captured_minor=w.order.total_minor, settled_minor=course.paid_minor,
        recent_refunds=w.recent, yearly_orders=w.yearly_orders, fraud_signals=signals(w),
    )  # fmt: skip


def _facts(order: Order) -> OrderFacts:
    lines = tuple(
        LineFacts(
            line_id=x.line_id, sku=x.sku, quantity=x.quantity, unit_price_minor=x.unit_price_minor
        )
        for x in order.lines
    )
    return OrderFacts(
        id=order.id, source=order.source, channel=order.channel, currency=order.currency,
        country=order.ship_to.country, region=order.ship_to.region, postal3=order.ship_to.postal3,
        risk=order.risk, total_minor=order.total_minor, shipping_minor=order.shipping_minor,
        placed_at=order.placed_at, lines=lines,
    )  # fmt: skip
