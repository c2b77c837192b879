"""Keeps the tag documents right: one per owner and tag, with everyone who may see it.

A tag's access keys are the union over the owner's assets that bear it, so a change
of one asset can widen it (cheap) or narrow it (the other assets must be asked).
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from catalog.errors import DependencyUnavailableError
from catalog.models.asset import AssetRow
from catalog.models.ids import DocumentId, UserId
from catalog.repositories.base import RecordReader, RootId
from catalog.search.base import Document, IndexWriter
from catalog.search.projection import tag_document, tag_document_id
from catalog.search.values import tag_key, with_ancestors
from indexer.live import Target

MAX_KNOWN = 100_000
"""Tags whose state in the index is remembered; beyond, the record is asked again."""

TagId = str


@dataclass(slots=True)
class _Use:
    """How some assets use an owner's tag."""

    owner_key: str
    tag_key: str
    user_id: str
    label: str
    acl: set[str]


@dataclass(frozen=True, slots=True)
class TagChanges:
    """What to write so that the tags are right.

    What takes something away is written before the rows of the read model are
    replaced, what adds after: so at any crash the rows still tell of every tag that
    the index can hold.
    """

    narrowing: tuple[Document, ...]
    deletes: tuple[str, ...]
    widening: tuple[Document, ...]


class TagIndex:
    """Works out tag documents; remembers what the index holds."""

    def __init__(self, records: RecordReader, *, is_empty: bool = False) -> None:
        """Know nothing, or (``is_empty``) that the index holds no tags at all."""
        self._records = records
        self._known: OrderedDict[TagId, frozenset[str]] = OrderedDict()
        self._is_complete = is_empty
        self._interned: dict[frozenset[str], frozenset[str]] = {}

    def changes(
        self,
        before: Sequence[AssetRow],
        now: Sequence[AssetRow],
        roots: Sequence[RootId],
        *,
        displaced: Sequence[AssetRow] = (),
        target: Target,
        sequence: int,
        force: bool,
    ) -> TagChanges:
        """Compare what assets bore with what they bear.

        Args:
            before: Rows of ``roots`` as the read model still has them, and
                ``displaced``.
            now: Rows of ``roots`` as they will be.
            roots: All roots of the batch.
            displaced: Rows of other roots whose place rows of these take.
            target: The generation that is written to.
            sequence: ``_seq`` of new tag documents.
            force: Trust neither rows nor memory.
        """
        used, borne = _uses(now), _uses(before)
        # Rows prove nothing of a generation that is only being filled.
        proven: Mapping[TagId, _Use] = {} if target.is_filling else borne
        others = (roots, [row.document_id for row in displaced])
        narrowing: list[Document] = []
        widening: list[Document] = []
        deletes: list[str] = []
        for tag_id in {**used, **borne}:
            use, old = used.get(tag_id), borne.get(tag_id)
            acl: set[str] = use.acl if use else set()
            is_narrowed = self._is_narrowed(tag_id, old.acl - acl if old else set())
            if use and not is_narrowed and not force:
                known = self._known.get(tag_id)
                was = proven.get(tag_id)
                if (known is not None and acl <= known) or (was and acl <= was.acl):
                    continue
            if use is None and not is_narrowed and not force:
                continue
            shown = use or old
            assert shown is not None  # noqa: S101  (the id is of one of the two)
            union = self._union(tag_id, shown, acl, others, is_narrowed or force)
            if not union:
                deletes.append(tag_id)
            elif force or self._known.get(tag_id) != union:
                (narrowing if is_narrowed else widening).append(
                    tag_document(
                        UserId(shown.user_id),
                        shown.label,
                        union,
                        sequence=sequence,
                        generation=target.number,
                    )
                )
        return TagChanges(tuple(narrowing), tuple(deletes), tuple(widening))

    def _is_narrowed(self, tag_id: TagId, dropped: set[str]) -> bool:
        """Whether the index may hold access keys that these assets bear no more."""
        if tag_id in self._known or self._is_complete:
            return bool(dropped & self._known.get(tag_id, frozenset()))
        return bool(dropped)

    def _union(
        self,
        tag_id: TagId,
        use: _Use,
        acl: set[str],
        excluding: tuple[Sequence[RootId], Sequence[DocumentId]],
        ask: bool,  # noqa: FBT001  (private)
    ) -> frozenset[str]:
        known = self._known.get(tag_id)
        if known is not None and not ask:
            return known | acl
        if known is None and self._is_complete:
            return frozenset(acl)
        others = self._records.rows_with_tag(
            use.owner_key,
            use.tag_key,
            excluding_roots=excluding[0],
            excluding_rows=excluding[1],
        )
        return frozenset(others | acl)

    def write(
        self,
        writer: IndexWriter,
        index: str,
        upserts: Sequence[Document],
        deletes: Sequence[str] = (),
    ) -> list[str]:
        """Carry changes out.

        Returns:
            Errors of tags that the engine will never take; those are removed.

        Raises:
            DependencyUnavailableError: retryable.
        """
        errors: list[str] = []
        refused: list[str] = []
        results = writer.upsert(index, upserts) if upserts else []
        for document, result in zip(upserts, results, strict=True):
            if result.error is not None and not result.is_poison:
                raise DependencyUnavailableError("typesense", result.error)
            if result.error is not None:
                errors.append(f"tag {document['label']!r}: {result.error}")
                refused.append(document["id"])
            else:
                self._remember(document["id"], document["acl"])
        gone = [*deletes, *refused]
        if gone:
            writer.delete(index, gone)
            for tag_id in gone:
                self._remember(tag_id, ())
        return errors

    def _remember(self, tag_id: TagId, acl: Iterable[str]) -> None:
        value = frozenset(acl)
        value = self._interned.setdefault(value, value)
        self._known[tag_id] = value
        self._known.move_to_end(tag_id)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
            self._is_complete = False
        if len(self._interned) > MAX_KNOWN:
            self._interned.clear()

    def forget(self) -> None:
        """Trust memory no more: a write's fate is unknown."""
        self._known.clear()
        self._is_complete = False


def _uses(rows: Iterable[AssetRow]) -> Mapping[TagId, _Use]:
    uses: dict[TagId, _Use] = {}
    for row in rows:
        if not row.acl:
            continue  # trashed: nobody may find it, nor its tags
        for label in with_ancestors(row.view["tags"]):
            key = tag_key(label)
            tag_id = tag_document_id(row.owner_key, key)
            if tag_id in uses:
                uses[tag_id].acl.update(row.acl)
            else:
                uses[tag_id] = _Use(
                    row.owner_key, key, row.view["userId"], label, set(row.acl)
                )
    return uses
