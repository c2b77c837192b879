"""How far an import or export is, and when it will end."""

from collections.abc import Callable, Mapping

from catalog.clock import Clock
from catalog.errors import CatalogError

Event = Mapping[str, object]
"""Something to tell: ``event`` names it (``plan progress problem done …``)."""

Tell = Callable[[Event], None]

_EVERY_SECONDS = 1.0


class HaltedError(CatalogError):
    """It was told to stop, and stopped where it can be gone on with."""

    code = "halted"

    def __init__(self) -> None:
        """Say so."""
        super().__init__("Stopped.")


class Progress:
    """Counts, and tells once a second."""

    def __init__(
        self, clock: Clock, tell: Tell, *, files: int, size_bytes: int
    ) -> None:
        """Start now; the totals may be guesses."""
        self._clock = clock
        self._tell = tell
        self._files, self._bytes = files, size_bytes
        self._done_files = self._done_bytes = 0
        self._started = self._told = clock.monotonic()

    def add(self, files: int, size_bytes: int) -> None:
        """Count what was done."""
        self._done_files += files
        self._done_bytes += size_bytes
        now = self._clock.monotonic()
        if now - self._told >= _EVERY_SECONDS:
            self._told = now
            self._tell(self.event(now))

    def event(self, now: float | None = None) -> Event:
        """Say how far it is."""
        elapsed = max((now or self._clock.monotonic()) - self._started, 1e-3)
        share = self._share()
        return {
            "event": "progress",
            "files": self._done_files,
            "ofFiles": max(self._files, self._done_files),
            "bytes": self._done_bytes,
            "ofBytes": max(self._bytes, self._done_bytes),
            "bytesPerSecond": round(self._done_bytes / elapsed),
            "filesPerSecond": round(self._done_files / elapsed, 1),
            "etaSeconds": round(elapsed * (1 - share) / share) if share else None,
        }

    def _share(self) -> float:
        """Tell which part is done; bytes and files each take time."""
        shares = [
            done / total
            for done, total in (
                (self._done_bytes, self._bytes),
                (self._done_files, self._files),
            )
            if total
        ]
        return min(1.0, sum(shares) / len(shares)) if shares else 0.0
