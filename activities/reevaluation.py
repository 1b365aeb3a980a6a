"""Plans orders again, together, while they are reserved and wait for their release."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, Row
from temporalio import activity

from activities.context import Context
from activities.contracts import Activity
from activities.facts import order_facts, route_snapshot
from activities.planning import Planning, only, proposal
from activities.stock_pricing import READ_AT_ONCE, unserved
from domain.decision import (
    ApproveOutcome,
    ApproveSnapshot,
    Decision,
    Plan,
    RouteOutcome,
    RouteSnapshot,
)
from domain.network import Reevaluation
from domain.upkeep import Reevaluated, Superseded, Upkeep
from policies import load_published
from policies.candidates import Market
from policies.decide import verdicts
from sourcing import Verdicts
from sourcing.bids import Wanted, takes
from sourcing.master import Spot
from sourcing.swaps import Change, swaps
from sourcing.together import plan_together
from store import decisions, orders, releases

Units = dict[Spot, int]


@dataclass(frozen=True, slots=True)
class Asked:
    """Orders to plan together. It goes to a process of its own.

    Attributes:
        policies: (text, name) of the route documents in force.
        snapshots: of each order, as if nothing of it were reserved.
        limits: of each, when it has to leave and to arrive at the latest.
        stock: what there is for all of them.
    """

    policies: tuple[tuple[str, str], ...]
    snapshots: tuple[RouteSnapshot, ...]
    limits: tuple[tuple[datetime, datetime], ...]
    stock: Units


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An order of which nothing is released yet."""

    held: tuple[Row[Any], ...]
    plan: Plan
    snapshot: RouteSnapshot

    @property
    def order_id(self) -> str:
        return self.snapshot.order.id

    @property
    def limits(self) -> tuple[datetime, datetime]:
        """When it has to leave, and nine of ten have to arrive: as promised, and where that is
        missed already or nothing was promised, not later than planned."""
        order, plan = self.snapshot.order, self.plan
        leaves = max(part.ship_at for part in plan.fulfillments)
        return max(leaves, order.ship_by or leaves), max(
            plan.deliver_p90, order.promise_by or plan.deliver_p90
        )

    @property
    def cost_minor(self) -> int:
        """What its plan costs, with what its stock is worth to others today."""
        bids = {(n.id, sku): bid for n in self.snapshot.nodes for sku, bid in n.bids.items()}
        scarce = sum(bids.get(spot, 0) * units for spot, units in units_of(self.plan).items())
        return self.plan.cost.total - self.plan.cost.scarcity + scarce


@dataclass(frozen=True, slots=True)
class _Other:
    """Another plan for it, which nobody has to agree to."""

    waiting: _Waiting
    snapshot: RouteSnapshot
    decision: Decision
    asked: ApproveSnapshot
    approval: Decision
    plan: Plan

    @property
    def change(self) -> Change:
        saves = self.waiting.cost_minor - self.plan.cost.total
        return Change(
            self.waiting.order_id, units_of(self.waiting.plan), units_of(self.plan), saves
        )

    def record(self, connection: Connection, key: str, at: datetime) -> None:
        order_id = self.waiting.order_id
        for point, snapshot, decision in (
            ("route", self.snapshot, self.decision),
            ("approve", self.asked, self.approval),
        ):
            name = f"{key}/{order_id}/{point}"
            decisions.record(connection, name, order_id, snapshot, decision, at)

    def instead(self, key: str, at: datetime, given: Reevaluation) -> releases.Instead:
        """What the store is to put in its place; nobody waits longer than at first."""
        ends = min(row.release_at for row in self.waiting.held)
        return releases.Instead(
            order_id=self.waiting.order_id,
            held=self.waiting.held,
            plan=self.plan,
            decision_id=f"{key}/{self.waiting.order_id}/route",
            release_at=tuple(
                min(ends, given.release_at(at, part.ship_at)) for part in self.plan.fulfillments
            ),
            saves_minor=self.change.saves_minor,
        )


