"""The orders that come up at the simulated Medusa while it runs: marketplace and app."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from examples.basket import Basket, fill
from examples.customers import Customer, customer, spoiled

FIRST_NUMBER = 50_001
HOURS = 16.0
CYCLE = 110
SCENARIOS = {
    17: "no_such_zip", 52: "other_state", 83: "no_city", 39: "unknown_sku", 66: "bulky",
}  # fmt: skip
ADDRESSES = {"no_such_zip", "other_state", "no_city"}
CHANNELS = {"Marketplace": "webhook", "App": "poll"}


def write_oms_orders(path: Path, count: int, seed: int) -> Counter[str]:
    """Write so many orders, one at a time. Returns how many of each scenario and channel."""
    written: Counter[str] = Counter()
    with path.open("w", encoding="utf-8") as out:
        out.write("[")
        for index in range(count):
            scenario = SCENARIOS.get(index % CYCLE, "everyday")
            dice = Random(f"{seed}:oms:{index}")
            channel = "App" if scenario == "bulky" or dice.random() < 0.45 else "Marketplace"
            entry = {
                "after_hours": round(HOURS * (index + dice.random()) / max(1, count), 3),
                "delivery": CHANNELS[channel],
                "order": _order(index, scenario, channel, dice),
            }
            out.write((",\n" if index else "\n") + json.dumps(entry))
            written[scenario] += 1
            written[channel] += 1
        out.write("\n]\n")
    return written


def _order(index: int, scenario: str, channel: str, dice: Random) -> dict[str, Any]:
    person = customer(dice, 5_000_000 + index)
    if scenario in ADDRESSES:
        person = spoiled(person, scenario)
    basket = fill(dice, scenario)
    key = _token("order", index)
    lines = sum(line.amount for line in basket.lines)
    return {
        "id": f"order_{key}",
        "display_id": FIRST_NUMBER + index,
        "status": "pending",
        "email": person.email,
        "currency_code": "usd",
        "sales_channel_id": "sc_" + _token("channel", channel),
        "sales_channel": {"id": "sc_" + _token("channel", channel), "name": channel},
        "shipping_address": _address(person, key),
        "billing_address": _address(person, key, "b"),
        "items": _items(basket, key),
        "shipping_methods": [
            {
                "id": f"ordsm_{key}",
                "name": basket.method or "Digital",
                "amount": _major(basket.shipping),
                "total": _major(basket.shipping),
            }
        ],
        "item_subtotal": _major(lines),
        "item_total": _major(lines - basket.discount + basket.tax),
        "subtotal": _major(lines + basket.shipping),
        "shipping_subtotal": _major(basket.shipping),
        "shipping_total": _major(basket.shipping),
        "tax_total": _major(basket.tax),
        "discount_total": _major(basket.discount),
        "total": _major(basket.total),
        "payment_status": "authorized",
        "payment_collections": [_payment(basket, key)],
        "metadata": {},
    }


def _items(basket: Basket, key: str) -> list[dict[str, Any]]:
    """Lines with their part of discount and tax; the parts sum to the whole."""
    discounts = _parts(basket.discount, [line.amount for line in basket.lines])
    nets = [line.amount - off for line, off in zip(basket.lines, discounts, strict=True)]
    taxes = _parts(basket.tax, nets)
    return [
        {
            "id": f"ordli_{key}_{number}",
            "title": line.ware.title,
            "product_title": line.ware.title,
            "variant_title": line.ware.option.partition(": ")[2] or "Default",
            "variant_sku": line.ware.sku,
            "quantity": line.quantity,
            "unit_price": _major(line.ware.price),
            "subtotal": _major(line.amount),
            "discount_total": _major(off),
            "tax_total": _major(tax),
            "total": _major(line.amount - off + tax),
            "requires_shipping": not line.ware.digital,
            "adjustments": [{"code": basket.code, "amount": _major(off)}] if off else [],
            "tax_lines": [{"code": "state", "rate": 8}],
        }
        for number, (line, off, tax) in enumerate(
            zip(basket.lines, discounts, taxes, strict=True), 1
        )
    ]


def _parts(amount: int, weights: list[int]) -> list[int]:
    """An amount in proportion to weights, to the cent: what rounding leaves goes last."""
    whole = sum(weights)
    parts = [amount * weight // whole if whole else 0 for weight in weights]
    parts[-1] += amount - sum(parts)
    return parts


def _payment(basket: Basket, key: str) -> dict[str, Any]:
    amount = _major(basket.total)
    return {
        "id": f"pay_col_{key}",
        "currency_code": "usd",
        "amount": amount,
        "authorized_amount": amount,
        "captured_amount": 0,
        "status": "authorized",
        "payments": [
            {
                "id": f"pay_{key}",
                "amount": amount,
                "currency_code": "usd",
                "provider_id": "pp_stripe_stripe",
                "captured_at": None,
                "data": {"id": f"pi_{key[:24]}"},
            }
        ],
    }


def _address(person: Customer, key: str, kind: str = "s") -> dict[str, Any]:
    return {
        "id": f"ordaddr_{key}_{kind}",
        "first_name": person.first,
        "last_name": person.last,
        "company": person.company or None,
        "address_1": person.street,
        "address_2": person.extra or None,
        "city": person.city,
        "province": person.region,
        "postal_code": person.zip,
        "country_code": person.country.lower(),
        "phone": person.phone,
    }


def _token(kind: str, subject: object) -> str:
    return hashlib.sha256(f"{kind}:{subject}".encode()).hexdigest()[:26].upper()


def _major(cents: int) -> float:
    return cents / 100
