"""What people do about refunds before a workflow has them: give one for goodwill."""

from __future__ import annotations

from activities.deeds import Deeds
from domain.base import InvalidInput, Problem
from domain.order import Role
from domain.refunds import RefundMethod, RefundSum
from domain.units import to_major
from store import disputes, orders, refunds

MAY: tuple[Role, ...] = ("customer_care", "finance", "revenue_ops")


class RefundDesk(Deeds):
    """What people do about refunds."""

    def give(self, order_id: str, amount_minor: int, comment: str, *, credit: bool = False) -> str:
        """Want an amount given back for goodwill; its refund's ID. The refund policy says who has
        to agree, and a workflow of its own pays it.

        Args:
            comment: why; it is shown to who agrees.
            credit: as store credit.

        Raises:
            InvalidInput: the user holds none of the roles ``MAY``, nothing is said of why, or the
                amount is not more than 0 and at most what the order has left.
            LookupError: there is no such order.
        """
        if not set(MAY) & set(self._network.roles_of(self._user)):
            raise self._wrong("--as", f"{self._user} holds none of the roles {', '.join(MAY)}")
        if not comment.strip():
            raise self._wrong("--comment", "is empty: say why, who agrees will read it")
        with self._db.write() as connection:
            head = orders.row(connection, order_id, lock=True)
            left = (
                refunds.taken_minor(connection, order_id)
                - refunds.promised_minor(connection, order_id)
                - disputes.taken_back_minor(connection, order_id)
            )
            if not 0 < amount_minor <= left:
                most = to_major(max(0, left), head.currency)
                raise self._wrong("AMOUNT", f"has to be over 0 and at most {most} {head.currency}")
            paid = orders.payment(connection, order_id)
            method: RefundMethod = "store_credit" if credit else "payment" if paid else "by_hand"
            refund_id = refunds.ask(
                connection, order_id, "goodwill", RefundSum(other_minor=amount_minor),
                head.currency, "", comment, self._at, held=False, method=method,
                requester=self._user, comment=comment,
            )  # fmt: skip
            self._audit.append(
                connection, order_id, self._at, self._user, "refund_wanted",
                refund=refund_id, amount_minor=amount_minor, method=method, comment=comment,
            )  # fmt: skip
        return refund_id

    @staticmethod
    def _wrong(field: str, reason: str) -> InvalidInput:
        remedy = "See `meshline refund give --help`"
        return InvalidInput(Problem(source="refund", field=field, reason=reason, remedy=remedy))
