"""The daemon: named loops under one supervisor. One ends, all stop."""

import logging
import random
import threading
from collections.abc import Callable
from datetime import timedelta

from catalog.errors import CatalogError, DependencyError, NotFoundError
from catalog.repositories.index_state import DirtyRoot, GenerationState, IndexRequest
from indexer.checkpoint import target_of
from indexer.health import Health
from indexer.indexing import Indexing
from indexer.intake_directory import DirectoryHints, Intake, guarded
from indexer.ports import Ports
from indexer.schedule import Schedule, Sweep

log = logging.getLogger(__name__)

DRAIN_SECONDS = 4.0
"""How long the loops may finish what they are at; the promise is five to the exit."""

_BEAT_SECONDS = 1.0
_COUNT_SECONDS = 5.0
_ABSENCES = 2
"""Counts in a row that must miss an index before it is taken for lost: an engine that
has just started may not know its indexes for a moment."""
_REDRIVE_EVERY = timedelta(hours=1)
_REDRIVE_ROOTS = 200


class Daemon:
    """Runs the loops until told to stop, or until one of them ends."""

    def __init__(
        self, ports: Ports, *, jitter: Callable[[], float] | None = None
    ) -> None:
        """Start nothing yet; ``jitter`` gives random numbers from 0 to 1."""
        spread = jitter or random.SystemRandom().random
        self._ports = ports
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self.health = Health(ports.clock)
        self.intake = Intake(
            store=ports.store, objects=ports.objects, clock=ports.clock
        )
        self._absences = 0
        self._indexing = Indexing(
            ports,
            list_store=self.intake.ensure_listed,
            health=self.health,
            stop=self._stop,
            jitter=spread,
        )
        self._loops: dict[str, Callable[[], None]] = {
            "index": self._indexing.run,
            "heartbeat": self._beat,
        }
        if ports.storage_directory is not None:
            hints = DirectoryHints(
                intake=self.intake,
                directory=ports.storage_directory,
                clock=ports.clock,
                health=self.health,
                jitter=spread,
            )
            self._loops["hints"] = lambda: hints.run(self._stop)
        self._schedule = Schedule(
            [
                Sweep("rescan", ports.rescan_every, self._rescan, is_immediate=True),
                Sweep("redrive", _REDRIVE_EVERY, self._redrive),
            ],
            ports.clock,
        )
        self._documents: dict[str, int] = {}
        self._counted_at = float("-inf")

    def stop(self) -> None:
        """Ask all loops to end; returns at once, may be called by a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Run until stopped.

        Raises:
            BaseException: Whatever ended a loop that should not have ended.
        """
        threads = [
            threading.Thread(
                target=self._supervised, args=item, name=item[0], daemon=True
            )
            for item in self._loops.items()
        ]
        for thread in threads:
            thread.start()
        self._schedule.start()
        self._stop.wait()
        self._schedule.stop()
        deadline = self._ports.clock.monotonic() + DRAIN_SECONDS
        for thread in threads:
            thread.join(max(deadline - self._ports.clock.monotonic(), 0.01))
            if thread.is_alive():
                # Safe: what is not proven is not acknowledged either.
                log.warning("loop left behind", extra={"loop": thread.name})
        if self._failure is not None:
            raise self._failure

    def _supervised(self, name: str, loop: Callable[[], None]) -> None:
        try:
            loop()
        except BaseException as exc:  # the loop boundary: all stop, the process says so
            log.exception("loop failed", extra={"loop": name})
            self._failure = self._failure or exc
        finally:
            self._stop.set()

    # --- heartbeat -----------------------------------------------------------------

    def _beat(self) -> None:
        clock = self._ports.clock
        while not clock.wait(self._stop, _BEAT_SECONDS):
            try:
                self._tell()
            except DependencyError as exc:
                log.debug("no heartbeat", extra={"error": str(exc)})

    def _tell(self) -> None:
        """Write the status; a search engine that is away leaves old counts in it."""
        ports = self._ports
        now = ports.clock.monotonic()
        if now - self._counted_at >= _COUNT_SECONDS:
            self._counted_at = now
            try:
                self._documents = self._count()
                self._absences = 0
            except NotFoundError as exc:
                self._miss(exc)
            except CatalogError as exc:
                log.debug("not counted", extra={"error": str(exc)})
        ports.index_status.write(
            self.health.status(
                dirty=ports.dirty.count(),
                dead_letters=ports.dead_letters.count(),
                documents=self._documents,
                beat_at=ports.clock.now(),
            )
        )

    def _count(self) -> dict[str, int]:
        generation = self._ports.generations.latest()
        if generation is None:
            return {}
        names = target_of(generation, self._ports.index_prefix).names
        return {
            kind.value: self._ports.index_admin.count(index)
            for kind, index in names.items()
        }

    def _miss(self, absence: NotFoundError) -> None:
        """Have a lost index built anew, also while no job changes."""
        generation = self._ports.generations.latest()
        if generation is None or generation.state is not GenerationState.SERVING:
            return
        self._absences += 1
        if self._absences < _ABSENCES:
            return
        log.warning("an index is gone; building anew", extra={"error": str(absence)})
        self._ports.index_requests.add(
            IndexRequest(
                request_id=f"lost-{generation.number}",
                action="reindex",
                created_at=self._ports.clock.now(),
            )
        )

    # --- sweeps --------------------------------------------------------------------

    def _rescan(self) -> None:
        # The first one, right at the start, is the one that a build waits for too.
        first = not self.intake.has_listed
        sweep = self.intake.ensure_listed if first else self.intake.rescan
        guarded(sweep, health=self.health, name="rescan")

    def _redrive(self) -> None:
        guarded(self._mark_dead_letters, health=self.health, name="redrive")

    def _mark_dead_letters(self) -> None:
        """Have what could not be indexed looked at again: the cause may be gone."""
        now = self._ports.clock.now()
        self._ports.dirty.mark(
            DirtyRoot(letter.root, now, reason="redrive")
            for letter in self._ports.dead_letters.page(_REDRIVE_ROOTS)
        )
