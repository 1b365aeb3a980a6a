"""What an order holds and what it comes to. All amounts are cents."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from examples.wares import BULKY, BY_SKU, WARES, Ware

LINES = (1, 2, 3, 4, 5, 6)
LINE_WEIGHTS = (36, 28, 18, 10, 5, 3)
QUANTITIES = (1, 2, 3, 4)
QUANTITY_WEIGHTS = (72, 20, 5, 3)
CODES = {"WELCOME10": 10, "WINTER15": 15}
SHIPPING = {"Standard": 695, "Express": 1995, "Overnight": 3495}
FREE_FROM = 7_500
TAX_PERCENT = 8
# Speed is bought for light things only; a stove by air is nobody's everyday order.
EXPRESS_POUNDS, OVERNIGHT_POUNDS = 7.0, 3.0
LINE_POUNDS = 16.0
UNKNOWN = Ware("PROTO-900", "Prototype lantern", "", 0, (), 0, 5900, "", "", 0)

_PHYSICAL = [w for w in WARES if not w.digital and w.demand > 1]
_DIGITAL = [w for w in WARES if w.digital]


@dataclass(frozen=True)
class Line:
    """One line of an order."""

    ware: Ware
    quantity: int

    @property
    def amount(self) -> int:
        return self.ware.price * self.quantity


@dataclass(frozen=True)
class Basket:
    """total = lines + shipping + tax − discount."""

    lines: tuple[Line, ...]
    method: str
    code: str
    discount: int
    shipping: int
    tax: int

    @property
    def subtotal(self) -> int:
        return sum(line.amount for line in self.lines) - self.discount

    @property
    def total(self) -> int:
        return self.subtotal + self.shipping + self.tax

    @property
    def ships(self) -> bool:
        return any(not line.ware.digital for line in self.lines)


def fill(dice: Random, scenario: str, *, wholesale: bool = False) -> Basket:
    """An order's basket; the scenario may ask for something particular."""
    if scenario == "bulky":
        lines = [Line(BY_SKU[sku], quantity) for sku, quantity in BULKY]
    elif scenario == "digital":
        lines = [Line(dice.choice(_DIGITAL), 1)]
    else:
        lines = _everyday(dice, wholesale)
        if scenario == "unknown_sku":
            lines.append(Line(UNKNOWN, 1))
        elif scenario == "partial" and len(lines) < 2:
            lines.append(Line(next(w for w in _PHYSICAL if w != lines[0].ware), 1))
        elif dice.random() < 0.05 and len(lines) < 6:
            lines.append(Line(dice.choice(_DIGITAL), 1))
    return _priced(dice, tuple(lines))


def _everyday(dice: Random, wholesale: bool) -> list[Line]:
    count = dice.choices(LINES, LINE_WEIGHTS)[0]
    chosen: dict[str, Line] = {}
    while len(chosen) < count:
        ware = dice.choices(_PHYSICAL, [w.demand for w in _PHYSICAL])[0]
        quantity = dice.choices(QUANTITIES, QUANTITY_WEIGHTS)[0]
        if wholesale:
            quantity = dice.randint(2, 6)
        if "a" in ware.flags or "x" in ware.flags:
            quantity = 1
        quantity = max(1, min(quantity, int(LINE_POUNDS / max(0.1, ware.shipping_pounds))))
        chosen.setdefault(ware.sku, Line(ware, quantity))
    return list(chosen.values())


def _priced(dice: Random, lines: tuple[Line, ...]) -> Basket:
    goods = sum(line.amount for line in lines)
    pounds = sum(line.ware.shipping_pounds * line.quantity for line in lines)
    wish = dice.choices(("Standard", "Express", "Overnight"), (84, 11, 5))[0]
    limit = {"Standard": 1e9, "Express": EXPRESS_POUNDS, "Overnight": OVERNIGHT_POUNDS}[wish]
    method = wish if pounds <= limit else "Standard"
    code = dice.choice(sorted(CODES)) if dice.random() < 0.18 else ""
    discount = (goods * CODES.get(code, 0) + 50) // 100
    free = method == "Standard" and goods - discount >= FREE_FROM
    shipping = 0 if free or not pounds else SHIPPING[method]
    tax = ((goods - discount) * TAX_PERCENT + 50) // 100
    return Basket(lines, method if pounds else "", code, discount, shipping, tax)
