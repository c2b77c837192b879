"""The indexing loop: chooses the generation to work on, builds it, follows with it."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from catalog.errors import HistoryLostError, NotFoundError
from catalog.repositories.index_state import Generation, GenerationState
from catalog.search.base import IndexName
from catalog.search.generation import parse_physical
from catalog.search.schema import schema_hash
from indexer.apply import Applier
from indexer.batching import Echoes
from indexer.build import Builder
from indexer.capture import Capture
from indexer.checkpoint import Checkpoint, target_of
from indexer.follow import Follower, Outcome
from indexer.health import Health
from indexer.learning import Learner
from indexer.marks import Marks
from indexer.ports import Ports
from indexer.repair import Repair
from indexer.steady import Steady, StoppedError
from indexer.tags import TagIndex

log = logging.getLogger(__name__)


class Indexing:
    """Keeps some generation in step with the record for as long as it may.

    The lease (one active indexer) will stand around ``run``: issue "An index that
    never drifts".
    """

    def __init__(
        self,
        ports: Ports,
        *,
        list_store: Callable[[], None],
        health: Health,
        stop: threading.Event,
        jitter: Callable[[], float],
        make_capture: Callable[[], Capture] | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            ports: What the indexer stands on.
            list_store: Brings ``objects`` up to date.
            health: Where facts go.
            stop: Set when the process is to end.
            jitter: Gives random numbers from 0 to 1.
            make_capture: Another source of changes than a thread on the feed.
        """
        self._ports = ports
        self._list_store = list_store
        self._health = health
        self._stop = stop
        self._jitter = jitter
        self._prefix = ports.index_prefix
        self._echoes = Echoes()
        self._steady = Steady(
            writer=ports.index_writer,
            health=health,
            clock=ports.clock,
            stop=stop,
            jitter=jitter,
        )
        self._make_capture = make_capture or self._capture_feed
        self._started_at = 0

    def run(self) -> None:
        """Work until ``stop`` is set.

        Raises:
            ConflictError: Another indexer works on the same generation.
            FuseBlownError: The engine refuses nearly everything.
        """
        try:
            self._steady.run(self._ports.ensure_indexes)
            # What is older than this may stem from a process that crashed.
            position = self._steady.run(self._ports.feed.current)
            self._started_at = position.cluster_time
            is_asked = False
            while not self._stop.is_set():
                generation = self._steady.run(lambda: self._choose(is_new=is_asked))  # noqa: B023
                is_asked = self._work_on(generation) is Outcome.REBUILD
        except StoppedError:
            log.info("stopped while waiting for a server")

    # --- which generation ----------------------------------------------------------

    def _choose(self, *, is_new: bool) -> Generation:
        """Go on with the newest generation that fits the schema, or begin one."""
        repository = self._ports.generations
        every = repository.all()
        present = set(self._ports.index_admin.physical())
        serving = [g for g in every if g.state is GenerationState.SERVING]
        self._health.serve(serving[-1].number if serving else 0)
        latest = repository.latest()
        if latest is not None and not is_new and latest.schema_hash == schema_hash():
            names = set(target_of(latest, self._prefix).names.values())
            is_begun = latest.state is GenerationState.BUILDING and latest.done == 0
            if names <= present or is_begun:
                return latest
            log.warning("indexes are gone; building anew", extra={"n": latest.number})
        if latest is not None and latest.state is not GenerationState.SERVING:
            self._drop(latest)  # half-built and of no use any more
        number = max((g.number for g in every), default=0) + 1
        generation = Generation(number, schema_hash(), GenerationState.BUILDING)
        repository.save(generation)
        log.info("generation begun", extra={"number": number})
        return generation

    def _drop(self, generation: Generation) -> None:
        for index in target_of(generation, self._prefix).names.values():
            self._ports.index_admin.drop(index)
        self._ports.generations.save(replace(generation, state=GenerationState.DROPPED))

    def _promote(self, checkpoint: Checkpoint) -> None:
        """Point readers at a generation that has caught up; drop the older ones."""
        admin, number = self._ports.index_admin, checkpoint.target.number
        for kind in IndexName:
            admin.point(kind, checkpoint.target.names[kind])
        checkpoint.enter(GenerationState.SERVING)
        self._health.serve(number)
        log.info("generation serves", extra={"number": number})
        self._make_late_indexes()
        for generation in self._ports.generations.all():
            is_older = generation.number < number
            if is_older and generation.state is not GenerationState.DROPPED:
                self._drop(generation)
        for index in admin.physical():
            parsed = parse_physical(index)
            if parsed is not None and parsed.number < number:
                admin.drop(index)  # left over by a process that crashed

    def _make_late_indexes(self) -> None:
        """Make them beside the work: only degraded search waits for them."""

        def make() -> None:
            try:
                self._steady.run(self._ports.ensure_late_indexes)
            except StoppedError:
                log.info("late indexes are made after the next start")

        threading.Thread(target=make, name="late-indexes", daemon=True).start()

    # --- working on it -------------------------------------------------------------

    def _work_on(self, generation: Generation) -> Outcome:
        """Build if need be, then follow."""
        ports = self._ports
        checkpoint = Checkpoint(
            generation,
            generations=ports.generations,
            clock=ports.clock,
            prefix=self._prefix,
        )
        learner = Learner(
            objects=ports.objects,
            extractions=ports.extractions,
            store=ports.store,
            clock=ports.clock,
            echoes=self._echoes,
        )
        is_begun = generation.state is GenerationState.BUILDING and not generation.done
        applier = Applier(
            checkpoint=checkpoint,
            records=ports.records,
            assets=ports.assets,
            writer=ports.index_writer,
            learner=learner,
            marks=Marks(
                dirty=ports.dirty,
                dead_letters=ports.dead_letters,
                clock=ports.clock,
            ),
            tags=TagIndex(ports.records, is_empty=is_begun),
        )
        try:
            return self._build_and_follow(checkpoint, applier)
        except NotFoundError as exc:
            # Somebody emptied the engine: it is disposable, so fill it again.
            log.warning("the indexes are gone", extra={"error": str(exc)})
            return Outcome.REBUILD
        except HistoryLostError as exc:
            log.warning("no way to go on; building anew", extra={"error": str(exc)})
            return Outcome.REBUILD
        finally:
            applier.close()
            learner.close()

    def _build_and_follow(self, checkpoint: Checkpoint, applier: Applier) -> Outcome:
        ports, target = self._ports, checkpoint.target
        repair = Repair(
            records=ports.records,
            writer=ports.index_writer,
            admin=ports.index_admin,
            checkpoint=checkpoint,
            applier=applier,
            steady=self._steady,
            health=self._health,
        )
        if checkpoint.generation.state is GenerationState.BUILDING:
            Builder(
                feed=ports.feed,
                records=ports.records,
                admin=ports.index_admin,
                checkpoint=checkpoint,
                applier=applier,
                repair=repair,
                list_store=self._list_store,
                steady=self._steady,
                health=self._health,
                clock=ports.clock,
                stop=self._stop,
            ).run()
        else:
            self._steady.run(lambda: self._steady.barrier(target))
        if checkpoint.generation.state is GenerationState.SERVING:
            # A crash between swap and save, or a lost alias, heals here.
            self._steady.run(lambda: self._promote(checkpoint))
        return Follower(
            feed=ports.feed,
            records=ports.records,
            dirty=ports.dirty,
            requests=ports.index_requests,
            checkpoint=checkpoint,
            applier=applier,
            repair=repair,
            promote=lambda: self._promote(checkpoint),
            make_capture=self._make_capture,
            steady=self._steady,
            echoes=self._echoes,
            health=self._health,
            clock=ports.clock,
            started_at=self._started_at,
        ).run(self._stop)

    def _capture_feed(self) -> Capture:
        return Capture(
            feed=self._ports.feed,
            clock=self._ports.clock,
            linger_seconds=self._ports.linger_seconds,
            jitter=self._jitter,
        )
