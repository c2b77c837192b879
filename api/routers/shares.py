"""``/api/shares``: share links, and all that the caller shares."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from api.asset_services import ServicesDep, base_address
from api.bodies import BodyDep, json_object, validated
from api.dependencies import (
    AskerDep,
    CatalogDep,
    LimitParam,
    PageTokenParam,
    WriterDep,
)
from api.queries import IfMatch
from api.responses import JsonResponse
from api.schemas import shares as wire
from api.schemas.problems import problems
from api.schemas.submissions import documented
from api.writers import named_asker
from catalog.graph import Catalog
from catalog.models.share_link import NewShareLink, ShareLink, ShareLinkEdit
from catalog.search.view import iso_time
from catalog.services.share_links import share_tag

router = APIRouter(prefix="/api/shares", tags=["sharing"])
one = APIRouter(prefix="/api/shares/{shareId}", tags=["sharing"])

ShareIdPath = Annotated[
    str, Path(alias="shareId", max_length=512, description="A share link's id.")
]


@router.post(
    "",
    status_code=201,
    summary="Make a share link",
    response_model=wire.MadeShareLink,
    responses=problems(400, 401, 403, 413, 415, 503),
    openapi_extra=documented(wire.NewShareLinkBody),
)
def create(
    request: Request,
    asker: WriterDep,
    services: ServicesDep,
    catalog: CatalogDep,
    body: BodyDep,
) -> JsonResponse:
    """Opens assets, or a collection, of the caller to whoever has the link.

    A `jobId` means the job's asset, or all the images that it has now. `view` shows
    metadata and thumbnails; `download` gives out the files of the newest version. The
    token is told in this answer and kept nowhere.
    """
    data = json_object(body)
    asker = named_asker(asker, data, body)
    made, token = services.share_links.create(asker, validated(NewShareLink, data))
    facts = _presented(made, catalog)
    facts["token"] = token
    facts["url"] = f"{base_address(request)}/api/shared/{token}"
    headers = {
        "Location": f"/api/shares/{quote(made.share_id, safe='')}",
        "ETag": share_tag(made),
    }
    return JsonResponse(facts, 201, headers=headers)


@router.get(
    "",
    summary="List what the caller shares",
    response_model=wire.Shares,
    responses=problems(400, 401, 503),
)
def list_shares(
    asker: AskerDep,
    services: ServicesDep,
    catalog: CatalogDep,
    limit: LimitParam = 50,
    page_token: PageTokenParam = None,
) -> JsonResponse:
    """Share links (`kind: link`), then assets that are shared by name (`kind: asset`).

    Of each the newest first.
    """
    page = services.share_links.page(asker, limit, page_token)
    found = [
        _presented(item, catalog)
        if isinstance(item, ShareLink)
        else {
            "kind": "asset",
            **{
                name: item.get(name)
                for name in ("assetId", "jobId", "type", "name", "userId", "createdAt")
            },
            "sharing": item.get("sharing", []),
        }
        for item in page.items
    ]
    return JsonResponse(
        {"shares": found, "total": page.total, "nextPageToken": page.next_token}
    )


@one.get(
    "",
    summary="Read a share link",
    response_model=wire.ShareLink,
    responses=problems(400, 401, 404, 503),
)
def read(
    share_id: ShareIdPath, asker: AskerDep, services: ServicesDep, catalog: CatalogDep
) -> JsonResponse:
    """What it opens, how often it was used, and when last; for who made it."""
    return _answer(services.share_links.find(asker, share_id), catalog)


@one.patch(
    "",
    summary="Change a share link",
    response_model=wire.ShareLink,
    responses=problems(400, 401, 404, 409, 412, 413, 415, 503),
    openapi_extra=documented(wire.ShareLinkEditBody),
)
def edit(
    share_id: ShareIdPath,
    asker: WriterDep,
    services: ServicesDep,
    catalog: CatalogDep,
    body: BodyDep,
    if_match: IfMatch = None,
) -> JsonResponse:
    """Name, password, right, uses, expiry; what it opens never changes.

    Another password ends all sessions of the old one.
    """
    data = json_object(body)
    asker = named_asker(asker, data, body)
    changed = services.share_links.edit(
        asker, share_id, validated(ShareLinkEdit, data), if_match=if_match
    )
    return _answer(changed, catalog)


@one.delete(
    "",
    status_code=204,
    response_class=Response,
    summary="Revoke a share link",
    responses=problems(400, 401, 404, 409, 503),
)
def revoke(share_id: ShareIdPath, asker: WriterDep, services: ServicesDep) -> Response:
    """It opens nothing from now on; the list still tells of it."""
    services.share_links.revoke(asker, share_id)
    return Response(status_code=204)


def _answer(found: ShareLink, catalog: Catalog) -> JsonResponse:
    return JsonResponse(_presented(found, catalog), headers={"ETag": share_tag(found)})


def _presented(found: ShareLink, catalog: Catalog) -> dict[str, Any]:
    return {
        "kind": "link",
        "shareId": found.share_id,
        "userId": found.user_id,
        "name": found.name,
        "assets": list(found.assets),
        "collectionId": found.collection_id,
        "right": found.right,
        "hasPassword": found.password_hash is not None,
        "expiresAt": found.expires_at and iso_time(found.expires_at),
        "maxUses": found.max_uses,
        "uses": found.uses,
        "lastUsedAt": found.last_used_at and iso_time(found.last_used_at),
        "state": found.state(catalog.clock.now()).value,
        "createdAt": iso_time(found.created_at),
        "updatedAt": iso_time(found.updated_at),
    }
