"""Learns how long parcels take from those that arrived; decisions take it as a fact."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

import orjson
from sqlalchemy import Connection
from temporalio import activity

from activities.context import Context
from activities.contracts import Activity
from activities.facts import holidays_of, miles_between
from domain.facts import TransitFacts
from domain.upkeep import Upkeep, Upkept
from sourcing import zone_for_miles
from sourcing.transit import learned, transit_days
from store import transits

WINDOW = timedelta(days=60)
AT_MOST = 20_000  # parcels, the newest


class TransitTimes:
    """Activity of the schedule ``transit-times``."""

    def __init__(self, context: Context) -> None:
        self._c = context

    @activity.defn(name=Activity.LEARN_TRANSIT)
    def learn(self, request: Upkeep) -> Upkept:
        """Read the parcels of the last days, and put in force what they say. Reading thousands of
        them holds no lock."""
        with self._c.db.read() as connection:
            took = self._took(connection, request)
        found: dict[tuple[str, int], tuple[TransitFacts, int]] = {}
        for (service_id, zone), days in sorted(took.items()):
            configured = self._c.network.service(service_id).transit.get(zone)
            if configured is None:
                continue
            facts = learned(configured, days)
            if facts != configured:
                found[service_id, zone] = (facts, len(days))
        parcels = sum(len(days) for days in took.values())

        def step(connection: Connection) -> Upkept:
            count = transits.replace(connection, found, request.at)
            return Upkept(
                summary=f"{parcels} parcels arrived in {WINDOW.days} days; {count} services and "
                "zones take another time than the network file says",
                figures={"parcels": parcels, "changed": count},
            )

        return self._c.db.once(request.key, Upkept, step)

    def _took(self, connection: Connection, request: Upkeep) -> dict[tuple[str, int], list[int]]:
        """Business days of each parcel, by service and zone."""
        network = self._c.network
        services = {(service.carrier, service.code): service for service in network.services}
        nodes = {node.id: node for node in network.nodes}
        closed = holidays_of(network, request.at - WINDOW)
        found: dict[tuple[str, int], list[int]] = defaultdict(list)
        since = request.at - WINDOW
        for row in transits.arrived(connection, since, request.at, AT_MOST):
            service, node = services.get((row.carrier, row.service)), nodes.get(row.node)
            if service is None or node is None:  # of an older network file
                continue
            postal3 = orjson.loads(row.body)["ship_to"]["postal3"]
            zone = zone_for_miles(miles_between(node.postal_code, postal3))
            saturday = service.delivers_saturday
            days = transit_days(
                row.shipped_at, row.ended_at, node.timezone, closed, delivers_saturday=saturday
            )
            found[service.id, zone].append(days)
        return found
