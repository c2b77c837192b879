"""``/api/shared/{token}``: what a share link opens, to whoever has it."""

from datetime import UTC
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

from fastapi import APIRouter, Cookie, Depends, Header, Path, Query, Request
from starlette.responses import Response

from api.asset_services import ServicesDep, base_address
from api.bodies import BodyDep, json_object, validated
from api.dependencies import LimitParam, PageTokenParam
from api.responses import JsonResponse
from api.schemas import shares as wire
from api.schemas.downloads import Download
from api.schemas.problems import problems
from api.schemas.submissions import documented
from catalog.models.asset import AssetView
from catalog.models.share_link import ShareLink
from catalog.search.view import iso_time
from catalog.services.downloads import DownloadFile
from catalog.services.shared import Opened

router = APIRouter(prefix="/api/shared/{token}", tags=["sharing"])
one = APIRouter(prefix="/api/shared/{token}/assets/{assetId}", tags=["sharing"])

AnyResponse = TypeVar("AnyResponse", bound=Response)

_COOKIE = "catalog_share"
_HIDDEN = {"X-Robots-Tag": "noindex"}
_PROBLEMS = problems(400, 401, 404, 503)

_SHOWN = (
    *("assetId", "type", "name", "description", "tags", "createdAt"),
    *("prompt", "trigger", "model", "baseModel", "width", "height", "duration"),
    *("wordCount", "language", "images", "captions", "format", "sizeBytes"),
)
"""Of the asset itself: not whose it is, what it was made with, or where else it is."""

TokenPath = Annotated[
    str, Path(alias="token", max_length=512, description="The link's secret.")
]
SharedIdPath = Annotated[
    str, Path(alias="assetId", max_length=512, description="One of the link's assets.")
]


def open_link(
    token: TokenPath,
    services: ServicesDep,
    session: Annotated[
        str | None,
        Header(
            alias="X-Share-Session",
            max_length=200,
            description="A session, where no cookie holds it.",
        ),
    ] = None,
    kept: Annotated[
        str | None, Cookie(alias=_COOKIE, max_length=200, include_in_schema=False)
    ] = None,
) -> Opened:
    """Open the link, or go on with the caller's session."""
    return services.shared.open(token, session or kept)


OpenedDep = Annotated[Opened, Depends(open_link)]


@router.get(
    "",
    summary="Open a share link",
    response_model=wire.SharedAssets,
    responses=_PROBLEMS,
)
def list_shared(
    request: Request,
    token: TokenPath,
    opened: OpenedDep,
    services: ServicesDep,
    limit: LimitParam = 50,
    page_token: PageTokenParam = None,
) -> JsonResponse:
    """Exactly the assets that the link names, as far as they are still there.

    A call without a session opens the link: that is one use, and it begins a session
    (a cookie, and `session` for `X-Share-Session`) with which all further calls are
    none. A link that is unknown, expired, used up or revoked is 404; one with a
    password is 401 (`password_required`) until it is unlocked.
    """
    link = opened.link
    page = services.shared.assets(link, limit, page_token)
    place = _place(request, token)
    facts: dict[str, Any] = {
        "name": link.name,
        "right": link.right,
        "expiresAt": link.expires_at and iso_time(link.expires_at),
        "assets": [_presented(view, link, place) for view in page.items],
        "total": page.total,
        "nextPageToken": page.next_token,
    }
    return _begun(
        JsonResponse(facts | _session(opened), headers=_HIDDEN), opened, place
    )


@router.post(
    "/unlock",
    summary="Unlock a share link",
    response_model=wire.Unlocked,
    responses=problems(400, 401, 404, 413, 415, 429, 503),
    openapi_extra=documented(wire.Unlock),
)
def unlock(
    request: Request, token: TokenPath, services: ServicesDep, body: BodyDep
) -> JsonResponse:
    """Begins a session with the link's password: ten attempts in 15 minutes."""
    asked = validated(wire.Unlock, json_object(body))
    opened = services.shared.unlock(token, asked.password)
    place = _place(request, token)
    return _begun(JsonResponse(_session(opened), headers=_HIDDEN), opened, place)


