"""Shows how far a build is: a bar on a terminal, else a log line now and then."""

import logging
import sys
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from catalog.clock import Clock

log = logging.getLogger(__name__)

_LOG_SECONDS = 5.0


class BuildProgress(Protocol):
    """Is told how far a build is; a context manager."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End; what is shown stays."""
        ...

    def update(self, done: int, total: int, documents: int) -> None:
        """So many roots of about ``total`` are done, with so many documents."""
        ...


class TerminalProgress:
    """A bar with rate and remaining time on standard error."""

    def __init__(self, clock: Clock, title: str) -> None:
        """Show nothing yet."""
        self._clock = clock
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:,.0f} documents/s"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._started_at = clock.monotonic()
        self._task = self._progress.add_task(title, total=None, rate=0.0)

    def __enter__(self) -> Self:
        self._started_at = self._clock.monotonic()
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def update(self, done: int, total: int, documents: int) -> None:
        """See ``BuildProgress.update``."""
        elapsed = max(self._clock.monotonic() - self._started_at, 1e-9)
        self._progress.update(
            self._task,
            completed=done,
            total=max(done, total),
            rate=documents / elapsed,
        )


class LogProgress:
    """A structured line every few seconds."""

    def __init__(self, clock: Clock, title: str) -> None:
        """Log nothing yet."""
        self._clock = clock
        self._title = title
        self._started_at = self._logged_at = clock.monotonic()
        self._first_done: int | None = None

    def __enter__(self) -> Self:
        self._started_at = self._logged_at = self._clock.monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is open."""

    def update(self, done: int, total: int, documents: int) -> None:
        """See ``BuildProgress.update``."""
        if self._first_done is None:
            self._first_done = done
        now = self._clock.monotonic()
        if now - self._logged_at < _LOG_SECONDS:
            return
        self._logged_at = now
        elapsed = max(now - self._started_at, 1e-9)
        pace = (done - self._first_done) / elapsed
        facts: dict[str, object] = {
            "roots": done,
            "of": max(done, total),
            "documents": documents,
            "documents_per_second": round(documents / elapsed),
        }
        if pace > 0:
            facts["seconds_left"] = round(max(total - done, 0) / pace)
        log.info(self._title, extra=facts)


def build_progress(clock: Clock, title: str) -> BuildProgress:
    """Choose how to show progress by what standard error is."""
    if sys.stderr.isatty():
        return TerminalProgress(clock, title)
    return LogProgress(clock, title)
