import json
from pathlib import Path
from typing import Any

import pytest

from catalog.errors import StackError
from catalog.local.upgrade import LAYOUT, Upgrade, Versions, version_of
from tests.unit.local.fakes import Notes

PRESENT = Versions(mongod="6.0.5", typesense="0.3.0")


class Directory:
    """A data directory with files of both servers in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes = Notes()
        self.mongo, self.typesense = path / "mongo", path / "typesense"
        self.file = path / "versions.json"
        self.records = self.mongo / "collection-0.wt"
        self.index = self.typesense / "data" / "db" / "000001.sst"
        for file in (self.records, self.index):
            file.parent.mkdir(parents=True)
            file.write_text("precious")

    def start(self, present: Versions = PRESENT) -> str | None:
        """Start well; returns the feature version that MongoDB was told."""
        upgrade = self.begin(present)
        told = upgrade.needs_feature_version()
        upgrade.after_start()
        return told

    def begin(self, present: Versions = PRESENT) -> Upgrade:
        upgrade = Upgrade(self.path, present, self.notes)
        upgrade.before_start(self.typesense, mongo=self.mongo)
        return upgrade

    def versions(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.file.read_text())
        return content


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    """Written by ``PRESENT``."""
    made = Directory(tmp_path)
    made.start()
    return made


def test_the_same_servers_change_nothing(directory: Directory) -> None:
    before = directory.versions()

    told = directory.start()

    assert told is None
    assert directory.versions() == before
    assert directory.index.exists()
    assert directory.notes.warnings == []


def test_a_new_directory_is_noted_before_anything_is_in_it(tmp_path: Path) -> None:
    """Or a first start that is killed would leave what looks like an old release's."""
    present = Versions(mongod="8.0.1", typesense="0.9.0")
    first = Upgrade(tmp_path, present, Notes())
    first.before_start(tmp_path / "typesense", mongo=tmp_path / "mongo")
    interrupted = Directory(tmp_path)  # both servers have written, no more happened

    told = interrupted.start(present)

    assert told is None
    assert first.needs_feature_version() is None
    assert interrupted.notes.warnings == []
    assert interrupted.index.exists()
    assert interrupted.versions() == {
        "layout": LAYOUT,
        "mongod": "8.0.1",
        "typesense": "0.9.0",
        "rebuilding": False,
    }


def test_a_newer_patch_of_mongodb_is_no_matter(directory: Directory) -> None:
    told = directory.start(Versions(mongod="6.0.27", typesense="0.3.0"))

    assert told is None
    assert directory.notes.warnings == []
    assert directory.versions()["mongod"] == "6.0.27"


def test_the_next_mongodb_is_warned_of_and_told_its_feature_version_once(
    directory: Directory,
) -> None:
    present = Versions(mongod="7.0.1", typesense="0.3.0")

    told = directory.start(present)
    again = directory.start(present)

    assert (told, again) == ("7.0", None)
    assert "MongoDB is 7.0.1 now and was 6.0.5" in directory.notes.warnings[0]
    assert "backup" in directory.notes.warnings[0]
    assert directory.index.exists()


def test_a_start_that_failed_leaves_the_feature_version_for_the_next(
    directory: Directory,
) -> None:
    present = Versions(mongod="7.0.1", typesense="0.3.0")

    directory.begin(present)  # and MongoDB did not start

    assert directory.versions()["mongod"] == "6.0.5"
    assert directory.start() is None  # back to the release before: it can read it
    assert directory.start(present) == "7.0"


def test_two_major_releases_at_once_are_refused_saying_how_to_go(
    directory: Directory,
) -> None:
    with pytest.raises(StackError, match=r"MongoDB 7\.0.*catalog backup"):
        directory.begin(Versions(mongod="8.0.0", typesense="0.4.0"))

    assert directory.versions()["mongod"] == "6.0.5"
    assert directory.index.exists()


def test_an_older_mongodb_is_refused(directory: Directory) -> None:
    directory.start(Versions(mongod="7.0.1", typesense="0.3.0"))

    with pytest.raises(StackError, match=r"written by MongoDB 7\.0\.1.*can't read it"):
        directory.begin()


