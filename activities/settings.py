"""Where this installation keeps its things: environment first, then `.meshline/run.json`.

Secrets come from the environment, or for the embedded default from a file that only the
owner can read. What stands at those addresses is imported when it is opened: a verb of the
command line that reads the store starts without the vendors and the policies.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from domain.base import InvalidInput, Problem

if TYPE_CHECKING:
    from activities.context import Context
    from domain.network import Network
    from policies import Library
    from store.database import Database
    from store.personal import Vault

ROOT = Path(__file__).resolve().parent.parent
RUN_FILE = "run.json"
_VARIABLES = {
    "database": "MESHLINE_DATABASE_URL",
    "temporal": "MESHLINE_TEMPORAL",
    "namespace": "MESHLINE_NAMESPACE",
    "network": "MESHLINE_NETWORK",
    "policies": "MESHLINE_POLICIES",
    "ui": "MESHLINE_UI",
}


DEFAULT_HOME = Path(".meshline")
CURRENT = "current"  # a link to the home of the newest demo
_PLACEHOLDER = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?::-([^}]*))?\}")


def expand(text: str) -> str:
    """Replace ``${NAME}`` and ``${NAME:-default}`` by environment variables."""
    return _PLACEHOLDER.sub(lambda f: os.environ.get(f[1]) or f[2] or "", text)


def _current_home() -> Path:
    """MESHLINE_HOME or `.meshline`; in it the newest demo's, until `up` serves from there again.

    Who names the database as well means that home itself: so do the children of `up`, which may
    be restarted after somebody has played a demo beside them.
    """
    named = os.environ.get("MESHLINE_HOME")
    base = Path(named or DEFAULT_HOME)
    if named and os.environ.get(_VARIABLES["database"]):
        return base
    current = base / CURRENT
    return current if current.exists() else base


@dataclass(frozen=True)
class Settings:
    """Addresses and files of one installation."""

    home: Path
    database: str
    temporal: str
    namespace: str
    network: Path
    policies: Path
    ui: str = ""

    @staticmethod
    def load() -> Settings:
        """From the environment and the run file of `meshline up` or `demo`."""
        home = _current_home().absolute()
        for name, value in Settings.stored(home).items():  # what `up` gave its children
            if name.startswith("MESHLINE_"):
                os.environ.setdefault(name, value)
        found = {k: os.environ.get(v, "") for k, v in _VARIABLES.items()}
        return Settings(
            home=home,
            database=found["database"] or f"sqlite:///{home / 'meshline.db'}",
            temporal=found["temporal"] or "127.0.0.1:7233",
            namespace=found["namespace"] or "default",
            network=Path(found["network"] or ROOT / "config" / "network.yaml"),
            policies=Path(found["policies"] or ROOT / "policies" / "templates"),
            ui=found["ui"],
        )

    @staticmethod
    def stored(home: Path) -> dict[str, str]:
        """Variables that `meshline up` or `demo` left in a home; empty when there are none."""
        path = home / RUN_FILE
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def read_network(self) -> Network:
        """The checked network file.

        Raises:
            InvalidInput: naming file, field, reason and remedy.
        """
        if not self.network.exists():
            raise InvalidInput(
                Problem(
                    source=str(self.network),
                    field="(file)",
                    reason="does not exist",
                    remedy="Write one with `meshline init INVENTORY.csv`, or set MESHLINE_NETWORK",
                )
            )
        from domain.network import parse_network

        return parse_network(expand(self.network.read_text()), str(self.network))

    def save(self, variables: dict[str, str]) -> None:
        """Write the run file for other processes; only the owner can read it."""
        self.home.mkdir(parents=True, exist_ok=True)
        path = self.home / RUN_FILE
        path.touch(mode=0o600)
        path.write_text(json.dumps(variables, indent=2))

    def open_database(self) -> Database:
        """The store, its tables created."""
        from store.database import Database

        if self.database.startswith("sqlite:///"):
            Path(self.database.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        db = Database(self.database)
        db.create()
        return db

    def vault(self) -> Vault:
        """The address vault, with the key from the environment."""
        from store.personal import KEY_VARIABLE, Vault

        return Vault(os.environ.get(KEY_VARIABLE, ""))

    def read_policies(self, network: Network) -> Library:
        """The documents that the network file names, from the policy folder.

        Raises:
            InvalidInput: every problem of every document.
        """
        from policies import Library

        if not network.policies:
            return Library.default()
        return Library.load(self.policies, network.policies)

    def context(self, *, with_connectors: bool = True) -> Context:
        """Everything that activities are given."""
        from activities.context import Context
        from activities.policies import PoliciesInForce, install
        from connectors import registry
        from store import catalog
        from store.audit import audit_log

        network = self.read_network()
        db = self.open_database()
        audit = audit_log(self.home)
        with db.read() as connection:
            now = catalog.clock(connection).at(datetime.now(UTC))
        install(db, audit, partial(self.read_policies, network), now)
        return Context(
            db=db,
            vault=self.vault(),
            audit=audit,
            network=network,
            policies=PoliciesInForce(network.policies),
            connectors=registry.load(network.connectors) if with_connectors else {},
        )
