"""A carrier's outage as it was before: people notice after four hours and move parcels by hand.

The same orders, stock, nodes, prices and dates as Meshline had, taken from its recorded snapshots.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from activities.facts import holidays_of
from domain.decision import RouteSnapshot
from domain.facts import LineFacts
from domain.fulfillment import FulfillmentPlan
from domain.network import Network
from scenarios.sides import first_with_stock, shipped_by_rule
from sourcing import ship_at

BY_HAND = timedelta(hours=4)  # fixed by the story: so long after it began somebody switches
LABELLED = timedelta(hours=3)  # before its pickup a parcel is packed and gets its label


@dataclass(frozen=True)
class Dark:
    """A carrier sells no label from one time to another."""

    carrier: str
    begins: datetime
    ends: datetime

    def meets(self, carrier: str, at: datetime) -> bool:
        """Whether a label that is wanted then is not sold."""
        return carrier == self.carrier and self.begins <= at < self.ends


@dataclass
class Sent:
    """An order that left.

    Attributes:
        arrives: when nine of ten would have each of its parts.
        moved: when each part that met the outage got another way, in hours since it began.
        touches: times that a person had to do something.
    """

    order_id: str
    promise_by: datetime | None
    parts: list[FulfillmentPlan] = field(default_factory=list)
    arrives: list[datetime] = field(default_factory=list)
    moved: list[float] = field(default_factory=list)
    touches: int = 0

    @property
    def on_time(self) -> bool:
        """Whether all of it is there by the promise."""
        return self.promise_by is None or all(at <= self.promise_by for at in self.arrives)


@dataclass(frozen=True)
class Figures:
    """One side.

    Attributes:
        on_time, split: orders.
        hours: when each part that met the outage had another way, since it began, in rising order.
    """

    orders: int
    on_time: int
    split: int
    express_minor: int
    cost_minor: int
    touches: int
    hours: tuple[float, ...]


def before_state(
    network: Network, snapshots: Iterable[RouteSnapshot], stock: dict[str, dict[str, int]],
    dark: Dark,
) -> list[Sent]:  # fmt: skip
    """What would have become of the orders, the first placed first.

    Args:
        snapshots: what was known when each order was planned first.
        stock: units by node and SKU before all of them; it is used up.
    """
    found = []
    for snapshot in snapshots:
        held = {node: dict(units) for node, units in stock.items()}
        known = _with_stock(snapshot, held)
        shares = first_with_stock(known.nodes, known.order.lines)
        sent = Sent(snapshot.order.id, snapshot.order.promise_by)
        for node, share in shares.items():
            part = shipped_by_rule(known, node, share)
            for q in part.lines:
                stock[node][q.sku] -= q.quantity
            _send(network, known, sent, node, share, part, dark)
        if sent.parts:
            found.append(sent)
    return found


def _with_stock(snapshot: RouteSnapshot, held: dict[str, dict[str, int]]) -> RouteSnapshot:
    nodes = tuple(
        n.model_copy(update={"stock": held.get(n.id, {}), "bids": {}}) for n in snapshot.nodes
    )
    return snapshot.model_copy(update={"nodes": nodes})


def _send(
    network: Network, snapshot: RouteSnapshot, sent: Sent, node: str,
    share: Sequence[tuple[LineFacts, int]], part: FulfillmentPlan, dark: Dark,
) -> None:  # fmt: skip
    """A part leaves as planned, by another carrier at once, or late after it was done by hand."""
    wanted = part.ship_at - LABELLED
    ours = part.node_kind != "third_party"  # a 3PL has its own labels
    if ours and dark.meets(part.carrier, wanted):
        switched = dark.begins + BY_HAND
        at = max(wanted, switched)
        leaves = part.ship_at
        if wanted < switched:  # it lay there until somebody saw it
            sent.touches += 1
            there = network.node(node)
            leaves = max(part.ship_at, ship_at(switched, there, holidays_of(network, switched)))
        part = _by_another(network, snapshot, node, share, leaves, dark)
        sent.moved.append((at - dark.begins) / timedelta(hours=1))
    sent.parts.append(part)
    sent.arrives.append(part.deliver_p90)


def _by_another(
    network: Network, snapshot: RouteSnapshot, node: str, share: Sequence[tuple[LineFacts, int]],
    leaves: datetime, dark: Dark,
) -> FulfillmentPlan:  # fmt: skip
    """By the rule without the carrier; where there is no other, by it when it is back."""
    if any(
        s.available and s.carrier != dark.carrier and node in s.nodes for s in snapshot.services
    ):
        without = _without(snapshot, dark.carrier, node, leaves)
        return shipped_by_rule(without, node, share)
    back = ship_at(dark.ends, network.node(node), holidays_of(network, dark.ends))
    return shipped_by_rule(_without(snapshot, "", node, max(leaves, back)), node, share)


def _without(snapshot: RouteSnapshot, carrier: str, node: str, leaves: datetime) -> RouteSnapshot:
    services = tuple(
        s.model_copy(update={"available": s.available and s.carrier != carrier})
        for s in snapshot.services
    )
    nodes = tuple(
        n.model_copy(update={"ship_at": leaves}) if n.id == node else n for n in snapshot.nodes
    )
    return snapshot.model_copy(update={"services": services, "nodes": nodes})


def summed(side: Sequence[Sent], *, switching: int = 0) -> Figures:
    """A side's figures; ``switching``: touches that are nobody's order's."""
    parts = [part for sent in side for part in sent.parts]
    return Figures(
        orders=len(side),
        on_time=sum(sent.on_time for sent in side),
        split=sum(len({part.node for part in sent.parts}) > 1 for sent in side),
        express_minor=sum(part.cost_minor for part in parts if part.express),
        cost_minor=sum(part.cost_minor + part.handling_minor for part in parts),
        touches=sum(sent.touches for sent in side) + switching,
        hours=tuple(sorted(round(hour, 3) for sent in side for hour in sent.moved)),
    )
