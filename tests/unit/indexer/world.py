"""A small world in memory: what survives a crash of the indexer, and what can fail.

The ports to it are in ``world_records``, ``world_engine``, ``world_state`` and
``world_store``; ``processes`` runs the real indexer on them.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from catalog.clock import ManualClock
from catalog.errors import DependencyUnavailableError
from catalog.models.asset import AssetRow
from catalog.models.ids import DocumentId, JobId, ObjectKey, RootKey
from catalog.models.job import Job
from catalog.models.stored import Annotation, Extraction, StoredObject
from catalog.repositories.base import RootBundle, RootId
from catalog.repositories.index_control import ReconcileReport
from catalog.repositories.index_state import (
    Change,
    ChangeKind,
    DeadLetter,
    DirtyRoot,
    Generation,
    GenerationState,
    IndexRequest,
    RequestState,
)
from catalog.search.base import Document, IndexName
from catalog.search.generation import parse_physical, physical_name
from catalog.search.schema import schema_hash
from catalog.storage.keys import parse_key as parse_any_key

START = datetime(2026, 1, 1, tzinfo=UTC)
STORE = "directory"
POISON = "POISON"
TOXIC = "TOXIC"

parse_key = lru_cache(maxsize=None)(parse_any_key)


class CrashError(BaseException):
    """The process died here."""


@dataclass
class Faults:
    """Decides at every call of a port whether it fails, and keeps the trace."""

    crash_in: int = -1
    fail: Callable[[], bool] = lambda: False
    steps: int = 0
    pause: Callable[[str], None] = lambda _: None
    """Called at every step; may hold the process up while others go on."""
    is_late: Callable[[], bool] = lambda: False
    """Whether a write of the engine that fails is carried out later all the same."""
    lands: Callable[[], bool] = lambda: True
    """Whether such writes arrive now, where they may: before a write that is
    acknowledged, or before their key is no good any more."""
    beside: Callable[[], None] | None = None
    """Called at every step of a thread beside the loop while that has its turn; the
    process does not die there."""
    tail: list[str] | None = None
    """Every step, where somebody wants to read them."""
    _digest: Any = field(default_factory=lambda: hashlib.blake2b(digest_size=16))

    def step(self, what: str, dependency: str = "mongodb", detail: object = "") -> None:
        self.steps += 1
        said = f"{what} {detail}"
        self._digest.update(said.encode())
        if self.tail is not None:
            self.tail.append(said)
        self.pause(what)
        if self.beside is not None:
            self.beside()
        elif self.crash_in >= 0:
            self.crash_in -= 1
            if self.crash_in < 0:
                raise CrashError(what)
        if self.fail():
            raise DependencyUnavailableError(dependency, what)

    @property
    def trace(self) -> str:
        """A hash of all calls of ports, with what they were about."""
        return str(self._digest.hexdigest())


def root_key_of(root: RootId) -> RootKey:
    return RootKey(f"{root:024x}")


LateWrite = Callable[[dict[str, Document]], None]


@dataclass
class World:
    """What survives a crash of the indexer."""

    faults: Faults = field(default_factory=Faults)
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    cluster_time: int = 1
    jobs: dict[int, Job] = field(default_factory=dict)
    job_order: dict[int, int] = field(default_factory=dict)
    annotations: dict[str, Annotation] = field(default_factory=dict)
    objects: dict[ObjectKey, StoredObject] = field(default_factory=dict)
    object_revisions: dict[ObjectKey, int] = field(default_factory=dict)
    extractions: dict[tuple[ObjectKey, str, str], Extraction] = field(
        default_factory=dict
    )
    """By key, etag and extractor: the newest version, as a repository would give."""
    rows: dict[DocumentId, AssetRow] = field(default_factory=dict)
    events: list[Change] = field(default_factory=list)
    files: dict[ObjectKey, bytes] = field(default_factory=dict)
    indexes: dict[str, dict[str, Document]] = field(default_factory=dict)
    aliases: dict[IndexName, str] = field(default_factory=dict)
    generations: dict[int, Generation] = field(default_factory=dict)
    dirty: dict[int, DirtyRoot] = field(default_factory=dict)
    letters: dict[int, DeadLetter] = field(default_factory=dict)
    requests: dict[str, IndexRequest] = field(default_factory=dict)
    reports: dict[str, ReconcileReport] = field(default_factory=dict)
    awaited: set[str] = field(default_factory=set)
    """Differences that were to be looked at anyway when reconciling found them."""
    epoch: int = 0
    fence: int = 0
    """The engine refuses writes of leaders of smaller epochs."""
    stale: dict[str, dict[str, Document]] = field(default_factory=dict)
    """What reads of an engine show that has not replayed its log yet."""
    late: dict[str, list[LateWrite]] = field(default_factory=dict)
    """Writes by index that nobody was told of, and that have not arrived yet."""
    highest: dict[str, dict[str, int]] = field(default_factory=dict)
    """The highest ``_seq`` that each document of an index ever bore."""
    incompatible: set[str] = field(default_factory=set)
    """Hashes of schemas that do not take our documents."""
    unknown_indexes: int = 0
    """How many of the next lists of indexes lack one: the engine has just started."""
    oldest_event: int = 0
    replica_set: str = "r"
    tokens: int = 0
    """Changes when all resume tokens stop being good (280, 260)."""
    too_large: int | None = None
    """Number of an event that no stream can be read past (10334)."""
    is_cursor_lost: bool = False
    """The open stream falls off the oplog at its next read (136)."""
    store_fails: int = 0
    """How many of the next calls of the store fail."""
    forgets: int = 0
    """How many of the next documents the engine acknowledges and loses."""
    is_serving: bool = False
    """Readers have been given something: from now on they always are."""
    violations: list[str] = field(default_factory=list)
    """Promises that were broken while nobody looked."""

    def copy(self) -> "World":
        """The same once more: changes of one do not reach the other."""
        clock = ManualClock(self.clock.now())
        clock.advance(0)
        made = {f.name: _copied(getattr(self, f.name)) for f in fields(self)}
        made |= {"faults": Faults(), "clock": clock}
        return World(**made)

    # --- what the engine does ------------------------------------------------------

    def restart_engine(self, share: float, *, forgets: int = 0) -> None:
        """Kill the engine: reads show only a share of what was acknowledged."""
        for index, held in self.indexes.items():
            kept = list(held.items())[: round(len(held) * share)]
            self.stale[index] = dict(kept)
        self.unknown_indexes = forgets

    def replay(self, index: str) -> None:
        """An acknowledged write proves that all before it are there."""
        self.stale.pop(index, None)

    def change_key(self) -> None:
        """Refuse from now on whatever was sent before this."""
        for index in list(self.late):
            if self.faults.lands():
                self.apply_late(index)
        self.late.clear()

    def cut_off(self) -> None:
        """Change the key, as a leader does while it leads; may fail."""
        self.faults.step("cut off", "typesense")
        self.change_key()

    def apply_late(self, index: str) -> None:
        """Carry out what was answered by nobody."""
        for write in self.late.pop(index, ()):
            if index in self.indexes:
                write(self.indexes[index])

    def empty_engine(self) -> None:
        """Lose everything that the engine had."""
        for held in (self.indexes, self.aliases, self.stale, self.late, self.highest):
            held.clear()
        self.is_serving = False

    def look_for(self) -> None:
        """Search once: what readers are pointed at must be there."""
        for kind in IndexName if self.is_serving else ():
            if self.aliases.get(kind) not in self.indexes:
                self.violations.append(f"a search of {kind} failed")

    # --- what others do ------------------------------------------------------------

    def put_job(self, root: int, job: Job) -> None:
        self.jobs[root] = job
        self.job_order.setdefault(root, len(self.job_order))
        self.emit("jobs", root)

    def delete_job(self, root: int) -> None:
        if self.jobs.pop(root, None) is not None:
            self.emit("jobs", root)

    def annotate(self, annotation: Annotation) -> None:
        self.annotations[annotation.target] = annotation
        self.emit("annotations", annotation.target)

    def drop_jobs(self) -> None:
        self.jobs.clear()
        self._tell_of("jobs")

    def replace_jobs(self, jobs: dict[int, Job]) -> None:
        """Rename another set of records onto this one: no word about any of them."""
        self.jobs = jobs
        for root in jobs:
            self.job_order.setdefault(root, len(self.job_order))
        self._tell_of("jobs")

    def _tell_of(self, collection: str) -> None:
        self.cluster_time += 1
        self.events.append(
            Change(ChangeKind.STRUCTURE, collection, None, self.cluster_time)
        )

    def ask(self, action: str, **arguments: object) -> str:
        """Ask the indexer for something; returns the request's id."""
        name = f"{action}-{len(self.requests)}"
        self.requests[name] = IndexRequest(name, action, START, arguments)
        return name

    def open_requests(self) -> tuple[IndexRequest, ...]:
        is_open = {RequestState.WAITING, RequestState.RUNNING}
        return tuple(r for r in self.requests.values() if r.state in is_open)

    def lose_history(self) -> None:
        """Everything that happened until now falls off the oplog."""
        self.cluster_time += 1
        self.oldest_event = self.cluster_time

    def mark(self, root: int, reason: str) -> None:
        self.dirty[root] = DirtyRoot(root, self.clock.now(), reason=reason)

    def deploy_another_schema(self, *, is_compatible: bool) -> None:
        """Let all that there is have been made by a program with another schema."""
        ours, theirs = schema_hash(), f"{len(self.generations):08x}"
        for number, one in list(self.generations.items()):
            if one.schema_hash != ours or one.state is GenerationState.DROPPED:
                continue
            self.generations[number] = replace(one, schema_hash=theirs)
            for kind in IndexName:
                old = physical_name("", kind, number, ours)
                new = physical_name("", kind, number, theirs)
                kept: list[dict[str, Any]]
                kept = [self.indexes, self.stale, self.late, self.highest]
                for held in kept:
                    if old in held:
                        held[new] = held.pop(old)
                if self.aliases.get(kind) == old:
                    self.aliases[kind] = new
        if not is_compatible:
            self.incompatible.add(theirs)

    def takes_our_documents(self, index: str) -> bool:
        parsed = parse_physical(index)
        return parsed is not None and parsed.schema_hash not in self.incompatible

    # --- change events -------------------------------------------------------------

    def emit(self, collection: str, record_id: Any) -> None:  # noqa: ANN401
        self.cluster_time += 1
        self._add(collection, record_id)

    def emit_together(self, changed: Iterable[tuple[str, Any]]) -> None:
        """Emit the events of one transaction: they share a cluster time."""
        self.cluster_time += 1
        for collection, record_id in changed:
            self._add(collection, record_id)

    def _add(self, collection: str, record_id: Any) -> None:  # noqa: ANN401
        change = Change(ChangeKind.RECORD, collection, record_id, self.cluster_time)
        self.events.append(change)

    def first_event_at(self, cluster_time: int) -> int:
        """Number of the first event that is not before a cluster time."""
        return bisect_left(self.events, cluster_time, key=lambda e: e.cluster_time)

    # --- the record ----------------------------------------------------------------

    def head_of(self, root: int) -> int | None:
        """The newest root of the same jobId."""
        job = self.jobs.get(root)
        if job is None:
            return None
        return max(self._same_job(job.job_id), key=lambda r: self.job_order[r])

    def _same_job(self, job_id: JobId) -> list[int]:
        return [root for root, job in self.jobs.items() if job.job_id == job_id]

    def bundle(self, root: int) -> RootBundle:
        """Everything under a root as it is now."""
        rows = tuple(row for row in self.rows.values() if row.root == root)
        job, head = self.jobs.get(root), self.head_of(root)
        job_ids = {row.view["jobId"] for row in rows} | ({job.job_id} if job else set())
        siblings = tuple(
            other
            for other, theirs in self.jobs.items()
            if theirs.job_id in job_ids and other != root
        )
        if job is None or head != root:
            return RootBundle(
                root,
                root_key_of(root),
                shadowed_by=head,
                siblings=siblings,
                rows=rows,
            )
        named = {
            place
            for version in job.versions
            for place in (
                version.model_url,
                version.transcript_url,
                version.text_url,
                *(image.s3_key for image in version.images),
            )
        }
        objects = {
            key: found
            for key, found in self.objects.items()
            if key in named
            or ((parsed := parse_key(key)) and parsed.job_id == job.job_id)
        }
        return RootBundle(
            root,
            root_key_of(root),
            job=job,
            siblings=siblings,
            annotations={
                target: note
                for target, note in self.annotations.items()
                if target == job.job_id or target.startswith(f"{job.job_id}-")
            },
            objects=objects,
            extractions={
                key: one
                for key, found in objects.items()
                if found.is_present
                and (one := self.extractions.get((key, found.etag or "", "transcript")))
            },
            facts={
                key: facts
                for key, found in objects.items()
                if found.is_present and (facts := self._facts(key, found.etag or ""))
            },
            rows=rows,
        )

    def _facts(self, key: ObjectKey, etag: str) -> tuple[Extraction, ...]:
        return tuple(
            one
            for (of, state, extractor), one in sorted(self.extractions.items())
            if (of, state) == (key, etag) and extractor != "transcript"
        )

    def extract(self, extraction: Extraction) -> None:
        """Let a processor read a file; an older extractor changes nothing."""
        place = (extraction.key, extraction.etag, extraction.extractor)
        known = self.extractions.get(place)
        if known is None or known.version <= extraction.version:
            self.extractions[place] = extraction
        self.emit("extractions", place)


def _copied(value: Any) -> Any:  # noqa: ANN401
    """Copy containers, two levels deep: what they hold never changes."""
    if isinstance(value, dict):
        return {
            key: type(held)(held) if isinstance(held, dict | list) else held
            for key, held in value.items()
        }
    return type(value)(value) if isinstance(value, list | set) else value
