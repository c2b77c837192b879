"""The change stream, read by a thread of its own into a bounded queue.

A full queue stops the reading (back-pressure); nothing is dropped. The checkpoint is
none of this module's business: it follows the proof, see ``indexer.follow``.
"""

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from catalog.clock import Clock
from catalog.errors import CatalogError, DependencyError
from catalog.repositories.index_state import (
    Change,
    ChangeFeed,
    ChangeStream,
    FeedPosition,
)
from indexer.retry import backoff_seconds

log = logging.getLogger(__name__)

MAX_CHANGES = 500
"""Changes of one batch (``reliability.md`` 4.2)."""

_QUEUE_BATCHES = 8


@dataclass(frozen=True, slots=True)
class Captured:
    """Changes in order, and where the stream stands after them.

    ``captured_at`` is monotonic; ``changes`` is empty when the stream was idle.
    """

    changes: tuple[Change, ...]
    position: FeedPosition
    captured_at: float


class Capture:
    """Follows the feed from a position until stopped, or until history is lost."""

    def __init__(
        self,
        *,
        feed: ChangeFeed,
        clock: Clock,
        linger_seconds: float,
        jitter: Callable[[], float],
    ) -> None:
        """Connect to nothing yet."""
        self._feed = feed
        self._clock = clock
        self._linger = linger_seconds
        self._jitter = jitter
        self._batches: queue.Queue[Captured | CatalogError] = queue.Queue(
            _QUEUE_BATCHES
        )
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.problem: str | None = None

    def start(self, position: FeedPosition) -> None:
        """Begin to read after ``position``."""
        self._thread = threading.Thread(
            target=self._run, args=(position,), name="capture", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what is still queued is forgotten (it will be replayed)."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=3.0)

    def take(self, *, timeout: float) -> list[Captured]:
        """Take all that is there, at most about ``MAX_CHANGES`` changes.

        Args:
            timeout: Seconds to wait when nothing is there.

        Raises:
            HistoryLostError: The stream can't go on; everything captured before has
                been returned by earlier calls.
        """
        taken: list[Captured] = []
        count = 0
        while count < MAX_CHANGES:
            try:
                item = self._batches.get(timeout=0 if taken else timeout)
            except queue.Empty:
                break
            if isinstance(item, CatalogError):
                if not taken:
                    raise item
                self._batches.put(item)  # the queue's only writer has ended
                break
            taken.append(item)
            count += len(item.changes)
        return taken

    def _run(self, position: FeedPosition) -> None:
        attempt = 0
        while not self._stop.is_set():
            stream: ChangeStream | None = None
            try:
                stream = self._feed.open(position)
                while not self._stop.is_set():
                    changes = stream.next_batch(
                        max_changes=MAX_CHANGES, linger_seconds=self._linger
                    )
                    position = stream.position
                    attempt, self.problem = 0, None
                    self._put(
                        Captured(tuple(changes), position, self._clock.monotonic())
                    )
            except CatalogError as exc:
                if not (isinstance(exc, DependencyError) and exc.retryable):
                    self._put(exc)
                    return
                self.problem = f"The change stream does not answer: {exc}"
                log.warning("change stream broke", extra={"error": str(exc)})
                self._clock.wait(self._stop, backoff_seconds(attempt, self._jitter()))
                attempt += 1
            except Exception as exc:  # the loop boundary: the follower must hear of it
                log.exception("capture failed")
                self._put(CatalogError(f"capture: {type(exc).__name__}: {exc}"))
                return
            finally:
                if stream is not None:
                    stream.close()

    def _put(self, item: Captured | CatalogError) -> None:
        while not self._stop.is_set():
            try:
                self._batches.put(item, timeout=0.5)
            except queue.Full:
                continue
            return
