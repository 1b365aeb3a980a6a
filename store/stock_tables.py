"""Tables about stock: levels, pools, movements, their value, and what nodes say that they have."""

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


class BidRow(SQLModel, table=True):
    """What a unit of a node's stock is worth to orders to come, in minor units, for a while."""

    __tablename__ = "bids"
    node: str = Field(primary_key=True)
    sku: str = Field(primary_key=True, index=True)
    minor: int
    at: datetime = time_column()
    until: datetime = time_column()
