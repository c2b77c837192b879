"""Ports to the indexer's own state: the change feed, checkpoints, dirt, dead letters.

Everything here lives in records named ``index_…``; losing it costs a rebuild, never
user data.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from catalog.repositories.base import RootId

# --- the change feed ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """Where in the change stream we are.

    Attributes:
        token: Resume token, preferably post-batch; opaque.
        cluster_time: seconds << 32 | increment, of the last event or of the token.
        pipeline_hash: Of the stream's pipeline (a changed one invalidates tokens).
        replica_set: Id of the replica set that issued it.
    """

    token: Mapping[str, Any] | None
    cluster_time: int
    pipeline_hash: str
    replica_set: str


class ChangeKind(StrEnum):
    """What a change means to us."""

    RECORD = "record"
    """One record was written or deleted; ``record_id`` says which."""
    STRUCTURE = "structure"
    """A watched collection was dropped, renamed or replaced: look at all of it."""


@dataclass(frozen=True, slots=True)
class Change:
    """A hint that something may have changed; it carries no data (rule 2).

    ``collection`` is one of ``jobs annotations objects extractions``.
    """

    kind: ChangeKind
    collection: str
    record_id: Any
    cluster_time: int


class ChangeStream(Protocol):
    """An open change stream; used by one thread."""

    def next_batch(self, *, max_changes: int, linger_seconds: float) -> list[Change]:
        """Wait for changes, then collect for at most ``linger_seconds``.

        Returns:
            Changes in order; empty after about one second without any.

        Raises:
            HistoryLostError: The stream can't go on (136, 286): changes are unknown.
            DependencyUnavailableError: MongoDB is away; reopen; retryable.
        """
        ...

    @property
    def position(self) -> FeedPosition:
        """Where to resume after all that ``next_batch`` has returned."""
        ...

    def close(self) -> None:
        """Give the cursor back; idempotent."""
        ...


class ChangeFeed(Protocol):
    """Opens keys-only change streams over the records that the index is made from."""

    def current(self) -> FeedPosition:
        """The server's present position, for a start from scratch."""
        ...

    def open(self, position: FeedPosition) -> ChangeStream:
        """Resume after ``position``, by token, else by cluster time (inclusive).

        The resume ladder of ``reliability.md`` 4.5: token; on 260, 280, 9, 50811 or
        40649 the cluster time; never silently "from now".

        Raises:
            HistoryLostError: The position is older than the oplog, lies in the future
                of the server, or belongs to another replica set.
            DependencyUnavailableError: retryable.
        """
        ...


# --- generations and checkpoints ---------------------------------------------------


class GenerationState(StrEnum):
    """Life of one physical set of indexes."""

    BUILDING = "building"
    CATCHING_UP = "catching_up"
    SERVING = "serving"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Generation:
    """One physical set of indexes (assets, segments, tags) and how far it is.

    Attributes:
        number: Ascending from 1.
        schema_hash: Of the schemas it was created with.
        state: See ``GenerationState``.
        cursor: Last root that the backfill has done; ``None`` before the first.
        done: Roots done by the backfill.
        position: Checkpoint: everything up to here is in the index, proven.
        sequence: Highest ``_seq`` given out.
        is_degraded: History was lost and the repair is not finished.
        updated_at: Of the last save.
    """

    number: int
    schema_hash: str
    state: GenerationState
    cursor: RootId | None = None
    done: int = 0
    position: FeedPosition | None = None
    sequence: int = 0
    is_degraded: bool = False
    updated_at: datetime | None = None


class GenerationRepository(Protocol):
    """Records of ``index_generations``; each save is majority-acknowledged."""

    def latest(self) -> Generation | None:
        """The generation with the highest number that is not dropped."""
        ...

    def all(self) -> tuple[Generation, ...]:
        """All generations, by number, dropped ones included."""
        ...

    def save(self, generation: Generation) -> None:
        """Write whole; the position never goes backwards (the save is refused).

        Raises:
            RevisionConflict… (``ConflictError``): A newer position is saved already.
        """
        ...


# --- roots to look at again --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DirtyRoot:
    """A root that must be looked at again at ``due_at``."""

    root: RootId
    due_at: datetime
    attempts: int = 0
    reason: str = ""


class DirtyRepository(Protocol):
    """Records of ``index_dirty``: durable, one per root, repetitions collapse."""

    def mark(self, roots: Iterable[DirtyRoot]) -> None:
        """Add or replace."""
        ...

    def due(self, now: datetime, limit: int) -> tuple[DirtyRoot, ...]:
        """Those whose time has come, oldest first; they stay until ``clear``."""
        ...

    def attempts(self, roots: Sequence[RootId]) -> Mapping[str, int]:
        """Attempts so far by root key (hex hash), absent when not dirty."""
        ...

    def clear(self, roots: Sequence[RootId]) -> None:
        """Forget these."""
        ...

    def count(self) -> int:
        """How many wait."""
        ...


# --- dead letters ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A root that could not be indexed as it is, and why.

    ``stage`` is ``read`` (malformed record), ``describe``, ``extract`` or ``index``;
    ``document_id`` is set where a single document was refused.
    """

    root: RootId
    stage: str
    error: str
    attempts: int
    first_seen_at: datetime
    last_seen_at: datetime
    job_id: str | None = None
    document_id: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


class DeadLetterRepository(Protocol):
    """Records of ``index_dead_letters``: one per root."""

    def record(self, letters: Iterable[DeadLetter]) -> None:
        """Add, or count one attempt more and keep ``first_seen_at``."""
        ...

    def clear(self, roots: Sequence[RootId]) -> None:
        """Forget these: they have been indexed as they are."""
        ...

    def page(self, limit: int) -> tuple[DeadLetter, ...]:
        """Newest first."""
        ...

    def count(self) -> int:
        """How many there are."""
        ...


# --- what the indexer tells the others ---------------------------------------------


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """The indexer's heartbeat, written about once a second.

    Attributes:
        generation: Number that serves; 0 while none does.
        state: Of the generation worked on.
        lag_ms: Age of the oldest change not yet searchable; 0 when idle.
        applied: Roots applied since start.
        done: Backfill: roots done.
        total: Backfill: roots in all (estimate).
        dirty: Roots waiting to be looked at again.
        dead_letters: Roots that can't be indexed as they are.
        is_degraded: History was lost and the repair is not finished.
        documents: Number of documents by index, as last counted.
        beat_at: When this was written; aware.
        problem: What holds the indexer up right now, as one sentence.
    """

    generation: int
    state: str
    lag_ms: int
    applied: int
    done: int
    total: int
    dirty: int
    dead_letters: int
    is_degraded: bool
    documents: Mapping[str, int]
    beat_at: datetime
    problem: str | None = None


class IndexStatusRepository(Protocol):
    """The one record ``index_status``."""

    def read(self) -> IndexStatus | None:
        """The last heartbeat, or ``None`` when no indexer ever ran."""
        ...

    def write(self, status: IndexStatus) -> None:
        """Replace it."""
        ...


@dataclass(frozen=True, slots=True)
class IndexRequest:
    """Something the indexer is asked to do (``reindex``); executed once."""

    request_id: str
    action: str
    created_at: datetime


class IndexRequestRepository(Protocol):
    """Records of ``index_requests``."""

    def add(self, request: IndexRequest) -> None:
        """Ask; idempotent by ``request_id``."""
        ...

    def take(self) -> IndexRequest | None:
        """Take the oldest, removing it."""
        ...
