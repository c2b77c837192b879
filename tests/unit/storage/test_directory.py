import errno
import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import pytest
from typing_extensions import override

from catalog.clock import ManualClock
from catalog.errors import (
    DependencyUnavailableError,
    InvalidObjectKeyError,
    NotFoundError,
)
from catalog.models.ids import ObjectKey
from catalog.storage.directory import TEMP_FOLDER, DirectoryObjectStore

KEY = ObjectKey("loras/u/j/v1/config.json")


class FailingFile(io.BytesIO):
    """A file of which one piece can be read before the disk breaks."""

    def __init__(self, number: int) -> None:
        super().__init__(b"x" * 10)
        self._number = number

    @override
    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell():
            raise OSError(self._number, os.strerror(self._number))
        return super().read(size)


@pytest.fixture
def store(tmp_path: Path) -> DirectoryObjectStore:
    return DirectoryObjectStore(tmp_path / "root")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def leftovers(root: Path) -> list[Path]:
    return list((root / TEMP_FOLDER).iterdir())


def test_it_is_named_directory_and_has_no_addresses_of_its_own(
    store: DirectoryObjectStore, root: Path
) -> None:
    assert store.store_id == "directory"
    assert store.url == root.as_uri()
    assert store.presign(KEY, expires_in=timedelta(hours=1)) is None


def test_a_broken_write_leaves_the_old_content_and_no_debris(
    store: DirectoryObjectStore, root: Path
) -> None:
    store.write(KEY, b"old")

    with pytest.raises(DependencyUnavailableError):
        store.write(KEY, FailingFile(errno.EIO))

    assert store.read(KEY) == b"old"
    assert leftovers(root) == []


def test_a_full_disk_is_said_in_a_sentence(store: DirectoryObjectStore) -> None:
    with pytest.raises(DependencyUnavailableError, match="disk is full"):
        store.write(KEY, FailingFile(errno.ENOSPC))


def test_files_that_are_being_written_are_no_objects(
    store: DirectoryObjectStore, root: Path
) -> None:
    store.write(KEY, b"")
    (root / TEMP_FOLDER / "half").write_bytes(b"x")

    assert [info.key for info in store.list()] == [KEY]
    assert list(store.list(TEMP_FOLDER + "/")) == []
    with pytest.raises(InvalidObjectKeyError):
        store.read(ObjectKey(f"{TEMP_FOLDER}/half"))


def test_what_a_killed_writer_left_goes_after_a_day(root: Path) -> None:
    now = datetime(2026, 5, 5, tzinfo=UTC)
    (root / TEMP_FOLDER).mkdir(parents=True)
    for name, hours in [("old", 25), ("young", 23)]:
        path = root / TEMP_FOLDER / name
        path.touch()
        written = (now - timedelta(hours=hours)).timestamp()
        os.utime(path, (written, written))

    DirectoryObjectStore(root, clock=ManualClock(now))

    assert [path.name for path in leftovers(root)] == ["young"]


def test_no_two_contents_of_one_size_share_an_etag(
    store: DirectoryObjectStore,
) -> None:
    etags = {store.write(KEY, bytes([number])).etag for number in range(50)}

    assert len(etags) == 50


def test_a_file_changed_by_someone_else_has_another_etag(
    store: DirectoryObjectStore, root: Path
) -> None:
    before = store.write(KEY, b"aaaa")

    (root / KEY).write_bytes(b"bbbb")

    assert store.head(KEY).etag != before.etag


def test_a_folder_is_no_object(store: DirectoryObjectStore) -> None:
    store.write(KEY, b"")

    for use in (store.head, store.read):
        with pytest.raises(NotFoundError):
            use(ObjectKey("loras/u/j"))
        with pytest.raises(NotFoundError):
            use(ObjectKey(f"{KEY}/below"))
    store.delete(ObjectKey("loras/u/j"))
    store.delete(ObjectKey(f"{KEY}/below"))
    assert store.read(KEY) == b""


