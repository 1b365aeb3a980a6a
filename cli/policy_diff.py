"""`meshline policy diff`: what changed in a policy, and which decisions change with it."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.documents import contest_of, paper_of
from cli.options import AsJson
from cli.policy_backtest import DOCUMENT, Processes, as_data, compared, row, show_changed
from cli.session import bad_input, console, print_json, refuse, session
from cli.snapshots import Generate, Orders, Sample, Seed, Since, Wanted
from policies.diff import diff as differences
from policies.diff import readable


def diff(
    before: Annotated[str, typer.Argument(metavar="A", help=f"As it was. {DOCUMENT}")],
    after: Annotated[str, typer.Argument(metavar="B", help="As it is to be, likewise.")],
    since: Since = None,
    sample: Sample = None,
    orders: Orders = "recorded",
    generate: Generate = None,
    seed: Seed = 1,
    processes: Processes = None,
    as_json: AsJson = False,
) -> None:
    """Tell what changed between two versions of a policy, by meaning.

    With --since, --sample, --orders imported or --generate also which decisions change, with
    their money, hours, splits and express share.

    Examples:

      meshline policy diff cost_priority cost_priority.yaml

      meshline policy diff cost_priority@1 cost_priority@2 --since 2026-03-01
    """
    replays = bool(since or sample or generate) or orders != "recorded"
    with bad_input():
        s = session()
        papers = paper_of(s, before), paper_of(s, after)
        old, new = (paper.load().document for paper in papers)
        if (old.policy, old.point) != (new.policy, new.point):
            refuse(
                f"B: is {new.policy} for {new.point}, A is {old.policy} for {old.point}. "
                "Compare versions of one policy"
            )
        changes = differences(old, new)
        found = None
        if replays:
            wanted = Wanted(since, sample, orders, generate, seed)
            found = compared(s, contest_of(s, papers[1], papers[0]), wanted, processes)
    if as_json:
        decisions = None if found is None else as_data(*found)
        listed = [change.model_dump() for change in changes]
        print_json({"changes": listed, "decisions": decisions})
        return
    for line in readable(changes) or ["The documents mean the same."]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if found is not None:
        result, _, facts = found
        console.print(f"\nOver {facts.what}:", highlight=False)
        show_changed(result, s.network.currency)
        for metric in result.metrics:
            title, now, candidate, step, interval = row(metric, s.network.currency)
            if metric.difference:
                console.print(
                    f"  {title}: {now} → {candidate}, {step} ({interval})", highlight=False
                )
