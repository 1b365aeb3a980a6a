"""The sample facts that a document's own tests start from.

A test states only what differs: its ``given`` is laid over the sample of the document's
point. Lines, nodes and services are named, so that one of them can be changed alone; a new
name adds one, ``without`` takes some away, a time set to ``never`` is absent. The sample is
an everyday case: a paid order of one line, placed on a Monday, promised for Friday, that the
own DC ships in time by ground.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from domain.decision import (
    ApproveSnapshot,
    CompensateSnapshot,
    ExceptionSnapshot,
    HoldSnapshot,
    Point,
    RefundSnapshot,
    RerouteSnapshot,
    ReturnLine,
    ReturnSnapshot,
    RouteSnapshot,
    Snapshot,
)
from domain.facts import LineFacts, NodeFacts, OrderFacts, ServiceFacts
from policies.language import nearest

NOW = "2026-03-02T15:00:00Z"

_LINE: dict[str, Any] = {
    "sku": "sku_1",
    "quantity": 1,
    "unit_price_minor": 5_000,
    "unit_cost_minor": 2_000,
    "weight_mg": 900_000,
    "length": 2_000,
    "width": 1_500,
    "height": 800,
}
_ORDER: dict[str, Any] = {
    "id": "order:shop:1001",
    "source": "shop",
    "channel": "web",
    "currency": "USD",
    "country": "US",
    "region": "NY",
    "postal3": "100",
    "total_minor": 5_600,
    "shipping_minor": 600,
    "placed_at": NOW,
    "promise_by": "2026-03-06T23:59:00Z",
    "ship_by": "2026-03-04T23:59:00Z",
    "lines": {"line_1": {}},
}
_NODE: dict[str, Any] = {
    "kind": "dc",
    "connector": "wms",
    "queue": "connector-wms",
    "region": "NJ",
    "distance_miles": 120,
    "ship_at": "2026-03-02T19:00:00Z",
    "used_percent": 40,
    "backlog_days": 0,
    "saturated": False,
    "stock": {"sku_1": 50, "sku_2": 50},
    "zones": {"ups": 2},
    "order_cost_minor": 150,
    "line_cost_minor": 30,
    "unit_cost_minor": 10,
    "cartons": [[2_540, 2_030, 1_000], [4_000, 3_000, 2_000]],
}
_NODES: dict[str, Any] = {
    "dc_east": {},
    "dc_west": {
        "region": "CA",
        "distance_miles": 2_450,
        "ship_at": "2026-03-02T22:00:00Z",
        "zones": {"ups": 8},
    },
    "tpl_south": {
        "kind": "third_party",
        "connector": "tpl",
        "queue": "connector-tpl",
        "region": "GA",
        "distance_miles": 750,
        "zones": {"ups": 5},
        "order_cost_minor": 250,
    },
}
_GROUND = {2: (1, 1), 3: (1, 2), 4: (2, 3), 5: (3, 4), 6: (3, 5), 7: (4, 5), 8: (5, 6)}
_SERVICE: dict[str, Any] = {
    "carrier": "ups",
    "connector": "labels",
    "queue": "connector-labels",
    "nodes": ["dc_east", "dc_west", "tpl_south"],
}
_SERVICES: dict[str, Any] = {
    "ups_ground": {
        "service": "Ground",
        "card": "ground",
        "transit": {zone: {"p50": p50, "p90": p90} for zone, (p50, p90) in _GROUND.items()},
    },
    "ups_2day": {
        "service": "2ndDayAir",
        "card": "two_day",
        "express": True,
        "transit": {zone: {"p50": 2, "p90": 2} for zone in _GROUND},
    },
}


def _card(name: str, first: int, per_zone: int, per_pound: int) -> dict[str, Any]:
    pounds = (1, 2, 5, 10, 20)
    return {
        "name": name,
        "effective": "2026-01-01T00:00:00Z",
        "dim_divisor": 139,
        "fuel_percent": 20,
        "residential_minor": 400,
        "per_pound_over_minor": per_pound,
        "breaks": {z: [[p, first + per_zone * z + per_pound * p] for p in pounds] for z in _GROUND},
    }


_CARDS = [_card("ground", 700, 60, 40), _card("two_day", 1_800, 180, 120)]
_POINTS: dict[Point, tuple[type[Any], dict[str, Any]]] = {
    "hold": (HoldSnapshot, {}),
    "route": (
        RouteSnapshot,
        {"nodes": _NODES, "services": _SERVICES, "rate_cards": _CARDS},
    ),
    "approve": (ApproveSnapshot, {"cost_minor": 1_200, "baseline_minor": 1_200}),
    "reroute": (
        RerouteSnapshot,
        {
            "trigger": "late_pick",
            "node": "dc_east",
            "service": "ups_ground",
            "planned_minor": 1_000,
        },
    ),
    "compensate": (
        CompensateSnapshot,
        {"trigger": "short_pick", "node": "dc_east", "short_units": 1, "open_units": 2},
    ),
    "exception": (
        ExceptionSnapshot,
        {"kind": "pick_delayed", "node": "dc_east", "carrier": "ups"},
    ),
    "return": (
        ReturnSnapshot,
        {
            "order": _ORDER
            | {
                "placed_at": "2026-02-16T15:00:00Z",
                "promise_by": "2026-02-20T23:59:00Z",
                "ship_by": "2026-02-18T23:59:00Z",
            },
            "delivered_at": "2026-02-20T15:00:00Z",
            "lines": {"line_1": {}},
            "yearly_orders": 4,
        },
    ),
    "refund": (
        RefundSnapshot,
        {
            "order": _ORDER | {"placed_at": "2026-02-16T15:00:00Z"},
            "amount_minor": 5_000,
            "captured_minor": 5_600,
            "yearly_orders": 4,
        },
    ),
}
_RETURN_LINE: dict[str, Any] = {"sku": "sku_1", "quantity": 1, "unit_price_minor": 5_000}
# Named parts: what a new one starts from, and the field that holds its name.
_NAMED = {
    "nodes": (_NODE, "id"), "services": (_SERVICE, "id"), "lines": (_RETURN_LINE, "line_id"),
}  # fmt: skip
_TIMES = ("promise_by", "ship_by", "delivered_at")
_ABSENT = "never"


class WrongFacts(ValueError):  # noqa: N818 - says what is wrong with them
    """Facts that fit no snapshot. ``path`` leads to them inside ``given``."""

    def __init__(self, path: Sequence[str | int], reason: str, remedy: str) -> None:
        super().__init__(f"{'.'.join(map(str, path))}: {reason}. {remedy}")
        self.path = tuple(path)
        self.reason = reason
        self.remedy = remedy


def sample(point: Point, given: dict[str, Any] | None = None) -> Snapshot:
    """The sample snapshot of a point with ``given`` laid over it.

    Raises:
        WrongFacts: ``given`` does not fit the snapshot.
    """
    model, extra = _POINTS[point]
    base = {"now": NOW, "order": _ORDER} | extra
    _check_names(base, given or {})
    body = _laid_over(base, given or {})
    gone = set(body.pop("without", ()))
    body = _without_absent(body) | {"order": _without_absent(body["order"])}
    names: dict[tuple[str, ...], list[str]] = {}
    names["order", "lines"] = [n for n in body["order"]["lines"] if n not in gone]
    body["order"]["lines"] = _named(body["order"]["lines"], _LINE, "line_id", gone)
    for part, (start, key) in _NAMED.items():
        if part in body:
            names[part,] = [name for name in body[part] if name not in gone]
            body[part] = _named(body[part], start, key, gone)
    try:
        # As JSON, so that texts become times while true and "5" do not become numbers.
        snapshot: Snapshot = model.model_validate_json(
            orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS), strict=True
        )
    except ValidationError as error:
        raise _unfit(error, model, names) from None
    return snapshot


def _without_absent(body: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in body.items() if not (k in _TIMES and v == _ABSENT)}


def _check_names(base: dict[str, Any], given: dict[str, Any]) -> None:
    """Named parts are mappings, and no name is a slip of one that the sample has."""
    order = given.get("order", {})
    if not isinstance(order, dict):
        raise WrongFacts(("order",), "is no mapping", "Write order: {field: value}")
    there: set[str] = set()
    for path in (("order", "lines"), *((part,) for part in _NAMED)):
        known, laid = _at(base, path), _at(given, path)
        if laid is None or known is None:
            there |= set(known or ())
            continue
        if not isinstance(laid, dict):
            raise WrongFacts(path, "is no mapping", "Name each one: {name: {field: value}}")
        for name, part in laid.items():
            if not isinstance(part, dict):
                raise WrongFacts((*path, name), "is no mapping", "Write {field: value}")
            slip = next((k for k in known if name not in known and _is_slip(name, k)), None)
            if slip:
                raise WrongFacts((*path, name), "is a new name", f"Did you mean {slip}?")
        there |= {*known, *laid}
    without = given.get("without", [])
    if not isinstance(without, list):
        raise WrongFacts(("without",), "is no list", "Write [name]")
    for i, name in enumerate(without):
        if not isinstance(name, str) or name not in there:
            raise WrongFacts(
                ("without", i), f"{name!r} is not there", nearest(str(name), sorted(there))
            )


def _at(body: dict[str, Any], path: tuple[str, ...]) -> Any:
    found: Any = body
    for part in path:
        found = found.get(part)
        if found is None:
            return None
    return found


def _is_slip(name: str, known: str) -> bool:
    """One letter more, less or other than a known name; another number is another thing."""
    ours, theirs = (re.sub(r"\d", "", text) for text in (name, known))
    if ours == theirs or abs(len(ours) - len(theirs)) > 1:
        return False
    pairs = enumerate(zip(ours, theirs, strict=False))
    start = next((i for i, (a, b) in pairs if a != b), min(len(ours), len(theirs)))
    one, other = ours[start:], theirs[start:]
    swapped = one[:2] == other[:2][::-1] and one[2:] == other[2:]
    return swapped or one[1:] == other[1:] or one[1:] == other or one == other[1:]


def _model_at(path: Sequence[str | int], model: type[Any]) -> type[BaseModel]:
    """The model of the mapping at a path inside ``given``."""
    if tuple(path[:2]) == ("order", "lines"):
        return LineFacts
    parts: dict[str | int, type[BaseModel]] = {
        "order": OrderFacts, "lines": ReturnLine, "nodes": NodeFacts, "services": ServiceFacts
    }  # fmt: skip
    return parts.get(path[0], model) if path else model


def _unfit(
    error: ValidationError, model: type[Any], names: dict[tuple[str, ...], list[str]]
) -> WrongFacts:
    first = error.errors(include_url=False)[0]
    path: list[str | int] = []
    for part in first["loc"]:  # a list's place back to the name that the author wrote
        listed = names.get(tuple(map(str, path)))
        path.append(listed[part] if listed and isinstance(part, int) else part)
    remedy = "See `given` in docs/policy-guide.md"
    if first["type"] == "extra_forbidden":
        fields = _model_at(path[:-1], model).model_fields
        remedy = nearest(str(path[-1]), fields)
    where = ".".join(map(str, path))
    return WrongFacts(path, f"{where}: {first['msg']}", remedy)


def _named(parts: Any, base: dict[str, Any], key: str, gone: set[str]) -> Any:
    return [
        _laid_over({key: name, **base}, part) for name, part in parts.items() if name not in gone
    ]


def _laid_over(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _laid_over(old, value) if both and isinstance(old, dict) else deepcopy(value)
    return merged
