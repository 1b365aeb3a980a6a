"""State machines as data: every named transition, what it changes, the one event it emits.

A state that no transition reaches does not exist; a test holds both directions.
"""

from __future__ import annotations

from functools import cache

from domain.base import Frozen

EVENT_PREFIX = "meshline."
EVENT_VERSION = ".v1"


class Transition(Frozen):
    """``changes`` maps a field to (allowed old values, new value)."""

    event: str
    changes: dict[str, tuple[frozenset[str], str]]


def _move(event: str, **changes: tuple[str, str]) -> Transition:
    return Transition(
        event=event,
        changes={field: (frozenset(old.split()), new) for field, (old, new) in changes.items()},
    )


INITIAL: dict[str, dict[str, str]] = {
    "order": {"status": "received"},
    "fulfillment_order": {"status": "open", "request_status": "unsubmitted", "stage": ""},
    "allocation": {"status": "reserved"},
    "shipment": {"status": "label_created", "tracking_status": "pending"},
    "hold": {"status": "active"},
    "exception": {"status": "open"},
    "policy_version": {"state": "draft"},
    "refund": {"state": "requested"},
    "recovery": {"state": "requested"},
    "return": {"state": "requested"},
}

_TRACKED = "pending in_transit out_for_delivery delivery_delayed"
_COMING = "approved in_transit partially_received received inspecting action_required"
_ARRIVED = "in_transit partially_received received inspecting"

TRANSITIONS: dict[str, dict[str, Transition]] = {
    "order": {
        "accept": _move("order.accepted", status=("received", "accepted")),
        "process": _move("order.processing", status=("accepted", "processing")),
        "complete": _move("order.completed", status=("accepted processing", "completed")),
        "reject": _move("order.rejected", status=("received", "rejected")),
        "cancel": _move("order.cancelled", status=("received accepted processing", "cancelled")),
    },
    "fulfillment_order": {
        "submit": _move("fulfillment.submitted", request_status=("unsubmitted", "submitted")),
        "accept": _move(
            "fulfillment.accepted",
            status=("open", "in_progress"),
            request_status=("unsubmitted submitted", "accepted"),
        ),
        "reject": _move(
            "fulfillment.rejected",
            status=("open in_progress incomplete", "cancelled"),
            request_status=("unsubmitted submitted accepted cancellation_requested", "rejected"),
        ),
        "short": _move("pick.short", status=("in_progress", "incomplete")),
        "request_cancel": _move(
            "fulfillment.cancellation_requested",
            request_status=("submitted accepted cancellation_rejected", "cancellation_requested"),
        ),
        "refuse_cancel": _move(
            "fulfillment.cancellation_rejected",
            request_status=("cancellation_requested", "cancellation_rejected"),
        ),
        "cancel": _move(
            "fulfillment.cancelled",
            status=("open in_progress incomplete", "cancelled"),
            request_status=(
                "unsubmitted submitted accepted cancellation_requested cancellation_rejected",
                "cancellation_accepted",
            ),
        ),
        "close": _move(
            "fulfillment.closed",
            status=("in_progress incomplete", "closed"),
            request_status=("accepted cancellation_rejected", "closed"),
        ),
    },
    "allocation": {
        "allocate": _move("inventory.allocated", status=("reserved", "allocated")),
        "release": _move("inventory.released", status=("allocated", "released")),
        "consume": _move("inventory.consumed", status=("released", "consumed")),
        "expire": _move("allocation.expired", status=("reserved", "expired")),
        "unreserve": _move(
            "inventory.unreserved", status=("reserved allocated released", "cancelled")
        ),
    },
    "shipment": {
        "ship": _move(
            "shipment.confirmed",
            status=("label_created", "shipped"),
            tracking_status=(_TRACKED, "in_transit"),
        ),
        "request_void": _move("label.void_requested", status=("label_created", "void_requested")),
        "void": _move("label.voided", status=("label_created void_requested", "voided")),
        # it has left the node in the label that was to be void: carriers bill what they carry
        "reinstate": _move("label.reinstated", status=("voided", "label_created")),
        "refuse_void": _move("label.void_refused", status=("void_requested", "label_created")),
        "deliver": _move(
            "shipment.delivered",
            status=("shipped", "delivered"),
            tracking_status=(_TRACKED, "delivered"),
        ),
        "lose": _move(
            "shipment.lost", status=("shipped", "lost"), tracking_status=(_TRACKED, "unknown")
        ),
        "return": _move(
            "shipment.returned_to_sender",
            status=("shipped", "returned_to_sender"),
            tracking_status=(_TRACKED, "return_to_sender"),
        ),
        # of a parcel that a customer sends back
        "send_back": _move(
            "return.parcel_sent",
            status=("label_created void_requested", "shipped"),
            tracking_status=(_TRACKED, "in_transit"),
        ),
        "arrive": _move(
            "return.parcel_arrived",
            status=("shipped", "delivered"),
            tracking_status=(_TRACKED, "delivered"),
        ),
    },
    "hold": {
        "release": _move("hold.released", status=("active", "released")),
        "reject": _move("hold.rejected", status=("active", "rejected")),
        "expire": _move("hold.expired", status=("active", "expired")),
    },
    "exception": {
        "acknowledge": _move("exception.acknowledged", status=("open escalated", "acknowledged")),
        "escalate": _move(
            "exception.escalated",
            status=("open acknowledged escalated", "escalated"),
        ),
        "resolve": _move(
            "exception.resolved",
            status=("open acknowledged escalated", "resolved"),
        ),
        "auto_resolve": _move(
            "exception.auto_resolved",
            status=("open acknowledged escalated", "auto_resolved"),
        ),
    },
    "refund": {
        "hold": _move("refund.held", state=("requested", "awaiting_approval")),
        "pay": _move("refund.started", state=("requested awaiting_approval failed", "pending")),
        "settle": _move("refund.settled", state=("pending", "settled")),
        "fail": _move("refund.failed", state=("pending", "failed")),
        "cancel": _move(
            "refund.cancelled", state=("requested awaiting_approval failed", "cancelled")
        ),
    },
    "recovery": {
        "charge": _move("recovery.started", state=("requested failed", "pending")),
        "settle": _move("recovery.settled", state=("requested pending failed", "settled")),
        "fail": _move("recovery.failed", state=("pending", "failed")),
        "write_off": _move(
            "recovery.written_off", state=("requested pending failed", "written_off")
        ),
    },
    "return": {
        "ask": _move(
            "return.action_required", state=(f"requested approved {_ARRIVED}", "action_required")
        ),
        "approve": _move("return.approved", state=("requested action_required", "approved")),
        "decline": _move("return.declined", state=("requested action_required", "declined")),
        "ship": _move("return.shipped", state=("approved", "in_transit")),
        "receive_part": _move("return.partially_received", state=(_COMING, "partially_received")),
        "receive": _move("return.received", state=(_COMING, "received")),
        "inspect": _move("return.inspecting", state=("partially_received received", "inspecting")),
        "process": _move(
            "return.processed", state=(f"approved action_required {_ARRIVED}", "processed")
        ),
        "close": _move("return.closed", state=("processed", "closed")),
        "expire": _move("return.expired", state=("approved in_transit action_required", "expired")),
        "cancel": _move(
            "return.cancelled", state=("requested approved action_required", "cancelled")
        ),
    },
    "policy_version": {
        "submit": _move("policy.submitted", state=("draft", "in_review")),
        "approve": _move("policy.approved", state=("in_review", "approved")),
        "reject": _move("policy.rejected", state=("in_review", "rejected")),
        "shadow": _move("policy.shadow_started", state=("approved", "shadow")),
        "canary": _move("policy.canary_started", state=("approved shadow", "canary")),
        "activate": _move("policy.activated", state=("draft approved shadow canary", "active")),
        "supersede": _move("policy.superseded", state=("active", "superseded")),
        "reinstate": _move("policy.reinstated", state=("superseded", "active")),
        "roll_back": _move("policy.rolled_back", state=("shadow canary active", "rolled_back")),
        "archive": _move(
            "policy.archived",
            state=("draft in_review approved rejected superseded rolled_back", "archived"),
        ),
    },
}

