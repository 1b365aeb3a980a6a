"""What a person does by the store alone, without a workflow that waits for it."""

from __future__ import annotations

from datetime import datetime

from domain.network import Network
from store.audit import AuditLog
from store.database import Database


class Deeds:
    """The deeds of one person at one time.

    Args:
        user: who acts, a user of the network file.
        at: business time.
    """

    def __init__(
        self, db: Database, audit: AuditLog, network: Network, user: str, at: datetime
    ) -> None:
        self._db = db
        self._audit = audit
        self._network = network
        self._user = user
        self._at = at
