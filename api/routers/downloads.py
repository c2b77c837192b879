"""``/api/assets/{assetId}/download`` and ``/thumbnail``."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse

from api.asset_services import ServicesDep, base_address
from api.dependencies import AskerDep, CatalogDep
from api.freshness import FRESH
from api.queries import AssetIdPath
from api.responses import JsonResponse
from api.schemas.downloads import Download
from api.schemas.problems import problems
from catalog.services.downloads import DownloadFile

router = APIRouter(prefix="/api/assets/{assetId}", tags=["files"], dependencies=[FRESH])

_THUMBNAIL_CACHE = "private, max-age=60"


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
    status_code=302,
    response_class=RedirectResponse,
    responses=problems(400, 401, 404, 503),
    response_description="Where the picture is.",
)
def thumbnail(
    request: Request,
    asset_id: AssetIdPath,
    asker: AskerDep,
    catalog: CatalogDep,
    services: ServicesDep,
    size: Annotated[  # noqa: ARG001  (renditions come with the processors)
        int,
        Query(ge=16, le=2048, description="Edge in pixels; there is one size so far."),
    ] = 256,
) -> RedirectResponse:
    """Leads to the picture; 404 while the asset has none."""
    path = services.downloads.thumbnail(
        asker, asset_id, link_seconds=catalog.settings.link_seconds
    )
    return RedirectResponse(
        base_address(request) + path, 302, {"Cache-Control": _THUMBNAIL_CACHE}
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
