"""`meshline order explain`: why it was decided so."""

from __future__ import annotations

from cli.options import AsJson, OrderArg
from cli.order import known_order
from cli.session import bad_input, console, print_json, session
from policies import explain as explain_text
from store import decisions


def explain(order: OrderArg, as_json: AsJson = False) -> None:
    """Why: each decision, every candidate, the rules that spoke, what it cost."""
    with bad_input():
        s = session()
        with s.db.read() as connection:
            made = decisions.of_order(connection, known_order(s, order))
    if as_json:
        print_json(
            [
                {"id": i, "at": at, "decision": d.model_dump(mode="json"), "snapshot": snapshot}
                for i, at, d, snapshot in made
            ]
        )
        return
    for _id, at, decision, _snapshot in made:
        console.print(
            f"[bold]{at:%a %d %b %H:%M} {decision.point}[/] {', '.join(decision.policies)}"
        )
        for line in explain_text(decision, s.network.currency):
            console.print(f"  {line}", highlight=False, soft_wrap=True)
