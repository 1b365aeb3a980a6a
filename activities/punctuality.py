"""The late-shipment rate of each channel, asked of the store at most once a business minute."""

from __future__ import annotations

from datetime import datetime, timedelta
from threading import Lock

from sqlalchemy import Connection

from store.punctuality import late_shipments

PERIOD = timedelta(days=30)  # what marketplaces judge a seller by


class LateShipments:
    """One for a process. A rate moves slowly: what was true this minute is true enough."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[datetime, int]] = {}
        self._asking = Lock()

    def per_mille(self, connection: Connection, channel: str, now: datetime) -> int:
        """Late orders in a thousand of those due in the last 30 days, rounded up; 0 for none."""
        minute = now.replace(second=0, microsecond=0)
        with self._asking:
            known = self._known.get(channel)
            if known is None or known[0] != minute:
                due, late = late_shipments(connection, channel, minute - PERIOD, minute)
                rate = -(-late * 1_000 // due) if due else 0
                known = self._known[channel] = minute, rate
        return known[1]
