"""A full rescan in place: every root is looked at again, and what has none is removed.

Done when changes are unknown (history lost) or a whole collection of records was
dropped, renamed or replaced. Search stays up meanwhile.
"""

import logging

from catalog.models.ids import RootKey
from catalog.repositories.base import RecordReader
from catalog.search.base import IndexAdmin, IndexWriter
from indexer.apply import Applier
from indexer.batching import AdaptiveSize, slices
from indexer.checkpoint import Checkpoint
from indexer.health import Health
from indexer.steady import Steady

log = logging.getLogger(__name__)

_ROOTS = 500
_DOCUMENTS = 10_000


class Repair:
    """Rescans one generation; runs in the thread that applies."""

    def __init__(
        self,
        *,
        records: RecordReader,
        writer: IndexWriter,
        admin: IndexAdmin,
        checkpoint: Checkpoint,
        applier: Applier,
        steady: Steady,
        health: Health,
    ) -> None:
        """Repair nothing yet."""
        self._records = records
        self._writer = writer
        self._admin = admin
        self._checkpoint = checkpoint
        self._applier = applier
        self._steady = steady
        self._health = health

    def rescan(self) -> int:
        """Look at all roots again, trusting nothing; returns how many.

        Raises:
            StoppedError: The process is to end; start over after the next start.
        """
        target = self._checkpoint.target
        self._steady.run(lambda: self._steady.barrier(target))
        first_sequence = self._checkpoint.next_sequence(0)
        total = self._steady.run(self._records.count)
        seen: set[RootKey] = set()
        cursor, done = None, 0
        size = AdaptiveSize(most=_ROOTS, target_weight=_DOCUMENTS)
        while True:
            after, limit = cursor, size.size
            roots = self._steady.run(lambda: self._records.scan(after, limit))  # noqa: B023
            if roots:
                batch = self._steady.apply(self._applier, target, roots, force=True)
                size.record(batch.roots, batch.assets + batch.segments)
                seen.update(batch.root_keys)
                cursor, done = roots[-1], done + len(roots)
                self._health.progress(done, total)
            if len(roots) < limit:
                break
        seen |= self.remove_orphans()
        self._remove_ghosts(seen)
        self._remove_old_tags(first_sequence)
        log.info("rescan done", extra={"roots": done})
        return done

    def remove_orphans(self) -> set[RootKey]:
        """Remove what the read model holds of roots that are gone; returns those."""
        target = self._checkpoint.target
        removed: set[RootKey] = set()
        while roots := self._steady.run(lambda: self._records.orphans(_ROOTS)):
            # Nothing is left of them, so applying them removes everything.
            batch = self._steady.apply(self._applier, target, roots, force=True)
            if removed.issuperset(batch.root_keys):
                break  # looked at and still there: they have a record after all
            removed.update(batch.root_keys)
        return removed

    def _remove_ghosts(self, seen: set[RootKey]) -> None:
        """Remove documents of roots that neither the record nor a row knows."""
        target = self._checkpoint.target
        for index in (target.assets, target.segments):
            held = self._steady.run(lambda: self._admin.export(index, ("root",)))  # noqa: B023
            roots_held = {RootKey(line["root"]) for line in held if line["root"]}
            ghosts = sorted(roots_held - seen)
            sequence = self._checkpoint.next_sequence(0)
            for part in slices(ghosts, 100):
                self._steady.run(
                    lambda: self._writer.delete_older(index, part, sequence)  # noqa: B023
                )
            if ghosts:
                log.warning("ghosts removed", extra={"index": index, "n": len(ghosts)})

    def _remove_old_tags(self, first_sequence: int) -> None:
        """Remove tags that the rescan did not write: no asset bears them."""
        index = self._checkpoint.target.tags
        held = self._steady.run(lambda: self._admin.export(index, ("id", "_seq")))
        old = [str(line["id"]) for line in held if 0 <= line["_seq"] < first_sequence]
        for part in slices(old, 100):
            self._steady.run(lambda: self._writer.delete(index, part))  # noqa: B023
