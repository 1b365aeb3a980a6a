"""Child processes: started on free ports, restarted when they die, ended with us."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import random
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from domain.base import InvalidInput, Problem

READY_TIMEOUT = 180.0  # a child that has ended is told at once; a busy machine takes its time
STOP_TIMEOUT = 12.0
MAX_RESTARTS = 20
_LOG_LINE = 300
_PR_SET_PDEATHSIG = 1
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST_PORT, _USUAL_EPHEMERAL = 20_000, 32_768
_claims: list[socket.socket] = []  # open until we end
_libc = ctypes.CDLL(None, use_errno=True)


def claim_port() -> int:
    """A port for a child, that nobody else is given until this process ends.

    Its socket stays bound here and never listens, so another claim fails on it while the child,
    which like every server sets SO_REUSEADDR, can bind it, and bind it again after a restart.
    The system takes ports of outgoing connections from a range of its own: ours is below that.
    """
    for port in random.sample(range(_LOWEST_PORT, _first_ephemeral()), 100):
        claim = socket.socket()
        try:
            claim.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # after: two claims collide
        _claims.append(claim)
        return port
    raise InvalidInput(
        Problem(
            source="this machine",
            field="ports",
            reason="none of 100 ports below the ephemeral range is free",
            remedy="End what listens there (`ss -ltn` lists it)",
        )
    )


def _first_ephemeral() -> int:
    try:
        first = int(_EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        first = _USUAL_EPHEMERAL
    return first if first > _LOWEST_PORT + 1_000 else _USUAL_EPHEMERAL


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Child:
    """One child. ``{port}`` in its arguments is its port.

    Attributes:
        announces: it prints ``{"port": N}`` or ``{"listening": N}`` when it is ready.
        ready: else, asked until it returns True.
        may_end: ending with code 0 is no failure.
    """

    name: str
    argv: list[str]
    announces: bool = False
    ready: Callable[[], bool] | None = None
    port: int = 0
    may_end: bool = False
    restarts: int = 0
    process: asyncio.subprocess.Process | None = field(default=None, repr=False)


class Supervisor:
    """Starts children in order and keeps them alive until ``stop``.

    Args:
        logs: folder for one log file a child.
        say: called with a line for the person.
    """

    def __init__(
        self, logs: Path, environment: Mapping[str, str], say: Callable[[str], None]
    ) -> None:
        self._logs = logs
        self._environment = dict(environment)
        self._say = say
        self._stopping = False
        self._watchers: list[asyncio.Task[None]] = []
        self.children: dict[str, Child] = {}
        logs.mkdir(parents=True, exist_ok=True)

    def tell(self, variables: Mapping[str, str]) -> None:
        """Environment of the children that start from now on."""
        self._environment |= variables

    async def start(self, child: Child) -> Child:
        """Start a child and wait until it is ready.

        Raises:
            InvalidInput: it did not come up; names its log.
        """
        self.children[child.name] = child
        await self._spawn(child)
        self._watchers.append(asyncio.create_task(self._watch(child)))
        return child

    async def _spawn(self, child: Child) -> None:
        log = (self._logs / f"{child.name}.log").open("ab")
        arguments = [a.replace("{port}", str(child.port)) for a in child.argv]
        child.process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if child.announces else log,
            stderr=log,
            env={**os.environ, **self._environment},
            preexec_fn=_die_with_parent,
            start_new_session=True,
        )
        log.close()
        try:
            async with asyncio.timeout(READY_TIMEOUT):
                await self._until_ready(child, child.process)
        except (TimeoutError, ProcessLookupError) as e:
            raise self._not_up(child, timed_out=isinstance(e, TimeoutError)) from None

    def _not_up(self, child: Child, *, timed_out: bool) -> InvalidInput:
        log = self._logs / f"{child.name}.log"
        said = log.read_text(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(said) if line.strip()), "it wrote nothing")
        came = f"was not ready within {READY_TIMEOUT:.0f} s" if timed_out else "ended at its start"
        return InvalidInput(
            Problem(
                source=child.name,
                field="(start)",
                reason=f"{came}; the last line of its log: {last[:_LOG_LINE]}",
                remedy=f"Read {log}",
            )
        )

    async def _until_ready(self, child: Child, process: asyncio.subprocess.Process) -> None:
        if child.announces:
            assert process.stdout is not None
            line = await process.stdout.readline()
            if not line:
                raise ProcessLookupError
            spoken = json.loads(line)
            child.port = int(spoken.get("port") or spoken.get("listening"))
            asyncio.create_task(_drain(process.stdout))  # noqa: RUF006 - ends with its pipe
            return
        while child.ready is not None and not child.ready():
            if process.returncode is not None:
                raise ProcessLookupError
            await asyncio.sleep(0.05)

    async def _watch(self, child: Child) -> None:
        while child.process is not None:
            code = await child.process.wait()
            if self._stopping or (code == 0 and child.may_end):
                return
            child.restarts += 1
            self._say(f"{child.name} ended with code {code}; starting it again")
            if child.restarts > MAX_RESTARTS:
                self._say(f"{child.name} ended {child.restarts} times; see its log")
                return
            await asyncio.sleep(0.2)
            with contextlib.suppress(InvalidInput):
                await self._spawn(child)

    async def kill(self, name: str) -> None:
        """SIGKILL a child, as a fault; it is started again."""
        process = self.children[name].process
        if process is not None and process.returncode is None:
            process.kill()

    async def stop(self) -> None:
        """End all children, the last started first."""
        self._stopping = True
        for child in reversed(self.children.values()):
            process = child.process
            if process is None or process.returncode is not None:
                continue
            process.terminate()
            try:
                async with asyncio.timeout(STOP_TIMEOUT):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.readline():
        pass


def python(*arguments: str) -> list[str]:
    """Command line of our own interpreter."""
    return [sys.executable, *arguments]
