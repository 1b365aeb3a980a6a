"""Seconds of work, many times over, on all cores: with a progress bar, and in order."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, TypeVar

from activities.processes import end_with_parent
from cli.importing import bar

Task = TypeVar("Task")
Answer = TypeVar("Answer")


def spread(
    what: str, step: Callable[[Task], Answer], tasks: Sequence[Task], processes: int | None,
    prepare: Callable[..., None], *given: Any,
) -> list[Answer]:  # fmt: skip
    """Answers to all tasks, in their order.

    Args:
        what: the tasks' name in the progress bar.
        step, prepare: functions of a module; ``prepare(*given)`` runs once in each process.
        processes: as many as there are cores where it is not said; one works without a pool.
    """
    count = min(processes or len(os.sched_getaffinity(0)), len(tasks))
    with bar() as progress:
        shown = progress.add_task(what, total=len(tasks), done="")
        if count == 1:
            prepare(*given)
            answers = []
            for task in tasks:
                answers.append(step(task))
                progress.advance(shown)
            return answers
        with ProcessPoolExecutor(
            count, multiprocessing.get_context("spawn"), _begin, (prepare, given)
        ) as pool:
            running = [pool.submit(step, task) for task in tasks]
            for _ in as_completed(running):
                progress.advance(shown)
            return [future.result() for future in running]


def _begin(prepare: Callable[..., None], given: Sequence[Any]) -> None:
    end_with_parent()
    prepare(*given)
