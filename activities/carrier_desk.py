"""What people do with carriers: switch one off, everywhere or from one node, and on again.

It counts for the next decision and for the next label. The workflow that watches the carrier hears
of it and moves what has not left to others, as if it had found out by itself.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from activities.deeds import Deeds
from domain.base import InvalidInput, Problem
from domain.circuits import EVERYWHERE, Circuit, closed
from domain.order import Role
from store import circuits, events

MAY: tuple[Role, ...] = ("fulfillment_ops", "platform")


class NotAllowed(Exception):  # noqa: N818 - says why a person may not
    """The person may not do this. Nothing was changed."""


class CarrierDesk(Deeds):
    """What people do about carriers."""

    def disable(self, carrier: str, node: str, until: datetime | None, because: str) -> None:
        """Switch a carrier off.

        Args:
            node: only for what ships from there; empty for everything.
            until: when it is on again by itself; None until somebody says so.

        Raises:
            NotAllowed: the user holds none of the roles ``MAY``.
            InvalidInput: there is no such carrier or node, or the time is over.
        """
        self._check(carrier, node)
        if until is not None and until <= self._at:
            raise _wrong("--hours", "is over already", "Name a time to come")
        with self._db.write() as connection:
            circuit = Circuit(
                node=node, state="open", since=self._at, until=until, because=because,
                user=self._user,
            )  # fmt: skip
            circuits.put(connection, carrier, circuit)
            self._told(connection, "carrier.degraded", carrier, node, because)

    def enable(self, carrier: str, node: str, because: str) -> bool:
        """Switch it on again. Returns whether it was off; errors as of ``disable``."""
        self._check(carrier, node)
        with self._db.write() as connection:
            off = [c for c in circuits.of_carrier(connection, carrier) if c.node == node]
            was_off = any(c.in_force(self._at) for c in off)
            if was_off:
                circuits.put(connection, carrier, closed(off[0], self._at))
                circuits.forget_calls(connection, carrier, node)
                self._told(connection, "carrier.recovered", carrier, node, because)
        return was_off

    def _told(
        self, connection: Connection, event: str, carrier: str, node: str, because: str
    ) -> None:
        subject = f"carrier:{carrier}"
        self._audit.append(
            connection, subject, self._at, self._user, event, node=node, because=because
        )
        events.append(
            connection, subject, event, self._at, node=node, because=because, user=self._user,
        )  # fmt: skip

    def _check(self, carrier: str, node: str) -> None:
        if not set(self._network.roles_of(self._user)) & set(MAY):
            raise NotAllowed(f"{self._user} holds none of the roles {', '.join(MAY)}")
        known = sorted({service.carrier for service in self._network.services})
        if carrier not in known:
            said = f"{carrier!r} is no carrier of the network file"
            raise _wrong("CARRIER", said, f"Name one of {', '.join(known)}")
        nodes = [n.id for n in self._network.nodes]
        if node != EVERYWHERE and node not in nodes:
            said = f"{node!r} is no node of the network file"
            raise _wrong("--from", said, f"Name one of {', '.join(nodes)}")


def _wrong(field: str, reason: str, remedy: str) -> InvalidInput:
    return InvalidInput(Problem(source="carrier", field=field, reason=reason, remedy=remedy))
