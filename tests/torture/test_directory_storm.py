"""New trees, renames, replacements and deletions in a directory, faster than hints."""

import os
import random
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymongo.database import Database
from typing_extensions import override
from watchfiles import Change as FileChange

from catalog.clock import SystemClock
from catalog.models.ids import ObjectKey
from catalog.repositories.mongo.objects import MongoObjectRepository
from catalog.storage.base import ObjectInfo
from catalog.storage.directory import DirectoryObjectStore
from indexer.health import Health
from indexer.intake import Intake
from indexer.intake_directory import DirectoryHints

FILES = 20_000 if os.environ.get("CATALOG_TORTURE") == "full" else 2_000
_FILES_PER_FOLDER = 8
_PAGE = 1_000
_STORMS = (0.5, 0.7, 0.85, 0.95, 1.0)
"""Draws below these: new tree, tree renamed, file replaced, file gone, tree gone."""


class CountingStore(DirectoryObjectStore):
    """Remembers which parts were listed."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.listed: list[str] = []

    @override
    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        self.listed.append(prefix)
        return super().list(prefix)


class Site:
    """A directory, what is recorded of it, and its hints."""

    def __init__(self, root: Path, database: Database[dict[str, Any]]) -> None:
        clock = SystemClock()
        self.root = root
        self.store = CountingStore(root)
        self.objects = MongoObjectRepository(database)
        self.intake = Intake(store=self.store, objects=self.objects, clock=clock)
        self.hints = DirectoryHints(
            intake=self.intake,
            directory=root,
            clock=clock,
            health=Health(clock),
            jitter=lambda: 0.5,
        )

    def stored(self) -> dict[ObjectKey, str]:
        """Look at every file, by another road than the listing's."""
        files = (path for path in self.root.rglob("*") if path.is_file())
        keys = (ObjectKey(path.relative_to(self.root).as_posix()) for path in files)
        return {key: self.store.head(key).etag for key in keys}

    def recorded(self) -> dict[ObjectKey, str | None]:
        found: dict[ObjectKey, str | None] = {}
        after: ObjectKey | None = None
        while True:
            page = self.objects.recorded_under(
                self.store.store_id, "", after=after, limit=_PAGE
            )
            found |= {
                one.state.key: one.state.etag for one in page if one.state.is_present
            }
            if len(page) < _PAGE:
                return found
            after = page[-1].state.key


class Storm:
    """Changes a directory until so many files were written."""

    def __init__(self, root: Path, fate: random.Random) -> None:
        self.root = root
        self.fate = fate
        self.written = 0
        self.trees: list[Path] = []
        self.moved = 0
        self.removed = 0

    def blow(self, files: int) -> None:
        while self.written < files:
            draw = self.fate.random()
            if draw < _STORMS[0] or len(self.trees) < len(_STORMS):
                self.plant()
            elif draw < _STORMS[1]:
                self.move()
            elif draw < _STORMS[2]:
                self.write(self.any_file())
            elif draw < _STORMS[3]:
                self.any_file().unlink()
                self.removed += 1
            else:
                place = self.fate.randrange(len(self.trees))
                shutil.rmtree(self.trees.pop(place))
                self.removed += 1

    def plant(self) -> None:
        """Make nested folders and fill them at once, before anybody can watch them."""
        number = self.written
        tree = self.root / "generated-images" / f"user{number % 7}" / f"job{number}"
        folder = tree
        for depth in range(self.fate.randint(1, 4)):
            folder = folder / f"d {depth}" if depth else folder
            folder.mkdir(parents=True)
            for place in range(self.fate.randint(1, _FILES_PER_FOLDER)):
                self.write(folder / f"image_{place}.png")
        self.trees.append(tree)

    def move(self) -> None:
        place = self.fate.randrange(len(self.trees))
        tree = self.trees[place]
        # Also to where another one was, and with a name that sorts around "/".
        ending = self.fate.choice((".a", "-b", "c"))
        aim = tree.with_name(f"{tree.name}{ending}")
        if not aim.exists():
            self.trees[place] = tree.rename(aim)
            self.moved += 1

    def any_file(self) -> Path:
        for _ in range(100):
            tree = self.fate.choice(self.trees)
            files = [path for path in sorted(tree.rglob("*")) if path.is_file()]
            if files:
                return self.fate.choice(files)
        message = "hardly any file is left"
        raise AssertionError(message)

    def write(self, path: Path) -> None:
        path.write_bytes(self.fate.randbytes(self.fate.randint(1, 64)))
        self.written += 1


@contextmanager
def followed(site: Site) -> Iterator[None]:
    """Let hints act meanwhile, as they do beside the rescans."""
    stop = threading.Event()
    thread = threading.Thread(target=site.hints.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def test_after_a_storm_one_rescan_knows_every_file(
    seed: int, folder: Path, mongo_database: Database[dict[str, Any]]
) -> None:
    site = Site(folder, mongo_database)
    storm = Storm(folder, random.Random(seed))
    with followed(site):
        storm.blow(FILES // 2)
        site.intake.rescan()  # one that the storm goes on around
        storm.blow(FILES)
    assert storm.moved
    assert storm.removed

    site.intake.rescan()

    assert site.recorded() == site.stored()
    assert len(site.recorded()) > FILES // 10
    assert site.intake.rescan() == 0


def test_a_storm_without_any_hint_is_known_after_one_rescan(
    seed: int, folder: Path, mongo_database: Database[dict[str, Any]]
) -> None:
    site = Site(folder, mongo_database)
    storm = Storm(folder, random.Random(seed))
    storm.blow(FILES // 4)
    site.intake.rescan()
    storm.blow(FILES // 2)

    site.intake.rescan()

    assert site.recorded() == site.stored()


def test_a_renamed_tree_is_found_by_listing_only_where_it_was_and_is(
    seed: int, folder: Path, mongo_database: Database[dict[str, Any]]
) -> None:
    site = Site(folder, mongo_database)
    storm = Storm(folder, random.Random(seed))
    storm.blow(FILES // 10)
    site.intake.rescan()
    site.store.listed.clear()
    old = storm.trees[0]
    new = old.rename(old.with_name("renamed"))

    # A rename tells of the folders alone, not of the files in them.
    site.hints.take([(FileChange.deleted, str(old)), (FileChange.added, str(new))])

    where = old.parent.relative_to(folder).as_posix()
    assert sorted(site.store.listed) == [f"{where}/{old.name}", f"{where}/renamed/"]
    assert site.recorded() == site.stored()


def test_a_new_tree_of_which_only_the_top_is_told_is_found_whole(
    seed: int, folder: Path, mongo_database: Database[dict[str, Any]]
) -> None:
    site = Site(folder, mongo_database)
    storm = Storm(folder, random.Random(seed))
    storm.plant()
    site.intake.rescan()
    site.store.listed.clear()
    storm.plant()
    (tree,) = storm.trees[1:]

    site.hints.take([(FileChange.added, str(tree))])

    assert site.store.listed == [f"{tree.relative_to(folder).as_posix()}/"]
    assert site.recorded() == site.stored()
