"""The cheapest plan of an order by a mixed-integer program: the search's independent witness.

It shares nothing with the search but the facts: a binary for each node, service and weight
break, an integer for the units of each line at each node. Only for items without dimensions, whose
parcels are priced by weight. Solved by HiGHS to the optimum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import highspy

from domain.decision import RouteSnapshot
from domain.facts import LineFacts, NodeFacts, RateCard
from sourcing import days_late, deliver_at
from sourcing.master import solver

MG_PER_LB = 453_592.37
EXACT = 1e-9


def cheapest(snapshot: RouteSnapshot, late_day_minor: int = 0) -> int | None:
    """What the cheapest plan costs in minor units; None where there is none.

    Args:
        late_day_minor: the charge for a parcel's day past the promise.
    """
    program = solver()
    program.setOptionValue("mip_rel_gap", EXACT)
    lines, nodes = snapshot.order.lines, snapshot.nodes
    units, gives, used = {}, {}, {}
    cost = program.qsum([])
    for node in nodes:
        ships = []
        capacity = []
        for price, milligrams in _tickets(snapshot, node, late_day_minor):
            ticket = program.addBinary()
            cost += ticket * (price + node.order_cost_minor)
            ships.append(ticket)
            capacity.append(ticket * milligrams)
        used[node.id] = program.addBinary()
        program.addConstr(program.qsum(ships) == used[node.id])
        weight = []
        for line in lines:
            at = (line.line_id, node.id)
            most = min(line.quantity, node.stock.get(line.sku, 0))
            units[at] = program.addIntegral(0, most)
            gives[at] = program.addBinary()
            program.addConstr(units[at] <= gives[at] * line.quantity)
            program.addConstr(units[at] >= gives[at])
            cost += units[at] * node.unit_cost_minor + gives[at] * node.line_cost_minor
            weight.append(units[at] * (line.weight_mg / MG_PER_LB))
        program.addConstr(program.qsum(weight) <= program.qsum(capacity))
    program.addConstr(program.qsum(used.values()) <= snapshot.order.max_parcels)
    for line in lines:
        of_line = [units[line.line_id, node.id] for node in nodes]
        program.addConstr(program.qsum(of_line) == line.quantity)
        _stays_whole(program, line, nodes, gives, used)
    program.minimize(cost)
    if program.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    return round(program.getInfo().objective_function_value)


def _stays_whole(
    program: highspy.Highs, line: LineFacts, nodes: Sequence[NodeFacts],
    gives: Mapping[tuple[str, str], Any], used: Mapping[str, Any],
) -> None:  # fmt: skip
    """A line ships from one node where one of the plan's nodes holds all of it."""
    parts = program.qsum([gives[line.line_id, node.id] for node in nodes])
    for node in nodes:
        if line.quantity > 1 and node.stock.get(line.sku, 0) >= line.quantity:
            program.addConstr(parts <= 1 + (1 - used[node.id]) * len(nodes))


def _tickets(
    snapshot: RouteSnapshot, node: NodeFacts, late_day_minor: int
) -> list[tuple[int, float]]:
    """(price, pounds that it carries) of each service and weight break from a node."""
    found = []
    cards = {card.name: card for card in snapshot.rate_cards}
    for service in snapshot.services:
        zone = node.zones[service.carrier]
        arrives = deliver_at(node.ship_at, service.transit[zone].p90, node.timezone)
        late = late_day_minor * days_late(arrives, snapshot.order.promise_by)
        card = cards[service.card]
        found += [
            (_price(card, base, snapshot.order.residential) + late, float(up_to))
            for up_to, base in card.breaks[zone]
        ]
    return found


def _price(card: RateCard, base: int, residential: bool) -> int:
    fuel = (base * card.fuel_percent + 50) // 100
    listed = base + fuel + card.peak_minor + (card.residential_minor if residential else 0)
    return max(card.minimum_minor, listed)
