"""Money back: asked, agreed to where policy wants it, paid, and followed until it is there."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.contracts import Activity, m
    from domain.cases import CaseAction
    from domain.decision import RefundCause
    from domain.refunds import (
        EndRefund,
        GiveBack,
        PayRefund,
        RefundAsked,
        RefundPaid,
        RefundRequest,
    )

from workflows.desk import Desk
from workflows.review import GivenUp, OpenCase, Review

LOOK_AGAIN = timedelta(hours=6)  # at what a bank has not settled yet


class Refunds:
    """Pays back what an order no longer owes."""

    def __init__(self, desk: Desk, review: Review) -> None:
        self._desk = desk
        self._review = review

    async def pay_back(
        self, cause: RefundCause, payment: m.Endpoint | None, fulfillment_id: str = ""
    ) -> None:
        """From what is owed to money that is back, or to a person who says that it is not.

        Args:
            fulfillment_id: only for what was sent with it.
        """
        about = "/".join(x for x in (cause, fulfillment_id) if x)
        asked = await self._desk.store(
            Activity.ASK_REFUND,
            RefundRequest(
                **self._desk.fresh(Activity.ASK_REFUND, about=about),
                cause=cause,
                fulfillment_id=fulfillment_id,
            ),
            RefundAsked,
            f"refund: {cause}",
        )
        await self.carry_out(asked, payment)

    async def carry_out(self, asked: RefundAsked, payment: m.Endpoint | None) -> None:
        """A refund that is asked for, by the way it is given back; nothing where none is."""
        if not asked.refund_id:
            return
        self._desk.last_decision = f"refund {asked.amount_minor}: {asked.because}"
        if asked.approver is not None and not await self._agreed(asked):
            return
        if asked.method == "exchange":
            await self._give_back(Activity.OPEN_EXCHANGE, asked)
        elif asked.method == "payment" and payment is not None:
            await self._pay(asked, payment)
        else:
            await self._by_hand(asked)

    async def _agreed(self, asked: RefundAsked) -> bool:
        action, entry = await self._review.ask(
            "refund_due",
            asked.because,
            or_until=lambda: False,
            owner=asked.approver,
            needs_approval=True,
            requester=asked.requester,
            shown=_shown(asked),
        )
        if action != CaseAction.APPROVE:
            await self._end(asked, f"{action}")
        await self._review.close(entry, f"{action}")
        return action == CaseAction.APPROVE

    async def _pay(self, asked: RefundAsked, payment: m.Endpoint) -> None:
        """Ask the bank until the money is back, or a person has seen to it."""
        entry: OpenCase | None = None
        while True:
            try:
                paid = await self._review.insist(
                    lambda: self._ask_bank(asked, payment),
                    "refund",
                    kind="refund_failed",
                    shown=_shown(asked),
                )
            except GivenUp as given_up:
                await self._end(asked, f"given up: {given_up.action}")
                return
            if paid.status == "settled":
                break
            if paid.status == "pending":
                later = self._desk.now() + LOOK_AGAIN
                await self._desk.until(lambda: False, later, "refund at the bank", "finance")
                continue
            action, entry = await self._review.ask(
                "refund_failed",
                f"the bank could not pay back {asked.amount_minor} {asked.currency}",
                or_until=lambda: False,
                entry=entry,
                shown=_shown(asked),
            )
            if action != CaseAction.RETRY:
                await self._end(asked, f"{action}")
                await self._review.close(entry, f"{action}")
                return
        if entry is not None:
            await self._review.close(entry, "paid back")

    async def _by_hand(self, asked: RefundAsked) -> None:
        """Not ours to pay: a person does it in the shop, and says so."""
        what = "store credit" if asked.method == "store_credit" else "the payment"
        action, entry = await self._review.ask(
            "refund_by_hand",
            f"give back {asked.amount_minor} {asked.currency} as {what} in the shop",
            or_until=lambda: False,
            shown=_shown(asked),
        )
        by = entry.resolution
        if action == CaseAction.RESOLVE and by is not None:
            await self._give_back(Activity.GIVE_BACK_BY_HAND, asked, by.user, by.comment)
        else:
            await self._end(asked, f"{action}")
        await self._review.close(entry, f"{action}")

    async def _give_back(
        self, name: str, asked: RefundAsked, user: str = "system", proof: str = ""
    ) -> None:
        request = GiveBack(
            **self._desk.fresh(name, asked.refund_id),
            refund_id=asked.refund_id,
            user=user,
            proof=proof,
        )
        await self._desk.store(name, request, m.Audited, f"{asked.method}: {asked.amount_minor}")

    async def _ask_bank(self, asked: RefundAsked, payment: m.Endpoint) -> RefundPaid:
        return await self._desk.vendor(
            Activity.PAY_REFUND,
            PayRefund(
                **self._desk.fresh(Activity.PAY_REFUND, asked.refund_id),
                connector=payment.connector,
                refund_id=asked.refund_id,
            ),
            RefundPaid,
            payment.queue,
            f"refund {asked.amount_minor} {asked.currency}",
        )

    async def _end(self, asked: RefundAsked, reason: str) -> None:
        await self._desk.store(
            Activity.END_REFUND,
            EndRefund(
                **self._desk.fresh(Activity.END_REFUND, asked.refund_id),
                refund_id=asked.refund_id,
                reason=reason,
            ),
            m.Audited,
            f"no refund: {reason}",
        )


def _shown(asked: RefundAsked) -> dict[str, str]:
    return {
        "refund": asked.refund_id,
        "amount_minor": str(asked.amount_minor),
        "currency": asked.currency,
        "method": asked.method,
    }
