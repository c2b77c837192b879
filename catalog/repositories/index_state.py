"""Ports to the indexer's own state: the change feed, checkpoints, dirt, dead letters.

Everything here lives in records named ``index_…``; losing it costs a rebuild, never
user data.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from catalog.models.page import Page
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


class PositionReader(Protocol):
    """Tells the time of the server that keeps the record."""

    def current(self) -> FeedPosition:
        """The server's present position, for a start from scratch."""
        ...


class ChangeFeed(PositionReader, Protocol):
    """Opens keys-only change streams over the records that the index is made from."""

    def oldest(self) -> int:
        """Cluster time of the oldest change that the server still remembers.

        0 where it can't be told (no privilege, a router of a sharded cluster).

        Raises:
            DependencyUnavailableError: retryable.
        """
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
    """Life of one physical set of indexes, in this order.

    A generation is *live* (kept in step with the record) in every state but
    ``creating`` and ``dropped``.
    """

    CREATING = "creating"
    """Registered; its indexes may not exist yet."""
    BACKFILLING = "backfilling"
    """Filled root by root while changes are applied to it as well."""
    CATCHING_UP = "catching_up"
    """Filled; the stream has not passed the moment at which that was so."""
    VERIFYING = "verifying"
    """Compared document by document with the read model."""
    SERVING = "serving"
    """What readers are answered by; exactly one, save for the moment of a swap."""
    RETIRING = "retiring"
    """Served before; kept in step until ``retire_at``, so that one call goes back."""
    DROPPED = "dropped"
    """Its indexes are gone; the record stays, so that numbers are never reused."""


BUILDING = frozenset(
    {
        GenerationState.CREATING,
        GenerationState.BACKFILLING,
        GenerationState.CATCHING_UP,
        GenerationState.VERIFYING,
    }
)
"""States of a generation that does not serve yet."""


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
        epoch: Of the leader that saved last; only an equal or higher one may save.
        reason: Why it was begun: ``first build``, ``asked``, ``schema``, ``lost``,
            ``schedule``.
        request_id: Of the request that asked for it.
        total: Roots that the backfill will have to do (estimate).
        started_at: When it was begun.
        served_at: When readers were first pointed at it.
        retire_at: When it may be dropped (``retiring`` only).
        refused_schema: Schema hash that was rolled back from: not to be built again
            without being asked.
        settled_time: Cluster time up to which everything can be found by readers;
            behind ``position`` while spilled roots wait in ``index_dirty``.
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
    epoch: int = 0
    reason: str = ""
    request_id: str | None = None
    total: int = 0
    started_at: datetime | None = None
    served_at: datetime | None = None
    retire_at: datetime | None = None
    refused_schema: str | None = None
    settled_time: int = 0


class GenerationRepository(Protocol):
    """Records of ``index_generations``; each save is majority-acknowledged.

    Every save is fenced: it is refused when a leader of a higher epoch has saved.
    """

    def all(self) -> tuple[Generation, ...]:
        """All generations, by number, dropped ones included."""
        ...

    def save(self, *generations: Generation) -> None:
        """Write whole, all of them or none; positions never go backwards.

        Where history was lost (``is_degraded``) a position may.

        Raises:
            FencedError: A leader of a higher epoch has saved one of them.
            ConflictError: A newer position is saved already.
        """
        ...

    def settled(self) -> tuple[int, int]:
        """Number and ``settled_time`` of the generation that serves; zeros if none.

        Cheap: the API asks it many times a second while somebody waits.
        """
        ...


# --- roots to look at again --------------------------------------------------------


class DirtyReason(StrEnum):
    """Why a root must be looked at again."""

    MISSING = "missing object"
    UNSETTLED = "storage does not answer"
    SUPERSEDED = "superseded"
    REDRIVE = "redrive"
    DRIFT = "drift"
    SPILLED = "spilled"
    UNCERTAIN = "a write may come late"


@dataclass(frozen=True, slots=True)
class DirtyRoot:
    """A root that must be looked at again at ``due_at``; see ``DirtyReason``."""

    root: RootId
    due_at: datetime
    attempts: int = 0
    reason: str = ""


class AttemptsReader(Protocol):
    """Of ``index_dirty`` what is told to people."""

    def attempts(self, roots: Sequence[RootId]) -> Mapping[str, int]:
        """Attempts so far by root key (hex hash), absent when not dirty."""
        ...


