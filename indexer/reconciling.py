"""Passes of reconciling: read model ↔ index and record ↔ read model, with reports."""

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import uuid4

from catalog.clock import Clock
from catalog.errors import CatalogError
from catalog.models.ids import RootKey
from catalog.repositories.base import RecordReader, RootId
from catalog.repositories.index_control import ReconcileReport, ReconcileRepository
from catalog.repositories.index_state import (
    DirtyRepository,
    DirtyRoot,
    GenerationRepository,
    GenerationState,
)
from catalog.storage.base import ObjectStore
from indexer.batching import AdaptiveSize
from indexer.checkpoint import Target, target_of
from indexer.comparison import Suspects
from indexer.findings import Findings
from indexer.reconcile import IndexReconciler
from indexer.reconcile_record import RecordReconciler, RowDifference
from indexer.sweep_run import Run
from indexer.term import Term
from indexer.verify import Verdict

log = logging.getLogger(__name__)

INDEX, RECORD = "index", "record"

PATIENCE_SECONDS = 60.0
"""How long the loop may take to pass a moment, before a pass is left for next time."""

_ROOTS_AT_ONCE = 500
_DOCUMENTS_AT_ONCE = 10_000
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
        """
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
        book = _Book(self._reports, self._clock, INDEX)
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
        book = _Book(self._reports, self._clock, RECORD)
        with book:
            if not self._generations.settled()[0]:
                book.refuse(NOTHING_SERVES)
                return book.report
            is_lagging = not self._scan(run, book)
            orphans = () if is_lagging else self._records.orphans(_ORPHANS)
            if orphans:
                self._compare_roots(orphans, {}, run, book, is_last=True)
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

    def _scan(self, run: Run, book: "_Book") -> bool:
        """Compare all roots; returns whether the loop kept up."""
        size = AdaptiveSize(most=_ROOTS_AT_ONCE, target_weight=_DOCUMENTS_AT_ONCE)
        cursor: RootId | None = None
        waiting: dict[RootKey, RowDifference] = {}
        while True:
            limit = size.size
            roots = self._records.scan(cursor, limit)
            is_last = len(roots) < limit
            documents = self._compare_roots(roots, waiting, run, book, is_last=is_last)
            if documents is None:
                return False
            size.record(len(roots), documents)
            if is_last:
                return True
            cursor = roots[-1]
            run.rest()

    def _compare_roots(
        self,
        roots: Sequence[RootId],
        waiting: dict[RootKey, RowDifference],
        run: Run,
        book: "_Book",
        *,
        is_last: bool,
    ) -> int | None:
        """Compare some roots; judge what differs once it is enough to be worth it.

        Returns:
            How many documents they have; ``None`` when the loop lags too far behind.
        """
        run.check()
        found = self._rows.compare(roots)
        book.count(len(roots))
        waiting |= found.by_root
        if waiting and (is_last or len(waiting) >= _ROOTS_AT_ONCE):
            if not self._judge(waiting, found.cluster_time, run, book):
                return None
            waiting.clear()
        return found.documents

    def _judge(
        self,
        differing: Mapping[RootKey, RowDifference],
        moment: int,
        run: Run,
        book: "_Book",
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
        self, same: Mapping[RootKey, RowDifference], run: Run, book: "_Book"
    ) -> None:
        # What is dirty already is known not to be as it should be.
        known = self._dirty.attempts([one.root for one in same.values()])
        drifted = [one for key, one in same.items() if key not in known]
        if not drifted:
            return
        run.check()
        now = self._clock.now()
        self._dirty.mark(DirtyRoot(one.root, now, reason="drift") for one in drifted)
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


class _Book:
    """The report of one pass, saved at its start, with every finding and at its end."""

    def __init__(self, reports: ReconcileRepository, clock: Clock, kind: str) -> None:
        self._reports = reports
        self._clock = clock
        self.report = ReconcileReport(uuid4().hex, kind, clock.now())

    def __enter__(self) -> None:
        self._reports.save(self.report)

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        """A pass that broke off says so; what it found until then holds."""
        if isinstance(exc, CatalogError):
            self.refuse(f"It broke off: {exc}")
        self.report = replace(self.report, finished_at=self._clock.now())
        try:
            self._reports.save(self.report)
        except CatalogError as unsaved:
            if exc is None:
                raise
            log.info("report not saved", extra={"error": str(unsaved)})

    def count(self, checked: int) -> None:
        """So much more was compared."""
        self.report = replace(self.report, checked=self.report.checked + checked)

    def refuse(self, why: str) -> None:
        """Something was not done."""
        self.report = replace(self.report, refused=(*self.report.refused, why))

    def note(self, verdict: Verdict, refused: str | None) -> None:
        """So much was found, and mended unless that was refused."""
        if refused is not None:
            self.refuse(refused)
        if not verdict.kinds:
            return
        kinds = dict(self.report.differences)
        for kind, count in verdict.kinds.items():
            kinds[kind] = kinds.get(kind, 0) + count
        mended = 0 if refused is not None else sum(verdict.kinds.values())
        self.report = replace(
            self.report,
            differences=kinds,
            repaired=self.report.repaired + mended,
            samples=(*self.report.samples, *verdict.samples)[:_SAMPLES],
        )
        self._reports.save(self.report)


def told(report: ReconcileReport) -> str:
    """Say what a pass found, as one sentence, and what it refused to do."""
    found = ", ".join(f"{n} {kind}" for kind, n in sorted(report.differences.items()))
    text = f"{report.checked} compared, {found or 'no difference'}."
    return " ".join([text, *report.refused])
