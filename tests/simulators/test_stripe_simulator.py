from __future__ import annotations

from pathlib import Path

import pytest

from simulators.faults import Faults
from tests.simulators.stagehands import Open

pytestmark = pytest.mark.asyncio
CAPTURE = "/v1/payment_intents/pi_1/capture"


async def test_the_same_key_replays_and_other_parameters_are_refused(
    stage: Open, exports: Path
) -> None:
    stripe = stage("stripe", exports=exports)
    key = {"Idempotency-Key": "capture-1"}
    asked = {"amount_to_capture": "1500", "metadata[fulfillment]": "FO-1"}
    first = await stripe.client.post(CAPTURE, data=asked, headers=key)
    assert (first.json()["status"], first.json()["amount_received"]) == ("succeeded", 1500)
    assert first.json()["metadata"] == {"order_id": "order_1", "fulfillment": "FO-1"}
    again = await stripe.client.post(CAPTURE, data=asked, headers=key)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    other = await stripe.client.post(CAPTURE, data={"amount_to_capture": "1"}, headers=key)
    assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")
    (row,) = stripe.ledger("captured")
    assert (row["reference"], row["key"], row["amount_minor"]) == ("order_1", "capture-1", 1500)


async def test_a_second_capture_under_another_key_is_refused(stage: Open, exports: Path) -> None:
    stripe = stage("stripe", exports=exports)
    await stripe.client.post(CAPTURE, headers={"Idempotency-Key": "a"})
    answer = await stripe.client.post(CAPTURE, headers={"Idempotency-Key": "b"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "payment_intent_unexpected_state"


async def test_refunds_never_exceed_what_was_captured(stage: Open, exports: Path) -> None:
    stripe = stage("stripe", exports=exports)
    await stripe.client.post(CAPTURE)
    asked = {"payment_intent": "pi_1", "amount": "1500", "metadata[order_id]": "order_1"}
    assert (await stripe.client.post("/v1/refunds", data=asked)).status_code == 200
    assert (await stripe.client.post("/v1/refunds", data=asked)).status_code == 400
    listed = (await stripe.client.get("/v1/refunds?payment_intent=pi_1")).json()
    assert [row["amount"] for row in listed["data"]] == [1500]
    topics = [topic for topic, _ in stripe.letters()]
    assert topics == ["payment_intent.succeeded", "refund.updated", "charge.refunded"]


async def test_an_intent_is_found_by_its_order(stage: Open, exports: Path) -> None:
    stripe = stage("stripe", exports=exports)
    query = {"query": "metadata['order_id']:'order_2'"}
    found = (await stripe.client.get("/v1/payment_intents/search", params=query)).json()
    assert [(one["id"], one["amount"]) for one in found["data"]] == [("pi_2", 1000)]


async def test_a_declined_card_answers_402_and_stays_capturable(stage: Open, exports: Path) -> None:
    stripe = stage("stripe", exports=exports, faults=Faults(payment_declined=1.0))
    answer = await stripe.client.post(CAPTURE)
    assert (answer.status_code, answer.json()["error"]["type"]) == (402, "card_error")
    intent = (await stripe.client.get("/v1/payment_intents/pi_1")).json()
    assert intent["status"] == "requires_capture"


async def test_a_stored_server_error_is_replayed_until_another_key_asks(
    stage: Open, exports: Path
) -> None:
    stripe = stage("stripe", exports=exports, faults=Faults(server_error=1.0))
    for number in range(20):
        key = {"Idempotency-Key": f"k{number}"}
        first = await stripe.client.post(CAPTURE, headers=key)
        if first.status_code == 500:
            break
    calm = stage("stripe", exports=exports)
    again = await calm.client.post(CAPTURE, headers=key)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (500, "true")
    assert (await calm.client.post(CAPTURE, headers={"Idempotency-Key": "new"})).is_success
