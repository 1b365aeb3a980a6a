"""What was paid early for goods that did not pass: what is taken back, and how that ended."""

from __future__ import annotations

from sqlalchemy import Connection
from temporalio import activity

from activities.context import Context
from activities.contracts import Activity, m
from domain.recoveries import AskRecovery, EndRecovery, RecoveryAsked
from store import orders, recoveries, returns


class Recovering:
    """Local activities around recoveries; the payment provider's is in outward.py.

    ``order_id`` of their requests is the return's ID.
    """

    def __init__(self, context: Context) -> None:
        self._c = context

    @activity.defn(name=Activity.ASK_RECOVERY)
    def ask(self, request: AskRecovery) -> RecoveryAsked:
        """Record what is to be taken back of a return."""

        def step(connection: Connection) -> RecoveryAsked:
            row = returns.get(connection, request.order_id)
            currency = orders.row(connection, row.order_id).currency
            asked = recoveries.ask(connection, row, currency, request.user, request.at)
            if asked is None:
                return RecoveryAsked()
            return RecoveryAsked(
                recovery_id=asked.id, amount_minor=asked.amount_minor, currency=asked.currency
            )

        return self._c.db.once(request.key, RecoveryAsked, step)

    @activity.defn(name=Activity.END_RECOVERY)
    def end(self, request: EndRecovery) -> m.Audited:
        """A person has got the money otherwise, or lets it go."""

        def step(connection: Connection) -> m.Audited:
            of, user, at = request.recovery_id, request.user, request.at
            if request.settled:
                recoveries.settle(connection, of, request.proof or f"by {user}", user, at)
            else:
                recoveries.write_off(connection, of, user, request.proof, at)
            return m.Audited()

        return self._c.db.once(request.key, m.Audited, step)
