"""Ports for children, and what a person is told of a child that does not come up."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from cli import supervisor
from cli.supervisor import Child, Supervisor, claim_port, python
from domain.base import InvalidInput

SERVER = """
import json, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))  # with SO_REUSEADDR, as all do
print(json.dumps({"port": int(sys.argv[1])}), flush=True)
while True:
    listener.accept()
"""


def test_a_claimed_port_is_none_that_an_outgoing_connection_may_get() -> None:
    first, last = map(int, supervisor._EPHEMERAL.read_text().split())
    if first < 22_000:
        pytest.skip("this machine gives all ports to outgoing connections")
    ports = {claim_port() for _ in range(50)}
    assert not ports & set(range(first, last + 1))


def test_a_port_is_claimed_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr("random.sample", lambda *_: [port])
        with pytest.raises(InvalidInput, match="ss -ltn"):
            claim_port()
    monkeypatch.setattr(supervisor, "_EPHEMERAL", tmp_path / "not there")
    assert claim_port() == port
    with pytest.raises(InvalidInput, match="ss -ltn"):  # its server has not yet begun
        claim_port()


async def test_a_child_gets_its_claimed_port_again_when_it_is_restarted(tmp_path: Path) -> None:
    said: list[str] = []
    running = Supervisor(tmp_path, {}, said.append)
    port = claim_port()
    child = await running.start(
        Child("server", python("-c", SERVER, "{port}"), announces=True, port=port)
    )
    try:
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", port)):
                before = child.process
                await running.kill("server")
                assert before is not None
                await before.wait()
            await _listens(port)
    finally:
        await running.stop()
    assert said == ["server ended with code -9; starting it again"] * 2


async def _listens(port: int) -> None:
    for _ in range(500):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        await asyncio.sleep(0.02)
    pytest.fail("the child did not come back")


async def test_a_child_that_ends_at_its_start_is_told_with_its_own_words(tmp_path: Path) -> None:
    running = Supervisor(tmp_path, {}, print)
    try:
        with pytest.raises(InvalidInput, match=r"ended at its start.*no such shelf.*server\.log"):
            await running.start(
                Child("server", python("-c", "raise SystemExit('no such shelf')"), announces=True)
            )
    finally:
        await running.stop()


async def test_a_child_that_is_not_ready_in_time_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(supervisor, "READY_TIMEOUT", 0.2)
    running = Supervisor(tmp_path, {}, print)
    try:
        with pytest.raises(InvalidInput, match=r"not ready within 0 s.*it wrote nothing"):
            await running.start(
                Child("server", python("-c", "import time; time.sleep(60)"), announces=True)
            )
    finally:
        await running.stop()
