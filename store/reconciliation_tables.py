"""Tables about what vendors have of a day, compared with what we have."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from store.columns import text_column, time_column


class ReconciliationRow(SQLModel, table=True):
    """A day compared with a vendor, as it was last seen. ``day`` is an ISO date, ``totals`` a list
    of Total, ``entries`` how many the vendor had."""

    __tablename__ = "reconciliations"
    day: str = Field(primary_key=True)
    connector: str = Field(primary_key=True)
    looked_at: datetime = time_column()
    entries: int = 0
    totals: str = text_column(default="[]")


class StatementRow(SQLModel, table=True):
    """What a vendor's statement had so far, while it is read; ``body`` is the Entry."""

    __tablename__ = "reconciliation_statements"
    look: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    external_id: str = Field(primary_key=True)
    body: str = text_column()


class DifferenceRow(SQLModel, table=True):
    """``body`` is the Difference; ``state``: open, cleared (a later look did not find it any more),
    explained (a person says why it is right)."""

    __tablename__ = "reconciliation_differences"
    day: str = Field(primary_key=True)
    connector: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    nature: str = Field(primary_key=True)
    subject: str = Field(primary_key=True)
    order_id: str = Field(index=True)
    minor: int
    currency: str
    state: str = Field(index=True)
    first_seen: datetime = time_column()
    seen_at: datetime = time_column()
    ended_by: str = ""
    comment: str = text_column(default="")
    body: str = text_column()


class DisputeRow(SQLModel, table=True):
    """A payment that its payer disputes (a chargeback). ``id`` is the provider's; ``state``: open,
    won, lost. What is open or lost the bank has taken: nobody pays it back a second time."""

    __tablename__ = "disputes"
    connector: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    order_id: str = Field(index=True)
    payment: str = Field(index=True)
    amount_minor: int
    currency: str
    reason: str = ""
    state: str = Field(index=True)
    answer_by: datetime | None = time_column(default=None)
    opened_at: datetime = time_column()
    updated_at: datetime = time_column()
    source: str
