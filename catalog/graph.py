"""The object graph that a process stands on: ports and settings, no adapter.

``catalog.bootstrap`` builds it; everything below an entry point gets it handed in.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from catalog.access_logs import LogSource
from catalog.callers import WebTokens
from catalog.clock import Clock
from catalog.config import Settings
from catalog.passwords import Passwords
from catalog.repositories.annotations import AnnotationRepository, TrashReader
from catalog.repositories.audit import AuditRepository
from catalog.repositories.base import (
    AssetRepository,
    JobFeed,
    JobRepository,
    ObjectRepository,
    RecordReader,
    RowRepository,
)
from catalog.repositories.collections import CollectionRepository
from catalog.repositories.extractions import ExtractionRepository
from catalog.repositories.groups import GroupRepository
from catalog.repositories.index_control import (
    LeaseRepository,
    ReconcileRepository,
    ScheduleRepository,
)
from catalog.repositories.index_state import (
    ChangeFeed,
    DeadLetterRepository,
    DirtyRepository,
    GenerationRepository,
    IndexRequestRepository,
    IndexStatusRepository,
)
from catalog.repositories.keys import KeyRepository
from catalog.repositories.object_work import ObjectWorkRepository
from catalog.repositories.queue import QueueRepository, SubmissionRepository
from catalog.repositories.rollups import RollupRepository
from catalog.repositories.search_log import SearchLogRepository
from catalog.repositories.share_links import SharedReader, ShareLinkRepository
from catalog.repositories.usage import UsageRepository
from catalog.repositories.usage_logs import UsageLogRepository
from catalog.search.base import IndexAdmin, IndexKeys, IndexWriter, SearchReader
from catalog.share_sessions import ShareSessions
from catalog.storage.base import ObjectEventQueue, ObjectStore
from catalog.storage.links import LinkSigner
from catalog.webhooks import PublicKeys


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that a process of the catalog stands on."""

    settings: Settings
    clock: Clock
    jobs: JobRepository
    submissions: SubmissionRepository
    queue: QueueRepository
    assets: AssetRepository
    rows: RowRepository
    objects: ObjectRepository
    extractions: ExtractionRepository
    object_work: ObjectWorkRepository
    annotations: AnnotationRepository
    trash: TrashReader
    collections: CollectionRepository
    groups: GroupRepository
    share_links: ShareLinkRepository
    shared: SharedReader
    share_sessions: ShareSessions
    passwords: Passwords
    records: RecordReader
    job_feed: JobFeed
    feed: ChangeFeed
    generations: GenerationRepository
    dirty: DirtyRepository
    dead_letters: DeadLetterRepository
    index_status: IndexStatusRepository
    index_requests: IndexRequestRepository
    leases: LeaseRepository
    sweeps: ScheduleRepository
    reconciles: ReconcileRepository
    usage: UsageRepository
    usage_logs: UsageLogRepository
    rollups: RollupRepository
    search_log: SearchLogRepository
    fal_keys: PublicKeys
    api_keys: KeyRepository
    audit: AuditRepository
    store: ObjectStore
    links: LinkSigner
    index_writer: IndexWriter
    index_admin: IndexAdmin
    index_keys: IndexKeys
    search: SearchReader
    ensure_indexes: Callable[[], None]
    ensure_late_indexes: Callable[[], None]
    ping_mongo: Callable[[], None]
    jsonable: Callable[[Any], Any]
    """Makes any value of a record fit for JSON, a job record's ``_id`` for one."""
    close: Callable[[], None]
    log_sources: tuple[LogSource, ...] = ()
    """Where access logs lie."""
    object_events: ObjectEventQueue | None = None
    """The store's notifications, if there is a queue of them."""
    web_tokens: WebTokens | None = None
    """Checks JSON web tokens, if any are taken."""
