"""``/api/assets/{assetId}/why``: why a search does not find an asset."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request

from api.asset_services import get_services
from api.freshness import index_reached
from api.queries import ASSET_ID
from api.responses import JsonResponse
from api.schemas.problems import problems
from api.schemas.why import WhyAnswer, WhyOfJob
from api.search_params import documented_parameters, read_search_query
from catalog.services.why.case import Stage
from catalog.services.why.conclusion import Conclusion

router = APIRouter(tags=["search"])


@router.get(
    "/api/assets/{assetId}/why",
    summary="Why is it not found?",
    response_model=WhyAnswer | WhyOfJob,
    responses=problems(400, 401, 404, 503),
    openapi_extra={"parameters": documented_parameters()},
)
async def explain_search(
    request: Request,
    asset_id: Annotated[str, Path(alias="assetId", description=ASSET_ID)],
) -> JsonResponse:
    """Stage by stage, from the job record to the place in the answer.

    Takes every parameter of `/api/assets/search` and says why that very search finds
    the asset, or does not: `reason` is a stable code, `explanation` a sentence with
    what to do. The id of a job with several assets answers `{"jobId": …, "assets":
    […], "total": …}`, the first twenty of them.
    """
    query = await read_search_query(request)
    services = await get_services(request)
    why = await services.why.explain(asset_id, query)
    index: dict[str, Any] = {
        "lagMs": why.index.lag_ms,
        "generation": why.index.generation,
    }
    if (reached := index_reached(request)) is not None:
        index["reached"] = reached
    facts: dict[str, Any] = {"index": index}
    if why.is_degraded:
        facts["degraded"] = True
    assets = [_asset(conclusion) for conclusion in why.conclusions]
    if why.total == 1:
        return JsonResponse(assets[0] | facts)
    whole = {"jobId": why.job_id, "assets": assets, "total": why.total}
    return JsonResponse(whole | facts)


def _asset(conclusion: Conclusion) -> dict[str, Any]:
    return {
        "assetId": conclusion.asset_id,
        "isFound": conclusion.is_found,
        "reason": conclusion.reason,
        "explanation": conclusion.explanation,
        "stages": [_stage(stage) for stage in conclusion.stages],
    }


def _stage(stage: Stage) -> dict[str, Any]:
    facts = {"stage": stage.name, "verdict": stage.verdict, "detail": stage.detail}
    if stage.reason:
        facts["reason"] = stage.reason
    return facts | dict(stage.facts)
