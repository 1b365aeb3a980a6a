"""What a customer shipment of Tryton 7.0 tells: facts from its state and its moves.

Tryton keeps a state, not events: every fact that a state implies is told each time, under an
event ID that depends on nothing but shipment, fact and quantities, so that a second telling
is known as one.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import datetime
from typing import Any

from connectors.http import Wire, parsed
from connectors.tryton_rpc import moment
from domain.fulfillment import Fact, Observation, Quantity
from domain.reconciliation import Entry, EntryState

FIELDS = [
    "state", "reference", "write_date",
    "inventory_moves.state", "inventory_moves.quantity", "inventory_moves.product.code",
    "outgoing_moves.state", "outgoing_moves.quantity", "outgoing_moves.product.code",
]  # fmt: skip
_IMPLIED = {
    "assigned": (Fact.ACCEPTED,),
    "picked": (Fact.ACCEPTED, Fact.PICKED),
    "packed": (Fact.ACCEPTED, Fact.PICKED, Fact.PACKED),
    "done": (Fact.ACCEPTED, Fact.PICKED, Fact.PACKED, Fact.SHIPPED),
    "cancelled": (Fact.CANCELLED,),
}
_STANDS: dict[str, EntryState] = {"done": "done", "cancelled": "cancelled"}
_COUNTED = frozenset({"picked", "packed", "done"})  # what the pickers found is known


class _Move(Wire):
    state: str
    quantity: float
    sku: str

    @classmethod
    def of(cls, connector: str, within: str, row: Any) -> _Move:
        product = row.get("product.") if isinstance(row, dict) else None
        code = product.get("code") if isinstance(product, dict) else None
        body = {**row, "sku": code} if isinstance(row, dict) else row
        return parsed(connector, cls, body, within=within)


class Shipment(Wire):
    """A shipment as read with ``FIELDS``."""

    id: int
    state: str
    reference: str | None = None
    written: datetime | None = None
    created: datetime | None = None
    inventory: tuple[_Move, ...] = ()
    outgoing: tuple[_Move, ...] = ()

    @classmethod
    def of(cls, connector: str, row: dict[str, Any]) -> Shipment:
        """One record. Raises ContractBroken naming the field that cannot be read."""
        moves = {}
        for side in ("inventory", "outgoing"):
            rows = row.get(f"{side}_moves.") or []
            moves[side] = [
                _Move.of(connector, f"{side}_moves.{at}", one) for at, one in enumerate(rows)
            ]
        bare = parsed(connector, cls, {k: row.get(k) for k in ("id", "state", "reference")})
        return bare.model_copy(
            update={
                "written": moment(row.get("write_date")),
                "created": moment(row.get("create_date")),
                "inventory": tuple(moves["inventory"]),
                "outgoing": tuple(moves["outgoing"]),
            }
        )

    def short(self) -> tuple[Quantity, ...]:
        """Units that the pickers did not find, by SKU.

        Tryton's moves have no free field to carry a line's ID, so ``line_id`` is the SKU.
        A unit is missing when its inventory move was cancelled, or when an outgoing move
        still asks for more than the inventory moves brought.
        """
        if self.state not in _COUNTED:
            return ()
        gone, brought, asked = Counter[str](), Counter[str](), Counter[str]()
        for move in self.inventory:
            (gone if move.state == "cancelled" else brought)[move.sku] += round(move.quantity)
        for move in self.outgoing:
            if move.state != "cancelled":
                asked[move.sku] += round(move.quantity)
        if not self.inventory:  # a warehouse that picks where it packs has no such moves
            return ()
        missing = {
            sku: max(gone[sku], asked[sku] - brought[sku]) for sku in sorted({*gone, *asked})
        }
        return tuple(
            Quantity(line_id=sku, sku=sku, quantity=units)
            for sku, units in missing.items()
            if units > 0
        )

    def entry(self) -> Entry:
        """It as a statement has it, with units by SKU once they have left: before that, outgoing
        moves may still ask for what the pickers did not find."""
        left = Counter[str]()
        for move in self.outgoing:
            if move.state != "cancelled":
                left[move.sku] += round(move.quantity)
        done = self.state == "done"
        return Entry(
            kind="fulfillment",
            external_id=str(self.id),
            reference=self.reference or "",
            state=_STANDS.get(self.state, "open"),
            units={sku: n for sku, n in sorted(left.items()) if n > 0} if done else None,
            at=self.created,
        )

    def observations(self, connector: str) -> tuple[Observation, ...]:
        """Every fact that the state implies, oldest first; a short pick before what follows."""
        facts = list(_IMPLIED.get(self.state, ()))
        short = self.short()
        if short:
            facts.insert(facts.index(Fact.PICKED), Fact.PICK_SHORT)
        return tuple(
            Observation(
                event_id=self._event_id(fact, short if fact is Fact.PICK_SHORT else ()),
                connector=connector,
                kind="fulfillment",
                external_id=str(self.id),
                reference=self.reference or "",
                fact=fact,
                at=self.written if fact is facts[-1] else None,
                short=short if fact is Fact.PICK_SHORT else (),
                reason="not enough units were found" if fact is Fact.PICK_SHORT else "",
            )
            for fact in facts
        )

    def _event_id(self, fact: Fact, short: tuple[Quantity, ...]) -> str:
        units = ",".join(f"{q.sku}={q.quantity}" for q in short)
        digest = hashlib.sha256(f"{self.id}|{fact}|{units}".encode()).hexdigest()
        return f"shipment.out:{self.id}:{fact}:{digest[:12]}"
