"""What a decision is made from and what it says. Everything here is recorded.

A snapshot holds facts only, so that a decision can be repeated from its record. Costs are
minor units of the network's currency, distances whole miles, times business time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import Field

from domain.base import Frozen
from domain.cases import CaseAction, HoldReason
from domain.facts import NodeFacts, OrderFacts, RateCard, ServiceFacts
from domain.fulfillment import FulfillmentPlan
from domain.order import Role

Point = Literal[
    "hold", "route", "approve", "reroute", "compensate", "exception", "return", "refund"
]  # fmt: skip
RerouteTrigger = Literal[
    "late_pick", "quote_deviation", "label_refused", "carrier_outage", "hedge", "overflow"
]
CompensateTrigger = Literal[
    "short_pick", "node_rejected", "out_of_stock", "deadline", "lost", "returned"
]
ReturnReason = Literal[
    "size_too_small", "size_too_large", "color", "style", "unwanted", "wrong_item",
    "not_as_described", "defective", "other",
]  # fmt: skip


class RouteSnapshot(Frozen):
    """Everything that the route decision may know.

    Attributes:
        generation: counts plans of an order.
        late_shipments_per_mille: of the orders of this order's channel that were due to ship in
            the last 30 days, how many in a thousand shipped late or have not shipped.
        allotted: of SKUs that all nodes together have too little of for this order's channel, the
            units that pools of other channels still have, by SKU and pool.
    """

    now: datetime
    order: OrderFacts
    nodes: tuple[NodeFacts, ...]
    services: tuple[ServiceFacts, ...]
    rate_cards: tuple[RateCard, ...]
    holidays: tuple[str, ...] = ()
    promotions: tuple[str, ...] = ()
    generation: int = 0
    k_best: int = Field(default=20, ge=1, le=100)
    late_shipments_per_mille: int = Field(default=0, ge=0, le=1_000)
    allotted: dict[str, dict[str, int]] = {}


def others_units(allotted: Mapping[str, Mapping[str, int]]) -> str:
    """Units by SKU and pool, to be added to why an order has to wait; empty without any."""
    return "".join(
        f"; {units} of {sku} are allotted to pool {pool}"
        for sku, of_pools in allotted.items()
        for pool, units in of_pools.items()
    )


class RuleHit(Frozen):
    """A rule that said something, and its text with the values filled in."""

    policy: str
    step: str
    rule: str
    because: str


class Candidate(Frozen):
    """Node × service, kept or rejected, with its price for the order's open lines."""

    node: str
    service: str
    kept: bool
    cost_minor: int = 0
    deliver_p50: datetime | None = None
    deliver_p90: datetime | None = None
    adjustment_minor: int = 0
    hits: tuple[RuleHit, ...] = ()


class CostParts(Frozen):
    """What a plan costs, part by part, in minor units.

    Attributes:
        scarcity: what taking this stock costs the orders to come, by the nodes' bids.
    """

    shipping: int = 0
    handling: int = 0
    lateness: int = 0
    adjustments: int = 0
    scarcity: int = 0

    @property
    def total(self) -> int:
        """All parts together, what plans are ranked by."""
        return self.shipping + self.handling + self.lateness + self.adjustments + self.scarcity


class Plan(Frozen):
    """A way to fulfil all open lines: one fulfillment plan per node used."""

    id: str
    fulfillments: tuple[FulfillmentPlan, ...]
    cost: CostParts
    deliver_p50: datetime
    deliver_p90: datetime
    hits: tuple[RuleHit, ...] = ()

    @property
    def cash_minor(self) -> int:
        """Money that really leaves: shipping and handling."""
        return self.cost.shipping + self.cost.handling


class HoldDemand(Frozen):
    """A hold that the policy asks for."""

    reason: HoldReason
    owner: Role
    hours: int
    because: str


class HoldOutcome(Frozen):
    point: Literal["hold"] = "hold"
    holds: tuple[HoldDemand, ...] = ()


