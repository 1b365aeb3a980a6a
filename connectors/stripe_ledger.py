"""What moved on a Stripe account: its balance transactions (API v1), the ledger that it pays by.

A capture is a transaction of type ``charge``, a refund one of type ``refund`` whose source says
what became of it since, a dispute an ``adjustment`` whose source is the dispute.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from connectors import errors as e
from connectors.http import Wire, parsed
from domain import disputes as domain
from domain.base import Problem
from domain.reconciliation import Entry, EntryKind, EntryState, StatementPage

KINDS: tuple[EntryKind, ...] = ("capture", "refund", "dispute")
TRANSACTIONS = "/v1/balance_transactions"
_REFUND: dict[str, EntryState] = {
    "succeeded": "done",
    "failed": "cancelled",
    "canceled": "cancelled",
}
_DISPUTE: dict[str, EntryState] = {
    "won": "cancelled", "lost": "done", "warning_closed": "cancelled", "prevented": "cancelled",
}  # fmt: skip


class Transaction(Wire):
    """A line of the ledger; ``source`` is expanded."""

    id: str
    amount: int
    currency: str
    created: int
    type: str
    source: dict[str, Any] | None = None

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.created, UTC)


class Transactions(Wire):
    """A page of the ledger, the newest first."""

    data: tuple[dict[str, Any], ...]
    has_more: bool = False


class _Charge(Wire):
    id: str
    payment_intent: str | None = None
    amount_captured: int = 0
    metadata: dict[str, Any] | None = None


class Refund(Wire):
    """A refund as it stands now."""

    id: str
    amount: int
    currency: str
    created: int
    status: str | None = None
    metadata: dict[str, Any] | None = None

    def entry(self, at: datetime | None = None) -> Entry:
        return Entry(
            kind="refund",
            external_id=self.id,
            reference=str((self.metadata or {}).get("reference") or ""),
            state=_REFUND.get(self.status or "", "open"),
            minor=self.amount,
            currency=self.currency.upper(),
            at=at or datetime.fromtimestamp(self.created, UTC),
        )


class Dispute(Wire):
    """A dispute as it stands now."""

    id: str
    amount: int
    currency: str
    created: int
    status: str
    reason: str = ""
    payment_intent: str | None = None
    evidence_details: dict[str, Any] | None = None

    @property
    def state(self) -> EntryState:
        return _DISPUTE.get(self.status, "open")

    @property
    def answer_by(self) -> datetime | None:
        due = (self.evidence_details or {}).get("due_by")
        return datetime.fromtimestamp(due, UTC) if isinstance(due, int) else None

    def disputes(self) -> tuple[domain.Dispute, ...]:
        """It as an order's; none where no payment of ours can be meant, or no money is taken."""
        if not self.payment_intent or self.status.startswith("warning_"):
            return ()
        states: dict[EntryState, domain.DisputeState] = {"cancelled": "won", "done": "lost"}
        return (
            domain.Dispute(
                id=self.id, payment=self.payment_intent, amount_minor=self.amount,
                currency=self.currency.upper(), reason=self.reason,
                state=states.get(self.state, "open"), answer_by=self.answer_by,
                opened_at=datetime.fromtimestamp(self.created, UTC),
            ),
        )  # fmt: skip

    def entry(self) -> Entry:
        return Entry(
            kind="dispute",
            external_id=self.id,
            state=self.state,
            minor=self.amount,
            currency=self.currency.upper(),
            at=datetime.fromtimestamp(self.created, UTC),
        )


def captured(intent_id: str, minor: int, currency: str, at: datetime | None) -> Entry:
    """A capture is known by its payment intent, which is captured once."""
    return Entry(
        kind="capture", external_id=intent_id, minor=minor, currency=currency.upper(), at=at,
        state="done" if minor else "cancelled",
    )  # fmt: skip


def page(connector: str, found: Transactions) -> StatementPage:
    """Transactions as entries; those that cannot be read as problems. Fees and payouts are not
    ours to compare."""
    entries: list[Entry] = []
    problems: list[Problem] = []
    for row in found.data:
        try:
            entries += _entries(connector, parsed(connector, Transaction, row))
        except e.ContractBroken as broken:
            problems.append(
                Problem(
                    source=str(row.get("id", "?"))[:60],
                    field=broken.field,
                    reason=str(broken)[:300],
                    remedy="Look the transaction up in Stripe's dashboard",
                )
            )
    cursor = str(found.data[-1].get("id", "")) if found.has_more and found.data else ""
    return StatementPage(entries=tuple(entries), problems=tuple(problems), cursor=cursor)


def _entries(connector: str, line: Transaction) -> tuple[Entry, ...]:
    source = line.source or {}
    if line.type in ("charge", "payment"):
        charge = parsed(connector, _Charge, source, within="source")
        return (captured(charge.payment_intent or charge.id, line.amount, line.currency, line.at),)
    if line.type in ("refund", "payment_refund"):
        return (parsed(connector, Refund, source, within="source").entry(line.at),)
    if line.type == "adjustment" and source.get("object") == "dispute":
        return (parsed(connector, Dispute, source, within="source").entry(),)
    return ()
