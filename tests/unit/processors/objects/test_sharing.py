"""Who reads the same object at the same time shares one copy of it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typing_extensions import override

from catalog.errors import DependencyUnavailableError, NotFoundError
from catalog.models.ids import ObjectKey
from catalog.models.stored import StoredObject
from catalog.storage.seen import present
from processors.media.errors import MediaError
from processors.objects.sharing import SharedFetch
from tests.fakes.catalog import NOW
from tests.fakes.store import FakeStore

KEY = ObjectKey("uploads/ann/talk.wav")
MOST = 1000


class CountingStore(FakeStore):
    """Counts how often something is fetched; may hold it up."""

    def __init__(self) -> None:
        super().__init__()
        self.fetches = 0
        self.may_end = threading.Event()
        self.may_end.set()
        self.errors: list[Exception] = []

    @override
    def stream(
        self, key: ObjectKey, *, start: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        self.fetches += 1
        if self.errors:
            raise self.errors.pop()
        assert self.may_end.wait(10)
        yield from super().stream(key, start=start, length=length)


@pytest.fixture
def store() -> CountingStore:
    store = CountingStore()
    store.objects[KEY] = b"sound" * 10
    return store


@pytest.fixture
def shared(store: CountingStore) -> SharedFetch:
    return SharedFetch(store)


def seen(store: CountingStore) -> StoredObject:
    return present(store, store.head(KEY), NOW)


def fetched(shared: SharedFetch, store: CountingStore, path: Path) -> bytes:
    shared.fetch(seen(store), path, most_bytes=MOST)
    return path.read_bytes()


def test_a_copy_that_is_here_is_not_fetched_again_and_each_task_removes_its_own(
    store: CountingStore, shared: SharedFetch, tmp_path: Path
) -> None:
    first, second, third = (tmp_path / name for name in "abc")

    fetched(shared, store, first)
    assert fetched(shared, store, second) == b"sound" * 10
    first.unlink()

    assert second.read_bytes() == b"sound" * 10
    assert store.fetches == 1
    second.unlink()
    assert fetched(shared, store, third) == b"sound" * 10
    assert store.fetches == 2


def test_who_comes_while_it_is_fetched_waits_for_that(
    store: CountingStore, shared: SharedFetch, tmp_path: Path
) -> None:
    store.may_end.clear()
    with ThreadPoolExecutor(3) as threads:
        running = [
            threads.submit(fetched, shared, store, tmp_path / f"{n}") for n in range(3)
        ]
        threading.Event().wait(0.1)
        store.may_end.set()

        assert {one.result(10) for one in running} == {b"sound" * 10}
    assert store.fetches == 1


def test_another_state_of_an_object_is_fetched_by_itself(
    store: CountingStore, shared: SharedFetch, tmp_path: Path
) -> None:
    fetched(shared, store, tmp_path / "old")
    store.objects[KEY] = b"other"

    assert fetched(shared, store, tmp_path / "new") == b"other"
    assert store.fetches == 2


@pytest.mark.parametrize(
    "error",
    [DependencyUnavailableError("store", "away"), NotFoundError("object", KEY)],
)
def test_what_fails_for_one_is_tried_again_for_the_other(
    store: CountingStore, shared: SharedFetch, tmp_path: Path, error: Exception
) -> None:
    store.errors.append(error)
    with pytest.raises(type(error)):
        fetched(shared, store, tmp_path / "a")

    assert fetched(shared, store, tmp_path / "b") == b"sound" * 10


def test_each_task_keeps_its_own_limit(
    store: CountingStore, shared: SharedFetch, tmp_path: Path
) -> None:
    fetched(shared, store, tmp_path / "a")

    with pytest.raises(MediaError, match="more than 10 bytes"):
        shared.fetch(seen(store), tmp_path / "b", most_bytes=10)

    assert not (tmp_path / "b").exists()


def test_an_object_without_a_state_is_fetched_every_time(
    store: CountingStore, shared: SharedFetch, tmp_path: Path
) -> None:
    for name in "ab":
        stateless = seen(store).evolve(etag=None)
        shared.fetch(stateless, tmp_path / name, most_bytes=MOST)

    assert store.fetches == 2


def test_copies_of_long_ago_are_forgotten(
    store: CountingStore, shared: SharedFetch, tmp_path: Path
) -> None:
    fetched(shared, store, tmp_path / "first")
    for number in range(100):
        store.objects[KEY] = b"%d" % number
        fetched(shared, store, tmp_path / f"{number}")
    store.objects[KEY] = b"sound" * 10

    fetched(shared, store, tmp_path / "again")

    assert store.fetches == 102
