"""What an expression counts, worked out from the units of its facts and params."""

from __future__ import annotations

import pytest

from policies.expressions import Kind, Language
from policies.facts import LINE_FIELDS
from policies.units import Units, in_words, unit_named, wanted

FACTS: dict[str, Kind] = {
    "order.total_minor": "int", "order.cost_minor": "int", "order.age_hours": "int",
    "order.late_days": "int", "order.hours_to_promise": "int", "order.used_percent": "int",
    "order.units": "int", "order.weight_grams": "int", "order.lines": "lines",
    "order.risk": "string", "params.rate": "int", "params.share": "int", "params.fine": "int",
}  # fmt: skip
LANGUAGE = Language(FACTS, LINE_FIELDS)
UNITS = Units(
    {"params.rate": "minor_per_day", "params.share": "percent", "params.fine": "per_mille"}
)


@pytest.mark.parametrize(
    ("source", "counts"),
    [
        ("order.total_minor", "minor"),
        ("-order.total_minor + 100", "minor"),
        ("order.hours_to_promise - order.age_hours", "hours"),
        ("order.units * order.total_minor", "minor"),
        ("params.rate", "minor per days"),
        ("params.rate * order.late_days", "minor"),
        ("order.total_minor / order.cost_minor", "a plain number"),
        ("order.total_minor * order.cost_minor", "minor x minor"),
        ("order.total_minor * params.share", "minor x percent"),
        ("order.late_days > 1 ? order.total_minor : 0", "minor"),
        ("size(order.risk)", "a plain number"),
    ],
)
def test_the_unit_of_an_expression_is_worked_out(source: str, counts: str) -> None:
    tree = LANGUAGE.compile(source, "int").tree
    unit = UNITS.of(tree, tree.root)
    assert unit is not None
    assert in_words(unit) == counts


@pytest.mark.parametrize(
    "source",
    [
        "order.total_minor * params.share / 100", "24", "order.late_days * 24",
        "order.weight_grams", "order.total_minor % order.cost_minor",
    ],
)  # fmt: skip
def test_what_a_written_number_may_have_converted_is_of_any_unit(source: str) -> None:
    tree = LANGUAGE.compile(source, "int").tree
    assert UNITS.of(tree, tree.root) is None


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("order.total_minor > order.age_hours", "compares minor and hours"),
        ("order.total_minor + order.late_days > 5", "adds minor and days"),
        ("order.total_minor - order.units > 5", "subtracts minor and a plain number"),
        (
            "order.cost_minor > order.total_minor * params.share",
            "compares minor and minor x percent",
        ),
        ("order.age_hours in [1, order.late_days]", "compares hours and days"),
        ("order.lines.exists(l, l.unit_price_minor > order.age_hours)", "compares minor and hours"),
        (
            "(order.units > 1 ? order.total_minor : order.late_days) > 1",
            "chooses between minor and days",
        ),
        (
            "order.total_minor > 0 && order.used_percent > params.fine",
            "compares percent and per_mille",
        ),
    ],
)
def test_numbers_that_count_different_things_are_told(source: str, told: str) -> None:
    ((_, reason, _),) = UNITS.misfits(LANGUAGE.compile(source, "bool").tree)
    assert reason == told


@pytest.mark.parametrize(
    "source",
    [
        "order.cost_minor * 100 > order.total_minor * params.share",
        "params.rate * order.late_days > order.total_minor",
        "order.risk == 'high' && order.total_minor > 5000",
        "order.units > 3 && order.weight_grams > order.units",
        "order.risk in ['a', 'b'] || order.lines.all(l, l.quantity < order.units)",
    ],
)
def test_numbers_that_count_the_same_are_left_alone(source: str) -> None:
    assert list(UNITS.misfits(LANGUAGE.compile(source, "bool").tree)) == []


def test_a_share_that_was_not_divided_is_told_how() -> None:
    unit = (("minor", 1), ("per_mille", 1))
    assert wanted(unit, "minor") == (
        "Divide by 1000, or price a point in a param of minor_per_per_mille"
    )
    assert wanted(unit_named("hours"), "minor") == "Use a param of minor"
