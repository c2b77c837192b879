"""``/api/assets/{assetId}/sharing``: whom an asset is shared with."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path

from api.asset_services import ServicesDep
from api.bodies import BodyDep, json_object, validated
from api.dependencies import AskerDep, WriterDep
from api.queries import AssetIdPath, IfMatch
from api.responses import JsonResponse
from api.schemas import sharing as wire
from api.schemas.problems import problems
from api.schemas.submissions import documented
from api.writers import named_asker
from catalog.errors import InvalidRequestError, NotFoundError
from catalog.models.sharing import MAX_GRANTS, Grant, merged
from catalog.search.view import grant_view
from catalog.services.editing import sharing_tag

router = APIRouter(prefix="/api/assets/{assetId}/sharing", tags=["sharing"])

_WRITING = problems(400, 401, 403, 404, 409, 412, 413, 415, 503)

Kind = Annotated[
    Literal["user", "group"], Path(description="Who is no longer to see it.")
]
GranteePath = Annotated[
    str, Path(max_length=512, description="A user's or group's id.")
]


@router.get(
    "",
    summary="Tell whom an asset is shared with",
    response_model=wire.Sharing,
    responses=problems(400, 401, 403, 404, 503),
)
def read_sharing(
    asset_id: AssetIdPath, asker: AskerDep, services: ServicesDep
) -> JsonResponse:
    """For its owner and the admin. A job's id tells what holds for all its images."""
    return _answer(asset_id, services.editing.sharing(asker, asset_id))


@router.put(
    "",
    summary="Say whom an asset is shared with",
    response_model=wire.Sharing,
    responses=_WRITING,
    openapi_extra=documented(wire.NewSharingBody),
)
def put_sharing(
    asset_id: AssetIdPath,
    asker: WriterDep,
    services: ServicesDep,
    body: BodyDep,
    if_match: IfMatch = None,
) -> JsonResponse:
    """Puts this list in place of the one there is; an empty one shares with nobody.

    Only its owner and the admin share. `view` is to see, find and download it; `edit`
    is to change name, description and tags as well.
    """
    data = json_object(body)
    asker = named_asker(asker, data, body)
    wanted = merged(validated(wire.NewSharing, data).sharing)
    found = services.editing.share(asker, asset_id, lambda _: wanted, if_match=if_match)
    return _answer(asset_id, found)


@router.post(
    "",
    summary="Share an asset with somebody more",
    response_model=wire.Sharing,
    responses=_WRITING,
    openapi_extra=documented(wire.AddedGrantBody),
)
def add_grant(
    asset_id: AssetIdPath,
    asker: WriterDep,
    services: ServicesDep,
    body: BodyDep,
    if_match: IfMatch = None,
) -> JsonResponse:
    """Adds a user or a group; who is there already gets this right instead."""
    data = json_object(body)
    asker = named_asker(asker, data, body)
    grant = validated(Grant, data)

    def added(before: tuple[Grant, ...]) -> tuple[Grant, ...]:
        after = merged((*before, grant))
        if len(after) > MAX_GRANTS:
            problem = f"It is shared with {MAX_GRANTS} already; make a group of them."
            raise InvalidRequestError("user" if grant.user else "group", problem)
        return after

    found = services.editing.share(asker, asset_id, added, if_match=if_match)
    return _answer(asset_id, found)


@router.delete(
    "/{kind}/{grantee:path}",
    summary="Share an asset with somebody no longer",
    response_model=wire.Sharing,
    responses=problems(400, 401, 403, 404, 409, 412, 503),
)
def remove_grant(
    asset_id: AssetIdPath,
    kind: Kind,
    grantee: GranteePath,
    asker: WriterDep,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> JsonResponse:
    """Takes out a user or a group; 404 where it is not shared with them."""
    gone = (grantee, None) if kind == "user" else (None, grantee)

    def without(before: tuple[Grant, ...]) -> tuple[Grant, ...]:
        after = tuple(one for one in before if one.whom != gone)
        if after == before:
            raise NotFoundError(f"grant to {kind}", grantee)
        return after

    found = services.editing.share(asker, asset_id, without, if_match=if_match)
    return _answer(asset_id, found)


def _answer(asset_id: str, grants: tuple[Grant, ...]) -> JsonResponse:
    facts = {"assetId": asset_id, "sharing": [grant_view(one) for one in grants]}
    return JsonResponse(facts, headers={"ETag": sharing_tag(grants)})
