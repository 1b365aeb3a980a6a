"""Step 8's other half: confirm to the OMS and capture, beside the parcel's way."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.contracts import Activity, m
    from domain.cases import CaseAction

from workflows.desk import Desk
from workflows.review import GivenUp, OpenCase, Review


class Paperwork:
    """What the merchant's systems have to be told about an order, each once."""

    def __init__(self, desk: Desk, review: Review) -> None:
        self._desk = desk
        self._review = review
        self._confirmed: set[str] = set()
        self._capturing = False
        self.captured_minor = 0
        self._running = 0

    def confirm(self, ref: m.FulfillmentRef) -> None:
        """Confirm a shipment with its tracking, where the order has an OMS."""
        if self._desk.start.oms is None or ref.id in self._confirmed:
            return
        self._confirmed.add(ref.id)
        self._begin(self._confirm(ref, self._desk.start.oms))

    def capture(self) -> None:
        """Capture at the first hand-over, where the channel captures on ship."""
        if self._desk.start.payment is None or self._capturing:
            return
        self._capturing = True
        self._begin(self._capture(self._desk.start.payment))

    async def finish(self) -> None:
        """Wait until everything has been told."""
        await workflow.wait_condition(lambda: not self._running)

    async def tell_cancelled(self) -> None:
        """Tell the OMS that nothing will ship."""
        if self._desk.start.oms is not None:
            await cancel_at_shop(
                self._desk, self._review, self._desk.start.oms, Activity.CANCEL_AT_OMS
            )

    async def _confirm(self, ref: m.FulfillmentRef, oms: m.Endpoint) -> None:
        request = m.ConfirmRequest(
            **self._desk.fresh(Activity.CONFIRM, ref.id),
            connector=oms.connector,
            fulfillment_id=ref.id,
        )
        try:
            await self._review.insist(
                lambda: self._desk.vendor(
                    Activity.CONFIRM, request, m.Audited, oms.queue, "confirm to the shop"
                ),
                "confirm",
                kind="unconfirmed",
                fulfillment_id=ref.id,
            )
        except GivenUp:
            workflow.logger.warning("the shop was not told of a shipment")

    async def _capture(self, payment: m.Endpoint) -> None:
        fields = self._desk.fresh(Activity.CAPTURE)
        try:
            moved = await self._review.insist(
                lambda: self._desk.vendor(
                    Activity.CAPTURE,
                    m.CaptureRequest(**fields, connector=payment.connector),
                    m.Captured,
                    payment.queue,
                    "capture",
                ),
                "capture",
                kind="capture_failed",
            )
            self.captured_minor = moved.amount_minor
        except GivenUp:
            self._capturing = False
            workflow.logger.warning("not captured: a person gave it up")

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._running += 1
        self._desk.errand(self._counted(work))

    async def _counted(self, work: Coroutine[Any, Any, None]) -> None:
        await work
        self._running -= 1


async def cancel_at_shop(desk: Desk, review: Review, shop: m.Endpoint, activity: str) -> None:
    """Tell a shop that an order, or a return, is over with nothing moved; it may know already.
    Where it does not cancel it, a person does it there."""
    request = m.CancelAtOms(**desk.fresh(activity), connector=shop.connector)
    entry: OpenCase | None = None
    while True:
        try:
            told = await review.insist(
                lambda: desk.vendor(
                    activity, request, m.Undone, shop.queue, "tell the shop: cancelled"
                ),
                "cancel at the shop",
                kind="unconfirmed",
            )
        except GivenUp:
            workflow.logger.warning("the shop was not told of the cancellation")
            break
        if told.status != "refused":
            break
        action, entry = await review.ask(
            "unconfirmed",
            f"it is cancelled here, and the shop does not cancel it: {told.reason}",
            or_until=lambda: False,
            entry=entry,
        )
        if action != CaseAction.RETRY:
            break
    if entry is not None:
        await review.close(entry, "the shop knows")
