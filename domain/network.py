"""The fulfilment network as code: nodes, channels, carriers, rate cards, users.

``parse_network`` turns the text of one YAML file into a checked ``Network``; reading the
file is the caller's business.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from domain.base import Frozen, InvalidInput, Problem
from domain.circuits import Watch
from domain.facts import RateCard, TransitFacts
from domain.invoices import Contract
from domain.order import Currency, Identifier, Role
from domain.reconciliation import ReconcileTerms
from domain.rehydration import Rehydration
from domain.returns import ReturnTerms

# libyaml where it is there: a file of some hundred lines takes a third of a second without it
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SHARED = "shared"  # how people read of units that are allotted to no pool


class Saturation(Frozen):
    """When a node has too much to do, and when it has room again.

    Any of the upper limits saturates it; it is relieved once it is under all of them and at
    ``low_percent`` or less. In between it stays what it was, so that orders do not swing.

    Attributes:
        high_percent, low_percent: work that waits, of the capacity of the coming ship day.
        backlog_days: ship days that an order released now waits beyond the coming one.
        late_percent: released orders that should have left, of the capacity of a day.
    """

    high_percent: int = Field(default=100, ge=1, le=1_000)
    low_percent: int = Field(default=75, ge=0, le=1_000)
    backlog_days: int = Field(default=2, ge=1, le=366)
    late_percent: int = Field(default=10, ge=1, le=1_000)

    @model_validator(mode="after")
    def _apart(self) -> Saturation:
        if self.low_percent >= self.high_percent:
            raise ValueError("low_percent: has to be below high_percent")
        return self


class Node(Frozen):
    """A place that ships. ``location`` is its name in the merchant's inventory export.

    Attributes:
        cutoff: local time of the last pickup of a day; what is released later waits for the next.
        waves: local times of all pickups, the cut-off being the last; each takes an equal share
            of the capacity. Without them there is one, at the cut-off.
        capacity_per_day: orders that it can pick and pack in a day.
        rehydrate: how it is asked what it has, where that is not as for all nodes.
    """

    id: Identifier
    kind: Literal["dc", "third_party", "store"]
    location: Identifier
    connector: Identifier
    warehouse: str = ""
    postal_code: str
    city: str = ""
    street: str = ""
    region: str = ""
    country: str = "US"
    timezone: str = "UTC"
    cutoff: time = time(14, 0)
    workdays: tuple[int, ...] = (0, 1, 2, 3, 4)
    waves: tuple[time, ...] = ()
    capacity_per_day: int = Field(default=1_000, ge=1)
    saturation: Saturation = Saturation()
    order_cost_minor: int = Field(default=0, ge=0)
    line_cost_minor: int = Field(default=0, ge=0)
    unit_cost_minor: int = Field(default=0, ge=0)
    safety_stock: int = Field(default=0, ge=0)
    cartons: tuple[tuple[int, int, int], ...] = ()
    services: tuple[Identifier, ...] = ()
    rehydrate: Rehydration | None = None

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{value!r} is no IANA time zone such as America/Chicago") from None
        return value

    @model_validator(mode="after")
    def _waves_end_at_the_cutoff(self) -> Node:
        times = self.waves or (self.cutoff,)
        if list(times) != sorted(set(times)) or times[-1] != self.cutoff:
            raise ValueError("waves: have to rise and to end at the cut-off")
        return self


class Service(Frozen):
    """A carrier service. ``code`` is the carrier connector's name for it."""

    id: Identifier
    carrier: Identifier
    code: Identifier
    connector: Identifier
    card: Identifier
    express: bool = False
    delivers_saturday: bool = False
    transit: dict[int, TransitFacts]


class Channel(Frozen):
    """A sales outlet, found by ``match``: values of an order's source or tags.

    Attributes:
        source: connector or store whose orders belong here.
        match: value of the source's own channel field; empty matches every order of the source.
        sla_days: promise, in business days from placement, for a standard order.
        early_tracking: confirm at label time, as some marketplaces want.
        pools: pools of stock that its orders may draw on, in this order, before the units that are
            nobody's; it never sees what is allotted to any other pool.
    """

    id: Identifier
    source: Identifier
    match: str = ""
    sla_days: int = Field(default=5, ge=1, le=60)
    express_days: int = Field(default=2, ge=1, le=60)
    ship_by_days: int = Field(default=2, ge=1, le=60)
    payment: Literal["external", "capture_on_ship"] = "external"
    payment_connector: str = ""
    oms_connector: str = ""
    early_tracking: bool = False
    max_parcels: int = Field(default=3, ge=1, le=8)
    pools: tuple[Identifier, ...] = ()


