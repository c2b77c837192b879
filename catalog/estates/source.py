"""Where an estate lies: a folder of this machine or a bucket. Read, never written.

The one exception is ``remove``, which only a move calls.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

from catalog.errors import DependencyUnavailableError, NotFoundError
from catalog.estates.files import SourceFile
from catalog.models.ids import ObjectKey
from catalog.storage.base import CopiesFrom, ObjectInfo, ObjectStore

PIECE_BYTES = 1024 * 1024
_SAMPLE_BYTES = 64 * 1024
_SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A file that is passed over, and why."""

    path: str
    reason: str


class Source(Protocol):
    """An estate's files."""

    @property
    def address(self) -> str:
        """Stable name of the root, ``file:///…`` or ``s3://bucket/prefix``."""
        ...

    @property
    def is_local(self) -> bool:
        """Whether a look into each file costs next to nothing."""
        ...

    def walk(self) -> Iterator[SourceFile | Obstacle]:
        """List all files, one at a time, in any order; memory is bounded.

        Raises:
            DependencyUnavailableError: The listing is not the whole.
        """
        ...

    def look(self, path: str) -> SourceFile:
        """Look at one file again.

        Raises:
            NotFoundError: It is gone, or no regular file any more.
            DependencyUnavailableError: It can't be reached.
        """
        ...

    def read(self, path: str, *, start: int = 0, length: int) -> bytes:
        """Read a range; raises as ``look``."""
        ...

    def stream(self, path: str) -> Iterator[bytes]:
        """Read the whole, piece by piece; raises as ``look``."""
        ...

    def copy_to(
        self, store: ObjectStore, path: str, key: ObjectKey
    ) -> ObjectInfo | None:
        """Have the servers copy among themselves; ``None`` where they can't."""
        ...

    def remove(self, path: str) -> None:
        """Delete a file; for a move alone."""
        ...


def likeness(source: Source, file: SourceFile) -> str:
    """Tell what a file holds without reading all of it: size, beginning and end.

    Of a bucket it is its etag: no byte is fetched. Two files of one likeness are
    probably the same, two of different ones are not.
    """
    if file.etag:
        return f"etag:{file.etag}:{file.size_bytes}"
    found = blake2b(digest_size=16)
    found.update(source.read(file.path, length=_SAMPLE_BYTES))
    if file.size_bytes > _SAMPLE_BYTES:
        start = max(_SAMPLE_BYTES, file.size_bytes - _SAMPLE_BYTES)
        found.update(source.read(file.path, start=start, length=_SAMPLE_BYTES))
    return f"ends:{found.hexdigest()}:{file.size_bytes}"