CREATION_EVENTS: dict[str, str] = {
    "order": "order.received",
    "fulfillment_order": "fulfillment.planned",
    "allocation": "inventory.reserved",
    "shipment": "label.purchased",
    "hold": "order.held",
    "exception": "exception.opened",
    "policy_version": "policy.drafted",
    "refund": "refund.requested",
    "recovery": "recovery.requested",
    "return": "return.requested",
}

# Events that record a fact without changing a state of ours.
FACT_EVENTS = frozenset(
    {
        "plan.decided",
        "order.address_changed",
        "order.lines_cancelled",
        "pick.started",
        "pick.delayed",
        "pick.completed",
        "pack.completed",
        "shipment.in_transit",
        "shipment.out_for_delivery",
        "shipment.delayed",
        "shipment.eta_changed",
        "shipment.oms_confirmed",
        "payment.captured",
        "payment.disputed",
        "exception.approved",
        "exception.rejected",
        "exception.action_refused",
        "inventory.diverged",
        "inventory.received",
        "inventory.lost",
        "inventory.allotted",
        "policy.canary_widened",
        "policy.rollout_held",
        "policy.rollout_resumed",
        "policy.drifted",
        "fulfillment.service_changed",
        "fulfillment.reevaluated",
        "carrier.degraded",
        "carrier.probed",
        "carrier.status_changed",
        "carrier.recovered",
        "invoice.mismatch",
        "claim.opened",
        "claim.settled",
        "reconciliation.mismatch",
        "node.saturated",
        "node.relieved",
        "return.accepted",
        "return.exchanged",
        "return.over_received",
        "inventory.restocked",
    }
)


class IllegalTransition(RuntimeError):  # noqa: N818 - a state, not an error class family
    """A transition was asked for from a state that does not allow it."""


def apply(kind: str, name: str, state: dict[str, str]) -> tuple[dict[str, str], str]:
    """The fields that a transition changes, and the event to emit.

    Raises:
        IllegalTransition: naming object, transition and the state it was in.
    """
    transition = TRANSITIONS[kind][name]
    for field, (old, _new) in transition.changes.items():
        if state[field] not in old:
            raise IllegalTransition(
                f"{kind}: {name} needs {field} in {sorted(old)}, it is {state[field]!r}"
            )
    return {f: new for f, (_old, new) in transition.changes.items()}, transition.event


@cache
def all_events() -> frozenset[str]:
    """Every event name that may stand in the log."""
    moved = {t.event for table in TRANSITIONS.values() for t in table.values()}
    return frozenset(moved) | frozenset(CREATION_EVENTS.values()) | FACT_EVENTS


def event_type(name: str) -> str:
    """CloudEvents type of an event name.

    Raises:
        ValueError: the vocabulary does not have the name.
    """
    if name not in all_events():
        raise ValueError(f"{name!r} is no event of the vocabulary (domain/states.py)")
    return f"{EVENT_PREFIX}{name}{EVENT_VERSION}"