class RouteOutcome(Frozen):
    """The chosen plan first among ``plans`` (best K), every candidate beside it.

    ``plans`` is empty when nothing can fulfil the open lines; ``because`` says why.
    """

    point: Literal["route"] = "route"
    plans: tuple[Plan, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    because: str = ""


class ApproveOutcome(Frozen):
    """Who has to agree before release, if anybody."""

    point: Literal["approve"] = "approve"
    owner: Role | None = None
    because: str = ""


class ApproveSnapshot(Frozen):
    """``cost_minor`` of the plan beside ``baseline_minor``, the first plan's or the best's."""

    now: datetime
    order: OrderFacts
    cost_minor: int
    baseline_minor: int
    express: bool = False
    parcels: int = 1
    trigger: Literal["plan", "replan", "reroute", "quote", "failover"] = "plan"


class RerouteSnapshot(Frozen):
    """A fulfillment order whose plan may no longer be the best one.

    Attributes:
        trigger: what happened.
        late_hours: predicted hours past the promise; 0 when on time.
        quote_minor: what the carrier now asks, where ``trigger`` is ``quote_deviation``.
        attempts: how often this fulfillment order was re-routed before.
    """

    now: datetime
    order: OrderFacts
    trigger: RerouteTrigger
    node: str
    service: str
    planned_minor: int
    quote_minor: int = 0
    late_hours: int = 0
    held_elsewhere: bool = True
    attempts: int = 0


class RerouteOutcome(Frozen):
    """``keep`` the plan, take the next best ``service``, plan again elsewhere, or ``ask``."""

    point: Literal["reroute"] = "reroute"
    action: Literal["keep", "next_service", "replan", "ask"] = "keep"
    owner: Role | None = None
    because: str = ""


class CompensateSnapshot(Frozen):
    """Units that a node cannot deliver, or that nobody has."""

    now: datetime
    order: OrderFacts
    trigger: CompensateTrigger
    node: str = ""
    short_units: int = 0
    open_units: int = 0
    available_elsewhere: int = 0
    attempts: int = 0


class CompensateOutcome(Frozen):
    """What to do with the missing units, and who is told."""

    point: Literal["compensate"] = "compensate"
    action: Literal["resource", "wait", "ship_partial", "cancel_lines", "ask"] = "ask"
    owner: Role = "revenue_ops"
    hours: int = 24
    because: str = ""


class ExceptionSnapshot(Frozen):
    """An exception about to be opened; the policy gives it owner, windows and actions."""

    now: datetime
    order: OrderFacts
    kind: str
    node: str = ""
    carrier: str = ""
    attempts: int = 0


class ExceptionOutcome(Frozen):
    """Class, owner and windows. ``hours`` to the first deadline, then one per chain role."""

    point: Literal["exception"] = "exception"
    exception_class: Literal["soft", "hard", "carrier_outage"] = "hard"
    owner: Role = "fulfillment_ops"
    hours: int = 24
    chain: tuple[Role, ...] = ()
    actions: tuple[CaseAction, ...] = (CaseAction.ACK, CaseAction.RESOLVE)
    because: str = ""


class ReturnLine(Frozen):
    """What a customer wants to send back of one order line."""

    line_id: str
    sku: str
    quantity: int = Field(ge=1)
    unit_price_minor: int = 0
    final_sale: bool = False
    reason: ReturnReason = "unwanted"


class ReturnSnapshot(Frozen):
    """A customer asks to return goods.

    Attributes:
        lines: what is to come back; amounts are in the order's currency.
        delivered_at: the last delivery scan; absent when nothing was delivered yet.
        recent_returns: the customer's returns in the last 90 days, this one not counted.
        yearly_orders: the customer's orders in the last year, this one counted.
        fraud_signals: what speaks against the request, in the words of those who noticed it.
    """

    now: datetime
    order: OrderFacts
    lines: tuple[ReturnLine, ...] = Field(min_length=1)
    delivered_at: datetime | None = None
    recent_returns: int = Field(default=0, ge=0)
    yearly_orders: int = Field(default=1, ge=0)
    fraud_signals: tuple[str, ...] = ()


class ReturnOutcome(Frozen):
    """``approve`` the return, let the customer ``keep_it`` and refund, have a person ``review``
    it, or ``decline`` it."""

    point: Literal["return"] = "return"
    action: Literal["approve", "keep_it", "review", "decline"] = "review"
    owner: Role | None = None
    because: str = ""


RefundCause = Literal[
    "return", "cancelled", "returned_to_sender", "lost", "damaged", "goodwill"
]  # fmt: skip


class RefundSnapshot(Frozen):
    """Money is to go back to a customer.

    Attributes:
        amount_minor: how much, in the order's currency.
        captured_minor: what the customer paid for the order.
        settled_minor: what has gone back already, or is on its way.
        recent_refunds: the customer's in the last 90 days, this one not counted.
        yearly_orders: the customer's orders in the last year, this one counted.
        fraud_signals: what speaks against it, in the words of those who noticed it.
        disputed: the customer has asked the bank for the money.
    """

    now: datetime
    order: OrderFacts
    cause: RefundCause = "return"
    amount_minor: int = Field(ge=0)
    captured_minor: int = Field(ge=0)
    settled_minor: int = Field(default=0, ge=0)
    recent_refunds: int = Field(default=0, ge=0)
    yearly_orders: int = Field(default=1, ge=0)
    fraud_signals: tuple[str, ...] = ()
    disputed: bool = False


class RefundOutcome(Frozen):
    """When the money goes: ``at_once``, at the ``first_scan`` of the parcel that comes back, on
    its ``receipt``, after its ``inspection``; or a person has to ``review`` it first."""

    point: Literal["refund"] = "refund"
    action: Literal["at_once", "first_scan", "receipt", "inspection", "review"] = "review"
    owner: Role | None = None
    because: str = ""


class HoldSnapshot(Frozen):
    now: datetime
    order: OrderFacts


Snapshot = (
    HoldSnapshot
    | RouteSnapshot
    | ApproveSnapshot
    | RerouteSnapshot
    | CompensateSnapshot
    | ExceptionSnapshot
    | ReturnSnapshot
    | RefundSnapshot
)
Outcome = (
    HoldOutcome
    | RouteOutcome
    | ApproveOutcome
    | RerouteOutcome
    | CompensateOutcome
    | ExceptionOutcome
    | ReturnOutcome
    | RefundOutcome
)


class Decision(Frozen):
    """A decision with the policy that made it. The snapshot is stored beside it by hash.

    Attributes:
        policies: ``name@version`` of each document that took part, in order.
        policy_hash: content hash over those documents.
        snapshot_hash: SHA-256 of the snapshot's JSON.
        errors: rules that failed to evaluate, and what the step's on_error did.
        bucket: ``stable``, ``canary`` or the arm of an experiment: whose version decided.
    """

    point: Point
    policies: tuple[str, ...]
    policy_hash: str
    snapshot_hash: str
    engine: str
    outcome: Outcome = Field(discriminator="point")
    hits: tuple[RuleHit, ...] = ()
    errors: tuple[str, ...] = ()
    bucket: str = "stable"


_SNAPSHOTS: dict[Point, type[Snapshot]] = {
    "hold": HoldSnapshot,
    "route": RouteSnapshot,
    "approve": ApproveSnapshot,
    "reroute": RerouteSnapshot,
    "compensate": CompensateSnapshot,
    "exception": ExceptionSnapshot,
    "return": ReturnSnapshot,
    "refund": RefundSnapshot,
}
_POINTS: dict[type[Snapshot], Point] = {model: point for point, model in _SNAPSHOTS.items()}


def point_of(snapshot: Snapshot) -> Point:
    """The decision point that a snapshot belongs to."""
    return _POINTS[type(snapshot)]


def snapshot_type(point: Point) -> type[Snapshot]:
    """The model of a point's snapshots."""
    return _SNAPSHOTS[point]
