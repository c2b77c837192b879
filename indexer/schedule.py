"""The table of sweeps and their intervals; the only user of APScheduler."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from apscheduler.schedulers.background import BackgroundScheduler

from catalog.clock import Clock


@dataclass(frozen=True, slots=True)
class Sweep:
    """Something done again and again; never twice at a time, never catching up."""

    name: str
    every: timedelta
    action: Callable[[], None]
    is_immediate: bool = False


class Schedule:
    """Runs sweeps in threads of its own."""

    def __init__(self, sweeps: Sequence[Sweep], clock: Clock) -> None:
        """Run nothing yet."""
        # It tells of every run of every sweep.
        logging.getLogger("apscheduler").setLevel(logging.WARNING)
        self._scheduler = BackgroundScheduler(
            timezone="UTC", job_defaults={"max_instances": 1, "coalesce": True}
        )
        for sweep in sweeps:
            first = clock.now() + (timedelta() if sweep.is_immediate else sweep.every)
            self._scheduler.add_job(
                sweep.action,
                "interval",
                seconds=sweep.every.total_seconds(),
                id=sweep.name,
                next_run_time=first,
                misfire_grace_time=None,
            )

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()

    def stop(self) -> None:
        """Begin nothing more; a sweep that runs ends with its process."""
        self._scheduler.shutdown(wait=False)