@one.get(
    "",
    summary="Read one asset of a share link",
    response_model=wire.SharedAsset,
    responses=_PROBLEMS,
)
def read_shared(
    request: Request,
    token: TokenPath,
    asset_id: SharedIdPath,
    opened: OpenedDep,
    services: ServicesDep,
) -> Response:
    """Its metadata; an asset that the link does not name is 404."""
    view = services.shared.asset(opened.link, asset_id)
    place = _place(request, token)
    facts = _presented(view, opened.link, place)
    return _begun(JsonResponse(facts, headers=_HIDDEN), opened, place)


@one.get(
    "/thumbnail",
    summary="Get the small picture of a shared asset",
    response_class=Response,
    responses=_PROBLEMS,
)
def shared_thumbnail(
    request: Request,
    token: TokenPath,
    asset_id: SharedIdPath,
    opened: OpenedDep,
    services: ServicesDep,
    size: Annotated[
        int, Query(ge=16, le=512, description="Edge in pixels that it is shown at.")
    ] = 256,
) -> Response:
    """The picture, or a drawn sign while there is none; never the original."""
    accepted = request.headers.get("accept", "")
    types = frozenset({"image/webp"} if "image/webp" in accepted else ())
    found = services.shared.picture(opened.link, asset_id, size=size, types=types)
    headers = _HIDDEN | {
        "Vary": "Accept",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "same-site",
        "Cache-Control": "private, max-age=60",
    }
    answer = Response(found.content, headers=headers, media_type=found.content_type)
    return _begun(answer, opened, _place(request, token))


@one.get(
    "/download",
    summary="Get an address to download a shared asset from",
    response_model=Download,
    responses=_PROBLEMS,
)
def shared_download(
    request: Request,
    token: TokenPath,
    asset_id: SharedIdPath,
    opened: OpenedDep,
    services: ServicesDep,
    file: Annotated[
        str | None,
        Query(
            max_length=1024, description="Name of one file; the main one by default."
        ),
    ] = None,
) -> Response:
    """An address of the newest version's file, for ten minutes; 404 for a mere view."""
    found = services.shared.download(opened.link, asset_id, file_name=file)
    base = base_address(request)
    expires_at = found.expires_at
    facts = _file(found.chosen, base)
    facts["expiresAt"] = expires_at and iso_time(expires_at)
    if len(found.files) > 1:
        facts["files"] = [
            {"role": listed.role, **_file(listed, base)} for listed in found.files
        ]
    return _begun(JsonResponse(facts, headers=_HIDDEN), opened, _place(request, token))


def _file(file: DownloadFile, base: str) -> dict[str, Any]:
    address = file.address
    is_ours = address is not None and address.startswith("/")
    return {
        "url": f"{base}{address}" if is_ours else address,
        "fileName": file.name,
        "sizeBytes": file.size_bytes,
        "contentType": file.content_type,
    }


def _place(request: Request, token: str) -> str:
    return f"{base_address(request)}/api/shared/{quote(token, safe='')}"


def _presented(view: AssetView, link: ShareLink, place: str) -> dict[str, Any]:
    facts: dict[str, Any] = {**view}
    there = f"{place}/assets/{quote(view['assetId'], safe='')}"
    wired = {name: facts[name] for name in _SHOWN if name in facts}
    wired["thumbnailUrl"] = f"{there}/thumbnail"
    if link.right == "download":
        wired["downloadUrl"] = f"{there}/download"
        wired["files"] = [
            {
                "role": file["role"],
                "name": file["name"],
                "sizeBytes": file.get("sizeBytes"),
                "contentType": file.get("contentType"),
                "missing": file.get("missing", False),
            }
            for file in view["versions"][-1]["files"]
        ]
    return wired


def _session(opened: Opened) -> dict[str, Any]:
    if opened.session is None or opened.session_until is None:
        return {}
    until = iso_time(opened.session_until)
    return {"session": opened.session, "sessionExpiresAt": until}


def _begun(answer: AnyResponse, opened: Opened, place: str) -> AnyResponse:
    """Keep a session that has just begun in a cookie of this link alone."""
    if opened.session is not None and opened.session_until is not None:
        scheme, _, rest = place.partition("://")
        answer.set_cookie(
            _COOKIE,
            opened.session,
            expires=opened.session_until.astimezone(UTC),
            path="/" + rest.partition("/")[2],
            secure=scheme == "https",
            httponly=True,
            samesite="lax",
        )
    return answer
