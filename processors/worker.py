"""Claims jobs while there is room for them, until it is told to end."""

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta

from catalog.clock import Clock
from catalog.errors import DependencyError
from catalog.models.job import JobType
from catalog.repositories.queue import Claim, QueueRepository

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5
_PROMOTE_SECONDS = 1.0
"""How often what is due is let wait again; any worker does it for all."""

DRAIN_SECONDS = 20.0
"""How long running jobs may take to come to a step, once the worker is to end."""


class Worker:
    """One process: as many jobs at once as each type allows."""

    def __init__(
        self,
        *,
        queue: QueueRepository,
        run: Callable[[Claim], None],
        room: Mapping[JobType, int],
        clock: Clock,
        jitter: Callable[[], float],
        name: str,
        lease: timedelta,
        draining: threading.Event,
    ) -> None:
        """Claim nothing yet.

        Args:
            queue: Where jobs wait.
            run: Does a job; raises nothing.
            room: How many jobs of each type at once; types that are absent are left
                to other workers.
            clock: Waits.
            jitter: Gives random numbers from 0 to 1.
            name: Of this process, for people.
            lease: Of a claim.
            draining: Ends it once it is set.
        """
        self._queue = queue
        self._run = run
        self._room = room
        self._clock = clock
        self._jitter = jitter
        self._name = name
        self._lease = lease
        self._draining = draining
        self._running: dict[Future[None], JobType] = {}
        self._promote_at = clock.monotonic()

    def run(self) -> None:
        """Work until ``draining`` is set, then let go of everything.

        Jobs that are not through by then go on elsewhere from their last step; those
        that don't even come to one in time are left to their lease.
        """
        workers = max(sum(self._room.values()), 1)
        pool = ThreadPoolExecutor(workers, thread_name_prefix="job")
        log.info("worker begins", extra={"worker": self._name})
        try:
            while not self._draining.is_set():
                if not self._step(pool):
                    pause = _LOOK_SECONDS * (0.5 + self._jitter())
                    self._clock.wait(self._draining, pause)
        finally:
            self._draining.set()
            left = wait(self._running, DRAIN_SECONDS).not_done
            if left:
                log.warning("jobs are left to their lease", extra={"jobs": len(left)})
            pool.shutdown(wait=False, cancel_futures=True)

    def _step(self, pool: ThreadPoolExecutor) -> bool:
        """Claim one job where there is room; returns whether there was one."""
        for future in [one for one in self._running if one.done()]:
            del self._running[future]
        try:
            if self._clock.monotonic() >= self._promote_at:
                self._promote_at = self._clock.monotonic() + _PROMOTE_SECONDS
                self._queue.promote()
            free = self._free()
            if not free:
                return False
            claim = self._queue.claim(free, worker=self._name, lease=self._lease)
        except DependencyError as exc:
            log.warning("no job to be had", extra={"error": str(exc)})
            return False
        if claim is None:
            return False
        self._running[pool.submit(self._run, claim)] = claim.type
        return True

    def _free(self) -> list[JobType]:
        busy = list(self._running.values())
        return [type_ for type_, most in self._room.items() if busy.count(type_) < most]
