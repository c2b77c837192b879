"""``/api/assets/…`` and its short forms: lists by type, and one asset."""

from collections.abc import Sequence
from time import perf_counter
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.concurrency import run_in_threadpool

from api import presenters
from api.asset_services import (
    AssetServices,
    LinkerDep,
    ServicesDep,
)
from api.dependencies import AskerDep
from api.freshness import FRESH, index_reached
from api.presenters import Linker
from api.queries import ASSET_ID, Listing, ListingDep, next_page_token
from api.responses import JsonResponse, next_link
from api.schemas.assets import Asset, AssetsOfJob, Dataset, Image, Lora, Transcript
from api.schemas.problems import problems
from api.search_notes import note
from catalog.access import Asker
from catalog.models.asset import AssetType, AssetView
from catalog.services.editing import edit_tag

NEWEST_USERS = 10
"""Assets made with one that its page names; a search finds the others."""

router = APIRouter(tags=["assets"], dependencies=[FRESH])

_LIST_PROBLEMS = problems(400, 401, 503)


@router.get(
    "/api/assets/loras",
    summary="List LoRAs",
    response_model=list[Lora],
    responses=_LIST_PROBLEMS,
)
@router.get(
    "/api/loras",
    summary="List LoRAs (short form)",
    response_model=list[Lora],
    responses=_LIST_PROBLEMS,
)
async def list_loras(
    request: Request, listing: ListingDep, services: ServicesDep, link: LinkerDep
) -> JsonResponse:
    """The caller's LoRAs, newest first; totals and next page are in the headers."""
    return await _list(AssetType.LORA, request, listing, services, link)


@router.get(
    "/api/assets/images",
    summary="List generated images",
    response_model=list[Image],
    responses=_LIST_PROBLEMS,
)
@router.get(
    "/api/images",
    summary="List generated images (short form)",
    response_model=list[Image],
    responses=_LIST_PROBLEMS,
)
async def list_images(
    request: Request, listing: ListingDep, services: ServicesDep, link: LinkerDep
) -> JsonResponse:
    """The caller's generated images, newest first."""
    return await _list(AssetType.IMAGE, request, listing, services, link)


@router.get(
    "/api/assets/transcripts",
    summary="List transcripts",
    response_model=list[Transcript],
    responses=_LIST_PROBLEMS,
)
@router.get(
    "/api/transcripts",
    summary="List transcripts (short form)",
    response_model=list[Transcript],
    responses=_LIST_PROBLEMS,
)
async def list_transcripts(
    request: Request, listing: ListingDep, services: ServicesDep, link: LinkerDep
) -> JsonResponse:
    """The caller's transcripts, newest first."""
    return await _list(AssetType.TRANSCRIPT, request, listing, services, link)


@router.get(
    "/api/assets/datasets",
    summary="List training datasets",
    response_model=list[Dataset],
    responses=_LIST_PROBLEMS,
)
@router.get(
    "/api/datasets",
    summary="List training datasets (short form)",
    response_model=list[Dataset],
    responses=_LIST_PROBLEMS,
)
async def list_datasets(
    request: Request, listing: ListingDep, services: ServicesDep, link: LinkerDep
) -> JsonResponse:
    """The caller's training datasets, newest first."""
    return await _list(AssetType.DATASET, request, listing, services, link)


async def _list(
    kind: AssetType,
    request: Request,
    listing: Listing,
    services: AssetServices,
    link: Linker,
) -> JsonResponse:
    """Answer from MongoDB, exactly; with ``q`` from the search engine."""
    headers: dict[str, str] = {}
    if listing.has_words:
        query = listing.worded(kind)
        started = perf_counter()
        answered = await services.search.search(query)
        took_ms = round((perf_counter() - started) * 1000, 1)
        headers["X-Search-Id"] = note(services, query, answered, took_ms)
        views = tuple(hit.view for hit in answered.answer.hits)
        total = answered.answer.found
        next_token = next_page_token(query, total)
        if answered.index.lag_ms is not None:
            headers["X-Index-Lag-Ms"] = str(answered.index.lag_ms)
        if answered.is_degraded:
            headers["X-Degraded"] = "true"
    else:
        page = await run_in_threadpool(services.assets.page, listing.plain(kind))
        views, total, next_token = page.items, page.total, page.next_token
        if not page.is_total_exact:
            total = await services.search.count(listing.counted(kind))
    headers["X-Total-Count"] = str(total)
    if next_token is not None:
        headers["Link"] = next_link(request, link.base, next_token)
    return JsonResponse(
        [presenters.in_list(view, link) for view in views], headers=headers
    )


@router.get(
    "/api/assets/{assetId}",
    summary="Read one asset",
    response_model=Asset | AssetsOfJob,
    responses=problems(400, 401, 404, 503),
)
def read_asset(
    request: Request,
    asset_id: Annotated[str, Path(alias="assetId", description=ASSET_ID)],
    asker: AskerDep,
    services: ServicesDep,
    link: LinkerDep,
) -> JsonResponse:
    """Everything about one asset: its list shape, all versions, files and links.

    The `ETag` names the state of what people change (`PATCH`), for `If-Match`.

    The id of a job with several images answers `{"jobId": …, "assets": […]}`.
    """
    views = services.assets.find(asker, asset_id)
    return answer_assets(asker, views, services, link, index_reached(request))


def answer_assets(
    asker: Asker,
    views: Sequence[AssetView],
    services: AssetServices,
    link: Linker,
    reached: bool | None = None,  # noqa: FBT001  (as ``index_reached`` tells it)
) -> JsonResponse:
    """Tell everything about an asset, or about all images of a job."""
    wires = [
        presenters.in_full(
            view,
            link,
            uses=services.assets.known(asker, view.get("uses", ())),
            used_in=services.assets.used_in(asker, view, NEWEST_USERS),
            is_owner=asker.sees_everything or asker.user_id == view["userId"],
            shown=shown,
        )
        for view, shown in zip(views, services.pictures.results(views), strict=True)
    ]
    facts = wires[0]
    if len(wires) > 1:
        facts = {"jobId": views[0]["jobId"], "assets": wires}
    if reached is not None:
        facts["index"] = {"reached": reached}
    return JsonResponse(facts, headers={"ETag": edit_tag(views)})
