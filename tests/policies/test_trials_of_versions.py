"""Whose version decides an order: a share that only grows, arms that never meet."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from domain.decision import RouteSnapshot
from policies import TEMPLATES, Library, Trial, load_policy, sample
from policies.buckets import By

TEXT = (TEMPLATES / "cost_priority.yaml").read_text()
SECOND = load_policy(TEXT.replace("version: 1\n", "version: 2\n", 1), "cost_priority.yaml")
IDS = [f"order:shop:{number}" for number in range(4_000)]


def order(order_id: str, **more: object) -> RouteSnapshot:
    snapshot = sample("route", {"order": {"id": order_id, **more}})
    assert isinstance(snapshot, RouteSnapshot)
    return snapshot


def taken(trial: Trial, **more: object) -> set[str]:
    return {i for i in IDS if trial.takes(order(i, **more).order)}


def test_a_larger_share_only_adds_orders() -> None:
    trial = Trial(policy=SECOND, percent=5, salt="s")
    shares = [taken(replace(trial, percent=percent)) for percent in (0, 5, 25, 60, 100)]
    assert shares[0] == set()
    assert all(less < more for less, more in pairwise(shares))
    assert shares[-1] == set(IDS)
    assert len(shares[1]) / len(IDS) == pytest.approx(0.05, abs=0.015)


def test_arms_of_an_experiment_never_meet() -> None:
    first = Trial(policy=SECOND, percent=40, salt="e")
    second = replace(first, start=60)
    assert not taken(first) & taken(second)
    assert len(taken(first) | taken(second)) / len(IDS) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(("by", "field"), [("channel", "channel"), ("cohort", "tags")])
def test_what_is_bucketed_together_stays_together(by: By, field: str) -> None:
    trial = Trial(policy=SECOND, percent=50, salt="s", by=by)
    seen = set()
    for name in ("web", "app", "market", "store", "b2b", "kiosk"):
        value: object = name if field == "channel" else [f"cohort:{name}"]
        (answer,) = {trial.takes(order(i, **{field: value}).order) for i in IDS[:50]}
        seen.add(answer)
    assert seen == {True, False}
    if by == "cohort":
        assert not trial.takes(order("order:shop:1").order)  # without a cohort it is in none


def test_a_share_of_one_channel_is_a_share_of_its_orders() -> None:
    trial = Trial(policy=SECOND, percent=30, salt="s", by="channel", only=frozenset(["web"]))
    assert taken(trial, channel="app") == set()
    assert len(taken(trial, channel="web")) / len(IDS) == pytest.approx(0.3, abs=0.03)


def test_a_version_of_a_new_name_joins_at_its_place() -> None:
    text = (TEMPLATES / "overflow.yaml").read_text()
    overflow = load_policy(text, "overflow.yaml")
    trial = Trial(policy=overflow, percent=100, salt="s", at=1)
    library = replace(Library.default(), trials={"route": (trial,)})
    decision = library.decide(order("order:shop:1"))
    assert decision.policies == ("cost_priority@1", overflow.label)
    assert decision.bucket == "canary"
