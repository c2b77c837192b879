"""What the indexer knows of itself: its loops set facts, the heartbeat tells them."""

from collections.abc import Mapping
from datetime import datetime
from threading import Lock

from catalog.clock import Clock
from catalog.repositories.index_state import IndexStatus


class Health:
    """A board of facts; every method is thread-safe and does no input or output."""

    def __init__(self, clock: Clock) -> None:
        """Nothing serves and nothing is wrong."""
        self._clock = clock
        self._lock = Lock()
        self._problems: dict[str, str] = {}
        self._waiting_since: float | None = None
        self._applied = 0
        self._done = 0
        self._total = 0
        self._generation = 0
        self._state = "starting"
        self._is_degraded = False

    def serve(self, number: int) -> None:
        """Readers are answered by this generation (0: by none)."""
        with self._lock:
            self._generation = number

    def enter(self, state: str, *, is_degraded: bool = False) -> None:
        """The generation worked on is in this state."""
        with self._lock:
            self._state = state
            self._is_degraded = is_degraded

    def progress(self, done: int, total: int) -> None:
        """The backfill is this far."""
        with self._lock:
            self._done, self._total = done, max(total, done)

    def waiting(self, since: float | None) -> None:
        """The oldest change not yet searchable was captured then (monotonic)."""
        with self._lock:
            self._waiting_since = since

    def applied(self, roots: int) -> None:
        """So many roots more have been applied."""
        with self._lock:
            self._applied += roots

    def trouble(self, source: str, problem: str | None) -> None:
        """Something holds a loop up; ``None`` when it does no longer."""
        with self._lock:
            if problem is None:
                self._problems.pop(source, None)
            else:
                self._problems[source] = problem

    def status(
        self,
        *,
        dirty: int,
        dead_letters: int,
        documents: Mapping[str, int],
        beat_at: datetime,
    ) -> IndexStatus:
        """Put the facts together."""
        with self._lock:
            since = self._waiting_since
            lag = 0.0 if since is None else self._clock.monotonic() - since
            return IndexStatus(
                generation=self._generation,
                state=self._state,
                lag_ms=round(lag * 1000),
                applied=self._applied,
                done=self._done,
                total=self._total,
                dirty=dirty,
                dead_letters=dead_letters,
                is_degraded=self._is_degraded,
                documents=documents,
                beat_at=beat_at,
                problem=next(iter(self._problems.values()), None),
            )
