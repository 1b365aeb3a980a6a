"""Everything of one installation on this machine: Temporal, gateway, worker, simulators."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import socket
import sys
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from activities.settings import ROOT, Settings
from cli.supervisor import Child, Supervisor, claim_port, python
from domain.base import InvalidInput, Problem
from domain.clock import BusinessClock
from domain.network import Network
from store import catalog
from store.audit import KEY_VARIABLE as AUDIT_KEY
from store.personal import KEY_VARIABLE as PII_KEY
from store.personal import Vault
from workflows.attributes import REGISTERED

VENDORS = ("medusa", "tryton", "shipbob", "easypost", "stripe", "zendesk")
STATUS_PAGE = "statuspage"  # only where the network file reads one
SECRETS = (
    "MESHLINE_MEDUSA_KEY", "MESHLINE_TRYTON_PASSWORD", "MESHLINE_SHIPBOB_TOKEN",
    "MESHLINE_EASYPOST_KEY", "MESHLINE_STRIPE_KEY", "MESHLINE_ZENDESK_TOKEN",
)  # fmt: skip
WEBHOOK_SECRETS = (
    "MESHLINE_MEDUSA_WEBHOOK", "MESHLINE_SHIPBOB_WEBHOOK", "MESHLINE_EASYPOST_WEBHOOK",
    "MESHLINE_STRIPE_WEBHOOK",
)  # fmt: skip


@dataclass
class Simulation:
    """How the vendors' simulators behave."""

    exports: Path
    seed: int = 1
    faults: str = "normal"
    outages: Sequence[str] = ()


