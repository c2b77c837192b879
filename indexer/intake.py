"""Storage → ``objects``: rescans are the promise; events and hints are only quick.

Whatever says that something may have changed, the store is asked, and the answer is
recorded only over the record that was read before asking (``sightings``). So looks that
overtake one another cannot leave an old state behind.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from catalog.clock import Clock
from catalog.errors import DependencyError, DependencyUnavailableError
from catalog.models.ids import ObjectKey
from catalog.models.stored import ObjectState, StoredObject
from catalog.repositories.base import ObjectRepository
from catalog.repositories.index_control import ReconcileReport
from catalog.repositories.sightings import Recorded, Sighting, is_outdated
from catalog.storage.base import ObjectStore
from catalog.storage.seen import look_at, present
from indexer.listing import Comparison, Difference, KeySpool, Kind, Tally, parts
from indexer.retry import backoff_seconds

log = logging.getLogger(__name__)

TOMBSTONE_LIFE = timedelta(days=15)
"""A day more than a queue keeps any message."""

MASS = 100
"""So many losses at once, and more than half of all, are looked into before belief."""

_BATCH = 1_000
_ROUNDS = 8
"""Looks at one object before it counts as contended; each needs another writer."""

MONGODB = "mongodb"
_PROBES = 32
_SAMPLES = 20


@dataclass(slots=True)
class _Pass:
    """What one pass over the store found and did."""

    tally: Tally = field(default_factory=Tally)
    changed: dict[str, int] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)

    def count(self, kind: str, changed: int) -> None:
        if changed:
            self.changed[kind] = self.changed.get(kind, 0) + changed

    def show(self, kind: str, keys: Iterable[ObjectKey]) -> None:
        for key in keys:
            if len(self.samples) >= _SAMPLES:
                return
            self.samples.append(f"{kind}: {key}")

    @property
    def total(self) -> int:
        return sum(self.changed.values())


class Intake:
    """Brings ``objects`` up to date with the store; thread-safe."""

    def __init__(
        self,
        *,
        store: ObjectStore,
        objects: ObjectRepository,
        clock: Clock,
        workers: int = 1,
    ) -> None:
        """Look at nothing yet.

        Args:
            store: The truth.
            objects: What is recorded of it.
            clock: Tells when it was looked.
            workers: How many objects are looked at at once; 1 uses no thread.
        """
        self._store = store
        self._objects = objects
        self._clock = clock
        self._one_at_a_time = threading.RLock()
        self._never = threading.Event()
        self._pool = (
            ThreadPoolExecutor(workers, thread_name_prefix="look")
            if workers > 1
            else None
        )
        self.has_listed = False
        """Whether a complete listing has been recorded since the start."""
        self.refused: tuple[str, ...] = ()
        """What the last pass over the whole store found and did not believe."""

    def close(self) -> None:
        """End the threads once nobody looks any more; idempotent."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    # --- the whole store, or a part ------------------------------------------------

    def rescan(self, prefix: str = "") -> int:
        """List a part of the store (all of it by default) and record what differs.

        Objects that were there and aren't any more become missing, but only after a
        complete listing, each looked at once more, and not when the store looks as if
        it were offline (``refused`` then says so).

        Returns:
            How many records changed.

        Raises:
            DependencyError: The store or MongoDB did not answer; what was seen until
                then is recorded, nothing became missing.
        """
        found = _Pass()
        self._pass(found, prefix)
        return found.total

    def ensure_listed(self) -> None:
        """List the whole store unless that has been done, or is under way."""
        with self._one_at_a_time:  # one that another thread is at will do
            if not self.has_listed:
                self.rescan()

    def reconcile(self, *, accept_losses: bool = False) -> ReconcileReport:
        """Rescan the whole store and tell what it came to.

        Args:
            accept_losses: Believe the store even if it looks offline or emptied. A
                listing that broke off is never believed.

        Returns:
            A report of kind ``storage``; the store not answering is in ``refused``.

        Raises:
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        started_at = self._clock.now()
        found = _Pass()
        try:
            self._pass(found, "", accept_losses=accept_losses)
        except DependencyError as exc:
            if exc.dependency == MONGODB:
                raise
            found.refused.append(
                f"The store was not listed to its end ({exc}). Nothing that the "
                "listing lacks was marked missing."
            )
        return ReconcileReport(
            uuid4().hex,
            "storage",
            started_at,
            finished_at=self._clock.now(),
            checked=max(found.tally.listed, found.tally.known),
            differences=dict(found.changed),
            repaired=found.total,
            refused=tuple(found.refused),
            samples=tuple(found.samples),
        )

    # --- single objects ------------------------------------------------------------

    def look(self, keys: Iterable[ObjectKey]) -> int:
        """Look at single objects that are said to be there; raises as ``rescan``.

        One that isn't is left to ``rescan``: its key may be a directory's name.
        """
        wanted = dict.fromkeys(keys, "")
        return self._verify(wanted, keep=lambda found: found.is_present)

    def told(self, events: Mapping[ObjectKey, str]) -> int:
        """Look where events point; what they brought about is proven afterwards.

        Args:
            events: Padded sequencer (empty for none) by key, the highest of each.

        Returns:
            How many records changed, acknowledged by a majority.

        Raises:
            DependencyError: The store or MongoDB did not answer, or the store is not
                there as a whole; nothing is lost if the events come again.
        """
        return self._verify(events, is_told=True)

    def forget_tombstones(self) -> int:
        """Remove tombstones that no living event can contradict any more."""
        return self._objects.forget_tombstones(self._clock.now() - TOMBSTONE_LIFE)

    # --- one pass ------------------------------------------------------------------

    def _pass(self, found: _Pass, prefix: str, *, accept_losses: bool = False) -> None:
        with self._one_at_a_time, KeySpool() as gone:
            comparison = Comparison(self._store, self._objects, prefix, found.tally)
            # A listing shows what was there when it began, at the earliest.
            now = self._clock.now()
            for batch in parts(comparison, _BATCH):
                self._take(batch, now, found, gone)
            if not prefix and not accept_losses:
                found.refused += self._doubts(comparison.tally, gone)
            if not found.refused:
                for keys in parts(gone, _BATCH):
                    found.count("missing", self._verify(dict.fromkeys(keys, "")))
                    found.show("missing", keys)
            if not prefix:
                self.has_listed = True
                self.refused = tuple(found.refused)
        for reason in found.refused:
            log.warning("losses refused", extra={"reason": reason})
        if found.total:
            log.info("store listed", extra={"prefix": prefix, "changed": found.total})

    def _take(
        self, batch: list[Difference], now: datetime, found: _Pass, gone: KeySpool
    ) -> None:
        """Act on what a part of the listing shows; put aside what it doesn't."""
        # Nobody ever wrote of these, so no later look can be overwritten.
        new = [
            Sighting(present(self._store, one.info, now))
            for one in batch
            if one.kind is Kind.NEW and one.info is not None
        ]
        settled = self._objects.settle(new)
        found.count("new", settled.changed)
        found.show("new", [one.found.key for one in new])
        changed = [one.key for one in batch if one.kind is Kind.CHANGED]
        found.show("changed", changed)
        again = dict.fromkeys([*changed, *settled.outdone], "")
        found.count("changed", self._verify(again))
        for one in batch:
            if one.kind is Kind.GONE:
                gone.add(one.key)

    def _doubts(self, tally: Tally, gone: KeySpool) -> list[str]:
        """Find reasons not to believe that so much is gone."""
        if not gone:
            return []
        self._store.check()
        if not tally.kept and (not tally.listed or len(gone) >= MASS):
            reason = (
                f"None of the {tally.known} known objects is listed: the store looks "
                "offline, emptied or exchanged. Nothing was marked missing."
            )
            return [reason]
        if len(gone) < MASS or len(gone) * 2 <= tally.known:
            return []
        now = self._clock.now()
        probed = gone.sample(_PROBES)
        there = sum(look_at(self._store, key, now).is_present for key in probed)
        if not there:
            return []
        reason = (
            f"{len(gone)} of {tally.known} known objects are not listed, but "
            f"{there} of {len(probed)} looked at are there: the listing is incomplete. "
            "Nothing was marked missing."
        )
        return [reason]

    # --- asking, and recording only over what was known before ---------------------

    def _verify(
        self,
        wanted: Mapping[ObjectKey, str],
        *,
        is_told: bool = False,
        keep: Callable[[StoredObject], bool] = lambda _: True,
    ) -> int:
        """Look at objects until what was seen is recorded; returns changed records."""
        changed = 0
        for attempt in range(_ROUNDS):
            if not wanted:
                return changed
            if attempt:
                # The other writer may wait for a majority, which we read behind of.
                self._clock.wait(self._never, backoff_seconds(attempt - 1, 1.0))
            known = self._objects.recorded(self._store.store_id, wanted)
            current = {
                key: sequencer
                for key, sequencer in wanted.items()
                if not is_outdated(sequencer, known.get(key))
            }
            sightings = self._ask(current, known, is_told=is_told)
            settled = self._objects.settle(s for s in sightings if keep(s.found))
            changed += settled.changed
            wanted = {key: wanted[key] for key in settled.outdone}
        if wanted:
            raise DependencyUnavailableError(MONGODB, "objects: too much contention")
        return changed

    def _ask(
        self,
        wanted: Mapping[ObjectKey, str],
        known: Mapping[ObjectKey, Recorded],
        *,
        is_told: bool,
    ) -> list[Sighting]:
        now = self._clock.now()

        def ask(key: ObjectKey) -> StoredObject:
            return look_at(self._store, key, now)

        keys = list(wanted)
        many = self._pool is not None and len(keys) > 1
        answers = self._pool.map(ask, keys) if self._pool and many else map(ask, keys)
        found = list(answers)
        if any(not state.is_present for state in found):
            # An object is only missing from a store that is there.
            self._store.check()
        return [
            Sighting(
                _for_event(state, wanted[state.key], is_told), known.get(key), is_told
            )
            for key, state in zip(keys, found, strict=True)
        ]


def _for_event(state: StoredObject, sequencer: str, is_told: bool) -> StoredObject:  # noqa: FBT001
    if not is_told:
        return state
    if state.is_present:
        return state.evolve(sequencer=sequencer)
    return state.evolve(state=ObjectState.TOMBSTONE, sequencer=sequencer)
