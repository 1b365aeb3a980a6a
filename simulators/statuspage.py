"""A public status page in the form of Atlassian Statuspage's API v2.

A carrier's component is in a major outage while an outage of the command line lasts. People write
status pages: it says so half an hour after it began, and that it is over half an hour late, too.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.app import Settings, Sim, Vendor
from simulators.ledger import Json
from simulators.outbox import standard_signature

CARRIERS = ("FedEx", "UPS", "USPS")
LATE_HOURS = 0.5


class StatusPage:
    """One component a carrier."""

    def __init__(self, sim: Sim) -> None:
        self.sim = sim

    async def components(self, request: Request) -> Response:
        now = self.sim.clock.now()
        listed = [self._component(n, carrier, now) for n, carrier in enumerate(CARRIERS, start=1)]
        page: Json = {
            "id": "p01", "name": "Carriers", "url": "https://status.example",
            "time_zone": "Etc/UTC", "updated_at": max(c["updated_at"] for c in listed),
        }  # fmt: skip
        return JSONResponse({"page": page, "components": listed})

    def _component(self, position: int, carrier: str, now: datetime) -> Json:
        epoch = self.sim.clock.after_epoch(0)
        status, since = "operational", epoch
        for outage in self.sim.settings.outages:
            if outage.carrier != carrier:
                continue
            begins = epoch + timedelta(hours=outage.after_hours + LATE_HOURS)
            ends = begins + timedelta(hours=outage.hours)
            if begins <= now < ends:
                status, since = "major_outage", begins
            elif ends <= now:
                since = max(since, ends)
        stamp = since.isoformat().replace("+00:00", "Z")
        return {
            "id": f"c{position:02}", "name": carrier, "status": status,
            "created_at": epoch.isoformat(), "updated_at": stamp, "position": position,
            "description": None, "showcase": True, "start_date": None, "group_id": None,
            "page_id": "p01", "group": False, "only_show_if_degraded": False,
        }  # fmt: skip


def refuse(request: Request) -> Response | None:
    """A public page asks nobody who they are."""
    return None


def create(settings: Settings) -> Vendor:
    sim = Sim(settings, standard_signature)
    return Vendor(
        sim, [Route("/api/v2/components.json", StatusPage(sim).components, methods=["GET"])], refuse
    )
