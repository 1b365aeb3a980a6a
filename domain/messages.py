"""Payloads between client, workflow and activities. References, never documents.

Every request of a store activity carries ``key``: the same key returns the recorded result.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from domain.base import Frozen
from domain.cases import CaseAction, ExceptionCase, Hold
from domain.clock import BusinessClock
from domain.decision import CompensateTrigger, RerouteTrigger
from domain.fulfillment import Fact, Quantity, Tracking
from domain.order import Role


class Endpoint(Frozen):
    """A connector and the task queue that its activities run on."""

    connector: str
    queue: str


class OrderStart(Frozen):
    """Input of the order workflow."""

    order_id: str
    channel: str
    clock: BusinessClock
    cx: Endpoint | None = None
    oms: Endpoint | None = None
    payment: Endpoint | None = None
    early_tracking: bool = False
    reservation: timedelta = timedelta(hours=48)


# --- signals and updates ------------------------------------------------------------------


class Observed(Frozen):
    """A fact about a fulfillment order, relayed from the inbox."""

    event_id: str
    fulfillment_id: str
    shipment_id: str = ""
    fact: Fact
    short: tuple[Quantity, ...] = ()
    tracking: Tracking | None = None
    eta: datetime | None = None
    reason: str = ""


class Resolution(Frozen):
    """What a person wants done with a case, bound to what they saw."""

    case_id: str
    action: CaseAction
    user: str
    shown_hash: str
    comment: str = ""


class HoldRelease(Frozen):
    """Let the order go on, or reject it for what it was held for."""

    hold_id: str
    user: str
    outcome: Literal["release", "reject"] = "release"
    comment: str = ""


class ReleaseNow(Frozen):
    """Send what waits for its release to its nodes at once."""

    user: str
    reason: str = ""


class HoldPlace(Frozen):
    user: str
    reason: str
    hours: int = 72


class CancelOrder(Frozen):
    """Cancel the whole order, or only ``lines``."""

    user: str
    reason: str = ""
    lines: tuple[str, ...] = ()


class AddressChange(Frozen):
    """The new address is stored encrypted already; only its reference travels."""

    user: str
    address_ref: str


class Reply(Frozen):
    """Answer of an Update: what was done or asked for, in words."""

    status: Literal["done", "requested"]
    message: str


MoveAction = Literal["next_service", "replan", "ask", "keep", "wait"]


class Move(Frozen):
    """How a fulfillment order goes on whose carrier is out, or that will miss its promise.

    Attributes:
        opening: of the circuit, or which sweep found it; with the fulfillment order it names
            the move.
        action: ``next_service`` takes the service named here, ``replan`` looks for another node,
            ``ask`` asks a person, ``wait`` waits until the carrier is back, ``keep`` goes on
            with it.
        avoid: the carrier that is out; parcels that go by another one by now stay.
        instead_of: the service that was planned. Where no carrier is out, parcels that go by
            another one by now stay.
        decision_id: the recorded route decision that has the service's price and dates.
        planned_minor, planned_by: what the parcels cost and when they arrive as planned now.
        approver: who has to agree first, if anybody.
    """

    opening: str
    order_id: str
    fulfillment_id: str
    action: MoveAction
    because: str
    avoid: str = ""
    instead_of: str = ""
    service: str = ""
    carrier_name: str = ""
    carrier: Endpoint | None = None
    decision_id: str = ""
    cost_minor: int = 0
    planned_minor: int = 0
    planned_by: datetime | None = None
    deliver_by: datetime | None = None
    approver: Role | None = None


class Moves(Frozen):
    """Decided moves; ``more``: others are left."""

    moves: tuple[Move, ...] = ()
    more: bool = False


# --- store activities ---------------------------------------------------------------------


class Keyed(Frozen):
    order_id: str
    key: str
    at: datetime


class AcceptRequest(Keyed):
    """``waived``: hold reasons that a person released."""

    waived: tuple[str, ...] = ()


class Accepted(Frozen):
    """Holds that block the order, or none and it is accepted."""

    holds: tuple[Hold, ...] = ()
    units: int = 0


class PlanRequest(Keyed):
    """``excluded``: nodes not to use; ``partial``: plan what there is, leave the rest open."""

    generation: int
    excluded: tuple[str, ...] = ()
    partial: bool = False
    baseline_minor: int | None = None
    trigger: Literal["plan", "replan"] = "plan"


class Planned(Frozen):
    """The recorded decision, or why there is none."""

    decision_id: str
    feasible: bool
    because: str = ""
    cost_minor: int = 0
    currency: str = ""
    policies: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    carriers: tuple[str, ...] = ()
    deliver_by: datetime | None = None
    approver: Role | None = None
    approval_because: str = ""
    baseline_minor: int = 0
    open_units: int = 0


class ReserveRequest(Keyed):
    """``firm``: no approval is awaited, the reservation does not expire."""

    decision_id: str
    generation: int
    expires_at: datetime
    firm: bool


class FulfillmentRef(Frozen):
    """What the workflow knows of a fulfillment order.

    Attributes:
        release_at: until then it waits for a better plan; None where it does not wait.
    """

    id: str
    node: str
    own: bool
    fulfiller: Endpoint
    carrier: Endpoint | None = None
    service: str
    carrier_name: str
    parcels: int = 1
    units: int
    lines: tuple[str, ...]
    cost_minor: int
    ship_at: datetime
    deliver_by: datetime
    release_at: datetime | None = None


class Reserved(Frozen):
    """The new fulfillment orders; empty when another order took the stock first."""

    fulfillments: tuple[FulfillmentRef, ...] = ()
    lost_race: str = ""


class Reservation(Keyed):
    """A store step about what a plan reserved: its fulfillment orders, all of them."""

    fulfillments: tuple[str, ...]


class FulfillmentRequestKeyed(Keyed):
    """A store step about one fulfillment order."""

    fulfillment_id: str
    reason: str = ""


class ShortRequest(FulfillmentRequestKeyed):
    short: tuple[Quantity, ...]


class Remaining(Frozen):
    """Units that a fulfillment order still has after a short pick or a rejection.

    Attributes:
        instead: those that had taken its place already; they hold what was to be given back.
    """

    units: int
    returned: int
    instead: tuple[FulfillmentRef, ...] = ()


class Labelled(Frozen):
    """Parcels by number whose label counts again."""

    parcels: tuple[int, ...]


class HandOver(FulfillmentRequestKeyed):
    tracking: Tracking | None = None


class DeliveryStep(FulfillmentRequestKeyed):
    """How a fulfillment order ended: delivered, lost or returned to its sender."""

    outcome: Literal["deliver", "lose", "return"]


class Facts(Frozen):
    """What is known of a fulfillment order in the store (a deadline reads it again)."""

    facts: tuple[Fact, ...]
    short: tuple[Quantity, ...] = ()
    tracking: Tracking | None = None


class RerouteRequest(Keyed):
    fulfillment_id: str
    trigger: RerouteTrigger
    attempts: int
    excluded_services: tuple[str, ...] = ()
    quote_minor: int = 0


class Rerouted(Frozen):
    """What the reroute policy wants, with the next service where it is one.

    ``circuit_open``: the carrier is out for all: who watches it decides for everybody.
    """

    action: Literal["keep", "next_service", "replan", "ask"]
    because: str
    service: str = ""
    carrier_name: str = ""
    carrier: Endpoint | None = None
    decision_id: str = ""
    cost_minor: int = 0
    planned_minor: int = 0
    deliver_by: datetime | None = None
    approver: Role | None = None
    approval_because: str = ""
    circuit_open: bool = False


class ChangeService(FulfillmentRequestKeyed):
    """The parcels go by another service, as a recorded route decision has it."""

    decision_id: str


class CompensateRequest(Keyed):
    """``fulfillment_id``: a parcel that will not arrive; else the order's open units are meant."""

    trigger: CompensateTrigger
    node: str = ""
    fulfillment_id: str = ""
    short_units: int = 0
    attempts: int = 0


