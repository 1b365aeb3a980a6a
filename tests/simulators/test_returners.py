"""The customers who send something back, and the dock: what they say at the terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from simulators.returners import Returners, Shop, dock, request

ORDER = {
    "order": {"id": "order:medusa:1", "source": "marketplace", "external_id": "1"},
    "lines": [
        {"line_id": "1", "shipped": 2},
        {"line_id": "2", "shipped": 0},
    ],
}


def back(number: int, units: int = 2) -> dict[str, Any]:
    return {
        "id": f"return:medusa:1:{number}", "state": "in_transit", "facts": "delivered shipped",
        "lines": [{"line_id": "1", "quantity": units}],
    }  # fmt: skip


def test_only_what_has_left_is_asked_for() -> None:
    words = request(ORDER, seed=1)
    assert isinstance(words, list)
    assert words[:3] == ["return", "request", "order:medusa:1"]
    line, units, _reason = words[4].split(":")
    assert (line, int(units) <= 2) == ("1", True)
    assert request({**ORDER, "lines": [{"line_id": "2", "shipped": 0}]}, seed=1) is None


def test_half_of_the_shop_s_customers_ask_in_the_shop() -> None:
    asked: dict[str, Any] = {}
    words = 0
    for n in range(200):
        head = {"id": f"order:medusa:{n}", "source": "medusa", "external_id": f"{n}"}
        wish = request({**ORDER, "order": head}, seed=1)
        assert wish is not None
        if isinstance(wish, dict):
            asked = wish
        else:
            words += 1
    assert 80 < words < 160, "and all who want something else than their money"
    assert set(asked) == {"order_id", "items", "return_shipping"}
    (item,) = asked["items"]
    assert (item["id"], item["quantity"] <= 2) == ("1", True)


def test_the_dock_meets_every_kind_of_parcel() -> None:
    deeds = [dock(back(n), seed=1) for n in range(200)]
    said = {words[-1] for commands in deeds for words in commands}
    assert {"--last", "1:2", "1:1", "1:2:new", "1:2:opened", "1:2:damaged", "1:2:wrong_item"} <= (
        said | {"1:1"}
    )
    assert all(commands[-1][1] == "inspect" for commands in deeds)


def test_each_return_is_asked_for_and_taken_in_once() -> None:
    given: list[tuple[str, ...]] = []

    def run(words: Sequence[str]) -> tuple[int, str]:
        given.append(tuple(words))
        if words[:2] == ["order", "list"]:
            return 0, json.dumps([{"id": "order:medusa:1"}, {"id": "order:medusa:2"}])
        if words[:2] == ["return", "list"]:
            return 0, json.dumps([back(1), {**back(2), "facts": "shipped"}])
        return 0, json.dumps(ORDER)

    players = Returners(run, Shop("http://127.0.0.1:1"), seed=1, rate=3_600.0, most=1)
    for now in (0.0, 100.0, 200.0):
        players.look(now)
        players.act(now)
    verbs = [words[:2] for words in given]
    assert verbs.count(("return", "request")) == 1
    assert verbs.count(("return", "inspect")) == 1
    assert {words[2] for words in given if words[1] == "inspect"} == {"return:medusa:1:1"}


class ShopDouble(Shop):
    """Says yes, and what it was asked."""

    def __init__(self) -> None:
        self.wishes: list[dict[str, Any]] = []
        self.off: list[str] = []

    def ask(self, wish: dict[str, Any]) -> tuple[int, str]:
        self.wishes.append(wish)
        return 0, "{}"

    def call_off(self, return_id: str) -> tuple[int, str]:
        self.off.append(return_id)
        return 0, "{}"


def test_who_thinks_better_of_it_says_so_once_here_or_in_the_shop(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given: list[tuple[str, ...]] = []
    shop = ShopDouble()
    approved = [
        {"id": f"return:medusa:{n}:1", "state": "approved", "facts": "", "external_id": f"ret_{n}",
         "source": "medusa" if n % 2 else "cli"}
        for n in range(99)
    ]  # fmt: skip

    def run(words: Sequence[str]) -> tuple[int, str]:
        given.append(tuple(words))
        if words[:2] == ["order", "list"]:
            return 0, json.dumps([{"id": f"order:medusa:{n}"} for n in range(20)])
        if words[:2] == ["return", "list"]:
            return 0, json.dumps(approved)
        head = {"id": words[2], "source": "medusa", "external_id": words[2][-1]}
        return 0, json.dumps({**ORDER, "order": head})

    players = Returners(run, shop, seed=1, rate=3_600.0, most=20)
    for now in (0.0, 100.0, 200.0):
        players.look(now)
        players.act(now)
    here = [words[2] for words in given if words[1] == "cancel"]
    assert 5 < len(here) < 25
    assert 1 < len(shop.off) < 12
    assert len(set(here)) + len(set(shop.off)) == len(here) + len(shop.off)
    assert all(int(name.removeprefix("ret_")) % 2 for name in shop.off)
    asked = [words for words in given if words[1] == "request"]
    assert len(asked) + len(shop.wishes) == 20
    assert shop.wishes and asked
    told = capsys.readouterr().err
    assert told.count("ask in the shop") == len(shop.wishes)
    assert told.count("call off in the shop") == len(shop.off)
