"""The table of sweeps: what is done again and again, and how often."""

from collections.abc import Callable
from datetime import time, timedelta
from threading import Lock
from typing import Any
from uuid import uuid4

from catalog.repositories.index_control import ReconcileReport
from catalog.repositories.index_state import IndexRequest, LetterQuery
from indexer.intake import Intake
from indexer.marks import redrive
from indexer.ports import Answered, Ports
from indexer.reconcile_book import told
from indexer.reconcile_passes import Reconciling
from indexer.schedule import Schedule
from indexer.sweep_plan import Sweep
from indexer.sweep_run import Run
from indexer.temporary import TemporaryFiles
from indexer.term import Term
from indexer.usage_sweeps import usage_sweeps

SWEEP_OF_KIND = {
    "index": "reconcile-index",
    "record": "reconcile-record",
    "storage": "reconcile-storage",
}
"""Which sweep compares what, by the kinds that a request names."""

_STORE, _INDEX, _RECORD = "store", "index", "record"
"""Lanes: two that list the store at once would only slow each other down."""

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_NIGHT = time(3)
_SOON = timedelta(minutes=5)


class Sweeps:
    """The leader's sweeps; also does on request what the schedule does."""

    def __init__(
        self,
        ports: Ports,
        *,
        term: Term,
        intake: Intake,
        reconciling: Reconciling,
        trouble: Callable[[str, str | None], None] | None = None,
    ) -> None:
        """Run nothing yet.

        Args:
            ports: What the indexer stands on.
            term: Of the leader; nothing is done outside it.
            intake: Lists the store.
            reconciling: Compares.
            trouble: See ``Schedule``.
        """
        self._ports = ports
        self._term = term
        self._intake = intake
        self._reconciling = reconciling
        self._temporary = TemporaryFiles(ports.store, ports.clock)
        self.schedule = Schedule(
            self.table(), ports.sweeps, ports.clock, term, trouble=trouble
        )

    def table(self) -> list[Sweep]:
        """All sweeps there are; a new one is a row here."""
        ports = self._ports
        return [
            Sweep(
                "rescan",
                "lists the whole store and records what differs",
                ports.rescan_every,
                self._rescan,
                lane=_STORE,
                is_at_start=True,
            ),
            Sweep(
                "reconcile-index",
                "compares every search document with the read model and mends drift",
                ports.reconcile_every,
                lambda run: told(
                    self._reconciling.index(run, accept_losses=_accepts_losses(run))
                ),
                lane=_INDEX,
                first_after=min(_SOON, ports.reconcile_every),
            ),
            Sweep(
                "reconcile-record",
                "describes every job record anew and compares it with the read model",
                ports.reconcile_every,
                lambda run: told(self._reconciling.record(run)),
                lane=_RECORD,
                first_after=min(2 * _SOON, ports.reconcile_every),
            ),
            Sweep(
                "reconcile-storage",
                "compares the whole store with what is known of it, with a report",
                _DAY,
                lambda run: told(self._storage(run)),
                lane=_STORE,
                at=_NIGHT,
            ),
            Sweep(
                "redrive",
                "tries again what could not be indexed",
                _HOUR,
                self._redrive,
            ),
            Sweep(
                "temp-lifecycle",
                "removes what is older than a day from temp/ of a directory",
                _HOUR,
                self._temporary.sweep,
                lane=_STORE,
            ),
            Sweep(
                "forget-tombstones",
                "forgets deleted objects whose late events can't come any more",
                _DAY,
                self._forget,
                lane=_STORE,
            ),
            Sweep(
                "reindex",
                "builds the index anew while the old one serves",
                ports.reindex_every or timedelta(),
                self._reindex,
            ),
            *usage_sweeps(ports.use, ports.clock),
        ]

    # --- on request ----------------------------------------------------------------

    def run(self, sweep: str, answered: Answered) -> None:
        """See ``SweepRunner.run``."""
        if not self.schedule.run_now(sweep, answered=answered):
            known = ", ".join(sorted(self.schedule.names))
            problem = f"There is no sweep {sweep!r}; there are {known}."
            answered(problem, is_done=False)

    def reconcile(self, arguments: dict[str, Any], answered: Answered) -> None:
        """See ``SweepRunner.reconcile``; kinds that don't hinder one another at once.

        Args:
            arguments: ``kinds`` (some of ``index record storage``; all by default)
                and ``acceptLosses`` (``True``: also do what looks like a loss).
            answered: Told once all are through.
        """
        kinds = arguments.get("kinds") or list(SWEEP_OF_KIND)
        named = dict.fromkeys(kinds) if isinstance(kinds, list | tuple) else {kinds: 0}
        unknown = [kind for kind in named if kind not in SWEEP_OF_KIND]
        if unknown:
            known = ", ".join(SWEEP_OF_KIND)
            problem = f"kinds: {unknown[0]!r} is not one of {known}."
            answered(problem, is_done=False)
            return
        together = _Together(list(named), answered)
        for kind in named:
            self.schedule.run_now(
                SWEEP_OF_KIND[kind], arguments, together.answer_of(kind)
            )

    # --- each sweep ----------------------------------------------------------------

    def _rescan(self, run: Run) -> str:
        run.check()
        # The first one, right at the start, is the one that a build waits for too.
        if not self._intake.has_listed:
            self._intake.ensure_listed()
            return "The store was listed."
        return f"{self._intake.rescan()} objects had changed."

    def _storage(self, run: Run) -> ReconcileReport:
        run.check()
        report = self._intake.reconcile(accept_losses=_accepts_losses(run))
        self._ports.reconciles.save(report)
        return report

    def _forget(self, run: Run) -> str:
        run.check()
        return f"{self._intake.forget_tombstones()} tombstones were forgotten."

    def _redrive(self, run: Run) -> str:
        count = redrive(
            LetterQuery(),
            dead_letters=self._ports.dead_letters,
            dirty=self._ports.dirty,
            clock=self._ports.clock,
            check=run.check,
        )
        return f"{count} roots are looked at again."

    def _reindex(self, run: Run) -> str:
        run.check()
        request = IndexRequest(
            f"schedule-{uuid4().hex}",
            "reindex",
            self._ports.clock.now(),
            {"reason": "schedule"},
        )
        self._ports.index_requests.add(request)
        return f"Asked for by request {request.request_id}."


class _Together:
    """Makes one answer out of several."""

    def __init__(self, kinds: list[str], answered: Answered) -> None:
        self._left = set(kinds)
        self._kinds = kinds
        self._answered = answered
        self._answers: dict[str, tuple[bool, str]] = {}
        self._lock = Lock()

    def answer_of(self, kind: str) -> Answered:
        def answered(outcome: str, *, is_done: bool) -> None:
            with self._lock:
                self._answers[kind] = (is_done, outcome)
                self._left.discard(kind)
                is_last = not self._left
            if is_last:
                answers = [self._answers[name] for name in self._kinds]
                texts = [
                    f"{name}: {text}"
                    for name, (_, text) in zip(self._kinds, answers, strict=True)
                ]
                is_all_done = all(is_done for is_done, _ in answers)
                self._answered(" ".join(texts), is_done=is_all_done)

        return answered


def _accepts_losses(run: Run) -> bool:
    return run.arguments.get("acceptLosses") is True
