"""One leader's term: takes over the generations as they are and keeps them true."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from catalog.errors import DependencyRejectedError, FencedError, NotFoundError
from catalog.repositories.index_state import (
    BUILDING,
    Generation,
    GenerationState,
)
from catalog.search.base import IndexName
from catalog.search.schema import FIELDS, schema_hash
from indexer.apply import Applier
from indexer.batching import Echoes
from indexer.capture import Capture
from indexer.findings import Findings, Mender
from indexer.follow import Follower
from indexer.health import Health
from indexer.learning import Learner
from indexer.live import LiveSet, target_of
from indexer.marks import Marks
from indexer.pipeline import Pipeline
from indexer.ports import Ports
from indexer.reconcile_index import IndexReconciler
from indexer.repair import Repair
from indexer.requests import RequestDesk, SweepRunner
from indexer.rollout import Rollout, new_generation
from indexer.steady import Steady, StoppedError
from indexer.term import Term
from indexer.verify import Verifier

log = logging.getLogger(__name__)

_ABSENCES = 3
_ABSENCE_SECONDS = 1.0
"""An index is gone only if it is absent so often, so far apart: an engine that has
just started may not know its indexes for a moment."""


class Indexing:
    """Keeps the generations in step with the record for as long as a term lasts."""

    def __init__(
        self,
        ports: Ports,
        *,
        term: Term,
        list_store: Callable[[], None],
        health: Health,
        jitter: Callable[[], float],
        comparison: IndexReconciler,
        findings: Findings,
        sweeps: SweepRunner,
        make_capture: Callable[[], Capture] | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            ports: What the indexer stands on.
            term: Of the leader; nothing is written outside it.
            list_store: Brings ``objects`` up to date.
            health: Where facts go.
            jitter: Gives random numbers from 0 to 1.
            comparison: Compares generations with the read model.
            findings: What it found beside the loop.
            sweeps: Does what is asked for beside the loop.
            make_capture: Another source of changes than a thread on the feed.
        """
        self._ports = ports
        self._term = term
        self._list_store = list_store
        self._health = health
        self._stop = term.stop
        self._jitter = jitter
        self._comparison = comparison
        self._findings = findings
        self._sweeps = sweeps
        self._prefix = ports.index_prefix
        self._echoes = Echoes()
        self._steady = Steady(
            writer=ports.index_writer,
            health=health,
            clock=ports.clock,
            stop=term.stop,
            jitter=jitter,
            check=term.check,
            cut_off=term.cut_off,
        )
        self._make_capture = make_capture or self._capture_feed
        self._is_late_made = False

    def run(self) -> None:
        """Work until the term is to end.

        Raises:
            FencedError: Another process leads now.
        """
        try:
            self._steady.run(self._ports.ensure_indexes)
            # What is older than this may stem from a process that crashed.
            position = self._steady.run(self._ports.feed.current)
            while not self._stop.is_set():
                live = self._steady.run(self._take_over)
                try:
                    self._work_on(live, started_at=position.cluster_time)
                except NotFoundError as exc:
                    # Somebody emptied the engine: it is disposable, so fill it again.
                    log.warning("an index is gone", extra={"error": str(exc)})
        except StoppedError:
            log.info("stopped while waiting for a server")

    # --- taking over ---------------------------------------------------------------

    def _take_over(self) -> LiveSet:
        """Find what is alive, drop what is of no use, begin what is needed."""
        ports = self._ports
        if shadows := ports.index_admin.shadowed_aliases():
            problem = f"{', '.join(shadows)}: an index bears this name of an alias"
            raise DependencyRejectedError("typesense", f"{problem}; drop or rename it")
        every = ports.generations.all()
        alive = [g for g in every if g.state is not GenerationState.DROPPED]
        gone = self._gone(alive)
        newest_building = max(
            (g.number for g in alive if g.state in BUILDING), default=0
        )
        useless = [
            g
            for g in alive
            if g in gone
            or (g.state in BUILDING and g.schema_hash != schema_hash())
            or (g.state in BUILDING and g.number != newest_building)
        ]
        live = [g for g in alive if g not in useless]
        changed = [replace(g, state=GenerationState.DROPPED) for g in useless]
        begun: list[Generation] = []
        if reason := self._why_begin(live, had_any=bool(every)):
            asked = [g.request_id for g in useless if g.state in BUILDING]
            begun = [
                replace(
                    new_generation(
                        every,
                        ports.index_admin.physical(),
                        reason=reason,
                        request_id=next(iter(asked), None),
                    ),
                    started_at=ports.clock.now(),
                )
            ]
        fenced = [replace(g, epoch=self._term.epoch) for g in (*changed, *begun)]
        if fenced:
            ports.generations.save(*fenced)
        if useless:
            self._point_at_serving(live)
        for generation in useless:
            log.warning("generation dropped", extra={"n": generation.number})
            for index in target_of(generation, self._prefix).names.values():
                ports.index_admin.drop(index)
        kept = [*live, *begun]
        frozen = [g.number for g in live if not self._takes_our_documents(g)]
        taken_over = LiveSet(
            kept,
            generations=ports.generations,
            clock=ports.clock,
            prefix=self._prefix,
            epoch=self._term.epoch,
            sequence=max((g.sequence for g in every), default=0),
            frozen=frozen,
        )
        taken_over.jump()  # past all that the last leader wrote and did not save
        return taken_over

    def _point_at_serving(self, live: Iterable[Generation]) -> None:
        """Let no alias show what is about to be dropped: a swap may have broken off."""
        serving = [g for g in live if g.state is GenerationState.SERVING]
        if not serving:
            return
        admin = self._ports.index_admin
        newest = max(serving, key=lambda g: (g.served_at is not None, g.served_at))
        for kind, index in target_of(newest, self._prefix).names.items():
            if admin.resolve(kind) != index:
                admin.point(kind, index)

    def _gone(self, alive: Iterable[Generation]) -> list[Generation]:
        """Those whose indexes are certainly not there any more."""
        gone = [g for g in alive if g.state is not GenerationState.CREATING]
        for attempt in range(_ABSENCES):
            present = set(self._ports.index_admin.physical())
            gone = [
                g
                for g in gone
                if not set(target_of(g, self._prefix).names.values()) <= present
            ]
            if not gone:
                break
            if attempt < _ABSENCES - 1:
                self._ports.clock.wait(self._stop, _ABSENCE_SECONDS)
        return gone

    def _why_begin(self, live: list[Generation], *, had_any: bool) -> str | None:
        """Why a new generation must be begun, if one must."""
        if any(g.state in BUILDING for g in live):
            return None
        serving = [g for g in live if g.state is GenerationState.SERVING]
        if not serving:
            return "lost" if had_any else "first build"
        is_refused = any(g.refused_schema == schema_hash() for g in serving)
        is_current = any(g.schema_hash == schema_hash() for g in serving)
        return None if is_current or is_refused else "schema"

    def _takes_our_documents(self, generation: Generation) -> bool:
        """Whether indexes of another schema can be written by this code."""
        if generation.schema_hash == schema_hash():
            return True
        names = target_of(generation, self._prefix).names
        return all(
            _is_compatible(kind, self._ports.index_admin.fields(names[kind]))
            for kind in IndexName
        )

    # --- working -------------------------------------------------------------------

    def _work_on(self, live: LiveSet, *, started_at: int) -> None:
        ports = self._ports
        learner = Learner(
            objects=ports.objects,
            extractions=ports.extractions,
            store=ports.store,
            clock=ports.clock,
            echoes=self._echoes,
            make_pool=ports.make_pool,
        )
        marks = Marks(
            dirty=ports.dirty, dead_letters=ports.dead_letters, clock=ports.clock
        )
        applier = Applier(
            live=live,
            records=ports.records,
            rows=ports.rows,
            writer=ports.index_writer,
            learner=learner,
            marks=marks,
            make_pool=ports.make_pool,
            term=self._term,
        )
        parts = self._assemble(live, applier, started_at)
        rollout, pipeline, follower = parts
        try:
            self._steady.run(lambda: self._steady.barrier(live.targets))
            follower.run(self._stop)
        finally:
            rollout.close()
            pipeline.close()
            applier.close()
            learner.close()

    def _assemble(
        self, live: LiveSet, applier: Applier, started_at: int
    ) -> tuple[Rollout, Pipeline, Follower]:
        ports, steady, health = self._ports, self._steady, self._health

        # The parts know of one another; these two close the circle.
        def on_written(touched: frozenset[str]) -> None:
            rollout.touch(touched)

        def told(generation: Generation, failure: str | None) -> None:
            desk.generation_done(generation, failure)

        pipeline = Pipeline(
            applier=applier,
            live=live,
            steady=steady,
            health=health,
            make_pool=ports.make_pool,
            on_written=on_written,
        )
        repair = Repair(
            records=ports.records,
            writer=ports.index_writer,
            admin=ports.index_admin,
            live=live,
            applier=applier,
            steady=steady,
            health=health,
        )
        rollout = Rollout(
            live=live,
            generations=ports.generations,
            feed=ports.feed,
            records=ports.records,
            admin=ports.index_admin,
            applier=applier,
            pipeline=pipeline,
            repair=repair,
            verifier=Verifier(self._comparison, ports.make_pool),
            steady=steady,
            health=health,
            clock=ports.clock,
            make_pool=ports.make_pool,
            prefix=self._prefix,
            rollback_window=ports.rollback_window,
            list_store=self._list_store,
            after_first=self._make_late_indexes,
            told=told,
        )
        desk = RequestDesk(
            requests=ports.index_requests,
            live=live,
            dirty=ports.dirty,
            dead_letters=ports.dead_letters,
            rollout=rollout,
            sweeps=self._sweeps,
            steady=steady,
            clock=ports.clock,
        )
        follower = Follower(
            feed=ports.feed,
            records=ports.records,
            dirty=ports.dirty,
            live=live,
            applier=applier,
            pipeline=pipeline,
            repair=repair,
            rollout=rollout,
            desk=desk,
            mender=Mender(
                self._findings,
                live=live,
                reconciler=self._comparison,
                repair=repair,
                steady=steady,
            ),
            make_capture=self._make_capture,
            steady=steady,
            echoes=self._echoes,
            health=health,
            clock=ports.clock,
            started_at=started_at,
        )
        return rollout, pipeline, follower

    def _make_late_indexes(self) -> None:
        """Make them beside the work: only degraded search waits for them."""
        if self._is_late_made:
            return
        self._is_late_made = True

        def make() -> None:
            try:
                self._steady.run(self._ports.ensure_late_indexes)
            except (StoppedError, FencedError):
                log.info("late indexes are made after the next start")

        threading.Thread(target=make, name="late-indexes", daemon=True).start()

    def _capture_feed(self) -> Capture:
        return Capture(
            feed=self._ports.feed,
            clock=self._ports.clock,
            linger_seconds=self._ports.linger_seconds,
            jitter=self._jitter,
        )


def _is_compatible(kind: IndexName, fields: Mapping[str, tuple[str, bool]]) -> bool:
    """Whether documents of ours are valid in an index with these fields.

    Every required field must be one that ours always have, and no field may be of
    another type.
    """
    ours = {field.name: field for field in FIELDS[kind]}
    for name, (type_, is_optional) in fields.items():
        field = ours.get(name)
        if field is None:
            if not is_optional:
                return False
        elif field.type != type_ or (field.optional and not is_optional):
            return False
    return True
