"""The web shop's order export: Shopify's columns, one row a line item."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from examples.basket import Basket, Line, fill
from examples.customers import Customer, customer, spoiled
from examples.wares import VENDOR, money

FIRST_NUMBER = 1001
FROM = datetime(2026, 1, 1, 9, tzinfo=UTC)
UNTIL = datetime(2026, 1, 5, 6, tzinfo=UTC)
SHOP_ZONE = ZoneInfo("America/New_York")
CYCLE = 150
# What is particular about an order, by its place in each 150; all others are everyday ones.
SCENARIOS = {
    11: "no_such_zip", 37: "other_state", 64: "no_city", 92: "no_zip_at_all",
    21: "unknown_sku", 78: "unknown_sku", 119: "unknown_sku", 55: "canada",
    43: "bad_quantity", 101: "bad_price", 16: "bulky", 71: "bulky", 126: "bulky",
    5: "fulfilled", 84: "fulfilled", 29: "cancelled", 110: "cancelled", 58: "refunded",
    33: "partial", 97: "partial", 50: "digital", 108: "digital",
    8: "pending", 25: "pending", 48: "pending", 74: "pending", 103: "pending", 133: "pending",
    14: "authorized", 40: "authorized", 67: "authorized", 95: "authorized", 140: "authorized",
    19: "high_risk", 61: "high_risk", 88: "high_risk", 115: "high_risk", 137: "high_risk",
}  # fmt: skip
ADDRESSES = {"no_such_zip", "other_state", "no_city", "no_zip_at_all", "canada"}
_PLACE = ("Name", "Street", "Address1", "Address2", "Company", "City", "Zip", "Province", "Country",
          "Phone")  # fmt: skip
COLUMNS = (
    "Name", "Email", "Financial Status", "Paid at", "Fulfillment Status", "Fulfilled at",
    "Accepts Marketing", "Currency", "Subtotal", "Shipping", "Taxes", "Total", "Discount Code",
    "Discount Amount", "Shipping Method", "Created at", "Lineitem quantity", "Lineitem name",
    "Lineitem price", "Lineitem compare at price", "Lineitem sku", "Lineitem requires shipping",
    "Lineitem taxable", "Lineitem fulfillment status",
    *(f"Billing {part}" for part in _PLACE), *(f"Shipping {part}" for part in _PLACE),
    "Notes", "Note Attributes", "Cancelled at", "Payment Method", "Payment Reference",
    "Refunded Amount", "Vendor", "Outstanding Balance", "Employee", "Location", "Device ID", "Id",
    "Tags", "Risk Level", "Source", "Lineitem discount",
    *(f"Tax {n} {part}" for n in range(1, 6) for part in ("Name", "Value")),
    "Phone", "Receipt Number", "Duties", "Billing Province Name", "Shipping Province Name",
    "Payment ID", "Payment Terms Name", "Next Payment Due At", "Payment References",
)  # fmt: skip
NOTES = (
    "Please leave it at the back door.\nThe bell does not work.",
    'Gift wrap, please.\nCard: "Happy trails, and mind the bears!"',
    "Call before delivery, gate code is at the office\n\nThank you",
)


def write_orders(path: Path, count: int, seed: int) -> Counter[str]:
    """Write so many orders, oldest first, one at a time. Returns how many of each scenario."""
    written: Counter[str] = Counter()
    with path.open("w", newline="", encoding="utf-8") as lines:
        out = csv.DictWriter(lines, COLUMNS, restval="", lineterminator="\n")
        out.writeheader()
        for index in range(count):
            scenario = SCENARIOS.get(index % CYCLE, "everyday")
            written[scenario] += 1
            out.writerows(_rows(index, count, scenario, Random(f"{seed}:shop:{index}")))
    return written


def _rows(index: int, count: int, scenario: str, dice: Random) -> Iterator[dict[str, str]]:
    wholesale = scenario in ("everyday", "authorized") and dice.random() < 0.26
    person = customer(dice, index, firm=wholesale)
    if scenario in ADDRESSES:
        person = spoiled(person, scenario)
    basket = fill(dice, scenario, wholesale=wholesale)
    placed = FROM + (UNTIL - FROM) * ((index + dice.random()) / count)
    name = f"#{FIRST_NUMBER + index}"
    head = _head(index, person, basket, placed, scenario, dice)
    if wholesale:
        head["Tags"] = "wholesale"
    for number, line in enumerate(basket.lines):
        row = {"Name": name, "Email": person.email, "Vendor": VENDOR, **_line(line)}
        row |= head if number == 0 else {}
        if scenario == "fulfilled" or (scenario == "partial" and number == 0):
            row["Lineitem fulfillment status"] = "fulfilled"
        if number == 0 and scenario == "bad_quantity":
            row["Lineitem quantity"] = "two"
        if number == 0 and scenario == "bad_price":
            row["Lineitem price"] = "19,99 USD"
        yield row


def _line(line: Line) -> dict[str, str]:
    return {
        "Lineitem quantity": str(line.quantity),
        "Lineitem name": line.ware.name,
        "Lineitem price": money(line.ware.price),
        "Lineitem sku": line.ware.sku,
        "Lineitem requires shipping": "false" if line.ware.digital else "true",
        "Lineitem taxable": "true",
        "Lineitem fulfillment status": "pending",
        "Lineitem discount": "0.00",
    }


def _head(
    index: int, person: Customer, basket: Basket, placed: datetime, scenario: str, dice: Random
) -> dict[str, str]:
    """The order's own fields, which stand on its first row only."""
    financial = {
        "pending": "pending", "authorized": "authorized", "refunded": "refunded",
        "cancelled": dice.choice(("voided", "refunded")),
    }.get(scenario, "paid")  # fmt: skip
    paid = financial in ("paid", "refunded")
    done = {"fulfilled": "fulfilled", "partial": "partial"}.get(scenario, "unfulfilled")
    later = placed + timedelta(minutes=dice.randint(40, 900))
    risk = "High" if scenario == "high_risk" else dice.choices(("Low", "Medium"), (95, 5))[0]
    where = _place(person)
    return {
        "Financial Status": financial,
        "Paid at": _time(placed + timedelta(seconds=3)) if paid else "",
        "Fulfillment Status": done,
        "Fulfilled at": _time(later) if done != "unfulfilled" else "",
        "Accepts Marketing": dice.choice(("yes", "no")),
        "Currency": "USD",
        "Subtotal": money(basket.subtotal),
        "Shipping": money(basket.shipping),
        "Taxes": money(basket.tax),
        "Total": money(basket.total),
        "Discount Code": basket.code,
        "Discount Amount": money(basket.discount),
        "Shipping Method": basket.method,
        "Created at": _time(placed),
        **{f"Billing {part}": value for part, value in where.items()},
        **{f"Shipping {part}": value for part, value in where.items() if basket.ships},
        "Notes": dice.choice(NOTES) if dice.random() < 0.12 else "",
        "Cancelled at": _time(later) if scenario == "cancelled" else "",
        "Payment Method": "Manual" if financial == "pending" else "Shopify Payments",
        "Payment Reference": f"r{dice.getrandbits(64):016x}.1",
        "Refunded Amount": money(basket.total if scenario == "refunded" else 0),
        "Outstanding Balance": money(basket.total if financial == "pending" else 0),
        "Id": str(5_900_000_000_000 + 32_768 * (index + 1)),
        "Risk Level": risk,
        "Source": dice.choices(("web", "580111", "shopify_draft_order"), (80, 14, 6))[0],
        "Tax 1 Name": "State Tax 8%",
        "Tax 1 Value": money(basket.tax),
        "Phone": person.phone,
    }


def _place(person: Customer) -> dict[str, str]:
    return {
        "Name": person.name,
        "Street": ", ".join(x for x in (person.street, person.extra) if x),
        "Address1": person.street,
        "Address2": person.extra,
        "Company": person.company,
        "City": person.city,
        "Zip": f"'{person.zip}",  # as Shopify writes it, so that Excel keeps the zeros
        "Province": person.region,
        "Country": person.country,
        "Phone": person.phone,
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(SHOP_ZONE).strftime("%Y-%m-%d %H:%M:%S %z")
