"""The decision log: every decision with the snapshot that it was made from."""

from __future__ import annotations

from datetime import datetime

import orjson
from sqlalchemy import Connection, bindparam, select

from domain.decision import Decision, Plan, Snapshot
from store import events
from store import tables as t
from store.statements import insert_new

_DECISION = select(t.decisions.c.decision).where(t.decisions.c.id == bindparam("of"))


def record(
    connection: Connection, decision_id: str, order_id: str, snapshot: Snapshot,
    decision: Decision, at: datetime,
) -> None:  # fmt: skip
    """Write a decision; the same ID keeps its first content."""
    new = insert_new(
        connection, t.decisions,
        {
            "id": decision_id, "order_id": order_id, "point": decision.point,
            "policies": ",".join(decision.policies), "policy_hash": decision.policy_hash,
            "snapshot_hash": decision.snapshot_hash, "at": at,
            "snapshot": snapshot.model_dump_json(), "decision": decision.model_dump_json(),
        },
    )  # fmt: skip
    if new:
        events.append(
            connection, order_id, "plan.decided", at,
            id=decision_id, point=decision.point, policies=list(decision.policies),
        )  # fmt: skip


def _body(connection: Connection, decision_id: str) -> str:
    body = connection.execute(_DECISION, {"of": decision_id}).scalar()
    if body is None:
        raise LookupError(f"decision {decision_id!r} does not exist")
    return str(body)


def chosen_plan(connection: Connection, decision_id: str) -> Plan:
    """The plan that a route decision chose.

    Raises:
        LookupError: no such decision, or it chose none.
    """
    # the plan alone: a decision tells of every candidate, twenty times as much
    plans = orjson.loads(_body(connection, decision_id))["outcome"].get("plans")
    if not plans:
        raise LookupError(f"decision {decision_id!r} chose no plan")
    return Plan.model_validate(plans[0])


def nodes_asked(connection: Connection, decision_id: str) -> frozenset[str]:
    """Nodes that a route decision could choose from: without those that were excluded."""
    body = connection.execute(
        select(t.decisions.c.snapshot).where(t.decisions.c.id == decision_id)
    ).scalar_one()
    return frozenset(node["id"] for node in orjson.loads(body)["nodes"])


def of_order(
    connection: Connection, order_id: str
) -> list[tuple[str, datetime, Decision, dict[str, object]]]:
    """All decisions of an order, oldest first: ID, time, decision, snapshot."""
    rows = connection.execute(
        select(t.decisions).where(t.decisions.c.order_id == order_id).order_by(t.decisions.c.at)
    )
    return [
        (r.id, r.at, Decision.model_validate_json(r.decision), orjson.loads(r.snapshot))
        for r in rows
    ]
