"""YAML with positions and bounds: the text of a document, before its meaning.

Bounds are checked on the event stream, before anything is built or recurses, so that a
hostile document costs no more than reading its first lines. Anchors and aliases are
refused: a document should read the way it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from domain.base import InvalidInput, Problem

MAX_CHARACTERS = 262_144
MAX_DEPTH = 12
MAX_NODES = 20_000
MAX_SCALAR = 4_000
MAX_INTEGER = 2**53

Path = tuple[str | int, ...]
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a value stands: line and column from 1, and the index of its first character."""

    line: int
    column: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed document and the place of each of its values and keys."""

    name: str
    text: str
    body: dict[str, Any]
    spots: dict[Path, Spot] = field(default_factory=dict)

    def where(self, path: Path) -> str:
        """``file:line:column`` of a value, or of the nearest thing around it."""
        while path and path not in self.spots:
            path = path[:-1]
        spot = self.spots.get(path, Spot(1, 1, 0, 0))
        return f"{self.name}:{spot.line}:{spot.column}"

    def where_in(self, path: Path, value: str, offset: int) -> str:
        """``file:line:column`` of a character of a text value.

        YAML may fold, indent and quote a text, but keeps its visible characters, so those
        are what is counted.
        """
        spot = self.spots.get(path)
        if spot is None:
            return self.where(path)
        at = spot.start
        if self.text[at : at + 1] in "|>":
            at = self.text.find("\n", at)
        elif self.text[at : at + 1] in "\"'":
            at += 1
        visible = sum(not c.isspace() for c in value[:offset])
        while at < spot.end and (visible or self.text[at].isspace()):
            visible -= not self.text[at].isspace()
            at += 1
        line_start = self.text.rfind("\n", 0, at) + 1
        return f"{self.name}:{self.text.count(chr(10), 0, at) + 1}:{at - line_start + 1}"


def read(text: str, name: str) -> Source:
    """Parse a document's text.

    Raises:
        InvalidInput: it is no YAML mapping, or is over a bound.
    """
    if len(text) > MAX_CHARACTERS:
        raise _refused(name, f"has {len(text)} characters; at most {MAX_CHARACTERS}", "Split it")
    try:
        _check_bounds(text, name)
        node = _LOADER(text).get_single_node()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        reason = getattr(error, "problem", None) or "cannot be read"
        raise _refused(place, f"is not YAML: {reason}", "Correct the syntax here") from None
    if not isinstance(node, yaml.MappingNode):
        raise _refused(f"{name}:1:1", "is not a mapping", "Start with `policy: <name>`")
    spots: dict[Path, Spot] = {}
    body = _build(node, spots, _Place(name))
    return Source(name, text, body, spots)


def _check_bounds(text: str, name: str) -> None:
    loader = _LOADER(text)
    depth = count = 0
    while loader.check_event():
        event = loader.get_event()
        place = f"{name}:{event.start_mark.line + 1}:{event.start_mark.column + 1}"
        count += 1
        if count > MAX_NODES:
            raise _refused(place, f"has more than {MAX_NODES} values", "Split the document")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _refused(place, "uses an anchor or alias", "Write the value out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _refused(place, f"nests deeper than {MAX_DEPTH}", "Flatten it")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.ScalarEvent) and len(event.value) > MAX_SCALAR:
            raise _refused(place, f"has a text over {MAX_SCALAR} characters", "Shorten it")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where something stands: for the author a file, line and names, for us its path."""

    name: str
    path: Path = ()
    words: tuple[str, ...] = ()

    def inside(self, part: str | int, word: str) -> _Place:
        return _Place(self.name, (*self.path, part), (*self.words, word))

    def refused(self, node: yaml.Node, reason: str, remedy: str) -> InvalidInput:
        mark = node.start_mark
        place = f"{self.name}:{mark.line + 1}:{mark.column + 1}"
        return _refused(place, reason, remedy, ".".join(self.words)[:200])


def _build(node: yaml.Node, spots: dict[Path, Spot], place: _Place) -> Any:
    mark = node.start_mark
    spots[place.path] = Spot(mark.line + 1, mark.column + 1, mark.index, node.end_mark.index)
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise place.refused(key_node, "has a key that is no text", "Use a plain name")
            key = key_node.value
            if key in mapping:
                raise place.refused(key_node, f"has {key!r} twice", "Remove one of them")
            mapping[key] = _build(value_node, spots, place.inside(key, key))
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [
            _build(child, spots, place.inside(i, _label(child) or str(i)))
            for i, child in enumerate(node.value)
        ]
    return _scalar(node, place)


def _label(node: yaml.Node) -> str:
    """The ID or name of a rule, step or test that is yet to be built."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value in ("id", "name") and isinstance(value, yaml.ScalarNode):
                return str(value.value)[:80]
    return ""


def _scalar(node: yaml.Node, place: _Place) -> str | int | bool:
    tag, value = node.tag, str(node.value)
    if tag == "tag:yaml.org,2002:bool":
        return value.lower() in ("true", "yes", "on")
    if tag == "tag:yaml.org,2002:int":
        number = _integer(value)
        if number is None:
            raise place.refused(node, f"has the number {value}", "Write it as a plain decimal")
        if abs(number) > MAX_INTEGER:
            raise place.refused(node, "has a number that is too large", "Use a smaller one")
        return number
    if tag == "tag:yaml.org,2002:null":
        raise place.refused(node, "has an empty value", "Give a value or remove the key")
    if tag == "tag:yaml.org,2002:float":
        remedy = "Use whole numbers in smaller units"
        raise place.refused(node, f"has the fraction {value}", remedy)
    if tag in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:timestamp"):
        return value
    remedy = "Use text, whole numbers or booleans"
    raise place.refused(node, f"has a value of the kind {tag}", remedy)


def _integer(value: str) -> int | None:
    """Plain decimals only: YAML 1.1 would read ``010`` as eight and ``1:30`` as ninety."""
    digits = value.replace("_", "").lstrip("+-")
    plain = digits.isdigit() and (digits == "0" or digits[0] != "0")
    return int(value.replace("_", "")) if plain else None


def _refused(place: str, reason: str, remedy: str, field: str = "") -> InvalidInput:
    return InvalidInput(
        Problem(source=place, field=field or "(document)", reason=reason, remedy=remedy)
    )
