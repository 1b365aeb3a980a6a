"""A day on which five vendors and we did the same, to be disturbed by the test that needs it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from sqlalchemy import insert, update
from temporalio.testing import ActivityEnvironment

from activities.context import Context
from activities.intake import Intake
from activities.policies import PoliciesInForce
from activities.reconciling import ReconcileActivities
from connectors.easypost import EasyPost
from connectors.errors import Refused
from connectors.medusa import Medusa
from connectors.ports import (
    Connector,
    FulfillmentNode,
    MoneyMove,
    ParcelRequest,
    ShipmentNotice,
)
from connectors.shipbob import ShipBob
from connectors.stripe import Stripe
from connectors.tryton import Tryton
from domain.fulfillment import FulfillmentPlan, Parcel, Quantity
from domain.network import Network
from domain.reconciliation import Difference, ReconcileVendor, VendorReconciled, stream_of
from domain.refunds import RefundSum
from store import events, fulfillments, orders, reconciliations, recoveries, refunds
from store import tables as t
from store.audit import AuditLog
from store.database import Database
from store.personal import Vault
from tests.bed import PII_KEY, example_network
from tests.contract.vendors import SOMEWHERE, STILL, Running, Start, exports, shop_order, wanted

ORDERS = 24
CENTS = 2736  # of an order of the shop
BACK = 500


@dataclass(repr=False)
class Day:
    """Vendors that run, connectors to them, and our store, which has all that they have."""

    running: dict[str, Running]
    connectors: dict[str, Connector]
    context: Context
    day: date
    at: datetime
    looks: int = 0

    def order(self, n: int) -> str:
        return f"order:medusa:order_{n}"

    def fulfillment(self, n: int) -> str:
        return f"{self.order(n)}/g1f1"

    def label(self, n: int) -> str:
        return f"{self.fulfillment(n)}/p1"

    def row(self, table: Any, row_id: str, by: str = "id") -> Any:
        with self.context.db.read() as connection:
            return connection.execute(table.select().where(table.c[by] == row_id)).one()

    def ours(self, table: Any, row_id: str, by: str = "id", **values: Any) -> None:
        """Change a row of ours behind everybody's back."""
        with self.context.db.write() as connection:
            connection.execute(update(table).where(table.c[by] == row_id).values(**values))

    async def charge_again(self, n: int, minor: int, reference: str) -> MoneyMove:
        """Charge the card of an order's customer, who has agreed; one that says no is asked on."""
        agreed = {"setup_future_usage": "off_session"}
        self.theirs("stripe", "intent", f"pi_{n}", lambda i: i.update(agreed))
        bank = cast(Stripe, self.connectors["stripe"])
        for _ in range(8):
            with suppress(Refused):
                return await bank.charge_again(
                    f"pi_{n}", minor, "USD", reference, f"charge {reference}"
                )
        raise AssertionError("eight cards in a row said no")

    def theirs(
        self, vendor: str, kind: str, key: str, change: Callable[[dict[str, Any]], Any]
    ) -> None:
        """Change a record of a vendor behind everybody's back; gone where nothing is left."""
        with sqlite3.connect(self.running[vendor].folder / f"{vendor}.db", timeout=10) as book:
            found = book.execute(
                "SELECT body FROM entity WHERE kind = ? AND id = ?", (kind, key)
            ).fetchone()
            body = json.loads(found[0])
            if change(body) is False:
                book.execute("DELETE FROM entity WHERE kind = ? AND id = ?", (kind, key))
                return
            book.execute(
                "UPDATE entity SET body = ? WHERE kind = ? AND id = ?",
                (json.dumps(body), kind, key),
            )

    async def turn(self, vendor: str, turn: int, *, last: bool = False) -> VendorReconciled:
        """One turn of the activity that compares the day with a vendor."""
        request = ReconcileVendor(
            key=f"{stream_of(self.day)}/run/{self.looks}", connector=vendor, day=self.day,
            at=self.at, turn=turn, last=last,
        )  # fmt: skip
        work = ReconcileActivities(self.context).reconcile
        return cast(VendorReconciled, await ActivityEnvironment().run(work, request))

    async def look(self, vendor: str) -> VendorReconciled:
        """Turns until it has settled, as the workflow takes them."""
        self.looks += 1
        for turn in range(4):
            done = await self.turn(vendor, turn, last=turn == 3)
            if done.settled:
                return done
        raise AssertionError("the last turn settles")

    def found(self, state: str = "open") -> list[tuple[str, str, str]]:
        """(vendor, kind, subject) of the differences of a state."""
        with self.context.db.read() as connection:
            rows = reconciliations.differences(connection, self.day, states=(state,))
        return sorted(
            (r.connector, Difference.model_validate_json(r.body).name, r.subject) for r in rows
        )

    def untied(self) -> list[int]:
        with self.context.db.read() as connection:
            looks = reconciliations.looks(connection, self.day)
            return [x.untied_minor for look in looks for x in reconciliations.totals_of(look)]


