"""Completing what somebody types: names, tags, speakers, models."""

from collections.abc import Iterable
from dataclasses import replace

from catalog.models.asset import AssetView
from catalog.repositories.base import AssetRepository
from catalog.search.base import SearchQuery, SearchReader, Suggestions
from catalog.services.search import Answered, SearchService, check

MAX_SUGGESTIONS = 20


class SuggestionService:
    """Suggestions under the asker's rights; used from one event loop."""

    def __init__(self, search: SearchService, assets: AssetRepository) -> None:
        """Stand on search, with the read model as a reserve."""
        self._search = search
        self._assets = assets

    async def suggest(
        self, query: SearchQuery, *, limit: int = 8
    ) -> Answered[Suggestions]:
        """Complete ``query.words``.

        Args:
            query: Who asks, in which scope, and what was typed.
            limit: How many of each kind, 1 to 20.

        Returns:
            Names and tags (with counts under the asker's rights), speakers and
            models; names alone when MongoDB answered.

        Raises:
            InvalidQueryError: A value of the query can't be used; names it.
            DependencyUnavailableError: Neither the engine nor MongoDB answered.
        """
        check(query)
        return await self._search.answer(
            lambda reader: _ask(reader, query, limit),
            lambda: self._look_up(query, limit),
        )

    def _look_up(self, query: SearchQuery, limit: int) -> Suggestions:
        prefix = query.words.strip().casefold()
        if not prefix:
            return Suggestions()
        # The images of a job share their name, hence the surplus.
        found = self._assets.names_starting(
            query.asker, prefix, limit * 4, scope=query.scope
        )
        return Suggestions(names=_distinct(found, limit))


async def _ask(reader: SearchReader, query: SearchQuery, limit: int) -> Suggestions:
    found = await reader.suggest(query, limit=limit)
    return replace(found, names=_distinct(found.names, limit))


def _distinct(views: Iterable[AssetView], limit: int) -> tuple[AssetView, ...]:
    """Keep the first of each name and type: the images of a job share their name."""
    first: dict[tuple[str, str], AssetView] = {}
    for view in views:
        first.setdefault((view["name"].casefold(), view["type"]), view)
    return tuple(first.values())[:limit]
