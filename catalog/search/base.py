"""Ports to the search engine: read (API), write and administer (indexer).

No engine syntax crosses these: filters arrive as typed values, names of physical
indexes as built by ``catalog.search.generation``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from catalog.access import Asker, Scope
from catalog.models.asset import AssetType, AssetView
from catalog.models.ids import AssetId, CollectionId, DocumentId, RootKey

# --- reading -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NumberRange:
    """Numbers from ``low`` to ``high``, both inclusive; ``None`` is no bound.

    ``name`` is that of a filter in ``catalog.search.filters.NUMBER_FILTERS``.
    """

    name: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What a person asks; every question carries who asks.

    Attributes:
        asker: Who asks.
        scope: Whose assets.
        words: At most 512 characters; phrases in quotes, exclusions with ``-``;
            empty for all.
        types: Any of; empty for all.
        tags: All of (labels as typed).
        tags_any: Any of.
        tags_none: None of.
        statuses: Any of.
        models: Any of.
        speakers: Any of.
        languages: Any of.
        formats: Any of.
        collections: In any of these; empty when none of those that were named is one
            that the asker may know of.
        in_no_collection: In none of its owner's collections.
        uses: Made with any of these; empty when none of those that were named is one
            that the asker may know of (then nothing is found); ``None`` for all.
        exact: Any of the values, for each filter of ``EXACT_FILTERS`` that is named.
        ranges: Each for another filter of ``NUMBER_FILTERS``.
        since: Created at or after; aware.
        until: Created at or before; aware.
        sort: ``relevance createdAt updatedAt completedAt name sizeBytes duration``.
        descending: Largest or newest first (``relevance`` is always best first).
        page: From 1.
        per_page: 1 to 200; page * per_page at most 10,000.
        facets: Names out of ``FACETS``.
        with_moments: Whether transcripts on the page get their moments.
    """

    asker: Asker
    scope: Scope = Scope.VISIBLE
    words: str = ""
    types: tuple[AssetType, ...] = ()
    tags: tuple[str, ...] = ()
    tags_any: tuple[str, ...] = ()
    tags_none: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    uses: tuple[AssetId, ...] | None = None
    collections: tuple[CollectionId, ...] | None = None
    in_no_collection: bool = False
    exact: tuple[tuple[str, tuple[str, ...]], ...] = ()
    ranges: tuple[NumberRange, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    sort: str = "relevance"
    descending: bool = True
    page: int = 1
    per_page: int = 24
    facets: tuple[str, ...] = ()
    with_moments: bool = True


FACETS = (
    "tags",
    "type",
    "status",
    "model",
    "baseModel",
    "family",
    "generator",
    "sampler",
    "lora",
    "camera",
    "audioCodec",
    "videoCodec",
    "keyword",
    "extraction",
    "speaker",
    "language",
    "format",
    "month",
    "size",
    "visibility",
    "inCollection",
    "indexError",
)
"""Facets that a search can count, by their names on the wire."""


@dataclass(frozen=True, slots=True)
class Highlight:
    """Where a hit matched; ``snippet`` is HTML-escaped text with ``<mark>``."""

    field: str
    snippet: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A place in a recording where it was said.

    Times are whole milliseconds, ``None`` where the source has none. ``at_ms`` is
    the start of the first matching word, ``start_ms`` and ``end_ms`` those of the
    segment. ``snippet`` as in ``Highlight``.
    """

    segment: int
    start_ms: int | None
    end_ms: int | None
    at_ms: int | None
    speaker: str | None
    snippet: str


@dataclass(frozen=True, slots=True)
class Hit:
    """One asset found.

    ``score`` compares hits of one answer only; it stays below 2^53, so that a reader
    in any language can hold it exactly.
    """

    view: AssetView
    score: int
    highlights: tuple[Highlight, ...] = ()
    moments: tuple[Moment, ...] = ()
    matches: int = 0


@dataclass(frozen=True, slots=True)
class FacetCount:
    """One value of a facet and how many found assets have it."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """One page of hits, best first.

    ``found`` counts under the asker's rights. ``is_partial`` says that the engine's
    time limit cut the search short.
    """

    found: int
    hits: tuple[Hit, ...]
    facets: Mapping[str, tuple[FacetCount, ...]] = field(default_factory=dict)
    is_partial: bool = False


@dataclass(frozen=True, slots=True)
class Suggestions:
    """Completions while typing."""

    names: tuple[AssetView, ...] = ()
    tags: tuple[FacetCount, ...] = ()
    speakers: tuple[FacetCount, ...] = ()
    models: tuple[FacetCount, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a search finds one asset, or does not.

    Attributes:
        is_indexed: Whether the asset's document is in the index at all.
        is_minimal: Whether only its minimal safe document is (it was refused).
        failed_filters: Names of the query's filters (as parameters are named on the
            wire: ``tags``, ``type``, ``from`` …) that exclude it, in the query's order.
        matched_words: Words of the query that the asset contains, as typed.
        unmatched_words: Those that it does not (or that exclude it).
        excluded_by: Words typed with ``-`` that the asset contains.
        rank: Its place in the whole answer, from 1; ``None`` when it is not found, or
            lies beyond what can be paged to.
        found: How many assets the search finds.
        is_match: Whether it is one of them, on whatever page.
    """

    is_indexed: bool
    is_minimal: bool = False
    failed_filters: tuple[str, ...] = ()
    matched_words: tuple[str, ...] = ()
    unmatched_words: tuple[str, ...] = ()
    excluded_by: tuple[str, ...] = ()
    rank: int | None = None
    found: int = 0
    is_match: bool = False


class SearchReader(Protocol):
    """Asks the engine; used by the API alone, from its event loop.

    Every method raises ``DependencyUnavailableError`` when the engine is away, too
    slow or still loading (the caller then degrades) and ``InvalidQueryError`` for a
    query that it can't use.
    """

    async def search(self, query: SearchQuery) -> SearchAnswer:
        """Search assets of all types."""
        ...

    async def search_transcripts(
        self, query: SearchQuery, *, moments_per_hit: int = 3
    ) -> SearchAnswer:
        """Search spoken words only; each hit has its best moments and ``matches``."""
        ...

    async def suggest(self, query: SearchQuery, *, limit: int = 8) -> Suggestions:
        """Complete names, tags, speakers and models; ``words`` is what was typed."""
        ...

    async def explain(self, query: SearchQuery, document_id: DocumentId) -> Explanation:
        """Tell how the index answers a search as far as one asset is concerned."""
        ...

    async def close(self) -> None:
        """Give the connections back."""
        ...


# --- writing -----------------------------------------------------------------------


class IndexName(StrEnum):
    """The three kinds of index; an alias of each is what readers use."""

    ASSETS = "assets"
    SEGMENTS = "segments"
    TAGS = "tags"


Document = dict[str, Any]
"""A search document as ``catalog.search.schema`` lists its fields."""


@dataclass(frozen=True, slots=True)
class LineResult:
    """What became of one document of a bulk write.

    ``error`` is ``None`` on success. ``is_poison`` says that this very document can
    never be accepted (as opposed to trouble with the server).
    """

    document_id: str
    error: str | None = None
    is_poison: bool = False


class IndexKeys(Protocol):
    """Keys of the engine that fence: one per leader's epoch, expiring, documents only.

    A key can do everything with documents of our physical indexes (by prefix) and
    nothing else: no alias, no schema, no other index, no keys.
    """

    def mint(self, epoch: int, ttl: timedelta) -> str:
        """Make a key of this epoch that the engine refuses after ``ttl``."""
        ...

    def revoke(self, *, before_epoch: int) -> int:
        """Delete our keys of all older epochs; returns how many.

        In effect at once, but not for a request that is under way already.
        """
        ...

    def revoke_superseded(self, epoch: int, keep: str) -> int:
        """Delete this epoch's keys but the one in use; returns how many."""
        ...


class IndexWriter(Protocol):
    """Writes documents into physical indexes, never through an alias.

    Every method raises ``FencedError`` once the engine no longer takes its key.
    """

    @property
    def uncertain_writes(self) -> int:
        """How many writes broke off after they were sent, of whichever thread.

        Each may be carried out yet, also over a newer one, until its key is revoked.
        """
        ...

    def use_key(self, key: str) -> None:
        """Write with this key from the next request on; thread-safe."""
        ...

    def upsert(self, index: str, documents: Sequence[Document]) -> list[LineResult]:
        """Write whole documents; returns one result per document, in order.

        An empty sequence writes nothing. Sliced into requests of at most 1,000
        documents and 4 MiB.

        Raises:
            DependencyUnavailableError: Fate unknown, all to be sent again; retryable.
            NotFoundError: There is no such index.
        """
        ...

    def delete(self, index: str, document_ids: Sequence[str]) -> None:
        """Remove documents by id; absent ones are fine."""
        ...

    def delete_older(self, index: str, roots: Sequence[RootKey], sequence: int) -> int:
        """Remove documents of these roots with a smaller ``_seq``; returns how many."""
        ...

    def count_of_roots(
        self, indexes: Sequence[str], roots: Sequence[RootKey]
    ) -> list[int]:
        """Count the documents of these roots, per index, in one request."""
        ...

    def barrier(self, index: str) -> None:
        """Prove that the index has replayed all it acknowledged: write, read back.

        Waits (with back-off, at most ``timeout`` of the client) while the engine is
        still loading. Must precede trust after any connection error or restart.
        """
        ...


class IndexAdmin(Protocol):
    """Creates, names and drops physical indexes."""

    def engine_version(self) -> str:
        """Version of the server, such as ``0.24.1`` or ``30.2``."""
        ...

    def create(self, index: str, kind: IndexName) -> None:
        """Create a physical index with the schema of its kind and read it back.

        Idempotent when it exists with the same fields.

        Raises:
            ConflictError: It exists with other fields.
            DependencyRejectedError: The server did not take the schema as sent.
        """
        ...

    def drop(self, index: str) -> None:
        """Drop a physical index; absent is fine. An alias's name is refused."""
        ...

    def resolve(self, kind: IndexName) -> str | None:
        """Name of the physical index that the alias points at."""
        ...

    def point(self, kind: IndexName, index: str) -> None:
        """Swap the alias and read it back."""
        ...

    def physical(self) -> tuple[str, ...]:
        """Names of all physical indexes that are ours (by prefix)."""
        ...

    def count(self, index: str) -> int:
        """Number of documents in a physical index."""
        ...

    def shadowed_aliases(self) -> tuple[str, ...]:
        """Names of our aliases that an index bears, which hides the alias."""
        ...

    def fields(self, index: str) -> Mapping[str, tuple[str, bool]]:
        """Type and optionality of an index's fields by name, as the engine has them.

        Raises:
            NotFoundError: There is no such index.
        """
        ...

    def export(
        self,
        index: str,
        fields: Sequence[str],
        *,
        buckets: range | None = None,
        ids: Sequence[str] | None = None,
        roots: Sequence[RootKey] | None = None,
    ) -> Sequence[Mapping[str, Any]]:
        """Read the named fields of documents (verification, oracle).

        Args:
            index: Physical name.
            fields: Besides ``id``.
            buckets: Only documents whose ``_bucket`` is in this contiguous range.
            ids: Only these documents, at most 100.
            roots: Only documents of these roots, at most 100.

        Raises:
            NotFoundError: There is no such index.
            DependencyUnavailableError: It broke off; what was read proves nothing.
        """
        ...
