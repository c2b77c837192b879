"""Directed scenarios: what is too rare to be met by chance, and must still come right.

Each raises ``Violation`` when it does not.
"""

import threading
from collections.abc import Callable
from contextlib import suppress

from catalog.errors import FencedError
from catalog.repositories.index_state import GenerationState
from catalog.search.base import IndexName
from tests.fakes.terms import LEASE, ScriptedTerm
from tests.torture.crash_points import serving_world
from tests.torture.outcome import Violation
from tests.unit.indexer.beside import Beside
from tests.unit.indexer.oracle import actual_index, difference, expected_index
from tests.unit.indexer.processes import (
    ports_to,
    run_process,
    until_quiet,
)
from tests.unit.indexer.world import World

Between = Callable[[threading.Event], int]


def lost_while_filling() -> None:
    """The engine loses a document of a generation that is being filled."""
    world = serving_world()
    world.ask("reindex")
    quiet, is_done = until_quiet(world), False

    def between(stop: threading.Event) -> int:
        nonlocal is_done
        newest = world.generations[max(world.generations)]
        if newest.state is GenerationState.CATCHING_UP and not is_done:
            is_done = True
            for index, held in world.indexes.items():
                if f"__g{newest.number}_" in index and held:
                    held.pop(next(iter(held)))
        return quiet(stop)

    _judge(world, between)
    if not is_done:
        raise Violation("no generation was ever filled")


def acknowledged_and_lost() -> None:
    """The engine acknowledges a document and does not have it."""
    world = serving_world()
    world.put_job(30, world.jobs[0].evolve(job_id="job30"))
    world.forgets = 1
    _judge(world, until_quiet(world))


def stale_engine_rescanned() -> None:
    """Everything is looked at again just when the engine shows an older state."""
    world = serving_world()
    ghosts = world.indexes[world.aliases[IndexName.ASSETS]]
    kept = next(iter(ghosts.values()))
    ghosts["iffffffffffffffffffffffff"] = kept | {
        "id": "iffffffffffffffffffffffff",
        "root": "f" * 24,
    }
    world.ask("rescan")
    quiet, is_done = until_quiet(world), False

    def between(stop: threading.Event) -> int:
        nonlocal is_done
        if not is_done:
            is_done = True
            world.restart_engine(0.0)
        return quiet(stop)

    _judge(world, between)


def stale_engine_reconciled() -> None:
    """Everything is compared just when the engine shows an older state."""
    world = serving_world()
    world.ask("reconcile")
    quiet, is_done = until_quiet(world), False

    def between(stop: threading.Event) -> int:
        nonlocal is_done
        if not is_done:
            is_done = True
            world.restart_engine(0.5)
        return quiet(stop)

    _judge(world, between)
    drift = sum(report.drift for report in world.reports.values())
    if drift:
        raise Violation(f"{drift} documents are said to have drifted")


def asleep_before_rows_arrive() -> None:
    """A leader sleeps while its rows are on their way; a later one removes them."""
    world = serving_world()
    world.put_job(30, world.jobs[0].evolve(job_id="job30"))
    is_asleep = False

    def pause(what: str) -> None:
        nonlocal is_asleep
        if what == "assets.replace" and not is_asleep:
            is_asleep = True
            world.clock.advance(LEASE.total_seconds())
            sleeper.pause()

    def sleep() -> None:
        with suppress(FencedError):
            _lead(world)

    sleeper = Beside(sleep)
    world.faults.pause = pause
    sleeper.go_on()
    world.delete_job(30)
    _lead(world)
    sleeper.go_on()
    if not is_asleep:
        raise Violation("nobody slept")
    left = [row for row in world.rows.values() if row.root == 30]
    if left:
        raise Violation("a row that was removed has come back")


def gone_while_nobody_looked() -> None:
    """A record goes, and the engine loses everything, while no indexer runs."""
    world = serving_world()
    del world.jobs[4]
    world.empty_engine()
    _judge(world, until_quiet(world))
    if any(row.root == 4 for row in world.rows.values()):
        raise Violation("a row is left of a root that is gone")


SCENARIOS: dict[str, Callable[[], None]] = {
    one.__name__: one
    for one in (
        lost_while_filling,
        acknowledged_and_lost,
        stale_engine_rescanned,
        stale_engine_reconciled,
        asleep_before_rows_arrive,
        gone_while_nobody_looked,
    )
}


def _lead(world: World) -> None:
    """Let a process take over from whoever leads, and work until all is quiet."""
    world.fence = world.epoch + 1
    term = ScriptedTerm(world.fence, world.clock)
    ports = ports_to(world, world.fence)
    run_process(world, until_quiet(world), term=term, ports=ports)


def _judge(world: World, between: Between) -> None:
    run_process(world, between)
    wrong = difference(expected_index(world), actual_index(world))
    if wrong or world.violations or world.open_requests():
        raise Violation(wrong or "; ".join(world.violations) or "left undone")
