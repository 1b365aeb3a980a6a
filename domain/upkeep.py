"""Payloads of what Meshline looks after by itself, again and again."""

from __future__ import annotations

from datetime import datetime

from domain.base import Frozen
from domain.clock import BusinessClock


class UpkeepStart(Frozen):
    """Input of the workflow.

    Attributes:
        activity: what is to be done.
        hours: of business time that its result holds: two looks, so that one may fail.
    """

    activity: str
    clock: BusinessClock
    hours: float


class Upkeep(Frozen):
    """Do it as of a time; what comes out holds until another one."""

    key: str
    at: datetime
    until: datetime


class Superseded(Frozen):
    """Fulfillment orders of an order whose place others have taken."""

    order_id: str
    fulfillments: tuple[str, ...]


class Upkept(Frozen):
    """What came out, in words and in figures."""

    summary: str
    figures: dict[str, int] = {}


class Reevaluated(Upkept):
    """What came out, and who has to hear of it."""

    superseded: tuple[Superseded, ...] = ()
