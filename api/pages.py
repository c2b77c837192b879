"""The pages for people: the search page at ``/`` and the API's at ``/docs``.

Everything is served from here; no page loads anything from another site.
"""

import os
from importlib.util import find_spec
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope
from typing_extensions import override

_WEB = Path(__file__).parent / "web"

_COMMON_CSP = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; font-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "img-src 'self' data:; "
)
_SEARCH_CSP = _COMMON_CSP + "style-src 'self'"
# Swagger UI writes style attributes
_DOCS_CSP = _COMMON_CSP + "style-src 'self' 'unsafe-inline'"

_SWAGGER_FILES = frozenset({"swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"})


class _Files(StaticFiles):
    """Static files that browsers keep but ask about: an upgrade shows at once."""

    @override
    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        answer = super().file_response(full_path, stat_result, scope, status_code)
        answer.headers["Cache-Control"] = "no-cache"
        return answer


class _SwaggerFiles(_Files):
    """The files of Swagger UI that we use, out of the package that ships them."""

    @override
    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        return super().lookup_path(path) if path in _SWAGGER_FILES else ("", None)


def install_pages(app: FastAPI) -> None:
    """Add the pages; they are no part of the API's description."""
    index = (_WEB / "index.html").read_text("utf-8")
    docs = (_WEB / "docs.html").read_text("utf-8")

    async def index_page() -> HTMLResponse:
        return HTMLResponse(index, headers=_headers(_SEARCH_CSP))

    async def docs_page() -> HTMLResponse:
        return HTMLResponse(docs, headers=_headers(_DOCS_CSP))

    app.add_api_route("/", index_page, include_in_schema=False)
    app.add_api_route("/docs", docs_page, include_in_schema=False)
    app.mount("/web", _Files(directory=_WEB))
    app.mount("/swagger", _SwaggerFiles(directory=_swagger_folder()))


def _headers(policy: str) -> dict[str, str]:
    return {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}


def _swagger_folder() -> Path:
    spec = find_spec("fastapi_offline")
    assert spec is not None  # noqa: S101  (a dependency of ours)
    assert spec.origin is not None  # noqa: S101
    return Path(spec.origin).parent / "static"
