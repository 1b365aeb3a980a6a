"""Plays the people who work the queue, through the public command line only.

They list what is open, think for a while (business hours, drawn by the seed), and do what a
person of the role would do with such a case. What they decide is a pure function of the
case, the seed and what they did with it before, so a run can be repeated.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from simulators.customers import Customers
from simulators.returners import Returners, Shop
from simulators.terminal import Run, terminal

Json = dict[str, Any]

EVERY_SECONDS = 2.0  # between two looks
LISTS = 2  # exceptions and holds, asked for in turn
AT_ONCE = 12  # actions between two looks at the queue
REFUSALS = 3

USER_OF = {
    "revenue_ops": "riley", "fulfillment_ops": "frankie", "finance": "dana",
    "customer_care": "casey", "platform": "pat",
}  # fmt: skip
# Who works a kind of case where the user names are those of config/network.yaml.
WORKED_BY = {
    "pick_short": "frankie", "node_rejected": "frankie", "pick_delayed": "frankie",
    "handover_delayed": "frankie", "label_refused": "frankie", "carrier_outage": "frankie",
    "compensation_refused": "frankie", "out_of_stock": "riley", "hold_overdue": "riley",
    "shipment_lost": "casey", "returned_to_sender": "casey", "delivery_delayed": "casey",
    "capture_failed": "dana", "refund_due": "dana", "refund_failed": "dana",
    "refund_by_hand": "kim", "recovery_failed": "dana",
}  # fmt: skip
PLATFORM = {
    "vendor_unavailable", "contract_broken", "vendor_refused", "unconfirmed", "vendor_auth_failed",
}  # fmt: skip
# They end by themselves; a person only says that he has seen it. Resolving a late delivery
# would mean that the parcel is given up as lost.
SEEN_ONLY = {
    "pick_short", "node_rejected", "pick_delayed", "handover_delayed", "delivery_delayed",
}  # fmt: skip
GOOD_ADDRESS = (
    "--street", "12 Corrected Street", "--city", "Chicago", "--region", "IL", "--zip", "60601",
    "--country", "US",
)  # fmt: skip

EXAMPLE = """example:
  python -m simulators.people --program starter.py --leave 3 --seed 7 \\
      --clock-rate 3600 --stop-file run/people.stop
