"""Builds the HTTP application; connects to nothing on import or creation."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec

from fastapi import FastAPI

from api.errors import install_error_handlers
from api.responses import JsonResponse
from catalog.bootstrap import Catalog

_ROUTERS = (
    "jobs",
    "stream",
    "search",
    "assets",
    "downloads",
    "suggest",
    "files",
    "health",
)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    catalog: Catalog = app.state.catalog
    yield
    await catalog.search.close()


def create_app(catalog: Catalog) -> FastAPI:
    """Make the application over a catalog.

    Args:
        catalog: What everything is asked of; the caller closes it.
    """
    app = FastAPI(
        title="Asset catalog",
        default_response_class=JsonResponse,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.catalog = catalog
    install_error_handlers(app)
    for name in _ROUTERS:
        if find_spec(f"api.routers.{name}") is not None:
            app.include_router(import_module(f"api.routers.{name}").router)
    return app
