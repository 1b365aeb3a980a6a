"""The search finds what an independent mixed-integer program finds."""

from __future__ import annotations

from random import Random

import pytest

from bench.instances import random_order
from bench.milp import cheapest
from sourcing import Pricer, Verdicts, ranked

CHUNK = 100


@pytest.mark.parametrize("chunk", range(10))
def test_the_best_plan_costs_what_a_mixed_integer_program_finds(chunk: int) -> None:
    dice = Random(chunk)
    for number in range(CHUNK):
        snapshot = random_order(
            dice,
            lines=dice.randrange(1, 5),
            nodes=dice.randrange(1, 7),
            parcels=dice.randrange(1, 4),
            in_stock=dice.choice((0.4, 0.7, 1.0)),
        )
        late = dice.choice((0, 250))
        drafts = ranked(Verdicts(lateness_minor_per_day=late), 1, Pricer(snapshot)).drafts
        found = drafts[0].total if drafts else None
        assert found == cheapest(snapshot, late), (chunk, number)


def test_a_search_that_knows_what_a_plan_may_cost_finds_the_plans_up_to_it() -> None:
    dice = Random(7)
    for _ in range(60):
        pricer = Pricer(random_order(dice, lines=dice.randrange(1, 5), nodes=6))
        everything = [(d.total, d.choice) for d in ranked(Verdicts(), 4, pricer).drafts]
        for most in {total + more for total, _ in everything for more in (-1, 0)}:
            found = [(d.total, d.choice) for d in ranked(Verdicts(), 4, pricer, most).drafts]
            assert found == [plan for plan in everything if plan[0] <= most]


def test_what_is_remembered_of_services_is_forgotten_when_their_prices_change() -> None:
    snapshot = random_order(Random(1), lines=2, nodes=4, in_stock=1.0)
    before = ranked(Verdicts(), 1, Pricer(snapshot)).drafts[0].total
    dearer = tuple(
        card.model_copy(
            update={
                "breaks": {z: tuple((lb, 2 * p) for lb, p in b) for z, b in card.breaks.items()}
            }
        )
        for card in snapshot.rate_cards
    )
    assert dearer[0].name == snapshot.rate_cards[0].name
    changed = snapshot.model_copy(update={"rate_cards": dearer})
    assert ranked(Verdicts(), 1, Pricer(changed)).drafts[0].total > before
    equal = type(snapshot).model_validate_json(snapshot.model_dump_json())
    assert ranked(Verdicts(), 1, Pricer(equal)).drafts[0].total == before
