"""The one HTTP client: what it repeats, what it bounds, what it never says."""

from __future__ import annotations

import asyncio
import base64
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from connectors import errors as e
from connectors import http
from connectors.http import Effect, VendorHttp, Wire
from domain.network import ConnectorConfig

SECRET = "sk_very_secret_value"
Answer = Callable[[httpx.Request], httpx.Response]


class Thing(Wire):
    id: int
    parts: tuple[Part, ...] = ()


class Part(Wire):
    name: str


class Vendor:
    """Answers from a script; the last answer stays."""

    def __init__(self, *script: Answer | httpx.Response | Exception) -> None:
        self.script = list(script)
        self.seen: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, Exception):
            raise step
        return step if isinstance(step, httpx.Response) else step(request)


def client(vendor: Vendor | httpx.AsyncBaseTransport, **options: Any) -> VendorHttp:
    config = ConnectorConfig(name="shop", kind="test", url="http://vendor.test/base/")
    transport = httpx.MockTransport(vendor) if isinstance(vendor, Vendor) else vendor
    auth = httpx.BasicAuth("user", SECRET)
    return VendorHttp(config, auth=auth, transport=transport, **options)


def ok(**body: Any) -> httpx.Response:
    return httpx.Response(200, json=body or {"id": 1})


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Waits of the client, noted and not waited."""
    waits: list[float] = []
    original = http._wait

    def noted(state: Any) -> float:
        waits.append(original(state))
        return 0.0 if waits[-1] < http.MAX_SECONDS else waits[-1]

    monkeypatch.setattr(http, "_wait", noted)
    yield waits


async def test_every_phase_has_a_time_out() -> None:
    given = client(Vendor(ok()))._client.timeout
    assert (given.connect, given.read, given.write, given.pool) == (2.0, 5.0, 5.0, 5.0)


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("dropped"),
        httpx.ReadError("reset"),
        httpx.Response(500),
        httpx.Response(502, text="<html>"),
    ],
)
async def test_a_read_is_sent_again_and_a_write_is_in_doubt(
    trouble: httpx.Response | Exception,
) -> None:
    reading, keyed, once = (Vendor(trouble, ok()) for _ in range(3))
    assert (await client(reading).call(Thing, "GET", "/things")).id == 1
    await client(keyed).call(Thing, "POST", "/things", json={}, effect=Effect.KEYED)
    with pytest.raises(e.Ambiguous):
        await client(once).call(Thing, "POST", "/things", json={})
    assert (len(reading.seen), len(keyed.seen), len(once.seen)) == (2, 2, 1)


async def test_three_tries_are_all_and_the_outcome_is_told_by_the_effect() -> None:
    for effect, kind in ((Effect.READ, e.Retryable), (Effect.KEYED, e.Ambiguous)):
        vendor = Vendor(httpx.Response(503))
        with pytest.raises(e.Retryable) as failed:
            await client(vendor).send("POST", "/things", json={}, effect=effect)
        assert type(failed.value) is kind and len(vendor.seen) == 3


@pytest.mark.parametrize(
    "refusal", [httpx.ConnectError("refused"), httpx.ConnectTimeout("far"), httpx.Response(429)]
)
async def test_what_was_surely_not_applied_is_sent_again_even_without_a_key(
    refusal: httpx.Response | Exception,
) -> None:
    vendor = Vendor(refusal, ok())
    await client(vendor).send("POST", "/things", json={})
    assert len(vendor.seen) == 2
    with pytest.raises(e.Retryable) as failed:
        await client(Vendor(refusal)).send("POST", "/things", json={})
    assert type(failed.value) is e.Retryable


async def test_a_short_retry_after_is_waited_for_and_a_long_one_is_handed_on(
    at_once: list[float],
) -> None:
    short = httpx.Response(429, headers={"retry-after": "2"})
    await client(Vendor(short, ok())).send("GET", "/things")
    assert at_once[0] >= 2.0
    vendor = Vendor(httpx.Response(429, headers={"retry-after": "60"}), ok())
    with pytest.raises(e.Retryable) as failed:
        await client(vendor).send("GET", "/things")
    assert failed.value.retry_after == 60.0 and len(vendor.seen) == 1


async def test_a_retry_after_may_be_a_date() -> None:
    reply = http.Reply(503, {"retry-after": "Wed, 01 Jan 2020 00:00:00 GMT"}, None, "r")
    assert reply.retry_after == 0.0
    assert http.Reply(503, {"retry-after": "soon"}, None, "r").retry_after is None


async def test_half_an_answer_to_a_write_is_in_doubt() -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"id": 1, ')
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = ConnectorConfig(name="shop", kind="test", url=f"http://127.0.0.1:{port}")
    with pytest.raises(e.Ambiguous):
        await VendorHttp(config).call(Thing, "POST", "/things", json={})
    server.close()


async def test_a_body_that_trickles_ends_at_the_whole_answer_s_time_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "WHOLE_ANSWER_SECONDS", 0.1)

    class Trickle(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            while True:
                await asyncio.sleep(0.02)
                yield b" "

    began = time.monotonic()
    with pytest.raises(e.Ambiguous, match="no whole answer"):
        await client(Vendor(httpx.Response(200, stream=Trickle()))).send("POST", "/t", json={})
    assert time.monotonic() - began < 1.0


async def test_sizes_are_bounded_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    vendor = Vendor(ok())
    with pytest.raises(e.Refused) as large:
        await client(vendor).send("POST", "/things", json={"text": "x" * http.MAX_REQUEST})
    assert large.value.code == "request_too_large" and vendor.seen == []
    monkeypatch.setattr(http, "MAX_ANSWER", 1_000)
    with pytest.raises(e.ContractBroken, match="larger than 1000 bytes"):
        await client(Vendor(ok(id=1, text="x" * 2_000))).send("GET", "/things")


async def test_a_broken_contract_names_the_field_and_not_its_value() -> None:
    parts = [{"name": "a"}, {"name": {"street": "1 Invented Way"}}]
    with pytest.raises(e.ContractBroken) as broken:
        await client(Vendor(ok(id=1, parts=parts))).call(Thing, "GET", "/things")
    assert broken.value.field == "parts.1.name" and "Invented" not in str(broken.value)
    with pytest.raises(e.ContractBroken, match="is no JSON"):
        await client(Vendor(httpx.Response(200, text="<html>"))).call(Thing, "GET", "/things")
    with pytest.raises(e.ContractBroken, match="redirected"):
        moved = httpx.Response(302, headers={"location": "http://elsewhere.test"})
        await client(Vendor(moved)).call(Thing, "GET", "/things")


@pytest.mark.parametrize(
    ("status", "kind"), [(401, e.AuthFailed), (403, e.AuthFailed), (404, e.Refused)]
)
async def test_a_refusal_is_not_sent_again(status: int, kind: type[e.ConnectorError]) -> None:
    vendor = Vendor(httpx.Response(status, json={"message": "1 Invented Way is not known"}))
    with pytest.raises(kind) as refused:
        await client(vendor).send("GET", "/things/{id}", at={"id": 7})
    assert len(vendor.seen) == 1
    assert "Invented" not in str(refused.value), "a vendor's text may name a person"


async def test_an_external_id_cannot_leave_its_place_in_the_path() -> None:
    vendor = Vendor(ok())
    await client(vendor).send("GET", "/things/{id}/x", at={"id": "../admin?a=b#c/é"})
    assert vendor.seen[0].url.raw_path == b"/base/things/..%2Fadmin%3Fa%3Db%23c%2F%C3%A9/x"
    for odd in ("", ".", ".."):
        with pytest.raises(e.Refused, match="ID is empty or a dot"):
            await client(vendor).send("GET", "/things/{id}", at={"id": odd})


async def test_every_request_has_an_id_and_the_vendor_s_own_is_preferred() -> None:
    vendor = Vendor(httpx.Response(404), httpx.Response(404, headers={"request-id": "req_9"}))
    shop = client(vendor)
    for _ in range(2):
        with pytest.raises(e.Refused) as refused:
            await shop.send("GET", "/things")
    sent = [request.headers["x-request-id"] for request in vendor.seen]
    assert len(set(sent)) == 2 and all(one.startswith("ml-") for one in sent)
    assert refused.value.request_id == "req_9" and "req_9" in str(refused.value)


async def test_no_secret_is_in_any_exception_or_log() -> None:
    hidden = {SECRET, base64.b64encode(f"user:{SECRET}".encode()).decode(), "Invented"}
    troubles: list[httpx.Response | Exception] = [
        httpx.ReadTimeout(f"with {SECRET}"),
        httpx.ConnectError(f"to {SECRET}"),
        httpx.Response(401, json={"message": SECRET}),
        httpx.Response(422, json={"message": f"{SECRET} at 1 Invented Way"}),
        httpx.Response(200, text=SECRET),
    ]
    for trouble in troubles:
        with capture_logs() as lines, pytest.raises(e.ConnectorError) as failed:
            body = {"street": "1 Invented Way"}
            await client(Vendor(trouble)).call(
                Thing, "POST", "/things/{id}", at={"id": 1}, json=body
            )
        text = "".join(traceback.format_exception(failed.value)) + str(lines)
        assert not [one for one in hidden if one in text], text
        assert lines and {line["path"] for line in lines} == {"/things/{id}"}
        assert set(lines[0]) == {
            "event", "log_level", "connector", "method", "path", "status", "ms", "request_id",
        }  # fmt: skip


async def test_a_netrc_or_proxy_of_the_machine_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert (await client(Vendor(ok())).call(Thing, "GET", "/things")).id == 1
