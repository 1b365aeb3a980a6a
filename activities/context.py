"""What every activity class is given: built once a process, never global."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from activities.contracts import connector_queue
from connectors.ports import Connector
from domain.network import Network
from policies import Library
from store.audit import AuditLog
from store.database import Database
from store.personal import Vault


@dataclass(frozen=True)
class Context:
    """Database, configuration and vendors of one process."""

    db: Database
    vault: Vault
    audit: AuditLog
    network: Network
    library: Library
    connectors: Mapping[str, Connector]

    @property
    def queues(self) -> dict[str, str]:
        """Task queue of each configured connector."""
        return {c.name: connector_queue(c.name) for c in self.network.connectors}
