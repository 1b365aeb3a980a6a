"""Step 1: a canonical order on its way into the store. Used by webhook, poll and import."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from activities.geography import us_address_problems
from domain.network import Channel, Network
from domain.order import Address, Destination, IncomingOrder, pays_express
from store import orders
from store.personal import Vault

MERCHANT_ZONE = ZoneInfo("America/New_York")
END_OF_DAY_HOUR = 20


class Intake:
    """Maps channel and dates, checks the address, and takes the order in."""

    def __init__(self, network: Network, vault: Vault) -> None:
        self._network = network
        self._vault = vault

    def take(self, connection: Connection, incoming: IncomingOrder, at: datetime) -> bool:
        """Take one order in. Returns False for one that is known already."""
        order = incoming.order
        channel = self._network.channel_for(order.source, order.channel)
        payment = order.payment
        if channel is not None and channel.payment != payment.mode:
            payment = payment.model_copy(update={"mode": channel.payment})
        ship_to = destination(incoming.address, "")
        if not any(line.requires_shipping for line in order.lines):
            # nothing travels, so nothing is wrong with where it would go
            ship_to = ship_to.model_copy(
                update={"problems": (), "country": ship_to.country or self._network.domestic}
            )
        order = order.model_copy(
            update={
                "channel": channel.id if channel else order.channel,
                "ship_to": ship_to,
                "payment": payment,
            }
        )
        ship_by, promise_by = self._dates(order.placed_at, channel, order.shipping_method)
        return orders.receive(
            connection, self._vault, incoming.model_copy(update={"order": order}), at,
            ship_by, promise_by,
        )  # fmt: skip

    def _dates(
        self, placed_at: datetime, channel: Channel | None, method: str
    ) -> tuple[datetime | None, datetime | None]:
        if channel is None:
            return None, None
        fast = pays_express(method)
        days = channel.express_days if fast else channel.sla_days
        return (
            business_days_after(placed_at, channel.ship_by_days, self._network.holidays),
            business_days_after(placed_at, days, self._network.holidays),
        )


def business_days_after(start: datetime, days: int, holidays: tuple[str, ...]) -> datetime:
    """The end of the n-th business day after a time, in the merchant's zone."""
    local = start.astimezone(MERCHANT_ZONE)
    while days > 0:
        local += timedelta(days=1)
        if local.weekday() < 5 and local.date().isoformat() not in holidays:
            days -= 1
    end = local.replace(hour=END_OF_DAY_HOUR, minute=0, second=0, microsecond=0)
    return end.astimezone(start.tzinfo)


def destination(address: Address, ref: str) -> Destination:
    """The impersonal part of an address, with what is wrong with it."""
    problems = []
    if not address.street1.strip():
        problems.append("street is missing")
    if not address.city.strip():
        problems.append("city is missing")
    if not address.country.strip():
        problems.append("country is missing")
    if address.country.upper() == "US":
        problems += us_address_problems(address.postal_code.strip(), address.region.strip())
    return Destination(
        country=address.country.upper(),
        region=address.region.upper()[:20],
        postal3=address.postal_code.strip()[:3].upper(),
        residential=not address.company,
        address_ref=ref,
        problems=tuple(problems),
    )
