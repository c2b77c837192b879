"""The store as a local directory: one file per object, its path is its key."""

import errno
import os
import secrets
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from catalog.clock import Clock, SystemClock
from catalog.errors import (
    CatalogError,
    DependencyUnavailableError,
    InvalidObjectKeyError,
    NotFoundError,
)
from catalog.models.ids import ObjectKey
from catalog.storage.base import ObjectInfo
from catalog.storage.directory_walk import STORAGE, root_state, unavailable, walk
from catalog.storage.keys import check_key
from catalog.storage.urls import content_type_of, decoded_key, parse_store_url

PIECE_BYTES = 1024 * 1024
TEMP_FOLDER = ".catalog-tmp"
"""Where files lie while they are being written; nothing in it is an object."""

_STALE_AFTER = timedelta(days=1)
_ATTEMPTS = 20


class DirectoryObjectStore:
    """``ObjectStore`` over a directory.

    A directory cannot hold a key and another one below it (``a`` and ``a/b``), nor a
    part longer than its file system allows: such keys are refused when written.
    Symbolic links to directories are not followed, those to files only inside the
    root.
    """

    def __init__(
        self,
        root: Path,
        *,
        buckets: Collection[str] = (),
        clock: Clock | None = None,
    ) -> None:
        """Make the directory if it is not there.

        Args:
            root: The directory; a change of its mount or name needs a new store.
            buckets: Bucket names that mean this store in the URLs of job records.
            clock: Tells which files of broken-off writes are old enough to go.

        Raises:
            DependencyUnavailableError: It can't be made.
        """
        self._given = root.absolute()
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise unavailable(exc) from exc
        self._root = os.path.realpath(root).rstrip("/") + "/"
        self._buckets = frozenset(buckets)
        self._remove_stale((clock or SystemClock()).now())

    @property
    def store_id(self) -> str:
        """See ``ObjectStore.store_id``."""
        return "directory"

    @property
    def url(self) -> str:
        """See ``ObjectStore.url``."""
        return self._given.as_uri()

    def head(self, key: ObjectKey) -> ObjectInfo:
        """See ``ObjectStore.head``."""
        path = self._path(key)
        try:
            return _info(key, os.stat(path))  # noqa: PTH116  (text paths: hot road)
        except OSError as exc:
            raise self._read_error(exc, key) from exc

    def read(
        self, key: ObjectKey, *, start: int = 0, length: int | None = None
    ) -> bytes:
        """See ``ObjectStore.read``."""
        return b"".join(self.stream(key, start=start, length=length))

    def stream(
        self, key: ObjectKey, *, start: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        """See ``ObjectStore.stream``; one file descriptor: never a mixture."""
        pieces = self._pieces(key, self._path(key), max(start, 0), length)
        next(pieces)  # opens: errors belong to this call, not to the first piece
        return pieces

    def write(
        self,
        key: ObjectKey,
        content: bytes | BinaryIO,
        *,
        content_type: str | None = None,
    ) -> ObjectInfo:
        """See ``ObjectStore.write``; the type always follows from the ending."""
        del content_type
        path = self._path(key)
        root_state(self._root)  # a root that was unmounted must not be made anew
        try:
            temp = self._write_temp(content)
            try:
                # The move keeps size, time and inode; afterwards it may be replaced.
                info = _info(key, os.stat(temp))  # noqa: PTH116
                self._move(temp, path)
            finally:
                with suppress(FileNotFoundError):
                    Path(temp).unlink()
        except OSError as exc:
            raise _write_error(exc, key) from exc
        return info

    def copy(self, source: ObjectKey, target: ObjectKey) -> ObjectInfo:
        """See ``ObjectStore.copy``; a file of its own, so that neither changes both."""
        self._path(target)
        with os.fdopen(self._open(source, self._path(source)), "rb") as file:
            return self.write(target, file)

    def delete(self, key: ObjectKey) -> None:
        """See ``ObjectStore.delete``; folders left empty go too."""
        path = self._path(key)
        try:
            os.unlink(path)  # noqa: PTH108
        except IsADirectoryError:
            return
        except OSError as exc:
            error = self._read_error(exc, key)
            if isinstance(error, NotFoundError):
                return
            raise error from exc
        folder = os.path.dirname(path)  # noqa: PTH120
        with suppress(OSError):
            while len(folder) >= len(self._root):
                os.rmdir(folder)  # noqa: PTH106
                folder = os.path.dirname(folder)  # noqa: PTH120

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """See ``ObjectStore.list``."""
        for key, state in walk(self._root, prefix, temp_folder=TEMP_FOLDER):
            yield _info(key, state)

    def check(self) -> None:
        """See ``ObjectStore.check``."""
        root_state(self._root)

    def presign(
        self,
        key: ObjectKey,
        *,
        expires_in: timedelta,
        file_name: str | None = None,
        content_type: str | None = None,
        is_attachment: bool = False,
    ) -> str | None:
        """See ``ObjectStore.presign``: a directory has no address of its own."""
        del expires_in, file_name, content_type, is_attachment
        check_key(key)
        return None

    def parse_url(self, url: str) -> ObjectKey | None:
        """See ``ObjectStore.parse_url``."""
        try:
            address = urlsplit(url)
        except (ValueError, TypeError, AttributeError):
            return None
        if address.scheme != "file":
            return parse_store_url(url, buckets=self._buckets)
        if address.netloc not in ("", "localhost"):
            return None
        for root in (self._given.as_uri(), Path(self._root).as_uri()):
            folder = urlsplit(root).path.rstrip("/") + "/"
            if address.path.startswith(folder):
                return decoded_key(address.path[len(folder) :])
        return None

    def key_of_path(self, path: str | os.PathLike[str]) -> ObjectKey | None:
        """Find the key of a file, which need not exist (for directory watchers).

        Args:
            path: Absolute, below the root as given or as resolved.

        Returns:
            The key; ``None`` for what lies outside or is no object's place.
        """
        text = os.fspath(path)
        for root in (str(self._given).rstrip("/") + "/", self._root):
            if text.startswith(root) and not text.startswith(root + TEMP_FOLDER):
                with suppress(InvalidObjectKeyError):
                    return check_key(text[len(root) :])
        return None

    def _path(self, key: ObjectKey) -> str:
        """Find the file of a key; nothing outside the root is ever touched."""
        check_key(key)
        if key.split("/", 1)[0] == TEMP_FOLDER:
            raise InvalidObjectKeyError("key", f"{TEMP_FOLDER!r} is not for objects.")
        path = self._root + key
        folder = os.path.dirname(path)  # noqa: PTH120
        leaves = os.path.realpath(folder) != folder.rstrip("/")
        if not leaves and os.path.islink(path):  # noqa: PTH114
            leaves = not os.path.realpath(path).startswith(self._root)
        if leaves:
            raise InvalidObjectKeyError("key", f"{key!r} leaves the store by a link.")
        return path

    def _pieces(
        self, key: ObjectKey, path: str, start: int, length: int | None
    ) -> Iterator[bytes]:
        file = self._open(key, path)
        try:
            yield b""
            position, left = start, length
            while left is None or left > 0:
                size = PIECE_BYTES if left is None else min(left, PIECE_BYTES)
                piece = os.pread(file, size, position)
                if not piece:
                    return
                position += len(piece)
                left = None if left is None else left - len(piece)
                yield piece
        except OSError as exc:
            raise unavailable(exc) from exc
        finally:
            os.close(file)

    def _open(self, key: ObjectKey, path: str) -> int:
        """Open a file, and nothing else that lies at an object's place."""
        try:
            # Without O_NONBLOCK the opening of a pipe would wait for its writer.
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as exc:
            raise self._read_error(exc, key) from exc
        try:
            _info(key, os.fstat(file))
        except BaseException:
            os.close(file)
            raise
        return file

    def _write_temp(self, content: bytes | BinaryIO) -> str:
        folder = self._root + TEMP_FOLDER
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103
        path = f"{folder}/{secrets.token_hex(12)}"
        try:
            with open(path, "xb") as file:  # noqa: PTH123
                source = BytesIO(content) if isinstance(content, bytes) else content
                while piece := source.read(PIECE_BYTES):
                    file.write(piece)
                file.flush()
                # Kernel times are some ms coarse and inode numbers come back: within
                # one tick, two contents of one size could look alike.
                stamp = os.fstat(file.fileno()).st_mtime_ns
                stamp += secrets.randbelow(1_000_000)
                os.utime(file.fileno(), ns=(stamp, stamp))
                os.fsync(file.fileno())
        except BaseException:
            with suppress(OSError):
                os.unlink(path)  # noqa: PTH108
            raise
        return path

    def _move(self, temp: str, path: str) -> None:
        folder = os.path.dirname(path)  # noqa: PTH120
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                os.makedirs(folder, exist_ok=True)  # noqa: PTH103
                os.replace(temp, path)  # noqa: PTH105
                break
            except (FileNotFoundError, FileExistsError):
                # A delete took the folder while it was empty, or is about to.
                if attempt == _ATTEMPTS:
                    raise
            except IsADirectoryError:  # may be an empty one that an old delete left
                if attempt == _ATTEMPTS:
                    raise
                with suppress(FileNotFoundError):
                    os.rmdir(path)  # noqa: PTH106
        with suppress(FileNotFoundError):  # deleted again
            file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(file)
            finally:
                os.close(file)

    def _read_error(self, exc: OSError, key: ObjectKey) -> CatalogError:
        if exc.errno == errno.ENAMETOOLONG:
            return _too_long(key)
        if exc.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO):
            root_state(self._root)  # if the root is gone, nothing is known of the key
            return NotFoundError("object", key)
        return unavailable(exc)

    def _remove_stale(self, now: datetime) -> None:
        with suppress(OSError), os.scandir(self._root + TEMP_FOLDER) as entries:
            for entry in entries:
                if entry.stat().st_mtime < (now - _STALE_AFTER).timestamp():
                    os.unlink(entry.path)  # noqa: PTH108


