"""Snapshots: what a decision may know, read from the store and the network file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime

from sqlalchemy import Connection

from activities.contracts import connector_queue
from activities.geography import centroid
from domain.decision import RouteSnapshot
from domain.facts import LineFacts, NodeFacts, OrderFacts, ServiceFacts
from domain.network import Channel, Network, Node, Service
from domain.order import Order, pays_express
from sourcing import (
    Departure,
    departure,
    great_circle_miles,
    holiday_dates,
    is_saturated,
    zone_for_miles,
)
from store import bids, catalog, circuits, inventory, orders, pools, transits, workload
from store.transits import Learned
from store.workload import NO_WORK, Work

NOT_LEARNED: Learned = {}
NO_BIDS: Mapping[str, dict[str, int]] = {}
NOTHING_ALLOTTED: Mapping[str, dict[str, int]] = {}
UNKNOWN_MILES = 2_500  # as if at the far coast: an unknown ZIP must not look cheap
DEFAULT_CHANNEL = Channel(id="unmapped", source="unmapped")


def order_facts(
    connection: Connection, found: orders.Rows, network: Network, *, open_only: bool = True
) -> OrderFacts:
    """The order as decisions see it; lines with what is still open of them."""
    row = found.order
    order = Order.model_validate_json(row.body)
    quantities = {line.line_id: line for line in found.lines}
    items = catalog.get_items(connection, {line.sku for line in order.lines})
    channel = network.channel(order.channel) or DEFAULT_CHANNEL
    lines = []
    for line in order.lines:
        item = items.get(line.sku)
        open_units = quantities[line.line_id].open if open_only else line.quantity
        lines.append(
            LineFacts(
                line_id=line.line_id,
                sku=line.sku,
                quantity=open_units,
                known=item is not None or not line.requires_shipping,
                requires_shipping=line.requires_shipping,
                unit_price_minor=line.unit_price_minor,
                unit_cost_minor=item.unit_cost_minor if item else 0,
                weight_mg=item.weight_mg if item else 0,
                length=item.length if item else 0,
                width=item.width if item else 0,
                height=item.height if item else 0,
                fragile=bool(item and item.fragile),
                hazmat=bool(item and item.hazmat),
                ships_alone=bool(item and item.ships_alone),
                this_side_up=bool(item and item.this_side_up),
                promotion=line.promotion,
            )
        )
    return OrderFacts(
        id=order.id,
        source=order.source,
        channel=order.channel,
        currency=order.currency,
        country=order.ship_to.country,
        region=order.ship_to.region,
        postal3=order.ship_to.postal3,
        residential=order.ship_to.residential,
        address_problems=order.ship_to.problems,
        shipping_method=order.shipping_method,
        express_paid=pays_express(order.shipping_method),
        payment_status=order.payment.status,
        payment_mode=order.payment.mode,
        risk=order.risk,
        tags=order.tags,
        total_minor=order.total_minor,
        shipping_minor=order.shipping_minor,
        placed_at=order.placed_at,
        promise_by=row.promise_by,
        ship_by=row.ship_by,
        max_parcels=channel.max_parcels,
        lines=tuple(lines),
    )


def route_snapshot(
    connection: Connection,
    facts: OrderFacts,
    network: Network,
    queues: dict[str, str],
    now: datetime,
    generation: int,
    *,
    excluded_nodes: Iterable[str] = (),
    excluded_services: Iterable[str] = (),
    only_node: str = "",
    ignore_stock: bool = False,
    replanned: bool = False,
    late_shipments_per_mille: int = 0,
) -> RouteSnapshot:
    """Everything the route decision may know about an order's open lines.

    Args:
        queues: task queue of each connector.
        only_node: re-rate at this node alone.
        ignore_stock: the stock is already this order's (a label is re-rated).
        replanned: nodes that count it among their work would not have it before itself.
        late_shipments_per_mille: of the order's channel (activities/punctuality.py).
    """
    wanted = facts.wanted()
    stock = (
        {node.id: wanted for node in network.nodes}
        if ignore_stock
        else stock_of(connection, facts, network)
    )
    planned = facts.id if ignore_stock or replanned else ""
    work = workload.by_node(connection, now, without=planned)
    leaves = departures(network, now, {node: w.planned for node, w in work.items()})
    return snapshot_of(
        facts, network, queues, now, generation, stock, leaves,
        saturated=saturated_nodes(network, workload.saturated(connection), leaves, work),
        bids={} if ignore_stock else bids.in_force(connection, wanted, now),
        learned=transits.in_force(connection),
        off=circuits.open_circuits(connection, now),
        excluded_nodes=excluded_nodes, excluded_services=excluded_services, only_node=only_node,
        late_shipments_per_mille=late_shipments_per_mille,
        allotted=allotted_to_others(connection, facts, network, stock),
    )  # fmt: skip


def stock_of(
    connection: Connection, facts: OrderFacts, network: Network
) -> dict[str, dict[str, int]]:
    """Units that an order may be promised of what is open of it, by node and SKU: its channel's
    pools and what is shared."""
    return inventory.available(connection, facts.wanted(), network.pools_of(facts.channel))


def allotted_to_others(
    connection: Connection,
    facts: OrderFacts,
    network: Network,
    stock: Mapping[str, Mapping[str, int]],
) -> dict[str, dict[str, int]]:
    """Units of what is short for an order that pools of other channels have, by SKU and pool."""
    short = [
        sku
        for sku, units in facts.wanted().items()
        if sum(held.get(sku, 0) for held in stock.values()) < units
    ]
    if not short:
        return {}
    return pools.of_others(connection, short, network.pools_of(facts.channel))


def queues_of(network: Network) -> dict[str, str]:
    """Task queue of each configured connector."""
    return {c.name: connector_queue(c.name) for c in network.connectors}


def departures(
    network: Network, now: datetime, planned: Mapping[str, Mapping[datetime, int]]
) -> dict[str, Departure]:
    """When an order released now leaves, by node.

    Args:
        planned: orders by node and by the time at which they are to leave.
    """
    holidays = holidays_of(network, now)
    return {n.id: departure(now, n, holidays, planned.get(n.id, {})) for n in network.nodes}


def saturated_nodes(
    network: Network, before: Set[str], leaves: Mapping[str, Departure], work: Mapping[str, Work]
) -> frozenset[str]:
    """Nodes that have too much to do now, from those that had ``before``."""
    return frozenset(
        n.id
        for n in network.nodes
        if is_saturated(n.id in before, n, leaves[n.id], work.get(n.id, NO_WORK).late)
    )


def holidays_of(network: Network, now: datetime) -> tuple[str, ...]:
    """The network's holidays of a year and the next one, as ISO dates."""
    return holiday_dates(network.holidays, (now.year, now.year + 1))


