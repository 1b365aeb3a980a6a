"""The customers who send something back, and the dock: what they say at the terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from simulators.returners import Returners, dock, request

ORDER = {
    "order": {"id": "order:medusa:1"},
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
    assert words is not None
    assert words[:3] == ["return", "request", "order:medusa:1"]
    line, units, _reason = words[4].split(":")
    assert (line, int(units) <= 2) == ("1", True)
    assert request({**ORDER, "lines": [{"line_id": "2", "shipped": 0}]}, seed=1) is None


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

    players = Returners(run, seed=1, rate=3_600.0, most=1)
    for now in (0.0, 100.0, 200.0):
        players.look(now)
        players.act(now)
    verbs = [words[:2] for words in given]
    assert verbs.count(("return", "request")) == 1
    assert verbs.count(("return", "inspect")) == 1
    assert {words[2] for words in given if words[1] == "inspect"} == {"return:medusa:1:1"}
