"""The books of reconciling: one report a pass, saved as it goes on."""

import logging
from dataclasses import replace
from uuid import uuid4

from catalog.clock import Clock
from catalog.errors import CatalogError
from catalog.repositories.index_control import ReconcileReport, ReconcileRepository
from indexer.comparison import Verdict

log = logging.getLogger(__name__)

_SAMPLES = 20


class Book:
    """The report of a pass: saved at its start, with every finding, at its end."""

    def __init__(self, reports: ReconcileRepository, clock: Clock, kind: str) -> None:
        """Begin a report of this kind; entering the context saves it."""
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
