"""A whole catalog's life in memory, drawn from one seed, with everything that can fail.

One thread works at a time, so a seed tells the whole story: crashes at any step of any
port, torn imports, writes that are carried out long after they failed (until the key
that they bear is changed), an engine that
forgets what it acknowledged until it is written to, or loses everything, a leader that
is paused beyond its lease while another one works, lost history and streams that break
in each of their ways, a store that is away, other schemas, rebuilds and roll-backs in
between, and reconciling beside all of it.
"""

import random
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from catalog.errors import FencedError
from catalog.search.base import IndexName
from catalog.search.generation import parse_physical
from catalog.search.schema import schema_hash
from indexer import backfill, bulk, follow, reconcile_index, repair
from indexer.indexing import Indexing
from tests.fakes.terms import LEASE, ScriptedTerm
from tests.torture.life import Life
from tests.torture.patched import patched
from tests.unit.indexer.beside import Beside
from tests.unit.indexer.oracle import actual_index, difference, expected_index
from tests.unit.indexer.processes import (
    list_store,
    ports_to,
    run_process,
    until_quiet,
)
from tests.unit.indexer.world import CrashError, Faults, World

ACTS = 26
_AT_THE_END = 2_000
"""Batches within which the last leader must be through with everything."""

_SIZES = (
    (backfill, "CHUNK_ROOTS"),
    (bulk, "SLICE_DOCUMENTS"),
    (follow, "MAX_ROOTS"),
    (reconcile_index, "SLICE_DOCUMENTS"),
    (repair, "_ROOTS"),
)


class ViolationError(AssertionError):
    """A promise was broken."""


@dataclass
class Story:
    """What became of a seed.

    Attributes:
        seed: All follows from it.
        trace: Hash of all calls of ports.
        steps: How many there were.
        drift: Differences that reconciling found.
        counts: What happened how often.
    """

    seed: int
    trace: str = ""
    steps: int = 0
    drift: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


def run(seed: int) -> Story:
    """Let a world live.

    Raises:
        ViolationError: Something is missing, left over or stale at the end, a
            document's ``_seq`` has gone down, a search failed, readers were pointed
            at what was not complete, or something drifted.
    """
    return Simulation(seed).run()


