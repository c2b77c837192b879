"""``/api/webhooks/…``: where providers say that they are done."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.dependencies import CatalogDep
from api.schemas.problems import problems
from catalog.graph import Catalog
from catalog.models.ids import JobId
from catalog.services.webhooks import WebhookService

router = APIRouter(prefix="/api/webhooks", tags=["jobs"])

NoncePath = Annotated[str, Path(max_length=128, description="Secret of one submit.")]

_RESPONSES = problems(400, 403, 404, 503)


@router.post(
    "/fal/{jobId}/{nonce}",
    summary="Take in a webhook of fal.ai",
    status_code=204,
    response_class=Response,
    responses=_RESPONSES,
)
async def fal(
    request: Request,
    catalog: CatalogDep,
    job_id: Annotated[
        str, Path(alias="jobId", max_length=512, description="The job's id.")
    ],
    nonce: NoncePath,
) -> Response:
    """Signed by fal.ai (Ed25519); idempotent."""
    body = await request.body()
    await run_in_threadpool(
        _service(catalog).fal, JobId(job_id), nonce, request.headers, body
    )
    return Response(status_code=204)


@router.post(
    "/assemblyai/{jobId}/{nonce}",
    summary="Take in a webhook of AssemblyAI",
    status_code=204,
    response_class=Response,
    responses=_RESPONSES,
)
async def assemblyai(
    request: Request,
    catalog: CatalogDep,
    job_id: Annotated[
        str, Path(alias="jobId", max_length=512, description="The job's id.")
    ],
    nonce: NoncePath,
) -> Response:
    """Bears the submit's secret in a header; idempotent."""
    body = await request.body()
    await run_in_threadpool(
        _service(catalog).assemblyai, JobId(job_id), nonce, request.headers, body
    )
    return Response(status_code=204)


def _service(catalog: Catalog) -> WebhookService:
    return WebhookService(catalog.queue, catalog.fal_keys, catalog.clock)
