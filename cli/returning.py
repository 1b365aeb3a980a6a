"""`meshline return`: goods that customers send back, from the request to the inspection."""

from __future__ import annotations

import re
from typing import Annotated, Any, NoReturn, get_args

import typer
from rich.tree import Tree

from activities.return_desk import ReturnDesk
from cli.decide import act
from cli.options import AsJson, Comment, OrderArg, User
from cli.order import known_order
from cli.session import Session, bad_input, console, one_of, print_json, refuse, session, table
from cli.temporal import update
from domain.cases import CaseAction, ExceptionCase
from domain.decision import ReturnReason
from domain.recoveries import RecoveryState
from domain.returns import (
    DISPOSITIONS,
    GRADES,
    USUALLY,
    WISHES,
    CancelReturn,
    Inspected,
    InspectedUnits,
    Received,
    ReturnedUnits,
    ReturnWish,
)
from domain.units import format_money, to_major
from store import cases, events, recoveries, refunds, returns
from store.audit import audit_log

REASONS = get_args(ReturnReason)
STATES = (
    "requested", "action_required", "approved", "in_transit", "partially_received", "received",
    "inspecting", "processed", "closed", "declined", "expired", "cancelled",
)  # fmt: skip

RECOVERY_STATES: tuple[str, ...] = get_args(RecoveryState)

ReturnArg = Annotated[str, typer.Argument(metavar="RETURN", help="Its ID, or the shop's own.")]


def request(
    order: OrderArg,
    user: User,
    line: Annotated[
        list[str],
        typer.Option(
            metavar="LINE[:UNITS[:REASON]]",
            help=f"What is to come back; repeat it. Reasons: {', '.join(REASONS)}.",
        ),
    ],
    wish: Annotated[str, typer.Option("--for", help=f"One of {', '.join(WISHES)}.")] = "refund",
    instead: Annotated[
        list[str] | None,
        typer.Option(metavar="LINE=SKU", help="What to send instead, in an exchange; repeat it."),
    ] = None,
    comment: Comment = "",
    as_json: AsJson = False,
) -> None:
    """Ask to send goods back; the return policy says whether, the refund policy when money goes.

    Examples:

      meshline return request 1042 --line 1:2:size_too_small --as casey

      meshline return request 1042 --line 1 --for exchange --instead 1=TENT-3P --as casey
    """
    with bad_input():
        s = session()
        one_of("--for", wish, WISHES)
        swaps = dict(_pair(x) for x in instead or ())
        if swaps and wish != "exchange":
            refuse("--instead: goes with `--for exchange` only")
        asked = [_asked(x, swaps) for x in line]
        if left := swaps.keys() - {x.line_id for x in asked}:
            refuse(f"--instead: {', '.join(sorted(left))} is not among the lines that come back")
        wanted = ReturnWish.model_validate(
            {"order_id": known_order(s, order), "lines": asked, "wish": wish, "comment": comment}
        )
        (found,) = _desk(s, user).ask([wanted])
    if as_json:
        print_json({"id": found})
        return
    console.print(f"[green]✓[/] asked for: {found}", highlight=False, soft_wrap=True)
    console.print(
        f"  See what comes of it: meshline return show {found}", highlight=False, soft_wrap=True
    )


