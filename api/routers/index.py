"""``/api/index``: what writers beside us need to know of the index."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from api.dependencies import get_asker
from api.freshness import TOKEN_HEADER
from api.responses import JsonResponse
from api.schemas.common import FreshnessToken
from api.schemas.problems import problems
from catalog.services.freshness import FreshnessService

router = APIRouter(
    prefix="/api/index", tags=["search"], dependencies=[Depends(get_asker)]
)


async def get_freshness(request: Request) -> FreshnessService:
    """Hand out the application's service."""
    freshness: FreshnessService = request.app.state.freshness
    return freshness


@router.get(
    "/token",
    summary="Get a freshness token",
    response_model=FreshnessToken,
    responses=problems(401, 503),
)
async def read_token(
    freshness: Annotated[FreshnessService, Depends(get_freshness)],
) -> JsonResponse:
    """For who writes job records without this API: ask after the write.

    A search with `waitFor` of this token sees everything that was written to MongoDB
    before. Writes through the API bring theirs in the header `X-Catalog-Token`.
    """
    token = await freshness.issue()
    return JsonResponse({"token": token}, headers={TOKEN_HEADER: token})
