"""`meshline demo`: a merchant's exports from file to door, with things going wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import typer
from rich.live import Live

from activities.settings import CURRENT, DEFAULT_HOME, ROOT
from cli.importing import import_catalog, import_inventory, import_orders
from cli.init import network_text
from cli.portrait import Portrait, result_table
from cli.reconcile import all_days, as_dict, compared
from cli.sample import cut_exports, first_monday
from cli.session import FAILED, Session, bad_input, console, errors
from cli.stage import Simulation, Stage
from cli.supervisor import Child, python
from domain.clock import BusinessClock
from store import cases

RATE = 6_000.0  # 100 minutes a second: parcels travel for a minute
LEFT_FOR_THE_PERSON = 3
PLAYED = ("cli.app", "cli.cases", "cli.change", "cli.decide", "cli.order", "cli.returning")
RETURNS = 6  # asked for, of the orders that arrive first
RECONCILE_SECONDS = 180
LONGEST = 900.0  # seconds; a demo that hangs says so and fails
INTERRUPTED = 130
QUIET = 12.0  # seconds without change after which what waits is seen as waiting for people


@dataclass
class Options:
    """What the person asked for."""

    data: Path
    orders: int | None
    seed: int
    faults: str
    leave: bool
    summary: Path | None
    rate: float = RATE
    returns: int = RETURNS
    kills: list[tuple[float, str]] = field(default_factory=list)


def demo(
    data: Annotated[
        Path,
        typer.Option(
            help="Folder with orders_export.csv, products_export.csv, inventory_export.csv."
        ),
    ] = ROOT / "examples",
    orders: Annotated[int | None, typer.Option(min=1, max=5_000, help="How many.")] = None,
    seed: Annotated[int, typer.Option(help="Of the faults.")] = 1,
    faults: Annotated[str, typer.Option(help="off, normal or storm.")] = "normal",
    leave: Annotated[bool, typer.Option("--exit", help="End by itself, no cases left.")] = False,
    summary: Annotated[Path | None, typer.Option(help="Write the judged result as JSON.")] = None,
    returns: Annotated[
        int, typer.Option(min=0, max=5_000, help="So many customers send something back.")
    ] = RETURNS,
    rate: Annotated[float, typer.Option(hidden=True, min=1, max=20_000)] = RATE,
    kill: Annotated[list[str] | None, typer.Option(hidden=True, help="SECONDS:CHILD")] = None,
) -> None:
    """Run real orders through everything on this machine and show the result.

    Example: meshline demo --orders 80 --faults storm --seed 5 --exit --summary out.json
    """
    if faults not in ("off", "normal", "storm"):
        errors.print("[red]✗[/] --faults: is none of off, normal, storm. Choose one of them")
        raise typer.Exit(2)
    kills = [(float(k.split(":")[0]), k.split(":")[1]) for k in kill or ()]
    options = Options(
        data=data.absolute(), orders=orders, seed=seed, faults=faults,
        leave=leave or not sys.stdin.isatty() or not sys.stdout.isatty(),
        summary=summary, rate=rate, kills=kills, returns=returns,
    )  # fmt: skip
    with bad_input():
        code = asyncio.run(Demo(options).run())
    raise typer.Exit(code)


class Demo:
    """One run: a home of its own, a stage, the imports, the people, the judgement."""

    def __init__(self, options: Options) -> None:
        self.o = options
        self.home = fresh_home()
        self.said: list[str] = []
        self.interrupted = asyncio.Event()

    async def run(self) -> int:
        """From start to judgement. Returns the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self.interrupted.set)
        began = monotonic()
        exports = cut_exports(self.o.data, self.home / "exports", self.o.orders)
        now = datetime.now(UTC)
        clock = BusinessClock(epoch=first_monday(exports), wall_epoch=now, rate=self.o.rate)
        stage = Stage(
            self.home, clock, self._say,
            simulation=Simulation(exports, self.o.seed, self.o.faults),
            network_file=self._network(exports),
        )  # fmt: skip
        try:
            console.print(f"Starting Temporal, six vendors, gateway and worker in {self.home}")
            settings = await stage.start()
            session = Session(settings)
            await asyncio.to_thread(self._load, session, exports)
            await self._people(stage)
            picture = Portrait(session, exports, began, self.said)
            await self._watch(stage, picture)
            (self.home / "people.stop").touch()
            if self.interrupted.is_set():
                console.print("Interrupted before everything was at rest: not judged.")
                return INTERRUPTED
            verdict = await asyncio.to_thread(self._judge, session, picture, monotonic() - began)
            self._show(verdict, picture, settings.ui, settings.namespace)
            if not self.o.leave and not self.interrupted.is_set():
                console.print("Serving until Ctrl-C.")
                await self.interrupted.wait()
            return FAILED if verdict["violations"] or picture.timed_out else 0
        finally:
            await stage.stop()

    def _say(self, text: str) -> None:
        self.said.append(text)
        errors.print(f"[yellow]•[/] {text}", highlight=False)

    def _network(self, exports: Path) -> Path:
        """The merchant's network file, else one made from the inventory's locations."""
        own = self.o.data / "network.yaml"
        if own.exists():
            return own
        if self.o.data == ROOT / "examples":
            return ROOT / "config" / "network.yaml"
        made = self.home / "network.yaml"
        made.write_text(network_text(exports / "inventory_export.csv"))
        self._say(f"no network.yaml in {self.o.data}: made one from the locations ({made})")
        return made

    def _load(self, session: Session, exports: Path) -> None:
        items = exports / "items.csv"
        reports = [
            import_catalog(
                session, exports / "products_export.csv", items if items.exists() else None
            ),
            import_inventory(
                session, exports / "inventory_export.csv", session.clock.epoch - timedelta(hours=1)
            ),
            import_orders(session, exports / "orders_export.csv"),
        ]
        for report in reports:
            skipped = ", ".join(f"{n} {why}" for why, n in report.skipped.items())
            console.print(
                f"  {Path(report.source).name}: {report.taken} taken"
                + (f", skipped {skipped}" if skipped else "")
                + (f", {report.rejected} rejected" if report.rejected else "")
                + (f" ({report.rejects_file})" if report.rejected else ""),
                highlight=False, soft_wrap=True,
            )  # fmt: skip

    async def _people(self, stage: Stage) -> Child:
        left = 0 if self.o.leave else LEFT_FOR_THE_PERSON
        return await stage.supervisor.start(
            Child(
                "people",
                python(
                    "-m", "simulators.people", "--program", str(ROOT / "starter.py"),
                    *(x for module in PLAYED for x in ("--preload", module)),
                    "--leave", str(left), "--returns", str(self.o.returns),
                    "--shop", stage.variables["MESHLINE_URL_MEDUSA"],
                    "--seed", str(self.o.seed), "--clock-rate", str(self.o.rate),
                    "--stop-file", str(self.home / "people.stop"),
                ),
                may_end=True,
            )
        )  # fmt: skip

    async def _watch(self, stage: Stage, picture: Portrait) -> None:
        """Draw until everything has ended or waits for people, or somebody interrupts."""
        began = monotonic()
        kills = sorted(self.o.kills)
        live = Live(console=console, refresh_per_second=2) if console.is_terminal else None
        with live or contextlib.nullcontext():
            while not self.interrupted.is_set():
                await asyncio.to_thread(picture.look)
                if live is not None:
                    live.update(picture.draw())
                elif picture.changed_much():
                    console.print(picture.line(), highlight=False)
                while kills and monotonic() - began >= kills[0][0]:
                    await stage.supervisor.kill(kills.pop(0)[1])
                if picture.settled_for > QUIET and not kills:
                    return
                if monotonic() - began > LONGEST:
                    picture.timed_out = True
                    return
                await asyncio.sleep(0.5)

    def _judge(self, session: Session, picture: Portrait, seconds: float) -> dict[str, Any]:
        """What the checker says, with what only we know added, and our own reconciliation of every
        day with every vendor: it has to find what the checker finds, which is nothing."""
        verdict = judged(self.home)
        days = all_days(session)
        _, differences, untied = compared(session, days, RECONCILE_SECONDS, quiet=True)
        verdict |= {"days_reconciled": len(days), "differences": len(differences)}
        with session.db.read() as connection:
            by_hand = cases.told_by_hand(connection)
        verdict["violations"] += [
            f"not reconciled: {as_dict(d)['because']}"
            for d in differences
            if d.order_id not in by_hand
        ]
        if untied:
            verdict["violations"].append(f"{untied} minor units are untied in the reconciliation")
        verdict["retries"] = picture.retries()
        verdict["seconds"] = round(seconds, 1)
        verdict["orders_per_s"] = round(verdict.get("orders", 0) / max(0.1, picture.working), 2)
        if picture.timed_out:
            verdict["violations"].append(f"not at rest after {LONGEST:.0f} s")
        if self.o.summary is not None:
            self.o.summary.write_text(json.dumps(verdict, indent=2) + "\n")
        return verdict

    def _show(self, verdict: dict[str, Any], picture: Portrait, ui: str, namespace: str) -> None:
        console.print(result_table(verdict))
        console.print(f"Temporal UI: {ui}/namespaces/{namespace}/workflows", highlight=False)
        for order_id, why in picture.interesting():
            console.print(
                f"  {why}: {ui}/namespaces/{namespace}/workflows/{order_id}",
                highlight=False, soft_wrap=True,
            )  # fmt: skip
        if self.o.leave:
            return
        for command in picture.for_the_person(LEFT_FOR_THE_PERSON):
            console.print(f"  left for you: [bold]{command}[/]", highlight=False, soft_wrap=True)


def judged(home: Path) -> dict[str, Any]:
    """What the checker says of a run's store and of the vendors' own ledgers."""
    import subprocess

    done = subprocess.run(
        python(
            "-m", "simulators.checker", "--db", str(home / "meshline.db"),
            "--simulators", str(home / "simulators"), "--json",
        ),
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    try:
        verdict: dict[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError:
        failed = f"the checker failed: {done.stderr.strip()[-300:]}"
        verdict = {"violations": [failed], "duplicates": -1, "lost": -1}
    return verdict


def fresh_home() -> Path:
    """A folder for this run; those of runs that have ended are removed."""
    base = Path(os.environ.get("MESHLINE_HOME") or DEFAULT_HOME).absolute()
    base.mkdir(parents=True, exist_ok=True)
    for old in base.glob("demo-*"):
        pid = old.name.removeprefix("demo-")
        if not pid.isdigit() or not Path(f"/proc/{pid}").exists():
            shutil.rmtree(old, ignore_errors=True)
    home = base / f"demo-{os.getpid()}"
    home.mkdir()
    current = base / CURRENT
    current.unlink(missing_ok=True)
    current.symlink_to(home.name)
    return home
