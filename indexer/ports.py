"""Everything that the indexer stands on, handed in by ``indexer.__main__``."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from catalog.clock import Clock
from catalog.repositories.base import (
    AssetRepository,
    ExtractionRepository,
    ObjectRepository,
    RecordReader,
)
from catalog.repositories.index_state import (
    ChangeFeed,
    DeadLetterRepository,
    DirtyRepository,
    GenerationRepository,
    IndexRequestRepository,
    IndexStatusRepository,
)
from catalog.search.base import IndexAdmin, IndexWriter
from catalog.storage.base import ObjectStore


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports and the few settings that the indexer needs.

    Attributes:
        ensure_indexes: Declares the database indexes; idempotent.
        ensure_late_indexes: Those that are cheaper made after the first build.
        index_prefix: Put before the names of search indexes.
        linger_seconds: How long changes are collected before they are applied.
        rescan_every: How often the whole store is listed.
        storage_directory: Where hints can be had from; ``None`` for other stores.
    """

    clock: Clock
    assets: AssetRepository
    objects: ObjectRepository
    extractions: ExtractionRepository
    records: RecordReader
    feed: ChangeFeed
    generations: GenerationRepository
    dirty: DirtyRepository
    dead_letters: DeadLetterRepository
    index_status: IndexStatusRepository
    index_requests: IndexRequestRepository
    store: ObjectStore
    index_writer: IndexWriter
    index_admin: IndexAdmin
    ensure_indexes: Callable[[], None]
    ensure_late_indexes: Callable[[], None]
    index_prefix: str
    linger_seconds: float
    rescan_every: timedelta
    storage_directory: Path | None