def test_another_typesense_loses_its_files_and_no_record(directory: Directory) -> None:
    directory.start(Versions(mongod="6.0.5", typesense="0.4.0"))

    assert not directory.index.exists()
    assert directory.records.read_text() == "precious"
    assert directory.versions()["typesense"] == "0.4.0"
    assert "built anew" in directory.notes.warnings[0]


def test_a_removal_that_was_interrupted_is_taken_up(directory: Directory) -> None:
    kept = directory.versions()
    directory.file.write_text(json.dumps(kept | {"rebuilding": True}))

    directory.start()

    assert not directory.index.exists()
    assert directory.versions() == kept


def test_a_removal_that_fails_is_noted_and_stops_the_start(
    directory: Directory,
) -> None:
    directory.index.unlink()
    directory.index.parent.rmdir()
    directory.index.parent.parent.rmdir()
    directory.index.parent.parent.write_text("a file where a folder was")

    with pytest.raises(StackError, match="can't be removed"):
        directory.begin(Versions(mongod="6.0.5", typesense="0.4.0"))

    assert directory.versions()["rebuilding"] is True


def test_servers_of_others_are_none_of_its_business(directory: Directory) -> None:
    before = directory.versions()

    assert directory.start(Versions()) is None

    assert directory.versions() == before
    assert directory.index.exists()


def test_a_removal_waits_while_another_typesense_is_used(directory: Directory) -> None:
    kept = directory.versions() | {"rebuilding": True}
    directory.file.write_text(json.dumps(kept))

    directory.start(Versions(mongod="6.0.5"))

    assert directory.versions() == kept
    assert directory.notes.warnings == []


def test_a_directory_of_the_first_release_is_known_though_it_says_nothing(
    tmp_path: Path,
) -> None:
    directory = Directory(tmp_path)

    told = directory.start(Versions(mongod="7.0.1", typesense="0.4.0"))

    assert told == "7.0"
    assert not directory.index.exists()
    assert "was 6.0.5" in directory.notes.warnings[0]


def test_an_index_of_the_first_release_is_known_beside_a_mongodb_of_others(
    tmp_path: Path,
) -> None:
    directory = Directory(tmp_path)
    directory.records.unlink()

    directory.start(Versions(typesense="0.4.0"))

    assert not directory.index.exists()
    assert directory.versions()["typesense"] == "0.4.0"
    assert directory.versions()["mongod"] == ""


def test_a_newer_layout_is_refused(directory: Directory) -> None:
    newer = {"layout": LAYOUT + 1, "shape": "unknown to us"}
    directory.file.write_text(json.dumps(newer))

    with pytest.raises(StackError, match="newer version of the catalog"):
        directory.begin()

    assert directory.versions() == newer


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "3", "null", "{}", '{"layout": "x"}'),
        '{"layout": 1, "mongod": 6}',
        '{"layout": 1, "mongod": "six"}',
        '{"layout": 1, "typesense": "new"}',
        '{"layout": 1, "size": 3}',
        "\udcff",
    ],
)
def test_a_broken_note_is_named_and_nothing_is_touched(
    text: str, directory: Directory
) -> None:
    directory.file.write_bytes(text.encode(errors="surrogateescape"))

    with pytest.raises(StackError, match=r"versions\.json can't be read"):
        directory.begin(Versions(mongod="6.0.5", typesense="0.4.0"))

    assert directory.index.exists()


def program(path: Path, says: str) -> Path:
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o700)
    return path


@pytest.mark.parametrize(
    ("says", "version"),
    [("db version v6.0.5", "6.0.5"), ("7.1", "7.1"), ("v8.0.0-rc1 (x)", "8.0.0")],
)
def test_a_program_is_asked_for_its_version(
    says: str, version: str, tmp_path: Path
) -> None:
    assert version_of(program(tmp_path / "server", says)) == version


def test_a_program_that_does_not_tell_or_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="server does not tell its version"):
        version_of(program(tmp_path / "server", "hello"))
    with pytest.raises(StackError, match="absent can't be run"):
        version_of(tmp_path / "absent")
