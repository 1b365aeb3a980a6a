"""Inventory rehydrate: nodes are asked what they have, and the ledger is put right by movements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, Row
from temporalio import activity

from activities.context import Context
from activities.contracts import Activity
from activities.errors import vendor_errors
from connectors.ports import Stocked, StockPage
from domain.rehydration import (
    CompareStock,
    DecidedStock,
    DecideStock,
    ReadStock,
    Rehydration,
    SettledStock,
    StockRead,
    Suspects,
    confirmed,
)
from store import catalog, events, inventory, rehydration

SHOWN = 12  # levels that a case names, the largest first
FORGOTTEN = timedelta(days=14)  # a case that nobody decided for so long is asked again
FEW = 5  # levels that may differ in any node without anybody suspecting the comparison itself


class Snapshots:
    """Reads a node's stock, page by page, on its connector's queue."""

    def __init__(self, context: Context) -> None:
        self._c = context

    @activity.defn(name=Activity.READ_STOCK)
    async def read(self, request: ReadStock) -> StockRead:
        """Stage a snapshot; a try that follows another one goes on at its last page."""
        connector = cast(Stocked, self._c.connectors[request.connector])
        warehouse = self._c.network.node(request.node).warehouse
        cursor, problems = _heard(activity.info().heartbeat_details)
        while True:
            asked_at = await self._c.db.in_thread(self._now)
            with vendor_errors():
                page = await connector.stock(warehouse, cursor)
            await self._c.db.in_thread(self._stage, request, page, page.as_of or asked_at)
            cursor, problems = page.cursor, problems + len(page.problems)
            if not cursor:
                break
            activity.heartbeat(cursor, problems)
        levels, oldest = await self._c.db.in_thread(self._staged, request)
        return StockRead(as_of=oldest or asked_at, levels=levels, problems=problems)

    def _now(self) -> datetime:
        with self._c.db.read() as connection:
            return catalog.clock(connection).at(datetime.now(UTC))

    def _stage(self, request: ReadStock, page: StockPage, as_of: datetime) -> None:
        rows = [
            {
                "sku": x.sku,
                "on_hand": x.on_hand,
                "unsellable": rehydration.UNTOLD if x.unsellable is None else x.unsellable,
                "incoming": x.incoming,
                "as_of": as_of,
            }
            for x in page.levels
        ]
        with self._c.db.write() as connection:
            rehydration.stage(connection, request.order_id, request.look, request.node, rows)
            for problem in page.problems:
                catalog.note_problem(connection, problem, request.at)

    def _staged(self, request: ReadStock) -> tuple[int, datetime | None]:
        with self._c.db.read() as connection:
            return rehydration.staged(connection, request.order_id, request.look)


def _heard(details: Sequence[Any]) -> tuple[str, int]:
    return (str(details[0]), int(details[1])) if len(details) == 2 else ("", 0)


class Found(NamedTuple):
    """A level that differs at both looks, by so many units."""

    sku: str
    units: int
    unsellable: int
    seen: rehydration.Seen

    @property
    def over_promised(self) -> bool:
        """Whether less would be there than is reserved."""
        level = self.seen.level
        on_hand, reserved = (level.on_hand, level.reserved) if level is not None else (0, 0)
        return self.units < 0 and on_hand + self.units < reserved

    @property
    def size(self) -> int:
        return max(abs(self.units), abs(self.unsellable))


class Rehydrating:
    """Compares snapshots with the ledger, and settles what differs."""

    def __init__(self, context: Context) -> None:
        self._c = context

    @activity.defn(name=Activity.COMPARE_STOCK)
    def compare(self, request: CompareStock) -> Suspects:
        """The first look: what differs is suspected; where nothing does, the snapshot agrees."""

        def step(connection: Connection) -> Suspects:
            look = self._look(connection, request, 1)
            if look.as_of is None or _stale(connection, request.node, look.as_of):
                rehydration.forget(connection, request.order_id, request.node, request.at)
                return Suspects(suspects=0, levels=0, stale=look.as_of is not None)
            suspects = {sku: one for sku, one in look.seen.items() if one.differs}
            for sku, one in suspects.items():
                self._note(
                    connection, request, sku, one, one.drift.unexplained, one.drift.unsellable,
                    "suspected",
                )  # fmt: skip
            over: tuple[str, ...] = ()
            if not suspects:
                over = self._apply(connection, request, look)
            return Suspects(suspects=len(suspects), levels=len(look.seen), over=over)

        return self._c.db.once(request.key, Suspects, step)

    @activity.defn(name=Activity.SETTLE_STOCK)
    def settle(self, request: CompareStock) -> SettledStock:
        """The second look: what differs at both is corrected where it is small, else asked."""

        def step(connection: Connection) -> SettledStock:
            first = self._look(connection, request, 1)
            look = self._look(connection, request, 2)
            if look.as_of is None or _stale(connection, request.node, look.as_of):
                rehydration.forget(connection, request.order_id, request.node, request.at)
                return SettledStock(stale=look.as_of is not None)
            suspected = [
                r.sku for r in rehydration.of_run(connection, request.order_id, "suspected")
            ]
            found = self._confirm(connection, request, suspected, first, look)
            inventory.hold(
                connection, request.node, [*_agreeing(look), *(one.sku for one in found)]
            )
            result = self._settle(connection, request, found, len(look.seen))
            over = self._apply(connection, request, look)
            explained = len(suspected) - len(found)
            return result.model_copy(update={"explained": explained, "over": over})

        return self._c.db.once(request.key, SettledStock, step)

    @activity.defn(name=Activity.DECIDE_STOCK)
    def decide(self, request: DecideStock) -> DecidedStock:
        """Do what a person decided, whole or not at all."""

        def step(connection: Connection) -> DecidedStock:
            rows = rehydration.of_run(connection, request.order_id, "asked")
            if request.action == "keep":
                return self._keep(connection, request, rows)
            inventory.hold(connection, request.node, [row.sku for row in rows])
            refused = [why for row in rows if (why := _refusal(connection, row))]
            if refused:
                return DecidedStock(
                    refused=f"{'; '.join(refused[:SHOWN])}. Re-route or cancel what is promised "
                    "first, then correct; or keep"
                )
            return self._correct(connection, request, rows)

        return self._c.db.once(request.key, DecidedStock, step)

    # --- small steps ------------------------------------------------------------------------

    def _given(self, request: CompareStock) -> Rehydration:
        """As the network file has it now; a schedule's input is older."""
        return self._c.network.rehydration(request.node)

    def _look(self, connection: Connection, request: CompareStock, number: int) -> rehydration.Look:
        return rehydration.look(
            connection, request.order_id, number, request.node, pause=request.pause,
            booked=timedelta(hours=self._given(request).booked_hours), complete=request.complete,
        )  # fmt: skip

    def _confirm(
        self, connection: Connection, request: CompareStock, suspected: Sequence[str],
        first: rehydration.Look, look: rehydration.Look,
    ) -> list[Found]:  # fmt: skip
        """What both looks agree on; what one of them does not show is explained."""
        found: list[Found] = []
        for sku in suspected:
            if sku not in look.seen or sku not in first.seen:
                rehydration.set_state(connection, request.order_id, [sku], "superseded")
                continue
            before, now = first.seen[sku].drift, look.seen[sku].drift
            units = confirmed(before.unexplained, now.unexplained)
            bad = confirmed(before.unsellable, now.unsellable)
            if units or bad:
                found.append(Found(sku, units, bad, look.seen[sku]))
            else:
                self._note(connection, request, sku, look.seen[sku], 0, 0, "explained")
        return found

    def _settle(
        self, connection: Connection, request: CompareStock, found: Sequence[Found], levels: int
    ) -> SettledStock:
        asked = rehydration.pending(connection, request.node, "asked")
        kept = rehydration.pending(connection, request.node, "kept")
        given, since = self._given(request), request.at - FORGOTTEN
        many = len(found) > FEW and len(found) * 100 > levels * given.most_percent
        states: dict[str, list[Found]] = {}
        for one in sorted(found, key=lambda x: (-x.size, x.sku)):
            known = (one.sku in asked and asked[one.sku].at > since, kept.get(one.sku))
            small = given.tolerates(one.size, one.seen.drift.ours) and not many
            state = "seen" if request.dry_run else _becomes(one, *known, small)
            states.setdefault(state, []).append(one)
            self._note(connection, request, one.sku, one.seen, one.units, one.unsellable, state)
            if state in ("asked", "corrected"):
                _tell(connection, request, one, state)
        for one in states.get("corrected", ()):
            inventory.correct(
                connection, one.sku, request.node, one.units, one.unsellable, one.seen.as_of,
                _key(request.order_id, one.sku), request.at,
            )  # fmt: skip
        if corrected := states.get("corrected", []):
            self._audit(connection, request.node, "system", "inventory.corrected", corrected,
                        request.at)  # fmt: skip
        to_ask = states.get("asked", [])
        return SettledStock(
            confirmed=len(found),
            corrected=len(states.get("corrected", ())),
            asked=len(to_ask),
            over_promised=sum(one.over_promised for one in to_ask),
            lines=tuple(_line(one) for one in to_ask[:SHOWN]),
        )

    def _apply(
        self, connection: Connection, request: CompareStock, look: rehydration.Look
    ) -> tuple[str, ...]:
        """Move the watermark on, and remember what agrees. Returns workflows that are over."""
        rehydration.forget(connection, request.order_id, request.node, request.at)
        if request.dry_run or look.as_of is None:
            return ()
        agree = _agreeing(look)
        by_page: dict[datetime, list[str]] = {}
        for sku in agree:
            by_page.setdefault(look.seen[sku].as_of, []).append(sku)
        for as_of, skus in sorted(by_page.items()):
            inventory.agreed(connection, request.node, skus, as_of)
        rehydration.applied(
            connection, request.node, look.as_of, len(look.seen), request.order_id, request.at
        )
        return rehydration.settle_asked(connection, request.node, agree)

    def _keep(
        self, connection: Connection, request: DecideStock, rows: Sequence[Row[Any]]
    ) -> DecidedStock:
        skus = [row.sku for row in rows]
        rehydration.set_state(connection, request.order_id, skus, "kept", request.user)
        self._audit(connection, request.node, request.user, "inventory.kept", rows, request.at)
        return DecidedStock(message=f"{len(rows)} levels stay as they are")

    def _correct(
        self, connection: Connection, request: DecideStock, rows: Sequence[Row[Any]]
    ) -> DecidedStock:
        done: list[Row[Any]] = []
        newer: list[Row[Any]] = []
        for row in rows:
            key = _key(request.order_id, row.sku)
            changed = inventory.correct(
                connection, row.sku, request.node, row.unexplained, row.unsellable, row.as_of, key,
                request.at,
            )  # fmt: skip
            (done if changed else newer).append(row)
        for kind, part in (("corrected", done), ("superseded", newer)):
            skus = [row.sku for row in part]
            rehydration.set_state(connection, request.order_id, skus, kind, request.user)
        if done:
            self._audit(
                connection, request.node, request.user, "inventory.corrected", done, request.at
            )
        more = f", {len(newer)} were counted again since" if newer else ""
        return DecidedStock(message=f"{len(done)} levels corrected{more}")

    def _audit(
        self, connection: Connection, node: str, user: str, action: str,
        levels: Sequence[Found] | Sequence[Row[Any]], at: datetime,
    ) -> None:  # fmt: skip
        units = {
            one.sku: one.units if isinstance(one, Found) else int(one.unexplained) for one in levels
        }
        self._c.audit.append(connection, f"inventory:{node}", at, user, action, units=units)

    def _note(
        self, connection: Connection, request: CompareStock, sku: str, seen: rehydration.Seen,
        units: int, unsellable: int, state: str,
    ) -> None:  # fmt: skip
        rehydration.note(
            connection, request.order_id, request.order_id, request.node, sku, seen, units,
            unsellable, state, request.at,
        )  # fmt: skip


