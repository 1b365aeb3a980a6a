"""Payloads between the workflow that watches a carrier and its activities."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from domain.base import Frozen
from domain.circuits import Circuit
from domain.clock import BusinessClock
from domain.messages import Endpoint, Keyed


class CarrierStart(Frozen):
    """Input of the workflow."""

    carrier: str
    clock: BusinessClock
    cx: Endpoint | None = None


class Probe(Keyed):
    """Buy the smallest label from a node to itself, and void it. ``key`` is its reference."""

    connector: str
    carrier: str
    service: str
    node: str


class Probed(Frozen):
    """What came out of a probe on a lane (the empty node: everywhere)."""

    node: str
    went_well: bool
    because: str = ""


class LookAtCarrier(Keyed):
    """Judge the carrier's circuits by what was seen since."""

    carrier: str
    probed: tuple[Probed, ...] = ()


class Lane(Frozen):
    """An open circuit, and what its opening is called."""

    opening: str
    circuit: Circuit


class Due(Frozen):
    """A lane that is to be tried at a time, and how."""

    at: datetime
    node: str
    ship_from: str
    service: str
    carrier: Endpoint


class CarrierLook(Frozen):
    """Where a carrier stands.

    Attributes:
        lanes: circuits that are open now.
        ended: openings that are over.
        due: lanes to be tried.
        next_at: when something has to be looked at again; None where nothing is known to come.
    """

    lanes: tuple[Lane, ...] = ()
    ended: tuple[str, ...] = ()
    due: tuple[Due, ...] = ()
    next_at: datetime | None = None


class PlanMoves(Keyed):
    """Decide what becomes of the next fulfillment orders that a lane's carrier does not take.

    Attributes:
        again: those that wait for an answer are told as well: nobody else knows of them.
    """

    carrier: str
    node: str
    opening: str
    again: bool = False


class SettleMoves(Keyed):
    """Somebody has agreed to what was asked, or has not, or the opening is over.

    Attributes:
        fulfillments: whose moves; of an opening that is over those of all.
    """

    opening: str
    outcome: Literal["granted", "refused", "over"]
    fulfillments: tuple[str, ...] = ()
