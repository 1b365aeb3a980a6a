"""Who decides: the before-state by its fixed rule, Meshline by its policies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from domain.decision import (
    ApproveOutcome,
    ApproveSnapshot,
    RerouteOutcome,
    RerouteSnapshot,
    RouteSnapshot,
)
from domain.facts import LineFacts, NodeFacts, OrderFacts
from domain.fulfillment import FulfillmentPlan
from policies import Library
from policies.candidates import Market
from policies.decide import judge, route
from scenarios.orders import Wanted
from scenarios.world import Job, World
from sourcing import Pricer, Verdicts, best_plans, ship_at
from sourcing.lanes import Lane

Shares = dict[str, list[tuple[LineFacts, int]]]


@dataclass(frozen=True)
class Before:
    """The fixed rule: the first node in list order that has stock, express where ground is late.

    Attributes:
        library: for approvals alone, which both sides ask for by the same policy.
        told: whether its dates know the queue of a node.
        nearest: its list is not the network file's but begins with the nearest node.
    """

    library: Library
    told: bool = True
    nearest: bool = False

    def route(
        self, world: World, order: Wanted, facts: OrderFacts, now: datetime, without: str = ""
    ) -> tuple[FulfillmentPlan, ...]:
        snapshot = world.snapshot(facts, now, without)
        if not self.told:
            snapshot = _unqueued(world, snapshot)
        nodes = snapshot.nodes
        if self.nearest:
            nodes = tuple(sorted(nodes, key=lambda n: n.distance_miles))
        shares = first_with_stock(nodes, facts.lines)
        parts = tuple(shipped_by_rule(snapshot, node, share) for node, share in shares.items())
        _approved(self.library, world, order, parts, now)
        return parts

    def late(self, world: World, job: Job, now: datetime) -> bool:
        """Nobody plans again: a late order leaves when its turn comes."""
        return False


@dataclass(frozen=True)
class Meshline:
    """The product: its decisions under the policies of the scenario's network file."""

    library: Library

    def route(
        self, world: World, order: Wanted, facts: OrderFacts, now: datetime, without: str = ""
    ) -> tuple[FulfillmentPlan, ...]:
        parts = chosen(self.library, world.snapshot(facts, now, without))
        _approved(self.library, world, order, parts, now)
        return parts

    def late(self, world: World, job: Job, now: datetime) -> bool:
        facts, part = job.order.facts, job.part
        delayed = max(now - part.ship_at, timedelta(0))
        late = facts.promise_by and part.deliver_p90 + delayed - facts.promise_by
        elsewhere = any(
            all(held.get(q.sku, 0) >= q.quantity for q in part.lines)
            for node, held in world.stock.items()
            if node != part.node
        )
        snapshot = RerouteSnapshot(
            now=now, order=facts, trigger="late_pick", node=part.node, service=part.service,
            planned_minor=part.cost_minor, held_elsewhere=elsewhere, attempts=job.attempts,
            late_hours=max(0, int(late.total_seconds() // 3600)) if late else 0,
        )  # fmt: skip
        outcome = judge(self.library.points["reroute"], snapshot).outcome
        return cast(RerouteOutcome, outcome).action == "replan"


def chosen(library: Library, snapshot: RouteSnapshot) -> tuple[FulfillmentPlan, ...]:
    """The parts of the plan that is decided on, none where there is no plan.

    It is what ``decide`` records first among its plans, without writing the others down.
    """
    choices = route(library.points["route"], Market(snapshot)).choices
    return choices[0].draft.plan(()).fulfillments if choices else ()


def first_with_stock(nodes: Sequence[NodeFacts], lines: Sequence[LineFacts]) -> Shares:
    """Units by node: all from the first node in list order that has all; where none has, each
    line from the first that has it, and from the next ones what is missing. Empty where a line
    cannot be served."""
    wanted = [line for line in lines if line.requires_shipping and line.quantity > 0]
    need: dict[str, int] = {}
    for line in wanted:
        need[line.sku] = need.get(line.sku, 0) + line.quantity
    for node in nodes:
        if all(node.stock.get(sku, 0) >= units for sku, units in need.items()):
            return {node.id: [(line, line.quantity) for line in wanted]}
    left = {node.id: dict(node.stock) for node in nodes}
    shares: Shares = {}
    for line in wanted:
        open_units = line.quantity
        for name, held in left.items():
            units = min(open_units, held.get(line.sku, 0))
            if units:
                held[line.sku] -= units
                open_units -= units
                shares.setdefault(name, []).append((line, units))
        if open_units:
            return {}
    return shares


def shipped_by_rule(
    snapshot: RouteSnapshot, node: str, share: Sequence[tuple[LineFacts, int]]
) -> FulfillmentPlan:
    """What a node ships of an order, by the service that the fixed rule takes."""
    lines = tuple(line.model_copy(update={"quantity": units}) for line, units in share)
    alone = snapshot.model_copy(
        update={
            "nodes": tuple(n for n in snapshot.nodes if n.id == node),
            "order": snapshot.order.model_copy(update={"lines": lines}),
        }
    )
    pricer = Pricer(alone)
    (lanes,), prices = pricer.leaving, pricer.asked(0, pricer.whole)
    assert prices is not None
    chosen = service_by_rule(lanes, prices, [s.express for s in pricer.services])
    (plan,) = best_plans(alone, Verdicts(kept=frozenset({chosen.pair})), 1, pricer)
    return plan.fulfillments[0]


def service_by_rule(lanes: Sequence[Lane], prices: Sequence[int], express: Sequence[bool]) -> Lane:
    """The cheapest ground service that keeps the promise (p90), else the cheapest express that
    does, else the express that arrives first.

    Args:
        prices: of the lanes, in their order.
        express: by service index.
    """
    by_price = [lane for _, lane in sorted(zip(prices, lanes, strict=True), key=_price)]
    ground = [x for x in by_price if not express[x.service]]
    fast = [x for x in by_price if express[x.service]]
    for lane in (*ground, *fast):
        if not lane.days_late:
            return lane
    return min(fast or ground, key=lambda x: x.deliver_p90)


def _price(of: tuple[int, Lane]) -> tuple[int, str]:
    return of[0], of[1].pair[1]


def _unqueued(world: World, snapshot: RouteSnapshot) -> RouteSnapshot:
    """The snapshot of somebody who does not know what is planned at the nodes."""
    nodes = tuple(
        n.model_copy(
            update={"ship_at": ship_at(snapshot.now, world.network.node(n.id), snapshot.holidays)}
        )
        for n in snapshot.nodes
    )
    return snapshot.model_copy(update={"nodes": nodes})


def _approved(
    library: Library, world: World, order: Wanted, parts: Sequence[FulfillmentPlan], now: datetime
) -> None:
    """Ask who has to agree, by the same policy on both sides."""
    if not parts:
        return
    record = world.records[order.facts.id]
    cost = sum(part.cost_minor + part.handling_minor for part in parts)
    snapshot = ApproveSnapshot(
        now=now, order=order.facts, cost_minor=cost, baseline_minor=record.baseline_minor or cost,
        express=any(part.express for part in parts),
        parcels=sum(max(1, len(part.parcels)) for part in parts),
        trigger="replan" if record.baseline_minor else "plan",
    )  # fmt: skip
    outcome = judge(library.points["approve"], snapshot).outcome
    record.approvals += cast(ApproveOutcome, outcome).owner is not None