class Compensated(Frozen):
    action: Literal["resource", "wait", "ship_partial", "cancel_lines", "ask"]
    owner: Role
    hours: int
    because: str


class OpenHold(Keyed):
    reason: str
    owner: Role
    hours: int
    because: str


class EndHold(Keyed):
    hold_id: str
    outcome: Literal["release", "reject", "expire"]
    user: str = "system"
    comment: str = ""


class OpenCase(Keyed):
    """``deadline`` overrides the policy's, as an approval's is its reservation's expiry.
    ``recoverable``: money was paid for it that can be taken back."""

    case_id: str
    kind: str
    because: str
    fulfillment_id: str = ""
    node: str = ""
    carrier: str = ""
    shown: dict[str, str] = {}
    requester: str = "system"
    owner: Role | None = None
    deadline: datetime | None = None
    needs_approval: bool = False
    attempts: int = 0
    recoverable: bool = False


class OpenedCase(Frozen):
    case: ExceptionCase
    window: timedelta


class EndCase(Keyed):
    case_id: str
    outcome: Literal["resolve", "auto_resolve"]
    because: str


class EscalateCase(Keyed):
    case_id: str
    owner: Role
    deadline: datetime


class Authorize(Keyed):
    """Check role and four eyes, and write the audit row."""

    resolution: Resolution
    owner: Role
    requester: str
    needs_approval: bool


