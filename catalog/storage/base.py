"""Port to the bytes: what the catalog needs of an object store."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import BinaryIO, Protocol, runtime_checkable

from catalog.models.ids import ObjectKey


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object as the store describes it.

    Attributes:
        key: Full key.
        size_bytes: Size of the content.
        etag: Opaque, without quotes; changes whenever the content changes.
        modified_at: Aware.
        content_type: As stored, or derived from the key's ending; ``None`` in
            listings of stores that do not list it.
    """

    key: ObjectKey
    size_bytes: int
    etag: str
    modified_at: datetime
    content_type: str | None = None


class ObjectStore(Protocol):
    """Holds the bytes of assets; the catalog holds only their keys.

    All methods are thread-safe. Keys are as ``catalog.storage.keys`` builds them; a
    key that is empty, absolute or leaves the store raises ``InvalidObjectKeyError``.
    """

    @property
    def store_id(self) -> str:
        """Stable name of this store (``s3://bucket`` or ``directory``)."""
        ...

    @property
    def url(self) -> str:
        """Address as in ``CATALOG_STORAGE`` (``s3://bucket`` or ``file:///dir``)."""
        ...

    def head(self, key: ObjectKey) -> ObjectInfo:
        """Look at one object without reading it.

        Raises:
            NotFoundError: Nothing is stored under ``key``.
            DependencyUnavailableError: The store did not answer; retryable.
        """
        ...

    def read(
        self, key: ObjectKey, *, start: int = 0, length: int | None = None
    ) -> bytes:
        """Read a range of an object into memory.

        Args:
            key: Which object.
            start: First byte, from 0. At or beyond the end: empty.
            length: How many bytes at most; ``None`` to the end.

        Raises:
            NotFoundError: Nothing is stored under ``key``.
            DependencyUnavailableError: The store did not answer; retryable.
        """
        ...

    def stream(
        self, key: ObjectKey, *, start: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        """Read a range piece by piece (at most 1 MiB each); raises as ``read``."""
        ...

    def write(
        self,
        key: ObjectKey,
        content: bytes | BinaryIO,
        *,
        content_type: str | None = None,
    ) -> ObjectInfo:
        """Store an object whole or not at all, replacing any other of this key.

        Idempotent. A reader sees the old content or the new, never a part.

        Raises:
            DependencyUnavailableError: Nothing was stored; retryable.
        """
        ...

    def copy(self, source: ObjectKey, target: ObjectKey) -> ObjectInfo:
        """Store the content of an object under another key as well.

        Whole or not at all, as ``write``; the bytes don't pass through this machine
        where the store can copy by itself.

        Raises:
            NotFoundError: Nothing is stored under ``source``.
            DependencyUnavailableError: Nothing was stored; retryable.
        """
        ...

    def delete(self, key: ObjectKey) -> None:
        """Remove an object; succeeds when there is none."""
        ...

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """List all objects whose key starts with ``prefix``, ordered by key.

        Raises:
            DependencyUnavailableError: The listing broke off; what was yielded is
                not the whole, so nothing may be concluded from what was absent.
        """
        ...

    def check(self) -> None:
        """Make sure that the store as a whole is there.

        "Nothing is stored under this key" means something only if it is.

        Raises:
            DependencyUnavailableError: It did not answer, or its directory is gone;
                retryable.
            DependencyRejectedError: There is no such bucket.
        """
        ...

    def presign(
        self,
        key: ObjectKey,
        *,
        expires_in: timedelta,
        file_name: str | None = None,
        content_type: str | None = None,
        is_attachment: bool = False,
    ) -> str | None:
        """Sign a GET address of the store itself.

        Args:
            key: Which object; need not exist.
            expires_in: From one second to seven days (SigV4's limit).
            file_name: Name that a browser saves it under.
            content_type: Overrides the stored one in the answer.
            is_attachment: Whether a browser must save, not show.

        Returns:
            The address, or ``None`` for a store that has no address of its own (the
            API then serves the bytes).
        """
        ...

    def parse_url(self, url: str) -> ObjectKey | None:
        """Find the key that a URL of our store names, whatever its form.

        Args:
            url: ``s3://``, path-style, virtual-hosted, endpoint or ``file://``; a
                query string (a signature) is ignored.

        Returns:
            The key, or ``None`` for an address that is not in this store.
        """
        ...


@runtime_checkable
class ExpiresByRule(Protocol):
    """A store that removes old objects by itself, where it has a rule that says so."""

    def expires_after(self, prefix: str) -> timedelta | None:
        """Tell after which time objects under a prefix are removed.

        Returns:
            The shortest, ``None`` where no rule says so.

        Raises:
            DependencyUnavailableError: retryable.
            DependencyRejectedError: We may not know.
        """
        ...

    def expire(self, prefix: str, after: timedelta) -> bool:
        """Have objects under a prefix removed some time after they were written.

        All other rules stay as they are.

        Args:
            prefix: Start of the keys.
            after: Whole days.

        Returns:
            Whether a rule was added; ``False`` where one does so already, or sooner.

        Raises:
            DependencyUnavailableError: retryable.
            DependencyRejectedError: We may not, or the store knows no such rules.
        """
        ...


@runtime_checkable
class CopiesFrom(Protocol):
    """A store that can take an object over from another one by itself."""

    def copy_from(
        self, other: ObjectStore, source: ObjectKey, target: ObjectKey
    ) -> ObjectInfo | None:
        """Store another store's object; its bytes don't pass through this machine.

        Returns:
            What is stored, or ``None`` where the two can't copy among themselves.

        Raises:
            NotFoundError: Nothing is stored under ``source``.
            DependencyUnavailableError: Nothing was stored; retryable.
        """
        ...


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message that is ours for a while.

    Attributes:
        message_id: Stays the same when it is delivered again; for the log.
        receipt: Names this delivery.
        body: What was sent.
        receives: How often it was delivered, this time included.
    """

    message_id: str
    receipt: str
    body: str
    receives: int = 1


class ObjectEventQueue(Protocol):
    """A queue of the store's notifications: at least once, in any order. Thread-safe.

    A message that is not deleted in time comes back, and after so many times as the
    queue's redrive policy says goes to another queue.
    """

    def receive(
        self, *, limit: int, wait_seconds: float, visibility_seconds: float
    ) -> Sequence[QueuedMessage]:
        """Wait for messages.

        Args:
            limit: How many at most (1 to 10).
            wait_seconds: How long to wait for the first (0 to 20).
            visibility_seconds: How long nobody else gets them.

        Raises:
            DependencyUnavailableError: The queue did not answer; retryable.
            DependencyRejectedError: There is no such queue, or it is not for us.
        """
        ...

    def hold(
        self, messages: Sequence[QueuedMessage], visibility_seconds: float
    ) -> None:
        """Keep messages for so long from now; 0 gives them back at once.

        One that is not ours any more is passed over. Raises as ``receive``.
        """
        ...

    def delete(self, messages: Sequence[QueuedMessage]) -> None:
        """Be done with messages; raises as ``receive``.

        One that could not be deleted comes back.
        """
        ...
