"""A whole catalog's life in memory, drawn from one seed, with everything that can fail.

One thread runs at a time, so a seed tells the whole story: crashes at any step of any
port, torn imports, an engine that forgets what it acknowledged until it is written to,
a leader that is paused beyond its lease while another one works, lost history, a store
that is away, rebuilds and roll-backs in between.
"""

import random
import threading
from collections.abc import Callable

from catalog.errors import FencedError
from indexer.intake_directory import Intake
from tests.unit.indexer.processes import (
    ScriptedTerm,
    actual_index,
    expected_index,
    ports_to,
    run_process,
    until_quiet,
)
from tests.unit.indexer.test_simulation import Life
from tests.unit.indexer.world import CrashError, Faults, World

ACTS = 60


class ViolationError(AssertionError):
    """The index is not what the record says."""


def run(seed: int) -> int:
    """Let a world live; returns how many steps its ports made.

    Raises:
        ViolationError: Something is missing, left over or stale at the end, or a
            document's ``_seq`` has gone down.
    """
    world = World(faults=Faults())
    fate = random.Random(seed + 1)
    life = Life(world, seed)
    for _ in range(fate.randint(0, 12)):
        life.act()
    left = ACTS
    while left > 0:
        left -= _one_process(world, life, fate)
    _settle(world)
    _judge(world, seed)
    return world.faults.steps


def _one_process(world: World, life: Life, fate: random.Random) -> int:
    """Run one leader until it stops, crashes or is overtaken; returns acts done."""
    faults = world.faults
    faults.crash_in = fate.choice([-1, -1, fate.randint(1, 80)])
    share = fate.choice([0.0, 0.0, 0.02])
    faults.fail = lambda: fate.random() < share
    budget = acts = fate.randint(1, 12)
    done = 0

    def between(stop: threading.Event) -> int:
        nonlocal budget, done
        luck = fate.random()
        world.store_fails = 5 if luck < 0.05 else 0
        if 0.05 < luck < 0.08:
            world.restart_engine(fate.random())
        elif 0.08 < luck < 0.1:
            world.ask(fate.choice(["reindex", "rollback", "rescan", "redrive"]))
        for _ in range(fate.choice([0, 0, 1, 3])):
            life.act()
            done += 1
            budget -= 1
        if budget <= 0:
            stop.set()
        if fate.random() < 0.02:
            world.clock.advance(61)  # what retires is dropped
        return fate.randint(1, 6)

    if fate.random() < 0.1:
        _overtaken(world, between, fate)
        return max(done, 1)
    try:
        _lead(world, between)
    except CrashError:
        return max(done, 1)
    return max(done, acts // 2, 1)


def _lead(world: World, between: Callable[[threading.Event], int]) -> None:
    world.epoch += 1
    world.fence = world.epoch
    term = ScriptedTerm(world.epoch)
    run_process(world, between, term=term, ports=ports_to(world, world.epoch))


def _overtaken(
    world: World, between: Callable[[threading.Event], int], fate: random.Random
) -> None:
    """Pause a leader at some step, let another one work, and wake it up again."""
    world.faults.crash_in = -1
    pause_at = world.faults.steps + fate.randint(1, 60)
    is_paused, may_go_on = threading.Event(), threading.Event()
    world.epoch += 1
    world.fence = world.epoch
    term = ScriptedTerm(world.epoch)
    ports = ports_to(world, world.epoch)
    zombie = threading.Thread(target=lambda: _run_zombie(), daemon=True)  # noqa: PLW0108

    def pause(what: str) -> None:
        if threading.current_thread() is zombie and world.faults.steps == pause_at:
            # A request that is under way is cut off long before its key is revoked;
            # what it has left of its lease is over when it wakes up.
            del what
            is_paused.set()
            may_go_on.wait()
            term.is_over = True

    def _run_zombie() -> None:
        try:
            run_process(world, between, term=term, ports=ports)
        except (FencedError, CrashError):
            pass
        finally:
            is_paused.set()

    world.faults.pause = pause
    zombie.start()
    is_paused.wait()
    try:
        world.faults.fail = lambda: False
        _lead(world, until_quiet(world))
    finally:
        may_go_on.set()
        zombie.join()
        world.faults.pause = lambda _: None


def _settle(world: World) -> None:
    """Let the last leader catch up with everything, files that came without a word too."""
    world.faults.crash_in, world.faults.fail = -1, lambda: False
    world.store_fails = 0
    ports = ports_to(world)
    _lead(world, until_quiet(world))
    Intake(store=ports.store, objects=ports.objects, clock=ports.clock).rescan()
    world.clock.advance(7200)
    _lead(world, until_quiet(world))


def _judge(world: World, seed: int) -> None:
    expected, actual = expected_index(world), actual_index(world)
    for kind, wanted in expected.items():
        held = actual[kind]
        missing = sorted(wanted.keys() - held.keys())
        ghosts = sorted(held.keys() - wanted.keys())
        stale = sorted(k for k in wanted.keys() & held.keys() if wanted[k] != held[k])
        if missing or ghosts or stale:
            message = (
                f"seed {seed}, {kind}: missing {missing}, ghosts {ghosts}, "
                f"stale {stale}"
            )
            raise ViolationError(message)
