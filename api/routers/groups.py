"""``/api/groups``: users whom something can be shared with at once."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path
from starlette.responses import Response

from api.asset_services import ServicesDep
from api.bodies import BodyDep, json_object, validated
from api.dependencies import AskerDep, LimitParam, PageTokenParam, WriterDep
from api.freshness import FRESH
from api.queries import IfMatch
from api.responses import JsonResponse
from api.schemas import groups as wire
from api.schemas.problems import problems
from api.schemas.submissions import documented
from api.writers import named_asker
from catalog.errors import InvalidRequestError
from catalog.models.group import Group, GroupEdit, NewGroup
from catalog.search.view import iso_time
from catalog.services.groups import group_tag

router = APIRouter(prefix="/api/groups", tags=["sharing"])
one = APIRouter(prefix="/api/groups/{groupId}", tags=["sharing"])

GroupIdPath = Annotated[
    str, Path(alias="groupId", max_length=512, description="A group's id.")
]


@router.post(
    "",
    status_code=201,
    summary="Make a group",
    response_model=wire.Group,
    responses=problems(400, 401, 413, 415, 503),
    openapi_extra=documented(wire.NewGroupBody),
)
def create(asker: WriterDep, services: ServicesDep, body: BodyDep) -> JsonResponse:
    """Who makes a group owns it: only he, and the admin, say who belongs to it."""
    data = json_object(body)
    asker = named_asker(asker, data, body)
    if asker.user_id is None:
        raise InvalidRequestError("userId", "Say whose group it is: send `userId`.")
    made = services.groups.create(asker.user_id, validated(NewGroup, data))
    headers = {"Location": f"/api/groups/{quote(made.group_id, safe='')}"}
    return _answer(made, status=201, headers=headers)


@router.get(
    "",
    summary="List groups",
    response_model=wire.Groups,
    responses=problems(400, 401, 503),
    dependencies=[FRESH],
)
def list_groups(
    asker: AskerDep,
    services: ServicesDep,
    limit: LimitParam = 50,
    page_token: PageTokenParam = None,
) -> JsonResponse:
    """The groups that the caller belongs to, the newest first."""
    page = services.groups.page(asker, limit, page_token)
    return JsonResponse(
        {
            "groups": [_presented(found) for found in page.items],
            "total": page.total,
            "nextPageToken": page.next_token,
        }
    )


@one.get(
    "",
    summary="Read a group",
    response_model=wire.Group,
    responses=problems(400, 401, 404, 503),
    dependencies=[FRESH],
)
def read(group_id: GroupIdPath, asker: AskerDep, services: ServicesDep) -> JsonResponse:
    """Who belongs to it; for its members."""
    return _answer(services.groups.find(asker, group_id))


@one.patch(
    "",
    summary="Change who belongs to a group",
    response_model=wire.Group,
    responses=problems(400, 401, 403, 404, 409, 412, 413, 415, 503),
    openapi_extra=documented(wire.GroupEditBody),
)
def edit(
    group_id: GroupIdPath,
    asker: WriterDep,
    services: ServicesDep,
    body: BodyDep,
    if_match: IfMatch = None,
) -> JsonResponse:
    """Its owner renames it, hands it over (`owner`), and says who belongs to it.

    Who is taken out sees nothing through the group from the next call on. A member may
    take himself out.
    """
    data = json_object(body)
    asker = named_asker(asker, data, body)
    changed = services.groups.edit(
        asker, group_id, validated(GroupEdit, data), if_match=if_match
    )
    return _answer(changed)


@one.delete(
    "",
    status_code=204,
    response_class=Response,
    summary="Delete a group",
    responses=problems(400, 401, 403, 404, 503),
)
def delete(group_id: GroupIdPath, asker: WriterDep, services: ServicesDep) -> Response:
    """Nobody sees anything through it any more; its id is never used again."""
    services.groups.delete(asker, group_id)
    return Response(status_code=204)


def _answer(
    found: Group, *, status: int = 200, headers: dict[str, str] | None = None
) -> JsonResponse:
    tag = {"ETag": group_tag(found)}
    return JsonResponse(_presented(found), status, headers=tag | (headers or {}))


def _presented(found: Group) -> dict[str, Any]:
    return {
        "groupId": found.group_id,
        "name": found.name,
        "owner": found.owner,
        "members": list(found.members),
        "createdAt": iso_time(found.created_at),
        "updatedAt": iso_time(found.updated_at),
    }
