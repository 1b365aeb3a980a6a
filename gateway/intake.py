"""What vendors bring, committed whole: orders, observations, problems, cursor."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection

from activities.context import Context
from activities.intake import Intake
from connectors.ports import Inbound
from domain.base import InvalidInput, Problem
from domain.clock import BusinessClock
from domain.fulfillment import Fact, Observation
from domain.returns import ENDED, ReturnWish
from store import catalog, circuits, disputes, inbox, returns


class Door:
    """The one way of vendors' news into the store."""

    def __init__(self, context: Context, clock: BusinessClock) -> None:
        self._c = context
        self._clock = clock
        self._intake = Intake(context.network, context.vault)

    def now(self) -> datetime:
        """Business time."""
        return self._clock.at(datetime.now(UTC))

    def commit(self, connector: str, news: Inbound, *, keep_cursor: bool = False) -> int:
        """Write one delivery or poll in one transaction. Returns how much of it was new."""
        at = self.now()

        def write(connection: Connection) -> int:
            new = sum(inbox.receive(connection, seen, at) for seen in news.observations)
            new += sum(self._intake.take(connection, order, at) for order in news.orders)
            new += sum(
                circuits.note_status(connection, x.carrier, x.state, x.text, at)
                for x in news.statuses
            )
            new += sum(
                disputes.take(connection, connector, found, "webhook", at)
                for found in news.disputes
            )
            new += sum(self._take_back(connection, wish, at) for wish in news.returns)
            new += sum(self._call_off(connection, connector, x, at) for x in news.returns_off)
            for problem in news.problems:
                catalog.note_problem(connection, problem, at)
            if news.cursor is not None and not keep_cursor:
                catalog.set_cursor(connection, connector, news.cursor)
            return new

        said = (
            news.observations, news.orders, news.returns, news.returns_off, news.statuses,
            news.disputes, news.problems,
        )  # fmt: skip
        if not any(said) and news.cursor is None:
            return 0
        with self._c.db.write() as connection:
            return write(connection)

    def _take_back(self, connection: Connection, wish: ReturnWish, at: datetime) -> bool:
        """A return that a customer asks for in the shop; one that cannot be is a problem for
        platform, and stays the shop's."""
        if wish.external_id and returns.by_external(connection, wish.source, wish.external_id):
            return False
        node = self._c.network.returns.node or returns.shipped_from(connection, wish.order_id)
        try:
            returns.ask(connection, wish, node, at)
        except (InvalidInput, LookupError) as refused:
            for problem in getattr(refused, "problems", ()) or [_unknown(wish, refused)]:
                catalog.note_problem(connection, problem, at)
            return False
        return True

    def _call_off(
        self, connection: Connection, connector: str, external_id: str, at: datetime
    ) -> bool:
        """A return is cancelled in the shop: its workflow hears of it, unless it has ended."""
        known = returns.by_external(connection, connector, external_id)
        if known is None or known.state in ENDED:
            return False
        seen = Observation(
            event_id=f"{external_id}:{Fact.CANCELLED}", connector=connector, kind="return",
            external_id=external_id, reference=f"{known.id}/shop", fact=Fact.CANCELLED, at=at,
        )  # fmt: skip
        return inbox.receive(connection, seen, at)

    def cursor(self, connector: str) -> str:
        """Where this connector's poll goes on."""
        with self._c.db.read() as connection:
            return catalog.cursor(connection, connector)


def _unknown(wish: ReturnWish, why: Exception) -> Problem:
    return Problem(
        source=f"{wish.source} return {wish.external_id}", field="order_id", reason=str(why)[:300],
        remedy="Look the order up in the shop; ask for the return by hand once it is here",
    )  # fmt: skip