def _info(key: ObjectKey, state: os.stat_result) -> ObjectInfo:
    if not stat.S_ISREG(state.st_mode):
        raise NotFoundError("object", key)
    return ObjectInfo(
        key=key,
        size_bytes=state.st_size,
        etag=f"{state.st_size:x}-{state.st_mtime_ns:x}-{state.st_ino:x}",
        modified_at=datetime.fromtimestamp(state.st_mtime, UTC),
        content_type=content_type_of(key),
    )


def _too_long(key: ObjectKey) -> InvalidObjectKeyError:
    return InvalidObjectKeyError(
        "key", f"A part of the object key {key!r} is too long for the file system."
    )


def _write_error(exc: OSError, key: ObjectKey) -> CatalogError:
    match exc.errno:
        case errno.ENAMETOOLONG:
            return _too_long(key)
        case errno.ENOTDIR | errno.EISDIR | errno.EEXIST | errno.ENOTEMPTY:
            return InvalidObjectKeyError(
                "key",
                f"{key!r} cannot be stored in a directory: an object and a folder "
                "would have the same name.",
            )
        case errno.ENOSPC | errno.EDQUOT:
            return DependencyUnavailableError(
                STORAGE, "The disk is full: free some space; nothing was stored."
            )
        case _:
            return unavailable(exc)
