"""The physical world, the same for both sides: stock, nodes with queues, parcels on their way.

A node works off its queue in the order in which it got the work. At each pickup leaves as much as
the node has done by then: its share of the day's capacity, and on slow days less. Transit days are
where the order's own draw falls in the distribution of the service.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import count
from typing import Protocol

from activities.facts import (
    departures,
    holidays_of,
    miles_between,
    queues_of,
    saturated_nodes,
    snapshot_of,
)
from domain.decision import RouteSnapshot
from domain.facts import OrderFacts, TransitFacts
from domain.fulfillment import PICK_WINDOW, FulfillmentPlan
from domain.network import Network
from scenarios.orders import SHOP_ZONE, Wanted, pace, stock
from scenarios.parameters import PromoSpike
from sourcing import deliver_at, zone_for_miles
from sourcing.promise import ship_days
from store.workload import Work

LOOK_AFTER = timedelta(hours=8)  # the window of a late pick's soft exception (exception_windows)
MONTH = timedelta(days=30)  # in which a marketplace counts late shipments
_ORDER, _PICKUP, _LATE, _LOOK = range(4)  # what happens first at one time


@dataclass(eq=False)
class Job:
    """A fulfillment order in a node's queue, and in the end when it left and arrived."""

    order: Wanted
    part: FulfillmentPlan
    number: int
    ship_at: datetime
    attempts: int = 0
    left: datetime | None = None
    arrived: datetime | None = None


@dataclass
class Record:
    """What became of an order; without jobs it was not served."""

    order: Wanted
    jobs: list[Job] = field(default_factory=list)
    baseline_minor: int = 0
    approvals: int = 0
    late_picks: int = 0


class Side(Protocol):
    """Who decides."""

    def route(
        self, world: World, order: Wanted, facts: OrderFacts, now: datetime, without: str = ""
    ) -> tuple[FulfillmentPlan, ...]:
        """The parts of an order's open lines; none where they cannot be served."""

    def late(self, world: World, job: Job, now: datetime) -> bool:
        """Whether a late job is taken from its node and planned again."""


