"""Ports to the record in MongoDB: jobs, what the catalog knows beside them, the feed.

The indexer's own state has its ports in ``catalog.repositories.index_state``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from catalog.access import Asker, Scope
from catalog.errors import MalformedRecordError
from catalog.models.asset import AssetRow, AssetType, AssetView
from catalog.models.collection import Member
from catalog.models.ids import AssetId, DocumentId, JobId, ObjectKey, RootKey
from catalog.models.job import Job
from catalog.models.page import Page
from catalog.models.stored import Annotation, Extraction, StoredObject
from catalog.repositories.sightings import Recorded, Settled, Sighting

RootId = Any
"""``_id`` of a job record: any BSON value, chosen by the record's writer."""


# --- jobs, as the API reads them ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class JobQuery:
    """A list of jobs.

    Attributes:
        user_id: Owner; ``None`` for everybody's.
        type: ``type`` as the seed writes it.
        status: Raw status.
        since: ``createdAt`` at or after; aware.
        until: ``createdAt`` at or before; aware.
        sort: ``createdAt completedAt status type name``.
        descending: Newest or last first.
        limit: 1 to 1,000.
        page_token: Of the previous page with the same filter and sort.
    """

    user_id: str | None = None
    type: str | None = None
    status: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    sort: str = "createdAt"
    descending: bool = True
    limit: int = 200
    page_token: str | None = None


class JobRepository(Protocol):
    """Job records as their writer wrote them, ``_id`` left out."""

    def find(self, job_id: JobId) -> Mapping[str, Any] | None:
        """Read the newest record of this ``jobId``, or ``None``."""
        ...

    def page(self, query: JobQuery) -> Page[Mapping[str, Any]]:
        """Read one page; ties are ordered by ``_id``, pages never overlap.

        Raises:
            InvalidQueryError: The page token is not of this query.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        ...

    def insert(self, record: Mapping[str, Any]) -> None:
        """Add a record of our own (demo, submitted jobs).

        Raises:
            AlreadyExistsError: A record of this ``jobId`` exists.
        """
        ...


# --- everything under a root, as the indexer reads it ------------------------------


@dataclass(frozen=True, slots=True)
class RootBundle:
    """Everything that the documents of one root are made from.

    Attributes:
        root: ``_id`` of the job record.
        root_key: Its hash.
        job: ``None`` when the record is gone, unreadable, or not the newest of its
            ``jobId``: then the root has no documents.
        malformed: Why the record can't be read at all.
        shadowed_by: The newer root of the same ``jobId``, if there is one.
        siblings: Other roots of the same ``jobId``.
        annotations: By target (assetId or jobId).
        objects: By key: those of the job's prefixes and those that the record names.
        extractions: By key: what was said; only of the object's present etag.
        facts: By key: what else was read, likewise, of each extractor the newest
            version; by extractor.
        rows: What the read model holds of this root now.
        members: The memberships of its assets in collections.
    """

    root: RootId
    root_key: RootKey
    job: Job | None = None
    malformed: MalformedRecordError | None = None
    shadowed_by: RootId | None = None
    siblings: tuple[RootId, ...] = ()
    annotations: Mapping[str, Annotation] = field(default_factory=dict)
    objects: Mapping[ObjectKey, StoredObject] = field(default_factory=dict)
    extractions: Mapping[ObjectKey, Extraction] = field(default_factory=dict)
    facts: Mapping[ObjectKey, tuple[Extraction, ...]] = field(default_factory=dict)
    rows: tuple[AssetRow, ...] = ()
    members: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Bundles and the moment they are true of.

    ``cluster_time`` is the server's operation time of the reads, as one integer
    (seconds << 32 | increment).
    """

    cluster_time: int
    bundles: tuple[RootBundle, ...]


class RootReader(Protocol):
    """Finds roots, and reads what lies under them."""

    def read(self, roots: Sequence[RootId], *, not_before: int = 0) -> RecordBatch:
        """Read everything under these roots.

        Args:
            roots: At most 1,000, without repetition.
            not_before: Cluster time that the reads must include (causal session).

        Returns:
            One bundle per root, in order, also for roots that are gone.

        Raises:
            DependencyUnavailableError: retryable.
        """
        ...

    def roots_of_jobs(self, job_ids: Iterable[JobId]) -> tuple[RootId, ...]:
        """Find the roots of these jobs, duplicates included."""
        ...


