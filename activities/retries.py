"""Counts network attempts beyond the first, for the demo's result and for operators."""

from __future__ import annotations

from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from store import catalog
from store.database import Database

SETTING = "retries"


class RetryCounter(Interceptor):
    """Adds one to the ``retries`` setting for every attempt that is not the first."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Counting(next, self._db)


class _Counting(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, db: Database) -> None:
        super().__init__(next)
        self._db = db

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        found = activity.info()
        if found.attempt > 1 and not found.is_local:
            await self._db.in_thread(self._add)
        return await super().execute_activity(input)

    def _add(self) -> None:
        with self._db.write() as connection:
            so_far = int(catalog.setting(connection, SETTING) or 0)
            catalog.set_setting(connection, SETTING, str(so_far + 1))
