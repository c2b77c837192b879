"""The audit log's writer: after the answer, and never at its cost."""

import asyncio
import logging
from collections import deque

from starlette.concurrency import run_in_threadpool

from catalog.errors import CatalogError
from catalog.models.audit import AuditEntry
from catalog.repositories.audit import AuditRepository

LOG = logging.getLogger(__name__)

MOST_WAITING = 10_000
"""Entries (5 MB) that wait while MongoDB is away; then the oldest are given up."""

_BATCH = 500
_RETRY_SECONDS = 1.0
_CLOSING_SECONDS = 5.0


class AuditTrail:
    """Writes entries down in the background, in order; used by the event loop."""

    def __init__(
        self, repository: AuditRepository, retry_seconds: float = _RETRY_SECONDS
    ) -> None:
        """Write to ``repository``; nothing runs while nothing is to be written."""
        self._repository = repository
        self._retry_seconds = retry_seconds
        self._waiting: deque[AuditEntry] = deque()
        self._task: asyncio.Task[None] | None = None

    def note(self, entry: AuditEntry) -> None:
        """Have an entry written soon; returns at once."""
        if len(self._waiting) >= MOST_WAITING:
            _tell_loss(self._waiting.popleft())
        self._waiting.append(entry)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._write())

    async def close(self) -> None:
        """Write what waits, for five seconds at most; the rest goes to the log."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_CLOSING_SECONDS)
            self._task.cancel()
        for entry in self._waiting:
            _tell_loss(entry)
        self._waiting.clear()

    async def _write(self) -> None:
        while self._waiting:
            batch = [*self._waiting][:_BATCH]
            try:
                await run_in_threadpool(self._repository.add, batch)
            except CatalogError as error:
                if error.retryable:
                    LOG.warning("the audit log waits", extra={"cause": str(error)})
                    await asyncio.sleep(self._retry_seconds)
                    continue
                for entry in batch:
                    _tell_loss(entry)
                LOG.exception("the audit log could not be written")
            written = {entry.entry_id for entry in batch}
            while self._waiting and self._waiting[0].entry_id in written:
                self._waiting.popleft()


def _tell_loss(entry: AuditEntry) -> None:
    facts = (
        f"{entry.at.isoformat()} {entry.user!r} {entry.through} {entry.method} "
        f"{entry.path} {entry.status} {entry.request_id}"
    )
    LOG.error("the audit log lost a write", extra={"entry": facts})
