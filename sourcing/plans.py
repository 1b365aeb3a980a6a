"""Turns ranked choices of the search into plans that are recorded and carried out.

Most choices are only ranked. A draft works out what it is asked for, and becomes a plan where
one is recorded; parts that several plans have are built once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from domain.decision import CostParts, Plan, RuleHit
from domain.fulfillment import FulfillmentPlan, Parcel, Quantity
from sourcing.lanes import Lane
from sourcing.packing import Box
from sourcing.pricing import Load, Pricer
from sourcing.verdicts import Pair, Verdicts

# (node index, service index, load key) of each node.
Choice = tuple[tuple[int, int, int], ...]


class Leg(NamedTuple):
    """What one node ships in a draft."""

    pricer: Pricer
    n: int
    s: int
    key: int

    @property
    def node(self) -> str:
        """The node's ID."""
        return self.pricer.nodes[self.n].id

    @property
    def node_kind(self) -> str:
        """Whether it is a DC, a third party's or a store."""
        return self.pricer.nodes[self.n].kind

    @property
    def service(self) -> str:
        """The service's ID."""
        return self.pricer.services[self.s].id

    @property
    def express(self) -> bool:
        """Whether the service is express."""
        return self.pricer.services[self.s].express

    @property
    def load(self) -> Load:
        """Units by line."""
        return self.pricer.load(self.key)

    @property
    def lane(self) -> Lane:
        """Where it is priced and when it arrives."""
        return self.pricer.lanes[self.n, self.s]

    @property
    def parcels(self) -> tuple[Box, ...]:
        """Its parcels."""
        return self.pricer.boxes(self.n, self.load) or ()


class Draft:
    """A ranked choice.

    Attributes:
        total: what it is ranked by, as ``CostParts.total``.
        choice: what it is made of; equal choices over one pricer are equal plans.
    """

    __slots__ = ("_builder", "_cost", "_legs", "_unbid", "choice", "total")

    def __init__(self, builder: Builder, total: int, choice: Choice) -> None:
        self.total = total
        self._builder = builder
        self.choice = choice
        self._cost: CostParts | None = None
        self._legs: list[Leg] | None = None
        self._unbid: int | None = None

    @property
    def id(self) -> str:
        """Short content hash: who ships which units by which service."""
        lines = self._builder.pricer.lines
        body = ";".join(
            f"{leg.node}|{leg.service}|"
            + ",".join(f"{lines[i].line_id}={units}" for i, units in leg.load)
            for leg in self.fulfillments
        )
        return hashlib.sha256(body.encode()).hexdigest()[:12]

    @property
    def fulfillments(self) -> list[Leg]:
        """One leg a node."""
        if self._legs is None:
            pricer = self._builder.pricer
            self._legs = [Leg(pricer, n, s, key) for n, s, key in self.choice]
        return self._legs

    @property
    def words(self) -> str:
        """Who ships what by which service; equal words are equal plans."""
        lines = self._builder.pricer.lines
        return " + ".join(
            f"{leg.node} by {leg.service} "
            f"({', '.join(f'{units} {lines[i].sku}' for i, units in leg.load)})"
            for leg in self.fulfillments
        )

    @property
    def cost(self) -> CostParts:
        """Its cost, part by part."""
        if self._cost is None:
            self._cost = self._builder.cost(self.fulfillments)
        return self._cost

    @property
    def unbid(self) -> int:
        """What it is ranked by, without scarcity: bids are nobody's cost."""
        if self._unbid is None:
            pricer, legs = self._builder.pricer, self.fulfillments
            self._unbid = self.total - sum([pricer.scarcity(leg.n, leg.load) for leg in legs])
        return self._unbid

    @property
    def cash_minor(self) -> int:
        """Money that really leaves: shipping and handling."""
        return self.cost.shipping + self.cost.handling

    @property
    def deliver_p90(self) -> datetime:
        """When the last leg arrives."""
        return max(leg.lane.deliver_p90 for leg in self.fulfillments)

    @property
    def pairs(self) -> list[Pair]:
        """The candidates that it uses."""
        return [leg.lane.pair for leg in self.fulfillments]

    def plan(self, hits: Iterable[RuleHit], added: int = 0) -> Plan:
        """Its plan.

        Args:
            hits: rules that it carries.
            added: what rules about plans add to its cost, in minor units.
        """
        built = tuple(self._builder.fulfillment(leg) for leg in self.fulfillments)
        cost = self.cost
        if added:
            cost = cost.model_copy(update={"adjustments": cost.adjustments + added})
        return Plan(
            id=self.id,
            fulfillments=built,
            cost=cost,
            deliver_p50=max(f.deliver_p50 for f in built),
            deliver_p90=self.deliver_p90,
            hits=tuple(hits),
        )


