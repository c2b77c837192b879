"""When sweeps start: pure functions of the table, the time and what was before."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta

from catalog.repositories.index_control import SweepOutcome, SweepRecord
from indexer.sweep_run import Run

APART = timedelta(seconds=2)
"""Between the starts of sweeps that are overdue when a leader starts."""

_FIRST_RETRY = timedelta(minutes=1)
_MOST_DOUBLINGS = 10


@dataclass(frozen=True, slots=True)
class Sweep:
    """One row of the table: something done again and again.

    Attributes:
        name: Unique; callers know it by this.
        description: What it does, one line.
        every: Between two starts; zero for never by itself.
        action: Does it once and says what came of it, in one sentence.
        lane: Sweeps of one lane run one after the other.
        first_after: Until the very first run, where that is not ``every``.
        at: Time of day (UTC) at which it starts, for daily ones.
        is_at_start: It also runs whenever a leader starts.
    """

    name: str
    description: str
    every: timedelta
    action: Callable[[Run], str]
    lane: str = "default"
    first_after: timedelta | None = None
    at: time | None = None
    is_at_start: bool = False


def taken_up(sweep: Sweep, before: SweepRecord | None, epoch: int) -> SweepRecord:
    """What a new leader writes of a sweep: its history, with what died set right."""
    every = sweep.every.total_seconds()
    if before is None:
        return SweepRecord(sweep.name, every, sweep.description, epoch=epoch)
    if before.is_running:
        before = replace(
            before,
            is_running=False,
            outcome=SweepOutcome.INTERRUPTED,
            detail="The leader went while it ran.",
        )
    return replace(
        before, every_seconds=every, description=sweep.description, epoch=epoch
    )


def first_run(
    sweep: Sweep, before: SweepRecord | None, now: datetime, overdue: int
) -> datetime | None:
    """When a sweep starts first under a new leader; ``None`` for never by itself.

    Args:
        sweep: Which.
        before: What the last leader wrote of it.
        now: The time.
        overdue: How many other sweeps are overdue and start before it.
    """
    soon = now + overdue * APART
    if sweep.is_at_start:
        return soon
    was_interrupted = before is not None and (
        before.is_running or before.outcome is SweepOutcome.INTERRUPTED
    )
    if was_interrupted:
        return soon  # also what was only asked for
    if not sweep.every:
        return None
    if before is None or before.last_started_at is None:
        wait = sweep.every if sweep.first_after is None else sweep.first_after
        due = _at(sweep, now) if sweep.at is not None else now + wait
        if before is not None and before.next_run_at is not None:
            due = min(due, before.next_run_at)
    elif before.next_run_at is None or _is_changed(sweep, before):
        due = _regular(sweep, before.last_started_at)
    else:
        due = before.next_run_at
    return max(due, soon)


def next_run(
    sweep: Sweep, started: datetime, now: datetime, failures: int = 0
) -> datetime | None:
    """When a sweep starts again; ``None`` for never by itself.

    Args:
        sweep: Which.
        started: When its last run began.
        now: The time.
        failures: How often in a row it failed.
    """
    if not sweep.every:
        return None
    due = max(_regular(sweep, started), now)
    if failures:
        doublings = min(failures - 1, _MOST_DOUBLINGS)
        due = min(due, now + _FIRST_RETRY * 2**doublings)
    return due


def _is_changed(sweep: Sweep, before: SweepRecord) -> bool:
    return before.every_seconds != sweep.every.total_seconds()


def _regular(sweep: Sweep, started: datetime) -> datetime:
    return started + sweep.every if sweep.at is None else _at(sweep, started)


def _at(sweep: Sweep, after: datetime) -> datetime:
    """The next time of day that a daily sweep has, after a moment."""
    assert sweep.at is not None  # noqa: S101  (asked by the caller)
    today = after.replace(
        hour=sweep.at.hour, minute=sweep.at.minute, second=0, microsecond=0
    )
    return today if today > after else today + timedelta(days=1)
