"""EasyPost's Shipment on the wire (API v2), and our parcels in its units: inches, ounces."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import field_validator

from connectors.easypost_facts import Tracker
from connectors.http import Wire
from connectors.ports import ParcelRequest
from domain.order import Address
from domain.units import MG_PER_OUNCE, TENTH_MM_PER_INCH, ceil_tolerant

QR_CODE = "label_qr_code"  # the form that EasyPost makes for it


class Rate(Wire):
    """A price of one service; ``rate`` is a decimal numeral in major units."""

    id: str
    carrier: str
    service: str
    rate: str
    currency: str

    @field_validator("currency")
    @classmethod
    def _upper(cls, value: str) -> str:
        return value.upper()


class _PostageLabel(Wire):
    label_url: str | None = None


class _Form(Wire):
    form_type: str
    form_url: str | None = None


class _Parcel(Wire):
    weight: float | None = None


class _Address(Wire):
    street1: str | None = None
    zip: str | None = None


class Shipment(Wire):
    """A shipment; bought when it has a postage label."""

    id: str
    reference: str | None = None
    created_at: datetime
    rates: tuple[Rate, ...] = ()
    selected_rate: Rate | None = None
    postage_label: _PostageLabel | None = None
    tracking_code: str | None = None
    tracker: Tracker | None = None
    refund_status: str | None = None
    to_address: _Address | None = None
    parcel: _Parcel | None = None
    forms: tuple[_Form, ...] | None = None

    @field_validator("created_at")
    @classmethod
    def _zoned(cls, value: datetime) -> datetime:
        return value if value.tzinfo else value.replace(tzinfo=UTC)

    @property
    def bought(self) -> bool:
        return self.postage_label is not None

    @property
    def code_url(self) -> str:
        """The code by which the carrier's counter prints the label; empty without one."""
        urls = (form.form_url for form in self.forms or () if form.form_type == QR_CODE)
        return next(filter(None, urls), "")

    @property
    def live(self) -> bool:
        """Bought, and no refund is under way."""
        return self.bought and self.refund_status not in ("submitted", "refunded")


def wire_address(address: Address) -> dict[str, Any]:
    """An address under EasyPost's names."""
    return {
        "name": address.name or None,
        "company": address.company or None,
        "street1": address.street1,
        "street2": address.street2 or None,
        "city": address.city,
        "state": address.region,
        "zip": address.postal_code,
        "country": address.country,
        "phone": address.phone or None,
        "email": address.email or None,
    }


def wire_parcel(parcel: ParcelRequest) -> dict[str, float]:
    """Sizes in inches and weight in ounces, rounded up: 12 in stay 12.0, 5 lb stay 80.0."""
    return {
        "length": inches(parcel.length),
        "width": inches(parcel.width),
        "height": inches(parcel.height),
        "weight": ounces(parcel.weight_mg),
    }


def inches(tenth_mm: int) -> float:
    """Hundredths of an inch that hold a length."""
    return ceil_tolerant(tenth_mm / TENTH_MM_PER_INCH * 100) / 100


def ounces(mg: int) -> float:
    """Tenths of an ounce that hold a weight; at least one, for a parcel weighs something."""
    exact = round(mg / MG_PER_OUNCE, 4)  # a milligram, in which we count, is 0.00004 oz
    return max(1, ceil_tolerant(exact * 10)) / 10


def same_parcel(shipment: Shipment, parcel: ParcelRequest) -> bool:
    """Whether an unbought shipment still is what is wanted: same door, same weight.

    An address may have been corrected since; a label bought for the old one would go there.
    """
    to, box = shipment.to_address, shipment.parcel
    if to is None or box is None or box.weight is None:
        return False
    return (
        (to.zip or "")[:5].casefold() == parcel.ship_to.postal_code[:5].casefold()
        and (to.street1 or "").casefold() == parcel.ship_to.street1.casefold()
        and abs(box.weight - ounces(parcel.weight_mg)) < 0.05
    )
