"""Tables about what nodes say that they have."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from store.columns import time_column


class CountRow(SQLModel, table=True):
    """What a node says of a SKU while a run compares it: thrown away with the run's end.

    ``unsellable`` is below 0 where the node does not tell it.
    """

    __tablename__ = "node_counts"
    run: str = Field(primary_key=True)
    look: int = Field(primary_key=True)
    sku: str = Field(primary_key=True)
    node: str = Field(index=True)
    on_hand: int
    unsellable: int
    incoming: int = 0
    as_of: datetime = time_column()


class WatermarkRow(SQLModel, table=True):
    """The newest snapshot of a node that was applied: nothing older is."""

    __tablename__ = "stock_watermarks"
    node: str = Field(primary_key=True)
    as_of: datetime = time_column()
    levels: int = 0
    run: str
    at: datetime = time_column()


class DivergenceRow(SQLModel, table=True):
    """A level that a node counts otherwise than the ledger, in units.

    ``ours`` and ``theirs`` are of the moment ``as_of``; ``explained`` and ``unexplained`` add up to
    their difference; ``unsellable`` is theirs less ours. ``counted_at`` is the level's own count
    then: another one since makes the row superseded. ``state``: domain/rehydration.py.
    """

    __tablename__ = "inventory_divergences"
    __table_args__ = (
        Index("ix_divergences_level", "node", "sku", "state"),
        Index("ix_divergences_at", "at"),
    )
    run: str = Field(primary_key=True)
    sku: str = Field(primary_key=True)
    node: str
    workflow: str = Field(index=True)
    ours: int
    theirs: int
    explained: int
    unexplained: int
    unsellable: int = 0
    incoming: int = 0
    reserved: int = 0
    state: str
    as_of: datetime = time_column()
    counted_at: datetime | None = time_column(default=None)
    at: datetime = time_column()
    user: str = ""