class FolderSource:
    """A folder. Symbolic links are never followed: what is in the tree is found."""

    is_local = True

    def __init__(self, root: Path) -> None:
        """Stand on a folder.

        Raises:
            NotFoundError: There is none.
        """
        self._root = os.path.realpath(root)
        if not os.path.isdir(self._root):  # noqa: PTH112  (text paths throughout)
            raise NotFoundError("folder", str(root))

    @property
    def root(self) -> Path:
        """The folder, links resolved."""
        return Path(self._root)

    @property
    def address(self) -> str:
        """See ``Source.address``."""
        return Path(self._root).as_uri()

    def walk(self) -> Iterator[SourceFile | Obstacle]:
        """See ``Source.walk``; folders and files that begin with a dot are not seen."""
        pending = [""]
        while pending:
            folder = pending.pop()
            try:
                entries = os.scandir(os.path.join(self._root, folder))  # noqa: PTH118
            except OSError as exc:
                if not folder:
                    raise DependencyUnavailableError(_SOURCE, str(exc)) from exc
                yield Obstacle(folder, f"can't be listed: {exc.strerror}")
                continue
            with entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(path)
                    else:
                        yield self._seen(path, entry)

    def _seen(self, path: str, entry: "os.DirEntry[str]") -> SourceFile | Obstacle:
        try:
            if entry.is_symlink():
                real = os.path.realpath(entry.path)
                inside = real.startswith(self._root.rstrip("/") + "/")
                where = "what it leads to is found by itself" if inside else "leads out"
                return Obstacle(path, f"is a symbolic link, not followed: {where}")
            state = entry.stat(follow_symlinks=False)
        except OSError as exc:
            return Obstacle(path, f"can't be looked at: {exc.strerror}")
        if not stat.S_ISREG(state.st_mode):
            return Obstacle(path, "is no regular file")
        return SourceFile(path, state.st_size, state.st_mtime_ns)

    def look(self, path: str) -> SourceFile:
        """See ``Source.look``."""
        file = self._open(path)
        try:
            state = os.fstat(file)
        finally:
            os.close(file)
        return SourceFile(path, state.st_size, state.st_mtime_ns)

    def read(self, path: str, *, start: int = 0, length: int) -> bytes:
        """See ``Source.read``."""
        file = self._open(path)
        try:
            return os.pread(file, length, start)
        except OSError as exc:
            raise DependencyUnavailableError(_SOURCE, f"{path}: {exc}") from exc
        finally:
            os.close(file)

    def stream(self, path: str) -> Iterator[bytes]:
        """See ``Source.stream``."""
        file = self._open(path)
        try:
            while piece := os.read(file, PIECE_BYTES):
                yield piece
        except OSError as exc:
            raise DependencyUnavailableError(_SOURCE, f"{path}: {exc}") from exc
        finally:
            os.close(file)

    def copy_to(
        self, store: ObjectStore, path: str, key: ObjectKey
    ) -> ObjectInfo | None:
        """See ``Source.copy_to``: bytes go through this process."""
        del store, path, key
        return None

    def remove(self, path: str) -> None:
        """See ``Source.remove``."""
        try:
            os.unlink(os.path.join(self._root, path))  # noqa: PTH108, PTH118
        except OSError as exc:
            raise DependencyUnavailableError(_SOURCE, f"{path}: {exc}") from exc

    def _open(self, path: str) -> int:
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        full = os.path.join(self._root, path)  # noqa: PTH118
        folder = os.path.dirname(full)  # noqa: PTH120
        try:
            # A folder that became a link since the walk must not lead out.
            is_inside = os.path.realpath(folder) == folder
            file = os.open(full, flags) if is_inside else -1
        except (FileNotFoundError, NotADirectoryError) as exc:
            raise NotFoundError("file", path) from exc
        except OSError as exc:
            raise DependencyUnavailableError(
                _SOURCE, f"{path}: {exc.strerror}"
            ) from exc
        if file < 0:
            raise NotFoundError("file", path)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise NotFoundError("file", path)
        return file


class BucketSource:
    """A bucket, or what begins with a prefix in it."""

    is_local = False

    def __init__(self, store: ObjectStore, prefix: str = "") -> None:
        """Look at a bucket through a store."""
        self._store = store
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    @property
    def store(self) -> ObjectStore:
        """The bucket."""
        return self._store

    @property
    def address(self) -> str:
        """See ``Source.address``."""
        return f"{self._store.url}/{self._prefix}".rstrip("/")

    def walk(self) -> Iterator[SourceFile | Obstacle]:
        """See ``Source.walk``."""
        for info in self._store.list(self._prefix):
            yield self._file(info)

    def look(self, path: str) -> SourceFile:
        """See ``Source.look``."""
        return self._file(self._store.head(self._key(path)))

    def read(self, path: str, *, start: int = 0, length: int) -> bytes:
        """See ``Source.read``."""
        return self._store.read(self._key(path), start=start, length=length)

    def stream(self, path: str) -> Iterator[bytes]:
        """See ``Source.stream``."""
        return self._store.stream(self._key(path))

    def copy_to(
        self, store: ObjectStore, path: str, key: ObjectKey
    ) -> ObjectInfo | None:
        """See ``Source.copy_to``."""
        if not isinstance(store, CopiesFrom):
            return None
        return store.copy_from(self._store, self._key(path), key)

    def remove(self, path: str) -> None:
        """See ``Source.remove``."""
        self._store.delete(self._key(path))

    def _key(self, path: str) -> ObjectKey:
        return ObjectKey(self._prefix + path)

    def _file(self, info: ObjectInfo) -> SourceFile:
        modified_ns = int(info.modified_at.timestamp() * 1_000_000_000)
        path = info.key.removeprefix(self._prefix)
        return SourceFile(path, info.size_bytes, modified_ns, info.etag)


def modified_at(file: SourceFile) -> datetime:
    """When a file was changed last, to the millisecond; never before 1970."""
    milliseconds = max(0, file.modified_ns // 1_000_000)
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)
