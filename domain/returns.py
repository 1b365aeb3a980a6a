"""Goods that customers send back: what is asked, what arrives, what becomes of it.

A return's messages name it in ``order_id``, as those of every workflow that is no order's do.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal, get_args

from pydantic import Field

from domain.base import Frozen
from domain.clock import BusinessClock
from domain.decision import ReturnReason
from domain.messages import Endpoint, Keyed
from domain.order import Identifier, Role

PREFIX = "return:"
EXCHANGE = "exchange"  # source of the orders that replace what came back

Wish = Literal["refund", "exchange", "store_credit"]
Grade = Literal["new", "opened", "damaged", "wrong_item", "missing"]
Disposition = Literal[
    "restocked", "not_restocked", "processing_required", "missing", "refurbished", "donated",
    "disposed",
]  # fmt: skip
Stage = Literal["first_scan", "receipt", "inspection"]  # when money may go, in this order

WISHES: tuple[Wish, ...] = get_args(Wish)
GRADES: tuple[Grade, ...] = get_args(Grade)
DISPOSITIONS: tuple[Disposition, ...] = get_args(Disposition)
STAGES: tuple[Stage, ...] = get_args(Stage)
CAME_TO_NOTHING = ("declined", "expired", "cancelled")  # its units are free again
ENDED = ("closed", *CAME_TO_NOTHING)

# Where the merchant is at fault: no fee is kept, and damage is no surprise.
OURS: frozenset[ReturnReason] = frozenset({"wrong_item", "not_as_described", "defective"})
USUALLY: Mapping[Grade, Disposition] = {
    "new": "restocked",
    "opened": "processing_required",
    "damaged": "disposed",
    "wrong_item": "not_restocked",
    "missing": "missing",
}


def return_id(order_id: str, number: int) -> str:
    """``return:{order}:{number}``, the return's ID and its workflow's."""
    return f"{PREFIX}{order_id.removeprefix('order:')}:{number}"


def is_return(text: str) -> bool:
    """Whether an ID is a return's."""
    return text.startswith(PREFIX)


def workflow_of(order_id: str, fulfillment_id: str) -> str:
    """Whose workflow hears of a parcel: its return's, or its order's."""
    return fulfillment_id if is_return(fulfillment_id) else order_id


def accepted(grade: Grade, reason: ReturnReason) -> bool:
    """Whether a unit that was graded so is paid back without asking anybody."""
    return grade in ("new", "opened") or (grade == "damaged" and reason in OURS)


def fraud_signals(risk: str, missing: int) -> tuple[str, ...]:
    """What speaks against a return, in words.

    Args:
        risk: of the order, as the shop rates it.
        missing: units that were missing in the customer's returns of a year.
    """
    found = []
    if risk == "high":
        found.append("the shop rates the order as a high risk")
    if missing:
        found.append(f"{missing} units were missing in the customer's returns of a year")
    return tuple(found)


class ReturnTerms(Frozen):
    """How the merchant takes goods back, as the network file says.

    Attributes:
        node: where they go to; empty sends them to the node that shipped them.
        service: buys a label for each approved return; empty leaves the way back to customers.
        dropoff_code: a code goes with the label, where the carrier has such: its counter prints
            the label by it.
        expires_days: after the approval, for a return that no carrier has scanned.
        lost_days: after the first scan, for a parcel that does not arrive.
        rest_days: after a part has arrived, for the rest.
        inspection_hours: after the arrival, until somebody hears that nobody has looked.
        restocking_fee_percent: kept of what is paid back, where the reason is the customer's.
        recover: customers have agreed that what was paid early is taken back from their card where
            the inspection refuses the goods; a person decides it each time.
    """

    node: str = ""
    service: str = ""
    dropoff_code: bool = False
    expires_days: int = Field(default=45, ge=1, le=366)
    lost_days: int = Field(default=21, ge=1, le=366)
    rest_days: int = Field(default=14, ge=1, le=366)
    inspection_hours: int = Field(default=48, ge=1, le=1_000)
    restocking_fee_percent: int = Field(default=0, ge=0, le=100)
    recover: bool = False


class ReturnedUnits(Frozen):
    """Units of an order line that are to come back, or have.

    Attributes:
        instead: the SKU that is sent instead, in an exchange; empty for the same one.
    """

    line_id: Identifier
    quantity: int = Field(ge=1, le=100_000)
    reason: ReturnReason = "unwanted"
    instead: str = ""


