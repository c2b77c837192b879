"""What the leader tells the others every second, and the watch on its indexes."""

import logging
import threading

from catalog.errors import CatalogError, DependencyError, NotFoundError
from catalog.repositories.index_state import (
    BUILDING,
    DirtyReason,
    Generation,
    GenerationState,
    IndexRequest,
)
from indexer.health import Health
from indexer.live import target_of
from indexer.ports import Ports
from indexer.term import Term

log = logging.getLogger(__name__)

_BEAT_SECONDS = 1.0
_COUNT_SECONDS = 5.0
_ABSENCES = 2
"""Counts in a row that must miss an index before it is taken for lost: an engine that
has just started may not know its indexes for a moment."""


class Heartbeat:
    """Writes ``index_status`` for as long as a term lasts; a loop of its own."""

    def __init__(self, ports: Ports, health: Health, term: Term) -> None:
        """Tell nothing yet."""
        self._ports = ports
        self._health = health
        self._term = term
        self._documents: dict[str, int] = {}
        self._counted_at = float("-inf")
        self._absences = 0

    def run(self, stop: threading.Event) -> None:
        """Tell until ``stop`` is set."""
        self._health.lead(self._term.epoch, self._term.owner)
        clock = self._ports.clock
        while not clock.wait(stop, _BEAT_SECONDS):
            try:
                if self._term.is_held():
                    self.beat()
            except DependencyError as exc:
                log.debug("no heartbeat", extra={"error": str(exc)})

    def beat(self) -> None:
        """Write the status; a search engine that is away leaves old counts in it."""
        ports = self._ports
        now = ports.clock.monotonic()
        if now - self._counted_at >= _COUNT_SECONDS:
            self._counted_at = now
            self._count()
        drift = ports.dirty.count(DirtyReason.DRIFT)
        self._health.drift(drift, ports.reconciles.drift_total())
        ports.index_status.write(
            self._health.status(
                dirty=ports.dirty.count(),
                dead_letters=ports.dead_letters.count(),
                documents=self._documents,
                beat_at=ports.clock.now(),
                spilled=ports.dirty.count(DirtyReason.SPILLED),
            )
        )

    def _count(self) -> None:
        served = self._served()
        if served is None:
            return
        names = target_of(served, self._ports.index_prefix).names
        try:
            self._documents = {
                kind.value: self._ports.index_admin.count(index)
                for kind, index in names.items()
            }
            self._absences = 0
        except NotFoundError as exc:
            self._miss(served, exc)
        except CatalogError as exc:
            log.debug("not counted", extra={"error": str(exc)})

    def _served(self) -> Generation | None:
        """The generation that serves, or else the one that is built."""
        every = self._ports.generations.all()
        serving = [g for g in every if g.state is GenerationState.SERVING]
        begun = BUILDING - {GenerationState.CREATING}
        known = serving or [g for g in every if g.state in begun]
        return known[-1] if known else None

    def _miss(self, generation: Generation, absence: NotFoundError) -> None:
        """Have a lost index built anew, also while no record changes."""
        if generation.state is not GenerationState.SERVING:
            return  # whoever builds it is about to notice
        self._absences += 1
        if self._absences < _ABSENCES:
            return
        log.warning("an index is gone; building anew", extra={"error": str(absence)})
        self._ports.index_requests.add(
            IndexRequest(
                request_id=f"lost-{generation.number}",
                action="reindex",
                created_at=self._ports.clock.now(),
                arguments={"reason": "lost"},
            )
        )
