"""All rules of a route document about candidates, compiled into one pass over them.

A rule is asked once of every object that it speaks about: a node's rules once a node, however
many services leave it. What holds is kept as bits, one a rule, and a candidate's bits are those
of its order, node, service and quote together; equal bits share one verdict. A rule whose
condition is an ``&&`` is split: each operand is asked where all it reads is known, and a missing
part counts as true.

Nothing here handles a rule that fails: the careful evaluator (evaluator.py) then decides the
whole snapshot, rule by rule. The tests and a sample of live decisions hold both to one answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from policies.expressions import Expression, Kind, Value
from policies.levels import functions, place
from policies.translate import LEAST, MOST, Clause, Fault, clauses

if TYPE_CHECKING:
    from policies.compiled import CompiledRule, CompiledStep

_INT = Annotated[int, msgspec.Meta(ge=LEAST, le=MOST)]
_TYPES: dict[Kind, Any] = {"int": _INT, "bool": bool, "string": str, "strings": list[str]}
_INDEX = Annotated[int, msgspec.Meta(ge=0, lt=2**16)]
_STRAY = "a quote is of no node or service"
_WRITE = msgspec.json.Encoder().encode
_SPACES = ("order", "node", "service", "quote")
Rows = list[list[Any]]


class Standing(msgspec.Struct, frozen=True, array_like=True):
    """What the rules say of a candidate; candidates of whom they say the same share one.

    Written as an array: a decision has dozens, and their names would be most of its record.

    Attributes:
        rejected: rules that reject it, as indices of the program's rules.
        spoken: rules that price it.
        adjustment: what those add, in minor units.
    """

    rejected: tuple[int, ...]
    spoken: tuple[int, ...]
    adjustment: int


class Ruling(msgspec.Struct, frozen=True):
    """The rules' word on a sheet of facts.

    Attributes:
        facts_hash: SHA-256 of the sheet's rows as JSON; which fact is where, the document says.
        standings: one a candidate, in the sheet's order.
    """

    facts_hash: str
    standings: list[Standing]


class Program:
    """The compiled rules of one document, for any values of its params.

    Attributes:
        rules: candidates' rules in the document's order; an index means one of these.
        reads: facts that have to be given, by object, in the order of a sheet's rows.
        told: by rule, the numbers that its text shows, as (object, fact).
    """

    def __init__(
        self, steps: Sequence[CompiledStep], kinds: Mapping[str, Kind],
        line_fields: Mapping[str, Kind],
    ) -> None:  # fmt: skip
        self.steps: tuple[CompiledStep, ...]
        self.rules: tuple[CompiledRule, ...]
        self._speaks_by(steps)
        parts = [clauses(rule.when.tree, place) for rule in self.rules]
        self.reads = _reads(self.rules, parts)
        self.sheet = _sheet_type(self.reads, kinds, line_fields)
        self.told = _told(self.rules, kinds)
        self._asks = functions(parts)

    def _speaks_by(self, steps: Sequence[CompiledStep]) -> None:
        self.steps = tuple(s for s in steps if s.scopes <= {"node", "service", "quote"})
        self.rules = tuple(r for s in self.steps for r in s.rules)

    def overheard(self, steps: Sequence[CompiledStep]) -> Program:
        """The same rules as objects that note what they are asked, where they are asked alone."""
        heard = copy(self)
        heard._speaks_by(steps)
        return heard

    def bind(self, params: Mapping[str, Value]) -> Rules:
        """The program with the values of its params."""
        return Rules(self, params, self._asks)


@dataclass(slots=True)
class Rules:
    """A program that is ready to be asked."""

    program: Program
    params: Mapping[str, Value]
    _asks: dict[str, Callable[..., Any]]
    _given: Any = None
    amounts: list[int | Expression] = field(default_factory=list)
    _known: dict[int, Standing] = field(default_factory=dict)
    _varying: int = 0

    def __post_init__(self) -> None:
        self._given = SimpleNamespace(**self.params)
        for i, rule in enumerate(self.program.rules):
            amount = self._constant(rule.answer.amount)
            self.amounts.append(amount)
            self._varying |= isinstance(amount, Expression) << i

    def _constant(self, amount: Expression | int | None) -> int | Expression:
        if not isinstance(amount, Expression):
            return amount or 0
        if any(space != "params" for space, _ in amount.reads):
            return amount
        return int(amount.evaluate([self.params[leaf] for _, leaf in amount.reads]))

    def ask(self, facts: Rows) -> Ruling:
        """What the rules say of every candidate.

        Args:
            facts: of the program's ``reads`` (``rows``).

        Raises:
            msgspec.ValidationError: a fact is missing, too many, or of the wrong type.
            Fault: a rule could not be evaluated, or a quote is of no node or service.
        """
        sheet = msgspec.convert(facts, self.program.sheet)
        digest = hashlib.sha256(_WRITE(sheet)).hexdigest()
        parts = self._parts(sheet)
        try:
            if not self._varying:
                return Ruling(digest, self._asks["known"](*parts, self._known))
        except KeyError:
            pass  # bits that are seen for the first time
        except IndexError:
            raise Fault(_STRAY) from None
        try:
            bits: list[int] = self._asks["quote"](*parts)
        except IndexError:
            raise Fault(_STRAY) from None
        pairs = zip(bits, sheet.quotes, strict=True)
        return Ruling(digest, [self._standing(b, sheet, quote) for b, quote in pairs])

    def _parts(self, sheet: Any) -> tuple[Any, ...]:
        """What quotes are asked with: the facts, and the bits of nodes and services."""
        asks, params, order = self._asks, self._given, sheet.order
        nodes = asks["node"](params, order, asks["order"](params, order), sheet.nodes)
        services = asks["service"](params, order, sheet.services)
        return params, order, sheet.nodes, sheet.services, nodes, services, sheet.quotes

    def _standing(self, bits: int, sheet: Any, quote: Any) -> Standing:
        known = self._known.get(bits)
        if known is None:
            known = self._resolve(bits, sheet, quote)
            if not bits & self._varying:
                self._known[bits] = known
        return known

    def _resolve(self, bits: int, sheet: Any, quote: Any) -> Standing:
        """Apply the steps' hit policies to the rules that hold."""
        rejected: list[int] = []
        spoken: list[int] = []
        adjustment = at = 0
        for step in self.program.steps:
            hits = [i for i in range(at, at + len(step.rules)) if bits >> i & 1]
            at += len(step.rules)
            if step.hit == "first":
                hits = hits[:1]
            if step.verb == "reject":
                rejected += hits
                continue
            amounts = {i: self._amount(i, sheet, quote) for i in hits}
            if step.hit == "min" and hits:
                hits = [min(hits, key=amounts.__getitem__)]
            spoken += hits
            adjustment += sum(amounts[i] for i in hits)
        return Standing(tuple(rejected), tuple(spoken), adjustment)

    def _amount(self, i: int, sheet: Any, quote: Any) -> int:
        amount = self.amounts[i]
        if isinstance(amount, int):
            return amount
        objects = {
            "params": self._given, "order": sheet.order, "quote": quote,
            "node": sheet.nodes[quote.node], "service": sheet.services[quote.service],
        }  # fmt: skip
        return int(amount.evaluate([getattr(objects[s], leaf) for s, leaf in amount.reads]))


