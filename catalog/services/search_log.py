"""Notes searches beside the requests, and says what the notes amount to."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from catalog.access import Asker, Scope
from catalog.clock import Clock
from catalog.errors import InvalidQueryError
from catalog.repositories.search_log import (
    LoggedClick,
    LoggedSearch,
    SearchLogRepository,
)
from catalog.search.base import SearchQuery
from catalog.search.values import fold_tag
from catalog.search_analytics import Analysis, analyse
from catalog.services.assets import AssetService
from catalog.services.background import Background

MAX_WAITING = 10_000
"""Searches that wait to be written; more are dropped, and counted (10 MB)."""

MAX_ANALYSED = 20_000
"""Newest searches that one analysis looks at."""

_FLUSH_SECONDS = 2.0
_BATCH = 500
_MAX_WORDS = 200
_MAX_FILTERS = 30
_MAX_VALUE = 100
_DEFAULT_DAYS = 30
_LOG = logging.getLogger(__name__)


class SearchLog:
    """What was searched for, by whom; telling it takes microseconds, never fails."""

    def __init__(
        self,
        log: SearchLogRepository,
        assets: AssetService,
        clock: Clock,
        *,
        new_id: Callable[[], str],
        kept: timedelta,
        is_on: bool = True,
        flush_seconds: float = _FLUSH_SECONDS,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        """Note nothing yet.

        Args:
            log: Where searches are kept.
            assets: Who may see what: only what a user sees can be clicked at.
            clock: Tells the time.
            new_id: Makes 32 random hexadecimal digits.
            kept: How long they are kept.
            is_on: Whether anything is noted at all.
            flush_seconds: How long searches wait in memory.
            max_waiting: How many may wait.
        """
        self._log = log
        self._assets = assets
        self._clock = clock
        self._new_id = new_id
        self._kept = kept
        self._max_waiting = max_waiting
        self._waiting: deque[LoggedSearch] = deque()
        self._flushing = threading.Lock()
        self._background = Background("search-log", flush_seconds, self.flush)
        self.is_on = is_on
        self.kept_days = kept.days
        self.dropped = 0

    def note(
        self, query: SearchQuery, *, found: int, took_ms: float, is_degraded: bool
    ) -> str:
        """Note a search that was answered; returns its id, whatever becomes of it."""
        search_id = self._new_id()
        if not self.is_on:
            return search_id
        if len(self._waiting) >= self._max_waiting:
            self.dropped += 1
            return search_id
        self._waiting.append(
            LoggedSearch(
                search_id=search_id,
                at=self._clock.now(),
                user_id=who(query.asker),
                words=_storable(fold_tag(query.words))[:_MAX_WORDS],
                filters=filters_of(query),
                found=found,
                took_ms=took_ms,
                page=query.page,
                is_degraded=is_degraded,
            )
        )
        self._background.wake()
        return search_id

    def flush(self) -> None:
        """Write what waits.

        Raises:
            DependencyError: MongoDB did not take it; it waits on.
        """
        with self._flushing:
            while self._waiting:
                count = min(_BATCH, len(self._waiting))
                batch = [self._waiting[n] for n in range(count)]
                self._log.add(batch, batch[0].at + self._kept)
                for _ in batch:
                    self._waiting.popleft()
        if self.dropped:
            _LOG.warning("searches not noted", extra={"dropped": self.dropped})

    def close(self) -> None:
        """Write what waits, if that goes quickly; idempotent."""
        self._background.close()

    # --- for people ----------------------------------------------------------------

    def click(self, asker: Asker, search_id: str, asset_id: str, position: int) -> None:
        """Note that somebody opened what a search had found.

        Raises:
            NotFoundError: There is no such asset for the asker.
            DependencyUnavailableError: MongoDB is away; retryable.
        """
        views = self._assets.find(asker, asset_id)
        if not self.is_on:
            return
        now = self._clock.now()
        click = LoggedClick(search_id, now, who(asker), views[0]["assetId"], position)
        self._log.click(click, now + self._kept)

    def analysis(
        self, asker: Asker, since: datetime | None, until: datetime | None
    ) -> tuple[Analysis, datetime, datetime, bool]:
        """Tell what the asker's own searches say; everybody's, for the admin.

        Returns:
            What they say; from when to when; whether there were more than are looked
            at.

        Raises:
            InvalidQueryError: The times can't be told.
            DependencyUnavailableError: MongoDB is away; retryable.
        """
        now = self._clock.now()
        last = until or now
        try:
            first = since or last - timedelta(days=_DEFAULT_DAYS)
        except OverflowError as exc:
            raise InvalidQueryError("to", "It is too early.") from exc
        if first > last:
            raise InvalidQueryError("from", "It must not be after `to`.")
        found = self._log.searches(
            asker.user_id,
            first,
            last,
            is_everybody=asker.sees_everything and asker.user_id is None,
            limit=MAX_ANALYSED + 1,
        )
        told = found[:MAX_ANALYSED]
        result = analyse(told, self._log.clicks(told), now)
        return result, first, last, len(found) > MAX_ANALYSED

    def is_wanted(self, asker: Asker) -> bool:
        """Whether the asker lets searches be noted."""
        return self._log.is_wanted(asker.user_id)

    def want(self, asker: Asker, *, is_wanted: bool) -> None:
        """Remember what the asker wants; who wants none has what is there removed.

        Raises:
            DependencyUnavailableError: MongoDB is away; retryable.
        """
        self._log.want(asker.user_id, is_wanted=is_wanted)  # what waits heeds it, too


def who(asker: Asker) -> str | None:
    """Tell whose search it is: what the admin looks for is not the user's."""
    return None if asker.sees_everything else asker.user_id


def filters_of(query: SearchQuery) -> tuple[str, ...]:
    """Write what narrows a search, as ``name=value``, in order of name."""
    told = (f"{name}={_storable(value)[:_MAX_VALUE]}" for name, value in _told(query))
    return tuple(sorted(told)[:_MAX_FILTERS])


def _told(query: SearchQuery) -> Iterator[tuple[str, str]]:
    several: dict[str, tuple[str, ...]] = {
        "type": tuple(query.types),
        "tags": query.tags,
        "tagsAny": query.tags_any,
        "tagsNone": query.tags_none,
        "status": query.statuses,
        "model": query.models,
        "speaker": query.speakers,
        "language": query.languages,
        "format": query.formats,
        "uses": query.uses or (),
        **dict(query.exact),
    }
    for name, values in several.items():
        for value in values:
            yield name, str(value)
    for limits in query.ranges:
        yield limits.name, f"{limits.low}..{limits.high}"
    if query.since is not None:
        yield "from", query.since.isoformat()
    if query.until is not None:
        yield "to", query.until.isoformat()
    if query.scope is not Scope.VISIBLE:
        yield "scope", query.scope.value
    if query.sort != "relevance":
        yield "sort", query.sort


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", " ")
