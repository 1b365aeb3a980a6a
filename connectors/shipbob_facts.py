"""What ShipBob's orders and shipments tell (API 2026-01, its status reference).

Facts follow from a shipment's state alone, never from the webhook's topic, and their event
IDs from shipment and fact: webhook and poll of the same change are known as one.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import field_validator

from connectors.http import Wire
from domain.fulfillment import Fact, Observation
from domain.fulfillment import Tracking as Parcel
from domain.reconciliation import Entry, EntryState


class _Detail(Wire):
    name: str = ""
    description: str | None = None


class _Tracking(Wire):
    carrier: str | None = None
    carrier_service: str | None = None
    tracking_number: str | None = None
    tracking_url: str | None = None
    shipping_date: datetime | None = None


class Shipment(Wire):
    """One shipment of an order."""

    id: int
    order_id: int | None = None
    reference_id: str | None = None
    status: str
    status_details: tuple[_Detail, ...] | None = None
    tracking: _Tracking | None = None
    last_update_at: datetime | None = None
    actual_fulfillment_date: datetime | None = None
    delivery_date: datetime | None = None

    @field_validator("last_update_at", "actual_fulfillment_date", "delivery_date", mode="after")
    @classmethod
    def _zoned(cls, value: datetime | None) -> datetime | None:
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value

    @property
    def detail(self) -> str:
        """The name of the first status detail, which says more than the status."""
        return self.status_details[0].name if self.status_details else ""

    def facts(self) -> tuple[tuple[Fact, datetime | None, str], ...]:
        """(fact, when, reason) of the state, oldest first."""
        detail, at = self.detail.replace(" ", ""), self.last_update_at
        if self.status == "Completed":
            return self._on_its_way(detail)
        if self.status == "Cancelled":
            return ((Fact.CANCELLED, at, detail),)
        if self.status == "Exception":
            if self.tracking is None and self.actual_fulfillment_date is None:
                # ShipBob never ships short: what is not in stock stays until it is cancelled
                return ((Fact.REJECTED, at, detail or "Exception"),)
            return self._trouble(detail)
        if self.status.replace(" ", "") == "OnHold":
            return ((Fact.DELAYED, at, detail or "OnHold"),)
        if detail == "Picked":
            return ((Fact.PICKED, at, ""),)
        if detail == "Labeled":
            return ((Fact.PICKED, None, ""), (Fact.PACKED, at, ""))
        return ()

    def _on_its_way(self, detail: str) -> tuple[tuple[Fact, datetime | None, str], ...]:
        left = self.actual_fulfillment_date
        found: list[tuple[Fact, datetime | None, str]] = [(Fact.SHIPPED, left, "")]
        if self.delivery_date is not None or detail == "Delivered":
            found.append((Fact.DELIVERED, self.delivery_date or self.last_update_at, ""))
        elif detail == "OutForDelivery":
            found.append((Fact.OUT_FOR_DELIVERY, self.last_update_at, ""))
        elif detail not in ("", "InTransit", "Labeled", "Completed"):
            found += self._trouble(detail, quiet=True)
        return tuple(found)

    def _trouble(
        self, detail: str, quiet: bool = False
    ) -> tuple[tuple[Fact, datetime | None, str], ...]:
        """An exception after labelling, by the meaning of its name."""
        word = detail.lower()
        if "return" in word:
            return ((Fact.RETURNED_TO_SENDER, self.last_update_at, detail),)
        if "lost" in word:
            return ((Fact.LOST, self.last_update_at, detail),)
        if quiet and "exception" not in word:
            return ()
        return ((Fact.DELAYED, self.last_update_at, detail or "Exception"),)


class _Product(Wire):
    sku: str | None = None
    reference_id: str | None = None
    quantity: int = 0


class Order(Wire):
    """One order and its shipments."""

    id: int
    reference_id: str | None = None
    created_date: datetime | None = None
    updated_date: datetime | None = None
    products: tuple[_Product, ...] = ()
    shipments: tuple[Shipment, ...] = ()

    @property
    def changed(self) -> datetime | None:
        """The latest change of the order or one of its shipments."""
        stamps = [self.updated_date, *(s.last_update_at for s in self.shipments)]
        zoned = [s if s.tzinfo else s.replace(tzinfo=UTC) for s in stamps if s is not None]
        return max(zoned, default=None)

    def entry(self) -> Entry:
        """It as a statement has it: done once all that is not cancelled has left."""
        alive = [s for s in self.shipments if s.status != "Cancelled"]
        left = all(any(fact is Fact.SHIPPED for fact, _, _ in s.facts()) for s in alive)
        state: EntryState = "cancelled" if not alive else "done" if left else "open"
        units: dict[str, int] = {}
        for product in self.products:
            sku = product.sku or product.reference_id or ""
            units[sku] = units.get(sku, 0) + product.quantity
        at = self.created_date
        return Entry(
            kind="fulfillment",
            external_id=str(self.id),
            reference=self.reference_id or "",
            state=state,
            units=units or None,
            at=at.replace(tzinfo=UTC) if at and at.tzinfo is None else at,
        )

    def observations(self, connector: str) -> tuple[Observation, ...]:
        """The facts of every shipment."""
        return tuple(
            seen
            for shipment in self.shipments
            for seen in observations(connector, str(self.id), self.reference_id or "", shipment)
        )


def observations(
    connector: str, order_id: str, reference: str, shipment: Shipment
) -> tuple[Observation, ...]:
    """A shipment's facts, told under the order's ID, which is what ``submit`` returned."""
    tracking = None
    if shipment.tracking is not None and shipment.tracking.tracking_number:
        tracking = Parcel(
            carrier=shipment.tracking.carrier or "",
            service=shipment.tracking.carrier_service or "",
            number=shipment.tracking.tracking_number,
            url=shipment.tracking.tracking_url or "",
        )
    return tuple(
        Observation(
            event_id=":".join(
                [str(shipment.id), fact, *([reason] if fact is Fact.DELAYED else [])]
            ),
            connector=connector,
            kind="fulfillment",
            external_id=order_id,
            reference=reference,
            fact=fact,
            at=at,
            tracking=tracking if fact is Fact.SHIPPED else None,
            reason=reason,
        )
        for fact, at, reason in shipment.facts()
    )
