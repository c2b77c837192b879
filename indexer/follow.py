"""The loop: takes what capture found, applies it, fills generations, goes on.

One thread, so one order. Nothing is acknowledged before it is proven to be in every
live generation.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence

from catalog.clock import Clock
from catalog.errors import HistoryLostError
from catalog.repositories.base import RecordReader, RootId
from catalog.repositories.index_state import (
    Change,
    ChangeFeed,
    ChangeKind,
    DirtyReason,
    DirtyRepository,
    DirtyRoot,
)
from indexer.apply import Applier
from indexer.batching import Echoes, identity_of, slices, unique_by
from indexer.capture import Capture, Captured
from indexer.findings import Mender
from indexer.health import Health
from indexer.live import LiveSet
from indexer.pass_mode import FORCED, LIVE
from indexer.pipeline import Pipeline, Settled
from indexer.repair import Repair
from indexer.requests import RequestDesk
from indexer.rollout import Rollout
from indexer.steady import Steady

log = logging.getLogger(__name__)

MAX_ROOTS = 500
_TAKE_SECONDS = 0.2
_LOOK_SECONDS = 0.5
"""How often dirty roots and requests are looked for."""

_MEASURE_SECONDS = 10.0
"""How often the oplog's window is compared with our position."""

SPILL_BELOW, SPILL_UNTIL = 0.25, 0.5
"""Shares of the oplog's window: below the first, changes are only noted (as dirty
roots) until the second is reached, so that our position never falls off."""

_DUE_ROOTS = 200

_FOUL = frozenset({DirtyReason.DRIFT, DirtyReason.UNCERTAIN, DirtyReason.SPILLED})


