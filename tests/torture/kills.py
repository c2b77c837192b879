"""Rows ``kill-indexer``, ``kill-typesense``, ``kill-mongod``: ``kill -9`` under writes.

After each kill of a server, and after every fifth of an indexer, the platform pauses
and the index must equal the record within ten seconds of the moment at which the killed
one works again.
"""

from pathlib import Path

from tests.torture.outcome import Outcome, pause
from tests.torture.world import World, running_world

_ROUND = 5


def kill_indexer(seed: int, folder: Path, *, kills: int = 10) -> Outcome:
    """Kill it while it starts, catches up, and works."""
    with running_world(World(folder, seed)) as world:
        world.begin()
        left = kills
        while left:
            with world.gateway.writing():
                pause(world.random.uniform(0.3, 1.0))
                for _ in range(min(_ROUND, left)):
                    _kill_once(world)
                    left -= 1
                again_at = world.await_beat()
            world.settle(since=again_at)
        world.demand_rate()
        return Outcome(kills, world.worst_settle, world.figures())


def _kill_once(world: World) -> None:
    world.indexer.kill()
    pause(world.random.choice((0.0, 0.0, 0.4)))
    world.indexer.start()
    if world.random.random() < 0.6:
        world.await_beat()
        pause(world.random.uniform(0.0, 1.5))
    else:
        pause(world.random.uniform(0.1, 3.0))


def kill_typesense(seed: int, folder: Path, *, kills: int = 3) -> Outcome:
    """Kill the engine in the middle of imports."""
    with running_world(World(folder, seed)) as world:
        world.begin()
        for _ in range(kills):
            with world.gateway.writing():
                pause(world.random.uniform(0.5, 2.5))
                with world.sequences.paused():
                    world.typesense.kill()
                    pause(world.random.uniform(0.0, 1.0))
                    world.typesense.start()
                    again_at = world.await_typesense()
                pause(world.random.uniform(0.0, 0.5))
            world.settle(since=again_at)
            world.indexer.check()
        world.demand_rate()
        return Outcome(kills, world.worst_settle, world.figures())


def kill_mongod(seed: int, folder: Path, *, kills: int = 2) -> Outcome:
    """Kill the database in the middle of everything."""
    with running_world(World(folder, seed)) as world:
        world.begin()
        for _ in range(kills):
            with world.gateway.writing():
                pause(world.random.uniform(0.5, 2.5))
                world.mongod.kill()
                pause(world.random.uniform(0.0, 1.0))
                world.mongod.start()
                again_at = world.await_mongod()
                pause(world.random.uniform(0.0, 0.5))
            world.settle(since=again_at)
            world.indexer.check()
        world.demand_rate()
        return Outcome(kills, world.worst_settle, world.figures())
