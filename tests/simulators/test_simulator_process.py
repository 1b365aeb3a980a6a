"""The simulators as processes: ports, signals, drops on the wire, death and return."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulators import faults

Start = Callable[..., tuple[subprocess.Popen[str], str]]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[subprocess.Popen[str]] = []

    def start_(vendor: str, *more: str) -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-m", "simulators", vendor, "--data", str(tmp_path), *more]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        running.append(process)
        assert process.stdout is not None
        line: dict[str, Any] = json.loads(process.stdout.readline())
        assert line["vendor"] == vendor
        return process, f"http://127.0.0.1:{line['port']}"

    yield start_
    for process in running:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def placed(url: str) -> int:
    answer = httpx.get(f"{url}/admin/orders", auth=("key", ""))
    return int(answer.json()["count"])


def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_a_killed_simulator_returns_with_everything_it_had(
    start: Start, exports: Path, tmp_path: Path
) -> None:
    clock = ("--clock-wall0", str(time.time() - 0.5), "--clock-rate", "3600")
    process, url = start("medusa", "--exports", str(exports), *clock)
    until(lambda: placed(url) == 1)
    process.kill()
    process.wait()
    process, url = start("medusa", "--exports", str(exports), *clock)
    until(lambda: placed(url) == 2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0
    rows = sqlite3.connect(tmp_path / "medusa.db").execute("SELECT subject FROM ledger")
    assert [subject for (subject,) in rows] == ["order_1", "order_2"]


def test_a_lost_acknowledgement_drops_the_connection_without_an_answer(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    chances, dice = faults.LEVELS["storm"], faults.Dice(1, "zendesk")
    _, url = start("zendesk", "--faults", "storm")
    before = 0
    for number in range(400):
        body = json.dumps({"ticket": {"comment": {"body": f"n{number}"}}}).encode()
        identity = _identity(b"/api/v2/tickets.json", body)
        if faults.transport_fault(chances, dice, identity, 1) == "lost_acknowledgement":
            with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
                httpx.post(f"{url}/api/v2/tickets.json", content=body, auth=("key", ""))
            before += 1
            break
    assert before == 1
    stats = httpx.get(f"{url}/_sim/stats").json()
    assert stats["effects"] == {"ticket_created": 1}


def _identity(path: bytes, body: bytes) -> str:
    scope = {"method": "POST", "path": path.decode(), "query_string": b"", "headers": []}
    return faults._identity(scope, body)


def test_an_orphaned_simulator_ends(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys\n"
        f"p = subprocess.Popen([sys.executable, '-m', 'simulators', 'zendesk', '--data',"
        f" {str(tmp_path)!r}], stdout=subprocess.PIPE, text=True)\n"
        "print(p.pid, p.stdout.readline(), flush=True)\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=10
    ).stdout
    pid, port = int(out.split()[0]), json.loads(out.partition(" ")[2])["port"]
    try:
        until(lambda: not _listens(port), 6)
    finally:
        if _listens(port):
            os.kill(pid, signal.SIGKILL)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