def _agreeing(look: rehydration.Look) -> list[str]:
    return sorted(
        sku
        for sku, one in look.seen.items()
        if not (one.drift.difference or one.drift.unsellable) and one.level is not None
    )


def _becomes(one: Found, asked: bool, kept: Row[Any] | None, small: bool) -> str:
    level = one.seen.level
    now = (one.units, one.unsellable, level.as_of if level is not None else None)
    if asked:
        return "waits"
    if kept is not None and (kept.unexplained, kept.unsellable, kept.counted_at) == now:
        return "kept"
    return "corrected" if small and not one.over_promised else "asked"


def _stale(connection: Connection, node: str, as_of: datetime) -> bool:
    known = rehydration.watermark(connection, node)
    return known is not None and known.as_of >= as_of


def _refusal(connection: Connection, row: Row[Any]) -> str:
    """Why a level cannot be corrected so, or nothing."""
    levels = inventory.level_rows(connection, row.sku)
    level = cast(Any, next((x for x in levels if x.node == row.node), None))
    if level is None or level.as_of >= row.as_of or row.unexplained >= 0:
        return ""
    there = level.on_hand + row.unexplained
    if there >= level.reserved:
        return ""
    return f"{row.sku}: {level.reserved} are reserved, {there} are there"


def _tell(connection: Connection, request: CompareStock, one: Found, state: str) -> None:
    d, level = one.seen.drift, one.seen.level
    events.append(
        connection, inventory.INVENTORY_STREAM, "inventory.diverged", request.at,
        sku=one.sku, node=request.node, run=request.order_id, ours=d.ours, theirs=d.theirs,
        unexplained=one.units, unsellable=one.unsellable, state=state,
        reserved=level.reserved if level is not None else 0,
    )  # fmt: skip


def _line(one: Found) -> str:
    d, level = one.seen.drift, one.seen.level
    said = f"{one.sku}: we count {d.ours}, the node {d.theirs}, {one.units:+d} unexplained"
    if one.unsellable:
        said += f", {one.unsellable:+d} unsellable"
    reserved = level.reserved if level is not None else 0
    return f"{said}, {reserved} reserved" if one.over_promised else said


def _key(run: str, sku: str) -> str:
    return f"correction:{run}:{sku}"