class World:
    """One run of one side.

    Attributes:
        stock: units left, by node and SKU.
        queues: work by node, what came first first.
        records: of each order.
        left: jobs that left, by (node, time of the pickup).
    """

    def __init__(self, network: Network, p: PromoSpike, seed: int) -> None:
        self.network, self.p, self.seed = network, p, seed
        self.stock = stock(network, p, seed)
        self.queues: dict[str, list[Job]] = {node.id: [] for node in network.nodes}
        self.records: dict[str, Record] = {}
        self.left: dict[tuple[str, datetime], int] = {}
        self._task_queues = queues_of(network)
        self._saturated: frozenset[str] = frozenset()
        self._late_rates: dict[tuple[str, datetime], int] = {}

    # --- what happens --------------------------------------------------------------------------

    def play(self, orders: list[Wanted], side: Side) -> None:
        """Let all orders come and all queues be worked off."""
        turn = count()
        events: list[tuple[datetime, int, int, str, int, Wanted | None]] = [
            (order.facts.placed_at, _ORDER, next(turn), "", 0, order) for order in orders
        ]
        heapq.heapify(events)
        pickups = {node.id: self._pickups(n) for n, node in enumerate(self.network.nodes)}
        for node, coming in pickups.items():
            at, room = next(coming)
            heapq.heappush(events, (at, _PICKUP, next(turn), node, room, None))
        last = orders[-1].facts.placed_at if orders else datetime.max.replace(tzinfo=UTC)
        while events:
            now, kind, _, node, room, order = heapq.heappop(events)
            if kind == _ORDER:
                assert order is not None
                self._take(side, order, now)
            elif kind == _PICKUP:
                self._leave(node, now, room)
                if now <= last or any(self.queues.values()):
                    at, room = next(pickups[node])
                    heapq.heappush(events, (at, _PICKUP, next(turn), node, room, None))
                    heapq.heappush(events, (now + PICK_WINDOW, _LATE, next(turn), node, 0, None))
                    looked = now + PICK_WINDOW + LOOK_AFTER
                    heapq.heappush(events, (looked, _LOOK, next(turn), node, 0, None))
            elif kind == _LATE:
                for job in self._overdue(node, now - PICK_WINDOW):
                    self.records[job.order.facts.id].late_picks += 1
            else:
                self._look(side, node, now)

    def _pickups(self, n: int) -> Iterator[tuple[datetime, int]]:
        """A node's pickups, with what it has really done by then."""
        node = self.network.nodes[n]
        begin = datetime.combine(self.p.first_day, time(0), SHOP_ZONE).astimezone(UTC)
        for day in ship_days(begin, node, holidays_of(self.network, begin)):
            share = pace(self.p, self.seed, n, day[0][0].toordinal())
            yield from ((at, int(room * share)) for at, room in day)

    def _take(self, side: Side, order: Wanted, now: datetime) -> None:
        record = self.records[order.facts.id] = Record(order)
        parts = side.route(self, order, order.facts, now)
        record.baseline_minor = sum(part.cost_minor + part.handling_minor for part in parts)
        self._queue(record, parts)

    def _queue(self, record: Record, parts: tuple[FulfillmentPlan, ...], attempts: int = 0) -> None:
        for part in parts:
            for q in part.lines:
                self.stock[part.node][q.sku] -= q.quantity
            job = Job(record.order, part, len(record.jobs), part.ship_at, attempts)
            record.jobs.append(job)
            self.queues[part.node].append(job)

    def _leave(self, node: str, now: datetime, room: int) -> None:
        queue = self.queues[node]
        for job in queue[:room]:
            job.left = now
            job.arrived = self._arrival(job, now)
        self.left[node, now] = min(room, len(queue))
        self.queues[node] = queue[room:]

    def _arrival(self, job: Job, now: datetime) -> datetime:
        node, service = self.network.node(job.part.node), self.network.service(job.part.service)
        zone = zone_for_miles(miles_between(node.postal_code, job.order.facts.postal3))
        days = transit_days(service.transit[zone], job.order.transit[job.number])
        holidays = holidays_of(self.network, now)
        return deliver_at(now, days, node.timezone, holidays, service.delivers_saturday)

    def _overdue(self, node: str, due: datetime) -> list[Job]:
        """Jobs that were to leave at a pickup and are still there; older ones were seen then."""
        return [job for job in self.queues[node] if job.ship_at == due]

    def _look(self, side: Side, node: str, now: datetime) -> None:
        """What is still late when the window of its exception is over."""
        for job in [j for j in self.queues[node] if j.ship_at <= now - PICK_WINDOW - LOOK_AFTER]:
            if side.late(self, job, now):
                self._again(side, job, now)

    def _again(self, side: Side, job: Job, now: datetime) -> None:
        """Take a job from its node and plan it elsewhere; where nobody has it, it stays."""
        record = self.records[job.order.facts.id]
        units = {q.line_id: q.quantity for q in job.part.lines}
        lines = tuple(
            line.model_copy(update={"quantity": units[line.line_id]})
            for line in job.order.facts.lines
            if line.line_id in units
        )
        facts = job.order.facts.model_copy(update={"lines": lines})
        parts = side.route(self, job.order, facts, now, without=job.part.node)
        if not parts:
            return
        for q in job.part.lines:
            self.stock[job.part.node][q.sku] += q.quantity
        self.queues[job.part.node].remove(job)
        record.jobs.remove(job)
        self._queue(record, parts, job.attempts + 1)

    # --- what is known ---------------------------------------------------------------------------

    def snapshot(self, facts: OrderFacts, now: datetime, without: str = "") -> RouteSnapshot:
        """What a decision may know: stock, queues as they are planned, nothing of the future."""
        work = self._work(now)
        leaves = departures(self.network, now, {node: w.planned for node, w in work.items()})
        self._saturated = saturated_nodes(self.network, self._saturated, leaves, work)
        skus = {line.sku for line in facts.lines}
        held = {
            node: {sku: units.get(sku, 0) for sku in skus} for node, units in self.stock.items()
        }
        return snapshot_of(
            facts, self.network, self._task_queues, now, 0, held, leaves,
            saturated=self._saturated, excluded_nodes=(without,),
            late_shipments_per_mille=self._late_rate(facts.channel, now),
        )  # fmt: skip

    def _work(self, now: datetime) -> dict[str, Work]:
        found: dict[str, Work] = {}
        for node, queue in self.queues.items():
            planned: dict[datetime, int] = {}
            for job in queue:
                planned[job.ship_at] = planned.get(job.ship_at, 0) + 1
            late = sum(jobs for at, jobs in planned.items() if at <= now - PICK_WINDOW)
            found[node] = Work(planned, late)
        return found

    def _late_rate(self, channel: str, now: datetime) -> int:
        """Late shipments in a thousand of a channel's orders that fell due in a month."""
        hour = now.replace(minute=0, second=0)
        known = self._late_rates.get((channel, hour))
        if known is None:
            due = [
                record
                for record in self.records.values()
                if record.order.facts.channel == channel
                and now - MONTH < _due(record.order.facts) <= now
            ]
            late = sum(shipped_late(record) for record in due)
            known = self._late_rates[channel, hour] = -(-late * 1_000 // max(1, len(due)))
        return known


def _due(facts: OrderFacts) -> datetime:
    assert facts.ship_by is not None
    return facts.ship_by


def shipped_late(record: Record) -> bool:
    """Whether a part left after ship-by, or has not left."""
    due = _due(record.order.facts)
    return not record.jobs or any(job.left is None or job.left > due for job in record.jobs)


def transit_days(transit: TransitFacts, luck: float) -> int:
    """Business days of a parcel, by where it falls in the distribution of its service.

    p50 and p90 are the service's; p75 is in the middle, p97 a day and p99 three days after p90,
    as in the domain facts' example (1, 2, 3, 4 and 6 days).
    """
    p50, p90 = transit.p50, transit.p90
    steps = ((0.5, p50), (0.75, -(-(p50 + p90) // 2)), (0.9, p90), (0.97, p90 + 1))
    return next((days for share, days in steps if luck < share), p90 + 3)


def scaled(network: Network, p: PromoSpike) -> Network:
    """The network file under the factors of a run."""
    nodes = tuple(
        n.model_copy(update={"capacity_per_day": max(1, round(n.capacity_per_day * p.capacity))})
        for n in network.nodes[: p.nodes]
    )
    express = {service.card for service in network.services if service.express}
    cards = tuple(
        card.model_copy(
            update={
                "breaks": {
                    zone: tuple((pounds, round(minor * p.express_price)) for pounds, minor in of)
                    for zone, of in card.breaks.items()
                },
                "minimum_minor": round(card.minimum_minor * p.express_price),
            }
        )
        if card.name in express
        else card
        for card in network.rate_cards
    )
    return network.model_copy(update={"nodes": nodes, "rate_cards": cards})
