"""A test bed: a real Temporal server, the real store and worker, vendors as doubles."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

from sqlalchemy import select
from temporalio.client import Client, WorkflowHandle

from activities.context import Context
from activities.geography import preload
from activities.intake import Intake
from activities.policies import PoliciesInForce, install
from activities.return_desk import ReturnDesk
from activities.settings import ROOT, expand
from connectors.ports import Inbound
from domain import messages as m
from domain.cases import CaseAction, ExceptionCase
from domain.clock import BusinessClock
from domain.fulfillment import Fact, Observation, Quantity, Tracking
from domain.network import Network, parse_network
from domain.order import (
    Address,
    Destination,
    IncomingOrder,
    Item,
    Order,
    OrderLine,
    Payment,
    order_id,
)
from domain.returns import ReturnWish
from gateway.loops import Loops
from policies import Library
from store import cases, catalog, inventory
from store import tables as t
from store.audit import AuditLog
from store.database import Database
from store.personal import Vault
from tests.doubles import (
    CarrierDouble,
    CxDouble,
    Double,
    NodeDouble,
    OmsDouble,
    PaymentDouble,
    doubles,
)
from worker import build_workers

MONDAY = datetime(2026, 1, 5, 8, tzinfo=UTC)
RATE = 7_200.0
PII_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
CHICAGO = Address(
    name="Invented Person", street1="1 Test Street", city="Chicago", region="IL",
    postal_code="60601", country="US", email="person@example.com",
)  # fmt: skip
ATLANTA = CHICAGO.model_copy(update={"city": "Atlanta", "region": "GA", "postal_code": "30303"})
LITTLE_ROCK = CHICAGO.model_copy(
    update={"city": "Little Rock", "region": "AR", "postal_code": "72201"}
)


@cache
def example_network() -> Network:
    """The network of config/, its reservation short enough to see it expire; nothing waits."""
    path = ROOT / "config" / "network.yaml"
    network = parse_network(expand(path.read_text()), path.name)
    return network.model_copy(
        update={"reservation_hours": 12, "dispatch_per_second": 50.0, "reevaluation": None}
    )


@dataclass(repr=False)
class Bed:
    """Everything that a test touches."""

    client: Client
    context: Context
    clock: BusinessClock
    loops: Loops

    def __post_init__(self) -> None:
        self._events = 0
        self._token = secrets.token_hex(4)  # order IDs are never reused on one server

    # --- vendors ------------------------------------------------------------------------------

    def vendor(self, name: str) -> Double:
        return cast(Double, self.context.connectors[name])

    @property
    def tryton(self) -> NodeDouble:
        return cast(NodeDouble, self.vendor("tryton"))

    @property
    def shipbob(self) -> NodeDouble:
        return cast(NodeDouble, self.vendor("shipbob"))

    @property
    def easypost(self) -> CarrierDouble:
        return cast(CarrierDouble, self.vendor("easypost"))

    @property
    def stripe(self) -> PaymentDouble:
        return cast(PaymentDouble, self.vendor("stripe"))

    @property
    def medusa(self) -> OmsDouble:
        return cast(OmsDouble, self.vendor("medusa"))

    @property
    def zendesk(self) -> CxDouble:
        return cast(CxDouble, self.vendor("zendesk"))

    # --- stock and orders ---------------------------------------------------------------------

    def stock(self, sku: str, **units: int) -> None:
        """Count units of a SKU at nodes, and know the item."""
        now = self.now()
        with self.context.db.write() as connection:
            catalog.put_items(
                connection,
                [Item(sku=sku, weight_mg=900_000, length=2_000, width=1_500, height=500,
                      unit_cost_minor=700)],
            )  # fmt: skip
            for node, count in units.items():
                inventory.feed(connection, sku, node, count, 0, 0, now, now)

    def now(self) -> datetime:
        return self.clock.at(datetime.now(UTC))

    def order(
        self, external_id: str, lines: Sequence[tuple[str, int]], *, source: str = "medusa",
        channel: str = "App", address: Address = CHICAGO, **fields: Any,
    ) -> IncomingOrder:  # fmt: skip
        external_id = f"{self._token}-{external_id}"
        total = sum(2_000 * units for _, units in lines)
        order = Order(
            id=order_id(source, external_id),
            source=source,
            external_id=external_id,
            number=f"#{external_id}",
            channel=channel,
            currency="USD",
            placed_at=self.now(),
            lines=tuple(
                OrderLine(line_id=str(n), sku=sku, quantity=units, unit_price_minor=2_000)
                for n, (sku, units) in enumerate(lines, start=1)
            ),
            ship_to=Destination(),
            total_minor=total,
            payment=Payment(
                mode="capture_on_ship", status="authorized", reference=f"pi_{external_id}",
                authorized_minor=total,
            ),
        )  # fmt: skip
        return IncomingOrder(order=order.model_copy(update=fields), address=address)

    async def start(self, incoming: IncomingOrder) -> WorkflowHandle[Any, Any]:
        """Take an order in and let the dispatcher start it."""
        intake = Intake(self.context.network, self.context.vault)
        with self.context.db.write() as connection:
            assert intake.take(connection, incoming, self.now())
        await self.loops.dispatch()
        return self.client.get_workflow_handle(incoming.order.id)

    # --- what vendors say ---------------------------------------------------------------------

    async def tell(
        self, fulfillment_id: str, *facts: Fact, short: Sequence[Quantity] = (),
        tracking: Tracking | None = None, event_id: str = "",
    ) -> None:  # fmt: skip
        """Observations about a fulfillment order, committed and relayed."""
        with self.context.db.read() as connection:
            row = connection.execute(
                select(t.fulfillments).where(t.fulfillments.c.id == fulfillment_id)
            ).one()
        for fact in facts:
            self._events += 1
            seen = Observation(
                event_id=event_id or f"e{self._events}", connector=row.connector,
                kind="fulfillment", external_id=row.external_id or "unknown",
                reference=fulfillment_id, fact=fact,
                short=tuple(short) if fact == Fact.PICK_SHORT else (), tracking=tracking,
            )  # fmt: skip
            self.loops.door.commit(row.connector, Inbound(observations=(seen,)))
        await self.loops.relay()

    async def come_back(
        self, order: str, *units: tuple[str, int, str], user: str = "casey", **wish: Any
    ) -> str:
        """Ask for a return of lines, (line, units, reason) each, and start it; its ID."""
        lines = [{"line_id": x, "quantity": n, "reason": reason} for x, n, reason in units]
        asked = ReturnWish.model_validate({"order_id": order, "lines": lines, **wish})
        desk = ReturnDesk(
            self.context.db, self.context.audit, self.context.network, user, self.now()
        )
        (return_id,) = desk.ask([asked])
        await self.loops.dispatch_returns()
        return return_id

    async def scan(self, return_id: str, *facts: Fact, event_id: str = "") -> None:
        """What a carrier tells of a return's parcel, committed and relayed."""
        for fact in facts:
            seen = Observation(
                event_id=event_id or f"{return_id}:{fact}", connector="easypost", kind="shipment",
                external_id=f"trk_{return_id}/p1", fact=fact,
            )  # fmt: skip
            self.loops.door.commit("easypost", Inbound(observations=(seen,)))
        await self.loops.relay()

    def returned(self, return_id: str) -> Any:
        (row,) = self.rows(t.returns, return_id, "id")
        return row

    # --- waiting and looking ------------------------------------------------------------------

    async def until(self, condition: Callable[[], Any], seconds: float = 20.0) -> Any:
        """Wait for something to come true in the store or at a vendor."""
        for _ in range(int(seconds / 0.05)):
            if found := condition():
                return found
            await asyncio.sleep(0.05)
        raise AssertionError(f"not within {seconds} s: {condition}")

    def rows(self, table: Any, order: str, by: str = "") -> list[Any]:
        column = table.c[by or ("order_id" if "order_id" in table.c else "id")]
        with self.context.db.read() as connection:
            return list(connection.execute(select(table).where(column == order)))

    def fulfillments(self, order: str, *statuses: str) -> list[Any]:
        return [r for r in self.rows(t.fulfillments, order) if not statuses or r.status in statuses]

    def status(self, order: str) -> str:
        return str(self.rows(t.orders, order)[0].status)

    async def fulfilling(self, order: str, count: int = 1) -> list[Any]:
        """Fulfillment orders that their nodes have accepted."""

        def accepted() -> list[Any] | None:
            found = self.fulfillments(order, "in_progress", "incomplete")
            return found if len(found) >= count else None

        return cast(list[Any], await self.until(accepted))

    async def case(self, order: str, kind: str, seconds: float = 20.0) -> ExceptionCase:
        """The open case of a kind, once there is one."""

        def found() -> Any:
            with self.context.db.read() as connection:
                return next((r for r in cases.live(connection, order) if r.kind == kind), None)

        row = await self.until(found, seconds)
        return ExceptionCase.model_validate_json(row.body)

    def ended(self, case_id: str) -> bool:
        """Whether a case is over."""
        return bool(self.rows(t.exceptions, case_id, "id")[0].ended_at)

    async def decide(self, case: ExceptionCase, action: CaseAction, user: str, **more: str) -> Any:
        """Act on a case through the Update."""
        wanted = m.Resolution(
            case_id=case.id, action=action, user=user,
            shown_hash=more.get("shown_hash", case.shown_hash), comment=more.get("comment", ""),
        )  # fmt: skip
        handle = self.client.get_workflow_handle(case.order_id)
        return await handle.execute_update("resolve_case", wanted, result_type=m.Reply)

    def event_names(self, order: str) -> list[str]:
        with self.context.db.read() as connection:
            rows = connection.execute(
                select(t.events.c.type).where(t.events.c.stream == order).order_by(t.events.c.seq)
            )
            return [str(r.type).removeprefix("meshline.").removesuffix(".v1") for r in rows]

    async def ship(self, order: str, count: int = 1) -> None:
        """Carry an order from release to the door without anything going wrong."""
        for row in await self.fulfilling(order, count):
            await self.tell(row.id, Fact.PACKED)
        for row in self.fulfillments(order, "in_progress", "incomplete"):
            if row.connector == "tryton":
                await self.until(partial(self._labelled, row.id))
            await self.tell(
                row.id, Fact.SHIPPED, tracking=Tracking(carrier="UPS", number=f"T{row.id}")
            )
            await self.tell(row.id, Fact.DELIVERED)

    def _labelled(self, fulfillment_id: str) -> bool:
        return any(
            r.status in ("label_created", "shipped", "delivered")  # it may have left meanwhile
            for r in self.rows(t.shipments, fulfillment_id.split("/")[0])
            if r.fulfillment_id == fulfillment_id
        )


@asynccontextmanager
async def made_bed(
    client: Client, folder: Path, url: str = "", rate: float = RATE,
    network: Network | None = None,
) -> AsyncIterator[Bed]:  # fmt: skip
    """A bed on a running Temporal server; its worker is of its own queues' names."""
    os.environ.setdefault("MESHLINE_PII_KEY", PII_KEY)
    network = network or example_network()
    db = Database(url or f"sqlite:///{folder / 'meshline.db'}")
    db.create()
    now = datetime.now(UTC)
    clock = BusinessClock(epoch=MONDAY, wall_epoch=now, rate=rate)
    with db.write() as connection:
        catalog.set_setting(connection, "clock", clock.model_dump_json())
    audit = AuditLog("test", folder / "heads.tsv")
    install(db, audit, Library.default, MONDAY)
    context = Context(
        db=db,
        vault=Vault(PII_KEY),
        audit=audit,
        network=network,
        policies=PoliciesInForce(network.policies),
        connectors=cast(Any, doubles({c.name: c for c in network.connectors})),
    )
    preload()
    async with AsyncExitStack() as stack:
        for worker in build_workers(client, context):
            await stack.enter_async_context(worker)
        yield Bed(client, context, clock, Loops(context, client, clock))
    context.close()
