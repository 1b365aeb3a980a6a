"""Every table. Times are business time in UTC unless a column says wall.

Written with SQLModel for its types; read and written with SQLAlchemy Core, because one
decision per millisecond leaves no room for an identity map.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import Index, Table
from sqlmodel import Field, SQLModel

from store.columns import text_column, time_column
from store.finance_tables import (
    CarrierClaimRow,
    ChargeRow,
    FindingRow,
    InvoiceRow,
    RecoveryRow,
    RefundRow,
)
from store.reconciliation_tables import DifferenceRow, DisputeRow, ReconciliationRow, StatementRow
from store.return_tables import InspectionRow, ReturnLineRow, ReturnRow
from store.stock_tables import CountRow, DivergenceRow, WatermarkRow


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


class DecisionRow(SQLModel, table=True):
    __tablename__ = "decisions"
    __table_args__ = (Index("ix_decisions_point", "point", "at"),)
    id: str = Field(primary_key=True)
    order_id: str = Field(index=True)
    point: str
    policies: str
    policy_hash: str
    snapshot_hash: str
    at: datetime = time_column()
    snapshot: str = text_column()
    decision: str = text_column()


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


class LevelRow(SQLModel, table=True):
    """Stock of a SKU at a node: free = on_hand − reserved − safety_stock − unsellable.

    ``pooled`` is the sum of what its pools still have (PoolRow), so that one condition guards
    the units that are nobody's: free − pooled.
    """

    __tablename__ = "inventory_levels"
    sku: str = Field(primary_key=True)
    node: str = Field(primary_key=True)
    on_hand: int = 0
    reserved: int = 0
    safety_stock: int = 0
    unsellable: int = 0
    pooled: int = 0
    as_of: datetime = time_column()


class PoolRow(SQLModel, table=True):
    """Units of a level that are set aside for a pool: 0 ≤ reserved ≤ allotted.

    ``allotted`` counts those that are reserved too, until they have left.
    """

    __tablename__ = "inventory_pools"
    sku: str = Field(primary_key=True)
    node: str = Field(primary_key=True)
    pool: str = Field(primary_key=True)
    allotted: int = 0
    reserved: int = 0


class MovementRow(SQLModel, table=True):
    """The ledger: every change of a level or of one of its pools, under a key of its own."""

    __tablename__ = "inventory_movements"
    __table_args__ = (Index("ix_movements_level", "sku", "node", "at"),)
    key: str = Field(primary_key=True)
    sku: str
    node: str
    kind: str
    pool: str = ""
    on_hand: int = 0
    reserved: int = 0
    allotted: int = 0
    order_id: str = ""
    at: datetime = time_column()


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


class PolicyRow(SQLModel, table=True):
    """A published version of a policy document: its text never changes, its state does.

    ``id`` is ``name@version``; ``hash`` is of the document's canonical form.
    """

    __tablename__ = "policy_versions"
    __table_args__ = (Index("ix_policy_versions_state", "state", "name"),)
    id: str = Field(primary_key=True)
    name: str = Field(index=True)
    version: int
    point: str
    hash: str = Field(index=True)
    state: str
    owner: str
    author: str
    description: str = text_column()
    body: str = text_column()
    created_at: datetime = time_column()
    updated_at: datetime = time_column()


class RolloutRow(SQLModel, table=True):
    """A version on its way into force, or an arm of an experiment, and the orders it decides.

    ``start`` and ``percent`` are its share of the buckets; ``stable`` is the version that it is
    compared with; ``progress`` is what the guards know, ``cursor`` how far they have read.
    """

    __tablename__ = "policy_rollouts"
    __table_args__ = (Index("ix_policy_rollouts_live", "live", "name"),)
    id: str = Field(primary_key=True)
    kind: str
    name: str
    version_id: str
    stable: str
    live: bool
    status: str
    start: int = 0
    percent: int = 0
    by: str = "order"
    only: str = text_column(default="[]")
    salt: str
    owner: str
    started_by: str
    because: str = text_column(default="")
    progress: str = text_column(default="")
    cursor: str = ""
    started: bool = False
    started_at: datetime = time_column()
    updated_at: datetime = time_column()


class ObservedRow(SQLModel, table=True):
    """What both versions of a rollout decide of an order, and what became of it.

    ``arm`` is whose decision acted; ``stable`` and ``candidate`` are Measures; ``realised`` is
    empty until the order has left, ``none`` where nothing ever leaves.
    """

    __tablename__ = "rollout_observations"
    __table_args__ = (Index("ix_rollout_observations_open", "rollout_id", "realised"),)
    rollout_id: str = Field(primary_key=True)
    order_id: str = Field(primary_key=True)
    decision_id: str
    arm: str
    stable: str = text_column()
    candidate: str = text_column()
    realised: str = ""
    at: datetime = time_column()


class CircuitRow(SQLModel, table=True):
    """A carrier's circuit, everywhere (``node`` is empty) or from one node (domain/circuits.py)."""

    __tablename__ = "circuits"
    carrier: str = Field(primary_key=True)
    node: str = Field(primary_key=True)
    state: str
    since: datetime = time_column()
    until: datetime | None = time_column(default=None)
    because: str = text_column()
    user: str
    times: int = 1
    probe_at: datetime | None = time_column(default=None)
    passed: int = 0


class CarrierCallRow(SQLModel, table=True):
    """A label purchase that was answered, or was not: what a circuit is judged by."""

    __tablename__ = "carrier_calls"
    id: int | None = Field(default=None, primary_key=True)
    carrier: str = Field(index=True)
    node: str
    at: datetime = time_column()
    failed: bool


class CarrierStatusRow(SQLModel, table=True):
    """What a status page says of a carrier, since when."""

    __tablename__ = "carrier_statuses"
    carrier: str = Field(primary_key=True)
    state: str
    text: str = text_column()
    at: datetime = time_column()


class MoveRow(SQLModel, table=True):
    """How a fulfillment order goes on whose carrier is out, or that is late. ``body``: a Move.

    ``state``: told, asked (somebody has to agree first), waits (nobody did), over, kept.
    """

    __tablename__ = "moves"
    opening: str = Field(primary_key=True)
    fulfillment_id: str = Field(primary_key=True)
    order_id: str = Field(index=True)
    carrier: str = Field(index=True)
    state: str
    body: str = text_column()
    at: datetime = time_column()


class SaturationRow(SQLModel, table=True):
    """A node that has too much to do, and since when."""

    __tablename__ = "saturated_nodes"
    node: str = Field(primary_key=True)
    at: datetime = time_column()


class TransitRow(SQLModel, table=True):
    """How long a service takes over a zone, where parcels say another time than configured."""

    __tablename__ = "transits"
    service: str = Field(primary_key=True)
    zone: int = Field(primary_key=True)
    p50: int
    p90: int
    parcels: int
    at: datetime = time_column()


class BidRow(SQLModel, table=True):
    """What a unit of a node's stock is worth to orders to come, in minor units, for a while."""

    __tablename__ = "bids"
    node: str = Field(primary_key=True)
    sku: str = Field(primary_key=True, index=True)
    minor: int
    at: datetime = time_column()
    until: datetime = time_column()


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
