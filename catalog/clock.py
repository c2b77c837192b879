"""The only reader of the wall clock, and the only place that waits."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits."""

    def now(self) -> datetime:
        """Tell the time of day, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Wait until ``stop`` is set or the time is over.

        Args:
            stop: Ends the wait early.
            seconds: How long at most; zero or less only looks.

        Returns:
            Whether ``stop`` is set.
        """
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """See ``Clock.now``."""
        return datetime.now(UTC)  # noqa: TID251  (this is the clock)

    def monotonic(self) -> float:
        """See ``Clock.monotonic``."""
        return time.monotonic()

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """See ``Clock.wait``."""
        return stop.wait(max(seconds, 0.0))


class ManualClock:
    """A clock that moves when told to; for tests and simulations."""

    def __init__(self, start: datetime) -> None:
        """Start at ``start`` (aware)."""
        self._now = start
        self._elapsed = 0.0

    def now(self) -> datetime:
        """See ``Clock.now``."""
        return self._now

    def monotonic(self) -> float:
        """See ``Clock.monotonic``."""
        return self._elapsed

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Move the time instead of waiting."""
        self.advance(max(seconds, 0.0))
        return stop.is_set()

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        self._now += timedelta(seconds=seconds)
        self._elapsed += seconds
