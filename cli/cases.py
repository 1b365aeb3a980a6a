"""`meshline exception …` and `meshline hold …`: the queue that people work."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
import typer

from cli.session import bad_input, console, print_json, refuse, session, table
from domain import messages as m
from domain.cases import CaseAction, ExceptionCase
from store import cases

exceptions = typer.Typer(no_args_is_help=True, help="What waits for a person's decision.")
holds = typer.Typer(no_args_is_help=True, help="Orders that are held, and releasing them.")

User = Annotated[str, typer.Option("--as", help="Who you are (a user of the network file).")]
Comment = Annotated[str, typer.Option(help="Why; kept with the decision.")]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]
CaseId = Annotated[str, typer.Argument(help="The exception's ID, as `list` shows it.")]


@exceptions.command("list")
def list_cases(
    owner: Annotated[str, typer.Option(help="Only those of one role.")] = "",
    as_json: AsJson = False,
) -> None:
    """Open exceptions, the nearest deadline first.

    Example: meshline exception list --owner finance
    """
    with bad_input():
        s = session()
        with s.db.read() as connection:
            rows = [r for r in cases.live(connection) if owner in ("", r.owner)]
    if as_json:
        print_json([_as_dict(r) for r in rows])
        return
    shown = table(f"{len(rows)} open exceptions", "id", "kind", "owner", "status", "due", "because")
    for r in rows:
        shown.add_row(
            r.id, r.kind, r.owner, r.status, f"{r.deadline:%a %d %b %H:%M}",
            orjson.loads(r.body)["because"],
        )  # fmt: skip
    console.print(shown)


@exceptions.command("show")
def show_case(case_id: CaseId, as_json: AsJson = False) -> None:
    """One exception with everything that a decision needs.

    Example: meshline exception show order:shop:1001/case/1
    """
    row = _row(case_id)
    if as_json:
        print_json(_as_dict(row))
        return
    case = ExceptionCase.model_validate_json(row.body)
    console.print(f"[bold]{case.kind}[/] ({case.exception_class})  {case.id}")
    console.print(f"  because   {case.because}")
    console.print(f"  owner     {row.owner}, until {row.deadline:%a %d %b %H:%M}, {row.status}")
    if case.needs_approval:
        console.print(f"  approver  {case.owner}, and not {case.requester}")
    console.print(f"  order     {case.order_id}")
    for name, value in case.shown.items():
        console.print(f"  {name:<9} {value}")
    console.print(f"  decide    {', '.join(case.actions)}   (shown-hash {case.shown_hash})")
    console.print("  runbook   docs/operating-guide.md#" + case.kind.replace("_", "-"))


def _act(action: CaseAction, case_id: str, user: str, comment: str, shown_hash: str) -> None:
    with bad_input():
        row = _row(case_id)
        case = ExceptionCase.model_validate_json(row.body)
        wanted = m.Resolution(
            case_id=case.id, action=action, user=user, comment=comment,
            shown_hash=shown_hash or case.shown_hash,
        )  # fmt: skip
        answer = session().update(case.order_id, "resolve_case", wanted)
    console.print(f"[green]✓[/] {answer}", highlight=False)


def _verb(action: CaseAction, text: str) -> None:
    def verb(
        case_id: CaseId,
        user: User,
        comment: Comment = "",
        shown_hash: Annotated[
            str, typer.Option(help="Bind the decision to what you saw (default: as stored now).")
        ] = "",
    ) -> None:
        _act(action, case_id, user, comment, shown_hash)

    verb.__doc__ = f"{text}\n\nExample: meshline exception {action.value} CASE --as dana"
    exceptions.command(action.value.replace("_", "-"))(verb)


_verb(CaseAction.ACK, "Say that you are on it.")
_verb(CaseAction.APPROVE, "Approve what was shown.")
_verb(CaseAction.REJECT, "Reject what was shown.")
_verb(CaseAction.REROUTE, "Plan it again, elsewhere or by another service.")
_verb(CaseAction.RETRY, "Try the step again.")
_verb(CaseAction.RESOLVE, "It was dealt with by hand.")
_verb(CaseAction.CANCEL, "Give it up and cancel what hangs on it.")
_verb(CaseAction.WAIT, "Give it another window.")
_verb(CaseAction.SHIP_PARTIAL, "Ship what there is.")


@holds.command("list")
def list_holds(as_json: AsJson = False) -> None:
    """Active holds, the nearest deadline first."""
    with bad_input():
        s = session()
        with s.db.read() as connection:
            rows = cases.live_holds(connection)
    if as_json:
        print_json([dict(r._mapping) for r in rows])
        return
    shown = table(f"{len(rows)} active holds", "id", "reason", "owner", "due", "because")
    for r in rows:
        shown.add_row(r.id, r.reason, r.owner, f"{r.deadline:%a %d %b %H:%M}", r.because)
    console.print(shown)


HoldId = Annotated[str, typer.Argument(help="The hold's ID.")]


@holds.command("release")
def release(hold_id: HoldId, user: User, comment: Comment = "") -> None:
    """Let the order go on; the same reason does not hold it again.

    Example: meshline hold release HOLD --as dana --comment "customer called"
    """
    _end(hold_id, user, comment, "release")


@holds.command("reject")
def reject(hold_id: HoldId, user: User, comment: Comment = "") -> None:
    """Reject the order for what it is held for.

    Example: meshline hold reject HOLD --as riley --comment "card was stolen"
    """
    _end(hold_id, user, comment, "reject")


def _end(hold_id: str, user: str, comment: str, outcome: Literal["release", "reject"]) -> None:
    with bad_input():
        s = session()
        with s.db.read() as connection:
            row = next((r for r in cases.live_holds(connection) if r.id == hold_id), None)
        if row is None:
            refuse(f"hold {hold_id!r} is not active. List them with `meshline hold list`")
        wanted = m.HoldRelease(hold_id=hold_id, user=user, comment=comment, outcome=outcome)
        answer = s.update(row.order_id, "release_hold", wanted)
    console.print(f"[green]✓[/] {answer}", highlight=False)


def _row(case_id: str) -> Any:
    s = session()
    with s.db.read() as connection:
        try:
            return cases.case_row(connection, case_id)
        except LookupError:
            refuse(
                f"exception {case_id!r} does not exist. List them with `meshline exception list`"
            )


def _as_dict(row: Any) -> dict[str, Any]:
    case = ExceptionCase.model_validate_json(row.body)
    return {
        **case.model_dump(mode="json"),
        "shown_hash": case.shown_hash,
        "owner": row.owner,
        "approver": case.owner if case.needs_approval else "",
        "deadline": row.deadline,
        "status": row.status,
        "resolution": row.resolution,
    }
