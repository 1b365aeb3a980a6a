"""How a fulfillment order goes on that cannot go, or should not go, as it was planned."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row
from temporalio import activity

from activities.context import Context
from activities.contracts import Activity, m
from activities.planning import Planning, predicted
from domain.decision import RerouteTrigger
from domain.network import Network
from domain.upkeep import Upkeep
from store import fulfillments, moves

AT_ONCE = 100  # fulfillment orders that one sweep decides about: some hundred milliseconds


def own_nodes(network: Network) -> list[str]:
    """Nodes whose labels we buy; a 3PL that buys its own moves its own parcels."""
    return [n.id for n in network.nodes if n.kind != "third_party"]


def decided(
    planning: Planning, connection: Connection, row: Row[Any], opening: str,
    trigger: RerouteTrigger, at: datetime, *, avoid: str = "", attempts: int = 0,
) -> m.Move:  # fmt: skip
    """Ask the reroute policy about a fulfillment order that has not left."""
    part = fulfillments.plan_of(row)
    asked = m.RerouteRequest(
        order_id=row.order_id, key=f"{opening}/{row.id}", at=at, fulfillment_id=row.id,
        trigger=trigger, attempts=attempts,
    )  # fmt: skip
    answer = planning.rerouted(asked, connection)
    return m.Move(
        opening=opening,
        order_id=row.order_id,
        fulfillment_id=row.id,
        action=answer.action,
        because=answer.approval_because or answer.because,
        avoid=avoid,
        instead_of=part.service,
        service=answer.service,
        carrier_name=answer.carrier_name,
        carrier=answer.carrier,
        decision_id=answer.decision_id,
        cost_minor=answer.cost_minor,
        planned_minor=answer.planned_minor,
        planned_by=part.deliver_p90,
        deliver_by=answer.deliver_by,
        approver=answer.approver if answer.action == "next_service" else None,
    )


class Hedging:
    """Looks for what will miss its promise while something can still be done."""

    def __init__(self, context: Context) -> None:
        self._c = context
        self._planning = Planning(context)

    @activity.defn(name=Activity.HEDGE)
    def hedge(self, request: Upkeep) -> m.Moves:
        """Ask the reroute policy about what is late, once for every day more."""
        with self._c.db.read() as connection:
            rows = moves.promised(connection, own_nodes(self._c.network))
        late = [(row, hours) for row in rows if (hours := self._late_hours(row, request.at)) > 0]

        def step(connection: Connection) -> m.Moves:
            found: list[m.Move] = []
            asked = 0
            for row, hours in late:
                opening = _opening(hours)
                known = moves.of_order(connection, row.order_id)
                if any((x.opening, x.fulfillment_id) == (opening, row.id) for x in known):
                    continue
                if asked == AT_ONCE:
                    return m.Moves(moves=tuple(found), more=True)
                asked += 1
                # of the whole order: what is planned again is another fulfillment order
                attempts = sum(x.opening.startswith(_SWEEP) and x.state == "told" for x in known)
                move = decided(
                    self._planning, connection, row, opening, "hedge", request.at,
                    attempts=attempts,
                )  # fmt: skip
                better = self._better(connection, move, row, request.at)
                moves.add(connection, move, "told" if better else "kept", request.at)
                found += [move] if better else []
            return m.Moves(moves=tuple(found))

        return self._c.db.once(request.key, m.Moves, step)

    def _late_hours(self, row: Row[Any], now: datetime) -> float:
        part = fulfillments.plan_of(row)
        late: timedelta = predicted(part, now) - row.promise_by
        return late / timedelta(hours=1)

    def _better(self, connection: Connection, move: m.Move, row: Row[Any], now: datetime) -> bool:
        """Whether the order has to hear of it: only where it is there earlier then."""
        if move.action in ("keep", "ask"):
            return move.action == "ask"
        there = move.deliver_by
        if move.action == "replan":
            there = self._planning.elsewhere(connection, row, now)
        return there is not None and there < predicted(fulfillments.plan_of(row), now)


_SWEEP = "hedge/"


def _opening(late_hours: float) -> str:
    return f"{_SWEEP}{int(late_hours // 24)}d"
