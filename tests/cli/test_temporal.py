"""Waiting for an order's answer."""

from __future__ import annotations

import asyncio

import pytest

from cli import temporal


async def later(gate: asyncio.Event) -> str:
    await gate.wait()
    return "done"


async def test_who_waits_long_is_told_what_for_and_still_gets_the_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(temporal, "PATIENCE", 0.01)
    gate = asyncio.Event()
    asyncio.get_running_loop().call_later(0.1, gate.set)
    assert await temporal.patiently(later(gate), "order:shop:1") == "done"
    said = capsys.readouterr().err
    assert "order:shop:1 does not answer yet. Is a worker running (`meshline up`)?" in said


async def test_an_answer_that_comes_at_once_says_nothing_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gate = asyncio.Event()
    gate.set()
    assert await temporal.patiently(later(gate), "order:shop:1") == "done"
    assert capsys.readouterr().err == ""
