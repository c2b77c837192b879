"""How often one caller may call: a bucket of tokens for each, in this process."""

from dataclasses import dataclass
from math import ceil

from catalog.clock import Clock

MOST_CALLERS = 50_000
"""Buckets kept (10 MB); of more the longest unused are forgotten, thus full again."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a caller has left.

    Attributes:
        is_granted: Whether this call may go on.
        limit: Calls that may come at once.
        remaining: Calls that may come now.
        window_seconds: Until an empty bucket is full again.
        full_seconds: Until this one is.
        retry_seconds: Until one more call may come.
    """

    is_granted: bool
    limit: int
    remaining: int
    window_seconds: int
    full_seconds: int
    retry_seconds: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Say it as draft-ietf-httpapi-ratelimit-headers-10 does."""
        policy = f'"caller";q={self.limit};w={self.window_seconds}'
        left = f'"caller";r={self.remaining};t={self.full_seconds}'
        return [
            (b"ratelimit-policy", policy.encode()),
            (b"ratelimit", left.encode()),
        ]


class Limiter:
    """Counts calls; used by the event loop alone."""

    def __init__(self, per_minute: int, at_once: int, clock: Clock) -> None:
        """Start with full buckets.

        Args:
            per_minute: How fast a bucket fills.
            at_once: How much it holds.
            clock: Fills them.
        """
        self._per_second = per_minute / 60
        self._size = at_once
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, who: str) -> Allowance:
        """Count one call."""
        now = self._clock.monotonic()
        left, since = self._buckets.pop(who, (float(self._size), now))
        left = min(self._size, left + (now - since) * self._per_second)
        is_granted = left >= 1
        if is_granted:
            left -= 1
        if len(self._buckets) >= MOST_CALLERS:
            del self._buckets[next(iter(self._buckets))]  # the longest unused
        self._buckets[who] = (left, now)
        return Allowance(
            is_granted,
            limit=self._size,
            remaining=int(left),
            window_seconds=self._seconds(self._size),
            full_seconds=self._seconds(self._size - left),
            retry_seconds=max(1, self._seconds(1 - left)),
        )

    def _seconds(self, calls: float) -> int:
        return max(0, ceil(calls / self._per_second))
