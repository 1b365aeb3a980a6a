"""Steps 3 to 5: plan what is open, reserve it, have it approved; what to do when it fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.contracts import Activity, m
    from domain.cases import CaseAction
    from domain.decision import CompensateTrigger

from workflows import attributes as a
from workflows.desk import Desk
from workflows.review import OpenCase, Review

if TYPE_CHECKING:
    from workflows.fulfillment import Fulfillment

MAX_LOST_RACES = 5
MAX_UNANSWERED = 2


class Sourcing:
    """Turns open units into fulfillment orders, again and again until none are open.

    Args:
        interrupted: something else has to be done first (a cancel); waits end then.
    """

    def __init__(self, desk: Desk, review: Review, interrupted: Callable[[], bool]) -> None:
        self._desk = desk
        self._review = review
        self._interrupted = interrupted
        self.open_units = 0
        self.cancelled_units = 0
        self.stock_news = False
        self._generation = 0
        self._excluded: set[str] = set()
        self._partial = False
        self._lost_races = 0
        self._unanswered = 0
        self.replans = 0
        self._baseline: int | None = None
        self._short_cases: list[OpenCase] = []

    # --- steps 3 and 4 ----------------------------------------------------------------------

    async def plan_and_reserve(self) -> tuple[m.FulfillmentRef, ...]:
        """Fulfillment orders for what is open; empty when something came between."""
        self._generation += 1
        self.stock_news = False
        planned = await self._desk.store(
            Activity.PLAN,
            m.PlanRequest(
                **self._desk.fresh(Activity.PLAN),
                generation=self._generation,
                excluded=tuple(sorted(self._excluded)),
                partial=self._partial,
                baseline_minor=self._baseline,
                trigger="plan" if self._baseline is None else "replan",
            ),
            m.Planned,
            "plan",
        )
        if not self._partial:
            # several coroutines add and take; what the store counts is what counts
            self.open_units = planned.open_units
        if not planned.feasible:
            if planned.open_units or self._partial:
                await self._unfillable(planned)
            return ()
        reserved = await self._reserve(planned)
        if not reserved.fulfillments:
            await self._race_lost(reserved.lost_race)
            return ()
        if planned.approver is not None and not await self._approved(planned, reserved):
            return ()
        self._baseline = planned.baseline_minor
        self._lost_races = 0
        self.open_units -= sum(ref.units for ref in reserved.fulfillments)
        self._partial = False
        for entry in self._short_cases:
            await self._review.close(entry, "what was missing is re-sourced")
        self._short_cases.clear()
        self._tell(planned)
        return reserved.fulfillments

    async def _reserve(self, planned: m.Planned) -> m.Reserved:
        return await self._desk.store(
            Activity.RESERVE,
            m.ReserveRequest(
                **self._desk.fresh(Activity.RESERVE),
                decision_id=planned.decision_id,
                generation=self._generation,
                expires_at=self._desk.now() + self._desk.start.reservation,
                firm=planned.approver is None,
            ),
            m.Reserved,
            "reserve",
        )

    async def _race_lost(self, what: str) -> None:
        """Another order was faster: plan again; after five times wait for stock."""
        self._lost_races += 1
        if self._lost_races > MAX_LOST_RACES:
            self._lost_races = 0
            await self._wait_for_stock("fulfillment_ops", 24, f"five lost races for {what}")

    def _tell(self, planned: m.Planned) -> None:
        policies = ", ".join(planned.policies)
        nodes = ", ".join(planned.nodes)
        self._desk.last_decision = f"{nodes}: {planned.because or 'cheapest'} ({policies})"
        self._review.stage = "pick"
        workflow.upsert_search_attributes(
            [
                a.ORDER_STATUS.value_set("processing"),
                a.NODES.value_set(sorted(set(planned.nodes))),
                a.CARRIER.value_set("+".join(planned.carriers)),
                a.POLICY_VERSION.value_set(list(planned.policies)),
                a.WAITING_FOR.value_set(self._review.stage),
                a.WAITING_SINCE.value_set(self._desk.now()),
            ]
        )

    # --- step 5: approve --------------------------------------------------------------------

    async def _approved(self, planned: m.Planned, reserved: m.Reserved) -> bool:
        """Wait for the approval while the reservation lasts; its expiry is the deadline."""
        held = tuple(ref.id for ref in reserved.fulfillments)
        expires = self._desk.now() + self._desk.start.reservation
        entry = await self._review.open(
            "cost_approval",
            planned.approval_because,
            owner=planned.approver,
            needs_approval=True,
            deadline=expires,
            shown={
                "decision": planned.decision_id,
                "nodes": ", ".join(planned.nodes),
                "carriers": ", ".join(planned.carriers),
                "cost_minor": str(planned.cost_minor),
                "baseline_minor": str(planned.baseline_minor),
                "currency": planned.currency,
            },
        )
        await self._desk.until(
            lambda: entry.resolution is not None or self._interrupted(),
            expires,
            f"approval by {planned.approver}: {planned.approval_because}"[:180],
            entry.owner,
        )
        action = entry.resolution.action if entry.resolution else None
        because = f"{action}" if action else "the reservation expired before anybody agreed"
        await self._review.close(entry, because)
        if action == CaseAction.APPROVE:
            if await self._made_firm(held, because):
                self._unanswered = 0
                return True
            # a worker that died had let it expire: go its way, its answers are in the store
            action = None
            self._desk.last_decision = "it was approved as its reservation expired: planned again"
        await self._desk.store(
            Activity.EXPIRE,
            m.Reservation(**self._desk.fresh(Activity.EXPIRE), fulfillments=held),
            m.Audited,
            because,
        )
        if action == CaseAction.REROUTE:
            self._excluded |= set(planned.nodes)
        if action == CaseAction.REJECT:
            await self._review.hold(
                "manual", "revenue_ops", 72, f"the plan was rejected: {planned.approval_because}"
            )
        self._unanswered = 0 if action else self._unanswered + 1
        if self._unanswered > MAX_UNANSWERED:  # asking again and again would move nobody
            self._unanswered = 0
            because = f"nobody approved in time: {planned.approval_because}"
            await self._review.hold("manual", entry.owner, 72, because)
        return False

    async def _made_firm(self, held: tuple[str, ...], because: str) -> bool:
        answer = await self._desk.store(
            Activity.FIRM,
            m.Reservation(**self._desk.fresh(Activity.FIRM), fulfillments=held),
            m.Firm,
            because,
        )
        return answer.held

    # --- when nothing fits ------------------------------------------------------------------

    async def _unfillable(self, planned: m.Planned) -> None:
        """No plan: forget exclusions first, then the compensate policy says what to do."""
        if self._excluded:
            self._excluded.clear()
            return
        answer = await self._compensate("out_of_stock", "", self.open_units)
        if answer.action != "wait" or self._partial:
            await self._follow("wait" if self._partial else answer.action, answer)
            return
        on_time = await self._wait_for_stock(
            answer.owner, answer.hours, planned.because or answer.because
        )
        if on_time:
            return
        late = await self._compensate("deadline", "", self.open_units)
        await self._follow(late.action, late)

    async def _wait_for_stock(self, owner: str, hours: int, because: str) -> bool:
        """Hold until stock comes in or somebody releases it. False at the deadline."""
        held = await self._review.hold("inventory_out_of_stock", owner, hours, because)

        def over() -> bool:
            return self.stock_news or held.id not in self._review.holds or self._interrupted()

        on_time = await self._desk.until(over, held.deadline, f"stock: {because}"[:180], owner)
        if held.id in self._review.holds:
            outcome = "release" if on_time else "expire"
            await self._review.end_hold(held.id, outcome, waive=False)
        return on_time

    async def _follow(self, action: str, answer: m.Compensated) -> None:
        """Do what the compensate policy or a person said."""
        if action == "cancel_lines":
            await self.cancel_open((), m.CancelOrder(user="system", reason=answer.because))
        elif action == "ship_partial" and not self._partial:
            self._partial = True
        elif action == "ask":
            chosen, entry = await self._review.ask(
                "out_of_stock",
                answer.because,
                or_until=lambda: self.stock_news or self._interrupted(),
            )
            await self._review.close(entry, f"{chosen or 'stock came in'}")
            if chosen == CaseAction.CANCEL:
                await self.cancel_open((), m.CancelOrder(user="system", reason="out of stock"))
            self._partial = chosen == CaseAction.SHIP_PARTIAL
        else:
            self._partial = False
            await self._wait_for_stock(answer.owner, answer.hours, answer.because)

    async def returned(
        self, trigger: CompensateTrigger | None, source: Fulfillment, units: int
    ) -> None:
        """Units came back from a fulfillment order; plan them again, or do as policy says."""
        node = source.ref.node
        if trigger is None:
            if source.stop == "replan":
                self._excluded.add(node)
                self.replans += 1
            self.open_units += units
            return
        self._excluded.add(node)
        entry = await self._review.open(
            "pick_short" if trigger == "short_pick" else trigger,
            f"{units} unit(s) that {node} cannot deliver",
            fulfillment_id=source.ref.id,
            node=node,
        )
        answer = await self._compensate(trigger, node, units)
        self._desk.last_decision = f"{trigger}: {answer.action}, {answer.because}"
        self.open_units += units
        if answer.action in ("cancel_lines", "ship_partial"):
            await self.cancel_open((), m.CancelOrder(user="system", reason=answer.because))
            await self._review.close(entry, answer.because)
        elif not entry.ended:
            self._short_cases.append(entry)

    async def _compensate(self, trigger: CompensateTrigger, node: str, units: int) -> m.Compensated:
        return await self._desk.store(
            Activity.COMPENSATE,
            m.CompensateRequest(
                **self._desk.fresh(Activity.COMPENSATE, about=f"{trigger} {node}".strip()),
                trigger=trigger,
                node=node,
                short_units=units,
                attempts=self._generation,
            ),
            m.Compensated,
            f"{trigger}: what now?",
        )

    async def cancel_open(self, lines: tuple[str, ...], who: m.CancelOrder) -> m.LinesLeft:
        """Cancel open units of some lines, or all that are open."""
        left = await self._desk.store(
            Activity.CANCEL_LINES,
            m.CancelLines(
                **self._desk.fresh(Activity.CANCEL_LINES, about="+".join(lines) or "all"),
                lines=lines,
                user=who.user,
                reason=who.reason,
            ),
            m.LinesLeft,
            "cancel what is open",
        )
        self.cancelled_units += max(0, self.open_units - left.open)
        self.open_units = left.open
        if not left.open:
            for entry in self._short_cases:
                await self._review.close(entry, "cancelled")
            self._short_cases.clear()
        return left