def snapshot_of(
    facts: OrderFacts,
    network: Network,
    queues: dict[str, str],
    now: datetime,
    generation: int,
    stock: Mapping[str, dict[str, int]],
    leaves: Mapping[str, Departure],
    *,
    saturated: Set[str] = frozenset(),
    bids: Mapping[str, dict[str, int]] = NO_BIDS,
    learned: Learned = NOT_LEARNED,
    off: Set[tuple[str, str]] = frozenset(),
    excluded_nodes: Iterable[str] = (),
    excluded_services: Iterable[str] = (),
    only_node: str = "",
    late_shipments_per_mille: int = 0,
    allotted: Mapping[str, dict[str, int]] = NOTHING_ALLOTTED,
) -> RouteSnapshot:
    """A route snapshot from facts that are already there.

    Args:
        stock: units that may be promised, by node and SKU.
        leaves: when an order released now leaves, by node.
        saturated: nodes that have too much to do.
        bids: what a unit of stock is worth to orders to come, by node and SKU.
        learned: how long parcels take, where they say something else than the network file.
        off: (carrier, node) that are switched off; the node is empty for all of them.
        late_shipments_per_mille: of the order's channel.
        allotted: units of what is short that pools of other channels have, by SKU and pool.
    """
    wanted, skip, refused = facts.wanted(), set(excluded_nodes), set(excluded_services)
    nodes = [n for n in network.nodes if n.id not in skip and (not only_node or n.id == only_node)]
    return RouteSnapshot(
        now=now,
        order=facts,
        nodes=tuple(
            _node_facts(
                n,
                facts,
                network,
                queues,
                leaves[n.id],
                n.id in saturated,
                stock.get(n.id, {}),
                bids.get(n.id, {}),
            )
            for n in nodes
        ),
        services=tuple(
            _service_facts(x, nodes, queues, learned, off, available=x.id not in refused)
            for x in network.services
        ),
        rate_cards=tuple(
            network.card(name, now) for name in sorted({s.card for s in network.services})
        ),
        holidays=holidays_of(network, now),
        promotions=tuple(
            sorted({x.promotion for x in facts.lines if x.promotion and x.sku in wanted})
        ),
        generation=generation,
        late_shipments_per_mille=late_shipments_per_mille,
        allotted=dict(allotted),
    )


