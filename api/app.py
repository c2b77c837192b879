"""Builds the HTTP application; connects to nothing on import or creation."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from api.errors import install_error_handlers
from api.freshness import TokenMiddleware
from api.gate import Gate, GateMiddleware, make_gate
from api.membership import Memberships
from api.metrics import ApiMetrics
from api.middleware import RequestMiddleware
from api.openapi import OTHER_PROBLEMS, TAGS, describe
from api.pages import install_pages
from api.readiness import Examiner
from api.responses import JsonResponse
from api.routers import (
    admin_audit,
    admin_index,
    admin_letters,
    analytics,
    assets,
    collections,
    downloads,
    editing,
    files,
    groups,
    health,
    index,
    jobs,
    search,
    shared,
    shares,
    sharing,
    stats,
    stream,
    submissions,
    suggest,
    usage,
    webhooks,
    why,
)
from api.streams import JobStreams
from catalog.graph import Catalog
from catalog.services.freshness import FreshnessService
from catalog.services.membership import MembershipService

_ROUTERS = (
    jobs.router,
    submissions.router,
    analytics.router,
    search.router,  # before assets: /api/assets/search is not an assetId
    assets.router,
    editing.router,
    editing.trash,
    collections.router,
    collections.one,
    stats.router,
    groups.router,
    groups.one,
    sharing.router,
    shares.router,
    shares.one,
    shared.router,
    shared.one,
    why.router,
    suggest.router,
    downloads.router,
    files.router,
    stream.router,
    usage.router,
    webhooks.router,
    index.router,
    admin_index.router,
    admin_letters.router,
    admin_audit.router,
    health.router,
)


def create_app(catalog: Catalog) -> FastAPI:
    """Make the application over a catalog.

    Args:
        catalog: What everything is asked of; the caller closes it.
    """
    app = FastAPI(
        default_response_class=JsonResponse,
        docs_url=None,
        redoc_url=None,
        openapi_tags=TAGS,
        responses=OTHER_PROBLEMS,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        lifespan=_lifespan,
    )
    metrics = ApiMetrics()
    app.state.catalog = catalog
    app.state.metrics = metrics
    app.state.memberships = Memberships(
        MembershipService(catalog.groups, catalog.collections), catalog.clock
    )
    app.state.gate = gate = make_gate(catalog)
    app.state.examiner = Examiner(catalog)
    app.state.streams = JobStreams(catalog.job_feed, catalog.clock, metrics)
    app.state.freshness = freshness = FreshnessService(
        catalog.feed,
        catalog.generations,
        catalog.clock,
        database=catalog.settings.mongo_db,
    )
    install_error_handlers(app)
    for router in _ROUTERS:
        app.include_router(router)
    install_pages(app)
    app.add_middleware(TokenMiddleware, freshness=freshness)
    app.add_middleware(GateMiddleware, gate=gate)
    app.add_middleware(  # outermost
        RequestMiddleware, metrics=metrics, body_bytes=catalog.settings.body_bytes
    )
    describe(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    catalog: Catalog = app.state.catalog
    streams: JobStreams = app.state.streams
    freshness: FreshnessService = app.state.freshness
    gate: Gate = app.state.gate
    try:
        yield
    finally:
        streams.close()
        await streams.join()
        await gate.trail.close()
        await freshness.close()
        await catalog.search.close()
