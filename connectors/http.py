"""The one HTTP client: bounded in time and size, repeating only what cannot double.

A vendor's module says of each call what it does to the vendor (``Effect``) and which form
the answer has (a ``Wire`` model). Everything that can go wrong leaves as one of
``connectors.errors``; their texts hold the method, the path's template, a status and a
code - never a secret, never a vendor's free text, which may repeat a customer's address.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import orjson
import structlog
import tenacity
from pydantic import BaseModel, ConfigDict, ValidationError

from connectors import errors as e
from domain.network import ConnectorConfig

TIMEOUTS = httpx.Timeout(connect=2.0, read=5.0, write=5.0, pool=5.0)
WHOLE_ANSWER_SECONDS = 15.0  # a body that trickles would outlast every read time-out
MAX_REQUEST = 256 * 1024
MAX_ANSWER = 8 * 1024 * 1024
MAX_TRIES = 3
MAX_SECONDS = 5.0  # of waiting for a blip to pass; longer is the workflow's business

M = TypeVar("M", bound="Wire")
log = structlog.get_logger()


class Wire(BaseModel):
    """A part of a vendor's message. Fields that we do not know are let be."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


class Effect(StrEnum):
    """What a request does to the vendor, and so when it may be sent again.

    READ changes nothing. KEYED changes something once however often it is sent (an
    idempotency key that the vendor honours, or a state that is entered once). ONCE would
    change it again.
    """

    READ = "read"
    KEYED = "keyed"
    ONCE = "once"


@dataclass(frozen=True)
class Reply:
    """An answer. ``body`` is None where it is no JSON."""

    status: int
    headers: Mapping[str, str]
    body: Any
    request_id: str

    @property
    def retry_after(self) -> float | None:
        """Seconds the vendor asks us to wait, from either form of Retry-After."""
        text = self.headers.get("retry-after", "").strip()
        if not text:
            return None
        try:
            return max(0.0, min(float(text), 86_400.0))
        except ValueError:
            pass
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())

    @property
    def said_at(self) -> datetime | None:
        """When the vendor made the answer, from HTTP's Date; None where it does not say."""
        try:
            moment = parsedate_to_datetime(self.headers.get("date", ""))
        except ValueError:
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Explain = Callable[[Reply, Effect, str], e.ConnectorError | None]
"""Vendor's view of a failed reply: (reply, effect, what) -> an error, or None for the rule."""


