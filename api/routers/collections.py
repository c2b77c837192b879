"""``/api/collections``: users' groups of assets."""

from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from api import presenters
from api.asset_services import AssetServices, LinkerDep, ServicesDep
from api.bodies import BodyDep, json_object, validated
from api.dependencies import AskerDep, LimitParam, PageTokenParam, WriterDep
from api.freshness import FRESH
from api.presenters import Linker
from api.queries import IfMatch
from api.responses import JsonResponse, next_link
from api.schemas import collections as wire
from api.schemas.assets import Dataset, Image, Lora, Transcript
from api.schemas.problems import problems
from api.schemas.submissions import documented
from api.writers import named_asker
from catalog.access import Asker
from catalog.errors import InvalidRequestError
from catalog.models.collection import Collection, CollectionEdit, NewCollection
from catalog.models.ids import AssetId
from catalog.search.view import iso_time
from catalog.services.collections import collection_tag

router = APIRouter(prefix="/api/collections", tags=["collections"])
one = APIRouter(prefix="/api/collections/{collectionId}", tags=["collections"])

_READING = problems(400, 401, 404, 503)
_WRITING = problems(400, 401, 403, 404, 409, 412, 413, 415, 503)

CollectionIdPath = Annotated[
    str, Path(alias="collectionId", max_length=512, description="A collection's id.")
]


@router.post(
    "",
    status_code=201,
    summary="Make a collection",
    response_model=wire.Collection,
    responses=problems(400, 401, 413, 415, 503),
    openapi_extra=documented(wire.NewCollectionBody),
)
def create(
    asker: WriterDep, services: ServicesDep, link: LinkerDep, body: BodyDep
) -> JsonResponse:
    """Groups assets; a bare `jobId` means the job's asset, or all its images."""
    data = json_object(body)
    asker = named_asker(asker, data, body)
    if asker.user_id is None:
        problem = "Say whose collection it is: send `userId`."
        raise InvalidRequestError("userId", problem)
    made = services.collections.create(
        asker, asker.user_id, validated(NewCollection, data)
    )
    headers = {"Location": f"/api/collections/{quote(made.collection_id, safe='')}"}
    return _answer(asker, made, services, link, status=201, headers=headers)


@router.get(
    "",
    summary="List collections",
    response_model=wire.Collections,
    responses=problems(400, 401, 503),
    dependencies=[FRESH],
)
def list_collections(
    asker: AskerDep,
    services: ServicesDep,
    link: LinkerDep,
    limit: LimitParam = 50,
    page_token: PageTokenParam = None,
    scope: Annotated[
        Literal["own", "shared"],
        Query(description="The caller's own, or those that others share with him."),
    ] = "own",
) -> JsonResponse:
    """The caller's collections with their counts, the last changed first."""
    page = services.collections.page(
        asker, limit, page_token, is_shared=scope == "shared"
    )
    return JsonResponse(
        {
            "collections": [
                _presented(asker, found, services, link) for found in page.items
            ],
            "total": page.total,
            "nextPageToken": page.next_token,
        }
    )


@one.get(
    "",
    summary="Read a collection",
    response_model=wire.Collection,
    responses=_READING,
    dependencies=[FRESH],
)
def read(
    collection_id: CollectionIdPath,
    asker: AskerDep,
    services: ServicesDep,
    link: LinkerDep,
) -> JsonResponse:
    """A collection and its counts; `/assets` lists what it has."""
    found = services.collections.find(asker, collection_id)
    return _answer(asker, found, services, link)


@one.patch(
    "",
    summary="Rename, describe, move, cover, share",
    response_model=wire.Collection,
    responses=_WRITING,
    openapi_extra=documented(wire.CollectionEditBody),
)
def edit(
    collection_id: CollectionIdPath,
    asker: WriterDep,
    services: ServicesDep,
    link: LinkerDep,
    body: BodyDep,
    if_match: IfMatch = None,
) -> JsonResponse:
    """What is not named stays; `null` takes away.

    `sharing` names users and groups who may see it (`view`), or add and remove as well
    (`edit`). They see those of its assets that belong to its owner, and others only
    where they may see these anyway.
    """
    data = json_object(body)
    asker = named_asker(asker, data, body)
    changed = services.collections.edit(
        asker, collection_id, validated(CollectionEdit, data), if_match
    )
    return _answer(asker, changed, services, link)


@one.delete(
    "",
    status_code=204,
    response_class=Response,
    summary="Delete a collection",
    responses=_WRITING,
)
def delete(
    collection_id: CollectionIdPath, asker: WriterDep, services: ServicesDep
) -> Response:
    """Its assets stay; collections within it move up to where it was."""
    services.collections.delete(asker, collection_id)
    return Response(status_code=204)


