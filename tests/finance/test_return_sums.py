"""What is owed for units that come back, stage by stage."""

from __future__ import annotations

import pytest

from domain.order import Order
from domain.returns import Stage
from finance.returns import ReturnedLine, due_units, goes_at, paid_at, spread, sum_for
from tests.finance.test_refund_sums import order


def whole(one: Order, **fields: int) -> Order:
    """An order whose discount and tax the shop tells as a whole."""
    goods = sum(x.unit_price_minor * x.quantity - x.discount_minor for x in one.lines)
    total = goods - fields.get("discount_minor", 0) + fields.get("tax_minor", 0)
    return one.model_copy(update={**fields, "total_minor": total + one.shipping_minor})


@pytest.mark.parametrize(("stage", "units"), [("first_scan", 4), ("receipt", 2), ("inspection", 1)])
def test_units_that_may_be_paid_at_a_stage(stage: Stage, units: int) -> None:
    line = ReturnedLine("1", "unwanted", quantity=5, received=3, accepted=2)
    assert due_units(stage, [line], {"1": 1}) == {"1": units}
    assert due_units(stage, [line], {"1": 5}) == {}


def test_a_policy_that_is_early_pays_later_too() -> None:
    stages: tuple[Stage, ...] = ("first_scan", "receipt", "inspection")
    for action, said in (
        ("at_once", [True, True, True]), ("first_scan", [True, True, True]),
        ("receipt", [False, True, True]), ("inspection", [False, False, True]),
        ("review", [False, False, False]),
    ):  # fmt: skip
        assert [paid_at(action, stage) for stage in stages] == said


def test_discount_and_tax_of_the_order_are_spread_to_the_cent() -> None:
    one = whole(order((1, 1_000, 0, 0), (2, 333, 0, 0)), discount_minor=100, tax_minor=133)
    lines = spread(one).lines
    assert [x.discount_minor for x in lines] == [60, 40]
    assert [x.tax_minor for x in lines] == [80, 53]
    back = sum_for(one, {}, {"0": 1, "1": 2}, {"0": "color", "1": "color"}, 0)
    assert back.total_minor == one.total_minor


def test_where_lines_have_taxes_the_rest_is_the_shippings() -> None:
    one = order((1, 1_000, 0, 80), shipping=500)
    one = one.model_copy(update={"tax_minor": 120, "total_minor": one.total_minor + 40})
    assert sum_for(one, {}, {"0": 1}, {"0": "color"}, 0).total_minor == 1_080


def test_fee_and_shipping_depend_on_whose_fault_it_is() -> None:
    one = order((2, 1_000, 0, 160), shipping=500)
    theirs = sum_for(one, {}, {"0": 2}, {"0": "unwanted"}, 15)
    assert (theirs.total_minor, theirs.shipping_minor) == (2_160 - 300, 0)
    ours = sum_for(one, {}, {"0": 2}, {"0": "defective"}, 15)
    assert (ours.total_minor, ours.shipping_minor) == (2_660, 500)
    first = sum_for(one, {}, {"0": 1}, {"0": "defective"}, 0)
    assert (first.total_minor, first.shipping_minor) == (1_080, 0)
    rest = sum_for(one, {"0": 1}, {"0": 1}, {"0": "defective"}, 0, shipping_before=500)
    assert (rest.total_minor, rest.shipping_minor) == (1_080, 0)


def test_a_later_stage_at_which_no_units_are_due_pays_no_shipping() -> None:
    one = order((2, 1_000, 0, 160), shipping=500)
    assert sum_for(one, {"0": 2}, {}, {"0": "unwanted"}, 0).total_minor == 0


def test_what_a_person_reviews_is_asked_for_after_the_inspection() -> None:
    stages: tuple[Stage, ...] = ("first_scan", "receipt", "inspection")
    assert [goes_at("review", stage) for stage in stages] == ["waits", "waits", "asks"]
    assert [goes_at("receipt", stage) for stage in stages] == ["waits", "pays", "pays"]
