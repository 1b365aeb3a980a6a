"""Tryton's records on the wire: JSON encoding, domains, and reading of related fields.

As in trytond 7.0: datetimes and Decimals travel as `{"__class__": ...}`, a domain is a list
of clauses joined by AND unless it begins with "OR", and reading `product.code` yields a
`product.` object beside the ID.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from simulators.ledger import Json

RELATIONS = {
    "stock.shipment.out": {
        "customer": "party.party",
        "delivery_address": "party.address",
        "warehouse": "stock.location",
        "warehouse_storage": "stock.location",
        "warehouse_output": "stock.location",
        "moves": "stock.move",
        "outgoing_moves": "stock.move",
        "inventory_moves": "stock.move",
    },
    "stock.move": {
        "product": "product.product",
        "unit": "product.uom",
        "from_location": "stock.location",
        "to_location": "stock.location",
        "shipment": "stock.shipment.out",
        "currency": "currency.currency",
    },
    "product.product": {"default_uom": "product.uom"},
    "stock.location": {
        "parent": "stock.location",
        "storage_location": "stock.location",
        "output_location": "stock.location",
        "input_location": "stock.location",
    },
    "party.party": {"addresses": "party.address"},
    "party.address": {
        "party": "party.party",
        "country": "country.country",
        "subdivision": "country.subdivision",
    },
    "country.subdivision": {"country": "country.country"},
}

DATETIME = ("year", "month", "day", "hour", "minute", "second", "microsecond")

Find = Callable[[str, Any], "Json | None"]


def decode(text: bytes) -> Any:
    """Parses a request; Tryton's typed objects become Python values."""

    def typed(value: Json) -> Any:
        kind = value.get("__class__")
        if kind == "datetime":
            parts = {name: int(value.get(name, 0)) for name in DATETIME}
            return datetime(**parts, tzinfo=UTC)
        if kind == "date":
            return date(value["year"], value["month"], value["day"])
        if kind == "Decimal":
            return Decimal(value["decimal"])
        return value

    return json.loads(text, object_hook=typed)


def encode(value: Any) -> str:
    """Prints an answer with Tryton's typed objects; its datetimes are UTC without a zone."""

    def typed(value: Any) -> Json:
        if isinstance(value, datetime):
            moment = value.astimezone(UTC)
            return {"__class__": "datetime"} | {n: getattr(moment, n) for n in DATETIME}
        if isinstance(value, date):
            return {"__class__": "date"} | {n: getattr(value, n) for n in DATETIME[:3]}
        if isinstance(value, Decimal):
            return {"__class__": "Decimal", "decimal": str(value)}
        raise TypeError(f"{type(value).__name__} does not travel in Tryton's JSON")

    return json.dumps(value, default=typed, separators=(",", ":"))


def live(record: Json) -> Json:
    """A stored record with its moments, dates and prices typed again."""
    for name in ("create_date", "write_date"):
        if isinstance(record.get(name), str):
            record[name] = datetime.fromisoformat(record[name])
    for name in ("planned_date", "effective_date"):
        if isinstance(record.get(name), str):
            record[name] = date.fromisoformat(record[name])
    if isinstance(record.get("unit_price"), str):
        record["unit_price"] = Decimal(record["unit_price"])
    return record


def matches(record: Json, model: str, domain: Any, find: Find) -> bool:
    """Whether a record satisfies a domain."""
    if not domain:
        return True
    if isinstance(domain[0], str) and domain[0] not in ("AND", "OR"):
        return _clause(record, model, domain, find)
    any_ = domain[0] == "OR"
    parts = domain[1:] if domain[0] in ("AND", "OR") else domain
    results = (matches(record, model, part, find) for part in parts)
    return any(results) if any_ else all(results)


def _clause(record: Json, model: str, clause: Sequence[Any], find: Find) -> bool:
    values = _values(record, model, str(clause[0]), find)
    operator, wanted = str(clause[1]), clause[2]
    negative = operator in ("!=", "not in", "not like", "not ilike")
    positive = {"!=": "=", "not in": "in", "not like": "like", "not ilike": "ilike"}
    found = any(_compare(v, positive.get(operator, operator), wanted) for v in values)
    return found != negative


def _compare(value: Any, operator: str, wanted: Any) -> bool:
    if operator == "=":
        return bool(value == wanted)
    if operator == "in":
        return value in wanted
    if operator in ("like", "ilike"):
        pattern = str(wanted).replace("%", "*").replace("_", "?")
        text = str(value or "")
        fold = operator == "ilike"
        return fnmatchcase(text.lower() if fold else text, pattern.lower() if fold else pattern)
    if value is None or wanted is None:
        return False
    return bool(
        (operator == ">" and value > wanted)
        or (operator == ">=" and value >= wanted)
        or (operator == "<" and value < wanted)
        or (operator == "<=" and value <= wanted)
    )


def _values(record: Json, model: str, path: str, find: Find) -> list[Any]:
    """Every value that a dotted field name reaches from a record."""
    name, _, rest = path.partition(".")
    value = record.get(name)
    many = value if isinstance(value, list) else [value]
    if not rest:
        return many
    target = RELATIONS.get(model, {}).get(name)
    if target is None:
        return [None]
    related = [find(target, one) for one in many if one is not None]
    return [v for row in related if row for v in _values(row, target, rest, find)] or [None]


def read(record: Json, model: str, names: Sequence[str], find: Find) -> Json:
    """The fields asked for, the ID always; `a.b` is answered inside an object `a.`."""
    if not names:
        return record
    answer: Json = {"id": record["id"]}
    nested: dict[str, list[str]] = {}
    for path in names:
        name, _, rest = path.partition(".")
        if rest:
            nested.setdefault(name, []).append(rest)
        else:
            answer[name] = record.get(name)
    for name, inner in nested.items():
        target = RELATIONS.get(model, {}).get(name)
        value = record.get(name)
        if target is None or value is None:
            answer[name + "."] = None
        elif isinstance(value, list):
            rows = [find(target, one) for one in value]
            answer[name + "."] = [read(row, target, inner, find) for row in rows if row]
        else:
            row = find(target, value)
            answer[name + "."] = read(row, target, inner, find) if row else None
    return answer
