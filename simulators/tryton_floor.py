"""A warehouse floor in Tryton 7.0's terms: shipment.out and its moves, worked by people.

draft → waiting → assigned → picked → packed → done, or cancelled. A transition that is not
allowed does nothing and says nothing, as trytond's workflow does. The floor picks and packs
what is assigned; only a carrier's collection makes a packed shipment done. A short pick is
booked as a picker books it: the inventory move is split, the missing part cancelled, and
the outgoing move shrinks to what was found.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from simulators.app import Sim
from simulators.clock import in_working_hours
from simulators.ledger import Json
from simulators.tryton_stock import Shelves

MODEL = "stock.shipment.out"
ALLOWED = {
    "waiting": {"draft", "assigned"},
    "assigned": {"waiting"},
    "picked": {"assigned"},
    "packed": {"picked"},
    "done": {"packed"},
    "cancelled": {"draft", "waiting", "assigned", "picked", "packed"},
}


class Floor:
    """Shipments of all warehouses, and the people who move them."""

    def __init__(self, sim: Sim, shelves: Shelves) -> None:
        self.sim, self.book, self.shelves = sim, sim.book, shelves
        sim.on("begin", self._begin)
        sim.on("pick", self._pick)
        sim.on("pack", self._pack)

    def put(self, shipment: Json, at: datetime) -> None:
        shipment["write_date"] = at.isoformat()
        for name in ("outgoing_moves", "inventory_moves"):
            shipment[name] = [m["id"] for m in shipment["lines"] if m["side"] + "_moves" == name]
        shipment["moves"] = [m["id"] for m in shipment["lines"]]
        self.book.put(MODEL, shipment["id"], shipment, ref=str(shipment["reference"] or ""), at=at)

    def skus(self, shipment: Json, side: str = "outgoing") -> dict[str, int]:
        """What is on the shipment's live moves, by product code."""
        found: dict[str, int] = {}
        for move in shipment["lines"]:
            if move["side"] == side and move["state"] != "cancelled" and move["quantity"]:
                found[move["code"]] = found.get(move["code"], 0) + int(move["quantity"])
        return found

    def record(self, effect: str, shipment: Json, at: datetime) -> None:
        lines = self.skus(shipment)
        self.book.record(
            effect,
            str(shipment["id"]),
            str(shipment["reference"] or ""),
            at=at,
            quantity=sum(lines.values()),
            body=lines,
        )

    # -- what the client's buttons do ------------------------------------------------------

    def press(self, button: str, shipment: Json, at: datetime) -> None:
        """One button for one shipment; without effect where the state forbids it."""
        target = {
            "wait": "waiting",
            "assign_try": "assigned",
            "assign_force": "assigned",
            "pick": "picked",
            "pack": "packed",
            "done": "done",
            "cancel": "cancelled",
        }[button]
        if shipment["state"] not in ALLOWED[target]:
            return
        if target == "cancelled":
            self.record("fulfillment_cancelled", shipment, at)
        self._enter(target, shipment, at)
        if target in ("picked", "done"):
            self.record("picked" if target == "picked" else "shipped", shipment, at)
        if target == "assigned":
            self._send_people(shipment, at)
        self.put(shipment, at)

    def _enter(self, state: str, shipment: Json, at: datetime) -> None:
        if state == "waiting" and not any(m["side"] == "inventory" for m in shipment["lines"]):
            for move in list(shipment["lines"]):
                shipment["lines"].append(self._inventory_move(shipment, move))
        moved = {
            "waiting": ("inventory", "draft"),
            "assigned": ("inventory", "assigned"),
            "picked": ("inventory", "done"),
            "packed": ("outgoing", "assigned"),
            "done": ("outgoing", "done"),
        }
        at_the_dock = self.skus(shipment)  # a cancel marks the moves, too
        for move in shipment["lines"]:
            if state == "cancelled":
                move["state"] = "cancelled"
            elif move["side"] == moved[state][0] and move["state"] != "cancelled":
                move["state"] = moved[state][1]
        if state == "packed":
            shipment["lines"] = [
                m for m in shipment["lines"] if m["side"] == "inventory" or m["quantity"]
            ]
        if state == "done":
            shipment["effective_date"] = at.date().isoformat()
        self._carry(state, shipment, at_the_dock)
        shipment["state"] = state

    def _carry(self, state: str, shipment: Json, at_the_dock: dict[str, int]) -> None:
        """What a state does to the quantities: to the dock, out of the house, back to the shelf."""
        storage, dock = shipment["warehouse_storage"], shipment["warehouse_output"]
        if state == "picked":
            self.shelves.move(storage, dock, self.skus(shipment, "inventory"))
        elif state == "done":
            self.shelves.move(dock, None, self.skus(shipment))
        elif state == "cancelled" and shipment["state"] in ("picked", "packed"):
            self.shelves.move(dock, storage, at_the_dock)

    def _inventory_move(self, shipment: Json, outgoing: Json) -> Json:
        number = self.book.next_number("stock.move")
        self.book.put("move_of", number, {"shipment": shipment["id"]})
        return {
            **outgoing,
            "id": number,
            "side": "inventory",
            "origin": f"stock.move,{outgoing['id']}",
            "from_location": shipment["warehouse_storage"],
            "to_location": shipment["warehouse_output"],
            "state": "draft",
        }

    # -- what the people do ----------------------------------------------------------------

    def _send_people(self, shipment: Json, at: datetime) -> None:
        subject = str(shipment["reference"] or shipment["id"])
        wait = self.sim.dice.between(0.5, 2, "begin", subject)
        if self.sim.dice.happens(self.sim.faults.late_pick, "late", subject):
            wait += self.sim.dice.between(8, 20, "late by", subject)
        self._later("begin", shipment, in_working_hours(at, wait))

    def _later(self, action: str, shipment: Json, at: datetime) -> None:
        self.book.schedule(at, action, {"shipment": shipment["id"]})

    def _in_state(self, args: Json, state: str) -> Json | None:
        shipment = self.book.get(MODEL, args["shipment"])
        return shipment if shipment and shipment["state"] == state else None

    def _begin(self, args: Json, at: datetime, _: Any) -> None:
        shipment = self._in_state(args, "assigned")
        if shipment is None:
            return
        subject = str(shipment["reference"] or shipment["id"])
        if self.sim.dice.happens(self.sim.faults.node_reject, "reject", subject):
            self._reject(shipment, at)
        else:
            hours = self.sim.dice.between(1, 3, "pick", subject)
            self._later("pick", shipment, in_working_hours(at, hours))

    def _reject(self, shipment: Json, at: datetime) -> None:
        self.record("fulfillment_rejected", shipment, at)
        self._enter("cancelled", shipment, at)
        self.put(shipment, at)

    def _pick(self, args: Json, at: datetime, _: Any) -> None:
        shipment = self._in_state(args, "assigned")
        if shipment is None:
            return
        subject = str(shipment["reference"] or shipment["id"])
        if self.sim.dice.happens(self.sim.faults.short_pick, "short", subject):
            self._come_up_short(shipment, subject)
            if not self.skus(shipment):  # nothing was found at all
                self._reject(shipment, at)
                return
            for move in shipment["lines"]:  # the picker books what is not on the shelf as lost
                if move["side"] == "inventory" and move["state"] == "cancelled":
                    self.shelves.change(
                        shipment["warehouse_storage"], move["code"], -int(move["quantity"])
                    )
        self._enter("picked", shipment, at)
        self.record("picked", shipment, at)
        self.put(shipment, at)
        hours = self.sim.dice.between(0.2, 1, "pack", subject)
        self._later("pack", shipment, in_working_hours(at, hours))

    def _come_up_short(self, shipment: Json, subject: str) -> None:
        found = [m for m in shipment["lines"] if m["side"] == "inventory" and m["quantity"]]
        move = found[int(self.sim.dice.roll("which", subject) * len(found))]
        missing = 1 + int(self.sim.dice.roll("missing", subject) * int(move["quantity"]))
        number = self.book.next_number("stock.move")
        self.book.put("move_of", number, {"shipment": shipment["id"]})
        lost = {**move, "id": number, "quantity": float(missing), "state": "cancelled"}
        shipment["lines"].append(lost)
        move["quantity"] -= missing
        for outgoing in shipment["lines"]:
            if move["origin"] == f"stock.move,{outgoing['id']}":
                outgoing["quantity"] -= missing

    def _pack(self, args: Json, at: datetime, _: Any) -> None:
        shipment = self._in_state(args, "picked")
        if shipment is not None:
            self._enter("packed", shipment, at)
            self.put(shipment, at)

    # -- the carrier at the dock -----------------------------------------------------------

    def collect(self, reference: str, code: str, at: datetime) -> bool:
        """Whether the parcel leaves with the carrier; asked again, the answer stays."""
        for shipment in self._owners(reference):
            if shipment["state"] not in ("packed", "done"):
                continue
            written = shipment.get("shipping_reference")
            if written and code not in str(written).replace(";", ",").split(","):
                continue
            parcels = shipment["parcels"]
            if parcels.setdefault(reference, code) != code:
                continue
            if shipment["state"] == "packed":
                self._enter("done", shipment, at)
                self.record("shipped", shipment, at)
            self.put(shipment, at)
            return True
        return False

    def _owners(self, reference: str) -> list[Json]:
        found = self.book.referenced(MODEL, reference) if reference else []
        prefix = reference
        while not found and "/" in prefix:
            prefix = prefix.rpartition("/")[0]
            found = self.book.referenced(MODEL, prefix)
        return found
