"""`meshline reconcile`: what vendors have of a day, compared with what we have."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import Row
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from activities.contracts import MAIN_QUEUE
from cli.options import AsJson, Comment, User
from cli.page import Html, writable, write
from cli.reconcile_page import page
from cli.session import (
    FAILED,
    Session,
    bad_input,
    console,
    errors,
    one_of,
    print_json,
    refuse,
    session,
    table,
)
from cli.temporal import connected
from domain.messages import Endpoint
from domain.reconciliation import Difference, ReconcileProgress, ReconcileStart, stream_of
from domain.units import to_major
from finance.reconciliation import remedy
from store import orders, reconciliations
from store.audit import audit_log

WORKFLOW = "Reconciliation"  # by its name: the workflows need not be imported for it
POLL = 0.3  # seconds
MOST_DAYS = 62
STATES = ("open", "explained", "cleared")
_COLUMNS = (
    "day", "vendor", "kind", "subject", "order_id", "difference", "currency", "state", "because",
    "remedy", "first_seen", "seen_at", "ended_by", "comment",
)  # fmt: skip

Day = Annotated[str, typer.Option(help="A day as 2026-01-05 (default: all that were compared).")]


def run(
    day: Annotated[str, typer.Option(help="A day as 2026-01-05 (default: yesterday).")] = "",
    days: Annotated[
        int, typer.Option(min=1, max=MOST_DAYS, help="So many days, that one the last.")
    ] = 1,
    timeout: Annotated[int, typer.Option(min=1, help="Seconds to wait for all of it.")] = 1_800,
    as_json: AsJson = False,
) -> None:
    """Compare days with every vendor now: orders, fulfilments, labels, money.

    What differs is looked at twice, some minutes of business time apart, before it counts. It is
    safe to repeat: a day has one result, and what is gone is cleared. Exit code 1 while anything
    is open.

    Example: meshline reconcile run --day 2026-01-05
    """
    with bad_input():
        s = session()
        wanted = _days(s, day, days)
        rows, found, untied = compared(s, wanted, timeout, quiet=as_json)
    if as_json:
        print_json({"days": [str(d) for d in wanted], "open": [as_dict(r) for r in found],
                    "untied_minor": untied})  # fmt: skip
    else:
        _show(rows, found, untied)
    if found or untied:
        raise typer.Exit(FAILED)


def compared(
    s: Session, days: Sequence[date], timeout: int, *, quiet: bool
) -> tuple[list[Row[Any]], list[Row[Any]], int]:
    """Have days compared: the looks, what is open of them, and minor units that do not tie."""
    asyncio.run(_look_at(s, days, timeout, quiet=quiet))
    with s.db.read() as connection:
        rows = [r for d in days for r in reconciliations.looks(connection, d)]
        found = [
            r for d in days for r in reconciliations.differences(connection, d, states=("open",))
        ]
    return rows, found, _untied(rows)


def _untied(looks: Sequence[Row[Any]]) -> int:
    """Minor units that no difference explains."""
    return sum(abs(x.untied_minor) for look in looks for x in reconciliations.totals_of(look))


def all_days(s: Session) -> list[date]:
    """Every day from the first order's to yesterday, two months at most."""
    return _days(s, "", MOST_DAYS)


def _days(s: Session, day: str, count: int) -> list[date]:
    terms = s.network.reconciliation
    today = terms.day_of(s.now())
    last = _day(day) if day else today - timedelta(days=1)
    with s.db.read() as connection:
        begin = orders.first_day(connection)
    if begin is None:
        refuse("there is no order yet: nothing to compare")
    first = terms.day_of(begin)
    if last >= today:
        refuse(f"--day: {last} is not over; the last one that is: {today - timedelta(days=1)}")
    found = [d for n in range(count - 1, -1, -1) if (d := last - timedelta(days=n)) >= first]
    return found or refuse(f"--day: the first order is of {first}")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        refuse(f"--day: {text!r} is no day. Give it as 2026-01-05")


async def _look_at(s: Session, days: Sequence[date], timeout: int, *, quiet: bool) -> None:
    client = await connected(s.settings)
    cx = s.network.cx_connector
    start = ReconcileStart(
        clock=s.clock, cx=Endpoint(connector=cx, queue=f"connector:{cx}") if cx else None
    )
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=errors, transient=True, disable=quiet) as progress:
        bar = progress.add_task("days", total=len(days))
        try:
            async with asyncio.timeout(timeout):
                for day in days:
                    progress.update(bar, description=f"{day}")
                    handle, before = await _begin(client, start.model_copy(update={"day": day}))
                    await _wait(handle, before)
                    progress.advance(bar)
        except TimeoutError:
            refuse(
                f"not over within {timeout} s: it goes on by itself. Look at "
                "`meshline exception list --owner platform`, and at `meshline reconcile report`",
                FAILED,
            )
        except RPCError as error:
            refuse(f"Temporal does not tell: {error.message}", FAILED)


async def _begin(client: Client, start: ReconcileStart) -> tuple[WorkflowHandle[Any, Any], int]:
    """The workflow of a day, looking (again), and how many looks it has behind it."""
    assert start.day is not None
    name = stream_of(start.day)
    try:
        handle = await client.start_workflow(WORKFLOW, start, id=name, task_queue=MAIN_QUEUE)
        return handle, 0
    except WorkflowAlreadyStartedError:
        handle = client.get_workflow_handle(name)
        before = await handle.query("progress", result_type=ReconcileProgress)
        await handle.signal("again")
        return handle, before.looks


