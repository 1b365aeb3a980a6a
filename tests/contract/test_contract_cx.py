"""What a customer-care port promises, against the simulated Zendesk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from connectors import errors as e
from connectors.ports import CX, Ticket
from connectors.zendesk import Zendesk
from tests.contract.vendors import STILL, Losing, Running, Start


@pytest.fixture(scope="module")
def help_desk(start: Start) -> Iterator[Running]:
    yield start("zendesk", STILL)


@pytest_asyncio.fixture
async def cx(help_desk: Running) -> AsyncIterator[Zendesk]:
    made = Zendesk(help_desk.config(), Losing())
    yield made
    await made.close()


def ticket(reference: str, **changes: object) -> Ticket:
    made = Ticket(reference=reference, group="care", subject="Late", body="It is late.")
    return made.model_copy(update=changes)


async def test_the_connector_is_what_the_port_says(cx: Zendesk) -> None:
    assert isinstance(cx, CX)


async def test_a_ticket_is_opened_once_a_key_and_found_by_its_reference(
    cx: Zendesk, help_desk: Running
) -> None:
    reference = "order:shop:1/notify/1"
    assert await cx.find(reference) is None
    number = await cx.notify(ticket(reference), reference)
    assert await cx.notify(ticket(reference), reference) == number
    assert await cx.find(reference) == number
    assert await cx.find("order:shop:1/notify") is None
    (made,) = help_desk.ledger("ticket_created", reference)
    assert '"care"' in made["body"]


async def test_a_lost_acknowledgement_does_not_double_a_ticket(
    cx: Zendesk, help_desk: Running
) -> None:
    line = cx._http._client._transport
    assert isinstance(line, Losing)
    line.lose = "POST /api/v2/tickets.json"
    number = await cx.notify(ticket("T-lost"), "T-lost")
    assert [r["subject"] for r in help_desk.ledger("ticket_created", "T-lost")] == [number]


async def test_a_changed_text_under_the_same_key_is_the_same_ticket(
    cx: Zendesk, help_desk: Running
) -> None:
    number = await cx.notify(ticket("T-text"), "T-text")
    assert await cx.notify(ticket("T-text", body="It is later."), "T-text") == number
    assert len(help_desk.ledger("ticket_created", "T-text")) == 1


async def test_a_key_that_is_too_long_for_zendesk_still_is_one(
    cx: Zendesk, help_desk: Running
) -> None:
    key = "k" * 400
    assert await cx.notify(ticket("T-long"), key) == await cx.notify(ticket("T-long"), key)
    assert len(help_desk.ledger("ticket_created", "T-long")) == 1


async def test_an_empty_message_is_refused_by_zendesk_s_own_word(cx: Zendesk) -> None:
    with pytest.raises(e.Refused) as refused:
        await cx.notify(ticket("T-empty", body=""), "T-empty")
    assert refused.value.code == "RecordInvalid"
