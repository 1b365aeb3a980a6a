"""The engine as the oracle of compiled expressions: sampled inputs when a document is loaded.

A difference is a defect of ours in translate.py, or a change in the engine: no document with one
is taken, and a live decision that shows one is made by the engine (library.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from policies.expressions import EvaluationFailed, Expression, Kind
from policies.facts import LINE_FIELDS
from policies.translate import LEAST, MOST

TRIES = 24  # inputs an expression; a few microseconds each

_SINGLE: dict[Kind, tuple[Any, ...]] = {
    "int": (0, 1, -1, 2, 7, 99, 100, 101, -5_000, 1_000_000, MOST, LEAST),
    "bool": (True, False),
    "string": ("", "a", "dc", "third_party", "é"),
}


def difference(expression: Expression, tries: int = TRIES) -> str:
    """Facts for which compiled function and engine differ, in words; empty when none was found.

    The facts come from the edges of their types, drawn by the expression's own text: the same
    document is always tried with the same ones.
    """
    for number in range(tries):
        drawn = _draws(f"{number} {expression.source}")
        facts = [_some(drawn, kind) for kind in expression.kinds.values()]
        ours = _outcome(expression.evaluate, facts)
        theirs = _outcome(expression.by_engine, facts)
        if ours != theirs:
            given = dict(zip(expression.kinds, facts, strict=True))
            return f"gives {ours[1]} where the engine gives {theirs[1]}, for {given}"
    return ""


def _draws(text: str) -> Iterator[int]:
    """Numbers without end that look drawn, the same ones for the same text."""
    while True:
        digest = hashlib.sha256(text.encode()).digest()
        yield from digest
        text = digest.hex()


def _some(drawn: Iterator[int], kind: Kind) -> Any:
    if kind in _SINGLE:
        values = _SINGLE[kind]
        return values[next(drawn) % len(values)]
    count = next(drawn) % 3
    if kind == "strings":
        return [_some(drawn, "string") for _ in range(count)]
    fields = LINE_FIELDS.items()
    return [{name: _some(drawn, of) for name, of in fields} for _ in range(count)]


def _outcome(ask: Callable[[list[Any]], bool | int], facts: list[Any]) -> tuple[type, object]:
    try:
        value = ask(facts)
    except EvaluationFailed as failed:
        return EvaluationFailed, str(failed)
    return type(value), value
