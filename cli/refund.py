"""`meshline refund`: money that goes back to customers."""

from __future__ import annotations

from typing import Annotated

import typer

from activities.refund_desk import RefundDesk
from cli.decide import act
from cli.options import AsJson, Comment, OrderArg, User
from cli.order import known_order
from cli.session import bad_input, console, one_of, print_json, refuse, session, table
from domain.cases import CaseAction
from domain.refunds import RefundSum
from domain.units import format_money, to_major, to_minor
from store import cases, orders, refunds
from store.audit import audit_log

RefundId = Annotated[str, typer.Argument(help="The refund's ID, as `list` shows it.")]
STATES = (
    "requested", "awaiting_approval", "pending", "settled", "failed", "cancelled",
)  # fmt: skip


def list_refunds(
    state: Annotated[str, typer.Option(help=f"One of {', '.join(STATES)}.")] = "",
    as_json: AsJson = False,
) -> None:
    """Refunds, the newest first: what for, how much, and whether it is back.

    One that waits for an approval, or that the bank could not pay, is an exception as well:
    `meshline exception list --owner finance`.

    Example: meshline refund list --state settled
    """
    with bad_input():
        one_of("--state", state, STATES, or_none=True)
        s = session()
        with s.db.read() as connection:
            rows = refunds.listed(connection, (state,) if state else ())
    if as_json:
        print_json([dict(r._mapping) for r in rows])
        return
    total = format_money(sum(r.amount_minor for r in rows), s.network.currency)
    shown = table(f"{len(rows)} refunds, {total}", "id", "cause", "by", "amount", "state", "lines",
                  "because")  # fmt: skip
    for r in rows:
        parts = RefundSum.model_validate_json(r.body).parts
        lines = ", ".join(f"{p.quantity} of {p.line_id}" for p in parts)
        amount = f"{to_major(r.amount_minor, r.currency)} {r.currency}"
        shown.add_row(r.id, r.cause, r.method, amount, r.state, lines, r.because)
    console.print(shown)


def give(
    order: OrderArg,
    amount: Annotated[str, typer.Argument(help="In the order's currency, for example 5.00.")],
    user: User,
    comment: Annotated[str, typer.Option(help="Why; who agrees will read it.")],
    credit: Annotated[bool, typer.Option("--credit", help="As store credit.")] = False,
) -> None:
    """Give money back for goodwill; the refund policy says who has to agree.

    Example: meshline refund give 1042 5.00 --as casey --comment "came late for a birthday"
    """
    with bad_input():
        s = session()
        order_id = known_order(s, order)
        with s.db.read() as connection:
            currency = orders.row(connection, order_id).currency
        try:
            minor = to_minor(amount, currency)
        except ValueError as wrong:
            refuse(f"AMOUNT: {wrong}")
        desk = RefundDesk(s.db, audit_log(s.settings.home), s.network, user, s.now())
        refund_id = desk.give(order_id, minor, comment, credit=credit)
    console.print(f"[green]✓[/] asked for: {refund_id}", highlight=False, soft_wrap=True)


def approve(refund_id: RefundId, user: User, comment: Comment = "") -> None:
    """Agree to a refund that waits for it; nobody agrees to what they caused.

    Example: meshline refund approve order:medusa:1042/refund/1 --as dana
    """
    act(CaseAction.APPROVE, [_case_of(refund_id, "refund_due")], user, comment)


def retry(refund_id: RefundId, user: User, comment: Comment = "") -> None:
    """Ask the payment provider once more for a refund that failed.

    Example: meshline refund retry order:medusa:1042/refund/1 --as dana
    """
    act(CaseAction.RETRY, [_case_of(refund_id, "refund_failed")], user, comment)


def _case_of(refund_id: str, kind: str) -> str:
    """The open exception of a kind about a refund."""
    with bad_input():
        s = session()
        with s.db.read() as connection:
            try:
                row = refunds.get(connection, refund_id)
            except LookupError:
                refuse(f"there is no refund {refund_id!r}. See `meshline refund list`")
            open_cases = cases.live_about_refund(connection, refund_id, kind)
        if not open_cases:
            refuse(f"{refund_id} is {row.state}: no {kind} is open for it")
        return open_cases[0]
