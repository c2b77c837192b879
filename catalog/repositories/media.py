"""Port to what is known of media objects: renditions, facts, and what is left to do.

One record per object that small pictures are made of, whoever wrote it. Kept apart from
``objects``, so that work on pictures is no change of the record.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from catalog.models.ids import ObjectKey

MEDIA_VERSION = 1
"""Of what is made and found; a higher one than an object's has it looked at again."""


@dataclass(frozen=True, slots=True)
class MediaTask:
    """An object that a worker has, until its lease expires.

    Attributes:
        object_id: ``_id`` of its record in ``objects``.
        key: In the store.
        etag: Of the content that is meant.
        attempt: Which one, from 1.
        token: Names this claim; a result is refused without it once it is lost.
    """

    object_id: str
    key: ObjectKey
    etag: str
    attempt: int
    token: str


@dataclass(frozen=True, slots=True)
class Rendition:
    """A small picture of an object.

    Attributes:
        key: In the store.
        content_type: As stored.
        width: In pixels, as ``height``.
        height: See ``width``.
    """

    key: ObjectKey
    content_type: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class MediaResult:
    """What came of an object: renditions and facts, or why there are none.

    Attributes:
        renditions: Smallest first.
        facts: Of the content: ``width height format …``.
        cause: One word (``processors.media.errors.Cause``); ``None`` when all went
            well.
        message: For a person, with a cause.
    """

    renditions: tuple[Rendition, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    cause: str | None = None
    message: str | None = None


class MediaRepository(Protocol):
    """Records ``media``; every call is safe from any number of workers.

    Raises ``DependencyUnavailableError`` (retryable) when MongoDB does not answer.
    """

    def note(self, object_ids: Iterable[str]) -> int:
        """Let work on these objects wait, where there is any.

        Only present pictures of the layout that are no renditions themselves, and of
        which nothing is known, or of other content or by an older version.

        Returns:
            How many wait now that did not.
        """
        ...

    def sweep(self, after: str | None, limit: int) -> tuple[str | None, int]:
        """``note`` the objects that come next in order of their ids.

        Returns:
            The id to go on after (``None`` at the end), and as ``note``.
        """
        ...

    def changed(self) -> Sequence[str]:
        """Wait up to a second for ids of objects that have changed: hints, no more."""
        ...

    def claim(self, *, worker: str, lease: timedelta) -> MediaTask | None:
        """Take what waits, or was left by a worker that died; ``None`` for nothing."""
        ...

    def finish(self, task: MediaTask, result: MediaResult) -> None:
        """Keep what came of it.

        Raises:
            FencedError: The object has changed since, or another worker has it.
        """
        ...

    def postpone(self, task: MediaTask, *, until: timedelta) -> None:
        """Let go after a trouble that may pass; raises as ``finish``."""
        ...

    def results(self, keys: Sequence[ObjectKey]) -> Mapping[ObjectKey, MediaResult]:
        """Read what is known of objects; those that nothing is known of are absent."""
        ...
