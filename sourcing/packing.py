"""Which cartons a fulfilment needs: pack first, then rate.

A simple, honest first version: units go by volume into the smallest carton whose every side
takes every item. It does not place boxes in space, so it leaves room (``FILL_PERCENT``) for
what volume alone does not see. Multi-start extreme-point packing replaces it in a later
issue; the signature stays.

Fallbacks, because a merchant's item master is never complete:
* a node without cartons: a box as long and wide as the largest item and as high as the
  volume asks;
* an item without dimensions: takes weight but no room; a parcel of only such items has no
  size and is priced by weight;
* an item that no carton takes: ships in its own packaging.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

FILL_PERCENT = 85
# UPS and FedEx take 150 lb a parcel; what is heavier goes into more parcels.
MAX_PARCEL_MG = 68_038_855
# Past this an order from one node is freight, which parcel rates do not describe.
MAX_PARCELS = 500

Sides = tuple[int, int, int]


class FreightNeeded(ValueError):  # noqa: N818 - a fact about the order, not a failure of ours
    """More than ``MAX_PARCELS`` parcels would be needed."""


class PackItem(NamedTuple):
    """Units to pack. ``key`` is the caller's name for the line; sizes in tenths of a mm."""

    key: int
    quantity: int
    weight_mg: int
    length: int = 0
    width: int = 0
    height: int = 0
    hazmat: bool = False
    ships_alone: bool = False


class Box(NamedTuple):
    """A packed carton: outer sides, weight of the contents, units by key."""

    length: int
    width: int
    height: int
    weight_mg: int
    contents: tuple[tuple[int, int], ...]


