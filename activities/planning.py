"""Steps 2 to 5 of an order: accept, plan, reserve, and what to do when a plan breaks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Row
from temporalio import activity

from activities.context import Context
from activities.contracts import Activity, connector_queue, m
from activities.facts import (
    allotted_to_others,
    limited_to_stock,
    order_facts,
    route_snapshot,
    stock_of,
)
from domain.cases import Hold
from domain.decision import (
    ApproveOutcome,
    ApproveSnapshot,
    CompensateOutcome,
    CompensateSnapshot,
    HoldOutcome,
    HoldSnapshot,
    Outcome,
    Plan,
    RerouteOutcome,
    RerouteSnapshot,
    RouteOutcome,
    RouteSnapshot,
    Snapshot,
    others_units,
)
from domain.facts import OrderFacts
from domain.fulfillment import FulfillmentPlan
from store import (
    cases,
    circuits,
    decisions,
    events,
    fulfillments,
    inventory,
    orders,
    releases,
    workload,
)

Kind = TypeVar("Kind", bound=Outcome)


class LostRace(Exception):  # noqa: N818 - rolls the transaction back, no failure
    """Another order took the stock between plan and reservation."""


def predicted(part: FulfillmentPlan, now: datetime) -> datetime:
    """When nine of ten would have it: what has not left by its ship time arrives later by that."""
    return part.deliver_p90 + max(now - part.ship_at, timedelta(0))


class Planning:
    """Local activities around decisions."""

    def __init__(self, context: Context) -> None:
        self._c = context

    @activity.defn(name=Activity.ACCEPT)
    def accept(self, request: m.AcceptRequest) -> m.Accepted:
        """Ask the hold policy; open its holds, or accept the order."""

        def step(connection: Connection) -> m.Accepted:
            order_id = request.order_id
            rows = orders.rows(connection, order_id)
            facts = order_facts(connection, rows, self._c.network, open_only=False)
            snapshot = HoldSnapshot(now=request.at, order=facts)
            outcome = self._decide(connection, request, "hold", snapshot, HoldOutcome)
            wanted = [h for h in outcome.holds if h.reason.value not in request.waived]
            if not wanted:
                events.move_all(connection, "order", "accept", [rows.order], order_id, request.at)
                return m.Accepted(units=orders.totals(rows.lines)["open"])
            holds = []
            for number, demand in enumerate(wanted):
                hold = Hold(
                    id=f"{request.key}/h{number}",
                    order_id=order_id,
                    reason=demand.reason,
                    owner=demand.owner,
                    because=demand.because,
                    deadline=request.at + timedelta(hours=demand.hours),
                )
                cases.open_hold(connection, hold, request.at)
                holds.append(hold)
            return m.Accepted(holds=tuple(holds))

        return self._c.db.once(request.key, m.Accepted, step)

    @activity.defn(name=Activity.PLAN)
    def plan(self, request: m.PlanRequest) -> m.Planned:
        """Choose the best plan for the open lines, and ask who has to agree to it.

        Deciding takes milliseconds: it happens before the write transaction, not inside.
        """
        with self._c.db.read() as connection:
            snapshot, open_units = self._snapshot(connection, request)
            decision = self._c.decide(connection, snapshot)
            saturated = workload.saturated(connection)
        outcome = cast(RouteOutcome, decision.outcome)
        decision_id = f"{request.key}/route"

        def step(connection: Connection) -> m.Planned:
            decisions.record(
                connection, decision_id, request.order_id, snapshot, decision, request.at
            )
            _tell_saturation(connection, snapshot, saturated)
            if not outcome.plans:
                return m.Planned(
                    decision_id=decision_id, feasible=False, because=outcome.because,
                    open_units=open_units,
                )  # fmt: skip
            plan = outcome.plans[0]
            # what the first plan foresaw is what later ones are measured against
            first = request.baseline_minor
            baseline = plan.cash_minor if first is None else first
            approval = self._approval(
                connection,
                request,
                snapshot.order,
                plan.cash_minor,
                baseline,
                request.trigger,
                plan,
            )
            return m.Planned(
                decision_id=decision_id,
                feasible=True,
                because=outcome.because,
                cost_minor=plan.cash_minor,
                currency=self._c.network.currency,
                policies=decision.policies,
                nodes=tuple(f.node for f in plan.fulfillments),
                carriers=tuple(sorted({f.carrier for f in plan.fulfillments})),
                deliver_by=plan.deliver_p90,
                approver=approval.owner,
                approval_because=approval.because,
                baseline_minor=baseline,
                open_units=open_units,
            )

        return self._c.db.once(request.key, m.Planned, step)

    def _snapshot(
        self, connection: Connection, request: m.PlanRequest
    ) -> tuple[RouteSnapshot, int]:
        facts = order_facts(connection, orders.rows(connection, request.order_id), self._c.network)
        if request.partial:
            facts = limited_to_stock(connection, facts, self._c.network)
        open_units = sum(x.quantity for x in facts.lines if x.requires_shipping)
        snapshot = route_snapshot(
            connection, facts, self._c.network, self._c.queues, request.at,
            request.generation, excluded_nodes=request.excluded,
            late_shipments_per_mille=self.late_shipments(connection, facts, request.at),
        )  # fmt: skip
        return snapshot, open_units

    def _held_elsewhere(self, connection: Connection, facts: OrderFacts, node: str) -> bool:
        """Whether another node could ship all of it."""
        wanted = facts.wanted()
        return any(
            all(free.get(sku, 0) >= units for sku, units in wanted.items())
            for name, free in stock_of(connection, facts, self._c.network).items()
            if name != node
        )

    def late_shipments(self, connection: Connection, facts: OrderFacts, at: datetime) -> int:
        return self._c.late_shipments.per_mille(connection, facts.channel, at)

    @activity.defn(name=Activity.RESERVE)
    def reserve(self, request: m.ReserveRequest) -> m.Reserved:
        """Take the plan's stock, all or nothing, and create its fulfillment orders."""

        def step(connection: Connection) -> m.Reserved:
            plan = decisions.chosen_plan(connection, request.decision_id)
            order = orders.row(connection, request.order_id)
            pools = self._c.network.pools_of(order.channel)
            waits = request.firm and not pools
            release_at = self._release_at(plan, request.at, waits=waits)
            ids, lost = fulfillments.create(
                connection, order.id, plan, request.decision_id, request.generation,
                request.expires_at, request.firm, request.at, pools, release_at=release_at,
            )  # fmt: skip
            if lost is not None:
                raise LostRace(f"{lost.quantity} × {lost.sku} at {lost.node}")
            if order.status == "accepted":
                events.move_all(connection, "order", "process", [order], order.id, request.at)
            return m.Reserved(
                fulfillments=tuple(
                    reference(i, part, release)
                    for i, part, release in zip(ids, plan.fulfillments, release_at, strict=True)
                )
            )

        try:
            return self._c.db.once(request.key, m.Reserved, step)
        except LostRace as race:
            return m.Reserved(lost_race=str(race))

    def _release_at(self, plan: Plan, at: datetime, *, waits: bool) -> list[datetime | None]:
        """Until when each part waits for a better plan.

        What a person has to agree to does not wait: it is this plan that they agree to. Neither
        does what draws on pools: what it holds is of use to its own channel alone.
        """
        given = self._c.network.reevaluation
        if given is None or not waits:
            return [None] * len(plan.fulfillments)
        ends = [given.release_at(at, part.ship_at) for part in plan.fulfillments]
        return [end if end > at else None for end in ends]

    @activity.defn(name=Activity.FIRM)
    def make_firm(self, request: m.Reservation) -> m.Firm:
        """The approval is there: the reservation no longer expires, where it has not already."""

        def step(connection: Connection) -> m.Firm:
            return m.Firm(held=fulfillments.make_firm(connection, request.fulfillments, request.at))

        return self._c.db.once(request.key, m.Firm, step)

    @activity.defn(name=Activity.EXPIRE)
    def expire_reservation(self, request: m.Reservation) -> m.Audited:
        """Give the stock of an unapproved plan back, even where a worker that died had made it
        firm."""

        def step(connection: Connection) -> m.Audited:
            for fulfillment_id in request.fulfillments:
                row = fulfillments.get(connection, fulfillment_id)
                if row.status == "cancelled":
                    continue
                fulfillments.give_back(connection, row, request.key, request.at, how="expire")
                events.move_all(
                    connection, "fulfillment_order", "cancel", [row], row.order_id,
                    request.at, reason="reservation expired",
                )  # fmt: skip
            return m.Audited()

        return self._c.db.once(request.key, m.Audited, step)

    @activity.defn(name=Activity.REROUTE)
    def reroute(self, request: m.RerouteRequest) -> m.Rerouted:
        """Ask the reroute policy; name and price the next service where it wants one."""
        return self._c.db.once(request.key, m.Rerouted, partial(self.rerouted, request))

    def rerouted(self, request: m.RerouteRequest, connection: Connection) -> m.Rerouted:
        """What the reroute policy wants, in a transaction of the caller's."""
        row = fulfillments.get(connection, request.fulfillment_id)
        part = fulfillments.plan_of(row)
        facts = only(
            order_facts(connection, orders.rows(connection, request.order_id), self._c.network),
            [part],
        )
        late = facts.promise_by and predicted(part, request.at) - facts.promise_by
        snapshot = RerouteSnapshot(
            now=request.at,
            order=facts,
            trigger=request.trigger,
            node=row.node,
            service=part.service,
            planned_minor=part.cost_minor,
            quote_minor=request.quote_minor,
            late_hours=max(0, int(late.total_seconds() // 3600)) if late else 0,
            held_elsewhere=self._held_elsewhere(connection, facts, part.node),
            attempts=request.attempts,
        )
        outcome = self._decide(connection, request, "reroute", snapshot, RerouteOutcome)
        answer = m.Rerouted(
            action=outcome.action, because=outcome.because, approver=outcome.owner,
            planned_minor=part.cost_minor,
            circuit_open=circuits.why_open(connection, part.carrier, row.node, request.at)
            is not None,
        )  # fmt: skip
        if outcome.action != "next_service":
            return answer
        return self._next_service(connection, request, facts, part, answer)

    def elsewhere(self, connection: Connection, row: Row[Any], at: datetime) -> datetime | None:
        """When nine of ten would have a fulfillment order's lines, planned without its node; None
        where nobody else can ship them."""
        part = fulfillments.plan_of(row)
        found = orders.rows(connection, row.order_id)
        facts = only(order_facts(connection, found, self._c.network), [part])
        snapshot = route_snapshot(
            connection, facts, self._c.network, self._c.queues, at, 0,
            excluded_nodes=(part.node,),
            late_shipments_per_mille=self.late_shipments(connection, facts, at),
        )  # fmt: skip
        outcome = cast(RouteOutcome, self._c.decide(connection, snapshot).outcome)
        return outcome.plans[0].deliver_p90 if outcome.plans else None

    def _next_service(
        self, connection: Connection, request: m.RerouteRequest, facts: OrderFacts,
        part: FulfillmentPlan, answer: m.Rerouted,
    ) -> m.Rerouted:  # fmt: skip
        snapshot = route_snapshot(
            connection, facts, self._c.network, self._c.queues, request.at, request.attempts,
            excluded_services=request.excluded_services, only_node=part.node, ignore_stock=True,
            late_shipments_per_mille=self.late_shipments(connection, facts, request.at),
        )  # fmt: skip
        decision = self._c.decide(connection, snapshot)
        decision_id = f"{request.key}/next"
        decisions.record(connection, decision_id, request.order_id, snapshot, decision, request.at)
        outcome = cast(RouteOutcome, decision.outcome)
        if not outcome.plans:
            why = f"no other service can ship from {part.node}: {outcome.because}"
            return answer.model_copy(update={"action": "ask", "because": why})
        plan = outcome.plans[0]
        new = plan.fulfillments[0]
        trigger = "failover" if request.trigger == "carrier_outage" else "reroute"
        approval = self._approval(
            connection, request, facts, new.cost_minor, part.cost_minor, trigger, plan
        )
        return answer.model_copy(
            update={
                "decision_id": decision_id,
                "service": new.service,
                "carrier_name": new.carrier,
                "carrier": m.Endpoint(connector=new.carrier_connector, queue=new.carrier_queue),
                "cost_minor": new.cost_minor,
                "deliver_by": new.deliver_p90,
                "approver": approval.owner,
                "approval_because": approval.because,
            }
        )

    @activity.defn(name=Activity.CHANGE_SERVICE)
    def change_service(self, request: m.ChangeService) -> m.Audited:
        """The parcels of a fulfillment order go by the service that a decision named."""

        def step(connection: Connection) -> m.Audited:
            if fulfillments.get(connection, request.fulfillment_id).status == "cancelled":
                return m.Audited()  # another has taken its place in the meantime
            (other,) = decisions.chosen_plan(connection, request.decision_id).fulfillments
            fulfillments.change_service(
                connection, request.fulfillment_id, other, request.at, request.reason
            )
            return m.Audited()

        return self._c.db.once(request.key, m.Audited, step)

    @activity.defn(name=Activity.COMPENSATE)
    def compensate(self, request: m.CompensateRequest) -> m.Compensated:
        """Ask what to do with units that a node cannot deliver, or that nobody has."""

        def step(connection: Connection) -> m.Compensated:
            facts = order_facts(
                connection, orders.rows(connection, request.order_id), self._c.network
            )
            wanted = facts.wanted()
            avoided = request.node
            if request.fulfillment_id:  # it has left: its node may send another one
                wanted, avoided = _sent(connection, request.fulfillment_id), ""
            stock = inventory.available(connection, wanted, self._c.network.pools_of(facts.channel))
            elsewhere = sum(
                min(units, sum(s.get(sku, 0) for n, s in stock.items() if n != avoided))
                for sku, units in wanted.items()
            )
            snapshot = CompensateSnapshot(
                now=request.at,
                order=facts,
                trigger=request.trigger,
                node=request.node,
                short_units=request.short_units or sum(wanted.values()),
                open_units=sum(wanted.values()),
                available_elsewhere=elsewhere,
                attempts=request.attempts,
            )
            outcome = self._decide(connection, request, "compensate", snapshot, CompensateOutcome)
            others = allotted_to_others(connection, facts, self._c.network, stock)
            return m.Compensated(
                action=outcome.action, owner=outcome.owner, hours=outcome.hours,
                because=outcome.because + others_units(others),
            )  # fmt: skip

        return self._c.db.once(request.key, m.Compensated, step)

    def _decide(
        self, connection: Connection, request: m.Keyed, point: str, snapshot: Snapshot,
        kind: type[Kind],
    ) -> Kind:  # fmt: skip
        decision = self._c.decide(connection, snapshot)
        decisions.record(
            connection, f"{request.key}/{point}", request.order_id, snapshot, decision, request.at
        )
        assert isinstance(decision.outcome, kind)
        return decision.outcome

    def _approval(
        self, connection: Connection, request: m.Keyed, facts: OrderFacts, cost: int,
        baseline: int, trigger: str, plan: Plan,
    ) -> ApproveOutcome:  # fmt: skip
        snapshot = proposal(facts, request.at, cost, baseline, trigger, plan)
        return self._decide(connection, request, "approve", snapshot, ApproveOutcome)


def proposal(
    facts: OrderFacts, now: datetime, cost: int, baseline: int, trigger: str, plan: Plan
) -> ApproveSnapshot:
    """What has to be agreed to, or not."""
    return ApproveSnapshot.model_validate(
        {
            "now": now,
            "order": facts,
            "cost_minor": cost,
            "baseline_minor": baseline,
            "express": any(f.express for f in plan.fulfillments),
            "parcels": sum(max(1, len(f.parcels)) for f in plan.fulfillments),
            "trigger": trigger,
        }
    )


def _tell_saturation(
    connection: Connection, snapshot: RouteSnapshot, before: frozenset[str]
) -> None:
    """Nodes whose state is another in the snapshot than it was before."""
    for node in snapshot.nodes:
        if node.saturated != (node.id in before):
            workload.flip(
                connection, node.id, node.saturated, snapshot.now,
                used_percent=node.used_percent, backlog_days=node.backlog_days,
            )  # fmt: skip


def only(facts: OrderFacts, parts: Sequence[FulfillmentPlan]) -> OrderFacts:
    """The order cut to the lines of some fulfillment orders, as if they were open."""
    units: dict[str, int] = {}
    for q in (q for part in parts for q in part.lines):
        units[q.line_id] = units.get(q.line_id, 0) + q.quantity
    lines = [
        line.model_copy(update={"quantity": units[line.line_id]})
        for line in facts.lines
        if line.line_id in units
    ]
    return facts.model_copy(update={"lines": tuple(lines)})


def successors(connection: Connection, row: Row[Any]) -> tuple[m.FulfillmentRef, ...]:
    """What the workflow is told of those that stand for a fulfillment order now."""
    return tuple(
        reference(other.id, fulfillments.plan_of(other), other.release_at)
        for other in releases.successors(connection, row)
    )


def reference(
    fulfillment_id: str, part: FulfillmentPlan, release_at: datetime | None
) -> m.FulfillmentRef:
    """What the workflow is told of a fulfillment order."""
    own = part.node_kind != "third_party"
    return m.FulfillmentRef(
        id=fulfillment_id,
        node=part.node,
        own=own,
        fulfiller=m.Endpoint(connector=part.connector, queue=connector_queue(part.connector)),
        carrier=(
            m.Endpoint(connector=part.carrier_connector, queue=part.carrier_queue) if own else None
        ),
        service=part.service,
        carrier_name=part.carrier,
        parcels=max(1, len(part.parcels)),
        units=sum(q.quantity for q in part.lines),
        lines=tuple(q.line_id for q in part.lines),
        cost_minor=part.cost_minor,
        ship_at=part.ship_at,
        deliver_by=part.deliver_p90,
        release_at=release_at,
    )


def _sent(connection: Connection, fulfillment_id: str) -> dict[str, int]:
    """Units by SKU that a fulfillment order has sent."""
    units: dict[str, int] = {}
    for a in fulfillments.allocations(
        connection, fulfillment_id=fulfillment_id, statuses=("consumed",)
    ):
        units[a.sku] = units.get(a.sku, 0) + a.quantity
    return units