async def same_day(start: Start, folder: Path) -> Day:
    """Every vendor and we have 24 orders, shipped with a label, captured, told to the shop."""
    placed = [{"after_hours": 0.0, "delivery": "poll", "order": shop_order(n)}
              for n in range(1, ORDERS + 1)]  # fmt: skip
    given = str(exports(folder / "exports", placed))
    running = {
        "medusa": start("medusa", STILL, "--exports", given),
        "stripe": start("stripe", STILL, "--exports", given),
        "easypost": start("easypost", STILL),
        "shipbob": start("shipbob", STILL, "--exports", given),
        "tryton": start("tryton", STILL, "--exports", given, "--warehouse", "EAST"),
    }
    makes: dict[str, Any] = {
        "medusa": Medusa, "stripe": Stripe, "easypost": EasyPost, "shipbob": ShipBob,
        "tryton": Tryton,
    }  # fmt: skip
    connectors = {name: makes[name](one.config()) for name, one in running.items()}
    db = Database(f"sqlite:///{folder / 'meshline.db'}")
    db.create()
    network = _network(running)
    context = Context(
        db=db, vault=Vault(PII_KEY), audit=AuditLog("test", None), network=network,
        policies=PoliciesInForce(network.policies), connectors=connectors,
    )  # fmt: skip
    shop = cast(Medusa, connectors["medusa"])
    page = await shop.poll("")
    while len(page.orders) < ORDERS:
        await asyncio.sleep(0.05)
        page = await shop.poll("")
    at = page.orders[0].order.placed_at + timedelta(seconds=1)
    intake = Intake(network, context.vault)
    with db.write() as connection:
        for incoming in page.orders:
            assert intake.take(connection, incoming, at)
    day = Day(running, connectors, context, at.astimezone(UTC).date(), at)
    gate = asyncio.Semaphore(6)

    async def one(n: int) -> None:
        async with gate:
            await _fulfil(day, n)

    await asyncio.gather(*(one(n) for n in range(1, ORDERS + 1)))
    return day


def _network(running: dict[str, Running]) -> Network:
    return example_network().model_copy(
        update={"connectors": tuple(one.config() for one in running.values())}
    )


