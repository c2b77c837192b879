"""The one road into the index: roots → re-read → describe → project → proven.

Nothing else writes documents. Live changes, backfill, retries, rescans and repairs all
call ``prepare`` and ``commit`` (``apply`` does both). Rows of the read model are
replaced only after the proof, so whatever a crash interrupts is done again in full.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Lock

from catalog.errors import (
    CatalogError,
    DependencyUnavailableError,
    FencedError,
)
from catalog.models.asset import AssetRow
from catalog.models.ids import DocumentId, RootKey
from catalog.repositories.base import (
    RecordReader,
    RootBundle,
    RootId,
    RowRepository,
)
from catalog.search.base import Document, IndexWriter
from catalog.search.projection import ProjectedAsset, documents_of
from indexer.batching import identity_of, unique_by
from indexer.documents import DocumentPass
from indexer.learning import Learned, Learner
from indexer.live import LiveSet, Target
from indexer.marks import Marks
from indexer.pass_mode import LIVE, PassMode
from indexer.ports import MakePool
from indexer.prepared import Prepared
from indexer.tags import TagChanges, TagIndex
from indexer.term import Term

log = logging.getLogger(__name__)

MAX_SIBLINGS = 500
"""Roots of the same ``jobId`` that are read along with a batch, at most."""


@dataclass(frozen=True, slots=True)
class AppliedBatch:
    """What became of a batch.

    Attributes:
        roots: Number of roots.
        assets: Documents that an ``assets`` index now holds of them, proven.
        segments: Likewise of ``segments``.
        written: Documents sent in this pass.
        root_keys: Hashes of the roots and of others of the same ``jobId``.
        touched: See ``Prepared.touched``.
        sequence: ``_seq`` of what was written.
    """

    roots: int
    assets: int
    segments: int
    written: int
    root_keys: tuple[RootKey, ...]
    touched: frozenset[str]
    sequence: int


def _siblings(bundles: Sequence[RootBundle]) -> list[RootId]:
    present = {identity_of(bundle.root) for bundle in bundles}
    others = (root for bundle in bundles for root in bundle.siblings)
    found = unique_by(
        (root for root in others if identity_of(root) not in present), identity_of
    )
    return found[:MAX_SIBLINGS]


def _without_row(learned: Sequence[Learned]) -> list[DocumentId]:
    known = {row.document_id for one in learned for row in one.bundle.rows}
    described = (asset for one in learned for asset in one.description.assets)
    return [a.document_id for a in described if a.document_id not in known]


def _projected(
    learned: Sequence[Learned], sequence: int
) -> dict[tuple[RootKey, DocumentId], ProjectedAsset]:
    found: dict[tuple[RootKey, DocumentId], ProjectedAsset] = {}
    for one in learned:
        root_key = one.bundle.root_key
        for asset in one.description.assets:
            name = (root_key, asset.document_id)
            # What can't be projected fails again where it is dealt with.
            with suppress(Exception):
                if name not in found:
                    found[name] = documents_of(
                        asset, root_key=root_key, sequence=sequence, generation=0
                    )
    return found


class Applier:
    """Writes all live generations; the only writer of documents.

    ``prepare``, ``write`` and ``record`` may run in three threads (the next batch is
    read while this one is written and the rows of the last one are replaced); each
    of them runs once at a time.
    """

    def __init__(
        self,
        *,
        live: LiveSet,
        records: RecordReader,
        rows: RowRepository,
        writer: IndexWriter,
        learner: Learner,
        marks: Marks,
        make_pool: MakePool,
        term: Term,
    ) -> None:
        """Write into the generations of ``live``.

        Args:
            live: The generations to keep in step.
            records: Reads what is under roots.
            rows: The read model.
            writer: Of documents.
            learner: Looks into the store.
            marks: Notes what must be looked at again.
            make_pool: Makes the threads that imports run in.
            term: Of the leader; nothing is written outside it.
        """
        self._live = live
        self._records = records
        self._rows = rows
        self._writer = writer
        self._learner = learner
        self._marks = marks
        self._term = term
        self._tags: dict[int, TagIndex] = {}
        self._doubted: list[Sequence[RootId]] = []
        self._pool = make_pool(2, "import")
        self._preparing, self._writing, self._recording = Lock(), Lock(), Lock()

    def close(self) -> None:
        """End the threads; none may write with the key of the next term."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def begin(self, number: int, *, is_empty: bool) -> None:
        """Begin with a generation's tags: all there are, when it is empty."""
        self._tags[number] = TagIndex(self._records, is_empty=is_empty)

    def apply(
        self,
        roots: Sequence[RootId],
        *,
        not_before: int = 0,
        mode: PassMode = LIVE,
        recheck: bool = False,
    ) -> AppliedBatch:
        """Make the index agree with the record for these roots.

        Idempotent; a failed call is to be repeated with ``FORCED``.

        Args:
            roots: At most 500, without repetition.
            not_before: Cluster time that the reads must include.
            mode: How much to write.
            recheck: Look again for objects that are recorded as missing.

        Raises:
            DependencyUnavailableError: Nothing may be concluded; retryable.
            NotFoundError: A generation's indexes are gone.
            FuseBlownError: The engine refuses nearly everything.
            FencedError: Another process leads now.
        """
        prepared = self.prepare(
            roots, not_before=not_before, recheck=recheck, is_fill=mode.is_fill
        )
        return self.record(self.write(prepared, mode), rechecked=recheck)

    def prepare(
        self,
        roots: Sequence[RootId],
        *,
        not_before: int = 0,
        recheck: bool = False,
        is_fill: bool = False,
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
            sequence = self._live.next_sequence(batch.cluster_time)
            # A fill leaves generations of another schema out.
            is_for_all = not is_fill or all(t.is_ours for t in self._live.targets)
            learned = self._learner.learn(
                bundles, recheck=recheck, is_for_all=is_for_all
            )
            displaced = self._rows.read_rows(_without_row(learned))
            # A fill is read ahead: what is projected here costs its writer no time.
            projected = _projected(learned, sequence) if is_fill else {}
        asked = len(batch.bundles)
        return Prepared(sequence, tuple(learned), asked, displaced, projected)

    def write(
        self,
        prepared: Prepared,
        mode: PassMode = LIVE,
        *,
        after: DocumentPass | None = None,
    ) -> DocumentPass:
        """Write documents, and prove it; see ``apply``.

        Args:
            prepared: Of this applier.
            mode: How much to write.
            after: The last batch, if its rows are still on their way: they count
                as if they had arrived before ``prepared`` was read.
        """
        if after is not None:
            prepared = after.overlay(prepared)
        self._term.check()
        pass_ = DocumentPass(self._writer, self._pool, self._live, prepared, mode)
        with self._writing, self._doubting(prepared):
            pass_.upsert()
            pass_.sweep()
            pass_.verify()
        return pass_

    def record(self, pass_: DocumentPass, *, rechecked: bool = False) -> AppliedBatch:
        """Only then replace what follows the documents: tags, rows, notes."""
        with self._recording, self._doubting(pass_.prepared):
            try:
                self._term.check()
                return self._record(pass_, rechecked=rechecked)
            except BaseException:
                for tags in self._tags.values():
                    tags.forget()
                raise

    @contextmanager
    def _doubting(self, prepared: Prepared) -> Iterator[None]:
        """Note a batch of which an old write may still come."""
        before = self._writer.uncertain_writes
        try:
            yield
        except CatalogError:
            if self._writer.uncertain_writes != before:
                self._doubted.append(prepared.roots)
            raise

    def _record(self, pass_: DocumentPass, *, rechecked: bool) -> AppliedBatch:
        prepared, rows = pass_.prepared, pass_.rows()
        own = tuple(row for one in prepared.learned for row in one.bundle.rows)
        before = (*own, *prepared.displaced)
        # A tag is shared by roots of many batches, which may have been read in another
        # order than they are written in; only now is it certain which comes last.
        sequence = self._live.next_sequence(prepared.sequence)
        tags = [
            (target, self._tag_changes(target, pass_, before, rows, sequence))
            for target in pass_.targets
        ]
        for target, changes in tags:
            self._write_tags(target, changes.narrowing, changes.deletes)
        kept = {row.document_id for row in rows}
        gone = [row.document_id for row in own if row.document_id not in kept]
        changed = pass_.changed_rows()
        if changed or gone:
            self._replace_rows(changed, gone, prepared.sequence)
        for target, changes in tags:
            self._write_tags(target, changes.widening, ())
        self._term.check()
        self._marks.settle(
            prepared.learned,
            pass_.refusals(),
            rechecked=rechecked,
            is_fill=pass_.mode.is_fill,
        )
        while self._doubted:
            self._marks.doubt(self._doubted[0])
            del self._doubted[0]
        assets, segments = pass_.asked()
        return AppliedBatch(
            roots=prepared.asked,
            assets=assets,
            segments=segments,
            written=pass_.written,
            root_keys=prepared.root_keys,
            touched=prepared.touched,
            sequence=prepared.sequence,
        )

    def _replace_rows(
        self, rows: Sequence[AssetRow], gone: Sequence[DocumentId], sequence: int
    ) -> None:
        self._term.check()
        # Whoever sleeps from here on until another one leads is stopped by MongoDB.
        until = self._term.expires_at
        try:
            later = self._rows.replace(
                rows, delete=gone, not_after=sequence, until=until
            )
        except FencedError as exc:
            self._term.check()  # else it was renewed while MongoDB stood still
            raise DependencyUnavailableError("mongodb", str(exc)) from exc
        if later > self._live.sequence:
            raise FencedError("A later leader has written these rows.")

    def _tag_changes(
        self,
        target: Target,
        pass_: DocumentPass,
        before: Sequence[AssetRow],
        rows: Sequence[AssetRow],
        sequence: int,
    ) -> TagChanges:
        known = self._tags.setdefault(target.number, TagIndex(self._records))
        return known.changes(
            before,
            rows,
            pass_.prepared.roots,
            displaced=pass_.prepared.displaced,
            target=target,
            sequence=sequence,
            force=pass_.mode.force,
        )

    def _write_tags(
        self, target: Target, documents: Sequence[Document], deletes: Sequence[str]
    ) -> None:
        if not target.is_writable:  # better no tag than one that tells too much
            deletes, documents = [*deletes, *(d["id"] for d in documents)], ()
        tags = self._tags[target.number]
        for error in tags.write(self._writer, target.tags, documents, deletes):
            log.error("a tag was refused", extra={"error": error})
