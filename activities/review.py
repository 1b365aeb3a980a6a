"""Holds and exception cases: opening, escalating, ending, and who may act on them."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

from sqlalchemy import Connection
from temporalio import activity

from activities.context import Context
from activities.contracts import Activity, m
from activities.facts import order_facts
from domain.cases import CaseAction, ExceptionCase, Hold, HoldReason
from domain.decision import ExceptionOutcome, ExceptionSnapshot
from domain.facts import OrderFacts
from store import cases, decisions, events, orders, returns

APPROVALS = (CaseAction.APPROVE, CaseAction.REJECT, CaseAction.RECOVER)


class Review:
    """Local activities around human review."""

    def __init__(self, context: Context) -> None:
        self._c = context

    @activity.defn(name=Activity.OPEN_HOLD)
    def open_hold(self, request: m.OpenHold) -> Hold:
        """Put a hold on an order."""

        def step(connection: Connection) -> Hold:
            hold = Hold(
                id=request.key,
                order_id=request.order_id,
                reason=HoldReason(request.reason),
                owner=request.owner,
                because=request.because,
                deadline=request.at + timedelta(hours=request.hours),
            )
            cases.open_hold(connection, hold, request.at)
            return hold

        return self._c.db.once(request.key, Hold, step)

    @activity.defn(name=Activity.END_HOLD)
    def end_hold(self, request: m.EndHold) -> m.Audited:
        """Release, reject or expire a hold."""

        def step(connection: Connection) -> m.Audited:
            cases.end_hold(
                connection, request.hold_id, request.outcome, request.user, request.comment,
                request.at,
            )  # fmt: skip
            self._c.audit.append(
                connection, request.order_id, request.at, request.user, f"hold_{request.outcome}",
                hold=request.hold_id, comment=request.comment,
            )  # fmt: skip
            return m.Audited()

        return self._c.db.once(request.key, m.Audited, step)

    @activity.defn(name=Activity.OPEN_CASE)
    def open_case(self, request: m.OpenCase) -> m.OpenedCase:
        """Open a case with owner, windows and actions as the exception policy says."""

        def step(connection: Connection) -> m.OpenedCase:
            about = returns.order_of(connection, request.order_id)
            snapshot = ExceptionSnapshot(
                now=request.at,
                order=self._facts(connection, about, request),
                kind=request.kind,
                node=request.node,
                carrier=request.carrier,
                attempts=request.attempts,
            )
            decision = self._c.decide(connection, snapshot)
            if about:  # decisions are kept by order
                decision_id = f"{request.key}/exception"
                decisions.record(connection, decision_id, about, snapshot, decision, request.at)
            outcome = cast(ExceptionOutcome, decision.outcome)
            window = timedelta(hours=outcome.hours)
            owner = request.owner or outcome.owner
            # who is asked in place of the policy's owner has them behind
            roles = (outcome.owner, *outcome.chain)
            case = ExceptionCase(
                id=request.case_id,
                order_id=request.order_id,
                fulfillment_id=request.fulfillment_id,
                exception_class=outcome.exception_class,
                kind=request.kind,
                owner=owner,
                chain=tuple(role for role in roles if role != owner),
                deadline=request.deadline or request.at + window,
                actions=tuple(
                    x for x in outcome.actions if x != CaseAction.RECOVER or request.recoverable
                ),
                requester=request.requester,
                because=request.because,
                shown=request.shown,
                needs_approval=request.needs_approval,
                policy=",".join(decision.policies),
            )
            cases.open_case(connection, case, request.at)
            return m.OpenedCase(case=case, window=window)

        return self._c.db.once(request.key, m.OpenedCase, step)

    @activity.defn(name=Activity.END_CASE)
    def end_case(self, request: m.EndCase) -> m.Audited:
        """The case is over: resolved by a person, or by itself."""

        def step(connection: Connection) -> m.Audited:
            row = cases.case_row(connection, request.case_id)
            cases.end_case(
                connection, request.case_id, request.outcome, row.ended_by or "system",
                request.because, request.at,
            )  # fmt: skip
            return m.Audited()

        return self._c.db.once(request.key, m.Audited, step)

    @activity.defn(name=Activity.ESCALATE)
    def escalate_case(self, request: m.EscalateCase) -> m.Audited:
        """The deadline passed: the next role of the chain owns it."""

        def step(connection: Connection) -> m.Audited:
            cases.escalate(connection, request.case_id, request.owner, request.deadline, request.at)
            return m.Audited()

        return self._c.db.once(request.key, m.Audited, step)

    @activity.defn(name=Activity.AUTHORIZE)
    def authorize(self, request: m.Authorize) -> m.Authorized:
        """May this person do this? The answer is audited either way."""

        def step(connection: Connection) -> m.Authorized:
            wanted = request.resolution
            refusal = self._refusal(request)
            action = f"case_{wanted.action.value}" if not refusal else "case_refused"
            self._c.audit.append(
                connection, request.order_id, request.at, wanted.user, action,
                case=wanted.case_id, shown_hash=wanted.shown_hash, comment=wanted.comment,
                role=request.owner, refusal=refusal,
            )  # fmt: skip
            if refusal:
                events.append(
                    connection, request.order_id, "exception.action_refused", request.at,
                    id=wanted.case_id, user=wanted.user, reason=refusal,
                )  # fmt: skip
                return m.Authorized(allowed=False, reason=refusal)
            if wanted.action in APPROVALS:
                name = "approved" if wanted.action == CaseAction.APPROVE else "rejected"
                events.append(
                    connection, request.order_id, f"exception.{name}", request.at,
                    id=wanted.case_id, user=wanted.user, shown_hash=wanted.shown_hash,
                )  # fmt: skip
            if wanted.action == CaseAction.ACK:
                row = cases.case_row(connection, wanted.case_id)
                if row.status in ("open", "escalated"):
                    events.move(
                        connection, "exception", "acknowledge", wanted.case_id, request.order_id,
                        request.at, user=wanted.user,
                    )  # fmt: skip
            cases.note_action(connection, wanted.case_id, wanted.user, wanted.comment, None)
            return m.Authorized(allowed=True)

        return self._c.db.once(request.key, m.Authorized, step)

    @activity.defn(name=Activity.PERMIT)
    def permit(self, request: m.Permit) -> m.Authorized:
        """May this person change the order at all? Audited either way."""

        def step(connection: Connection) -> m.Authorized:
            refusal = self._stranger(request.user)
            action = f"ask_{request.deed}" if not refusal else "order_refused"
            self._c.audit.append(
                connection, request.order_id, request.at, request.user, action,
                deed=request.deed, comment=request.comment, refusal=refusal,
            )  # fmt: skip
            return m.Authorized(allowed=not refusal, reason=refusal)

        return self._c.db.once(request.key, m.Authorized, step)

    def _facts(self, connection: Connection, order_id: str, request: m.OpenCase) -> OrderFacts:
        """What the exception policy is told of the order; of no order where it is about none."""
        if order_id:
            rows = orders.rows(connection, order_id)
            return order_facts(connection, rows, self._c.network, open_only=False)
        return OrderFacts(
            id=request.order_id, source="meshline", channel="", currency=self._c.network.currency,
            country=self._c.network.domestic, region="", postal3="", placed_at=request.at, lines=(),
        )  # fmt: skip

    def _refusal(self, request: m.Authorize) -> str:
        wanted = request.resolution
        if not (request.needs_approval and wanted.action in APPROVALS):
            return self._stranger(wanted.user)
        if wanted.user == request.requester:
            return f"{wanted.user} caused this plan and may not approve it"
        if request.owner not in self._c.network.roles_of(wanted.user):
            return f"{wanted.user} does not hold the role {request.owner}"
        return ""

    def _stranger(self, user: str) -> str:
        """Why this user may not act at all, or nothing."""
        roles = set(self._c.network.roles_of(user))
        if not roles:
            return f"{user} is not among the users of the network file"
        return "" if roles - {"viewer"} else f"{user} may only look"