async def _fulfil(day: Day, n: int) -> None:
    """What the workflow of an order does, at the vendors and here; every fourth is paid back."""
    name = "tryton" if n % 2 else "shipbob"
    fulfillment, at, db = day.fulfillment(n), day.at, day.context.db
    lines = (Quantity(line_id=f"item_{n}", sku="MUG-1", quantity=2),)
    node = cast(FulfillmentNode, day.connectors[name])
    submitted = await node.submit(wanted(fulfillment, MUG_1=2), SOMEWHERE, fulfillment)
    label = await cast(EasyPost, day.connectors["easypost"]).buy(
        ParcelRequest(
            reference=day.label(n), carrier="UPS", service="Ground", length=3048, width=2032,
            height=1016, weight_mg=900_000, ship_from=SOMEWHERE, ship_to=SOMEWHERE,
        ),
        None, day.label(n),
    )  # fmt: skip
    stripe = cast(Stripe, day.connectors["stripe"])
    taken = await stripe.capture(f"pi_{n}", CENTS, "USD", day.order(n), fulfillment)
    told = await cast(Medusa, day.connectors["medusa"]).confirm_shipment(
        ShipmentNotice(
            reference=fulfillment, external_order_id=f"order_{n}", location="loc_east",
            lines=lines, tracking=(label.tracking,),
        ),
        fulfillment,
    )  # fmt: skip
    plan = FulfillmentPlan(
        node="dc_east", node_kind="dc", connector=name, queue="q", service="ups_ground",
        carrier="UPS", lines=lines, ship_at=at, deliver_p50=at, deliver_p90=at,
        parcels=(
            Parcel(length=3048, width=2032, height=1016, weight_mg=900_000, lines=lines),
        ),
    )  # fmt: skip

    def write() -> None:
        with db.write() as connection:
            connection.execute(
                insert(t.fulfillments).values(
                    id=fulfillment, order_id=day.order(n), node="dc_east", connector=name,
                    carrier="UPS", ship_at=at, status="in_progress", request_status="accepted",
                    external_id=submitted.external_id, decision_id="d", generation=1,
                    plan=plan.model_dump_json(), short="[]", tracking="", updated_at=at,
                )
            )  # fmt: skip
            events.append(connection, day.order(n), "fulfillment.accepted", at, id=fulfillment)
            row = fulfillments.get(connection, fulfillment)
            fulfillments.add_shipment(
                connection, day.label(n), row, label.tracking, "easypost", label.external_id,
                label.tracker_id, "", label.cost_minor, label.currency, None, at,
            )  # fmt: skip
            orders.captured(
                connection, day.order(n), "stripe", taken.amount_minor, "USD", taken.external_id,
                at, uncharged="",
            )  # fmt: skip
            units = {q.line_id: q.quantity for q in lines}
            fulfillments.confirmed(
                connection, day.order(n), fulfillment, told.external_id, at, units
            )

    await db.in_thread(write)
    if n % 4 == 0:
        await _pay_back(day, n)
    if n == 18:
        await _take_back(day, n)


async def _take_back(day: Day, n: int) -> None:
    """What was paid back for a return whose goods did not pass."""
    db, at = day.context.db, day.at
    mine = f"return:{day.order(n)}:1/recovery"
    moved = await day.charge_again(n, 900, mine)

    def write() -> None:
        with db.write() as connection:
            connection.execute(
                t.recoveries.insert().values(
                    id=mine, return_id=mine, order_id=day.order(n), state="requested",
                    amount_minor=900, currency="USD", body="{}", requester="kim",
                    requested_at=at,
                )
            )  # fmt: skip
            recoveries.begin(connection, mine, "stripe", at)
            recoveries.settle(connection, mine, moved.external_id, "system", at)

    await db.in_thread(write)


async def _pay_back(day: Day, n: int) -> None:
    stripe, db, at = cast(Stripe, day.connectors["stripe"]), day.context.db, day.at

    def ask() -> str:
        with db.write() as connection:
            refund_id = refunds.ask(
                connection, day.order(n), "goodwill", RefundSum(other_minor=BACK), "USD", "d",
                "late", at, held=False,
            )  # fmt: skip
            refunds.begin(connection, refund_id, at)
            return refund_id

    refund_id = await db.in_thread(ask)
    moved = await stripe.refund(f"pi_{n}", BACK, "USD", refund_id, refund_id)

    def settle() -> None:
        with db.write() as connection:
            refunds.settle(connection, refund_id, moved.external_id, at)

    await db.in_thread(settle)
