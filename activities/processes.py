"""Processes of a pool, for work that takes seconds of a core."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import TypeVar

Given = TypeVar("Given")
Found = TypeVar("Found")


class Aside:
    """One process beside ours for pure work of seconds, which no live order waits for.

    It begins with the first piece of work and stays: to start one takes longer than most pieces.
    """

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    async def run(self, work: Callable[[Given], Found], given: Given) -> Found:
        """What a function of a module says of an argument that can be pickled.

        Raises:
            BrokenProcessPool: somebody ended the process; the next call starts another one.
        """
        if self._pool is None:
            self._pool = ProcessPoolExecutor(1, get_context("spawn"), _begin)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, given)
        except BrokenProcessPool:
            self._pool = None
            raise

    def close(self) -> None:
        """End it once it has nothing to do."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the worker that is interrupted ends it
    end_with_parent()


def end_with_parent() -> None:
    """Run in a process of a pool: it would wait for ever for work of one that was killed."""
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
