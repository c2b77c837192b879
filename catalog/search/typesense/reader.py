"""``SearchReader`` over one pooled keep-alive session; used from one event loop."""

import asyncio
from collections.abc import Sequence
from typing import Any

import aiohttp
import orjson

from catalog.errors import DependencyRejectedError, DependencyUnavailableError
from catalog.models.asset import AssetView
from catalog.models.ids import DocumentId
from catalog.search.base import (
    Explanation,
    FacetCount,
    Hit,
    Moment,
    SearchAnswer,
    SearchQuery,
    Suggestions,
)
from catalog.search.query import (
    MAX_COUNTED_TAGS,
    Plan,
    Search,
    plan_labels,
    plan_moments,
    plan_search,
    plan_suggest,
    plan_tag_counts,
)
from catalog.search.text import Words, completes, parse_words
from catalog.search.typesense.answers import (
    Answer,
    cjk_highlights,
    error_of,
    facet_counts,
    facet_values,
    hashed_values,
    highlights_of,
    matches_of,
    moments_of,
    views_label,
)
from catalog.search.typesense.capabilities import Capabilities, capabilities_of
from catalog.search.typesense.client import NAME
from catalog.search.typesense.explain import explain
from catalog.search.values import exact_value

_MAX_CONNECTIONS = 64
_KEEP_ALIVE_SECONDS = 8.0
"""Shorter than the engine's own, so that it seldom hangs up on us."""

_MAX_LOOKED_UP = 20
_OK = 200
_SCORE_SHIFT = 11
"""Bits of ``text_match`` (64) that are given up: JSON readers hold 53 exactly."""

Moments = dict[DocumentId, tuple[tuple[Moment, ...], int]]


