"""Payloads between the workflow that prices stock and its activity."""

from __future__ import annotations

from datetime import datetime

from domain.base import Frozen
from domain.clock import BusinessClock


class BidStart(Frozen):
    """Input of the workflow.

    Attributes:
        hours: of business time that bids hold: two looks, so that one may fail.
    """

    clock: BusinessClock
    hours: float


class PriceStock(Frozen):
    """Say what stock is worth to the orders to come, as of a time, and until when it holds."""

    key: str
    at: datetime
    until: datetime


class StockPriced(Frozen):
    """What was found.

    Attributes:
        orders: how many were looked at; ``expected`` are to come before stock does.
        bids: how many units' prices are in force now.
        value_minor: what serving the expected orders costs, at least.
        exact: whether the solver was there, or the prices are the cruder ones.
    """

    orders: int
    expected: int = 0
    bids: int = 0
    value_minor: int = 0
    exact: bool = True
