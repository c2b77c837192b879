"""The services behind the asset endpoints, made once per application."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from secrets import token_bytes, token_urlsafe
from typing import Annotated
from uuid import uuid4

from fastapi import Depends, FastAPI, Request
from starlette.concurrency import run_in_threadpool

from api.presenters import Linker
from catalog.graph import Catalog
from catalog.models.ids import ObjectKey
from catalog.services.assets import AssetService
from catalog.services.collections import CollectionService
from catalog.services.downloads import DownloadService
from catalog.services.editing import EditService
from catalog.services.engine_guard import EngineGuard
from catalog.services.files import FileService
from catalog.services.groups import GroupService
from catalog.services.index_monitor import IndexMonitor
from catalog.services.pictures import PictureService
from catalog.services.search import SearchService
from catalog.services.search_log import SearchLog
from catalog.services.share_links import ShareLinkService, Sources
from catalog.services.shared import SharedService
from catalog.services.stats import StatsService
from catalog.services.suggestions import SuggestionService
from catalog.services.usage import UsageService
from catalog.services.usage_counter import UsageCounter
from catalog.services.why.service import WhyService
from catalog.storage.links import rounded_expiry


@dataclass(frozen=True, slots=True)
class AssetServices:
    """What the asset endpoints ask."""

    assets: AssetService
    search: SearchService
    monitor: IndexMonitor
    suggestions: SuggestionService
    downloads: DownloadService
    files: FileService
    pictures: PictureService
    why: WhyService
    editing: EditService
    collections: CollectionService
    usage: UsageCounter
    stats: StatsService
    owners: UsageService
    searches: SearchLog
    groups: GroupService
    share_links: ShareLinkService
    shared: SharedService
    path: Callable[[ObjectKey, int], str]


_KEPT_LINKS = 16_384
"""Links kept for reuse (5 MB): equal for minutes, and 5 microseconds to sign anew."""


def build_services(catalog: Catalog) -> AssetServices:
    """Build the services over a catalog; opens no connection."""
    assets = AssetService(catalog.assets)
    collections = CollectionService(
        catalog.collections, assets, catalog.clock, new_id=lambda: uuid4().hex
    )
    downloads = DownloadService(assets, catalog.store, catalog.links, catalog.clock)
    pictures = PictureService(assets, catalog.object_work, catalog.store)
    monitor = IndexMonitor(catalog.index_status, catalog.clock)
    search = SearchService(EngineGuard(catalog.search), monitor, catalog.assets)

    def path(key: ObjectKey, expires_at: int) -> str:
        return catalog.links.path(key, expires_at=expires_at)

    return AssetServices(
        assets=assets,
        search=search,
        monitor=monitor,
        suggestions=SuggestionService(search, catalog.assets),
        downloads=downloads,
        files=FileService(catalog.store, catalog.links, catalog.clock),
        pictures=pictures,
        why=WhyService(
            search=search,
            monitor=monitor,
            assets=catalog.assets,
            jobs=catalog.jobs,
            records=catalog.records,
            dirty=catalog.dirty,
            dead_letters=catalog.dead_letters,
            generations=catalog.generations,
            parse_url=catalog.store.parse_url,
        ),
        editing=EditService(
            service=assets,
            assets=catalog.assets,
            records=catalog.records,
            annotations=catalog.annotations,
            trash=catalog.trash,
            parse_url=catalog.store.parse_url,
            clock=catalog.clock,
        ),
        collections=collections,
        usage=UsageCounter(
            catalog.usage, catalog.clock, new_batch=lambda: token_bytes(16)
        ),
        stats=StatsService(
            assets,
            catalog.usage,
            catalog.clock,
            prices=catalog.settings.storage_prices,
            storage_class=catalog.settings.storage_class,
        ),
        owners=UsageService(
            catalog.rollups,
            catalog.assets,
            catalog.clock,
            prices=catalog.settings.storage_prices,
            storage_class=catalog.settings.storage_class,
        ),
        searches=SearchLog(
            catalog.search_log,
            assets,
            catalog.clock,
            new_id=lambda: uuid4().hex,
            kept=timedelta(days=catalog.settings.search_log_days),
            is_on=catalog.settings.search_log,
        ),
        groups=GroupService(catalog.groups, catalog.clock, lambda: uuid4().hex),
        share_links=ShareLinkService(
            links=catalog.share_links,
            shared=catalog.shared,
            assets=assets,
            collections=collections,
            passwords=catalog.passwords,
            clock=catalog.clock,
            sources=Sources(lambda: uuid4().hex, lambda: token_urlsafe(32)),
        ),
        shared=SharedService(
            links=catalog.share_links,
            assets=catalog.assets,
            collections=catalog.collections,
            pictures=pictures,
            downloads=downloads,
            passwords=catalog.passwords,
            sessions=catalog.share_sessions,
            clock=catalog.clock,
        ),
        path=lru_cache(_KEPT_LINKS)(path),
    )


@asynccontextmanager
async def services_lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Stop the services' background tasks when the application ends."""
    yield
    services: AssetServices | None = getattr(app.state, "asset_services", None)
    if services is not None:
        app.state.asset_services = None
        await services.search.close()
        await run_in_threadpool(services.usage.close)
        await run_in_threadpool(services.searches.close)


async def get_services(request: Request) -> AssetServices:
    """Hand out the application's services, made at the first request."""
    state = request.app.state
    services: AssetServices | None = getattr(state, "asset_services", None)
    if services is None:
        services = state.asset_services = build_services(state.catalog)
    return services


async def get_linker(request: Request) -> Linker:
    """Make the maker of this answer's links."""
    catalog: Catalog = request.app.state.catalog
    settings = catalog.settings
    services = await get_services(request)
    return Linker(
        path=services.path,
        base=base_address(request),
        expires_at=rounded_expiry(catalog.clock.now(), settings.link_seconds),
    )


def base_address(request: Request) -> str:
    """Tell the address of the API as the caller sees it, without a final slash."""
    catalog: Catalog = request.app.state.catalog
    return (catalog.settings.public_url or str(request.base_url)).rstrip("/")


ServicesDep = Annotated[AssetServices, Depends(get_services)]
LinkerDep = Annotated[Linker, Depends(get_linker)]
