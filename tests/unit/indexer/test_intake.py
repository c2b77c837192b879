from collections.abc import Iterator
from pathlib import Path

import pytest
from typing_extensions import override
from watchfiles import Change as FileChange

from catalog.errors import DependencyUnavailableError
from catalog.models.ids import ObjectKey
from catalog.models.stored import ObjectState
from catalog.storage.base import ObjectInfo
from indexer.health import Health
from indexer.intake import Intake
from indexer.intake_directory import DirectoryHints
from tests.unit.indexer.world import World
from tests.unit.indexer.world_records import Objects
from tests.unit.indexer.world_store import Store

KEY = ObjectKey("generated-images/ann/job1/image_1.png")
OTHER = ObjectKey("generated-images/ann/job2/image_1.png")


def intake_of(world: World, store: Store | None = None) -> Intake:
    return Intake(
        store=store or Store(world), objects=Objects(world), clock=world.clock
    )


def test_a_rescan_records_what_is_there_with_its_job_and_owner() -> None:
    world = World(files={KEY: b"x"})

    changed = intake_of(world).rescan()

    assert changed == 1
    assert world.objects[KEY].job_id == "job1"
    assert world.objects[KEY].user_id == "ann"


def test_a_second_rescan_changes_nothing() -> None:
    world = World(files={KEY: b"x"})
    intake = intake_of(world)
    intake.rescan()

    assert intake.rescan() == 0


def test_what_is_listed_no_longer_is_missing() -> None:
    world = World(files={KEY: b"x", OTHER: b"x"})
    intake = intake_of(world)
    intake.rescan()
    del world.files[KEY]

    intake.rescan()

    assert world.objects[KEY].state is ObjectState.MISSING
    assert world.objects[OTHER].is_present


def test_a_listing_that_breaks_off_makes_nothing_missing() -> None:
    class BreakingStore(Store):
        @override
        def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
            yield from list(super().list(prefix))[:1]
            raise DependencyUnavailableError("storage", "broke off")

    world = World(files={KEY: b"x", OTHER: b"x"})
    intake_of(world).rescan()

    with pytest.raises(DependencyUnavailableError):
        intake_of(world, BreakingStore(world)).rescan()

    assert world.objects[KEY].is_present
    assert world.objects[OTHER].is_present


def test_hints_of_files_directories_and_deletions_lead_to_the_same_state(
    tmp_path: Path,
) -> None:
    world = World(files={KEY: b"x", OTHER: b"x"})
    hints = DirectoryHints(
        intake=intake_of(world),
        directory=tmp_path,
        clock=world.clock,
        health=Health(world.clock),
        jitter=lambda: 0.5,
    )
    file, folder = tmp_path / KEY, (tmp_path / OTHER).parent
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    folder.mkdir(parents=True)

    hints.take([(FileChange.added, str(file)), (FileChange.added, str(folder))])
    there = {key: known.is_present for key, known in world.objects.items()}
    world.files.clear()
    hints.take(
        [(FileChange.deleted, str(tmp_path / "generated-images/ann/gone"))]
        + [(FileChange.deleted, str(path)) for path in (tmp_path / KEY, folder)]
    )

    assert there == {KEY: True, OTHER: True}
    assert {key: known.is_present for key, known in world.objects.items()} == {
        KEY: False,
        OTHER: False,
    }
