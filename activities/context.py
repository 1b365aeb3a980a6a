"""What every activity class is given: built once a process, never global."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Connection

from activities.facts import queues_of
from activities.policies import PoliciesInForce
from activities.processes import Aside
from activities.punctuality import LateShipments
from connectors.ports import Connector
from domain.decision import Decision, Snapshot
from domain.network import Network
from policies import DIFFERS
from store.audit import AuditLog
from store.database import Database
from store.personal import Vault

log = structlog.get_logger()


@dataclass(frozen=True)
class Context:
    """Database, configuration and vendors of one process."""

    db: Database
    vault: Vault
    audit: AuditLog
    network: Network
    policies: PoliciesInForce
    connectors: Mapping[str, Connector]
    late_shipments: LateShipments = field(default_factory=LateShipments)
    aside: Aside = field(default_factory=Aside)

    def decide(self, connection: Connection, snapshot: Snapshot) -> Decision:
        """Decide by the policies in force now; alarm when their compiled form is wrong.

        Raises:
            InvalidInput: the snapshot is larger than a decision may look at.
        """
        decision = self.policies.library(connection).decide(snapshot)
        if DIFFERS in decision.errors:
            log.error(DIFFERS, policies=decision.policies, snapshot=decision.snapshot_hash)
        return decision

    def close(self) -> None:
        """End what it has opened, except for its vendors."""
        self.aside.close()
        self.db.close()

    @property
    def queues(self) -> dict[str, str]:
        """Task queue of each configured connector."""
        return queues_of(self.network)
