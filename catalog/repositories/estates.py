"""Ports to what is taken over: its book, and job records as their writer wrote them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from catalog.models.ids import JobId, ObjectKey, UserId
from catalog.models.job import Job


class ItemState(StrEnum):
    """How far one file is."""

    OPEN = "open"
    """It belongs to a job whose record is not written yet."""
    COPIED = "copied"
    """Likewise, and its bytes are in the store."""
    DONE = "done"


@dataclass(frozen=True, slots=True)
class ImportItem:
    """One file that is taken over: what makes an import resumable and idempotent.

    Attributes:
        item_id: Hash of the user and the file's address.
        user_id: Whose it becomes.
        source: Address of the estate.
        path: Of the file below it.
        kind: What its job holds (``image lora transcript``).
        part: What it is to its asset.
        job_id: The job that it goes into.
        number: Its place in that job, from 1.
        object_key: Where it goes; ``None`` for what is only read.
        size_bytes: Of the source.
        modified_at: Of the source.
        likeness: See ``catalog.estates.source.likeness``.
        digest: SHA-256 of what was copied; empty where servers copied by themselves.
        tags: For the job's ``metadata``.
        state: How far it is.
    """

    item_id: str
    user_id: UserId
    source: str
    path: str
    kind: str
    part: str
    job_id: JobId
    number: int
    object_key: ObjectKey | None
    size_bytes: int
    modified_at: datetime
    likeness: str
    digest: str = ""
    tags: tuple[str, ...] = ()
    state: ItemState = ItemState.OPEN


class ImportRepository(Protocol):
    """The book of what was taken over (records ``import_items``)."""

    def find(self, item_ids: Iterable[str]) -> Mapping[str, ImportItem]:
        """Read items by id."""
        ...

    def open_jobs(self, user_id: UserId, source: str) -> tuple[JobId, ...]:
        """List jobs of an estate that were begun and not finished."""
        ...

    def of_job(self, job_id: JobId) -> tuple[ImportItem, ...]:
        """Read a job's items, by number, the main part first."""
        ...

    def alike(
        self, user_id: UserId, likenesses: Iterable[str]
    ) -> Mapping[str, ImportItem]:
        """Find finished main files of these likenesses, one for each."""
        ...

    def save(self, items: Sequence[ImportItem]) -> None:
        """Write items, in place of those of the same id."""
        ...

    def forget(self, item_ids: Sequence[str]) -> None:
        """Remove items."""
        ...

    def finish(self, job_id: JobId) -> None:
        """Mark all items of a job as done: its record is written."""
        ...

    def living(self, job_ids: Iterable[JobId]) -> frozenset[JobId]:
        """Tell which of these have a job record."""
        ...


@dataclass(frozen=True, slots=True)
class ForeignJob:
    """A job record of a database, and what can be read of it.

    Attributes:
        raw: The record; only repositories know what it is.
        name: Its jobId, or its ``_id`` where it has none; for messages.
        job: ``None`` where it can't be read.
        problem: Why not.
    """

    raw: Any
    name: str
    job: Job | None
    problem: str | None = None


class Placing(StrEnum):
    """What became of a record that was to be written."""

    ADDED = "added"
    UPDATED = "updated"
    """Ours was older."""
    SAME = "same"
    KEPT = "kept"
    """Ours differs and is not older, or is run by the catalog."""


class EstateRecords(Protocol):
    """The records of a database, whole and as they are."""

    def count_jobs(self, user_id: UserId | None = None) -> int:
        """Count job records."""
        ...

    def jobs(self, user_id: UserId | None = None) -> Iterator[ForeignJob]:
        """Read all job records, of a user or of all, in ``_id`` order."""
        ...

    def compare(self, jobs: Sequence[ForeignJob]) -> tuple[Placing, ...]:
        """Tell what ``place`` would do (at most 1,000, all readable)."""
        ...

    def place(self, jobs: Sequence[ForeignJob]) -> tuple[Placing, ...]:
        """Write job records by jobId, fields and ``_id`` untouched.

        One of ours is replaced by a newer one only (by ``updatedAt``, ``completedAt``,
        ``createdAt`` and its versions' dates), and never if it has a ``queue`` record.
        """
        ...

    def annotations(self, job_ids: Iterable[JobId]) -> Iterator[Any]:
        """Read what people changed on these jobs and their assets."""
        ...

    def others(self, name: str, user_id: UserId) -> Iterator[Any]:
        """Read a user's records of further kinds (``collections``, ``shares``)."""
        ...

    def add_missing(self, name: str, records: Sequence[Any]) -> int:
        """Write records whose ``_id`` is not there yet; returns how many."""
        ...

    def to_line(self, raw: object) -> str:
        """Write a record as one line of Extended JSON."""
        ...

    def from_line(self, line: str) -> Any:  # noqa: ANN401  (see ``ForeignJob.raw``)
        """Read a line of ``to_line``.

        Raises:
            InvalidRequestError: It is none.
        """
        ...

    def as_job(self, raw: object) -> ForeignJob:
        """Read a record."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...
