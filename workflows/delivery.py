"""Step 9: a parcel's way to the door, and what happens when it does not arrive."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.contracts import Activity, m
    from domain.cases import CaseAction
    from domain.decision import CompensateTrigger, RefundCause
    from domain.fulfillment import Fact

from workflows.refunds import Refunds
from workflows.review import OpenCase

if TYPE_CHECKING:
    from workflows.fulfillment import Fulfillment

DELIVERY_GRACE = timedelta(hours=24)
# What the policy `compensate` may say of a parcel that will not arrive, without a person.
_BY_ITSELF = {"resource": CaseAction.REROUTE, "cancel_lines": CaseAction.CANCEL}
ENDED = frozenset({Fact.DELIVERED, Fact.RETURNED_TO_SENDER, Fact.LOST})


class Delivery:
    """Follows the parcels of one fulfillment order from hand-over to their end."""

    def __init__(self, owner: Fulfillment) -> None:
        self._f = owner

    async def follow(self) -> None:
        """Step 9: track it to the door."""
        f = self._f
        # the way takes as long as was planned, from when it really left
        planned = f.ref.deliver_by - f.ref.ship_at
        due = max(f.desk.now() + planned, f.ref.deliver_by) + DELIVERY_GRACE
        late: OpenCase | None = None
        while not f.facts & ENDED:
            on_time = await f.desk.until(
                partial(self._over, late),
                due if late is None else None,
                f"delivery by {f.ref.carrier_name}",
                "customer_care",
            )
            await f.record_short()
            if late is not None and late.resolution is not None:
                if late.resolution.action in (CaseAction.RESOLVE, CaseAction.RETRY):
                    f.facts.add(Fact.LOST)  # a person has given it up
                late.resolution = None
            elif not on_time and not await f.look():
                late = await f.review.open(
                    "delivery_delayed",
                    f"promised by {f.ref.deliver_by:%a %d %b}, not delivered yet",
                    fulfillment_id=f.ref.id,
                    carrier=f.ref.carrier_name,
                )
        if late is not None:
            await f.review.close(late, "it arrived, or was given up")
        await f.look()  # what is committed but not yet signalled counts too
        await f.record_short()
        await self._end()

    async def _end(self) -> None:
        f = self._f
        outcome = (
            "deliver" if Fact.DELIVERED in f.facts
            else "return" if Fact.RETURNED_TO_SENDER in f.facts
            else "lose"
        )  # fmt: skip
        await f.desk.store(
            Activity.END_DELIVERY,
            m.DeliveryStep.model_validate(
                {
                    **f.desk.fresh(Activity.END_DELIVERY, f.ref.id, outcome),
                    "fulfillment_id": f.ref.id,
                    "outcome": outcome,
                }
            ),
            m.Audited,
            outcome,
        )
        if outcome != "deliver":
            await self._astray("shipment_lost" if outcome == "lose" else "returned_to_sender")

    async def _astray(self, kind: str) -> None:
        """A parcel that will not arrive: customer care sends it again, or lets it be."""
        f = self._f
        action = await self._by_policy(kind)
        entry = None
        if action is None:
            action, entry = await f.review.ask(
                kind,
                f"the parcel from {f.ref.node} will not arrive",
                or_until=lambda: False,
                fulfillment_id=f.ref.id,
                carrier=f.ref.carrier_name,
            )
        if action in (CaseAction.RETRY, CaseAction.REROUTE):
            again = await f.desk.store(
                Activity.RESHIP,
                m.FulfillmentRequestKeyed(
                    **f.desk.fresh(Activity.RESHIP, f.ref.id), fulfillment_id=f.ref.id
                ),
                m.Remaining,
                "send it again",
            )
            await f.on_returned(None, f, again.returned)
        elif action == CaseAction.CANCEL:
            cause: RefundCause = "lost" if kind == "shipment_lost" else "returned_to_sender"
            refunds = Refunds(f.desk, f.review)
            await refunds.pay_back(cause, f.desk.start.payment, f.ref.id)
        if entry is not None:
            await f.review.close(entry, f"{action}")

    async def _by_policy(self, kind: str) -> CaseAction | None:
        """What the policy ``compensate`` says by itself: send it again, or give the money back;
        None where a person has to say."""
        f = self._f
        if not workflow.patched("astray-by-policy"):
            return None
        trigger: CompensateTrigger = "lost" if kind == "shipment_lost" else "returned"
        answer = await f.desk.store(
            Activity.COMPENSATE,
            m.CompensateRequest(
                **f.desk.fresh(Activity.COMPENSATE, f.ref.id, trigger),
                trigger=trigger,
                node=f.ref.node,
                fulfillment_id=f.ref.id,
                short_units=f.ref.units,
            ),
            m.Compensated,
            f"{trigger}: what now?",
        )
        f.desk.last_decision = f"{trigger}: {answer.action}, {answer.because}"
        return _BY_ITSELF.get(answer.action)

    def _over(self, entry: OpenCase | None) -> bool:
        f = self._f
        return bool(f.facts & ENDED) or f.decided(entry) or f.new_short()
