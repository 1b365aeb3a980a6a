"""Refunds never come to more than was captured, in whatever order things happen."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert, select

from domain.refunds import RefundSum
from domain.states import IllegalTransition
from store import events, refunds
from store import tables as t
from store.database import Database

NOW = datetime(2026, 3, 2, tzinfo=UTC)
ORDER = "order:shop:1"
CAPTURED = 10_000


def made(db: Database) -> Database:
    with db.write() as connection:
        connection.execute(
            insert(t.payments).values(
                order_id=ORDER, connector="stripe", reference="pi_1", authorized_minor=CAPTURED,
                captured_minor=CAPTURED, refunded_minor=0, uncharged="{}", currency="USD",
            )
        )  # fmt: skip
    return db


def ask(connection: Connection, minor: int, *, held: bool = False) -> str:
    amount = RefundSum(other_minor=minor)
    return refunds.ask(connection, ORDER, "goodwill", amount, "USD", "d", "b", NOW, held=held)


def refunded(db: Database) -> int:
    with db.read() as connection:
        return int(connection.execute(select(t.payments.c.refunded_minor)).scalar_one())


def test_only_what_is_settled_moves_the_totals_and_once(db: Database) -> None:
    made(db)
    with db.write() as connection:
        one = ask(connection, 4_000, held=True)
        assert refunds.get(connection, one).state == "awaiting_approval"
        assert refunds.promised_minor(connection, ORDER) == 4_000
        refunds.begin(connection, one, NOW)
        refunds.begin(connection, one, NOW)  # a repeat
    assert refunded(db) == 0
    with db.write() as connection:
        refunds.fail(connection, one, NOW)
        refunds.begin(connection, one, NOW)
        refunds.settle(connection, one, "re_1", NOW)
        refunds.settle(connection, one, "re_1", NOW)
        refunds.fail(connection, one, NOW)  # late news of an earlier attempt
        refunds.end(connection, one, "too late", NOW)
        row = refunds.get(connection, one)
        told = [e["type"].split(".")[2] for e in events.history(connection, ORDER)]
    assert (row.state, row.external_id, refunded(db)) == ("settled", "re_1", 4_000)
    assert told == ["requested", "held", "started", "failed", "started", "settled"]


def test_more_than_is_left_never_reaches_the_bank(db: Database) -> None:
    made(db)
    with db.write() as connection:
        first, second = ask(connection, 6_000), ask(connection, 4_001)
        refunds.begin(connection, first, NOW)
    with pytest.raises(refunds.OverCaptured, match="4001 is more than the 4000"):  # noqa: SIM117
        with db.write() as connection:
            refunds.begin(connection, second, NOW)
    with db.write() as connection:
        assert refunds.get(connection, second).state == "requested"
        refunds.fail(connection, first, NOW)
        refunds.begin(connection, second, NOW)


def test_what_a_person_has_dealt_with_is_not_asked_for_again(db: Database) -> None:
    made(db)
    with db.write() as connection:
        one = ask(connection, 2_000)
        refunds.end(connection, one, "paid by hand", NOW)
        assert refunds.promised_minor(connection, ORDER) == 0
        assert refunds.asked_minor(connection, ORDER, "goodwill") == 2_000
        assert refunds.asked_minor(connection, ORDER, "cancelled") == 0


def test_those_that_race_for_the_same_money(db: Database) -> None:
    made(db)
    with db.write() as connection:
        ids = [ask(connection, 3_000) for _ in range(8)]

    def pay(refund_id: str) -> int:
        try:
            with db.write() as connection:
                refunds.begin(connection, refund_id, NOW)
            with db.write() as connection:
                refunds.settle(connection, refund_id, f"re_{refund_id}", NOW)
        except refunds.OverCaptured:
            return 0
        return 1

    with ThreadPoolExecutor(8) as threads:
        done = sum(threads.map(pay, [*ids, *ids]))
    assert refunded(db) == 9_000
    assert done == 6  # three were paid, and each was asked for twice


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "begin", "settle", "fail", "end"]), st.integers(0, 5),
        st.integers(1, 7_000),
    ),
    max_size=30,
)  # fmt: skip


@given(_STEPS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_happens_totals_are_the_settled_ones_and_within_the_captured(
    steps: list[tuple[str, int, int]],
) -> None:
    with TemporaryDirectory() as folder:
        db = Database(f"sqlite:///{Path(folder) / 'x.db'}")
        db.create()
        made(db)
        ids: list[str] = []
        for what, which, minor in steps:
            try:
                with db.write() as connection:
                    if what == "ask":
                        ids.append(ask(connection, minor))
                    elif ids:
                        of = ids[which % len(ids)]
                        if what == "settle":
                            refunds.settle(connection, of, "re", NOW)
                        elif what == "end":
                            refunds.end(connection, of, "r", NOW)
                        else:
                            deed = refunds.begin if what == "begin" else refunds.fail
                            deed(connection, of, NOW)
            except (refunds.OverCaptured, IllegalTransition):
                continue
            with db.read() as connection:
                rows = refunds.of_order(connection, ORDER)
            settled = sum(r.amount_minor for r in rows if r.state == "settled")
            under_way = sum(r.amount_minor for r in rows if r.state == "pending")
            assert refunded(db) == settled
            assert settled + under_way <= CAPTURED
        db.close()
