"""Plays the customers who send something back, and the dock that takes it in.

Through the public command line, and half of those who bought in the shop through its storefront.
What they ask for, whether they think better of it, what is in the parcel and in which state it is
are drawn by the seed. Whether a parcel is sent at all, and when, the carrier's simulator knows.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import httpx

from simulators.terminal import Run

Json = dict[str, Any]

ASKS, COUNTS = "kim", "frankie"  # care asks for the customer, the dock counts
SOONEST, LATEST = 1.0, 12.0  # business hours until somebody does something
PAUSE = 2.0  # seconds between two looks
REASONS = (
    "size_too_small", "size_too_large", "color", "style", "unwanted", "wrong_item",
    "not_as_described", "defective",
)  # fmt: skip
SHOP = "medusa"
THINK_BETTER = 0.15  # of them, while nothing is on its way
OVER = {"closed", "declined", "expired", "cancelled", "processed"}


def request(order: Json, seed: int) -> list[str] | Json | None:
    """The command that asks for a part of an order back, or what the storefront is sent; None
    where nothing of it has left."""
    head = order["order"]
    dice = Random(f"{seed}:{head['id']}:returner")
    sent = [line for line in order["lines"] if line["shipped"]]
    if not sent:
        return None
    line = dice.choice(sent)
    units = dice.randint(1, min(3, line["shipped"]))
    wish = dice.choices(("refund", "exchange", "store_credit"), (8, 1, 1))[0]
    reason = dice.choice(REASONS)
    if head["source"] == SHOP and wish == "refund" and dice.random() < 0.5:
        item = {"id": line["line_id"], "quantity": units, "reason_id": reason}
        way = {"option_id": "so_back"}
        return {"order_id": head["external_id"], "items": [item], "return_shipping": way}
    what = f"{line['line_id']}:{units}:{reason}"
    return ["return", "request", head["id"], "--line", what, "--for", wish, "--as", ASKS]


def thinks_better(found: Json, seed: int) -> list[str] | Json | None:
    """What the customer of an approved return does who keeps it: tells care, or the shop."""
    dice = Random(f"{seed}:{found['id']}:mind")
    if dice.random() >= THINK_BETTER:
        return None
    if found["source"] == SHOP and dice.random() < 0.5:
        return {"off": found["external_id"]}
    return ["return", "cancel", found["id"], "--as", ASKS, "--comment", "kept"]


class Shop:
    """The simulated shop at an address, over HTTP: each thing is sent once."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, wish: Json) -> tuple[int, str]:
        """A customer asks in the storefront; exit code and answer."""
        return self._send("POST", "/store/returns", wish)

    def call_off(self, return_id: str) -> tuple[int, str]:
        """The shop's own staff cancels a return there; exit code and answer."""
        code, text = self._send("GET", f"/admin/returns/{return_id}")
        found = json.loads(text)["return"] if code == 0 else {"fulfillments": ()}
        for fulfillment in found["fulfillments"]:
            self._send("POST", f"/admin/fulfillments/{fulfillment['id']}/cancel")
        return self._send("POST", f"/admin/returns/{return_id}/cancel")

    def _send(self, method: str, path: str, body: Json | None = None) -> tuple[int, str]:
        headers = {"authorization": "Bearer shop"}
        try:
            answer = httpx.request(
                method, self._url + path, json=body, headers=headers, timeout=20.0, trust_env=False
            )
        except httpx.HTTPError as error:
            return 1, str(error)
        return int(answer.is_error), answer.text


