"""``catalog backup`` and ``catalog restore`` of the one-machine stack.

A backup holds the records of one moment, the store's files and the secrets. It does
not hold Typesense: the index is disposable and is built anew after a restore.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from catalog.clock import Clock
from catalog.errors import StackError
from catalog.local.data_directory import DataDirectory
from catalog.local.manifest import FORMAT, MANIFEST, Manifest, summed, verify
from catalog.local.servers import start_mongod_on
from catalog.local.upgrade import Versions, note

_RECORDS, _STORAGE, _SECRETS = "records", "storage", "secrets.json"
_COPY_ATTEMPTS = 3
_OWNER_ONLY = 0o600

Tell = Callable[[str], None]
Dump = Callable[[str, str, Path, Callable[[str, int], None]], Any]
"""Writes the records of (uri, database) into a folder; or reads them from it."""


class Server(Protocol):
    """A MongoDB that was started for this."""

    @property
    def uri(self) -> str:
        """How to reach it."""
        ...

    def stop(self) -> None:
        """End it cleanly."""
        ...


Start = Callable[[Path, Path], Server]
"""Starts MongoDB on (its files, its log)."""


def back_up(
    target: Path,
    *,
    directory: DataDirectory,
    mongo_uri: str,
    database: str,
    storage: str | None,
    versions: Mapping[str, str],
    dump: Dump,
    clock: Clock,
    tell: Tell,
) -> Manifest:
    """Write a backup, complete or not at all.

    Args:
        target: Must not exist; written under another name and renamed at the end.
        directory: Of the stack.
        mongo_uri: Of its MongoDB, which runs.
        database: Its database.
        storage: Address of the store; ``None`` for the directory's own.
        versions: See ``Manifest``.
        dump: Writes the records.
        clock: Tells when.
        tell: Progress.

    Raises:
        StackError: The target exists, or a disk is full.
        CatalogError: MongoDB went away.
    """
    if target.exists():
        raise StackError(f"{target} exists already; choose another --to.")
    partial = target.with_name(target.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        (partial / _RECORDS).mkdir(parents=True, mode=0o700)
        collections = _dump(dump, mongo_uri, database, partial / _RECORDS, tell)
        files = {
            str(path.relative_to(partial)): summed(path)
            for path in sorted((partial / _RECORDS).iterdir())
        }
        changed: list[str] = []
        source = _own_directory(storage, directory)
        if source is not None:
            for name, one in _copy_tree(source, partial / _STORAGE, tell, changed):
                files[f"{_STORAGE}/{name}"] = one
        if directory.path.is_dir():  # elsewhere the secrets are in the environment
            _write_secrets(directory, partial / _SECRETS)
            files[_SECRETS] = summed(partial / _SECRETS)
        manifest = Manifest(
            FORMAT,
            clock.now().isoformat(timespec="seconds"),
            database,
            collections,
            "copied" if source is not None else str(storage),
            dict(versions),
            changed,
            files,
        )
        (partial / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1))
        partial.rename(target)
    except OSError as exc:
        raise StackError(f"The backup can't be written: {exc}.") from exc
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def restore(
    source: Path,
    *,
    directory: DataDirectory,
    force: bool,
    mongod: str,
    load: Dump,
    clock: Clock,
    tell: Tell,
    start: Start = start_mongod_on,
) -> Manifest:
    """Make a data directory out of a backup; the first start builds the index.

    Everything is verified before anything is touched, and a directory that is in the
    way is moved aside (``force``), never deleted. After a failure what was there
    before lies aside still, and the directory is marked: it can't be started.

    Args:
        source: The backup.
        directory: To be made.
        force: Move aside what is there.
        mongod: Version of the MongoDB that is started.
        load: Reads the records.
        clock: Tells when.
        tell: Progress.
        start: Starts that MongoDB.

    Raises:
        StackError: The backup is damaged, the directory is in use or not empty, or a
            disk is full.
        CatalogError: MongoDB could not be filled.
    """
    manifest = verify(source, tell)
    if directory.holder() is not None:
        raise StackError(f"The catalog runs on {directory.path}: stop it first.")
    if directory.path.exists() and any(directory.path.iterdir()):
        if not force:
            raise StackError(
                f"{directory.path} is not empty. With --force it is moved aside."
            )
        aside = _aside(directory.path, clock.now())
        directory.path.rename(aside)
        tell(f"what was in {directory.path} is in {aside} now")
    directory.create()
    try:
        with directory.locked(clock), directory.filling():
            note(directory.path, Versions(mongod=mongod))
            _fill(source, manifest, directory, load, tell, start)
    except OSError as exc:
        raise StackError(f"The backup can't be restored: {exc}.") from exc
    return manifest


def _fill(
    source: Path,
    manifest: Manifest,
    directory: DataDirectory,
    load: Dump,
    tell: Tell,
    start: Start,
) -> None:
    if _SECRETS in manifest.files:
        shutil.copyfile(source / _SECRETS, directory.path / _SECRETS)
        (directory.path / _SECRETS).chmod(_OWNER_ONLY)
    if (source / _STORAGE).is_dir():
        for _ in _copy_tree(source / _STORAGE, directory.storage, tell, []):
            pass
    tell("starting MongoDB …")
    server = start(directory.mongo, directory.logs / "restore.log")
    try:
        _dump(load, server.uri, manifest.database, source / _RECORDS, tell)
    finally:
        server.stop()


def _aside(path: Path, now: datetime) -> Path:
    return path.with_name(f"{path.name}.before-restore-{now:%Y%m%d-%H%M%S}")


def _own_directory(storage: str | None, directory: DataDirectory) -> Path | None:
    """The store's directory, if it is the stack's own."""
    if storage is None:
        return directory.storage
    parts = urlsplit(storage)
    path = Path(unquote(parts.path))
    return path if parts.scheme == "file" and path == directory.storage else None


def _dump(
    dump: Dump, uri: str, database: str, folder: Path, tell: Tell
) -> dict[str, int]:
    counts: dict[str, int] = {}

    def told(name: str, count: int) -> None:
        counts[name] = count
        tell(f"{name}: {count:,} records")

    dump(uri, database, folder, told)
    return counts


def _write_secrets(directory: DataDirectory, target: Path) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT, _OWNER_ONLY)
    with os.fdopen(descriptor, "w") as out:
        json.dump(asdict(directory.secrets()), out, indent=1)


def _copy_tree(
    source: Path, target: Path, tell: Tell, changed: list[str]
) -> Iterator[tuple[str, tuple[int, str]]]:
    """Copy all files; gives name, size and SHA-256 of each as copied.

    A file that comes meanwhile belongs to a later backup; ``changed`` gets the names of
    those that went, or did not stand still for as long as it took to copy them.
    """
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    count = 0
    for folder, _, names in os.walk(source):
        for name in sorted(names):
            path = Path(folder) / name
            relative = path.relative_to(source)
            copy = target / relative
            copy.parent.mkdir(parents=True, exist_ok=True)
            if not _copy(path, copy):
                changed.append(relative.as_posix())
            if not copy.exists():
                continue
            yield relative.as_posix(), summed(copy)
            count += 1
            if count % 1000 == 0:
                tell(f"{count:,} files copied")
    tell(f"{count:,} files copied")


def _copy(path: Path, copy: Path) -> bool:
    """Copy one file, again if it changed meanwhile; whether it stood still at last."""
    try:
        for _ in range(_COPY_ATTEMPTS):
            before = _look(path)
            shutil.copy2(path, copy)
            if _look(path) == before:
                return True
    except FileNotFoundError:
        pass
    return False


def _look(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
