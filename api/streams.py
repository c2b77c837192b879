"""Live states of jobs: one feed per process, fanned out to all open event streams.

A thread follows the feed; the event loop hands each change to the streams that follow
the job. A stream holds nothing but the newest state it has not sent yet, so a slow
reader costs one state and sees the latest one.
"""

import asyncio
import logging
import math
import re
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from api.metrics import ApiMetrics
from api.responses import to_json
from catalog.clock import Clock
from catalog.errors import CatalogError, NotFoundError
from catalog.models.ids import JobId, RootKey
from catalog.models.job import FINAL_STATUSES
from catalog.repositories.base import JobChange, JobFeed

LOG = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15.0
"""Time between comments on a quiet stream (``api.md``)."""

HEARTBEAT = b": heartbeat\n\n"

RETRY_MS = 2000
"""How long a client waits before it reconnects."""

_EVENT_ID = re.compile(r"([^/]{0,300})/([0-9.e+-]{0,32})(/done)?\Z", re.ASCII)
_MAX_BACKOFF_SECONDS = 5.0
_CHECK_SECONDS = 30.0
"""How often all followed jobs are read again, whatever the feed said: a safety net."""
_JOIN_SECONDS = 3.0


# --- states and the events that tell them ------------------------------------------


@dataclass(frozen=True, slots=True)
class JobState:
    """What a stream tells of a job.

    Attributes:
        status: Raw; empty once the job is gone.
        progress: ``None`` where the record has none.
        error: Cause of a failure as the record has it.
        is_gone: The record was deleted, or is not the asker's any more.
    """

    status: str
    progress: float | None = None
    error: Any = None
    is_gone: bool = False

    @property
    def is_final(self) -> bool:
        """Whether nothing more will come."""
        return self.is_gone or self.status in FINAL_STATUSES


GONE = JobState(status="", is_gone=True)


def state_of(record: Mapping[str, Any]) -> JobState:
    """Read the state out of a job record, whatever its writer put there."""
    progress = record.get("progress")
    is_number = (
        isinstance(progress, int | float)
        and not isinstance(progress, bool)
        and math.isfinite(progress)
    )
    return JobState(
        status=str(record.get("status", "")),
        progress=progress if is_number else None,
        error=record.get("error"),
    )


@dataclass(frozen=True, slots=True)
class Known:
    """What a client knows; its id is the same in every process of the API.

    An id is ``status/progress`` and, once nothing more will come, ``…/done``.
    """

    status: str = ""
    progress: str = ""
    is_done: bool = False

    @property
    def event_id(self) -> str:
        """The id of the event that told it."""
        done = "/done" if self.is_done else ""
        return f"{quote(self.status, safe='', errors='replace')}/{self.progress}{done}"

    @staticmethod
    def parse(event_id: str | None) -> "Known":
        """Read ``Last-Event-ID``; one that is not ours means: nothing known."""
        found = _EVENT_ID.match(event_id or "")
        if found is None:
            return Known()
        status, progress, done = found.groups()
        return Known(unquote(status), progress, is_done=done is not None)


def events_between(
    job_id: str, known: Known, state: JobState
) -> tuple[list[bytes], Known]:
    """Tell what is new to a client that knows ``known``.

    Args:
        job_id: Of the job.
        known: What the client knows.
        state: How the job is.

    Returns:
        The events in wire format, and what the client knows after them.
    """
    facts: dict[str, Any] = {"jobId": job_id, "status": state.status}
    if state.is_gone:
        facts = {"jobId": job_id, "status": None, "deleted": True}
    elif state.progress is not None:
        facts["progress"] = state.progress
    if state.error is not None:
        facts["error"] = state.error
    progress = "" if state.progress is None else f"{state.progress:g}"
    steps: list[tuple[str, Known]] = []
    if not state.is_gone:
        if state.status != known.status:
            known = Known(state.status, known.progress)
            steps.append(("status", known))
        if progress not in ("", known.progress):
            known = Known(state.status, progress)
            steps.append(("progress", known))
    if state.is_final and not known.is_done:
        known = Known(state.status, progress, is_done=True)
        steps.append(("done", known))
    data = to_json(facts)
    return [_event(name, data, after.event_id) for name, after in steps], known


def _event(name: str, data: bytes, event_id: str) -> bytes:
    return b"event: %b\nid: %b\ndata: %b\n\n" % (name.encode(), event_id.encode(), data)


# --- who follows what --------------------------------------------------------------


class Subscription:
    """One open stream's place: the newest state that it has not taken yet."""

    def __init__(
        self, job_id: str, may_see: Callable[[Mapping[str, Any]], bool]
    ) -> None:
        """Follow a job as long as ``may_see`` says so of its record."""
        self.job_id = job_id
        self.root_key: RootKey | None = None
        self.first = GONE
        self._may_see = may_see
        self._latest: JobState | None = None
        self._is_closed = False
        self._wake = asyncio.Event()

    def sees(self, change: JobChange) -> JobState:
        """Read a change as the asker may see it."""
        if change.record is None or not self._may_see(change.record):
            return GONE
        return state_of(change.record)

    def offer(self, state: JobState) -> None:
        """Replace what has not been taken yet."""
        self._latest = state
        self._wake.set()

    def close(self) -> None:
        """End the stream: the server stops."""
        self._is_closed = True
        self._wake.set()

    async def take(self) -> JobState | None:
        """Wait for the next state; ``None`` when the stream was closed."""
        await self._wake.wait()
        self._wake.clear()
        latest, self._latest = self._latest, None
        return None if self._is_closed else latest


