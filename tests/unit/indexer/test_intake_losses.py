"""What is believed gone, and what is not."""

import tracemalloc
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typing_extensions import override

from catalog.clock import ManualClock
from catalog.errors import DependencyRejectedError, DependencyUnavailableError
from catalog.models.ids import ObjectKey
from catalog.models.stored import ObjectState
from catalog.repositories.sightings import Settled, Sighting
from catalog.storage.base import ObjectInfo
from catalog.storage.directory import DirectoryObjectStore
from catalog.storage.seen import present
from indexer.intake import MASS, Intake
from tests.fakes.objects import FakeObjects
from tests.fakes.recording import put
from tests.torture.s3_mangler import MangledStore

START = datetime(2026, 1, 1, tzinfo=UTC)


def keys(count: int, start: int = 0) -> list[ObjectKey]:
    return [ObjectKey(f"loras/ann/{n:06}/m") for n in range(start, start + count)]


class World:
    """A store that was listed once, with so many objects in it."""

    def __init__(self, count: int, store: MangledStore | None = None) -> None:
        self.store = store or MangledStore()
        self.objects = FakeObjects()
        self.intake = Intake(
            store=self.store, objects=self.objects, clock=ManualClock(START)
        )
        for key in keys(count):
            self.store.objects[key] = b"x"
        self.intake.rescan()

    def lose(self, count: int) -> None:
        for key in keys(count):
            del self.store.objects[key]

    def missing(self) -> int:
        states = (known.state.state for known in self.objects.known.values())
        return sum(state is ObjectState.MISSING for state in states)


def test_what_is_gone_is_reported_with_samples() -> None:
    world = World(30)
    world.lose(25)
    world.store.objects["new"] = b"n"
    world.store.objects[keys(30)[-1]] = b"other"

    report = world.intake.reconcile()

    assert report.kind == "storage"
    assert report.differences == {"new": 1, "changed": 1, "missing": 25}
    assert report.checked == 30
    assert report.repaired == 27
    assert report.refused == ()
    assert len(report.samples) == 20
    assert "new: new" in report.samples
    assert world.missing() == 25


def test_nothing_differs_in_a_store_that_did_not_change() -> None:
    world = World(3)

    report = world.intake.reconcile()

    assert (report.checked, report.drift) == (3, 0)


@pytest.mark.parametrize("count", [1, 5, MASS * 2])
def test_a_store_that_lists_nothing_is_not_believed(count: int) -> None:
    world = World(count)
    world.lose(count)

    report = world.intake.reconcile()

    assert world.missing() == 0
    assert report.drift == 0
    assert "offline" in report.refused[0]
    assert world.intake.refused == report.refused


def test_a_store_of_other_contents_is_not_believed() -> None:
    world = World(MASS)
    world.lose(MASS)
    world.store.objects["quite/another/disk"] = b"x"

    report = world.intake.reconcile()

    assert world.missing() == 0
    assert report.differences == {"new": 1}
    assert report.refused


def test_losses_that_a_person_accepts_are_recorded() -> None:
    world = World(MASS)
    world.lose(MASS)

    report = world.intake.reconcile(accept_losses=True)

    assert world.missing() == MASS
    assert report.refused == ()


def test_a_mass_of_losses_is_believed_when_every_look_agrees() -> None:
    world = World(MASS * 2)
    world.lose(MASS * 2 - 1)

    world.intake.reconcile()

    assert world.missing() == MASS * 2 - 1


class Forgetful(MangledStore):
    """Lists only a part, and says that this is all."""

    listed = 10**9

    @override
    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        for place, info in enumerate(super().list(prefix)):
            if place < self.listed:
                yield info


def test_a_listing_that_looks_contradict_is_not_believed() -> None:
    store = Forgetful()
    world = World(MASS * 2, store)
    world.lose(3)
    store.listed = 50

    report = world.intake.reconcile()

    assert world.missing() == 0
    assert "incomplete" in report.refused[0]