def list_returns(
    state: Annotated[str, typer.Option(help=f"One of {', '.join(STATES)}.")] = "",
    order: Annotated[str, typer.Option(help="Only those of one order.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_json: AsJson = False,
) -> None:
    """Returns, the newest first: what comes back, where it stands, what is paid for it.

    Example: meshline return list --state in_transit
    """
    with bad_input():
        one_of("--state", state, STATES, or_none=True)
        s = session()
        of_order = known_order(s, order) if order else ""
        with s.db.read() as connection:
            rows = returns.listed(connection, (state,) if state else (), of_order, limit)
            found = [
                {**_head(r), "lines": [dict(x._mapping) for x in returns.lines(connection, r.id)]}
                for r in rows
            ]
    if as_json:
        print_json(found)
        return
    shown = table(
        f"{len(found)} returns", "id", "state", "for", "comes back", "asked for", "because"
    )
    for r in found:
        units = ", ".join(f"{x['quantity']} {x['sku']} ({x['reason']})" for x in r["lines"])
        shown.add_row(
            r["id"], r["state"], r["wish"], units, f"{r['requested_at']:%a %d %b %H:%M}",
            r["because"],
        )  # fmt: skip
    console.print(shown)


def show(name: ReturnArg, as_json: AsJson = False) -> None:
    """Where a return stands: lines, parcels, inspections, money, exceptions, history.

    Example: meshline return show return:medusa:1042:1
    """
    with bad_input():
        s = session()
        found = _picture(s, _known(s, name))
    if as_json:
        print_json(found)
        return
    head = found["return"]
    root = Tree(
        f"[bold]{head['id']}[/] {head['wish']} of {head['order_id']} · [bold]{head['state']}[/]"
        + (f" ({head['because']})" if head["because"] else "")
        + (f" · {head['source']}: {head['external_id']}" if head["external_id"] else "")
    )
    for part, text in (
        ("lines", "{line_id} {sku}: {quantity} to {node}, {reason}; {received} received, "
                  "{inspected} looked at, {accepted} count, {missing} missing, {extra} extra"),
        ("parcels", "{id} {carrier} {service} {tracking_number}: {status} {label_url} {code_url}"),
        ("inspections", "{line_id} {sku}: {quantity} {grade}, {disposition}, by {user}"),
        ("refunds", "{method} {amount_minor} {currency}: {state} {id} ({because})"),
        ("recoveries", "{amount_minor} {currency}: {state} {id} {external_id}"),
        ("exceptions", "{kind}: owner {owner}, {status} {id}"),
        ("events", "{at:%a %d %b %H:%M} {type}"),
    ):  # fmt: skip
        if found[part]:
            branch = root.add(f"[bold]{part}[/]")
            for row in found[part]:
                branch.add(text.format(**{"node": head["node"], **row}))
    console.print(root, highlight=False)


def approve(name: ReturnArg, user: User, comment: Comment = "") -> None:
    """Agree to what waits for it: the return itself, or what is wrong with what came back.

    Example: meshline return approve return:medusa:1042:1 --as casey
    """
    act(CaseAction.APPROVE, [_case_of(name)], user, comment)


def decline(name: ReturnArg, user: User, comment: Comment = "") -> None:
    """Decline the return that waits for it, or what is wrong with what came back; say why.

    Example: meshline return decline return:medusa:1042:1 --as casey --comment "worn"
    """
    act(CaseAction.REJECT, [_case_of(name)], user, comment)


def recover(name: ReturnArg, user: User, comment: Comment = "") -> None:
    """Refuse what came back, and take back what was paid early for it.

    The card that was charged for the order is charged again; a card that does not let itself be
    charged is an exception for finance.

    Example: meshline return recover return:medusa:1042:1 --as casey --comment "empty box"
    """
    act(CaseAction.RECOVER, [_case_of(name, CaseAction.RECOVER)], user, comment)


def recoveries_of(
    state: Annotated[str, typer.Option(help=f"One of {', '.join(RECOVERY_STATES)}.")] = "",
    as_json: AsJson = False,
) -> None:
    """What is taken back of refunds whose goods did not pass, the newest first.

    Example: meshline return recoveries --state written_off
    """
    with bad_input():
        one_of("--state", state, RECOVERY_STATES, or_none=True)
        s = session()
        with s.db.read() as connection:
            rows = recoveries.listed(connection, (state,) if state else ())
    if as_json:
        print_json([dict(r._mapping) for r in rows])
        return
    total = format_money(sum(r.amount_minor for r in rows), s.network.currency)
    shown = table(f"{len(rows)} recoveries, {total}", "return", "amount", "state", "wanted by",
                  "ended by", "payment or proof")  # fmt: skip
    for r in rows:
        amount = f"{to_major(r.amount_minor, r.currency)} {r.currency}"
        shown.add_row(r.return_id, amount, r.state, r.requester, r.ended_by, r.external_id)
    console.print(shown)


def receive(
    name: ReturnArg,
    user: User,
    line: Annotated[
        list[str], typer.Option(metavar="LINE[:UNITS]", help="What is here; repeat it.")
    ],
) -> None:
    """Count what has arrived at the dock, before anybody has looked at it.

    Example: meshline return receive return:medusa:1042:1 --line 1:2 --as frankie
    """
    with bad_input():
        s = session()
        units = tuple(_asked(x, {}, most=2) for x in line)
        said = update(s, _known(s, name), "receive", Received(lines=units, user=user))
    console.print(f"[green]✓[/] {said}", highlight=False)


def inspect(
    name: ReturnArg,
    user: User,
    line: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LINE:UNITS:GRADE[:DISPOSITION]",
            help=f"What it is; repeat it. Grades: {', '.join(GRADES)}. "
            f"Dispositions: {', '.join(DISPOSITIONS)}; by default as is usual for the grade.",
        ),
    ] = None,
    last: Annotated[
        bool, typer.Option("--last", help="Nothing more will come: the rest is missing.")
    ] = False,
) -> None:
    """Say what came back in which state, and what becomes of it.

    What is new goes back into stock; what is opened, new, or damaged by our fault is paid back;
    anything else is decided by a person.

    Examples:

      meshline return inspect return:medusa:1042:1 --line 1:1:new --line 1:1:damaged --as frankie

      meshline return inspect return:medusa:1042:1 --last --as frankie    # an empty box
    """
    with bad_input():
        s = session()
        if not line and not last:
            refuse("--line: is missing. Say what came, or --last where nothing did")
        units = tuple(_graded(x) for x in line or ())
        wanted = Inspected(lines=units, user=user, last=last)
        said = update(s, _known(s, name), "inspect", wanted)
    console.print(f"[green]✓[/] {said}", highlight=False)


