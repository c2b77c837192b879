"""Runs sweeps when they are due, one leader at a time; the only user of APScheduler.

The timers are APScheduler's. The rules are here and in ``sweep_plan``:

- A sweep never runs twice at a time: its next start is set when a run has ended.
- Missed while nobody ran: it starts once, soon after the start, however often it was
  missed; several such sweeps start one after the other.
- Sweeps of one lane wait for one another; lanes do not.
- A run that its leader did not end is ``interrupted``, and due again.
- After a failure the next try comes earlier: after 1, 2, 4 … minutes.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from threading import Condition, Event
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from typing_extensions import override

from catalog.clock import Clock
from catalog.errors import CatalogError, DependencyError, FencedError
from catalog.repositories.index_control import (
    ScheduleRepository,
    SweepOutcome,
    SweepRecord,
)
from indexer.ports import Answered
from indexer.steady import StoppedError
from indexer.sweep_plan import Sweep, first_run, next_run, taken_up
from indexer.sweep_run import Run
from indexer.term import Term

log = logging.getLogger(__name__)

_READ_AGAIN_SECONDS = 1.0
_PLANNING = "(planning)"
_ABOUT_NOW = timedelta(minutes=1)


def _nobody(name: str, problem: str | None) -> None:
    """Nobody wants to know."""
    del name, problem


class _Entry:
    """One sweep and what is known of its runs; guarded by the schedule's lock."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self.record = SweepRecord(
            sweep.name, sweep.every.total_seconds(), sweep.description
        )
        self.run: Run | None = None
        self.starts_at: datetime | None = None
        self.failures = 0
        self.asked: list[tuple[Mapping[str, Any], Answered | None]] = []


class _Scheduler(BackgroundScheduler):  # type: ignore[misc]  # it has no types
    """Can be shut down while its thread is at what is due.

    Having started something that runs once, that thread removes it, and finds (3.11)
    that shutting down has removed everything: an error of nobody's.
    """

    @override
    def remove_job(self, job_id: str, jobstore: str | None = None) -> None:
        try:
            super().remove_job(job_id, jobstore)
        except JobLookupError:
            if self.running:
                raise


