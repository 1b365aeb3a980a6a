"""Holds and exception cases: what waits for a person, who owns it, until when."""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Literal

from domain.base import Frozen
from domain.order import Role


class HoldReason(StrEnum):
    AWAITING_PAYMENT = "awaiting_payment"
    HIGH_RISK = "high_risk_of_fraud"
    INCORRECT_ADDRESS = "incorrect_address"
    OUT_OF_STOCK = "inventory_out_of_stock"
    UNKNOWN_DATE = "unknown_delivery_date"
    MANUAL = "manual"
    OTHER = "other"


class Hold(Frozen):
    """Blocks an order's transitions until released. An overlay, never a status."""

    id: str
    order_id: str
    reason: HoldReason
    owner: Role
    because: str
    deadline: datetime
    status: Literal["active", "released", "rejected", "expired"] = "active"
    blocks: tuple[str, ...] = ("accept", "release")


class CaseAction(StrEnum):
    """What a person may do with a case. Which of them a case allows is part of it."""

    ACK = "ack"
    APPROVE = "approve"
    REJECT = "reject"
    REROUTE = "reroute"
    RETRY = "retry"
    CANCEL = "cancel"
    RESOLVE = "resolve"
    WAIT = "wait"
    SHIP_PARTIAL = "ship_partial"
    CORRECT = "correct"
    KEEP = "keep"
    RECOVER = "recover"


class ExceptionCase(Frozen):
    """Something that a person must know or decide.

    Attributes:
        kind: which runbook entry describes it, for example ``pick_delayed``.
        shown: what the person is shown; ``shown_hash`` binds an approval to it.
        requester: who caused it; may not approve it.
        chain: roles to escalate to, in order, one per passed deadline.
    """

    id: str
    order_id: str
    fulfillment_id: str = ""
    exception_class: Literal["soft", "hard", "carrier_outage"]
    kind: str
    owner: Role
    chain: tuple[Role, ...] = ()
    deadline: datetime
    actions: tuple[CaseAction, ...]
    requester: str = "system"
    because: str
    shown: dict[str, str] = {}
    needs_approval: bool = False
    policy: str = ""

    @property
    def shown_hash(self) -> str:
        """Short content hash of what the person sees; changes when a plan changes."""
        body = self.model_dump_json(include={"id", "kind", "because", "shown", "actions"})
        return hashlib.sha256(body.encode()).hexdigest()[:16]