class Simulation:
    """One life."""

    def __init__(self, seed: int) -> None:
        self.world = World(faults=Faults())
        self.story = Story(seed)
        self.fate = random.Random(seed + 1)
        self.life = Life(self.world, seed)

    def run(self) -> Story:
        """Live, with batches so small that there are several of everything."""
        with ExitStack() as stack:
            for module, name in _SIZES:
                size = self.fate.choice([2, 3, 500])
                stack.enter_context(patched(module, name, size))
            # A thread of its own, whose only work is not part of this.
            stack.enter_context(patched(Indexing, "_make_late_indexes", lambda _: None))
            return self._live()

    def _live(self) -> Story:
        story, faults = self.story, self.world.faults
        try:
            for _ in range(self.fate.randint(0, 12)):
                self.life.act()
            left = ACTS
            while left > 0:
                left -= self._one_process()
                self._between_processes()
            self._settle()
        except ViolationError:
            raise
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            raise ViolationError(_told(story.seed, message)) from error
        story.steps, story.trace = faults.steps, faults.trace
        return story

    # --- one process after another -------------------------------------------------

    def _one_process(self) -> int:
        """Run one leader until it stops, crashes or is overtaken; gives acts done."""
        fate, faults = self.fate, self.world.faults
        faults.crash_in = fate.choice([-1, -1, fate.randint(1, 80)])
        share = fate.choice([0.0, 0.0, 0.02])
        faults.fail = lambda: fate.random() < share
        faults.is_late = lambda: fate.random() < 0.4
        faults.lands = lambda: fate.random() < 0.5
        faults.pause = lambda _: None
        budget = acts = fate.randint(1, 12)
        done = 0

        def between(stop: threading.Event) -> int:
            nonlocal budget, done
            self._disturb()
            for _ in range(fate.choice([0, 0, 1, 3])):
                self.life.act()
                done += 1
                budget -= 1
            if budget <= 0:
                stop.set()
            return fate.randint(1, 6)

        if fate.random() < 0.12:
            self._overtaken(between)
            return max(done, 1)
        try:
            self._lead(between)
        except CrashError:
            self.story.count("crashes")
            return max(done, 1)
        return max(done, acts // 2, 1)

    def _disturb(self) -> None:
        """Let something happen that is not the record's doing."""
        world, fate = self.world, self.fate
        luck = fate.random()
        world.store_fails = 5 if luck < 0.05 else 0
        if 0.05 < luck < 0.08:
            world.restart_engine(fate.random(), forgets=fate.randint(0, 2))
            self.story.count("engine restarts")
        elif 0.08 < luck < 0.12:
            actions = ["reindex", "rollback", "rescan", "redrive", "reconcile"]
            world.ask(fate.choice(actions))
        elif 0.12 < luck < 0.16:
            for index in list(world.late):
                world.apply_late(index)
        elif 0.16 < luck < 0.165:
            world.empty_engine()
            self.story.count("engine emptied")
        if fate.random() < 0.02:
            world.clock.advance(61)  # what retires is dropped

    def _between_processes(self) -> None:
        if self.fate.random() < 0.04:
            is_compatible = self.fate.random() < 0.5
            self.world.deploy_another_schema(is_compatible=is_compatible)
            self.story.count("other schemas")

    def _lead(self, between: Callable[[threading.Event], int]) -> None:
        world, fate = self.world, self.fate
        world.epoch += 1
        world.fence = world.epoch
        term = ScriptedTerm(world.epoch, world.clock)
        try:
            run_process(
                world,
                between,
                term=term,
                ports=ports_to(world, world.epoch),
                is_interrupted=lambda: fate.random() < 0.2,
            )
        finally:
            self._look()

    def _overtaken(self, between: Callable[[threading.Event], int]) -> None:
        """Pause a leader at some step, let another one work, and wake it up again."""
        world, fate = self.world, self.fate
        world.faults.crash_in = -1
        pause_at = world.faults.steps + fate.randint(1, 60)
        world.epoch += 1
        world.fence = world.epoch
        term = ScriptedTerm(world.epoch, world.clock)
        ports = ports_to(world, world.epoch)
        fenced = False

        def work() -> None:
            nonlocal fenced
            try:
                run_process(world, between, term=term, ports=ports)
            except FencedError:
                fenced = True

        zombie = Beside(work)

        def pause(_: str) -> None:
            is_its_turn = threading.current_thread() is zombie.thread
            if is_its_turn and world.faults.steps == pause_at:
                # A request that is under way is cut off long before its key is
                # revoked; what it has left of its lease is over when it wakes up.
                world.clock.advance(LEASE.total_seconds())
                zombie.pause()
                term.is_over = True

        world.faults.pause = pause
        zombie.go_on()
        if zombie.is_over:
            return
        self.story.count("overtaken")
        world.faults.fail = lambda: False
        try:
            self._lead(until_quiet(world) if fate.random() < 0.7 else between)
        finally:
            zombie.go_on()
            world.faults.pause = lambda _: None
        self.story.count("fenced" if fenced else "unfenced")

    # --- the end -------------------------------------------------------------------

    def _settle(self) -> None:
        """Let the last leaders catch up, and compare with what must be."""
        world = self.world
        world.faults.crash_in, world.faults.fail = -1, lambda: False
        world.store_fails = 0
        self._lead(self._until_quiet())
        self._judge_rights()
        list_store(ports_to(world))
        world.clock.advance(7200)
        if not self._serves_ours():  # rolled back from ours: only who asks gets it
            world.ask("reindex")
        self._lead(self._until_quiet())
        wrong = difference(expected_index(world), actual_index(world))
        if wrong:
            raise ViolationError(_told(self.story.seed, wrong))
        world.ask("reconcile")
        self._lead(self._until_quiet())
        self._look()
        if wrong := difference(expected_index(world), actual_index(world)):
            wrong = f"after reconciling, {wrong}"
            raise ViolationError(_told(self.story.seed, wrong))
        self._judge_drift()

    def _until_quiet(self) -> Callable[[threading.Event], int]:
        quiet, left = until_quiet(self.world), _AT_THE_END

        def between(stop: threading.Event) -> int:
            nonlocal left
            left -= 1
            if left < 0:
                raise ViolationError(_told(self.story.seed, "it never settles"))
            return quiet(stop)

        return between

    def _serves_ours(self) -> bool:
        parsed = parse_physical(self.world.aliases[IndexName.ASSETS])
        return parsed is not None and parsed.schema_hash == schema_hash()

    def _judge_rights(self) -> None:
        """Even what does not take our documents never shows what it must not."""
        world = self.world
        if self._serves_ours():
            return
        expected, actual = expected_index(world), actual_index(world)
        for kind, held in actual.items():
            for identifier, document in held.items():
                wanted = expected[kind].get(identifier)
                if wanted is None or set(wanted["acl"]) != set(document["acl"]):
                    text = f"{kind} of another schema shows {identifier}"
                    raise ViolationError(_told(self.story.seed, text))

    def _judge_drift(self) -> None:
        reports = self.world.reports.values()
        drifted = [r for r in reports if r.kind in {"index", "record"} and r.drift]
        self.story.drift = sum(report.drift for report in drifted)
        samples = [
            text
            for report in drifted
            for text in report.samples
            if text.partition(": ")[2] not in self.world.awaited
        ]
        if samples:
            raise ViolationError(_told(self.story.seed, f"drift: {samples}"))

    def _look(self) -> None:
        self.world.look_for()
        if self.world.violations:
            raise ViolationError(_told(self.story.seed, self.world.violations[0]))


def _told(seed: int, message: str) -> str:
    again = f'python -c "from tests.torture.simulation import run; run({seed})"'
    return f"seed {seed}: {message}\n  once more: {again}"
