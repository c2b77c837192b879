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
        self._building = 0
        self._rate = 0.0
        self._drift = 0
        self._drift_total = 0
        self._headroom: float | None = None
        self._epoch = 0
        self._leader = ""

    def lead(self, epoch: int, owner: str) -> None:
        """This process leads."""
        with self._lock:
            self._epoch, self._leader = epoch, owner

    def build(self, number: int) -> None:
        """This generation is being built (0: none)."""
        with self._lock:
            self._building = number
            if not number:
                self._rate = 0.0

    def drift(self, now: int, total: int) -> None:
        """So many differences are not repaired yet, so many were ever found."""
        with self._lock:
            self._drift, self._drift_total = now, total

    def headroom(self, share: float | None) -> None:
        """This share of the oplog's window is left before our position falls off."""
        with self._lock:
            self._headroom = share

    def serve(self, number: int) -> None:
        """Readers are answered by this generation (0: by none)."""
        with self._lock:
            self._generation = number

    def enter(self, state: str, *, is_degraded: bool = False) -> None:
        """The generation worked on is in this state."""
        with self._lock:
            self._state = state
            self._is_degraded = is_degraded

    def progress(self, done: int, total: int, rate: float = 0.0) -> None:
        """The backfill (or a rescan) is this far; ``rate`` in roots per second."""
        with self._lock:
            self._done, self._total = done, max(total, done)
            self._rate = rate

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
        spilled: int = 0,
    ) -> IndexStatus:
        """Put the facts together."""
        with self._lock:
            is_paced = bool(self._building and self._rate)
            left = max(self._total - self._done, 0)
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
                epoch=self._epoch,
                leader=self._leader,
                drift=self._drift,
                drift_total=self._drift_total,
                rate=round(self._rate, 1) if self._building else 0.0,
                eta_seconds=round(left / self._rate, 1) if is_paced else None,
                headroom=self._headroom,
                spilled=spilled,
                building=self._building,
            )
