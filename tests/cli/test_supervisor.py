"""Ports for children: free, and out of reach of outgoing connections."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from cli import supervisor
from cli.supervisor import free_port
from domain.base import InvalidInput


def test_a_free_port_is_none_that_an_outgoing_connection_may_get() -> None:
    first, last = map(int, supervisor._EPHEMERAL.read_text().split())
    if first < 22_000:
        pytest.skip("this machine gives all ports to outgoing connections")
    ports = {free_port() for _ in range(50)}
    assert len(ports) > 40, "two demos at a time seldom choose the same"
    assert not ports & set(range(first, last + 1))


def test_a_port_that_is_taken_is_not_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr("random.sample", lambda *_: [port])
        with pytest.raises(InvalidInput, match="ss -ltn"):
            free_port()
    monkeypatch.setattr(supervisor, "_EPHEMERAL", tmp_path / "not there")
    assert free_port() == port
