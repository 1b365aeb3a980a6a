"""Simulated vendors in process, with a clock that a test moves by hand."""

from __future__ import annotations

import importlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from simulators.app import Settings, Sim, serve
from simulators.clock import Clock
from simulators.faults import Faults

EPOCH = datetime(2026, 1, 5, 8, tzinfo=UTC)
SECRET = "whsec_c2ltdWxhdG9yLXNlY3JldC1vZi0zMi1ieXRlcyE="


class Wall:
    """A wall clock of which one second is one business hour."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return 1_700_000_000.0 + self.seconds


@dataclass
class Stage:
    """One vendor on stage: its client, its world, and the hand on its clock."""

    sim: Sim
    client: httpx.AsyncClient
    wall: Wall

    async def hours(self, hours: float) -> None:
        """Lets business time pass, step by step as the ticker would."""
        end = self.wall.seconds + hours
        while self.wall.seconds < end:
            self.wall.seconds = min(end, self.wall.seconds + 0.5)
            while await self.sim.tick():
                pass

    def ledger(self, effect: str) -> list[dict[str, Any]]:
        rows = self.sim.book.db.execute(
            "SELECT subject, reference, key, amount_minor, quantity, body, at FROM ledger"
            " WHERE effect = ? ORDER BY seq",
            (effect,),
        )
        names = ("subject", "reference", "key", "amount_minor", "quantity", "body", "at")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def letters(self) -> list[tuple[str, dict[str, Any]]]:
        rows = self.sim.book.db.execute("SELECT topic, body FROM outbox ORDER BY seq")
        return [(topic, json.loads(body)) for topic, body in rows]


Open = Callable[..., Stage]


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Open]:
    """Opens vendors: stage("medusa", faults=..., exports=...); again with the same data."""
    wall, opened = Wall(), list[Stage]()

    def open_(vendor: str, auth: Any = ("key", ""), **settings: Any) -> Stage:
        settings.setdefault("faults", Faults())
        made = importlib.import_module(f"simulators.{vendor}").create(
            Settings(
                vendor=vendor,
                data=tmp_path,
                clock=Clock(EPOCH, wall(), 3600.0, wall) if not opened else opened[0].sim.clock,
                webhook_url="http://hooks.test",
                webhook_secret=SECRET,
                **settings,
            )
        )
        transport = httpx.ASGITransport(serve(made, background=False))
        client = httpx.AsyncClient(transport=transport, base_url="http://vendor", auth=auth)
        opened.append(Stage(made.sim, client, wall))
        return opened[-1]

    yield open_
    for one in opened:
        await one.client.aclose()
        await one.sim.client.aclose()
        one.sim.book.close()


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    """A shop with two orders and three products, all invented."""
    folder = tmp_path / "exports"
    folder.mkdir()
    orders = [
        {"after_hours": 1.0, "delivery": "webhook", "order": order("order_1", 1, 2, "20.00")},
        {"after_hours": 2.0, "delivery": "poll", "order": order("order_2", 2, 1, "10.00")},
    ]
    (folder / "oms_orders.json").write_text(json.dumps(orders))
    (folder / "products_export.csv").write_text(
        "Handle,Title,Variant SKU\nmug,Mug,MUG-1\nmug,,MUG-2\ntee,Tee,TEE-1\n"
    )
    return folder


def order(key: str, number: int, quantity: int, amount: str) -> dict[str, Any]:
    payment = {"id": f"pay_{number}", "amount": float(amount), "provider_id": "pp_stripe_stripe"}
    return {
        "id": key,
        "display_id": number,
        "status": "pending",
        "currency_code": "usd",
        "items": [
            {
                "id": f"item_{number}",
                "title": "Mug",
                "quantity": quantity,
                "unit_price": 10,
                "variant_sku": "MUG-1",
            }
        ],
        "payment_collections": [{"payments": [{**payment, "data": {"id": f"pi_{number}"}}]}],
    }
