"""How errors look on the wire, and their documentation in OpenAPI."""

from typing import Any

from api.schemas.common import WireModel


class Problem(WireModel):
    """An error, as RFC 9457 describes it."""

    type: str
    """Name of the kind of error, as a URN."""
    title: str
    """Phrase of the HTTP status."""
    status: int
    detail: str
    """One sentence for a person, with the fix where there is one."""
    instance: str
    """Path of the request."""
    code: str
    """Stable name for programs, snake_case."""
    field: str | None = None
    """Parameter or body field at fault."""
    request_id: str
    """Finds the request in the log; also in the header `X-Request-Id`."""


_EXAMPLES: dict[int, tuple[str, str, str, str | None]] = {
    400: (
        "A parameter cannot be used.",
        "invalid_query",
        "from: not a date (2025-12-31) or ISO time (2025-12-31T18:00:00Z).",
        "from",
    ),
    401: (
        "The token is missing or not known.",
        "unauthenticated",
        "This bearer token is not known; send one that is, or none.",
        None,
    ),
    403: (
        "The link is forged or has expired.",
        "invalid_link",
        "The link has expired; ask for a new one.",
        None,
    ),
    404: (
        "There is none, or the caller may not know of it.",
        "not_found",
        "There is no job 'b5f1'.",
        None,
    ),
    409: (
        "It can't be done now, or the `Idempotency-Key` was used for something else.",
        "conflict",
        "This Idempotency-Key was used for another request; choose a new one.",
        None,
    ),
    412: (
        "It has changed since the caller read it.",
        "precondition_failed",
        "It has changed since; read it again and send its new ETag.",
        None,
    ),
    413: (
        "The body is too large.",
        "body_too_large",
        "The body is larger than 1048576 bytes.",
        None,
    ),
    415: (
        "The body is not said to be JSON.",
        "unsupported_media_type",
        "Send the body as JSON, with `Content-Type: application/json`.",
        None,
    ),
    416: (
        "The range lies outside of the file.",
        "range_not_satisfiable",
        "The file has 120 bytes.",
        None,
    ),
    422: (
        "The body cannot be used.",
        "invalid_body",
        'body: name `stage`, `jobId` or `text`, or say {"all": true}.',
        "body",
    ),
    429: (
        "The user has as many open jobs as allowed.",
        "quota_exceeded",
        "This user has 1000 jobs queued or running, as many as allowed; cancel one.",
        None,
    ),
    503: (
        "MongoDB or the storage is not available; `Retry-After` says when to retry.",
        "dependency_unavailable",
        "MongoDB is not available right now; try again shortly.",
        None,
    ),
}

_FORBIDDEN = (
    "The caller is not the admin.",
    "forbidden",
    "Only the admin may do this; send `Authorization: Bearer <token>`.",
    None,
)
"""403 where a right is wanted instead of a link."""

_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    412: "Precondition Failed",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    416: "Requested Range Not Satisfiable",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    503: "Service Unavailable",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document the errors of an endpoint, for its ``responses``.

    Args:
        statuses: Out of those that have an example here.
    """
    return {status: _documented(status, *_EXAMPLES[status]) for status in statuses}


def admin_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document the errors of an endpoint for admins; see ``problems``."""
    return problems(400, 401, *statuses, 503) | {403: _documented(403, *_FORBIDDEN)}


def _documented(
    status: int, description: str, code: str, detail: str, field: str | None
) -> dict[str, Any]:
    example: dict[str, Any] = {
        "type": f"urn:asset-catalog:problem:{code}",
        "title": _TITLES[status],
        "status": status,
        "detail": detail,
        "instance": "/api/jobs",
        "code": code,
        "requestId": "8c1f0b9c2d7e4a51a3f0c9d2",
    }
    if field is not None:
        example["field"] = field
    return {
        "description": description,
        "content": {
            "application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "example": example,
            }
        },
    }


OTHER_PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "Any other error has the same shape.",
        "content": {
            "application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"}
            }
        },
    }
}
"""For the application: every endpoint's errors beyond those it names."""
