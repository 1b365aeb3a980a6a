"""Tables about how carriers and nodes do: circuits, calls, moves, saturation, transit times."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from store.columns import text_column, time_column


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