class RecordReader(RootReader, Protocol):
    """Reads what lies under roots, majority-committed."""

    def scan(
        self, after: RootId | None, limit: int, *, until: RootId | None = None
    ) -> tuple[RootId, ...]:
        """List roots in ``_id`` order (across BSON types), after one of them.

        ``after=None`` starts at the beginning; fewer than ``limit`` means the end,
        which is that of all, or ``until`` (inclusive).
        """
        ...

    def last(self) -> RootId | None:
        """The last root in ``_id`` order; ``None`` when there is none."""
        ...

    def count(self) -> int:
        """Estimate the number of job records, for progress."""
        ...

    def orphans(self, limit: int) -> tuple[RootId, ...]:
        """List roots that the read model holds and that no job record bears."""
        ...

    def roots_of_keys(self, keys: Iterable[ObjectKey]) -> tuple[RootId, ...]:
        """Find the roots whose assets consist of, or wait for, these objects.

        By the job that the layout names in the key and by ``assets.keys``
        and ``assets.sources``.
        """
        ...

    def roots_of_changes(
        self, collection: str, record_ids: Sequence[Any]
    ) -> tuple[RootId, ...]:
        """Find the roots that changed records belong to.

        Args:
            collection: As ``Change.collection``.
            record_ids: ``_id`` of changed or deleted records.

        Returns:
            Of ``jobs``: these roots, and all that bear, or bore, one jobId with them;
            of the others the roots that they belong to. Without repetition. Nothing
            can be known of a deleted extraction.

        Raises:
            DependencyUnavailableError: retryable.
        """
        ...

    def rows_with_tag(
        self,
        owner_key: str,
        tag_key: str,
        *,
        excluding_roots: Sequence[RootId],
        excluding_rows: Sequence[DocumentId] = (),
    ) -> frozenset[str]:
        """Union of the ``acl`` of an owner's other assets that bear a tag."""
        ...


# --- what the catalog writes beside jobs -------------------------------------------


class ObjectRepository(Protocol):
    """Records of ``objects``."""

    def record_id(self, known: StoredObject) -> Any:  # noqa: ANN401  (any BSON value)
        """``_id`` of an object's record, as ``Change.record_id`` tells it."""
        ...

    def recorded(
        self, store: str, keys: Iterable[ObjectKey]
    ) -> Mapping[ObjectKey, Recorded]:
        """Read what is known of objects, to look at them afterwards.

        Returns:
            By key, as acknowledged by a majority; without those never recorded.

        Raises:
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        ...

    def recorded_under(
        self, store: str, prefix: str, *, after: ObjectKey | None, limit: int
    ) -> Sequence[Recorded]:
        """Read a page of what is known under a prefix, ordered by key bytes.

        Args:
            store: Its ``store_id``.
            prefix: Start of the keys; empty for all.
            after: Last key of the page before.
            limit: How many at most.

        Raises:
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        ...

    def settle(self, sightings: Iterable[Sighting]) -> Settled:
        """Record what was seen, each over the very record read before looking.

        What it returned is acknowledged by a majority. See ``sightings.decide`` for
        what is written. Keys that are no valid Unicode are passed over.

        Raises:
            DependencyUnavailableError: Fate unknown; retryable.
        """
        ...

    def forget_tombstones(self, before: datetime) -> int:
        """Remove tombstones that were set before a time; returns how many.

        An event that is older than its key's tombstone must not be alive any more:
        queues keep messages for 14 days at most.
        """
        ...


