"""Passes of reconciling: read model ↔ index and record ↔ read model, with reports."""

import logging
import threading
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing

from catalog.clock import Clock
from catalog.models.ids import RootKey
from catalog.repositories.base import RecordBatch, RecordReader, RootId
from catalog.repositories.index_control import ReconcileReport, ReconcileRepository
from catalog.repositories.index_state import (
    DirtyReason,
    DirtyRepository,
    DirtyRoot,
    GenerationRepository,
    GenerationState,
)
from catalog.storage.base import ObjectStore
from indexer.batching import AdaptiveSize
from indexer.comparison import Suspects, Verdict
from indexer.findings import Findings
from indexer.live import Target, target_of
from indexer.ports import MakePool, thread_pool
from indexer.reconcile_book import Book
from indexer.reconcile_index import IndexReconciler
from indexer.reconcile_record import RecordReconciler, RowDifference
from indexer.sweep_run import Run
from indexer.term import Term

log = logging.getLogger(__name__)

INDEX, RECORD = "index", "record"

PATIENCE_SECONDS = 60.0
"""How long the loop may take to pass a moment, before a pass is left for next time."""

_ROOTS_AT_ONCE = 500
_SEGMENTS_AT_ONCE = 10_000
_TURN_SECONDS = 3600.0
"""Passes of different hours hash different roots, see ``RecordReconciler``."""

_HANDED_AT_ONCE = 200
"""Roots that the loop looks at again at one go: changes wait as long as that takes."""

_ORPHANS = 10_000
_ROUNDS = 3
_SAMPLES = 20

LAGGING = "The index lags too far behind to tell drift from changes under way."
NOTHING_SERVES = "Nothing serves yet."


