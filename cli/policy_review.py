"""`meshline policy review`: what a reviewer needs before saying yes or no."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cli.documents import Paper, contest_of
from cli.options import AsJson, User
from cli.page import Html, writable
from cli.policy import STYLE, Reference, facts_of, known
from cli.policy_backtest import Processes, as_data, compared, draw, show
from cli.replaying import Run
from cli.session import Session, bad_input, console, print_json, refuse, session
from cli.snapshots import Generate, Orders, Sample, Seed, Since, Snapshots, Wanted, recorded
from policies.diff import Change, readable
from policies.diff import diff as differences
from policies.governance import approval_refused
from policies.readout import Backtest
from store import policies as catalogue
from store.audit import audit_log

NEWEST = 500  # decisions: seconds to decide again, and days of a small shop
GENERATED = 300  # orders, where there is no history yet
SHOWN_HASH = 12


@dataclass(frozen=True)
class _Review:
    """What is shown of a version.

    Attributes:
        user: who looks; empty where nobody is named.
        stable: the version in force; None where there is none of its name.
        history: whether any decision of its point is recorded.
        found: its backtest; None where there is nothing to decide again.
        hindrance: why this user may not judge it; empty where they may, or nobody is named.
    """

    user: str
    row: Any
    stable: Any
    changes: tuple[Change, ...]
    history: bool
    found: tuple[Backtest, Run, Snapshots] | None
    hindrance: str

    @property
    def next(self) -> tuple[str, ...]:
        """The commands that approve what was shown and nothing else, or send it back."""
        if self.row.state != "in_review":
            return ()
        who = self.user if self.user and not self.hindrance else "YOU"
        verb, of = "meshline policy", f"{self.row.id} --as {who}"
        return (
            f"{verb} approve {of} --shown-hash {self.row.hash[:SHOWN_HASH]}",
            f'{verb} reject {of} --comment "WHY"',
        )


def review(
    reference: Reference,
    user: User = "",
    since: Since = None,
    sample: Sample = None,
    orders: Orders = "recorded",
    generate: Generate = None,
    seed: Seed = 1,
    html: Html = None,
    processes: Processes = None,
    as_json: AsJson = False,
) -> None:
    """What a reviewer needs: what changed, and what it would have decided.

    Compares a version with the one in force, by its text and over the newest 500 decisions;
    where none is recorded, over generated orders. With --as it is noted in the policy's audit
    chain that you looked at it.

    Examples:

      meshline policy review cost_priority@2 --as finn

      meshline policy review cost_priority@2 --since 2026-03-01 --html review.html
    """
    writable(html)
    with bad_input():
        s = session()
        if user and not s.network.roles_of(user):
            refuse(f"{user} is not among the users of the network file")
        wanted = Wanted(since, sample, orders, generate, seed)
        shown = _review(s, known(s, reference), wanted, processes, user)
        if user:
            _note(s, shown, user)
        currency = s.network.currency
    if shown.found is not None:
        draw(html, *shown.found, currency)
    if as_json:
        print_json(_as_data(shown))
        return
    _show(shown, currency)


def _review(s: Session, row: Any, asked: Wanted, processes: int | None, user: str) -> _Review:
    paper, history = Paper.published(row), recorded(s, row.point)
    document = paper.load().document
    with s.db.read() as connection:
        stable = catalogue.active(connection, row.name)
    changes: tuple[Change, ...] = ()
    if stable is not None:
        changes = differences(Paper.published(stable).load().document, document)
    wanted = _wanted(asked, row.point, history)
    found = compared(s, contest_of(s, paper), wanted, processes) if wanted else None
    hindrance = ""
    if user:
        hindrance = approval_refused(document, row.author, user, s.network.roles_of(user))
    return _Review(user, row, stable, changes, history, found, hindrance)


def _wanted(asked: Wanted, point: str, history: bool) -> Wanted | None:
    """Which facts to decide again; None where there are none."""
    if asked != Wanted(seed=asked.seed):
        return asked
    if history:
        return Wanted(newest=NEWEST)
    return Wanted(generate=GENERATED, seed=asked.seed) if point == "route" else None


def _note(s: Session, shown: _Review, user: str) -> None:
    """In the audit chain: who looked at which text, and at which comparison."""
    facts: dict[str, Any] = {"version": shown.row.id, "hash": shown.row.hash}
    if shown.found is not None:
        result, _, snapshots = shown.found
        facts |= {"over": snapshots.what, "changed": result.changed.decisions}
    with s.db.write() as connection:
        chronicle = catalogue.Chronicle(connection, audit_log(s.settings.home), user, s.now())
        chronicle.remark(shown.row.name, "review", **facts)


def _as_data(shown: _Review) -> dict[str, Any]:
    """For scripts."""
    return {
        **facts_of(shown.row),
        "in_force": None if shown.stable is None else shown.stable.id,
        "changes": [change.model_dump() for change in shown.changes],
        "decisions": None if shown.found is None else as_data(*shown.found),
        "hindrance": shown.hindrance,
        "next": shown.next,
    }


def _say(text: str = "") -> None:
    console.print(text, highlight=False, soft_wrap=True)


def _show(shown: _Review, currency: str) -> None:
    row = shown.row
    _say(f"[bold]{row.id}[/]  [{STYLE.get(row.state, 'dim')}]{row.state}[/]  by {row.author}")
    console.print(row.description, highlight=False, markup=False)
    _say()
    for line in _changes(shown):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    _say()
    if not shown.history:
        _say(f"[yellow]•[/] No {row.point} decision is recorded yet: nothing that really happened")
    if shown.found is not None:
        show(*shown.found, currency)
        _say()
    _say(f"hash {row.hash}")
    if shown.hindrance:
        _say(f"[yellow]•[/] {shown.hindrance}")
    for command in shown.next:
        console.print(f"  {command}", highlight=False, markup=False, soft_wrap=True)
    if not shown.next:
        _say(f"It is {row.state}: there is nothing to approve or reject")


def _changes(shown: _Review) -> list[str]:
    if shown.stable is None:
        return [f"No version of {shown.row.name} is in force: all of it is new"]
    if shown.stable.id == shown.row.id:
        return ["It is the version in force"]
    lines = readable(shown.changes) or ["The documents mean the same."]
    return [f"Instead of {shown.stable.id}, which is in force:", *lines]
