"""Tables about money that others ask of us."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from store.columns import text_column, time_column


class RefundRow(SQLModel, table=True):
    """``body`` is the RefundSum.

    ``method``: payment (by the provider that captured), store_credit, exchange (goods), or by_hand:
    a person pays it where the shop was paid.
    """

    __tablename__ = "refunds"
    id: str = Field(primary_key=True)
    order_id: str = Field(index=True)
    return_id: str = Field(default="", index=True)
    cause: str
    method: str = "payment"
    state: str = Field(index=True)
    amount_minor: int
    currency: str
    body: str = text_column()
    decision_id: str
    because: str = text_column()
    external_id: str = ""
    requester: str = "system"
    comment: str = text_column(default="")
    started: bool = Field(default=True, index=True)
    requested_at: datetime = time_column()
    ended_at: datetime | None = time_column(default=None)


class RecoveryRow(SQLModel, table=True):
    """What is taken back of a return's refunds; ``body`` is the RefundSum of what was overpaid.

    ``external_id``: the provider's payment, or what a person has shown; ``ended_by`` that person.
    """

    __tablename__ = "recoveries"
    id: str = Field(primary_key=True)
    return_id: str = Field(index=True)
    order_id: str = Field(index=True)
    state: str = Field(index=True)
    amount_minor: int
    currency: str
    body: str = text_column()
    requester: str
    connector: str = ""
    external_id: str = Field(default="", index=True)
    requested_at: datetime = time_column()
    ended_at: datetime | None = time_column(default=None)
    ended_by: str = ""


class InvoiceRow(SQLModel, table=True):
    """An invoice of a carrier or 3PL, and what its audit came to. ``billed_on`` is an ISO date."""

    __tablename__ = "invoices"
    biller: str = Field(primary_key=True)
    invoice: str = Field(primary_key=True)
    billed_on: str
    source: str
    imported_at: datetime = time_column()
    charges: int
    billed_minor: int
    audited_at: datetime | None = time_column(default=None)
    due_minor: int = 0
    claimed_minor: int = 0
    unexplained_minor: int = 0


class ChargeRow(SQLModel, table=True):
    """``body`` is the Charge."""

    __tablename__ = "invoice_charges"
    biller: str = Field(primary_key=True)
    invoice: str = Field(primary_key=True)
    position: int = Field(primary_key=True)
    tracking_number: str = Field(index=True)
    kind: str
    amount_minor: int
    body: str = text_column()


class FindingRow(SQLModel, table=True):
    """``body`` is the Finding; ``state``: open, claimed, credited, refused."""

    __tablename__ = "invoice_findings"
    biller: str = Field(primary_key=True)
    invoice: str = Field(primary_key=True)
    tracking_number: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    claim_minor: int
    difference_minor: int
    order_id: str = Field(index=True)
    state: str = Field(index=True)
    at: datetime = time_column()
    body: str = text_column()


class CarrierClaimRow(SQLModel, table=True):
    """What a carrier owes for a parcel; ``state``: open, claimed, paid, refused."""

    __tablename__ = "carrier_claims"
    shipment_id: str = Field(primary_key=True)
    order_id: str = Field(index=True)
    carrier: str
    tracking_number: str = Field(index=True)
    cause: str
    amount_minor: int
    currency: str
    state: str = Field(index=True)
    paid_minor: int = 0
    opened_by: str
    comment: str = text_column(default="")
    opened_at: datetime = time_column()
    updated_at: datetime = time_column()
