"""Tables about policies: their versions, how they are rolled out, what they decided."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from store.columns import text_column, time_column


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