class Permit(Keyed):
    """May this person change the order in this way? Asked before anything else is done."""

    user: str
    deed: Literal[
        "cancel", "cancel_lines", "hold", "release", "reject", "set_address", "release_now"
    ]
    comment: str = ""


class Authorized(Frozen):
    allowed: bool
    reason: str = ""


class CancelLines(Keyed):
    """Cancel open units: those of ``lines``, or all."""

    lines: tuple[str, ...] = ()
    user: str = "system"
    reason: str = ""


class LinesLeft(Frozen):
    """Quantities over all lines that ship. ``overcaptured_minor`` stands in histories of orders
    that were closed before refunds were paid by us."""

    open: int
    shipped: int
    cancelled: int
    in_work: int
    overcaptured_minor: int = 0


class Finish(Keyed):
    """``known_cases``: open ones that the workflow still ends by itself."""

    outcome: Literal["complete", "cancel", "reject"]
    reason: str = ""
    known_cases: tuple[str, ...] = ()


class SetAddress(Keyed):
    address_ref: str
    user: str


class Audited(Frozen):
    """An empty answer: the step is recorded."""

    done: bool = True


class Firm(Audited):
    """``held``: the reservation was there to be made firm, all of it."""

    held: bool = True


# --- network activities -------------------------------------------------------------------


class SubmitRequest(Keyed):
    """``waited``: for its release, so that another one may have taken its place."""

    connector: str
    fulfillment_id: str
    waited: bool = False


class Submitted(Frozen):
    """What came of a release.

    Attributes:
        ship_at: when the node ships what is released now; approvals may have taken days.
        instead: those that take its place, where it had ended before: then its node never heard
            of it. None where it was released.
    """

    external_id: str = ""
    accepted: bool = False
    ship_at: datetime | None = None
    instead: tuple[FulfillmentRef, ...] | None = None


class LabelRequest(Keyed):
    """``max_minor``: ask again through the reroute policy above this price; None buys."""

    connector: str
    fulfillment_id: str
    shipment_id: str
    service: str
    parcel: int
    max_minor: int | None = None


class LabelBought(Frozen):
    shipment_id: str
    cost_minor: int


class UndoRequest(Keyed):
    """Cancel at the node, or void the labels, of a fulfillment order.

    Attributes:
        references: labels that may have been bought without our knowing.
    """

    connector: str
    fulfillment_id: str
    references: tuple[str, ...] = ()


class Undone(Frozen):
    status: Literal["cancelled", "pending", "refused"]
    reason: str = ""


class ConfirmRequest(Keyed):
    connector: str
    fulfillment_id: str


class CaptureRequest(Keyed):
    connector: str


class Captured(Frozen):
    amount_minor: int
    currency: str


class CancelAtOms(Keyed):
    connector: str


class NotifyRequest(Keyed):
    connector: str
    role: Role
    subject: str
    body: str
    urgent: bool = False
