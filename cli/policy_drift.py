"""`meshline policy drift`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from activities.drift import measured
from cli.options import AsJson
from cli.session import bad_input, console, print_json, session, table
from policies.drift import Tolerance


def drift(
    days: Annotated[int, typer.Option(min=1, max=365, help="Business days to look back.")] = 14,
    least: Annotated[int, typer.Option(min=2, help="Orders a line needs.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Do decisions come true? Realised cost and delivery against what was foreseen.

    By version and by rule, with 99.9 % intervals. The same look is taken once a business day
    by itself; what it finds becomes an exception of revenue_ops.

    Example: meshline policy drift --days 30
    """
    with bad_input():
        s = session()
        since = s.now() - timedelta(days=days)
        with s.db.read() as connection:
            orders, found = measured(connection, since, Tolerance(least_orders=least))
    if as_json:
        print_json({"orders": orders, "drifts": [d.model_dump(mode="json") for d in found]})
        return
    shown = table(
        f"{orders} orders in {days} days", "version or rule", "orders", "cost over foreseen",
        "99.9 % interval", "after p90", "99.9 % interval", "",
    )  # fmt: skip
    for d in found:
        shown.add_row(
            d.subject, str(d.orders), f"{d.cost - 1:+.1%}",
            f"{d.cost_low - 1:+.1%} to {d.cost_high - 1:+.1%}", f"{d.late:.1%}",
            f"{d.late_low:.1%} to {d.late_high:.1%}", "[red]drifts[/]" if d.alarm else "",
        )  # fmt: skip
    console.print(shown)
    if not found:
        console.print(f"No version or rule has {least} orders yet: --least asks for fewer")
