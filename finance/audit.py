"""Checks invoices of carriers and 3PLs charge by charge, in nine classes.

An invoice breaks a parcel into several charges, sometimes over several invoices. They are put
together by tracking number and compared with what was due, kind by kind. Whoever finds one reason
to claim a whole parcel (it is unknown, was voided, lost, late) looks for no other: nothing is
claimed twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from domain.invoices import Audit, Charge, ChargeKind, Contract, Due, Finding, FindingClass
from domain.units import to_major

# Charges of which a parcel has one at most; fees of a 3PL may come once a line or unit.
_ONCE: frozenset[ChargeKind] = frozenset(
    {
        "base", "fuel", "residential", "delivery_area", "peak", "additional_handling",
        "large_package",
    }
)  # fmt: skip
_ADDED: tuple[ChargeKind, ...] = (
    "delivery_area", "peak", "additional_handling", "large_package", "order_fee", "line_fee",
    "unit_fee", "other",
)  # fmt: skip
_NAMES = {kind: kind.replace("_", " ") for kind in _ADDED}


class Billed(NamedTuple):
    """A charge that an earlier invoice had."""

    kind: ChargeKind
    amount_minor: int
    invoice: str


def audit(
    charges: Sequence[Charge],
    due: Mapping[str, Due],
    earlier: Mapping[str, Sequence[Billed]],
    contract: Contract,
    currency: str,
) -> Audit:
    """What is wrong with one invoice.

    Args:
        charges: all of the invoice, in its order.
        due: by tracking number; a number that is not in it is unknown.
        earlier: what other invoices of the biller had, by tracking number.
    """
    parcels: dict[str, list[Charge]] = {}
    for charge in charges:
        parcels.setdefault(charge.tracking_number, []).append(charge)
    checked = [
        _Parcel(number, found, due.get(number), earlier.get(number, ()), contract, currency)
        for number, found in parcels.items()
    ]
    findings = tuple(finding for parcel in checked for finding in parcel.check())
    billed = sum(charge.amount_minor for charge in charges)
    due_minor = sum(parcel.due_minor for parcel in checked)
    claimed = sum(finding.claim_minor for finding in findings)
    return Audit(
        invoice=charges[0].invoice,
        biller=charges[0].biller,
        parcels=len(parcels),
        charges=len(charges),
        billed_minor=billed,
        due_minor=due_minor,
        claimed_minor=claimed,
        unexplained_minor=billed - due_minor - claimed,
        findings=findings,
    )


class _Parcel:
    """All charges of a tracking number on one invoice."""

    def __init__(
        self, number: str, charges: Sequence[Charge], due: Due | None, earlier: Sequence[Billed],
        contract: Contract, currency: str,
    ) -> None:  # fmt: skip
        self._number = number
        self._charges = list(charges)
        self._due = due
        self._earlier = earlier
        self._contract = contract
        self._money = partial(to_major, currency=currency)
        self._tolerance = contract.tolerance_minor
        self._found: dict[FindingClass, Finding] = {}
        self.due_minor = 0

    def check(self) -> list[Finding]:
        """What is wrong with it; ``due_minor`` says then what was due of these charges."""
        due = self._due
        if not self._number:
            net = _sum(self._charges)
            self._add("unexplained", 0, net, "belongs to no parcel", self._charges)
        elif due is None:
            self._claim_all("unknown_tracking_number", "no parcel of ours has this number")
        elif due.fate == "voided":
            self._claim_all("voided_label_billed", "its label was voided and never used")
        else:
            self._take_out_duplicates()
            if due.fate == "lost":
                self._claim_all("loss_not_credited", "the carrier lost it")
            elif due.guaranteed_by and due.delivered_at and due.delivered_at > due.guaranteed_by:
                late = f"guaranteed by {due.guaranteed_by:%d %b %H:%M}"
                self._claim_all(
                    "late_against_guarantee", f"{late}, arrived {due.delivered_at:%d %b %H:%M}"
                )
            else:
                self._compare(due)
        return list(self._found.values())

    # --- the whole parcel -------------------------------------------------------------------

    def _claim_all(self, kind: FindingClass, because: str) -> None:
        """Nothing of it was due; what the biller has credited itself is not asked for again."""
        net = sum(charge.amount_minor for charge in self._charges)
        self.due_minor += min(0, net)
        if net > 0:
            self._add(kind, net, net, because, self._charges)

    def _take_out_duplicates(self) -> None:
        """Charges that an earlier invoice had, or that this one has twice."""
        seen = Counter((b.kind, b.amount_minor) for b in self._earlier)
        of = {(b.kind, b.amount_minor): b.invoice for b in self._earlier}
        again: list[Charge] = []
        kept: list[Charge] = []
        for charge in self._charges:
            key = (charge.kind, charge.amount_minor)
            known = seen[key] and (key in of or charge.kind in {*_ONCE, "discount"})
            (again if known and charge.kind != "credit" else kept).append(charge)
            seen[key] += charge.kind in {*_ONCE, "discount"}
        net = sum(charge.amount_minor for charge in again)
        if net > 0:
            self._charges = kept
            first = again[0]
            where = of.get((first.kind, first.amount_minor), "this one, above")
            self._add("duplicate", net, net, f"billed before: {where}", again)

    # --- charge by charge -------------------------------------------------------------------

    def _compare(self, due: Due) -> None:
        self._base_and_fuel(due)
        self._residential(due)
        for kind in _ADDED:
            billed = self._of(kind)
            if billed:
                total = _sum(billed)
                self._surcharge(total, self._right(kind), _NAMES[kind], billed)
        self.due_minor += _sum(self._of("credit"))

    def _base_and_fuel(self, due: Due) -> None:
        """A wrong base makes wrong fuel: that belongs to it. Fuel at another rate is its own."""
        base = [*self._of("base"), *self._of("discount")]
        fuel = self._of("fuel")
        billed, right = _sum(base), self._right("base", "discount") if base else 0
        difference = billed - right
        self.due_minor += right
        fuel_right = self._right("fuel") if fuel else 0
        fuel_difference = _sum(fuel) - fuel_right
        self.due_minor += fuel_right
        basis = billed if base else due.amounts.get("base", 0)
        at_billed = (basis * due.fuel_percent + 50) // 100
        if fuel and abs(_sum(fuel) - at_billed) > self._tolerance:
            percent = f"fuel is {due.fuel_percent} % of the base"
            self._surcharge_of(fuel_difference, f"{percent}, {self._money(fuel_right)}", fuel)
            fuel_difference = 0
        if abs(difference) <= self._tolerance:
            return
        kind, because = self._why_base(due, billed, difference)
        whole = difference + fuel_difference
        self._add(kind, max(0, whole) if kind != "unexplained" else 0, whole, because, base + fuel)

    def _why_base(self, due: Due, billed: int, difference: int) -> tuple[FindingClass, str]:
        right = due.amounts.get("base", 0)
        if difference < 0:
            return "unexplained", f"base {self._money(billed)}, {self._money(right)} was due"
        discount = self._contract.discount_percent
        at_list = abs(billed - due.list_base_minor) <= self._tolerance
        if discount and at_list and not self._of("discount"):
            return "missing_discount", f"list price {self._money(billed)} without the {discount} %"
        said = max((c.pounds for c in self._charges if c.pounds is not None), default=None)
        if said is not None and said > due.pounds:
            return "weight_dimension", f"billed for {said} lb, it is {due.pounds} lb"
        for more, price in enumerate(due.steps[1:], start=1):
            if abs(price - billed) <= self._tolerance and price != right:
                return (
                    "weight_dimension",
                    f"the price of {due.pounds + more} lb, it is {due.pounds}",
                )
        return (
            "unexplained",
            f"base {self._money(billed)}, {self._money(right)} was due in zone {due.zone}",
        )

    def _residential(self, due: Due) -> None:
        billed = self._of("residential")
        if not billed:
            return
        total, right = _sum(billed), self._right("residential")
        if total > self._tolerance and not due.residential:
            because = "the address is commercial"
            self._add("residential_misclassified", total, total, because, billed)
            return
        self._surcharge(total, right, "residential", billed)

    def _surcharge(self, total: int, right: int, name: str, billed: Sequence[Charge]) -> None:
        self.due_minor += right
        due = f", {self._money(right)} was due" if right else " was not due"
        said = f"{name} {self._money(total)}{due}"
        self._surcharge_of(total - right, said, billed)

    def _surcharge_of(self, difference: int, because: str, billed: Sequence[Charge]) -> None:
        if difference > self._tolerance:
            self._add("wrong_surcharge", difference, difference, because, billed)
        elif difference < -self._tolerance:
            self._add("unexplained", 0, difference, f"{because}: too little", billed)

    # --- what is found ----------------------------------------------------------------------

    def _right(self, *kinds: ChargeKind) -> int:
        """What is still due of a kind; what an earlier invoice took is not due again."""
        assert self._due is not None
        taken = sum(b.amount_minor for b in self._earlier if b.kind in kinds)
        return max(0, self._due.amounts.get(kinds[0], 0) - taken)

    def _of(self, kind: ChargeKind) -> list[Charge]:
        return [charge for charge in self._charges if charge.kind == kind]

    def _add(
        self, kind: FindingClass, claim: int, difference: int, because: str,
        charges: Iterable[Charge],
    ) -> None:  # fmt: skip
        """One finding a class: what is found again is added to it."""
        rows = tuple(charge.row for charge in charges)
        known = self._found.get(kind)
        if known is not None:
            self._found[kind] = known.model_copy(
                update={
                    "claim_minor": known.claim_minor + claim,
                    "difference_minor": known.difference_minor + difference,
                    "because": f"{known.because}; {because}",
                    "rows": (*known.rows, *rows),
                }
            )
            return
        due = self._due
        self._found[kind] = Finding(
            invoice=self._charges[0].invoice if self._charges else "",
            tracking_number=self._number,
            kind=kind,
            claim_minor=claim,
            difference_minor=difference,
            because=because,
            rows=rows,
            order_id=due.order_id if due else "",
            shipment_id=due.shipment_id if due else "",
        )


def _sum(charges: Iterable[Charge]) -> int:
    return sum(charge.amount_minor for charge in charges)
