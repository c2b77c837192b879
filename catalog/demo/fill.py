"""Fills an empty catalog with assets of our own, by the road that real ones take."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from catalog.clock import Clock
from catalog.demo.jobs import demo_jobs
from catalog.demo.stage import Stage
from catalog.repositories.base import JobQuery, JobRepository
from catalog.storage.base import ObjectStore

Progress = Callable[[int, int], None]
"""Called after each job with how many are done, and of how many."""


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """What was made.

    Attributes:
        was_empty: Whether the catalog was empty; if not, nothing was made.
        jobs: Number of job records by type, as the seed writes types.
        files: Number of files written to the store.
        size_bytes: Their size.
    """

    was_empty: bool
    jobs: Mapping[str, int] = field(default_factory=dict)
    files: int = 0
    size_bytes: int = 0


def _silent(done: int, total: int) -> None:
    """Report nothing."""


def fill(
    jobs: JobRepository,
    store: ObjectStore,
    clock: Clock,
    *,
    seed: int = 20251127,
    progress: Progress = _silent,
) -> DemoSummary:
    """Make the demo's assets in an empty catalog.

    The files of a job are written before its record. No ``queue`` record is written,
    so no worker ever claims these jobs. Broken off half-way it is not taken up again:
    a catalog with a job record is not empty.

    Args:
        jobs: Where the records go.
        store: Where the files go.
        clock: Dates are relative to it, up to a year back.
        seed: Same seed, same time: same demo.
        progress: Called after each job.

    Returns:
        What was made; nothing where there was a job record already.

    Raises:
        DependencyUnavailableError: MongoDB or the store did not answer; retryable.
    """
    if jobs.page(JobQuery(limit=1)).items:
        return DemoSummary(was_empty=False)
    planned = demo_jobs(Stage(store, clock.now(), seed))
    types: Counter[str] = Counter()
    files = size_bytes = 0
    for done, job in enumerate(planned, 1):
        for file in job.files:
            content = file.make()
            store.write(file.key, content, content_type=file.content_type)
            files += 1
            size_bytes += len(content)
        jobs.insert(job.record)
        types[str(job.record["type"])] += 1
        progress(done, len(planned))
    return DemoSummary(
        was_empty=True, jobs=dict(types), files=files, size_bytes=size_bytes
    )
