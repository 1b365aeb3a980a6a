"""One fulfillment order: from release to the door, and back when it is stopped.

Signals may be late, repeated, early or unordered: they only add to a set of facts, and each
step asks whether the facts allow it to end. The same facts lead to the same end.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.contracts import Activity, m
    from domain.cases import CaseAction
    from domain.decision import CompensateTrigger
    from domain.fulfillment import PICK_WINDOW, Fact, Quantity, Tracking

from workflows.delivery import Delivery
from workflows.desk import Desk
from workflows.labels import Labels
from workflows.review import DoneByHand, GivenUp, OpenCase, Review
from workflows.saga import Saga

Answer = TypeVar("Answer")

HANDOVER_GRACE = timedelta(hours=30)
GONE = frozenset(
    {
        Fact.SHIPPED, Fact.IN_TRANSIT, Fact.OUT_FOR_DELIVERY, Fact.DELIVERED,
        Fact.RETURNED_TO_SENDER, Fact.LOST,
    }
)  # fmt: skip
REFUSED = frozenset({Fact.REJECTED, Fact.CANCELLED})


class Stop(Exception):  # noqa: N818 - a turn of the road, caught by run()
    """The fulfillment order shall not go on; what was done is taken back."""


class Replaced(Exception):  # noqa: N818 - the same
    """Others have taken its place before its node heard of it; there is nothing to take back."""


class Fulfillment:
    """Carries one fulfillment order through its steps.

    Args:
        replanned: how often this order was planned again before, so that it ends.
        on_returned: called with units that are open again; the trigger is None when they were
            taken back on purpose.
        on_labelled: called once, when every parcel has its label.
        on_shipped: called once, when the parcels have left.
        on_replaced: called once, with those that have taken its place while it waited.
    """

    def __init__(
        self, desk: Desk, review: Review, ref: m.FulfillmentRef, replanned: int,
        on_returned: Callable[[CompensateTrigger | None, Fulfillment, int], Awaitable[None]],
        on_labelled: Callable[[Fulfillment], None], on_shipped: Callable[[Fulfillment], None],
        on_replaced: Callable[[tuple[m.FulfillmentRef, ...]], None],
    ) -> None:  # fmt: skip
        self.desk = desk
        self.review = review
        self.ref = ref
        self.replanned = replanned
        self.saga = Saga()
        self.labels = Labels(self)
        self.delivery = Delivery(self)
        self.facts: set[Fact] = set()
        self.short: dict[str, Quantity] = {}
        self.tracking: Tracking | None = None
        self.stop = ""
        self.waiting = False  # for its release
        self.wait_over = False  # others took its place, or somebody wants it to go
        self.move: m.Move | None = None  # its carrier is out: what was decided for it
        self.shipped = False
        self.done = False
        self._short_recorded: set[str] = set()
        self._submitted = False
        self._ship_at = ref.ship_at
        self._packed_seen = False
        self._unstoppable = False
        self.on_returned = on_returned
        self._on_labelled = on_labelled
        self._on_shipped = on_shipped
        self._on_replaced = on_replaced
        self.saga.add("give back", self._give_back)

    # --- what comes from outside ------------------------------------------------------------

    def learn(self, seen: m.Observed) -> None:
        """Add a fact; repeating it changes nothing."""
        self.facts.add(seen.fact)
        self.tracking = seen.tracking or self.tracking
        for q in seen.short:
            self.short.setdefault(q.line_id, q)

    def request_stop(self, why: str) -> bool:
        """Ask it to turn back. False when the parcels have left already."""
        if self.shipped or self.done or self._unstoppable:
            return False
        self.stop = self.stop or why
        return True

    @property
    def gone(self) -> bool:
        """Whether the parcels have left, as far as is known."""
        return bool(self.facts & GONE)

    @property
    def packed(self) -> bool:
        """Whether the parcels wait for their labels or their carrier."""
        return Fact.PACKED in self.facts

    # --- the way ----------------------------------------------------------------------------

    async def run(self) -> None:
        """From release to the end, whatever that is."""
        while not self.done:
            try:
                await self._go_on()
                self.done = True
            except Replaced:
                pass
            except Stop:
                self.done = await self._take_back()

    async def _go_on(self) -> None:
        await self._release()
        await self._picked_and_packed()
        await self._labelled()
        await self._handed_over()
        await self.delivery.follow()

    async def _labelled(self) -> None:
        if self.ref.own and not self.labels.complete:
            await self.labels.buy_all()
            self._on_labelled(self)

    async def _release(self) -> None:
        """Step 6: send it to its node."""
        if self._submitted:
            return
        waited = await self._wait_for_release()
        self.turn_back_if_stopped()
        if self.move is not None and self.move.action == "replan":
            await self.follow_move()  # else its node would hear of it only to lose it again
        self.saga.add("cancel at node", self._cancel_at_node)
        fields = self.desk.fresh(Activity.SUBMIT, self.ref.id)
        endpoint = self.ref.fulfiller
        sent = await self.insist(
            lambda: self.desk.vendor(
                Activity.SUBMIT,
                m.SubmitRequest(
                    **fields,
                    connector=endpoint.connector,
                    fulfillment_id=self.ref.id,
                    waited=waited,
                ),
                m.Submitted,
                endpoint.queue,
                f"release to {self.ref.node}",
            ),
            "release",
        )
        if sent.instead is not None:
            self.saga.forget()
            self.done = True
            if sent.instead:
                self._on_replaced(sent.instead)
            else:  # a worker that died had given it back: its units are open again
                await self.on_returned(None, self, self.ref.units)
            raise Replaced
        self._submitted = True
        self._ship_at = max(self.ref.ship_at, sent.ship_at or self.ref.ship_at)

    async def _wait_for_release(self) -> bool:
        """Together with others that wait it may get a better plan; a hold keeps it here longer."""
        if self.ref.release_at is None:
            return False
        self.waiting = True
        if self.ref.release_at > self.desk.now():
            what = f"release to {self.ref.node}"
            await self.desk.until(self._called, self.ref.release_at, what, "fulfillment_ops")
        await workflow.wait_condition(lambda: not self.review.holds or self._called())
        self.waiting = False
        return True

    def _called(self) -> bool:
        return bool(self.stop or self.wait_over)

    async def _picked_and_packed(self) -> None:
        """Step 7: the node works; late, short and refused picks are dealt with."""
        due = max(self.desk.now(), self._ship_at) + PICK_WINDOW
        late: OpenCase | None = None
        asked = 0
        while not self.facts & (GONE | {Fact.PACKED}):
            what = f"picking at {self.ref.node}"
            on_time = await self.desk.until(
                partial(self._woken, late), due, what, "fulfillment_ops"
            )
            await self.react()
            if self.facts & (GONE | {Fact.PACKED}):
                break
            if on_time and not self.decided(late):
                continue
            if not on_time and await self.look():
                continue
            late, due, asked = await self._late_pick(late, asked)
        if late is not None:
            await self.review.close(late, "it went on")
        self._packed_seen = True

    async def _late_pick(self, late: OpenCase | None, asked: int) -> tuple[OpenCase, datetime, int]:
        """First a soft exception with a window; when that is over, the reroute policy.

        The policy is asked again and again, each time after a longer wait: what is in time for
        its promise today may not be tomorrow.
        """
        if late is None:
            late = await self.review.open(
                "pick_delayed",
                f"{self.ref.node} has not packed what was due {self._ship_at:%a %H:%M}",
                fulfillment_id=self.ref.id,
                node=self.ref.node,
            )
            return late, self.desk.now() + late.window, asked
        if late.resolution is not None:
            action, late.resolution = late.resolution.action, None
            if action in (CaseAction.REROUTE, CaseAction.CANCEL):
                await self.review.close(late, f"{action} by a person")
                self.stop = "cancel" if action == CaseAction.CANCEL else "replan"
                raise Stop
            return late, self.desk.now() + late.window, asked
        answer = await self.desk.store(
            Activity.REROUTE,
            m.RerouteRequest(
                **self.desk.fresh(Activity.REROUTE, self.ref.id, "late_pick"),
                fulfillment_id=self.ref.id,
                trigger="late_pick",
                attempts=self.replanned,
            ),
            m.Rerouted,
            "late pick: re-route?",
        )
        self.desk.last_decision = f"late pick: {answer.action}, {answer.because}"
        if answer.action == "replan":
            await self.review.close(late, f"re-routed: {answer.because}")
            self.stop = "replan"
            raise Stop
        return late, self.desk.now() + late.window * (asked + 1), asked + 1

    async def react(self) -> None:
        """Deal with a stop, a rejection, a short pick, a carrier that is out, before the parcels
        have left."""
        self.turn_back_if_stopped()
        if self.facts & REFUSED and not self.facts & GONE:
            await self._rejected()
        await self.record_short()
        await self.follow_move()

    async def _rejected(self) -> None:
        # A label that cannot be voided has been scanned, and a 3PL keeps an order that it
        # cannot fill until it is cancelled there.
        if await self.labels.void_all() or await self._cancel_at_node():
            self.facts -= REFUSED
            return
        await self.desk.store(
            Activity.RECORD_REJECTED,
            m.FulfillmentRequestKeyed(
                **self.desk.fresh(Activity.RECORD_REJECTED, self.ref.id),
                fulfillment_id=self.ref.id,
            ),
            m.Remaining,
            f"{self.ref.node} refused",
        )
        self.saga.forget()
        await self.on_returned("node_rejected", self, self.ref.units)
        raise Stop

    async def record_short(self) -> None:
        news = [q for q in self.short.values() if q.line_id not in self._short_recorded]
        if not news:
            return
        self._short_recorded |= {q.line_id for q in news}
        answers = [await self._record_short_line(q) for q in news]
        returned = sum(answer.returned for answer in answers)
        if returned:
            await self.on_returned("short_pick", self, returned)
        if not answers[-1].units and not self.shipped:
            self.stop = self.stop or "nothing left"
            raise Stop

    async def follow_move(self) -> None:
        """Do what was decided where its carrier is out, or its promise at risk; what has left,
        or goes by another one by now, stays."""
        move, self.move = self.move, None
        if move is None or self.gone:
            return
        if move.avoid not in ("", self.ref.carrier_name):
            return
        if not move.avoid and move.instead_of != self.ref.service:
            return
        what = f"{move.avoid} is out" if move.avoid else "late"
        self.desk.last_decision = f"{what}: {move.action}, {move.because}"
        if move.action == "replan":
            self.stop = "replan"
            self.turn_back_if_stopped()
        await self.labels.follow(move)

    async def _record_short_line(self, short: Quantity) -> m.Remaining:
        return await self.desk.store(
            Activity.RECORD_SHORT,
            m.ShortRequest(
                **self.desk.fresh(Activity.RECORD_SHORT, self.ref.id, f"line {short.line_id}"),
                fulfillment_id=self.ref.id,
                short=(short,),
            ),
            m.Remaining,
            f"short pick at {self.ref.node}",
        )

    async def _handed_over(self) -> None:
        """Step 8: the node says shipped, or the first scan, whichever is first."""
        due = max(self.desk.now(), self._ship_at) + HANDOVER_GRACE
        late: OpenCase | None = None
        while not self.facts & GONE:
            what = f"hand-over at {self.ref.node}"
            on_time = await self.desk.until(
                partial(self._woken, late), due, what, "fulfillment_ops"
            )
            await self.react()
            await self._labelled()  # anew, where another carrier takes it
            if on_time and late is not None and late.resolution is not None:
                action, late.resolution = late.resolution.action, None
                if action in (CaseAction.REROUTE, CaseAction.CANCEL):
                    await self.review.close(late, f"{action} by a person")
                    self.stop = "cancel" if action == CaseAction.CANCEL else "replan"
            elif not on_time and not await self.look():
                late = late or await self.review.open(
                    "handover_delayed",
                    f"packed at {self.ref.node}, but the carrier has no scan",
                    fulfillment_id=self.ref.id,
                    node=self.ref.node,
                )
            due = self.desk.now() + HANDOVER_GRACE if not on_time else due
        if late is not None:
            await self.review.close(late, "the carrier has it")
        await self._record_hand_over()

    async def _record_hand_over(self) -> None:
        if self.shipped:
            return
        self.shipped = True  # no way back from here: whoever asks now is refused
        await self.record_short()
        await self.desk.store(
            Activity.HAND_OVER,
            m.HandOver(
                **self.desk.fresh(Activity.HAND_OVER, self.ref.id),
                fulfillment_id=self.ref.id,
                tracking=None if self.ref.own else self.tracking,
            ),
            m.Remaining,
            f"left {self.ref.node}",
        )
        self.saga.forget()
        self._on_shipped(self)

    # --- turning back -----------------------------------------------------------------------

    def turn_back_if_stopped(self) -> None:
        """Raise Stop when somebody asked for it and it is still possible."""
        if self.stop and not self.shipped and not self._unstoppable:
            raise Stop

    async def _take_back(self) -> bool:
        """Compensate. False when node or carrier would not let go: then it goes on."""
        entry: OpenCase | None = None
        while reason := await self.saga.unwind():
            action, entry = await self.review.ask(
                "compensation_refused",
                reason,
                or_until=lambda: bool(self.facts & GONE),
                entry=entry,
                fulfillment_id=self.ref.id,
                node=self.ref.node,
            )
            if self.facts & GONE:
                await self.review.close(entry, "it has left: it cannot be taken back")
                self.stop, self._unstoppable = "", True
                return False
            if action == CaseAction.RESOLVE:
                self.saga.skip()
        if entry is not None:
            await self.review.close(entry, "taken back")
        return True

    async def _cancel_at_node(self) -> str:
        endpoint = self.ref.fulfiller
        fields = self.desk.fresh(Activity.CANCEL_FULFILLMENT, self.ref.id)
        try:
            answer = await self.insist(
                lambda: self.desk.vendor(
                    Activity.CANCEL_FULFILLMENT,
                    m.UndoRequest(
                        **fields, connector=endpoint.connector, fulfillment_id=self.ref.id
                    ),
                    m.Undone,
                    endpoint.queue,
                    f"take back from {self.ref.node}",
                ),
                "cancel at node",
                unwinding=True,
            )
        except DoneByHand:
            return ""
        return f"{self.ref.node}: {answer.reason}" if answer.status == "refused" else ""

    async def _give_back(self) -> str:
        answer = await self.desk.store(
            Activity.GIVE_BACK,
            m.FulfillmentRequestKeyed(
                **self.desk.fresh(Activity.GIVE_BACK, self.ref.id),
                fulfillment_id=self.ref.id,
                reason=self.stop,
            ),
            m.Remaining,
            "give the stock back",
        )
        if answer.instead:
            self._on_replaced(answer.instead)
        if answer.returned:
            await self.on_returned(None, self, answer.returned)
        return ""

    # --- asking vendors ---------------------------------------------------------------------

    async def insist(
        self, call: Callable[[], Awaitable[Answer]], step: str, *, unwinding: bool = False
    ) -> Answer:
        """Call a vendor until it is clear (review.py).

        Raises:
            Stop: somebody wants to turn back meanwhile (never while unwinding).
        """
        while True:
            try:
                return await self.review.insist(
                    call,
                    step,
                    stopped=lambda: bool(self.stop) and not unwinding,
                    fulfillment_id=self.ref.id,
                    node=self.ref.node,
                )
            except GivenUp as given_up:
                if unwinding and given_up.action == CaseAction.RESOLVE:
                    raise DoneByHand from given_up
                if unwinding or given_up.action == CaseAction.RESOLVE:
                    continue  # what was begun to be undone is undone; a step is tried again
                if given_up.action is not None:
                    self.stop = "cancel" if given_up.action == CaseAction.CANCEL else "replan"
                raise Stop from given_up

    # --- news -------------------------------------------------------------------------------

    def _news(self) -> bool:
        return bool(
            self.facts & (GONE | REFUSED)
            or (Fact.PACKED in self.facts and not self._packed_seen)
            or (self.stop and not self._unstoppable)
            or self.move is not None
            or self.new_short()
        )

    def _woken(self, entry: OpenCase | None) -> bool:
        return self._news() or self.decided(entry)

    def new_short(self) -> bool:
        return any(line not in self._short_recorded for line in self.short)

    @staticmethod
    def decided(entry: OpenCase | None) -> bool:
        return entry is not None and entry.resolution is not None

    async def look(self) -> bool:
        """Read the store before a deadline counts. True when it knew something new."""
        known = await self.desk.store(
            Activity.LOOK,
            m.FulfillmentRequestKeyed(
                **self.desk.fresh(Activity.LOOK, self.ref.id), fulfillment_id=self.ref.id
            ),
            m.Facts,
            "look again",
        )
        before = (set(self.facts), len(self.short))
        self.facts |= set(known.facts)
        self.tracking = known.tracking or self.tracking
        for q in known.short:
            self.short.setdefault(q.line_id, q)
        deciding = GONE | REFUSED | {Fact.PACKED}
        return (before[0] & deciding, before[1]) != (self.facts & deciding, len(self.short))
