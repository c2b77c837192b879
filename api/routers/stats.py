"""``/api/assets/{assetId}/stats``."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.asset_services import ServicesDep
from api.dependencies import AskerDep
from api.freshness import FRESH
from api.queries import AssetIdPath
from api.responses import JsonResponse
from api.schemas.problems import problems
from api.schemas.stats import AssetStats
from api.usage_presenters import day_of_use, moment

router = APIRouter(prefix="/api/assets/{assetId}", tags=["usage"], dependencies=[FRESH])


@router.get(
    "/stats",
    summary="See how much an asset is used, and what it costs",
    response_model=AssetStats,
    responses=problems(400, 401, 404, 503),
)
def asset_stats(
    asset_id: AssetIdPath,
    asker: AskerDep,
    services: ServicesDep,
    days: Annotated[
        int, Query(ge=1, le=400, description="How many days `daily` goes back.")
    ] = 30,
) -> JsonResponse:
    """Downloads that really happened, links handed out, bytes, cost, and users.

    The id of a job with several images adds them up. How much it is used is told to
    those who may change the asset; others get `null` there.
    """
    found = services.stats.stats(asker, asset_id, days=days)
    usage = found.usage
    facts: dict[str, Any] = {
        "downloads": usage and usage.downloads,
        "views": usage and usage.views,
        "linksIssued": usage and usage.links,
        "lastAccessed": usage and moment(usage.last_at),
        "storageCost": found.storage_cost,
        "storageBytes": found.storage_bytes,
        "usedInJobs": list(found.used_in_jobs),
        "usedInAssets": found.used_in_assets,
        "daily": [day_of_use(one) for one in found.days],
    }
    return JsonResponse(facts)
