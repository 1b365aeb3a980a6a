"""What a status page tells, against the simulated one."""

from __future__ import annotations

import pytest

from connectors import errors as e
from connectors.ports import Inbound, Pollable
from connectors.statuspage import StatusPage
from domain.base import InvalidInput
from domain.network import ConnectorConfig
from tests.contract.vendors import FAST, STILL, Start

BOTH = {"component:UPS": "UPS", "component:FedEx": "FedEx"}


async def polled(url: StatusPage, cursor: str = "") -> Inbound:
    try:
        return await url.poll(cursor)
    finally:
        await url.close()


async def test_it_tells_what_the_page_says_once_a_change(start: Start) -> None:
    running = start("statuspage", STILL)
    page = StatusPage(running.config(**BOTH))
    assert isinstance(page, Pollable)
    found = await page.poll("")
    assert [(s.carrier, s.state) for s in found.statuses] == [("FedEx", "well"), ("UPS", "well")]
    assert found.cursor
    again = await polled(page, found.cursor)
    assert again.statuses == ()
    assert again.cursor is None


async def test_an_outage_is_told_late_and_over_again(start: Start) -> None:
    running = start("statuspage", FAST, "--outage", "UPS:-0.4:1000")
    page = StatusPage(running.config(**BOTH))
    for _ in range(200):
        states = {s.carrier: s for s in (await page.poll("")).statuses}
        if states["UPS"].state == "out":
            break
    assert states["UPS"].text == "UPS: major outage"
    assert states["FedEx"].state == "well"
    await page.close()


async def test_a_component_that_is_not_there_is_named(start: Start) -> None:
    page = StatusPage(start("statuspage", STILL).config(**{"component:UPS": "U.P.S."}))
    with pytest.raises(e.ContractBroken, match=r"has no 'U\.P\.S\.'; it has FedEx, UPS, USPS"):
        await polled(page)


def test_a_page_that_speaks_for_nobody_is_refused() -> None:
    config = ConnectorConfig(name="page", kind="statuspage", url="http://127.0.0.1:1")
    with pytest.raises(InvalidInput, match="no component speaks for a carrier"):
        StatusPage(config)
