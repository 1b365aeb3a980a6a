"""Packing: the smallest carton that holds the items, and what happens without one."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sourcing import FreightNeeded, PackItem, pack
from sourcing.packing import MAX_PARCEL_MG, MAX_PARCELS

SMALL, MEDIUM, LARGE = (2_000, 1_500, 1_000), (3_000, 2_500, 2_000), (5_000, 4_000, 3_000)
CARTONS = (LARGE, SMALL, MEDIUM)


def units(key: int, quantity: int = 1, side: int = 500, **more: bool) -> PackItem:
    return PackItem(key, quantity, 100_000, side, side, side, **more)


def test_the_smallest_carton_that_holds_everything_is_taken() -> None:
    (box,) = pack([units(0, 4)], CARTONS)
    assert box[:3] == SMALL
    assert box.weight_mg == 400_000


def test_a_long_item_needs_a_carton_with_a_long_side() -> None:
    (box,) = pack([PackItem(0, 1, 1, 100, 2_900, 100)], CARTONS)
    assert box[:3] == MEDIUM


def test_more_than_one_parcel_is_used_when_one_is_too_small() -> None:
    boxes = pack([units(0, 30, side=1_900)], CARTONS)
    assert len(boxes) > 1
    assert sum(n for b in boxes for _, n in b.contents) == 30


def test_what_ships_alone_gets_a_parcel_per_unit_in_its_own_packaging() -> None:
    boxes = pack([units(0, 2, side=700, ships_alone=True), units(1)], CARTONS)
    assert [b[:3] for b in boxes[:2]] == [(700, 700, 700)] * 2
    assert len(boxes) == 3


def test_hazardous_goods_never_share_a_parcel() -> None:
    boxes = pack([units(0, hazmat=True), units(1), units(2, hazmat=True)], CARTONS)
    assert sorted(tuple(k for k, _ in b.contents) for b in boxes) == [(0, 2), (1,)]


def test_without_cartons_the_box_is_as_high_as_the_volume_asks() -> None:
    (box,) = pack([PackItem(0, 3, 10, 300, 200, 100)], ())
    assert box[:3] == (300, 200, 300)


def test_items_without_dimensions_are_priced_by_weight() -> None:
    (box,) = pack([PackItem(0, 3, 10)], CARTONS)
    assert box[:4] == (0, 0, 0, 30)


def test_an_item_that_no_carton_takes_ships_in_its_own_packaging() -> None:
    boxes = pack([PackItem(0, 1, 5, 100, 9_000, 200), units(1)], CARTONS)
    assert (9_000, 200, 100) in [b[:3] for b in boxes]


def test_a_parcel_stays_under_the_carriers_weight_limit() -> None:
    half = MAX_PARCEL_MG // 2
    boxes = pack([PackItem(0, 5, half, 10, 10, 10)], CARTONS)
    assert [b.weight_mg <= MAX_PARCEL_MG for b in boxes] == [True] * 3


def test_hundreds_of_parcels_are_freight() -> None:
    with pytest.raises(FreightNeeded):
        pack([units(0, MAX_PARCELS + 1, ships_alone=True)], CARTONS)
    with pytest.raises(FreightNeeded):
        pack([PackItem(0, 100_000, MAX_PARCEL_MG, 10, 10, 10)], CARTONS)


ITEMS = st.lists(
    st.builds(
        PackItem,
        key=st.integers(0, 3),
        quantity=st.integers(1, 12),
        weight_mg=st.integers(0, 20_000_000),
        length=st.integers(0, 6_000),
        width=st.integers(0, 3_000),
        height=st.integers(0, 3_000),
        hazmat=st.booleans(),
        ships_alone=st.booleans(),
    ),
    max_size=5,
)


@given(items=ITEMS, cartons=st.sampled_from([(), CARTONS, (MEDIUM,)]))
def test_every_unit_is_packed_once_and_the_answer_is_always_the_same(
    items: list[PackItem], cartons: tuple[tuple[int, int, int], ...]
) -> None:
    boxes = pack(items, cartons)
    wanted: Counter[int] = Counter()
    for item in items:
        wanted[item.key] += item.quantity
    packed: Counter[int] = Counter()
    for box in boxes:
        packed.update(dict(box.contents))
    assert packed == wanted
    assert sum(b.weight_mg for b in boxes) == sum(i.weight_mg * i.quantity for i in items)
    assert pack(items, tuple(reversed(cartons))) == boxes
