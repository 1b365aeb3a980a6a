"""`meshline exception list`, `show` and `meshline hold list`: the queue that people work."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
import typer

from cli.options import AsJson, CaseId
from cli.session import bad_input, console, print_json, refuse, session, table
from domain.cases import ExceptionCase
from store import cases


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


def show_case(case_id: CaseId, as_json: AsJson = False) -> None:
    """One exception with everything that a decision needs.

    Example: meshline exception show order:shop:1001/case/1-pick_short
    """
    row = case_row(case_id)
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


def case_row(case_id: str) -> Any:
    """The exception of an ID; ends the verb when there is none."""
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