def cancel(name: ReturnArg, user: User, comment: Comment = "") -> None:
    """Call a return off, before anything is on its way; its label is voided.

    Example: meshline return cancel return:medusa:1042:1 --as casey
    """
    with bad_input():
        s = session()
        said = update(s, _known(s, name), "cancel", CancelReturn(user=user, reason=comment))
    console.print(f"[green]✓[/] {said}", highlight=False)


# --------------------------------------------------------------------------------------------


def _asked(text: str, instead: dict[str, str], most: int = 3) -> ReturnedUnits:
    line_id, *rest = text.split(":")
    if len(rest) >= most:
        _bad(text, "has too many parts")
    units, reason = [*rest, "", ""][:2]
    if reason and reason not in REASONS:
        _bad(text, f"{reason!r} is no reason; take one of {', '.join(REASONS)}")
    return ReturnedUnits.model_validate(
        {
            "line_id": line_id or _bad(text, "names no line"),
            "quantity": _units(text, units or "1"),
            "reason": reason or "unwanted",
            "instead": instead.get(line_id, ""),
        }
    )


def _graded(text: str) -> InspectedUnits:
    parts = text.split(":")
    if len(parts) not in (3, 4):
        _bad(text, "is not LINE:UNITS:GRADE[:DISPOSITION]")
    line_id, units, grade = parts[:3]
    if grade not in GRADES:
        _bad(text, f"{grade!r} is no grade; take one of {', '.join(GRADES)}")
    disposition = parts[3] if len(parts) == 4 else USUALLY[grade]
    if disposition not in DISPOSITIONS:
        _bad(text, f"{disposition!r} is none; take one of {', '.join(DISPOSITIONS)}")
    return InspectedUnits.model_validate(
        {
            "line_id": line_id or _bad(text, "names no line"),
            "quantity": _units(text, units),
            "grade": grade,
            "disposition": disposition,
        }
    )


def _units(text: str, units: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,4}", units):
        _bad(text, f"{units!r} is no number of units")
    return int(units)


def _pair(text: str) -> tuple[str, str]:
    line_id, _, sku = text.partition("=")
    if not (line_id and sku):
        refuse(f"--instead: {text!r} is not LINE=SKU")
    return line_id, sku


def _bad(text: str, why: str) -> NoReturn:
    refuse(f"--line: {text!r} {why}")


def _desk(s: Session, user: str) -> ReturnDesk:
    return ReturnDesk(s.db, audit_log(s.settings.home), s.network, user, s.now())


def _known(s: Session, text: str) -> str:
    with s.db.read() as connection:
        found = returns.find(connection, text)
    return found or refuse(f"return {text!r} does not exist. See `meshline return list`")


def _case_of(name: str, action: CaseAction = CaseAction.APPROVE) -> str:
    """The open exception of a return that somebody may approve, or act on otherwise."""
    with bad_input():
        s = session()
        known = _known(s, name)
        with s.db.read() as connection:
            row = returns.get(connection, known)
            open_cases = [
                str(case.id)
                for case in cases.live(connection, known)
                if case.kind.startswith("return_")
                and action in ExceptionCase.model_validate_json(case.body).actions
            ]
        if not open_cases:
            what = "to be taken back" if action == CaseAction.RECOVER else "for a decision"
            refuse(f"{known} is {row.state}: nothing about it waits {what}")
        return open_cases[0]


def _head(row: Any) -> dict[str, Any]:
    head = dict(row._mapping)
    head.pop("plan")
    return head


def _picture(s: Session, return_id: str) -> dict[str, Any]:
    with s.db.read() as connection:
        row = returns.get(connection, return_id)
        mine = [x for x in refunds.of_order(connection, row.order_id) if x.return_id == return_id]
        rows = {
            "lines": returns.lines(connection, return_id),
            "parcels": returns.parcels(connection, return_id),
            "inspections": returns.inspections(connection, return_id),
            "refunds": mine,
            "recoveries": recoveries.of_return(connection, return_id),
            "exceptions": cases.of_workflow(connection, return_id),
        }
        return {
            "return": _head(row),
            **{name: [dict(x._mapping) for x in found] for name, found in rows.items()},
            "events": events.history(connection, return_id),
        }