async def _wait(handle: WorkflowHandle[Any, Any], before: int) -> None:
    while True:
        progress = await handle.query("progress", result_type=ReconcileProgress)
        if progress.looks > before:
            return
        await asyncio.sleep(POLL)


def _show(looks: Sequence[Row[Any]], found: Sequence[Row[Any]], untied: int) -> None:
    shown = table("compared", "day", "vendor", "what", "there", "here", "there minor",
                  "here minor", "explained by differences")  # fmt: skip
    for look in looks:
        for x in reconciliations.totals_of(look):
            theirs, ours = to_major(x.theirs_minor, x.currency), to_major(x.ours_minor, x.currency)
            gap = to_major(x.differences_minor, x.currency)
            money = [f"{a:,} {x.currency}" for a in (theirs, ours, gap)] if x.currency else [""] * 3
            shown.add_row(look.day, look.connector, x.kind, str(x.theirs), str(x.ours), *money)
    console.print(shown)
    if not found:
        tied = "" if not untied else f", but {untied} minor units are untied: a defect of ours"
        console.print(f"[green]✓[/] nothing differs{tied}", highlight=False)
        return
    _show_differences(found)


def _show_differences(rows: Sequence[Row[Any]]) -> None:
    shown = table(f"{len(rows)} differences", "day", "vendor", "what", "difference", "state",
                  "why", "do")  # fmt: skip
    for r in rows:
        found = as_dict(r)
        money = f"{found['difference']} {r.currency}" if r.minor else ""
        shown.add_row(r.day, r.connector, found["kind"], money, r.state, found["because"],
                      found["remedy"])  # fmt: skip
    console.print(shown)


def report(
    day: Day = "",
    state: Annotated[str, typer.Option(help=f"One of {', '.join(STATES)} (default: all).")] = "",
    out: Annotated[Path | None, typer.Option(help="CSV file with every difference.")] = None,
    html: Html = None,
    as_json: AsJson = False,
) -> None:
    """Report what was compared and what differs: on the terminal, as CSV, or as an HTML page.

    Example: meshline reconcile report --html reconciliation.html --out differences.csv
    """
    with bad_input():
        one_of("--state", state, STATES, or_none=True)
        if html is not None:
            writable(html)
        s = session()
        only = _day(day) if day else None
        with s.db.read() as connection:
            looks = reconciliations.looks(connection, only)
            rows = reconciliations.differences(connection, only, states=(state,) if state else ())
        if not looks:
            refuse("nothing was compared yet. See `meshline reconcile run`")
        if html is not None:
            write(html, page(looks, rows, f"{s.now():%d %b %Y %H:%M}"))
    if out is not None:
        with out.open("w", newline="") as target:
            writer = csv.DictWriter(target, _COLUMNS)
            writer.writeheader()
            writer.writerows(map(as_dict, rows))
    if as_json:
        print_json([as_dict(r) for r in rows])
        return
    for path in (out, html):
        if path is not None:
            told = f"[green]✓[/] {len(looks)} comparisons, {len(rows)} differences in {path}"
            console.print(told, highlight=False, soft_wrap=True)
    if out is None and html is None:
        _show(looks, rows, _untied(looks))


def explain(
    day: Annotated[str, typer.Argument(help="The day, as 2026-01-05.")],
    subject: Annotated[str, typer.Argument(help="The vendor's ID, or our reference.")],
    user: User,
    comment: Comment,
) -> None:
    """Say why a difference is right as it is; it stays explained while nothing about it changes.

    Example: meshline reconcile explain 2026-01-05 re_3Nk --as dana --comment "paid at the desk"
    """
    with bad_input():
        s = session()
        if "finance" not in s.network.roles_of(user):
            refuse(f"--as: {user} does not hold the role finance")
        if not comment.strip():
            refuse("--comment: is empty. Say why it is right, the next person will read it")
        with s.db.write() as connection:
            rows = [
                r for r in reconciliations.differences(connection, _day(day), states=("open",))
                if subject in (r.subject, r.order_id)
            ]  # fmt: skip
            if not rows:
                refuse(f"{day} has no open difference of {subject!r}. See `reconcile report`")
            for row in rows:
                reconciliations.end(connection, row, "explained", user, comment)
            audit_log(s.settings.home).append(
                connection, stream_of(_day(day)), s.now(), user, "difference_explained",
                about=subject, differences=len(rows), comment=comment,
            )  # fmt: skip
    console.print(f"[green]✓[/] {len(rows)} explained", highlight=False)


def as_dict(row: Row[Any]) -> dict[str, str]:
    """A difference as a CSV has it."""
    found = Difference.model_validate_json(row.body)
    return {
        "day": row.day,
        "vendor": row.connector,
        "kind": found.name,
        "subject": row.subject,
        "order_id": row.order_id,
        "difference": str(to_major(row.minor, row.currency)) if row.minor else "",
        "currency": row.currency,
        "state": row.state,
        "because": found.because,
        "remedy": remedy(found),
        "first_seen": f"{row.first_seen:%Y-%m-%d %H:%M}",
        "seen_at": f"{row.seen_at:%Y-%m-%d %H:%M}",
        "ended_by": row.ended_by,
        "comment": row.comment,
    }
