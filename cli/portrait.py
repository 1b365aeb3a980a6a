"""What a demo looks like while it runs, and what it came to."""

from __future__ import annotations

import json
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection, func, select

from activities.retries import SETTING
from cli.session import Session, table
from domain.cases import ExceptionCase
from domain.returns import ENDED as RETURN_ENDED
from store import cases, catalog
from store import tables as t

MAY_PASS = {"pick_delayed", "pick_short", "handover_delayed", "delivery_delayed", "node_rejected"}
ENDED = ("completed", "cancelled", "rejected")
_STYLE = {"completed": "green", "processing": "cyan", "cancelled": "yellow", "rejected": "red"}


class Portrait:
    """Counts of the store, read again and again.

    Attributes:
        settled_for: seconds for which nothing moved and everything open waits for people.
        working: seconds between the first and the last change.
    """

    def __init__(self, session: Session, exports: Path, began: float, said: list[str]) -> None:
        self._s = session
        self._said = said
        self._began = began
        oms = exports / "oms_orders.json"
        self._expected_oms = len(json.loads(oms.read_text())) if oms.exists() else 0
        self.counts: dict[str, int] = {}
        self.timed_out = False
        self.settled_for = 0.0
        self.working = 0.1
        self._state: tuple[Any, ...] = ()
        self._changed = monotonic()
        self._printed = 0.0
        self._at_rest_since = inf

    def look(self) -> None:
        """Read the store once."""
        with self._s.db.read() as connection:
            by_status = connection.execute(
                select(t.orders.c.status, func.count()).group_by(t.orders.c.status)
            )
            self.counts = {str(status): int(n) for status, n in by_status}
            self.counts["cases"] = len(cases.live(connection))
            self.counts["holds"] = len(cases.live_holds(connection))
            self.counts["events"] = _count(connection, t.events)
            self.counts["oms"] = _count(connection, t.orders, t.orders.c.source != "shopify")
            self.counts["returns"] = _count(connection, t.returns)
            self.counts["returns over"] = _count(
                connection, t.returns, t.returns.c.state.in_(RETURN_ENDED)
            )
            waiting = self._waiting(connection) + _returns_moving(connection)
            pending = _count(connection, t.inbox, t.inbox.c.signal_pending.is_(True))
        state = (tuple(sorted(self.counts.items())), pending)
        now = monotonic()
        if state != self._state:
            self._state, self._changed = state, now
            self.working = max(0.1, now - self._began)
        at_rest = not waiting and not pending and self.counts["oms"] >= self._expected_oms
        open_cases = self.counts["cases"]
        # with cases open, people and timers still move things: give them longer
        patience = 1.0 if not open_cases else 4.0
        self._at_rest_since = min(self._at_rest_since, now) if at_rest else inf
        quiet = (now - self._changed) / patience if at_rest else 0.0
        # windows that pass while everything waits for people change nothing that matters
        self.settled_for = max(quiet, (now - self._at_rest_since) / 5)

    def _waiting(self, connection: Connection) -> int:
        """Orders that have not ended and wait for no person."""
        held = select(t.holds.c.order_id).where(t.holds.c.status == "active")
        asked = select(t.exceptions.c.order_id).where(t.exceptions.c.ended_at.is_(None))
        return _count(
            connection,
            t.orders,
            t.orders.c.status.not_in(ENDED),
            t.orders.c.id.not_in(held),
            t.orders.c.id.not_in(asked),
        )

    # --- drawing ----------------------------------------------------------------------------

    def draw(self) -> Group:
        """Bars by status, open cases and the pace."""
        total = max(
            1, sum(self.counts.get(s, 0) for s in ("received", "accepted", "processing", *ENDED))
        )
        grid = Table.grid(padding=(0, 2))
        for status in ("received", "accepted", "processing", *ENDED):
            n = self.counts.get(status, 0)
            bar = Text("█" * round(40 * n / total), style=_STYLE.get(status, "white"))
            grid.add_row(status, str(n), bar)
        return Group(grid, Text(self._tail(), style="dim"))

    def line(self) -> str:
        """The same in one line, for a log."""
        parts = [
            f"{s} {self.counts[s]}"
            for s in ("received", "accepted", "processing", *ENDED)
            if self.counts.get(s)
        ]
        return f"{monotonic() - self._began:5.0f} s  {', '.join(parts)}; {self._tail()}"

    def changed_much(self) -> bool:
        """Whether a log line is due: every five seconds."""
        if monotonic() - self._printed < 5:
            return False
        self._printed = monotonic()
        return True

    def _tail(self) -> str:
        done = sum(self.counts.get(s, 0) for s in ENDED)
        pace = done / max(0.1, monotonic() - self._began)
        clock = self._s.now()
        return (
            f"{self.counts['cases']} exceptions open, {self.counts['holds']} held, "
            f"{self.counts['returns over']} of {self.counts['returns']} returns over, "
            f"{pace:.1f} orders/s, it is {clock:%a %d %b %H:%M}"
        )

    # --- afterwards -------------------------------------------------------------------------

    def retries(self) -> int:
        """Network attempts beyond the first, as the worker counted them."""
        with self._s.db.read() as connection:
            return int(catalog.setting(connection, SETTING) or 0)

    def interesting(self) -> list[tuple[str, str]]:
        """The three orders with the most to see, and what each shows."""
        with self._s.db.read() as connection:
            most = connection.execute(
                select(
                    t.exceptions.c.order_id, func.count().label("n"), func.max(t.exceptions.c.kind)
                )
                .group_by(t.exceptions.c.order_id)
                .order_by(func.count().desc(), t.exceptions.c.order_id)
                .limit(2)
            ).all()
            split = connection.execute(
                select(t.fulfillments.c.order_id, func.count().label("n"))
                .group_by(t.fulfillments.c.order_id)
                .order_by(func.count().desc(), t.fulfillments.c.order_id)
                .limit(3)
            ).all()
        found = {str(r[0]): f"{r[1]} exceptions, {r[2]}" for r in most}
        for r in split:
            if len(found) < 3:
                found.setdefault(str(r[0]), f"{r[1]} fulfillment orders")
        return list(found.items())

    def for_the_person(self, most: int) -> list[str]:
        """Commands that decide what was left open."""
        owners = {role: u.name for u in self._s.network.users for role in u.roles}
        waiting: list[str] = []
        passing: list[str] = []
        with self._s.db.read() as connection:
            for row in cases.live(connection):
                case = ExceptionCase.model_validate_json(row.body)
                action = next((a for a in case.actions if a != "ack"), case.actions[0])
                verb, user = action.replace("_", "-"), owners.get(row.owner, "pat")
                into = passing if case.kind in MAY_PASS else waiting
                into.append(f"meshline exception {verb} {row.id} --as {user}")
            for row in cases.live_holds(connection):
                user = owners.get(row.owner, "pat")
                waiting.append(f"meshline hold release {row.id} --as {user}")
        return [f".venv/bin/{c}" for c in [*waiting, *passing][:most]]


def _returns_moving(connection: Connection) -> int:
    """Returns that somebody or something moves: not those that a customer has not sent yet, or
    that wait for a person."""
    asked = select(t.exceptions.c.order_id).where(t.exceptions.c.ended_at.is_(None))
    return _count(
        connection,
        t.returns,
        t.returns.c.state.not_in((*RETURN_ENDED, "approved")),
        t.returns.c.id.not_in(asked),
    )


def _count(connection: Connection, of: Any, *where: Any) -> int:
    return int(connection.execute(select(func.count()).select_from(of).where(*where)).scalar_one())


def result_table(verdict: dict[str, Any]) -> Table:
    """The judged result."""
    shown = table("Result", "", "")
    for name, value in verdict.items():
        if name != "violations":
            shown.add_row(name.replace("_", " "), str(value))
    wrong = verdict["violations"]
    shown.add_row("violations", "[green]none[/]" if not wrong else f"[red]{len(wrong)}[/]")
    for text in wrong[:20]:
        shown.add_row("", f"[red]{text}[/]")
    return shown
