from __future__ import annotations

import pytest

from tests.simulators.stagehands import Open

pytestmark = pytest.mark.asyncio
ASKED = {"ticket": {"subject": "Late", "comment": {"body": "A late pick"}, "external_id": "ex-1"}}


async def test_a_ticket_is_created_once_a_key_and_found_by_external_id(stage: Open) -> None:
    desk = stage("zendesk")
    key = {"Idempotency-Key": "t-1"}
    first = await desk.client.post("/api/v2/tickets.json", json=ASKED, headers=key)
    assert (first.status_code, first.headers["x-idempotency-lookup"]) == (201, "miss")
    again = await desk.client.post("/api/v2/tickets.json", json=ASKED, headers=key)
    assert again.headers["x-idempotency-lookup"] == "hit"
    assert again.json() == first.json()
    other = {"ticket": {"comment": {"body": "Something else"}}}
    refused = await desk.client.post("/api/v2/tickets.json", json=other, headers=key)
    assert (refused.status_code, refused.json()["error"]) == (400, "IdempotentRequestError")
    query = {"query": "type:ticket external_id:ex-1"}
    found = (await desk.client.get("/api/v2/search.json", params=query)).json()
    assert found["count"] == 1
    assert [row["reference"] for row in desk.ledger("ticket_created")] == ["ex-1"]


async def test_a_comment_is_added_to_an_open_ticket(stage: Open) -> None:
    desk = stage("zendesk")
    ticket = (await desk.client.post("/api/v2/tickets.json", json=ASKED)).json()["ticket"]
    path = f"/api/v2/tickets/{ticket['id']}"
    update = {"ticket": {"comment": {"body": "Shipped now"}, "status": "solved"}}
    assert (await desk.client.put(path + ".json", json=update)).json()["ticket"][
        "status"
    ] == "solved"
    comments = (await desk.client.get(path + "/comments.json")).json()["comments"]
    assert [one["body"] for one in comments] == ["A late pick", "Shipped now"]