def rows(
    reads: Mapping[str, Sequence[str]], order: Mapping[str, Any],
    nodes: Iterable[Mapping[str, Any]], services: Iterable[Mapping[str, Any]],
    quotes: Iterable[tuple[int, int, Mapping[str, Any]]],
) -> Rows:  # fmt: skip
    """Facts as a program is asked about them: without names, which would take longer to read and
    to hash than the facts.

    Args:
        quotes: of every candidate the indices of its node and service, and its facts.
    """
    at_line, at_order, at_node = reads["line"], reads["order"], reads["node"]
    at_service, at_quote = reads["service"], reads["quote"]

    def of_order(leaf: str) -> Any:
        if leaf == "lines":
            return [[line[field] for field in at_line] for line in order["lines"]]
        return order[leaf]

    return [
        [of_order(leaf) for leaf in at_order],
        [[node[leaf] for leaf in at_node] for node in nodes],
        [[service[leaf] for leaf in at_service] for service in services],
        [[n, s, *[quote[leaf] for leaf in at_quote]] for n, s, quote in quotes],
    ]


def _reads(
    rules: Sequence[CompiledRule], parts: Sequence[Sequence[Clause]]
) -> dict[str, tuple[str, ...]]:
    names = {name for each in parts for part in each for name in part.reads}
    for rule in rules:
        if isinstance(rule.answer.amount, Expression):
            names |= set(rule.answer.amount.kinds)
    pairs = sorted(tuple(name.split(".", 1)) for name in names)
    found = {space: tuple(leaf for s, leaf in pairs if s == space) for space in _SPACES}
    fields = {field for each in parts for part in each for field in part.line_fields}
    return found | {"line": tuple(sorted(fields))}


def _told(
    rules: Sequence[CompiledRule], kinds: Mapping[str, Kind]
) -> dict[int, tuple[tuple[str, str], ...]]:
    told: dict[int, tuple[tuple[str, str], ...]] = {}
    for i, rule in enumerate(rules):
        numbers = [n for n in rule.answer.because.parts[1::2] if kinds.get(n) == "int"]
        if numbers:
            told[i] = tuple((space, leaf) for space, _, leaf in (n.partition(".") for n in numbers))
    return told


def _sheet_type(
    reads: Mapping[str, Sequence[str]], kinds: Mapping[str, Kind], line_fields: Mapping[str, Kind]
) -> Any:
    line = _struct("Line", [(field, _TYPES[line_fields[field]]) for field in reads["line"]])

    def typed(space: str) -> list[tuple[str, Any]]:
        found: list[tuple[str, Any]] = []
        for leaf in reads[space]:
            kind = kinds[f"{space}.{leaf}"]
            found.append((leaf, list[line] if kind == "lines" else _TYPES[kind]))  # type: ignore[valid-type]
        return found

    node, service = _struct("Node", typed("node")), _struct("Service", typed("service"))
    quote = _struct("Quote", [("node", _INDEX), ("service", _INDEX), *typed("quote")])
    return _struct(
        "Sheet",
        [
            ("order", _struct("Order", typed("order"))), ("nodes", list[node]),  # type: ignore[valid-type]
            ("services", list[service]), ("quotes", list[quote]),  # type: ignore[valid-type]
        ],
    )  # fmt: skip


def _struct(name: str, fields: list[tuple[str, Any]]) -> Any:
    """Read from a row, which must have all fields and no other."""
    return msgspec.defstruct(name, fields, array_like=True, forbid_unknown_fields=True, gc=False)
