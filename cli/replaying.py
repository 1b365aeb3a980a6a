"""Backtests on all cores: each process loads the documents once and decides chunks of facts.

Processes and no threads: deciding is Python, which runs one thread at a time.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from time import perf_counter
from typing import Any, cast

import msgspec
import orjson
from pydantic import TypeAdapter

from activities.processes import end_with_parent
from cli.documents import Contest
from cli.importing import bar
from cli.snapshots import CHUNK, Snapshots
from domain.decision import Point, RouteSnapshot, Snapshot, snapshot_type
from domain.facts import NodeFacts, OrderFacts, RateCard, ServiceFacts
from policies.backtest import Points, Replayed, replay

AHEAD = 3  # chunks a process: enough that none waits, few enough that facts do not pile up
TOLD = 3  # refused snapshots
_SHARED: dict[str, TypeAdapter[Any]] = {
    "rate_cards": TypeAdapter(tuple[RateCard, ...]),
    "services": TypeAdapter(tuple[ServiceFacts, ...]),
}
_LARGE: dict[str, TypeAdapter[Any]] = {
    "order": TypeAdapter(OrderFacts),
    "nodes": TypeAdapter(tuple[NodeFacts, ...]),
}
_PARTS = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass
class Run:
    """All decisions of a backtest, and what they took.

    Attributes:
        refused: why snapshots could not be decided; the first few.
        busy: seconds of work over all processes; ``seconds`` of waiting for it.
    """

    replayed: list[Replayed] = field(default_factory=list)
    skipped: int = 0
    refused: list[str] = field(default_factory=list)
    processes: int = 1
    busy: float = 0.0
    seconds: float = 0.0

    @property
    def decisions(self) -> int:
        """Each snapshot is decided under both versions; approvals are not counted."""
        return 2 * len(self.replayed)

    def speed(self) -> dict[str, float]:
        """Decisions a second: all processes together, and one of them while it works."""
        return {
            "decisions": self.decisions,
            "processes": self.processes,
            "seconds": round(self.seconds, 2),
            "per_second": round(self.decisions / max(self.seconds, 1e-9), 1),
            "per_second_and_process": round(self.decisions / max(self.busy, 1e-9), 1),
        }


def replay_all(contest: Contest, facts: Snapshots, point: str, processes: int | None) -> Run:
    """Decide all facts under both sides, with a progress bar.

    Args:
        processes: as many as there are cores where it is not said; one works without a pool.
    """
    count = processes or len(os.sched_getaffinity(0))
    chunks = -(-facts.total // CHUNK)
    run, began = Run(processes=min(count, chunks)), perf_counter()
    done: dict[int, Done] = {}
    decided = 0
    with bar() as progress:
        task = progress.add_task(facts.what, total=facts.total, done="")
        for number, part in _answers(contest, facts.chunks, point, run.processes):
            done[number] = part
            run.skipped += len(part.refused)
            run.busy += part.busy
            decided += len(part.replayed)
            progress.update(
                task, completed=decided + run.skipped,
                done=f"{2 * decided / max(perf_counter() - began, 1e-9):,.0f} decisions/s",
            )  # fmt: skip
    run.seconds = perf_counter() - began
    for number in sorted(done):  # in the facts' order, so that sums come out the same
        run.replayed += done[number].replayed
        run.refused += done[number].refused
    run.refused = run.refused[:TOLD]
    return run


@dataclass(frozen=True)
class Done:
    """A chunk of facts that were decided again; ``busy`` in seconds."""

    replayed: list[Replayed]
    refused: list[str]
    busy: float


def _answers(
    contest: Contest, chunks: Iterator[list[str]], point: str, processes: int
) -> Iterator[tuple[int, Done]]:
    numbered = enumerate(chunks)
    if processes == 1:
        prepare(contest, point)
        yield from ((number, decide_chunk(chunk)) for number, chunk in numbered)
        return
    with ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), prepare, (contest, point)
    ) as pool:
        running: dict[Future[Done], int] = {}
        while True:
            for number, chunk in islice(numbered, AHEAD * processes - len(running)):
                running[pool.submit(decide_chunk, chunk)] = number
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()


_sides: tuple[Points, Points] = ({}, {})
_kind: type[Snapshot] = RouteSnapshot


def prepare(contest: Contest, point: str) -> None:
    """Once a process: load the documents."""
    global _sides, _kind
    end_with_parent()
    _, now, candidate = contest.sides()
    _sides, _kind = (now, candidate), snapshot_type(cast(Point, point))
    gc.freeze()  # the documents stay; looking through them again and again takes time


def decide_chunk(chunk: list[str]) -> Done:
    """Decide snapshots under both sides, in a process that is prepared."""
    began, replayed, refused = perf_counter(), [], []
    for text in chunk:
        try:
            replayed.append(replay(_snapshot(text), *_sides))
        except (
            ValueError,
            msgspec.MsgspecError,
        ) as error:  # recorded by an older version, or larger than can be decided
            refused.append(str(error).splitlines()[0])
    return Done(replayed, refused, perf_counter() - began)


def _snapshot(text: str) -> Snapshot:
    """A recorded snapshot. Rate cards and services, most of its text, are the same in nearly
    all of them: their text is looked up and not read, and what is priced by them remembered."""
    parts = _PARTS.decode(text)
    body = {
        name: (_shared if name in _SHARED else _validated)(name, bytes(part))
        for name, part in parts.items()
    }
    return _kind.model_validate(body)


@lru_cache(maxsize=1_000)
def _shared(name: str, part: bytes) -> Any:
    return _SHARED[name].validate_json(part)


def _validated(name: str, part: bytes) -> Any:
    """Large parts straight from their text; what is wrong with the others the model says."""
    field = _LARGE.get(name)
    return orjson.loads(part) if field is None else field.validate_json(part)
