"""Passes of reconciling: index ↔ rows, rows ↔ record, store ↔ objects; with reports."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import uuid4

from catalog.clock import Clock
from catalog.describe import describe
from catalog.repositories.base import RecordReader, RootBundle, RootId
from catalog.repositories.index_control import ReconcileReport, ReconcileRepository
from catalog.repositories.index_state import (
    DirtyRepository,
    DirtyRoot,
    GenerationRepository,
    GenerationState,
)
from catalog.search.projection import documents_of, row_of
from catalog.storage.base import ObjectStore
from indexer.batching import slices
from indexer.checkpoint import Target, target_of
from indexer.findings import Findings
from indexer.reconcile import IndexReconciler, Suspects
from indexer.term import Term
from indexer.verify import Verdict

log = logging.getLogger(__name__)

INDEX, RECORD = "index", "record"
_READ_ROOTS = 200
_SAMPLES = 20
_PATIENCE = timedelta(seconds=60)
"""How long the loop may take to pass a moment, before a slice is left for next time."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How much of the time a pass may work: 1 all of it, 0.25 a quarter."""

    share: float = 1.0


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
        """Compare nothing yet."""
        self._reconciler = reconciler
        self._findings = findings
        self._generations = generations
        self._records = records
        self._store = store
        self._dirty = dirty
        self._reports = reports
        self._clock = clock
        self._term = term
        self._prefix = prefix

    # --- index ↔ rows --------------------------------------------------------------

    def index(self, pace: Pace) -> ReconcileReport:
        """Compare every generation that is complete with the read model.

        Raises:
            DependencyUnavailableError: A server did not answer; nothing is concluded.
            FencedError: The term is over.
        """
        report = self._begin(INDEX)
        for target in self._complete():
            for part in self._reconciler.slices_of(target):
                started = self._clock.monotonic()
                self._term.check()
                report = replace(report, checked=report.checked + part.checked)
                if part:
                    verdict, refused = self._handed_over(target, part)
                    report = _with(report, verdict, refused)
                    self._reports.save(report)
                self._rest(pace, started)
        return self._end(report)

    def _complete(self) -> list[Target]:
        wanted = {GenerationState.SERVING, GenerationState.RETIRING}
        return [
            target_of(generation, self._prefix)
            for generation in self._generations.all()
            if generation.state in wanted
        ]

    def _handed_over(
        self, target: Target, part: Suspects
    ) -> tuple[Verdict, str | None]:
        """Wait until the loop has looked again."""
        answers: list[tuple[Verdict, str | None]] = []
        done = threading.Event()

        def mended(verdict: Verdict, refused: str | None) -> None:
            answers.append((verdict, refused))
            done.set()

        self._findings.put(target, part, mended, stop=self._term.stop)
        while not done.wait(0.1):
            self._term.check()
            if self._term.stop.is_set():
                return Verdict(), "The indexer stops."
        return answers[0]

    # --- rows ↔ record -------------------------------------------------------------

    def record(self, pace: Pace) -> ReconcileReport:
        """Describe and project every root anew and compare with its rows.

        Nothing is written; what differs, and still does once the loop has passed the
        moment at which it was read, is marked dirty.

        Raises:
            DependencyUnavailableError: A server did not answer; nothing is concluded.
            FencedError: The term is over.
        """
        report = self._begin(RECORD)
        cursor: RootId | None = None
        while roots := self._records.scan(cursor, _READ_ROOTS):
            started = self._clock.monotonic()
            self._term.check()
            report = self._compare_roots(report, roots)
            cursor = roots[-1]
            self._rest(pace, started)
        orphans = self._records.orphans(_READ_ROOTS)
        if orphans:
            report = self._compare_roots(report, orphans)
        return self._end(report)

    def _compare_roots(
        self, report: ReconcileReport, roots: Sequence[RootId]
    ) -> ReconcileReport:
        report = replace(report, checked=report.checked + len(roots))
        differing, moment = self._differing(roots)
        if not differing:
            return report
        if not self._passed(moment):
            return replace(report, refused=(*report.refused, _LAGGING))
        differing, _ = self._differing(differing)
        if not differing:
            return report
        now = self._clock.now()
        self._term.check()
        self._dirty.mark(DirtyRoot(root, now, reason="drift") for root in differing)
        samples = tuple(f"stale: root {root!r}" for root in differing)
        log.warning("drift", extra={"samples": list(samples[:_SAMPLES])})
        verdict = Verdict(kinds={"stale": len(differing)}, samples=samples[:_SAMPLES])
        report = _with(report, verdict, None)
        self._reports.save(report)
        return report

    def _differing(self, roots: Sequence[RootId]) -> tuple[list[RootId], int]:
        """Those whose rows are not what the record says, and when that was read."""
        found: list[RootId] = []
        moment = 0
        for part in slices(roots, _READ_ROOTS):
            batch = self._records.read(part, not_before=moment)
            moment = max(moment, batch.cluster_time)
            found += [b.root for b in batch.bundles if self._differs(b)]
        return found, moment

    def _differs(self, bundle: RootBundle) -> bool:
        try:
            assets = describe(bundle, self._store.parse_url).assets
            rows = {row.document_id: row for row in bundle.rows}
            for asset in assets:
                row = rows.pop(asset.document_id, None)
                if row is None:
                    return True
                made = documents_of(
                    asset, root_key=bundle.root_key, sequence=0, generation=0
                )
                wanted = row_of(
                    asset,
                    bundle.root,
                    bundle.root_key,
                    view=made.view,
                    document_hash=made.hash if row.document_hash else "",
                    sequence=row.sequence,
                )
                if row.document_hash and wanted != row:
                    return True
            return bool(rows)
        except Exception:  # whatever defeats it is a dead letter, not drift
            log.debug("can't be compared", exc_info=True)
            return False

    def _passed(self, moment: int) -> bool:
        """Wait until the loop has applied everything up to a moment."""
        until = self._clock.monotonic() + _PATIENCE.total_seconds()
        while self._generations.settled()[1] < moment:
            self._term.check()
            is_over = self._clock.wait(self._term.stop, 0.1)
            if is_over or self._clock.monotonic() > until:
                return False
        return True

    # --- reports -------------------------------------------------------------------

    def _begin(self, kind: str) -> ReconcileReport:
        report = ReconcileReport(uuid4().hex, kind, self._clock.now())
        self._reports.save(report)
        return report

    def _end(self, report: ReconcileReport) -> ReconcileReport:
        report = replace(report, finished_at=self._clock.now())
        self._reports.save(report)
        return report

    def _rest(self, pace: Pace, started: float) -> None:
        if pace.share < 1:
            worked = self._clock.monotonic() - started
            pause = worked * (1 / pace.share - 1)
            self._clock.wait(self._term.stop, pause)
        if self._term.stop.is_set():
            self._term.check()


_LAGGING = "The index lags too far behind to tell drift from changes under way."


def _with(
    report: ReconcileReport, verdict: Verdict, refused: str | None
) -> ReconcileReport:
    kinds = dict(report.differences)
    for kind, count in verdict.kinds.items():
        kinds[kind] = kinds.get(kind, 0) + count
    mended = 0 if refused else sum(verdict.kinds.values())
    return replace(
        report,
        differences=kinds,
        repaired=report.repaired + mended,
        refused=(*report.refused, refused) if refused else report.refused,
        samples=(*report.samples, *verdict.samples)[:_SAMPLES],
    )