class ConnectorConfig(Frozen):
    """Where a vendor is reached. Secrets are names of environment variables, never values."""

    name: Identifier
    kind: Identifier
    url: str
    user: str = ""
    secret_env: str = ""
    webhook_secret_env: str = ""
    per_second: float = Field(default=50.0, gt=0)
    options: dict[str, str] = {}


class Bidding(Frozen):
    """How stock is priced for the orders to come.

    Attributes:
        history_days: orders of so many days say what will be asked for.
        horizon_days: until stock comes in again.
        every_minutes: of business time, between two looks; bids hold for twice as long.
        orders: at most so many are looked at; they stand for all.
    """

    history_days: int = Field(default=14, ge=1, le=365)
    horizon_days: int = Field(default=7, ge=1, le=365)
    every_minutes: int = Field(default=60, ge=5, le=10_080)
    orders: int = Field(default=400, ge=10, le=5_000)


class Reevaluation(Frozen):
    """Orders that are reserved wait a while before their nodes hear of them; meanwhile they are
    planned again together, so that scarce stock goes to whom it saves most.

    Attributes:
        window_minutes: so long an order waits at most, of business time.
        before_pickup_minutes: so long before its pickup it goes to its node in any case, which
            makes waiting cost no order its day.
        every_minutes: of business time, between two looks.
        orders: at most so many are planned together, those first that are released first.
        least_saving_minor: what a swap has to save for each order that it moves.
    """

    window_minutes: int = Field(default=30, ge=1, le=2_880)
    before_pickup_minutes: int = Field(default=60, ge=0, le=2_880)
    every_minutes: int = Field(default=10, ge=1, le=1_440)
    orders: int = Field(default=500, ge=2, le=5_000)
    least_saving_minor: int = Field(default=25, ge=0)

    @model_validator(mode="after")
    def _looks_within_the_window(self) -> Reevaluation:
        if self.every_minutes > self.window_minutes:
            raise ValueError("every_minutes: must not be longer than window_minutes")
        return self

    def release_at(self, now: datetime, ship_at: datetime) -> datetime:
        """When what is reserved now goes to its node; not after ``now`` where it is pressing."""
        latest = ship_at - timedelta(minutes=self.before_pickup_minutes)
        return min(now + timedelta(minutes=self.window_minutes), latest)


class User(Frozen):
    name: Identifier
    roles: tuple[Role, ...]


class Network(Frozen):
    """Everything that is configured. References between the parts are checked.

    Attributes:
        pools: names that stock may be allotted to; channels say which of them they draw on.
    """

    currency: Currency = "USD"
    domestic: str = "US"
    nodes: tuple[Node, ...] = Field(min_length=1)
    services: tuple[Service, ...] = Field(min_length=1)
    rate_cards: tuple[RateCard, ...] = Field(min_length=1)
    channels: tuple[Channel, ...] = Field(min_length=1)
    pools: tuple[Identifier, ...] = ()
    connectors: tuple[ConnectorConfig, ...] = Field(min_length=1)
    users: tuple[User, ...] = ()
    holidays: tuple[str, ...] = ()
    policies: dict[str, tuple[str, ...]] = {}
    bidding: Bidding | None = None
    contracts: dict[str, Contract] = {}
    reevaluation: Reevaluation | None = None
    carrier_health: Watch = Watch()
    returns: ReturnTerms = ReturnTerms()
    rehydrate: Rehydration = Rehydration()
    reconciliation: ReconcileTerms = ReconcileTerms()
    cx_connector: str = ""
    cx_groups: dict[Role, str] = {}
    reservation_hours: int = Field(default=48, ge=1)
    dispatch_per_second: float = Field(default=20.0, gt=0)

    @model_validator(mode="after")
    def _references_exist(self) -> Network:
        connectors = {c.name for c in self.connectors}
        services = {s.id for s in self.services}
        cards = {c.name for c in self.rate_cards}
        wrong: list[str] = []
        for node in self.nodes:
            if node.connector not in connectors:
                wrong.append(f"nodes.{node.id}.connector: no connector {node.connector!r}")
            wrong += [
                f"nodes.{node.id}.services: no service {s!r}"
                for s in node.services
                if s not in services
            ]
        for service in self.services:
            if service.connector not in connectors:
                wrong.append(f"services.{service.id}.connector: no connector {service.connector!r}")
            if service.card not in cards:
                wrong.append(f"services.{service.id}.card: no rate card {service.card!r}")
        for channel in self.channels:
            for field in ("payment_connector", "oms_connector"):
                name = getattr(channel, field)
                if name and name not in connectors:
                    wrong.append(f"channels.{channel.id}.{field}: no connector {name!r}")
            if channel.payment == "capture_on_ship" and not channel.payment_connector:
                wrong.append(f"channels.{channel.id}.payment_connector: is missing")
        if self.returns.node and self.returns.node not in {n.id for n in self.nodes}:
            wrong.append(f"returns.node: no node {self.returns.node!r}")
        if self.returns.service and self.returns.service not in services:
            wrong.append(f"returns.service: no service {self.returns.service!r}")
        wrong += _doubles(self) + _wrong_pools(self) + _wrong_contracts(self)
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def contract(self, biller: str) -> Contract:
        """What was agreed with a carrier or 3PL; the defaults where nothing was."""
        return self.contracts.get(biller) or Contract()

    def node(self, node_id: str) -> Node:
        return next(n for n in self.nodes if n.id == node_id)

    def rehydration(self, node_id: str) -> Rehydration:
        """How a node is asked what it has."""
        return self.node(node_id).rehydrate or self.rehydrate

    def channel(self, channel_id: str) -> Channel | None:
        return next((c for c in self.channels if c.id == channel_id), None)

    def pools_of(self, channel_id: str) -> tuple[str, ...]:
        """Pools that a channel's orders may draw on, in their order; an unknown one has none."""
        channel = self.channel(channel_id)
        return channel.pools if channel else ()

    def service(self, service_id: str) -> Service:
        return next(s for s in self.services if s.id == service_id)

    def card(self, name: str, at: datetime) -> RateCard:
        """The card in force at a time: the latest that is effective by then."""
        cards = [c for c in self.rate_cards if c.name == name and c.effective <= at]
        if not cards:
            cards = [c for c in self.rate_cards if c.name == name]
            return min(cards, key=lambda c: c.effective)
        return max(cards, key=lambda c: c.effective)

    def channel_for(self, source: str, hint: str) -> Channel | None:
        """The channel of an order: an exact match of the hint first, then the source's own."""
        mine = [c for c in self.channels if c.source == source]
        exact = [c for c in mine if c.match and c.match == hint]
        return next(iter(exact or [c for c in mine if not c.match]), None)

    def roles_of(self, user: str) -> tuple[Role, ...]:
        return next((u.roles for u in self.users if u.name == user), ())