class Follower:
    """Keeps all live generations in step with the record."""

    def __init__(
        self,
        *,
        feed: ChangeFeed,
        records: RecordReader,
        dirty: DirtyRepository,
        live: LiveSet,
        applier: Applier,
        pipeline: Pipeline,
        repair: Repair,
        rollout: Rollout,
        desk: RequestDesk,
        mender: Mender,
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
            live: The generations to keep in step.
            applier: Writes them.
            pipeline: Likewise, two batches at a time.
            repair: Rescans them in place.
            rollout: Builds and swaps them.
            desk: What others ask for.
            mender: Mends what reconciling found.
            make_capture: Makes a capture that has not started.
            steady: Retries.
            echoes: Changes that are our own.
            health: Where facts go.
            clock: Tells the time.
            started_at: Cluster time when this leader's term began: what is older may
                have been written by one that crashed before its proof.
        """
        self._feed = feed
        self._records = records
        self._dirty = dirty
        self._live = live
        self._applier = applier
        self._pipeline = pipeline
        self._repair = repair
        self._rollout = rollout
        self._desk = desk
        self._mender = mender
        self._make_capture = make_capture
        self._steady = steady
        self._echoes = echoes
        self._health = health
        self._clock = clock
        self._started_at = started_at
        self._began_at = clock.now()
        self._look_at = self._measure_at = clock.monotonic()
        self._capture = make_capture()
        self._is_spilling = False
        self._has_spilled = True  # perhaps: a look at the record tells

    def run(self, stop: threading.Event) -> None:
        """Follow until the term is to end.

        Raises:
            StoppedError: The term is to end, in the middle of a retry.
            NotFoundError: A generation's indexes are gone.
            FencedError: Another process leads now.
        """
        self._rollout.resume()
        if self._live.is_degraded:
            self._repair_degraded()
        self._start_capture()
        try:
            while not stop.is_set():
                try:
                    self._step()
                except HistoryLostError as exc:
                    log.warning("history lost", extra={"error": str(exc)})
                    self._recover()
            self._pipeline.finish()
            self._steady.run(self._live.save_if_behind)
        finally:
            self._capture.stop()
            self._health.waiting(None)

    def _start_capture(self) -> None:
        position = self._live.position
        if position is None:
            message = "generations are followed from their own position, never from now"
            raise HistoryLostError("mongodb", message)
        self._capture = self._make_capture()
        self._capture.start(position)

    def _step(self) -> None:
        is_idle = self._pipeline.is_idle and not self._rollout.has_work
        taken = self._capture.take(timeout=_TAKE_SECONDS if is_idle else 0)
        self._health.trouble("capture", self._capture.problem)
        # Echoes of our own writes (a fill makes many) are no reason for short chunks.
        is_busy = bool(taken) and self._handle(taken)
        if not taken and not self._rollout.has_work:
            self._pipeline.finish()
        if not taken:
            self._health.waiting(None)
            if is_idle:
                self._steady.run(self._live.save_if_behind)
        self._rollout.step(is_busy=is_busy)
        if self._clock.monotonic() >= self._look_at:
            self._look()
            self._look_at = self._clock.monotonic() + (
                0.0 if self._has_spilled and not self._is_spilling else _LOOK_SECONDS
            )

    # --- changes -------------------------------------------------------------------

    def _handle(self, taken: Sequence[Captured]) -> bool:
        """Bring in what was captured; returns whether any of it touched a root."""
        changes = [change for captured in taken for change in captured.changes]
        if changes:
            first = next(captured for captured in taken if captured.changes)
            self._health.waiting(first.captured_at)
        position = taken[-1].position

        def settled(_: object = None) -> None:
            self._steady.run(
                lambda: self._live.advance(position, has_changes=bool(changes))
            )

        if any(change.kind is ChangeKind.STRUCTURE for change in changes):
            log.warning("a collection of records was dropped, renamed or replaced")
            self._rescan()
        foreign = [
            change
            for change in changes
            if change.kind is ChangeKind.RECORD
            and not self._echoes.is_echo(change.collection, change.record_id)
        ]
        roots = self._steady.run(lambda: self._roots_of(foreign)) if foreign else []
        if not roots:
            self._pipeline.then(settled)  # the position moves in order, all the same
        elif self._is_spilling:
            self._spill(roots)
            settled()
        else:
            self._apply(foreign, roots, settled)
        return bool(roots)

    def _apply(
        self, changes: Sequence[Change], roots: Sequence[RootId], settled: Settled
    ) -> None:
        """Apply; ``settled`` is called once all of it is in place, perhaps later."""
        newest = max(change.cluster_time for change in changes)
        is_replay = min(change.cluster_time for change in changes) <= self._started_at
        parts = list(slices(roots, MAX_ROOTS))
        for part in parts:
            self._pipeline.apply(
                part,
                not_before=newest,
                mode=FORCED if is_replay else LIVE,
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

    def _look(self) -> None:
        """Look for dirty roots, findings and requests.

        What is on its way comes first, but only where there is something to do.
        """
        self._apply_due()
        must_rescan = False
        # What is only noted yet is no drift.
        if self._mender.has_work and not self._has_spilled:
            self._pipeline.finish()
            must_rescan = self._mender.mend()
        if self._desk.look() or must_rescan:
            self._rescan()
        self._rollout.retire_due()
        if self._clock.monotonic() >= self._measure_at:
            self._measure_at = self._clock.monotonic() + _MEASURE_SECONDS
            self._measure()

    def _apply_due(self) -> None:
        limit = MAX_ROOTS if self._has_spilled else _DUE_ROOTS
        due = self._steady.run(lambda: self._dirty.due(self._clock.now(), limit))
        if due:
            self._pipeline.finish()
            batch = self._steady.apply(
                self._applier,
                self._live,
                unique_by((one.root for one in due), identity_of),
                recheck=True,
                mode=FORCED if any(map(self._is_suspect, due)) else LIVE,
            )
            self._rollout.touch(batch.touched)
        if self._has_spilled and not self._is_spilling:
            self._has_spilled = (
                self._steady.run(lambda: self._dirty.count(DirtyReason.SPILLED)) > 0
            )
            self._live.hold_settled(is_held=self._has_spilled)

    def _is_suspect(self, one: DirtyRoot) -> bool:
        """Whether rows may say of a root that all is well, and it is not.

        It drifted; or an old write of it may have come late; or a process that crashed
        had begun with it, wrote, and did not come to replace its rows: of what was only
        noted while a backlog was read nobody knows whether one had.
        """
        return one.reason in _FOUL or one.due_at <= self._began_at

    def _rescan(self) -> None:
        self._pipeline.finish()
        self._repair.rescan()
        self._rollout.forget()

    # --- a short oplog -------------------------------------------------------------

    def _measure(self) -> None:
        """Compare our position with what the server still remembers."""
        oldest = self._steady.run(self._feed.oldest)
        newest = self._steady.run(self._feed.current).cluster_time
        position = self._live.position
        if not oldest or position is None or newest <= oldest:
            self._health.headroom(None)
            return
        share = (position.cluster_time - oldest) / (newest - oldest)
        share = min(max(share, 0.0), 1.0)
        self._health.headroom(round(share, 4))
        if share < SPILL_UNTIL:
            log.warning("the oplog runs short", extra={"headroom": round(share, 3)})
        if share < SPILL_BELOW and not self._is_spilling:
            log.warning("changes are only noted until the backlog is read")
            self._is_spilling = self._has_spilled = True
        elif share >= SPILL_UNTIL:
            self._is_spilling = False

    def _spill(self, roots: Sequence[RootId]) -> None:
        """Note roots durably instead of applying them; repetitions collapse."""
        self._pipeline.finish()
        self._live.hold_settled(is_held=True)
        now = self._clock.now()
        for part in slices(roots, MAX_ROOTS):
            marks = [DirtyRoot(root, now, reason=DirtyReason.SPILLED) for root in part]
            self._steady.run(lambda: self._dirty.mark(marks))  # noqa: B023

    # --- history lost --------------------------------------------------------------

    def _recover(self) -> None:
        """Go on from a new position and rescan; never one without the other."""
        self._capture.stop()
        self._pipeline.finish()
        self._echoes.forget()
        position = self._steady.run(self._feed.current)
        self._steady.run(lambda: self._live.start_over(position))
        self._start_capture()
        self._repair_degraded()

    def _repair_degraded(self) -> None:
        self._health.enter(self._live.newest.state, is_degraded=True)
        self._rescan()
        self._steady.run(self._live.repaired)
        self._health.enter(self._live.newest.state)


def _nothing(_: object) -> None:
    """A part of a batch moves no position."""