class DirtyRepository(AttemptsReader, Protocol):
    """Records of ``index_dirty``: durable, one per root, repetitions collapse."""

    def mark(self, roots: Iterable[DirtyRoot]) -> None:
        """Add or replace."""
        ...

    def due(self, now: datetime, limit: int) -> tuple[DirtyRoot, ...]:
        """Those whose time has come, oldest first; they stay until ``clear``."""
        ...

    def clear(self, roots: Sequence[RootId], now: datetime) -> None:
        """Forget these, but those that are ``UNCERTAIN`` and not due yet."""
        ...

    def count(self, reason: str | None = None) -> int:
        """How many wait, in all or for one reason."""
        ...


# --- dead letters ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A root that could not be indexed as it is, and why.

    ``stage`` is ``read`` (malformed record), ``describe``, ``extract`` or ``index``;
    ``document_id`` is set where a single document was refused; ``letter_id`` is the
    hex hash of the root, by which callers name the letter.
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
    letter_id: str = ""


@dataclass(frozen=True, slots=True)
class LetterQuery:
    """Which dead letters; all by default.

    Attributes:
        letter_id: This one (hex hash of the root).
        stage: Of this stage.
        job_id: Of this job.
        text: The error contains this, whatever its case.
    """

    letter_id: str | None = None
    stage: str | None = None
    job_id: str | None = None
    text: str | None = None


class DeadLetterRepository(Protocol):
    """Records of ``index_dead_letters``: one per root."""

    def record(self, letters: Iterable[DeadLetter]) -> None:
        """Add, or count one attempt more and keep ``first_seen_at``."""
        ...

    def clear(self, roots: Sequence[RootId]) -> None:
        """Forget these: they have been indexed as they are."""
        ...

    def page(
        self,
        limit: int,
        query: LetterQuery | None = None,
        page_token: str | None = None,
    ) -> Page[DeadLetter]:
        """Newest first; pages by token, each letter once while nothing changes.

        Raises:
            InvalidQueryError: The page token is not one of ours.
        """
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
        epoch: Of the leader that wrote this.
        leader: Who that is (host, process id).
        drift: Differences between record and index that reconciling has found and
            that are not repaired yet; the goal is 0.
        drift_total: All that were ever found by it.
        rate: Roots per second of the backfill; 0 when none runs.
        eta_seconds: Until the backfill is done, by that rate; ``None`` when none runs.
        headroom: Share of the oplog's window that is left before our position falls
            off, 0 to 1; ``None`` when unknown.
        spilled: Roots that wait in ``index_dirty`` because the oplog ran short.
        building: Number of the generation that is built, or 0.
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
    epoch: int = 0
    leader: str = ""
    drift: int = 0
    drift_total: int = 0
    rate: float = 0.0
    eta_seconds: float | None = None
    headroom: float | None = None
    spilled: int = 0
    building: int = 0


class IndexStatusRepository(Protocol):
    """The one record ``index_status``."""

    def read(self) -> IndexStatus | None:
        """The last heartbeat, or ``None`` when no indexer ever ran."""
        ...

    def write(self, status: IndexStatus) -> None:
        """Replace it."""
        ...


class RequestState(StrEnum):
    """How far a request is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """It was tried and can't be done; ``outcome`` says why."""


@dataclass(frozen=True, slots=True)
class IndexRequest:
    """Something the indexer is asked to do; done once, also when the leader dies.

    Attributes:
        request_id: Chosen by the asker; asking twice with one is asking once.
        action: ``reindex``, ``reconcile``, ``rollback``, ``redrive`` (``arguments``:
            fields of ``LetterQuery``), ``run`` (``arguments``: ``sweep``).
        created_at: When it was asked.
        arguments: See ``action``.
        state: How far it is.
        outcome: What came of it, as one sentence.
        started_at: When an indexer took it.
        finished_at: When it was done or failed.
    """

    request_id: str
    action: str
    created_at: datetime
    arguments: Mapping[str, Any] = field(default_factory=dict)
    state: RequestState = RequestState.WAITING
    outcome: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


class IndexRequestRepository(Protocol):
    """Records of ``index_requests``; the last 1,000 finished ones are kept."""

    def add(self, request: IndexRequest) -> None:
        """Ask; idempotent by ``request_id``."""
        ...

    def find(self, request_id: str) -> IndexRequest | None:
        """Read one."""
        ...

    def page(self, limit: int) -> tuple[IndexRequest, ...]:
        """Newest first."""
        ...

    def open(self) -> tuple[IndexRequest, ...]:
        """Those that wait or run, oldest first.

        A running one may be a dead leader's.
        """
        ...

    def update(self, request: IndexRequest) -> None:
        """Write its state, outcome and times."""
        ...
