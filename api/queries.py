"""From parameters to queries: lists, searches and suggestions of assets."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Annotated, Literal

from fastapi import Depends, Header, Path, Query

from api.dependencies import (
    AskerDep,
    AssetTypesParam,
    CommaList,
    LimitParam,
    ModelsParam,
    PageTokenParam,
    ScopeParam,
    SinceParam,
    StatusesParam,
    TagsParam,
    UntilParam,
    WordsParam,
)
from catalog.access import Scope
from catalog.errors import InvalidQueryError
from catalog.models.asset import AssetType
from catalog.repositories.base import AssetQuery
from catalog.search.base import SearchQuery
from catalog.search.values import tag_key
from catalog.services.search import MAX_REACH, SORTS

ASSET_ID = (
    "An assetId; a bare jobId means the job's asset, or all images of an image job."
)

AssetIdPath = Annotated[str, Path(alias="assetId", description=ASSET_ID)]

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=1000,
        description="`ETag` that it must still have; else 412.",
    ),
]

ListSort = Literal[
    "relevance",
    "createdAt",
    "updatedAt",
    "completedAt",
    "name",
    "sizeBytes",
    "duration",
    "wordCount",
]
COUNTED_BY_MONGO = 1000
"""Assets of a list that are counted one by one (a millisecond); the engine, which has
the count at hand, tells of more."""

OptionalOrderParam = Annotated[
    Literal["asc", "desc"] | None,
    Query(description="Direction of `sort`; by default `asc` for names, else `desc`."),
]


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list endpoint was asked; with ``q`` it becomes a search.

    ``page_token`` is MongoDB's without ``q`` and a page number of ours with it.
    """

    search: SearchQuery
    sort: str | None
    page_token: str | None

    @property
    def has_words(self) -> bool:
        """Whether the search engine is asked."""
        return bool(self.search.words.strip())

    def plain(self, kind: AssetType) -> AssetQuery:
        """Compile to an exact list of one type.

        Raises:
            InvalidQueryError: Sorted by relevance without ``q``.
        """
        if self.sort == "relevance":
            raise InvalidQueryError("sort", "Only a list with `q` has a relevance.")
        asked = self.search
        return AssetQuery(
            asker=asked.asker,
            scope=asked.scope,
            types=(kind,),
            tag_keys=tuple(map(tag_key, asked.tags)),
            statuses=asked.statuses,
            models=asked.models,
            since=asked.since,
            until=asked.until,
            sort=self.sort or "createdAt",
            descending=asked.descending,
            limit=asked.per_page,
            page_token=self.page_token,
            count_at_most=COUNTED_BY_MONGO,
        )

    def counted(self, kind: AssetType) -> SearchQuery:
        """Compile to the search that has as many hits as the exact list has assets."""
        return replace(self.search, types=(kind,), sort="createdAt")

    def worded(self, kind: AssetType) -> SearchQuery:
        """Compile to a search within one type.

        Raises:
            InvalidQueryError: The order or the page token is not one of a search.
        """
        if self.sort is not None and self.sort not in SORTS:
            problem = f"With `q` it must be one of {', '.join(SORTS)}."
            raise InvalidQueryError("sort", problem)
        query = replace(self.search, types=(kind,), sort=self.sort or "relevance")
        return replace(query, page=page_of(query, self.page_token))


async def list_query(
    asker: AskerDep,
    q: WordsParam = "",
    tag: Annotated[
        CommaList,
        Query(
            description="All of these tags, comma-separated or repeated.",
            examples=["avatar"],
        ),
    ] = (),
    status: StatusesParam = (),
    model: ModelsParam = (),
    since: SinceParam = None,
    until: UntilParam = None,
    sort: Annotated[
        ListSort | None,
        Query(
            description="What to order by: `createdAt` by default, `relevance` with "
            "`q`. `wordCount` goes without `q` only, `relevance` with it."
        ),
    ] = None,
    order: OptionalOrderParam = None,
    limit: LimitParam = 50,
    page_token: PageTokenParam = None,
    scope: ScopeParam = Scope.OWN,
) -> Listing:
    """Read the parameters of a list."""
    search = SearchQuery(
        asker=asker,
        scope=scope,
        words=q,
        tags=tag,
        statuses=status,
        models=model,
        since=since,
        until=until,
        descending=is_descending(sort, order),
        per_page=limit,
        with_moments=False,
    )
    return Listing(search, sort, page_token)


async def transcript_query(
    asker: AskerDep,
    q: WordsParam,
    since: SinceParam = None,
    until: UntilParam = None,
    tags: TagsParam = (),
    limit: LimitParam = 50,
    page_token: PageTokenParam = None,
    scope: ScopeParam = Scope.VISIBLE,
) -> SearchQuery:
    """Read the parameters of a search over what was said.

    Raises:
        InvalidQueryError: ``q`` has no word, or the page token is of another search.
    """
    if not q.strip():
        raise InvalidQueryError("q", "Say which words to look for.")
    query = SearchQuery(
        asker=asker,
        scope=scope,
        words=q,
        types=(AssetType.TRANSCRIPT,),
        tags=tags,
        since=since,
        until=until,
        per_page=limit,
    )
    return replace(query, page=page_of(query, page_token))


async def suggest_query(
    asker: AskerDep,
    q: Annotated[
        str,
        Query(max_length=512, description="What was typed so far.", examples=["wildf"]),
    ] = "",
    types: AssetTypesParam = (),
    scope: ScopeParam = Scope.VISIBLE,
) -> SearchQuery:
    """Read the parameters of a completion."""
    return SearchQuery(asker=asker, scope=scope, words=q, types=types)


ListingDep = Annotated[Listing, Depends(list_query)]
TranscriptQueryDep = Annotated[SearchQuery, Depends(transcript_query)]
SuggestQueryDep = Annotated[SearchQuery, Depends(suggest_query)]

# --- page tokens of searches -------------------------------------------------------


def page_of(query: SearchQuery, token: str | None) -> int:
    """Read the page number out of a token that ``next_page_token`` made.

    Raises:
        InvalidQueryError: The token is not of this query.
    """
    if token is None:
        return 1
    try:
        number, _, digest = urlsafe_b64decode(token.encode()).decode().partition(".")
        page = int(number)
    except (Base64Error, ValueError) as exc:
        raise InvalidQueryError("pageToken", "It is not one of ours.") from exc
    if digest != _digest(query) or page < 1:
        problem = "It belongs to another question; start again without it."
        raise InvalidQueryError("pageToken", problem)
    return page


def next_page_token(query: SearchQuery, found: int) -> str | None:
    """Make the token of the page after this one, or ``None`` where none is."""
    is_last = query.page * query.per_page >= found
    if is_last or (query.page + 1) * query.per_page > MAX_REACH:
        return None
    return urlsafe_b64encode(f"{query.page + 1}.{_digest(query)}".encode()).decode()


def _digest(query: SearchQuery) -> str:
    """Tell questions apart by everything but the page."""
    text = repr(replace(query, page=1)).encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=9).hexdigest()


def is_descending(sort: str | None, order: str | None) -> bool:
    """Tell the direction: as asked for, else ascending for names alone."""
    return order == "desc" if order is not None else sort != "name"
