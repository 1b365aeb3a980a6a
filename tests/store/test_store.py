"""Events without gaps, steps that run twice, sealed addresses, audit chains."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from domain import messages as m
from domain import states
from domain.base import InvalidInput
from domain.cases import ExceptionCase, Hold, HoldReason
from domain.order import Address
from store import cases, events, inventory, orders
from store import tables as t
from store.audit import AuditLog
from store.database import Database
from store.inventory import Take
from store.personal import Vault
from store.statements import insert_new

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)


def test_streams_are_numbered_without_gaps_under_concurrency(db: Database) -> None:
    def append(number: int) -> None:
        with db.write() as connection:
            events.append(connection, f"s{number % 2}", "order.accepted", NOW)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(append, range(60)))
    with db.read() as connection:
        for stream in ("s0", "s1"):
            assert [e["seq"] for e in events.history(connection, stream)] == list(range(1, 31))


def test_a_step_that_runs_twice_happens_once(db: Database) -> None:
    ran: list[int] = []

    def step(_connection: object) -> m.Audited:
        ran.append(1)
        return m.Audited()

    assert db.once("k", m.Audited, step) == db.once("k", m.Audited, step)
    assert len(ran) == 1


def test_a_row_is_new_once(db: Database) -> None:
    with db.write() as connection:
        row = {"key": "k", "result": "first"}
        assert insert_new(connection, t.results, row)
        assert not insert_new(connection, t.results, row | {"result": "second"})


def test_a_step_that_fails_leaves_nothing(db: Database) -> None:
    def step(connection: object) -> m.Audited:
        events.append(connection, "s", "order.accepted", NOW)  # type: ignore[arg-type]
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError):
        db.once("k", m.Audited, step)
    with db.read() as connection:
        assert events.history(connection, "s") == []


def test_concurrent_reserves_never_oversell(db: Database) -> None:
    with db.write() as connection:
        inventory.feed(connection, "A", "n", 50, 0, 0, NOW, NOW)

    def take(number: int) -> bool:
        class LostError(Exception):
            pass

        try:
            with db.write() as connection:
                wanted = [Take(sku="A", node="n", quantity=1)]
                if inventory.reserve(connection, wanted, "o", f"k{number}", NOW)[1] is not None:
                    raise LostError
        except LostError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(take, range(120))) == 50


def test_a_feed_older_than_the_last_changes_nothing(db: Database) -> None:
    with db.write() as connection:
        assert inventory.feed(connection, "A", "n", 9, 0, 0, NOW, NOW)
        assert not inventory.feed(connection, "A", "n", 5, 0, 0, NOW, NOW)


def test_units_of_several_lines_move_together_or_not_at_all(db: Database) -> None:
    rest = dict.fromkeys(("backordered", "allocated", "released", "shipped", "cancelled"), 0)
    words = ("source", "external_id", "number", "channel", "currency", "address_ref", "requester")
    order = dict.fromkeys((*words, "fingerprint", "body", "reason"), "x") | {
        "id": "o", "status": "accepted", "started": True, "placed_at": NOW, "received_at": NOW,
        "ship_by": None, "promise_by": None, "total_minor": 1, "updated_at": NOW,
    }  # fmt: skip
    with db.write() as connection:
        connection.execute(t.orders.insert(), order)
        for line in ("1", "2"):
            connection.execute(
                t.lines.insert(),
                {
                    "order_id": "o", "line_id": line, "position": int(line), "sku": "TENT",
                    "requires_shipping": True, "ordered": 2, "open": 2, **rest,
                },
            )  # fmt: skip
        orders.shift(connection, "o", [("1", 2), ("2", 1)], "open", "allocated")
    with pytest.raises(ValueError, match="fewer units are open"), db.write() as connection:
        orders.shift(connection, "o", [("2", 1), ("1", 1)], "open", "allocated")
    with db.read() as connection:
        assert [(r.open, r.allocated) for r in orders.line_rows(connection, "o")] == [
            (0, 2), (1, 1),
        ]  # fmt: skip


def test_addresses_are_unreadable_without_the_key(db: Database) -> None:
    vault = Vault(Vault.new_key())
    with db.write() as connection:
        ref = vault.seal(connection, Address(name="CANARY-NAME", street1="1 CANARY St"), "c")
        assert vault.open(connection, ref).name == "CANARY-NAME"
        assert "CANARY" not in str(connection.execute(select(t.addresses)).all())
        with pytest.raises(LookupError, match="another"):
            Vault(Vault.new_key()).open(connection, ref)
        assert vault.erase(connection, "c") == 1
        with pytest.raises(LookupError, match="erased"):
            vault.open(connection, ref)


def test_a_missing_key_says_how_to_make_one() -> None:
    with pytest.raises(InvalidInput, match="meshline key"):
        Vault("")


@pytest.mark.parametrize("harm", ["edit", "delete", "truncate"])
def test_a_tampered_audit_chain_is_noticed(db: Database, tmp_path: Path, harm: str) -> None:
    log = AuditLog("key", tmp_path / "heads.tsv")
    with db.write() as connection:
        for number in range(4):
            log.append(connection, "order:1", NOW, "dana", "approve", n=number)
    with db.read() as connection:
        assert log.verify(connection) == []
    a = t.audit.c
    with db.write() as connection:
        if harm == "edit":
            connection.execute(update(t.audit).where(a.seq == 2).values(actor="riley"))
        else:
            connection.execute(delete(t.audit).where(a.seq == (2 if harm == "delete" else 4)))
    with db.read() as connection:
        assert log.verify(connection)


def test_every_state_is_reached_and_every_event_is_known() -> None:
    for kind, table in states.TRANSITIONS.items():
        for field, first in states.INITIAL[kind].items():
            moved = [t_.changes[field] for t_ in table.values() if field in t_.changes]
            reached = {new for _old, new in moved} | {first}
            left = {old for olds, _new in moved for old in olds}
            if field not in ("stage", "tracking_status"):
                assert left <= reached, f"{kind}.{field}: {left - reached} is reached by nothing"


def test_an_illegal_transition_names_what_it_needed() -> None:
    with pytest.raises(states.IllegalTransition, match="needs status in"):
        states.apply("order", "complete", {"status": "rejected"})


def test_transitions_that_follow_each_other_are_one_update_and_an_event_each(
    db: Database,
) -> None:
    hold = Hold(
        id="h", order_id="o", reason=HoldReason.MANUAL, owner="fulfillment_ops", because="x",
        deadline=NOW,
    )  # fmt: skip
    case = ExceptionCase(
        id="c", order_id="o", kind="late", owner="finance", deadline=NOW, exception_class="soft",
        actions=(), because="x",
    )  # fmt: skip
    with db.write() as connection:
        cases.open_hold(connection, hold, NOW)
        cases.open_case(connection, case, NOW)
    with db.write() as connection:
        rows = cases.live(connection, "o")
        names = ("acknowledge", "escalate", "resolve")
        events.move_all(connection, "exception", names, rows, "o", NOW, user="u")
    with pytest.raises(states.IllegalTransition), db.write() as connection:
        held = cases.live_holds(connection, "o")
        events.move_all(connection, "hold", ("release", "expire"), held, "o", NOW)
    with db.read() as connection:
        assert cases.case_row(connection, "c").status == "resolved"
        assert len(cases.live_holds(connection, "o")) == 1
        told = [e["type"] for e in events.history(connection, "o")]
    assert told[2:] == [
        states.event_type(f"exception.{done}") for done in ("acknowledged", "escalated", "resolved")
    ]
