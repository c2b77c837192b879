"""Port to what is done with objects: what waits, who has it, and what came of it.

One record per task and object. Kept apart from ``objects``, so that work on a file is
no change of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from catalog.models.ids import ObjectKey
from catalog.models.stored import StoredObject
from catalog.renditions import Rendition


class WorkKind(Protocol):
    """A task as far as its records go; see ``processors.objects.task.ObjectTask``."""

    @property
    def name(self) -> str:
        """Part of the record's key."""
        ...

    @property
    def version(self) -> int:
        """A higher one than a record's has its object done again."""
        ...

    def wants(self, found: StoredObject) -> bool:
        """Tell whether there is anything to do for an object, from its key alone."""
        ...


@dataclass(frozen=True, slots=True)
class WorkClaim:
    """Work that a worker has, until its lease expires.

    Attributes:
        work_id: ``_id`` of the record.
        task: Name of the task.
        key: Of the object.
        etag: Of the content that is meant; empty for an object that is gone, whose
            renditions are to be removed.
        attempt: Which one, from 1; what servers that are away cost is not counted.
        delays: How often it was put off.
        token: Names this claim; nothing is written without it once it is lost.
        reserved: Keys in the store that belong to this work.
    """

    work_id: str
    task: str
    key: ObjectKey
    etag: str
    attempt: int
    delays: int
    token: str
    reserved: tuple[ObjectKey, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkResult:
    """What came of an object: facts and renditions, or why there are none.

    Attributes:
        facts: As the task names them.
        renditions: In the store.
        problems: One sentence each.
        cause: Why nothing could be made of it, one word; ``None`` when all went well.
        message: For a person, with a cause.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    renditions: tuple[Rendition, ...] = ()
    problems: tuple[str, ...] = ()
    cause: str | None = None
    message: str | None = None


class ObjectWorkReader(Protocol):
    """What is known of objects, for those who show it."""

    def results(
        self, task: str, keys: Sequence[ObjectKey]
    ) -> Mapping[ObjectKey, WorkResult]:
        """Read what came of objects of our store, the last time that something did.

        Of an object that has changed since, the result of before is given until there
        is another. Absent: those that nothing came of yet.

        Raises:
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        ...


class ObjectWorkRepository(ObjectWorkReader, Protocol):
    """Records ``object_work``; every call is safe from any number of workers.

    Raises ``DependencyUnavailableError`` (retryable) when MongoDB does not answer.
    """

    def note(self, kinds: Sequence[WorkKind], object_ids: Iterable[str]) -> int:
        """Let work on these objects wait, where there is any.

        That is: on present objects that a task wants, and of which nothing is known,
        or of other content, or by an older version of the task; and on objects that
        are gone and of which something is known.

        Args:
            kinds: The tasks there are.
            object_ids: ``_id`` of records of ``objects``.

        Returns:
            How many wait now that did not.
        """
        ...

    def changed(self) -> Sequence[str] | None:
        """Wait shortly for ids of objects that have changed: hints, no more.

        Returns:
            ``None`` when hints may have been lost before this call (the first one,
            or after a break): then only a sweep tells what has changed.
        """
        ...

    def begin_sweep(self, kinds: Sequence[WorkKind]) -> None:
        """Have the next sweep begin now, at the first object."""
        ...

    def sweep(
        self, kinds: Sequence[WorkKind], limit: int, *, every: timedelta
    ) -> int | None:
        """``note`` the objects that come next in order of their ids.

        All workers of the same tasks and versions go on from the same place.

        Args:
            kinds: The tasks there are.
            limit: How many objects to look at.
            every: When the next sweep begins, once this one is at the end.

        Returns:
            As ``note``; ``None`` when no sweep is due or another worker is at it.
        """
        ...

    def claim(
        self, kinds: Sequence[WorkKind], *, worker: str, lease: timedelta
    ) -> WorkClaim | None:
        """Take what is due, or was left by a worker that died; ``None`` for nothing.

        Objects that were written lately come before those of a backfill; a task's
        records of another version than ours are left alone.
        """
        ...

    def renew(self, claims: Iterable[WorkClaim], lease: timedelta) -> None:
        """Have leases last so long from now; claims that were lost are passed over."""
        ...

    def check(self, claim: WorkClaim) -> None:
        """Make sure that a claim is not lost, before something is written or removed.

        Raises:
            FencedError: The object has changed since, or another worker has it.
        """
        ...

    def reserve(self, claim: WorkClaim, key: ObjectKey) -> bool:
        """Make a key in the store belong to this work.

        Returns:
            Whether it does now; ``False`` when it belongs to the work on another
            object.

        Raises:
            FencedError: As ``check``.
        """
        ...

    def finish(
        self,
        claim: WorkClaim,
        result: WorkResult,
        *,
        again_after: timedelta | None = None,
    ) -> None:
        """Keep what came of it; only the keys of its renditions stay reserved.

        Args:
            claim: Which work.
            result: What came of it.
            again_after: Do it once more after this time; ``None`` for done.

        Raises:
            FencedError: As ``check``.
        """
        ...

    def postpone(self, claim: WorkClaim, *, until: timedelta, is_counted: bool) -> None:
        """Let go after a trouble that may pass.

        Args:
            claim: Which work.
            until: How long nobody is to take it.
            is_counted: Whether it was an attempt: the file's trouble, not a server's.

        Raises:
            FencedError: As ``check``.
        """
        ...

    def forget(self, claim: WorkClaim) -> None:
        """Remove the record of an object that is gone; raises as ``check``."""
        ...

    def close(self) -> None:
        """Give the change stream back; idempotent."""
        ...
