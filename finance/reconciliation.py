"""Compares what a vendor has of a day with what we have, thing by thing and to the cent.

A thing is known by the vendor's ID, else by our reference, which the vendor was given. Each that
one side has alone, or that both have otherwise, is a difference with the money that it makes; what
the vendor counts less what we count is the sum of them, which is checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from domain.reconciliation import Compared, Difference, Entry, EntryKind, Nature, Total
from domain.units import format_money

_NEVER = datetime.min.replace(tzinfo=UTC)
_THING: dict[EntryKind, str] = {
    "order": "order", "confirmation": "shipment confirmation", "fulfillment": "fulfillment order",
    "label": "label", "capture": "capture", "refund": "refund", "dispute": "dispute",
}  # fmt: skip
_SAYS: dict[Nature, str] = {
    "unknown_here": "the vendor has {thing} {id}{money}, which is unknown here",
    "missing_there": "{thing} {id}{money} is unknown at the vendor",
    "cancelled_there": "{thing} {id} is cancelled at the vendor, here it stands{money}",
    "stands_there": "{thing} {id} stands at the vendor{money}, here it is cancelled",
    "done_there": "{thing} {id} is done at the vendor, here it is not yet",
    "not_done_there": "{thing} {id} is done here, at the vendor it is not",
    "amount": "{thing} {id} is {theirs} at the vendor, {ours} here",
    "units": "{thing} {id} has {their_units} at the vendor, {our_units} here",
    "twice": "{thing} {id}{money} is a second one of {reference}",
    "unreadable": "{thing} {id} cannot be read",
}
# What follows from it for whoever has to mend it: first what to look at, then what to do.
_REMEDY: dict[str, str] = {
    "order_unknown_here": "see whether its import was refused; else have the shop send it again",
    "order_missing_there": "ask the shop why it deleted it; cancel it here if nobody wants it",
    "order_cancelled_there": "cancel it here before it leaves: `meshline order cancel`",
    "order_stands_there": "cancel it at the shop, and see that the customer is paid back",
    "order_amount": "compare the order at the shop: it was changed after we took it",
    "order_units": "compare what left with what the shop was told",
    "confirmation_unknown_here": "somebody shipped it at the shop: see that it does not ship twice",
    "confirmation_missing_there": "mark it as shipped at the shop, with its tracking number",
    "confirmation_twice": "take the second one back at the shop",
    "fulfillment_unknown_here": "cancel it at the node if nobody of us ordered it",
    "fulfillment_missing_there": "submit it again: cancel and re-route it here",
    "fulfillment_cancelled_there": "re-route or cancel it here: the node will not ship it",
    "fulfillment_stands_there": "cancel it at the node before it ships",
    "fulfillment_done_there": "see why its shipment was not told; the node's webhook or poll lags",
    "fulfillment_not_done_there": "ask the node whether the parcel really left",
    "fulfillment_units": "count what left; correct stock and tell the customer",
    "fulfillment_twice": "cancel the second one at the node before it ships",
    "label_unknown_here": "void it at the carrier, or claim it on the next invoice",
    "label_missing_there": "do not use the label: buy another one",
    "label_cancelled_there": "the label is void: buy another one before the parcel leaves",
    "label_stands_there": "void it at the carrier, or claim it on the next invoice",
    "label_amount": "the invoice will have the carrier's price: compare its rate card",
    "label_twice": "void the second one at the carrier",
    "capture_unknown_here": "find whose payment it is; pay it back if nothing was sold for it",
    "capture_missing_there": "the money was never taken: take it there, or stop the order",
    "capture_amount": "pay back what is too much, or capture what is missing",
    "refund_unknown_here": "find who paid it, and explain it; pay no more of that order till then",
    "refund_missing_there": "it was never paid: `meshline refund retry`",
    "refund_cancelled_there": "the bank sent it back: pay it another way",
    "refund_stands_there": "it was paid all the same: do not pay it again",
    "refund_done_there": "it is paid: see why it is not settled here",
    "refund_not_done_there": "wait for the bank; if it fails, pay it another way",
    "refund_amount": "pay the rest (`meshline refund give`), or explain what is too much",
    "refund_twice": "the customer was paid twice: ask for one of them back",
    "dispute_unknown_here": "import it: `meshline dispute import`, and answer it in time",
    "dispute_missing_there": "the bank has none: import it as won (`meshline dispute import`)",
    "dispute_done_there": "it is decided: import its outcome (`meshline dispute import`)",
    "dispute_amount": "import the bank's amount (`meshline dispute import`)",
}  # fmt: skip


def remedy(found: Difference) -> str:
    """What to do about it."""
    return _REMEDY.get(found.name, "compare both sides, and correct the one that is wrong")


def compare(
    theirs: Sequence[Entry], ours: Sequence[Entry], since: datetime, until: datetime
) -> Compared:
    """Compare entries of one vendor.

    Args:
        theirs: what it has, from a little before the day until a little after it.
        ours: what we have of the day, and whatever of ours is among theirs.
        since, until: the day; what neither side dates in it is another day's.
    """
    totals: dict[tuple[EntryKind, str], list[int]] = {}
    found: list[Difference] = []
    for our, their, second in _pairs(theirs, ours):
        if not since <= _dated(our, their) < until:
            continue
        for side, entry in enumerate((their, our)):
            if entry is not None and entry.state != "cancelled":
                sums = totals.setdefault((entry.kind, entry.currency), [0] * 5)
                sums[side] += 1
                sums[2 + side] += entry.counted_minor
        for difference in _differences(our, their, second=second):
            found.append(difference)
    for difference in found:
        sums = totals.setdefault((difference.kind, difference.currency), [0] * 5)
        sums[4] += difference.minor
    return Compared(
        differences=tuple(found),
        totals=tuple(
            Total(
                kind=kind, currency=currency, theirs=a, ours=b, theirs_minor=c, ours_minor=d,
                differences_minor=e,
            )
            for (kind, currency), (a, b, c, d, e) in sorted(totals.items())
        ),
    )  # fmt: skip


def _dated(our: Entry | None, their: Entry | None) -> datetime:
    """Whose day it is of: ours where we know, for a vendor may date it on the other side of
    midnight, and it is to be told once."""
    return (our.at if our else None) or (their.at if their else None) or _NEVER


def _pairs(
    theirs: Sequence[Entry], ours: Sequence[Entry]
) -> Iterable[tuple[Entry | None, Entry | None, bool]]:
    """(ours, theirs, whether theirs is a second one of ours)."""
    by_id = {(o.kind, o.external_id): o for o in ours if o.external_id}
    by_reference = {(o.kind, o.reference): o for o in ours if o.reference}
    groups: dict[tuple[EntryKind, str], list[Entry]] = {}
    for entry in {(x.kind, x.external_id): x for x in theirs}.values():
        mine = by_id.get((entry.kind, entry.external_id)) or by_reference.get(
            (entry.kind, entry.reference)
        )
        name = _name(mine) if mine else f"?{entry.external_id}"
        groups.setdefault((entry.kind, name), []).append(entry)
    for mine in {(o.kind, _name(o)): o for o in ours}.values():
        group = _likeliest_first(mine, groups.pop((mine.kind, _name(mine)), []))
        yield mine, group[0] if group else None, False
        for second in group[1:]:
            yield None, second, True
    for group in groups.values():
        for entry in group:
            yield None, entry, False


def _likeliest_first(mine: Entry, group: list[Entry]) -> list[Entry]:
    """Of several with one reference, that comes first which stands as ours does, and whose ID we
    know."""
    stands = mine.state != "cancelled"
    return sorted(
        group,
        key=lambda x: (
            stands and x.state == "cancelled", x.external_id != mine.external_id, x.external_id,
        ),
    )  # fmt: skip


def _name(entry: Entry) -> str:
    return entry.reference or entry.external_id


def _differences(our: Entry | None, their: Entry | None, *, second: bool) -> Iterable[Difference]:
    if our is None or their is None:
        alone = our or their
        if alone is not None and alone.state != "cancelled":
            nature: Nature = "missing_there" if our else "twice" if second else "unknown_here"
            yield _difference(nature, our, their)
    elif their.state == "cancelled":
        if our.state != "cancelled":
            yield _difference("cancelled_there", our, their)
    elif our.state == "cancelled":
        yield _difference("stands_there", our, their)
    elif our.currency != their.currency:  # money of two currencies has no difference
        yield _difference("unknown_here", None, their)
        yield _difference("missing_there", our, None)
    else:
        yield from _both_stand(our, their)


def _both_stand(our: Entry, their: Entry) -> Iterable[Difference]:
    if our.minor != their.minor:
        yield _difference("amount", our, their)
    if our.state != their.state:
        yield _difference(
            "done_there" if their.state == "done" else "not_done_there", our, their, minor=0
        )
    elif None not in (our.units, their.units) and our.units != their.units:
        yield _difference("units", our, their, minor=0)


def _difference(
    nature: Nature, our: Entry | None, their: Entry | None, *, minor: int | None = None
) -> Difference:
    """A difference, with its money unless another one of the pair has it."""
    one = their or our
    assert one is not None
    standing = our if our is not None and one.state == "cancelled" else one
    counted = (their.counted_minor if their else 0) - (our.counted_minor if our else 0)
    return Difference(
        kind=one.kind,
        nature=nature,
        subject=(their.external_id if their else "") or _name(one),
        order_id=our.order_id if our else "",
        minor=counted if minor is None else minor,
        currency=standing.currency,
        because=_because(nature, our, their),
        ours=our,
        theirs=their,
    )


def _because(nature: Nature, our: Entry | None, their: Entry | None) -> str:
    one = their or our
    assert one is not None
    standing = next((x for x in (their, our) if x is not None and x.counted_minor), None)
    money = f" of {format_money(standing.minor, standing.currency)}" if standing else ""
    return _SAYS[nature].format(
        thing=_THING[one.kind],
        id=(our.reference or our.external_id) if our else one.external_id,
        money=money,
        reference=one.reference or "one that we know",
        theirs=_money(their),
        ours=_money(our),
        their_units=_units(their),
        our_units=_units(our),
    )


def _money(entry: Entry | None) -> str:
    return format_money(entry.minor, entry.currency) if entry and entry.currency else "nothing"


def _units(entry: Entry | None) -> str:
    units = (entry.units if entry else None) or {}
    return ", ".join(f"{n} {sku}" for sku, n in sorted(units.items())) or "nothing"
