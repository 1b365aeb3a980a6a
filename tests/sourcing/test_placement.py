"""Pieces are really placed: inside, apart, upright, nothing on what is fragile; and no carton is
larger than another packer needs."""

from __future__ import annotations

from itertools import combinations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packvium import Container, Dimensions, EffortBudget, Item, Packer, PackingConfig

from sourcing import PackItem, pack
from sourcing.placement import Filling, Piece, fits

CARTONS = ((2_286, 1_524, 762), (3_048, 2_286, 1_524), (4_064, 3_048, 2_032), (6_096, 4_572, 4_572))
BUDGET = EffortBudget(max_candidates_evaluated=20_000)  # type: ignore[call-arg]
EFFORT = PackingConfig.balanced(time_limit_ms=60_000, effort_budget=BUDGET)
PIECES = st.lists(
    st.builds(
        Piece,
        length=st.integers(100, 3_000),
        width=st.integers(100, 2_500),
        height=st.integers(50, 2_000),
        upright=st.booleans(),
        fragile=st.booleans(),
    ),
    min_size=1,
    max_size=9,
)


@settings(deadline=None)
@given(pieces=PIECES, carton=st.sampled_from(CARTONS))
def test_placed_pieces_are_inside_apart_upright_and_nothing_stands_on_fragile_ones(
    pieces: list[Piece], carton: tuple[int, int, int]
) -> None:
    filling = Filling(carton)
    placed = [piece for piece in pieces if filling.add(piece)]
    assert len(placed) == len(filling.placed)
    for piece, at in zip(placed, filling.placed, strict=True):
        sides = (at.right - at.x, at.back - at.y, at.top - at.z)
        assert sorted(sides) == sorted(piece[:3])
        assert not piece.upright or sides[2] == piece.height
        assert min(at[:3]) >= 0
        assert all(end <= side for end, side in zip(at[3:6], carton, strict=True))
    for a, b in combinations(filling.placed, 2):
        side_by_side = a.x >= b.right or b.x >= a.right or a.y >= b.back or b.y >= a.back
        assert side_by_side or a.z >= b.top or b.z >= a.top
        if not side_by_side:
            lower = a if a.top <= b.z else b
            assert not lower.fragile


@pytest.mark.parametrize("chunk", range(5))
def test_no_carton_is_larger_than_another_packer_needs(chunk: int) -> None:
    dice = Random(chunk)
    for number in range(30):
        pieces = tuple(sorted(_piece(dice) for _ in range(dice.randrange(2, 9))))
        ours = next((n for n, carton in enumerate(CARTONS) if fits(pieces, carton)), len(CARTONS))
        smaller = [n for n in range(ours) if _theirs(pieces, CARTONS[n])]
        assert not smaller, (chunk, number)


def _piece(dice: Random) -> Piece:
    sides = (dice.randrange(200, 2_400), dice.randrange(200, 1_800), dice.randrange(100, 1_300))
    length, width, height = sorted(sides, reverse=True)
    return Piece(length, width, height)


def _theirs(pieces: tuple[Piece, ...], carton: tuple[int, int, int]) -> bool:
    def millimetres(sides: tuple[int, ...]) -> Dimensions:
        length, width, height = (str(side / 10) for side in sides)
        return Dimensions.mm(length, width, height)

    items = [Item.create(f"i{n}", millimetres(p[:3]), quantity=1) for n, p in enumerate(pieces)]
    box = Container.create("c", millimetres(carton), quantity=1)
    result = Packer(EFFORT).pack(items=items, containers=[box])
    return bool(result.status.value == "feasible" and not result.unpacked)


def test_a_full_carton_is_found() -> None:
    eighths = tuple(Piece(1_000, 800, 600) for _ in range(8))
    assert fits(eighths, (2_000, 1_600, 1_200))
    assert not fits((*eighths, Piece(10, 10, 10)), (2_000, 1_600, 1_200))


def test_this_side_up_and_fragile_may_need_a_larger_carton() -> None:
    tall = PackItem(0, 1, 1, 300, 300, 1_200)
    assert pack([tall], CARTONS)[0][:3] == CARTONS[0]
    assert pack([tall._replace(this_side_up=True)], CARTONS)[0][:3] == CARTONS[1]

    flat = PackItem(0, 2, 1, 2_000, 1_400, 350)
    assert pack([flat], CARTONS)[0][:3] == CARTONS[0]
    fragile = pack([flat._replace(fragile=True)], CARTONS)
    assert fragile[0][:3] > CARTONS[0]