class VendorHttp:
    """One vendor over HTTP.

    Args:
        headers: called for every request; adds credentials.
        explain: turns a failed answer into the vendor's own meaning, or returns None.
        transport: tests replace the network.
    """

    def __init__(
        self,
        config: ConnectorConfig,
        *,
        auth: httpx.Auth | None = None,
        headers: Callable[[], Mapping[str, str]] | None = None,
        explain: Explain | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._name = config.name
        self._headers = headers or dict
        self._explain = explain
        self._client = httpx.AsyncClient(
            base_url=config.url.rstrip("/"),
            auth=auth,
            timeout=TIMEOUTS,
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=32),
            follow_redirects=False,
            trust_env=False,  # a .netrc must not lend its passwords to a vendor
            proxy=config.options.get("proxy") or None,
            transport=transport,
            headers={"accept": "application/json", "user-agent": "meshline"},
        )
        self._count = itertools.count(1)
        self._seed = f"{os.getpid()}:{time.time_ns()}:{config.name}"

    async def close(self) -> None:
        await self._client.aclose()

    async def call(
        self,
        model: type[M],
        method: str,
        path: str,
        *,
        at: Mapping[str, object] | None = None,
        query: Mapping[str, str | int] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        effect: Effect | None = None,
    ) -> M:
        """Send a request and read the answer as a model; see ``send``."""
        reply = await self.send(
            method, path, at=at, query=query, json=json, form=form, headers=headers, effect=effect
        )
        return self.read(model, reply.body, reply.request_id)

    def read(self, model: type[M], body: Any, request_id: str = "", within: str = "") -> M:
        """Validate a body against the vendor's form.

        Raises:
            ContractBroken: naming the path of the first field that breaks it.
        """
        return parsed(self._name, model, body, request_id, within)

    async def send(
        self,
        method: str,
        path: str,
        *,
        at: Mapping[str, object] | None = None,
        query: Mapping[str, str | int] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        effect: Effect | None = None,
    ) -> Reply:
        """Send a request, again where that is safe, and return its JSON answer.

        Args:
            path: a template; every ``{name}`` is filled from ``at``, quoted.
            effect: GET is a READ and everything else ONCE unless it is said.

        Raises:
            connectors.errors: what the vendor's answer, or its silence, means.
        """
        effect = effect or (Effect.READ if method == "GET" else Effect.ONCE)
        what = f"{method} {path}"
        content = self._content(json, form, what)
        request_id = self._request_id()
        kind = "application/x-www-form-urlencoded" if form is not None else "application/json"
        sent = {"x-request-id": request_id, **(headers or {})}
        if content is not None:
            sent["content-type"] = kind
        url = self._url(path, at or {}, what)

        async def attempt() -> Reply:
            whole = {**sent, **self._headers()}
            request = self._client.build_request(
                method, url, params=query, content=content, headers=whole
            )
            began = time.perf_counter()
            status: int | str = "none"
            try:
                reply = await self._exchange(request, request_id, effect, what)
                status = reply.status
                return self._judge(reply, effect, what)
            finally:
                log.debug(
                    "vendor call",
                    connector=self._name,
                    method=method,
                    path=path,
                    status=status,
                    ms=round((time.perf_counter() - began) * 1000),
                    request_id=request_id,
                )

        reply: Reply = await tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(MAX_TRIES) | tenacity.stop_before_delay(MAX_SECONDS),
            wait=_wait,
            retry=tenacity.retry_if_exception(lambda error: _repeatable(error, effect)),
            reraise=True,
        )(attempt)
        return reply

    # --- one attempt ------------------------------------------------------------------------

    async def _exchange(
        self, request: httpx.Request, request_id: str, effect: Effect, what: str
    ) -> Reply:
        try:
            async with asyncio.timeout(WHOLE_ANSWER_SECONDS):
                response = await self._client.send(request, stream=True)
                try:
                    content = await self._bounded(response, what, request_id)
                finally:
                    await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise e.Retryable(
                self._name, f"{what}: no connection ({type(error).__name__})", request_id
            ) from None
        except (httpx.RequestError, TimeoutError) as error:
            raise self._silence(effect)(
                self._name, f"{what}: no whole answer ({type(error).__name__})", request_id
            ) from None
        body: Any = None
        if content:
            try:
                body = orjson.loads(content)
            except orjson.JSONDecodeError:
                if response.is_success and _unframed(response):
                    text = f"{what}: the answer breaks off"
                    raise self._silence(effect)(self._name, text, request_id) from None
                if response.is_success:
                    raise e.ContractBroken(self._name, "(body)", "is no JSON", request_id) from None
        vendors = response.headers.get("x-request-id") or response.headers.get("request-id")
        return Reply(response.status_code, response.headers, body, vendors or request_id)

    async def _bounded(self, response: httpx.Response, what: str, request_id: str) -> bytes:
        content = bytearray()
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > MAX_ANSWER:
                raise e.ContractBroken(
                    self._name, "(body)", f"{what}: larger than {MAX_ANSWER} bytes", request_id
                )
        return bytes(content)

    def _judge(self, reply: Reply, effect: Effect, what: str) -> Reply:
        """Returns a good reply; raises what a bad one means."""
        if 200 <= reply.status < 300:
            return reply
        if self._explain is not None:
            error = self._explain(reply, effect, what)
            if error is not None:
                raise error
        name, text, request = self._name, f"{what}: answered {reply.status}", reply.request_id
        if reply.status in (401, 403):
            raise e.AuthFailed(name, f"{text}; check the credentials", request)
        if reply.status == 429:
            raise e.Retryable(name, text, request, reply.retry_after)
        if reply.status >= 500 or reply.status == 408:
            raise self._silence(effect)(name, text, request, reply.retry_after)
        if reply.status < 400:
            raise e.ContractBroken(name, "(status)", f"{what} is redirected", request)
        raise e.Refused(name, text, str(reply.status), request)

    # --- small print ------------------------------------------------------------------------

    @staticmethod
    def _silence(effect: Effect) -> type[e.Retryable]:
        """What an unknown outcome is: harmless for a read, in doubt for all else."""
        return e.Retryable if effect is Effect.READ else e.Ambiguous

    def _content(self, json: Any, form: Mapping[str, str] | None, what: str) -> bytes | None:
        if form is not None:
            content = str(httpx.QueryParams(dict(form))).encode()
        elif json is not None:
            content = orjson.dumps(json)
        else:
            return None
        if len(content) > MAX_REQUEST:
            raise e.Refused(
                self._name, f"{what}: larger than {MAX_REQUEST} bytes", "request_too_large"
            )
        return content

    def _url(self, path: str, at: Mapping[str, object], what: str) -> str:
        parts = {name: str(value) for name, value in at.items()}
        if any(value in ("", ".", "..") for value in parts.values()):
            raise e.Refused(self._name, f"{what}: an ID is empty or a dot", "bad_id")
        return path.format(**{name: quote(value, safe="") for name, value in parts.items()})

    def _request_id(self) -> str:
        digest = hashlib.sha256(f"{self._seed}:{next(self._count)}".encode()).hexdigest()
        return f"ml-{digest[:20]}"


def idempotency_key(key: str, limit: int = 255) -> str:
    """A key that vendors take: the same text, or its digest where it is too long for them."""
    if len(key) <= limit and key.isascii() and key.isprintable():
        return key
    return hashlib.sha256(key.encode()).hexdigest()


def parsed(connector: str, model: type[M], body: Any, request_id: str = "", within: str = "") -> M:
    """A body as a model, or ContractBroken with the path of the field; ``within`` prefixes it."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join([*([within] if within else []), *map(str, first["loc"])]) or "(body)"
        raise e.ContractBroken(connector, path, reason_of(first["type"]), request_id) from None


def reason_of(kind: str) -> str:
    """Pydantic's error type in words; its message may quote the value, so it is not used."""
    return kind.replace("_", " ")


def _unframed(response: httpx.Response) -> bool:
    """Whether only the closed connection told the end: half an answer looks like a whole one."""
    return not {"content-length", "transfer-encoding"} & set(response.headers)


def _repeatable(error: BaseException, effect: Effect) -> bool:
    """Whether sending it again cannot double an effect and may help."""
    if type(error) is e.Retryable:
        return True  # it surely was not applied
    return type(error) is e.Ambiguous and effect is Effect.KEYED


def _wait(state: tenacity.RetryCallState) -> float:
    jitter = tenacity.wait_random_exponential(multiplier=0.2, max=2.0)(state)
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, e.Retryable) else None
    return max(jitter, asked or 0.0)
