"""Many orders over one stock: never oversold, never dearer than first come first served."""

from __future__ import annotations

from collections import Counter

import pytest

from bench.reevaluate import scarce
from sourcing.bids import takes
from sourcing.together import first_come, plan_together


@pytest.mark.parametrize("seed", range(4))
def test_together_costs_less_than_first_come_and_is_near_the_bound(seed: int) -> None:
    wanted, stock = scarce(200, seed)
    together, served = plan_together(wanted, stock), first_come(wanted, stock)
    assert together.bound_minor <= together.cost_minor <= served.cost_minor
    for found in (together, served):
        taken: Counter[tuple[str, str]] = Counter()
        for order, plan in enumerate(found.plans):
            if plan is None:
                continue
            lines = {x.line_id: x.quantity for x in wanted[order].pricer.snapshot.order.lines}
            given: Counter[str] = Counter()
            for leg in plan.fulfillments:
                given.update({leg.pricer.lines[i].line_id: units for i, units in leg.load})
            assert given == lines
            taken.update(takes(plan))
        assert all(units <= stock[spot] for spot, units in taken.items())
    assert plan_together(wanted, stock).cost_minor == together.cost_minor


def test_enough_for_all_is_everybodys_best_plan() -> None:
    wanted, stock = scarce(60, 9)
    plenty = dict.fromkeys(stock, 10**6)
    together, served = plan_together(wanted, plenty), first_come(wanted, plenty)
    assert together.cost_minor == served.cost_minor == round(together.bound_minor)
    assert together.bids == {}
