"""`meshline policy list`, `show`, `submit`, `approve`, `reject`, `archive`, `rollback`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
import typer

from activities.governance import Governance, Refused
from cli.options import AsJson, Comment, User
from cli.session import FAILED, Session, bad_input, console, print_json, refuse, session, table
from domain.base import InvalidInput, Problem
from store import policies as catalogue
from store.audit import audit_log

Reference = Annotated[
    str, typer.Argument(metavar="VERSION", help="name@version, a hash's beginning, or a name.")
]
Name = Annotated[str, typer.Argument(help="The policy's name.")]
Desk = TypeVar("Desk", bound=Governance)
STYLE = {
    "active": "green", "canary": "cyan", "shadow": "cyan", "approved": "blue",
    "in_review": "yellow", "rejected": "red", "rolled_back": "red",
}  # fmt: skip


def list_policies(
    name: Annotated[str, typer.Option(help="Only the versions of one.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="With what is over.")] = False,
    as_json: AsJson = False,
) -> None:
    """Published versions: what is in force, on its way, and over.

    Examples:

      meshline policy list

      meshline policy list --name cost_priority --all
    """
    with bad_input():
        s = session()
        with s.db.read() as connection:
            rows = list(catalogue.versions(connection, name))
            shares = {r.version_id: r for r in catalogue.rollouts(connection)}
    if not everything:
        rows = [r for r in rows if r.state not in ("superseded", "archived", "rejected")]
    if as_json:
        print_json([{**facts_of(r), "percent": _share(shares.get(r.id))} for r in rows])
        return
    shown = table(f"{len(rows)} versions", "point", "version", "state", "share", "author", "since")
    for column in shown.columns:
        column.no_wrap = True
    for r in rows:
        style = STYLE.get(r.state, "dim")
        shown.add_row(
            r.point, r.id, f"[{style}]{r.state}[/]", _share(shares.get(r.id)), r.author,
            f"{r.updated_at:%d %b %H:%M}",
        )  # fmt: skip
    console.print(shown)
    if not rows:
        console.print("Nothing is published yet: the first `meshline up` installs the templates")


def show(
    reference: Reference,
    text: Annotated[
        bool, typer.Option("--text", help="The document alone, to begin a new version with.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """One version: its text, its state, and what was done about it by whom.

    Examples:

      meshline policy show cost_priority@2

      meshline policy show cost_priority --text > cost_priority.yaml
    """
    with bad_input():
        s = session()
        row = known(s, reference)
        if text:
            sys.stdout.write(row.body)  # to the letter: no table, no colours, no folding
            return
        with s.db.read() as connection:
            deeds = [
                {"at": d.at, "by": d.actor, "did": d.action, **orjson.loads(d.body)}
                for d in catalogue.chronicle(connection, row.name)
                if orjson.loads(d.body).get("version", row.id) == row.id
            ]
    if as_json:
        print_json({**facts_of(row), "body": row.body, "deeds": deeds})
        return
    style = STYLE.get(row.state, "dim")
    console.print(f"[bold]{row.id}[/]  [{style}]{row.state}[/]  {row.point}  {row.hash}")
    console.print(row.body, highlight=False, markup=False)
    for done in deeds:
        said = done.get("comment") or done.get("because") or ""
        console.print(
            f"  {done['at']:%a %d %b %H:%M}  {done['did']:<12} {done['by']:<12} {said}",
            highlight=False, soft_wrap=True,
        )  # fmt: skip


def submit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The document (YAML).")],
    user: User,
    comment: Comment = "",
    draft: Annotated[
        bool, typer.Option("--draft", help="Publish it without asking for a review yet.")
    ] = False,
) -> None:
    """Publish a document as an immutable version and ask for its review.

    The same document again changes nothing. A changed one needs a higher version.

    Example: meshline policy submit cost_priority.yaml --as riley --comment "less express"
    """
    with bad_input():
        text = _text(file)
        s = session()
        version = deed(s, user, lambda g: g.submit(text, file.name, comment, draft=draft))
        state = known(s, version).state
    said = {"draft": "is published as a draft", "in_review": "waits for its review"}
    what = said.get(state, f"was published before, and is {state}")
    console.print(f"[green]✓[/] {version} {what}", highlight=False)
    if state == "in_review":
        console.print(f"  another person: meshline policy review {version}", highlight=False)


def approve(
    reference: Reference,
    user: User,
    comment: Comment = "",
    shown_hash: Annotated[
        str, typer.Option(help="Bind the approval to the hash that you saw.")
    ] = "",
) -> None:
    """Approve a version under review: not its author, and with a role that reviews it.

    Example: meshline policy approve cost_priority@2 --as finn --shown-hash 3f9c21d0
    """
    with bad_input():
        version = deed(
            session(), user, lambda g: g.judge(reference, "approve", comment, shown_hash)
        )
    console.print(f"[green]✓[/] {version} is approved by {user}", highlight=False)
    console.print(f"  next: meshline policy rollout start {version} --as {user}", highlight=False)


def reject(reference: Reference, user: User, comment: Comment = "") -> None:
    """Reject a version under review; say why, its author will read it.

    Example: meshline policy reject cost_priority@2 --as finn --comment "too much express"
    """
    with bad_input():
        version = deed(session(), user, lambda g: g.judge(reference, "reject", comment, ""))
    console.print(f"[green]✓[/] {version} is rejected by {user}", highlight=False)


def archive(reference: Reference, user: User, comment: Comment = "") -> None:
    """Put a version away that is neither in force nor on its way.

    Example: meshline policy archive cost_priority@2 --as riley
    """
    with bad_input():
        version = deed(session(), user, lambda g: g.archive(reference, comment))
    console.print(f"[green]✓[/] {version} is archived", highlight=False)


def rollback(name: Name, user: User, comment: Comment = "") -> None:
    """Take back what is new: a running rollout, else the version in force.

    It counts for the next decision of every worker. Orders that are decided already keep
    their plans.

    Example: meshline policy rollback cost_priority --as riley --comment "express doubled"
    """
    with bad_input():
        version = deed(session(), user, lambda g: g.roll_back(name, comment))
    console.print(f"[green]✓[/] rolled back: {version} decides from now on", highlight=False)


def known(s: Session, reference: str) -> Any:
    """A published version; ends the verb when there is none."""
    with s.db.read() as connection:
        row = catalogue.find(connection, reference)
    if row is None:
        refuse(
            f"{reference!r} is no published version. List them with `meshline policy list --all`"
        )
    return row


def deed(s: Session, user: str, done: Callable[[Governance], str]) -> str:
    """Do something with a policy; a refusal ends the verb."""
    return acted(Governance, s, user)(done)


def acted(kind: type[Desk], s: Session, user: str) -> Callable[[Callable[[Desk], str]], str]:
    """A person's desk; what they may not do ends the verb."""
    desk = kind(s.db, audit_log(s.settings.home), s.network, user, s.now())

    def act(done: Callable[[Desk], str]) -> str:
        try:
            return done(desk)
        except Refused as refused:
            refuse(str(refused), FAILED)

    return act


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise InvalidInput(
            Problem(source=str(file), field="(file)", reason=str(reason), remedy="Check the path")
        ) from None


def facts_of(row: Any) -> dict[str, Any]:
    """A version without its text, for scripts."""
    kept = (
        "id", "name", "version", "point", "hash", "state", "owner", "author", "description",
        "created_at", "updated_at",
    )  # fmt: skip
    return {name: getattr(row, name) for name in kept}


def _share(rollout: Any) -> str:
    return "" if rollout is None else f"{rollout.percent} %"
