"""What a backup says of itself, and whether that is true."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.errors import StackError

FORMAT = 1
MANIFEST = "manifest.json"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds.

    Attributes:
        format: Of the backup; a newer one can't be read.
        created_at: ISO 8601, UTC.
        database: Name of the database.
        collections: Records by collection.
        storage: ``copied``, or the address of a store that is not in the backup.
        versions: Of the catalog and of the servers that wrote the records, as far as
            known; any version can restore it.
        changed: Files of the store that changed or went while they were copied.
        files: Size in bytes and SHA-256 by path within the backup.
    """

    format: int
    created_at: str
    database: str
    collections: dict[str, int]
    storage: str
    versions: dict[str, str]
    changed: list[str]
    files: dict[str, tuple[int, str]]


def read_manifest(source: Path) -> Manifest:
    """Read what a backup says of itself.

    Raises:
        StackError: There is none, it can't be read, or a newer version wrote it.
    """
    try:
        raw = json.loads((source / MANIFEST).read_text())
        is_known = raw["format"] <= FORMAT
        manifest = _manifest(raw) if is_known else None
    except FileNotFoundError as exc:
        raise StackError(f"{source} is not a backup: it has no {MANIFEST}.") from exc
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as exc:
        raise StackError(f"{source / MANIFEST} can't be read: {exc}.") from exc
    if manifest is None:
        raise StackError(
            f"{source} is of format {raw['format']}, and this version reads "
            f"{FORMAT} at most: restore it with the version that made it, or newer."
        )
    for name in manifest.files:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise StackError(f"{source / MANIFEST} names a file outside: {name!r}.")
    return manifest


def _manifest(raw: dict[str, Any]) -> Manifest:
    files = {name: (int(one[0]), str(one[1])) for name, one in raw["files"].items()}
    counts = {name: int(count) for name, count in raw["collections"].items()}
    read = {
        "files": files,
        "collections": counts,
        "versions": {name: str(one) for name, one in raw["versions"].items()},
        "changed": [str(name) for name in raw["changed"]],
    }
    return Manifest(**{**raw, **read})


def verify(source: Path, tell: Callable[[str], None]) -> Manifest:
    """Compare every file with the manifest.

    Raises:
        StackError: A file is missing, shorter, or another one; names it.
    """
    manifest = read_manifest(source)
    for number, (name, wanted) in enumerate(manifest.files.items(), 1):
        try:
            found = summed(source / name)
        except OSError as exc:
            raise StackError(f"The backup lacks {name}: {exc.strerror}.") from exc
        if found != wanted:
            raise StackError(f"The backup is damaged: {name} is not what was written.")
        if number % 1000 == 0:
            tell(f"{number:,} of {len(manifest.files):,} files verified")
    return manifest


def summed(path: Path) -> tuple[int, str]:
    """Tell a file's size in bytes and its SHA-256."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as source:
        while block := source.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()
