"""Read model ↔ index: what every live generation must hold, compared with what it has.

Bucket by bucket (``_bucket``: last two hex digits of the root key), so memory is
bounded and writers are hardly held up. What looks different while writes are under way
is looked at again by the applying loop itself, when nothing is (``recheck``): what
differs then is drift, a bug of ours or of an engine that forgot what it acknowledged.
"""

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from catalog.models.ids import RootKey
from catalog.repositories.base import AssetRepository, RootId, RowProof
from catalog.search.base import IndexAdmin
from catalog.search.projection import tag_document_id
from indexer.batching import identity_of, slices, unique_by
from indexer.checkpoint import Target
from indexer.verify import Verdict

log = logging.getLogger(__name__)

BUCKETS = 256
SLICE_DOCUMENTS = 20_000
"""Documents compared at once; bounds memory and how long an export takes."""

_ROOTS_AT_ONCE = 50
_SAMPLES = 20


@dataclass(slots=True)
class Suspects:
    """What looked different: root keys and tags, to be looked at again.

    Attributes:
        root_keys: With the kind of difference: ``missing``, ``ghost``, ``stale``.
        tags: Ids of tag documents, likewise.
        checked: Documents and rows compared.
    """

    root_keys: dict[RootKey, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    checked: int = 0

    def add(self, other: "Suspects") -> None:
        """Take another slice's in."""
        self.root_keys |= other.root_keys
        self.tags |= other.tags
        self.checked += other.checked

    def __bool__(self) -> bool:
        """Whether there is anything to look at again."""
        return bool(self.root_keys or self.tags)


@dataclass(frozen=True, slots=True)
class _Tag:
    """What an owner's tag must be like, and a root that bears it."""

    acl: frozenset[str]
    root: RootId


class IndexReconciler:
    """Compares generations with the read model; reads only."""

    def __init__(self, *, assets: AssetRepository, admin: IndexAdmin) -> None:
        """Compare nothing yet."""
        self._assets = assets
        self._admin = admin

    # --- the long look ---------------------------------------------------------------

    def suspects(self, target: Target, stop: threading.Event) -> Suspects:
        """Compare everything once; raises as ``slices_of``."""
        found = Suspects()
        for part in self.slices_of(target):
            found.add(part)
            if stop.is_set():
                break
        return found

    def slices_of(self, target: Target) -> Iterator[Suspects]:
        """Compare slice by slice; the last one is that of the tags.

        Raises:
            DependencyUnavailableError: An answer broke off: nothing is known.
            NotFoundError: The generation's indexes are gone.
        """
        documents = sum(
            self._admin.count(index) for index in (target.assets, target.segments)
        )
        parts = min(max(1, documents // SLICE_DOCUMENTS + 1), BUCKETS)
        width = -(-BUCKETS // parts)
        for start in range(0, BUCKETS, width):
            yield self.compare(target, range(start, min(start + width, BUCKETS)))
        yield self.compare_tags(target)

    def compare(self, target: Target, buckets: range) -> Suspects:
        """Compare the documents of some buckets with their rows.

        What was exported is older than what the rows say: a write between the two
        looks like a difference, and is none when looked at again.
        """
        assets = self._admin.export(target.assets, ("root", "_hash"), buckets=buckets)
        segments = self._admin.export(
            target.segments, ("root", "_hash"), buckets=buckets
        )
        return _differences(
            self._assets.proofs(buckets), assets, segments, is_ours=target.is_ours
        )

    def compare_tags(self, target: Target) -> Suspects:
        """Compare the tag documents with what rows bear."""
        wanted = self._tags()
        held = self._admin.export(target.tags, ("acl",))
        return Suspects(
            tags=_tag_differences(wanted, held), checked=len(wanted) + len(held)
        )

    def _tags(self) -> dict[str, _Tag]:
        return {
            tag_document_id(use.owner_key, use.tag_key): _Tag(use.acl, use.root)
            for use in self._assets.tag_uses()
        }

    # --- the second look -------------------------------------------------------------

    def recheck(self, target: Target, suspects: Suspects) -> Verdict:
        """Look again at what looked different; exact while nothing is on its way.

        Raises:
            DependencyUnavailableError: An answer broke off: nothing is known.
        """
        roots: list[RootId] = []
        ghosts: list[RootKey] = []
        kinds: dict[str, int] = {}
        samples: list[str] = []
        for part in slices(sorted(suspects.root_keys), _ROOTS_AT_ONCE):
            proofs = self._assets.proofs_of(part)
            again = _differences(
                proofs,
                self._admin.export(target.assets, ("root", "_hash"), roots=part),
                self._admin.export(target.segments, ("root", "_hash"), roots=part),
                is_ours=target.is_ours,
            )
            known = {proof.root_key: proof.root for proof in proofs}
            for root_key, kind in again.root_keys.items():
                kinds[kind] = kinds.get(kind, 0) + 1
                samples.append(f"{kind}: root {root_key}")
                if root_key in known:
                    roots.append(known[root_key])
                else:
                    ghosts.append(root_key)
        ghost_tags: list[str] = []
        if suspects.tags:
            tags = self._tags()
            held = self._admin.export(target.tags, ("acl",))
            for tag, kind in _tag_differences(tags, held).items():
                if tag not in suspects.tags:
                    continue
                kinds[kind] = kinds.get(kind, 0) + 1
                samples.append(f"{kind}: tag {tag}")
                if tag in tags:
                    roots.append(tags[tag].root)
                else:
                    ghost_tags.append(tag)
        return Verdict(
            roots=tuple(unique_by(roots, identity_of)),
            ghosts=tuple(ghosts),
            ghost_tags=tuple(ghost_tags),
            kinds=kinds,
            samples=tuple(samples[:_SAMPLES]),
        )


def _differences(
    proofs: Iterable[RowProof],
    assets: Sequence[Mapping[str, Any]],
    segments: Sequence[Mapping[str, Any]],
    *,
    is_ours: bool,
) -> Suspects:
    """Compare; of generations of another schema the ids alone can be compared."""
    rows: dict[str, RowProof] = {proof.document_id: proof for proof in proofs}
    found: dict[RootKey, str] = {}
    left = {i for i, row in rows.items() if row.has_document and row.document_hash}
    for document in assets:
        left.discard(document["id"])
        row = rows.get(document["id"])
        if row is None or not row.has_document:
            found.setdefault(RootKey(document["root"]), "ghost")
        elif document["root"] != row.root_key or _is_stale(row, document, is_ours):
            found.setdefault(row.root_key, "stale")
    for name in left:
        found.setdefault(rows[name].root_key, "missing")
    _compare_segments(rows, segments, found, is_ours=is_ours)
    checked = len(rows) + len(assets) + len(segments)
    return Suspects(root_keys=found, checked=checked)


def _compare_segments(
    rows: Mapping[str, RowProof],
    segments: Sequence[Mapping[str, Any]],
    found: dict[RootKey, str],
    *,
    is_ours: bool,
) -> None:
    counts: dict[str, int] = {}
    for document in segments:
        owner, _, number = str(document["id"]).rpartition("x")
        row = rows.get(owner)
        if row is None or not row.has_document:
            found.setdefault(RootKey(document["root"]), "ghost")
        elif not row.document_hash:
            continue  # partly refused: its numbers have gaps
        elif int(number) >= row.segment_count:
            found.setdefault(row.root_key, "ghost")
        else:
            counts[owner] = counts.get(owner, 0) + 1
            if _is_stale(row, document, is_ours):
                found.setdefault(row.root_key, "stale")
    for name, row in rows.items():
        lacks = row.has_document and row.segment_count > counts.get(name, 0)
        if lacks and row.document_hash:
            found.setdefault(row.root_key, "missing")


def _is_stale(
    row: RowProof,
    document: Mapping[str, Any],
    is_ours: bool,  # noqa: FBT001  (private)
) -> bool:
    known = row.document_hash
    return is_ours and bool(known) and known != document["_hash"]


def _tag_differences(
    wanted: Mapping[str, _Tag], held: Iterable[Mapping[str, Any]]
) -> dict[str, str]:
    found: dict[str, str] = {}
    left = set(wanted)
    for document in held:
        name = str(document["id"])
        left.discard(name)
        use = wanted.get(name)
        if use is None:
            found[name] = "ghost"
        elif use.acl != set(document["acl"]):
            found[name] = "stale"
    return found | dict.fromkeys(left, "missing")
