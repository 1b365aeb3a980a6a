"""What changed between two documents, by meaning: params, rules and steps, not lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from domain.base import Frozen
from policies.language import Document

__all__ = ["Change", "diff", "readable"]

Part = Literal["head", "param", "step", "rule", "default", "rollout", "test"]
_Parts = dict[tuple[Part, str], dict[str, str]]
_APART = {"params", "steps", "default", "rollout", "tests", "schema_name"}
_INHERITED = "the document's"


class Change(Frozen):
    """One thing that differs.

    Attributes:
        part: what kind of thing; ``name`` is its ID, empty where there is only one.
        field: the field of it that changed; empty where all of it was added or removed, and
            ``order`` where the same things stand in another sequence.
        before: as its author wrote it; None where it was not there. Likewise ``after``.
    """

    part: Part
    name: str
    kind: Literal["added", "removed", "changed"]
    field: str = ""
    before: str | None = None
    after: str | None = None


def diff(before: Document, after: Document) -> tuple[Change, ...]:
    """Every difference of meaning, head first, then params, steps, rules, tests.

    A rule is known by its ID, so one that was moved to another step has changed its ``step``. A
    param's ``value`` is the one in force, be it given or the default.
    """
    old, new = _parts(before), _parts(after)
    found = [*_differences(old, new), *_moved(before, after)]
    sequence: Sequence[str] = Part.__args__  # type: ignore[attr-defined]
    return tuple(sorted(found, key=lambda change: sequence.index(change.part)))


def readable(changes: Sequence[Change]) -> list[str]:
    """The changes as lines: ``+`` added, ``-`` removed, ``~`` changed."""
    return [_line(change) for change in changes]


def _line(change: Change) -> str:
    what = f"{change.part} {change.name}".rstrip() if change.part != "head" else ""
    if change.kind == "added":
        return f"+ {what}: {change.after}"
    if change.kind == "removed":
        return f"- {what}: {change.before}"
    field = f"{what} {change.field}".strip()
    shown = ["nothing" if value is None else value for value in (change.before, change.after)]
    if max(map(len, shown)) > 40:
        return f"~ {field}:\n    from {shown[0]}\n    to   {shown[1]}"
    return f"~ {field}: {shown[0]} → {shown[1]}"


def _parts(document: Document) -> _Parts:
    """Everything that has a name of its own, with its fields as text."""
    body = document.model_dump(exclude_none=True)
    parts: _Parts = {("head", ""): _fields({k: v for k, v in body.items() if k not in _APART})}
    for name, param in document.params.items():
        parts["param", name] = _fields(body["params"][name] | {"value": param.current})
    for step in body["steps"]:
        parts["step", step["id"]] = _fields({k: step[k] for k in ("hit", "on_error")})
        for rule in step["rules"]:
            fields = {"step": step["id"], "owner": _INHERITED} | rule
            parts["rule", rule["id"]] = _fields({k: v for k, v in fields.items() if k != "id"})
    parts["default", ""] = _fields({"owner": _INHERITED} | body["default"])
    parts["rollout", ""] = _fields(body["rollout"])
    for test in body["tests"]:
        parts["test", test["name"]] = _fields({k: v for k, v in test.items() if k != "name"})
    return parts


def _fields(body: Mapping[str, Any]) -> dict[str, str]:
    return {name: _text(value) for name, value in body.items() if value not in ("", [], {})}


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_text(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(_text(inner) for inner in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip()


def _differences(old: _Parts, new: _Parts) -> Iterator[Change]:
    for key in dict.fromkeys((*old, *new)):
        part, name = key
        was, now = old.get(key), new.get(key)
        if was is None or now is None:
            kind: Literal["added", "removed"] = "added" if was is None else "removed"
            yield Change(part=part, name=name, kind=kind, before=_whole(was), after=_whole(now))
            continue
        for field in dict.fromkeys((*was, *now)):
            a, b = was.get(field), now.get(field)
            if a != b:
                yield Change(part=part, name=name, kind="changed", field=field, before=a, after=b)


def _whole(fields: Mapping[str, str] | None) -> str | None:
    if fields is None:
        return None
    return ", ".join(f"{name} {value}" for name, value in fields.items())


def _moved(before: Document, after: Document) -> Iterator[Change]:
    """Steps, and rules of a step, that stand in another sequence: with ``first`` it decides."""
    lists = [("", [s.id for s in before.steps], [s.id for s in after.steps])]
    rules = {step.id: [rule.id for rule in step.rules] for step in after.steps}
    lists += [(s.id, [r.id for r in s.rules], rules[s.id]) for s in before.steps if s.id in rules]
    for name, was, now in lists:
        a, b = [x for x in was if x in now], [x for x in now if x in was]
        if a != b:
            yield Change(
                part="step", name=name, kind="changed", field="order",
                before=", ".join(a), after=", ".join(b),
            )  # fmt: skip
