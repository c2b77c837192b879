"""``/health/live``, ``/health/ready``, ``/metrics``: what orchestrators ask."""

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

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
def metrics(request: Request) -> Response:
    """Counters and histograms of this process, in Prometheus' text format."""
    found: ApiMetrics = request.app.state.metrics
    return Response(found.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})
