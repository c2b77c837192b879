"""Reading job records, always for someone who asks."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from catalog.access import Asker
from catalog.errors import NotFoundError
from catalog.models.ids import JobId
from catalog.models.page import Page
from catalog.repositories.base import JobQuery, JobRepository


def may_see_job(asker: Asker, record: Mapping[str, Any]) -> bool:
    """Decide whether the asker may know of a job: owners and who sees everything."""
    if asker.sees_everything:
        return True
    owner = record.get("userId")
    # Platforms with numeric ids write numbers; a caller can only send a text.
    is_readable = isinstance(owner, str | int) and not isinstance(owner, bool)
    return asker.user_id is not None and is_readable and str(owner) == asker.user_id


class JobService:
    """Job records as their writers wrote them."""

    def __init__(self, jobs: JobRepository) -> None:
        """Stand on the job records."""
        self._jobs = jobs

    def find(self, asker: Asker, job_id: str) -> Mapping[str, Any]:
        """Read one job.

        Args:
            asker: Who asks.
            job_id: The job's user-facing id.

        Returns:
            The record, ``_id`` left out, ready for JSON.

        Raises:
            NotFoundError: There is none, or it is not the asker's.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        record = self._jobs.find(JobId(job_id))
        if record is None or not may_see_job(asker, record):
            raise NotFoundError("job", job_id)
        return record

    def page(
        self,
        asker: Asker,
        *,
        type_: str | None = None,
        status: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        sort: str = "createdAt",
        descending: bool = True,
        limit: int = 200,
        page_token: str | None = None,
    ) -> Page[Mapping[str, Any]]:
        """List the asker's jobs; everybody's for who sees everything and named nobody.

        Args:
            asker: Who asks; a user is also the owner.
            type_: Job type as records have it.
            status: Raw status.
            since: Created at or after; aware.
            until: Created at or before; aware.
            sort: See ``JobQuery.sort``.
            descending: Newest or last first.
            limit: 1 to 1,000.
            page_token: Of the previous page with the same filter and sort.

        Raises:
            InvalidQueryError: The page token is not of this query.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        if asker.user_id is None and not asker.sees_everything:
            return Page(items=(), total=0)
        return self._jobs.page(
            JobQuery(
                user_id=asker.user_id,
                type=type_,
                status=status,
                since=since,
                until=until,
                sort=sort,
                descending=descending,
                limit=limit,
                page_token=page_token,
            )
        )
