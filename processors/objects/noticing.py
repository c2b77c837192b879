"""Learns of objects: the change stream hints, a sweep over all of them is the truth."""

import logging
import threading
from collections.abc import Sequence
from datetime import timedelta

from catalog.clock import Clock
from catalog.errors import DependencyError
from catalog.repositories.object_work import ObjectWorkRepository
from processors.objects.task import ObjectTask

log = logging.getLogger(__name__)

SWEEP_EVERY = timedelta(hours=1)
_SWEEP_OBJECTS = 1_000
_SWEEP_SECONDS = 0.5
"""So long a sweep goes on before hints are looked at again."""

_AWAY_SECONDS = 5.0


class Noticing:
    """One process's ears; what it hears waits in MongoDB for any worker."""

    def __init__(
        self,
        *,
        work: ObjectWorkRepository,
        tasks: Sequence[ObjectTask],
        clock: Clock,
        draining: threading.Event,
        news: threading.Event,
    ) -> None:
        """Hear nothing yet.

        Args:
            work: Where work waits.
            tasks: What is done with objects.
            clock: Waits.
            draining: Ends it once it is set.
            news: Set whenever there is more to do.
        """
        self._work = work
        self._tasks = tasks
        self._clock = clock
        self._draining = draining
        self._news = news

    def run(self) -> None:
        """Listen until ``draining`` is set; raises nothing."""
        while not self._draining.is_set():
            try:
                self.step()
            except DependencyError as exc:
                log.warning("no word of objects", extra={"error": str(exc)})
                self._clock.wait(self._draining, _AWAY_SECONDS)
            except Exception:  # deaf, a worker would do what is there and no more
                log.exception("an object can't be noticed")
                self._clock.wait(self._draining, _AWAY_SECONDS)
        try:
            self._work.close()
        except DependencyError as exc:
            log.info("the stream is left open", extra={"error": str(exc)})

    def step(self) -> None:
        """Take what hints there are, and go on with a sweep that is due."""
        hints = self._work.changed()
        if hints is None:  # what came before is known to a sweep alone
            self._work.begin_sweep(self._tasks)
        elif hints and self._work.note(self._tasks, hints):
            self._news.set()
        until = self._clock.monotonic() + _SWEEP_SECONDS
        while not self._draining.is_set() and self._clock.monotonic() < until:
            noted = self._work.sweep(self._tasks, _SWEEP_OBJECTS, every=SWEEP_EVERY)
            if noted is None:
                return
            if noted:
                log.info("objects wait", extra={"objects": noted})
                self._news.set()
