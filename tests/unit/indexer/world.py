"""A small world in memory: records, a store and an engine that can fail anywhere."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO

from catalog.clock import ManualClock
from catalog.errors import (
    ConflictError,
    DependencyUnavailableError,
    FencedError,
    HistoryLostError,
    NotFoundError,
)
from catalog.models.asset import AssetRow
from catalog.models.ids import DocumentId, JobId, ObjectKey, RootKey
from catalog.models.job import Job
from catalog.models.page import Page
from catalog.models.stored import Annotation, Extraction, StoredObject
from catalog.repositories.base import RecordBatch, RootBundle, RootId, RowProof, TagUse
from catalog.repositories.index_state import (
    Change,
    ChangeKind,
    DeadLetter,
    DirtyRoot,
    FeedPosition,
    Generation,
    GenerationState,
    IndexRequest,
    LetterQuery,
    RequestState,
)
from catalog.search.base import Document, IndexName, LineResult
from catalog.search.generation import kind_of
from catalog.search.schema import FIELDS
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
    pause: Callable[[str], None] = lambda _: None
    """Called at every step; may hold the process up while others go on."""

    def step(self, what: str, dependency: str = "mongodb") -> None:
        self.steps += 1
        self.pause(what)
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
    requests: dict[str, IndexRequest] = field(default_factory=dict)
    epoch: int = 0
    fence: int = 0
    """The engine refuses writes of leaders of smaller epochs."""
    stale: dict[str, dict[str, Document]] = field(default_factory=dict)
    """What reads of an engine show that has not replayed its log yet."""
    oldest_event: int = 0
    store_fails: int = 0
    """How many of the next calls of the store fail."""

    # --- what the engine does ------------------------------------------------------

    def restart_engine(self, share: float) -> None:
        """Kill the engine: reads show only a share of what was acknowledged."""
        for index, held in self.indexes.items():
            kept = list(held.items())[: round(len(held) * share)]
            self.stale[index] = dict(kept)

    def replay(self, index: str) -> None:
        """An acknowledged write proves that all before it are there."""
        self.stale.pop(index, None)

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
        self,
        owner_key: str,
        tag_key: str,
        *,
        excluding_roots: Sequence[RootId],
        excluding_rows: Sequence[DocumentId] = (),
    ) -> frozenset[str]:
        self.world.faults.step("rows_with_tag")
        return frozenset(
            key
            for row in self.world.rows.values()
            if row.owner_key == owner_key
            and tag_key in row.tag_keys
            and row.root not in excluding_roots
            and row.document_id not in excluding_rows
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
        self,
        rows: Iterable[AssetRow],
        *,
        delete: Iterable[DocumentId] = (),
        not_after: int | None = None,
    ) -> int:
        later = 0
        for row in rows:
            self.world.faults.step("assets.replace")  # torn: not all at once
            if found := self._later(row.document_id, not_after):
                later = max(later, found)
            else:
                self.world.rows[row.document_id] = row
        for document_id in delete:
            if found := self._later(document_id, not_after):
                later = max(later, found)
            else:
                self.world.rows.pop(document_id, None)
        return later

    def _later(self, document_id: DocumentId, sequence: int | None) -> int:
        old = self.world.rows.get(document_id)
        is_later = sequence is not None and old is not None and old.sequence > sequence
        return old.sequence if old is not None and is_later else 0

    def read_rows(self, document_ids: Sequence[DocumentId]) -> tuple[AssetRow, ...]:
        self.world.faults.step("assets.rows")
        found = (self.world.rows.get(one) for one in document_ids)
        return tuple(row for row in found if row is not None)

    def proofs(self, buckets: range) -> Iterator[RowProof]:
        self.world.faults.step("assets.proofs")
        every = [_proof(row) for row in self.world.rows.values()]
        return iter([p for p in every if int(p.root_key[-2:], 16) in buckets])

    def tag_uses(self) -> Iterator[TagUse]:
        self.world.faults.step("assets.tag_uses")
        uses: dict[tuple[str, str], tuple[set[str], RootId]] = {}
        for row in self.world.rows.values():
            for key in row.tag_keys if row.acl else ():
                acl, _ = uses.setdefault((row.owner_key, key), (set(), row.root))
                acl.update(row.acl)
        for (owner, key), (acl, root) in uses.items():
            yield TagUse(owner, key, frozenset(acl), root)

    def proofs_of(self, root_keys: Sequence[RootKey]) -> tuple[RowProof, ...]:
        self.world.faults.step("assets.proofs_of")
        rows = self.world.rows.values()
        return tuple(_proof(row) for row in rows if row.root_key in root_keys)


def _proof(row: AssetRow) -> RowProof:
    return RowProof(
        row.document_id,
        row.root,
        row.root_key,
        row.document_hash,
        row.segment_count,
        row.sequence,
        bool(row.acl),
    )


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
    """``IndexWriter`` and ``IndexAdmin`` over the world.

    Writes whose answer is lost may be applied late, but before any write that is
    acknowledged afterwards; reads of an engine that has just restarted show an older
    state, until a write is acknowledged (both measured on the real one).
    """

    def __init__(self, world: World, epoch: int | None = None) -> None:
        self.world = world
        self.epoch = epoch

    def _index(self, index: str, *, is_write: bool = False) -> dict[str, Document]:
        if index not in self.world.indexes:
            raise NotFoundError("index", index)
        if is_write:
            self._check()
            self.world.replay(index)
        elif index in self.world.stale:
            return self.world.stale[index]
        return self.world.indexes[index]

    def _check(self) -> None:
        if self.epoch is not None and self.epoch < self.world.fence:
            raise FencedError("the key was revoked")

    def upsert(self, index: str, documents: Sequence[Document]) -> list[LineResult]:
        held = self._index(index, is_write=True)
        results = []
        for document in documents:
            self.world.faults.step("upsert", "typesense")  # torn imports
            self._check()
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
            self._index(index, is_write=True).pop(identifier, None)

    def delete_older(self, index: str, roots: Sequence[RootKey], sequence: int) -> int:
        self.world.faults.step("delete_older", "typesense")
        held = self._index(index, is_write=True)
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
        self._index(index, is_write=True)

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

    def use_key(self, key: str) -> None:
        """Any key will do."""

    def fields(self, index: str) -> Mapping[str, tuple[str, bool]]:
        self._index(index)
        return {
            field.name: (field.type, field.optional) for field in FIELDS[kind_of(index)]
        }

    def shadowed_aliases(self) -> tuple[str, ...]:
        return ()

    def export(
        self,
        index: str,
        fields: Sequence[str],
        *,
        buckets: range | None = None,
        ids: Sequence[str] | None = None,
        roots: Sequence[RootKey] | None = None,
    ) -> Sequence[Mapping[str, Any]]:
        self.world.faults.step("export", "typesense")
        return [
            {f: d.get(f) for f in ("id", *fields)}
            for i, d in self._index(index).items()
            if (ids is None or i in ids)
            and (roots is None or d.get("root") in roots)
            and (buckets is None or d.get("_bucket") in buckets)
        ]


class Generations:
    """``GenerationRepository`` over the world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def all(self) -> tuple[Generation, ...]:
        return tuple(g for _, g in sorted(self.world.generations.items()))

    def save(self, *generations: Generation) -> None:
        self.world.faults.step("save")
        for generation in generations:
            old = self.world.generations.get(generation.number)
            if old is not None and old.epoch > generation.epoch:
                raise FencedError("a later leader")
            before = old.position.cluster_time if old and old.position else 0
            is_back = generation.position and generation.position.cluster_time < before
            if is_back and not generation.is_degraded:
                raise ConflictError("backwards")
        self.world.generations |= {one.number: one for one in generations}

    def settled(self) -> tuple[int, int]:
        for one in self.all():
            if one.state is GenerationState.SERVING:
                return one.number, one.settled_time
        return 0, 0


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

    def count(self, reason: str | None = None) -> int:
        return sum(reason in {None, d.reason} for d in self.world.dirty.values())


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

    def page(
        self,
        limit: int,
        query: LetterQuery | None = None,
        page_token: str | None = None,
    ) -> Page[DeadLetter]:
        del query, page_token
        found = tuple(self.world.letters.values())
        return Page(found[:limit], len(found))

    def roots(self, query: LetterQuery) -> Iterator[RootId]:
        del query
        return iter(tuple(self.world.letters))

    def count(self) -> int:
        return len(self.world.letters)


class Requests:
    """``IndexRequestRepository`` over the world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def add(self, request: IndexRequest) -> None:
        self.world.requests.setdefault(request.request_id, request)

    def find(self, request_id: str) -> IndexRequest | None:
        return self.world.requests.get(request_id)

    def page(self, limit: int) -> tuple[IndexRequest, ...]:
        return tuple(self.world.requests.values())[:limit]

    def open(self) -> tuple[IndexRequest, ...]:
        self.world.faults.step("requests.open")
        return self.world.open_requests()

    def update(self, request: IndexRequest) -> None:
        self.world.faults.step("requests.update")
        self.world.requests[request.request_id] = request


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

    def oldest(self) -> int:
        return self.world.oldest_event

    def open(self, position: FeedPosition) -> Stream:
        if position.cluster_time < self.world.oldest_event:
            raise HistoryLostError("mongodb", "gone")
        return Stream(self.world, position)
