"""``/api/assets/search`` and ``/api/search/transcripts``."""

from time import perf_counter
from typing import Any

from fastapi import APIRouter, Request

from api import presenters
from api.asset_services import (
    LinkerDep,
    ServicesDep,
    get_linker,
    get_services,
    services_lifespan,
)
from api.freshness import FreshDep, index_reached
from api.queries import TranscriptQueryDep, next_page_token
from api.responses import JsonResponse
from api.schemas.problems import problems
from api.schemas.search import SearchPage, TranscriptPage
from api.search_notes import note
from api.search_params import documented_parameters, read_search_query

router = APIRouter(tags=["search"], lifespan=services_lifespan)


@router.get(
    "/api/assets/search",
    summary="Search assets of all types",
    response_model=SearchPage,
    responses=problems(400, 401, 503),
    openapi_extra={"parameters": documented_parameters()},
)
async def search_assets(request: Request) -> JsonResponse:
    """Typo-tolerant search over names, tags, prompts, descriptions and spoken words.

    One page mixes LoRAs, images, transcripts and datasets. `facets` count what was
    found, as far as the caller may see it. Without `q` everything is found.
    """
    # Not by dependencies: this is the hot path, see ``api.search_params``.
    query = await read_search_query(request)
    started = perf_counter()
    services = await get_services(request)
    link = await get_linker(request)
    answered = await services.search.search(query)
    answer = answered.answer
    took_ms = round((perf_counter() - started) * 1000, 1)
    facts: dict[str, Any] = {
        "searchId": note(services, query, answered, took_ms),
        "found": answer.found,
        "page": query.page,
        "perPage": query.per_page,
        "tookMs": 0.0,
        "hits": [presenters.hit(found, link) for found in answer.hits],
        "facets": presenters.facets(answer),
        **presenters.standing(answered, reached=index_reached(request)),
    }
    if answer.is_partial:
        facts["partial"] = True
    facts["tookMs"] = round((perf_counter() - started) * 1000, 1)
    return JsonResponse(facts)


@router.get(
    "/api/search/transcripts",
    summary="Search what was said",
    response_model=TranscriptPage,
    responses=problems(400, 401, 503),
)
async def search_transcripts(
    query: TranscriptQueryDep,
    fresh: FreshDep,
    services: ServicesDep,
    link: LinkerDep,
) -> JsonResponse:
    """Jobs whose transcript says it, each with its best moments.

    `"…"` looks for a phrase, `-word` excludes. Times are milliseconds from the start
    of the recording, `null` where the source has none.
    """
    started = perf_counter()
    answered = await services.search.search_transcripts(query)
    took_ms = round((perf_counter() - started) * 1000, 1)
    answer = answered.answer
    jobs = [presenters.transcript_job(found, link) for found in answer.hits]
    if answered.is_degraded:
        jobs = [job | {"matches": None} for job in jobs]
    facts: dict[str, Any] = {
        "searchId": note(services, query, answered, took_ms),
        "found": answer.found,
        "jobs": jobs,
        "nextPageToken": next_page_token(query, answer.found),
        **presenters.standing(answered, reached=fresh),
    }
    if answer.is_partial:
        facts["partial"] = True
    return JsonResponse(facts)