class Schedule:
    """The sweeps of one leader's term."""

    def __init__(
        self,
        table: Sequence[Sweep],
        repository: ScheduleRepository,
        clock: Clock,
        term: Term,
        *,
        trouble: Callable[[str, str | None], None] | None = None,
    ) -> None:
        """Run nothing yet.

        Args:
            table: All sweeps there are, by different names.
            repository: Where last and next run and outcome survive.
            clock: Tells the time.
            term: Nothing runs outside it.
            trouble: Told of a sweep's name and what it failed of, ``None`` when it
                does no longer.
        """
        # It tells of every run of every sweep.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._entries = {sweep.name: _Entry(sweep) for sweep in table}
        self._repository = repository
        self._clock = clock
        self._term = term
        self._trouble = trouble or _nobody
        self._stop = Event()
        self._changed = Condition()
        self._is_planned = False
        lanes = dict.fromkeys(["default", *(sweep.lane for sweep in table)])
        self._scheduler = _Scheduler(
            timezone="UTC",
            executors={lane: ThreadPoolExecutor(1) for lane in lanes},
            job_defaults={
                # A lane has one thread, and ``_Entry.starts_at`` says whether what
                # comes out of it is still wanted: nothing runs twice at a time.
                "max_instances": 10,
                "coalesce": True,
                "misfire_grace_time": None,
            },
        )

    @property
    def names(self) -> tuple[str, ...]:
        """All sweeps, in the table's order."""
        return tuple(self._entries)

    def start(self) -> None:
        """Begin; returns at once, whatever server is away."""
        self._scheduler.start()
        self._set(_PLANNING, self._plan, self._clock.now(), "default")

    def stop(self, timeout_seconds: float = 2.0) -> None:
        """Begin nothing more and wait a little for what runs; idempotent.

        What runs still after that has no effect any more once the term is over.
        """
        if self._stop.is_set():
            return
        self._stop.set()
        with self._changed:
            running = [entry.run for entry in self._entries.values() if entry.run]
        for run in running:
            run.cancel()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        with self._changed:
            self._changed.wait_for(
                lambda: not any(entry.run for entry in self._entries.values()),
                timeout_seconds,
            )

    def run_now(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        answered: Answered | None = None,
    ) -> bool:
        """Start a sweep now, at full speed.

        One that runs already is hurried up and run once more: what was asked for
        begins after it was asked for.

        Args:
            name: Of the sweep.
            arguments: What the run is told.
            answered: Told of the run's end by another thread; never, if the term
                ends before.

        Returns:
            Whether there is such a sweep.
        """
        entry = self._entries.get(name)
        if entry is None:
            return False
        with self._changed:
            entry.asked.append((arguments or {}, answered))
            if entry.run is not None:
                entry.run.hurry()
            elif self._is_planned:
                self._start_at(entry, self._clock.now())
        return True

    # --- planning ------------------------------------------------------------------

    def _plan(self) -> None:
        """Find out what is due, from what earlier leaders wrote."""
        if self._stop.is_set():
            return
        try:
            self._term.check()
            known = {record.name: record for record in self._repository.all()}
            self._repository.keep_only(self.names)
        except FencedError:
            return
        except DependencyError as exc:
            log.info("schedule not read yet", extra={"error": str(exc)})
            again = self._clock.now() + timedelta(seconds=_READ_AGAIN_SECONDS)
            self._set(_PLANNING, self._plan, again, "default")
            return
        overdue = 0
        for entry in self._entries.values():
            before, now = known.get(entry.sweep.name), self._clock.now()
            due = first_run(entry.sweep, before, now, overdue)
            overdue += due is not None and due <= now + _ABOUT_NOW
            taken = taken_up(entry.sweep, before, self._term.epoch)
            entry.record = replace(taken, next_run_at=due)
            self._save(entry.record)
        with self._changed:
            self._is_planned = True
            for entry in self._entries.values():
                due = self._clock.now() if entry.asked else entry.record.next_run_at
                if due is not None:
                    self._start_at(entry, due)

    def _start_at(self, entry: _Entry, when: datetime) -> None:
        entry.starts_at = when
        action = partial(self._fire, entry)
        self._set(entry.sweep.name, action, when, entry.sweep.lane)

    def _set(
        self, name: str, action: Callable[[], None], when: datetime, lane: str
    ) -> None:
        if self._stop.is_set():
            return
        with suppress(JobLookupError):  # it runs, or waits in its lane
            self._scheduler.remove_job(name)
        self._scheduler.add_job(
            action, "date", run_date=when, id=name, name=name, executor=lane
        )

    # --- running -------------------------------------------------------------------

    def _fire(self, entry: _Entry) -> None:
        """Run a sweep once, and set when the next time is."""
        with self._changed:
            if self._stop.is_set() or entry.starts_at is None:
                return
            entry.starts_at = None
            asked, entry.asked = entry.asked, []
            run = Run(
                self._term,
                self._clock,
                is_asked=bool(asked),
                arguments=asked[-1][0] if asked else {},
            )
            entry.run = run
            started = self._clock.now()
            entry.record = replace(
                entry.record,
                last_started_at=started,
                is_running=True,
                runs=entry.record.runs + 1,
                next_run_at=next_run(entry.sweep, started, started),
            )
        outcome, detail = self._do(entry, run)
        with self._changed:
            self._end(entry, started, outcome, detail)
            entry.run = None
            record = entry.record
            self._changed.notify_all()
        self._save(record)
        is_failed = outcome is SweepOutcome.FAILED
        self._trouble(entry.sweep.name, detail if is_failed else None)
        if outcome is SweepOutcome.INTERRUPTED:
            return  # whoever asked is served by the next leader
        for _, answered in asked:
            if answered is not None:
                self._answer(answered, outcome, detail)

    def _do(self, entry: _Entry, run: Run) -> tuple[SweepOutcome, str]:
        name = entry.sweep.name
        try:
            run.check()
            self._repository.save(entry.record)
            detail = entry.sweep.action(run)
            run.check()  # what an ended term did proves nothing
        except (FencedError, StoppedError) as exc:
            log.info("sweep interrupted", extra={"sweep": name, "error": str(exc)})
            return SweepOutcome.INTERRUPTED, "The leader went while it ran."
        except CatalogError as exc:
            log.warning("sweep failed", extra={"sweep": name, "error": str(exc)})
            return SweepOutcome.FAILED, str(exc)
        except Exception as exc:  # a sweep's bug must not end the indexer
            log.exception("sweep defeated", extra={"sweep": name})
            return SweepOutcome.FAILED, f"{type(exc).__name__}: {exc}"
        log.info("sweep done", extra={"sweep": name, "detail": detail})
        return SweepOutcome.DONE, detail

    def _end(
        self, entry: _Entry, started: datetime, outcome: SweepOutcome, detail: str
    ) -> None:
        now = self._clock.now()
        is_failed = outcome is SweepOutcome.FAILED
        entry.failures = entry.failures + 1 if is_failed else 0
        due = next_run(entry.sweep, started, now, entry.failures)
        if outcome is SweepOutcome.INTERRUPTED:
            due = now
        entry.record = replace(
            entry.record,
            last_finished_at=now,
            outcome=outcome,
            detail=detail,
            is_running=False,
            next_run_at=due,
        )
        if outcome is SweepOutcome.INTERRUPTED:
            return
        if entry.asked:
            due = now
        if due is not None:
            self._start_at(entry, due)

    def _save(self, record: SweepRecord) -> None:
        try:
            self._repository.save(record)
        except FencedError:
            log.info("a later leader keeps the schedule")
        except CatalogError as exc:  # the next run writes it whole
            log.warning("schedule not saved", extra={"error": str(exc)})

    def _answer(self, answered: Answered, outcome: SweepOutcome, detail: str) -> None:
        try:
            answered(detail, is_done=outcome is SweepOutcome.DONE)
        except CatalogError as exc:  # asked again of the next leader
            log.warning("an answer was lost", extra={"error": str(exc)})
