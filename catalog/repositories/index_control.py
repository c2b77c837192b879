"""Ports to what steers the indexers: the lease, the schedule, the books on drift.

Records named ``index_…``; losing them costs a re-election or a history, never data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

# --- one leader --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lease:
    """Who may write the index, and until when by the server's clock.

    Attributes:
        epoch: Ascending; a new one with every change of owner.
        owner: Unique per process start, readable (host, process id, nonce).
        expires_at: By MongoDB's clock; aware.
    """

    epoch: int
    owner: str
    expires_at: datetime


class LeaseRepository(Protocol):
    """The one record of ``index_lease``; every change is one compare-and-set.

    Times are the server's (``$$NOW``): the clocks of the contenders don't matter.
    """

    def acquire(self, owner: str, ttl: timedelta) -> Lease | None:
        """Take the lease when it is free, expired or ours; ``None`` when it is not.

        The epoch goes up by one when the owner changes, and stays otherwise.

        Raises:
            DependencyUnavailableError: Fate unknown; retryable.
        """
        ...

    def renew(self, lease: Lease, ttl: timedelta) -> Lease | None:
        """Extend it; ``None`` when it is no longer of this owner and epoch.

        Raises:
            DependencyUnavailableError: Fate unknown; retryable.
        """
        ...

    def release(self, lease: Lease) -> None:
        """Let it expire now, so that another process need not wait for it."""
        ...

    def read(self) -> Lease | None:
        """Who has it, or had it last; ``None`` when nobody ever had."""
        ...


# --- the schedule ------------------------------------------------------------------


class SweepOutcome(StrEnum):
    """How a sweep's last run ended."""

    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """The leader went while it ran; it is due again."""


@dataclass(frozen=True, slots=True)
class SweepRecord:
    """One row of the schedule: what is done again and again, and how it went.

    Attributes:
        name: ``rescan``, ``reconcile``, ``reindex`` …
        every_seconds: Time between two starts; 0 for never by itself.
        description: What it does, one line.
        next_run_at: When it starts by itself; ``None`` for never.
        last_started_at: Of the last run.
        last_finished_at: Of the last run that ended.
        outcome: Of the last run that ended.
        detail: What came of it, one sentence.
        is_running: Whether it runs now.
        runs: How often it was started.
        epoch: Of the leader that wrote this.
    """

    name: str
    every_seconds: float
    description: str
    next_run_at: datetime | None = None
    last_started_at: datetime | None = None
    last_finished_at: datetime | None = None
    outcome: SweepOutcome | None = None
    detail: str = ""
    is_running: bool = False
    runs: int = 0
    epoch: int = 0


class ScheduleRepository(Protocol):
    """Records of ``index_schedule``, one per sweep."""

    def all(self) -> tuple[SweepRecord, ...]:
        """All, by name."""
        ...

    def save(self, sweep: SweepRecord) -> None:
        """Write whole.

        Raises:
            FencedError: A leader of a higher epoch has written this one.
        """
        ...

    def keep_only(self, names: Sequence[str]) -> None:
        """Forget sweeps that no version of ours runs any more."""
        ...


# --- drift -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    """What one pass of reconciling found and did.

    Attributes:
        report_id: Unique.
        kind: ``index`` (read model ↔ documents), ``record`` (record ↔ read model) or
            ``storage`` (store ↔ ``objects``).
        started_at: When it began.
        finished_at: When it ended; ``None`` while it runs.
        checked: Documents, roots or objects compared.
        differences: How many differed and still did when looked at again, by kind of
            difference (``missing``, ``ghost``, ``stale``).
        repaired: How many of these were marked dirty or removed.
        refused: Why something was not done, one sentence each (an incomplete listing,
            a store that looks offline).
        samples: Some of the differences, readable, at most 20.
    """

    report_id: str
    kind: str
    started_at: datetime
    finished_at: datetime | None = None
    checked: int = 0
    differences: Mapping[str, int] = field(default_factory=dict)
    repaired: int = 0
    refused: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()

    @property
    def drift(self) -> int:
        """Differences in all."""
        return sum(self.differences.values())


class ReconcileRepository(Protocol):
    """Records of ``index_reconciles``; the last 500 are kept."""

    def save(self, report: ReconcileReport) -> None:
        """Add or replace."""
        ...

    def page(self, limit: int) -> tuple[ReconcileReport, ...]:
        """Newest first."""
        ...

    def drift_total(self) -> int:
        """All differences ever found by ``index`` and ``record`` passes."""
        ...
