"""A small world in memory: records, a store and an engine that can fail anywhere."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO

from catalog.clock import ManualClock
from catalog.errors import (
    ConflictError,
    DependencyUnavailableError,
    HistoryLostError,
    NotFoundError,
)
from catalog.models.asset import AssetRow
from catalog.models.ids import DocumentId, JobId, ObjectKey, RootKey
from catalog.models.job import Job
from catalog.models.stored import Annotation, Extraction, StoredObject
from catalog.repositories.base import RecordBatch, RootBundle, RootId
from catalog.repositories.index_state import (
    Change,
    ChangeKind,
    DeadLetter,
    DirtyRoot,
    FeedPosition,
    Generation,
    GenerationState,
    IndexRequest,
)
from catalog.search.base import Document, IndexName, LineResult
from catalog.storage.base import ObjectInfo
from catalog.storage.keys import parse_key

START = datetime(2026, 1, 1, tzinfo=UTC)
STORE = "directory"
POISON = "POISON"
TOXIC = "TOXIC"


class CrashError(BaseException):
    """The process died here."""


@dataclass
class Faults:
    """Decides at every call of a port whether it fails."""

    crash_in: int = -1
    fail: Callable[[], bool] = lambda: False
    steps: int = 0

    def step(self, what: str, dependency: str = "mongodb") -> None:
        self.steps += 1
        if self.crash_in >= 0:
            self.crash_in -= 1
            if self.crash_in < 0:
                raise CrashError(what)
        if self.fail():
            raise DependencyUnavailableError(dependency, what)


def root_key_of(root: RootId) -> RootKey:
    return RootKey(f"{root:024x}")


@dataclass
class World:
    """What survives a crash of the indexer, and the ports to it."""

    faults: Faults = field(default_factory=Faults)
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    cluster_time: int = 1
    jobs: dict[int, Job] = field(default_factory=dict)
    job_order: dict[int, int] = field(default_factory=dict)
    annotations: dict[str, Annotation] = field(default_factory=dict)
    objects: dict[ObjectKey, StoredObject] = field(default_factory=dict)
    extractions: dict[tuple[ObjectKey, str], Extraction] = field(default_factory=dict)
    rows: dict[DocumentId, AssetRow] = field(default_factory=dict)
    events: list[Change] = field(default_factory=list)
    files: dict[ObjectKey, bytes] = field(default_factory=dict)
    indexes: dict[str, dict[str, Document]] = field(default_factory=dict)
    aliases: dict[IndexName, str] = field(default_factory=dict)
    generations: dict[int, Generation] = field(default_factory=dict)
    dirty: dict[int, DirtyRoot] = field(default_factory=dict)
    letters: dict[int, DeadLetter] = field(default_factory=dict)
    requests: list[IndexRequest] = field(default_factory=list)
    oldest_event: int = 0
    store_fails: int = 0
    """How many of the next calls of the store fail."""

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
        self.cluster_time += 1
        self.events.append(
            Change(ChangeKind.STRUCTURE, "jobs", None, self.cluster_time)
        )

    def lose_history(self) -> None:
        """Everything that happened until now falls off the oplog."""
        self.cluster_time += 1
        self.oldest_event = self.cluster_time

    def emit(self, collection: str, record_id: Any) -> None:  # noqa: ANN401
        self.cluster_time += 1
        self.events.append(
            Change(ChangeKind.RECORD, collection, record_id, self.cluster_time)
        )

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
                and (one := self.extractions.get((key, found.etag or "")))
            },
            rows=rows,
        )


class Records:
    """``RecordReader`` over the world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def read(self, roots: Sequence[RootId], *, not_before: int = 0) -> RecordBatch:
        assert self.world.cluster_time >= not_before
        self.world.faults.step("read")
        return RecordBatch(
            self.world.cluster_time, tuple(self.world.bundle(root) for root in roots)
        )

    def scan(self, after: RootId | None, limit: int) -> tuple[RootId, ...]:
        self.world.faults.step("scan")
        rest = (r for r in sorted(self.world.jobs) if after is None or r > after)
        return tuple(rest)[:limit]

    def count(self) -> int:
        return len(self.world.jobs)

    def orphans(self, limit: int) -> tuple[RootId, ...]:
        self.world.faults.step("orphans")
        held = {row.root for row in self.world.rows.values()}
        return tuple(sorted(held - set(self.world.jobs)))[:limit]

    def roots_of_jobs(self, job_ids: Iterable[JobId]) -> tuple[RootId, ...]:
        wanted = set(job_ids)
        return tuple(r for r, job in self.world.jobs.items() if job.job_id in wanted)

    def roots_of_keys(self, keys: Iterable[ObjectKey]) -> tuple[RootId, ...]:
        wanted = set(keys)
        jobs = {parsed.job_id for key in wanted if (parsed := parse_key(key))}
        waiting = {r.root for r in self.world.rows.values() if wanted & set(r.keys)}
        return tuple({*self.roots_of_jobs(jobs), *waiting})

    def roots_of_changes(
        self, collection: str, record_ids: Iterable[Any]
    ) -> tuple[RootId, ...]:
        self.world.faults.step("roots_of_changes")
        ids = list(record_ids)
        match collection:
            case "jobs":
                jobs = {self.world.jobs[r].job_id for r in ids if r in self.world.jobs}
                jobs |= {
                    JobId(row.view["jobId"])
                    for row in self.world.rows.values()
                    if row.root in ids
                }
                return tuple({*ids, *self.roots_of_jobs(jobs)})
            case "annotations":
                heads = {t.rpartition("-")[0] for t in ids}
                return self.roots_of_jobs([*ids, *(JobId(h) for h in heads)])
            case "objects":
                return self.roots_of_keys(ids)
            case _:
                return self.roots_of_keys([key for key, _ in ids])

    def rows_with_tag(
        self, owner_key: str, tag_key: str, *, excluding_roots: Sequence[RootId]
    ) -> frozenset[str]:
        self.world.faults.step("rows_with_tag")
        return frozenset(
            key
            for row in self.world.rows.values()
            if row.owner_key == owner_key
            and tag_key in row.tag_keys
            and row.root not in excluding_roots
            for key in row.acl
        )


