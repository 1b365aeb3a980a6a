"""What differs between two statements, and that it explains all of the money."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.reconciliation import NATURES, Difference, Entry
from finance.reconciliation import _REMEDY, compare, remedy

DAY = datetime(2026, 1, 5, tzinfo=UTC)
END = DAY + timedelta(days=1)


def entry(key: str, **more: object) -> Entry:
    values = {"kind": "refund", "external_id": key, "reference": f"r{key}", "minor": 500,
              "currency": "USD", "at": DAY, "order_id": "order:x:1"}  # fmt: skip
    return Entry.model_validate(values | more)


def names(theirs: list[Entry], ours: list[Entry]) -> list[tuple[str, str, int]]:
    found = compare(theirs, ours, DAY, END)
    return [(d.name, d.subject, d.minor) for d in found.differences]


def test_the_same_on_both_sides_is_no_difference() -> None:
    assert names([entry("a")], [entry("a")]) == []
    assert names([entry("a", reference="")], [entry("a")]) == []
    gone = entry("a", state="cancelled")
    assert names([gone], []) == names([], [gone]) == names([gone], [gone]) == []


def test_each_nature() -> None:
    a, gone, going = entry("a"), entry("a", state="cancelled"), entry("a", state="open")
    assert names([a], []) == [("refund_unknown_here", "a", 500)]
    assert names([], [a]) == [("refund_missing_there", "ra", -500)]
    assert names([gone], [a]) == [("refund_cancelled_there", "a", -500)]
    assert names([a], [gone]) == [("refund_stands_there", "a", 500)]
    assert names([a], [going]) == [("refund_done_there", "a", 0)]
    assert names([going], [a]) == [("refund_not_done_there", "a", 0)]
    assert names([entry("a", minor=700)], [a]) == [("refund_amount", "a", 200)]
    assert names([entry("a", units={"x": 1})], [entry("a", units={"x": 2})]) == [
        ("refund_units", "a", 0)
    ]
    assert names([entry("a", units={"x": 1})], [a]) == [], "units that are not known differ not"


def test_money_of_two_currencies_is_two_differences() -> None:
    found = compare([entry("a", currency="EUR")], [entry("a")], DAY, END)
    assert [(d.nature, d.minor, d.currency) for d in found.differences] == [
        ("unknown_here", 500, "EUR"), ("missing_there", -500, "USD"),
    ]  # fmt: skip
    assert [t.untied_minor for t in found.totals] == [0, 0]


def test_a_second_one_of_a_reference_is_told_apart_from_the_one_that_stands() -> None:
    failed, paid = entry("1", reference="r", state="cancelled"), entry("2", reference="r")
    ours = entry("1", reference="r")
    assert names([failed, paid], [ours]) == [], "the first failed, the second is the one"
    both = [entry("1", reference="r"), paid]
    assert names(both, [ours]) == [("refund_twice", "2", 500)]
    assert names(both, [entry("", reference="r")]) == [("refund_twice", "2", 500)]


def test_only_the_day_counts() -> None:
    late = {"at": END}
    assert names([entry("a", **late)], []) == names([], [entry("a", **late)]) == []
    early = entry("a", minor=1)
    assert names([entry("a", **late)], [early]) == [("refund_amount", "a", 499)], "ours says when"
    assert names([entry("a")], [early.model_copy(update=late)]) == [], "it is told once"
    assert names([entry("a")], [early.model_copy(update={"at": None})]) != []


def test_what_to_do_is_said_of_every_difference() -> None:
    for name in _REMEDY:
        kind, _, nature = name.partition("_")
        assert nature in NATURES, name
        told = Difference.model_validate(
            {"kind": kind, "nature": nature, "subject": "x", "because": "b"}
        )
        assert remedy(told) == _REMEDY[name]


entries = st.lists(
    st.builds(
        entry, st.sampled_from("abcd"), reference=st.sampled_from(["", "r", "s"]),
        kind=st.sampled_from(["refund", "label"]), minor=st.integers(0, 3),
        currency=st.sampled_from(["USD", "EUR"]),
        state=st.sampled_from(["open", "done", "cancelled"]),
        at=st.sampled_from([DAY, END]),
    ),
    max_size=8,
)  # fmt: skip


@given(theirs=entries, ours=entries)
def test_differences_explain_all_of_the_money(theirs: list[Entry], ours: list[Entry]) -> None:
    found = compare(theirs, ours, DAY, END)
    assert all(total.untied_minor == 0 for total in found.totals)
    last = {(e.kind, e.external_id): e for e in theirs}  # told twice, the later one counts
    standing = {key for key, e in last.items() if e.state != "cancelled" and e.at == DAY}
    if not ours:
        assert {(d.kind, d.subject) for d in found.differences} >= standing
    keys = [(d.kind, d.nature, d.subject) for d in found.differences]
    assert len(keys) == len(set(keys)), "each has a place of its own in the store"


@given(same=entries)
def test_whatever_is_the_same_differs_in_nothing(same: list[Entry]) -> None:
    one = {(e.kind, e.external_id): e for e in same}
    unique = {(e.kind, e.reference or e.external_id): e for e in one.values()}
    assert compare([*unique.values()], [*unique.values()], DAY, END).differences == ()
