"""Business time: real time in production, compressed in the demo.

``BusinessClock`` is the only bridge between the two. Domain times, windows and cut-offs
are business time; activity time-outs, back-off and vendor limits are wall time.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import Field

from domain.base import Frozen


class BusinessClock(Frozen):
    """A linear map from wall time to business time, fixed once per namespace.

    Attributes:
        epoch: business time at ``wall_epoch``.
        wall_epoch: wall time at which the clock started.
        rate: business seconds per wall second; 1 in production.
    """

    epoch: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    wall_epoch: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    rate: float = Field(default=1.0, ge=1.0, le=100_000.0)

    def at(self, wall: datetime) -> datetime:
        """Business time at a wall time, to the millisecond."""
        if self.rate == 1.0:
            return self.epoch + (wall - self.wall_epoch)
        elapsed = (wall - self.wall_epoch).total_seconds() * self.rate
        return self.epoch + timedelta(milliseconds=round(elapsed * 1_000))

    def wall(self, duration: timedelta) -> timedelta:
        """Wall time that a business duration takes; at least a millisecond."""
        return max(duration / self.rate, timedelta(milliseconds=1))
