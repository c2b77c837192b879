"""Searching by words: the engine answers, MongoDB in its stead when it can't."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from catalog.errors import (
    DependencyRejectedError,
    DependencyUnavailableError,
    InvalidQueryError,
)
from catalog.models.asset import AssetType
from catalog.repositories.base import AssetQuery, AssetRepository
from catalog.search.base import (
    FACETS,
    Hit,
    SearchAnswer,
    SearchQuery,
    SearchReader,
)
from catalog.search.text import parse_words
from catalog.search.values import tag_key
from catalog.services.engine_guard import EngineGuard
from catalog.services.index_monitor import IndexMonitor, IndexState

MAX_WORDS_LENGTH = 512
"""Longest question, in characters (issue 2, section 6)."""

MAX_PER_PAGE = 200
MAX_REACH = 10_000
"""How deep pages go: page x perPage (``typesense.md``, section 8)."""

SORTS = (
    "relevance",
    "createdAt",
    "updatedAt",
    "completedAt",
    "name",
    "sizeBytes",
    "duration",
)
"""What found assets can be ordered by, by the names on the wire."""

AWAY = (
    "The search index does not answer, so MongoDB did: whole words only, no typos, "
    "facets or moments, and of a long transcript the beginning only."
)
BUILDING = (
    "The search index is being built for the first time, so MongoDB answered: whole "
    "words only, no typos, facets or moments; assets may be missing."
)

_FALLBACK_SECONDS = 2.0
_LOG = logging.getLogger(__name__)

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Answered(Generic[Answer]):
    """An answer and what stands behind it.

    Attributes:
        answer: What was found.
        index: How far the index is.
        degraded_because: Why MongoDB answered, as a sentence; ``None`` when the
            engine did.
    """

    answer: Answer
    index: IndexState
    degraded_because: str | None = None

    @property
    def is_degraded(self) -> bool:
        """Whether MongoDB answered in the engine's stead."""
        return self.degraded_because is not None