Prints {"left": ID} for each case or hold that is left to you; what was done goes to stderr.
"""


@dataclass(frozen=True)
class Deed:
    """One command to give, after so many business hours of thought."""

    action: str
    arguments: tuple[str, ...]
    hours: float


@dataclass
class Known:
    """What happened to a case or hold so far, as far as we took part in it."""

    owner: str  # when it was first seen: an approval stays with that role
    done: int = 0
    refused: dict[str, int] = field(default_factory=dict)


# --- what they decide (pure) ----------------------------------------------------------------


def intentions(case: Json, seed: int) -> list[str]:
    """The actions that a person would take one after another while the case stays open."""
    dice, kind = Random(f"{seed}:{case['id']}"), case["kind"]
    draw = dice.random()
    if kind == "cost_approval":
        return ["approve"] if draw < 0.88 else ["reject"]
    if kind in SEEN_ONLY:
        return ["ack"]
    if kind == "unconfirmed":
        return ["retry"] * 3 + ["resolve"]  # told to the shop by hand
    if kind in PLATFORM:
        return ["retry"] * 5
    if kind in ("label_refused", "carrier_outage"):
        return ["retry", "reroute", "retry"] if draw < 0.6 else ["reroute", "retry"]
    if kind in ("shipment_lost", "returned_to_sender"):
        return ["reroute"] if draw < 0.5 else ["cancel"] if draw < 0.85 else ["resolve"]
    if kind == "refund_by_hand":
        return ["resolve"]
    if kind.startswith("inventory_"):
        return ["correct", "keep"]
    if kind == "return_waits":
        return ["ack"]
    if kind.startswith("return_"):
        if "recover" in case["actions"] and draw > 0.3:
            return ["recover"]
        return ["approve"] if draw < 0.6 else ["reject"]
    if kind == "out_of_stock":
        return ["ship_partial", "cancel"] if draw < 0.6 else ["cancel"]
    if kind == "capture_failed":
        return ["retry", "cancel" if "cancel" in case["actions"] else "resolve"]
    if kind == "compensation_refused":
        return ["retry", "retry", "resolve"]
    if kind == "refund_due":
        return ["approve"] if draw < 0.9 else ["resolve"]
    if kind == "refund_failed":
        return ["retry"]
    if kind == "recovery_failed":
        return ["retry"] * 3 + ["resolve" if draw < 0.5 else "cancel"]
    if kind == "hold_overdue":
        # to resolve it releases the hold; who has not paid or cannot be reached stays held
        risky = str(case.get("because", "")).startswith("high_risk")
        return ["resolve"] if risky and draw < 0.5 else ["cancel"]
    return ["retry", "resolve"]


def choose_for_case(case: Json, known: Known, seed: int) -> Deed | None:
    """The next thing to do with a case; None leaves it alone."""
    wanted = intentions(case, seed)[known.done :]
    action = next(
        (
            a
            for a in wanted
            if a in case["actions"] and known.refused.get(a, 0) < REFUSALS
            and not (a == "ack" and case.get("status") == "acknowledged")
        ),
        None,
    )  # fmt: skip
    if action is None:
        return None
    kind = case["kind"]
    user = USER_OF.get(known.owner, "pat")
    if kind == "cost_approval":
        # the role that was asked first decides; a refusal says that it was the other one
        other = "riley" if user == "dana" else "dana"
        user = other if known.refused.get(action, 0) % 2 else user
    else:
        user = "pat" if kind in PLATFORM else WORKED_BY.get(kind, user)
    dice = Random(f"{seed}:{case['id']}:{known.done}")
    hours = dice.uniform(0.3, 3.0) * (1 + known.done)
    comment = f"{kind}: {action} (played)"
    verb = action.replace("_", "-")
    return Deed(
        action, ("exception", verb, case["id"], "--as", user, "--comment", comment), hours
    )  # fmt: skip


def choose_for_hold(hold: Json, known: Known, seed: int) -> Deed | None:
    """What to do with a hold; None leaves it to its deadline, to stock, or to somebody else."""
    dice = Random(f"{seed}:{hold['id']}")
    draw, hours, reason = dice.random(), dice.uniform(0.5, 4.0), hold["reason"]
    if known.done:
        return None
    if reason == "incorrect_address" and draw < 0.5:
        deed = Deed(
            "set-address",
            ("order", "set-address", hold["order_id"], "--as", "casey", *GOOD_ADDRESS),
            hours,
        )
    else:
        likely, user = {
            "awaiting_payment": (0.85, "dana"),
            "high_risk_of_fraud": (0.5, "riley"),
            "manual": (1.0, "riley"),
        }.get(reason, (0.0, ""))
        if draw >= likely:
            return None
        arguments = ("hold", "release", hold["id"], "--as", user, "--comment", "played")
        deed = Deed("release", arguments, hours * (3 if reason == "manual" else 1))
    return deed if known.refused.get(deed.action, 0) < REFUSALS else None


# --- how they work --------------------------------------------------------------------------


class People:
    """The approvers at their queue.

    Args:
        run: gives a command to Meshline; returns exit code and output.
        leave: so many orders that wait for a person are left alone.
        rate: business seconds per wall second.
    """

    def __init__(self, run: Run, leave: int, seed: int, rate: float) -> None:
        self._run, self._leave, self._seed, self._rate = run, leave, seed, rate
        self._known: dict[str, Known] = {}
        self._due: dict[str, tuple[float, Deed]] = {}
        self.left: set[str] = set()  # orders or cases that are somebody else's
        self._said = {False: "", True: ""}  # by the lists, the last time

    def look(self, holds: bool, now: float) -> bool:
        """One list call; plans what is new in it, forgets what is over.

        Returns whether to stay alert: it says something new, or no exception is open (then a
        demo takes a few quiet seconds for its end, and a hold must be seen before that).
        """
        what = "hold" if holds else "exception"
        code, text = self._run([what, "list", "--json"])
        try:
            rows: list[Json] = json.loads(text) if code == 0 else []
        except ValueError:
            code = 1
        if code:
            _tell(failed=f"{what} list", code=code, said=text[-300:])
            return True
        news, self._said[holds] = text != self._said[holds], text
        listed = {row["id"] for row in rows}
        for key in [k for k, (_at, deed) in self._due.items() if _list_of(deed) == what]:
            if key not in listed:
                del self._due[key]
        for row in rows:
            self._plan(row, holds, now)
        return news or not (rows or holds)

    def _plan(self, row: Json, hold: bool, now: float) -> None:
        key = row["id"]
        known = self._known.setdefault(key, Known(owner=row["owner"]))
        order = row.get("order_id") or key  # what is left goes on: a hold becomes overdue
        if order in self.left or key in self._due:
            return
        deed = (choose_for_hold if hold else choose_for_case)(row, known, self._seed)
        if deed is None:
            return
        if len(self.left) < self._leave and deed.action != "ack":
            self.left.add(order)
            print(json.dumps({"left": key}), flush=True)
            return
        self._due[key] = (now + deed.hours * 3600 / self._rate, deed)

    def act(self, now: float, stopped: Callable[[], bool]) -> int:
        """Do what is due, the longest due first, a few at a time. Returns how many."""
        ripe = sorted((at, key) for key, (at, _deed) in self._due.items() if at <= now)[:AT_ONCE]
        commands: dict[tuple[str, ...], list[str]] = {}
        for number, (_at, key) in enumerate(ripe):
            _, deed = self._due[key]
            # one command takes several exceptions that are decided alike
            alike = _list_of(deed) == "exception"
            words = _without_subject(deed) if alike else (str(number),)
            commands.setdefault(words, []).append(key)
        done = 0
        for keys in commands.values():
            if stopped():
                return done
            self._do(keys)
            done += len(keys)
        return done

    def _do(self, keys: list[str]) -> None:
        deeds = [self._due.pop(key)[1] for key in keys]
        arguments = deeds[0].arguments
        if _list_of(deeds[0]) == "exception":
            arguments = (*arguments[:2], *keys, *arguments[3:], "--json")
        code, text = self._run(arguments)
        refused = _refused(text) if code else {}
        for key, deed in zip(keys, deeds, strict=True):
            known = self._known[key]
            failed = refused.get(key, bool(code) and not refused)
            if failed:
                known.refused[deed.action] = known.refused.get(deed.action, 0) + 1
            else:
                known.done += 1
            _tell(subject=key, action=deed.action, code=int(failed), said=text.strip()[-200:])


def _without_subject(deed: Deed) -> tuple[str, ...]:
    return (*deed.arguments[:2], *deed.arguments[3:])


def _refused(text: str) -> dict[str, bool]:
    """By exception: whether it was refused. Empty when the command failed as a whole."""
    try:
        return {answer["id"]: not answer["done"] for answer in json.loads(text)}
    except (ValueError, TypeError, KeyError):
        return {}


def _list_of(deed: Deed) -> str:
    """Which list a deed's subject stands in."""
    return "exception" if deed.arguments[0] == "exception" else "hold"


