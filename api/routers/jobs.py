"""``/api/jobs``: the records of generation requests."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request

from api.dependencies import (
    AskerDep,
    CatalogDep,
    JobLimitParam,
    JobSortParam,
    JobTypeParam,
    OrderParam,
    PageTokenParam,
    SinceParam,
    UntilParam,
)
from api.freshness import FRESH, index_reached
from api.responses import JsonResponse
from api.schemas.jobs import JobList, JobRecord
from api.schemas.problems import problems
from catalog.services.jobs import JobService

router = APIRouter(prefix="/api/jobs", tags=["jobs"], dependencies=[FRESH])


def get_job_service(catalog: CatalogDep) -> JobService:
    """Make the service for one request; it holds nothing but the repository."""
    return JobService(catalog.jobs)


JobServiceDep = Annotated[JobService, Depends(get_job_service)]

StatusParam = Annotated[
    str | None,
    Query(
        max_length=100,
        description="Status as the record has it: `queued processing completed failed "
        "cancelled`, or a foreign one.",
        examples=["completed"],
    ),
]


@router.get(
    "",
    summary="List jobs",
    response_model=JobList,
    responses=problems(400, 401, 503),
)
def list_jobs(
    request: Request,
    service: JobServiceDep,
    asker: AskerDep,
    type: JobTypeParam = None,  # noqa: A002  (the seed's parameter)
    status: StatusParam = None,
    since: SinceParam = None,
    until: UntilParam = None,
    sort: JobSortParam = "createdAt",
    order: OrderParam = "desc",
    limit: JobLimitParam = 200,
    page_token: PageTokenParam = None,
) -> JsonResponse:
    """The caller's jobs, newest first; without `userId` everybody's.

    Jobs of all statuses are here, also those that have no asset yet.
    """
    page = service.page(
        asker,
        type_=type or None,
        status=status or None,
        since=since,
        until=until,
        sort=sort,
        descending=order == "desc",
        limit=limit,
        page_token=page_token or None,
    )
    facts: dict[str, Any] = {
        "jobs": page.items,
        "total": page.total,
        "nextPageToken": page.next_token,
    }
    reached = index_reached(request)
    if reached is not None:
        facts["index"] = {"reached": reached}
    return JsonResponse(facts)


@router.get(
    "/{jobId}",
    summary="Read one job",
    response_model=JobRecord,
    responses=problems(400, 401, 404, 503),
)
def read_job(
    service: JobServiceDep,
    asker: AskerDep,
    job_id: Annotated[
        str, Path(alias="jobId", description="The job's id.", examples=["6f0c4c5e"])
    ],
) -> JsonResponse:
    """The job record as its writer wrote it, `_id` left out.

    Later versions follow earlier ones in `versions`. URLs in it are the writer's;
    `/api/assets/{assetId}/download` gives one that can be fetched.
    """
    return JsonResponse(service.find(asker, job_id))
