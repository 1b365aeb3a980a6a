"""What a parcel should be billed for, from what we know of it and the rate card of its day."""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple

from domain.facts import RateCard
from domain.invoices import ChargeKind, Contract, Due, ParcelFate
from sourcing.rates import Place, base_price, billed, parcel_price

HEAVIER = 30  # pounds over ours of which the price is known: more is no mistake of measuring


class Parcel(NamedTuple):
    """A parcel as our own records have it.

    Attributes:
        sides: of its carton, in tenths of a millimetre.
        guaranteed_by: when it had to arrive by contract; None where nothing was guaranteed.
    """

    tracking_number: str
    biller: str
    order_id: str
    shipment_id: str
    fate: ParcelFate
    card: RateCard
    zone: int
    sides: tuple[int, int, int]
    weight_mg: int
    place: Place
    shipped_on: date | None = None
    delivered_at: datetime | None = None
    guaranteed_by: datetime | None = None


def due_of(parcel: Parcel, contract: Contract) -> Due:
    """Its price on the card, charge by charge; a minimum counts to the base.

    Raises:
        sourcing.rates.UnservedZone: the card has no prices for the zone.
    """
    measured = billed(parcel.card, *parcel.sides, parcel.weight_mg)
    price = parcel_price(parcel.card, parcel.zone, measured, parcel.place)
    base = price.base_minor + price.minimum_minor
    amounts: dict[ChargeKind, int] = {
        "base": base,
        "fuel": price.fuel_minor,
        "residential": price.residential_minor,
        "delivery_area": price.delivery_area_minor,
        "peak": price.peak_minor,
        "additional_handling": price.handling_minor,
        "large_package": price.large_minor,
    }
    return Due(
        tracking_number=parcel.tracking_number,
        biller=parcel.biller,
        order_id=parcel.order_id,
        shipment_id=parcel.shipment_id,
        fate=parcel.fate,
        amounts={kind: minor for kind, minor in amounts.items() if minor},
        list_base_minor=list_price(base, contract),
        fuel_percent=parcel.card.fuel_percent,
        pounds=measured.pounds,
        zone=parcel.zone,
        residential=parcel.place.residential,
        shipped_on=parcel.shipped_on,
        delivered_at=parcel.delivered_at,
        guaranteed_by=parcel.guaranteed_by,
        steps=_steps(parcel.card, parcel.zone, measured.pounds),
    )


def list_price(net_minor: int, contract: Contract) -> int:
    """The price before the contract's discount, rounded half up."""
    left = 100 - contract.discount_percent
    return (2 * 100 * net_minor + left) // (2 * left)


@lru_cache(maxsize=16_384)
def _steps(card: RateCard, zone: int, pounds: int) -> tuple[int, ...]:
    return tuple(base_price(card, zone, pounds + more) for more in range(HEAVIER + 1))
