"""The record and the read model of the world in memory, as ports."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from catalog.errors import FencedError
from catalog.models.asset import AssetRow
from catalog.models.ids import DocumentId, JobId, ObjectKey, RootKey
from catalog.models.stored import Extraction, ObjectState, StoredObject
from catalog.repositories.base import RecordBatch, RootId, RowProof, TagUse
from catalog.repositories.sightings import Recorded, Settled, Sighting, decide
from tests.unit.indexer.world import World, parse_key


class Records:
    """``RecordReader`` over the world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def read(self, roots: Sequence[RootId], *, not_before: int = 0) -> RecordBatch:
        assert self.world.cluster_time >= not_before
        self.world.faults.step("read", detail=roots)
        return RecordBatch(
            self.world.cluster_time, tuple(self.world.bundle(root) for root in roots)
        )

    def scan(
        self, after: RootId | None, limit: int, *, until: RootId | None = None
    ) -> tuple[RootId, ...]:
        self.world.faults.step("scan", detail=after)
        rest = (r for r in sorted(self.world.jobs) if after is None or r > after)
        return tuple(r for r in rest if until is None or r <= until)[:limit]

    def last(self) -> RootId | None:
        self.world.faults.step("last")
        return max(self.world.jobs, default=None)

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
        return tuple(sorted({*self.roots_of_jobs(jobs), *waiting}))

    def roots_of_changes(
        self, collection: str, record_ids: Iterable[Any]
    ) -> tuple[RootId, ...]:
        self.world.faults.step("roots_of_changes", detail=collection)
        ids = list(record_ids)
        match collection:
            case "jobs":
                jobs = {self.world.jobs[r].job_id for r in ids if r in self.world.jobs}
                jobs |= {
                    JobId(row.view["jobId"])
                    for row in self.world.rows.values()
                    if row.root in ids
                }
                return tuple(sorted({*ids, *self.roots_of_jobs(jobs)}))
            case "annotations":
                heads = {t.rpartition("-")[0] for t in ids}
                return self.roots_of_jobs([*ids, *(JobId(h) for h in heads)])
            case "objects":
                return self.roots_of_keys(ids)
            case _:
                return self.roots_of_keys([key for key, _, _ in ids])

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

    def recorded(
        self, store: str, keys: Iterable[ObjectKey]
    ) -> Mapping[ObjectKey, Recorded]:
        return {
            key: self._known(key)
            for key in keys
            if key in self.world.objects and self.world.objects[key].store == store
        }

    def recorded_under(
        self, store: str, prefix: str, *, after: ObjectKey | None, limit: int
    ) -> Sequence[Recorded]:
        keys = sorted(
            key
            for key, one in self.world.objects.items()
            if one.store == store and key.startswith(prefix)
        )
        later = [key for key in keys if after is None or key > after]
        return [self._known(key) for key in later[:limit]]

    def settle(self, sightings: Iterable[Sighting]) -> Settled:
        changed = 0
        outdone: list[ObjectKey] = []
        for sighting in sightings:
            if changed == 0:
                self.world.faults.step("objects.settle")
            state = decide(sighting)
            if state is None:
                continue
            key = state.key
            there = self._known(key) if key in self.world.objects else None
            if there != sighting.known:
                outdone.append(key)
                continue
            self._put(state)
            changed += 1
        return Settled(changed, tuple(outdone))

    def forget_tombstones(self, before: datetime) -> int:
        old = [
            key
            for key, one in self.world.objects.items()
            if one.state is ObjectState.TOMBSTONE
            and one.checked_at is not None
            and one.checked_at < before
        ]
        for key in old:
            del self.world.objects[key]
            self.world.emit("objects", key)
        return len(old)

    def _known(self, key: ObjectKey) -> Recorded:
        state = self.world.objects[key]
        return Recorded(state, self.world.object_revisions.get(key, 0))

    def _put(self, state: StoredObject) -> None:
        self.world.objects[state.key] = state
        revisions = self.world.object_revisions
        revisions[state.key] = revisions.get(state.key, 0) + 1
        self.world.emit("objects", state.key)

    def record_id(self, known: StoredObject) -> Any:  # noqa: ANN401
        return known.key


class Extractions:
    """``ExtractionRepository`` over the world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def record(self, extractions: Iterable[Extraction]) -> None:
        self.world.faults.step("extractions.record")
        for one in extractions:
            self.world.extract(one)

    def record_id(self, extraction: Extraction) -> Any:  # noqa: ANN401
        return (extraction.key, extraction.etag, extraction.extractor)


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
        until: datetime | None = None,
    ) -> int:
        later = 0
        for row in rows:
            self.world.faults.step(
                "assets.replace", detail=_about(row)
            )  # torn: not all at once
            if until is not None and self.world.clock.now() >= until:
                raise FencedError("the lease was over when a row arrived")
            if found := self._later(row.document_id, not_after):
                later = max(later, found)
            else:
                self.world.rows[row.document_id] = row
        for document_id in delete:
            self.world.faults.step("assets.delete", detail=document_id)
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

    def tag_uses(
        self, only: Sequence[tuple[str, str]] | None = None
    ) -> Iterator[TagUse]:
        self.world.faults.step("assets.tag_uses")
        uses: dict[tuple[str, str], tuple[set[str], RootId]] = {}
        for row in self.world.rows.values():
            for key in row.tag_keys if row.acl else ():
                acl, _ = uses.setdefault((row.owner_key, key), (set(), row.root))
                acl.update(row.acl)
        for (owner, key), (acl, root) in uses.items():
            if only is None or (owner, key) in only:
                yield TagUse(owner, key, frozenset(acl), root)

    def proofs_of(self, root_keys: Sequence[RootKey]) -> tuple[RowProof, ...]:
        self.world.faults.step("assets.proofs_of")
        rows = self.world.rows.values()
        return tuple(_proof(row) for row in rows if row.root_key in root_keys)


def _about(row: AssetRow) -> tuple[object, ...]:
    return row.document_id, row.sequence, row.document_hash


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
