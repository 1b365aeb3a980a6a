"""The sample facts that a document's own tests start from.

A test states only what differs: its ``given`` is laid over the sample of the document's
point. Lines, nodes and services are named, so that one of them can be changed alone; a new
name adds one, ``without`` takes some away, a time set to ``never`` is absent. The sample is
an everyday case: a paid order of one line, placed on a Monday, promised for Friday, that the
own DC ships in time by ground.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from domain.decision import (
    ApproveSnapshot,
    CompensateSnapshot,
    ExceptionSnapshot,
    HoldSnapshot,
    Point,
    RerouteSnapshot,
    RouteSnapshot,
    Snapshot,
)

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
}
# Named parts: what a new one starts from, and the field that holds its name.
_NAMED = {"nodes": (_NODE, "id"), "services": (_SERVICE, "id")}


def sample(point: Point, given: dict[str, Any] | None = None) -> Snapshot:
    """The sample snapshot of a point with ``given`` laid over it.

    Raises:
        ValueError: ``given`` does not fit the snapshot (pydantic says where).
    """
    model, extra = _POINTS[point]
    body = _laid_over({"now": NOW, "order": _ORDER} | extra, given or {})
    gone = set(body.pop("without", ()))
    body["order"] = {k: v for k, v in body["order"].items() if v != "never"}
    body["order"]["lines"] = _named(body["order"]["lines"], _LINE, "line_id", gone)
    for part, (base, key) in _NAMED.items():
        if part in body:
            body[part] = _named(body[part], base, key, gone)
    snapshot: Snapshot = model.model_validate(body)
    return snapshot


def _named(parts: Any, base: dict[str, Any], key: str, gone: set[str]) -> Any:
    if not isinstance(parts, dict):
        return parts
    return [
        _laid_over({key: name, **base}, part)
        for name, part in parts.items()
        if name not in gone and isinstance(part, dict)
    ]


def _laid_over(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _laid_over(old, value) if both and isinstance(old, dict) else deepcopy(value)
    return merged
