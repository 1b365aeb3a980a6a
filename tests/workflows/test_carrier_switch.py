"""A carrier that people switch off gets no new plan and no new label, and is on again later."""

from __future__ import annotations

from datetime import timedelta

import pytest

from activities.carrier_desk import CarrierDesk, NotAllowed
from domain.base import InvalidInput
from domain.decision import RouteOutcome
from store import circuits, decisions
from store import tables as t
from store.fulfillments import plan_of
from tests.bed import Bed


def desk(bed: Bed, user: str = "frankie") -> CarrierDesk:
    c = bed.context
    return CarrierDesk(c.db, c.audit, c.network, user, bed.now())


async def test_what_is_planned_is_labelled_by_another_carrier_and_what_comes_avoids_it(
    bed: Bed,
) -> None:
    bed.stock("sku-switch", dc_east=50)
    first = bed.order("switch-1", [("sku-switch", 1)])
    await bed.start(first)
    (part,) = await bed.fulfilling(first.order.id)
    carrier = plan_of(part).carrier
    desk(bed).disable(carrier, "", None, "the hub is flooded")

    await bed.ship(first.order.id)
    await bed.until(lambda: bed.status(first.order.id) == "completed", 30)
    (parcel,) = bed.rows(t.shipments, first.order.id)
    assert parcel.carrier != carrier

    second = bed.order("switch-2", [("sku-switch", 1)])
    await bed.start(second)
    (part,) = await bed.fulfilling(second.order.id)
    assert plan_of(part).carrier != carrier
    with bed.context.db.read() as connection:
        made = decisions.of_order(connection, second.order.id)
        outcome = next(d.outcome for _, _, d, _ in made if isinstance(d.outcome, RouteOutcome))
    refused = [c for c in outcome.candidates if not c.kept and "not available" in c.hits[0].because]
    assert refused

    assert desk(bed).enable(carrier, "", "the water is gone")
    assert not desk(bed).enable(carrier, "", "")
    assert bed.event_names(f"carrier:{carrier}") == ["carrier.degraded", "carrier.recovered"]
    with bed.context.db.read() as connection:
        assert bed.context.audit.verify(connection) == []


async def test_a_lane_is_switched_off_for_a_while_only(bed: Bed) -> None:
    until = bed.now() + timedelta(hours=3)
    desk(bed).disable("UPS", "dc_west", until, "no pickup")
    with bed.context.db.read() as connection:
        before, after = until - timedelta(minutes=1), until
        assert circuits.open_circuits(connection, before) == {("UPS", "dc_west")}
        assert circuits.why_open(connection, "UPS", "dc_east", before) is None
        assert circuits.why_open(connection, "UPS", "dc_west", before) is not None
        assert circuits.open_circuits(connection, after) == frozenset()


@pytest.mark.parametrize(
    ("user", "carrier", "node", "told"),
    [
        ("vic", "UPS", "", "holds none of the roles"),
        ("nobody", "UPS", "", "holds none of the roles"),
        ("frankie", "Ups", "", "Name one of FedEx, UPS, USPS"),
        ("frankie", "UPS", "dc_north", "'dc_north' is no node"),
    ],
)
async def test_who_may_not_and_what_is_not_there(
    bed: Bed, user: str, carrier: str, node: str, told: str
) -> None:
    with pytest.raises((NotAllowed, InvalidInput), match=told):
        desk(bed, user).disable(carrier, node, None, "why not")
    with bed.context.db.read() as connection:
        assert list(circuits.listed(connection)) == []
