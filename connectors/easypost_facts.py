"""What EasyPost's trackers tell (API v2, Trackers and Refunds).

A status follows others: each fact that a tracker's details imply is told, under an event ID of
tracker and fact, so that an event that was lost or overtaken is made up for by the next.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import Field, field_validator

from connectors.http import Wire
from domain.fulfillment import Fact, Observation
from domain.fulfillment import Tracking as Parcel

_FACTS = {
    "in_transit": Fact.IN_TRANSIT,
    "out_for_delivery": Fact.OUT_FOR_DELIVERY,
    "available_for_pickup": Fact.OUT_FOR_DELIVERY,
    "delivered": Fact.DELIVERED,
    "return_to_sender": Fact.RETURNED_TO_SENDER,
    "failure": Fact.LOST,
    "cancelled": Fact.VOIDED,
}
_MOVED = frozenset({Fact.IN_TRANSIT, Fact.OUT_FOR_DELIVERY, Fact.DELIVERED})


class _Detail(Wire):
    status: str
    at: datetime | None = Field(default=None, alias="datetime")

    @field_validator("at")
    @classmethod
    def _zoned(cls, value: datetime | None) -> datetime | None:
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value


class Tracker(Wire):
    """A parcel's track."""

    id: str
    status: str
    tracking_code: str = ""
    carrier: str | None = None
    public_url: str | None = None
    est_delivery_date: datetime | None = None
    tracking_details: tuple[_Detail, ...] | None = None


class Refund(Wire):
    """A refund that the carrier granted."""

    shipment_id: str
    updated_at: datetime | None = None


def observations(connector: str, tracker: Tracker, reference: str = "") -> tuple[Observation, ...]:
    """The tracker's facts, oldest first: the first scan is the hand-over."""
    told: dict[Fact, datetime | None] = {}
    scans = [*(tracker.tracking_details or ()), _Detail(status=tracker.status)]
    for scan in scans:
        fact = _FACTS.get(scan.status)
        if fact is None:
            continue
        if fact in _MOVED and Fact.SHIPPED not in told:
            told[Fact.SHIPPED] = scan.at
            if fact is Fact.IN_TRANSIT:
                continue  # the first scan; the next one is the parcel on its way
        told.setdefault(fact, scan.at)
    if told.keys() >= {Fact.SHIPPED, Fact.IN_TRANSIT} and told[Fact.IN_TRANSIT] is None:
        del told[Fact.IN_TRANSIT]  # only the closing status repeated the first scan
    if tracker.status != "cancelled":
        told.pop(Fact.VOIDED, None)
    tracking = Parcel(
        carrier=tracker.carrier or "",
        number=tracker.tracking_code,
        url=tracker.public_url or "",
    )
    return tuple(
        Observation(
            event_id=f"{tracker.id}:{fact}",
            connector=connector,
            kind="shipment",
            external_id=tracker.id,
            reference=reference,
            fact=fact,
            at=at,
            tracking=tracking if fact is Fact.SHIPPED else None,
            eta=tracker.est_delivery_date,
            reason="the carrier cannot find it" if fact is Fact.LOST else "",
        )
        for fact, at in told.items()
    )


def voided(connector: str, refund: Refund) -> tuple[Observation, ...]:
    """A granted refund: the label is dead."""
    return (
        Observation(
            event_id=f"{refund.shipment_id}:{Fact.VOIDED}",
            connector=connector,
            kind="shipment",
            external_id=refund.shipment_id,
            fact=Fact.VOIDED,
            at=refund.updated_at,
        ),
    )