def dock(found: Json, seed: int) -> list[list[str]]:
    """What the dock does with a parcel, command by command: counts it, then says what it is."""
    dice = Random(f"{seed}:{found['id']}:dock")
    (line,) = found["lines"]
    units, name = line["quantity"], line["line_id"]
    count = ["return", "receive", found["id"], "--as", COUNTS, "--line", f"{name}:{units}"]
    look = ["return", "inspect", found["id"], "--as", COUNTS]
    fate = dice.choices(("fine", "damaged", "wrong_item", "empty", "short"), (15, 2, 1, 1, 1))[0]
    if fate == "empty" or (fate == "short" and units == 1):
        return [[*look, "--last"]]
    if fate == "short":
        count[-1] = f"{name}:{units - 1}"
        return [count, [*look, "--line", f"{name}:{units - 1}:new", "--last"]]
    grade = dice.choice(("new", "opened")) if fate == "fine" else fate
    return [count, [*look, "--line", f"{name}:{units}:{grade}"]]


class Returners:
    """Everybody who sends something back.

    Args:
        run: gives a command to Meshline; returns exit code and output.
        rate: business seconds per wall second.
        most: so many returns are asked for.
    """

    def __init__(self, run: Run, shop: Shop, seed: int, rate: float, most: int) -> None:
        self._run, self._shop, self._seed, self._rate, self._most = run, shop, seed, rate, most
        self._asked: set[str] = set()
        self._thought: set[str] = set()
        self._taken: set[str] = set()
        self._due: list[tuple[float, list[list[str] | Json]]] = []

    def look(self, now: float) -> None:
        """Ask for returns of what was delivered, and see what has come to the dock."""
        for row in self._list("order", "list", "--status", "completed", "--limit", "10000"):
            if len(self._asked) < self._most and row["id"] not in self._asked:
                self._asked.add(row["id"])
                code, text = self._run(["order", "show", row["id"], "--json"])
                if words := request(json.loads(text), self._seed) if code == 0 else None:
                    self._later(now, row["id"], [words])
        if not self._asked:
            return
        for row in self._list("return", "list", "--limit", "10000"):
            here = "delivered" in row["facts"].split() and row["state"] not in OVER
            if here and row["id"] not in self._taken:
                self._taken.add(row["id"])
                self._later(now, row["id"], dock(row, self._seed))
            if row["state"] == "approved" and row["id"] not in self._thought:
                self._thought.add(row["id"])
                if words := thinks_better(row, self._seed):
                    self._later(now, row["id"], [words])

    def act(self, now: float) -> None:
        """Do what is due; what is refused is told and not argued with."""
        ripe = [x for x in self._due if x[0] <= now]
        self._due = [x for x in self._due if x[0] > now]
        for _, commands in ripe:
            for words in commands:
                if isinstance(words, dict) and "off" in words:
                    code, text = self._shop.call_off(words["off"])
                    subject, action = words["off"], "call off in the shop"
                elif isinstance(words, dict):
                    code, text = self._shop.ask(words)
                    subject, action = words["order_id"], "ask in the shop"
                else:
                    code, text = self._run(words)
                    subject, action = words[2], words[1]
                _tell(subject=subject, action=action, code=code, said=text.strip()[-200:])

    def live_in_background(self, stopped: Callable[[], bool]) -> threading.Thread:
        """Look and act beside the caller, who joins the thread once stopped."""

        def live() -> None:
            while not stopped():
                self.look(time.monotonic())
                until = time.monotonic() + PAUSE
                while not stopped() and time.monotonic() < until:
                    self.act(time.monotonic())
                    time.sleep(0.1)

        thread = threading.Thread(target=live, name="returners")
        thread.start()
        return thread

    def _later(self, now: float, about: str, commands: Sequence[list[str] | Json]) -> None:
        hours = Random(f"{self._seed}:{about}:when").uniform(SOONEST, LATEST)
        self._due.append((now + hours * 3600 / self._rate, list(commands)))

    def _list(self, *words: str) -> list[Json]:
        code, text = self._run([*words, "--json"])
        if code:
            _tell(failed=" ".join(words[:2]), code=code, said=text[-300:])
            return []
        rows: list[Json] = json.loads(text)
        return rows


def _tell(**facts: Any) -> None:
    print(json.dumps(facts), file=sys.stderr, flush=True)
