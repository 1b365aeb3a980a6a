"""Compensations of one fulfillment order: newest first, exactly once each.

The order's life runs in a task of its own that is never cancelled (see order.py), so an
unwinding saga is not interrupted either: a cancel that arrives meanwhile finds it at work.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

Compensation = Callable[[], Awaitable[str]]


@dataclass
class Saga:
    """A stack of compensations.

    A compensation returns an empty text when it took effect, or why it was refused.
    """

    _steps: list[tuple[str, Compensation]] = field(default_factory=list)

    def add(self, name: str, compensation: Compensation) -> None:
        """Register before the step runs; a name already registered stays as it is."""
        if all(known != name for known, _ in self._steps):
            self._steps.append((name, compensation))

    async def unwind(self) -> str:
        """Run what is registered, newest first.

        Returns an empty text when all took effect. A refused one stays registered with
        everything older, and its reason is returned.
        """
        while self._steps:
            _name, compensation = self._steps[-1]
            reason = await compensation()
            if reason:
                return reason
            self._steps.pop()
        return ""

    def skip(self) -> None:
        """A person did the newest by hand."""
        if self._steps:
            self._steps.pop()

    def forget(self) -> None:
        """Past the point of no return: nothing can be taken back any more."""
        self._steps.clear()
