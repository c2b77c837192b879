"""The OpenAPI document as a whole: words, tags, the shape of errors."""

import re
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.schemas.collections import BODIES as COLLECTIONS
from api.schemas.editing import BODIES as EDITING
from api.schemas.groups import BODIES as GROUPS
from api.schemas.problems import OTHER_PROBLEMS, Problem
from api.schemas.shares import BODIES as SHARES
from api.schemas.sharing import BODIES as SHARING
from api.schemas.submissions import BODIES as SUBMISSIONS
from api.schemas.submissions import REFERENCE

__all__ = ["OTHER_PROBLEMS", "TAGS", "describe"]

_TITLE = "Asset catalog"

_DESCRIPTION = """\
Finds what a content-generation platform made: LoRA models, generated images,
transcripts and training datasets, by name, tag, prompt, facet and spoken word.

**Who asks.** With `Authorization: Bearer <token>` (an API key or a JSON web token) the
token's user asks, and may leave out `userId`; a foreign one is answered like an unknown
one. Without a token, where none is required, `userId` says who asks, and on lists also
whose; a call without one is made by the machine's owner, who sees everything. Someone
else's private asset is *not found*. The admin sees everything.

**Limits.** `RateLimit` and `RateLimit-Policy` tell how many calls are left; more are
429 with `Retry-After`.

**Conventions.** JSON in camelCase; times ISO 8601 in UTC; sizes in bytes, durations in
seconds, positions in recordings in whole milliseconds. Lists that are bare arrays tell
their size in `X-Total-Count` and their next page in `Link: <…>; rel="next"`.

**Errors** are `application/problem+json` (RFC 9457) with a stable `code`, the `field`
at fault and a `requestId`; every answer carries `X-Request-Id`.

**Freshness.** Answers of the search index carry `index {lagMs, generation}`, and
`degraded: true` when MongoDB answered in the index's stead. Every write answers with
`X-Catalog-Token`; a read with `waitFor=<token>` waits until the index has that write,
`waitMs` at most, and says in `X-Index-Reached` (and `index.reached`) whether it has.
Who writes job records without this API gets a token at `/api/index/token`.

**Admins.** `/api/admin/…` is for `Authorization: Bearer <admin token>`. While
`CATALOG_AUTH=open` and only this machine can reach the API, its owner (no `userId`, no
token) is the admin, too. What the indexer must do is answered by 202 with a request to
look at; a repeated `Idempotency-Key` is answered by the same request.
"""

_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key, a JSON web token, or the admin's token.",
}

TAGS: list[dict[str, Any]] = [
    {"name": "search", "description": "Words, facets, spoken words, completion."},
    {"name": "assets", "description": "LoRAs, images, transcripts, datasets."},
    {"name": "collections", "description": "Users' groups of assets."},
    {"name": "sharing", "description": "Grants, groups and share links."},
    {"name": "files", "description": "Downloads, thumbnails and signed links."},
    {"name": "usage", "description": "Use, bytes and cost of assets."},
    {"name": "jobs", "description": "Generation requests and their live events."},
    {"name": "admin", "description": "The index: rebuild, repair, schedule."},
    {"name": "health", "description": "For orchestrators and Prometheus."},
]


def describe(app: FastAPI) -> None:
    """Let ``app`` write the document as it should be read; made once, when asked."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=_TITLE,
                version="1",
                description=_DESCRIPTION,
                routes=app.routes,
                tags=app.openapi_tags,
                separate_input_output_schemas=False,
            )
            app.openapi_schema = _finish(document)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _finish(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema(by_alias=True)
    for body in (*SUBMISSIONS, *COLLECTIONS, *EDITING, *GROUPS, *SHARING, *SHARES):
        schema = body.model_json_schema(by_alias=True, ref_template=REFERENCE)
        schemas.update(schema.pop("$defs", {}))
        schemas[body.__name__] = schema
    document["components"]["securitySchemes"] = {"bearer": _BEARER}
    document["security"] = [{"bearer": []}, {}]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["operationId"] = _operation_id(method, path)
    return document


def _operation_id(method: str, path: str) -> str:
    """Name an operation after its address: unique, and stable for generated clients."""
    words = re.findall(r"[A-Za-z0-9]+", path.removeprefix("/api"))
    return method + "".join(word[0].upper() + word[1:] for word in words)
