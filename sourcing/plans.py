"""Turns a ranked choice of the search into the plan that is recorded and carried out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from domain.decision import CostParts, Plan, RuleHit
from domain.fulfillment import FulfillmentPlan, Parcel, Quantity
from sourcing.pricing import Lane, Load, Pricer
from sourcing.verdicts import Verdicts


def build_plan(pricer: Pricer, verdicts: Verdicts, parts: Sequence[tuple[int, int, Load]]) -> Plan:
    """The plan of (node index, service index, load) parts, with its cost part by part."""
    fulfillments: list[FulfillmentPlan] = []
    hits: list[RuleHit] = []
    shipping = handling = lateness = adjustments = 0
    for n, s, load in parts:
        pair = (pricer.nodes[n].id, pricer.services[s].id)
        lane = pricer.lanes[n, s]
        planned, cost = _fulfillment(pricer, lane, load)
        fulfillments.append(planned)
        shipping += planned.cost_minor
        handling += cost
        lateness += verdicts.lateness_minor_per_day * lane.days_late
        adjustments += verdicts.adjustment_minor.get(pair, 0)
        hits += verdicts.hits.get(pair, ())
    return Plan(
        id=plan_id(fulfillments),
        fulfillments=tuple(fulfillments),
        cost=CostParts(
            shipping=shipping, handling=handling, lateness=lateness, adjustments=adjustments
        ),
        deliver_p50=max(f.deliver_p50 for f in fulfillments),
        deliver_p90=max(f.deliver_p90 for f in fulfillments),
        hits=tuple(dict.fromkeys(hits)),
    )


def plan_id(fulfillments: Sequence[FulfillmentPlan]) -> str:
    """Short content hash: who ships which units by which service."""
    body = ";".join(
        f"{f.node}|{f.service}|" + ",".join(f"{q.line_id}={q.quantity}" for q in f.lines)
        for f in fulfillments
    )
    return hashlib.sha256(body.encode()).hexdigest()[:12]


def _fulfillment(pricer: Pricer, lane: Lane, load: Load) -> tuple[FulfillmentPlan, int]:
    """The fulfilment and its handling cost; ``cost_minor`` is what the carrier asks."""
    node, service = pricer.nodes[lane.node], pricer.services[lane.service]
    quote = pricer.quote(lane, load)
    if quote is None:
        raise AssertionError("only priced loads are ranked")
    planned = FulfillmentPlan(
        node=node.id,
        node_kind=node.kind,
        connector=node.connector,
        queue=node.queue,
        carrier=service.carrier,
        service=service.id,
        carrier_connector=service.connector,
        carrier_queue=service.queue,
        express=service.express,
        lines=_quantities(pricer, load),
        parcels=tuple(
            Parcel(
                length=box.length,
                width=box.width,
                height=box.height,
                weight_mg=box.weight_mg,
                lines=_quantities(pricer, box.contents),
            )
            for box in quote.boxes
        ),
        cost_minor=quote.shipping,
        handling_minor=quote.handling,
        ship_at=node.ship_at,
        deliver_p50=lane.deliver_p50,
        deliver_p90=lane.deliver_p90,
    )
    return planned, quote.handling


def _quantities(pricer: Pricer, load: Load) -> tuple[Quantity, ...]:
    lines = pricer.lines
    return tuple(
        Quantity(line_id=lines[i].line_id, sku=lines[i].sku, quantity=units) for i, units in load
    )
