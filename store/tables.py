"""Every table. Times are business time in UTC unless a column says wall.

Written with SQLModel for its types; read and written with SQLAlchemy Core, because one
decision per millisecond leaves no room for an identity map.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import Index, Table
from sqlmodel import Field, SQLModel

from store.carrier_tables import (
    CarrierCallRow,
    CarrierStatusRow,
    CircuitRow,
    MoveRow,
    SaturationRow,
    TransitRow,
)
from store.columns import text_column, time_column
from store.finance_tables import (
    CarrierClaimRow,
    ChargeRow,
    FindingRow,
    InvoiceRow,
    RecoveryRow,
    RefundRow,
)
from store.policy_tables import DecisionRow, ObservedRow, PolicyRow, RolloutRow
from store.reconciliation_tables import DifferenceRow, DisputeRow, ReconciliationRow, StatementRow
from store.return_tables import InspectionRow, ReturnLineRow, ReturnRow
from store.stock_tables import (
    BidRow,
    CountRow,
    DivergenceRow,
    LevelRow,
    MovementRow,
    PoolRow,
    WatermarkRow,
)


class OrderRow(SQLModel, table=True):
    """``body`` is the canonical Order without personal data, ``fingerprint`` its hash."""

    __tablename__ = "orders"
    __table_args__ = (
        Index("ix_orders_dispatch", "started", "status"),
        Index("ix_orders_number", "number"),
        Index("ix_orders_due", "channel", "ship_by"),
    )
    id: str = Field(primary_key=True)
    source: str
    external_id: str
    number: str
    channel: str
    currency: str
    status: str
    started: bool = False
    placed_at: datetime = time_column()
    received_at: datetime = time_column()
    ship_by: datetime | None = time_column(default=None)
    promise_by: datetime | None = time_column(default=None)
    address_ref: str = ""
    requester: str = "system"
    fingerprint: str
    total_minor: int = 0
    body: str = text_column()
    reason: str = ""
    updated_at: datetime = time_column()


class LineRow(SQLModel, table=True):
    """ordered = open + backordered + allocated + released + shipped + cancelled, always."""

    __tablename__ = "order_lines"
    order_id: str = Field(primary_key=True, foreign_key="orders.id")
    line_id: str = Field(primary_key=True)
    position: int
    sku: str = Field(index=True)
    requires_shipping: bool
    ordered: int
    open: int
    backordered: int = 0
    allocated: int = 0
    released: int = 0
    shipped: int = 0
    cancelled: int = 0


class FulfillmentRow(SQLModel, table=True):
    """``plan`` is the FulfillmentPlan; ``facts`` what was observed, space-separated.
    ``release_at`` stands until it is released: what waits may be planned again."""

    __tablename__ = "fulfillment_orders"
    __table_args__ = (
        Index("ix_fulfillment_work", "status", "ship_at", "node"),
        Index("ix_fulfillment_carrier_status", "carrier", "status"),
        Index("ix_fulfillment_waiting", "release_at", "status"),
    )
    id: str = Field(primary_key=True)
    order_id: str = Field(index=True, foreign_key="orders.id")
    node: str
    connector: str
    carrier: str
    ship_at: datetime = time_column()
    release_at: datetime | None = time_column(default=None)
    status: str
    request_status: str
    stage: str = ""
    external_id: str = ""
    decision_id: str
    generation: int
    plan: str = text_column()
    facts: str = ""
    short: str = text_column(default="[]")
    tracking: str = text_column(default="")
    confirmed: str = ""
    updated_at: datetime = time_column()


class AllocationRow(SQLModel, table=True):
    """Units of a line promised to a node. Reserved stock is the sum of the live ones.

    ``pool`` is what they came out of, empty for shared units; a line may have one of each.
    """

    __tablename__ = "allocations"
    id: str = Field(primary_key=True)
    order_id: str = Field(index=True)
    line_id: str
    fulfillment_id: str = Field(index=True)
    sku: str
    node: str
    pool: str = ""
    quantity: int
    status: str
    expires_at: datetime | None = time_column(default=None)


class ShipmentRow(SQLModel, table=True):
    """One parcel, one label. ``inbound``: it comes back; its return is its fulfillment order, and
    ``code_url`` the code by which the carrier's counter prints the label."""

    __tablename__ = "shipments"
    __table_args__ = (Index("ix_shipments_left", "carrier", "shipped_at"),)
    id: str = Field(primary_key=True)
    order_id: str = Field(index=True)
    fulfillment_id: str = Field(index=True)
    status: str
    tracking_status: str
    connector: str
    external_id: str
    tracker_id: str = ""
    carrier: str
    service: str
    tracking_number: str = Field(index=True)
    tracking_url: str = ""
    label_url: str = ""
    code_url: str = ""
    cost_minor: int = 0
    currency: str
    eta: datetime | None = time_column(default=None)
    shipped_at: datetime | None = time_column(default=None)
    ended_at: datetime | None = time_column(default=None)
    inbound: bool = False


class RefRow(SQLModel, table=True):
    """Which of our objects a vendor's ID means."""

    __tablename__ = "external_refs"
    connector: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    external_id: str = Field(primary_key=True)
    order_id: str = Field(index=True)
    fulfillment_id: str = ""
    shipment_id: str = ""


class StreamRow(SQLModel, table=True):
    __tablename__ = "streams"
    stream: str = Field(primary_key=True)
    seq: int


