"""The outage as it was before, by hand on small cases."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

import pytest

from domain.decision import RouteSnapshot
from policies import sample
from scenarios.outage import BY_HAND, LABELLED, Dark, Sent, before_state, summed
from tests.bed import example_network

NETWORK = example_network()
SECOND = "second carrier"


def snapshots(count: int, *, two: bool = True) -> list[RouteSnapshot]:
    """Orders for one unit each, alike but for their IDs; with a second carrier or without."""
    made = cast(RouteSnapshot, sample("route", {}))
    nodes = tuple(
        n.model_copy(
            update={
                "id": mine.id,
                "kind": mine.kind,
                "zones": n.zones | {SECOND: next(iter(n.zones.values()))},
            }
        )
        for n, mine in zip(made.nodes, NETWORK.nodes, strict=False)
    )
    ids = tuple(n.id for n in nodes)
    services = tuple(s.model_copy(update={"nodes": ids}) for s in made.services)
    second = services[0].model_copy(update={"id": "second", "carrier": SECOND})
    services = (*services, second) if two else services
    made = made.model_copy(update={"nodes": nodes, "services": services})
    return [
        made.model_copy(update={"order": made.order.model_copy(update={"id": f"o{n}"})})
        for n in range(count)
    ]


def stock(of: RouteSnapshot, units: int) -> dict[str, dict[str, int]]:
    return {node.id: dict.fromkeys(of.order.wanted(), units) for node in of.nodes}


def sent(count: int, units: int, dark: Dark | None, *, two: bool = True) -> list[Sent]:
    of = snapshots(count, two=two)
    begins = of[0].now - timedelta(days=9)
    never = Dark("nobody", begins, begins)
    return before_state(NETWORK, of, stock(of[0], units), dark or never)


def test_without_an_outage_the_first_node_with_stock_ships_as_planned() -> None:
    found = sent(3, 1, None)
    nodes = [node.id for node in snapshots(1)[0].nodes]
    assert [x.parts[0].node for x in found] == nodes[: len(found)]
    figures = summed(found)
    assert (figures.touches, figures.hours, figures.split) == (0, (), 0)


@pytest.mark.parametrize("hours", [1, 3, 5, 30])
def test_what_wants_its_label_in_the_dark_waits_until_somebody_switches(hours: int) -> None:
    (plain,) = sent(1, 5, None)
    part = plain.parts[0]
    wanted = part.ship_at - LABELLED
    dark = Dark(part.carrier, wanted - timedelta(hours=hours), wanted + timedelta(hours=24))
    (found,) = sent(1, 5, dark)
    assert found.parts[0].carrier != part.carrier
    late = hours < BY_HAND / timedelta(hours=1)
    assert found.touches == late  # by hand, one by one; later ones find the carrier switched off
    assert found.moved == [4.0 if late else float(hours)]
    if late:
        assert found.parts[0].ship_at >= dark.begins + BY_HAND


def test_the_others_and_those_after_it_are_left_alone() -> None:
    (plain,) = sent(1, 5, None)
    part = plain.parts[0]
    wanted = part.ship_at - LABELLED
    for dark in (
        Dark("another", wanted - timedelta(hours=1), wanted + timedelta(hours=1)),
        Dark(part.carrier, wanted - timedelta(hours=9), wanted),
        Dark(part.carrier, wanted + timedelta(seconds=1), wanted + timedelta(hours=9)),
    ):
        (found,) = sent(1, 5, dark)
        assert found.parts == plain.parts
        assert not found.moved


def test_where_there_is_no_other_carrier_it_waits_for_this_one() -> None:
    (plain,) = sent(1, 5, None, two=False)
    part = plain.parts[0]
    wanted = part.ship_at - LABELLED
    dark = Dark(part.carrier, wanted - timedelta(hours=1), wanted + timedelta(days=2))
    (found,) = sent(1, 5, dark, two=False)
    assert found.parts[0].carrier == part.carrier
    assert found.parts[0].ship_at >= dark.ends


def test_stock_is_used_up_and_what_nobody_has_is_not_sent() -> None:
    nodes = len(snapshots(1)[0].nodes)
    assert len(sent(nodes + 2, 1, None)) == nodes
