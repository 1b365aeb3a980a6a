"""Tryton 7.0's JSON-RPC: sessions, typed values, business errors (trytond 7.0).

``POST /<database>/`` with ``{id, method, params}``, the context last. A session comes from
``common.db.login`` and dies without notice; 401 or 403 then says that nothing was done.
Business errors arrive as HTTP 200 with ``error``; trytond has rolled back by then.
"""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import httpx

from connectors import errors as e
from connectors.credentials import secret
from connectors.http import Effect, VendorHttp, Wire
from domain.network import ConnectorConfig

_PARTS = ("year", "month", "day", "hour", "minute", "second", "microsecond")


class _Answer(Wire):
    result: Any = None
    error: Any = None


class TrytonRpc:
    """Calls methods of a Tryton database, logging in whenever it has to."""

    def __init__(
        self, config: ConnectorConfig, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._name, self._user = config.name, config.user
        self._password = secret(config)
        self._database = config.options.get("database", "mesh")
        self._session = ""
        self._login = asyncio.Lock()
        self._context: dict[str, Any] = {}
        self._http = VendorHttp(config, headers=self._headers, transport=transport)

    async def close(self) -> None:
        await self._http.close()

    async def company(self) -> int:
        """The company that shipments belong to; also put into every later call's context."""
        if "company" not in self._context:
            rows = await self.find("company.company", [], ["id"], limit=1)
            if not rows:
                raise e.Refused(self._name, "the database has no company", "no_company")
            self._context = {"company": rows[0]["id"]}
        return int(self._context["company"])

    async def find(
        self,
        model: str,
        domain: list[Any],
        fields: list[str],
        *,
        limit: int | None = None,
        order: list[list[str]] | None = None,
    ) -> list[dict[str, Any]]:
        """Records of a model that satisfy a domain, oldest first unless said otherwise."""
        rows, _ = await self.find_within({}, model, domain, fields, limit=limit, order=order)
        return rows

    async def find_within(
        self,
        context: dict[str, Any],
        model: str,
        domain: list[Any],
        fields: list[str],
        *,
        limit: int | None = None,
        order: list[list[str]] | None = None,
    ) -> tuple[list[dict[str, Any]], datetime | None]:
        """Records as function fields see them in a context, and when Tryton answered."""
        method = f"model.{model}.search_read"
        asked = [domain, 0, limit, order or [["id", "ASC"]], fields]
        rows, said_at = await self._asked(method, tuple(asked), Effect.READ, context)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise e.ContractBroken(self._name, f"{method}.result", "is no list of records")
        return rows, said_at

    async def call(self, method: str, *params: Any, effect: Effect) -> Any:
        """One method's result.

        Raises:
            Refused: a business error; nothing was changed.
            AuthFailed: also a new session was not accepted.
        """
        result, _ = await self._asked(method, params, effect, {})
        return result

    async def _asked(
        self, method: str, params: tuple[Any, ...], effect: Effect, context: dict[str, Any]
    ) -> tuple[Any, datetime | None]:
        used = await self._logged_in("")
        try:
            return await self._call(method, params, effect, context)
        except e.AuthFailed:
            await self._logged_in(used)
            return await self._call(method, params, effect, context)

    async def _logged_in(self, dead: str) -> str:
        """A session other than the dead one; many callers share one login."""
        async with self._login:
            if not self._session or self._session == dead:
                self._session = ""
                asked = [self._user, {"password": self._password}]
                result, _ = await self._post("common.db.login", asked, Effect.READ)
                if not isinstance(result, list) or len(result) < 2:
                    raise e.AuthFailed(self._name, "Tryton does not accept the password")
                token = f"{self._user}:{result[0]}:{result[1]}"
                self._session = base64.b64encode(token.encode()).decode()
            return self._session

    async def _call(
        self, method: str, params: tuple[Any, ...], effect: Effect, context: dict[str, Any]
    ) -> tuple[Any, datetime | None]:
        whole = {**self._context, **context}
        return await self._post(method, [_sent(p) for p in (*params, whole)], effect)

    async def _post(
        self, method: str, params: list[Any], effect: Effect
    ) -> tuple[Any, datetime | None]:
        reply = await self._http.send(
            "POST",
            "/{database}/",
            at={"database": self._database},
            json={"id": 1, "method": method, "params": params},
            effect=effect,
        )
        answer = self._http.read(_Answer, reply.body, reply.request_id)
        if answer.error is None:
            return answer.result, reply.said_at
        raise self._meant(answer.error, method)

    def _meant(self, error: Any, method: str) -> e.ConnectorError:
        """A business error by its name; its text may hold a customer's name and is left out."""
        name = error[0] if isinstance(error, list) and error else error
        code = name if isinstance(name, str) and name.isidentifier() else "Fault"
        text = f"{method}: {code}"
        if code == "ConcurrencyException":  # somebody wrote first; the transaction is undone
            return e.Retryable(self._name, text)
        if code in ("LoginException", "NotLogged", "AuthenticationError"):
            return e.AuthFailed(self._name, text)
        return e.Refused(self._name, text, code)

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Session {self._session}"} if self._session else {}


def moment(value: Any) -> datetime | None:
    """Tryton's ``{"__class__": "datetime"}``, which is UTC, as a moment."""
    if not isinstance(value, dict) or value.get("__class__") != "datetime":
        return None
    try:
        year, month, day, hour, minute, second, micro = (int(value.get(p, 0)) for p in _PARTS)
        return datetime(year, month, day, hour, minute, second, micro, UTC)
    except (TypeError, ValueError):
        return None


def _sent(value: Any) -> Any:
    """A Python value as Tryton's JSON has it."""
    if isinstance(value, datetime):
        at = value.astimezone(UTC)
        return {"__class__": "datetime"} | {part: getattr(at, part) for part in _PARTS}
    if isinstance(value, date):
        return {"__class__": "date"} | {part: getattr(value, part) for part in _PARTS[:3]}
    if isinstance(value, Decimal):
        return {"__class__": "Decimal", "decimal": str(value)}
    if isinstance(value, dict):
        return {name: _sent(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_sent(part) for part in value]
    return value
