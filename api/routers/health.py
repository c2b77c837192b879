"""``/health/live``, ``/health/ready``, ``/metrics``: what orchestrators ask."""

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.asset_services import ServicesDep
from api.metrics import ApiMetrics
from api.readiness import Examiner
from api.responses import JsonResponse
from api.schemas.jobs import Readiness

router = APIRouter(tags=["health"])


@router.get(
    "/health/live",
    summary="Is the process alive?",
    responses={200: {"content": {"application/json": {"example": {"status": "live"}}}}},
)
async def live() -> JsonResponse:
    """200 as long as the process answers at all; asks no other server."""
    return JsonResponse({"status": "live"})


@router.get(
    "/health/ready",
    summary="Can it serve, and what is degraded?",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "MongoDB is away."}},
)
async def ready(request: Request) -> JsonResponse:
    """200 while MongoDB answers; what else is missing stands in `degraded`."""
    examiner: Examiner = request.app.state.examiner
    can_serve, facts = await examiner.examine()
    return JsonResponse(facts, 200 if can_serve else 503)


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}},
)
async def metrics(request: Request, services: ServicesDep) -> Response:
    """Counters and histograms of this process, and how far the index is.

    The gauges `catalog_index_…` are the indexer's last heartbeat, the same in every
    process of the API; they are left out while MongoDB does not answer.
    """
    found: ApiMetrics = request.app.state.metrics
    found.tell_index(*await services.monitor.glance())
    text = await run_in_threadpool(found.text)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})
