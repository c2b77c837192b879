"""Copies one file into the store and makes sure that it arrived."""

import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from typing_extensions import override

from catalog.errors import (
    DependencyRejectedError,
    DependencyUnavailableError,
    NotFoundError,
)
from catalog.estates.files import SourceFile
from catalog.estates.source import Source
from catalog.models.ids import ObjectKey
from catalog.storage.base import ObjectInfo, ObjectStore
from catalog.storage.urls import content_type_of

_MD5 = re.compile(r"[0-9a-f]{32}")
_ATTEMPTS = 2


class ChangedError(DependencyUnavailableError):
    """A file is not what it was when it was planned, or not what was stored."""

    code = "changed_meanwhile"

    def __init__(self, path: str, what: str) -> None:
        """Name the file."""
        super().__init__("source", f"{path} {what}")


@dataclass(frozen=True, slots=True)
class Copied:
    """What is in the store now; ``digest`` is empty where servers copied."""

    info: ObjectInfo
    digest: str


class Pieces(io.RawIOBase):
    """A stream of pieces as a file; sums up what went through."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        """Read from ``pieces``."""
        self._pieces = pieces
        self._left = memoryview(b"")
        self._sum = hashlib.sha256()
        self.size_bytes = 0

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: object, /) -> int:
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._sum.update(piece)
            self.size_bytes += len(piece)
            self._left = memoryview(piece)
        room = memoryview(buffer).cast("B")  # type: ignore[arg-type]  # a buffer
        count = min(len(room), len(self._left))
        room[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    @property
    def digest(self) -> str:
        """SHA-256 of what went through."""
        return self._sum.hexdigest()


def copy_file(
    source: Source, file: SourceFile, store: ObjectStore, key: ObjectKey
) -> Copied:
    """Copy one file; again, if it changed meanwhile.

    Raises:
        NotFoundError: It is gone.
        ChangedError: It does not stand still, or is not as planned any more.
        DependencyUnavailableError: The source (``dependency`` says so) or the store
            did not do its part; nothing was stored.
    """
    if file.etag:
        copied = _by_servers(source, file, store, key)
        if copied is not None:
            return copied
    for _ in range(_ATTEMPTS):
        pieces = Pieces(source.stream(file.path))
        # (A buffered reader gives whole blocks, as uploads in parts need them.)
        reader = io.BufferedReader(pieces, 1024 * 1024)
        info = store.write(key, reader, content_type=content_type_of(key))
        after = source.look(file.path)
        stood = (after.size_bytes, after.modified_ns) == (
            file.size_bytes,
            file.modified_ns,
        )
        if stood and info.size_bytes == pieces.size_bytes == file.size_bytes:
            return Copied(info, pieces.digest)
    raise ChangedError(file.path, "changed while it was copied")


def _by_servers(
    source: Source, file: SourceFile, store: ObjectStore, key: ObjectKey
) -> Copied | None:
    try:
        info = source.copy_to(store, file.path, key)
    except DependencyRejectedError:  # two accounts, say: then through this machine
        return None
    if info is None:
        return None
    is_whole = info.size_bytes == file.size_bytes
    if _MD5.fullmatch(info.etag) and _MD5.fullmatch(file.etag):
        is_whole = is_whole and info.etag == file.etag
    if not is_whole:
        raise ChangedError(file.path, "changed while it was copied")
    return Copied(info, "")


def digest_of(store: ObjectStore, key: ObjectKey) -> str:
    """Read an object for its SHA-256.

    Raises:
        NotFoundError: It is not there.
    """
    found = hashlib.sha256()
    for piece in store.stream(key):
        found.update(piece)
    return found.hexdigest()


def source_digest(source: Source, path: str) -> str:
    """Read a source's file for its SHA-256; raises as ``Source.stream``."""
    found = hashlib.sha256()
    for piece in source.stream(path):
        found.update(piece)
    return found.hexdigest()


def is_there(store: ObjectStore, key: ObjectKey, size_bytes: int) -> bool:
    """Whether an object of this size is in the store."""
    try:
        return store.head(key).size_bytes == size_bytes
    except NotFoundError:
        return False
