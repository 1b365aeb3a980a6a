"""One order of Medusa: spellings, money, and what cannot be read."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.easypost_wire import inches, ounces
from connectors.medusa_orders import Cancelled, incoming
from domain.base import Problem
from domain.order import IncomingOrder
from tests.contract.vendors import shop_order


def row(**changes: Any) -> dict[str, Any]:
    return shop_order(1, **{"created_at": "2026-01-05T09:00:00.000Z", **changes})


def item(**changes: Any) -> list[dict[str, Any]]:
    return [{**shop_order(1)["items"][0], **changes}]


def read(given: dict[str, Any]) -> IncomingOrder:
    found = incoming("shop", given)
    assert isinstance(found, IncomingOrder), found
    return found


@pytest.mark.parametrize(
    ("given", "want"),
    [(" us-ca ", "CA"), ("California", "CA"), ("ca", "CA"), ("Atlantis", "ATLANTIS")],
)
def test_a_state_s_spellings_come_to_one(given: str, want: str) -> None:
    address = {**shop_order(1)["shipping_address"], "province": given}
    assert read(row(shipping_address=address)).address.region == want


def test_numbers_come_as_numerals_or_big_numbers_too() -> None:
    found = read(row(items=item(quantity="2", unit_price={"value": "11.50"}), display_id="17"))
    assert (found.order.lines[0].unit_price_minor, found.order.number) == (1150, "17")


def test_metadata_brings_risk_and_tags() -> None:
    found = read(row(metadata={"risk": "High", "tags": "vip, gift"})).order
    assert (found.risk, found.tags) == ("high", ("vip", "gift"))
    assert read(row(metadata={"risk": "odd"})).order.risk == "medium"
    assert read(row(metadata=None)).order.risk == "low"


def test_an_order_without_an_open_intent_is_the_shop_s_to_capture() -> None:
    payment = {"provider_id": "pp_system_default", "amount": 1, "data": {}}
    found = read(row(payment_collections=[{"payments": [payment]}], payment_status="captured"))
    assert (found.order.payment.mode, found.order.payment.status) == ("external", "paid")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"items": item(variant_sku=None)}, "items.0.variant_sku"),
        ({"items": item(quantity=1.5)}, "items.0.quantity"),
        ({"items": item(quantity="many")}, "items.0.quantity"),
        ({"items": item(unit_price=1.005)}, "items.0.unit_price"),
        ({"items": item(unit_price=-1)}, "items.0.unit_price"),
        ({"items": item(discount_total="NaN")}, "items.0.discount_total"),
        ({"items": "none"}, "items"),
        ({"currency_code": "dollars"}, "currency"),
        ({"created_at": "yesterday"}, "created_at"),
        ({"total": 10**14}, "total"),
    ],
)
def test_what_cannot_be_read_is_a_problem_that_names_field_and_remedy(
    changes: dict[str, Any], field: str
) -> None:
    found = incoming("shop", row(**changes))
    assert isinstance(found, list) and isinstance(found[0], Problem)
    assert found[0].field == field and found[0].source == "shop order 1" and found[0].remedy
    assert "Invented" not in str(found[0])


@pytest.mark.parametrize(
    "changes",
    [
        {"canceled_at": "2026-01-05T09:00:00Z"},
        {"status": "canceled"},
        {"items": item(detail={"quantity": 2, "fulfilled_quantity": 2})},
        {"items": []},
    ],
)
def test_what_needs_nothing_is_passed_over(changes: dict[str, Any]) -> None:
    with pytest.raises(Cancelled):
        incoming("shop", row(**changes))


def test_sizes_are_rounded_up_and_whole_ones_stay() -> None:
    assert (inches(3048), inches(3049), ounces(2_267_962), ounces(1)) == (12.0, 12.01, 80.0, 0.1)
