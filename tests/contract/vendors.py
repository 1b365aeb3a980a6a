"""Vendors for the contract suites: simulators as processes, a letterbox, a line that loses."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from domain.fulfillment import FulfillmentRequest, Quantity
from domain.network import ConnectorConfig
from domain.order import Address

ROOT = Path(__file__).parents[2]
SECRET = "whsec_c2ltdWxhdG9yLXNlY3JldC1vZi0zMi1ieXRlcyE="
ENVIRONMENT = {"CONTRACT_SECRET": "sk_contract", "CONTRACT_WEBHOOK": SECRET}
STILL, FAST = 1.0, 200_000.0  # business seconds a wall second: nothing moves; a day in 0.4 s
SOMEWHERE = Address(
    name="Invented Person",
    street1="1 Invented Way",
    city="Chicago",
    region="IL",
    postal_code="60601",
    country="US",
)


@dataclass
class Running:
    """A simulator that listens, and its ledger."""

    vendor: str
    url: str
    folder: Path
    process: subprocess.Popen[str]

    def ledger(self, effect: str, reference: str = "") -> list[dict[str, Any]]:
        """Effects of one kind that the vendor really had, oldest first."""
        with sqlite3.connect(self.folder / f"{self.vendor}.db") as book:
            book.row_factory = sqlite3.Row
            rows = book.execute("SELECT * FROM ledger WHERE effect = ? ORDER BY seq", (effect,))
            return [dict(r) for r in rows if not reference or r["reference"] == reference]

    def config(self, **options: str) -> ConnectorConfig:
        return ConnectorConfig(
            name=self.vendor,
            kind=self.vendor,
            url=self.url,
            user="ops",
            secret_env="CONTRACT_SECRET",
            webhook_secret_env="CONTRACT_WEBHOOK",
            options=options,
        )


Start = Callable[..., Running]


def start(vendor: str, folder: Path, rate: float, *more: str) -> Running:
    """Start a simulator on a free port and wait for its address."""
    command = [sys.executable, "-m", "simulators", vendor, "--data", str(folder)]
    command += ["--clock-rate", str(rate), *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    line = json.loads(process.stdout.readline())
    return Running(vendor, f"http://127.0.0.1:{line['port']}", folder, process)


class Losing(httpx.AsyncHTTPTransport):
    """A line on which the next matching request arrives and its answer does not."""

    def __init__(self) -> None:
        super().__init__()
        self.lose = ""
        self.sent: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        what = f"{request.method} {request.url.path} {request.content.decode()}"
        self.sent.append(what)
        if self.lose and self.lose in what:
            self.lose = ""
            await response.aread()
            await response.aclose()
            raise httpx.ReadError("the connection broke", request=request)
        return response


@dataclass
class Letterbox:
    """Takes webhooks and keeps them with their headers."""

    letters: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        letters = self.letters

        class Slot(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                letters.append((dict(self.headers.items()), body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Slot)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


async def until(true: Callable[[], bool], seconds: float = 8.0) -> None:
    """Wait for what another process does."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.02)


def exports(folder: Path, orders: list[dict[str, Any]]) -> Path:
    """A merchant's exports: three products and the shop's orders."""
    folder.mkdir(exist_ok=True)
    (folder / "oms_orders.json").write_text(json.dumps(orders))
    (folder / "products_export.csv").write_text(
        "Handle,Title,Variant SKU\nmug,Mug,MUG-1\nmug,,MUG-2\ntee,Tee,TEE-1\n"
    )
    return folder


def shop_order(number: int, **changes: Any) -> dict[str, Any]:
    """An order as Medusa has it, all invented."""
    return {
        "id": f"order_{number}",
        "display_id": number,
        "status": "pending",
        "email": "someone@example.com",
        "currency_code": "usd",
        "sales_channel": {"id": "sc_1", "name": "Marketplace"},
        "shipping_address": {
            "first_name": "Invented",
            "last_name": "Person",
            "address_1": "1 Invented Way",
            "city": "Chicago",
            "province": "us-il",
            "postal_code": "60601",
            "country_code": "us",
        },
        "items": [
            {
                "id": f"item_{number}",
                "title": "Mug",
                "variant_sku": "MUG-1",
                "quantity": 2,
                "unit_price": 11.5,
                "discount_total": 2.3,
                "tax_total": 1.656,
                "adjustments": [{"code": "WELCOME10", "amount": 2.3}],
            }
        ],
        "shipping_methods": [{"name": "Standard", "amount": 5}],
        "shipping_total": 5,
        "discount_total": 2.3,
        "tax_total": 1.656,
        "total": 27.36,
        "payment_status": "authorized",
        "payment_collections": [
            {
                "payments": [
                    {
                        "provider_id": "pp_stripe_stripe",
                        "amount": 27.36,
                        "data": {"id": f"pi_{number}"},
                    }
                ]
            }
        ],
        "metadata": {},
        **changes,
    }


def wanted(reference: str, **units: int) -> FulfillmentRequest:
    """A fulfillment order of some SKUs; underscores in a name stand for dashes."""
    lines = tuple(
        Quantity(line_id=f"line_{at}", sku=sku.replace("_", "-"), quantity=quantity)
        for at, (sku, quantity) in enumerate((units or {"MUG_1": 2}).items())
    )
    return FulfillmentRequest(
        reference=reference,
        order_id="order:shop:1",
        order_number="1",
        warehouse="EAST",
        shipping_method="Standard",
        lines=lines,
    )
