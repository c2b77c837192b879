import json
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from catalog.clock import ManualClock
from catalog.errors import DependencyUnavailableError, StackError
from catalog.local import backup
from catalog.local.data_directory import DataDirectory
from catalog.local.manifest import Manifest, read_manifest, verify
from catalog.local.upgrade import Versions, noted
from tests.unit.local.fakes import NOW

RECORDS = {"jobs": 3, "annotations": 1}
VERSIONS = {"catalog": "0.1.0", "mongod": "6.0.5"}


def dump(
    uri: str, database: str, folder: Path, tell: Callable[[str, int], None]
) -> None:
    """Stand in for the one that reads MongoDB."""
    for name, count in RECORDS.items():
        (folder / f"{name}.bson").write_text(f"{count} of {database} at {uri}")
        tell(name, count)


@dataclass
class Server:
    """Stands in for a MongoDB that is started for a restore."""

    uri: str = "mongodb://restored"
    is_running: bool = False
    loaded: dict[str, str] = field(default_factory=dict)
    fails: Exception | None = None

    def start(self, data: Path, log: Path) -> "Server":
        assert data.is_dir()
        assert log.parent.is_dir()
        self.is_running = True
        return self

    def stop(self) -> None:
        self.is_running = False

    def load(
        self, uri: str, database: str, folder: Path, tell: Callable[[str, int], None]
    ) -> None:
        assert self.is_running
        assert (uri, database) == (self.uri, "content_generation")
        if self.fails is not None:
            raise self.fails
        for path in folder.iterdir():
            self.loaded[path.name] = path.read_text()
            tell(path.stem, 1)


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    made = DataDirectory(tmp_path / "data")
    made.create()
    (made.storage / "loras" / "ü").mkdir(parents=True)
    (made.storage / "loras" / "ü" / "a.bin").write_bytes(b"\x00" * 3_000_000)
    (made.storage / "empty.txt").touch()
    return made


def back_up(
    directory: DataDirectory,
    target: Path,
    *,
    storage: str | None = None,
    dumping: backup.Dump = dump,
) -> Manifest:
    return backup.back_up(
        target,
        directory=directory,
        mongo_uri="mongodb://source",
        database="content_generation",
        storage=storage,
        versions=VERSIONS,
        dump=dumping,
        clock=ManualClock(NOW),
        tell=lambda _: None,
    )


@pytest.fixture
def made(directory: DataDirectory, tmp_path: Path) -> Path:
    back_up(directory, tmp_path / "backup")
    return tmp_path / "backup"


def restore(
    source: Path, path: Path, server: Server | None = None, *, force: bool = False
) -> Manifest:
    server = server or Server()
    return backup.restore(
        source,
        directory=DataDirectory(path),
        force=force,
        mongod="7.0.1",
        load=server.load,
        clock=ManualClock(NOW),
        tell=lambda _: None,
        start=server.start,
    )


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# --- writing -----------------------------------------------------------------------


def test_a_backup_holds_records_files_and_secrets_and_lists_them(
    directory: DataDirectory, made: Path
) -> None:
    manifest = read_manifest(made)

    assert manifest.collections == RECORDS
    assert manifest.storage == "copied"
    assert manifest.versions == VERSIONS
    assert manifest.changed == []
    assert manifest.created_at == "2026-01-01T00:00:00+00:00"
    assert set(manifest.files) == set(files_of(made)) - {"manifest.json"}
    assert set(manifest.files) == {
        *("records/jobs.bson", "records/annotations.bson", "secrets.json"),
        *("storage/loras/ü/a.bin", "storage/empty.txt"),
    }
    secrets = json.loads((made / "secrets.json").read_text())
    assert secrets["admin_token"] == directory.secrets().admin_token


