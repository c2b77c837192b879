"""Read model ↔ index: what every live generation must hold, compared with what it has.

Bucket by bucket (``_bucket``: last two hex digits of the root key), so memory is
bounded and writers are hardly held up. What looks different while writes are under way
is looked at again by the applying loop itself, when nothing is (``recheck``): what
differs then is drift, a bug of ours or of an engine that forgot what it acknowledged.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

from catalog.models.ids import JobId, RootKey
from catalog.repositories.base import RecordReader, RootId, RowRepository
from catalog.repositories.index_state import DeadLetterRepository, LetterQuery
from catalog.search.base import IndexAdmin
from catalog.search.projection import bucket_of, tag_document_id
from indexer.batching import identity_of, slices, unique_by
from indexer.comparison import (
    ROOT_FIELDS,
    TAG_FIELDS,
    Suspects,
    TagSuspect,
    Verdict,
    WantedTag,
    differences,
    tag_differences,
)
from indexer.live import Target
from indexer.ports import MakePool, thread_pool

BUCKETS = 256
SLICE_DOCUMENTS = 20_000
"""Documents compared at once; bounds memory and how long an export takes."""

SLICE_TAGS = 100_000
"""Likewise of tags, of which each slice costs a look at all rows."""

MOST_SUSPECTS = 100_000
"""More are left to the next look: by then these are mended."""

_ROOTS_AT_ONCE = 50
_TAGS_AT_ONCE = 100
_SAMPLES = 20


def _no_pause() -> None:
    """Go on at once."""


@dataclass(slots=True)
class _Found:
    """A verdict in the making."""

    roots: list[RootId] = field(default_factory=list)
    ghosts: list[RootKey] = field(default_factory=list)
    ghost_tags: list[str] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)
    samples: list[str] = field(default_factory=list)

    def note(self, kind: str, what: str) -> None:
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if len(self.samples) < _SAMPLES:
            self.samples.append(f"{kind}: {what}")

    def verdict(self) -> Verdict:
        return Verdict(
            roots=tuple(unique_by(self.roots, identity_of)),
            ghosts=tuple(self.ghosts),
            ghost_tags=tuple(self.ghost_tags),
            kinds=self.kinds,
            samples=tuple(self.samples),
        )


class IndexReconciler:
    """Compares generations with the read model; reads only."""

    def __init__(
        self,
        *,
        rows: RowRepository,
        admin: IndexAdmin,
        records: RecordReader,
        dead_letters: DeadLetterRepository,
        make_pool: MakePool = thread_pool,
    ) -> None:
        """Compare nothing yet.

        Args:
            rows: The read model.
            admin: Of the engine.
            records: Tells whether a document without a row has a record.
            dead_letters: What is known not to be as it should.
            make_pool: Makes the threads that read ahead.
        """
        self._rows = rows
        self._admin = admin
        self._records = records
        self._dead_letters = dead_letters
        self._make_pool = make_pool

    # --- the long look -------------------------------------------------------------

    def suspects(
        self,
        target: Target,
        stop: threading.Event,
        pause: Callable[[], None] = _no_pause,
    ) -> Suspects:
        """Compare everything, and what differed at once again; raises as ``slices_of``.

        Args:
            target: The generation.
            stop: Ends it early; what has been found then is not all.
            pause: Called after each slice.
        """
        found = Suspects()
        for part in self.slices_of(target):
            found.add(self.narrowed(target, part))
            if stop.is_set() or len(found) >= MOST_SUSPECTS:
                break
            pause()
        return found

    def slices_of(self, target: Target) -> Iterator[Suspects]:
        """Compare slice by slice; the last ones are those of the tags.

        Raises:
            DependencyUnavailableError: An answer broke off: nothing is known.
            NotFoundError: The generation's indexes are gone.
        """
        documents = sum(
            self._admin.count(index) for index in (target.assets, target.segments)
        )
        ranges = list(_bucket_ranges(documents, SLICE_DOCUMENTS))
        # The engine exports with one thread a request: two at a time, one slice ahead.
        with self._make_pool(2, "export") as pool:
            ahead = self._exporting(pool, target, ranges[0])
            for number, buckets in enumerate(ranges, 1):
                exports = ahead
                if number < len(ranges):
                    ahead = self._exporting(pool, target, ranges[number])
                assets, segments = (export.result() for export in exports)
                yield differences(target, self._rows.proofs(buckets), assets, segments)
        for buckets in _bucket_ranges(self._admin.count(target.tags), SLICE_TAGS):
            yield self.compare_tags(target, buckets)

    def _exporting(
        self, pool: Executor, target: Target, buckets: range
    ) -> list[Future[Sequence[Mapping[str, Any]]]]:
        """Begin to export the documents of some buckets.

        What was exported is older than what the rows say then: a write between the
        two looks like a difference, and is none when looked at again.
        """
        return [
            pool.submit(self._admin.export, index, ROOT_FIELDS, buckets=buckets)
            for index in (target.assets, target.segments)
        ]

    def compare_tags(self, target: Target, buckets: range) -> Suspects:
        """Compare the tag documents of some buckets with what rows bear."""
        held = self._admin.export(target.tags, TAG_FIELDS, buckets=buckets)
        wanted = self._tags(None, buckets)
        found = tag_differences(target, wanted, held)
        return Suspects(tags=found, checked=len(held), rows=len(wanted))

    # --- the second look -----------------------------------------------------------

    def narrowed(self, target: Target, suspects: Suspects) -> Suspects:
        """Look again at what looked different, and leave out what does no longer."""
        found = Suspects(checked=suspects.checked, rows=suspects.rows)
        for part in slices(sorted(suspects.root_keys), _ROOTS_AT_ONCE):
            again, known = self._look(target, part)
            found.root_keys |= again.root_keys
            found.ghosts += len(again.root_keys.keys() - known.keys())
        for tags in slices(sorted(suspects.tags), _TAGS_AT_ONCE):
            found.tags |= self._look_at_tags(target, tags, suspects)[0]
        return found

    def recheck(self, target: Target, suspects: Suspects) -> Verdict:
        """Look again at what looked different; exact while nothing is on its way.

        A document without a row is a ghost only if no record would produce it; one
        that stands in for what is refused (a dead letter) is none at all.

        Raises:
            DependencyUnavailableError: An answer broke off: nothing is known.
        """
        found = _Found()
        for part in slices(sorted(suspects.root_keys), _ROOTS_AT_ONCE):
            self._recheck_roots(target, part, found)
        for tags in slices(sorted(suspects.tags), _TAGS_AT_ONCE):
            differing, wanted = self._look_at_tags(target, tags, suspects)
            for tag, suspect in differing.items():
                found.note(suspect.kind, f"tag {tag}")
                if tag in wanted:
                    found.roots.append(wanted[tag].root)
                else:
                    found.ghost_tags.append(tag)
        return found.verdict()

    def _recheck_roots(
        self, target: Target, root_keys: Sequence[RootKey], found: "_Found"
    ) -> None:
        again, known = self._look(target, root_keys)
        rowless = [key for key in again.root_keys if key not in known]
        recorded = self._recorded(target, rowless)
        for root_key, kind in again.root_keys.items():
            if root_key in known:
                found.roots.append(known[root_key])
            elif root_key not in recorded:
                found.ghosts.append(root_key)
            elif self._is_dead(root_key):
                continue
            else:
                found.roots.append(recorded[root_key])
            found.note(kind, f"root {root_key}")

    def _look(
        self, target: Target, root_keys: Sequence[RootKey]
    ) -> tuple[Suspects, dict[RootKey, RootId]]:
        """Compare these roots; returns also the roots of which there are rows."""
        proofs = self._rows.proofs_of(root_keys)
        named = [key for key in root_keys if key]
        again = differences(
            target,
            proofs,
            self._admin.export(target.assets, ROOT_FIELDS, roots=named),
            self._admin.export(target.segments, ROOT_FIELDS, roots=named),
        )
        return again, {proof.root_key: proof.root for proof in proofs}

    def _recorded(
        self, target: Target, root_keys: Sequence[RootKey]
    ) -> dict[RootKey, RootId]:
        """Those of these roots whose job records exist, by what documents tell."""
        if not root_keys:
            return {}
        held = self._admin.export(target.assets, ("view",), roots=root_keys)
        views = (document.get("view") or {} for document in held)
        job_ids = {JobId(view["jobId"]) for view in views if view.get("jobId")}
        roots = self._records.roots_of_jobs(job_ids)
        found: dict[RootKey, RootId] = {}
        for part in slices(roots, _ROOTS_AT_ONCE):
            for bundle in self._records.read(part).bundles:
                if bundle.job is not None or bundle.malformed is not None:
                    found[bundle.root_key] = bundle.root
        return found

    def _is_dead(self, root_key: RootKey) -> bool:
        query = LetterQuery(letter_id=root_key)
        return self._dead_letters.page(1, query).total > 0

    # --- tags ----------------------------------------------------------------------

    def _look_at_tags(
        self, target: Target, tags: Sequence[str], suspects: Suspects
    ) -> tuple[dict[str, TagSuspect], dict[str, WantedTag]]:
        """Compare these tags; returns also what rows bear of them."""
        of = [suspects.tags[tag] for tag in tags]
        held = self._admin.export(target.tags, TAG_FIELDS, ids=tags)
        pairs = {(one.owner_key, one.tag_key) for one in of if one.owner_key}
        wanted = self._tags(sorted(pairs), range(BUCKETS))
        named = {tag: use for tag, use in wanted.items() if tag in suspects.tags}
        return tag_differences(target, named, held), named

    def _tags(
        self, only: Sequence[tuple[str, str]] | None, buckets: range
    ) -> dict[str, WantedTag]:
        interned: dict[frozenset[str], frozenset[str]] = {}
        found: dict[str, WantedTag] = {}
        for use in self._rows.tag_uses(only):
            tag = tag_document_id(use.owner_key, use.tag_key)
            if bucket_of(tag) in buckets:
                acl = interned.setdefault(use.acl, use.acl)
                found[tag] = WantedTag(use.owner_key, use.tag_key, acl, use.root)
        return found


def _bucket_ranges(documents: int, at_once: int) -> Iterator[range]:
    """Cut all buckets into ranges that hold about so many documents each."""
    parts = min(documents // at_once + 1, BUCKETS)
    width = -(-BUCKETS // parts)
    for start in range(0, BUCKETS, width):
        yield range(start, min(start + width, BUCKETS))
