"""The store of the world in memory, as a port."""

from collections.abc import Iterator
from datetime import timedelta
from hashlib import blake2b
from typing import BinaryIO

from catalog.errors import DependencyUnavailableError, NotFoundError
from catalog.models.ids import ObjectKey
from catalog.storage.base import ObjectInfo
from tests.unit.indexer.world import START, STORE, World


class Store:
    """``ObjectStore`` over the world, as far as the indexer reads it."""

    store_id = STORE
    url = "file:///world"

    def __init__(self, world: World) -> None:
        self.world = world

    def _check(self) -> None:
        if self.world.store_fails > 0:
            self.world.store_fails -= 1
            raise DependencyUnavailableError("storage", "away")

    def head(self, key: ObjectKey) -> ObjectInfo:
        self._check()
        if key not in self.world.files:
            raise NotFoundError("object", key)
        raw = self.world.files[key]
        etag = blake2b(raw, digest_size=8).hexdigest()
        return ObjectInfo(key, len(raw), etag, START)

    def read(
        self, key: ObjectKey, *, start: int = 0, length: int | None = None
    ) -> bytes:
        self.head(key)
        return self.world.files[key][start:][:length]

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        self._check()
        for key in sorted(self.world.files):
            if key.startswith(prefix):
                yield self.head(key)

    def check(self) -> None:
        self._check()

    def parse_url(self, url: str) -> ObjectKey | None:
        return None if "://" in url else ObjectKey(url)

    def stream(
        self, key: ObjectKey, *, start: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        yield self.read(key, start=start, length=length)

    def write(
        self,
        key: ObjectKey,
        content: bytes | BinaryIO,
        *,
        content_type: str | None = None,
    ) -> ObjectInfo:
        del content_type
        self.world.files[key] = content if isinstance(content, bytes) else b""
        return self.head(key)

    def copy(self, source: ObjectKey, target: ObjectKey) -> ObjectInfo:
        return self.write(target, self.read(source))

    def delete(self, key: ObjectKey) -> None:
        self.world.files.pop(key, None)

    def presign(
        self,
        key: ObjectKey,
        *,
        expires_in: timedelta,
        file_name: str | None = None,
        content_type: str | None = None,
        is_attachment: bool = False,
    ) -> None:
        """Give no link: the daemon hands out none."""