def test_secrets_and_records_are_the_owners_alone(made: Path) -> None:
    for path in (made / "secrets.json", made / "records"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def rewriting(path: Path, times: int) -> Callable[[str], None]:
    """Rewrite a file while others are read; ``times`` is how often."""
    left = [times]

    def interfere(copied: str) -> None:
        if copied == path.name and left[0]:
            left[0] -= 1
            path.write_bytes(b"new" * (10 + left[0]))

    return interfere


def copying(monkeypatch: pytest.MonkeyPatch, interfere: Callable[[str], None]) -> None:
    """Let something happen to each file in the middle of its copying."""
    copy2 = shutil.copy2

    def interrupted(source: Path, target: Path) -> None:
        copy2(source, target)
        interfere(source.name)

    monkeypatch.setattr(shutil, "copy2", interrupted)


def test_a_file_that_changes_while_it_is_copied_is_copied_again(
    directory: DataDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = directory.storage / "empty.txt"
    copying(monkeypatch, rewriting(file, 1))

    manifest = back_up(directory, tmp_path / "b")

    assert manifest.changed == []
    assert (tmp_path / "b" / "storage" / "empty.txt").read_bytes() == file.read_bytes()


def test_a_file_that_never_stands_still_is_listed(
    directory: DataDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copying(monkeypatch, rewriting(directory.storage / "empty.txt", 99))

    manifest = back_up(directory, tmp_path / "b")

    assert manifest.changed == ["empty.txt"]
    assert verify(tmp_path / "b", lambda _: None) == manifest


def test_a_file_that_goes_while_others_are_copied_is_listed_and_left_out(
    directory: DataDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes = directory.storage / "going.txt"
    goes.touch()

    def interfere(copied: str) -> None:
        if copied == "empty.txt":
            goes.unlink()

    copying(monkeypatch, interfere)

    manifest = back_up(directory, tmp_path / "b")

    assert manifest.changed == ["going.txt"]
    assert "storage/going.txt" not in manifest.files
    assert verify(tmp_path / "b", lambda _: None) == manifest


def test_a_store_of_somebody_else_is_named_and_not_copied(
    directory: DataDirectory, tmp_path: Path
) -> None:
    manifest = back_up(directory, tmp_path / "b", storage="s3://bucket")

    assert manifest.storage == "s3://bucket"
    assert not (tmp_path / "b" / "storage").exists()


def test_the_address_of_the_own_store_means_the_own_store(
    directory: DataDirectory, tmp_path: Path
) -> None:
    manifest = back_up(directory, tmp_path / "b", storage=directory.storage.as_uri())

    assert manifest.storage == "copied"


def test_without_a_data_directory_the_records_alone_are_saved_and_restored(
    tmp_path: Path,
) -> None:
    """As where MongoDB is given and secrets are in the environment."""
    manifest = back_up(
        DataDirectory(tmp_path / "never"), tmp_path / "b", storage="s3://bucket"
    )
    restore(tmp_path / "b", tmp_path / "new")

    assert set(manifest.files) == {"records/jobs.bson", "records/annotations.bson"}
    assert not (tmp_path / "never").exists()
    assert DataDirectory(tmp_path / "new").secrets().admin_token


def test_a_target_that_exists_is_refused_and_kept(
    directory: DataDirectory, made: Path
) -> None:
    before = files_of(made)

    with pytest.raises(StackError, match="exists already"):
        back_up(directory, made)

    assert files_of(made) == before


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (OSError(28, "No space left on device"), StackError),
        (DependencyUnavailableError("mongodb", "away"), DependencyUnavailableError),
    ],
)
def test_a_backup_is_complete_or_not_there(
    error: Exception,
    wanted: type[Exception],
    directory: DataDirectory,
    tmp_path: Path,
) -> None:
    def breaking(_uri: str, _database: str, folder: Path, _tell: object) -> None:
        (folder / "jobs.bson").write_text("half")
        raise error

    with pytest.raises(wanted):
        back_up(directory, tmp_path / "backup", dumping=breaking)

    assert [path.name for path in tmp_path.iterdir()] == ["data"]


# --- verifying ---------------------------------------------------------------------


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\x00")


@pytest.mark.parametrize("damage", [flip, lengthen, Path.unlink])
@pytest.mark.parametrize(
    "name", ["records/jobs.bson", "storage/loras/ü/a.bin", "secrets.json"]
)
def test_damage_is_named_and_nothing_is_restored_from_it(
    name: str, damage: Callable[[Path], None], made: Path, tmp_path: Path
) -> None:
    damage(made / name)

    with pytest.raises(StackError) as caught:
        verify(made, lambda _: None)
    with pytest.raises(StackError):
        restore(made, tmp_path / "new")

    assert name in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_what_is_whole_is_said_to_be(made: Path) -> None:
    assert verify(made, lambda _: None) == read_manifest(made)


def test_a_folder_that_is_no_backup_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="is not a backup"):
        verify(tmp_path, lambda _: None)


@pytest.mark.parametrize(
    "change",
    [
        {"files": 3},
        {"files": {"a": 1}},
        {"files": {"a": ["x", "y"]}},
        {"more": 1},
        {"format": None},
        {"collections": {"jobs": "many"}},
        {"versions": 3},
        {"changed": None},
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(
    change: dict[str, Any], made: Path
) -> None:
    manifest = json.loads((made / "manifest.json").read_text())
    (made / "manifest.json").write_text(json.dumps(manifest | change))

    with pytest.raises(StackError, match="can't be read"):
        read_manifest(made)


@pytest.mark.parametrize("text", ["", "[]", "3", "{}"])
def test_a_manifest_that_is_none_is_refused(text: str, made: Path) -> None:
    (made / "manifest.json").write_text(text)

    with pytest.raises(StackError, match="can't be read"):
        read_manifest(made)


def test_a_newer_format_is_refused_saying_so(made: Path) -> None:
    manifest = json.loads((made / "manifest.json").read_text())
    newer = manifest | {"format": 2, "compression": "unknown to us"}
    (made / "manifest.json").write_text(json.dumps(newer))

    with pytest.raises(StackError, match="format 2"):
        read_manifest(made)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../b"])
def test_a_manifest_that_points_outside_is_refused(name: str, made: Path) -> None:
    manifest = json.loads((made / "manifest.json").read_text())
    manifest["files"][name] = [0, ""]
    (made / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(StackError, match="names a file outside"):
        read_manifest(made)


# --- restoring ---------------------------------------------------------------------


def test_a_restored_directory_has_records_files_and_secrets(
    directory: DataDirectory, made: Path, tmp_path: Path
) -> None:
    server = Server()

    restore(made, tmp_path / "new", server)

    new = DataDirectory(tmp_path / "new")
    assert set(server.loaded) == {"jobs.bson", "annotations.bson"}
    assert not server.is_running
    assert files_of(new.storage) == files_of(directory.storage)
    assert new.secrets() == directory.secrets()
    new.check_whole()
    assert noted(new.path) == Versions(mongod="7.0.1")  # what filled it
    kept = stat.S_IMODE((new.path / "secrets.json").stat().st_mode)
    assert kept == 0o600


def test_an_empty_directory_is_filled(made: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()

    restore(made, tmp_path / "new")

    DataDirectory(tmp_path / "new").check_whole()


def test_what_is_in_the_way_is_refused_and_kept(made: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "letter").write_text("dear")

    with pytest.raises(StackError, match="--force"):
        restore(made, tmp_path / "new")

    assert files_of(tmp_path / "new") == {"letter": b"dear"}


def test_with_force_what_is_in_the_way_is_moved_aside(
    made: Path, tmp_path: Path
) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "letter").write_text("dear")

    restore(made, tmp_path / "new", force=True)

    aside = tmp_path / "new.before-restore-20260101-000000"
    assert files_of(aside) == {"letter": b"dear"}
    assert not (tmp_path / "new" / "letter").exists()


def test_a_directory_in_use_is_refused_even_with_force(
    directory: DataDirectory, made: Path
) -> None:
    before = set(files_of(directory.path))
    with (
        directory.locked(ManualClock(NOW)),
        pytest.raises(StackError, match="stop it first"),
    ):
        restore(made, directory.path, force=True)

    assert set(files_of(directory.path)) == before | {"lock"}


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (OSError(28, "No space left on device"), StackError),
        (DependencyUnavailableError("mongodb", "away"), DependencyUnavailableError),
    ],
)
def test_a_restore_that_failed_can_not_be_started_but_done_again(
    error: Exception, wanted: type[Exception], made: Path, tmp_path: Path
) -> None:
    server = Server(fails=error)
    with pytest.raises(wanted):
        restore(made, tmp_path / "new", server)

    assert not server.is_running
    with pytest.raises(StackError, match="again with --force"):
        DataDirectory(tmp_path / "new").check_whole()
    restore(made, tmp_path / "new", force=True)
    DataDirectory(tmp_path / "new").check_whole()
