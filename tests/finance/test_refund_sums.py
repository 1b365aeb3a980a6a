"""What goes back for units: to the cent, in whatever steps."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from domain.amounts import amount_due
from domain.order import Destination, Order, OrderLine, Payment
from finance.refunds import refund_of


def order(*lines: tuple[int, int, int, int], shipping: int = 0) -> Order:
    """An order of (units, price, discount, tax) lines."""
    made = tuple(
        OrderLine(
            line_id=str(n), sku=f"s{n}", quantity=units, unit_price_minor=price,
            discount_minor=discount, tax_minor=tax,
        )
        for n, (units, price, discount, tax) in enumerate(lines)
    )  # fmt: skip
    total = sum(u * p - d + x for u, p, d, x in lines) + shipping
    return Order(
        id="order:s:1", source="s", external_id="1", number="#1", channel="c", currency="USD",
        placed_at=datetime(2026, 1, 5, tzinfo=UTC), lines=made, ship_to=Destination(),
        total_minor=total, shipping_minor=shipping, payment=Payment(),
    )  # fmt: skip


def test_a_third_of_a_line_with_discount_and_tax() -> None:
    one = order((3, 1_000, 100, 239))
    steps = [refund_of(one, {"0": k}, {"0": k + 1}).parts[0] for k in range(3)]
    assert [p.goods_minor for p in steps] == [1_000, 1_000, 1_000]
    assert [p.discount_minor for p in steps] == [33, 34, 33]
    assert [p.total_minor for p in steps] == [1_046, 1_047, 1_046]
    assert sum(p.total_minor for p in steps) == one.total_minor


def test_the_restocking_fee_is_of_goods_less_discount() -> None:
    (part,) = refund_of(order((2, 5_000, 1_000, 720)), {}, {"0": 1}, fee_percent=15).parts
    assert (part.fee_minor, part.tax_minor) == (675, 360)
    assert part.total_minor == 5_000 - 500 + 360 - 675


def test_shipping_goes_back_besides_and_more_than_ordered_does_not() -> None:
    found = refund_of(order((2, 500, 0, 0)), {"0": 1}, {"0": 9}, shipping_minor=799)
    assert (found.parts[0].quantity, found.total_minor) == (1, 500 + 799)
    assert refund_of(order((2, 500, 0, 0)), {"0": 2}, {"0": 2}).parts == ()


_LINES = st.lists(
    st.tuples(st.integers(1, 7), st.integers(0, 9_999), st.integers(0, 500), st.integers(0, 900)),
    min_size=1, max_size=4,
)  # fmt: skip


@given(_LINES, st.data())
def test_steps_sum_to_what_the_order_no_longer_owes(
    lines: list[tuple[int, int, int, int]], data: st.DataObject
) -> None:
    lines = [(u, p, min(d, u * p), x) for u, p, d, x in lines]
    one = order(*lines, shipping=500)
    back = {str(n): 0 for n in range(len(lines))}
    total = 0
    for _ in range(data.draw(st.integers(1, 6))):
        line = data.draw(st.sampled_from(sorted(back)))
        after = back | {line: data.draw(st.integers(back[line], lines[int(line)][0]))}
        found = refund_of(one, back, after)
        for part in found.parts:
            assert part.total_minor >= 0
        total += found.total_minor
        back = after
    everything = all(back[str(n)] == lines[n][0] for n in range(len(lines)))
    assert total == one.total_minor - amount_due(one, back) - (500 if everything else 0)