class Reevaluating:
    """Activity of the workflow that looks at orders that wait."""

    def __init__(self, context: Context) -> None:
        self._c = context
        self._planning = Planning(context)

    @activity.defn(name=Activity.REEVALUATE)
    async def reevaluate(self, request: Upkeep) -> Reevaluated:
        """Find swaps between orders that save money and break no promise, and make them.

        The orders are planned together in a process of its own, which no live order waits for;
        each other plan is then decided as any plan is, and recorded where it is taken.
        """
        given, db = self._c.network.reevaluation, self._c.db
        if given is None:
            return Reevaluated(summary="the network file has no `reevaluation`")
        waiting, policies = await self._waiting(request.at, given)
        if not waiting:
            return Reevaluated(summary="no order waits for its release")
        asked = Asked(
            policies, tuple(w.snapshot for w in waiting), tuple(w.limits for w in waiting),
            _stock(waiting),
        )  # fmt: skip
        shares = await self._c.aside.run(shared_out, asked)
        others: dict[str, _Other] = {}
        for start in range(0, len(waiting), READ_AT_ONCE):
            some = zip(
                waiting[start : start + READ_AT_ONCE], shares[start : start + READ_AT_ONCE],
                strict=True,
            )  # fmt: skip
            others |= await db.in_thread(self._others, list(some), request.at)
        found = swaps(
            [other.change for other in others.values()], _free(waiting), given.least_saving_minor
        )
        key = f"{request.key}/{activity.info().attempt}"
        done = [
            swap
            for swap in found
            if await db.in_thread(
                self._swap, [others[c.order_id] for c in swap], key, request.at, given
            )
        ]
        return _told(waiting, others, done, missed=len(found) - len(done))

    async def _waiting(
        self, at: datetime, given: Reevaluation
    ) -> tuple[list[_Waiting], tuple[tuple[str, str], ...]]:
        def read() -> tuple[list[tuple[Row[Any], ...]], tuple[tuple[str, str], ...]]:
            with self._c.db.read() as connection:
                held = releases.waiting(connection, at, given.orders)
                route = self._c.policies.library(connection).points["route"]
            return list(held.values()), tuple((p.source, p.label) for p in route)

        held, policies = await self._c.db.in_thread(read)
        found: list[_Waiting] = []
        for start in range(0, len(held), READ_AT_ONCE):
            some = held[start : start + READ_AT_ONCE]
            found += await self._c.db.in_thread(self._look, some, at)
        return found, policies

    def _look(self, some: Iterable[tuple[Row[Any], ...]], at: datetime) -> list[_Waiting]:
        """Orders with their plans, and as they would be planned if nothing were reserved."""
        network, found = self._c.network, []
        with self._c.db.read() as connection:
            for held in some:
                plan = releases.planned(connection, held)
                if plan is None:  # its carrier is out, or it is late: others see to it
                    continue
                rows = orders.rows(connection, held[0].order_id)
                facts = only(order_facts(connection, rows, network), plan.fulfillments)
                asked = decisions.nodes_asked(connection, held[0].decision_id)
                snapshot = route_snapshot(
                    connection, facts, network, self._c.queues, at, held[0].generation,
                    excluded_nodes=[n.id for n in network.nodes if n.id not in asked],
                    replanned=True,
                    late_shipments_per_mille=self._planning.late_shipments(connection, facts, at),
                )  # fmt: skip
                found.append(_Waiting(held, plan, snapshot))
        return found

    def _others(
        self, some: Sequence[tuple[_Waiting, Units | None]], at: datetime
    ) -> dict[str, _Other]:
        with self._c.db.read() as connection:
            found = [
                self._other(connection, waiting, share, at)
                for waiting, share in some
                if share and share != units_of(waiting.plan)
            ]
        return {other.waiting.order_id: other for other in found if other}

    def _other(
        self, connection: Connection, waiting: _Waiting, share: Units, at: datetime
    ) -> _Other | None:
        """The plan for an order's new share of the stock, decided as any plan is; None where it
        would be too late or somebody had to agree."""
        snapshot = _with_stock(waiting.snapshot, share)
        decision = self._c.decide(connection, snapshot)
        plans = cast(RouteOutcome, decision.outcome).plans
        if not plans or units_of(plans[0]) != share:
            return None
        plan = plans[0]
        leaves, arrives = waiting.limits
        if plan.deliver_p90 > arrives or any(f.ship_at > leaves for f in plan.fulfillments):
            return None
        asked = proposal(
            snapshot.order, at, plan.cash_minor, waiting.plan.cash_minor, "replan", plan
        )
        approval = self._c.decide(connection, asked)
        if cast(ApproveOutcome, approval.outcome).owner is not None:
            return None
        return _Other(waiting, snapshot, decision, asked, approval, plan)

    def _swap(self, others: Sequence[_Other], key: str, at: datetime, given: Reevaluation) -> bool:
        """Whether all of them could take their other plans."""
        try:
            with self._c.db.write() as connection:
                for other in others:
                    other.record(connection, key, at)
                releases.swap(connection, [other.instead(key, at, given) for other in others], at)
        except releases.Missed:
            return False
        return True


