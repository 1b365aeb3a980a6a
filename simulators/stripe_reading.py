"""What the simulated Stripe is asked, and tells."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simulators.ledger import Json
from simulators.stripe_account import Account, RefusedError


class Reading(Account):
    """Its GET endpoints."""

    async def get_intent(self, request: Request) -> Response:
        return JSONResponse(self.intent(request.path_params["id"]))

    async def search_intents(self, request: Request) -> Response:
        query = request.query_params.get("query", "")
        match = re.fullmatch(r"\s*metadata\[['\"](\w+)['\"]\]\s*:\s*['\"](.*)['\"]\s*", query)
        if match is None:
            message = "We were unable to parse your search query."
            raise RefusedError(400, "invalid_request_error", None, message, param="query")
        name, value = match.groups()
        found = self.book.referenced("intent", value)
        rows = [one for one in found if one["metadata"].get(name) == value]
        return JSONResponse(
            {
                "object": "search_result",
                "url": "/v1/payment_intents/search",
                "has_more": False,
                "next_page": None,
                "data": rows,
            }
        )

    async def list_intents(self, request: Request) -> Response:
        query = request.query_params
        limit = min(int(query.get("limit", 10)), 100)
        where, values = ["1"], list[Any]()
        if query.get("customer"):
            where.append("json_extract(body, '$.customer') = ?")
            values.append(query["customer"])
        if query.get("starting_after"):
            where.append("seq < (SELECT seq FROM entity WHERE kind = 'intent' AND id = ?)")
            values.append(query["starting_after"])
        rows = self.book.select(
            "intent", " AND ".join(where), values, order="seq DESC", limit=limit + 1
        )
        return JSONResponse(
            {
                "object": "list",
                "url": "/v1/payment_intents",
                "has_more": len(rows) > limit,
                "data": rows[:limit],
            }
        )

    async def list_refunds(self, request: Request) -> Response:
        wanted = request.query_params.get("payment_intent")
        limit = min(int(request.query_params.get("limit", 10)), 100)
        where, values = ("ref = ?", [wanted]) if wanted else ("1", [])
        rows = self.book.select("refund", where, values, order="seq DESC", limit=limit + 1)
        return JSONResponse(
            {
                "object": "list",
                "url": "/v1/refunds",
                "has_more": len(rows) > limit,
                "data": rows[:limit],
            }
        )

    async def get_refund(self, request: Request) -> Response:
        return JSONResponse(self.one("refund", request.path_params["id"]))

    async def get_dispute(self, request: Request) -> Response:
        return JSONResponse(self.one("dispute", request.path_params["id"]))

    async def list_transactions(self, request: Request) -> Response:
        """Lines of the balance, the newest first, each with its source as it stands now."""
        query = request.query_params
        limit = min(int(query.get("limit", 10)), 100)
        where, values = ["1"], list[Any]()
        for name, sign in (("gte", ">="), ("gt", ">"), ("lte", "<="), ("lt", "<")):
            if query.get(f"created[{name}]"):
                where.append(f"json_extract(body, '$.created') {sign} ?")
                values.append(int(query[f"created[{name}]"]))
        if query.get("starting_after"):
            where.append("seq < (SELECT seq FROM entity WHERE kind = 'transaction' AND id = ?)")
            values.append(query["starting_after"])
        rows = self.book.select(
            "transaction", " AND ".join(where), values, order="seq DESC", limit=limit + 1
        )
        expanded = "data.source" in query.getlist("expand[]")
        return JSONResponse(
            {
                "object": "list",
                "url": "/v1/balance_transactions",
                "has_more": len(rows) > limit,
                "data": [self._expanded(r) if expanded else r for r in rows[:limit]],
            }
        )

    def _expanded(self, line: Json) -> Json:
        key = line["source"]
        kind = {"re": "refund", "dp": "dispute"}.get(key[:2])
        return {**line, "source": self.book.get(kind, key) if kind else self.charge(key)}
