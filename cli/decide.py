"""`meshline exception approve`, … and `hold release`, `reject`: what a person decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import typer

from cli.cases import case_row
from cli.options import AsJson, CaseIds, Comment, HoldId, User
from cli.session import FAILED, bad_input, console, errors, print_json, refuse, session
from cli.temporal import Ask, update, update_all
from domain import messages as m
from domain.cases import CaseAction, ExceptionCase
from store import cases


def act(
    action: CaseAction, case_ids: list[str], user: str, comment: str, shown_hash: str = "",
    as_json: bool = False,
) -> None:  # fmt: skip
    """Decide exceptions and say what came of it; ends the verb where one was refused."""
    with bad_input():
        if shown_hash and len(case_ids) > 1:
            refuse("--shown-hash: is of one exception. Decide them one by one")
        asked = []
        for case_id in case_ids:
            case = ExceptionCase.model_validate_json(case_row(case_id).body)
            wanted = m.Resolution(
                case_id=case.id, action=action, user=user, comment=comment,
                shown_hash=shown_hash or case.shown_hash,
            )  # fmt: skip
            asked.append(Ask(case.order_id, "resolve_case", wanted))
        answers = update_all(session(), asked)
    if as_json:
        print_json(
            [
                {"id": case_id, "done": done, "said": text}
                for case_id, (done, text) in zip(case_ids, answers, strict=True)
            ]
        )
    for case_id, (done, text) in zip(case_ids, answers, strict=True):
        about = f"{case_id}: " if len(case_ids) > 1 else ""
        if not done:
            errors.print(f"[red]✗[/] {about}{text}", highlight=False, soft_wrap=True)
        elif not as_json:
            console.print(f"[green]✓[/] {about}{text}", highlight=False, soft_wrap=True)
    if not all(done for done, _ in answers):
        raise typer.Exit(FAILED)


def _verb(action: CaseAction, text: str) -> Callable[..., None]:
    def verb(
        case_ids: CaseIds,
        user: User,
        comment: Comment = "",
        shown_hash: Annotated[
            str, typer.Option(help="Bind the decision to what you saw (default: as stored now).")
        ] = "",
        as_json: AsJson = False,
    ) -> None:
        act(action, case_ids, user, comment, shown_hash, as_json)

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
correct = _verb(CaseAction.CORRECT, "Take the node's figures into the ledger.")
keep = _verb(CaseAction.KEEP, "Keep the ledger's figures.")
recover = _verb(CaseAction.RECOVER, "Refuse it, and take back what was paid for it.")


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
