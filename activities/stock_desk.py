"""What people do with stock: set units of it aside for a pool, and give them back to all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from activities.deeds import Deeds
from domain.base import Frozen, InvalidInput, Problem
from domain.order import Role
from store import events, inventory, pools

MAY: tuple[Role, ...] = ("revenue_ops", "fulfillment_ops", "platform")


class Allotment(Frozen):
    """Units of a SKU at a node that a pool is to have, those included that are reserved out of it.

    Attributes:
        source: where it was asked for, a row of a file for example.
    """

    sku: str
    node: str
    pool: str
    units: int
    source: str = "allotment"


class Allotted(Frozen):
    """An allotment, and how many units the pool had before."""

    wanted: Allotment
    before: int


class StockDesk(Deeds):
    """What people do with stock."""

    def allot(self, wanted: Sequence[Allotment]) -> list[Allotted]:
        """Let pools have what is wanted, all of it or nothing; said again it changes nothing.

        Units that one pool loses are there for another one of the same call.

        Raises:
            InvalidInput: naming each allotment and its field: the user holds none of the roles
                ``MAY``, there is no such node or pool, one is named twice, or the units are not
                free or reserved already.
        """
        problems = [*self._problems(wanted)]
        if problems:
            raise InvalidInput(*problems)
        with self._db.write() as connection:
            for sku, node in sorted({(x.sku, x.node) for x in wanted}):  # everywhere in one order
                inventory.lock(connection, sku, node)
            found = [Allotted(wanted=x, before=_before(connection, x)) for x in wanted]
            for each in sorted(found, key=lambda x: x.wanted.units - x.before):
                try:
                    self._allot(connection, each)
                except inventory.NotAllottable as refusal:
                    problems.append(
                        _wrong(each.wanted, "units", str(refusal), "Give another number")
                    )
            if problems:
                raise InvalidInput(*problems)
        return found

    def _allot(self, connection: Connection, asked: Allotted) -> None:
        wanted = asked.wanted
        sku, node, pool, units = wanted.sku, wanted.node, wanted.pool, wanted.units
        if not inventory.allot(connection, sku, node, pool, units, self._at):
            return
        event = "inventory.allotted"
        self._audit.append(
            connection, f"inventory:{node}/{sku}", self._at, self._user, event,
            pool=pool, units=units, before=asked.before,
        )  # fmt: skip
        events.append(
            connection, inventory.INVENTORY_STREAM, event, self._at,
            sku=sku, node=node, pool=pool, units=units, before=asked.before, user=self._user,
        )  # fmt: skip

    def _problems(self, wanted: Sequence[Allotment]) -> Iterable[Problem]:
        if not set(self._network.roles_of(self._user)) & set(MAY):
            yield Problem(
                source="allotment", field="--as", remedy="Ask somebody who does",
                reason=f"{self._user} holds none of the roles {', '.join(MAY)}",
            )  # fmt: skip
        nodes, known = [n.id for n in self._network.nodes], self._network.pools
        seen: set[tuple[str, str, str]] = set()
        for x in wanted:
            if x.node not in nodes:
                said = f"{x.node!r} is no node of the network file"
                yield _wrong(x, "node", said, f"Name one of {', '.join(nodes)}")
            if x.pool not in known and x.units:  # what an older file left can be given back
                named = f"Name one of {', '.join(known)}" if known else "Name pools there first"
                yield _wrong(x, "pool", f"{x.pool!r} is no pool of the network file", named)
            if (x.sku, x.node, x.pool) in seen:
                said = f"{x.pool} of {x.sku} at {x.node} stands twice"
                yield _wrong(x, "pool", said, "Leave one of them")
            seen.add((x.sku, x.node, x.pool))


def _before(connection: Connection, wanted: Allotment) -> int:
    share = pools.at(connection, wanted.sku, wanted.node).get(wanted.pool)
    return share.allotted if share else 0


def _wrong(wanted: Allotment, field: str, reason: str, remedy: str) -> Problem:
    return Problem(source=wanted.source, field=field, reason=reason, remedy=remedy)
