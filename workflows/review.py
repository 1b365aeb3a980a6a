"""Human review inside an order: cases with owner and deadline, holds, escalation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.contracts import Activity, ErrorType, m
    from domain.cases import CaseAction, ExceptionCase, Hold

from workflows import attributes as a
from workflows.desk import DEFECT, Desk, StepFailed, VendorFailed

Answer = TypeVar("Answer")

AGAIN_AFTER = timedelta(hours=6)  # a vendor that was down is asked again by itself
AGAIN_AT_MOST = 6
_KIND_OF = {
    ErrorType.REFUSED: "vendor_refused",
    ErrorType.AUTH: "vendor_auth_failed",
    ErrorType.CONTRACT: "contract_broken",
}


_ENOUGH = (CaseAction.CANCEL, CaseAction.REROUTE, CaseAction.RESOLVE)


class GivenUp(Exception):  # noqa: N818 - the caller decides what follows
    """A vendor step will not be tried again."""

    def __init__(self, action: CaseAction | None, by: m.Resolution | None = None) -> None:
        super().__init__(action or "stopped")
        self.action = action
        self.by = by


class DoneByHand(Exception):  # noqa: N818 - good news
    """A person has carried out a compensation outside."""


@dataclass
class OpenCase:
    """A case that somebody may still act on."""

    case: ExceptionCase
    window: timedelta
    owner: str
    resolution: m.Resolution | None = None
    ended: bool = False


class Review:
    """The order's open cases and holds.

    Args:
        run: stands in the IDs of cases, where several runs open some under one name.
    """

    def __init__(self, desk: Desk, run: str = "") -> None:
        self._desk = desk
        desk.see_to = self._see_to
        self._run = run
        self.cases: dict[str, OpenCase] = {}
        self.holds: dict[str, Hold] = {}
        self.waived: set[str] = set()
        self.rejected = ""
        self.stage = "accept"  # what it waits for when it waits for nobody: accept, pick, delivery
        self._opened = 0
        self._lock = asyncio.Lock()

    # --- cases ------------------------------------------------------------------------------

    async def open(self, kind: str, because: str, **facts: Any) -> OpenCase:
        """Open a case, tell its owner, and start its clock."""
        self._opened += 1
        case_id = f"{self._desk.order_id}/case/{self._run}{self._opened}-{kind}"
        opened = await self._desk.surely(
            Activity.OPEN_CASE,
            m.OpenCase(
                **self._desk.fresh("case", case_id), case_id=case_id, kind=kind, because=because,
                **facts,
            ),
            m.OpenedCase,
            f"open {kind}",
        )  # fmt: skip
        entry = OpenCase(case=opened.case, window=opened.window, owner=opened.case.owner)
        self.cases[case_id] = entry
        self.mark()
        self._notify(entry, "opened")
        self._desk.errand(self._watch(entry))
        return entry

    async def close(self, entry: OpenCase, because: str) -> None:
        """End a case: resolved where a person decided, else by itself. Safe to repeat."""
        if entry.ended:
            return
        entry.ended = True
        await self._desk.surely(
            Activity.END_CASE,
            m.EndCase(
                **self._desk.fresh("end", entry.case.id),
                case_id=entry.case.id,
                outcome="resolve" if entry.resolution else "auto_resolve",
                because=because,
            ),
            m.Audited,
            f"end {entry.case.kind}",
        )
        self.cases.pop(entry.case.id, None)
        self.mark()

    async def ask(
        self, kind: str, because: str, *, or_until: Callable[[], bool],
        again_after: timedelta | None = None, entry: OpenCase | None = None, **facts: Any,
    ) -> tuple[CaseAction | None, OpenCase]:  # fmt: skip
        """Open a case (or go on with one) and wait for a person, or for it to pass.

        Returns the action, or None when ``or_until`` came true or ``again_after`` is over.
        The caller closes the case.
        """
        if entry is None or entry.ended:
            entry = await self.open(kind, because, **facts)
        asked = entry
        asked.resolution = None
        deadline = self._desk.now() + again_after if again_after else None
        await self._desk.until(
            lambda: asked.resolution is not None or or_until(),
            deadline,
            f"{kind}: {because}"[:180],
            asked.owner,
        )
        return (asked.resolution.action if asked.resolution else None), asked

    async def told(self, kind: str, because: str, **facts: Any) -> None:
        """Open a case that somebody only has to have seen, and wait until they have."""
        action, entry = await self.ask(kind, because, or_until=lambda: False, **facts)
        await self.close(entry, f"seen: {action}")
        await self._desk.finish_errands()

    async def insist(
        self, call: Callable[[], Awaitable[Answer]], step: str, *, kind: str = "",
        stopped: Callable[[], bool] = lambda: False, **facts: Any,
    ) -> Answer:  # fmt: skip
        """Take a step; when its retries are over, a case waits for a person or for later.

        Args:
            kind: of the case, where it is not simply the vendor's. A defect of ours on the way
                to the vendor is ``step_failed`` all the same.
            stopped: somebody wants to turn back; then nobody goes on asking.

        Raises:
            GivenUp: a person said cancel or re-route, or ``stopped`` came true.
        """
        entry: OpenCase | None = None
        tries = 0
        while True:
            try:
                answer = await call()
            except StepFailed as failure:
                tries += 1
                surely = failure.kind in _KIND_OF
                of_it = kind or _KIND_OF.get(failure.kind, "vendor_unavailable")
                action, entry = await self.ask(
                    "step_failed" if failure.kind == DEFECT else of_it,
                    f"{step}: {failure}"[:300],
                    or_until=stopped,
                    again_after=None if surely or tries > AGAIN_AT_MOST else AGAIN_AFTER,
                    entry=entry,
                    attempts=tries,
                    **facts,
                )
                if action in _ENOUGH or stopped():
                    await self.close(entry, f"given up: {action or 'turned back'}")
                    raise GivenUp(action, entry.resolution) from failure
                continue
            if entry is not None:
                await self.close(entry, f"{step} went through")
            return answer

    async def _see_to(self, step: Callable[[], Awaitable[Any]], name: str) -> Any:
        while True:
            try:
                return await self.insist(step, name, kind="step_failed")
            except GivenUp:
                continue  # whatever the policy lets people say: nothing goes on without it

    async def close_all(self, because: str) -> None:
        """End what is still open, so that the order can close."""
        for entry in list(self.cases.values()):
            await self.close(entry, because)

    async def _watch(self, entry: OpenCase) -> None:
        """Escalate along the chain, one role a passed deadline."""
        deadline = entry.case.deadline
        for role in entry.case.chain:
            what = f"{entry.case.kind}: {entry.owner} acts"
            if await self._desk.until(lambda: entry.ended, deadline, what, entry.owner):
                return
            deadline = self._desk.now() + max(entry.window, timedelta(hours=1))
            entry.owner = role
            await self._desk.surely(
                Activity.ESCALATE,
                m.EscalateCase(
                    **self._desk.fresh("escalate", entry.case.id, role),
                    case_id=entry.case.id,
                    owner=role,
                    deadline=deadline,
                ),
                m.Audited,
                f"escalate {entry.case.kind} to {role}",
            )
            if entry.ended:
                return
            self.mark()
            self._notify(entry, "escalated")

    # --- what people do ---------------------------------------------------------------------

    def check(self, wanted: m.Resolution) -> None:
        """Shape, open, and shown-hash; read-only, so a validator can call it.

        Raises:
            ApplicationError: saying what to do instead.
        """
        entry = self.cases.get(wanted.case_id)
        if entry is None or entry.ended:
            raise denied(f"exception {wanted.case_id} is not open any more. List again")
        if (by := entry.resolution) is not None:
            raise denied(f"{by.action} by {by.user} is being carried out. Look again in a moment")
        if wanted.action not in entry.case.actions:
            allowed = ", ".join(entry.case.actions)
            raise denied(f"{wanted.action} is not possible here. Possible: {allowed}")
        if wanted.shown_hash != entry.case.shown_hash:
            raise denied("what was shown has changed since. Look at it again, then decide")

    async def act(self, wanted: m.Resolution) -> m.Reply:
        """Carry out a person's decision: the first activity checks role and four eyes."""
        async with self._lock:
            self.check(wanted)
            entry = self.cases[wanted.case_id]
            allowed = await self._desk.on_record(
                Activity.AUTHORIZE,
                m.Authorize(
                    **self._desk.fresh(
                        "authorize", wanted.case_id, f"{wanted.action} by {wanted.user}"
                    ),
                    resolution=wanted,
                    owner=entry.case.owner if entry.case.needs_approval else entry.owner,
                    requester=entry.case.requester,
                    needs_approval=entry.case.needs_approval,
                ),
                m.Authorized,
                f"{wanted.action} by {wanted.user}",
            )
            if not allowed.allowed:
                raise denied(allowed.reason)
            if wanted.action == CaseAction.ACK:
                return m.Reply(status="done", message=f"acknowledged by {wanted.user}")
            if entry.ended:
                raise denied("it resolved itself in the meantime")
            entry.resolution = wanted
            return m.Reply(status="done", message=f"{wanted.action} by {wanted.user}")

    async def try_to_act(self, wanted: m.Resolution) -> None:
        """The same; what is refused has no effect, and is shown."""
        try:
            await self.act(wanted)
        except ApplicationError as refused:
            self._desk.last_decision = f"refused: {refused}"
            self._desk.show()

    async def permit(self, user: str, deed: str, comment: str = "") -> None:
        """Ask whether a person may change the order in this way.

        Raises:
            ApplicationError: saying why not.
        """
        answer = await self._desk.on_record(
            Activity.PERMIT,
            m.Permit.model_validate(
                {
                    **self._desk.fresh("permit", about=f"{deed} by {user}"),
                    "user": user,
                    "deed": deed,
                    "comment": comment,
                }
            ),
            m.Authorized,
            f"{deed} by {user}",
        )
        if not answer.allowed:
            raise denied(answer.reason)

    # --- holds ------------------------------------------------------------------------------

    async def hold(self, reason: str, owner: str, hours: int, because: str) -> Hold:
        """Put a hold on the order."""
        held = await self._desk.store(
            Activity.OPEN_HOLD,
            m.OpenHold.model_validate(
                {
                    **self._desk.fresh("hold", about=reason),
                    "reason": reason,
                    "owner": owner,
                    "hours": hours,
                    "because": because,
                }
            ),
            Hold,
            f"hold: {reason}",
        )
        self.add_hold(held)
        self.mark()
        return held

    def add_hold(self, held: Hold) -> None:
        self.holds[held.id] = held

    async def end_hold(
        self, hold_id: str, outcome: str, user: str = "system", comment: str = "",
        *, waive: bool = True,
    ) -> None:  # fmt: skip
        """Release, reject or expire a hold. A waived reason does not hold the order again."""
        await self._desk.store(
            Activity.END_HOLD,
            m.EndHold.model_validate(
                {
                    **self._desk.fresh("end-hold", hold_id, outcome),
                    "hold_id": hold_id,
                    "outcome": outcome,
                    "user": user,
                    "comment": comment,
                }
            ),
            m.Audited,
            f"{outcome} hold",
        )
        held = self.holds.pop(hold_id, None)
        if held is not None and outcome == "release" and waive:
            self.waived.add(held.reason.value)
        if outcome == "reject" and user != "system":
            self.rejected = comment or f"hold rejected by {user}"
        self.mark()

    # --- what the UI and queries see --------------------------------------------------------

    def mark(self) -> None:
        """One attribute change per opening or closing of a case or hold."""
        worst = next(iter(self.cases.values()), None)
        held = next(iter(self.holds.values()), None)
        waiting = worst.case.kind if worst else f"hold:{held.reason.value}" if held else self.stage
        owner = worst.owner if worst else held.owner if held else "none"
        workflow.upsert_search_attributes(
            [
                a.EXCEPTION_CLASS.value_set(worst.case.exception_class if worst else "none"),
                a.EXCEPTION_OWNER.value_set(owner),
                a.WAITING_FOR.value_set(waiting),
                a.WAITING_SINCE.value_set(self._desk.now()),
            ]
        )

    def _notify(self, entry: OpenCase, what: str) -> None:
        if self._desk.start.cx is not None:
            self._desk.errand(self._send(entry, what, self._desk.start.cx))

    async def _send(self, entry: OpenCase, what: str, cx: m.Endpoint) -> None:
        request = m.NotifyRequest.model_validate(
            {
                **self._desk.fresh("notify", entry.case.id),
                "connector": cx.connector,
                "role": entry.owner,
                "subject": f"{entry.case.kind} {what}: {self._desk.order_id}",
                "body": f"{entry.case.because}\n"
                f"Possible: {', '.join(entry.case.actions)}\n"
                f"meshline exception show {entry.case.id}",
                "urgent": entry.case.exception_class == "hard",
            }
        )
        try:
            await self._desk.vendor(
                Activity.NOTIFY, request, m.Audited, cx.queue, f"tell {entry.owner}"
            )
        except VendorFailed as error:  # the case itself is recorded; the ticket was a courtesy
            workflow.logger.warning("ticket not sent", extra={"reason": error.kind})


class ActsOnCases:
    """What a workflow with cases hears from people. Its ``__init__`` sets ``_review``."""

    _review: Review

    @workflow.update
    async def resolve_case(self, wanted: m.Resolution) -> m.Reply:
        """Approve, reject, re-route, retry, cancel, resolve: whatever the case allows."""
        return await self._acted(wanted, await self._review.act(wanted))

    @resolve_case.validator
    def _check_case(self, wanted: m.Resolution) -> None:
        self._review.check(wanted)

    @workflow.signal
    async def resolve_exception(self, wanted: m.Resolution) -> None:
        """The same as the Update, for people at the Temporal UI; a bad one has no effect."""
        await self._review.try_to_act(wanted)

    async def _acted(self, wanted: m.Resolution, reply: m.Reply) -> m.Reply:
        """What a person is told; a workflow that has more to say waits until it can."""
        return reply


def denied(message: str) -> ApplicationError:
    """An answer to a person: what they asked for is not possible, and why."""
    return ApplicationError(message, type=ErrorType.DENIED, non_retryable=True)
