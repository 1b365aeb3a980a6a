"""Pools of the network file: a name that nobody knows is refused, with what to do."""

from __future__ import annotations

import pytest

from activities.settings import ROOT, expand
from domain.base import InvalidInput
from domain.network import Network, parse_network

TEXT = expand((ROOT / "config" / "network.yaml").read_text())
POOLS = "pools: [marketplace, wholesale]"


def parsed(pools: str) -> Network:
    assert POOLS in TEXT
    return parse_network(TEXT.replace(POOLS, pools), "network.yaml")


def test_a_channel_draws_on_its_pools_and_others_on_none() -> None:
    network = parsed(POOLS)
    drawn = {c.id: network.pools_of(c.id) for c in network.channels}
    assert drawn == {
        "webshop": (), "wholesale": ("wholesale",), "marketplace": ("marketplace",), "app": (),
    }  # fmt: skip
    assert network.pools_of("unmapped") == ()


@pytest.mark.parametrize(
    ("pools", "told"),
    [
        (
            "pools: [marketplace]",
            "channels.wholesale.pools: no pool 'wholesale'; add it to `pools`, or correct the name",
        ),
        ("pools: [marketplace, wholesale, wholesale]", "pools: 'wholesale' stands twice"),
        ("pools: [marketplace, wholesale, shared]", "pools: 'shared' is what the units of no pool"),
        ("pools: [marketplace, wholesale, '']", "pools"),
    ],
)
def test_what_is_wrong_is_named(pools: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parsed(pools)
    assert told in str(refused.value)


def test_a_pool_that_a_channel_names_twice_is_refused() -> None:
    doubled = TEXT.replace("pools: [wholesale]}", "pools: [wholesale, wholesale]}")
    with pytest.raises(InvalidInput, match=r"channels\.wholesale\.pools: 'wholesale' stands twice"):
        parse_network(doubled, "network.yaml")