@one.get(
    "/assets",
    summary="List its assets",
    response_model=list[Lora | Image | Transcript | Dataset],
    responses=_READING,
    dependencies=[FRESH],
)
def list_assets(
    request: Request,
    collection_id: CollectionIdPath,
    asker: AskerDep,
    services: ServicesDep,
    link: LinkerDep,
    limit: LimitParam = 50,
    page_token: PageTokenParam = None,
) -> JsonResponse:
    """Its assets in its order, in their lists' shapes with `assetId` and `type`.

    What the caller may not see is left out; total and next page are in the headers.
    """
    page = services.collections.assets(asker, collection_id, limit, page_token)
    headers = {"X-Total-Count": str(page.total)}
    if page.next_token is not None:
        headers["Link"] = next_link(request, link.base, page.next_token)
    found = [
        {
            "assetId": view["assetId"],
            "type": view["type"],
            **presenters.in_list(view, link),
        }
        for view in page.items
    ]
    return JsonResponse(found, headers=headers)


@one.post(
    "/assets",
    summary="Add assets",
    response_model=wire.AddedToCollection,
    responses=_WRITING,
    openapi_extra=documented(wire.AddedAssetsBody),
)
def add(
    collection_id: CollectionIdPath,
    asker: WriterDep,
    services: ServicesDep,
    link: LinkerDep,
    body: BodyDep,
) -> JsonResponse:
    """Appends up to 1,000 assets; added twice is added once."""
    data = json_object(body)
    asker = named_asker(asker, data, body)
    asked = validated(wire.AddedAssets, data)
    done = services.collections.add(asker, collection_id, asked.assets)
    return JsonResponse(
        {
            "collection": _presented(asker, done.collection, services, link),
            "added": done.added,
            "alreadyThere": done.known,
            "notFound": list(done.not_found),
        }
    )


@one.delete(
    "/assets",
    summary="Take assets out",
    response_model=wire.Changed,
    responses=_WRITING,
    openapi_extra=documented(wire.RemovedAssetsBody),
)
def remove(
    collection_id: CollectionIdPath,
    asker: WriterDep,
    services: ServicesDep,
    body: BodyDep,
) -> JsonResponse:
    """Takes up to 1,000 assets out of the collection; they stay what they are."""
    data = json_object(body)
    asker = named_asker(asker, data, body)
    asked = validated(wire.RemovedAssets, data)
    done = services.collections.remove(asker, collection_id, asked.assets)
    return JsonResponse({"changed": done})


@one.post(
    "/assets/order",
    summary="Put assets into another order",
    response_model=wire.Changed,
    responses=_WRITING,
    openapi_extra=documented(wire.OrderBody),
)
def place(
    collection_id: CollectionIdPath,
    asker: WriterDep,
    services: ServicesDep,
    body: BodyDep,
) -> JsonResponse:
    """Puts members, in this order, before another one, or at the end."""
    data = json_object(body)
    asker = named_asker(asker, data, body)
    asked = validated(wire.Order, data)
    done = services.collections.place(asker, collection_id, asked.assets, asked.before)
    return JsonResponse({"changed": done})


def _answer(
    asker: Asker,
    found: Collection,
    services: AssetServices,
    link: Linker,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> JsonResponse:
    facts = _presented(asker, found, services, link)
    tag = {"ETag": collection_tag(found)}
    return JsonResponse(facts, status, headers=tag | (headers or {}))


def _presented(
    asker: Asker, found: Collection, services: AssetServices, link: Linker
) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "collectionId": found.collection_id,
        "userId": found.user_id,
        "name": found.name,
        "description": found.description,
        "parentId": found.parent_id,
        "assetCount": found.asset_count,
        "countsByType": {kind.value: n for kind, n in found.counts.items()},
        "coverUrl": _cover(asker, found, services, link),
        "coverAssetId": found.cover_asset_id,
        "createdAt": iso_time(found.created_at),
        "updatedAt": iso_time(found.updated_at),
        "isShared": bool(found.sharing),
    }
    if asker.sees_everything or asker.user_id == found.user_id:
        facts["sharing"] = [
            grant.model_dump(mode="json", exclude_none=True) for grant in found.sharing
        ]
    return facts


def _cover(
    asker: Asker, found: Collection, services: AssetServices, link: Linker
) -> str | None:
    """Link the picture of the chosen asset, or of the first that has one."""
    chosen: list[AssetId] = []
    if found.cover_asset_id is not None:
        chosen.append(found.cover_asset_id)
    elif found.asset_count:
        chosen += services.collections.first(found.collection_id)
    views = services.assets.visible(asker, chosen) if chosen else ()
    return next((link.key(v["thumbnail"]) for v in views if "thumbnail" in v), None)
