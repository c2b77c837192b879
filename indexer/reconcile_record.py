"""Record ↔ read model: what rows must be, compared with what they are; reads only.

Describes and projects with the very functions of live indexing, and learns nothing new
of the store: what was never looked at shows as a difference and is mended by looking.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from catalog.describe import describe
from catalog.models.asset import Asset, AssetRow
from catalog.models.ids import DocumentId, RootKey
from catalog.repositories.base import RecordBatch, RecordReader, RootBundle, RootId
from catalog.search.projection import documents_of, row_of
from catalog.storage.base import ObjectStore
from indexer.batching import slices
from indexer.comparison import GHOST, MISSING, STALE

log = logging.getLogger(__name__)

TURNS = 8
"""See ``RecordReconciler.compare_read``."""

_READ_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class RowDifference:
    """A root whose rows are not what its record says.

    Attributes:
        root: ``_id`` of the job record.
        kind: Of the first row that differs.
        evidence: What was seen; equal when the same is seen again.
    """

    root: RootId
    kind: str
    evidence: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class RowDifferences:
    """What differs among some roots.

    Attributes:
        by_root: The differences.
        cluster_time: The moment that they are true of.
        documents: How many documents these roots should have.
    """

    by_root: Mapping[RootKey, RowDifference]
    cluster_time: int
    documents: int


class RecordReconciler:
    """Compares roots with their rows."""

    def __init__(self, *, records: RecordReader, store: ObjectStore) -> None:
        """Compare nothing yet."""
        self._records = records
        self._store = store

    def compare(
        self, roots: Sequence[RootId], *, not_before: int = 0
    ) -> RowDifferences:
        """Compare these roots, in full.

        Args:
            roots: Without repetition.
            not_before: Cluster time that the reads must include.

        Raises:
            DependencyUnavailableError: retryable.
        """
        found: dict[RootKey, RowDifference] = {}
        moment, documents = not_before, 0
        for part in slices(roots, _READ_AT_ONCE):
            batch = self._records.read(part, not_before=moment)
            differences = self.compare_read(batch)
            moment = max(moment, batch.cluster_time)
            documents += differences.documents
            found |= differences.by_root
        return RowDifferences(found, moment, documents)

    def compare_read(
        self, batch: RecordBatch, *, turn: int | None = None
    ) -> RowDifferences:
        """Compare what was read.

        Args:
            batch: Of some roots.
            turn: Number of the pass. Most of the work is to project every asset only
                to hash its documents. Where a row agrees with the record in every
                field, and these are all that its document is made from (it has no
                text of a recording), only its hash could be wrong: such are hashed
                in every ``TURNS``-th pass. ``None``: hash all.
        """
        found: dict[RootKey, RowDifference] = {}
        documents = 0
        for bundle in batch.bundles:
            is_full = turn is None or _turn_of(bundle.root_key) == turn % TURNS
            difference, count = self._compare(bundle, is_full=is_full)
            documents += count
            if difference is not None:
                found[bundle.root_key] = difference
        return RowDifferences(found, batch.cluster_time, documents)

    def _compare(
        self, bundle: RootBundle, *, is_full: bool
    ) -> tuple[RowDifference | None, int]:
        held = {row.document_id: row for row in bundle.rows}
        wanted: dict[DocumentId, AssetRow] = {}
        kinds: list[str] = []
        documents = 0
        try:
            for asset in describe(bundle, self._store.parse_url).assets:
                name = asset.document_id
                if name in wanted:
                    continue
                known = held.get(name)
                row, count = _row(asset, bundle, known, is_full=is_full)
                documents += count
                wanted[name] = row
                if known is None:
                    kinds.append(MISSING)
                elif row is not known and not _agree(row, known):
                    kinds.append(STALE)
        except Exception as exc:  # noqa: BLE001  (whatever defeats it is a dead letter)
            log.debug("can't be compared", extra={"error": str(exc)})
            return None, 0
        kinds += [GHOST for name in held if name not in wanted]
        if not kinds:
            return None, documents
        evidence = (
            *((name, row.document_hash) for name, row in sorted(wanted.items())),
            *((name, row.sequence) for name, row in sorted(held.items())),
        )
        return RowDifference(bundle.root, kinds[0], evidence), documents


def _turn_of(root_key: RootKey) -> int:
    return int(root_key[:4], 16) % TURNS


def _row(
    asset: Asset, bundle: RootBundle, held: AssetRow | None, *, is_full: bool
) -> tuple[AssetRow, int]:
    """The row that an asset must have, and how many documents it stands for.

    The very row that is held, where that agrees.
    """
    root = bundle.root if held is None else held.root
    sequence = 0 if held is None else held.sequence
    has_text = bool(asset.segments or asset.transcript_text)
    if held is not None and held.document_hash and not is_full and not has_text:
        row = row_of(
            asset,
            root,
            bundle.root_key,
            document_hash=held.document_hash,
            sequence=sequence,
        )
        if _agree(row, held):
            return held, 1
    made = documents_of(asset, root_key=bundle.root_key, sequence=0, generation=0)
    row = row_of(
        asset,
        root,
        bundle.root_key,
        view=made.view,
        document_hash=made.hash,
        sequence=sequence,
    )
    return row, len(made.segments) + (made.document is not None)


def _agree(wanted: AssetRow, held: AssetRow) -> bool:
    """Whether a row says what it must.

    One without a hash stands for something that was refused: a dead letter, of which
    fewer segments may be held.
    """
    if not held.document_hash:
        count = held.segment_count
        wanted = replace(wanted, document_hash="", segment_count=count)
    return wanted == held or _stored(wanted) == _stored(held)


_TIMES = ("created_at", "completed_at", "updated_at")


def _stored(row: AssetRow) -> AssetRow:
    """As MongoDB gives it back: whole milliseconds, no lone surrogates, lists."""
    times: dict[str, Any] = {name: _milliseconds(getattr(row, name)) for name in _TIMES}
    texts: dict[str, Any] = {
        name: _plain(getattr(row, name))
        for name in ("view", "sort_name", "tag_keys", "keys", "sources", "words")
    }
    return replace(row, **times, **texts)


def _milliseconds(time: datetime | None) -> datetime | None:
    if time is None:
        return None
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def _plain(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_plain(key): _plain(one) for key, one in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [_plain(one) for one in value]
    return value
