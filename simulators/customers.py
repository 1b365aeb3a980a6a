"""Plays the customers who change their minds, through the public command line only.

They must be quick: a label can be voided only between its purchase and the carrier's first
scan, a few business hours. So they do not wait for the people at the queue.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Set
from random import Random
from typing import Any

from simulators.terminal import Run

CHANGED_THEIR_MINDS = 0.06
LATEST = 24.0  # business hours after the order was first seen
SOONEST, SELDOM = 2.0, 30.0  # seconds between two looks: while orders come in, and later


def cancels_after(order_id: str, seed: int) -> float | None:
    """Business hours after which the customer of an order cancels it; None: never."""
    dice = Random(f"{seed}:{order_id}:customer")
    return dice.uniform(0.0, LATEST) if dice.random() < CHANGED_THEIR_MINDS else None


class Customers:
    """Everybody who has ordered.

    Args:
        run: gives a command to Meshline; returns exit code and output.
        rate: business seconds per wall second.
        left: grows; orders that are left for somebody at the terminal stay as they are.
    """

    def __init__(self, run: Run, seed: int, rate: float, left: Set[str] = frozenset()) -> None:
        self._run, self._seed, self._rate, self._left = run, seed, rate, left
        self._seen: set[str] = set()
        self._due: dict[str, float] = {}

    def look(self, now: float) -> bool:
        """Thinks once about every order; returns whether there were new ones."""
        code, text = self._run(
            ["order", "list", "--status", "processing", "--limit", "10000", "--json"]
        )
        if code:
            _tell(failed="order list", code=code, said=text[-300:])
            return True
        fresh = {row["id"] for row in json.loads(text)} - self._seen
        self._seen |= fresh
        for order_id in sorted(fresh):
            hours = cancels_after(order_id, self._seed)
            if hours is not None:
                self._due[order_id] = now + hours * 3600 / self._rate
        return bool(fresh)

    def act(self, now: float) -> None:
        """Cancel what is due. Too late is too late: a refusal is not argued with."""
        for order_id in [i for i, at in self._due.items() if at <= now]:
            del self._due[order_id]
            if order_id in self._left:
                continue
            code, text = self._run(
                ["order", "cancel", order_id, "--as", "casey", "--reason", "changed their mind"]
            )
            _tell(subject=order_id, action="cancel", code=code, said=text.strip()[-200:])

    def live(self, stopped: Callable[[], bool]) -> None:
        """Look and act until stopped, seldom once no new orders come."""
        pause = SOONEST
        while not stopped():
            pause = SOONEST if self.look(time.monotonic()) else min(2 * pause, SELDOM)
            until = time.monotonic() + pause
            while not stopped() and time.monotonic() < until:
                self.act(time.monotonic())
                time.sleep(0.1)

    def live_in_background(self, stopped: Callable[[], bool]) -> threading.Thread:
        """Start living beside the caller, who joins the thread once stopped."""
        thread = threading.Thread(target=self.live, args=(stopped,), name="customers")
        thread.start()
        return thread


def _tell(**facts: Any) -> None:
    print(json.dumps(facts), file=sys.stderr, flush=True)
