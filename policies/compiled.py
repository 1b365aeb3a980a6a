"""A checked document, ready to be evaluated."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from domain.units import format_money, to_major
from policies.expressions import Expression, Value
from policies.language import Document
from policies.program import Rules

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A ``because`` text; ``{order.total_minor}`` is filled in when the rule hits.

    Attributes:
        parts: the text cut at its placeholders: text, name, text, name, …, text.
        money: placeholders that are amounts in minor units.
    """

    parts: tuple[str, ...]
    money: frozenset[str]

    def fill(self, value: Callable[[str], Any]) -> str:
        """The text with its values. Costs have the network's currency, which is not known
        here, so only the order's own amounts name one."""
        filled = list(self.parts)
        for at in range(1, len(filled), 2):
            filled[at] = self._shown(filled[at], value)
        return "".join(filled)

    def _shown(self, name: str, value: Callable[[str], Any]) -> str:
        found = value(name)
        if name in self.money:
            currency = value("order.currency") or "USD"
            if name.startswith(("order.", "line.")):
                return format_money(found, currency)
            return f"{to_major(found, currency):,f}"
        if isinstance(found, bool):
            return "yes" if found else "no"
        return ", ".join(found) if isinstance(found, list) else str(found)


@dataclass(frozen=True, slots=True)
class CompiledAnswer:
    """A verb with its arguments; numbers may be expressions over the facts of ``scope``."""

    scope: str
    then: str
    amount: Expression | int | None
    arguments: Mapping[str, Expression | Value | tuple[str, ...]]
    because: Sentence
    owner: str


@dataclass(frozen=True, slots=True, eq=False)
class CompiledRule:
    """A rule that is ready to be asked."""

    id: str
    step: str
    scope: str
    when: Expression
    answer: CompiledAnswer


@dataclass(frozen=True, slots=True)
class CompiledStep:
    """Rules of one hit policy. ``verb`` is that of its rules where they share one."""

    id: str
    hit: str
    on_error: str
    verb: str
    scopes: frozenset[str]
    rules: tuple[CompiledRule, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """A checked document.

    Attributes:
        label: ``name@version``.
        hash: SHA-256 of the canonical document; any edit changes it.
        source: its text, as a person wrote it.
        rules: its rules about candidates as one function; only at route.
    """

    document: Document
    label: str
    hash: str
    steps: tuple[CompiledStep, ...]
    default: CompiledAnswer
    params: Mapping[str, Value]
    source: str = ""
    rules: Rules | None = None

    def with_params(self, changes: Mapping[str, Value]) -> Policy:
        """The same document with other values of some params, for its tests."""
        params = {**self.params, **changes}
        rules = self.rules.program.bind(params) if self.rules else None
        return replace(self, params=params, rules=rules)

    @property
    def name(self) -> str:
        """The policy's name."""
        return self.document.policy


def in_place(policies: Sequence[Policy], policy: Policy, at: int) -> tuple[Policy, ...]:
    """Documents with one in the place of its name's, or inserted where none has its name."""
    if any(each.name == policy.name for each in policies):
        return tuple(policy if each.name == policy.name else each for each in policies)
    return (*policies[:at], policy, *policies[at:])


def content_hash(body: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical form: sorted keys, no layout, no comments."""
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()
