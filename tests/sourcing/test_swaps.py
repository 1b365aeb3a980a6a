"""Swaps pay for themselves, the stock does for each of them in turn, and nobody moves for
nothing."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sourcing.swaps import MOST_ORDERS, Change, swaps

EAST, WEST, SOUTH = ("east", "mug"), ("west", "mug"), ("south", "mug")


def change(name: str, gives: tuple[str, str], takes: tuple[str, str], saves: int) -> Change:
    return Change(name, {gives: 1}, {takes: 1}, saves)


def test_an_order_takes_what_is_free_where_that_saves_enough() -> None:
    one = change("one", EAST, WEST, 300)
    assert swaps([one], {WEST: 1}, 50) == [(one,)]
    assert swaps([one], {}, 50) == []
    assert swaps([one], {WEST: 1}, 301) == []


def test_two_orders_change_places_at_once() -> None:
    one, two = change("one", EAST, WEST, 300), change("two", WEST, EAST, 200)
    assert swaps([one, two], {}, 50) == [(one, two)]


def test_one_makes_room_at_a_loss_only_where_others_save_more() -> None:
    wins, loses = change("wins", EAST, WEST, 500), change("loses", WEST, SOUTH, -300)
    assert swaps([wins, loses], {SOUTH: 1}, 50) == [(wins, loses)]
    assert swaps([wins, loses], {SOUTH: 1}, 101) == []
    assert swaps([loses], {SOUTH: 1}, 0) == []


def test_of_those_that_could_make_room_the_one_that_loses_least_does() -> None:
    wins = change("wins", EAST, WEST, 500)
    dear, cheap = change("dear", WEST, SOUTH, -300), change("cheap", WEST, SOUTH, -100)
    assert swaps([wins, dear, cheap], {SOUTH: 9}, 50) == [(wins, cheap)]


def test_who_makes_room_is_who_needs_the_least_room_itself() -> None:
    wins = change("wins", EAST, WEST, 500)
    stuck, free = change("stuck", WEST, ("north", "mug"), 100), change("free", WEST, SOUTH, -100)
    assert swaps([wins, stuck, free], {SOUTH: 1}, 50) == [(wins, free)]


def test_what_moves_for_nothing_stays() -> None:
    one, two = change("one", EAST, WEST, 0), change("two", WEST, EAST, 0)
    assert swaps([one, two], {EAST: 5, WEST: 5}, 0) == []


def test_a_chain_that_is_too_long_is_left() -> None:
    spots = [(f"n{i:02}", "mug") for i in range(MOST_ORDERS + 2)]
    chain = [
        change(f"o{i:02}", here, there, 1_000 if not i else 0)
        for i, (here, there) in enumerate(pairwise(spots))
    ]
    assert swaps(chain, {spots[-1]: 1}, 0) == []
    (longest,) = swaps([*chain[1:MOST_ORDERS], chain[0]], {spots[MOST_ORDERS]: 1}, 0)
    assert len(longest) == MOST_ORDERS


def test_what_one_swap_frees_serves_the_next_one() -> None:
    # "first" saves most, but what it wants is free only after "second" has moved by itself
    first, second = change("first", EAST, WEST, 900), change("second", WEST, SOUTH, 100)
    found = swaps([first, second], {SOUTH: 1}, 300)
    assert [[c.order_id for c in swap] for swap in found] == [["first", "second"]]


_SPOTS = st.sampled_from([(node, sku) for node in "abc" for sku in "xy"])
_TAKES = st.dictionaries(_SPOTS, st.integers(1, 3), min_size=1, max_size=3)
_CHANGES = st.lists(st.tuples(_TAKES, _TAKES, st.integers(-500, 500)), max_size=12)


@given(_CHANGES, st.dictionaries(_SPOTS, st.integers(0, 3)), st.integers(0, 100))
def test_each_swap_is_possible_after_those_before_it_and_saves(
    drawn: list[tuple[dict[tuple[str, str], int], dict[tuple[str, str], int], int]],
    free: dict[tuple[str, str], int],
    least: int,
) -> None:
    changes = [Change(f"o{i:02}", *each) for i, each in enumerate(drawn)]
    found = swaps(changes, free, least)
    moved = [c.order_id for swap in found for c in swap]
    assert len(moved) == len(set(moved))
    left = dict(free)
    for swap in found:
        saved = sum(c.saves_minor for c in swap)
        assert saved > 0
        assert saved >= least * len(swap)
        for c in swap:
            for spot, units in c.gives.items():
                left[spot] = left.get(spot, 0) + units
        for c in swap:
            for spot, units in c.takes.items():
                left[spot] = left.get(spot, 0) - units
        assert all(units >= 0 for units in left.values())
    assert found == swaps(reversed(changes), free, least)
