"""Each of the nine classes on an invoice of one parcel, and what holds of any invoice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.invoice_audit import MISTAKES, measure
from domain.facts import RateCard
from domain.invoices import Audit, Charge, ChargeKind, Contract, Due, FindingClass
from finance.audit import Billed, audit
from finance.due import Parcel, due_of, list_price
from sourcing.rates import Place

DAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
NET = Contract()
# 5 lb in zone 5 is 1,299 cents; 6 and 7 lb are 1,405 (the example network's ups_ground)
CARD = RateCard(
    name="ups_ground", effective=datetime(2026, 1, 1, tzinfo=UTC), dim_divisor=139,
    fuel_percent=20, residential_minor=695, breaks={5: ((1, 1_088), (5, 1_299), (7, 1_405))},
    minimum_minor=760,
)  # fmt: skip
# 11.1 × 8.5 × 6.2 in: 12 × 9 × 7 = 756, ÷ 139 = 5.44, billed as 6 lb (UPS since 2025-08-18)
SIDES = (2_819, 2_159, 1_575)


def due(number: str = "1Z1", *, home: bool = False, contract: Contract = NET, **more: Any) -> Due:
    """A parcel of 6 lb: 1,405 and 281 of fuel."""
    parcel = Parcel(
        number, "UPS", "order:1", "s1", "delivered", CARD, 5, SIDES, 1_000_000, Place(home, "606"),
        DAY, NOON,
    )  # fmt: skip
    return due_of(parcel, contract).model_copy(update=more)


def charge(
    kind: ChargeKind, minor: int, *, number: str = "1Z1", row: int = 2, **more: Any
) -> Charge:
    return Charge(
        invoice="A1", row=row, biller="UPS", billed_on=DAY, tracking_number=number, kind=kind,
        amount_minor=minor, **more,
    )  # fmt: skip


RIGHT = (charge("base", 1_405, row=2), charge("fuel", 281, row=3))


def checked(
    charges: Sequence[Charge], of: Due | None, earlier: Sequence[Billed] = (),
    contract: Contract = NET,
) -> Audit:  # fmt: skip
    known = {of.tracking_number: of} if of else {}
    return audit(charges, known, {"1Z1": earlier}, contract, "USD")


def only(found: Audit) -> tuple[str, int]:
    (finding,) = found.findings
    return finding.kind, finding.claim_minor


def test_a_parcel_that_is_billed_right_is_due_to_the_cent() -> None:
    found = checked(RIGHT, due())
    assert (found.billed_minor, found.due_minor, found.findings) == (1_686, 1_686, ())


def test_a_late_parcel_with_a_guarantee_is_free() -> None:
    late = due(guaranteed_by=NOON - timedelta(minutes=1))
    assert only(checked(RIGHT, late)) == ("late_against_guarantee", 1_686)
    assert checked(RIGHT, due(guaranteed_by=NOON)).findings == ()


def test_what_was_billed_before_is_a_duplicate() -> None:
    before = [Billed("base", 1_405, "A0"), Billed("fuel", 281, "A0")]
    found = checked(RIGHT, due(), before)
    assert only(found) == ("duplicate", 1_686)
    assert "A0" in found.findings[0].because
    assert found.due_minor == 0
    twice = checked([*RIGHT, charge("base", 1_405, row=9), charge("fuel", 281, row=10)], due())
    assert only(twice) == ("duplicate", 1_686)
    assert twice.findings[0].rows == (9, 10)


def test_a_parcel_over_two_invoices_is_no_duplicate() -> None:
    before = [Billed("base", 1_405, "A0"), Billed("fuel", 281, "A0")]
    found = checked([charge("residential", 695)], due(home=True), before)
    assert (found.due_minor, found.findings) == (695, ())


def test_a_correction_is_measured_against_what_is_left_of_the_price() -> None:
    before = [Billed("base", 1_405, "A0")]
    assert only(checked([charge("base", 106)], due(), before)) == ("unexplained", 0)
    assert only(checked([charge("base", 106, pounds=8)], due(), before)) == (
        "weight_dimension", 106,
    )  # fmt: skip
    short = [Billed("base", 1_299, "A0")]
    assert checked([charge("base", 106)], due(), short).findings == ()


@pytest.mark.parametrize("pounds", [8, None])
def test_a_heavier_weight_is_known_by_what_is_stated_or_by_its_price(pounds: int | None) -> None:
    heavy = due(steps=(1_405, 1_405, 1_500))  # the price of 8 lb
    bills = [charge("base", 1_500, pounds=pounds), charge("fuel", 300, pounds=pounds)]
    found = checked(bills, heavy)
    assert only(found) == ("weight_dimension", 95 + 19)
    assert "8 lb" in found.findings[0].because


def test_a_missing_discount_is_known_by_the_list_price() -> None:
    contract = Contract(discount_percent=20)
    gross = list_price(1_405, contract)
    assert gross == 1_756
    agreed = due(contract=contract)
    right = [charge("base", 1_756), charge("discount", -351), charge("fuel", 281)]
    assert checked(right, agreed, contract=contract).findings == ()
    wrong = [charge("base", 1_756), charge("fuel", 351)]
    assert only(checked(wrong, agreed, contract=contract)) == ("missing_discount", 351 + 70)


def test_a_home_that_is_none() -> None:
    assert only(checked([*RIGHT, charge("residential", 695)], due())) == (
        "residential_misclassified", 695,
    )  # fmt: skip
    assert checked([*RIGHT, charge("residential", 695)], due(home=True)).findings == ()


@pytest.mark.parametrize(
    ("kind", "minor", "claim"),
    [
        ("peak", 40, 40),
        ("additional_handling", 4_650, 4_650),
        ("other", 100, 100),
        ("fuel", 119, 119),
    ],
)
def test_a_surcharge_that_is_on_no_card_or_at_another_rate(
    kind: ChargeKind, minor: int, claim: int
) -> None:
    bills = {"base": 1_405, "fuel": 281}
    bills[kind] = bills.get(kind, 0) + minor
    found = checked([charge(k, m) for k, m in bills.items()], due())  # type: ignore[arg-type]
    assert only(found) == ("wrong_surcharge", claim)


def test_voided_lost_and_unknown_are_claimed_whole_less_what_was_credited() -> None:
    credit = charge("credit", -686)
    for of, kind in (
        (due(fate="voided"), "voided_label_billed"), (due(fate="lost"), "loss_not_credited"),
        (None, "unknown_tracking_number"),
    ):  # fmt: skip
        assert only(checked(RIGHT, of)) == (kind, 1_686)
        assert only(checked([*RIGHT, credit], of)) == (kind, 1_000)
        back = checked([charge("credit", -1_686)], of)
        assert (back.due_minor, back.findings) == (-1_686, ())


def test_too_little_is_told_and_not_claimed() -> None:
    found = checked([charge("base", 1_000), charge("fuel", 200)], due())
    assert only(found) == ("unexplained", 0)
    assert found.unexplained_minor == found.findings[0].difference_minor == -405 - 81


def test_the_tolerance_is_kept_to() -> None:
    assert checked([charge("base", 1_407), charge("fuel", 283)], due()).findings == ()
    assert only(checked([charge("base", 1_408, pounds=7)], due())) == ("weight_dimension", 3)


_KINDS = st.sampled_from(get_args(ChargeKind))
_CHARGES = st.lists(
    st.builds(
        charge, _KINDS, st.integers(-3_000, 3_000), number=st.sampled_from(["1Z1", "1Z2"]),
        pounds=st.sampled_from([None, 6, 9]),
    ),
    min_size=1, max_size=12,
)  # fmt: skip
_DUE = st.builds(
    due, home=st.booleans(), fate=st.sampled_from(["delivered", "voided", "lost", "shipped"]),
    guaranteed_by=st.sampled_from([None, NOON, NOON - timedelta(1)]),
)  # fmt: skip
_BEFORE = st.lists(st.builds(Billed, _KINDS, st.integers(-2_000, 2_000), st.just("A0")), max_size=4)


@given(_CHARGES, _DUE, _BEFORE)
def test_an_invoice_ties_and_nothing_is_claimed_twice(
    charges: list[Charge], of: Due, before: list[Billed]
) -> None:
    found = checked(charges, of, before, Contract(discount_percent=20))
    assert found.billed_minor == (found.due_minor + found.claimed_minor + found.unexplained_minor)
    asked: dict[str, int] = {}
    for finding in found.findings:
        asked[finding.tracking_number] = asked.get(finding.tracking_number, 0) + finding.claim_minor
    for number, claim in asked.items():
        billed = sum(
            c.amount_minor for c in charges if c.tracking_number == number and c.amount_minor > 0
        )
        assert claim <= billed
    kinds = [(f.tracking_number, f.kind) for f in found.findings]
    assert len(kinds) == len(set(kinds))


def test_the_bench_finds_all_nine_and_nothing_else() -> None:
    assert {*MISTAKES, "unexplained"} == set(get_args(FindingClass))
    found = measure(4_000, seed=7)
    assert (found["precision"], found["recall"], found["false_claims"]) == (1, 1, 0)
    assert found["wrong"] > 20
    assert found["ties"]
