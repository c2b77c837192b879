import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import cast

from catalog.clock import ManualClock
from catalog.models.ids import ObjectKey
from catalog.repositories.base import ObjectRepository
from catalog.repositories.sightings import Recorded, Settled, Sighting
from catalog.storage.base import ObjectInfo, ObjectStore
from indexer.intake import Intake


class _Store:
    """Counts listings; ``both`` lets two threads ask at the same moment."""

    store_id = "directory"

    def __init__(self) -> None:
        self.listings = 0
        self.both = threading.Barrier(2, timeout=5)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        assert prefix == ""
        self.listings += 1
        return iter(())


class _Objects:
    def recorded_under(
        self, store: str, prefix: str, *, after: ObjectKey | None, limit: int
    ) -> Sequence[Recorded]:
        assert (store, prefix, after) == ("directory", "", None)
        return [][:limit]

    def settle(self, sightings: Iterable[Sighting]) -> Settled:
        return Settled(len(list(sightings)))


def test_a_build_and_the_first_sweep_share_one_listing() -> None:
    store = _Store()
    intake = Intake(
        store=cast("ObjectStore", store),
        objects=cast("ObjectRepository", _Objects()),
        clock=ManualClock(datetime(2026, 1, 1, tzinfo=UTC)),
    )

    def start() -> None:
        store.both.wait()
        intake.ensure_listed()

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert store.listings == 1