class TypesenseSearchReader:
    """See ``SearchReader``.

    aiohttp because it has half the overhead of httpx here (``typesense.md`` 4): the
    official client is for everything that isn't hot.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        prefix: str,
        *,
        timeout_seconds: float,
        cutoff_ms: int,
    ) -> None:
        """Connect to nothing yet.

        Args:
            url: Address of the server.
            api_key: May search.
            prefix: Of the aliases.
            timeout_seconds: When the engine counts as away.
            cutoff_ms: When the engine answers with what it has.
        """
        self._url = url.rstrip("/")
        self._prefix = prefix
        self._cutoff_ms = cutoff_ms
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._headers = {
            "X-TYPESENSE-API-KEY": api_key,
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
        }
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._capabilities: Capabilities | None = None

    # --- the port -----------------------------------------------------------------

    async def search(self, query: SearchQuery) -> SearchAnswer:
        """See ``SearchReader.search``."""
        plan = plan_search(
            query,
            self._prefix,
            cutoff_ms=self._cutoff_ms,
            exhaustive_facets=await self._is_exhaustive() if query.facets else False,
        )
        if plan.is_nothing:
            return _nothing(query)
        answers = await self._ask(plan.searches)
        moments: Moments = {}
        if query.with_moments and plan.words.has_positive:
            moments = await self._moments(query, plan.words, answers[0], 3)
        return await self._answer(query, plan, answers, moments)

    async def search_transcripts(
        self, query: SearchQuery, *, moments_per_hit: int = 3
    ) -> SearchAnswer:
        """See ``SearchReader.search_transcripts``.

        Found and pages are exact: the whole text of a transcript is one document.
        """
        plan = plan_search(
            query,
            self._prefix,
            cutoff_ms=self._cutoff_ms,
            spoken_only=True,
            exhaustive_facets=await self._is_exhaustive() if query.facets else False,
        )
        if plan.is_nothing:
            return _nothing(query)
        answers = await self._ask(plan.searches)
        moments: Moments = {}
        if plan.words.has_positive:
            moments = await self._moments(
                query, plan.words, answers[0], moments_per_hit, some_words=True
            )
        return await self._answer(query, plan, answers, moments)

    async def suggest(self, query: SearchQuery, *, limit: int = 8) -> Suggestions:
        """See ``SearchReader.suggest``."""
        words = parse_words(query.words)
        if not words.has_positive:
            return Suggestions()
        names, tags, values = await self._ask(
            plan_suggest(
                query, words, self._prefix, cutoff_ms=self._cutoff_ms, limit=limit
            )
        )
        labels = {
            hit["document"]["key"]: hit["document"]["label"]
            for group in tags["grouped_hits"]
            for hit in group["hits"]
        }
        counted = facet_values(values)
        return Suggestions(
            names=tuple(hit["document"]["view"] for hit in names["hits"]),
            tags=await self._tag_counts(query, labels, limit),
            speakers=_completions(words, counted.get("speaker_keys", ()), limit),
            models=_completions(words, counted.get("model_key", ()), limit),
        )

    async def explain(self, query: SearchQuery, document_id: DocumentId) -> Explanation:
        """See ``SearchReader.explain``."""
        return await explain(
            self._ask, query, document_id, self._prefix, cutoff_ms=self._cutoff_ms
        )

    async def close(self) -> None:
        """See ``SearchReader.close``."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # --- parts of an answer ---------------------------------------------------------

    async def _answer(
        self,
        query: SearchQuery,
        plan: Plan,
        answers: Sequence[Answer],
        moments: Moments,
    ) -> SearchAnswer:
        first = answers[0]
        runs = plan.words.runs
        hits: list[Hit] = []
        for raw in first["hits"]:
            document = raw["document"]
            view: AssetView = document["view"]
            highlights = highlights_of(raw.get("highlight") or {}, view)
            if runs:
                highlights = cjk_highlights(view, runs) or highlights
            said, matches = moments.get(document["id"], ((), 0))
            score = raw.get("text_match", 0) >> _SCORE_SHIFT
            hits.append(Hit(view, score, highlights, said, matches))
        return SearchAnswer(
            found=first["found"],
            hits=tuple(hits),
            facets=await self._facets(query, answers) if query.facets else {},
            is_partial=any(answer.get("search_cutoff", False) for answer in answers),
        )

    async def _facets(
        self, query: SearchQuery, answers: Sequence[Answer]
    ) -> dict[str, tuple[FacetCount, ...]]:
        counted: dict[str, list[tuple[str, int]]] = {}
        for answer in answers:
            counted |= facet_values(answer)
        labels: dict[tuple[str, str], str] = {}
        hashed = hashed_values(counted)[:_MAX_LOOKED_UP]
        if hashed:  # values of more than some 100 characters: one asset tells
            found = await self._ask(plan_labels(query, hashed, self._prefix))
            for (field, key), answer in zip(hashed, found, strict=True):
                views = [hit["document"]["view"] for hit in answer["hits"]]
                label = views_label(field, key, views)
                if label is not None:
                    labels[field, key] = label
        return facet_counts(query.facets, counted, labels)

    async def _moments(
        self,
        query: SearchQuery,
        words: Words,
        first: Answer,
        per_transcript: int,
        *,
        some_words: bool = False,
    ) -> Moments:
        transcripts = [
            hit["document"]["id"]
            for hit in first["hits"]
            if hit["document"]["view"]["type"] == "transcript"
        ]
        if not transcripts:
            return {}
        moments = await self._look_up(query, words, transcripts, per_transcript)
        rest = [identifier for identifier in transcripts if identifier not in moments]
        if some_words and rest:
            # No single segment has all the words: those with some are the next best.
            moments |= await self._look_up(
                query, words, rest, per_transcript, some_words=True
            )
        return moments

    async def _look_up(
        self,
        query: SearchQuery,
        words: Words,
        transcripts: Sequence[DocumentId],
        per_transcript: int,
        *,
        some_words: bool = False,
    ) -> Moments:
        best, counts = await self._ask(
            plan_moments(
                query,
                words,
                transcripts,
                self._prefix,
                cutoff_ms=self._cutoff_ms,
                per_transcript=per_transcript,
                exhaustive_facets=await self._is_exhaustive(),
                some_words=some_words,
            )
        )
        matches = matches_of(counts)
        return {
            identifier: (moments, max(matches.get(identifier, 0), len(moments)))
            for identifier, moments in moments_of(best, words.runs).items()
        }

    async def _tag_counts(
        self, query: SearchQuery, labels: dict[str, str], limit: int
    ) -> tuple[FacetCount, ...]:
        """Count candidate tags as the asker sees them; unseen ones are left out."""
        if not labels:
            return ()
        (answer,) = await self._ask(
            [
                plan_tag_counts(
                    query,
                    list(labels),
                    self._prefix,
                    exhaustive_facets=await self._is_exhaustive(),
                )
            ]
        )
        values = facet_values(answer).get("tag_keys", [])
        counts = {key: count for key, count in values if key in labels}
        unseen = [key for key in labels if key not in counts][:_MAX_LOOKED_UP]
        if unseen and len(values) >= MAX_COUNTED_TAGS and len(counts) < limit:
            # Commoner tags of the same assets pushed these out of the list.
            found = await self._ask(
                [plan_tag_counts(query, [key], self._prefix) for key in unseen]
            )
            counts |= {
                key: int(answer["found"])
                for key, answer in zip(unseen, found, strict=True)
            }
        best = sorted(counts.items(), key=lambda item: -item[1])[:limit]
        return tuple(FacetCount(labels[key], count) for key, count in best if count)

    # --- the engine -----------------------------------------------------------------

    async def _is_exhaustive(self) -> bool:
        """Whether the server knows ``facet_strategy``; asked once a session."""
        if self._capabilities is None:
            session = self._open()
            try:
                async with session.get(f"{self._url}/debug") as response:
                    body = await response.read()
                    is_told = response.status == _OK
            except (aiohttp.ClientError, TimeoutError) as exc:
                raise DependencyUnavailableError(NAME, _detail(exc)) from exc
            # A key that may only search is not told: then as for the oldest.
            version = orjson.loads(body).get("version", "") if is_told else ""
            self._capabilities = capabilities_of(str(version))
        return self._capabilities.facet_strategy

    async def _ask(self, searches: Sequence[Search]) -> list[dict[str, Any]]:
        body = orjson.dumps({"searches": searches})
        status, text = await self._post(body)
        if status != _OK:
            detail = f"multi_search answered {status}: {text[:200]!r}"
            if status in (400, 401, 403):
                raise DependencyRejectedError(NAME, detail)
            raise DependencyUnavailableError(NAME, detail)
        answers: list[dict[str, Any]] = orjson.loads(text)["results"]
        for answer in answers:
            error = error_of(answer)
            if error is not None:
                raise error
        return answers

    async def _post(self, body: bytes) -> tuple[int, bytes]:
        session = self._open()
        url = f"{self._url}/multi_search"
        try:
            try:
                async with session.post(url, data=body) as response:
                    return response.status, await response.read()
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as exc:
                if isinstance(exc, aiohttp.ClientConnectorError):
                    raise
                # The engine hung up on an idle connection: reads can be repeated.
                async with session.post(url, data=body) as response:
                    return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError) as exc:
            self._capabilities = None  # it may come back as another version
            raise DependencyUnavailableError(NAME, _detail(exc)) from exc

    def _open(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None or self._session.closed or self._loop is not loop:
            self._loop = loop
            self._session = aiohttp.ClientSession(
                headers=self._headers,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                connector=aiohttp.TCPConnector(
                    limit=_MAX_CONNECTIONS, keepalive_timeout=_KEEP_ALIVE_SECONDS
                ),
            )
        return self._session


def _detail(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _nothing(query: SearchQuery) -> SearchAnswer:
    return SearchAnswer(0, (), dict.fromkeys(query.facets, ()))


def _completions(
    words: Words, values: Sequence[tuple[str, int]], limit: int
) -> tuple[FacetCount, ...]:
    """Keep the values that go on from what was typed; others are of the same assets."""
    found = [(exact_value(key), count) for key, count in values]
    return tuple(
        FacetCount(value, count)
        for value, count in found
        if value is not None and completes(words.typed, value)
    )[:limit]
