"""Candidates of a route decision: every node × service, priced before any rule is asked."""

from __future__ import annotations

from dataclasses import dataclass, field

from domain.decision import Candidate, LineFacts, RouteSnapshot, RuleHit
from policies import facts
from policies.evaluator import Subject
from policies.facts import Facts
from sourcing import Lane, Pricer

# Feasibility is not a policy's business; a rejection still names who said it.
_ENGINE = ("meshline", "feasible")


@dataclass(slots=True)
class Offer:
    """A candidate while the rules speak about it.

    Attributes:
        subjects: what rules are asked about; empty where the node cannot ship any of it.
        rejected: rules that rejected it, the first first.
        spoken: rules that priced it.
    """

    node: str
    service: str
    lane: Lane | None = None
    cost: int = 0
    subjects: dict[str, Subject] = field(default_factory=dict)
    rejected: list[RuleHit] = field(default_factory=list)
    spoken: list[RuleHit] = field(default_factory=list)
    adjustment: int = 0

    @property
    def kept(self) -> bool:
        """Whether the search may use it."""
        return self.lane is not None and not self.rejected

    def candidate(self) -> Candidate:
        """What is recorded of it."""
        return Candidate(
            node=self.node,
            service=self.service,
            kept=self.kept,
            cost_minor=self.cost,
            deliver_p50=self.lane.deliver_p50 if self.lane else None,
            deliver_p90=self.lane.deliver_p90 if self.lane else None,
            adjustment_minor=self.adjustment,
            hits=(*self.rejected, *self.spoken),
        )


class Market:
    """All candidates of a snapshot with the subjects that rules are asked about."""

    def __init__(self, snapshot: RouteSnapshot, pricer: Pricer) -> None:
        self.snapshot = snapshot
        self.pricer = pricer
        self._order = facts.OrderSubject(
            snapshot.order, snapshot.now, snapshot.promotions, snapshot.late_shipments_per_mille
        )
        order = Facts(facts.ORDER_AT_ROUTE, self._order)
        self.order = Subject("the order", {"order": order})
        self.nodes = self._node_subjects(order)
        self._services = {
            s: Subject(service.id, {"order": order, "service": Facts(facts.SERVICE, service)})
            for s, service in enumerate(pricer.services)
        }
        self.offers = self._offers()

    def _node_subjects(self, order: Facts) -> dict[int, Subject]:
        pricer = self.pricer
        ground = {
            n
            for (n, s), lane in pricer.lanes.items()
            if not pricer.services[s].express and not lane.days_late
        }
        return {
            n: Subject(
                node.id,
                {
                    "order": order,
                    "node": Facts(
                        facts.NODE,
                        facts.NodeSubject(node, self.snapshot.now, pricer.lines, n in ground),
                    ),
                },
            )
            for n, node in enumerate(pricer.nodes)
        }

    def _offers(self) -> list[Offer]:
        pricer = self.pricer
        offers: list[Offer] = []
        priced: list[tuple[Offer, int, int]] = []
        holding = {
            n
            for n, node in enumerate(pricer.nodes)
            if any(node.stock.get(x.sku, 0) > 0 for x in pricer.lines)
        }
        for n, s in sorted({*pricer.lanes, *pricer.refused}):
            offer = Offer(pricer.nodes[n].id, pricer.services[s].id)
            offers.append(offer)
            lane = pricer.lanes.get((n, s))
            shipping = pricer.shipping(lane, pricer.whole) if lane else None
            if lane is None:
                offer.rejected.append(_unfit(pricer.refused[n, s]))
            elif shipping is None:
                offer.rejected.append(_unfit("the order is freight, not parcels"))
            else:
                offer.lane = lane
                offer.cost = shipping + pricer.handling(n, pricer.whole)
                if n in holding:
                    priced.append((offer, shipping, s))
                else:
                    offer.rejected.append(_unfit(f"{offer.node} holds none of the open lines"))
        cheapest = min((offer.cost for offer, _, _ in priced), default=0)
        for offer, shipping, s in priced:
            self._describe(offer, shipping, s, cheapest)
        return offers

    def _describe(self, offer: Offer, shipping: int, s: int, cheapest: int) -> None:
        lane = offer.lane
        if lane is None:
            return
        boxes = self.pricer.boxes(lane.node, self.pricer.whole) or ()
        quote = facts.QuoteSubject(
            lane=lane,
            shipping=shipping,
            handling=offer.cost - shipping,
            parcels=len(boxes),
            cheapest=cheapest,
            now=self.snapshot.now,
            promise_by=self.snapshot.order.promise_by,
        )
        node, service = self.nodes[lane.node], self._services[s]
        spaces = {**node.spaces, **service.spaces, "quote": Facts(facts.QUOTE, quote)}
        label = f"{offer.node} by {offer.service}"
        offer.subjects = {"node": node, "service": service, "quote": Subject(label, spaces)}

    def line_subject(self, line: LineFacts, n: int) -> Subject:
        """One line at one node."""
        node = self.pricer.nodes[n]
        at_node = facts.LineSubject(line, node.stock.get(line.sku, 0))
        spaces = {**self.nodes[n].spaces, "line": Facts(facts.LINE_AT_NODE, at_node)}
        return Subject(f"line {line.line_id} at {node.id}", spaces)


def _unfit(because: str) -> RuleHit:
    policy, step = _ENGINE
    return RuleHit(policy=policy, step=step, rule=step, because=because)
