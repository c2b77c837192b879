"""The daemon: contends for the lease and, while it leads, runs named loops.

One loop ends, all stop. A term that was lost is over for all of them, and the process
stands by for the next one.
"""

import logging
import random
import threading
from collections.abc import Callable

from catalog.errors import FencedError
from indexer.findings import Findings
from indexer.health import Health
from indexer.heartbeat import Heartbeat
from indexer.indexing import Indexing
from indexer.intake import Intake
from indexer.intake_directory import DirectoryHints
from indexer.intake_events import EventIntake
from indexer.leadership import Leadership
from indexer.ports import Ports
from indexer.reconcile_index import IndexReconciler
from indexer.reconcile_passes import Reconciling
from indexer.sweeps import Sweeps
from indexer.term import Term

log = logging.getLogger(__name__)

LOOKS_AT_ONCE = 8
"""Objects that the store is asked about at once on behalf of events and rescans."""

DRAIN_SECONDS = 4.0
"""How long the loops may finish what they are at; the promise is five to the exit."""


class LoopLeftBehindError(RuntimeError):
    """A loop of a lost term does not end: only a new process is safe."""


class Daemon:
    """Stands by, leads, stands by again, until told to stop."""

    def __init__(
        self, ports: Ports, *, jitter: Callable[[], float] | None = None
    ) -> None:
        """Start nothing yet; ``jitter`` gives random numbers from 0 to 1."""
        self._jitter = jitter or random.SystemRandom().random
        self._ports = ports
        self._stop = threading.Event()
        self._leadership = Leadership(
            leases=ports.leases,
            keys=ports.index_keys,
            writer=ports.index_writer,
            clock=ports.clock,
            ttl=ports.lease_ttl,
            jitter=self._jitter,
        )

    def stop(self) -> None:
        """Ask all loops to end; returns at once, may be called by a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Run until stopped.

        Raises:
            BaseException: Whatever ended a loop that should not have ended.
        """
        self._leadership.run(self._lead, self._stop)

    def _lead(self, term: Term) -> None:
        Tenure(self._ports, term, jitter=self._jitter).run(self._stop)


class Tenure:
    """The loops of one term."""

    def __init__(
        self, ports: Ports, term: Term, *, jitter: Callable[[], float]
    ) -> None:
        """Start nothing yet."""
        self._ports = ports
        self._term = term
        self._jitter = jitter
        self._failure: BaseException | None = None
        health = Health(ports.clock)
        self._intake = intake = Intake(
            store=ports.store,
            objects=ports.objects,
            clock=ports.clock,
            workers=LOOKS_AT_ONCE,
        )
        comparison = IndexReconciler(
            rows=ports.rows,
            admin=ports.index_admin,
            records=ports.records,
            dead_letters=ports.dead_letters,
            make_pool=ports.make_pool,
        )
        findings = Findings()
        reconciling = Reconciling(
            reconciler=comparison,
            findings=findings,
            generations=ports.generations,
            records=ports.records,
            store=ports.store,
            dirty=ports.dirty,
            reports=ports.reconciles,
            clock=ports.clock,
            term=term,
            prefix=ports.index_prefix,
        )
        sweeps = Sweeps(
            ports,
            term=term,
            intake=intake,
            reconciling=reconciling,
            trouble=health.trouble,
        )
        self._schedule = sweeps.schedule
        self._loops: dict[str, Callable[[], None]] = {}
        indexing = Indexing(
            ports,
            term=term,
            list_store=intake.ensure_listed,
            health=health,
            jitter=jitter,
            comparison=comparison,
            findings=findings,
            sweeps=sweeps,
        )
        heartbeat = Heartbeat(ports, health, term)
        self._loops["index"] = indexing.run
        self._loops["heartbeat"] = lambda: heartbeat.run(term.stop)
        if ports.storage_directory is not None:
            hints = DirectoryHints(
                intake=intake,
                directory=ports.storage_directory,
                clock=ports.clock,
                health=health,
                jitter=jitter,
            )
            self._loops["hints"] = lambda: hints.run(term.stop)
        if ports.object_events is not None:
            events = EventIntake(
                intake=intake,
                queue=ports.object_events,
                store_id=ports.store.store_id,
                clock=ports.clock,
                health=health,
                jitter=jitter,
            )
            self._loops["events"] = lambda: events.run(term.stop)

    def run(self, stop: threading.Event) -> None:
        """Run all loops until the term, or the process, is to end.

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
        self._term.stop.wait()
        self._schedule.stop()
        deadline = self._ports.clock.monotonic() + DRAIN_SECONDS
        left = []
        for thread in threads:
            thread.join(max(deadline - self._ports.clock.monotonic(), 0.01))
            if thread.is_alive():
                # Safe: what is not proven is not acknowledged either.
                log.warning("loop left behind", extra={"loop": thread.name})
                left.append(thread.name)
        if not left:  # else somebody may look yet, and the process ends anyway
            self._intake.close()
        if self._failure is not None:
            raise self._failure
        if left and not stop.is_set():
            raise LoopLeftBehindError(", ".join(left))

    def _supervised(self, name: str, loop: Callable[[], None]) -> None:
        try:
            loop()
        except FencedError as exc:
            log.warning("fenced", extra={"loop": name, "error": str(exc)})
        except BaseException as exc:  # the loop boundary: all stop, the process says so
            log.exception("loop failed", extra={"loop": name})
            self._failure = self._failure or exc
        finally:
            self._term.stop.set()
