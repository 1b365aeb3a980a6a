"""Returns that customers ask for in a Medusa shop (admin REST of Medusa 2.13), as wishes of ours.

A shop names its reasons itself: option ``reason:<value>`` of the connector says which of ours one
is; a value that is one of ours needs none, and any other is ``other``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import Field, ValidationError

from connectors import errors as e
from connectors.http import Effect, VendorHttp, Wire, parsed
from connectors.ports import CancelOutcome
from domain.base import Problem
from domain.decision import ReturnReason
from domain.order import order_id
from domain.returns import ReturnWish

RETURNS = "/admin/returns"
ONE = RETURNS + "/{id}"
FULFILLMENT = "/admin/fulfillments/{id}"
FIELDS = "id,status,order_id,updated_at,canceled_at,*items,*items.reason"
STANDING = "id,status,canceled_at,fulfillments.id,fulfillments.canceled_at"
REQUESTED, CANCELED = "requested", "canceled"
REASONS: tuple[str, ...] = get_args(ReturnReason)


class _Reason(Wire):
    value: str = ""


class _Item(Wire):
    item_id: str
    quantity: float
    note: str | None = None
    reason: _Reason | None = None


class _Return(Wire):
    id: str
    order_id: str
    status: str = ""
    canceled_at: str | None = None
    items: tuple[_Item, ...] = ()


class _Carried(Wire):
    id: str
    canceled_at: str | None = None


class _Standing(Wire):
    """How a return stands, and what would bring it: a shop that names a way back for it has made
    a fulfilment of it, which has to be cancelled first."""

    status: str = ""
    canceled_at: str | None = None
    fulfillments: tuple[_Carried, ...] = ()

    @property
    def over(self) -> bool:
        """It is cancelled there."""
        return bool(self.canceled_at) or self.status == CANCELED

    @property
    def carried_by(self) -> tuple[str, ...]:
        """Fulfilments that are not cancelled."""
        return tuple(f.id for f in self.fulfillments if not f.canceled_at)


class Page(Wire):
    """A page of returns, by when they changed."""

    returns: list[dict[str, Any]]
    count: int
    offset: int = 0


class One(Wire):
    """The answer about one return."""

    return_: dict[str, Any] = Field(alias="return")


async def cancel(http: VendorHttp, connector: str, external_id: str) -> CancelOutcome:
    """Cancel a return and its fulfilments, whatever of it is not cancelled yet."""
    try:
        found = await _standing(http, connector, external_id)
    except e.Refused as refused:
        if refused.code == "not_found":
            return CancelOutcome(status="cancelled", reason="the shop does not know it")
        raise
    if found.over:
        return CancelOutcome(status="cancelled", reason="it was cancelled before")
    try:
        for fulfillment_id in found.carried_by:
            at = {"id": fulfillment_id}
            await http.send("POST", FULFILLMENT + "/cancel", at=at, effect=Effect.KEYED)
        await http.send("POST", ONE + "/cancel", at={"id": external_id}, effect=Effect.KEYED)
    except e.Refused:  # a repeat finds it cancelled
        found = await _standing(http, connector, external_id)
        if not found.over:
            return CancelOutcome(status="refused", reason=f"it is {found.status} there")
    return CancelOutcome(status="cancelled")


async def _standing(http: VendorHttp, connector: str, external_id: str) -> _Standing:
    at, fields = {"id": external_id}, {"fields": STANDING}
    found = await http.call(One, "GET", ONE, at=at, query=fields)
    return parsed(connector, _Standing, found.return_, within="return")


def wishes(
    connector: str, rows: list[dict[str, Any]], options: Mapping[str, str]
) -> tuple[list[ReturnWish], list[str], list[Problem]]:
    """What is asked for; IDs of what is cancelled; rows that cannot be read."""
    found: list[ReturnWish] = []
    off: list[str] = []
    problems: list[Problem] = []
    for row in rows:
        name = f"{connector} return {str(row.get('id', '?'))[:60]}"
        try:
            told = parsed(connector, _Return, row)
            if told.canceled_at or told.status == CANCELED:
                off.append(told.id)
            elif told.status == REQUESTED:
                found.append(_wish(connector, told, options))
        except e.ContractBroken as broken:
            problems.append(_problem(name, broken.field, str(broken)))
        except ValidationError as wrong:
            first = wrong.errors(include_url=False)[0]
            problems.append(_problem(name, ".".join(map(str, first["loc"])), first["msg"]))
    return found, off, problems


def _wish(connector: str, told: _Return, options: Mapping[str, str]) -> ReturnWish:
    lines = [
        {
            "line_id": item.item_id,
            "quantity": round(item.quantity),
            "reason": _reason(item, options),
        }
        for item in told.items
    ]
    notes = "; ".join(item.note for item in told.items if item.note)
    return ReturnWish.model_validate(
        {
            "order_id": order_id(connector, told.order_id), "lines": lines, "source": connector,
            "external_id": told.id, "comment": notes[:500],
        }
    )  # fmt: skip


def _reason(item: _Item, options: Mapping[str, str]) -> str:
    value = item.reason.value if item.reason else ""
    ours = options.get(f"reason:{value}", value)
    return ours if ours in REASONS else "other"


def _problem(source: str, field: str, reason: str) -> Problem:
    remedy = "Look the return up in Medusa, and ask for it by hand: `meshline return request`"
    return Problem(source=source, field=field, reason=reason[:300], remedy=remedy)
