"""Job records and their feed in memory."""

import queue
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from catalog.errors import AlreadyExistsError, InvalidQueryError
from catalog.models.ids import JobId, RootKey
from catalog.models.page import Page
from catalog.repositories.base import JobChange, JobQuery
from tests.fakes.failing import Failing

Record = dict[str, Any]


def moment(text: str | None) -> datetime | None:
    """Read a time as records have it on the wire."""
    return None if text is None else datetime.fromisoformat(text)


class FakeJobRepository(Failing):
    """See ``JobRepository``; records lie in a list, the newest last."""

    def __init__(self, *records: Record) -> None:
        super().__init__()
        self.records = list(records)
        self.queries: list[JobQuery] = []

    def find(self, job_id: JobId) -> Mapping[str, Any] | None:
        self.check()
        return next((r for r in reversed(self.records) if r["jobId"] == job_id), None)

    def page(self, query: JobQuery) -> Page[Mapping[str, Any]]:
        self.check()
        self.queries.append(query)
        found = [record for record in self.records if _matches(record, query)]
        key = "metadata" if query.sort == "name" else query.sort
        found.sort(key=lambda r: str(r.get(key, "")), reverse=query.descending)
        start = _offset(query.page_token)
        end = start + query.limit
        return Page(
            items=tuple(found[start:end]),
            total=len(found),
            next_token=f"o{end}" if end < len(found) else None,
        )

    def insert(self, record: Mapping[str, Any]) -> None:
        self.check()
        if any(r["jobId"] == record["jobId"] for r in self.records):
            raise AlreadyExistsError("job", str(record["jobId"]))
        self.records.append(dict(record))


def _offset(token: str | None) -> int:
    if token is None:
        return 0
    if not token.startswith("o") or not token[1:].isdigit():
        raise InvalidQueryError("pageToken", "It is not one of this list.")
    return int(token[1:])


def _matches(record: Record, query: JobQuery) -> bool:
    created = moment(record.get("createdAt"))
    return (
        (query.user_id is None or record.get("userId") == query.user_id)
        and (query.type is None or record.get("type") == query.type)
        and (query.status is None or record.get("status") == query.status)
        and (query.since is None or (created is not None and created >= query.since))
        and (query.until is None or (created is not None and created <= query.until))
    )


class FakeJobFeed(Failing):
    """See ``JobFeed``; ``change`` is what the database would have noticed."""

    def __init__(self, *records: Record, wait_seconds: float = 0.02) -> None:
        super().__init__()
        self.records: dict[str, Record] = {r["jobId"]: r for r in records}
        self.reads: list[str] = []
        self.is_closed = False
        self._changes: queue.SimpleQueue[JobChange] = queue.SimpleQueue()
        self._wait = wait_seconds

    def change(self, job_id: str, **fields: object) -> None:
        """Write to a record, noticed by the feed."""
        self.change_unnoticed(job_id, **fields)
        self._changes.put(self._of(job_id))

    def change_unnoticed(self, job_id: str, **fields: object) -> None:
        """Write to a record while nobody looks."""
        self.records[job_id] = self.records[job_id] | fields

    def delete(self, job_id: str) -> None:
        """Delete a record, noticed by the feed."""
        change = JobChange(root_key=self._of(job_id).root_key, record=None)
        del self.records[job_id]
        self._changes.put(change)

    def next_batch(self) -> list[JobChange]:
        self.check()
        try:
            batch = [self._changes.get(timeout=self._wait)]
        except queue.Empty:
            return []
        while not self._changes.empty():
            batch.append(self._changes.get())
        return batch

    def find(self, job_id: JobId) -> JobChange | None:
        self.reads.append(job_id)
        return self._of(job_id) if job_id in self.records else None

    def close(self) -> None:
        self.is_closed = True

    def _of(self, job_id: str) -> JobChange:
        kept = ("jobId", "userId", "status", "progress", "error")
        record = {k: v for k, v in self.records[job_id].items() if k in kept}
        return JobChange(root_key=RootKey(f"root-{job_id}"), record=record)
