"""The facts that a rule may ask about, by object, with their types.

Plain fields come from the snapshot's models; what a person would have to calculate is
derived here, in whole numbers. Times become hours from now, so that no rule needs a clock.
A time that is absent is ``NEVER`` hours away, with a ``has_`` flag beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, get_args

from pydantic import BaseModel

from domain.decision import (
    ApproveSnapshot,
    CompensateSnapshot,
    ExceptionSnapshot,
    RefundSnapshot,
    RerouteSnapshot,
    ReturnSnapshot,
)
from domain.facts import LineFacts, NodeFacts, OrderFacts, ServiceFacts
from domain.order import Order, Payment
from policies.expressions import EvaluationFailed, Kind
from policies.translate import LEAST, MOST
from sourcing import Draft, Lane, days_late

NEVER = 1_000_000
_HOUR = timedelta(hours=1)

Fact = tuple[Kind, Callable[[Any], Any]]
Catalogue = Mapping[str, Fact]


class Facts(dict[str, Any]):
    """The facts of one object, each worked out when first asked for.

    Asking raises EvaluationFailed for a number that the policy language cannot hold.
    """

    def __init__(self, catalogue: Catalogue, subject: object) -> None:
        super().__init__()
        self._catalogue = catalogue
        self._subject = subject

    def __missing__(self, name: str) -> Any:
        kind, work_out = self._catalogue[name]
        value = work_out(self._subject)
        if kind == "int" and not LEAST <= value <= MOST:
            raise EvaluationFailed(f"OUT_OF_RANGE: {name} has more than 64 bits")
        self[name] = value
        return value


@dataclass(frozen=True, slots=True)
class OrderSubject:
    """``promotions`` are those active now; None where the snapshot does not say.

    ``late_shipments_per_mille`` is of the order's channel, known where a route is decided.
    """

    order: OrderFacts
    now: datetime
    promotions: tuple[str, ...] | None = None
    late_shipments_per_mille: int = 0


@dataclass(frozen=True, slots=True)
class LineSubject:
    line: LineFacts
    stock_at_node: int = 0


@dataclass(frozen=True, slots=True)
class NodeSubject:
    node: NodeFacts
    now: datetime
    lines: tuple[LineFacts, ...]
    ground_on_time: bool


@dataclass(frozen=True, slots=True)
class QuoteSubject:
    """One candidate's price for all open lines, whatever the node's stock."""

    lane: Lane
    shipping: int
    handling: int
    parcels: int
    cheapest: int
    now: datetime
    promise_by: datetime | None


@dataclass(frozen=True, slots=True)
class PlanSubject:
    plan: Draft
    rank: int
    best: int
    promise_by: datetime | None


def hours_until(at: datetime | None, now: datetime) -> int:
    """Whole hours from now, rounded down; ``NEVER`` when there is no such time."""
    return NEVER if at is None else (at - now) // _HOUR


def _plain(model: type[BaseModel], part: str = "", skip: tuple[str, ...] = ()) -> dict[str, Fact]:
    """A fact per plain field of a model; ``part`` is where the subject holds the model."""
    facts: dict[str, Fact] = {}
    for name, field in model.model_fields.items():
        kind = _kind(field.annotation)
        if kind and name not in skip:
            facts[name] = (kind, _reader(part, name, kind))
    return facts


def _kind(annotation: Any) -> Kind | None:
    if annotation in (int, bool, str):
        kinds: dict[Any, Kind] = {int: "int", bool: "bool", str: "string"}
        return kinds[annotation]
    if annotation == tuple[str, ...]:
        return "strings"
    choices = get_args(annotation)
    return "string" if choices and all(isinstance(c, str) for c in choices) else None


def choices(space: str, model: type[BaseModel]) -> dict[str, tuple[str, ...]]:
    """By dotted name, the only texts that a field of the model may have."""
    found = {f"{space}.{n}": get_args(f.annotation) for n, f in model.model_fields.items()}
    return {n: texts for n, texts in found.items() if texts and all(type(t) is str for t in texts)}


def _reader(part: str, name: str, kind: Kind) -> Callable[[Any], Any]:
    def read(subject: Any) -> Any:
        value = getattr(getattr(subject, part) if part else subject, name)
        return list(value) if kind == "strings" else value

    return read


def _margin(line: LineFacts) -> int:
    return (line.unit_price_minor - line.unit_cost_minor) * line.quantity


def _margin_percent(order: OrderFacts) -> int:
    sales = sum(x.unit_price_minor * x.quantity for x in order.lines)
    return sum(map(_margin, order.lines)) * 100 // sales if sales > 0 else 0


def _promoted(s: OrderSubject) -> bool:
    if s.promotions is None:
        return any(x.promotion for x in s.order.lines)
    return any(x.promotion in s.promotions for x in s.order.lines)


def _lines(s: OrderSubject) -> list[Any]:
    return [{name: getattr(x, name) for name in LINE_FIELDS} for x in s.order.lines]


# Texts in the snapshot, closed sets where an order is taken in.
ORDER_CHOICES: dict[str, tuple[str, ...]] = choices("order", Order) | {
    f"order.payment_{leaf}": texts
    for name, texts in choices("payment", Payment).items()
    for leaf in [name.partition(".")[2]]
}
_LINE = _plain(LineFacts, "line")
LINE_FIELDS: dict[str, Kind] = {name: kind for name, (kind, _) in _LINE.items()}

ORDER: Catalogue = _plain(OrderFacts, "order") | {
    "lines": ("lines", _lines),
    "units": ("int", lambda s: sum(x.quantity for x in s.order.lines)),
    "margin_minor": ("int", lambda s: sum(map(_margin, s.order.lines))),
    "margin_percent": ("int", lambda s: _margin_percent(s.order)),
    "weight_grams": (
        "int",
        lambda s: sum(x.weight_mg * x.quantity for x in s.order.lines) // 1_000,
    ),
    "promoted": ("bool", _promoted),
    "age_hours": ("int", lambda s: (s.now - s.order.placed_at) // _HOUR),
    "has_promise": ("bool", lambda s: s.order.promise_by is not None),
    "hours_to_promise": ("int", lambda s: hours_until(s.order.promise_by, s.now)),
    "has_ship_by": ("bool", lambda s: s.order.ship_by is not None),
    "hours_to_ship_by": ("int", lambda s: hours_until(s.order.ship_by, s.now)),
}
ORDER_AT_ROUTE: Catalogue = {
    **ORDER,
    "late_shipments_per_mille": ("int", lambda s: s.late_shipments_per_mille),
}
LINE: Catalogue = _LINE | {"margin_minor": ("int", lambda s: _margin(s.line))}
LINE_AT_NODE: Catalogue = {**LINE, "stock_at_node": ("int", lambda s: s.stock_at_node)}


def _stock_left(s: NodeSubject) -> int:
    left = [s.node.stock.get(x.sku, 0) - x.quantity for x in s.lines]
    return min(left, default=0)


def _covered(s: NodeSubject) -> int:
    wanted = sum(x.quantity for x in s.lines)
    held = sum(min(x.quantity, max(0, s.node.stock.get(x.sku, 0))) for x in s.lines)
    return held * 100 // wanted if wanted else 0


NODE: Catalogue = _plain(NodeFacts, "node", skip=("queue",)) | {
    "ship_hours": ("int", lambda s: hours_until(s.node.ship_at, s.now)),
    "holds_all": ("bool", lambda s: _stock_left(s) >= 0),
    "covered_percent": ("int", _covered),
    "lowest_stock_left": ("int", _stock_left),
    "ground_on_time": ("bool", lambda s: s.ground_on_time),
}
SERVICE: Catalogue = _plain(ServiceFacts, skip=("queue", "connector", "nodes", "switched_off"))
QUOTE: Catalogue = {
    "cost_minor": ("int", lambda s: s.shipping + s.handling),
    "shipping_minor": ("int", lambda s: s.shipping),
    "handling_minor": ("int", lambda s: s.handling),
    "over_cheapest_minor": ("int", lambda s: s.shipping + s.handling - s.cheapest),
    "parcels": ("int", lambda s: s.parcels),
    "zone": ("int", lambda s: s.lane.zone),
    "late_days": ("int", lambda s: s.lane.days_late),
    "late_hours": (
        "int",
        lambda s: (
            0 if s.promise_by is None else max(0, -((s.promise_by - s.lane.deliver_p90) // _HOUR))
        ),
    ),
    "deliver_p50_hours": ("int", lambda s: hours_until(s.lane.deliver_p50, s.now)),
    "deliver_p90_hours": ("int", lambda s: hours_until(s.lane.deliver_p90, s.now)),
}
PLAN: Catalogue = {
    "cost_minor": ("int", lambda s: s.plan.cost.total),
    "cash_minor": ("int", lambda s: s.plan.cash_minor),
    "shipping_minor": ("int", lambda s: s.plan.cost.shipping),
    "handling_minor": ("int", lambda s: s.plan.cost.handling),
    "lateness_minor": ("int", lambda s: s.plan.cost.lateness),
    "adjustments_minor": ("int", lambda s: s.plan.cost.adjustments),
    "over_best_minor": ("int", lambda s: s.plan.cost.total - s.best),
    "rank": ("int", lambda s: s.rank),
    "nodes": ("int", lambda s: len(s.plan.fulfillments)),
    "parcels": ("int", lambda s: sum(len(f.parcels) for f in s.plan.fulfillments)),
    "express": ("bool", lambda s: any(f.express for f in s.plan.fulfillments)),
    "third_party": (
        "bool",
        lambda s: any(f.node_kind == "third_party" for f in s.plan.fulfillments),
    ),
    "node_ids": ("strings", lambda s: [f.node for f in s.plan.fulfillments]),
    "late_days": ("int", lambda s: days_late(s.plan.deliver_p90, s.promise_by)),
}
_POINT_FIELDS = ("now", "order")
PROPOSAL: Catalogue = _plain(ApproveSnapshot, skip=_POINT_FIELDS) | {
    "delta_minor": ("int", lambda s: s.cost_minor - s.baseline_minor),
}
RUNNING: Catalogue = _plain(RerouteSnapshot, skip=_POINT_FIELDS) | {
    "deviation_minor": ("int", lambda s: s.quote_minor - s.planned_minor),
}
SHORTAGE: Catalogue = _plain(CompensateSnapshot, skip=_POINT_FIELDS)
CASE: Catalogue = _plain(ExceptionSnapshot, skip=_POINT_FIELDS)

_DAY = timedelta(days=1)


def _days_since_delivery(s: ReturnSnapshot) -> int:
    return NEVER if s.delivered_at is None else (s.now - s.delivered_at) // _DAY


REQUEST: Catalogue = _plain(ReturnSnapshot, skip=_POINT_FIELDS) | {
    "delivered": ("bool", lambda s: s.delivered_at is not None),
    "days_since_delivery": ("int", _days_since_delivery),
    "units": ("int", lambda s: sum(x.quantity for x in s.lines)),
    "value_minor": ("int", lambda s: sum(x.quantity * x.unit_price_minor for x in s.lines)),
    "final_sale": ("bool", lambda s: any(x.final_sale for x in s.lines)),
    "reasons": ("strings", lambda s: sorted({x.reason for x in s.lines})),
}
REFUND: Catalogue = _plain(RefundSnapshot, skip=_POINT_FIELDS) | {
    "left_minor": ("int", lambda s: s.captured_minor - s.settled_minor),
}
