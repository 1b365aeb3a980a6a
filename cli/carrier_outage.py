"""`meshline scenario carrier-outage`: a carrier goes dark while hundreds of orders are open.

Everything is real but the vendors: a Temporal server, gateway and worker, and the simulators over
HTTP. What is told at the end is read from the store and from the vendors' own ledgers.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import typer
import yaml
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from activities.settings import ROOT
from cli.demo import PLAYED, QUIET, fresh_home, judged
from cli.importing import import_catalog, import_inventory, import_orders
from cli.options import AsJson
from cli.outage_page import HEAD, fates, headline, page, rows
from cli.outage_report import Report, moment
from cli.page import Html, writable, write
from cli.sample import first_monday
from cli.session import FAILED, Session, bad_input, console, errors, print_json, table
from cli.stage import Simulation, Stage
from cli.supervisor import Child, python
from domain.base import InvalidInput, Problem
from domain.clock import BusinessClock
from examples.generate import generate
from scenarios.outage import Dark

EVENING = timedelta(hours=13)  # after 08:00 UTC: every cut-off is over, all leaves on Tuesday
RATE = 600.0  # business seconds a second: a night takes a minute and a half
DISPATCH = 20  # orders started a second, so that all are open when the carrier goes dark
SPARE = 1.3  # of generated orders some are fulfilled, cancelled, held or malformed already
STARTUP = timedelta(seconds=20)  # of all processes; the story's clock begins when they are up
LONGEST = 1_800.0  # seconds
AFTERWARDS = timedelta(hours=3)  # until the carrier has been tried again
ON_ITS_WAY = "is processing, and no hold"  # the checker expects orders to have arrived


@dataclass(frozen=True)
class Story:
    """What is played.

    Attributes:
        orders: that are open when the carrier goes dark.
        after: business hours from the start, Monday 21:00 UTC, until it does: Tuesday morning.
        hours: how long it sells no label; business time.
    """

    orders: int
    seed: int
    carrier: str
    after: float
    hours: float
    rate: float


def carrier_outage(
    orders: Annotated[int, typer.Option(min=20, max=5_000, help="Open when it begins.")] = 500,
    seed: Annotated[int, typer.Option(help="Of the orders and parcels.")] = 1,
    carrier: Annotated[str, typer.Option(help="As the network file names it.")] = "USPS",
    after: Annotated[float, typer.Option(min=1, max=48, help="Hours until it is dark.")] = 16,
    hours: Annotated[float, typer.Option(min=1, max=96, help="Hours that it is dark.")] = 24,
    html: Html = None,
    rate: Annotated[float, typer.Option(hidden=True, min=60, max=6_000)] = RATE,
    as_json: AsJson = False,
) -> None:
    """A carrier goes dark while 500 orders are open: how Meshline takes it.

    Nine minutes: docs/scenarios.md says what is played and beside what.

    Example: meshline scenario carrier-outage --html outage.html
    """
    writable(html)
    story = Story(orders, seed, carrier, after, hours, rate)
    with bad_input():
        found = asyncio.run(Outage(story).run())
    if html is not None:
        write(html, page(found))
    if as_json:
        print_json(found)
    else:
        show(found)
    raise typer.Exit(FAILED if found["violations"] else 0)


class Outage:
    """One run: a home of its own, a stage, the orders, the outage, the judgement."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.home = fresh_home()

    async def run(self) -> dict[str, Any]:
        """From the start until all has left."""
        story, exports = self.story, self.home / "exports"
        generate(exports, round(story.orders * SPARE), 0, story.seed)
        clock = BusinessClock(
            epoch=first_monday(exports) + EVENING,
            wall_epoch=datetime.now(UTC) + STARTUP,
            rate=story.rate,
        )
        stage = Stage(
            self.home, clock, lambda text: errors.print(f"[yellow]•[/] {text}", highlight=False),
            simulation=Simulation(
                exports, story.seed, "off", [f"{story.carrier}:{story.after}:{story.hours}"]
            ),
            network_file=self._network(),
        )  # fmt: skip
        try:
            errors.print(f"Starting Temporal, six vendors, gateway and worker in {self.home}")
            session = Session(await stage.start())
            # not before the last cut-off: what came earlier would leave on Monday
            left = clock.wall_epoch - datetime.now(UTC)
            await asyncio.sleep(max(0.0, left.total_seconds()))
            await asyncio.to_thread(load, session, exports)
            await self._people(stage)
            in_time = await self._watch(session)
            (self.home / "people.stop").touch()
            found = await asyncio.to_thread(self._found, session)
            if not in_time:
                found["violations"].append(f"not at rest after {LONGEST:.0f} s")
            return found
        finally:
            await stage.stop()

    def _network(self) -> Path:
        body = yaml.safe_load((ROOT / "config" / "network.yaml").read_text())
        known = sorted({s["carrier"] for s in body["services"]})
        if self.story.carrier not in known:
            raise InvalidInput(
                Problem(
                    source="scenario",
                    field="--carrier",
                    reason=f"{self.story.carrier!r} is no carrier of the network file",
                    remedy=f"Name one of {', '.join(known)}",
                )
            )
        made = self.home / "network.yaml"
        made.write_text(yaml.safe_dump(body | {"dispatch_per_second": DISPATCH}))
        return made

    async def _people(self, stage: Stage) -> None:
        """Those who would act: they are counted afterwards."""
        command = python(
            "-m", "simulators.people", "--program", str(ROOT / "starter.py"),
            *(x for module in PLAYED for x in ("--preload", module)),
            "--seed", str(self.story.seed), "--clock-rate", str(self.story.rate),
            "--stop-file", str(self.home / "people.stop"),
        )  # fmt: skip
        await stage.supervisor.start(Child("people", command, may_end=True))

    async def _watch(self, session: Session) -> bool:
        """Draw until all has left or waits for people, and the outage is over. False: too long."""
        began = quiet = monotonic()
        end = session.clock.epoch + timedelta(hours=self.story.after + self.story.hours)
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TextColumn("{task.fields[said]}"), TimeElapsedColumn(),
        )  # fmt: skip
        with Progress(*columns, console=errors, transient=True) as progress:
            bar = progress.add_task("left", total=None, said="")
            while monotonic() - began < LONGEST:
                now = await asyncio.to_thread(moment, session, self.story.carrier)
                progress.update(
                    bar, total=now.shipments, completed=now.left,
                    said=f"{now.moved} moved; {self.story.carrier} is {now.state}; "
                    f"{now.at:%a %H:%M}",
                )  # fmt: skip
                if now.waiting or now.at < end + AFTERWARDS:
                    quiet = monotonic()
                if monotonic() - quiet > QUIET:
                    return True
                await asyncio.sleep(0.5)
        return False

    def _found(self, session: Session) -> dict[str, Any]:
        begins = session.clock.epoch + timedelta(hours=self.story.after)
        dark = Dark(self.story.carrier, begins, begins + timedelta(hours=self.story.hours))
        found = Report(session, dark).read()
        verdict = judged(self.home)
        found |= {
            "hours": self.story.hours, "rate": self.story.rate,
            "currency": session.network.currency, "doubled": verdict["duplicates"],
        }  # fmt: skip
        found["violations"] += [x for x in verdict["violations"] if ON_ITS_WAY not in x]
        return found


def load(session: Session, exports: Path) -> None:
    """The merchant's files, as `meshline import` takes them."""
    import_catalog(session, exports / "products_export.csv", exports / "items.csv")
    before = session.clock.epoch - timedelta(hours=1)
    import_inventory(session, exports / "inventory_export.csv", before)
    import_orders(session, exports / "orders_export.csv")


def show(found: dict[str, Any]) -> None:
    """The figures, for people."""
    console.print(f"[bold]{headline(found)}[/]\n", highlight=False)
    for title, columns, body in (
        ("", HEAD, rows(found)), ("with Meshline", ("", ""), fates(found)),
    ):  # fmt: skip
        shown = table(title, *columns)
        for cells in body:
            shown.add_row(*cells)
        console.print(shown)
    for wrong in found["violations"]:
        console.print(f"[red]✗[/] {wrong}", highlight=False)
    if not found["violations"]:
        console.print("[green]✓[/] nothing was lost, doubled or stranded")
