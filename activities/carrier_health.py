"""Looks at a carrier: is it to be trusted on each lane, and where does it not, who goes how?

Every look and every batch of moves is one transaction under a key; the workflow only waits,
probes and tells (workflows/carrier_health.py).
"""

from __future__ import annotations

from sqlalchemy import Connection
from temporalio import activity

from activities.context import Context
from activities.contracts import Activity, connector_queue, m
from activities.facts import holidays_of
from activities.moving import decided, own_nodes
from activities.planning import Planning
from domain.carriers import CarrierLook, Due, Lane, LookAtCarrier, PlanMoves, SettleMoves
from domain.circuits import (
    EVERYWHERE,
    SYSTEM,
    Circuit,
    closed,
    failing,
    opened,
    tried,
    worked_since,
)
from domain.network import Service
from store import circuits, events, moves

# by outcome, the state of moves and what their orders are told to do
_AFTER = {
    "granted": ("told", "next_service"), "refused": ("waits", "wait"), "over": ("over", "keep"),
}  # fmt: skip


class CarrierHealth:
    """Activities of the workflow that watches one carrier."""

    def __init__(self, context: Context) -> None:
        self._c = context
        self._planning = Planning(context)

    # --- circuits ---------------------------------------------------------------------------

    @activity.defn(name=Activity.LOOK_AT_CARRIER)
    def look(self, request: LookAtCarrier) -> CarrierLook:
        """Take in what probes found, close what ran out, open where calls fail."""

        def step(connection: Connection) -> CarrierLook:
            before = {c.node: c for c in circuits.of_carrier(connection, request.carrier)}
            after = self._judged(connection, request, before)
            for node, circuit in after.items():
                if circuit != before.get(node):
                    self._write(connection, request, before.get(node), circuit)
            return self._seen(request, before, after)

        return self._c.db.once(request.key, CarrierLook, step)

    def _judged(
        self, connection: Connection, request: LookAtCarrier, before: dict[str, Circuit]
    ) -> dict[str, Circuit]:
        watch, now = self._c.network.carrier_health, request.at
        after = dict(before)
        for probe in request.probed:
            circuit = after.get(probe.node)
            if circuit is not None and circuit.user == SYSTEM and circuit.state != "closed":
                after[probe.node] = tried(watch, circuit, probe.went_well, now)
        for node, circuit in after.items():
            if circuit.state != "closed" and not circuit.in_force(now):
                after[node] = closed(circuit, now)
        for node, because in self._trouble(connection, request, before, after).items():
            lanes = (after.get(EVERYWHERE), after.get(node))
            if not any(lane is not None and lane.in_force(now) for lane in lanes):
                after[node] = opened(watch, node, after.get(node), because, now)
        return after

    def _trouble(
        self, connection: Connection, request: LookAtCarrier, before: dict[str, Circuit],
        after: dict[str, Circuit],
    ) -> dict[str, str]:  # fmt: skip
        """Lanes that fail. What was seen before a lane closed says nothing about it any more:
        calls that were under way when it opened, parcels that left before that."""
        for node, circuit in after.items():
            known = before.get(node)
            if circuit.state == "closed" and known is not None and known.state != "closed":
                circuits.forget_calls(connection, request.carrier, node)
        watch = self._c.network.carrier_health
        calls = circuits.newest_calls(connection, request.carrier, watch)
        opened_at = {node: circuit.since for node, circuit in after.items()}
        closed_on = holidays_of(self._c.network, request.at)
        limit = worked_since(request.at, watch.unscanned_hours, closed_on)
        seen = circuits.scans(connection, request.carrier, limit, opened_at)
        told = circuits.said_to_be_out(connection, request.carrier, opened_at.get(EVERYWHERE))
        return {EVERYWHERE: told} if told else failing(watch, calls, seen)

    def _write(
        self, connection: Connection, request: LookAtCarrier, before: Circuit | None,
        circuit: Circuit,
    ) -> None:  # fmt: skip
        circuits.put(connection, request.carrier, circuit)
        was_open = before is not None and before.state != "closed"
        if was_open == (circuit.state != "closed"):
            events.append(
                connection, request.order_id, "carrier.probed", request.at,
                node=circuit.node, state=circuit.state, passed=circuit.passed,
                because="; ".join(p.because for p in request.probed if p.node == circuit.node),
            )  # fmt: skip
            return
        name = "carrier.recovered" if was_open else "carrier.degraded"
        told = {"node": circuit.node, "because": circuit.because, "times": circuit.times}
        events.append(connection, request.order_id, name, request.at, user=SYSTEM, **told)
        self._c.audit.append(connection, request.order_id, request.at, SYSTEM, name, **told)

    def _seen(
        self, request: LookAtCarrier, before: dict[str, Circuit], after: dict[str, Circuit]
    ) -> CarrierLook:
        carrier, now = request.carrier, request.at
        lanes = [Lane(opening=_opening(carrier, c), circuit=c) for c in after.values()]
        probes = [lane.circuit for lane in lanes if lane.circuit.probe_at is not None]
        times = [c.probe_at for c in probes] + [
            c.until for c in after.values() if c.in_force(now) and c.until is not None
        ]
        return CarrierLook(
            lanes=tuple(lane for lane in lanes if lane.circuit.in_force(now)),
            ended=tuple(lane.opening for lane in lanes if not lane.circuit.in_force(now)),
            due=tuple(due for c in probes if (due := self._due(carrier, c)) is not None),
            next_at=min((at for at in times if at is not None), default=None),
        )

    def _due(self, carrier: str, circuit: Circuit) -> Due | None:
        """How a lane is tried: by the carrier's first service, from its node or the first own."""
        network = self._c.network
        service: Service = next(s for s in network.services if s.carrier == carrier)
        ship_from = circuit.node or next(iter(own_nodes(network)), "")
        if not ship_from:
            return None
        at = m.Endpoint(connector=service.connector, queue=connector_queue(service.connector))
        assert circuit.probe_at is not None  # _seen asks only for those
        return Due(
            at=circuit.probe_at, node=circuit.node, ship_from=ship_from, service=service.id,
            carrier=at,
        )  # fmt: skip

    # --- moves ------------------------------------------------------------------------------

    @activity.defn(name=Activity.PLAN_MOVES)
    def plan_moves(self, request: PlanMoves) -> m.Moves:
        """Ask the reroute policy about the next ones that have not left."""
        batch = self._c.network.carrier_health.batch

        def step(connection: Connection) -> m.Moves:
            rows = moves.undecided(
                connection, request.carrier, request.node, request.opening,
                own_nodes(self._c.network), batch + 1,
            )  # fmt: skip
            found = [
                decided(
                    self._planning, connection, row, request.opening, "carrier_outage",
                    request.at, avoid=request.carrier,
                )
                for row in rows[:batch]
            ]  # fmt: skip
            for move in found:
                moves.add(connection, move, "asked" if move.approver else "told", request.at)
            asked = moves.waiting(connection, request.opening, ["asked"]) if request.again else []
            new = {move.fulfillment_id for move in found}
            asked = [move for move in asked if move.fulfillment_id not in new]
            return m.Moves(moves=(*found, *asked), more=len(rows) > batch)

        return self._c.db.once(request.key, m.Moves, step)

    @activity.defn(name=Activity.SETTLE_MOVES)
    def settle_moves(self, request: SettleMoves) -> m.Moves:
        """What is to be told now to those that waited for an answer."""

        def step(connection: Connection) -> m.Moves:
            over = request.outcome == "over"
            waiting = moves.waiting(
                connection, request.opening, ("asked", "waits") if over else ("asked",)
            )
            meant = set(request.fulfillments)
            mine = [x for x in waiting if not meant or x.fulfillment_id in meant]
            state, action = _AFTER[request.outcome]
            moves.settle(connection, mine, state)
            told = {"action": action, "approver": None}  # nobody has to be asked any more
            return m.Moves(moves=tuple(x.model_copy(update=told) for x in mine))

        return self._c.db.once(request.key, m.Moves, step)


def _opening(carrier: str, circuit: Circuit) -> str:
    return f"carrier:{carrier}/{circuit.node or 'all'}/{circuit.since:%Y%m%dT%H%M%S.%f}"
