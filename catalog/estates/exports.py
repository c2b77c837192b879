"""An export: everything that a user owns, as files that outlive the catalog.

```
DIR/files/…              the seed's layout: keys as paths
DIR/jobs.jsonl           job records, one line of Extended JSON each
DIR/annotations.jsonl    what people changed on them
DIR/collections.jsonl    … and what else there is
DIR/files.jsonl          path, size and SHA-256 of each file
DIR/manifest.json        sizes and SHA-256 of the lists; written last: it is complete
```
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typing_extensions import override

from catalog.errors import (
    CatalogError,
    DependencyUnavailableError,
    InvalidObjectKeyError,
    InvalidRequestError,
    StackError,
)
from catalog.estates.files import SourceFile
from catalog.estates.scratch import Scratch
from catalog.estates.source import FolderSource, Obstacle
from catalog.models.ids import UserId
from catalog.storage.keys import check_key

FORMAT = "asset-catalog-export"
VERSION = 1
MANIFEST, FILES = "manifest.json", "files"
JOBS, ANNOTATIONS, LIST = "jobs.jsonl", "annotations.jsonl", "files.jsonl"
OTHERS = ("collections", "collection_members", "shares")

_MAX_MANIFEST = 1024 * 1024
_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an export says of itself.

    Attributes:
        user_id: Whose.
        created_at: When it was completed, ISO 8601.
        counts: Lines of each list, by its name.
        size_bytes: Of all files together.
        lists: Size and SHA-256 of each list, by file name.
        missing: Objects that records name and that were not in the store.
    """

    user_id: UserId
    created_at: str
    counts: Mapping[str, int]
    size_bytes: int
    lists: Mapping[str, tuple[int, str]]
    missing: int = 0

    def write(self, folder: Path) -> None:
        """Write it, whole or not at all."""
        content = {
            "format": FORMAT,
            "version": VERSION,
            "userId": self.user_id,
            "createdAt": self.created_at,
            "counts": self.counts,
            "sizeBytes": self.size_bytes,
            "missing": self.missing,
            "lists": self.lists,
        }
        write_whole(folder / MANIFEST, [json.dumps(content, indent=1) + "\n"])


def is_export(folder: Path) -> bool:
    """Whether a folder holds an export, complete or not to be trusted yet."""
    try:
        with (folder / MANIFEST).open(encoding="utf-8") as file:
            return FORMAT in file.read(_MAX_MANIFEST)
    except (OSError, UnicodeDecodeError):
        return False


def read_manifest(folder: Path) -> Manifest:
    """Read an export's manifest and hold its lists against it.

    Raises:
        InvalidRequestError: It is damaged; says what.
    """
    try:
        with (folder / MANIFEST).open(encoding="utf-8") as file:
            found = json.loads(file.read(_MAX_MANIFEST))
        if found["format"] != FORMAT or found["version"] != VERSION:
            problem = f"{folder} is no export of version {VERSION}."
            raise InvalidRequestError("--directory", problem)
        manifest = Manifest(
            UserId(str(found["userId"])),
            str(found["createdAt"]),
            dict(found["counts"]),
            int(found["sizeBytes"]),
            {
                str(name): (int(size), str(digest))
                for name, (size, digest) in found["lists"].items()
            },
            int(found.get("missing", 0)),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as exc:
        problem = f"{folder / MANIFEST} can't be read: {exc}"
        raise InvalidRequestError("--directory", problem) from exc
    for name, expected in manifest.lists.items():
        if "/" in name or summed(folder / name) != expected:
            problem = f"{name} is not what the manifest says: the export is damaged."
            raise InvalidRequestError("--directory", problem)
    return manifest


def summed(path: Path) -> tuple[int, str]:
    """Sum up a file: its size and SHA-256; ``(-1, "")`` where it can't be read."""
    found, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                found.update(piece)
                size += len(piece)
    except OSError:
        return -1, ""
    return size, found.hexdigest()


def lines(path: Path) -> Iterator[str]:
    """Read the lines of a list; an absent one has none, an unfinished line is none."""
    with suppress(FileNotFoundError), path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            if line.endswith("\n"):
                yield line


def write_whole(path: Path, parts: Iterable[str]) -> int:
    """Write a text file under another name and rename it; returns its parts.

    Raises:
        StackError: The disk is full, or not ours.
    """
    partial = path.with_name(path.name + ".part")
    count = 0
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as out:
            for part in parts:
                out.write(part)
                count += 1
            out.flush()
            os.fsync(out.fileno())
        partial.replace(path)
    except OSError as exc:
        raise StackError(f"{path} can't be written: {exc}.") from exc
    return count


@dataclass(frozen=True, slots=True)
class Listed:
    """One file of an export, a line of ``files.jsonl``."""

    key: str
    size_bytes: int
    digest: str
    etag: str = field(default="")

    def line(self) -> str:
        """Write it."""
        content = {
            "key": self.key,
            "sizeBytes": self.size_bytes,
            "sha256": self.digest,
            "etag": self.etag,
        }
        return json.dumps(content, ensure_ascii=False) + "\n"


def listed_of(line: str) -> Listed | None:
    """Read a line of ``files.jsonl``; ``None`` for one that is none."""
    try:
        found: dict[str, Any] = json.loads(line)
        return Listed(
            str(found["key"]),
            int(found["sizeBytes"]),
            str(found["sha256"]),
            str(found.get("etag", "")),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


class ExportSource(FolderSource):
    """The files of an export: those that it lists, held against their sums."""

    def __init__(self, folder: Path, scratch: Scratch) -> None:
        """Stand on an export whose manifest was read.

        Raises:
            NotFoundError: It has no files.
        """
        super().__init__(folder / FILES)
        self._list = folder / LIST
        self._scratch = scratch

    @override
    def walk(self) -> Iterator[SourceFile | Obstacle]:
        """See ``Source.walk``."""
        for line in lines(self._list):
            listed = listed_of(line)
            if listed is None or not _is_inside(listed.key):
                yield Obstacle(line[:200].strip(), "is no line of a list of files")
                continue
            try:
                file = self.look(listed.key)
            except CatalogError as exc:
                yield Obstacle(listed.key, f"is missing from the export: {exc}")
                continue
            if file.size_bytes != listed.size_bytes:
                yield Obstacle(listed.key, "is damaged: its size is another")
                continue
            self._scratch.recall(listed.key, "", listed.digest)
            yield file

    @override
    def stream(self, path: str) -> Iterator[bytes]:
        """See ``Source.stream``; raises at the end of a file that is damaged."""
        found = hashlib.sha256()
        for piece in super().stream(path):
            found.update(piece)
            yield piece
        if found.hexdigest() != self._scratch.recalled(path, ""):
            raise DependencyUnavailableError("source", "is damaged: another SHA-256")


def _is_inside(key: str) -> bool:
    try:
        check_key(key)
    except InvalidObjectKeyError:
        return False
    return True
