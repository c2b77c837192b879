"""The one road into the index: roots → re-read → describe → project → proven.

Nothing else writes documents. Live changes, backfill, retries, rescans and repairs all
call ``prepare`` and ``commit`` (``apply`` does both). Rows of the read model are
replaced only after the proof, so whatever a crash interrupts is done again in full.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

from catalog.models.ids import RootKey
from catalog.repositories.base import (
    AssetRepository,
    RecordReader,
    RootBundle,
    RootId,
)
from catalog.search.base import Document, IndexWriter
from indexer.batching import identity_of, unique_by
from indexer.checkpoint import Checkpoint
from indexer.documents import DocumentPass, Prepared
from indexer.learning import Learner
from indexer.marks import Marks
from indexer.tags import TagIndex

log = logging.getLogger(__name__)

MAX_SIBLINGS = 500
"""Roots of the same ``jobId`` that are read along with a batch, at most."""


@dataclass(frozen=True, slots=True)
class AppliedBatch:
    """What became of a batch.

    Attributes:
        roots: Number of roots.
        assets: Documents that the ``assets`` index now holds of them, proven.
        segments: Likewise of ``segments``.
        written: Documents sent in this pass.
        root_keys: Hashes of the roots and of others of the same ``jobId``.
        sequence: ``_seq`` of what was written.
    """

    roots: int
    assets: int
    segments: int
    written: int
    root_keys: tuple[RootKey, ...]
    sequence: int


def _siblings(bundles: Sequence[RootBundle]) -> list[RootId]:
    present = {identity_of(bundle.root) for bundle in bundles}
    others = (root for bundle in bundles for root in bundle.siblings)
    found = unique_by(
        (root for root in others if identity_of(root) not in present), identity_of
    )
    return found[:MAX_SIBLINGS]


class Applier:
    """Writes one generation; the only writer of documents.

    ``prepare``, ``write`` and ``record`` may run in three threads (the next batch is
    read while this one is written and the rows of the last one are replaced); each
    of them runs once at a time.
    """

    def __init__(
        self,
        *,
        checkpoint: Checkpoint,
        records: RecordReader,
        assets: AssetRepository,
        writer: IndexWriter,
        learner: Learner,
        marks: Marks,
        tags: TagIndex,
    ) -> None:
        """Write into the generation of ``checkpoint``."""
        self._checkpoint = checkpoint
        self._records = records
        self._assets = assets
        self._writer = writer
        self._learner = learner
        self._marks = marks
        self._tags = tags
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="import")
        self._preparing, self._writing, self._recording = Lock(), Lock(), Lock()

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def forget_tags(self) -> None:
        """Trust nothing that is remembered of the ``tags`` index."""
        self._tags.forget()

    def apply(
        self,
        roots: Sequence[RootId],
        *,
        not_before: int = 0,
        force: bool = False,
        recheck: bool = False,
    ) -> AppliedBatch:
        """Make the index agree with the record for these roots.

        Idempotent; a failed call is to be repeated with ``force``.

        Args:
            roots: At most 500, without repetition.
            not_before: Cluster time that the reads must include.
            force: Trust nothing that was proven before: write everything.
            recheck: Look again for objects that are recorded as missing.

        Raises:
            DependencyUnavailableError: Nothing may be concluded; retryable.
            NotFoundError: The generation's indexes are gone.
            FuseBlownError: The engine refuses nearly everything.
        """
        prepared = self.prepare(roots, not_before=not_before, recheck=recheck)
        return self.commit(prepared, force=force, rechecked=recheck)

    def prepare(
        self, roots: Sequence[RootId], *, not_before: int = 0, recheck: bool = False
    ) -> Prepared:
        """Read and describe; see ``apply``.

        Other roots of the same ``jobId`` come along: only one of them has documents,
        and it may be another one than last time.
        """
        with self._preparing:
            batch = self._records.read(roots, not_before=not_before)
            bundles = batch.bundles
            others = _siblings(bundles)
            if others:
                more = self._records.read(others, not_before=batch.cluster_time)
                bundles += more.bundles
            sequence = self._checkpoint.next_sequence(batch.cluster_time)
            learned = self._learner.learn(bundles, recheck=recheck)
        return Prepared(sequence, tuple(learned), asked=len(batch.bundles))

    def commit(
        self, prepared: Prepared, *, force: bool = False, rechecked: bool = False
    ) -> AppliedBatch:
        """Write, prove, and only then replace the rows; see ``apply``.

        Args:
            prepared: Of this applier.
            force: See ``apply``.
            rechecked: Whether missing objects were looked for again.
        """
        pass_ = self.write(prepared, force=force)
        return self.record(pass_, force=force, rechecked=rechecked)

    def write(
        self,
        prepared: Prepared,
        *,
        force: bool = False,
        is_fresh: bool = False,
        after: DocumentPass | None = None,
    ) -> DocumentPass:
        """The first half of ``commit``: documents, proven; see there.

        Args:
            prepared: Of this applier.
            force: See ``apply``.
            is_fresh: The generation never held anything of these roots, so nothing
                can be left over: skip the count.
            after: The last batch, if its rows are still on their way: they count
                as if they had arrived before ``prepared`` was read.
        """
        if after is not None:
            prepared = after.overlay(prepared)
        pass_ = DocumentPass(self._writer, self._pool, self._checkpoint, prepared)
        with self._writing:
            pass_.upsert(force=force)
            if not is_fresh:
                pass_.sweep()
                pass_.verify()
        return pass_

    def record(
        self, pass_: DocumentPass, *, force: bool = False, rechecked: bool = False
    ) -> AppliedBatch:
        """The second half of ``commit``: tags, rows, notes; see there."""
        with self._recording:
            try:
                return self._record(pass_, force=force, rechecked=rechecked)
            except BaseException:
                self._tags.forget()
                raise

    def _record(
        self, pass_: DocumentPass, *, force: bool, rechecked: bool
    ) -> AppliedBatch:
        prepared, rows = pass_.prepared, pass_.rows()
        before = tuple(row for one in prepared.learned for row in one.bundle.rows)
        tags = self._tags.changes(
            before,
            rows,
            prepared.roots,
            target=self._checkpoint.target,
            sequence=prepared.sequence,
            force=force,
        )
        self._write_tags(tags.narrowing, tags.deletes)
        kept = {row.document_id for row in rows}
        gone = [row.document_id for row in before if row.document_id not in kept]
        changed = pass_.changed_rows()
        if changed or gone:
            self._assets.replace(changed, delete=gone)
        self._write_tags(tags.widening, ())
        self._marks.settle(prepared.learned, pass_.refusals(), rechecked=rechecked)
        assets, segments = pass_.asked()
        return AppliedBatch(
            roots=prepared.asked,
            assets=assets,
            segments=segments,
            written=pass_.written,
            root_keys=prepared.root_keys,
            sequence=prepared.sequence,
        )

    def _write_tags(
        self, documents: Sequence[Document], deletes: Sequence[str]
    ) -> None:
        index = self._checkpoint.target.tags
        for error in self._tags.write(self._writer, index, documents, deletes):
            log.error("a tag was refused", extra={"error": error})
