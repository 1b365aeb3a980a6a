"""Tables about goods that come back."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from store.columns import text_column, time_column


class ReturnRow(SQLModel, table=True):
    """``number`` counts the returns of an order; ``facts`` is what was observed of its parcels,
    space-separated; ``plan`` the FulfillmentPlan of the way back, where we buy its labels."""

    __tablename__ = "returns"
    id: str = Field(primary_key=True)
    order_id: str = Field(index=True)
    number: int
    state: str = Field(index=True)
    started: bool = Field(default=False, index=True)
    wish: str
    source: str
    external_id: str = Field(default="", index=True)
    requester: str
    node: str
    comment: str = text_column(default="")
    plan: str = text_column(default="")
    decision_id: str = ""
    because: str = text_column(default="")
    facts: str = ""
    requested_at: datetime = time_column()
    updated_at: datetime = time_column()
    ended_at: datetime | None = time_column(default=None)


class ReturnLineRow(SQLModel, table=True):
    """Units of an order line that may come back, and how many did.

    accepted ≤ inspected ≤ received ≤ quantity - missing, but for units that a person let count:
    those are accepted whatever came. ``extra`` came besides.
    """

    __tablename__ = "return_lines"
    return_id: str = Field(primary_key=True, foreign_key="returns.id")
    line_id: str = Field(primary_key=True)
    position: int
    sku: str
    reason: str
    instead: str = ""
    quantity: int
    received: int = 0
    inspected: int = 0
    accepted: int = 0
    missing: int = 0
    extra: int = 0


class InspectionRow(SQLModel, table=True):
    """Units of a return line that somebody has looked at; never changed."""

    __tablename__ = "return_inspections"
    key: str = Field(primary_key=True)
    return_id: str = Field(index=True)
    line_id: str
    sku: str
    quantity: int
    grade: str
    disposition: str
    user: str
    at: datetime = time_column()
