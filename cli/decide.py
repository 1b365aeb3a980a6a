"""`meshline exception approve`, … and `hold release`, `reject`: what a person decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import typer

from cli.cases import case_row
from cli.options import CaseId, Comment, HoldId, User
from cli.session import bad_input, console, refuse, session
from cli.temporal import update
from domain import messages as m
from domain.cases import CaseAction, ExceptionCase
from store import cases


def _act(action: CaseAction, case_id: str, user: str, comment: str, shown_hash: str) -> None:
    with bad_input():
        row = case_row(case_id)
        case = ExceptionCase.model_validate_json(row.body)
        wanted = m.Resolution(
            case_id=case.id, action=action, user=user, comment=comment,
            shown_hash=shown_hash or case.shown_hash,
        )  # fmt: skip
        answer = update(session(), case.order_id, "resolve_case", wanted)
    console.print(f"[green]✓[/] {answer}", highlight=False)


def _verb(action: CaseAction, text: str) -> Callable[..., None]:
    def verb(
        case_id: CaseId,
        user: User,
        comment: Comment = "",
        shown_hash: Annotated[
            str, typer.Option(help="Bind the decision to what you saw (default: as stored now).")
        ] = "",
    ) -> None:
        _act(action, case_id, user, comment, shown_hash)

    name = action.value.replace("_", "-")
    verb.__doc__ = f"{text}\n\nExample: meshline exception {name} CASE --as dana"
    return verb


ack = _verb(CaseAction.ACK, "Say that you are on it.")
approve = _verb(CaseAction.APPROVE, "Approve what was shown.")
reject = _verb(CaseAction.REJECT, "Reject what was shown.")
reroute = _verb(CaseAction.REROUTE, "Plan it again, elsewhere or by another service.")
retry = _verb(CaseAction.RETRY, "Try the step again.")
resolve = _verb(CaseAction.RESOLVE, "It was dealt with by hand.")
cancel = _verb(CaseAction.CANCEL, "Give it up and cancel what hangs on it.")
wait = _verb(CaseAction.WAIT, "Give it another window.")
ship_partial = _verb(CaseAction.SHIP_PARTIAL, "Ship what there is.")


def release_hold(hold_id: HoldId, user: User, comment: Comment = "") -> None:
    """Let the order go on; the same reason does not hold it again.

    Example: meshline hold release HOLD --as dana --comment "customer called"
    """
    _end_hold(hold_id, user, comment, "release")


def reject_hold(hold_id: HoldId, user: User, comment: Comment = "") -> None:
    """Reject the order for what it is held for.

    Example: meshline hold reject HOLD --as riley --comment "card was stolen"
    """
    _end_hold(hold_id, user, comment, "reject")


def _end_hold(hold_id: str, user: str, comment: str, outcome: Literal["release", "reject"]) -> None:
    with bad_input():
        s = session()
        with s.db.read() as connection:
            row = next((r for r in cases.live_holds(connection) if r.id == hold_id), None)
        if row is None:
            refuse(f"hold {hold_id!r} is not active. List them with `meshline hold list`")
        wanted = m.HoldRelease(hold_id=hold_id, user=user, comment=comment, outcome=outcome)
        answer = update(s, row.order_id, "release_hold", wanted)
    console.print(f"[green]✓[/] {answer}", highlight=False)
