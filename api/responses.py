"""How answers are written: JSON by orjson, problems as ``application/problem+json``."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse
from typing_extensions import override

Scope = Mapping[str, Any]
"""An ASGI connection scope."""


def to_json(content: object) -> bytes:
    """Write JSON; lone surrogates, which UTF-8 can't hold, become ``?``."""
    try:
        return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        return orjson.dumps(_encodable(content), default=str)


def _encodable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Mapping):
        return {str(_encodable(str(k))): _encodable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value) if abs(value) < 10**300 else str(value)
    return value


class JsonResponse(JSONResponse):
    """JSON by orjson, several times faster than the standard library writes it.

    Return it with ready data from an endpoint; ``response_model`` then only
    documents.
    """

    media_type = "application/json"

    @override
    def render(self, content: object) -> bytes:
        return to_json(content)


class ProblemResponse(JsonResponse):
    """An error as RFC 9457 describes it; the status is the problem's."""

    media_type = "application/problem+json"

    def __init__(
        self, problem: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer with what ``problem`` made."""
        super().__init__(dict(problem), problem["status"], headers=headers)


def problem(
    scope: Scope,
    status: int,
    code: str,
    detail: str,
    *,
    field: str | None = None,
) -> dict[str, Any]:
    """Describe what went wrong.

    Args:
        scope: ASGI scope of the request; says the path and the request id.
        status: HTTP status.
        code: Stable name of the kind of error, snake_case.
        detail: One sentence for a person, with the fix where there is one.
        field: Parameter or body field at fault, as the caller writes it.
    """
    facts: dict[str, Any] = {
        "type": f"urn:asset-catalog:problem:{code}",
        "title": _title(status),
        "status": status,
        "detail": detail,
        "instance": scope.get("path", ""),
        "code": code,
    }
    if field is not None:
        facts["field"] = field
    facts["requestId"] = request_id(scope)
    return facts


def request_id(scope: Scope) -> str:
    """Id that the middleware gave this request; empty outside of one."""
    found = scope.get("state", {}).get("request_id", "")
    return str(found)


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def next_link(request: Request, base: str, token: str) -> str:
    """Write the ``Link`` header of a list that goes on."""
    kept = [p for p in request.query_params.multi_items() if p[0] != "pageToken"]
    query = urlencode([*kept, ("pageToken", token)])
    return f'<{base}{request.url.path}?{query}>; rel="next"'
