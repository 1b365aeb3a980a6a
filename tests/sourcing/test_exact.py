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
