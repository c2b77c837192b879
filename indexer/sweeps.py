"""The table of sweeps: what is done again and again, and how often."""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

from catalog.errors import CatalogError, FencedError
from catalog.repositories.index_control import ReconcileReport
from catalog.repositories.index_state import DirtyRoot, IndexRequest, LetterQuery
from indexer.batching import slices
from indexer.intake_directory import Intake
from indexer.ports import Ports
from indexer.reconciling import Pace, Reconciling
from indexer.requests import Answered
from indexer.schedule import Schedule, Sweep
from indexer.term import Term

log = logging.getLogger(__name__)

TEMPORARY = "temp/"
TEMPORARY_LIFE = timedelta(hours=24)
"""How long objects under ``temp/`` are kept (the seed's lifecycle rule)."""

_REDRIVE_EVERY = timedelta(hours=1)
_DAY = timedelta(days=1)
_ALWAYS_ON = Pace(0.25)
_AT_ONCE = Pace(1.0)
_MARKED_AT_ONCE = 1_000
_KINDS = ("index", "record", "storage")


class Sweeps:
    """The leader's sweeps; also does on request what the schedule does."""

    def __init__(
        self, ports: Ports, *, term: Term, intake: Intake, reconciling: Reconciling
    ) -> None:
        """Run nothing yet."""
        self._ports = ports
        self._term = term
        self._intake = intake
        self._reconciling = reconciling
        self.schedule = Schedule(
            self._table(), repository=ports.sweeps, clock=ports.clock, term=term
        )

    def _table(self) -> list[Sweep]:
        ports = self._ports
        return [
            Sweep(
                "rescan",
                ports.rescan_every,
                "lists the whole store and records what differs",
                self._rescan,
                is_immediate=True,
            ),
            Sweep(
                "reconcile-index",
                ports.reconcile_every,
                "compares every search document with the read model, mends drift",
                lambda: told(self._reconciling.index(_ALWAYS_ON)),
            ),
            Sweep(
                "reconcile-record",
                ports.reconcile_every,
                "describes every job record anew and compares it with the read model",
                lambda: told(self._reconciling.record(_ALWAYS_ON)),
            ),
            Sweep(
                "reconcile-storage",
                _DAY,
                "compares the whole store with what is known of it, with a report",
                lambda: told(self._storage()),
            ),
            Sweep(
                "reindex",
                ports.reindex_every,
                "builds the index anew while the old one serves",
                self._reindex,
            ),
            Sweep(
                "redrive",
                _REDRIVE_EVERY,
                "tries again what could not be indexed",
                self._redrive,
            ),
            Sweep(
                "temp-lifecycle",
                timedelta(hours=1),
                "removes what is older than a day from temp/ of a directory",
                self._clear_temporary,
            ),
        ]

    # --- on request ----------------------------------------------------------------

    def run(self, sweep: str, answered: Answered) -> None:
        """See ``SweepRunner.run``."""
        self.schedule.run_now(sweep, answered)

    def reconcile(self, arguments: dict[str, Any], answered: Answered) -> None:
        """See ``SweepRunner.reconcile``; in a thread, at full speed."""
        kinds = [str(kind) for kind in arguments.get("kinds") or _KINDS]
        unknown = [kind for kind in kinds if kind not in _KINDS]
        if unknown:
            known = ", ".join(_KINDS)
            answered(False, f"kinds: {unknown[0]!r} is not one of {known}.")  # noqa: FBT003
            return
        passes: dict[str, Callable[[], ReconcileReport]] = {
            "index": lambda: self._reconciling.index(_AT_ONCE),
            "record": lambda: self._reconciling.record(_AT_ONCE),
            "storage": lambda: self._storage(
                accept_losses=arguments.get("acceptLosses") is True
            ),
        }

        def work() -> None:
            try:
                texts = [f"{kind}: {told(passes[kind]())}" for kind in kinds]
            except FencedError as exc:
                log.info("reconciling left", extra={"error": str(exc)})
            except CatalogError as exc:
                answered(False, str(exc))  # noqa: FBT003
            else:
                answered(True, " ".join(texts))  # noqa: FBT003

        threading.Thread(target=work, name="reconcile", daemon=True).start()

    # --- each sweep ----------------------------------------------------------------

    def _rescan(self) -> str:
        # The first one, right at the start, is the one that a build waits for too.
        if not self._intake.has_listed:
            self._intake.ensure_listed()
            return "The store was listed."
        return f"{self._intake.rescan()} objects had changed."

    def _storage(self, *, accept_losses: bool = False) -> ReconcileReport:
        started_at = self._ports.clock.now()
        changed = self._intake.rescan()
        report = ReconcileReport(
            uuid4().hex,
            "storage",
            started_at,
            finished_at=self._ports.clock.now(),
            differences={"changed": changed} if changed else {},
        )
        del accept_losses
        self._ports.reconciles.save(report)
        return report

    def _reindex(self) -> str:
        self._term.check()
        request = IndexRequest(
            f"schedule-{uuid4().hex}",
            "reindex",
            self._ports.clock.now(),
            {"reason": "schedule"},
        )
        self._ports.index_requests.add(request)
        return f"Asked for by request {request.request_id}."

    def _redrive(self) -> str:
        roots = list(self._ports.dead_letters.roots(LetterQuery()))
        now = self._ports.clock.now()
        for part in slices(roots, _MARKED_AT_ONCE):
            self._term.check()
            self._ports.dirty.mark(
                DirtyRoot(root, now, reason="redrive") for root in part
            )
        return f"{len(roots)} roots are looked at again."

    def _clear_temporary(self) -> str:
        if self._ports.storage_directory is None:
            return "Left to the bucket's lifecycle rule on temp/."
        store, removed = self._ports.store, 0
        until = self._ports.clock.now() - TEMPORARY_LIFE
        old = [
            info.key
            for info in store.list(TEMPORARY)
            if info.modified_at < until
        ]
        for key in old:
            self._term.check()
            # Looked at again: somebody may be writing it anew.
            if store.head(key).modified_at < until:
                store.delete(key)
                removed += 1
        return f"{removed} objects were removed."


def told(report: ReconcileReport) -> str:
    """Say what a pass found, as one sentence."""
    found = ", ".join(f"{n} {kind}" for kind, n in report.differences.items())
    text = f"{report.checked} compared, {found or 'no difference'}."
    return " ".join([text, *report.refused])
