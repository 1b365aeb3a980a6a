"""Returns and refunds of one order, whatever happens in whatever order, and twice."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import select, update

from activities.context import Context
from activities.intake import Intake
from activities.policies import PoliciesInForce, install
from activities.recovering import Recovering
from activities.refunding import Refunding
from activities.returning import Returning
from domain import messages as m
from domain.amounts import share
from domain.base import InvalidInput
from domain.order import Destination, IncomingOrder, Item, Order, OrderLine, Payment
from domain.recoveries import AskRecovery
from domain.refunds import EndRefund, RefundRequest, RefundSum
from domain.returns import (
    ENDED,
    GRADES,
    STAGES,
    USUALLY,
    AcceptReturn,
    AskReturnRefund,
    InspectedUnits,
    InspectReturn,
    ReceiveReturn,
    ReturnedUnits,
    ReturnWish,
    StepReturn,
)
from domain.states import IllegalTransition
from policies import Library
from store import catalog, inventory, orders, refunds, returns
from store import tables as t
from store.audit import AuditLog
from store.database import Database
from store.personal import Vault
from tests.bed import CHICAGO, PII_KEY, example_network

NOW = datetime(2026, 1, 6, 12, tzinfo=UTC)
NODE, ORDER = "dc_east", "order:medusa:1"
LINES = {"1": (4, 3_333, 100, 977), "2": (2, 1_999, 0, 333)}  # units, price, discount, tax
SHIPPING = 799
TOTAL = sum(u * p - d + x for u, p, d, x in LINES.values()) + SHIPPING
COUNT = 10


@cache
def _template() -> Path:
    """A store with the order paid and delivered; one unit of its first line never left."""
    folder = Path(tempfile.mkdtemp(prefix="any-order-"))
    db = Database(f"sqlite:///{folder / 'meshline.db'}")
    db.create()
    install(db, AuditLog("k", folder / "heads.tsv"), Library.default, NOW)
    vault = Vault(PII_KEY)
    made = tuple(
        OrderLine(
            line_id=line, sku=f"s{line}", quantity=u, unit_price_minor=p, discount_minor=d,
            tax_minor=x,
        )
        for line, (u, p, d, x) in LINES.items()
    )  # fmt: skip
    order = Order(
        id=ORDER, source="medusa", external_id="1", number="#1", channel="App", currency="USD",
        placed_at=NOW, lines=made, ship_to=Destination(), total_minor=TOTAL,
        shipping_minor=SHIPPING, tax_minor=977 + 333, discount_minor=100,
        payment=Payment(mode="capture_on_ship", reference="pi_1", authorized_minor=TOTAL),
    )  # fmt: skip
    with db.write() as connection:
        for line in LINES:
            catalog.put_items(connection, [Item(sku=f"s{line}", weight_mg=900_000)])
            inventory.feed(connection, f"s{line}", NODE, COUNT, 0, 0, NOW, NOW)
        intake = Intake(example_network(), vault)
        assert intake.take(connection, IncomingOrder(order=order, address=CHICAGO), NOW)
        orders.shift(connection, ORDER, [("1", 3), ("2", 2)], "open", "shipped")
        orders.captured(
            connection, ORDER, "stripe", TOTAL, "USD", "ch_1", NOW, uncharged="{}"
        )  # fmt: skip
        connection.execute(update(t.orders).values(status="completed"))
    db.close()
    return folder


def never_more_than_was_paid(asked: list[Any], paid: Any) -> None:
    live = [r for r in asked if r.state in ("pending", "settled")]
    assert sum(r.amount_minor for r in live) <= TOTAL
    assert paid.refunded_minor == sum(r.amount_minor for r in live if r.state == "settled")


def never_units_that_did_not_come_back(
    asked: list[Any], lines: list[Any], coming: list[Any]
) -> None:
    given = Counter[str]()
    for row in asked:
        if row.state != "cancelled":
            for part in RefundSum.model_validate_json(row.body).parts:
                given[part.line_id] += part.quantity
    may = Counter({x.line_id: x.cancelled for x in lines})
    for line in coming:
        may[line.line_id] += line.quantity
    assert all(given[line] <= may[line] for line in given)


def to_the_cent(asked: list[Any]) -> None:
    """Units in whatever steps come to their part of the line, where nothing was given up."""
    found = [RefundSum.model_validate_json(r.body) for r in asked]
    assert [f.total_minor for f in found] == [r.amount_minor for r in asked]
    if any(r.state == "cancelled" for r in asked) or any(f.other_minor for f in found):
        return
    sums, counts = Counter[str](), Counter[str]()
    for part in (part for f in found for part in f.parts):
        sums[part.line_id] += part.total_minor
        counts[part.line_id] += part.quantity
    for line, units in counts.items():
        whole, price, discount, tax = LINES[line]
        assert sums[line] == share(price * whole - discount + tax, units, whole)


def never_more_taken_back_than_was_paid(
    taken: list[Any], asked: list[Any], coming: list[Any]
) -> None:
    """Of a return: its settled refunds, less what counts of them; and only once."""
    assert len({r.return_id for r in taken}) == len(taken)
    for row in taken:
        mine = [r for r in asked if r.return_id == row.return_id and r.state == "settled"]
        assert 0 < row.amount_minor <= sum(r.amount_minor for r in mine)
        found = RefundSum.model_validate_json(row.body)
        assert found.total_minor == row.amount_minor
        units = Counter[str]()
        for part in (p for r in mine for p in RefundSum.model_validate_json(r.body).parts):
            units[part.line_id] += part.quantity
        counts = {x.line_id: x.accepted for x in coming if x.return_id == row.return_id}
        for part in found.parts:
            assert part.quantity <= units[part.line_id] - counts[part.line_id]


def stock_comes_back_once(looked: list[Any], levels: list[Any], received: Counter[str]) -> None:
    restocked = Counter[str]()
    for row in looked:
        if row.disposition == "restocked":
            restocked[row.sku] += row.quantity
    for level in levels:
        assert level.on_hand == COUNT + restocked[level.sku]
        assert restocked[level.sku] <= received[level.sku]


class AnyOrder(RuleBasedStateMachine):
    """What customers, carriers, the dock, the bank and dying workers do."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="any-order-"))
        shutil.copytree(_template(), self.folder, dirs_exist_ok=True)
        db = Database(f"sqlite:///{self.folder / 'meshline.db'}")
        network = example_network()
        self.context = Context(
            db=db, vault=Vault(PII_KEY), audit=AuditLog("k", self.folder / "heads.tsv"),
            network=network, policies=PoliciesInForce(network.policies), connectors={},
        )  # fmt: skip
        self.returning, self.refunding = Returning(self.context), Refunding(self.context)
        self.recovering = Recovering(self.context)
        self.keys = 0
        self.last: Any = None
        self.received: Counter[str] = Counter()

    def teardown(self) -> None:
        self.context.close()
        shutil.rmtree(self.folder)

    # --- what happens -------------------------------------------------------------------------

    @rule(line=st.sampled_from(["1", "2"]), units=st.integers(1, 4),
          reason=st.sampled_from(["unwanted", "defective", "wrong_item"]))  # fmt: skip
    def ask(self, line: str, units: int, reason: Any) -> None:
        wish = ReturnWish(
            order_id=ORDER,
            lines=(ReturnedUnits(line_id=line, quantity=units, reason=reason),),
            requester="casey",
        )
        try:
            with self.context.db.write() as connection:
                mine = returns.ask(connection, wish, NODE, NOW)
        except InvalidInput:
            return
        decided = self._do(self.returning.decide, m.Keyed(**self._keyed(mine)))
        if decided.action == "review":
            self._do(self.returning.step, StepReturn(**self._keyed(mine), step="approve"))

    @rule(which=st.integers(0, 5))
    def scan(self, which: int) -> None:
        if mine := self._one(which):
            self._do(self.returning.step, StepReturn(**self._keyed(mine), step="ship"))

    @rule(which=st.integers(0, 5), units=st.integers(1, 5))
    def receive(self, which: int, units: int) -> None:
        if mine := self._one(which):
            line = self._line(mine)
            lines = (ReturnedUnits(line_id=line.line_id, quantity=units),)
            request = ReceiveReturn(**self._keyed(mine), lines=lines, user="frankie")
            if not self._do(self.returning.receive, request).refusal:
                self.received[line.sku] += units

    @rule(which=st.integers(0, 5), units=st.integers(1, 4), grade=st.sampled_from(GRADES[:-1]),
          last=st.booleans())  # fmt: skip
    def inspect(self, which: int, units: int, grade: Any, last: bool) -> None:
        if mine := self._one(which):
            looked = InspectedUnits(
                line_id=self._line(mine).line_id, quantity=units, grade=grade,
                disposition=USUALLY[grade],
            )  # fmt: skip
            request = InspectReturn(**self._keyed(mine), lines=(looked,), user="frankie", last=last)
            self._do(self.returning.inspect, request)

    @rule(which=st.integers(0, 5), what=st.sampled_from(["all", "extra"]))
    def accept(self, which: int, what: Any) -> None:
        if mine := self._one(which):
            request = AcceptReturn(**self._keyed(mine), what=what, user="kim")
            self._do(self.returning.accept, request)

    @rule(which=st.integers(0, 5), stage=st.sampled_from(STAGES))
    def ask_refund(self, which: int, stage: Any) -> None:
        if mine := self._one(which):
            request = AskReturnRefund(**self._keyed(mine), stage=stage)
            self._do(self.returning.ask_refund, request)

    @rule(which=st.integers(0, 5), paid=st.booleans(), recovers=st.booleans())
    def end(self, which: int, paid: bool, recovers: bool) -> None:
        """Nothing more comes: what is wrong is refused, and taken back where a person says so."""
        if not (mine := self._one(which)):
            return
        if paid:  # as the workflow takes back: once the bank is done
            request = AskReturnRefund(**self._keyed(mine), stage="first_scan")
            self._do(self.returning.ask_refund, request)
            for row in self._refunds():
                if row.return_id == mine and row.state in ("requested", "failed"):
                    self._settle(row.id)
        try:
            found = self._do(self.returning.end_inspection, m.Keyed(**self._keyed(mine)))
        except (InvalidInput, IllegalTransition):
            return
        if not found.kind:
            return
        if recovers:
            asked = self._do(self.recovering.ask, AskRecovery(**self._keyed(mine), user="kim"))
            assert (asked.recovery_id != "") == (asked.amount_minor > 0)
            self._do(self.recovering.ask, AskRecovery(**self._keyed(mine), user="kim"))
        self._do(self.returning.step, StepReturn(**self._keyed(mine), step="process"))

    @rule(which=st.integers(0, 5))
    def call_off(self, which: int) -> None:
        """Before anything moves, as the workflow sees to."""
        if (mine := self._one(which)) and self._returned(mine).state == "approved":
            self._do(self.returning.step, StepReturn(**self._keyed(mine), step="cancel"))

    @rule()
    def cancel_the_rest(self) -> None:
        """The unit that never left is cancelled after the capture, and its money is owed."""
        with self.context.db.write() as connection:
            row = orders.line_rows(connection, ORDER)[0]
            if row.open:
                orders.shift(connection, ORDER, [("1", 1)], "open", "cancelled")
        self._do(self.refunding.ask, RefundRequest(**self._keyed(ORDER), cause="cancelled"))

    @rule(which=st.integers(0, 8), fate=st.sampled_from(["settle", "fail", "wait", "give up"]))
    def bank(self, which: int, fate: str) -> None:
        rows = self._refunds()
        if not rows:
            return
        row = rows[which % len(rows)]
        if fate == "give up":
            request = EndRefund(**self._keyed(ORDER), refund_id=row.id, reason="by a person")
            self._do(self.refunding.end, request)
            return
        if row.state == "cancelled":
            return
        self._settle(row.id, fate)

    def _settle(self, refund_id: str, fate: str = "settle") -> None:
        with self.context.db.write() as connection:
            try:
                refunds.begin(connection, refund_id, NOW)
            except refunds.OverCaptured:
                return
            if fate == "settle":
                refunds.settle(connection, refund_id, "re_1", NOW)
            if fate == "fail":
                refunds.fail(connection, refund_id, NOW)

    @precondition(lambda self: self.last is not None)
    @rule()
    def once_more(self) -> None:
        """A worker died, and does its last step again: nothing changes."""
        call, request, answer = self.last
        before = self._everything()
        again = call(request)
        if not getattr(answer, "refusal", ""):
            assert again == answer
            assert self._everything() == before

    # --- what holds always --------------------------------------------------------------------

    @invariant()
    def holds(self) -> None:
        """Looked at after every step, in one view of the store."""
        asked, (paid,), lines, coming, looked, levels, taken = self._read(
            t.refunds, t.payments, t.lines, t.return_lines, t.inspections, t.levels, t.recoveries
        )
        never_more_than_was_paid(asked, paid)
        never_units_that_did_not_come_back(asked, lines, coming)
        to_the_cent(asked)
        never_more_taken_back_than_was_paid(taken, asked, coming)
        stock_comes_back_once(looked, levels, self.received)

    # ------------------------------------------------------------------------------------------

    def _keyed(self, of: str) -> dict[str, Any]:
        self.keys += 1
        return {"order_id": of, "key": f"{of}/{self.keys}", "at": NOW}

    def _do(self, call: Any, request: Any) -> Any:
        answer = call(request)
        self.last = (call, request, answer)
        return answer

    def _rows(self, table: Any) -> list[Any]:
        return self._read(table)[0]

    def _read(self, *tables: Any) -> list[list[Any]]:
        with self.context.db.read() as connection:
            return [list(connection.execute(select(table))) for table in tables]

    def _refunds(self) -> list[Any]:
        return sorted(self._rows(t.refunds), key=lambda r: str(r.id))

    def _returned(self, mine: str) -> Any:
        return next(r for r in self._rows(t.returns) if r.id == mine)

    def _line(self, mine: str) -> Any:
        return next(x for x in self._rows(t.return_lines) if x.return_id == mine)

    def _one(self, which: int) -> str:
        """A return that is still open; empty where none is."""
        live = [r.id for r in self._rows(t.returns) if r.state not in (*ENDED, "processed")]
        return sorted(live)[which % len(live)] if live else ""

    def _everything(self) -> list[Any]:
        tables = (t.returns, t.return_lines, t.inspections, t.refunds, t.payments, t.levels,
                  t.recoveries, t.movements, t.events)  # fmt: skip
        return self._read(*tables)


TestAnyOrder = AnyOrder.TestCase
# a failure is told as it was found: to make it smaller would take longer than a test may
TestAnyOrder.settings = settings(
    max_examples=12, stateful_step_count=30, deadline=None, phases=[Phase.generate]
)
