"""Measures whether decisions come true, and alarms the policy's owner where they do not."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection
from temporalio import activity

from activities.context import Context
from activities.contracts import Activity
from domain.rollouts import DriftFound, MeasureDrift
from policies.drift import Came, Drift, Tolerance, drifts
from store import events, rollouts
from store.policies import stream

AT_MOST = 5_000  # orders, the newest
BATCH = 500


class Drifts:
    """Activity of the drift workflow."""

    def __init__(self, context: Context) -> None:
        self._c = context

    @activity.defn(name=Activity.MEASURE_DRIFT)
    def measure(self, request: MeasureDrift) -> DriftFound:
        """Look back, and record an event for every policy that drifts."""
        since = request.at - timedelta(days=request.days)
        with self._c.db.read() as connection:
            orders, found = measured(connection, since, Tolerance())
        alarmed = [drift for drift in found if drift.alarm]

        def step(connection: Connection) -> DriftFound:
            for drift in alarmed:
                name = drift.subject.partition("@")[0].partition(".")[0]
                events.append(
                    connection, stream(name), "policy.drifted", request.at,
                    subject=drift.subject, because=drift.alarm, orders=drift.orders,
                )  # fmt: skip
            return DriftFound(orders=orders, alarms=tuple(drift.alarm for drift in alarmed))

        return self._c.db.once(request.key, DriftFound, step)


def measured(
    connection: Connection, since: datetime, tolerance: Tolerance
) -> tuple[int, list[Drift]]:
    """How many orders left since then, and what became of them by version and rule."""
    order_ids = rollouts.shipped_since(connection, since, AT_MOST)
    came: list[Came] = []
    for at in range(0, len(order_ids), BATCH):
        ended = rollouts.became(connection, order_ids[at : at + BATCH])
        wanted = [decision for each in ended for decision in each.decisions]
        deciders = rollouts.deciders(connection, wanted)
        for each in ended:
            subjects = dict.fromkeys(s for d in each.decisions for s in deciders.get(d, ()))
            if each.cost_minor is not None:
                came.append(
                    Came(tuple(subjects), each.foreseen_minor, each.cost_minor, each.after_p90)
                )
    return len(came), drifts(came, tolerance)
