"""Zendesk, the customer care: tickets of the Support API v2.

Shapes follow Zendesk's published API reference: tickets, search by `external_id`, and
idempotency keys on creation (`x-idempotency-lookup: hit` or `miss`; another body under the
same key is refused with `IdempotentRequestError`).
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.app import Settings, Sim, Vendor
from simulators.clock import iso
from simulators.exports import credential
from simulators.ledger import Json
from simulators.outbox import standard_signature

FIELDS = ("subject", "external_id", "tags", "group_id", "priority", "status", "type")


class Zendesk:
    """One help desk."""

    def __init__(self, sim: Sim) -> None:
        self.sim, self.book = sim, sim.book

    async def create_ticket(self, request: Request) -> Response:
        asked = (await request.json()).get("ticket") or {}
        key = request.headers.get("idempotency-key", "")
        text = json.dumps(asked, sort_keys=True)
        fingerprint = hashlib.sha256(text.encode()).hexdigest()
        stored = self.book.answer(key) if key else None
        if stored is not None:
            if stored[0] != fingerprint:
                return _mismatch()
            return JSONResponse(stored[2], stored[1], {"x-idempotency-lookup": "hit"})
        comment = (asked.get("comment") or {}).get("body")
        if not comment:
            return _invalid("description", "Description: cannot be blank")
        with self.book.transaction():
            body = {"ticket": self._open(asked, comment, key)}
            if key:
                self.book.remember(key, fingerprint, 201, body)
        headers = {"x-idempotency-lookup": "miss"} if key else {}
        return JSONResponse(body, 201, headers)

    def _open(self, asked: Json, comment: str, key: str) -> Json:
        number, now = self.book.next_number("ticket", 1001), iso(self.sim.clock.now())
        ticket: Json = {
            "id": number,
            "url": f"https://example.zendesk.com/api/v2/tickets/{number}.json",
            "description": comment,
            "created_at": now,
            "updated_at": now,
            "tags": [],
            "status": "new",
            "priority": None,
            "external_id": None,
            "comment_count": 1,
            **{name: asked[name] for name in FIELDS if name in asked},
        }
        self._put(ticket)
        reference = str(ticket["external_id"] or "")
        body = {"subject": ticket.get("subject"), "tags": ticket["tags"]}
        self.book.record("ticket_created", str(number), reference, key=key, body=body)
        return ticket

    async def get_ticket(self, request: Request) -> Response:
        found = self.book.get("ticket", request.path_params["id"])
        return JSONResponse({"ticket": found}) if found else _missing()

    async def update_ticket(self, request: Request) -> Response:
        asked = (await request.json()).get("ticket") or {}
        with self.book.transaction():
            ticket = self.book.get("ticket", request.path_params["id"])
            if ticket is None:
                return _missing()
            ticket |= {name: asked[name] for name in FIELDS if name in asked}
            ticket["updated_at"] = iso(self.sim.clock.now())
            comment = (asked.get("comment") or {}).get("body")
            if comment:
                ticket["comment_count"] += 1
                number = self.book.next_number("comment")
                row = {"id": number, "body": comment, "created_at": ticket["updated_at"]}
                self.book.put("comment", number, row, ref=str(ticket["id"]))
            self._put(ticket)
        return JSONResponse({"ticket": ticket})

    async def list_comments(self, request: Request) -> Response:
        rows = self.book.referenced("comment", str(request.path_params["id"]))
        ticket = self.book.get("ticket", request.path_params["id"])
        if ticket is None:
            return _missing()
        first = {"id": 0, "body": ticket["description"], "created_at": ticket["created_at"]}
        return JSONResponse({"comments": [first, *rows], "count": len(rows) + 1})

    async def search(self, request: Request) -> Response:
        query = request.query_params.get("query", "")
        wanted = re.search(r'external_id:(?:"([^"]+)"|(\S+))', query)
        if wanted is None:
            return _invalid("query", "Only searches by external_id are played here")
        rows = self.book.referenced("ticket", wanted.group(1) or wanted.group(2))
        results = [{**row, "result_type": "ticket"} for row in rows]
        page: Json = {"results": results, "count": len(results)}
        return JSONResponse({**page, "next_page": None, "previous_page": None, "facets": None})

    def _put(self, ticket: Json) -> None:
        self.book.put("ticket", ticket["id"], ticket, ref=str(ticket["external_id"] or ""))


def _mismatch() -> Response:
    text = "Request parameters don't match the given idempotency key"
    return JSONResponse({"error": "IdempotentRequestError", "description": text}, 400)


def _missing() -> Response:
    return JSONResponse({"error": "RecordNotFound", "description": "Not found"}, 404)


def _invalid(field: str, text: str) -> Response:
    details: dict[str, Any] = {field: [{"description": text, "error": "BlankValue"}]}
    body = {"error": "RecordInvalid", "description": "Record validation errors"}
    return JSONResponse({**body, "details": details}, 422)


def refuse(request: Request) -> Response | None:
    if credential(request, "basic", "bearer"):
        return None
    return JSONResponse({"error": "Couldn't authenticate you"}, 401)


def create(settings: Settings) -> Vendor:
    sim = Sim(settings, standard_signature)
    desk = Zendesk(sim)
    routes: list[Route] = []
    for end in (".json", ""):
        one = "/api/v2/tickets/{id:int}" + end
        routes += [
            Route("/api/v2/tickets" + end, desk.create_ticket, methods=["POST"]),
            Route(one, desk.get_ticket, methods=["GET"]),
            Route(one, desk.update_ticket, methods=["PUT"]),
            Route("/api/v2/tickets/{id:int}/comments" + end, desk.list_comments),
            Route("/api/v2/search" + end, desk.search),
        ]
    return Vendor(sim, routes, refuse)
