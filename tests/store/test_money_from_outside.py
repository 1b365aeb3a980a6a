"""What vendors and banks say of money, kept once, on both databases."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import insert

from domain.disputes import Dispute
from domain.reconciliation import Difference, Entry, stream_of
from domain.refunds import RefundSum
from finance.reconciliation import compare
from store import disputes, events, reconciliations, recoveries, refunds
from store import tables as t
from store.database import Database

DAY = date(2026, 3, 2)
AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
NEXT = AT + timedelta(days=1)
ORDER = "order:shop:1"


def refund(key: str, minor: int = 500) -> Entry:
    return Entry(kind="refund", external_id=key, minor=minor, currency="USD", at=AT)


def test_a_statement_is_kept_page_by_page_and_the_same_page_again_changes_nothing(
    db: Database,
) -> None:
    look = f"{stream_of(DAY)}/run/1/stripe"
    with db.write() as connection:
        for _ in range(2):
            reconciliations.stage(connection, look, [refund("a"), refund("b")])
        reconciliations.stage(connection, look, [refund("b", 700)])
        reconciliations.stage(connection, f"{stream_of(DAY)}/run/1/other", [refund("c")])
        odd = Difference(kind="refund", nature="unreadable", subject="x", because="b")
        for name in ("suspects", "unreadable"):
            reconciliations.note(connection, f"{look}/{name}", [odd, odd])
        assert [e.minor for e in reconciliations.staged(connection, look)] == [500, 700]
        reconciliations.drop(connection, look, refund("a"))
        assert len(reconciliations.staged(connection, look)) == 1
        reconciliations.unstage_read(connection, DAY, "stripe")
        assert reconciliations.staged(connection, look) == []
        assert reconciliations.noted(connection, f"{look}/unreadable") == []
        assert reconciliations.noted(connection, f"{look}/suspects") == [odd]
        assert len(reconciliations.staged(connection, f"{stream_of(DAY)}/run/1/other")) == 1


def test_a_day_has_one_result_whoever_looks_how_often(db: Database) -> None:
    found = compare([refund("a"), refund("b")], [refund("b", 450)], AT, NEXT)
    with db.write() as connection:
        assert reconciliations.record(connection, DAY, "stripe", found, 2, NEXT) == (2, 0)
        assert reconciliations.record(connection, DAY, "stripe", found, 2, NEXT) == (2, 0)
        (look,) = reconciliations.looks(connection, DAY)
        assert [x.untied_minor for x in reconciliations.totals_of(look)] == [0]
        names = [e["type"] for e in events.history(connection, stream_of(DAY))]
        assert len(names) == 2, "found again is not told again"
        less = compare([refund("b")], [refund("b", 450)], AT, NEXT)
        assert reconciliations.record(connection, DAY, "stripe", less, 1, NEXT) == (1, 1)
        assert reconciliations.record(connection, DAY, "stripe", found, 2, NEXT) == (2, 0)
        assert {r.state for r in reconciliations.differences(connection, DAY)} == {"open"}


@pytest.mark.parametrize("state", ["open", "lost", "won"])
def test_what_a_bank_has_taken_back_is_not_there_to_be_paid(db: Database, state: str) -> None:
    told = Dispute.model_validate(
        {"id": "dp_1", "payment": "pi_1", "amount_minor": 800, "currency": "USD",
         "state": "open", "opened_at": AT}
    )  # fmt: skip
    with db.write() as connection:
        connection.execute(
            insert(t.payments).values(
                order_id=ORDER, connector="stripe", reference="pi_1", authorized_minor=1_000,
                captured_minor=1_000, refunded_minor=0, uncharged="{}", currency="USD",
            )
        )  # fmt: skip
        assert disputes.take(connection, "stripe", told, "webhook", AT)
        assert not disputes.take(connection, "stripe", told, "file.csv", AT)
        after = told.model_copy(update={"state": state})
        assert disputes.take(connection, "stripe", after, "webhook", AT) == (state != "open")
        assert not disputes.take(connection, "stripe", told, "webhook", AT), "told late"
        wanted = refunds.ask(
            connection, ORDER, "goodwill", RefundSum(other_minor=300), "USD", "d", "b", AT,
            held=False,
        )  # fmt: skip
        if state == "won":
            assert refunds.begin(connection, wanted, AT) is not None
            return
        with pytest.raises(refunds.OverCaptured, match="more than the 200"):
            refunds.begin(connection, wanted, AT)
        assert [d.id for d in disputes.listed(connection, ("open", "lost"))] == ["dp_1"]


def test_what_a_bank_has_of_a_charge_that_took_a_refund_back_takes_nothing_of_the_order(
    db: Database,
) -> None:
    told = Dispute.model_validate(
        {"id": "dp_2", "payment": "pi_again", "amount_minor": 400, "currency": "USD",
         "state": "open", "opened_at": AT}
    )  # fmt: skip
    mine = "return:shop:1:1/recovery"
    with db.write() as connection:
        connection.execute(
            insert(t.payments).values(
                order_id=ORDER, connector="stripe", reference="pi_1", authorized_minor=1_000,
                captured_minor=1_000, refunded_minor=400, uncharged="{}", currency="USD",
            )
        )  # fmt: skip
        connection.execute(
            insert(t.recoveries).values(
                id=mine, return_id="return:shop:1:1", order_id=ORDER, state="requested",
                amount_minor=400, currency="USD", body="{}", requester="kim", requested_at=AT,
            )
        )  # fmt: skip
        assert recoveries.begin(connection, mine, "stripe", AT).state == "requested"
        assert recoveries.begin(connection, mine, "stripe", AT).state == "pending"
        for _ in range(2):  # a repeat changes nothing
            recoveries.settle(connection, mine, "pi_again", "system", AT)
        recoveries.fail(connection, mine, AT)
        recoveries.write_off(connection, mine, "dana", "", AT)
        assert recoveries.get(connection, mine).state == "settled"
        assert disputes.take(connection, "stripe", told, "webhook", AT)
        (kept,) = disputes.listed(connection)
        assert kept.order_id == ORDER
        assert disputes.taken_back_minor(connection, ORDER) == 0
    with db.read() as connection:
        names = [e["type"].split(".", 1)[1] for e in events.history(connection, ORDER)]
        assert names == ["recovery.started.v1", "recovery.settled.v1", "payment.disputed.v1"]
