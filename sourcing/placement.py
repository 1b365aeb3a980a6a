"""Whether pieces fit into a carton, by placing them at extreme points.

A piece goes where another one's corner, projected onto what is below or behind it, leaves a
place (T. Crainic, G. Perboli, R. Tadei, "Extreme point-based heuristics for three-dimensional bin
packing", INFORMS Journal on Computing 20, 2008). One order of pieces often misses a packing that
another finds, so several are tried, and then, for few pieces, positions and turns are searched
with a limit. A yes is a packing; a no may be wrong for very full cartons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import permutations
from typing import NamedTuple

Sides = tuple[int, int, int]
_Point = tuple[int, int, int]
_Score = tuple[int, ...]

SEARCHED = 8  # pieces, at most, whose places are searched when no order of them was enough
SEARCH_STEPS = 1_500
ALL_ORDERS = 4  # pieces, at most, of which every order is tried


class Piece(NamedTuple):
    """One unit to place; sides in tenths of a millimetre, ``height`` the upright one.

    Attributes:
        upright: it may only be turned around its height.
        fragile: nothing may stand on it.
    """

    length: int
    width: int
    height: int
    upright: bool = False
    fragile: bool = False

    @property
    def volume(self) -> int:
        """Cubic tenths of a millimetre."""
        return self.length * self.width * self.height


class Placed(NamedTuple):
    """A piece from its corner (x, y, z) to the opposite one."""

    x: int
    y: int
    z: int
    right: int
    back: int
    top: int
    fragile: bool


def _lowest(at: _Point, turned: Sides) -> _Score:
    return (at[2], at[1], at[0], turned[2])


def _tightest(at: _Point, turned: Sides) -> _Score:
    return (at[2] + turned[2], at[1] + turned[1], at[0] + turned[0])


def _cornered(at: _Point, turned: Sides) -> _Score:
    return (sum(at), -turned[0] * turned[1])


_RULES: tuple[Callable[[_Point, Sides], _Score], ...] = (_lowest, _tightest, _cornered)


class Filling:
    """A carton that pieces are put into, one after the other.

    Attributes:
        placed: where they are.
    """

    __slots__ = ("_points", "carton", "placed")

    def __init__(self, carton: Sides) -> None:
        self.carton = carton
        self.placed: list[Placed] = []
        self._points: list[_Point] = [(0, 0, 0)]

    def add(self, piece: Piece, rule: Callable[[_Point, Sides], _Score] = _lowest) -> bool:
        """Put a piece where the rule likes it best; False where it has no place."""
        best: tuple[_Score, _Point, Sides] | None = None
        for at, turned in self._places(piece):
            score = rule(at, turned)
            if best is None or score < best[0]:
                best = (score, at, turned)
        if best is None:
            return False
        self._put(piece, best[1], best[2])
        return True

    def _places(self, piece: Piece) -> Iterator[tuple[_Point, Sides]]:
        length, width, height = self.carton
        for turned in _turns(piece):
            a, b, c = turned
            for at in self._points:
                x, y, z = at
                right, back, top = x + a, y + b, z + c
                inside = right <= length and back <= width and top <= height
                if inside and self._free(x, y, z, right, back, top, piece.fragile):
                    yield at, turned

    def _free(self, x: int, y: int, z: int, right: int, back: int, top: int, fragile: bool) -> bool:
        for p in self.placed:
            if x < p.right and right > p.x and y < p.back and back > p.y:
                if z < p.top and top > p.z:
                    return False
                if (p.fragile and p.top <= z) or (fragile and top <= p.z):
                    return False
        return True

    def _put(self, piece: Piece, at: _Point, turned: Sides) -> None:
        x, y, z = at
        right, back, top = x + turned[0], y + turned[1], z + turned[2]
        self.placed.append(Placed(x, y, z, right, back, top, piece.fragile))
        corners = ((right, y, z), (x, back, z), (x, y, top))
        found = dict.fromkeys(self._points)
        for corner in corners:
            found[corner] = None
            for axis in range(3):
                if corner[axis]:
                    found[self._dropped(corner, axis)] = None
        del found[at]
        self._points = [
            p for p in found
            if not (x <= p[0] < right and y <= p[1] < back and z <= p[2] < top)
        ]  # fmt: skip

    def _dropped(self, corner: _Point, axis: int) -> _Point:
        """A corner moved along an axis until it meets a piece or the carton."""
        one, two = (axis + 1) % 3, (axis + 2) % 3
        stop = 0
        for p in self.placed:
            if (
                stop < p[3 + axis] <= corner[axis]
                and p[one] <= corner[one] < p[3 + one]
                and p[two] <= corner[two] < p[3 + two]
            ):
                stop = p[3 + axis]
        moved = [*corner]
        moved[axis] = stop
        return (moved[0], moved[1], moved[2])

    def copy(self) -> Filling:
        """The same state, to go on from twice."""
        other = Filling(self.carton)
        other.placed, other._points = [*self.placed], [*self._points]
        return other


@lru_cache(maxsize=4_096)
def _turns(piece: Piece) -> tuple[Sides, ...]:
    """Its orientations as (length, width, height), without repeats."""
    a, b, c = piece.length, piece.width, piece.height
    if piece.upright:
        return tuple(dict.fromkeys([(a, b, c), (b, a, c)]))
    turns = [(a, b, c), (b, a, c), (a, c, b), (c, a, b), (b, c, a), (c, b, a)]
    return tuple(dict.fromkeys(turns))


@lru_cache(maxsize=65_536)
def fits(pieces: tuple[Piece, ...], carton: Sides) -> bool:
    """Whether all pieces go into a carton together.

    Args:
        pieces: sorted, so that equal contents are remembered.
    """
    if sum([p.volume for p in pieces]) > carton[0] * carton[1] * carton[2]:
        return False
    if any(not _goes_in(piece, carton) for piece in pieces):
        return False
    if len(pieces) == 1:
        return True
    for order in _orders(pieces):
        for rule in _RULES:
            filling = Filling(carton)
            if all(filling.add(piece, rule) for piece in order):
                return True
    return len(pieces) <= SEARCHED and _searched(pieces, carton)


def _goes_in(piece: Piece, carton: Sides) -> bool:
    return any(a <= carton[0] and b <= carton[1] and c <= carton[2] for a, b, c in _turns(piece))


def _orders(pieces: tuple[Piece, ...]) -> Iterator[Sequence[Piece]]:
    """Orders to try, the most promising first; all of them where they are few."""
    keys: tuple[Callable[[Piece], object], ...] = (
        lambda p: (-p.volume, p),
        lambda p: (-max(p[:3]), -p.volume, p),
        lambda p: (-p.volume // max(1, min(p[:3])), p),
        lambda p: (-min(p[:3]), -p.volume, p),
        lambda p: (p.fragile, -p.volume, p),
    )
    seen: dict[tuple[Piece, ...], None] = {}
    for key in keys:
        seen[tuple(sorted(pieces, key=key))] = None  # type: ignore[arg-type]
    if len(pieces) <= ALL_ORDERS:
        seen |= dict.fromkeys(permutations(pieces))
    return iter(seen)


def _searched(pieces: tuple[Piece, ...], carton: Sides) -> bool:
    """Depth first over places and turns, the largest piece first, within a limit of steps."""
    order = sorted(pieces, key=lambda p: (-p.volume, p))
    left = SEARCH_STEPS

    def go_on(filling: Filling, at: int) -> bool:
        nonlocal left
        if at == len(order):
            return True
        places = sorted(filling._places(order[at]), key=lambda place: _lowest(*place))
        for point, turned in places:
            left -= 1
            if left < 0:
                return False
            further = filling.copy()
            further._put(order[at], point, turned)
            if go_on(further, at + 1):
                return True
        return False

    return go_on(Filling(carton), 0)
