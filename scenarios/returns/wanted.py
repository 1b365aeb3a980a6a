"""The returns of a run, and what is true of them: the same seed gives the same ones.

Each return is drawn from a generator of its own, and every trait from its place among that
generator's draws, so that another parameter changes nothing that it is not about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import count
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np

from domain.decision import ReturnReason
from domain.order import Destination, Order, OrderLine
from domain.returns import OURS
from scenarios.returns.parameters import TYPICAL_MINOR, Returns
from scenarios.seeds import dice

CHANNEL, CURRENCY = "web", "USD"
SHIPPING_MINOR, TAX_PERCENT = 600, 8
WINDOW = 30  # days after delivery, as the terms say
CHANGED_MIND: tuple[ReturnReason, ...] = (
    "size_too_small", "size_too_large", "color", "style", "unwanted",
)  # fmt: skip
FAULTS: tuple[ReturnReason, ...] = ("not_as_described", "defective", "wrong_item")
_COUNTS, _RETURN = range(2)  # what a draw is for

Customer = Literal["new", "regular", "serial"]
# What is in the box. ``broken`` came so: the reason is ours, and it is paid.
Contents = Literal["fine", "broken", "used", "wrong_item", "empty"]
BAD: frozenset[Contents] = frozenset({"used", "wrong_item", "empty"})


@dataclass(frozen=True)
class Luck:
    """What happens to a return on either side, where it comes to it: each 0 to 1.

    Attributes:
        desk, inspection: whether a person at the desk, at the dock makes the mistake they can.
        dawdling, counter, scan, transit: of the customer and the parcel.
        agreed, charged: whether their card may be charged again, and lets itself be.
    """

    desk: float
    inspection: float
    dawdling: float
    counter: float
    scan: float
    transit: float
    agreed: float
    charged: float


@dataclass(frozen=True)
class Wanted:
    """A return as it is asked for, and what nobody sees.

    Attributes:
        order: as it was paid; its first lines are to come back.
        units: that are to come back, by line.
        final_sale: all of it was sold as final.
        recent: returns of the customer in 90 days, and refunds; this one not counted.
        yearly_orders: of the customer, this one counted.
        gone: units that were missing in the customer's returns of a year.
        contents, at_fault: what is in the box, and whether the fault is really ours: the truth.
        sent: whether it is handed to a carrier once it is approved.
    """

    asked: datetime
    order: Order
    units: dict[str, int]
    reason: ReturnReason
    delivered: datetime
    final_sale: bool
    customer: Customer
    recent: int
    yearly_orders: int
    gone: int
    contents: Contents
    at_fault: bool
    sent: bool
    luck: Luck

    @property
    def excluded(self) -> bool:
        """The terms exclude it, whatever its reason."""
        return self.final_sale or (self.asked - self.delivered).days > WINDOW

    @property
    def owed(self) -> bool:
        """Whether it should be paid, once its goods come back: the truth."""
        return self.contents not in BAD and (self.at_fault or not self.excluded)


def wanted(p: Returns, seed: int, zone: ZoneInfo) -> list[Wanted]:
    """The returns of a run, in the order in which they are asked for."""
    counts = dice(seed, _COUNTS).poisson(p.per_day, p.days).tolist()
    found = [
        _return(p, zone, dice(seed, _RETURN, day, n), day, f"{seed}-{day:02}-{n:03}")
        for day, many in enumerate(counts)
        for n in range(many)
    ]
    return sorted(found, key=lambda x: (x.asked, x.order.id))


def _return(p: Returns, zone: ZoneInfo, draws: np.random.Generator, day: int, name: str) -> Wanted:
    luck: list[float] = draws.random(24).tolist()
    place = count()

    def draw() -> float:
        return luck[next(place)]

    midnight = datetime.combine(p.first_day, time(0), zone) + timedelta(days=day)
    asked = (midnight + timedelta(hours=7 + 17 * draw())).astimezone(UTC)
    customer = _customer(p, draw())
    recent, yearly = _history(customer, draw(), draw())
    lines, back = _lines(p, draws, name)
    value = sum(x.unit_price_minor * x.quantity for x in lines[:back])
    contents, gone = _contents(p, customer, value, draw(), draw(), draw())
    late, final_sale = _excluded(p, draw())
    claims, rightly = draw() < p.claims, draw() < 0.5
    ours = draw() < p.at_fault
    if late or final_sale:
        # who is out of terms sends back what it is; whether it may is the question
        contents, ours = "broken" if claims and rightly else "fine", claims
    elif ours and contents == "fine":
        contents = "broken" if draw() < 0.4 else "fine"
    days = WINDOW + 1 + 29 * draw() if late else (WINDOW - 1) * draw() ** 2 + 0.5
    truly = ours and contents not in BAD and (rightly or not (late or final_sale))
    reasons = FAULTS if ours else CHANGED_MIND
    risky = draw() < (p.risky_bad if contents in BAD else p.risky)
    order = _order(lines, name, asked - timedelta(days=days + 4), risky)
    return Wanted(
        asked=asked, order=order, units={x.line_id: x.quantity for x in lines[:back]},
        reason="defective" if contents == "broken" else reasons[int(draw() * len(reasons))],
        delivered=asked - timedelta(days=days), final_sale=final_sale, customer=customer,
        recent=recent, yearly_orders=yearly, gone=gone, contents=contents, at_fault=truly,
        sent=draw() >= p.never_sent,
        luck=Luck(*draws.random(8).tolist()),
    )  # fmt: skip


def _customer(p: Returns, draw: float) -> Customer:
    if draw < p.new:
        return "new"
    return "serial" if draw < p.new + p.serial else "regular"


def _history(customer: Customer, returns: float, orders: float) -> tuple[int, int]:
    """Returns in 90 days, orders in a year: a regular customer has few of the ones and some of
    the others. Invented."""
    if customer == "new":
        return 0, 1
    if customer == "serial":
        return 3 + int(6 * returns), 8 + int(20 * orders)
    few: Sequence[int] = (0, 0, 0, 0, 0, 1, 1, 1, 2, 3)
    return few[int(len(few) * returns)], 2 + int(8 * orders)


def _contents(
    p: Returns, customer: Customer, value: int, bad: float, kind: float, before: float
) -> tuple[Contents, int]:
    """What is in the box, and units that were missing in the customer's returns before."""
    share = {"new": p.bad_new, "regular": p.bad_regular, "serial": p.bad_serial}[customer]
    share *= min(2.0, max(0.5, (value / TYPICAL_MINOR) ** p.temptation))
    if bad >= share:
        return "fine", 0
    if kind < p.used:
        return "used", 0
    if kind < p.used + p.wrong_item:
        return "wrong_item", 0
    return "empty", int(customer != "new" and before < p.gone)


