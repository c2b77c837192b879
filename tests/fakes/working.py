"""A job as an engine sees it, for tests of engines."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from catalog.models.generation import JobRequest
from catalog.models.ids import JobId, UserId
from processors.engine import Work


def work_in(folder: Path, request: JobRequest, **changes: Any) -> Work:  # noqa: ANN401  (fields of ``Work``)
    """Make a first version in a folder, which is made, too; nobody is told anything."""
    folder.mkdir(parents=True, exist_ok=True)
    work = Work(
        job_id=JobId("job-1"),
        user_id=UserId("user-1"),
        version=1,
        request=request,
        folder=folder,
        save=lambda _: None,
        report=lambda _: None,
        check=lambda: None,
        webhook=lambda _: None,
    )
    return replace(work, **changes)
