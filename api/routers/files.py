"""``/api/files/…``: the bytes behind our signed links."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response, StreamingResponse

from api.asset_services import ServicesDep
from api.byte_ranges import (
    ByteRange,
    UnsatisfiableRangeError,
    http_date,
    is_unchanged,
    wanted_range,
)
from api.schemas.problems import problems
from catalog.services.files import LinkedFile

router = APIRouter(prefix="/api/files", tags=["files"])

KeyPath = Annotated[str, Path(description="Object key, as the link has it.")]

_CACHE_SECONDS = 300
"""At most this long a browser may use its copy without asking again."""

_RESPONSES = problems(403, 404, 416, 503) | {
    200: {"content": {"*/*": {}}, "description": "The bytes."},
    206: {"content": {"*/*": {}}, "description": "The range of bytes asked for."},
    302: {"description": "Where the store itself serves the bytes."},
    304: {"description": "The caller has this very content already."},
}


@router.get(
    "/{key:path}",
    summary="Fetch the bytes of a signed link",
    operation_id="read_file",
    response_class=Response,
    responses=_RESPONSES,
)
def read_file(key: KeyPath, request: Request, services: ServicesDep) -> Response:
    """The bytes of one file; the link itself is the right to them.

    Links come from lists, hits and downloads and expire. Single ranges, `ETag`,
    `If-Range`, `If-None-Match` and `If-Modified-Since` are honoured.
    """
    files = services.files
    link = files.verify(key, request.query_params)
    found = files.elsewhere(link)
    if found is not None:
        address, seconds = found
        # A kept redirect must lead to an address that still works.
        cache = f"private, max-age={min(seconds // 2, _CACHE_SECONDS)}"
        return RedirectResponse(address, 302, {"Cache-Control": cache})
    file = files.look(link)
    headers = _headers(file)
    if is_unchanged(request.headers, headers["ETag"], file.modified_at):
        return Response(status_code=304, headers=headers)
    part = _part(request, headers, file)
    start, length = (part.start, part.length) if part else (0, file.size_bytes)
    headers["Content-Length"] = str(length)
    client = request.client.host if request.client else ""
    pieces = files.stream(file, start, length)
    return StreamingResponse(
        services.usage.served(file, client, pieces, length),
        status_code=206 if part else 200,
        headers=headers,
        media_type=file.content_type,
    )


@router.head(
    "/{key:path}",
    summary="Look at the file of a signed link",
    operation_id="head_file",
    response_class=Response,
    responses=_RESPONSES,
)
def head_file(key: KeyPath, request: Request, services: ServicesDep) -> Response:
    """What `GET` would answer, without the bytes; never leads elsewhere."""
    files = services.files
    file = files.look(files.verify(key, request.query_params))
    headers = _headers(file)
    if is_unchanged(request.headers, headers["ETag"], file.modified_at):
        return Response(status_code=304, headers=headers)
    headers["Content-Length"] = str(file.size_bytes)
    return Response(headers=headers, media_type=file.content_type)


def _part(
    request: Request, headers: dict[str, str], file: LinkedFile
) -> ByteRange | None:
    """Find the wanted range and say so in the headers.

    Raises:
        HTTPException: 416 for a range outside of the file.
    """
    size = file.size_bytes
    try:
        part = wanted_range(request.headers, headers["ETag"], file.modified_at, size)
    except UnsatisfiableRangeError as exc:
        raise HTTPException(
            416, f"The file has {size} bytes.", {"Content-Range": f"bytes */{size}"}
        ) from exc
    if part is not None:
        last = part.start + part.length - 1
        headers["Content-Range"] = f"bytes {part.start}-{last}/{size}"
    return part


def _headers(file: LinkedFile) -> dict[str, str]:
    max_age = min(file.remaining_seconds, _CACHE_SECONDS)
    return {
        "ETag": f'"{file.etag}"',
        "Last-Modified": http_date(file.modified_at),
        "Accept-Ranges": "bytes",
        "Cache-Control": f"private, max-age={max_age}",
        "Content-Disposition": _disposition(
            file.name, "attachment" if file.is_attachment else "inline"
        ),
        # Somebody else's bytes on our own address: they must never run as ours.
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "same-site",
    }


def _disposition(name: str, kind: str) -> str:
    """Write the header as RFC 6266 does, with a plain name for old readers."""
    plain = "".join(c if c.isascii() and c.isprintable() else "_" for c in name)
    plain = plain.replace("\\", "_").replace('"', "_")
    encoded = quote(name.encode("utf-8", "replace"), safe="")
    if plain == name:
        return f'{kind}; filename="{plain}"'
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