def _excluded(p: Returns, draw: float) -> tuple[bool, bool]:
    """(outside the window, sold as final)."""
    return draw < p.late, p.late <= draw < p.late + p.final_sale


def _lines(p: Returns, draws: np.random.Generator, name: str) -> tuple[list[OrderLine], int]:
    """Lines of an order, one to three, and how many of the first ones come back."""
    prices = np.maximum(300, p.median_minor * np.exp(p.spread * draws.standard_normal(3)))
    luck: list[float] = draws.random(3).tolist()
    back = 1 + int(luck[0] < 0.2)
    lines = []
    for i, price in enumerate(prices[: back + int(luck[1] < 0.5)].tolist(), start=1):
        units, minor = 1 + int(i == 1 and luck[2] < 0.1), round(price)
        lines.append(
            OrderLine(
                line_id=str(i), sku=f"SKU-{name}-{i}", quantity=units, unit_price_minor=minor,
                tax_minor=round(minor * units * TAX_PERCENT / 100),
            )
        )  # fmt: skip
    return lines, back


def _order(lines: Sequence[OrderLine], name: str, placed: datetime, risky: bool) -> Order:
    tax = sum(x.tax_minor for x in lines)
    goods = sum(x.unit_price_minor * x.quantity for x in lines)
    return Order(
        id=f"order:scenario:{name}", source="scenario", external_id=name, channel=CHANNEL,
        currency=CURRENCY, placed_at=placed, lines=tuple(lines),
        ship_to=Destination(country="US", region="NY", postal3="100"),
        shipping_minor=SHIPPING_MINOR, tax_minor=tax, total_minor=goods + tax + SHIPPING_MINOR,
        risk="high" if risky else "low",
    )  # fmt: skip


def is_fault(reason: ReturnReason) -> bool:
    """Whether the customer says that the fault is the merchant's."""
    return reason in OURS
