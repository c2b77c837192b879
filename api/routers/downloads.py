"""``/api/assets/{assetId}/download`` and ``/thumbnail``."""

import re
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.asset_services import ServicesDep, base_address
from api.byte_ranges import names_tag
from api.dependencies import AskerDep
from api.freshness import FRESH
from api.queries import AssetIdPath
from api.responses import JsonResponse
from api.schemas.downloads import Download
from api.schemas.problems import problems
from catalog.services.downloads import DownloadFile

router = APIRouter(prefix="/api/assets/{assetId}", tags=["files"], dependencies=[FRESH])

_THUMBNAIL_CACHE = "private, max-age=60"
_LASTING_CACHE = "private, max-age=31536000, immutable"
_PLACEHOLDER_CACHE = "private, max-age=10"
"""Private, always: who may see an asset is asked for every caller."""

_NO_WORTH = re.compile(r"\bq\s*=\s*0(?:\.0*)?\s*(?:;|\Z)")
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {kind: {} for kind in ("image/png", "image/webp", "image/jpeg")},
        "description": "The picture.",
    },
    304: {"description": "The caller has this very picture already."},
}


@router.get(
    "/download",
    summary="Get an address to download from",
    response_model=Download,
    responses=problems(400, 401, 404, 503),
)
def download(
    request: Request,
    asset_id: AssetIdPath,
    asker: AskerDep,
    services: ServicesDep,
    expires: Annotated[
        int,
        Query(description="How long the address works: 60 to 604,800 seconds."),
    ] = 3600,
    version: Annotated[
        int | None, Query(description="Which version; the newest by default.")
    ] = None,
    file: Annotated[
        str | None,
        Query(
            max_length=1024,
            description="Name of one file; the most important one by default.",
            examples=["config.json"],
        ),
    ] = None,
) -> JsonResponse:
    """An address that works for a while without further rights.

    `files` lists all files of the version where there are several.
    """
    found = services.downloads.download(
        asker, asset_id, expires_seconds=expires, version=version, file_name=file
    )
    services.usage.issued(found.asset_id)
    base = base_address(request)
    chosen = found.chosen
    expires_at = found.expires_at
    facts: dict[str, Any] = {
        "url": _absolute(chosen.address, base),
        "expiresAt": expires_at and f"{expires_at:%Y-%m-%dT%H:%M:%SZ}",
        "fileName": chosen.name,
        "sizeBytes": chosen.size_bytes,
        "contentType": chosen.content_type,
    }
    if len(found.files) > 1:
        facts["files"] = [_listed(one, base) for one in found.files]
    return JsonResponse(facts, headers={"Cache-Control": "no-store"})


@router.get(
    "/thumbnail",
    summary="Get the small picture",
    response_class=Response,
    responses=problems(400, 401, 404, 503) | _PICTURE,
)
def thumbnail(
    request: Request,
    asset_id: AssetIdPath,
    asker: AskerDep,
    services: ServicesDep,
    size: Annotated[
        int,
        Query(
            ge=16,
            le=2048,
            description="Edge in pixels that it is shown at: up to 256, up to 512, or "
            "more.",
        ),
    ] = 256,
    v: Annotated[
        str | None,
        Query(max_length=64, description="State of the picture, as `ETag` tells it."),
    ] = None,
) -> Response:
    """The picture, or a drawn sign while there is none.

    `Accept: image/webp` gets the smaller files. `Content-Location` has the address of
    this very state (`v`), which may be kept for good; a sign for ten seconds.
    """
    found = services.pictures.picture(
        asker, asset_id, size=size, types=_welcome(request)
    )
    headers = {
        "Vary": "Accept",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "same-site",
        "Cache-Control": _PLACEHOLDER_CACHE,
    }
    if found.digest is None:
        return Response(found.content, headers=headers, media_type=found.content_type)
    headers["ETag"] = f'"{found.digest}"'
    is_this = v == found.digest
    headers["Cache-Control"] = _LASTING_CACHE if is_this else _THUMBNAIL_CACHE
    query = urlencode({"size": size, "v": found.digest})
    place = f"/api/assets/{quote(found.asset_id, safe='')}/thumbnail"
    headers["Content-Location"] = f"{place}?{query}"
    if names_tag(request.headers, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(found.content, headers=headers, media_type=found.content_type)


def _welcome(request: Request) -> frozenset[str]:
    """List the media types that a caller names, but those of no worth (``q=0``)."""
    offers = ",".join(request.headers.getlist("accept")).lower().split(",")
    parts = (offer.partition(";") for offer in offers)
    return frozenset(
        name.strip() for name, _, rest in parts if not _NO_WORTH.search(rest)
    )


def _listed(file: DownloadFile, base: str) -> dict[str, Any]:
    return {
        "role": file.role,
        "fileName": file.name,
        "url": _absolute(file.address, base),
        "sizeBytes": file.size_bytes,
        "contentType": file.content_type,
    }


def _absolute(address: str | None, base: str) -> str | None:
    return base + address if address is not None and address[:1] == "/" else address
