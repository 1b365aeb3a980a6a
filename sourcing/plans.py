"""Turns ranked choices of the search into plans that are recorded and carried out.

Most choices are only ranked. A draft works out what it is asked for, and becomes a plan where
one is recorded; parts that several plans have are built once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from domain.decision import CostParts, Plan, RuleHit
from domain.fulfillment import FulfillmentPlan, Parcel, Quantity
from sourcing.packing import Box
from sourcing.pricing import Load, Pricer
from sourcing.verdicts import Pair, Verdicts

# (node index, service index, load)
Part = tuple[int, int, Load]


class Leg(NamedTuple):
    """What one node ships in a draft."""

    node: str
    node_kind: str
    service: str
    express: bool
    load: Load
    parcels: tuple[Box, ...]


class Draft:
    """A ranked choice.

    Attributes:
        total: what it is ranked by, as ``CostParts.total``.
    """

    def __init__(self, builder: Builder, total: int, parts: tuple[Part, ...]) -> None:
        self.total = total
        self._builder = builder
        self._parts = parts

    @cached_property
    def id(self) -> str:
        """Short content hash: who ships which units by which service."""
        lines = self._builder.pricer.lines
        body = ";".join(
            f"{leg.node}|{leg.service}|"
            + ",".join(f"{lines[i].line_id}={units}" for i, units in leg.load)
            for leg in self.fulfillments
        )
        return hashlib.sha256(body.encode()).hexdigest()[:12]

    @cached_property
    def fulfillments(self) -> tuple[Leg, ...]:
        """One leg a node."""
        return tuple(self._builder.leg(part) for part in self._parts)

    @property
    def words(self) -> str:
        """Who ships what by which service; equal words are equal plans."""
        lines = self._builder.pricer.lines
        return " + ".join(
            f"{leg.node} by {leg.service} "
            f"({', '.join(f'{units} {lines[i].sku}' for i, units in leg.load)})"
            for leg in self.fulfillments
        )

    @cached_property
    def cost(self) -> CostParts:
        """Its cost, part by part."""
        return self._builder.cost(self._parts)

    @property
    def cash_minor(self) -> int:
        """Money that really leaves: shipping and handling."""
        return self.cost.shipping + self.cost.handling

    @property
    def deliver_p90(self) -> datetime:
        """When the last leg arrives."""
        lanes = self._builder.pricer.lanes
        return max(lanes[n, s].deliver_p90 for n, s, _ in self._parts)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The candidates that it uses."""
        return tuple((leg.node, leg.service) for leg in self.fulfillments)

    def plan(self, hits: Iterable[RuleHit], added: int = 0) -> Plan:
        """Its plan.

        Args:
            hits: rules that it carries.
            added: what rules about plans add to its cost, in minor units.
        """
        built = tuple(self._builder.fulfillment(part) for part in self._parts)
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
        self._fulfillments: dict[Part, FulfillmentPlan] = {}
        self._parcels: dict[tuple[tuple[Box, ...], Load], tuple[Parcel, ...]] = {}
        self._quantities: dict[Load, tuple[Quantity, ...]] = {}

    def leg(self, part: Part) -> Leg:
        """A part in words."""
        n, s, load = part
        node, service = self.pricer.nodes[n], self.pricer.services[s]
        parcels = self.pricer.boxes(n, load) or ()
        return Leg(node.id, node.kind, service.id, service.express, load, parcels)

    def cost(self, parts: Sequence[Part]) -> CostParts:
        """What parts cost together."""
        shipping = handling = lateness = adjustments = 0
        pricer, verdicts = self.pricer, self._verdicts
        for n, s, load in parts:
            lane = pricer.lanes[n, s]
            pair = (pricer.nodes[n].id, pricer.services[s].id)
            shipping += pricer.shipping(lane, load) or 0
            handling += pricer.handling(n, load)
            lateness += verdicts.lateness_minor_per_day * lane.days_late
            adjustments += verdicts.adjustment_minor.get(pair, 0)
        return CostParts(
            shipping=shipping, handling=handling, lateness=lateness, adjustments=adjustments
        )

    def fulfillment(self, part: Part) -> FulfillmentPlan:
        """What one node is to do; ``cost_minor`` is what the carrier asks."""
        known = self._fulfillments.get(part)
        if known is None:
            known = self._fulfillments[part] = self._fulfillment(*part)
        return known

    def _fulfillment(self, n: int, s: int, load: Load) -> FulfillmentPlan:
        pricer = self.pricer
        node, service, lane = pricer.nodes[n], pricer.services[s], pricer.lanes[n, s]
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