def miles_between(postal_code: str, other: str) -> int:
    """Whole miles between two postal codes, or the first three characters of one."""
    here, there = centroid(postal_code), centroid(other)
    return UNKNOWN_MILES if here is None or there is None else great_circle_miles(here, there)


def _service_facts(
    service: Service, nodes: Sequence[Node], queues: dict[str, str], learned: Learned,
    off: Set[tuple[str, str]], *, available: bool,
) -> ServiceFacts:  # fmt: skip
    transit = service.transit
    if learned:
        transit = {zone: learned.get((service.id, zone), t) for zone, t in transit.items()}
    return ServiceFacts(
        id=service.id,
        carrier=service.carrier,
        service=service.code,
        connector=service.connector,
        queue=queues[service.connector],
        express=service.express,
        available=available and (service.carrier, "") not in off,
        switched_off=tuple(n.id for n in nodes if (service.carrier, n.id) in off),
        card=service.card,
        transit=transit,
        nodes=tuple(n.id for n in nodes if not n.services or service.id in n.services),
        delivers_saturday=service.delivers_saturday,
    )


def _node_facts(
    node: Node,
    facts: OrderFacts,
    network: Network,
    queues: dict[str, str],
    departs: Departure,
    saturated: bool,
    stock: dict[str, int],
    bids: dict[str, int],
) -> NodeFacts:
    miles = miles_between(node.postal_code, facts.postal3)
    zone = zone_for_miles(miles)
    return NodeFacts(
        id=node.id,
        kind=node.kind,
        connector=node.connector,
        queue=queues[node.connector],
        region=node.region,
        timezone=node.timezone,
        distance_miles=miles,
        ship_at=departs.ship_at,
        used_percent=departs.used_percent,
        backlog_days=departs.backlog_days,
        saturated=saturated,
        stock=stock,
        bids=bids,
        zones={s.carrier: zone for s in network.services},
        order_cost_minor=node.order_cost_minor,
        line_cost_minor=node.line_cost_minor,
        unit_cost_minor=node.unit_cost_minor,
        cartons=node.cartons,
    )


def limited_to_stock(connection: Connection, facts: OrderFacts, network: Network) -> OrderFacts:
    """The same order with each line cut to what all nodes together have of it for its channel."""
    stock = stock_of(connection, facts, network)
    left: dict[str, int] = {}
    for node_stock in stock.values():
        for sku, units in node_stock.items():
            left[sku] = left.get(sku, 0) + units
    lines = []
    for line in facts.lines:
        units = min(line.quantity, left.get(line.sku, 0))
        left[line.sku] = left.get(line.sku, 0) - units
        lines.append(line.model_copy(update={"quantity": units}))
    return facts.model_copy(update={"lines": tuple(lines)})