class SearchService:
    """Search over assets and over what was said; used from one event loop."""

    def __init__(
        self,
        guard: EngineGuard,
        monitor: IndexMonitor,
        assets: AssetRepository,
        *,
        fallback_seconds: float = _FALLBACK_SECONDS,
    ) -> None:
        """Stand on the engine, its heartbeat, and the read model as a reserve.

        Args:
            guard: The engine behind a circuit breaker.
            monitor: How far the index is.
            assets: The read model.
            fallback_seconds: How long MongoDB may look in the engine's stead.
        """
        self._guard = guard
        self._monitor = monitor
        self._assets = assets
        self._fallback_seconds = fallback_seconds
        # Few threads: a dead engine must not turn into a stampede on MongoDB.
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="degraded-search")

    async def search(self, query: SearchQuery) -> Answered[SearchAnswer]:
        """Search assets of all types.

        Raises:
            InvalidQueryError: A value of the query can't be used; names it.
            DependencyUnavailableError: Neither the engine nor MongoDB answered.
        """
        check(query)
        return await self.answer(
            lambda reader: reader.search(query), lambda: self._look_up(query)
        )

    async def count(self, query: SearchQuery) -> int:
        """Count assets: a list says how many it has of what it shows a page of.

        The engine counts a million in milliseconds, MongoDB in half a second.

        Raises:
            InvalidQueryError: A value of the query can't be used; names it.
            DependencyUnavailableError: Neither the engine nor MongoDB answered.
        """
        bare = replace(query, page=1, per_page=1, facets=(), with_moments=False)
        return (await self.search(bare)).answer.found

    async def search_transcripts(
        self, query: SearchQuery, *, moments_per_hit: int = 3
    ) -> Answered[SearchAnswer]:
        """Search spoken words; the hits' moments are empty when degraded.

        Raises:
            InvalidQueryError: A value of the query can't be used; names it.
            DependencyUnavailableError: Neither the engine nor MongoDB answered.
        """
        check(query)
        transcripts = replace(query, types=(AssetType.TRANSCRIPT,))
        return await self.answer(
            lambda reader: reader.search_transcripts(
                transcripts, moments_per_hit=moments_per_hit
            ),
            lambda: self._look_up(transcripts),
        )

    async def answer(
        self,
        question: Callable[[SearchReader], Awaitable[Answer]],
        fall_back: Callable[[], Answer],
    ) -> Answered[Answer]:
        """Ask the engine; where it can't answer, ask MongoDB.

        Args:
            question: Put to the engine.
            fall_back: Run on a thread of its own when the engine can't answer.

        Raises:
            InvalidQueryError: The engine can't use the question.
            DependencyUnavailableError: Neither of them answered.
        """
        state = await self._monitor.current()
        because = BUILDING
        if state.generation != 0:
            try:
                return Answered(await self._guard.ask(question), state)
            except DependencyUnavailableError:
                because = AWAY
            except DependencyRejectedError:
                # Ours to mend (a schema older than this program, a changed key), but
                # no reason to leave the asker without an answer.
                _LOG.exception("the search engine refused a question")
                because = AWAY
        loop = asyncio.get_running_loop()
        try:
            answer = await asyncio.wait_for(
                loop.run_in_executor(self._threads, fall_back),
                # MongoDB's own limit comes first; this one is for an absent server.
                2 * self._fallback_seconds,
            )
        except TimeoutError as exc:
            detail = "no answer in the search engine's stead"
            raise DependencyUnavailableError("mongodb", detail) from exc
        return Answered(answer, state, because)

    async def close(self) -> None:
        """Stop the background tasks; the reader is its owner's to close."""
        await self._monitor.close()
        await self._guard.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _look_up(self, query: SearchQuery) -> SearchAnswer:
        words = parse_words(query.words)
        if words.is_nothing:
            return SearchAnswer(found=0, hits=())
        needs_index = {
            "the filter language": bool(query.languages),
            "the filter format": bool(query.formats),
            "the filter collection": query.collections is not None
            or query.in_no_collection,
            **{f"the filter {name}": bool(values) for name, values in query.exact},
            **{f"the filter {limits.name}": True for limits in query.ranges},
            "a search for exclusions alone": not (words.is_all or words.has_positive),
        }
        for what, is_asked in needs_index.items():
            if is_asked:
                # Leaving it out would answer another question than was asked.
                detail = f"{what} needs the search index"
                raise DependencyUnavailableError("typesense", detail)
        page = self._assets.page(
            AssetQuery(
                asker=query.asker,
                scope=query.scope,
                types=query.types,
                tag_keys=tuple(map(tag_key, query.tags)),
                tag_keys_any=tuple(map(tag_key, query.tags_any)),
                tag_keys_none=tuple(map(tag_key, query.tags_none)),
                statuses=query.statuses,
                models=query.models,
                speakers=query.speakers,
                uses=query.uses,
                since=query.since,
                until=query.until,
                words=query.words,
                sort="createdAt" if query.sort == "relevance" else query.sort,
                descending=query.descending or query.sort == "relevance",
                limit=query.per_page,
                skip=(query.page - 1) * query.per_page,
                timeout_seconds=self._fallback_seconds,
            )
        )
        hits = tuple(Hit(view=view, score=0) for view in page.items)
        return SearchAnswer(found=page.total, hits=hits)


def check(query: SearchQuery) -> None:
    """Refuse what no engine should be asked.

    Raises:
        InvalidQueryError: Names the parameter as it is written on the wire.
    """
    if len(query.words) > MAX_WORDS_LENGTH:
        problem = f"It may have at most {MAX_WORDS_LENGTH} characters."
        raise InvalidQueryError("q", problem)
    if query.page < 1:
        raise InvalidQueryError("page", "Pages count from 1.")
    if not 1 <= query.per_page <= MAX_PER_PAGE:
        raise InvalidQueryError("perPage", f"It must be from 1 to {MAX_PER_PAGE}.")
    if query.page * query.per_page > MAX_REACH:
        problem = f"Only the first {MAX_REACH} hits can be paged through; narrow down."
        raise InvalidQueryError("page", problem)
    if query.sort not in SORTS:
        raise InvalidQueryError("sort", f"It must be one of {', '.join(SORTS)}.")
    unknown = [name for name in query.facets if name not in FACETS]
    if unknown:
        problem = f"{unknown[0]!r} is none of {', '.join(FACETS)}."
        raise InvalidQueryError("facets", problem)
