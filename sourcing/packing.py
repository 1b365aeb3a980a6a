"""Which cartons a fulfilment needs: pack first, then rate.

The smallest carton that takes everything is found by placing the pieces (placement.py). What no
single carton takes goes into open ones, the largest pieces first, and each of those then shrinks
to the smallest that holds it.

Fallbacks, because a merchant's item master is never complete:
* a node without cartons: a box as long and wide as the largest item and as high as the
  volume asks;
* an item without dimensions: takes weight but no room; a parcel of only such items has no
  size and is priced by weight;
* an item that no carton takes: ships in its own packaging;
* more than ``PLACED`` pieces in a carton: by volume, with room left for what volume does not see.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from sourcing.placement import Filling, Piece, Sides, fits

# Pieces that are placed one by one; of more, mostly small equal ones, volume says enough.
PLACED = 24
FILL_PERCENT = 85
# UPS and FedEx take 150 lb a parcel; what is heavier goes into more parcels.
MAX_PARCEL_MG = 68_038_855
# Past this an order from one node is freight, which parcel rates do not describe.
MAX_PARCELS = 500


class FreightNeeded(ValueError):  # noqa: N818 - a fact about the order, not a failure of ours
    """More than ``MAX_PARCELS`` parcels would be needed."""


class PackItem(NamedTuple):
    """Units to pack. ``key`` is the caller's name for the line; sizes in tenths of a mm.

    Attributes:
        hazmat: never in a parcel with others.
        fragile: nothing stands on it.
        this_side_up: ``height`` stays upright.
    """

    key: int
    quantity: int
    weight_mg: int
    length: int = 0
    width: int = 0
    height: int = 0
    hazmat: bool = False
    ships_alone: bool = False
    fragile: bool = False
    this_side_up: bool = False

    @property
    def piece(self) -> Piece:
        """One unit of it, to place."""
        sides = (self.length, self.width, self.height)
        if not self.this_side_up:
            sides = _descending(sides)
        return Piece(*sides, self.this_side_up, self.fragile)


class Box(NamedTuple):
    """A packed carton: outer sides, weight of the contents, units by key."""

    length: int
    width: int
    height: int
    weight_mg: int
    contents: tuple[tuple[int, int], ...]


class _Open:
    """A carton being filled; ``size`` is None where only weight limits it."""

    def __init__(self, size: Sides | None) -> None:
        self.contents: list[tuple[PackItem, int]] = []
        self._free_mg = MAX_PARCEL_MG
        self._free_volume = _volume(size) * FILL_PERCENT // 100 if size else 0
        self._filling = Filling(size) if size else None
        self._pieces = 0

    def put(self, item: PackItem, wanted: int) -> int:
        """Put in as many units as go in, and say how many."""
        piece = item.piece
        units = wanted if item.weight_mg <= 0 else min(wanted, self._free_mg // item.weight_mg)
        if self._filling and piece.volume:
            units = self._place(piece, units, self._filling)
        if units > 0:
            self._add(item, units)
        return max(0, units)

    def _place(self, piece: Piece, wanted: int, filling: Filling) -> int:
        units = 0
        while units < wanted and self._pieces < PLACED and filling.add(piece):
            units += 1
            self._pieces += 1
        if self._pieces >= PLACED:  # the rest by volume
            room = (self._free_volume - units * piece.volume) // piece.volume
            units += max(0, min(wanted - units, room))
        return units

    def force(self, item: PackItem) -> None:
        """Put one unit in whatever the rules say: it still has to travel, alone."""
        self._add(item, 1)

    def _add(self, item: PackItem, units: int) -> None:
        self.contents.append((item, units))
        self._free_mg -= item.weight_mg * units
        self._free_volume -= item.piece.volume * units


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
    """A node's cartons, the smallest first; a carton's height is its shortest side."""
    return tuple(sorted({_descending(c) for c in cartons}, key=lambda s: (_volume(s), s)))


def _group(items: list[PackItem], sizes: Sequence[Sides]) -> list[Box]:
    whole = _carton([(item, item.quantity) for item in items], sizes)
    if whole:
        return [whole]
    boxes: list[Box] = []
    open_boxes: list[_Open] = []
    for item in sorted(items, key=lambda i: (i.fragile, -i.piece.volume, i.key)):
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
    left = item.quantity
    for box in open_boxes:
        left -= box.put(item, left)
        if not left:
            return
    while left:
        if len(open_boxes) >= MAX_PARCELS:
            raise FreightNeeded(f"more than {MAX_PARCELS} parcels are freight")
        box = _Open(largest)
        units = box.put(item, left)
        if not units:  # too heavy for the carriers' limit
            box.force(item)
            units = 1
        open_boxes.append(box)
        left -= units


def _carton(contents: Sequence[tuple[PackItem, int]], sizes: Sequence[Sides]) -> Box | None:
    """The smallest carton that takes all of it; a wrapped box where a node has no cartons."""
    weight = sum(item.weight_mg * units for item, units in contents)
    count = sum(units for _, units in contents)
    if weight > MAX_PARCEL_MG and count > 1:
        return None
    if not sizes or not any(any(item.piece[:3]) for item, _ in contents):
        return _wrapped(contents)
    sized = [(item.piece, units) for item, units in contents if item.piece.volume]
    volume = sum(piece.volume * units for piece, units in sized)
    flat = [item.piece for item, _ in contents if not item.piece.volume]
    for size in sizes:
        if volume > _volume(size) or not all(fits((piece,), size) for piece in flat):
            continue
        if _all_fit(sized, volume, size):
            return Box(*size, weight, _units(contents))
    return None


def _all_fit(sized: Sequence[tuple[Piece, int]], volume: int, size: Sides) -> bool:
    if sum(units for _, units in sized) <= PLACED:
        return fits(tuple(sorted(p for piece, n in sized for p in (piece,) * n)), size)
    each = all(fits((piece,), size) for piece, _ in sized)
    return each and volume <= _volume(size) * FILL_PERCENT // 100


def _wrapped(contents: Sequence[tuple[PackItem, int]]) -> Box:
    """A box made to measure: footprint of the largest item, as high as the volume asks."""
    length, width, height = _largest_sides(contents)
    volume = sum(item.piece.volume * units for item, units in contents)
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
    return next((size for size in reversed(sizes) if fits((item.piece,), size)), None)


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