class Objects:
    """``ObjectRepository`` over the world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def record(self, objects: Iterable[StoredObject]) -> int:
        self.world.faults.step("objects.record")
        changed = 0
        for one in objects:
            old = self.world.objects.get(one.key)
            if old and (old.state, old.etag) == (one.state, one.etag):
                continue
            self.world.objects[one.key] = one
            self.world.emit("objects", one.key)
            changed += 1
        return changed

    def present_under(self, store: str, prefix: str) -> Mapping[ObjectKey, str]:
        return {
            key: one.etag or ""
            for key, one in self.world.objects.items()
            if one.store == store and key.startswith(prefix) and one.is_present
        }

    def record_id(self, known: StoredObject) -> Any:  # noqa: ANN401
        return known.key


class Extractions:
    """``ExtractionRepository`` over the world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def record(self, extractions: Iterable[Extraction]) -> None:
        self.world.faults.step("extractions.record")
        for one in extractions:
            self.world.extractions[one.key, one.etag] = one
            self.world.emit("extractions", (one.key, one.etag))

    def record_id(self, extraction: Extraction) -> Any:  # noqa: ANN401
        return (extraction.key, extraction.etag)


class Rows:
    """The writing half of ``AssetRepository`` over the world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def replace(
        self, rows: Iterable[AssetRow], *, delete: Iterable[DocumentId] = ()
    ) -> None:
        for row in rows:
            self.world.faults.step("assets.replace")  # torn: not all at once
            self.world.rows[row.document_id] = row
        for document_id in delete:
            self.world.rows.pop(document_id, None)


class Store:
    """``ObjectStore`` over the world, as far as the indexer reads it."""

    store_id = STORE
    url = "file:///world"

    def __init__(self, world: World) -> None:
        self.world = world

    def _check(self) -> None:
        if self.world.store_fails > 0:
            self.world.store_fails -= 1
            raise DependencyUnavailableError("storage", "away")

    def head(self, key: ObjectKey) -> ObjectInfo:
        self._check()
        if key not in self.world.files:
            raise NotFoundError("object", key)
        raw = self.world.files[key]
        return ObjectInfo(key, len(raw), str(hash(raw)), START)

    def read(
        self, key: ObjectKey, *, start: int = 0, length: int | None = None
    ) -> bytes:
        self.head(key)
        return self.world.files[key][start:][:length]

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        self._check()
        for key in sorted(self.world.files):
            if key.startswith(prefix):
                yield self.head(key)

    def parse_url(self, url: str) -> ObjectKey | None:
        return None if "://" in url else ObjectKey(url)

    def stream(
        self, key: ObjectKey, *, start: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        yield self.read(key, start=start, length=length)

    def write(
        self,
        key: ObjectKey,
        content: bytes | BinaryIO,
        *,
        content_type: str | None = None,
    ) -> ObjectInfo:
        del content_type
        self.world.files[key] = content if isinstance(content, bytes) else b""
        return self.head(key)

    def delete(self, key: ObjectKey) -> None:
        self.world.files.pop(key, None)

    def presign(
        self,
        key: ObjectKey,
        *,
        expires_in: timedelta,
        file_name: str | None = None,
        content_type: str | None = None,
        is_attachment: bool = False,
    ) -> str | None:
        raise NotImplementedError


class Engine:
    """``IndexWriter`` and ``IndexAdmin`` over the world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def _index(self, index: str) -> dict[str, Document]:
        if index not in self.world.indexes:
            raise NotFoundError("index", index)
        return self.world.indexes[index]

    def upsert(self, index: str, documents: Sequence[Document]) -> list[LineResult]:
        held = self._index(index)
        results = []
        for document in documents:
            self.world.faults.step("upsert", "typesense")  # torn imports
            identifier = document["id"]
            texts = (document.get("prompt"), document.get("text"))
            if any(POISON in (text or "") for text in texts) or TOXIC in document.get(
                "name", ""
            ):
                results.append(LineResult(identifier, "bad", is_poison=True))
                continue
            held[identifier] = dict(document)
            results.append(LineResult(identifier))
        self.world.faults.step("upsert answered", "typesense")
        return results

    def delete(self, index: str, document_ids: Sequence[str]) -> None:
        for identifier in document_ids:
            self.world.faults.step("delete", "typesense")
            self._index(index).pop(identifier, None)

    def delete_older(self, index: str, roots: Sequence[RootKey], sequence: int) -> int:
        self.world.faults.step("delete_older", "typesense")
        held = self._index(index)
        old = [
            i for i, d in held.items() if d["root"] in roots and d["_seq"] < sequence
        ]
        for identifier in old:
            del held[identifier]
        return len(old)

    def count_of_roots(
        self, indexes: Sequence[str], roots: Sequence[RootKey]
    ) -> list[int]:
        self.world.faults.step("count", "typesense")
        return [
            sum(d["root"] in roots for d in self._index(index).values())
            for index in indexes
        ]

    def barrier(self, index: str) -> None:
        self.world.faults.step("barrier", "typesense")
        self._index(index)

    def engine_version(self) -> str:
        return "0.24.1"

    def create(self, index: str, kind: IndexName) -> None:
        del kind
        self.world.faults.step("create", "typesense")
        self.world.indexes.setdefault(index, {})

    def drop(self, index: str) -> None:
        self.world.faults.step("drop", "typesense")
        self.world.indexes.pop(index, None)

    def resolve(self, kind: IndexName) -> str | None:
        return self.world.aliases.get(kind)

    def point(self, kind: IndexName, index: str) -> None:
        self.world.faults.step("point", "typesense")
        self._index(index)
        self.world.aliases[kind] = index

    def physical(self) -> tuple[str, ...]:
        return tuple(self.world.indexes)

    def count(self, index: str) -> int:
        return len(self._index(index))

    def export(self, index: str, fields: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        self.world.faults.step("export", "typesense")
        return [{f: d.get(f) for f in fields} for d in self._index(index).values()]


class Generations:
    """``GenerationRepository`` over the world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def latest(self) -> Generation | None:
        alive = [g for g in self.all() if g.state is not GenerationState.DROPPED]
        return alive[-1] if alive else None

    def all(self) -> tuple[Generation, ...]:
        return tuple(g for _, g in sorted(self.world.generations.items()))

    def save(self, generation: Generation) -> None:
        self.world.faults.step("save")
        old = self.world.generations.get(generation.number)
        before = old.position.cluster_time if old and old.position else 0
        if generation.position and generation.position.cluster_time < before:
            raise ConflictError("backwards")
        self.world.generations[generation.number] = generation


class Dirty:
    """``DirtyRepository`` over the world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def mark(self, roots: Iterable[DirtyRoot]) -> None:
        self.world.faults.step("dirty.mark")
        self.world.dirty |= {one.root: one for one in roots}

    def due(self, now: datetime, limit: int) -> tuple[DirtyRoot, ...]:
        found = (one for one in self.world.dirty.values() if one.due_at <= now)
        return tuple(found)[:limit]

    def attempts(self, roots: Sequence[RootId]) -> Mapping[str, int]:
        return {
            root_key_of(root): self.world.dirty[root].attempts
            for root in roots
            if root in self.world.dirty
        }

    def clear(self, roots: Sequence[RootId]) -> None:
        self.world.faults.step("dirty.clear")
        for root in roots:
            self.world.dirty.pop(root, None)

    def count(self) -> int:
        return len(self.world.dirty)


class Letters:
    """``DeadLetterRepository`` over the world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def record(self, letters: Iterable[DeadLetter]) -> None:
        self.world.faults.step("letters.record")
        for letter in letters:
            old = self.world.letters.get(letter.root)
            attempts = old.attempts + 1 if old else 1
            self.world.letters[letter.root] = replace(letter, attempts=attempts)

    def clear(self, roots: Sequence[RootId]) -> None:
        self.world.faults.step("letters.clear")
        for root in roots:
            self.world.letters.pop(root, None)

    def page(self, limit: int) -> tuple[DeadLetter, ...]:
        return tuple(self.world.letters.values())[:limit]

    def count(self) -> int:
        return len(self.world.letters)


class Requests:
    """``IndexRequestRepository`` over the world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def add(self, request: IndexRequest) -> None:
        self.world.requests.append(request)

    def take(self) -> IndexRequest | None:
        return self.world.requests.pop(0) if self.world.requests else None


class Stream:
    """``ChangeStream`` over the world's events."""

    def __init__(self, world: World, position: FeedPosition) -> None:
        self.world = world
        self._position = position

    def next_batch(self, *, max_changes: int, linger_seconds: float) -> list[Change]:
        del linger_seconds
        at = self._position.cluster_time
        if at < self.world.oldest_event:
            raise HistoryLostError("mongodb", "gone")
        changes = [e for e in self.world.events if e.cluster_time > at][:max_changes]
        reached = changes[-1].cluster_time if changes else self.world.cluster_time
        self._position = replace(self._position, cluster_time=reached)
        return changes

    @property
    def position(self) -> FeedPosition:
        return self._position

    def close(self) -> None:
        """Nothing is open."""


class Feed:
    """``ChangeFeed`` over the world's events."""

    def __init__(self, world: World) -> None:
        self.world = world

    def current(self) -> FeedPosition:
        return FeedPosition(None, self.world.cluster_time, "p", "r")

    def open(self, position: FeedPosition) -> Stream:
        if position.cluster_time < self.world.oldest_event:
            raise HistoryLostError("mongodb", "gone")
        return Stream(self.world, position)
