"""Guards: exact under peeking, quick where the difference is large, kept as JSON."""

from __future__ import annotations

from math import exp
from random import Random

import pytest

from policies.guards import (
    Guards,
    Measures,
    Observation,
    Paired,
    Realised,
    Tolerances,
    breaches,
    leaning,
    observe,
    observe_all,
    started,
)


def measures(cost: int | None = 1_000, **flags: bool) -> Measures:
    return Measures(cost_minor=cost, **flags)


def realised(canary: bool, came: Measures, foreseen: int | None = 1_000) -> Realised:
    return Realised(arm="canary" if canary else "stable", measures=came, foreseen_minor=foreseen)


def mixed(seed: int, orders: int, canary_cost: int) -> list[Observation]:
    """Stable orders come to 1,000 ± 100, every fifth order is a canary's."""
    random = Random(seed)
    return [
        realised(
            number % 5 == 0,
            measures((canary_cost if number % 5 == 0 else 1_000) + random.randint(-100, 100)),
        )
        for number in range(orders)
    ]


def test_a_dearer_canary_is_stopped_with_figures_a_person_understands() -> None:
    (breach,) = breaches(observe_all(started(Tolerances()), mixed(1, 1_000, 1_100)))
    assert (breach.family, breach.metric) == ("realised", "cost")
    assert breach.canary == pytest.approx(0.10, abs=0.02)
    assert breach.stable == pytest.approx(0.0, abs=0.02)
    assert (breach.orders, breach.stable_orders) == (200, 800)
    assert breach.e_value >= breach.limit == 500
    for word in ("Realised cost", "tolerance of 2 %", "200 orders", "800 stable", "500 to 1"):
        assert word in breach.text


def test_a_canary_within_the_tolerance_is_not_stopped() -> None:
    assert breaches(observe_all(started(Tolerances(cost=15)), mixed(1, 1_000, 1_100))) == ()


def test_a_breach_stays_one_when_the_canary_recovers() -> None:
    guards = observe_all(started(Tolerances()), mixed(1, 1_000, 1_100))
    later = observe_all(guards, mixed(2, 3_000, 800))
    assert [b.metric for b in breaches(later)] == ["cost"]
    assert leaning(guards, 3.0)
    assert not leaning(later, 3.0), "but now the evidence is gone"


@pytest.mark.parametrize("flag", ["late", "asked", "failed"])
def test_each_share_has_its_guard_in_both_families(flag: str) -> None:
    worse, fine = measures(**{flag: True}), measures()
    often: list[Observation] = []
    for number in range(400):
        bad = number % 4 == 0
        often += [realised(False, fine), realised(True, worse if bad else fine)]
    assert [(b.family, b.metric) for b in breaches(observe_all(started(Tolerances()), often))] == [
        ("realised", flag)
    ]
    both: list[Observation] = [
        Paired(stable=fine, candidate=worse if number % 4 == 0 else fine) for number in range(400)
    ]
    assert [(b.family, b.metric) for b in breaches(observe_all(started(Tolerances()), both))] == [
        ("paired", flag)
    ]


def test_what_fails_in_both_versions_alike_stops_nothing() -> None:
    bad = measures(None, late=True, asked=True, failed=True)
    seen: list[Observation] = [Paired(stable=bad, candidate=bad)] * 500
    seen += [realised(number % 2 == 0, bad, None) for number in range(500)]
    assert breaches(observe_all(started(Tolerances()), seen)) == ()


def test_a_drift_that_meets_both_arms_cancels() -> None:
    """Costs double in the middle of the canary: every comparison is between neighbours."""
    drifting = [
        realised(number % 5 == 0, measures(1_000 if number < 500 else 2_000))
        for number in range(1_000)
    ]
    assert breaches(observe_all(started(Tolerances()), drifting)) == ()


def test_a_clipped_outlier_alone_proves_nothing() -> None:
    guards = observe_all(started(Tolerances()), mixed(3, 200, 1_000))
    hit = observe_all(guards, [realised(True, measures(10_000_000))] * 3)
    assert breaches(hit) == ()
    assert hit.realised["cost"].canary.mean > 100, "though the running mean shows it"


def test_canaries_that_come_together_wait_for_a_stable_order_to_be_compared_with() -> None:
    guards = observe_all(started(Tolerances()), [realised(True, measures(1_100))] * 3)
    assert guards.realised["cost"].waiting_canary.count == 3
    assert set(guards.realised["cost"].wealth) == {0.0}
    compared = observe(guards, realised(False, measures(1_000)))
    assert compared.realised["cost"].waiting_canary.count == 0
    assert min(compared.realised["cost"].wealth) > 0


def test_one_look_or_many_come_to_the_same() -> None:
    seen = mixed(4, 300, 1_050)
    one = observe_all(started(Tolerances()), seen)
    many = started(Tolerances())
    for observation in seen:
        many = Guards.model_validate_json(observe(many, observation).model_dump_json())
    assert many == one


def test_whoever_looks_after_every_order_is_no_oftener_wrong_than_promised() -> None:
    """Two equal arms at tolerance zero, 300 times: the largest wealth ever reached is 4 or more
    in at most a quarter of them (Ville's inequality)."""
    wrong = 0
    for seed in range(300):
        guards = observe_all(started(Tolerances(cost=0)), mixed(seed, 1_000, 1_000))
        wrong += exp(guards.realised["cost"].peak) >= 4
    assert 0 < wrong <= 75
