"""Sweeps on a schedule that outlives the process; the only user of APScheduler.

One leader runs them. What was due while nobody led starts soon after the next leader
does, once; a sweep never runs twice at a time; one that its leader did not finish is
shown as interrupted and runs again.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Lock

from apscheduler.schedulers.background import BackgroundScheduler

from catalog.clock import Clock
from catalog.errors import CatalogError, FencedError
from catalog.repositories.index_control import (
    ScheduleRepository,
    SweepOutcome,
    SweepRecord,
)
from indexer.requests import Answered
from indexer.term import Term

log = logging.getLogger(__name__)

_SPREAD = timedelta(seconds=2)
"""Between sweeps that are all overdue when a leader starts."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Something done again and again.

    Attributes:
        name: As it is called on the wire.
        every: Time between two starts; ``None``: only when asked for.
        description: What it does, one line.
        action: Does it; returns what came of it, as one sentence. Idempotent, and
            checks the term before each effect.
        is_immediate: Whether every leader begins with it.
    """

    name: str
    every: timedelta | None
    description: str
    action: Callable[[], str]
    is_immediate: bool = False


class Schedule:
    """Runs sweeps in threads of its own for as long as a term lasts."""

    def __init__(
        self,
        sweeps: Sequence[Sweep],
        *,
        repository: ScheduleRepository,
        clock: Clock,
        term: Term,
    ) -> None:
        """Run nothing yet."""
        # It tells of every run of every sweep.
        logging.getLogger("apscheduler").setLevel(logging.WARNING)
        self._sweeps = {sweep.name: sweep for sweep in sweeps}
        self._repository = repository
        self._clock = clock
        self._term = term
        self._records: dict[str, SweepRecord] = {}
        self._running: dict[str, Lock] = {name: Lock() for name in self._sweeps}
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            job_defaults={
                "max_instances": 1,
                "coalesce": True,
                "misfire_grace_time": None,
            },
        )

    def start(self) -> None:
        """Take up the schedule as the last leader left it.

        Raises:
            DependencyUnavailableError: retryable.
        """
        known = {record.name: record for record in self._repository.all()}
        self._repository.keep_only(list(self._sweeps))
        now = self._clock.now()
        overdue = 0
        for sweep in self._sweeps.values():
            record = self._taken_up(sweep, known.get(sweep.name))
            first = self._first_run(sweep, record, now)
            if first is not None and first <= now:
                first = now + overdue * _SPREAD
                overdue += 1
            self._save(replace(record, next_run_at=first))
            if sweep.every is None or first is None:
                continue
            self._scheduler.add_job(
                self.run,
                "interval",
                args=(sweep.name,),
                seconds=sweep.every.total_seconds(),
                id=sweep.name,
                next_run_time=first,
            )
        self._scheduler.start()

    def stop(self) -> None:
        """Begin nothing more; a sweep that runs ends with its term."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def run_now(self, name: str, answered: Answered) -> None:
        """Start a sweep now, in another thread.

        Args:
            name: Of a sweep.
            answered: Told what came of it.
        """
        if name not in self._sweeps:
            known = ", ".join(sorted(self._sweeps))
            answered(False, f"There is no sweep {name!r}; there are {known}.")  # noqa: FBT003
            return
        self._scheduler.add_job(self.run, args=(name, answered))

    def run(self, name: str, answered: Answered | None = None) -> None:
        """Run a sweep in this thread, unless it runs already."""
        lock = self._running[name]
        if not lock.acquire(blocking=False):
            if answered is not None:
                answered(False, "It is running already.")  # noqa: FBT003
            return
        try:
            is_done, detail = self._run(self._sweeps[name])
        except FencedError as exc:
            log.info("sweep left", extra={"sweep": name, "error": str(exc)})
            return
        finally:
            lock.release()
        if answered is not None:
            answered(is_done, detail)

    def _run(self, sweep: Sweep) -> tuple[bool, str]:
        self._term.check()
        before, now = self._records[sweep.name], self._clock.now()
        started = replace(
            before,
            is_running=True,
            last_started_at=now,
            next_run_at=now + sweep.every if sweep.every else None,
            runs=before.runs + 1,
        )
        self._save(started)
        try:
            outcome, detail = SweepOutcome.DONE, sweep.action()
        except FencedError:
            raise
        except Exception as exc:  # a sweep must never end the schedule
            is_expected = isinstance(exc, CatalogError)
            outcome, detail = SweepOutcome.FAILED, f"{type(exc).__name__}: {exc}"
            log.warning(
                "sweep failed", extra={"sweep": sweep.name}, exc_info=not is_expected
            )
        self._save(
            replace(
                started,
                is_running=False,
                last_finished_at=self._clock.now(),
                outcome=outcome,
                detail=detail,
            )
        )
        return outcome is SweepOutcome.DONE, detail

    def _taken_up(self, sweep: Sweep, record: SweepRecord | None) -> SweepRecord:
        every = sweep.every.total_seconds() if sweep.every else 0.0
        known = record or SweepRecord(sweep.name, every, sweep.description)
        if known.is_running:
            known = replace(
                known,
                is_running=False,
                outcome=SweepOutcome.INTERRUPTED,
                detail="The leader went while it ran.",
                next_run_at=self._clock.now(),
            )
        return replace(known, every_seconds=every, description=sweep.description)

    def _first_run(
        self, sweep: Sweep, record: SweepRecord, now: datetime
    ) -> datetime | None:
        """When to start it first in this term."""
        if sweep.every is None:
            return None
        if sweep.is_immediate or record.outcome is SweepOutcome.INTERRUPTED:
            return now
        if record.last_started_at is None:
            return now + sweep.every
        return record.last_started_at + sweep.every

    def _save(self, record: SweepRecord) -> None:
        record = replace(record, epoch=self._term.epoch)
        self._records[record.name] = record
        try:
            self._repository.save(record)
        except FencedError:
            raise
        except CatalogError as exc:  # it is only told later
            log.info("schedule not saved", extra={"error": str(exc)})
