"""``/api/admin``: how the index is, and asking the indexer for work."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from api import admin_presenters
from api.admin import ADMIN, AdministrationDep, IdempotencyKey, accepted
from api.responses import JsonResponse
from api.schemas.admin import (
    ACCEPTED,
    GenerationList,
    IndexOverview,
    IndexRequest,
    ReconcileBody,
    ReconcileList,
    RequestList,
    Schedule,
)
from api.schemas.problems import admin_problems
from catalog.services.administration import RECONCILE_KINDS

router = APIRouter(prefix="/api/admin", tags=["admin"], dependencies=[ADMIN])

LimitParam = Annotated[int, Query(ge=1, le=200, description="Most items, 1 to 200.")]

SweepNamePath = Annotated[
    str, Path(description="Name of a sweep of the schedule.", examples=["rescan"])
]


@router.post(
    "/reindex",
    summary="Build a new generation",
    status_code=202,
    response_model=IndexRequest,
    responses=ACCEPTED | admin_problems(409),
)
def reindex(service: AdministrationDep, key: IdempotencyKey = None) -> JsonResponse:
    """Builds all search indexes anew beside those that serve, and swaps when proven.

    Search goes on meanwhile. While one is being built already, that one is told.
    """
    return accepted(service.reindex(key))


@router.post(
    "/rollback",
    summary="Go back to the generation before",
    status_code=202,
    response_model=IndexRequest,
    responses=ACCEPTED | admin_problems(409),
)
def rollback(service: AdministrationDep, key: IdempotencyKey = None) -> JsonResponse:
    """The generation that served before serves again, as long as it is kept.

    It has been kept in step, so nothing is lost. 409 when none is kept any more.
    """
    return accepted(service.rollback(key))


@router.post(
    "/reconcile",
    summary="Compare record, index and storage now",
    status_code=202,
    response_model=IndexRequest,
    responses=ACCEPTED | admin_problems(409, 422),
)
def reconcile(
    service: AdministrationDep,
    body: ReconcileBody | None = None,
    key: IdempotencyKey = None,
) -> JsonResponse:
    """Finds what should not differ, repairs it and counts it as drift.

    `index` compares the index with the read model, `record` the read model with the
    record, `storage` the store with what is known of it. All three by default.
    """
    asked = body or ReconcileBody()
    request = service.reconcile(
        asked.kinds or RECONCILE_KINDS, accept_losses=asked.accept_losses, key=key
    )
    return accepted(request)


@router.get(
    "/requests",
    summary="List what the indexer was asked",
    response_model=RequestList,
    responses=admin_problems(),
)
def list_requests(service: AdministrationDep, limit: LimitParam = 50) -> JsonResponse:
    """The newest first, finished ones included."""
    found = [admin_presenters.request(one) for one in service.requests(limit)]
    return JsonResponse({"requests": found})


@router.get(
    "/requests/{requestId}",
    summary="Read one request",
    response_model=IndexRequest,
    responses=admin_problems(404),
)
def read_request(
    service: AdministrationDep,
    request_id: Annotated[str, Path(alias="requestId", description="Its id.")],
) -> JsonResponse:
    """How far it is, and what came of it."""
    return JsonResponse(admin_presenters.request(service.request(request_id)))


@router.get(
    "/index",
    summary="How the index is",
    response_model=IndexOverview,
    responses=admin_problems(),
)
def read_index(service: AdministrationDep) -> JsonResponse:
    """What `catalog status` shows: leader, lag, drift, headroom, what waits."""
    return JsonResponse(admin_presenters.report(service.report()))


@router.get(
    "/generations",
    summary="List generations",
    response_model=GenerationList,
    responses=admin_problems(),
)
def list_generations(service: AdministrationDep) -> JsonResponse:
    """Every set of indexes that there ever was, the newest first, with its progress."""
    return JsonResponse(admin_presenters.generations(*service.generations()))


@router.get(
    "/reconciles",
    summary="List reports of reconciling",
    response_model=ReconcileList,
    responses=admin_problems(),
)
def list_reconciles(service: AdministrationDep, limit: LimitParam = 50) -> JsonResponse:
    """What each pass compared, found and repaired, and what it refused to do."""
    reports, total = service.reconciles(limit)
    found = [admin_presenters.reconcile(one) for one in reports]
    return JsonResponse({"reconciles": found, "driftTotal": total})


@router.get(
    "/schedule",
    summary="List the schedule",
    response_model=Schedule,
    responses=admin_problems(),
)
def read_schedule(service: AdministrationDep) -> JsonResponse:
    """All sweeps: what they do, when they ran last and run next, what came of it."""
    found = [admin_presenters.sweep(one) for one in service.sweeps()]
    return JsonResponse({"sweeps": found})


@router.post(
    "/schedule/{name}/run",
    summary="Run a sweep now",
    status_code=202,
    response_model=IndexRequest,
    responses=ACCEPTED | admin_problems(404, 409),
)
def run_sweep(
    service: AdministrationDep, name: SweepNamePath, key: IdempotencyKey = None
) -> JsonResponse:
    """Runs it once out of turn; it is never run twice at a time."""
    return accepted(service.run_sweep(name, key))