class ReturnWish(Frozen):
    """What a customer asks for."""

    order_id: Identifier
    lines: tuple[ReturnedUnits, ...] = Field(min_length=1, max_length=200)
    wish: Wish = "refund"
    source: Identifier = "cli"
    external_id: str = ""
    requester: str = "system"
    comment: str = ""


class InspectedUnits(Frozen):
    """Units that somebody has looked at."""

    line_id: Identifier
    quantity: int = Field(ge=1, le=100_000)
    grade: Grade
    disposition: Disposition


class ReturnStart(Frozen):
    """Input of the return's workflow.

    Attributes:
        label: the carrier's connector, where we buy one.
        shop: in which the customer asked for it; None where it was asked for here.
    """

    return_id: str
    order_id: str
    channel: str
    clock: BusinessClock
    terms: ReturnTerms = ReturnTerms()
    cx: Endpoint | None = None
    payment: Endpoint | None = None
    label: Endpoint | None = None
    shop: Endpoint | None = None


class ReturnStands(Frozen):
    """Where a return stands. Units over all its lines.

    Attributes:
        units: that may come back.
        received, inspected, accepted, missing: of those, so far.
        extra: that came besides.
        scanned, arrived: the carrier has it, has delivered it.
        off: the shop has cancelled it.
        parcels: that we buy labels for.
        node: where it goes to.
        shown: what a person is shown, beside what they are told.
    """

    state: str
    units: int = 0
    received: int = 0
    inspected: int = 0
    accepted: int = 0
    missing: int = 0
    extra: int = 0
    scanned: bool = False
    arrived: bool = False
    off: bool = False
    parcels: int = 0
    node: str = ""
    requester: str = "system"
    shown: dict[str, str] = {}

    @property
    def complete(self) -> bool:
        """Somebody has looked at all of it, or knows that the rest will not come."""
        return self.inspected + self.missing >= self.units


class ReturnDecided(Frozen):
    """What the return policy wants. ``owner``: who looks at it, where somebody has to."""

    action: Literal["approve", "keep_it", "review", "decline"]
    because: str
    owner: Role | None = None
    stands: ReturnStands


class StepReturn(Keyed):
    """A return goes on. ``step`` is a transition of domain/states.py."""

    step: Literal[
        "approve", "decline", "cancel", "expire", "close", "ship", "arrive", "process", "ask"
    ]
    reason: str = ""
    user: str = "system"


class ReceiveReturn(Keyed):
    """Units have arrived at the dock."""

    lines: tuple[ReturnedUnits, ...] = Field(min_length=1, max_length=200)
    user: str


class InspectReturn(Keyed):
    """Units were looked at. ``last``: nothing else will come, the rest is missing."""

    lines: tuple[InspectedUnits, ...] = Field(max_length=400)
    user: str
    last: bool = False


class AcceptReturn(Keyed):
    """A person lets units count that the inspection did not: all, or those that came extra."""

    what: Literal["all", "extra"]
    user: str


class ReturnAnswer(Frozen):
    """Where it stands now, or why nothing was changed."""

    refusal: str = ""
    stands: ReturnStands


class ReturnTrouble(Frozen):
    """What is wrong with what came back; nothing where ``kind`` is empty.

    Attributes:
        paid_minor: what was paid, or is on its way, for units that do not count.
    """

    kind: str = ""
    because: str = ""
    stands: ReturnStands
    paid_minor: int = 0


class AskReturnRefund(Keyed):
    """Is anything to be paid back now?"""

    stage: Stage


class ReturnLabel(Keyed):
    """Buy the label for the way back."""

    connector: str


class Received(Frozen):
    """The Update of the dock: these units are here."""

    lines: tuple[ReturnedUnits, ...] = Field(min_length=1, max_length=200)
    user: str


class Inspected(Frozen):
    """The Update of the inspection."""

    lines: tuple[InspectedUnits, ...] = Field(max_length=400)
    user: str
    last: bool = False


class CancelReturn(Frozen):
    """The Update that calls it off, before anything is on its way."""

    user: str
    reason: str = ""


def due_after(terms: ReturnTerms, stands: ReturnStands) -> timedelta:
    """How long a return in this state waits for what comes next."""
    if stands.arrived or stands.received > stands.inspected:
        return timedelta(hours=terms.inspection_hours)
    if stands.received:
        return timedelta(days=terms.rest_days)
    return timedelta(days=terms.lost_days if stands.scanned else terms.expires_days)
