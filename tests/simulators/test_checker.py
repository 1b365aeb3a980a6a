"""The judge finds each broken invariant in a small hand-made run, and nothing in a clean one."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert
from sqlmodel import SQLModel

from simulators.checker import CHECKS, judge, main
from simulators.clock import Clock
from simulators.ledger import Book
from store import tables as t
from store.database import Database
from store.finance_tables import RefundRow
from store.return_tables import InspectionRow, ReturnLineRow, ReturnRow
from store.stock_tables import LevelRow, MovementRow, PoolRow

NOW = datetime(2026, 1, 6, 12, tzinfo=UTC)
SHOP, LOST, HELD = "order:medusa:order_1", "order:shopify:2", "order:shopify:3"
CASE = f"{SHOP}/case/1"
BACK = "return:medusa:order_1:1"
PART = json.dumps({"parts": [{"line_id": "1", "quantity": 1}]})


@dataclass
class Run:
    """Our database and the vendors' ledgers, to be spoiled by a test."""

    db: Path
    simulators: Path

    def ours(self, statement: str, *values: Any) -> None:
        with sqlite3.connect(self.db) as connection:
            done = connection.execute(statement, values)
            assert done.rowcount > 0, "the test changes nothing"

    def ledger(self, vendor: str, effect: str, subject: str, reference: str, **more: Any) -> None:
        book = Book(self.simulators / f"{vendor}.db", Clock(NOW, 0.0, 1.0, lambda: 0.0))
        with book.transaction():
            book.record(effect, subject, reference, body=more.pop("body", {}), **more)
        book.close()

    def verdict(self) -> dict[str, Any]:
        return judge(self.db, self.simulators)

    def violations(self) -> list[str]:
        found: list[str] = self.verdict()["violations"]
        return found


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An order of the shop that cost much, one that was lost and sent again, one held."""
    folder = tmp_path_factory.mktemp("clean")
    database = Database(f"sqlite:///{folder / 'meshline.db'}")
    database.create()
    with database.write() as connection:
        for row in _ours():
            connection.execute(insert(t.table(type(row))).values(**row.model_dump()))
    database.close()  # writes the log back, so that a copy is one file
    return folder


@pytest.fixture
def run(clean: Path, tmp_path: Path) -> Iterator[Run]:
    (tmp_path / "meshline.db").write_bytes((clean / "meshline.db").read_bytes())
    made = Run(tmp_path / "meshline.db", tmp_path / "simulators")
    for vendor, *effect in _ledgers():
        made.ledger(vendor, *effect[:3], **effect[3])
    yield made


def _ledgers() -> Iterator[tuple[Any, ...]]:
    yield "medusa", "order_placed", "order_1", "order_1", {}
    body = {"fulfillment_id": "ful_1", "lines": {"MUG": 2}}
    yield "medusa", "fulfillment_created", "order_1", f"{SHOP}/g1f1", {"body": body}
    yield "medusa", "shipment_created", "order_1", f"{SHOP}/g1f1", {"body": body}
    paid: dict[str, Any] = {"body": {"payment_intent": "pi_1"}}
    yield "stripe", "intent_created", "pi_1", "order_1", {"amount_minor": 2000, **paid}
    yield "stripe", "captured", "pi_1", "order_1", {"amount_minor": 2000, **paid}
    yield "stripe", "refunded", "re_1", "order_1", {"amount_minor": 500, **paid}
    for effect in ("label_bought", "label_void_requested", "label_voided"):
        yield "easypost", effect, "shp_1", f"{SHOP}/g1f1/p1", {}
    for effect in ("label_bought", "scanned", "delivered"):
        yield "easypost", effect, "shp_2", f"{SHOP}/g1f1/p1-2", {}
    for effect in ("fulfillment_created", "fulfillment_cancelled"):
        yield "tryton", effect, "1", f"{SHOP}/g1f1", {"body": {"MUG": 2}}
    for effect in ("fulfillment_created", "picked", "shipped"):
        yield "tryton", effect, "2", f"{SHOP}/g1f1", {"body": {"MUG": 2}}
    for generation in (1, 2):
        for effect in ("fulfillment_created", "shipped"):
            where = f"{LOST}/g{generation}f1"
            yield "shipbob", effect, f"50000{generation}", where, {"body": {"CUP": 1}}


def _ours() -> Iterator[SQLModel]:
    for order, external, status, sku, units in (
        (SHOP, "order_1", "completed", "MUG", {"ordered": 2, "shipped": 2}),
        (LOST, "2", "completed", "CUP", {"ordered": 1, "shipped": 1}),
        (HELD, "3", "accepted", "MUG", {"ordered": 1, "allocated": 1}),
    ):
        yield t.OrderRow(
            id=order, source="x", external_id=external, number=external, channel="app",
            currency="USD", status=status, placed_at=NOW, received_at=NOW, fingerprint="f",
            body="{}", updated_at=NOW,
        )  # fmt: skip
        yield t.LineRow(
            order_id=order, line_id="1", position=0, sku=sku, requires_shipping=True,
            **{"open": 0, **units},
        )  # fmt: skip
        names = ["order.received", *(["exception.approved"] if order == SHOP else [])]
        names += ["order.completed"] if status == "completed" else []
        yield from _stream(order, names)
    for where, sku, status in (
        (f"{SHOP}/g1f1", "MUG", "delivered"),
        (f"{LOST}/g1f1", "CUP", "lost"),
        (f"{LOST}/g2f1", "CUP", "delivered"),
    ):
        yield from _fulfillment(where, sku, status)
    yield t.AllocationRow(
        id=f"{HELD}/g1f1/a0", order_id=HELD, line_id="1", fulfillment_id=f"{HELD}/g1f1",
        sku="MUG", node="dc_east", pool="vip", quantity=1, status="allocated",
    )  # fmt: skip
    yield t.HoldRow(
        id="hold/1", order_id=HELD, reason="manual", owner="finance", because="asked",
        deadline=NOW, status="active", opened_at=NOW,
    )  # fmt: skip
    yield t.CaseRow(
        id=CASE, order_id=SHOP, kind="cost_approval", exception_class="hard", owner="finance",
        deadline=NOW, status="resolved", opened_at=NOW, body=json.dumps({"requester": "riley"}),
    )  # fmt: skip
    yield t.AuditRow(
        subject=SHOP, seq=1, at=NOW, actor="dana", action="case_approve", previous="", digest="d",
        body=json.dumps({"case": CASE, "shown_hash": "abc"}),
    )  # fmt: skip
    yield t.PaymentRow(
        order_id=SHOP, connector="stripe", reference="pi_1", authorized_minor=2000,
        captured_minor=2000, refunded_minor=500, currency="USD",
    )  # fmt: skip
    yield RefundRow(
        id=f"{SHOP}/refund/1", order_id=SHOP, return_id=BACK, cause="return", state="settled",
        amount_minor=500, currency="USD", body=PART, decision_id="", because="",
        requested_at=NOW,
    )  # fmt: skip
    yield ReturnRow(
        id=BACK, order_id=SHOP, number=1, state="closed", started=True, wish="refund",
        source="cli", requester="casey", node="dc_east", requested_at=NOW, updated_at=NOW,
    )  # fmt: skip
    yield ReturnLineRow(
        return_id=BACK, line_id="1", position=0, sku="MUG", reason="color", quantity=1,
        received=1, inspected=1, accepted=1,
    )  # fmt: skip
    yield InspectionRow(
        key="i", return_id=BACK, line_id="1", sku="MUG", quantity=1, grade="new",
        disposition="restocked", user="frankie", at=NOW,
    )  # fmt: skip
    yield LevelRow(sku="MUG", node="dc_east", on_hand=9, reserved=1, pooled=3, as_of=NOW)
    yield PoolRow(sku="MUG", node="dc_east", pool="vip", allotted=4, reserved=1)
    for key, kind, pool, on_hand, reserved, allotted in (
        ("f", "feed", "", 10, 0, 0), ("a", "allot", "vip", 0, 0, 5), ("r", "reserve", "", 0, 1, 0),
        ("v", "reserve", "vip", 0, 2, 0), ("c", "consume", "", -1, -1, 0),
        ("w", "consume", "vip", -1, -1, -1), ("restock:i", "restock", "", 1, 0, 0),
    ):  # fmt: skip
        yield MovementRow(
            key=key, sku="MUG", node="dc_east", kind=kind, pool=pool, on_hand=on_hand,
            reserved=reserved, allotted=allotted, at=NOW,
        )  # fmt: skip


def _stream(stream: str, names: list[str]) -> Iterator[SQLModel]:
    yield t.StreamRow(stream=stream, seq=len(names))
    for number, name in enumerate(names, 1):
        data = {"id": CASE, "shown_hash": "abc"} if name == "exception.approved" else {}
        yield t.EventRow(
            stream=stream, seq=number, type=f"meshline.{name}.v1", at=NOW, data=json.dumps(data)
        )


def _fulfillment(where: str, sku: str, status: str) -> Iterator[SQLModel]:
    order = where.rpartition("/")[0]
    yield t.FulfillmentRow(
        id=where, order_id=order, node="dc_east", connector="tryton", carrier="UPS",
        ship_at=NOW,
        status="closed", request_status="closed", decision_id="d", generation=1, plan="{}",
        updated_at=NOW,
    )  # fmt: skip
    yield t.AllocationRow(
        id=f"{where}/a0", order_id=order, line_id="1", fulfillment_id=where, sku=sku,
        node="dc_east", quantity=1, status="consumed",
    )  # fmt: skip
    yield t.ShipmentRow(
        id=f"{where}/p1", order_id=order, fulfillment_id=where, status=status,
        tracking_status="delivered", connector="easypost", external_id="shp_2", carrier="UPS",
        service="Ground", tracking_number="1Z", currency="USD",
    )  # fmt: skip


def test_a_clean_run_has_no_violations(run: Run) -> None:
    assert run.verdict() == {
        "orders": 3, "completed": 2, "cancelled": 0, "rejected": 0, "held": 1, "waiting": 0,
        "returns": 1, "returns_over": 1, "recovered": 0, "exceptions": 1, "approvals": 1,
        "retries": 0, "compensations": 0, "labels_bought": 2,
        "labels_voided": 1, "duplicates": 0, "lost": 0, "oversold": 0, "refunds_over": 0,
        "violations": [],
    }  # fmt: skip


HASH = json.dumps({"case": CASE, "shown_hash": "other"})
IN_OURS = [
    ("", "is accepted, and no hold", "DELETE FROM holds"),
    ("", "is accepted, and no hold", "UPDATE holds SET owner = ''"),
    ("", "hold/1 is still open", f"UPDATE holds SET order_id = '{SHOP}'"),
    ("", "is not the sum", f"UPDATE order_lines SET ordered = 3 WHERE order_id = '{SHOP}'"),
    ("", "still has open",
     f"UPDATE order_lines SET open = 1, shipped = 1 WHERE order_id = '{SHOP}'"),
    ("", "its allocations say", "UPDATE allocations SET quantity = 2 WHERE status = 'allocated'"),
    ("", "count as shipped", f"UPDATE order_lines SET shipped = 9 WHERE order_id = '{SHOP}'"),
    ("", "counted as cancelled",
     f"UPDATE order_lines SET shipped = 1, cancelled = 1 WHERE order_id = '{SHOP}'"),
    ("duplicates", "2 units of CUP left", "UPDATE shipments SET status = 'delivered'"),
    ("lost", "order_1 was placed at Medusa", "UPDATE orders SET external_id = 'gone'"),
    ("oversold", "1 reserved of 0", "UPDATE inventory_levels SET on_hand = 0"),
    ("oversold", "-1 reserved of 9", "UPDATE inventory_levels SET reserved = -1"),
    ("", "live allocations are 1", "UPDATE inventory_levels SET reserved = 2"),
    ("", "off its movements by -1 on hand and -1", "DELETE FROM inventory_movements WHERE key='c'"),
    ("oversold", "pool vip of MUG at dc_east: 1 reserved of 0",
     "UPDATE inventory_pools SET allotted = 0"),
    ("oversold", "out of its pools alone 2",
     "UPDATE inventory_pools SET reserved = 2, allotted = 5"),
    ("", "pool vip of MUG at dc_east: 0 reserved, live allocations are 1",
     "UPDATE inventory_pools SET reserved = 0, allotted = 3"),
    ("", "is off its movements by -1 allotted and 0",
     "UPDATE inventory_movements SET allotted = 0 WHERE key = 'w'"),
    ("", "the level counts 2 left in pools, the pools 3", "UPDATE inventory_levels SET pooled = 2"),
    ("refunds_over", "2500 refunded of 2000", "UPDATE payments SET refunded_minor = 2500"),
    ("", "2000 captured, 1000 authorised", "UPDATE payments SET authorized_minor = 1000"),
    ("", "0 captured as we see it", "UPDATE payments SET captured_minor = 0, refunded_minor = 0"),
    ("", "asked for themselves", "UPDATE audit SET actor = 'riley'"),
    ("", "not bound to what was shown", f"UPDATE audit SET body = '{HASH}'"),
    ("", "events of", f"DELETE FROM events WHERE stream = '{SHOP}' AND seq = 2"),
    ("", "events of", f"UPDATE streams SET seq = 9 WHERE stream = '{SHOP}'"),
    ("", "0 order.received, 1 ends",
     "UPDATE events SET type = 'meshline.order.accepted.v1' WHERE type LIKE '%received%'"),
    ("", "1 order.received, 0 ends",
     "UPDATE events SET type = 'meshline.order.accepted.v1' WHERE type LIKE '%completed%'"),
    ("", "1 ends: meshline.order.cancelled.v1",
     "UPDATE events SET type = 'meshline.order.cancelled.v1' WHERE type LIKE '%completed%'"),
    ("", "the audit of", "UPDATE audit SET seq = 2"),
    ("", f"a step of our own could not be done: {CASE}",
     "UPDATE exceptions SET body = json_set(body, '$.kind', 'step_failed')"),
    ("", f"return {BACK} is closed, but {CASE} is still open",
     f"UPDATE exceptions SET order_id = '{BACK}', status = 'open'"),
    ("lost", "no workflow was started", "UPDATE returns SET started = 0"),
    ("", "1 may come back, 2 received", "UPDATE return_lines SET received = 2"),
    ("duplicates", "3 units are in returns, 2 were shipped",
     "UPDATE return_lines SET quantity = 3"),
    ("duplicates", "1 units are given back, 0 are cancelled, lost or returned",
     "DELETE FROM return_lines"),
    ("duplicates", "1 units of MUG are back in stock, 0 were received",
     "UPDATE return_lines SET received = 0, inspected = 0"),
    ("refunds_over", "2600 given back in money, credit and goods, 2000 captured",
     "UPDATE refunds SET amount_minor = 2600"),
]  # fmt: skip


@pytest.mark.parametrize(("counts", "text", "statement"), IN_OURS)
def test_what_is_broken_in_our_database_is_found(
    run: Run, counts: str, text: str, statement: str
) -> None:
    run.ours(statement)
    verdict = run.verdict()
    assert any(text in found for found in verdict["violations"]), verdict["violations"]
    assert not counts or verdict[counts] >= 1


IN_LEDGERS: list[tuple[str, str, tuple[Any, ...]]] = [
    ("lost", "order order_9 was placed", ("medusa", "order_placed", "order_9", "order_9")),
    ("duplicates", "has 2 live labels", ("easypost", "label_bought", "shp_9", f"{SHOP}/g1f1/p1-3")),
    ("", "neither scanned nor voided", ("easypost", "label_bought", "shp_9", f"{SHOP}/g1f1/p2")),
    ("", "its return is unknown", ("easypost", "label_bought", "shp_9", "return:x:1:1/p1")),
    ("", "its order is unknown", ("easypost", "label_bought", "shp_9", "")),
    ("duplicates", "has 2 live labels", ("easypost", "scanned", "shp_1", f"{SHOP}/g1f1/p1")),
    ("duplicates", "in work 2 times", ("shipbob", "fulfillment_created", "9", f"{SHOP}/g1f1")),
]


@pytest.mark.parametrize(("counts", "text", "effect"), IN_LEDGERS)
def test_what_the_vendors_know_better_is_found(
    run: Run, counts: str, text: str, effect: tuple[Any, ...]
) -> None:
    run.ledger(*effect)
    verdict = run.verdict()
    assert any(text in found for found in verdict["violations"]), verdict["violations"]
    assert not counts or verdict[counts] == 1


def test_units_that_left_twice_are_duplicates(run: Run) -> None:
    run.ledger("tryton", "shipped", "9", f"{SHOP}/g2f1", body={"MUG": 1})
    assert run.violations() == [
        f"order {SHOP}: 3 units of MUG left, 2 were ordered and 0 sent again"
    ]


def test_money_that_moved_twice_is_found(run: Run) -> None:
    body = {"payment_intent": "pi_1"}
    run.ledger("stripe", "captured", "pi_1", "order_1", amount_minor=100, body=body)
    run.ledger("stripe", "refunded", "re_2", "order_1", amount_minor=1700, body=body)
    verdict = run.verdict()
    assert "payment pi_1 was captured 2 times" in verdict["violations"]
    assert "payment pi_1: 2100 captured, 2000 authorised" in verdict["violations"]
    assert "payment pi_1: 2200 refunded, 2100 captured" in verdict["violations"]
    assert (verdict["duplicates"], verdict["refunds_over"]) == (1, 1)


def test_a_refund_that_is_not_what_the_bank_says_is_found(run: Run) -> None:
    run.ours("UPDATE refunds SET state = 'pending'")
    unsettled = f"refund {SHOP}/refund/1 of 500: the order is over, the refund is pending"
    assert unsettled in run.violations()
    assert f"order {SHOP}: 500 refunded, its settled refunds are 0" in run.violations()
    run.ours("UPDATE refunds SET state = 'settled', amount_minor = 400")
    run.ours("UPDATE payments SET refunded_minor = 400")
    assert run.violations() == [f"order {SHOP}: 400 refunded as we see it, 500 as Stripe does"]


def test_money_taken_back_is_what_the_bank_says_once_and_never_more_than_was_paid(
    run: Run,
) -> None:
    mine = f"{BACK}/recovery"
    run.ours(
        "INSERT INTO recoveries (id, return_id, order_id, state, amount_minor, currency, body,"
        " requester, connector, external_id, requested_at, ended_by)"
        " VALUES (?, ?, ?, 'settled', 500, 'USD', '{}', 'kim', 'stripe', 'pi_9', ?, 'system')",
        mine, BACK, SHOP, NOW.isoformat(),
    )  # fmt: skip
    assert run.violations() == [
        f"recovery {mine}: 500 is settled with pi_9, Stripe has no such charge"
    ]
    run.ledger("stripe", "charged_again", "pi_9", mine, amount_minor=500)
    assert run.violations() == []
    run.ours("UPDATE recoveries SET state = 'pending', amount_minor = 501")
    assert run.violations() == [
        f"{mine}: 500 charged again as Stripe sees it, nothing as we do",
        f"return {BACK}: 501 taken back of 500 paid",
        f"recovery {mine}: the return is over, it is pending",
    ]
    run.ours("UPDATE recoveries SET state = 'settled', amount_minor = 500")
    run.ledger("stripe", "charged_again", "pi_10", mine, amount_minor=500)
    verdict = run.verdict()
    assert (verdict["duplicates"], verdict["refunds_over"]) == (1, 0)
    assert f"{mine} was charged again 2 times" in verdict["violations"]


def test_a_return_of_the_shop_is_known_here_and_ends_there_once(run: Run) -> None:
    run.ledger("medusa", "return_requested", "ret_1", "order_1")
    unknown = "the shop was asked for return ret_1 of order_1, and we know neither it nor why not"
    assert (run.violations(), run.verdict()["lost"]) == ([unknown], 1)
    refused = "INSERT INTO problems VALUES('p', 'order:medusa:order_1', 'line 1', 'x', 'y', ?)"
    run.ours(refused, NOW.isoformat())
    assert run.violations() == [], "it was refused, and told"
    run.ours("DELETE FROM problems")
    run.ours("UPDATE returns SET source = 'medusa', external_id = 'ret_1'")
    assert run.violations() == []
    run.ours("UPDATE returns SET state = 'expired'")
    left = f"return {BACK} is expired, and in the shop it is still asked for"
    assert left in run.violations()
    run.ledger("medusa", "return_cancelled", "ret_1", "order_1")
    assert left not in run.violations()
    run.ledger("medusa", "return_cancelled", "ret_1", "order_1")
    assert "return ret_1 was cancelled in the shop 2 times" in run.violations()
    run.ours("UPDATE returns SET state = 'closed'")
    moved = f"return {BACK} was cancelled in the shop, and is closed"
    assert moved in run.violations()
    run.ours("UPDATE returns SET facts = 'cancelled shipped'")
    assert moved not in run.violations(), "it was on its way by then"
    run.ours("UPDATE returns SET state = 'approved'")
    assert f"return {BACK} was cancelled in the shop, and is approved" in run.violations()


def test_a_shipment_confirmed_twice_or_never_is_found(run: Run) -> None:
    run.ledger(
        "medusa", "shipment_created", "order_1", f"{SHOP}/g1f1", body={"fulfillment_id": "ful_2"}
    )
    assert run.violations() == [f"{SHOP}/g1f1 was confirmed to Medusa 2 times"]
    run.ledger(
        "medusa", "shipment_created", "order_1", f"{SHOP}/g2f1",
        body={"fulfillment_id": "ful_3", "lines": {"MUG": 1}},
    )  # fmt: skip
    assert f"order {SHOP}: Medusa was told of 3 units of MUG, 2 were ordered" in run.violations()
    (run.simulators / "medusa.db").unlink()
    run.ledger("medusa", "order_placed", "order_1", "order_1")
    never = f"order {SHOP}: 2 units of MUG left a node, Medusa was told of 0"
    assert run.violations() == [never]
    run.ours(
        "UPDATE exceptions SET kind = 'unconfirmed', body = ?",
        json.dumps({"requester": "system", "fulfillment_id": f"{SHOP}/g1f1"}),
    )
    assert never not in run.violations()  # a person has said that it was done by hand


def test_stock_that_diverged_by_a_count_is_not_oversold(run: Run) -> None:
    run.ours("UPDATE inventory_levels SET on_hand = 0")
    run.ours("UPDATE inventory_movements SET on_hand = 1 WHERE key = 'f'")
    assert run.verdict()["oversold"] == 1
    told = "INSERT INTO events VALUES('inventory', ?, 'meshline.inventory.diverged.v1', 'x', ?)"
    data = {"sku": "MUG", "node": "dc_east"}
    run.ours(told, 1, json.dumps({**data, "run": "rehydrate"}))
    run.ours("INSERT INTO streams VALUES('inventory', 1)")
    assert run.verdict()["oversold"] == 1, "a look at the node excuses nothing"
    run.ours(told, 2, json.dumps(data))
    run.ours("UPDATE streams SET seq = 2 WHERE stream = 'inventory'")
    assert run.violations() == []


def test_the_verdict_is_json_and_the_exit_code_tells_it_too(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--db", f"sqlite:///{run.db}", "--simulators", str(run.simulators), "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["violations"] == []
    run.ours("DELETE FROM holds")
    assert main(words) == 1
    assert json.loads(capsys.readouterr().out)["lost"] == 1
    assert main(["--db", str(run.db) + "x", "--simulators", str(run.simulators)]) == 2


def test_every_check_names_a_figure_or_none() -> None:
    figures = {"", "lost", "duplicates", "oversold", "refunds_over"}
    assert {check.counts for check in CHECKS} == figures
    assert len(CHECKS) == 55
