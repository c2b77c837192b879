"""A full rescan in place: every root is looked at again, and what has none is removed.

Done when changes are unknown (history lost) or a whole collection of records was
dropped, renamed or replaced. Search stays up meanwhile.
"""

import logging
from collections.abc import Sequence

from catalog.models.ids import RootKey
from catalog.repositories.base import RecordReader, RootId
from catalog.search.base import IndexAdmin, IndexWriter
from indexer.apply import AppliedBatch, Applier
from indexer.batching import AdaptiveSize, slices
from indexer.comparison import Verdict
from indexer.health import Health
from indexer.live import LiveSet, Target
from indexer.pass_mode import FORCED
from indexer.steady import Steady

log = logging.getLogger(__name__)

_ROOTS = 500
_DOCUMENTS = 10_000


class Repair:
    """Rescans all live generations; runs in the thread that applies."""

    def __init__(
        self,
        *,
        records: RecordReader,
        writer: IndexWriter,
        admin: IndexAdmin,
        live: LiveSet,
        applier: Applier,
        steady: Steady,
        health: Health,
    ) -> None:
        """Repair nothing yet."""
        self._records = records
        self._writer = writer
        self._admin = admin
        self._live = live
        self._applier = applier
        self._steady = steady
        self._health = health

    def rescan(self) -> int:
        """Look at all roots again, trusting nothing; returns how many.

        Raises:
            StoppedError: The process is to end; start over after the next start.
        """
        targets = self._live.targets
        self._steady.run(lambda: self._steady.barrier(targets))
        first_sequence = self._live.next_sequence(0)
        total = self._steady.run(self._records.count)
        seen: set[RootKey] = set()
        cursor, done = None, 0
        size = AdaptiveSize(most=_ROOTS, target_weight=_DOCUMENTS)
        while True:
            after, limit = cursor, size.size
            roots = self._steady.run(lambda: self._records.scan(after, limit))  # noqa: B023
            if roots:
                batch = self._apply(roots)
                size.record(batch.roots, batch.assets + batch.segments)
                seen.update(batch.root_keys)
                cursor, done = roots[-1], done + len(roots)
                self._health.progress(done, total)
            if len(roots) < limit:
                break
        seen |= self.remove_orphans()
        for target in targets:
            self._remove_unseen(target, seen)
            if target.is_writable:
                self._remove_old_tags(target, first_sequence)
        log.info("rescan done", extra={"roots": done})
        return done

    def remove_orphans(self) -> set[RootKey]:
        """Remove what the read model holds of roots that are gone; returns those.

        Of those that go meanwhile a change tells. Where records are deleted all the
        time there are always some, and waiting for none would hold up every change.
        """
        removed: set[RootKey] = set()
        while roots := self._steady.run(lambda: self._records.orphans(_ROOTS)):
            # Nothing is left of them, so applying them removes everything.
            batch = self._apply(roots)
            if removed.issuperset(batch.root_keys):
                break  # looked at and still there: they have a record after all
            removed.update(batch.root_keys)
            if len(roots) < _ROOTS:
                break
        return removed

    def mend(self, target: Target, verdict: Verdict) -> None:
        """Write what is missing or stale, remove what nothing accounts for."""
        for part in slices(verdict.roots, _ROOTS):
            self._apply(part)
        self._remove_ghosts(target, verdict.ghosts)
        for tags in slices(verdict.ghost_tags, 100):
            self._steady.run(lambda: self._writer.delete(target.tags, tags))  # noqa: B023

    def _remove_ghosts(self, target: Target, root_keys: Sequence[RootKey]) -> None:
        """Remove documents of roots that neither the record nor a row knows."""
        sequence = self._live.next_sequence(0)
        for index in (target.assets, target.segments):
            for part in slices(root_keys, 100):
                self._steady.run(
                    lambda: self._writer.delete_older(index, part, sequence)  # noqa: B023
                )

    def _apply(self, roots: Sequence[RootId]) -> AppliedBatch:
        return self._steady.apply(self._applier, self._live, roots, mode=FORCED)

    def _remove_unseen(self, target: Target, seen: set[RootKey]) -> None:
        ghosts: set[RootKey] = set()
        for index in (target.assets, target.segments):
            held = self._steady.run(lambda: self._admin.export(index, ("root",)))  # noqa: B023
            ghosts |= {RootKey(line["root"]) for line in held if line["root"]} - seen
        if ghosts:
            log.warning("ghosts", extra={"n": target.number, "roots": len(ghosts)})
            self._remove_ghosts(target, sorted(ghosts))

    def _remove_old_tags(self, target: Target, first_sequence: int) -> None:
        """Remove tags that the rescan did not write: no asset bears them."""
        held = self._steady.run(lambda: self._admin.export(target.tags, ("id", "_seq")))
        old = [str(line["id"]) for line in held if 0 <= line["_seq"] < first_sequence]
        for part in slices(old, 100):
            self._steady.run(lambda: self._writer.delete(target.tags, part))  # noqa: B023