@pytest.mark.parametrize("key", ["loras/u/j", f"{KEY}/below"])
def test_an_object_and_a_folder_cannot_share_a_name(
    store: DirectoryObjectStore, root: Path, key: str
) -> None:
    store.write(KEY, b"kept")

    with pytest.raises(InvalidObjectKeyError, match="same name"):
        store.write(ObjectKey(key), b"")

    assert store.read(KEY) == b"kept"
    assert leftovers(root) == []


def test_a_folder_that_was_left_empty_gives_way_to_an_object(
    store: DirectoryObjectStore, root: Path
) -> None:
    (root / "a" / "b").mkdir(parents=True)

    store.write(ObjectKey("a/b"), b"x")

    assert store.read(ObjectKey("a/b")) == b"x"


def test_a_delete_takes_empty_folders_with_it_but_not_the_root(
    store: DirectoryObjectStore, root: Path
) -> None:
    store.write(KEY, b"")
    (root / TEMP_FOLDER).rmdir()

    store.delete(KEY)

    assert root.is_dir()
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("name", ["head", "read", "write", "delete"])
def test_a_part_too_long_for_the_file_system_is_refused(
    store: DirectoryObjectStore, name: str
) -> None:
    key = ObjectKey("a/" + "é" * 200)
    store.write(ObjectKey("a/short"), b"")
    uses: dict[str, Callable[[], object]] = {
        "head": lambda: store.head(key),
        "read": lambda: store.read(key),
        "write": lambda: store.write(key, b""),
        "delete": lambda: store.delete(key),
    }

    with pytest.raises(InvalidObjectKeyError, match="too long"):
        uses[name]()