class JobStreams:
    """All open streams of this process, and the one feed behind them."""

    def __init__(self, feed: JobFeed, clock: Clock, metrics: ApiMetrics) -> None:
        """Stand on the feed; nothing is opened before the first subscription."""
        self._feed = feed
        self._clock = clock
        self._metrics = metrics
        self._by_job: dict[str, set[Subscription]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_closed(self) -> bool:
        """Whether the process is on its way out."""
        return self._stop.is_set()

    @asynccontextmanager
    async def follow(
        self, job_id: str, may_see: Callable[[Mapping[str, Any]], bool]
    ) -> AsyncIterator[Subscription]:
        """Follow a job from how it is now.

        The subscription stands before the job is read, so that no change falls
        between the two.

        Args:
            job_id: Which job.
            may_see: Whether the asker may know of a job with this record.

        Raises:
            NotFoundError: There is no such job, or it is not the asker's.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        subscription = Subscription(job_id, may_see)
        self._add(subscription)
        try:
            change = await asyncio.to_thread(self._feed.find, JobId(job_id))
            if change is None or subscription.sees(change).is_gone:
                raise NotFoundError("job", job_id)
            subscription.root_key = change.root_key
            subscription.first = subscription.sees(change)
            yield subscription
        finally:
            self._remove(subscription)

    def close(self) -> None:
        """End all streams at once and let the thread go; from the event loop."""
        self._stop.set()
        with self._lock:
            open_streams = [one for group in self._by_job.values() for one in group]
        for subscription in open_streams:
            subscription.close()

    async def join(self) -> None:
        """Wait until the thread has given the feed back; after ``close``."""
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, _JOIN_SECONDS)

    def _add(self, subscription: Subscription) -> None:
        with self._lock:
            self._by_job.setdefault(subscription.job_id, set()).add(subscription)
        self._metrics.open_streams.inc()
        if self.is_closed:
            subscription.close()
        elif self._thread is None:
            loop = asyncio.get_running_loop()
            self._thread = threading.Thread(
                target=self._run, args=(loop,), name="job-feed", daemon=True
            )
            self._thread.start()

    def _remove(self, subscription: Subscription) -> None:
        with self._lock:
            group = self._by_job[subscription.job_id]
            group.discard(subscription)
            if not group:
                del self._by_job[subscription.job_id]
        self._metrics.open_streams.dec()

    # --- in the thread -------------------------------------------------------------

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        backoff = 0.0
        has_gap = True  # what was read before the feed stood may have changed since
        checked_at = self._clock.monotonic()
        while not self._stop.is_set():
            try:
                changes = self._feed.next_batch()
                if has_gap or self._clock.monotonic() - checked_at > _CHECK_SECONDS:
                    changes = [*changes, *self._read_again()]
                    checked_at = self._clock.monotonic()
                has_gap, backoff = False, 0.0
            except Exception as error:
                has_gap = True
                self._metrics.feed_breaks.inc()
                backoff = min(max(0.1, backoff * 2), _MAX_BACKOFF_SECONDS)
                LOG.warning(
                    "job feed broke",
                    extra={"retry_seconds": backoff, "cause": str(error)},
                    exc_info=None if isinstance(error, CatalogError) else error,
                )
                self._clock.wait(self._stop, backoff)
                continue
            if changes and not self._stop.is_set():
                loop.call_soon_threadsafe(self._deliver, changes)
        self._feed.close()

    def _read_again(self) -> list[JobChange]:
        """Read all jobs that are followed: changes were missed."""
        with self._lock:
            followed = {
                job_id: {one.root_key for one in group if one.root_key is not None}
                for job_id, group in self._by_job.items()
            }
        changes: list[JobChange] = []
        for job_id, root_keys in followed.items():
            now = self._feed.find(JobId(job_id))
            if now is not None:
                changes.append(now)
            changes.extend(
                JobChange(root_key=key, record=None)
                for key in root_keys
                if now is None or now.root_key != key
            )
        return changes

    # --- in the event loop -----------------------------------------------------------

    def _deliver(self, changes: list[JobChange]) -> None:
        by_root: dict[RootKey, list[Subscription]] = {}
        if any(change.record is None for change in changes):
            for group in self._by_job.values():
                for one in group:
                    if one.root_key is not None:
                        by_root.setdefault(one.root_key, []).append(one)
        for change in changes:
            if change.record is None:
                followers = by_root.get(change.root_key, [])
            else:
                job_id = str(change.record.get("jobId", ""))
                followers = [
                    one
                    for one in self._by_job.get(job_id, ())
                    if one.root_key in (None, change.root_key)
                ]
            for one in followers:
                one.offer(one.sees(change))


# --- one stream ----------------------------------------------------------------------


async def stream_events(
    subscription: Subscription,
    known: Known,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
) -> AsyncGenerator[bytes, None]:
    """Write a stream: what is new at once, then changes, heartbeats between them.

    Ends at a final state and when the subscription is closed.
    """
    yield b"retry: %d\n\n" % RETRY_MS
    state: JobState | None = subscription.first
    while True:
        if state is not None:
            events, known = events_between(subscription.job_id, known, state)
            if events:
                yield b"".join(events)
            if state.is_final:
                return
        try:
            async with asyncio.timeout(heartbeat_seconds):
                state = await subscription.take()
        except TimeoutError:
            state = None
            yield HEARTBEAT
        else:
            if state is None:
                return
