"""Follows the record: takes what capture found, applies it, then moves the checkpoint.

One thread. Nothing is acknowledged before it is proven to be in the index.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from enum import Enum

from catalog.clock import Clock
from catalog.errors import ConflictError, HistoryLostError
from catalog.repositories.base import RecordReader, RootId
from catalog.repositories.index_state import (
    Change,
    ChangeFeed,
    ChangeKind,
    DirtyRepository,
    GenerationState,
    IndexRequestRepository,
)
from indexer.apply import Applier
from indexer.batching import Echoes, identity_of, slices, unique_by
from indexer.capture import Capture, Captured
from indexer.checkpoint import Checkpoint
from indexer.health import Health
from indexer.pipeline import Pipeline
from indexer.repair import Repair
from indexer.steady import Steady

log = logging.getLogger(__name__)

MAX_ROOTS = 500
_TAKE_SECONDS = 0.2
_LOOK_SECONDS = 0.5
"""How often dirty roots and requests are looked for."""

_DUE_ROOTS = 200


class Outcome(Enum):
    """Why following ended."""

    STOPPED = "stopped"
    REBUILD = "rebuild"


class Follower:
    """Keeps one generation in step with the record."""

    def __init__(
        self,
        *,
        feed: ChangeFeed,
        records: RecordReader,
        dirty: DirtyRepository,
        requests: IndexRequestRepository,
        checkpoint: Checkpoint,
        applier: Applier,
        repair: Repair,
        promote: Callable[[], None],
        make_capture: Callable[[], Capture],
        steady: Steady,
        echoes: Echoes,
        health: Health,
        clock: Clock,
        started_at: int,
    ) -> None:
        """Follow nothing yet.

        Args:
            feed: Where positions come from.
            records: Maps changes to roots.
            dirty: Roots to look at again.
            requests: What others ask for.
            checkpoint: Of the generation to keep in step.
            applier: Writes it.
            repair: Rescans it in place.
            promote: Makes it the one that serves, once it has caught up.
            make_capture: Makes a capture that has not started.
            steady: Retries.
            echoes: Changes that are our own.
            health: Where facts go.
            clock: Tells the time.
            started_at: Cluster time when this process started: what is older may
                have been written by a process that crashed before its proof.
        """
        self._feed = feed
        self._records = records
        self._dirty = dirty
        self._requests = requests
        self._checkpoint = checkpoint
        self._applier = applier
        self._repair = repair
        self._promote = promote
        self._make_capture = make_capture
        self._steady = steady
        self._echoes = echoes
        self._health = health
        self._clock = clock
        self._started_at = started_at
        self._look_at = clock.monotonic()
        self._capture = make_capture()
        self._goal: int | None = None
        self._pipeline = Pipeline(
            applier=applier, target=checkpoint.target, steady=steady, health=health
        )

    def run(self, stop: threading.Event) -> Outcome:
        """Follow until the process is to end or a new generation is needed.

        Raises:
            StoppedError: The process is to end, in the middle of a retry.
            NotFoundError: The generation's indexes are gone.
            ConflictError: Another indexer has saved a newer position.
        """
        generation = self._checkpoint.generation
        self._health.enter(generation.state, is_degraded=generation.is_degraded)
        if generation.state is not GenerationState.SERVING:
            self._goal = self._steady.run(self._feed.current).cluster_time
        if generation.is_degraded:
            self._repair_degraded()
        self._start_capture()
        try:
            while not stop.is_set():
                try:
                    is_asked = self._step()
                except HistoryLostError as exc:
                    log.warning("history lost", extra={"error": str(exc)})
                    is_asked = not self._recover()
                if is_asked:
                    return Outcome.REBUILD
            self._pipeline.finish()
            self._steady.run(self._checkpoint.save_if_behind)
            return Outcome.STOPPED
        finally:
            self._capture.stop()
            self._pipeline.close()
            self._health.waiting(None)

    def _start_capture(self) -> None:
        position = self._checkpoint.position
        if position is None:
            message = "a generation is followed from its own position, never from now"
            raise HistoryLostError("mongodb", message)
        self._capture = self._make_capture()
        self._capture.start(position)

    def _step(self) -> bool:
        """Apply what is there; returns whether a rebuild is asked for."""
        is_idle = self._pipeline.is_idle
        taken = self._capture.take(timeout=_TAKE_SECONDS if is_idle else 0)
        self._health.trouble("capture", self._capture.problem)
        if taken:
            self._handle(taken)
        elif not is_idle:
            self._pipeline.finish()
        else:
            self._health.waiting(None)
            self._steady.run(self._checkpoint.save_if_behind)
        now = self._clock.monotonic()
        if now < self._look_at:
            return False
        self._look_at = now + _LOOK_SECONDS
        self._pipeline.finish()
        self._apply_due()
        return self._is_asked_to_rebuild()

    # --- changes -------------------------------------------------------------------

    def _handle(self, taken: Sequence[Captured]) -> None:
        changes = [change for captured in taken for change in captured.changes]
        if changes:
            first = next(captured for captured in taken if captured.changes)
            self._health.waiting(first.captured_at)
        position, is_idle = taken[-1].position, not taken[-1].changes

        def settled() -> None:
            self._steady.run(
                lambda: self._checkpoint.advance(position, has_changes=bool(changes))
            )

        self._apply_changes(changes, settled)
        if self._goal is not None and (is_idle or position.cluster_time >= self._goal):
            self._goal = None
            self._pipeline.finish()
            self._steady.run(self._checkpoint.save)
            self._steady.run(self._promote)
            self._health.enter(self._checkpoint.generation.state)

    def _apply_changes(
        self, changes: Sequence[Change], settled: Callable[[], None]
    ) -> None:
        """Apply; ``settled`` is called once all of it is in place, perhaps later."""
        if any(change.kind is ChangeKind.STRUCTURE for change in changes):
            log.warning("a collection of records was dropped, renamed or replaced")
            self._pipeline.finish()
            self._repair.rescan()
        foreign = [
            change
            for change in changes
            if change.kind is ChangeKind.RECORD
            and not self._echoes.is_echo(change.collection, change.record_id)
        ]
        roots = self._steady.run(lambda: self._roots_of(foreign)) if foreign else []
        if not roots:
            self._pipeline.finish()
            settled()
            return
        newest = max(change.cluster_time for change in foreign)
        is_replay = min(change.cluster_time for change in foreign) <= self._started_at
        parts = list(slices(roots, MAX_ROOTS))
        for part in parts:
            self._pipeline.apply(
                part,
                not_before=newest,
                force=is_replay,
                settled=settled if part is parts[-1] else _nothing,
            )

    def _roots_of(self, changes: Iterable[Change]) -> list[RootId]:
        by_collection: dict[str, list[object]] = {}
        for change in changes:
            by_collection.setdefault(change.collection, []).append(change.record_id)
        roots: list[RootId] = []
        for collection, ids in by_collection.items():
            distinct = unique_by(ids, identity_of)
            roots += self._records.roots_of_changes(collection, distinct)
        return unique_by(roots, identity_of)

    # --- other work ----------------------------------------------------------------

    def _apply_due(self) -> None:
        due = self._steady.run(lambda: self._dirty.due(self._clock.now(), _DUE_ROOTS))
        if due:
            self._steady.apply(
                self._applier,
                self._checkpoint.target,
                unique_by((one.root for one in due), identity_of),
                recheck=True,
            )

    def _is_asked_to_rebuild(self) -> bool:
        if self._goal is not None:
            return False  # first finish what was begun
        request = self._steady.run(self._requests.take)
        if request is None:
            return False
        log.info("asked", extra={"action": request.action, "id": request.request_id})
        match request.action:
            case "reindex":
                return True
            case "reconcile":
                self._repair.rescan()
            case _:
                log.error("unknown request", extra={"action": request.action})
        return False

    # --- history lost --------------------------------------------------------------

    def _recover(self) -> bool:
        """Go on from a new position and rescan; never one without the other.

        Returns:
            Whether that was possible; else a new generation is needed.
        """
        self._capture.stop()
        self._pipeline.finish()
        self._echoes.forget()
        position = self._steady.run(self._feed.current)
        try:
            self._steady.run(
                lambda: self._checkpoint.save(position=position, is_degraded=True)
            )
        except ConflictError:
            # The server's clock is behind ours: another cluster, or a restored one.
            return False
        self._start_capture()
        self._repair_degraded()
        return True

    def _repair_degraded(self) -> None:
        self._health.enter(self._checkpoint.generation.state, is_degraded=True)
        self._repair.rescan()
        self._steady.run(lambda: self._checkpoint.save(is_degraded=False))
        self._health.enter(self._checkpoint.generation.state)


def _nothing() -> None:
    """A part of a batch moves no checkpoint."""