class Reconciling:
    """Runs passes in the caller's thread; only the loop mends."""

    def __init__(
        self,
        *,
        reconciler: IndexReconciler,
        findings: Findings,
        generations: GenerationRepository,
        records: RecordReader,
        store: ObjectStore,
        dirty: DirtyRepository,
        reports: ReconcileRepository,
        clock: Clock,
        term: Term,
        prefix: str,
        make_pool: MakePool = thread_pool,
    ) -> None:
        """Compare nothing yet.

        Args:
            reconciler: Compares documents with rows.
            findings: Where the loop finds what it must look at again.
            generations: What is live, and how far.
            records: What rows are made from.
            store: Tells which URLs are ours.
            dirty: Where roots are marked.
            reports: The books.
            clock: Tells the time, and waits.
            term: Of the leader.
            prefix: Of the indexes' names.
            make_pool: Makes the thread that reads ahead.
        """
        self._make_pool = make_pool
        self._reconciler = reconciler
        self._findings = findings
        self._generations = generations
        self._records = records
        self._rows = RecordReconciler(records=records, store=store)
        self._dirty = dirty
        self._reports = reports
        self._clock = clock
        self._term = term
        self._prefix = prefix

    def index(self, run: Run, *, accept_losses: bool = False) -> ReconcileReport:
        """Compare every generation that is complete with the read model.

        Args:
            run: How long, and how fast.
            accept_losses: Remove documents without rows however many there are.

        Raises:
            DependencyUnavailableError: A server did not answer; nothing is concluded.
            NotFoundError: An index is gone.
            StoppedError, FencedError: As ``Run.check``.
        """
        book = Book(self._reports, self._clock, INDEX)
        with book:
            targets = self._complete()
            if not targets:
                book.refuse(NOTHING_SERVES)
            for target in targets:
                found = self._reconciler.suspects(
                    target, self._term.stop, pause=run.rest
                )
                run.check()
                book.count(found.checked)
                for part in found.parts(_HANDED_AT_ONCE):
                    verdict, refused = self._handed_over(
                        target, part, run, accept_losses=accept_losses
                    )
                    book.note(verdict, refused)
                    if refused is not None:
                        break
        return book.report

    def record(self, run: Run) -> ReconcileReport:
        """Describe and project every root anew and compare with its rows.

        What differs, and still does once the loop has passed the moment at which it
        was read, is marked dirty.

        Args:
            run: How long, and how fast.

        Raises:
            DependencyUnavailableError: A server did not answer; nothing is concluded.
            StoppedError, FencedError: As ``Run.check``.
        """
        book = Book(self._reports, self._clock, RECORD)
        with book:
            if not self._generations.settled()[0]:
                book.refuse(NOTHING_SERVES)
                return book.report
            is_lagging = not self._scan(run, book)
            orphans = () if is_lagging else self._records.orphans(_ORPHANS)
            if orphans:
                self._judge_roots(orphans, run, book)
        return book.report

    # --- index ---------------------------------------------------------------------

    def _complete(self) -> list[Target]:
        wanted = {GenerationState.SERVING, GenerationState.RETIRING}
        return [
            target_of(generation, self._prefix)
            for generation in self._generations.all()
            if generation.state in wanted
        ]

    def _handed_over(
        self, target: Target, part: Suspects, run: Run, *, accept_losses: bool
    ) -> tuple[Verdict, str | None]:
        """Have the loop look again, and wait until it has."""
        answers: list[tuple[Verdict, str | None]] = []
        done = threading.Event()

        def mended(verdict: Verdict, refused: str | None) -> None:
            answers.append((verdict, refused))
            done.set()

        self._findings.put(
            target, part, mended, stop=self._term.stop, accept_losses=accept_losses
        )
        while not done.wait(0.1):
            run.check()
        return answers[0]

    # --- record --------------------------------------------------------------------

    def _scan(self, run: Run, book: Book) -> bool:
        """Compare all roots; returns whether the loop kept up."""
        turn = int(self._clock.now().timestamp() // _TURN_SECONDS)
        waiting: dict[RootKey, RowDifference] = {}
        moment = 0
        with closing(self._read_ahead()) as batches:
            for batch in batches:
                run.check()
                found = self._rows.compare_read(batch, turn=turn)
                book.count(len(batch.bundles))
                waiting |= found.by_root
                moment = found.cluster_time
                if len(waiting) >= _ROOTS_AT_ONCE:
                    if not self._judge(waiting, moment, run, book):
                        return False
                    waiting.clear()
                run.rest()
        return not waiting or self._judge(waiting, moment, run, book)

    def _read_ahead(self) -> Generator[RecordBatch, None, None]:
        """Read all roots, the next ones while these are compared."""
        size = AdaptiveSize(most=_ROOTS_AT_ONCE, target_weight=_SEGMENTS_AT_ONCE)
        with self._make_pool(1, "reconcile-read") as pool:
            cursor: RootId | None = None
            ahead: Future[RecordBatch] | None = None
            while True:
                limit = size.size
                roots = self._records.scan(cursor, limit)
                read = pool.submit(self._records.read, roots) if roots else None
                if ahead is not None:
                    batch = ahead.result()
                    size.record(len(batch.bundles), _weight(batch))
                    yield batch
                ahead = read
                if ahead is None:
                    return
                cursor = roots[-1]

    def _judge_roots(self, roots: Sequence[RootId], run: Run, book: Book) -> None:
        run.check()
        found = self._rows.compare(roots)
        book.count(len(roots))
        if found.by_root:
            self._judge(found.by_root, found.cluster_time, run, book)

    def _judge(
        self,
        differing: Mapping[RootKey, RowDifference],
        moment: int,
        run: Run,
        book: Book,
    ) -> bool:
        """Tell drift from changes under way; returns whether that could be told.

        Drift is what shows the same evidence again after the loop has passed the
        moment at which it was seen first.
        """
        for _ in range(_ROUNDS):
            if not self._passed(moment, run):
                book.refuse(LAGGING)
                return False
            roots = [one.root for one in differing.values()]
            again = self._rows.compare(roots, not_before=moment)
            same = {
                key: one
                for key, one in again.by_root.items()
                if one.evidence == differing[key].evidence
            }
            self._mark(same, run, book)
            differing = {
                key: one for key, one in again.by_root.items() if key not in same
            }
            moment = again.cluster_time
            if not differing:
                break
        return True  # what changes all the time is left to the next pass

    def _mark(
        self, same: Mapping[RootKey, RowDifference], run: Run, book: Book
    ) -> None:
        drifted = list(same.values())
        if not drifted:
            return
        tried = self._dirty.attempts([one.root for one in drifted])
        run.check()
        now = self._clock.now()
        self._dirty.mark(
            DirtyRoot(one.root, now, tried.get(key, 0), DirtyReason.DRIFT)
            for key, one in same.items()
        )
        kinds: dict[str, int] = {}
        for one in drifted:
            kinds[one.kind] = kinds.get(one.kind, 0) + 1
        samples = tuple(
            f"{d.kind}: rows of root {d.root!r}" for d in drifted[:_SAMPLES]
        )
        log.warning("drift", extra={"samples": list(samples)})
        book.note(Verdict(kinds=kinds, samples=samples), None)

    def _passed(self, moment: int, run: Run) -> bool:
        """Wait until the loop has applied everything up to a moment."""
        until = self._clock.monotonic() + PATIENCE_SECONDS
        while self._generations.settled()[1] < moment:
            if self._clock.monotonic() > until:
                return False
            run.wait(0.1)
        return True


def _weight(batch: RecordBatch) -> int:
    """How much a batch weighs: segments are most of it where there are any."""
    rows = (row for bundle in batch.bundles for row in bundle.rows)
    return sum(1 + row.segment_count for row in rows)