class _Open:
    """A carton being filled; ``size`` is None where only weight limits it."""

    __slots__ = ("contents", "free_mg", "free_volume", "size")

    def __init__(self, size: Sides | None) -> None:
        self.size = size
        self.free_volume = _volume(size) * FILL_PERCENT // 100 if size else 0
        self.free_mg = MAX_PARCEL_MG
        self.contents: list[tuple[PackItem, int]] = []

    def room_for(self, item: PackItem, volume: int, left: int) -> int:
        if self.size and not _takes(self.size, item):
            return 0
        if self.size and volume:
            left = min(left, self.free_volume // volume)
        if item.weight_mg > 0:
            left = min(left, self.free_mg // item.weight_mg)
        return left

    def put(self, item: PackItem, volume: int, units: int) -> None:
        self.contents.append((item, units))
        self.free_volume -= volume * units
        self.free_mg -= item.weight_mg * units


def pack(items: Sequence[PackItem], cartons: Sequence[Sides]) -> tuple[Box, ...]:
    """Pack units into cartons; the same input always gives the same parcels.

    Items that ship alone get a parcel per unit in their own packaging. Hazardous goods never
    share a parcel with others.

    Raises:
        FreightNeeded: more than ``MAX_PARCELS`` parcels.
    """
    sizes = _by_size(tuple(cartons))
    boxes: list[Box] = []
    plain: list[PackItem] = []
    hazardous: list[PackItem] = []
    for item in items:
        if item.ships_alone:
            boxes += _own_packaging(item, item.quantity)
        else:
            (hazardous if item.hazmat else plain).append(item)
    for group in (plain, hazardous):
        if group:
            boxes += _group(group, sizes)
    if len(boxes) > MAX_PARCELS:
        raise FreightNeeded(f"{len(boxes)} parcels; more than {MAX_PARCELS} are freight")
    return tuple(boxes)


@lru_cache(maxsize=256)
def _by_size(cartons: tuple[Sides, ...]) -> tuple[Sides, ...]:
    """A node's cartons, the smallest first."""
    return tuple(sorted({_descending(c) for c in cartons}, key=lambda s: (_volume(s), s)))


def _group(items: list[PackItem], sizes: Sequence[Sides]) -> list[Box]:
    whole = _carton([(item, item.quantity) for item in items], sizes)
    if whole:
        return [whole]
    boxes: list[Box] = []
    open_boxes: list[_Open] = []
    for item in sorted(items, key=lambda i: (-i.length * i.width * i.height, i.key)):
        largest = _largest_that_takes(item, sizes)
        if sizes and largest is None:
            boxes += _own_packaging(item, item.quantity)
            continue
        _fill(item, largest, open_boxes)
    for box in open_boxes:
        boxes.append(_carton(box.contents, sizes) or _wrapped(box.contents))
    return boxes


def _fill(item: PackItem, largest: Sides | None, open_boxes: list[_Open]) -> None:
    """First fit: into open cartons that have room, then into new ones."""
    unit = item.length * item.width * item.height
    left = item.quantity
    for box in open_boxes:
        units = box.room_for(item, unit, left)
        if units > 0:
            box.put(item, unit, units)
            left -= units
        if not left:
            return
    while left:
        if len(open_boxes) >= MAX_PARCELS:
            raise FreightNeeded(f"more than {MAX_PARCELS} parcels are freight")
        box = _Open(largest)
        # A unit too heavy or too bulky for the rules still has to travel: alone.
        units = max(1, box.room_for(item, unit, left))
        box.put(item, unit, units)
        open_boxes.append(box)
        left -= units


def _carton(contents: Sequence[tuple[PackItem, int]], sizes: Sequence[Sides]) -> Box | None:
    """The smallest carton that takes all of it; a wrapped box where a node has no cartons."""
    weight = sum(item.weight_mg * units for item, units in contents)
    count = sum(units for _, units in contents)
    if weight > MAX_PARCEL_MG and count > 1:
        return None
    if not sizes:
        return _wrapped(contents)
    need = _largest_sides(contents)
    volume = sum(i.length * i.width * i.height * units for i, units in contents)
    if not volume and not any(need):
        return _wrapped(contents)
    for size in sizes:
        room = _volume(size) if count == 1 else _volume(size) * FILL_PERCENT // 100
        fits = need[0] <= size[0] and need[1] <= size[1] and need[2] <= size[2]
        if fits and volume <= room:
            return Box(*size, weight, _units(contents))
    return None


def _wrapped(contents: Sequence[tuple[PackItem, int]]) -> Box:
    """A box made to measure: footprint of the largest item, as high as the volume asks."""
    length, width, height = _largest_sides(contents)
    volume = sum(i.length * i.width * i.height * units for i, units in contents)
    if length and width:
        height = max(height, -(-volume // (length * width)))
    weight = sum(item.weight_mg * units for item, units in contents)
    return Box(length, width, height, weight, _units(contents))


def _own_packaging(item: PackItem, units: int) -> Iterator[Box]:
    if units > MAX_PARCELS:
        raise FreightNeeded(f"{units} parcels; more than {MAX_PARCELS} are freight")
    sides = _descending((item.length, item.width, item.height))
    return iter([Box(*sides, item.weight_mg, ((item.key, 1),))] * units)


def _largest_that_takes(item: PackItem, sizes: Sequence[Sides]) -> Sides | None:
    return next((size for size in reversed(sizes) if _takes(size, item)), None)


def _takes(size: Sides, item: PackItem) -> bool:
    a, b, c = _descending((item.length, item.width, item.height))
    return a <= size[0] and b <= size[1] and c <= size[2]


def _largest_sides(contents: Sequence[tuple[PackItem, int]]) -> Sides:
    length = width = height = 0
    for item, _ in contents:
        a, b, c = _descending((item.length, item.width, item.height))
        length, width, height = max(length, a), max(width, b), max(height, c)
    return length, width, height


def _units(contents: Sequence[tuple[PackItem, int]]) -> tuple[tuple[int, int], ...]:
    totals: dict[int, int] = {}
    for item, units in contents:
        totals[item.key] = totals.get(item.key, 0) + units
    return tuple(sorted(totals.items()))


def _descending(sides: Sides) -> Sides:
    a, b, c = sorted(sides, reverse=True)
    return a, b, c


def _volume(sides: Sides) -> int:
    return sides[0] * sides[1] * sides[2]
