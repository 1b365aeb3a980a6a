"""Payloads between the rollout workflow and its activities."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from domain.base import Frozen
from domain.clock import BusinessClock
from domain.messages import Endpoint
from domain.order import Role

RolloutStatus = Literal["running", "held", "activated", "rolled_back", "stopped"]


class RolloutStart(Frozen):
    """Input of the rollout workflow.

    Attributes:
        looks: how often it has looked, before it continued as new.
    """

    rollout_id: str
    clock: BusinessClock
    cx: Endpoint | None = None
    looks: int = 0


class LookAtRollout(Frozen):
    """Compare what was decided since the last look, and take the step that follows.

    Attributes:
        cancelled: the workflow was cancelled in the Temporal UI: take the version back.
    """

    key: str
    rollout_id: str
    at: datetime
    cancelled: bool = False


class RolloutLook(Frozen):
    """Where a rollout stands after a look.

    Attributes:
        breached: a guard has spoken just now: somebody must be told.
        more: there is more to compare at once.
        because: what it waits for, or why it ended.
    """

    status: RolloutStatus
    breached: bool = False
    more: bool = False
    version: str
    stable: str
    percent: int
    orders: int = 0
    because: str
    owner: Role


class DriftStart(Frozen):
    """Input of the drift workflow.

    Attributes:
        days: of business time to look back.
    """

    clock: BusinessClock
    cx: Endpoint | None = None
    days: int = 14


class MeasureDrift(Frozen):
    """Compare what became of orders with what was foreseen."""

    key: str
    at: datetime
    days: int


class DriftFound(Frozen):
    """What was found.

    Attributes:
        orders: how many were looked at.
        alarms: versions and rules whose decisions do not come true, each with its figures.
    """

    orders: int
    alarms: tuple[str, ...] = ()