def test_links_that_leave_the_root_are_refused_and_not_listed(
    store: DirectoryObjectStore, root: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "root-secrets"
    outside.mkdir()
    (outside / "key.txt").write_text("secret")
    (root / "file.txt").symlink_to(outside / "key.txt")
    (root / "folder").symlink_to(outside)
    (root / "new.txt").symlink_to(outside / "new.txt")

    for key in ("file.txt", "folder/key.txt", "new.txt"):
        with pytest.raises(InvalidObjectKeyError):
            store.read(ObjectKey(key))
        with pytest.raises(InvalidObjectKeyError):
            store.write(ObjectKey(key), b"overwritten")
    assert list(store.list()) == []
    assert list(store.list("folder/")) == []
    assert (outside / "key.txt").read_text() == "secret"


def test_a_link_inside_the_root_is_an_object_and_a_circle_is_none(
    store: DirectoryObjectStore, root: Path
) -> None:
    store.write(KEY, b"x")
    (root / "alias.json").symlink_to(root / KEY)
    (root / "circle").symlink_to(root / "circle")
    (root / "up").symlink_to(root)

    assert store.read(ObjectKey("alias.json")) == b"x"
    assert [info.key for info in store.list()] == ["alias.json", KEY]
    with pytest.raises(NotFoundError):
        store.head(ObjectKey("circle"))


def test_a_root_that_is_a_link_itself_is_fine(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    store = DirectoryObjectStore(tmp_path / "link")

    store.write(KEY, b"x")

    assert [info.key for info in store.list()] == [KEY]
    for name in ("link", "disk"):
        assert store.parse_url((tmp_path / name / KEY).as_uri()) == KEY
        assert store.key_of_path(tmp_path / name / KEY) == KEY


def test_a_pipe_is_no_object_and_blocks_nothing(
    store: DirectoryObjectStore, root: Path
) -> None:
    os.mkfifo(root / "pipe")

    with pytest.raises(NotFoundError):
        store.read(ObjectKey("pipe"))
    assert list(store.list()) == []


def test_names_that_are_not_utf_8_are_passed_over(
    store: DirectoryObjectStore, root: Path
) -> None:
    store.write(KEY, b"")
    (root / os.fsdecode(b"\xff.png")).touch()

    assert [info.key for info in store.list()] == [KEY]


def test_a_root_that_vanished_is_unavailable_and_not_empty(
    store: DirectoryObjectStore, root: Path
) -> None:
    store.write(KEY, b"")
    root.rename(root.with_name("unmounted"))

    for use in (
        lambda: list(store.list()),
        lambda: list(store.list("loras/u/")),
        lambda: store.head(KEY),
        lambda: store.read(KEY),
        lambda: store.write(KEY, b"x"),
        lambda: store.delete(KEY),
    ):
        with pytest.raises(DependencyUnavailableError):
            use()
    assert not root.exists()


def test_a_root_exchanged_during_a_listing_breaks_it_off(
    store: DirectoryObjectStore, root: Path
) -> None:
    store.write(ObjectKey("a/1"), b"")
    store.write(ObjectKey("b/1"), b"")
    listing = store.list()
    next(listing)
    root.rename(root.with_name("unmounted"))
    root.mkdir()

    with pytest.raises(DependencyUnavailableError):
        list(listing)


def test_a_folder_out_of_reach_breaks_the_listing_off(
    store: DirectoryObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    store.write(KEY, b"")
    monkeypatch.setattr(os, "scandir", refuse)  # root may read everything

    with pytest.raises(DependencyUnavailableError, match="Permission denied"):
        list(store.list())


def test_a_folder_that_vanishes_during_a_listing_is_not_an_error(
    store: DirectoryObjectStore,
) -> None:
    for key in ("a/1", "b/1", "c/1"):
        store.write(ObjectKey(key), b"")
    listing = store.list()
    first = next(listing)

    store.delete(ObjectKey("b/1"))

    assert [first.key, *(info.key for info in listing)] == ["a/1", "c/1"]


def test_a_reader_keeps_the_content_it_began_with(
    store: DirectoryObjectStore,
) -> None:
    store.write(KEY, b"a" * 3_000_000)
    stream = store.stream(KEY)
    first = next(stream)

    store.write(KEY, b"b" * 3_000_000)

    assert set(first + b"".join(stream)) == {ord("a")}
    assert store.read(KEY, length=1) == b"b"


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "file://host/x", "file:///", "file:", "file://[x", ""],
)
def test_files_elsewhere_are_not_ours(store: DirectoryObjectStore, url: str) -> None:
    assert store.parse_url(url) is None


def test_file_addresses_are_decoded_and_stay_inside(
    store: DirectoryObjectStore,
) -> None:
    assert store.parse_url(f"{store.url}/a%20b/c+d.png?x=1") == "a b/c+d.png"
    assert store.parse_url(f"{store.url}/../secret") is None
    assert store.parse_url(f"{store.url}/%2e%2e/secret") is None
    assert store.parse_url(f"{store.url}-other/a") is None


def test_a_watcher_learns_the_key_of_a_path(
    store: DirectoryObjectStore, root: Path
) -> None:
    assert store.key_of_path(root / KEY) == KEY
    assert store.key_of_path(str(root / "a" / "gone.png")) == "a/gone.png"
    for path in (root, root / TEMP_FOLDER / "x", root.parent / "x", "relative"):
        assert store.key_of_path(path) is None


def test_a_root_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(DependencyUnavailableError):
        DirectoryObjectStore(tmp_path / "file" / "root")


def test_writers_and_deleters_of_one_place_do_not_hurt_one_another(
    store: DirectoryObjectStore, root: Path
) -> None:
    def work(number: int) -> None:
        key = ObjectKey(f"loras/u/j/{number % 2}")
        for _ in range(30):
            store.write(key, b"whole")
            with suppress(NotFoundError):
                assert store.read(key) == b"whole"
            store.delete(key)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))

    assert list(store.list()) == []
    assert leftovers(root) == []
