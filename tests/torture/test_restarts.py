"""Ends that are no accident, or come at a bad moment, and what follows them."""

from pathlib import Path

import pytest

from tests.torture.watching import await_that
from tests.torture.world import World, running_world


@pytest.mark.timeout(200)
def test_a_kill_in_the_middle_of_the_first_build_loses_nothing(
    seed: int, folder: Path
) -> None:
    with running_world(World(folder, seed, most=2_000)) as world:
        world.gateway.fill(6_000)
        world.indexer.start()

        await_that(lambda: _has_begun(world), 60, "the beginning of the build")
        world.indexer.kill()
        (halfway,) = world.generations()
        world.gateway.fill(300)
        world.indexer.start()
        world.settle(60)

        assert halfway["state"] == "backfilling", "the build was over before the kill"


def _has_begun(world: World) -> bool:
    world.indexer.check()
    return any(generation["done"] > 0 for generation in world.generations())


def test_changes_made_while_no_indexer_runs_are_caught_up(
    seed: int, folder: Path
) -> None:
    with running_world(World(folder, seed)) as world:
        world.begin(50)
        world.indexer.stop()
        world.gateway.fill(200)

        world.indexer.start()

        world.settle()
