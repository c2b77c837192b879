"""How far the index is, known without asking MongoDB once per search."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass

from catalog.clock import Clock
from catalog.errors import CatalogError
from catalog.repositories.index_state import IndexStatus, IndexStatusRepository

_LOG = logging.getLogger(__name__)

_SILENT_AFTER_SECONDS = 3.0
"""The indexer's heart beats about once a second; after three it is taken for away."""


@dataclass(frozen=True, slots=True)
class IndexState:
    """What an answer says about the index that gave it.

    Attributes:
        lag_ms: Age of the oldest change that may be missing; ``None`` when unknown.
            While the indexer is silent, the time since its last heartbeat.
        generation: Number of the generation that serves; 0 while none does, ``None``
            when unknown.
    """

    lag_ms: int | None
    generation: int | None


UNKNOWN = IndexState(lag_ms=None, generation=None)


class IndexMonitor:
    """Follows the indexer's heartbeat while somebody searches.

    One background task reads the record every ``interval_seconds`` until nobody has
    asked for ``idle_seconds``; only the first question after that waits for a read.
    Used from one event loop.
    """

    def __init__(
        self,
        statuses: IndexStatusRepository,
        clock: Clock,
        *,
        interval_seconds: float = 0.4,
        idle_seconds: float = 30.0,
        patience_seconds: float = 0.5,
    ) -> None:
        """Stand on the heartbeat's record.

        Args:
            statuses: Where the indexer writes its heartbeat.
            clock: Tells the heartbeat's age.
            interval_seconds: Time between two reads.
            idle_seconds: How long to go on reading after the last question.
            patience_seconds: How long the first question waits for the first read.
        """
        self._statuses = statuses
        self._clock = clock
        self._interval = interval_seconds
        self._idle = idle_seconds
        self._patience = patience_seconds
        self._status: IndexStatus | None = None
        self._is_known = False
        self._asked_at = clock.monotonic()
        self._first_read = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def current(self) -> IndexState:
        """Tell how far the index is; never raises and never waits long."""
        self._asked_at = self._clock.monotonic()
        if self._task is None or self._task.done():
            self._is_known = False
            self._first_read = asyncio.Event()
            self._task = asyncio.create_task(self._follow(self._first_read))
        if not self._first_read.is_set():
            try:
                await asyncio.wait_for(self._first_read.wait(), self._patience)
            except TimeoutError:
                return UNKNOWN
        return self._state()

    async def glance(self) -> tuple[IndexStatus | None, IndexState]:
        """Look at the heartbeat without following it: for who asks now and then.

        Never raises and never waits long.

        Returns:
            The heartbeat, ``None`` when it is unknown or there never was one, and
            what it means.
        """
        if self._task is None or self._task.done():
            self._is_known = False
            with suppress(TimeoutError):
                await asyncio.wait_for(self._read(), self._patience)
        return (self._status if self._is_known else None), self._state()

    async def close(self) -> None:
        """Stop reading; idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def _state(self) -> IndexState:
        if not self._is_known:
            return UNKNOWN
        status = self._status
        if status is None:
            return IndexState(lag_ms=None, generation=0)
        silence = (self._clock.now() - status.beat_at).total_seconds()
        lag_ms = status.lag_ms
        if silence > _SILENT_AFTER_SECONDS:
            lag_ms = max(lag_ms, int(silence * 1000))
        return IndexState(lag_ms=lag_ms, generation=status.generation)

    async def _follow(self, first_read: asyncio.Event) -> None:
        while True:
            await self._read()
            first_read.set()
            await asyncio.sleep(self._interval)
            if self._clock.monotonic() - self._asked_at > self._idle:
                return

    async def _read(self) -> None:
        try:
            self._status = await asyncio.to_thread(self._statuses.read)
            self._is_known = True
        except CatalogError as error:
            # What was read last stays: its age makes the lag grow by itself.
            _LOG.debug("no heartbeat to read", extra={"cause": str(error)})
