"""Money taken back: charged to the card that it was paid with, or a person sees to it."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.contracts import Activity, m
    from domain.cases import CaseAction
    from domain.recoveries import (
        AskRecovery,
        ChargeAgain,
        EndRecovery,
        Recovered,
        RecoveryAsked,
    )

from workflows.desk import Desk
from workflows.refunds import LOOK_AGAIN
from workflows.review import GivenUp, OpenCase, Review


class Recoveries:
    """Takes back what was paid for goods that did not pass."""

    def __init__(self, desk: Desk, review: Review) -> None:
        self._desk = desk
        self._review = review

    async def take_back(self, payment: m.Endpoint, user: str) -> None:
        """From what was paid too much to money that is back, or to a person who lets it go."""
        asked = await self._desk.store(
            Activity.ASK_RECOVERY,
            AskRecovery(**self._desk.fresh(Activity.ASK_RECOVERY), user=user),
            RecoveryAsked,
            "what was paid too much",
        )
        if not asked.recovery_id:
            return
        entry: OpenCase | None = None
        while True:
            try:
                found = await self._review.insist(
                    lambda: self._charge(asked, payment),
                    "charge again",
                    kind="recovery_failed",
                    shown=_shown(asked),
                )
            except GivenUp as given_up:
                await self._end(asked, given_up.action, given_up.by)
                return
            if found.status == "settled":
                break
            if found.status == "pending":
                later = self._desk.now() + LOOK_AGAIN
                await self._desk.until(lambda: False, later, "charge at the bank", "finance")
                continue
            action, entry = await self._review.ask(
                "recovery_failed",
                f"the card could not be charged {asked.amount_minor} {asked.currency} again: "
                f"{found.reason or 'declined'}",
                or_until=lambda: False,
                entry=entry,
                shown=_shown(asked),
            )
            if action != CaseAction.RETRY:
                await self._end(asked, action, entry.resolution)
                await self._review.close(entry, f"{action}")
                return
        if entry is not None:
            await self._review.close(entry, "taken back")

    async def _charge(self, asked: RecoveryAsked, payment: m.Endpoint) -> Recovered:
        return await self._desk.vendor(
            Activity.CHARGE_AGAIN,
            ChargeAgain(
                **self._desk.fresh(Activity.CHARGE_AGAIN, asked.recovery_id),
                connector=payment.connector,
                recovery_id=asked.recovery_id,
            ),
            Recovered,
            payment.queue,
            f"charge {asked.amount_minor} {asked.currency} again",
        )

    async def _end(
        self, asked: RecoveryAsked, action: CaseAction | None, by: m.Resolution | None
    ) -> None:
        """A person has the money otherwise, or lets it go."""
        request = EndRecovery(
            **self._desk.fresh(Activity.END_RECOVERY, asked.recovery_id),
            recovery_id=asked.recovery_id,
            settled=action == CaseAction.RESOLVE,
            user=by.user if by else "system",
            proof=by.comment if by else "",
        )
        await self._desk.store(Activity.END_RECOVERY, request, m.Audited, "no further charge")


def _shown(asked: RecoveryAsked) -> dict[str, str]:
    return {
        "recovery": asked.recovery_id,
        "amount_minor": str(asked.amount_minor),
        "currency": asked.currency,
    }