def shared_out(asked: Asked) -> list[Units | None]:
    """Units by node and SKU for each order, at the least cost of all together; None where nothing
    would be left for one."""
    policies = [load_published(text, name)[0] for text, name in asked.policies]
    wanted = []
    for snapshot, (leaves, arrives) in zip(asked.snapshots, asked.limits, strict=True):
        market = Market(_with_stock(snapshot, asked.stock, bids=False))
        found = _in_time(verdicts(policies, market), market, leaves, arrives)
        wanted.append(Wanted(market.pricer, found, unserved(market)))
    return [takes(plan) if plan else None for plan in plan_together(wanted, asked.stock).plans]


def _in_time(found: Verdicts, market: Market, leaves: datetime, arrives: datetime) -> Verdicts:
    """Without candidates that are too late."""
    pricer = market.pricer
    kept = frozenset(
        lane.pair
        for lane in pricer.lanes.values()
        if lane.deliver_p90 <= arrives and pricer.nodes[lane.node].ship_at <= leaves
    )
    return replace(found, kept=kept if found.kept is None else kept & found.kept)


def units_of(plan: Plan) -> Units:
    """Units that a plan takes, by node and SKU."""
    found: Units = {}
    for part in plan.fulfillments:
        for q in part.lines:
            spot = (part.node, q.sku)
            found[spot] = found.get(spot, 0) + q.quantity
    return found


def _free(waiting: Iterable[_Waiting]) -> Units:
    """What nobody holds."""
    return {
        (node.id, sku): units
        for each in waiting
        for node in each.snapshot.nodes
        for sku, units in node.stock.items()
    }


def _stock(waiting: Sequence[_Waiting]) -> Units:
    """What there is for all of them: what nobody holds, and what they hold themselves."""
    found = _free(waiting)
    for each in waiting:
        for spot, units in units_of(each.plan).items():
            found[spot] = found.get(spot, 0) + units
    return found


def _with_stock(snapshot: RouteSnapshot, stock: Units, *, bids: bool = True) -> RouteSnapshot:
    """The same snapshot over other stock, for its own SKUs."""
    wanted = sorted(snapshot.order.wanted())
    nodes = []
    for node in snapshot.nodes:
        held = {sku: stock[node.id, sku] for sku in wanted if stock.get((node.id, sku))}
        nodes.append(node.model_copy(update={"stock": held, "bids": node.bids if bids else {}}))
    return snapshot.model_copy(update={"nodes": tuple(nodes)})


def _told(
    waiting: Sequence[_Waiting], others: dict[str, _Other], done: Sequence[tuple[Change, ...]],
    missed: int,
) -> Reevaluated:  # fmt: skip
    moved = [change for swap in done for change in swap]
    saved = sum(change.saves_minor for change in moved)
    return Reevaluated(
        summary=f"{len(moved)} of {len(waiting)} orders take another plan, which saves "
        f"{saved} in minor units",
        figures={
            "waiting": len(waiting), "changed": len(moved), "swaps": len(done),
            "saved_minor": saved, "missed": missed,
        },
        superseded=tuple(
            Superseded(
                order_id=change.order_id,
                fulfillments=tuple(row.id for row in others[change.order_id].waiting.held),
            )
            for change in moved
        ),
    )  # fmt: skip
