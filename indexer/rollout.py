"""The life of generations: filled, caught up, verified, serving, retiring, dropped.

Every step is saved before the next begins, so whatever a crash interrupts goes on from
there. Readers are pointed at a generation only when it equals the read model, and
indexes are dropped by their physical names alone.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta

from catalog.clock import Clock
from catalog.errors import ConflictError
from catalog.repositories.base import RecordReader
from catalog.repositories.index_state import (
    ChangeFeed,
    FeedPosition,
    Generation,
    GenerationRepository,
    GenerationState,
)
from catalog.search.base import IndexAdmin, IndexName
from catalog.search.generation import parse_physical
from catalog.search.schema import schema_hash
from indexer.apply import Applier
from indexer.backfill import Backfill
from indexer.comparison import Verdict
from indexer.health import Health
from indexer.live import LiveSet, target_of
from indexer.pipeline import Pipeline
from indexer.ports import MakePool
from indexer.progress import build_progress
from indexer.repair import Repair
from indexer.steady import Steady
from indexer.verify import Verifier

log = logging.getLogger(__name__)

_ROUNDS = 3
"""How often a generation may differ from the read model before it is given up."""

Told = Callable[[Generation, str | None], None]
"""Told of a generation that serves now (``None``), or why it was given up."""


class Rollout:
    """Carries the newest generation through its states; used by one thread."""

    def __init__(
        self,
        *,
        live: LiveSet,
        generations: GenerationRepository,
        feed: ChangeFeed,
        records: RecordReader,
        admin: IndexAdmin,
        applier: Applier,
        pipeline: Pipeline,
        repair: Repair,
        verifier: Verifier,
        steady: Steady,
        health: Health,
        clock: Clock,
        make_pool: MakePool,
        prefix: str,
        rollback_window: timedelta,
        list_store: Callable[[], None],
        after_first: Callable[[], None],
        told: Told,
    ) -> None:
        """Do nothing yet.

        Args:
            live: All live generations.
            generations: Where numbers are known from.
            feed: Where positions come from.
            records: What there is to index.
            admin: Makes, names and drops indexes.
            applier: Is told of generations that begin.
            pipeline: Writes chunks.
            repair: Removes what is left over.
            verifier: Compares with the read model.
            steady: Retries.
            health: Where facts go.
            clock: Tells the time.
            make_pool: Makes threads.
            prefix: Of the indexes' names.
            rollback_window: How long the one before is kept in step.
            list_store: Brings ``objects`` up to date, before the first build.
            after_first: What is cheaper once there is something.
            told: See ``Told``.
        """
        self._live = live
        self._generations = generations
        self._feed = feed
        self._records = records
        self._admin = admin
        self._applier = applier
        self._pipeline = pipeline
        self._repair = repair
        self._verifier = verifier
        self._steady = steady
        self._health = health
        self._clock = clock
        self._make_pool = make_pool
        self._prefix = prefix
        self._window = rollback_window
        self._list_store = list_store
        self._after_first = after_first
        self._told = told
        self._backfill: Backfill | None = None
        self._goal: int | None = None
        self._rounds = 0
        self._filled: list[int] | None = None
        self._is_uninterrupted = False
        self._made_empty: int | None = None

    # --- from outside --------------------------------------------------------------

    @property
    def has_work(self) -> bool:
        """Whether ``step`` should be called again at once."""
        return self._backfill is not None

    def close(self) -> None:
        """End the threads."""
        self._verifier.close()
        if self._backfill is not None:
            self._backfill.close()

    def touch(self, touched: frozenset[str]) -> None:
        """Something else than a fill has applied these (``Prepared.touched``)."""
        if self._backfill is not None:
            self._backfill.touch(touched)

    def forget(self) -> None:
        """Everything may have been applied anew: what was read ahead is old."""
        if self._backfill is not None:
            self._backfill.forget()

    def resume(self) -> None:
        """Take up the work where the last leader left it."""
        serving = self._live.serving
        if serving is not None:
            self._steady.run(lambda: self._point(serving))  # a lost alias heals here
            self._steady.run(self._drop_unknown)
            self._after_first()
        if self._live.position is None:
            # First the objects, then the position: the changes that a listing makes
            # need not be caught up again.
            self._steady.run(self._list_store)
            self._begin_position(self._steady.run(self._feed.current))
        building = self._live.building
        if building is not None and building.state is GenerationState.CREATING:
            self._create(building)  # changes must have somewhere to go
        self._tell_health()

    def begin(self, reason: str, request_id: str | None = None) -> Generation:
        """Register a new generation; ``step`` does the rest.

        Raises:
            ConflictError: One is being built already.
        """
        if self._live.building is not None:
            message = f"Generation {self._live.building.number} is being built already."
            raise ConflictError(message)
        generation = new_generation(
            self._steady.run(self._generations.all),
            self._steady.run(self._admin.physical),
            reason=reason,
            request_id=request_id,
        )
        now = replace(generation, started_at=self._clock.now())
        self._steady.run(lambda: self._live.add(now))
        log.info("generation begun", extra={"n": now.number, "reason": reason})
        self._tell_health()
        return now

    def step(self, *, is_busy: bool) -> None:
        """Do one bounded piece of work on the generation that is being built.

        Raises:
            StoppedError: The process is to end.
            NotFoundError: A generation's indexes are gone.
            FencedError: Another process leads now.
        """
        building = self._live.building
        if building is None:
            return
        match building.state:
            case GenerationState.CREATING:
                self._create(building)
            case GenerationState.BACKFILLING:
                self._fill(building, is_busy=is_busy)
            case GenerationState.CATCHING_UP:
                self._catch_up(building)
            case _:
                self._verify(building)

    def roll_back(self) -> str:
        """Point readers at the generation before; returns what was done.

        Raises:
            ConflictError: There is none that is kept in step.
        """
        old, bad = self._live.retiring, self._live.serving
        if old is None or bad is None:
            raise ConflictError("There is no earlier generation to go back to.")
        self._pipeline.finish()
        self._steady.run(lambda: self._point(old))
        now = self._clock.now()
        differs = bad.schema_hash != old.schema_hash
        self._steady.run(
            lambda: self._live.change_all(
                [
                    replace(
                        old,
                        state=GenerationState.SERVING,
                        served_at=now,
                        retire_at=None,
                        refused_schema=bad.schema_hash if differs else None,
                    ),
                    replace(
                        bad,
                        state=GenerationState.RETIRING,
                        retire_at=now + self._window,
                    ),
                ]
            )
        )
        log.warning("rolled back", extra={"from": bad.number, "to": old.number})
        self._tell_health()
        return f"Generation {old.number} serves again instead of {bad.number}."

    def retire_due(self) -> None:
        """Drop what need not be kept any longer."""
        for one in self._live.all:
            if one.state is not GenerationState.RETIRING:
                continue
            if one.retire_at is None or one.retire_at <= self._clock.now():
                self._pipeline.finish()
                self.drop(one, "its time to be gone back to is over")

    def drop(self, generation: Generation, why: str) -> None:
        """Drop a generation that does not serve."""
        self._steady.run(lambda: self._drop(generation))
        log.info("generation dropped", extra={"n": generation.number, "why": why})
        self._tell_health()

    def give_up(self, generation: Generation, why: str) -> None:
        """Drop a generation that will never serve, and say so."""
        self._stop_building()
        self._told(generation, why)
        self.drop(generation, why)

    # --- the states ----------------------------------------------------------------

    def _begin_position(self, position: FeedPosition) -> None:
        self._steady.run(lambda: self._live.advance(position, has_changes=True))
        self._steady.run(self._live.save)

    def _create(self, generation: Generation) -> None:
        names = target_of(generation, self._prefix).names
        for kind, index in names.items():
            self._steady.run(lambda: self._admin.create(index, kind))  # noqa: B023
        if not any(self._counts(*names.values())):
            # Found out before changes are applied to it, which come first.
            self._made_empty = generation.number
            self._applier.begin(generation.number, is_empty=True)
        self._enter(generation, GenerationState.BACKFILLING)

    def _fill(self, generation: Generation, *, is_busy: bool) -> None:
        if self._backfill is None:
            self._backfill = self._make_backfill(generation)
        if not self._backfill.step(is_busy=is_busy):
            return
        self._filled = self._backfill.documents if self._is_uninterrupted else None
        self._backfill.close()
        self._backfill = None
        # Roots that went while no indexer ran: no change will tell of them.
        self._repair.remove_orphans()
        self._goal = self._steady.run(self._feed.current).cluster_time
        self._enter(generation, GenerationState.CATCHING_UP)

    def _make_backfill(self, generation: Generation) -> Backfill:
        target = self._live.target(generation.number)
        is_new = self._made_empty == generation.number
        self._made_empty = None
        is_fresh = generation.done == 0 and (
            is_new or not any(self._counts(*target.names.values()))
        )
        self._steady.run(lambda: self._steady.barrier([target]))
        self._is_uninterrupted = is_fresh
        if not is_new:
            self._applier.begin(generation.number, is_empty=is_fresh)
        return Backfill(
            generation.number,
            live=self._live,
            records=self._records,
            applier=self._applier,
            pipeline=self._pipeline,
            steady=self._steady,
            health=self._health,
            clock=self._clock,
            progress=build_progress(
                self._clock, f"building generation {generation.number}"
            ),
            make_pool=self._make_pool,
            is_fresh=is_fresh,
        )

    def _catch_up(self, generation: Generation) -> None:
        if self._goal is None:
            self._goal = self._steady.run(self._feed.current).cluster_time
        position = self._live.position
        if position is None or position.cluster_time < self._goal:
            return
        self._pipeline.finish()
        self._goal, self._rounds = None, 0
        self._enter(generation, GenerationState.VERIFYING)

    def _verify(self, generation: Generation) -> None:
        target = self._live.target(generation.number)
        if self._live.serving is None and self._filled is not None:
            # Nothing is answered yet: the sooner the better, where all was counted.
            filled, self._filled = self._filled, None
            self._pipeline.finish()
            if filled == self._counts(target.assets, target.segments):
                self._promote(generation)
                return
        if not self._verifier.is_done(target):
            return
        self._pipeline.finish()  # from here on nothing is on its way
        verdict = self._steady.run(lambda: self._verifier.verdict(target))
        if verdict.is_clean:
            self._promote(generation)
            return
        self._rounds += 1
        log.warning(
            "a new generation differs from the read model",
            extra={"n": generation.number, "round": self._rounds, "what": str(verdict)},
        )
        self._mend(generation, verdict)
        if self._rounds > _ROUNDS and self._live.serving is not None:
            self.give_up(generation, f"It differs from the read model: {verdict}.")

    def _mend(self, generation: Generation, verdict: Verdict) -> None:
        target = self._live.target(generation.number)
        self._repair.mend(target, verdict)
        self._verifier.stop()

    def _counts(self, *indexes: str) -> list[int]:
        return [
            self._steady.run(lambda: self._admin.count(index))  # noqa: B023
            for index in indexes
        ]

    # --- serving -------------------------------------------------------------------

    def _promote(self, generation: Generation) -> None:
        """Point readers at it; the one before is kept in step for a while."""
        self._stop_building()
        self._steady.run(lambda: self._point(generation))
        before, now = self._live.serving, self._clock.now()
        for older in self._live.all:
            if older.state is GenerationState.RETIRING:
                self.drop(older, "a newer one can be gone back to")
        changes = [replace(generation, state=GenerationState.SERVING, served_at=now)]
        if before is not None:
            changes.append(
                replace(
                    before,
                    state=GenerationState.RETIRING,
                    retire_at=now + self._window,
                )
            )
        self._steady.run(lambda: self._live.change_all(changes))
        log.info("generation serves", extra={"n": generation.number})
        self._told(generation, None)
        self._tell_health()
        self._after_first()
        self.retire_due()
        self._steady.run(self._drop_unknown)

    def _point(self, generation: Generation) -> None:
        names = target_of(generation, self._prefix).names
        for kind in IndexName:
            if self._admin.resolve(kind) != names[kind]:
                self._admin.point(kind, names[kind])

    def _drop(self, generation: Generation) -> None:
        if generation.number in {one.number for one in self._live.all}:
            dropped = replace(generation, state=GenerationState.DROPPED)
            self._live.change_all([dropped])
            self._live.remove(generation.number)
        for index in target_of(generation, self._prefix).names.values():
            self._admin.drop(index)

    def _drop_unknown(self) -> None:
        """Drop indexes that no live generation has: a crash left them over."""
        ours = {
            name
            for one in self._live.all
            for name in target_of(one, self._prefix).names.values()
        }
        shown = {self._admin.resolve(kind) for kind in IndexName}
        for index in self._admin.physical():
            if index not in ours and index not in shown:
                log.info("index dropped", extra={"index": index})
                self._admin.drop(index)

    # --- small ---------------------------------------------------------------------

    def _enter(self, generation: Generation, state: GenerationState) -> None:
        self._steady.run(lambda: self._live.change(generation.number, state=state))
        log.info("generation", extra={"n": generation.number, "state": state.value})
        self._tell_health()

    def _stop_building(self) -> None:
        self._verifier.stop()
        self._goal = None
        if self._backfill is not None:
            self._backfill.close()
            self._backfill = None

    def _tell_health(self) -> None:
        live = self._live
        building = live.building
        self._health.serve(live.serving.number if live.serving else 0)
        self._health.build(building.number if building else 0)
        self._health.enter(live.newest.state, is_degraded=live.is_degraded)


def new_generation(
    known: Iterable[Generation],
    physical: Iterable[str],
    *,
    reason: str,
    request_id: str | None = None,
) -> Generation:
    """Make the next one; its number was never used, whatever records are lost."""
    used = [generation.number for generation in known]
    used += [parsed.number for index in physical if (parsed := parse_physical(index))]
    return Generation(
        max(used, default=0) + 1,
        schema_hash(),
        GenerationState.CREATING,
        reason=reason,
        request_id=request_id,
    )
