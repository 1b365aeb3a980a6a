"""Compares days with vendors: reads their statements, asks again about what differs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import cast

from sqlalchemy import Connection
from temporalio import activity

from activities.billing import audit_invoice
from activities.context import Context
from activities.contracts import Activity, connector_queue, m
from activities.errors import vendor_errors
from connectors.ports import Statements
from domain.base import InvalidInput, Problem
from domain.messages import Endpoint
from domain.reconciliation import (
    Compared,
    DaySum,
    Difference,
    Entry,
    PlanReconciling,
    ReconcileVendor,
    ReconcilingPlan,
    SumUp,
    VendorReconciled,
)
from domain.units import format_money
from finance.reconciliation import compare
from store import catalog, invoices, orders, reconciliations

MARGIN = timedelta(hours=1)  # what a vendor and we do at one moment, its clock may date otherwise
READ_ANEW = 500  # differences over which the statement is read again, not each of them
AT_ONCE = 8
CATCH_UP = 31  # days that were missed, at most, are looked at besides
OURS = ("order:", "return:")  # how our references begin


class ReconcileActivities:
    """On the queue of a vendor that gives statements."""

    def __init__(self, context: Context) -> None:
        self._c = context

    @activity.defn(name=Activity.RECONCILE)
    async def reconcile(self, request: ReconcileVendor) -> VendorReconciled:
        """One turn. What differs counts once two turns, some time apart, have seen it: what was
        just under way is none of it then."""
        vendor = cast(Statements, self._c.connectors[request.connector])
        run = self._c.db.in_thread
        if request.turn:
            before = await run(self._suspects, request)
            if len(before) > READ_ANEW:
                await self._read(vendor, request)
            else:
                await self._ask_again(vendor, request, before)
        else:
            await self._read(vendor, request)
        return await run(self._judge, vendor, request)

    async def _read(self, vendor: Statements, request: ReconcileVendor) -> None:
        """Read all of the statement; an attempt goes on where the one before had come to."""
        since, until = self._c.network.reconciliation.window(request.day)
        details = activity.info().heartbeat_details
        cursor, begun = (details[0], True) if details else ("", False)
        if not begun:
            await self._c.db.in_thread(self._forget, request)
        while True:
            with vendor_errors():
                page = await vendor.statement(since - MARGIN, until + MARGIN, cursor)
            await self._c.db.in_thread(self._stage, request, page.entries, page.problems, vendor)
            cursor = page.cursor
            if not cursor:
                return
            activity.heartbeat(cursor)

    async def _ask_again(
        self, vendor: Statements, request: ReconcileVendor, about: Sequence[Difference]
    ) -> None:
        gate = asyncio.Semaphore(AT_ONCE)

        async def ask(difference: Difference) -> tuple[Entry, Entry | None] | None:
            known = difference.theirs or difference.ours
            if known is None:
                return None
            async with gate:
                found = await vendor.stands(known)
                activity.heartbeat()
            return known, found

        with vendor_errors():
            answers = await asyncio.gather(*map(ask, about))
        await self._c.db.in_thread(self._restage, request, [a for a in answers if a])

    # --- in the store -----------------------------------------------------------------------

    def _forget(self, request: ReconcileVendor) -> None:
        """What was read before, by this look or by one that was ended in the middle."""
        with self._c.db.write() as connection:
            reconciliations.unstage_read(connection, request.day, request.connector)

    def _stage(
        self, request: ReconcileVendor, entries: Sequence[Entry], problems: Sequence[Problem],
        vendor: Statements,
    ) -> None:  # fmt: skip
        with self._c.db.write() as connection:
            reconciliations.stage(connection, _look(request), entries)
            unreadable = [
                Difference(
                    kind=vendor.kinds[0], nature="unreadable", subject=p.source,
                    because=f"{p.source}: {p.field} {p.reason}"[:300],
                )
                for p in problems
            ]  # fmt: skip
            reconciliations.note(connection, f"{_look(request)}/unreadable", unreadable)

    def _restage(
        self, request: ReconcileVendor, answers: Sequence[tuple[Entry, Entry | None]]
    ) -> None:
        with self._c.db.write() as connection:
            for known, found in answers:
                if found is not None:
                    reconciliations.stage(connection, _look(request), [found])
                else:
                    reconciliations.drop(connection, _look(request), known)

    def _suspects(self, request: ReconcileVendor) -> list[Difference]:
        with self._c.db.read() as connection:
            return reconciliations.noted(connection, f"{_look(request)}/suspects")

    def _judge(self, vendor: Statements, request: ReconcileVendor) -> VendorReconciled:
        """Compare what was read with what we have now, and record it once it has settled."""
        look = _look(request)
        suspects = f"{look}/suspects"
        with self._c.db.write() as connection:
            found, entries = self._compared(connection, vendor, request)
            before = {_key(d) for d in reconciliations.noted(connection, suspects)}
            if not request.last and not {_key(d) for d in found.differences} <= before:
                reconciliations.unstage(connection, suspects)
                reconciliations.note(connection, suspects, found.differences)
                return VendorReconciled(
                    settled=False, entries=entries, differences=len(found.differences)
                )
            now, cleared = reconciliations.record(
                connection, request.day, request.connector, found, entries, request.at
            )
            for name in (look, suspects, f"{look}/unreadable"):
                reconciliations.unstage(connection, name)
        return VendorReconciled(settled=True, entries=entries, differences=now, cleared=cleared)

    def _compared(
        self, connection: Connection, vendor: Statements, request: ReconcileVendor
    ) -> tuple[Compared, int]:
        look = _look(request)
        since, until = self._c.network.reconciliation.window(request.day)
        theirs = reconciliations.staged(connection, look)
        ours = reconciliations.ours(
            connection, request.connector, vendor.kinds, since, until, theirs
        )
        if self._shared(request.connector):
            names = {e.external_id for e in ours} | {e.reference for e in ours} - {""}
            theirs = [
                e for e in theirs
                if {e.external_id, e.reference} & names or e.reference.startswith(OURS)
            ]  # fmt: skip
        found = compare(theirs, ours, since, until)
        unreadable = reconciliations.noted(connection, f"{look}/unreadable")
        every = (*found.differences, *unreadable)
        return found.model_copy(update={"differences": every}), len(theirs)

    def _shared(self, connector: str) -> bool:
        """Whether others use the account, too: what carries no reference of ours is theirs."""
        config = next(c for c in self._c.network.connectors if c.name == connector)
        return config.options.get("shared", "").lower() == "true"


class Reconciling:
    """In the store alone."""

    def __init__(self, context: Context) -> None:
        self._c = context

    @activity.defn(name=Activity.PLAN_RECONCILING)
    def plan(self, request: PlanReconciling) -> ReconcilingPlan:
        """Days that are to be looked at now by the network file, and those that were missed."""
        terms = self._c.network.reconciliation
        today = terms.day_of(request.at)
        with self._c.db.read() as connection:
            begin = orders.first_day(connection)
            looked = {row.day for row in reconciliations.looks(connection)}
        wanted = {today - timedelta(days=n) for n in terms.days_after}
        wanted |= {
            day
            for n in range(1, CATCH_UP + 1)
            if (day := today - timedelta(days=n)).isoformat() not in looked
        }
        first = terms.day_of(begin) if begin else today
        return ReconcilingPlan(
            days=tuple(sorted(day for day in wanted if first <= day < today)),
            vendors=tuple(
                Endpoint(connector=name, queue=connector_queue(name))
                for name, connector in self._c.connectors.items()
                if isinstance(connector, Statements)
            ),
            settle_minutes=terms.settle_minutes,
        )

    @activity.defn(name=Activity.AUDIT_INVOICES)
    def audit_invoices(self, request: SumUp) -> m.Audited:
        """Audit the invoices that nobody has audited yet, each in a transaction of its own. One
        that cannot be is a problem for platform, and is tried again the next time."""
        with self._c.db.read() as connection:
            rows = [r for r in invoices.listed(connection) if r.audited_at is None]
        for row in rows:
            try:
                with self._c.db.write() as connection:
                    audit_invoice(connection, self._c.network, row, request.at)
            except InvalidInput as refused:
                with self._c.db.write() as connection:
                    for problem in refused.problems:
                        catalog.note_problem(connection, problem, request.at)
            activity.heartbeat()
        return m.Audited()

    @activity.defn(name=Activity.SUM_UP_DAY)
    def sum_up(self, request: SumUp) -> DaySum:
        """What is open of a day, in words."""
        window = self._c.network.reconciliation.window(request.day)
        with self._c.db.read() as connection:
            found = day_sum(connection, request.day)
            claims = invoices.claims_of(connection, *window)
        if not claims:
            return found
        total = format_money(sum(c.claim_minor for c in claims), self._c.network.currency)
        told = f"invoices: {len(claims)} open claims ({total})"
        words = "; ".join(x for x in (found.words, told) if x)
        return found.model_copy(update={"claims": len(claims), "words": words})


def day_sum(connection: Connection, day: date) -> DaySum:
    """What vendors and we do not agree on of a day."""
    rows = reconciliations.differences(connection, day, states=("open",))
    counts = Counter((row.connector, f"{row.kind}_{row.nature}") for row in rows)
    money: dict[str, int] = {}
    for row in rows:
        if row.minor:
            money[row.currency] = money.get(row.currency, 0) + abs(row.minor)
    untied = sum(
        abs(total.untied_minor)
        for look in reconciliations.looks(connection, day)
        for total in reconciliations.totals_of(look)
    )
    parts = [f"{name}: {count} {what}" for (name, what), count in sorted(counts.items())]
    sums = ", ".join(format_money(minor, currency) for currency, minor in sorted(money.items()))
    words = "; ".join(parts) + (f" ({sums})" if sums else "")
    return DaySum(open=len(rows), untied_minor=untied, words=words)


def _look(request: ReconcileVendor) -> str:
    return f"{request.key}/{request.connector}"


def _key(difference: Difference) -> tuple[str, str, str]:
    return difference.kind, difference.nature, difference.subject
