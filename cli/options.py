"""Arguments and options that several verbs take."""

from __future__ import annotations

from typing import Annotated

import typer

OrderArg = Annotated[str, typer.Argument(help="Order ID, source:external ID, or number.")]
CaseId = Annotated[str, typer.Argument(help="The exception's ID, as `list` shows it.")]
CaseIds = Annotated[
    list[str], typer.Argument(metavar="CASE...", help="Exceptions' IDs, as `list` shows them.")
]
HoldId = Annotated[str, typer.Argument(help="The hold's ID.")]
User = Annotated[str, typer.Option("--as", help="Who you are (a user of the network file).")]
Comment = Annotated[str, typer.Option(help="Why; kept with the decision.")]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]
