"""Candidates of a route decision: every node × service, priced before any rule is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.decision import Candidate, LineFacts, RouteSnapshot, RuleHit
from policies import facts
from policies.evaluator import Subject
from policies.facts import Facts
from sourcing import Lane, Pricer

# Feasibility is not a policy's business; a rejection still names who said it.
_ENGINE = ("meshline", "feasible")


@dataclass(slots=True, eq=False)
class Offer:
    """A candidate while the rules speak about it.

    Attributes:
        n, s: indices of its node and service.
        quote: what rules know of its price; None where no rule is asked about it.
        rejected: rules that rejected it, the first first.
        spoken: rules that priced it.
    """

    node: str
    service: str
    n: int
    s: int
    lane: Lane | None = None
    cost: int = 0
    quote: Facts | None = None
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
    """All candidates of a snapshot, and the facts that rules are asked about.

    Attributes:
        offers: every candidate, by node and service.
        priced: those that rules are asked about.
    """

    def __init__(self, snapshot: RouteSnapshot, pricer: Pricer) -> None:
        self.snapshot = snapshot
        self.pricer = pricer
        order = facts.OrderSubject(
            snapshot.order, snapshot.now, snapshot.promotions, snapshot.late_shipments_per_mille
        )
        self._order = Facts(facts.ORDER_AT_ROUTE, order)
        self.order = Subject("the order", {"order": self._order})
        self._nodes = self._node_facts()
        self._services = [Facts(facts.SERVICE, service) for service in pricer.services]
        self._subjects: dict[tuple[str, object], Subject] = {}
        self.offers, self.priced = self._offers()

    def _node_facts(self) -> list[Facts]:
        pricer = self.pricer
        ground = {
            n
            for (n, s), lane in pricer.lanes.items()
            if not pricer.services[s].express and not lane.days_late
        }
        subject = facts.NodeSubject
        return [
            Facts(facts.NODE, subject(node, self.snapshot.now, pricer.lines, n in ground))
            for n, node in enumerate(pricer.nodes)
        ]

    def _offers(self) -> tuple[list[Offer], list[Offer]]:
        pricer = self.pricer
        offers: list[Offer] = []
        priced: list[tuple[Offer, Lane, int]] = []
        holding = {
            n
            for n, node in enumerate(pricer.nodes)
            if any(node.stock.get(x.sku, 0) > 0 for x in pricer.lines)
        }
        for n, s in sorted({*pricer.lanes, *pricer.refused}):
            offer = Offer(pricer.nodes[n].id, pricer.services[s].id, n, s)
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
                    priced.append((offer, lane, shipping))
                else:
                    offer.rejected.append(_unfit(f"{offer.node} holds none of the open lines"))
        cheapest = min((offer.cost for offer, _, _ in priced), default=0)
        for offer, lane, shipping in priced:
            offer.quote = self._quote(offer, lane, shipping, cheapest)
        return offers, [offer for offer, _, _ in priced]

    def _quote(self, offer: Offer, lane: Lane, shipping: int, cheapest: int) -> Facts:
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
        return Facts(facts.QUOTE, quote)

    def facts(self, reads: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """The facts that a program reads (program.py), for its priced candidates.

        Raises:
            EvaluationFailed: a number has more than 64 bits.
        """

        def of(space: str, known: Mapping[str, Any]) -> dict[str, Any]:
            return {leaf: known[leaf] for leaf in reads[space]}

        return {
            "order": of("order", self._order),
            "nodes": [of("node", node) for node in self._nodes],
            "services": [of("service", service) for service in self._services],
            "quotes": [
                {"node": x.n, "service": x.s, **(of("quote", x.quote) if x.quote else {})}
                for x in self.priced
            ],
        }

    def subject(self, offer: Offer, scope: str) -> Subject:
        """What a rule of a scope is asked about at a candidate; one object, one subject."""
        key = (scope, {"node": offer.n, "service": offer.s}.get(scope, offer))
        known = self._subjects.get(key)
        if known is None:
            known = self._subjects[key] = self._subject(offer, scope)
        return known

    def _subject(self, offer: Offer, scope: str) -> Subject:
        spaces: dict[str, Facts] = {"order": self._order}
        if scope in ("node", "quote"):
            spaces["node"] = self._nodes[offer.n]
        if scope in ("service", "quote"):
            spaces["service"] = self._services[offer.s]
        if scope == "quote" and offer.quote is not None:
            spaces["quote"] = offer.quote
        label = {"node": offer.node, "service": offer.service}
        return Subject(label.get(scope, f"{offer.node} by {offer.service}"), spaces)

    def line_subject(self, line: LineFacts, n: int) -> Subject:
        """One line at one node."""
        node = self.pricer.nodes[n]
        at_node = facts.LineSubject(line, node.stock.get(line.sku, 0))
        spaces = {
            "order": self._order, "node": self._nodes[n],
            "line": Facts(facts.LINE_AT_NODE, at_node),
        }  # fmt: skip
        return Subject(f"line {line.line_id} at {node.id}", spaces)


def _unfit(because: str) -> RuleHit:
    policy, step = _ENGINE
    return RuleHit(policy=policy, step=step, rule=step, because=because)
