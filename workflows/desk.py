"""The one way from workflow code to activities, time and the Temporal UI."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

    from activities.contracts import ANSWERED, Activity, ErrorType, m
    from domain.base import Frozen
    from domain.clock import BusinessClock

Answer = TypeVar("Answer", bound=BaseModel)

DEFECT = "Defect"  # kind of a failure on the way to a vendor or back that is our own

_CALL = timedelta(seconds=40)
# The store is ours: it is asked until it answers, seconds apart, and the UI shows it.
_STORE_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10)
)
# Half a minute of wall time; then it is no race, and somebody hears of it.
_STEP_RETRY = dataclasses.replace(_STORE_RETRY, maximum_attempts=8)
# Exceptions of a store that is away, busy or full: that is seen elsewhere, and it will be back.
_AWAY = frozenset({"OperationalError", "InterfaceError", "TimeoutError", "OSError"})
# A vendor is asked for about two minutes; then a person hears of it. Wall time.
_VENDOR_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=1.7,
    maximum_interval=timedelta(seconds=20),
    maximum_attempts=9,
    non_retryable_error_types=[ErrorType.REFUSED, ErrorType.AUTH, ErrorType.CONTRACT],
)
# A carrier that is down has siblings: do not wait long before taking one.
_LABEL_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=1.5,
    maximum_interval=timedelta(seconds=10),
    maximum_attempts=7,
    non_retryable_error_types=[
        ErrorType.REFUSED, ErrorType.AUTH, ErrorType.CONTRACT, ErrorType.QUOTE_TOO_HIGH,
        ErrorType.CARRIER_DOWN,
    ],
)  # fmt: skip
_RETRY = {Activity.BUY_LABEL: _LABEL_RETRY}


class StepFailed(Exception):  # noqa: N818 - caught by the step that asked, always
    """A step ended without success, after all its retries."""

    def __init__(self, kind: str, message: str, details: tuple[Any, ...] = ()) -> None:
        super().__init__(message)
        self.kind = kind
        self.details = details


class VendorFailed(StepFailed):
    """It was a vendor's. ``kind``: one of ErrorType, or ``DEFECT`` where the vendor was not the
    reason."""


def step_failed(error: FailureError) -> StepFailed | None:
    """What somebody has to hear of a step in our own store; None where the store is away."""
    # a local activity's failure comes as it is, another one's wrapped
    cause = error.cause if isinstance(error, ActivityError) else error
    if not isinstance(cause, ApplicationError) or cause.type in _AWAY:
        return None
    why = cause.message.partition("\n")[0]  # what databases add may have a customer's data
    return StepFailed(cause.type or "", f"{cause.type}: {why}")


@dataclass
class Waiting:
    """What a coroutine waits for; the newest entries make the current details."""

    text: str
    since: datetime
    owner: str


class Desk:
    """Calls activities under keys, waits with named timers, tells the UI what it does.

    Attributes:
        see_to: carries a step out, again and again until it is done, and tells who has to know
            (Review). Called with the step and its name; what it raises is StepFailed.
    """

    see_to: Callable[[Callable[[], Awaitable[Any]], str], Awaitable[Any]]

    def __init__(self, start: m.OrderStart) -> None:
        self.start = start
        self.order_id = start.order_id
        self.waiting: dict[str, Waiting] = {}
        self.last_decision = ""
        self._counts: dict[str, int] = {}
        # A defect of ours in some coroutine: the main one raises it, so that the workflow task
        # fails visibly and goes on after a fix, instead of an order that waits for ever.
        self.broken: BaseException | None = None
        self._errands: set[asyncio.Task[None]] = set()

    @classmethod
    def aside(cls, stream: str, channel: str, clock: BusinessClock, cx: m.Endpoint | None) -> Desk:
        """The desk of a workflow that is no order's: cases, tickets, what is waited for serve
        there, too."""
        return cls(m.OrderStart(order_id=stream, channel=channel, clock=clock, cx=cx))

    def now(self) -> datetime:
        """Business time."""
        return self.start.clock.at(workflow.now())

    def fresh(self, step: str, subject: str = "", about: str = "") -> dict[str, Any]:
        """Order, key and time of a new generation of a step.

        A worker that dies in the middle of a workflow task leaves effects in the store that no
        history knows. The next worker may have heard more and go another way: its step must
        not take the answer that an other one was given.

        Args:
            about: what the step is asked, where a repeat might ask something else.
        """
        name = "/".join(x for x in (subject or self.order_id, step, about) if x)
        self._counts[name] = self._counts.get(name, 0) + 1
        return {"order_id": self.order_id, "key": f"{name}/{self._counts[name]}", "at": self.now()}

    async def store(
        self, name: str, request: Frozen, kind: type[Answer], summary: str = ""
    ) -> Answer:
        """A local activity: a step in our own store. Nothing goes on before it is done.

        One that fails again and again while the store is there is a defect of ours, or an order
        that is not as it should be: an exception of platform's, not a line in a log.
        """
        answer: Answer = await self.see_to(
            lambda: self._attempted(name, request, kind, summary), name
        )
        return answer

    async def surely(self, name: str, request: Frozen, kind: type[Answer], summary: str) -> Answer:
        """The same for the steps that people are told by: there is nobody to tell of them."""
        return await self._locally(name, request, kind, summary, _STORE_RETRY)

    async def _attempted(
        self, name: str, request: Frozen, kind: type[Answer], summary: str
    ) -> Answer:
        while True:
            try:
                return await self._locally(name, request, kind, summary, _STEP_RETRY)
            except FailureError as error:
                if failed := step_failed(error):
                    raise failed from error

    async def _locally(
        self, name: str, request: Frozen, kind: type[Answer], summary: str, retry: RetryPolicy
    ) -> Answer:
        answer: Answer = await workflow.execute_local_activity(
            name,
            request,
            result_type=kind,
            start_to_close_timeout=timedelta(seconds=15),
            retry_policy=retry,
            summary=summary or None,
        )
        return answer

    async def on_record(
        self, name: str, request: Frozen, kind: type[Answer], summary: str
    ) -> Answer:
        """A regular activity in our own store: its answer is history before anything follows.

        An Update is in no history until the workflow task that took it has ended. If a worker
        died after local activities had followed from it, the store would know of a decision
        that the next worker has never heard of. So this is how every Update begins.
        """
        answer: Answer = await workflow.execute_activity(
            name,
            request,
            result_type=kind,
            start_to_close_timeout=timedelta(seconds=15),
            retry_policy=_STORE_RETRY,
            summary=summary,
        )
        return answer

    async def vendor(
        self, name: str, request: Frozen, kind: type[Answer], queue: str, summary: str,
        takes: timedelta = _CALL,
    ) -> Answer:  # fmt: skip
        """A regular activity on a connector's queue.

        Args:
            takes: at most; one that takes longer than a call tells that it lives.

        Raises:
            VendorFailed: after the last retry, or at once when the vendor refused.
        """
        try:
            answer: Answer = await workflow.execute_activity(
                name,
                request,
                task_queue=queue,
                result_type=kind,
                start_to_close_timeout=takes,
                schedule_to_close_timeout=15 * takes,
                heartbeat_timeout=_CALL if takes > _CALL else None,
                retry_policy=_RETRY.get(name, _VENDOR_RETRY),
                summary=summary,
            )
        except ActivityError as error:
            cause = error.cause
            if isinstance(cause, ApplicationError) and cause.type in ANSWERED:
                raise VendorFailed(cause.type, cause.message, tuple(cause.details)) from error
            if ours := step_failed(error):
                raise VendorFailed(DEFECT, str(ours)) from error
            raise VendorFailed(ErrorType.UNAVAILABLE, str(cause or error)) from error
        return answer

    async def until(
        self, condition: Callable[[], bool], deadline: datetime | None, what: str, owner: str
    ) -> bool:
        """Wait for a condition, at most until a business time. False when time was up."""
        if condition():
            return True
        self.waiting[what] = Waiting(text=what, since=self.now(), owner=owner)
        self.show()
        try:
            if deadline is None:
                await workflow.wait_condition(condition)
                return True
            left = self.start.clock.wall(deadline - self.now())
            await workflow.wait_condition(condition, timeout=left, timeout_summary=what)
        except TimeoutError:
            return condition()
        finally:
            self.waiting.pop(what, None)
        return True

    def errand(self, work: Coroutine[Any, Any, None]) -> None:
        """Something that has to happen before the order closes, but that nothing waits for."""
        task = asyncio.create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._back)

    def _back(self, task: asyncio.Task[None]) -> None:
        self._errands.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.broken = task.exception()

    async def finish_errands(self) -> None:
        """Wait until every errand has come back."""
        await workflow.wait_condition(lambda: not self._errands or self.broken is not None)

    def show(self) -> None:
        """Write what the order waits for where the Temporal UI shows it."""
        rows = [
            f"- **{w.text}** since {w.since:%a %d %b %H:%M} (owner: {w.owner})"
            for w in self.waiting.values()
        ]
        decision = f"\n\nLast decision: {self.last_decision}" if self.last_decision else ""
        workflow.set_current_details("Waits for\n" + "\n".join(rows) + decision)
