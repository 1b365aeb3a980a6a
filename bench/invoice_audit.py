"""Does the audit find what is wrong with invoices, and no more? `python -m bench.invoice_audit`.

Invoices are generated from parcels and the example network's rate cards, as carriers write them:
several charges a parcel, some rounded otherwise, some without a weight, some parcels over two
invoices. One parcel in twenty is billed wrong in one of the nine classes. ``precision`` and
``recall`` count (parcel, class) pairs; ``false_claims`` are claims for parcels that were billed
right; ``ties``: billed = due + claimed + unexplained, on every invoice.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from time import perf_counter
from typing import Any

from activities.settings import ROOT, expand
from domain.facts import RateCard
from domain.invoices import Charge, ChargeKind, Contract, Due, Finding, FindingClass
from domain.network import parse_network
from finance.audit import Billed, audit
from finance.due import Parcel, due_of, list_price
from sourcing.rates import Place, base_price

LINES = 10_000
WRONG = 0.05  # of the parcels
ON_AN_INVOICE = 600  # parcels
DAY = date(2026, 3, 2)
CONTRACT = Contract(discount_percent=20, tolerance_minor=2)
LIMIT = 5  # minor units that a seeded mistake is over the tolerance at least

Mistake = Callable[["_Case", Random], bool]


@dataclass
class _Case:
    """A parcel with what its carrier bills for it."""

    parcel: Parcel
    due: Due
    bills: dict[ChargeKind, int]
    pounds: int | None
    wrong: FindingClass | None = None
    twice: bool = False
    later: set[ChargeKind] = field(default_factory=set)  # on the next invoice


def cards() -> list[RateCard]:
    """Rate cards of the example network, with what it leaves out: fuel and surcharges."""
    path = ROOT / "config" / "network.yaml"
    network = parse_network(expand(path.read_text()), path.name)
    more = {
        "fuel_percent": 18, "residential_minor": 595, "peak_minor": 40,
        "delivery_area": ("590", "821", "993"), "delivery_area_minor": 620,
        "delivery_area_commercial_minor": 425,
    }  # fmt: skip
    return [card.model_copy(update=more) for card in network.rate_cards]


def case(number: int, card: RateCard, dice: Random) -> _Case:
    """A parcel that is billed right."""
    place = Place(dice.random() < 0.7, dice.choice(("100", "606", "590", "821", "941")))
    shipped = DAY + timedelta(days=dice.randrange(5))
    arrives = datetime.combine(shipped, datetime.min.time(), UTC) + timedelta(
        days=dice.randint(1, 5), hours=dice.randint(9, 19)
    )
    guaranteed = arrives + timedelta(hours=dice.randint(1, 30)) if dice.random() < 0.3 else None
    parcel = Parcel(
        f"1Z{number:010}", "UPS", f"order:{number}", f"s{number}", "delivered", card,
        dice.choice(sorted(card.breaks)),
        (dice.randint(1_500, 5_500), dice.randint(1_000, 4_000), dice.randint(300, 3_000)),
        dice.randint(100_000, 12_000_000), place, shipped, arrives, guaranteed,
    )  # fmt: skip
    due = due_of(parcel, CONTRACT)
    base = due.amounts["base"]
    gross = list_price(base, CONTRACT)
    bills: dict[ChargeKind, int] = dict(due.amounts) | {"base": gross, "discount": base - gross}
    if "fuel" in bills and dice.random() < 0.02:
        bills["fuel"] += dice.choice((-1, 1))  # rounded otherwise
    made = _Case(parcel, due, bills, due.pounds if dice.random() < 0.6 else None)
    if dice.random() < 0.03:
        made.later = {kind for kind in ("residential", "delivery_area") if kind in bills}
    return made


# --- mistakes: each says whether it could be made, and leaves the case alone where not -----------


def _late(of: _Case, dice: Random) -> bool:
    if of.due.guaranteed_by is None:
        return False
    late = of.due.guaranteed_by + timedelta(minutes=dice.randint(1, 3_000))
    of.due = of.due.model_copy(update={"delivered_at": late})
    return True


def _duplicate(of: _Case, dice: Random) -> bool:
    of.twice, of.later = True, set()
    return True


def _heavier(of: _Case, dice: Random) -> bool:
    parcel, due = of.parcel, of.due
    pounds = due.pounds + dice.randint(1, 10)
    base = base_price(parcel.card, parcel.zone, pounds)
    if base - due.amounts["base"] <= LIMIT:
        return False
    gross = list_price(base, CONTRACT)
    of.bills |= {"base": gross, "discount": base - gross}
    if "fuel" in of.bills:
        of.bills["fuel"] = (base * due.fuel_percent + 50) // 100
    of.pounds = pounds if of.pounds is not None else None
    return True


def _no_discount(of: _Case, dice: Random) -> bool:
    gross = of.bills["base"]
    del of.bills["discount"]
    if "fuel" in of.bills:
        of.bills["fuel"] = (gross * of.due.fuel_percent + 50) // 100
    return True


def _at_home(of: _Case, dice: Random) -> bool:
    if of.due.residential:
        return False
    of.bills["residential"] = of.parcel.card.residential_minor
    return True


def _surcharge(of: _Case, dice: Random) -> bool:
    kind: ChargeKind = dice.choice(
        ("fuel", "delivery_area", "peak", "additional_handling", "other")
    )
    of.bills[kind] = of.bills.get(kind, 0) + dice.randint(LIMIT + 3, 900)
    of.later.discard(kind)
    return True


def _voided(of: _Case, dice: Random) -> bool:
    of.due = of.due.model_copy(update={"fate": "voided"})
    return True


def _lost(of: _Case, dice: Random) -> bool:
    of.due = of.due.model_copy(update={"fate": "lost", "delivered_at": None})
    return True


def _unknown(of: _Case, dice: Random) -> bool:
    of.parcel = of.parcel._replace(tracking_number=f"9{of.parcel.tracking_number}")
    return True


MISTAKES: dict[FindingClass, Mistake] = {
    "late_against_guarantee": _late,
    "duplicate": _duplicate,
    "weight_dimension": _heavier,
    "missing_discount": _no_discount,
    "residential_misclassified": _at_home,
    "wrong_surcharge": _surcharge,
    "voided_label_billed": _voided,
    "loss_not_credited": _lost,
    "unknown_tracking_number": _unknown,
}


def generated(lines: int, seed: int) -> tuple[list[list[Charge]], dict[str, Due], set[Any]]:
    """Invoices with so many charges, what was due, and (number, class) of what is wrong."""
    dice, of = Random(seed), cards()
    invoices: list[list[Charge]] = [[]]
    due: dict[str, Due] = {}
    wrong: set[tuple[str, FindingClass]] = set()
    later: list[Charge] = []
    number = made = 0
    while made < lines:
        if number % ON_AN_INVOICE == 0 and number:
            invoices.append(later)
            later = []
        each = case(number, dice.choice(of), dice)
        kind = dice.choice(list(MISTAKES)) if dice.random() < WRONG else None
        if kind is not None and MISTAKES[kind](each, dice):
            wrong.add((each.parcel.tracking_number, kind))
        due[each.due.tracking_number] = each.due
        now, then = _charges(each, len(invoices), dice)
        invoices[-1] += now
        later += then
        made += len(now) + len(then)
        number += 1
    return [*invoices, later] if later else invoices, due, wrong


def _charges(of: _Case, invoice: int, dice: Random) -> tuple[list[Charge], list[Charge]]:
    """Its charges on this invoice and on the next one, in any order."""

    def line(kind: ChargeKind, minor: int, on: int) -> Charge:
        return Charge(
            invoice=f"INV{on:04}", row=dice.randrange(10**6), biller="UPS", billed_on=DAY,
            tracking_number=of.parcel.tracking_number, kind=kind, amount_minor=minor,
            shipped_on=of.due.shipped_on, pounds=of.pounds,
        )  # fmt: skip

    now = [line(kind, x, invoice) for kind, x in of.bills.items() if kind not in of.later]
    then = [line(kind, x, invoice + 1) for kind, x in of.bills.items() if kind in of.later]
    if of.twice:
        again = invoice if dice.random() < 0.5 else invoice + 1
        copies = [line(kind, x, again) for kind, x in of.bills.items()]
        (now if again == invoice else then).extend(copies)
    dice.shuffle(now)
    return now, then


def measure(lines: int, seed: int) -> dict[str, Any]:
    """Audit all of them, in their order."""
    invoices, due, wrong = generated(lines, seed)
    earlier: dict[str, list[Billed]] = {}
    found: list[Finding] = []
    ties = True
    begun = perf_counter()
    for charges in invoices:
        result = audit(charges, due, earlier, CONTRACT, "USD")
        found += result.findings
        total = result.due_minor + result.claimed_minor + result.unexplained_minor
        ties &= result.billed_minor == total
        for c in charges:
            bill = Billed(c.kind, c.amount_minor, c.invoice)
            earlier.setdefault(c.tracking_number, []).append(bill)
    seconds = perf_counter() - begun
    claimed = {(f.tracking_number, f.kind) for f in found if f.claim_minor}
    right = claimed & wrong
    seeded = {number for number, _ in wrong}
    return {
        "precision": round(len(right) / max(1, len(claimed)), 4),
        "recall": round(len(right) / max(1, len(wrong)), 4),
        "false_claims": sum(number not in seeded for number, _ in claimed),
        "lines": sum(len(charges) for charges in invoices),
        "seconds": round(seconds, 2),
        "wrong": len(wrong),
        "unexplained": sum(f.kind == "unexplained" for f in found),
        "ties": ties,
        "missed": sorted(f"{number} {kind}" for number, kind in wrong - claimed)[:10],
        "mistaken": sorted(f"{number} {kind}" for number, kind in claimed - wrong)[:10],
    }


def main() -> None:
    """Print the figures, or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Example: python -m bench.invoice_audit --lines 100000 --json"
    )
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    found = measure(given.lines, given.seed)
    lines = [f"{name:<16}{value}" for name, value in found.items()]
    print(json.dumps(found) if given.json else "\n".join(lines))


if __name__ == "__main__":
    main()