def _doubles(network: Network) -> list[str]:
    wrong = []
    for part, names in (
        ("nodes", [n.id for n in network.nodes]),
        ("nodes.location", [n.location for n in network.nodes]),
        ("services", [s.id for s in network.services]),
        ("channels", [c.id for c in network.channels]),
        ("pools", list(network.pools)),
        *((f"channels.{c.id}.pools", list(c.pools)) for c in network.channels),
        ("connectors", [c.name for c in network.connectors]),
    ):
        wrong += [
            f"{part}: {n!r} stands twice" for n in sorted({n for n in names if names.count(n) > 1})
        ]
    return wrong


def _wrong_contracts(network: Network) -> list[str]:
    billers = {s.carrier for s in network.services} | {n.id for n in network.nodes}
    services = {s.id for s in network.services}
    wrong = [
        f"contracts.{b}: no carrier or node {b!r}" for b in network.contracts if b not in billers
    ]
    return wrong + [
        f"contracts.{biller}.guarantees: no service {service!r}"
        for biller, contract in network.contracts.items()
        for service in contract.guarantees
        if service not in services
    ]


def _wrong_pools(network: Network) -> list[str]:
    wrong = [
        f"channels.{channel.id}.pools: no pool {name!r}; add it to `pools`, or correct the name"
        for channel in network.channels
        for name in channel.pools
        if name not in network.pools
    ]
    if SHARED in network.pools:
        wrong.append(
            f"pools: {SHARED!r} is what the units of no pool are called; name it otherwise"
        )
    return wrong


def parse_network(text: str, source: str) -> Network:
    """Read a network file.

    Raises:
        InvalidInput: naming every field that is wrong, as ``source: path: reason. remedy``.
    """
    try:
        body = yaml.load(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        raise InvalidInput(
            Problem(source=where, field="(file)", reason="is not YAML", remedy="Fix the syntax")
        ) from None
    if not isinstance(body, dict):
        raise InvalidInput(
            Problem(
                source=source,
                field="(file)",
                reason="is not a mapping",
                remedy="Start from `meshline init`",
            )
        )
    try:
        return Network.model_validate(body)
    except ValidationError as error:
        raise InvalidInput(*problems_of(error, source)) from None


def problems_of(error: ValidationError, source: str) -> list[Problem]:
    """Pydantic's errors as problems with a path and a remedy."""
    return [
        Problem(
            source=source,
            field=".".join(str(part) for part in item["loc"]) or "(whole)",
            reason=item["msg"][0].lower() + item["msg"][1:] if item["msg"] else "is invalid",
            remedy=_remedy(item["type"]),
        )
        for item in error.errors(include_url=False)
    ]


def _remedy(kind: str) -> str:
    if kind == "extra_forbidden":
        return "Remove the field or correct its name"
    if kind == "missing":
        return "Add the field"
    return "Correct the value"
