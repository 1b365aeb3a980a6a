"""What people do about returns before a workflow has them: ask for one."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from activities.deeds import Deeds
from domain.base import InvalidInput, Problem
from domain.order import Role
from domain.returns import ReturnWish
from store import catalog, returns

MAY: tuple[Role, ...] = ("customer_care", "fulfillment_ops", "revenue_ops", "platform")


class ReturnDesk(Deeds):
    """What people do about returns."""

    def ask(self, wishes: Sequence[ReturnWish]) -> list[str]:
        """Take wishes in, all or none; the IDs of their returns. Each gets a workflow of its own.

        Raises:
            InvalidInput: naming each wish and its field: the user holds none of the roles
                ``MAY``, there is no such order, a line is not the order's or has fewer units
                outside, or an item that is to be sent instead is unknown.
        """
        if not set(MAY) & set(self._network.roles_of(self._user)):
            raise InvalidInput(
                Problem(
                    source=f"user {self._user}",
                    field="--as",
                    reason=f"holds none of the roles {', '.join(MAY)}",
                    remedy="Ask somebody who does, or change the users of the network file",
                )
            )
        problems: list[Problem] = []
        found: list[str] = []
        with self._db.write() as connection:
            for wish in wishes:
                try:
                    found.append(self._ask(connection, wish))
                except InvalidInput as wrong:
                    problems += wrong.problems
            if problems:
                raise InvalidInput(*problems)  # and nothing of it is written
        return found

    def _ask(self, connection: Connection, wish: ReturnWish) -> str:
        wanted = {x.instead for x in wish.lines if x.instead}
        unknown = wanted - catalog.get_items(connection, wanted).keys()
        if unknown:
            raise InvalidInput(
                Problem(
                    source=wish.order_id,
                    field="instead",
                    reason=f"{', '.join(sorted(unknown))} is not in the item master",
                    remedy="Import it with `meshline catalog import`, or correct the SKU",
                )
            )
        node = self._network.returns.node or returns.shipped_from(connection, wish.order_id)
        asked = wish.model_copy(update={"requester": self._user})
        return_id = returns.ask(connection, asked, node, self._at)
        self._audit.append(
            connection, return_id, self._at, self._user, "return_request",
            order=wish.order_id, lines=[x.model_dump() for x in wish.lines], wish=wish.wish,
            comment=wish.comment,
        )  # fmt: skip
        return return_id