@dataclass(frozen=True, slots=True)
class AssetQuery:
    """A plain list of assets: exact filters, no words, no facets.

    Attributes:
        asker: Who asks; compiled into the filter.
        scope: Whose assets; with ``owner`` set, that owner's as far as visible.
        types: Any of; empty for all.
        tag_keys: All of.
        statuses: Any of.
        models: Any of.
        uses: Made with any of these; ``None`` for all.
        since: ``createdAt`` at or after; aware.
        until: ``createdAt`` at or before; aware.
        words: For degraded search: every word must occur (MongoDB text index).
        sort: ``createdAt completedAt updatedAt name sizeBytes`` (or the field names
            of ``AssetRow`` view: ``duration wordCount``).
        descending: Newest or largest first.
        limit: 1 to 200.
        page_token: Of the previous page with the same filter and sort.
        timeout_seconds: MongoDB's ``maxTimeMS``.
        count_at_most: Where to stop counting, for counting is the one thing about a
            list that takes the longer the more there is; ``None`` to count all.
    """

    asker: Asker
    scope: Scope = Scope.OWN
    types: tuple[AssetType, ...] = ()
    tag_keys: tuple[str, ...] = ()
    tag_keys_any: tuple[str, ...] = ()
    tag_keys_none: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    uses: tuple[AssetId, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None
    words: str = ""
    sort: str = "createdAt"
    descending: bool = True
    limit: int = 50
    skip: int = 0
    page_token: str | None = None
    timeout_seconds: float = 5.0
    count_at_most: int | None = None


@dataclass(frozen=True, slots=True)
class FoundAsset:
    """An asset read by id, with what decides whether the asker may see it."""

    view: AssetView
    acl: tuple[str, ...]
    is_trashed: bool = False


@dataclass(frozen=True, slots=True)
class RowProof:
    """What a row says of its search documents: the expectation of reconciling.

    ``document_hash`` is what each of them bears as ``_hash``, empty when they are
    known not to be as they should (refused). ``has_document`` is false for trashed
    assets. Segments have the ids that ``catalog.search.projection.segment_id`` gives.
    """

    document_id: DocumentId
    root: RootId
    root_key: RootKey
    document_hash: str
    segment_count: int
    sequence: int
    has_document: bool


@dataclass(frozen=True, slots=True)
class TagUse:
    """An owner's tag as rows bear it: who may see it, and one root of those rows."""

    owner_key: str
    tag_key: str
    acl: frozenset[str]
    root: RootId


class AssetRepository(Protocol):
    """The read model ``assets``, as lists, by-id reads and degraded search ask it."""

    def page(self, query: AssetQuery) -> Page[AssetView]:
        """Read one page; pages never overlap; access is part of the query.

        With ``words``, ordered by text score and paged by ``skip`` alone.

        Raises:
            InvalidQueryError: The page token is not of this query.
            DependencyUnavailableError: MongoDB did not answer in time; retryable.
        """
        ...

    def find(self, asset_id: str) -> tuple[FoundAsset, ...]:
        """Resolve an assetId or bare jobId, whoever asks (see ``catalog.identity``).

        Returns:
            The asset of this id; for a jobId that is not an asset's own id, all
            assets of the job; empty when there is none.
        """
        ...

    def named(self, asset_ids: Iterable[AssetId]) -> tuple[FoundAsset, ...]:
        """Read the assets of these ids, in no particular order."""
        ...

    def holding(self, key: ObjectKey) -> tuple[FoundAsset, ...]:
        """Read the assets that consist of an object of our store, whoever asks."""
        ...

    def using(self, asset_id: AssetId, limit: int) -> tuple[FoundAsset, ...]:
        """Read the newest assets that were made with one, whoever asks."""
        ...

    def names_starting(
        self, asker: Asker, prefix: str, limit: int, *, scope: Scope = Scope.VISIBLE
    ) -> tuple[AssetView, ...]:
        """Visible assets whose case-folded name starts so, for degraded suggest."""
        ...


class RowRepository(Protocol):
    """The read model ``assets`` as the indexer writes it, and what its rows prove."""

    def replace(
        self,
        rows: Iterable[AssetRow],
        *,
        delete: Iterable[DocumentId] = (),
        not_after: int | None = None,
        until: datetime | None = None,
    ) -> int:
        """Write rows whole and remove others; idempotent, majority-acknowledged.

        Args:
            rows: Whole.
            delete: Ids of rows to remove.
            not_after: ``_seq`` of the pass: rows that bear a higher one were written
                by a later pass and are left alone.
            until: When the writer's lease ends by the server's clock, which the
                server itself looks at before it writes a row: a request that was
                held up until another process leads puts no removed row back.

        Returns:
            The highest ``_seq`` of the rows left alone; 0 when there were none.

        Raises:
            FencedError: The request arrived after ``until``; no row was written.
        """
        ...

    def read_rows(self, document_ids: Sequence[DocumentId]) -> tuple[AssetRow, ...]:
        """Read rows whole, whatever root they are of; absent ones are left out."""
        ...

    def proofs(self, buckets: range) -> Iterator[RowProof]:
        """Stream what rows say of their documents, as of one moment (a snapshot).

        Args:
            buckets: Contiguous range within 0 to 255.

        Raises:
            DependencyUnavailableError: retryable; what came until then is no answer.
        """
        ...

    def tag_uses(
        self, only: Sequence[tuple[str, str]] | None = None
    ) -> Iterator[TagUse]:
        """Stream every tag that rows bear, once per owner.

        Args:
            only: These alone (owner key, tag key), at most some hundreds.

        Raises:
            DependencyUnavailableError: retryable; what came until then is no answer.
        """
        ...

    def proofs_of(self, root_keys: Sequence[RootKey]) -> tuple[RowProof, ...]:
        """What the rows of these roots say now, majority-committed."""
        ...


@dataclass(frozen=True, slots=True)
class JobChange:
    """A job record as it is now; ``record`` is ``None`` once it is deleted.

    ``record`` has ``jobId userId status progress`` and ``error`` only.
    """

    root_key: RootKey
    record: Mapping[str, Any] | None


class JobFeed(Protocol):
    """Follows all job records, for one thread per API process."""

    def next_batch(self) -> list[JobChange]:
        """Wait up to about one second for changes.

        The first call opens the stream. After a break the stream is opened anew
        "from now": subscribers must then re-read what they follow.

        Raises:
            DependencyUnavailableError: MongoDB is away; call again later; retryable.
        """
        ...

    def find(self, job_id: JobId) -> JobChange | None:
        """Read one job now (newest of its id)."""
        ...

    def close(self) -> None:
        """Give the cursor back; idempotent."""
        ...