class Builder:
    """Builds the plans of one search."""

    def __init__(self, pricer: Pricer, verdicts: Verdicts) -> None:
        self.pricer = pricer
        self._verdicts = verdicts
        self._fulfillments: dict[tuple[int, int, int], FulfillmentPlan] = {}
        self._parcels: dict[tuple[tuple[Box, ...], Load], tuple[Parcel, ...]] = {}
        self._quantities: dict[Load, tuple[Quantity, ...]] = {}

    def cost(self, legs: Sequence[Leg]) -> CostParts:
        """What legs cost together."""
        shipping = handling = lateness = adjustments = scarcity = 0
        pricer, verdicts = self.pricer, self._verdicts
        for leg in legs:
            lane = leg.lane
            shipping += pricer.shipping(lane, leg.load) or 0
            handling += pricer.handling(leg.n, leg.load)
            lateness += verdicts.lateness_minor_per_day * lane.days_late
            adjustments += verdicts.adjustment_minor.get(lane.pair, 0)
            scarcity += pricer.scarcity(leg.n, leg.load)
        return CostParts(
            shipping=shipping,
            handling=handling,
            lateness=lateness,
            adjustments=adjustments,
            scarcity=scarcity,
        )

    def fulfillment(self, leg: Leg) -> FulfillmentPlan:
        """What one node is to do; ``cost_minor`` is what the carrier asks."""
        at = (leg.n, leg.s, leg.key)
        known = self._fulfillments.get(at)
        if known is None:
            known = self._fulfillments[at] = self._fulfillment(leg)
        return known

    def _fulfillment(self, leg: Leg) -> FulfillmentPlan:
        pricer, load, lane = self.pricer, leg.load, leg.lane
        node, service = pricer.nodes[leg.n], pricer.services[leg.s]
        quote = pricer.quote(lane, load)
        if quote is None:
            raise AssertionError("only priced loads are ranked")
        return FulfillmentPlan(
            node=node.id,
            node_kind=node.kind,
            connector=node.connector,
            queue=node.queue,
            carrier=service.carrier,
            service=service.id,
            carrier_connector=service.connector,
            carrier_queue=service.queue,
            express=service.express,
            lines=self._lines(load),
            parcels=self._boxed(quote.boxes, load),
            cost_minor=quote.shipping,
            handling_minor=quote.handling,
            ship_at=node.ship_at,
            deliver_p50=lane.deliver_p50,
            deliver_p90=lane.deliver_p90,
        )

    def _boxed(self, boxes: tuple[Box, ...], load: Load) -> tuple[Parcel, ...]:
        known = self._parcels.get((boxes, load))
        if known is None:
            known = self._parcels[boxes, load] = tuple(
                Parcel(
                    length=box.length,
                    width=box.width,
                    height=box.height,
                    weight_mg=box.weight_mg,
                    lines=self._lines(box.contents),
                )
                for box in boxes
            )
        return known

    def _lines(self, load: Load) -> tuple[Quantity, ...]:
        known = self._quantities.get(load)
        if known is None:
            lines = self.pricer.lines
            known = self._quantities[load] = tuple(
                Quantity(line_id=lines[i].line_id, sku=lines[i].sku, quantity=units)
                for i, units in load
            )
        return known
