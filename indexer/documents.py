"""One batch's documents on their way into the index: written, swept, counted.

Part of ``indexer.apply`` (which see) and used by nothing else.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from catalog.errors import CatalogError, DependencyUnavailableError
from catalog.models.asset import Asset, AssetRow
from catalog.models.ids import RootKey
from catalog.repositories.base import RootBundle, RootId
from catalog.search.base import Document, IndexWriter, LineResult
from catalog.search.projection import documents_of, minimal_document, row_of
from indexer.batching import unique_by
from indexer.bulk import Bulk, Refused
from indexer.checkpoint import Checkpoint
from indexer.learning import Learned

log = logging.getLogger(__name__)

FUSE_DOCUMENTS = 200
"""More refused documents than this, and most of a batch: not poison but our mistake."""


class FuseBlownError(CatalogError):
    """The engine refuses nearly everything: the projection or the schema is wrong."""

    code = "fuse_blown"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch of roots as read and described, not yet written.

    ``asked`` is how many of ``learned`` were asked for; roots that share a ``jobId``
    with them follow.
    """

    sequence: int
    learned: tuple[Learned, ...]
    asked: int

    @property
    def roots(self) -> tuple[RootId, ...]:
        """The roots of the batch."""
        return tuple(one.bundle.root for one in self.learned)

    @property
    def root_keys(self) -> tuple[RootKey, ...]:
        """Their hashes."""
        return tuple(one.bundle.root_key for one in self.learned)

    def has_rows_of(self, generation: int) -> bool:
        """Whether some of it has been written into this generation before."""
        return any(
            row.generation == generation
            for one in self.learned
            for row in one.bundle.rows
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """A document that could not be written as it is."""

    document_id: str
    error: str


@dataclass(slots=True)
class _Work:
    """One asset on its way."""

    asset: Asset
    bundle: RootBundle
    old: AssetRow | None
    row: AssetRow | None = None
    is_written: bool = False
    has_document: bool = False
    segments: int = 0
    refusals: list[Refusal] = field(default_factory=list)


class DocumentPass:
    """Brings the documents of one batch in; used once."""

    def __init__(
        self,
        writer: IndexWriter,
        pool: ThreadPoolExecutor,
        checkpoint: Checkpoint,
        prepared: Prepared,
    ) -> None:
        """Write nothing yet."""
        self._writer = writer
        self._pool = pool
        self._checkpoint = checkpoint
        self._target = checkpoint.target
        self.prepared = prepared
        self._works = [_works_of(one) for one in prepared.learned]
        self._suspects = {
            one.bundle.root_key
            for one, works in zip(prepared.learned, self._works, strict=True)
            if _leaves_something(one.bundle.rows, works)
        }
        self.written = 0

    def asked(self) -> tuple[int, int]:
        """How many documents of the roots that were asked for are there by index."""
        works = [work for some in self._works[: self.prepared.asked] for work in some]
        return (
            sum(work.has_document for work in works),
            sum(work.segments for work in works),
        )

    def rows(self) -> tuple[AssetRow, ...]:
        """The rows of these roots as they are to be."""
        return tuple(work.row for work in self._all() if work.row is not None)

    def overlay(self, later: Prepared) -> Prepared:
        """Give a later batch the rows of this one as they are to be."""
        if not set(later.root_keys).intersection(self.prepared.root_keys):
            return later
        rows: dict[RootKey, list[AssetRow]] = {
            key: [] for key in self.prepared.root_keys
        }
        for row in self.rows():
            rows[row.root_key].append(row)
        for one in later.learned:
            if one.bundle.root_key in rows:
                known = tuple(rows[one.bundle.root_key])
                one.bundle = replace(one.bundle, rows=known)
        return later

    def changed_rows(self) -> tuple[AssetRow, ...]:
        """Those of them that differ from what the read model holds."""
        return tuple(
            work.row
            for work in self._all()
            if work.row is not None and work.row != work.old
        )

    def refusals(self) -> dict[RootKey, Refusal]:
        """The first refused document of each root that has one."""
        refused: dict[RootKey, Refusal] = {}
        for work in self._all():
            for refusal in work.refusals[:1]:
                refused.setdefault(work.bundle.root_key, refusal)
        return refused

    # --- the steps, in order -------------------------------------------------------

    def upsert(self, *, force: bool) -> None:
        """Write what is not proven to be there already.

        Roots that lose documents are written completely: the sweep that follows
        removes everything of them that this pass did not write.
        """
        self._upsert(self._all(), force=force)

    def sweep(self) -> None:
        """Remove what roots have no more."""
        if self._suspects:
            self._delete_older(sorted(self._suspects))

    def verify(self) -> None:
        """Count; on a difference write everything again, sweep, and count again.

        Raises:
            DependencyUnavailableError: It still differs; retryable.
        """
        if self._counts_agree():
            return
        log.warning("counts differ", extra={"roots": len(self._works)})
        self._upsert([work for work in self._all() if not work.is_written], force=True)
        self._delete_older(self.prepared.root_keys)
        if not self._counts_agree():
            # Perhaps documents bear a higher ``_seq`` than we give out: pass it.
            self._checkpoint.jump()
            raise DependencyUnavailableError("typesense", "counts differ after repair")

    # --- writing -------------------------------------------------------------------

    def _all(self) -> Iterator[_Work]:
        return (work for works in self._works for work in works)

    def _upsert(self, works: Iterable[_Work], *, force: bool) -> None:
        bulk: Bulk[_Work] = Bulk(self._writer, self._pool)
        defeated: list[Refused[_Work]] = []
        try:
            for work in works:
                try:
                    self._bring(bulk, work, force=force)
                except CatalogError:
                    raise
                except Exception as exc:  # one asset must never stop the others
                    log.exception("an asset can't be projected")
                    defeated.append(self._defeat(work, exc))
            bulk.finish()
        except BaseException:
            bulk.abandon()
            raise
        self.written += bulk.written
        self._blow_fuse(len(bulk.refused) + len(defeated), bulk.written)
        for refused in (*bulk.refused, *defeated):
            self._settle(refused)

    def _bring(self, bulk: Bulk[_Work], work: _Work, *, force: bool) -> None:
        """Project one asset and send what must be sent of it."""
        bundle, sequence, old = work.bundle, self.prepared.sequence, work.old
        projected = documents_of(
            work.asset,
            root_key=bundle.root_key,
            sequence=sequence,
            generation=self._target.number,
        )
        is_proven = (
            old is not None
            and old.generation == self._target.number
            and old.document_hash == projected.hash
        )
        must_write = force or not is_proven or bundle.root_key in self._suspects
        work.row = row_of(
            work.asset,
            bundle.root,
            bundle.root_key,
            view=projected.view,
            document_hash=projected.hash,
            generation=self._target.number,
            sequence=sequence if must_write or old is None else old.sequence,
        )
        work.has_document = projected.document is not None
        work.segments = len(projected.segments)
        if not must_write:
            return
        work.is_written = True
        # Segments leave first: what is found in a recording should have its moments
        # (nearly always: the two requests are under way at once).
        bulk.add(self._target.segments, projected.segments, work)
        if projected.document is not None:
            bulk.add(self._target.assets, [projected.document], work)

    # --- poison --------------------------------------------------------------------

    def _defeat(self, work: _Work, exc: Exception) -> Refused[_Work]:
        """Treat an asset that can't be projected like a document that is refused."""
        work.is_written, work.segments = True, 0
        work.has_document = work.asset.trashed_at is None
        document: Document = {"id": work.asset.document_id}
        return Refused(
            self._target.assets, document, work, f"{type(exc).__name__}: {exc}"
        )

    def _settle(self, refused: Refused[_Work]) -> None:
        """Try alone; else the minimal safe document; else nothing, never the old."""
        work, document_id = refused.owner, str(refused.document["id"])
        if len(refused.document) > 1:
            alone = self._send(refused.index, refused.document)
            if alone.error is None:
                self.written += 1
                return
        work.refusals.append(Refusal(document_id, refused.error))
        if work.row is not None:  # not proven: tried anew with every change
            work.row = replace(work.row, document_hash="")
        if refused.index == self._target.segments:
            self._writer.delete(refused.index, [document_id])
            work.segments -= 1
            if work.row is not None:
                work.row = replace(work.row, segment_count=work.segments)
            return
        minimal = self._minimal(work, refused.error)
        if minimal is None or self._send(refused.index, minimal).error is not None:
            self._writer.delete(refused.index, [document_id])
            work.has_document = False

    def _minimal(self, work: _Work, error: str) -> Document | None:
        try:
            return minimal_document(
                work.asset,
                error,
                root_key=work.bundle.root_key,
                sequence=self.prepared.sequence,
                generation=self._target.number,
            )
        except Exception:  # then not even that can be said of it
            log.exception("an asset defeats even its minimal document")
            return None

    def _send(self, index: str, document: Document) -> LineResult:
        (result,) = self._writer.upsert(index, [document])
        if result.error is not None and not result.is_poison:
            raise DependencyUnavailableError("typesense", result.error)
        return result

    def _blow_fuse(self, refused: int, written: int) -> None:
        if refused > FUSE_DOCUMENTS and refused > written:
            message = f"{refused} of {refused + written} documents were refused"
            raise FuseBlownError(message)

    # --- leftovers -----------------------------------------------------------------

    def _delete_older(self, roots: Sequence[RootKey]) -> None:
        for index in (self._target.assets, self._target.segments):
            self._writer.delete_older(index, roots, self.prepared.sequence)

    def _counts_agree(self) -> bool:
        found = self._writer.count_of_roots(
            (self._target.assets, self._target.segments), self.prepared.root_keys
        )
        return found == [
            sum(work.has_document for work in self._all()),
            sum(work.segments for work in self._all()),
        ]


def _works_of(learned: Learned) -> list[_Work]:
    rows = {row.document_id: row for row in learned.bundle.rows}
    return [
        _Work(asset, learned.bundle, rows.get(asset.document_id))
        for asset in unique_by(
            learned.description.assets, lambda asset: asset.document_id
        )
    ]


def _leaves_something(rows: Iterable[AssetRow], works: Iterable[_Work]) -> bool:
    """Whether documents of these rows have no successor of the same id."""
    now = {
        work.asset.document_id: len(work.asset.segments)
        for work in works
        if work.asset.trashed_at is None
    }
    return any(
        row.segment_count > now.get(row.document_id, 0)
        or (bool(row.acl) and row.document_id not in now)
        for row in rows
    )
