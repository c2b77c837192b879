"""An object store in memory."""

import hashlib
import mimetypes
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

from catalog.errors import NotFoundError
from catalog.models.ids import ObjectKey
from catalog.storage.base import ObjectInfo
from tests.fakes.failing import Failing


class FakeStore(Failing):
    """See ``ObjectStore``; ``presigns`` makes it one that has addresses of its own."""

    def __init__(self, *, presigns: bool = False) -> None:
        super().__init__()
        self.objects: dict[str, bytes] = {}
        self.presigns = presigns

    @property
    def store_id(self) -> str:
        return "memory"

    @property
    def url(self) -> str:
        return "memory://store"

    def head(self, key: ObjectKey) -> ObjectInfo:
        content = self._content(key)
        return ObjectInfo(
            key=key,
            size_bytes=len(content),
            etag=hashlib.sha256(content).hexdigest()[:32],
            modified_at=datetime(2025, 6, 1, tzinfo=UTC),
            content_type=mimetypes.guess_type(key)[0] or "application/octet-stream",
        )

    def read(
        self, key: ObjectKey, *, start: int = 0, length: int | None = None
    ) -> bytes:
        content = self._content(key)[start:]
        return content if length is None else content[:length]

    def stream(
        self, key: ObjectKey, *, start: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        content = self.read(key, start=start, length=length)
        for position in range(0, len(content), 1024 * 1024):
            yield content[position : position + 1024 * 1024]

    def write(
        self,
        key: ObjectKey,
        content: bytes | BinaryIO,
        *,
        content_type: str | None = None,
    ) -> ObjectInfo:
        assert content_type is None or "/" in content_type
        self.check()
        self.objects[key] = content if isinstance(content, bytes) else content.read()
        return self.head(key)

    def copy(self, source: ObjectKey, target: ObjectKey) -> ObjectInfo:
        return self.write(target, self.read(source))

    def delete(self, key: ObjectKey) -> None:
        self.check()
        self.objects.pop(key, None)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        self.check()
        for key in sorted(self.objects):
            if key.startswith(prefix):
                yield self.head(ObjectKey(key))

    def presign(
        self,
        key: ObjectKey,
        *,
        expires_in: timedelta,
        file_name: str | None = None,
        content_type: str | None = None,
        is_attachment: bool = False,
    ) -> str | None:
        if not self.presigns:
            return None
        seconds = int(expires_in.total_seconds())
        return (
            f"https://store.test/{key}?expires={seconds}&name={file_name or ''}"
            f"&type={content_type or ''}&attachment={is_attachment}"
        )

    def parse_url(self, url: str) -> ObjectKey | None:
        scheme = "memory://store/"
        return ObjectKey(url.removeprefix(scheme)) if url.startswith(scheme) else None

    def _content(self, key: ObjectKey) -> bytes:
        self.check()
        if key not in self.objects:
            raise NotFoundError("object", key)
        return self.objects[key]