def _tell(**facts: Any) -> None:
    print(json.dumps(facts), file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m simulators.people",
        description="Plays the approvers through Meshline's command line.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--program", type=Path, required=True, help="Meshline's entry, for example starter.py")
    add("--preload", action="append", default=[], help="a module that its commands need")
    add("--leave", type=int, default=0, help="so many waiting orders are left to you")
    add("--returns", type=int, default=0, help="so many customers send something back")
    add("--shop", default="", help="address of the shop whose customers send something back")
    add("--seed", type=int, default=1, help="decides who decides how, and when")
    add("--clock-rate", type=float, default=1.0, help="business seconds per wall second")
    add("--stop-file", type=Path, default=None, help="ends when this file appears")
    options = parser.parse_args(arguments)
    if options.returns and not options.shop:
        parser.error("--returns wants --shop URL: half of the customers ask there")
    if options.clock_rate <= 0:
        parser.error("--clock-rate must be over 0")
    if not options.program.is_file():
        parser.error(f"--program: {options.program} does not exist. Give the path of starter.py")
    ended: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda n, _frame: ended.append(n))
    parent = os.getppid()

    def stopped() -> bool:
        asked = options.stop_file is not None and options.stop_file.exists()
        return bool(ended) or asked or os.getppid() != parent

    run = terminal(options.program, options.preload)
    people = People(run, options.leave, options.seed, options.clock_rate)
    customers = Customers(run, options.seed, options.clock_rate, people.left)
    threads = [customers.live_in_background(stopped)]
    if options.returns:
        shop = Shop(options.shop)
        returners = Returners(run, shop, options.seed, options.clock_rate, options.returns)
        threads.append(returners.live_in_background(stopped))
    holds, same = False, 0
    while not stopped():
        began = time.monotonic()
        if same < LISTS:
            same = 0 if people.look(holds, began) else same + 1
            holds = not holds
        else:  # neither list had news: one round's rest
            same = 0
        while not stopped():
            now = time.monotonic()
            if people.act(now, stopped):
                same = 0
                break
            if now - began >= EVERY_SECONDS:
                break
            time.sleep(0.1)
        while not stopped() and time.monotonic() - began < EVERY_SECONDS:
            time.sleep(0.1)
    for thread in threads:
        thread.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