def test_each_object_is_looked_at_again_before_it_is_missing() -> None:
    store = Forgetful()
    world = World(50, store)
    world.lose(3)
    store.listed = 20

    report = world.intake.reconcile()

    assert report.differences == {"missing": 3}


class BreakingOff(MangledStore):
    """A listing that ends in an error."""

    error: Exception | None = None

    @override
    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        yield from super().list(prefix)
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize(
    "error",
    [
        DependencyUnavailableError("storage", "broke off"),
        DependencyRejectedError("storage", "there is no bucket 'b'"),
    ],
)
@pytest.mark.parametrize("accept", [False, True])
def test_a_listing_that_broke_off_makes_nothing_missing(
    error: Exception, *, accept: bool
) -> None:
    store = BreakingOff()
    world = World(5, store)
    world.lose(2)
    store.error = error

    report = world.intake.reconcile(accept_losses=accept)

    assert world.missing() == 0
    assert str(error) in report.refused[0]
    with pytest.raises(type(error)):
        world.intake.rescan()


def test_a_store_that_goes_away_while_it_is_looked_at_loses_nothing() -> None:
    class Vanishing(MangledStore):
        is_there = True

        @override
        def check(self) -> None:
            if not self.is_there:
                raise DependencyRejectedError("storage", "there is no bucket")

        @override
        def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
            yield from super().list(prefix)
            self.is_there = not self.objects

    world = World(0, store := Vanishing())
    put(
        world.objects,
        [present(store, ObjectInfo(key, 1, "e", START), START) for key in keys(3)],
    )
    store.objects["other"] = b"x"

    report = world.intake.reconcile()

    assert world.missing() == 0
    assert report.refused


def test_a_directory_that_is_not_mounted_loses_nothing(tmp_path: Path) -> None:
    root = tmp_path / "store"
    store = DirectoryObjectStore(root)
    objects = FakeObjects()
    intake = Intake(store=store, objects=objects, clock=ManualClock(START))
    for key in keys(3):
        store.write(key, b"x")
    intake.rescan()

    root.rename(tmp_path / "elsewhere")
    absent = intake.reconcile()
    root.mkdir()
    empty = intake.reconcile()

    assert absent.refused
    assert empty.refused
    assert len(objects.present()) == 3


def test_an_object_found_again_is_present_again() -> None:
    world = World(3)
    world.lose(1)
    world.intake.rescan()
    assert world.missing() == 1

    world.store.objects[keys(1)[0]] = b"x"
    world.intake.rescan()

    assert world.missing() == 0


def test_a_tombstone_is_no_difference_to_what_is_not_there() -> None:
    world = World(2)
    world.lose(1)
    world.intake.told({keys(1)[0]: ""})
    writes = world.objects.writes

    assert world.intake.rescan() == 0
    assert world.objects.writes == writes


def test_a_part_is_rescanned_without_touching_the_rest() -> None:
    world = World(3)
    world.lose(2)

    world.intake.rescan(keys(1)[0])

    assert world.missing() == 1
    assert world.intake.refused == ()


class Endless(MangledStore):
    """Millions of objects that need no memory here."""

    count = 0

    @override
    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        del prefix
        for n in range(self.count):
            yield ObjectInfo(ObjectKey(f"k/{n:09}"), 1, "e", START)


class Sink(FakeObjects):
    """Takes everything and keeps nothing."""

    seen = 0

    @override
    def settle(self, sightings: Iterable[Sighting]) -> Settled:
        self.seen += len(list(sightings))
        return Settled()


def test_a_long_listing_needs_no_more_memory_than_a_short_one() -> None:
    def peak(count: int) -> int:
        store, objects = Endless(), Sink()
        store.count = count
        intake = Intake(store=store, objects=objects, clock=ManualClock(START))
        tracemalloc.start()
        try:
            intake.rescan()
            assert objects.seen == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    short = peak(2_000)

    assert peak(10_000) < short * 1.5
