"""Changing assets and throwing them away: ``PATCH``, ``DELETE``, the trash."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.asset_services import LinkerDep, ServicesDep
from api.bodies import BodyDep, json_object, validated
from api.dependencies import AskerDep, LimitParam, PageTokenParam, WriterDep
from api.freshness import FRESH
from api.presenters import Linker
from api.queries import AssetIdPath, IfMatch
from api.responses import JsonResponse
from api.routers.assets import answer_assets
from api.schemas.assets import Asset, AssetsOfJob
from api.schemas.editing import AssetEditBody, Trash, Trashed
from api.schemas.problems import problems
from api.schemas.submissions import documented
from api.writers import named_asker
from catalog.models.asset import AssetView
from catalog.models.editing import AssetEdit

router = APIRouter(prefix="/api/assets/{assetId}", tags=["assets"])
trash = APIRouter(prefix="/api/trash", tags=["assets"], dependencies=[FRESH])

_PROBLEMS = problems(400, 401, 403, 404, 409, 412, 413, 415, 503)


@router.patch(
    "",
    summary="Change name, description, tags, publicity",
    response_model=Asset | AssetsOfJob,
    responses=_PROBLEMS,
    openapi_extra=documented(AssetEditBody),
)
def edit_asset(
    asset_id: AssetIdPath,
    asker: WriterDep,
    services: ServicesDep,
    link: LinkerDep,
    body: BodyDep,
    if_match: IfMatch = None,
) -> JsonResponse:
    """What is not named stays; `null` goes back to what the job says.

    `tags` puts these in place of all; `tagsAdd` and `tagsRemove` change some. The id of
    a job with several images changes all of them, but for what was changed of one by
    itself. The answer is the asset as it is now; `waitFor` on a search waits until it
    is found so.
    """
    data = json_object(body)
    asker = named_asker(asker, data, body)
    views = services.editing.edit(
        asker, asset_id, validated(AssetEdit, data), if_match=if_match
    )
    return answer_assets(asker, views, services, link)


@router.delete(
    "",
    summary="Throw away",
    response_model=Trashed,
    responses=problems(400, 401, 403, 404, 409, 503),
)
def trash_asset(
    asset_id: AssetIdPath,
    asker: WriterDep,
    services: ServicesDep,
    link: LinkerDep,
    *,
    only_if_unused: Annotated[
        bool,
        Query(
            alias="onlyIfUnused",
            description="Refuse (409) while anything was made with it.",
        ),
    ] = False,
) -> JsonResponse:
    """Puts the asset into the trash: nobody finds it, and its owner can take it back.

    Its files stay. Thrown away twice is thrown away once. The id of a job with several
    images throws all of them away.
    """
    views = services.editing.trash(asker, asset_id, only_if_unused=only_if_unused)
    return JsonResponse({"assets": [_thrown_away(view, link) for view in views]})


@router.post(
    "/restore",
    summary="Take out of the trash",
    response_model=Asset | AssetsOfJob,
    responses=problems(400, 401, 403, 404, 409, 503),
)
def restore_asset(
    asset_id: AssetIdPath, asker: WriterDep, services: ServicesDep, link: LinkerDep
) -> JsonResponse:
    """It is found again as soon as the index has followed (`waitFor`)."""
    views = services.editing.restore(asker, asset_id)
    return answer_assets(asker, views, services, link)


@trash.get(
    "",
    summary="List the trash",
    response_model=Trash,
    responses=problems(400, 401, 503),
)
def list_trash(
    asker: AskerDep,
    services: ServicesDep,
    link: LinkerDep,
    limit: LimitParam = 50,
    page_token: PageTokenParam = None,
) -> JsonResponse:
    """What the caller threw away, the last first."""
    page = services.editing.trashed(asker, limit, page_token)
    return JsonResponse(
        {
            "assets": [_thrown_away(view, link) for view in page.items],
            "total": page.total,
            "nextPageToken": page.next_token,
        }
    )


def _thrown_away(view: AssetView, link: Linker) -> dict[str, Any]:
    return {
        "assetId": view["assetId"],
        "jobId": view["jobId"],
        "type": view["type"],
        "name": view["name"],
        "userId": view["userId"],
        "createdAt": view["createdAt"],
        "trashedAt": view.get("trashedAt"),
        "sizeBytes": view.get("sizeBytes"),
        "thumbnailUrl": link.key(view.get("thumbnail")),
    }
