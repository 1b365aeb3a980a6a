"""Candidates of a route decision: every node × service, priced before any rule is asked.

Nothing here depends on a policy, so that several versions of one can be asked about the same
market.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from domain.decision import RouteSnapshot, RuleHit
from domain.facts import LineFacts, ServiceFacts
from policies import facts
from policies.evaluator import Subject
from policies.facts import Facts
from policies.program import Rows, rows
from sourcing import Lane, Pricer

# Feasibility is not a policy's business; a rejection still names who said it.
_ENGINE = ("meshline", "feasible")


class Offer(NamedTuple):
    """A candidate before rules speak about it.

    Attributes:
        n, s: indices of its node and service.
        cost: shipping and handling of all open lines, in minor units.
        unfit: why no rule is asked about it; empty where rules are.
    """

    node: str
    service: str
    n: int
    s: int
    lane: Lane | None
    cost: int = 0
    shipping: int = 0
    unfit: str = ""


@dataclass(frozen=True, slots=True)
class _Sheet:
    """What a program reads, and the facts for it."""

    reads: Mapping[str, Sequence[str]]
    rows: Rows


class Market:
    """All candidates of a snapshot, and the facts that rules are asked about.

    Attributes:
        offers: every candidate, by node and service.
        priced: those that rules are asked about; ``pairs`` what the search knows them by.
    """

    def __init__(self, snapshot: RouteSnapshot) -> None:
        self.snapshot = snapshot
        self.pricer = Pricer(snapshot)
        order = facts.OrderSubject(
            snapshot.order, snapshot.now, snapshot.promotions, snapshot.late_shipments_per_mille
        )
        self._order = Facts(facts.ORDER_AT_ROUTE, order)
        self.order = Subject("the order", {"order": self._order})
        self._nodes = self._node_facts()
        self._services = _service_facts(self.pricer.services)
        self._quotes: dict[tuple[int, int], Facts] = {}
        self._subjects: dict[tuple[str, object], Subject] = {}
        self._sheets: list[_Sheet] = []
        self.offers = self._offers()
        self.priced = [offer for offer in self.offers if not offer.unfit]
        self.pairs = [(offer.node, offer.service) for offer in self.priced]
        self._cheapest = min([offer.cost for offer in self.priced], default=0)

    def _node_facts(self) -> list[Facts]:
        pricer, services = self.pricer, self.pricer.services
        return [
            Facts(
                facts.NODE,
                facts.NodeSubject(
                    node=node,
                    now=self.snapshot.now,
                    lines=pricer.lines,
                    ground_on_time=any(
                        not lane.days_late and not services[lane.service].express for lane in lanes
                    ),
                ),
            )
            for node, lanes in zip(pricer.nodes, pricer.leaving, strict=True)
        ]

    def _offers(self) -> list[Offer]:
        pricer = self.pricer
        offers: list[Offer] = []
        ids = [service.id for service in pricer.services]
        for n, (node, lanes) in enumerate(zip(pricer.nodes, pricer.leaving, strict=True)):
            prices = pricer.asked(n, pricer.whole)
            if prices is None:
                unfit = "the order is freight, not parcels"
                offers += [
                    Offer(node.id, ids[x.service], n, x.service, None, 0, 0, unfit) for x in lanes
                ]
                continue
            handling = pricer.handling(n, pricer.whole)
            holds = any(node.stock.get(x.sku, 0) > 0 for x in pricer.lines)
            unfit = "" if holds else f"{node.id} holds none of the open lines"
            offers += [
                Offer(node.id, ids[x.service], n, x.service, x, price + handling, price, unfit)
                for x, price in zip(lanes, prices, strict=True)
            ]
        if pricer.refused:
            for (n, s), why in pricer.refused.items():
                node_id, service_id = pricer.nodes[n].id, pricer.services[s].id
                offers.append(Offer(node_id, service_id, n, s, None, 0, 0, why))
            offers.sort(key=lambda offer: (offer.n, offer.s))
        return offers

    def _quote(self, offer: Offer) -> Facts:
        known = self._quotes.get((offer.n, offer.s))
        if known is None:
            assert offer.lane is not None
            subject = facts.QuoteSubject(
                lane=offer.lane,
                shipping=offer.shipping,
                handling=offer.cost - offer.shipping,
                parcels=len(self.pricer.boxes(offer.n, self.pricer.whole) or ()),
                cheapest=self._cheapest,
                now=self.snapshot.now,
                promise_by=self.snapshot.order.promise_by,
            )
            known = self._quotes[offer.n, offer.s] = Facts(facts.QUOTE, subject)
        return known

    def rows(self, reads: Mapping[str, Sequence[str]]) -> Rows:
        """The facts that a program reads (program.py), for its priced candidates.

        Raises:
            EvaluationFailed: a number has more than 64 bits.
        """
        for sheet in self._sheets:  # versions of one policy mostly read the same
            if sheet.reads == reads:
                return sheet.rows
        asked = bool(reads["quote"])
        quotes = ((x.n, x.s, self._quote(x) if asked else _NONE) for x in self.priced)
        found = rows(reads, self._order, self._nodes, self._services, quotes)
        self._sheets.append(_Sheet(reads, found))
        return found

    def space(self, offer: Offer, space: str) -> Facts:
        """The facts of an object that rules see at a candidate."""
        if space == "order":
            return self._order
        if space == "node":
            return self._nodes[offer.n]
        return self._services[offer.s] if space == "service" else self._quote(offer)

    def subject(self, offer: Offer, scope: str) -> Subject:
        """What a rule of a scope is asked about at a candidate; one object, one subject."""
        at = {"node": offer.n, "service": offer.s}.get(scope, (offer.n, offer.s))
        known = self._subjects.get((scope, at))
        if known is None:
            known = self._subjects[scope, at] = self._subject(offer, scope)
        return known

    def _subject(self, offer: Offer, scope: str) -> Subject:
        seen = {"node": ("node",), "service": ("service",)}.get(scope, _ALL)
        spaces = {space: self.space(offer, space) for space in ("order", *seen)}
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


_ALL = ("node", "service", "quote")
_NONE: Mapping[str, Any] = {}


@lru_cache(maxsize=64)
def _service_facts(services: tuple[ServiceFacts, ...]) -> tuple[Facts, ...]:
    """Services are the same in nearly all snapshots, and so is what is known of them."""
    return tuple(Facts(facts.SERVICE, service) for service in services)


def unfit(because: str) -> RuleHit:
    """A rejection that no policy said."""
    policy, step = _ENGINE
    return RuleHit(policy=policy, step=step, rule=step, because=because)
