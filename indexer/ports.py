"""Everything that the indexer stands on, handed in by ``indexer.__main__``."""

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from catalog.clock import Clock
from catalog.repositories.base import (
    ObjectRepository,
    RecordReader,
    RowRepository,
)
from catalog.repositories.extractions import ExtractionRepository
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
from catalog.search.base import IndexAdmin, IndexKeys, IndexWriter
from catalog.storage.base import ObjectEventQueue, ObjectStore
from indexer.usage_ports import UsagePorts

MakePool = Callable[[int, str], Executor]
"""Makes an executor of so many threads, named so."""


class Answered(Protocol):
    """Told what came of something that was asked for; by any thread."""

    def __call__(self, outcome: str, *, is_done: bool) -> None:
        """Tell it as one sentence, and whether it was done."""
        ...


def thread_pool(workers: int, name: str) -> Executor:
    """Make real threads; simulations put something that runs in order in its place."""
    return ThreadPoolExecutor(workers, thread_name_prefix=name)


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
        rollback_window: How long the generation before is kept in step.
        lease_ttl: How long a leader's lease lasts without being renewed.
        reconcile_every: How often everything is compared.
        reindex_every: How often the index is built anew; ``None`` for never.
        make_pool: Makes the threads of the applying loop.
        object_events: The store's notifications; ``None`` without.
        use: What the sweeps over the use of assets stand on; ``None`` without them.
    """

    clock: Clock
    rows: RowRepository
    objects: ObjectRepository
    extractions: ExtractionRepository
    records: RecordReader
    feed: ChangeFeed
    generations: GenerationRepository
    dirty: DirtyRepository
    dead_letters: DeadLetterRepository
    index_status: IndexStatusRepository
    index_requests: IndexRequestRepository
    leases: LeaseRepository
    sweeps: ScheduleRepository
    reconciles: ReconcileRepository
    store: ObjectStore
    index_writer: IndexWriter
    index_admin: IndexAdmin
    index_keys: IndexKeys
    ensure_indexes: Callable[[], None]
    ensure_late_indexes: Callable[[], None]
    index_prefix: str
    linger_seconds: float
    rescan_every: timedelta
    storage_directory: Path | None
    rollback_window: timedelta = timedelta(hours=1)
    lease_ttl: timedelta = timedelta(seconds=10)
    reconcile_every: timedelta = timedelta(hours=1)
    reindex_every: timedelta | None = None
    make_pool: MakePool = thread_pool
    object_events: ObjectEventQueue | None = None
    use: UsagePorts | None = None
