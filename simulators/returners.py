"""Plays the customers who send something back, and the dock that takes it in.

Both through the public command line only. What they ask for, what is in the parcel and in which
state it is are drawn by the seed. Whether a parcel is sent at all, and when, the carrier's
simulator knows.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from random import Random
from typing import Any

from simulators.terminal import Run

Json = dict[str, Any]

ASKS, COUNTS = "kim", "frankie"  # care asks for the customer, the dock counts
SOONEST, LATEST = 1.0, 12.0  # business hours until somebody does something
PAUSE = 2.0  # seconds between two looks
REASONS = (
    "size_too_small", "size_too_large", "color", "style", "unwanted", "wrong_item",
    "not_as_described", "defective",
)  # fmt: skip
OVER = {"closed", "declined", "expired", "cancelled", "processed"}


def request(order: Json, seed: int) -> list[str] | None:
    """The command that asks for a part of an order back; None where nothing of it has left."""
    dice = Random(f"{seed}:{order['order']['id']}:returner")
    sent = [line for line in order["lines"] if line["shipped"]]
    if not sent:
        return None
    line = dice.choice(sent)
    units = dice.randint(1, min(3, line["shipped"]))
    wish = dice.choices(("refund", "exchange", "store_credit"), (8, 1, 1))[0]
    what = f"{line['line_id']}:{units}:{dice.choice(REASONS)}"
    words = ["return", "request", order["order"]["id"], "--line", what, "--for", wish]
    return [*words, "--as", ASKS]


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

    def __init__(self, run: Run, seed: int, rate: float, most: int) -> None:
        self._run, self._seed, self._rate, self._most = run, seed, rate, most
        self._asked: set[str] = set()
        self._taken: set[str] = set()
        self._due: list[tuple[float, list[list[str]]]] = []

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

    def act(self, now: float) -> None:
        """Do what is due; what is refused is told and not argued with."""
        ripe = [x for x in self._due if x[0] <= now]
        self._due = [x for x in self._due if x[0] > now]
        for _, commands in ripe:
            for words in commands:
                code, text = self._run(words)
                _tell(subject=words[2], action=words[1], code=code, said=text.strip()[-200:])

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

    def _later(self, now: float, about: str, commands: list[list[str]]) -> None:
        hours = Random(f"{self._seed}:{about}:when").uniform(SOONEST, LATEST)
        self._due.append((now + hours * 3600 / self._rate, commands))

    def _list(self, *words: str) -> list[Json]:
        code, text = self._run([*words, "--json"])
        if code:
            _tell(failed=" ".join(words[:2]), code=code, said=text[-300:])
            return []
        rows: list[Json] = json.loads(text)
        return rows


def _tell(**facts: Any) -> None:
    print(json.dumps(facts), file=sys.stderr, flush=True)
