"""Buckets: fixed, even, only ever added to, and disjoint between arms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.facts import OrderFacts
from policies.buckets import BUCKETS, By, arm, bucket, bucket_key, in_canary
from policies.samples import sample

KEYS = st.text(min_size=1, max_size=40)
SALTS = st.text(max_size=20)
PERCENT = st.integers(0, 100)


@given(SALTS, KEYS, PERCENT, PERCENT)
def test_raising_the_percentage_only_adds(salt: str, key: str, one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert in_canary(salt, key, high) or not in_canary(salt, key, low)


def test_from_5_to_25_percent_every_canary_order_stays_and_others_join() -> None:
    keys = [f"order:shop:{i}" for i in range(10_000)]
    few = {k for k in keys if in_canary("v4", k, 5)}
    many = {k for k in keys if in_canary("v4", k, 25)}
    assert few < many


@pytest.mark.parametrize("salt", ["", "cost_priority@2", "cost_priority@3", "a salt"])
@pytest.mark.parametrize("percent", [5, 25, 50])
def test_the_measured_share_is_within_half_a_point(salt: str, percent: int) -> None:
    hits = sum(in_canary(salt, f"order:shop:{i}", percent) for i in range(100_000))
    assert abs(hits / 1_000 - percent) <= 0.5


def test_a_bucket_is_the_same_for_ever() -> None:
    """Kept figures: another hash would move orders between versions within a rollout."""
    assert [bucket("salt", f"order:{i}") for i in range(3)] == [2786, 9168, 5635]
    assert bucket("another", "order:0") != bucket("salt", "order:0")


@given(SALTS, KEYS, st.integers(0, 50), st.integers(0, 50))
def test_two_arms_never_share_a_key(salt: str, key: str, first: int, second: int) -> None:
    alone = [arm(salt, key, [first, 0]), arm(salt, key, [0, second])]
    assert None in alone
    assert arm(salt, key, [first, second]) == next((a for a in alone if a is not None), None)


def test_arms_together_take_every_bucket_once() -> None:
    keys = [f"o{i}" for i in range(20_000)]
    arms = [arm("s", key, [50, 30, 20]) for key in keys]
    assert None not in arms
    for index, percent in enumerate([50, 30, 20]):
        assert abs(arms.count(index) / len(keys) * 100 - percent) < 1.5


@given(SALTS, KEYS, st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_raising_either_of_two_arms_moves_no_order_to_the_other(
    salt: str, key: str, a: int, b: int, more_a: int, more_b: int
) -> None:
    before = arm(salt, key, [a, b])
    after = arm(salt, key, [max(a, more_a), max(b, more_b)])
    assert before is None or after == before


@pytest.mark.parametrize("percents", [[60, 41], [-1], [101]])
def test_impossible_shares_are_refused(percents: list[int]) -> None:
    with pytest.raises(ValueError, match="outside 0 to 100"):
        arm("s", "k", percents)


def order(**changes: object) -> OrderFacts:
    return sample("hold").order.model_copy(update=changes)


def test_an_order_of_several_skus_is_bucketed_by_the_least() -> None:
    facts = sample("hold", {"order": {"lines": {"line_2": {"sku": "a_sku"}}}}).order
    assert bucket_key(facts, "sku") == "a_sku"


@pytest.mark.parametrize(
    ("by", "key"), [("order", "order:shop:1001"), ("channel", "web"), ("cohort", "beta")]
)
def test_an_order_is_bucketed_by_what_is_asked(by: By, key: str) -> None:
    assert bucket_key(order(tags=("vip", "cohort:beta")), by) == key


def test_an_order_without_a_cohort_is_in_no_canary_and_no_arm() -> None:
    key = bucket_key(order(tags=("vip",)), "cohort")
    assert key == ""
    assert not in_canary("s", key, 100)
    assert arm("s", key, [50, 50]) is None


def test_there_are_ten_thousand_buckets() -> None:
    assert {bucket("s", str(i)) for i in range(200_000)} == set(range(BUCKETS))
