"""One batch's documents on their way into the live generations: written and counted.

Part of ``indexer.apply`` (which see) and used by nothing else.
"""

import logging
from collections.abc import Container, Iterable, Iterator, Sequence
from concurrent.futures import Executor, wait
from dataclasses import dataclass, field, replace

from catalog.errors import CatalogError, DependencyUnavailableError
from catalog.models.asset import Asset, AssetRow
from catalog.models.ids import RootKey
from catalog.repositories.base import RootBundle
from catalog.search.base import Document, IndexWriter, LineResult
from catalog.search.projection import (
    documents_of,
    minimal_document,
    row_of,
)
from indexer.batching import unique_by
from indexer.bulk import Bulk, Refused
from indexer.learning import Learned
from indexer.live import LiveSet, Target
from indexer.pass_mode import LIVE, PassMode
from indexer.prepared import Prepared

log = logging.getLogger(__name__)

FUSE_DOCUMENTS = 200
"""More refused documents than this, and most of a batch: not poison but our mistake."""


class FuseBlownError(CatalogError):
    """The engine refuses nearly everything: the projection or the schema is wrong."""

    code = "fuse_blown"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A document that could not be written as it is."""

    document_id: str
    error: str


@dataclass(slots=True)
class _Held:
    """What one generation holds of an asset once this pass is through."""

    has_document: bool
    segments: int


@dataclass(slots=True)
class _Work:
    """One asset on its way."""

    asset: Asset
    bundle: RootBundle
    old: AssetRow | None
    row: AssetRow | None = None
    held: dict[int, _Held] = field(default_factory=dict)
    written: set[int] = field(default_factory=set)
    refusals: list[Refusal] = field(default_factory=list)


_Owner = tuple[_Work, Target]


class DocumentPass:
    """Brings the documents of one batch in; used once."""

    def __init__(
        self,
        writer: IndexWriter,
        pool: Executor,
        live: LiveSet,
        prepared: Prepared,
        mode: PassMode = LIVE,
    ) -> None:
        """Write nothing yet."""
        self._writer = writer
        self._pool = pool
        self._live = live
        self.mode = mode
        self.targets = live.targets
        """The generations of this pass, also where the live set changes meanwhile."""
        self._judges = {t.number for t in self.targets if t.is_ours} or {
            target.number for target in self.targets
        }
        self.prepared = prepared
        self._works = [_works_of(one) for one in prepared.learned]
        self._suspects = {
            one.bundle.root_key
            for one, works in zip(prepared.learned, self._works, strict=True)
            if _leaves_something(one.bundle.rows, works)
        }
        self._outdated: set[RootKey] = set()
        self._trusted: set[str] = set()
        self.written = 0

    def asked(self) -> tuple[int, int]:
        """How many documents the roots that were asked for have, by index."""
        number = next(iter(self._judges))
        held = [
            work.held[number]
            for works in self._works[: self.prepared.asked]
            for work in works
        ]
        return sum(one.has_document for one in held), sum(one.segments for one in held)

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

    def upsert(self) -> None:
        """Write what is not proven to be there already.

        Roots that lose documents are written completely: the sweep that follows
        removes everything of them that this pass did not write.
        """
        self._upsert(self._all(), {target.number for target in self.targets})

    def sweep(self) -> None:
        """Remove what roots have no more."""
        swept: list[tuple[Target, Iterable[RootKey]]] = []
        for target in self.targets:
            if not target.is_writable:
                swept.append((target, self._suspects | self._outdated))
            elif target.is_filling and not self.mode.is_fill:
                swept.append((target, self._left_over(target)))
            elif target.is_ours or not self.mode.is_fill:
                swept.append((target, self._suspects))
        self._delete_older(swept)

    def _left_over(self, target: Target) -> set[RootKey]:
        """Roots to be swept where what is lacking proves nothing.

        Of those that were written in full nothing else may be there. Counting takes
        one request, deleting two for each hundred roots.
        """
        complete = self._complete(target)
        indexes = (target.assets, target.segments)
        self._trust([target])
        found = self._writer.count_of_roots(indexes, sorted(complete))
        return set() if tuple(found) == self._expected(target, complete) else complete

    def _complete(self, target: Target) -> set[RootKey]:
        """Roots of which this pass has written everything; those with nothing too."""
        return {
            one.bundle.root_key
            for one, works in zip(self.prepared.learned, self._works, strict=True)
            if all(target.number in work.written for work in works)
        }

    def verify(self) -> None:
        """Count; on a difference write everything again, sweep, and count again.

        Raises:
            DependencyUnavailableError: It still differs; retryable.
        """
        differing = self._miscounted()
        if not differing:
            return
        log.warning(
            "counts differ",
            extra={"roots": len(self._works), "n": [t.number for t in differing]},
        )
        numbers = {target.number for target in differing}
        left = [work for work in self._all() if not numbers <= work.written]
        self._upsert(left, numbers, force=True)
        keys = self.prepared.root_keys
        self._delete_older([(target, keys) for target in differing])
        if self._miscounted():
            # Perhaps documents bear a higher ``_seq`` than we give out: pass it.
            self._live.jump()
            raise DependencyUnavailableError("typesense", "counts differ after repair")

    # --- writing -------------------------------------------------------------------

    def _all(self) -> Iterator[_Work]:
        return (work for works in self._works for work in works)

    def _upsert(
        self, works: Iterable[_Work], numbers: set[int], *, force: bool = False
    ) -> None:
        bulk: Bulk[_Owner] = Bulk(self._writer, self._pool)
        targets = [target for target in self.targets if target.number in numbers]
        defeated: list[Refused[_Owner]] = []
        try:
            for work in works:
                try:
                    self._bring(bulk, work, targets, force=force)
                except CatalogError:
                    raise
                except Exception as exc:  # one asset must never stop the others
                    log.exception("an asset can't be projected")
                    defeated += self._defeat(work, targets, exc)
            bulk.finish()
        except BaseException:
            bulk.abandon()
            raise
        self.written += bulk.written
        self._trusted |= bulk.acknowledged
        self._blow_fuse(len(bulk.refused) + len(defeated), bulk.written)
        for refused in (*bulk.refused, *defeated):
            self._settle(refused)

    def _bring(
        self,
        bulk: Bulk[_Owner],
        work: _Work,
        targets: Sequence[Target],
        *,
        force: bool,
    ) -> None:
        """Project one asset and send what must be sent of it, to where it must."""
        bundle, sequence, old = work.bundle, self.prepared.sequence, work.old
        ahead = (bundle.root_key, work.asset.document_id)
        projected = self.prepared.projected.pop(ahead, None) or documents_of(
            work.asset, root_key=bundle.root_key, sequence=sequence, generation=0
        )
        is_proven = old is not None and old.document_hash == projected.hash
        if work.row is None:
            work.row = row_of(
                work.asset,
                bundle.root,
                bundle.root_key,
                view=projected.view,
                document_hash=projected.hash,
                sequence=old.sequence
                if old is not None and is_proven and not self.mode.force
                else sequence,
            )
        if not is_proven and _says_else(work.row, old):
            self._outdated.add(bundle.root_key)
        for target in targets:
            if not target.is_writable:
                work.held[target.number] = _Held(has_document=False, segments=0)
                continue
            if target.number not in work.held or force:
                work.held[target.number] = _Held(
                    projected.document is not None, len(projected.segments)
                )
            if not force and not self._is_wanted(target, work, is_proven=is_proven):
                continue
            work.written.add(target.number)
            # Segments leave first: what is found in a recording should have its
            # moments (nearly always: the two requests are under way at once).
            owner = (work, target)
            segments = _stamped(projected.segments, target.number)
            bulk.add(target.segments, segments, owner)
            if projected.document is not None:
                documents = _stamped([projected.document], target.number)
                bulk.add(target.assets, documents, owner)

    def _is_wanted(self, target: Target, work: _Work, *, is_proven: bool) -> bool:
        """Whether a generation must be sent an asset's documents in this pass."""
        mode = self.mode
        if mode.is_fill and target.is_filling:
            return True
        if not target.is_ours:
            # The rows tell nothing of what it holds; a fill is no sign of a change.
            return not mode.is_fill
        return mode.force or not is_proven or work.bundle.root_key in self._suspects

    # --- poison --------------------------------------------------------------------

    def _defeat(
        self, work: _Work, targets: Sequence[Target], exc: Exception
    ) -> list[Refused[_Owner]]:
        """Treat an asset that can't be projected like a document that is refused."""
        document: Document = {"id": work.asset.document_id}
        error = f"{type(exc).__name__}: {exc}"
        refused = []
        for target in targets:
            has_document = target.is_writable and work.asset.trashed_at is None
            work.held[target.number] = _Held(has_document, segments=0)
            work.written.add(target.number)
            if target.is_writable:
                owner = (work, target)
                refused.append(Refused(target.assets, document, owner, error))
        return refused

    def _settle(self, refused: Refused[_Owner]) -> None:
        """Try alone; else the minimal safe document; else nothing, never the old."""
        (work, target), document_id = refused.owner, str(refused.document["id"])
        held = work.held[target.number]
        if len(refused.document) > 1:
            alone = self._send(refused.index, refused.document)
            if alone.error is None:
                self.written += 1
                return
        if target.number in self._judges:
            work.refusals.append(Refusal(document_id, refused.error))
            if work.row is not None:  # not proven: tried anew with every change
                work.row = replace(work.row, document_hash="")
        if refused.index == target.segments:
            self._writer.delete(refused.index, [document_id])
            held.segments -= 1
            if work.row is not None and target.number in self._judges:
                work.row = replace(work.row, segment_count=held.segments)
            return
        minimal = self._minimal(work, target, refused.error)
        if minimal is None or self._send(refused.index, minimal).error is not None:
            self._writer.delete(refused.index, [document_id])
            held.has_document = False

    def _minimal(self, work: _Work, target: Target, error: str) -> Document | None:
        try:
            return minimal_document(
                work.asset,
                error,
                root_key=work.bundle.root_key,
                sequence=self.prepared.sequence,
                generation=target.number,
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

    def _delete_older(self, swept: Iterable[tuple[Target, Iterable[RootKey]]]) -> None:
        """Each index by itself, some at a time."""
        sequence = self.prepared.sequence
        deletions = [
            self._pool.submit(self._writer.delete_older, index, sorted(keys), sequence)
            for target, keys in swept
            if keys
            for index in (target.assets, target.segments)
        ]
        wait(deletions)
        for deletion in deletions:
            deletion.result()

    def _trust(self, targets: Iterable[Target]) -> None:
        """Let indexes prove that they show all they have, where rows prove nothing.

        An engine that has just restarted shows a part of it, until it acknowledges a
        write: a count would find nothing left over where something is.
        """
        for target in targets:
            for index in (target.assets, target.segments):
                if index not in self._trusted:
                    self._writer.barrier(index)
                    self._trusted.add(index)

    def _miscounted(self) -> list[Target]:
        """Generations that do not hold as many documents of these roots as they must.

        Where a pass leaves out what a generation may lack, counting proves nothing.
        """
        counted = [target for target in self.targets if self._is_counted(target)]
        if self.mode.force:
            self._trust(counted)
        found = self._writer.count_of_roots(
            [index for t in counted for index in (t.assets, t.segments)],
            self.prepared.root_keys,
        )
        pairs = zip(found[::2], found[1::2], strict=True)
        return [
            target
            for target, pair in zip(counted, pairs, strict=True)
            if pair != self._expected(target)
        ]

    def _is_counted(self, target: Target) -> bool:
        if not target.is_writable:
            return False
        if not self.mode.is_fill:
            return not target.is_filling
        if target.is_filling:
            return not self.mode.is_fresh
        return target.is_ours and any(target.number in w.written for w in self._all())

    def _expected(
        self, target: Target, roots: Container[RootKey] | None = None
    ) -> tuple[int, int]:
        held = [
            work.held[target.number]
            for work in self._all()
            if roots is None or work.bundle.root_key in roots
        ]
        return sum(one.has_document for one in held), sum(one.segments for one in held)


def _stamped(documents: Sequence[Document], generation: int) -> list[Document]:
    return [{**document, "_gen": generation} for document in documents]


def _says_else(row: AssetRow, old: AssetRow | None) -> bool:
    """Whether a row differs from the old one in anything that a reader can see."""
    return old is None or replace(
        row, document_hash=old.document_hash, sequence=old.sequence
    ) != replace(old, words=row.words)


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
