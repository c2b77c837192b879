"""The bytes behind our own signed links."""

import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from catalog.clock import Clock
from catalog.errors import FileMissingError, NotFoundError
from catalog.storage.base import ObjectStore
from catalog.storage.links import LinkSigner, VerifiedLink

_REDIRECT_SECONDS = 3600
"""How long an address of the store works that one of our links leads to."""

_DISPLAYED = frozenset(
    {
        *("image/png", "image/jpeg", "image/webp", "image/gif", "image/avif"),
        *("image/bmp", "image/tiff", "image/jxl", "image/heic"),
        *("text/plain", "text/csv", "application/json"),
    }
)
"""What a browser may show; anything else (SVG, HTML, …) it must save."""


@dataclass(frozen=True, slots=True)
class LinkedFile:
    """The object behind one of our links, as it is right now.

    Attributes:
        link: Checked.
        name: Name that a browser saves it under.
        size_bytes: Of the content.
        etag: Opaque, without quotes.
        modified_at: Aware.
        content_type: ``application/octet-stream`` when unknown.
        is_attachment: Whether a browser must save, not show.
        remaining_seconds: How long the link still works; at least 1.
    """

    link: VerifiedLink
    name: str
    size_bytes: int
    etag: str
    modified_at: datetime
    content_type: str
    is_attachment: bool
    remaining_seconds: int


class FileService:
    """The bytes behind our own links; the link itself is the right to them."""

    def __init__(self, store: ObjectStore, links: LinkSigner, clock: Clock) -> None:
        """Stand on the store and the signer of links."""
        self._store = store
        self._links = links
        self._clock = clock

    def verify(self, key: str, params: Mapping[str, str]) -> VerifiedLink:
        """Check a link that came back.

        Raises:
            InvalidLinkError: It is forged or has expired.
        """
        return self._links.verify(key, params)

    def elsewhere(self, link: VerifiedLink) -> tuple[str, int] | None:
        """Sign an address of the store itself, or ``None`` if we serve the bytes.

        Returns:
            The address and how many seconds it works.
        """
        seconds = min(self._remaining_seconds(link), _REDIRECT_SECONDS)
        # The store knows the type; only the name can tell it here, at no cost.
        content_type, _ = mimetypes.guess_type(link.key, strict=False)
        address = self._store.presign(
            link.key,
            expires_in=timedelta(seconds=seconds),
            file_name=link.file_name,
            is_attachment=link.is_attachment or not is_displayed(content_type),
        )
        return None if address is None else (address, seconds)

    def look(self, link: VerifiedLink) -> LinkedFile:
        """Look at the object without reading it.

        Raises:
            FileMissingError: Its bytes are not in the store.
            DependencyUnavailableError: Storage is away; retryable.
        """
        name = link.file_name or link.key.rpartition("/")[2]
        try:
            info = self._store.head(link.key)
        except NotFoundError as exc:
            raise FileMissingError(name) from exc
        return LinkedFile(
            link=link,
            name=name,
            size_bytes=info.size_bytes,
            etag=info.etag,
            modified_at=info.modified_at,
            content_type=info.content_type or "application/octet-stream",
            is_attachment=link.is_attachment or not is_displayed(info.content_type),
            remaining_seconds=self._remaining_seconds(link),
        )

    def stream(self, file: LinkedFile, start: int, length: int) -> Iterator[bytes]:
        """Read a range piece by piece; the first piece is read at once.

        Raises:
            FileMissingError: Its bytes are not in the store any more.
            DependencyUnavailableError: Storage is away; retryable.
        """
        pieces = self._store.stream(file.link.key, start=start, length=length)
        try:
            first = next(pieces, b"")
        except NotFoundError as exc:
            raise FileMissingError(file.name) from exc
        return chain((first,), pieces)

    def _remaining_seconds(self, link: VerifiedLink) -> int:
        return max(1, int(link.expires_at - self._clock.now().timestamp()))


def is_displayed(content_type: str | None) -> bool:
    """Decide whether a browser may show it instead of saving it (nothing active)."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    return kind in _DISPLAYED or kind.startswith(("audio/", "video/"))
