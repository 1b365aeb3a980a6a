"""What is taken back: never more than was paid, and with what is kept exactly that."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domain.order import Destination, Order, OrderLine
from domain.refunds import RefundPart, RefundSum
from finance.recoveries import overpaid
from finance.returns import sum_for
from tests.bed import MONDAY


def order(lines: list[tuple[int, int, int, int]], shipping: int = 600) -> Order:
    """Lines of (units, price, discount, tax)."""
    found = tuple(
        OrderLine(
            line_id=str(n), sku=f"S{n}", quantity=q, unit_price_minor=price,
            discount_minor=min(discount, q * price), tax_minor=tax,
        )
        for n, (q, price, discount, tax) in enumerate(lines, start=1)
    )  # fmt: skip
    total = sum(x.unit_price_minor * x.quantity - x.discount_minor + x.tax_minor for x in found)
    return Order(
        id="order:shop:1", source="shop", external_id="1", channel="web", currency="USD",
        placed_at=MONDAY, lines=found, ship_to=Destination(), shipping_minor=shipping,
        total_minor=total + shipping,
    )  # fmt: skip


def test_all_of_it_is_taken_back_where_nothing_counts() -> None:
    paid = RefundSum(
        parts=(RefundPart(line_id="1", quantity=3, goods_minor=3_000, tax_minor=101),),
        shipping_minor=600,
    )
    found = overpaid([paid], {})
    assert (found, found.total_minor) == (paid, 3_701)


def test_units_that_count_keep_their_part_and_shipping_is_owed_no_more() -> None:
    paid = RefundSum(
        parts=(RefundPart(line_id="1", quantity=3, goods_minor=1_000, tax_minor=1),),
        shipping_minor=600,
    )
    found = overpaid([paid], {"1": 1})
    (part,) = found.parts
    # one of three keeps 334 of 1,001 (333.67): its goods are 333, and the tax the 1 that is left
    assert (part.quantity, part.goods_minor, part.tax_minor, part.total_minor) == (2, 667, 0, 667)
    assert found.shipping_minor == 600


def test_nothing_is_taken_back_where_all_of_it_counts() -> None:
    paid = RefundSum(parts=(RefundPart(line_id="1", quantity=2, goods_minor=900),))
    assert overpaid([paid], {"1": 2}) == overpaid([paid], {"1": 5}) == RefundSum()
    assert overpaid([], {"1": 0}) == RefundSum()


LINES = st.lists(
    st.tuples(st.integers(1, 5), st.integers(0, 9_999), st.integers(0, 9_999), st.integers(0, 999)),
    min_size=1, max_size=3,
)  # fmt: skip


@given(LINES, st.data(), st.integers(0, 100))
def test_kept_and_taken_back_come_to_what_was_paid(
    lines: list[tuple[int, int, int, int]], data: st.DataObject, fee: int
) -> None:
    """In whatever steps it was paid, and however many of its units count."""
    bought = order(lines)
    reasons = {x.line_id: data.draw(st.sampled_from(("unwanted", "defective")), x.line_id)
               for x in bought.lines}  # fmt: skip
    asked: dict[str, int] = {}
    paid: list[RefundSum] = []
    for _ in range(data.draw(st.integers(1, 3))):
        due = {
            x.line_id: data.draw(st.integers(0, x.quantity - asked.get(x.line_id, 0)))
            for x in bought.lines
        }
        due = {line_id: units for line_id, units in due.items() if units}
        paid.append(sum_for(bought, asked, due, reasons, fee, sum(x.shipping_minor for x in paid)))
        asked = {x.line_id: asked.get(x.line_id, 0) + due.get(x.line_id, 0) for x in bought.lines}
    accepted = {line_id: data.draw(st.integers(0, units)) for line_id, units in asked.items()}
    found = overpaid(paid, accepted)
    whole = sum(x.total_minor for x in paid)
    assert 0 <= found.total_minor <= whole
    assert {p.line_id: p.quantity for p in found.parts} == {
        line_id: units - accepted[line_id]
        for line_id, units in asked.items()
        if units > accepted[line_id]
    }
    if not any(accepted.values()):
        assert found.total_minor == whole
    for part in found.parts:
        of_line = [p for x in paid for p in x.parts if p.line_id == part.line_id]
        assert 0 <= part.total_minor <= sum(p.total_minor for p in of_line)
    more = overpaid(paid, {line_id: units - 1 for line_id, units in accepted.items()})
    assert more.total_minor >= found.total_minor