@dataclass
class Stage:
    """The running children and where they are reached."""

    home: Path
    clock: BusinessClock
    say: Callable[[str], None]
    simulation: Simulation | None = None
    network_file: Path = ROOT / "config" / "network.yaml"
    temporal_synchronous: str = "NORMAL"
    variables: dict[str, str] = field(default_factory=dict)
    supervisor: Supervisor = field(init=False)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.supervisor = Supervisor(self.home / "logs", {}, self.say)

    async def start(self) -> Settings:
        """Bring everything up, in the order in which it is needed.

        Raises:
            InvalidInput: a child did not come up, or compressed time would meet a real vendor.
        """
        own_temporal = os.environ.get("MESHLINE_TEMPORAL", "")  # not what an earlier start left
        self._tell(
            MESHLINE_HOME=str(self.home),
            MESHLINE_NETWORK=str(self.network_file),
            MESHLINE_DATABASE_URL=os.environ.get(
                "MESHLINE_DATABASE_URL", f"sqlite:///{self.home / 'meshline.db'}"
            ),
        )
        self._keys()
        settings = Settings.load()
        network = settings.read_network()
        self._fix_clock(settings)
        self._tell(MESHLINE_GATEWAY_PORT=str(claim_port()))
        starts = [self._start_temporal(own_temporal)]
        if self.simulation is not None:
            starts.append(self._start_simulators(self.simulation, network))
        await asyncio.gather(*starts)
        self._refuse_compressed_time_off_loopback()
        settings = Settings.load()
        settings.save(self.variables)
        port = self.variables["MESHLINE_GATEWAY_PORT"]
        command = python(str(ROOT / "starter.py"), "gateway", "--port", port, "--announce")
        await asyncio.gather(
            self.supervisor.start(Child("gateway", command, announces=True)),
            self.supervisor.start(Child("worker", python(str(ROOT / "worker.py")))),
        )
        return settings

    async def stop(self) -> None:
        await self.supervisor.stop()

    def _tell(self, **variables: str) -> None:
        self.variables |= variables
        os.environ |= variables
        self.supervisor.tell(variables)

    def _keys(self) -> None:
        """Keys of this installation: kept from an earlier start, else new ones."""
        stored = Settings.stored(self.home)
        wanted = {PII_KEY: Vault.new_key(), AUDIT_KEY: secrets.token_hex(32)}
        if self.simulation is not None:
            wanted |= {name: "sim-" + secrets.token_hex(8) for name in SECRETS}
            wanted |= {
                name: "whsec_" + b64encode(secrets.token_bytes(24)).decode()
                for name in WEBHOOK_SECRETS
            }
        self._tell(**{k: os.environ.get(k) or stored.get(k) or new for k, new in wanted.items()})

    async def _start_temporal(self, own: str) -> None:
        if own:
            self.say(f"using the Temporal server at {own}")
            self._tell(MESHLINE_TEMPORAL=own)
            return
        command = os.environ.get("MESHLINE_TEMPORAL_CLI") or _temporal_command()
        port, ui, http, metrics = (claim_port() for _ in range(4))
        attributes = [x for n, k in REGISTERED.items() for x in ("--search-attribute", f"{n}={k}")]
        await self.supervisor.start(
            Child(
                "temporal",
                [
                    command, "server", "start-dev", "--ip", "127.0.0.1",
                    "--port", str(port), "--ui-port", str(ui), "--http-port", str(http),
                    "--metrics-port", str(metrics), "--db-filename", str(self.home / "temporal.db"),
                    "--sqlite-pragma", "journal_mode=WAL",
                    "--sqlite-pragma", f"synchronous={self.temporal_synchronous}",
                    "--log-level", "warn",
                    "--dynamic-config-value",
                    "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute=2",
                    *attributes,
                ],
                ready=lambda: _answers(port),
                port=port,
            )
        )  # fmt: skip
        self._tell(MESHLINE_TEMPORAL=f"127.0.0.1:{port}", MESHLINE_UI=f"http://127.0.0.1:{ui}")

    async def _start_simulators(self, simulation: Simulation, network: Network) -> None:
        warehouses = [x for n in network.nodes if n.warehouse for x in ("--warehouse", n.warehouse)]
        # the carrier asks the warehouse whether a parcel may be collected: it is started first
        await self._start_vendor("tryton", simulation, [*warehouses, *_stock(network, "tryton")])
        world = ["--world", self.variables["MESHLINE_URL_TRYTON"]]
        outages = [x for o in simulation.outages for x in ("--outage", o)]
        more = {
            "easypost": world + outages,
            STATUS_PAGE: outages,
            "shipbob": _stock(network, "shipbob"),
        }
        pages = {c.kind for c in network.connectors} & {STATUS_PAGE}
        await asyncio.gather(
            *(
                self._start_vendor(vendor, simulation, more.get(vendor, []))
                for vendor in (*VENDORS, *pages)
                if vendor != "tryton"
            )
        )

    async def _start_vendor(self, vendor: str, simulation: Simulation, more: Sequence[str]) -> None:
        gateway = f"http://127.0.0.1:{self.variables['MESHLINE_GATEWAY_PORT']}/webhooks"
        arguments = [
            "-m", "simulators", vendor, "--port", "{port}",
            "--data", str(self.home / "simulators"), "--exports", str(simulation.exports),
            "--seed", str(simulation.seed), "--faults", simulation.faults,
            "--clock-epoch", self.clock.epoch.isoformat(),
            "--clock-wall0", str(self.clock.wall_epoch.timestamp()),
            "--clock-rate", str(self.clock.rate), "--webhook-url", gateway, *more,
        ]  # fmt: skip
        if secret := self.variables.get(f"MESHLINE_{vendor.upper()}_WEBHOOK", ""):
            arguments += ["--webhook-secret", secret]
        child = await self.supervisor.start(
            Child(f"sim-{vendor}", python(*arguments), announces=True, port=claim_port())
        )
        self._tell(**{f"MESHLINE_URL_{vendor.upper()}": f"http://127.0.0.1:{child.port}"})

    def _refuse_compressed_time_off_loopback(self) -> None:
        """A fast clock against a real vendor would ask it for a year's work in an hour."""
        if self.clock.rate == 1.0:
            return
        for connector in Settings.load().read_network().connectors:
            host = connector.url.split("//")[-1].split("/")[0].rsplit(":", 1)[0]
            if host not in ("127.0.0.1", "localhost", "[::1]"):
                raise InvalidInput(
                    Problem(
                        source=str(self.network_file),
                        field=f"connectors.{connector.name}.url",
                        reason=f"{host} is not this machine; the clock runs {self.clock.rate} ×",
                        remedy="Compressed time is for simulators: set the URL to loopback",
                    )
                )

    def _fix_clock(self, settings: Settings) -> None:
        """The clock is fixed once per installation: a later start goes on with the first's."""
        db = settings.open_database()
        with db.write() as connection:
            if catalog.setting(connection, "clock") is None:
                catalog.set_setting(connection, "clock", self.clock.model_dump_json())
            self.clock = catalog.clock(connection)
        db.close()
        if self.simulation is None and self.clock.rate != 1.0:
            raise InvalidInput(
                Problem(
                    source=str(self.home),
                    field="(clock)",
                    reason=f"was started with simulators, its clock runs {self.clock.rate:g} ×",
                    remedy="Start it with --simulate again, or another one with --home FOLDER",
                )
            )


def _stock(network: Network, kind: str) -> list[str]:
    """Where the nodes of a connector's kind find what they begin with, in the exports."""
    connectors = {c.name for c in network.connectors if c.kind == kind}
    mine = [n for n in network.nodes if n.connector in connectors]
    return [x for n in mine for x in ("--stock", f"{n.warehouse}={n.location}")]


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _temporal_command() -> str:
    """The `temporal` of our own environment, else of PATH.

    Raises:
        InvalidInput: there is none.
    """
    beside = Path(sys.executable).parent / "temporal"
    found = str(beside) if beside.exists() else shutil.which("temporal")
    if found:
        return found
    raise InvalidInput(
        Problem(
            source="temporal",
            field="(command)",
            reason="is not installed",
            remedy="Run `make setup`, or set MESHLINE_TEMPORAL_CLI or MESHLINE_TEMPORAL",
        )
    )


def real_time() -> BusinessClock:
    """The clock of production."""
    now = datetime.now(UTC)
    return BusinessClock(epoch=now, wall_epoch=now, rate=1.0)
