"""What carriers and 3PLs bill, and what comes of checking it. Amounts in minor units."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from domain.base import Frozen

ChargeKind = Literal[
    "base", "fuel", "residential", "delivery_area", "peak", "additional_handling",
    "large_package", "discount", "order_fee", "line_fee", "unit_fee", "credit", "other",
]  # fmt: skip
ParcelFate = Literal["shipped", "delivered", "voided", "lost", "returned"]
FindingClass = Literal[
    "late_against_guarantee", "duplicate", "weight_dimension", "missing_discount",
    "residential_misclassified", "wrong_surcharge", "voided_label_billed", "loss_not_credited",
    "unknown_tracking_number", "unexplained",
]  # fmt: skip


class Charge(Frozen):
    """One charge of an invoice, as it was imported.

    Attributes:
        row: of the file, for people who look it up.
        amount_minor: negative where it is taken off.
        service: the biller's own name for it.
        pounds, zone: what the biller says it measured; None where the layout has no column.
    """

    invoice: str
    row: int
    biller: str
    billed_on: date
    tracking_number: str
    kind: ChargeKind
    amount_minor: int
    text: str = ""
    service: str = ""
    shipped_on: date | None = None
    pounds: int | None = None
    zone: int | None = None


class Due(Frozen):
    """What one parcel should be billed for, from our own records and the rate card of its day.

    Attributes:
        amounts: by kind; what is not named is not due.
        list_base_minor: the base before the contract's discount.
        pounds: what it is billed for by our measures.
        steps: base price at each weight that the card has from ``pounds`` on, to recognise a
            weight by its price.
        fuel_percent: of the base, on the card of its day.
        guaranteed_by: when it had to arrive by contract; None where nothing was guaranteed.
    """

    tracking_number: str
    biller: str
    order_id: str
    shipment_id: str
    fate: ParcelFate
    amounts: dict[ChargeKind, int]
    list_base_minor: int
    fuel_percent: int
    pounds: int
    zone: int
    residential: bool
    shipped_on: date | None = None
    delivered_at: datetime | None = None
    guaranteed_by: datetime | None = None
    steps: tuple[int, ...] = ()

    @property
    def total_minor(self) -> int:
        return sum(self.amounts.values())


class Contract(Frozen):
    """What was agreed with a biller besides its rate cards.

    Attributes:
        discount_percent: off the list price; rate cards of the network file are net of it. 0
            where the biller states net prices only.
        guarantees: business days by service of the network file; late parcels are free.
        claim_days: after the invoice, a claim is taken.
        tolerance_minor: what a parcel may differ by without being looked at.
    """

    discount_percent: int = Field(default=0, ge=0, le=95)
    guarantees: dict[str, int] = {}
    claim_days: int = Field(default=15, ge=1, le=365)
    tolerance_minor: int = Field(default=2, ge=0, le=1_000)


class Finding(Frozen):
    """A difference between an invoice and what was due.

    Attributes:
        claim_minor: what is to come back; 0 for what is only unexplained.
        difference_minor: billed less due; negative where too little was billed.
        because: in words, with the figures.
        rows: of the file that it is about.
    """

    invoice: str
    tracking_number: str
    kind: FindingClass
    claim_minor: int = Field(ge=0)
    difference_minor: int
    because: str
    rows: tuple[int, ...] = ()
    order_id: str = ""
    shipment_id: str = ""


class Audit(Frozen):
    """What came of an invoice. ``billed = due + claimed + unexplained``, to the minor unit.

    Attributes:
        parcels: tracking numbers on it.
    """

    invoice: str
    biller: str
    parcels: int
    charges: int
    billed_minor: int
    due_minor: int
    claimed_minor: int
    unexplained_minor: int
    findings: tuple[Finding, ...] = ()