class EventRow(SQLModel, table=True):
    """The event log; ``seq`` has no gap within a stream."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_type", "type", "at"),)
    stream: str = Field(primary_key=True)
    seq: int = Field(primary_key=True)
    type: str
    at: datetime = time_column()
    data: str = text_column()


class InboxRow(SQLModel, table=True):
    """What vendors told us, once per event ID. ``status``: waiting, matched, recorded."""

    __tablename__ = "inbox"
    __table_args__ = (
        Index("ix_inbox_pending", "signal_pending"),
        Index("ix_inbox_waiting", "status", "connector", "external_id"),
    )
    connector: str = Field(primary_key=True)
    event_id: str = Field(primary_key=True)
    kind: str
    external_id: str
    reference: str = ""
    received_at: datetime = time_column()
    status: str
    signal_pending: bool = False
    order_id: str = ""
    fulfillment_id: str = ""
    shipment_id: str = ""
    observation: str = text_column()


class ResultRow(SQLModel, table=True):
    """Recorded results of store activities, so that a repeat changes nothing."""

    __tablename__ = "activity_results"
    key: str = Field(primary_key=True)
    result: str = text_column()


class HoldRow(SQLModel, table=True):
    __tablename__ = "holds"
    id: str = Field(primary_key=True)
    order_id: str = Field(index=True)
    reason: str
    owner: str
    because: str = text_column()
    deadline: datetime = time_column()
    status: str = Field(index=True)
    opened_at: datetime = time_column()
    ended_at: datetime | None = time_column(default=None)
    ended_by: str = ""
    comment: str = text_column(default="")


class CaseRow(SQLModel, table=True):
    """``body`` is the ExceptionCase as it was opened; owner and deadline move on escalation."""

    __tablename__ = "exceptions"
    id: str = Field(primary_key=True)
    order_id: str = Field(index=True)
    kind: str
    exception_class: str
    owner: str
    deadline: datetime = time_column()
    status: str = Field(index=True)
    needs_approval: bool = False
    opened_at: datetime = time_column()
    ended_at: datetime | None = time_column(default=None)
    ended_by: str = ""
    comment: str = text_column(default="")
    resolution: str = ""
    body: str = text_column()


class AuditRow(SQLModel, table=True):
    """What people and policies did: chained per subject, keyed."""

    __tablename__ = "audit"
    subject: str = Field(primary_key=True)
    seq: int = Field(primary_key=True)
    at: datetime = time_column()
    actor: str
    action: str
    body: str = text_column()
    previous: str
    digest: str


class ItemRow(SQLModel, table=True):
    __tablename__ = "items"
    sku: str = Field(primary_key=True)
    body: str = text_column()


class AddressRow(SQLModel, table=True):
    """Personal data, encrypted; ``customer_key`` is a keyed hash to erase by."""

    __tablename__ = "addresses"
    ref: str = Field(primary_key=True)
    customer_key: str = Field(index=True)
    sealed: str = text_column()


class CursorRow(SQLModel, table=True):
    __tablename__ = "cursors"
    connector: str = Field(primary_key=True)
    cursor: str


class PaymentRow(SQLModel, table=True):
    """``uncharged``: units by line that were cancelled before the capture, as JSON; empty where
    that is not known."""

    __tablename__ = "payments"
    order_id: str = Field(primary_key=True)
    connector: str
    reference: str
    authorized_minor: int = 0
    captured_minor: int = 0
    refunded_minor: int = 0
    uncharged: str = text_column(default="")
    currency: str


class ProblemRow(SQLModel, table=True):
    """Input that could not become an order or a fact: kept for platform, never dropped."""

    __tablename__ = "problems"
    id: str = Field(primary_key=True)
    source: str
    field: str
    reason: str
    remedy: str
    at: datetime = time_column()


class SettingRow(SQLModel, table=True):
    __tablename__ = "settings"
    key: str = Field(primary_key=True)
    value: str = text_column()


def table(model: type[SQLModel]) -> Table:
    """The Core table of a model."""
    return cast(Table, cast(Any, model).__table__)


orders = table(OrderRow)
lines = table(LineRow)
fulfillments = table(FulfillmentRow)
allocations = table(AllocationRow)
shipments = table(ShipmentRow)
refs = table(RefRow)
streams = table(StreamRow)
events = table(EventRow)
inbox = table(InboxRow)
decisions = table(DecisionRow)
results = table(ResultRow)
holds = table(HoldRow)
exceptions = table(CaseRow)
audit = table(AuditRow)
levels = table(LevelRow)
pools = table(PoolRow)
movements = table(MovementRow)
items = table(ItemRow)
addresses = table(AddressRow)
cursors = table(CursorRow)
payments = table(PaymentRow)
problems = table(ProblemRow)
policy_versions = table(PolicyRow)
rollouts = table(RolloutRow)
observed = table(ObservedRow)
bids = table(BidRow)
transits = table(TransitRow)
circuits = table(CircuitRow)
carrier_calls = table(CarrierCallRow)
carrier_statuses = table(CarrierStatusRow)
moves = table(MoveRow)
saturated = table(SaturationRow)
settings = table(SettingRow)
refunds = table(RefundRow)
recoveries = table(RecoveryRow)
invoices = table(InvoiceRow)
charges = table(ChargeRow)
findings = table(FindingRow)
carrier_claims = table(CarrierClaimRow)
returns = table(ReturnRow)
return_lines = table(ReturnLineRow)
inspections = table(InspectionRow)
counts = table(CountRow)
watermarks = table(WatermarkRow)
divergences = table(DivergenceRow)
reconciliations = table(ReconciliationRow)
statements = table(StatementRow)
differences = table(DifferenceRow)
disputes = table(DisputeRow)
metadata = SQLModel.metadata
